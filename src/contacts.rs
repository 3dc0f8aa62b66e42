//! The list of contacts: CSV rows in, contacts out, streamed from a private copy.
//!
//! The list is dialed as it was at the start. It is copied to an unnamed file first, every row of the copy is looked at
//! once, and the rows are then read again from there as the calls need them: memory holds only what cannot be told
//! from a row alone, which are the rows that repeat an id or a number. What a row may hold is decided here; when it is
//! dialed is the campaign's.

mod check;
mod columns;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use csv::ByteRecord;

use crate::ami::action::{ActionError, check_header, check_variable};
use crate::config::{BadRows, Campaign, Fault, Faults};
use crate::disposition::Disposition;
use crate::number::Number;
use columns::{Columns, Piece};

/// The rows of bad lists that are named one by one before the rest are only counted.
const FAULTS_SHOWN: usize = 100;
/// What may stand in a dial string from a contact's column, besides letters and digits.
const DIALABLE: &[u8] = b"+*#._-";

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
    record: ByteRecord,
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
    /// Rows whose id was there before, by their place: the number behind the `#`.
    repeated_ids: HashMap<u64, u32>,
    /// Rows whose number was there before, by their place: the line of the first.
    duplicates: HashMap<u64, u64>,
}

impl List {
    /// Copies the list and looks at every row once.
    ///
    /// # Errors
    /// All that is wrong with the file: it cannot be read, its header lacks a column that the campaign names, or, with
    /// `bad_rows = "stop"`, a row cannot be called.
    pub fn open(campaign: &Campaign) -> Result<Self, Faults> {
        let source = &campaign.contacts.file;
        let copy = copy(campaign).map_err(|error| {
            let (line, column) = campaign.contacts.file_at;
            Faults(vec![Fault {
                file: campaign.path.clone(),
                line: Some(line),
                column: Some(column),
                message: format!("{} cannot be read: {error}", source.display()),
            }])
        })?;
        let columns = Columns::bind(campaign, &copy)?;
        let mut list = Self {
            copy,
            columns,
            summary: Summary::default(),
            repeated_ids: HashMap::new(),
            duplicates: HashMap::new(),
        };
        let bad = check::check(&mut list).map_err(|error| {
            Faults(vec![Fault {
                file: source.clone(),
                line: None,
                column: None,
                message: format!("cannot be read: {error}"),
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
            reader: self.reader(self.columns.body)?,
            record: ByteRecord::new(),
            list: Arc::clone(self),
        })
    }

    /// The contact at a place, once more. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn reread(&self, at: Position) -> io::Result<Contact> {
        let mut reader = self.reader(at.offset)?;
        let mut record = ByteRecord::new();
        reader.read_byte_record(&mut record)?;
        match self.entry(&mut record, at) {
            Some(Entry::Contact(contact)) => Ok(contact),
            _ => Err(io::Error::other(format!(
                "the private copy of {} has changed",
                self.columns.file_name
            ))),
        }
    }

    /// What the Originate of a contact says on this trunk (its place in the campaign).
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn render(&self, contact: &Contact, trunk: usize) -> Result<Rendered, Unsendable> {
        self.render_record(&contact.record, &contact.number, trunk)
    }

    fn render_record(
        &self,
        record: &ByteRecord,
        number: &Number,
        trunk: usize,
    ) -> Result<Rendered, Unsendable> {
        let columns = &self.columns;
        let templates = &columns.trunks[trunk];
        let mut channel = Vec::new();
        for piece in &templates.channel {
            let value = columns.value(piece, record, number)?;
            if let Piece::Column(column) = piece
                && let Some(char) = undialable(value)
            {
                return Err(Unsendable::Undialable {
                    column: columns.names[*column].clone(),
                    char,
                });
            }
            channel.extend_from_slice(value);
        }
        check_header("Channel", &channel)?;
        let mut caller_id = None;
        if let Some(pieces) = &templates.caller_id {
            let mut text = Vec::new();
            for piece in pieces {
                let value = columns.value(piece, record, number)?;
                match piece {
                    Piece::Text(_) => text.extend_from_slice(value),
                    _ => text.extend(value.iter().filter(|&&byte| fits_caller_id(byte))),
                }
            }
            check_header("CallerID", &text)?;
            caller_id = Some(text);
        }
        let mut variables = Vec::with_capacity(columns.variables.len());
        for (name, pieces) in &columns.variables {
            let mut text = Vec::new();
            for piece in pieces {
                text.extend_from_slice(columns.value(piece, record, number)?);
            }
            check_variable(name, &text)?;
            variables.push((Arc::clone(name), text));
        }
        Ok(Rendered {
            channel,
            caller_id,
            variables,
        })
    }

    /// What a record is; `None` for a row of nothing but empty fields, as spreadsheets leave at the end.
    fn entry(&self, record: &mut ByteRecord, at: Position) -> Option<Entry> {
        record.trim();
        if record.iter().all(<[u8]>::is_empty) {
            return None;
        }
        let (id, number) = (self.id(record, at), self.columns.number_field(record));
        let skipped = |disposition, why: &dyn std::fmt::Display| {
            Some(Entry::Skipped(Skipped {
                id: id.clone(),
                number: String::from_utf8_lossy(number).into_owned(),
                disposition,
                line: at.line,
                why: why.to_string(),
            }))
        };
        let (found, expected) = (record.len(), self.columns.names.len());
        if found != expected {
            return skipped(Disposition::Failed, &Unsendable::Fields { found, expected });
        }
        let number = match Number::clean(&String::from_utf8_lossy(number)) {
            Ok(number) => number,
            Err(error) => return skipped(Disposition::InvalidNumber, &error),
        };
        for trunk in 0..self.columns.trunks.len() {
            if let Err(error) = self.render_record(record, &number, trunk) {
                return skipped(Disposition::Failed, &error);
            }
        }
        if let Some(first) = self.duplicates.get(&at.offset) {
            let why = format!("the number stands on line {first} already");
            return skipped(Disposition::Duplicate, &why);
        }
        Some(Entry::Contact(Contact {
            record: record.clone(),
            id,
            number,
            at,
        }))
    }

    /// The id of a row: the column's, or the number as given, or the line; with `#2` and so on where it repeats.
    fn id(&self, record: &ByteRecord, at: Position) -> String {
        let id = self.columns.own_id(record, at);
        match self.repeated_ids.get(&at.offset) {
            Some(repetition) => format!("{id}#{repetition}"),
            None => id,
        }
    }

    fn reader(&self, offset: u64) -> io::Result<csv::Reader<At>> {
        let file = self.copy.try_clone()?;
        Ok(self.columns.format().from_reader(At { file, offset }))
    }
}

/// The rows of a list, in order.
#[derive(Debug)]
pub struct Rows {
    list: Arc<List>,
    reader: csv::Reader<At>,
    record: ByteRecord,
}

impl Iterator for Rows {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read_byte_record(&mut self.record) {
                Ok(false) => return None,
                Err(error) => return Some(Err(error.into())),
                Ok(true) => {}
            }
            let entry = self
                .list
                .columns
                .position_of(&self.record)
                .and_then(|at| self.list.entry(&mut self.record, at));
            if let Some(entry) = entry {
                return Some(Ok(entry));
            }
        }
    }
}

/// Reads a shared file from a place of its own.
#[derive(Debug)]
struct At {
    file: File,
    offset: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

fn copy(campaign: &Campaign) -> io::Result<File> {
    let mut source = File::open(&campaign.contacts.file)?;
    let mut copy = tempfile::tempfile()?;
    io::copy(&mut source, &mut copy)?;
    copy.seek(SeekFrom::Start(0))?;
    Ok(copy)
}

/// The first character of a value that has no place in a dial string: `&` would dial a second channel, `/` and `@`
/// another trunk, `,` and `(` would set options.
fn undialable(value: &[u8]) -> Option<char> {
    let bad = |char: char| {
        !char.is_ascii_alphanumeric() && !DIALABLE.iter().any(|&byte| char == char::from(byte))
    };
    String::from_utf8_lossy(value)
        .chars()
        .find(|&char| bad(char))
}

/// Whether a byte of a contact's value may stand in a caller id, where `"` and `<` have a meaning.
fn fits_caller_id(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b'"' | b'<' | b'>' | b',')
}
