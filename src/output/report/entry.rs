//! What the report looks at in a row, whether it is read back from a file or still at hand.

use std::time::Duration;

use jiff::Timestamp;
#[cfg(test)]
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;
use serde::{Serialize, Serializer};

use crate::disposition::Disposition;
use crate::output::format::exact;
use crate::results::read::{ReadError, Reader, Record};
use crate::results::resume::is_simulated;
#[cfg(test)]
use crate::results::schema::ResultsRow;

static PARSER: DateTimeParser = DateTimeParser::new();

/// What a row says for the report.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entry<'r> {
    /// The campaign's name.
    pub(super) campaign: &'r str,
    /// The contact's id.
    pub(super) contact: &'r str,
    /// Which call of the contact it was, from 1.
    pub(super) attempt: u16,
    /// It used one of `max_attempts`.
    pub(super) counted: bool,
    /// The contact will not be called again.
    pub(super) is_final: bool,
    /// The outcome.
    pub(super) disposition: Disposition,
    /// There was a call; some rows only say why there was none.
    pub(super) called: bool,
    /// The trunk's name.
    pub(super) trunk: &'r str,
    /// When it was dialed.
    pub(super) dialed_at: Option<Moment>,
    /// When it ended.
    pub(super) ended_at: Option<Moment>,
    /// Until the answer, or to the end where there was none.
    pub(super) ring: Option<Duration>,
    /// From the answer to the end.
    pub(super) talk: Option<Duration>,
    /// It is a rehearsal's.
    pub(super) simulated: bool,
}

impl<'r> Entry<'r> {
    /// What a row that is still at hand says; nothing where it has no outcome.
    #[cfg(test)]
    pub(crate) fn of(row: &'r ResultsRow) -> Option<Self> {
        Some(Self {
            campaign: &row.campaign,
            contact: &row.contact,
            attempt: row.attempt,
            counted: row.counted,
            is_final: row.is_final,
            disposition: row.disposition?,
            called: row.dialed_at.is_some(),
            trunk: &row.trunk,
            dialed_at: row.dialed_at.as_ref().map(Moment::of),
            ended_at: row.ended_at.as_ref().map(Moment::of),
            ring: row.ring,
            talk: row.talk,
            simulated: is_simulated(&row.note),
        })
    }
}

/// A time of day: what the clock showed, and how far from UTC that clock was, where the file has that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(super) clock: DateTime,
    offset: Option<Offset>,
}

impl Moment {
    #[cfg(test)]
    fn of(time: &Zoned) -> Self {
        Self {
            clock: time.datetime(),
            offset: Some(time.offset()),
        }
    }

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

/// The places of the columns that the report looks at. Without the first four nothing can be said; a file that lacks
/// others has fewer figures.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Columns {
    contact: usize,
    attempt: usize,
    is_final: usize,
    disposition: usize,
    campaign: Option<usize>,
    counted: Option<usize>,
    trunk: Option<usize>,
    dialed_at: Option<usize>,
    ended_at: Option<usize>,
    ring: Option<usize>,
    talk: Option<usize>,
    note: Option<usize>,
}

impl Columns {
    /// Finds them by their names.
    ///
    /// # Errors
    /// One that has to be there is not.
    pub(crate) fn of<R: std::io::Read>(reader: &Reader<R>) -> Result<Self, ReadError> {
        Ok(Self {
            contact: reader.needed("contact")?,
            attempt: reader.needed("attempt")?,
            is_final: reader.needed("final")?,
            disposition: reader.needed("disposition")?,
            campaign: reader.column("campaign"),
            counted: reader.column("counted"),
            trunk: reader.column("trunk"),
            dialed_at: reader.column("dialed_at"),
            ended_at: reader.column("ended_at"),
            ring: reader.column("ring_seconds"),
            talk: reader.column("talk_seconds"),
            note: reader.column("note"),
        })
    }

    /// What a row says.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn entry<'r>(&self, record: &'r Record) -> Result<Entry<'r>, String> {
        let disposition: Disposition = record
            .get(Some(self.disposition))
            .parse()
            .map_err(|error| format!("{error}"))?;
        let attempt = record.get(Some(self.attempt));
        let attempt = attempt
            .parse()
            .map_err(|_| format!("attempt {attempt:?} is no number of calls"))?;
        let is_final = yes_no("final", record.get(Some(self.is_final)))?;
        let dialed_at = time("dialed_at", record.get(self.dialed_at))?;
        let called = if self.dialed_at.is_some() {
            dialed_at.is_some()
        } else {
            attempt > 0
                && !matches!(
                    disposition,
                    Disposition::Suppressed | Disposition::Duplicate
                )
        };
        Ok(Entry {
            campaign: record.get(self.campaign),
            contact: record.get(Some(self.contact)),
            attempt,
            counted: record.get(self.counted) == "yes",
            is_final,
            disposition,
            called,
            trunk: record.get(self.trunk),
            dialed_at,
            ended_at: time("ended_at", record.get(self.ended_at))?,
            ring: seconds("ring_seconds", record.get(self.ring))?,
            talk: seconds("talk_seconds", record.get(self.talk))?,
            simulated: is_simulated(record.get(self.note)),
        })
    }
}

fn yes_no(column: &str, field: &str) -> Result<bool, String> {
    match field {
        "yes" => Ok(true),
        "no" => Ok(false),
        _ => Err(format!("{column} {field:?} is neither yes nor no")),
    }
}

fn time(column: &str, field: &str) -> Result<Option<Moment>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    Moment::parse(field)
        .map(Some)
        .ok_or_else(|| format!("{column} {field:?} is no time"))
}

fn seconds(column: &str, field: &str) -> Result<Option<Duration>, String> {
    if field.is_empty() {
        return Ok(None);
    }
    field
        .parse()
        .ok()
        .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        .map(Some)
        .ok_or_else(|| format!("{column} {field:?} is no number of seconds"))
}
