//! What the report looks at in a row, whether it is read back from a file or still at hand.

use std::time::Duration;

use jiff::Timestamp;
#[cfg(test)]
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;
use jiff::tz::Offset;

use crate::disposition::Disposition;
use crate::results::read::{ReadError, Reader, Record};
use crate::results::resume::is_simulated;
#[cfg(test)]
use crate::results::schema::ResultsRow;

static PARSER: DateTimeParser = DateTimeParser::new();

/// What a row says for the report.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy)]
pub struct Entry<'r> {
    /// The campaign's name.
    pub campaign: &'r str,
    /// The contact's id.
    pub contact: &'r str,
    /// Which call of the contact it was, from 1.
    pub attempt: u16,
    /// It used one of `max_attempts`.
    pub counted: bool,
    /// The contact will not be called again.
    pub is_final: bool,
    /// The outcome.
    pub disposition: Disposition,
    /// There was a call; some rows only say why there was none.
    pub called: bool,
    /// The trunk's name.
    pub trunk: &'r str,
    /// When it was dialed.
    pub dialed_at: Option<Moment>,
    /// When it ended.
    pub ended_at: Option<Moment>,
    /// Until the answer, or to the end where there was none.
    pub ring: Option<Duration>,
    /// From the answer to the end.
    pub talk: Option<Duration>,
    /// It is a rehearsal's.
    pub simulated: bool,
}

impl<'r> Entry<'r> {
    /// What a row that is still at hand says; nothing where it has no outcome.
    #[cfg(test)]
    pub fn of(row: &'r ResultsRow) -> Option<Self> {
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

/// A time of day somewhere: what the clock on the wall showed, and how far from UTC that was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    clock: DateTime,
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

    /// The hour that the clock showed, 0 to 23.
    pub fn hour(self) -> usize {
        usize::try_from(self.clock.hour()).unwrap_or(0)
    }

    /// What the clock showed.
    pub fn clock(self) -> DateTime {
        self.clock
    }

    /// How far that clock was from UTC, where it is known.
    pub fn offset(self) -> Option<Offset> {
        self.offset
    }

    /// As it stands in the results.
    pub fn rfc3339(self) -> String {
        let clock = self.clock.strftime("%Y-%m-%dT%H:%M:%S.%3f");
        match self.offset {
            Some(offset) => format!("{clock}{}", hours_and_minutes(offset)),
            None => clock.to_string(),
        }
    }

    fn instant(self) -> Timestamp {
        self.offset
            .unwrap_or(Offset::UTC)
            .to_timestamp(self.clock)
            .unwrap_or(Timestamp::MAX)
    }

    /// How long it is from an earlier one to this.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::try_from(self.instant().duration_since(earlier.instant())).unwrap_or_default()
    }

    pub(super) fn earlier(self, other: Self) -> Self {
        if other.instant() < self.instant() {
            other
        } else {
            self
        }
    }

    pub(super) fn later(self, other: Self) -> Self {
        if other.instant() > self.instant() {
            other
        } else {
            self
        }
    }
}

/// The places of the columns that the report looks at. Without the first four nothing can be said; a file that lacks
/// others has fewer figures.
#[derive(Debug, Clone, Copy)]
pub struct Columns {
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
    pub fn of<R: std::io::Read>(reader: &Reader<R>) -> Result<Self, ReadError> {
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
    pub fn entry<'r>(&self, record: &'r Record) -> Result<Entry<'r>, String> {
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

/// `-03:00`
pub(super) fn hours_and_minutes(offset: Offset) -> String {
    let minutes = offset.seconds() / 60;
    let sign = if minutes < 0 { '-' } else { '+' };
    let minutes = minutes.abs();
    format!("{sign}{:02}:{:02}", minutes / 60, minutes % 60)
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
