//! The list of contacts: CSV rows in, contacts out, streamed from a private copy.
//!
//! The list is dialed as it was at the start. It is copied to an unnamed file first, every row of the copy is looked at
//! once, and the rows are then read again from there as the calls need them: memory holds only what cannot be told
//! from a row alone, which are the rows that repeat an id or a number. What a row may hold is decided here; when it is
//! dialed is the campaign's.

mod check;
mod columns;
mod scan;

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use md5::{Digest as _, Md5};

use crate::ami::action::ActionError;
use crate::config::{BadRows, Campaign, Fault, Faults};
use crate::disposition::Disposition;
use crate::number::{Number, NumberError};
use columns::Columns;
use scan::{ONE_ROW, Place, Record, STREAM, ScanError, Scanner};

/// Where a row stands in the private copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    offset: u64,
    line: u64,
}

/// Somebody to call.
#[derive(Debug, Clone)]
pub struct Contact {
    /// What the results call the contact; unique in the list.
    pub id: String,
    /// The number to dial.
    pub number: Number,
    /// Where to read it again.
    pub at: Position,
    record: Record,
}

/// A row that is not called, and why.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// What the results call the contact; unique in the list.
    pub id: String,
    /// The number as the list gives it.
    pub number: String,
    /// `INVALID NUMBER`, `FAILED` (it cannot be sent) or `DUPLICATE`.
    pub disposition: Disposition,
    /// Its line in the list.
    pub line: u64,
    /// What is wrong.
    pub why: String,
}

/// One row of the list.
#[derive(Debug)]
pub enum Entry {
    /// Somebody to call.
    Contact(Contact),
    /// A row that is not called.
    Skipped(Skipped),
}

/// What an Originate says of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The dial string.
    pub channel: Vec<u8>,
    /// `Name <number>`.
    pub caller_id: Option<Vec<u8>>,
    /// The channel variables, unescaped.
    pub variables: Vec<(Arc<str>, Vec<u8>)>,
}

/// Why a contact's row cannot be sent to Asterisk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Another number of fields than the header has.
    #[error("{found} fields, where the header has {expected}")]
    Fields {
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// Not UTF-8, so nobody knows which characters are meant.
    #[error("column `{0}` is not UTF-8: save the list as UTF-8")]
    Encoding(String),
    /// A character in a dial string that could make it another one.
    #[error("column `{column}` holds {char:?}, which has no place in a dial string")]
    Undialable {
        /// The column.
        column: String,
        /// The first such character.
        char: char,
    },
    /// Asterisk would not take it, or take it as something else.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// Why a row is not called.
#[derive(Debug)]
enum Why {
    Number(NumberError),
    Row {
        why: Unsendable,
        /// The line on which the row ends, where that is another one.
        goes_on_to: Option<u64>,
    },
}

impl Why {
    fn disposition(&self) -> Disposition {
        match self {
            Self::Number(_) => Disposition::InvalidNumber,
            Self::Row { .. } => Disposition::Failed,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(error) => error.fmt(f),
            Self::Row { why, goes_on_to } => {
                why.fmt(f)?;
                // What a forgotten quotation mark does: the rows below become part of a field.
                goes_on_to.map_or(Ok(()), |line| {
                    write!(
                        f,
                        " (the row goes on to line {line}: check its quotation marks)"
                    )
                })
            }
        }
    }
}

/// How many rows there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows of the list, header and empty ones apart.
    pub contacts: u64,
    /// Those of them that are no number or cannot be sent.
    pub bad: u64,
    /// Those whose number stands earlier in the list.
    pub duplicates: u64,
}

/// The list as it was when it was opened.
#[derive(Debug)]
pub struct List {
    copy: File,
    columns: Columns,
    summary: Summary,
    /// Rows whose id was there before, by their offset, in order: the number behind the `#`.
    repeated_ids: Vec<(u64, u32)>,
    /// Rows whose number was there before, by their offset, in order: the line of the first.
    duplicates: Vec<(u64, u64)>,
}

impl List {
    /// Copies the list and looks at every row once.
    ///
    /// # Errors
    /// All that is wrong with the file: it cannot be read, its header lacks a column that the campaign names, or, with
    /// `bad_rows = "stop"`, a row cannot be called.
    pub fn open(campaign: &Campaign) -> Result<Self, Faults> {
        let source = &campaign.contacts.file;
        let copy = copy(source).map_err(|message| {
            let (line, column) = campaign.contacts.file_at;
            Faults(vec![Fault {
                file: campaign.path.clone(),
                line: Some(line),
                column: Some(column),
                message,
            }])
        })?;
        let columns = Columns::bind(campaign, &copy)?;
        let mut list = Self {
            copy,
            columns,
            summary: Summary::default(),
            repeated_ids: Vec::new(),
            duplicates: Vec::new(),
        };
        let bad = check::check(&mut list).map_err(|error| {
            let line = match error {
                ScanError::Io(_) => None,
                ScanError::Unclosed { line } => Some(line),
            };
            Faults(vec![Fault {
                file: source.clone(),
                line,
                column: None,
                message: error.to_string(),
            }])
        })?;
        if campaign.contacts.bad_rows == BadRows::Stop && !bad.is_empty() {
            return Err(Faults(check::as_faults(source, bad, list.summary.bad)));
        }
        Ok(list)
    }

    /// How many rows there are.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// A digest of the list's bytes: the same for the same list in every run. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn digest(&self) -> io::Result<String> {
        let mut digest = Md5::new();
        let (mut buffer, mut offset) = (vec![0; STREAM], 0);
        loop {
            match self.copy.read_at(&mut buffer, offset) {
                Ok(0) => break,
                Ok(read) => {
                    digest.update(&buffer[..read]);
                    offset += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(format!(
            "{:032x}",
            u128::from_be_bytes(digest.finalize().into())
        ))
    }

    /// The list's file name, as notes name it.
    pub fn file_name(&self) -> &str {
        &self.columns.file_name
    }

    /// The rows in their order. Blocks on the disk; memory does not grow with the list.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rows(self: &Arc<Self>) -> io::Result<Rows> {
        Ok(Rows {
            scanner: self.scanner(self.columns.body, STREAM)?,
            record: Record::default(),
            scratch: Vec::new(),
            list: Arc::clone(self),
        })
    }

    /// The contact at a place, once more. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn reread(&self, at: Position) -> io::Result<Contact> {
        let mut record = Record::default();
        if let Some(place) = self.scanner(at, ONE_ROW)?.read(&mut record)?
            && let Entry::Contact(contact) = self.entry(&record, place, &mut Vec::new())
        {
            return Ok(contact);
        }
        Err(io::Error::other(format!(
            "the private copy of {} has changed",
            self.columns.file_name
        )))
    }

    /// What the Originate of a contact says on this trunk (its place in the campaign).
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn render(&self, contact: &Contact, trunk: usize) -> Result<Rendered, Unsendable> {
        let (columns, row) = (&self.columns, (&contact.record, &contact.number));
        let (mut channel, mut caller_id) = (Vec::new(), Vec::new());
        columns.channel(row, trunk, &mut channel)?;
        let has_caller_id = columns.caller_id(row, trunk, &mut caller_id)?;
        let variables = columns.variables().enumerate().map(|(place, name)| {
            let mut value = Vec::new();
            columns.variable(row, place, &mut value)?;
            Ok((Arc::clone(name), value))
        });
        Ok(Rendered {
            channel,
            caller_id: has_caller_id.then_some(caller_id),
            variables: variables.collect::<Result<_, Unsendable>>()?,
        })
    }

    /// The number of a row that can be called on every trunk. `scratch` is only there to be used again.
    fn judge(&self, record: &Record, place: Place, scratch: &mut Vec<u8>) -> Result<Number, Why> {
        let of_row = |why| Why::Row {
            why,
            goes_on_to: Some(place.last_line).filter(|&line| line != place.at.line),
        };
        let (found, expected) = (record.len(), self.columns.names.len());
        if found != expected {
            return Err(of_row(Unsendable::Fields { found, expected }));
        }
        let number = String::from_utf8_lossy(self.columns.number_field(record));
        let number = Number::clean(&number).map_err(Why::Number)?;
        self.check_templates((record, &number), scratch)
            .map_err(of_row)?;
        Ok(number)
    }

    /// Whether every template has a value that can be sent.
    fn check_templates(
        &self,
        row: (&Record, &Number),
        scratch: &mut Vec<u8>,
    ) -> Result<(), Unsendable> {
        for trunk in 0..self.columns.trunks() {
            scratch.clear();
            self.columns.channel(row, trunk, scratch)?;
            scratch.clear();
            self.columns.caller_id(row, trunk, scratch)?;
        }
        for variable in 0..self.columns.variables().len() {
            scratch.clear();
            self.columns.variable(row, variable, scratch)?;
        }
        Ok(())
    }

    fn entry(&self, record: &Record, place: Place, scratch: &mut Vec<u8>) -> Entry {
        let at = place.at;
        let id = self.id(record, at);
        let skipped = |id, disposition, why| {
            let number = String::from_utf8_lossy(self.columns.number_field(record));
            Entry::Skipped(Skipped {
                id,
                number: number.into_owned(),
                disposition,
                line: at.line,
                why,
            })
        };
        let number = match self.judge(record, place, scratch) {
            Ok(number) => number,
            Err(why) => return skipped(id, why.disposition(), why.to_string()),
        };
        if let Some(first) = noted(&self.duplicates, at) {
            let why = format!("the number stands on line {first} already");
            return skipped(id, Disposition::Duplicate, why);
        }
        Entry::Contact(Contact {
            record: record.clone(),
            id,
            number,
            at,
        })
    }

    /// The id of a row: the column's, or the number as given, or the line; with `#2` and so on where it repeats.
    fn id(&self, record: &Record, at: Position) -> String {
        let id = self.columns.own_id(record, at);
        match noted(&self.repeated_ids, at) {
            Some(repetition) => format!("{id}#{repetition}"),
            None => id.into_owned(),
        }
    }

    fn scanner(&self, from: Position, buffer: usize) -> io::Result<Scanner> {
        let file = self.copy.try_clone()?;
        Ok(Scanner::new(file, from, self.columns.delimiter, buffer))
    }
}

/// What is noted of the row at a place.
fn noted<T: Copy>(notes: &[(u64, T)], at: Position) -> Option<T> {
    let place = notes.binary_search_by_key(&at.offset, |&(offset, _)| offset);
    place.ok().map(|place| notes[place].1)
}

/// The rows of a list, in order.
#[derive(Debug)]
pub struct Rows {
    list: Arc<List>,
    scanner: Scanner,
    record: Record,
    scratch: Vec<u8>,
}

impl Iterator for Rows {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        let place = match self.scanner.read(&mut self.record) {
            Ok(place) => place?,
            Err(error) => return Some(Err(error.into())),
        };
        let entry = self.list.entry(&self.record, place, &mut self.scratch);
        Some(Ok(entry))
    }
}

/// A private copy of the list, or what went wrong.
fn copy(list: &Path) -> Result<File, String> {
    let unreadable = |error| format!("{} cannot be read: {error}", list.display());
    let mut source = File::open(list).map_err(unreadable)?;
    let folder = std::env::temp_dir();
    let mut copy = tempfile::tempfile().map_err(|error| {
        format!(
            "no copy of the list can be made in {}: {error}",
            folder.display()
        )
    })?;
    io::copy(&mut source, &mut copy).map_err(|error| {
        format!(
            "{} cannot be copied to {}: {error}",
            list.display(),
            folder.display()
        )
    })?;
    Ok(copy)
}
