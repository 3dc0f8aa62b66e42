//! What the report looks at in a row, whether it is read back from a file or still at hand.

use std::io::Read;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

use crate::disposition::Disposition;
use crate::output::format::exact;
use crate::results::reader::{Outcome, OutcomeColumns, ResultsError, ResultsReader, ResultsRecord};

static PARSER: DateTimeParser = DateTimeParser::new();

#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportEntry<'r> {
    pub(super) outcome: Outcome<'r>,
    pub(super) campaign: &'r str,
    /// There was a call; some rows only say why there was none.
    pub(super) called: bool,
    pub(super) trunk: &'r str,
    pub(super) dialed_at: Option<ResultsTime>,
    pub(super) ended_at: Option<ResultsTime>,
    /// Until the answer, or to the end where there was none.
    pub(super) ring: Option<Duration>,
    /// From the answer to the end.
    pub(super) talk: Option<Duration>,
}

/// A time of day: what the clock showed, and how far from UTC that clock was, where the file has that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResultsTime {
    pub(super) clock: DateTime,
    offset: Option<Offset>,
}

impl ResultsTime {
    fn parse(text: &str) -> Option<Self> {
        let pieces = PARSER.parse_pieces(text).ok()?;
        Some(Self {
            clock: DateTime::from_parts(pieces.date(), pieces.time()?),
            offset: pieces.to_numeric_offset(),
        })
    }

    pub(super) fn instant(self) -> Timestamp {
        self.offset
            .unwrap_or(Offset::UTC)
            .to_timestamp(self.clock)
            .unwrap_or(Timestamp::MAX)
    }

    /// `2026-11-25 18:22:22 to 18:22:59 -03:00, 37.0s`: date and offset once where both are the same.
    pub(super) fn period_to(self, last: Self) -> String {
        const FULL: &str = "%Y-%m-%d %H:%M:%S";
        let same_offset = self.offset == last.offset;
        let from_offset = if same_offset { "" } else { &self.show(" %:z") };
        let to = if same_offset && self.clock.date() == last.clock.date() {
            "%H:%M:%S"
        } else {
            FULL
        };
        let took = last.instant().duration_since(self.instant());
        format!(
            "{}{from_offset} to {}{}, {}",
            self.show(FULL),
            last.show(to),
            last.show(" %:z"),
            exact(Duration::try_from(took).unwrap_or_default())
        )
    }

    /// In a format of strftime; an offset that is not known cannot be shown.
    fn show(self, format: &str) -> String {
        let mut time = BrokenDownTime::from(self.clock);
        time.set_offset(self.offset);
        time.to_string(format).unwrap_or_default()
    }
}

impl Serialize for ResultsTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let clock = self.show("%Y-%m-%dT%H:%M:%S.%3f");
        serializer.serialize_str(&(clock + &self.show("%:z")))
    }
}

/// A file that lacks one of these has fewer figures.
const OPTIONAL: [&str; 6] = [
    "campaign",
    "trunk",
    "dialed_at",
    "ended_at",
    "ring_seconds",
    "talk_seconds",
];

/// The columns that the report looks at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportColumns {
    outcome: OutcomeColumns,
    optional: [Option<usize>; OPTIONAL.len()],
}

impl ReportColumns {
    pub(crate) fn of<R: Read>(reader: &ResultsReader<R>) -> Result<Self, ResultsError> {
        Ok(Self {
            outcome: OutcomeColumns::of(reader)?,
            optional: OPTIONAL.map(|name| reader.column(name)),
        })
    }

    pub(crate) fn read<'r>(
        &self,
        record: &ResultsRecord<'r>,
    ) -> Result<ReportEntry<'r>, ResultsError> {
        let outcome = self.outcome.read(record)?;
        let [campaign, trunk, ..] = self.optional.map(|column| record.get(column));
        let dialed_at = self.parse(record, 2, "time", ResultsTime::parse)?;
        let no_call = [Disposition::Suppressed, Disposition::Duplicate];
        let called = match self.optional[2] {
            Some(_) => dialed_at.is_some(),
            None => outcome.attempt > 0 && !no_call.contains(&outcome.disposition),
        };
        Ok(ReportEntry {
            outcome,
            campaign,
            called,
            trunk,
            dialed_at,
            ended_at: self.parse(record, 3, "time", ResultsTime::parse)?,
            ring: self.parse(record, 4, "number of seconds", seconds)?,
            talk: self.parse(record, 5, "number of seconds", seconds)?,
        })
    }

    /// What is in an optional column; `None` where it is empty.
    fn parse<T>(
        &self,
        record: &ResultsRecord<'_>,
        column: usize,
        what: &str,
        parse: fn(&str) -> Option<T>,
    ) -> Result<Option<T>, ResultsError> {
        let field = record.get(self.optional[column]);
        if field.is_empty() {
            return Ok(None);
        }
        let error = || record.error(&format!("{} {field:?} is no {what}", OPTIONAL[column]));
        parse(field).ok_or_else(error).map(Some)
    }
}

fn seconds(field: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(field.parse().ok()?).ok()
}
