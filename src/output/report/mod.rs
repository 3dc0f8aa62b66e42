//! What became of a campaign, in figures: made of the rows of its results, and shown as text, a JSON object or a page.
//!
//! Memory does not grow with the rows, except for sixteen bytes a contact. No phone number is kept.

mod call_lengths;
mod entry;
mod figures;
mod html;
mod tables;
mod text;

use std::collections::BTreeMap;

use crate::disposition::Disposition;
use crate::output::format::share;
use crate::results::keys::{ByKey, ContactKeys};
use figures::{ByDisposition, CallGroup, GroupKey};

pub(crate) use entry::{ReportColumns, ReportEntry};
pub(crate) use figures::Figures;
pub(crate) use html::page;
pub(crate) use text::text;

/// More than a results file has; the names of others are left out.
const MOST_CAMPAIGNS: usize = 20;

/// The figures of the rows so far.
#[derive(Debug, Default)]
pub(crate) struct CampaignReport {
    /// Without what is known only after the last row.
    figures: Figures,
    contacts: ByKey<ContactOutcome>,
    keys: ContactKeys,
    groups: BTreeMap<GroupKey, ByDisposition<u64>>,
}

/// The outcome of a contact after its rows so far.
#[derive(Debug)]
struct ContactOutcome {
    last: Disposition,
    is_final: bool,
    best: BestCall,
}

/// The best of the calls to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum BestCall {
    NoCall,
    NotReached,
    PickedUp,
    Answered,
}

impl CampaignReport {
    /// Adds a row. Rows come in the order of the results.
    pub(crate) fn add(&mut self, entry: &ReportEntry<'_>) {
        let figures = &mut self.figures;
        figures.rows += 1;
        figures.simulated |= entry.outcome.simulated;
        let campaigns = &mut figures.campaigns;
        if !entry.campaign.is_empty()
            && campaigns.len() < MOST_CAMPAIGNS
            && !campaigns.iter().any(|name| name == entry.campaign)
        {
            campaigns.push(entry.campaign.to_owned());
        }
        let call = match entry.outcome.disposition {
            _ if !entry.called => BestCall::NoCall,
            Disposition::Answered => BestCall::Answered,
            disposition if disposition.picked_up() => BestCall::PickedUp,
            _ => BestCall::NotReached,
        };
        let contact = self.contacts.entry(self.keys.of(entry.outcome.contact));
        let contact = contact.or_insert(ContactOutcome {
            last: entry.outcome.disposition,
            is_final: false,
            best: call,
        });
        contact.last = entry.outcome.disposition;
        contact.is_final = entry.outcome.is_final;
        contact.best = contact.best.max(call);
        if entry.called {
            self.add_call(entry);
        }
    }

    fn add_call(&mut self, entry: &ReportEntry<'_>) {
        let (outcome, dialed_at) = (entry.outcome, entry.dialed_at);
        let disposition = outcome.disposition;
        let picked_up = disposition.picked_up();
        let figures = &mut self.figures;
        figures.attempts.total += 1;
        figures.attempts.counted += u64::from(outcome.counted);
        figures.attempts.picked_up += u64::from(picked_up);
        figures.dispositions[disposition].attempts += 1;
        let first = figures.first_dialed_at.into_iter().chain(dialed_at);
        figures.first_dialed_at = first.min_by_key(|moment| moment.instant());
        let last = figures.last_ended_at.into_iter().chain(entry.ended_at);
        figures.last_ended_at = last.max_by_key(|moment| moment.instant());
        if let Some(talk) = entry.talk.filter(|_| picked_up) {
            figures.durations.talk.add(talk);
        }
        match entry.ring {
            Some(ring) if picked_up => figures.durations.ring_answered.add(ring),
            Some(ring) if disposition == Disposition::NoAnswer => {
                figures.durations.ring_no_answer.add(ring);
            }
            _ => {}
        }
        let keys = [
            Some(GroupKey::Trunk(entry.trunk.to_owned())),
            Some(GroupKey::Attempt(outcome.attempt)),
            dialed_at.map(|at| GroupKey::Hour(at.clock.hour())),
            dialed_at.map(|at| GroupKey::Day(at.clock.date())),
        ];
        for key in keys.into_iter().flatten() {
            self.groups.entry(key).or_default()[disposition] += 1;
        }
    }

    /// The figures of all rows. `torn`: they are followed by a row that is not whole.
    pub(crate) fn figures(self, torn: bool) -> Figures {
        let (mut figures, mut groups) = (self.figures, self.groups);
        figures.torn = torn;
        let contacts = &mut figures.contacts;
        for outcome in self.contacts.values() {
            let called = outcome.best > BestCall::NoCall;
            contacts.in_results += 1;
            contacts.called += u64::from(called);
            contacts.not_called += u64::from(!called);
            contacts.reached += u64::from(outcome.best >= BestCall::PickedUp);
            contacts.answered += u64::from(outcome.best == BestCall::Answered);
            if outcome.is_final {
                contacts.finished += 1;
                let disposition = &mut figures.dispositions[outcome.last];
                disposition.contacts += 1;
                disposition.not_called += u64::from(!called);
            } else {
                contacts.pending += 1;
            }
        }
        figures.answer_rate = share(contacts.reached, contacts.called);
        if figures.first_dialed_at.is_some() {
            for hour in 0..24 {
                groups.entry(GroupKey::Hour(hour)).or_default();
            }
        }
        for (key, calls) in groups {
            let of_kind = match key {
                GroupKey::Hour(_) => &mut figures.hours,
                GroupKey::Day(_) => &mut figures.days,
                GroupKey::Trunk(_) => &mut figures.trunks,
                GroupKey::Attempt(_) => &mut figures.attempt_numbers,
            };
            of_kind.push(CallGroup { key, calls });
        }
        figures
    }
}

#[cfg(test)]
mod tests;
