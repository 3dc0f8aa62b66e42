//! The figures of a campaign once all its rows are read. The text, the page and the JSON object say the same.

use std::fmt;
use std::ops::{Index, IndexMut};

use jiff::civil::Date;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::call_lengths::CallLengths;
use super::entry::ResultsTime;
use crate::disposition::Disposition;
use crate::output::format::rounded;

/// `dialer report --json` prints this, and scripts depend on its keys.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// Nearly always one.
    pub(super) campaigns: Vec<String>,
    pub(super) simulated: bool,
    /// The last row is not whole, and is not counted.
    pub(super) torn: bool,
    pub(super) rows: u64,
    pub(super) first_dialed_at: Option<ResultsTime>,
    pub(super) last_ended_at: Option<ResultsTime>,
    pub(super) contacts: ContactFigures,
    /// Contacts reached, of those called; `None` where no contact was called.
    #[serde(serialize_with = "four_decimals")]
    pub(super) answer_rate: Option<f64>,
    pub(super) attempts: CallFigures,
    pub(super) dispositions: ByDisposition<DispositionFigures>,
    pub(super) durations: CallDurations,
    /// All 24 hours, or none where the file has no times.
    pub(super) hours: Vec<CallGroup>,
    /// Only days with calls.
    pub(super) days: Vec<CallGroup>,
    pub(super) trunks: Vec<CallGroup>,
    pub(super) attempt_numbers: Vec<CallGroup>,
}

/// How many contacts came how far.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct ContactFigures {
    pub(super) in_results: u64,
    pub(super) called: u64,
    /// At least one call was picked up: `ANSWERED`, `SHORT` or `MACHINE`.
    pub(super) reached: u64,
    /// At least one call was `ANSWERED`.
    pub(super) answered: u64,
    pub(super) not_called: u64,
    pub(super) finished: u64,
    /// The last row is not final.
    pub(super) pending: u64,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct CallFigures {
    pub(super) total: u64,
    /// Those that used one of `max_attempts`.
    pub(super) counted: u64,
    pub(super) picked_up: u64,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
pub(super) struct DispositionFigures {
    /// Contacts whose final outcome it is.
    pub(super) contacts: u64,
    /// Those of them that were never called.
    pub(super) not_called: u64,
    /// Calls that ended so.
    pub(super) attempts: u64,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct CallDurations {
    /// From the answer to the end, of calls that were picked up.
    pub(super) talk: CallLengths,
    /// From dialing to the answer.
    pub(super) ring_answered: CallLengths,
    /// From dialing to the end of `NO ANSWER` calls.
    pub(super) ring_no_answer: CallLengths,
}

/// The calls that have something in common.
#[derive(Debug)]
pub(super) struct CallGroup {
    pub(super) key: GroupKey,
    pub(super) calls: ByDisposition<u64>,
}

/// What calls have in common. Times are those of the clock by which the results were written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum GroupKey {
    /// The hour in which they were dialed, on any day.
    Hour(i8),
    /// The day on which they were dialed.
    Day(Date),
    Trunk(String),
    /// Which call of its contact it was, from 1.
    Attempt(u16),
}

impl fmt::Display for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hour(hour) => write!(f, "{hour:02}:00"),
            Self::Day(day) => write!(f, "{day}"),
            Self::Trunk(name) if name.is_empty() => f.write_str("no name"),
            Self::Trunk(name) => f.write_str(name),
            Self::Attempt(number) => write!(f, "{number}"),
        }
    }
}

impl Serialize for CallGroup {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.key {
            GroupKey::Hour(hour) => map.serialize_entry("hour", hour),
            GroupKey::Day(day) => map.serialize_entry("day", &day.to_string()),
            GroupKey::Trunk(name) => map.serialize_entry("trunk", name),
            GroupKey::Attempt(number) => map.serialize_entry("attempt", number),
        }?;
        map.serialize_entry("attempts", &self.calls.total())?;
        map.serialize_entry("picked_up", &self.calls.picked_up())?;
        if matches!(self.key, GroupKey::Trunk(_) | GroupKey::Attempt(_)) {
            map.serialize_entry("dispositions", &self.calls)?;
        }
        map.end()
    }
}

/// Something of each disposition.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct ByDisposition<T>([T; Disposition::ALL.len()]);

impl<T> Index<Disposition> for ByDisposition<T> {
    type Output = T;

    fn index(&self, disposition: Disposition) -> &T {
        &self.0[disposition as usize]
    }
}

impl<T> IndexMut<Disposition> for ByDisposition<T> {
    fn index_mut(&mut self, disposition: Disposition) -> &mut T {
        &mut self.0[disposition as usize]
    }
}

impl<T: Serialize> Serialize for ByDisposition<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            Disposition::ALL
                .map(Disposition::as_str)
                .iter()
                .zip(&self.0),
        )
    }
}

impl ByDisposition<u64> {
    pub(super) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    pub(super) fn picked_up(&self) -> u64 {
        let picked_up = Disposition::ALL.into_iter().filter(|how| how.picked_up());
        picked_up.map(|how| self[how]).sum()
    }
}

impl Figures {
    /// In one line.
    pub(crate) fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The names of the campaigns.
    pub(super) fn title(&self) -> String {
        if self.campaigns.is_empty() {
            "Results".to_owned()
        } else {
            self.campaigns.join(", ")
        }
    }

    /// `2026-11-25 18:22:22 to 18:22:59 -03:00, 37.0s`
    pub(super) fn period(&self) -> Option<String> {
        Some(self.first_dialed_at?.period_to(self.last_ended_at?))
    }
}

#[expect(clippy::ref_option, reason = "as serde calls it")]
fn four_decimals<S: Serializer>(share: &Option<f64>, serializer: S) -> Result<S::Ok, S::Error> {
    share.map(rounded).serialize(serializer)
}
