//! The one reader of results: of a run that continues, the plan, a check, a report and an export.
//!
//! Rows are streamed, looked at where they lie in the buffer, and copied only where there are quotation marks. Columns
//! are found by name. Quoting is RFC 4180 to the letter: a lost quotation mark is an error of its row, and never makes
//! one row of two. What follows the last line end is no row yet: see [`tail`](super::tail).

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::ops::Range;
use std::os::fd::AsFd as _;
use std::path::Path;

use crate::disposition::Disposition;
use crate::results::fields::{Fields, Misquoted, end_of_row};

/// Bytes read at once. In tests almost every row crosses the end of what was read.
const STREAM: u64 = if cfg!(test) { 7 } else { 1 << 20 };
/// A longer row has a quotation mark that is never closed.
const LONGEST: usize = 16 << 20;

#[derive(Debug)]
pub(crate) struct ResultsReader<R> {
    input: R,
    /// What errors call it.
    name: String,
    pub(crate) columns: Vec<String>,
    pub(super) buffer: Vec<u8>,
    /// Where in the buffer the unread bytes begin.
    unread: usize,
    /// How many bytes were whole rows so far.
    pub(super) whole: u64,
    /// The line on which the unread bytes begin.
    pub(super) line: u64,
    /// Everything was read.
    at_end: bool,
    fields: Fields,
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ResultsRecord<'r> {
    fields: &'r Fields,
    text: &'r str,
    position: RowPosition<'r>,
}

/// Where a row is.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RowPosition<'r> {
    name: &'r str,
    /// The line on which it begins, from 1.
    line: u64,
    /// The line on which it ends: another one where a field holds line breaks.
    last_line: u64,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ResultsError {
    #[error("{name} cannot be read")]
    Io { name: String, source: io::Error },
    #[error("{0} holds no results: it has no header line")]
    NoHeader(String),
    #[error("{name} holds no results: it has no column {missing}")]
    NoColumn { name: String, missing: String },
    #[error("{name}:{line}: the row cannot be read ({what})")]
    Row {
        name: String,
        line: u64,
        what: String,
    },
}

impl ResultsError {
    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}

/// Opens results; `-` is standard input.
pub(crate) fn open(path: &Path) -> Result<ResultsReader<File>, ResultsError> {
    let (file, name) = open_file(path)?;
    ResultsReader::new(file, &name)
}

/// The same as a file, with what errors call it.
pub(crate) fn open_file(path: &Path) -> Result<(File, String), ResultsError> {
    let (file, name) = if path == Path::new("-") {
        let stdin = io::stdin().as_fd().try_clone_to_owned();
        (stdin.map(File::from), "standard input".to_owned())
    } else {
        (File::open(path), path.display().to_string())
    };
    match file {
        Ok(file) => Ok((file, name)),
        Err(source) => Err(ResultsError::Io { name, source }),
    }
}

impl<R: Read> ResultsReader<R> {
    /// Reads the header line. Where not even that is whole, there are no columns and no rows.
    pub(crate) fn new(input: R, name: &str) -> Result<Self, ResultsError> {
        let mut reader = Self {
            input,
            name: name.to_owned(),
            columns: Vec::new(),
            buffer: Vec::new(),
            unread: 0,
            whole: 0,
            line: 1,
            at_end: false,
            fields: Fields::default(),
        };
        let Some((header, _)) = reader.next_bytes()? else {
            return Ok(reader);
        };
        let header = &reader.buffer[header];
        if let Err(error) = reader.fields.split(header) {
            return Err(reader.error_on_line(1, error.to_string()));
        }
        let names = (0..reader.fields.len()).map(|column| {
            let name = String::from_utf8_lossy(reader.fields.get(header, column));
            name.trim_start_matches('\u{feff}').trim_ascii().to_owned()
        });
        reader.columns = names.collect();
        Ok(reader)
    }

    pub(crate) fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// A column that has to be there.
    pub(crate) fn required(&self, column: &str) -> Result<usize, ResultsError> {
        let name = self.name.clone();
        self.column(column).ok_or_else(|| match self.columns[..] {
            [] => ResultsError::NoHeader(name),
            _ => ResultsError::NoColumn {
                name,
                missing: column.to_owned(),
            },
        })
    }

    /// The next row that is whole and not empty; `None` behind the last of them.
    ///
    /// # Errors
    /// It has not as many fields as the header, a quotation mark is wrong, or it is not UTF-8.
    pub(crate) fn next(&mut self) -> Result<Option<ResultsRecord<'_>>, ResultsError> {
        if self.columns.is_empty() {
            return Ok(None);
        }
        let Some((row, line)) = self.next_bytes()? else {
            return Ok(None);
        };
        let position = RowPosition {
            name: &self.name,
            line,
            last_line: self.line - 1,
        };
        let row = &self.buffer[row];
        record(&mut self.fields, row, self.columns.len(), position).map(Some)
    }

    /// The bytes of the next row without its line end, and the line on which it begins.
    fn next_bytes(&mut self) -> Result<Option<(Range<usize>, u64)>, ResultsError> {
        loop {
            let Some((length, lines)) = end_of_row(self.tail()) else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            let (start, line) = (self.unread, self.line);
            self.unread += length;
            self.whole += length as u64;
            self.line += lines;
            let row = &self.buffer[start..self.unread - 1];
            let length = row.strip_suffix(b"\r").unwrap_or(row).len();
            if length > 0 {
                return Ok(Some((start..start + length, line)));
            }
        }
    }

    /// Reads on; `false` at the end of the file.
    fn fill(&mut self) -> Result<bool, ResultsError> {
        if self.tail().len() >= LONGEST {
            return Err(self.error_on_line(self.line, Misquoted::Open.to_string()));
        }
        self.buffer.drain(..self.unread);
        self.unread = 0;
        let mut input = self.input.by_ref().take(STREAM);
        let read = input.read_to_end(&mut self.buffer);
        let read = read.map_err(|source| ResultsError::Io {
            name: self.name.clone(),
            source,
        })?;
        self.at_end = read == 0;
        Ok(read > 0)
    }

    /// Whether the last row is not whole, once there is no next one.
    pub(crate) fn is_torn(&self) -> bool {
        self.at_end && !self.tail().is_empty()
    }

    /// What follows the last whole row, once there is no next one.
    pub(super) fn tail(&self) -> &[u8] {
        &self.buffer[self.unread..]
    }

    pub(super) fn error_on_line(&self, line: u64, what: String) -> ResultsError {
        ResultsError::Row {
            name: self.name.clone(),
            line,
            what,
        }
    }
}

/// Splits a row, and checks that it has so many columns and is UTF-8.
pub(super) fn record<'r>(
    fields: &'r mut Fields,
    row: &'r [u8],
    columns: usize,
    position: RowPosition<'r>,
) -> Result<ResultsRecord<'r>, ResultsError> {
    fields
        .split(row)
        .map_err(|error| position.error(&error.to_string()))?;
    let fields = &*fields;
    if fields.len() != columns {
        let what = format!("{} fields, the header has {columns}", fields.len());
        return Err(position.error(&what));
    }
    let text = std::str::from_utf8(fields.text(row))
        .map_err(|error| position.error(&error.to_string()))?;
    Ok(ResultsRecord {
        fields,
        text,
        position,
    })
}

impl<'r> ResultsRecord<'r> {
    /// The field of a column without the spaces around it; empty where there is no such column.
    pub(crate) fn get(&self, column: impl Into<Option<usize>>) -> &'r str {
        column
            .into()
            .and_then(|column| self.text.get(self.fields.range(column)?))
            .unwrap_or_default()
            .trim_ascii()
    }

    /// All fields as they are in the file.
    pub(crate) fn fields(self) -> impl Iterator<Item = &'r str> {
        (0..self.fields.len()).filter_map(move |column| self.text.get(self.fields.range(column)?))
    }

    pub(crate) fn error(&self, what: &str) -> ResultsError {
        self.position.error(what)
    }
}

impl RowPosition<'_> {
    fn error(self, what: &str) -> ResultsError {
        let what = if self.last_line == self.line {
            what.to_owned()
        } else {
            // A lost quotation mark makes the rows below part of a field.
            format!(
                "{what}; the row goes on to line {}: check its quotation marks",
                self.last_line
            )
        };
        ResultsError::Row {
            name: self.name.to_owned(),
            line: self.line,
            what,
        }
    }
}

/// The columns that say how far a run came with a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutcomeColumns {
    contact: usize,
    attempt: usize,
    is_final: usize,
    disposition: usize,
    counted: Option<usize>,
    note: Option<usize>,
}

/// How far a run came with a contact.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Outcome<'r> {
    pub(crate) contact: &'r str,
    /// Which call of the contact it was, from 1; 0 where none was made.
    pub(crate) attempt: u16,
    /// It used one of `max_attempts`.
    pub(crate) counted: bool,
    pub(crate) is_final: bool,
    pub(crate) disposition: Disposition,
    /// A rehearsal wrote it.
    pub(crate) simulated: bool,
}

impl OutcomeColumns {
    pub(crate) fn of<R: Read>(reader: &ResultsReader<R>) -> Result<Self, ResultsError> {
        Ok(Self {
            contact: reader.required("contact")?,
            attempt: reader.required("attempt")?,
            is_final: reader.required("final")?,
            disposition: reader.required("disposition")?,
            counted: reader.column("counted"),
            note: reader.column("note"),
        })
    }

    pub(crate) fn read<'r>(&self, record: &ResultsRecord<'r>) -> Result<Outcome<'r>, ResultsError> {
        let attempt = record.get(self.attempt);
        let is_yes = |name: &str, column: Option<usize>| match record.get(column) {
            "yes" => Ok(true),
            "no" => Ok(false),
            "" if column.is_none() => Ok(false),
            field => Err(record.error(&format!("{name} {field:?} is neither yes nor no"))),
        };
        let disposition = record.get(self.disposition);
        Ok(Outcome {
            contact: record.get(self.contact),
            attempt: attempt
                .parse()
                .map_err(|_| record.error(&format!("attempt {attempt:?} is no number of calls")))?,
            counted: is_yes("counted", self.counted)?,
            is_final: is_yes("final", Some(self.is_final))?,
            disposition: Disposition::from_name(disposition)
                .ok_or_else(|| record.error(&format!("{disposition:?} is no disposition")))?,
            simulated: is_simulated(record.get(self.note)),
        })
    }
}

/// Whether a row is a rehearsal's, by its note.
pub(crate) fn is_simulated(note: &str) -> bool {
    note == "simulated" || note.starts_with("simulated:")
}

#[cfg(test)]
mod tests;
