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
    pub(super) dialed_at: Option<Moment>,
    pub(super) ended_at: Option<Moment>,
    /// Until the answer, or to the end where there was none.
    pub(super) ring: Option<Duration>,
    /// From the answer to the end.
    pub(super) talk: Option<Duration>,
}

/// A time of day: what the clock showed, and how far from UTC that clock was, where the file has that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(super) clock: DateTime,
    offset: Option<Offset>,
}

impl Moment {
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

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let clock = self.show("%Y-%m-%dT%H:%M:%S.%3f");
        serializer.serialize_str(&(clock + &self.show("%:z")))
    }
}

/// The columns that the report looks at. A file that lacks one of the optional ones has fewer figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReportColumns {
    outcome: OutcomeColumns,
    campaign: Option<usize>,
    trunk: Option<usize>,
    dialed_at: Option<usize>,
    ended_at: Option<usize>,
    ring: Option<usize>,
    talk: Option<usize>,
}

impl ReportColumns {
    pub(crate) fn of<R: Read>(reader: &ResultsReader<R>) -> Result<Self, ResultsError> {
        Ok(Self {
            outcome: OutcomeColumns::of(reader)?,
            campaign: reader.column("campaign"),
            trunk: reader.column("trunk"),
            dialed_at: reader.column("dialed_at"),
            ended_at: reader.column("ended_at"),
            ring: reader.column("ring_seconds"),
            talk: reader.column("talk_seconds"),
        })
    }

    pub(crate) fn read<'r>(
        &self,
        record: &ResultsRecord<'r>,
    ) -> Result<ReportEntry<'r>, ResultsError> {
        let outcome = self.outcome.read(record)?;
        let dialed_at = time(record, "dialed_at", self.dialed_at)?;
        let called = if self.dialed_at.is_some() {
            dialed_at.is_some()
        } else {
            outcome.attempt > 0
                && !matches!(
                    outcome.disposition,
                    Disposition::Suppressed | Disposition::Duplicate
                )
        };
        Ok(ReportEntry {
            outcome,
            campaign: record.get(self.campaign),
            called,
            trunk: record.get(self.trunk),
            dialed_at,
            ended_at: time(record, "ended_at", self.ended_at)?,
            ring: seconds(record, "ring_seconds", self.ring)?,
            talk: seconds(record, "talk_seconds", self.talk)?,
        })
    }
}

fn time(
    record: &ResultsRecord<'_>,
    name: &str,
    column: Option<usize>,
) -> Result<Option<Moment>, ResultsError> {
    match record.get(column) {
        "" => Ok(None),
        field => match Moment::parse(field) {
            None => Err(record.error(&format!("{name} {field:?} is no time"))),
            moment => Ok(moment),
        },
    }
}

fn seconds(
    record: &ResultsRecord<'_>,
    name: &str,
    column: Option<usize>,
) -> Result<Option<Duration>, ResultsError> {
    let parse = |field: &str| Duration::try_from_secs_f64(field.parse().ok()?).ok();
    match record.get(column) {
        "" => Ok(None),
        field => match parse(field) {
            None => Err(record.error(&format!("{name} {field:?} is no number of seconds"))),
            duration => Ok(duration),
        },
    }
}
