//! What there is to say of a campaign once all its rows are in. The forms differ, the figures are these.

use std::fmt;
use std::time::Duration;

use jiff::civil::Date;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{Best, Counts, Moment, Report};
use crate::disposition::Disposition;
use crate::output::format::{rounded, seconds, share};
use crate::output::report::durations::Lengths;

/// The figures; their serialised form is what `dialer report --json` prints, and scripts depend on its keys.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The campaigns whose rows these are; nearly always one.
    pub campaigns: Vec<String>,
    /// Some rows are a rehearsal's.
    pub simulated: bool,
    /// The last row was torn, and is not counted.
    pub torn: bool,
    /// Rows that were read.
    pub rows: u64,
    /// When the first call was dialed.
    #[serde(serialize_with = "moment")]
    pub first_dialed_at: Option<Moment>,
    /// When the last call ended.
    #[serde(serialize_with = "moment")]
    pub last_ended_at: Option<Moment>,
    /// The funnel.
    pub contacts: Reached,
    /// Contacts reached, of those called: between 0 and 1; `None` where nobody was called.
    #[serde(serialize_with = "four_decimals")]
    pub answer_rate: Option<f64>,
    /// Calls.
    pub attempts: Attempts,
    /// By disposition, in their order.
    pub dispositions: Dispositions,
    /// How long calls took.
    pub durations: Durations,
    /// By the hour in which they were dialed: 24 of them, or none where the file has no times.
    pub hours: Vec<Hour>,
    /// By the day on which they were dialed, in their order; days without a call are left out.
    pub days: Vec<Day>,
    /// By trunk, in the order of their names.
    pub trunks: Vec<Group>,
    /// By which call of the contact it was, from 1.
    pub attempt_numbers: Vec<Group>,
}

/// How many contacts came how far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Reached {
    /// Contacts that have a row.
    pub in_results: u64,
    /// Those of them that were called at least once.
    pub called: u64,
    /// Those of the called one of whose calls was picked up: `ANSWERED`, `SHORT` or `MACHINE`.
    pub reached: u64,
    /// Those of the reached one of whose calls was `ANSWERED`.
    pub answered: u64,
    /// Contacts in the results that were never called.
    pub not_called: u64,
    /// Contacts with their final outcome.
    pub finished: u64,
    /// Contacts whose last row is not final.
    pub pending: u64,
}

/// The calls in all.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Attempts {
    /// All of them.
    pub total: u64,
    /// Those that used one of `max_attempts`.
    pub counted: u64,
    /// Those that were picked up.
    pub picked_up: u64,
}

/// By disposition, each of them, in their order.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dispositions([OfDisposition; crate::output::report::KINDS]);

/// What there is of a disposition.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct OfDisposition {
    /// Contacts whose final outcome it is.
    pub contacts: u64,
    /// Those of them that were never called.
    pub not_called: u64,
    /// Calls that ended so.
    pub attempts: u64,
}

impl Dispositions {
    /// What there is of one.
    pub fn get(&self, disposition: Disposition) -> OfDisposition {
        self.0[disposition as usize]
    }
}

impl Serialize for Dispositions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(Disposition::ALL.len()))?;
        for disposition in Disposition::ALL {
            map.serialize_entry(disposition.as_str(), &self.get(disposition))?;
        }
        map.end()
    }
}

/// How long calls took.
#[derive(Debug, Serialize)]
pub struct Durations {
    /// From the answer to the end, of calls that were picked up.
    pub talk: Option<Length>,
    /// From dialing to the answer.
    pub ring_answered: Option<Length>,
    /// From dialing to the end of `NO ANSWER` calls.
    pub ring_no_answer: Option<Length>,
    /// How many calls talked how long: under 5 s, 10 s, 20 s, 30 s, 60 s, 2 min, 5 min, and longer.
    #[serde(skip)]
    pub talk_spread: Vec<u64>,
}

/// The bounds of [`Durations::talk_spread`], in seconds.
pub(super) const SPREAD: [u64; 7] = [5, 10, 20, 30, 60, 120, 300];

/// How long calls of one kind took.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Length {
    /// How many there were; at least one.
    pub calls: u64,
    /// Together.
    #[serde(rename = "total_seconds", serialize_with = "in_seconds")]
    pub total: Duration,
    /// On average.
    #[serde(rename = "mean_seconds", serialize_with = "in_seconds")]
    pub mean: Duration,
    /// Half of them were no longer, to the tenth of a second.
    #[serde(rename = "median_seconds", serialize_with = "in_seconds")]
    pub median: Duration,
    /// Nine of ten were no longer, to the tenth of a second.
    #[serde(rename = "p90_seconds", serialize_with = "in_seconds")]
    pub p90: Duration,
    /// The longest.
    #[serde(rename = "longest_seconds", serialize_with = "in_seconds")]
    pub longest: Duration,
}

impl Length {
    fn of(lengths: &Lengths) -> Option<Self> {
        (lengths.calls() > 0).then(|| Self {
            calls: lengths.calls(),
            total: lengths.total(),
            mean: lengths.mean(),
            median: lengths.quantile(50),
            p90: lengths.quantile(90),
            longest: lengths.longest(),
        })
    }
}

/// The calls dialed in an hour of the day, on whatever day.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Hour {
    /// 0 to 23, of the clock that the times were written by.
    pub hour: usize,
    /// All of them.
    pub attempts: u64,
    /// Those that were picked up.
    pub picked_up: u64,
}

/// The calls dialed on a day.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Day {
    /// Of the clock that the times were written by.
    #[serde(serialize_with = "day")]
    pub day: Date,
    /// All of them.
    pub attempts: u64,
    /// Those that were picked up.
    pub picked_up: u64,
}

/// The calls that have something in common.
#[derive(Debug, Serialize)]
pub struct Group {
    /// What that is.
    #[serde(flatten)]
    pub of: Common,
    /// How many there were.
    pub attempts: u64,
    /// Those that were picked up.
    pub picked_up: u64,
    /// How they ended.
    #[serde(serialize_with = "by_name")]
    pub dispositions: [u64; crate::output::report::KINDS],
}

/// What calls have in common.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Common {
    /// The trunk that they went out on.
    Trunk(String),
    /// Which call of their contact they were, from 1.
    Attempt(u16),
}

impl Group {
    fn new(of: Common, counts: Counts) -> Self {
        Self {
            of,
            attempts: counts.iter().sum(),
            picked_up: picked_up(&counts),
            dispositions: counts,
        }
    }
}

impl fmt::Display for Common {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Trunk(name) if name.is_empty() => f.write_str("no name"),
            Self::Trunk(name) => f.write_str(name),
            Self::Attempt(number) => write!(f, "{number}"),
        }
    }
}

impl Report {
    /// What there is to say. `torn`: behind the rows there was one that is not whole.
    pub fn figures(&self, torn: bool) -> Figures {
        let mut contacts = Reached::default();
        let mut dispositions = Dispositions::default();
        for standing in self.contacts.values() {
            contacts.in_results += 1;
            contacts.called += u64::from(standing.called);
            contacts.not_called += u64::from(!standing.called);
            contacts.reached += u64::from(standing.best >= Best::PickedUp);
            contacts.answered += u64::from(standing.best >= Best::Answered);
            if standing.is_final {
                let of = &mut dispositions.0[standing.last as usize];
                contacts.finished += 1;
                of.contacts += 1;
                of.not_called += u64::from(!standing.called);
            } else {
                contacts.pending += 1;
            }
        }
        for (of, attempts) in dispositions.0.iter_mut().zip(self.attempts) {
            of.attempts = attempts;
        }
        let hours = self.hours.iter().enumerate().map(|(hour, counts)| Hour {
            hour,
            attempts: counts.iter().sum(),
            picked_up: picked_up(counts),
        });
        Figures {
            campaigns: self.campaigns.clone(),
            simulated: self.simulated,
            torn,
            rows: self.rows,
            first_dialed_at: self.first_dialed,
            last_ended_at: self.last_ended,
            answer_rate: share(contacts.reached, contacts.called),
            contacts,
            attempts: Attempts {
                total: self.attempts.iter().sum(),
                counted: self.counted,
                picked_up: picked_up(&self.attempts),
            },
            dispositions,
            durations: Durations {
                talk: Length::of(&self.talk),
                ring_answered: Length::of(&self.ring_answered),
                ring_no_answer: Length::of(&self.ring_no_answer),
                talk_spread: self.talk.spread(&SPREAD.map(Duration::from_secs)),
            },
            hours: if self.first_dialed.is_some() {
                hours.collect()
            } else {
                Vec::new()
            },
            days: self
                .days
                .iter()
                .map(|(&day, counts)| Day {
                    day,
                    attempts: counts.iter().sum(),
                    picked_up: picked_up(counts),
                })
                .collect(),
            trunks: self
                .trunks
                .iter()
                .map(|(name, counts)| Group::new(Common::Trunk(name.clone()), *counts))
                .collect(),
            attempt_numbers: self
                .numbers
                .iter()
                .map(|(number, counts)| Group::new(Common::Attempt(*number), *counts))
                .collect(),
        }
    }
}

impl Figures {
    /// The object for programs, in one line.
    ///
    /// # Errors
    /// None that the data could cause.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The names of the campaigns, for a title.
    pub(super) fn title(&self) -> String {
        if self.campaigns.is_empty() {
            "Results".to_owned()
        } else {
            self.campaigns.join(", ")
        }
    }
}

fn picked_up(counts: &Counts) -> u64 {
    Disposition::ALL
        .into_iter()
        .filter(|disposition| disposition.picked_up())
        .map(|disposition| counts[disposition as usize])
        .sum()
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn four_decimals<S: Serializer>(share: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    share.map(rounded).serialize(serializer)
}

fn in_seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(seconds(*duration))
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn moment<S: Serializer>(moment: &Option<Moment>, serializer: S) -> Result<S::Ok, S::Error> {
    moment.map(Moment::rfc3339).serialize(serializer)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn day<S: Serializer>(day: &Date, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(day)
}

fn by_name<S: Serializer>(counts: &Counts, serializer: S) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(Some(counts.len()))?;
    for disposition in Disposition::ALL {
        map.serialize_entry(disposition.as_str(), &counts[disposition as usize])?;
    }
    map.end()
}
