//! What a row of results says, as far as a run that goes on from it needs to know. Columns are found by their names.

use std::borrow::Cow;
use std::path::Path;

use jiff::Timestamp;

use super::{ResumeError, bad_row, is_simulated};
use crate::call::id::CallId;
use crate::disposition::Disposition;
use crate::results::rows::{self, Row};
use crate::results::tail::Parsed;

/// The columns that are looked at. Without the first, [`REQUIRED`] ones nothing can be continued.
const NEEDED: [&str; 10] = [
    "contact",
    "attempt",
    "counted",
    "final",
    "disposition",
    "next_attempt_at",
    "call_id",
    "note",
    "number",
    "dialed_at",
];
/// So many of them must be there.
const REQUIRED: usize = 8;
/// Which of them is the call's id.
const CALL_ID: usize = 6;

/// The columns of a file, and where the needed ones are.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) columns: Vec<String>,
    /// For each column, which of the needed ones it is.
    needed: Vec<Option<usize>>,
}

/// What is needed of a row, as it stands there.
pub(super) type Needed<'r> = [Cow<'r, [u8]>; NEEDED.len()];

/// What a row says.
#[derive(Debug)]
pub(super) struct Record<'r> {
    pub(super) contact: &'r str,
    pub(super) number: &'r str,
    pub(super) attempt: u16,
    pub(super) counted: bool,
    pub(super) is_final: bool,
    pub(super) disposition: Disposition,
    /// In milliseconds since 1970; 0: at once.
    pub(super) next: i64,
    call_id: &'r str,
    pub(super) dialed_at: &'r str,
    pub(super) simulated: bool,
}

impl Header {
    pub(super) fn of(row: Row<'_>, path: &Path) -> Result<Self, ResumeError> {
        let mut columns = Vec::new();
        rows::split(row.bytes, |_, name| {
            let name = String::from_utf8_lossy(&name);
            columns.push(name.trim_start_matches('\u{feff}').to_owned());
        })
        .map_err(|error| bad_row(path, row, error.to_string()))?;
        let mut needed = vec![None; columns.len()];
        for (which, name) in NEEDED.into_iter().enumerate() {
            match columns.iter().position(|column| column == name) {
                Some(place) => needed[place] = Some(which),
                None if which >= REQUIRED => {}
                None => {
                    return Err(ResumeError::Columns {
                        path: path.to_owned(),
                        missing: name.to_owned(),
                    });
                }
            }
        }
        Ok(Self { columns, needed })
    }

    /// Picks the needed fields, and tells how many fields there are.
    fn pick<'r>(&self, row: &'r [u8]) -> (Needed<'r>, Result<usize, rows::Misquoted>) {
        let mut fields: Needed = Default::default();
        let count = rows::split(row, |place, field| {
            if let Some(&Some(which)) = self.needed.get(place) {
                fields[which] = field;
            }
        });
        (fields, count)
    }

    /// The needed fields of a row that has as many fields as the header.
    pub(super) fn fields<'r>(&self, row: &'r [u8]) -> Result<Needed<'r>, String> {
        let (fields, count) = self.pick(row);
        match count.map_err(|error| error.to_string())? {
            count if count == self.columns.len() => Ok(fields),
            count => Err(format!(
                "{count} fields, the header has {}",
                self.columns.len()
            )),
        }
    }

    /// What some bytes would be as a row.
    pub(super) fn parse(&self, bytes: &[u8]) -> Parsed {
        let (fields, count) = self.pick(bytes);
        let record = Record::of(&fields).ok().filter(Record::is_plausible);
        Parsed {
            is_row: count == Ok(self.columns.len()) && record.is_some(),
            call: self
                .needed
                .iter()
                .position(|&which| which == Some(CALL_ID))
                .filter(|&place| count.map_or(true, |count| place + 1 < count))
                .and_then(|_| CallId::from_bytes(&fields[CALL_ID])),
            fields: count,
        }
    }
}

impl<'r> Record<'r> {
    pub(super) fn of(fields: &'r Needed<'_>) -> Result<Self, String> {
        let mut texts = [""; NEEDED.len()];
        for (text, field) in texts.iter_mut().zip(fields) {
            *text = std::str::from_utf8(field).map_err(|error| error.to_string())?;
        }
        let [
            contact,
            attempt,
            counted,
            is_final,
            disposition,
            next,
            call_id,
            note,
            number,
            dialed_at,
        ] = texts;
        Ok(Self {
            contact,
            number,
            attempt: attempt
                .parse()
                .map_err(|_| format!("attempt {attempt:?}"))?,
            counted: counted == "yes",
            is_final: is_final == "yes",
            disposition: disposition.parse().map_err(|error| format!("{error}"))?,
            next: match next {
                "" => 0,
                next => next
                    .parse::<Timestamp>()
                    .map_err(|_| format!("next_attempt_at {next:?}"))?
                    .as_millisecond(),
            },
            call_id,
            dialed_at,
            simulated: is_simulated(note),
        })
    }

    pub(super) fn call(&self) -> Option<CallId> {
        CallId::from_bytes(self.call_id.as_bytes())
    }

    /// Whether it has what every row has that this dialer writes.
    fn is_plausible(&self) -> bool {
        !self.contact.is_empty() && (self.call_id.is_empty() || self.call().is_some())
    }
}
