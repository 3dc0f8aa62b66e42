//! What became of a campaign, in figures: fed row by row, told as text, as one JSON object or as a page.
//!
//! A [`Report`] is the sums, in memory that does not grow with the rows but for sixteen bytes a contact. [`Figures`] is
//! what there is to say once all rows are in, and every form says the same. No phone number is kept. Where the rows come
//! from is the caller's affair: results that are read back, or a run that still has them in its hands.

mod durations;
mod entry;
mod figures;
mod html;
mod period;
mod text;

use std::collections::BTreeMap;

use jiff::civil::Date;

use crate::disposition::Disposition;
use crate::results::keys::{ByKey, ContactKeys};
use durations::Lengths;

pub use entry::{Columns, Entry, Moment};
pub use figures::{Figures, Hour};
pub use html::page;
pub use text::text;

/// How many dispositions there are.
const KINDS: usize = Disposition::ALL.len();
/// More campaigns than anybody keeps in one file.
const CAMPAIGNS: usize = 20;

/// How many calls ended how.
type Counts = [u64; KINDS];

/// The sums of a campaign, so far.
#[derive(Debug, Default)]
pub struct Report {
    campaigns: Vec<String>,
    simulated: bool,
    rows: u64,
    counted: u64,
    first_dialed: Option<Moment>,
    last_ended: Option<Moment>,
    contacts: ByKey<Standing>,
    keys: ContactKeys,
    attempts: Counts,
    hours: [Counts; 24],
    days: BTreeMap<Date, Counts>,
    trunks: BTreeMap<String, Counts>,
    numbers: BTreeMap<u16, Counts>,
    talk: Lengths,
    ring_answered: Lengths,
    ring_no_answer: Lengths,
}

/// Where a contact stands after its rows so far.
#[derive(Debug, Clone, Copy)]
struct Standing {
    last: Disposition,
    is_final: bool,
    called: bool,
    best: Best,
}

/// The most that any call to a contact came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Best {
    NotReached,
    PickedUp,
    Answered,
}

impl Report {
    /// Adds a row. Rows come in the order in which they stand in the results.
    pub fn add(&mut self, entry: &Entry<'_>) {
        self.rows += 1;
        self.simulated |= entry.simulated;
        if !entry.campaign.is_empty()
            && self.campaigns.len() < CAMPAIGNS
            && !self.campaigns.iter().any(|name| name == entry.campaign)
        {
            self.campaigns.push(entry.campaign.to_owned());
        }
        let best = match entry.disposition {
            _ if !entry.called => Best::NotReached,
            Disposition::Answered => Best::Answered,
            disposition if disposition.picked_up() => Best::PickedUp,
            _ => Best::NotReached,
        };
        let key = self.keys.of(entry.contact);
        let standing = self.contacts.entry(key).or_insert(Standing {
            last: entry.disposition,
            is_final: false,
            called: false,
            best,
        });
        standing.last = entry.disposition;
        standing.is_final = entry.is_final;
        standing.called |= entry.called;
        standing.best = standing.best.max(best);
        if entry.called {
            self.add_call(entry);
        }
    }

    fn add_call(&mut self, entry: &Entry<'_>) {
        let kind = entry.disposition as usize;
        self.attempts[kind] += 1;
        self.counted += u64::from(entry.counted);
        self.numbers.entry(entry.attempt).or_default()[kind] += 1;
        match self.trunks.get_mut(entry.trunk) {
            Some(counts) => counts[kind] += 1,
            None => self.trunks.entry(entry.trunk.to_owned()).or_default()[kind] += 1,
        }
        if let Some(at) = entry.dialed_at {
            self.hours[at.hour()][kind] += 1;
            self.days.entry(at.clock().date()).or_default()[kind] += 1;
            self.first_dialed = Some(self.first_dialed.map_or(at, |first| first.earlier(at)));
        }
        if let Some(at) = entry.ended_at {
            self.last_ended = Some(self.last_ended.map_or(at, |last| last.later(at)));
        }
        let picked_up = entry.disposition.picked_up();
        if let Some(talk) = entry.talk.filter(|_| picked_up) {
            self.talk.add(talk);
        }
        if let Some(ring) = entry.ring {
            if picked_up {
                self.ring_answered.add(ring);
            } else if entry.disposition == Disposition::NoAnswer {
                self.ring_no_answer.add(ring);
            }
        }
    }
}

#[cfg(test)]
mod tests;
