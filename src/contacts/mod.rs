//! The list of contacts: CSV rows in, contacts out, streamed from a private copy.
//!
//! The list is dialed as it was at the start. It is copied to an unnamed file first, every row of the copy is looked at
//! once, and the rows are then read again from there as the calls need them: memory holds only what cannot be told
//! from a row alone, which is what repeats, and a byte or two for each row that say whether it is called. What a row may hold is decided
//! here; when it is dialed is the campaign's.

mod binder;
mod columns;
pub(crate) mod csv;
mod render;
mod row;
mod shard;
#[cfg(test)]
mod tests;
mod validate;
mod zones;

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;
use md5::{Digest as _, Md5};
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{BadRows, Campaign, CampaignErrors, Diagnostic, Duplicates};
use crate::disposition::Disposition;
use crate::phone_number::Number;
use crate::results::journal;
use columns::ListColumns;
use csv::{CsvReader, CsvRow, ONE_ROW, STREAM, read_part};
use render::Templates;
use row::ContactError;
use zones::Zones;

pub use csv::Position;
pub use row::{Contact, ListEntry, Rendered, Skipped};
pub use shard::Shard;

/// How many rows there are in this run's part of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ListSummary {
    /// Rows, header and empty ones apart.
    pub contacts: u64,
    /// Those of them that have no number or cannot be sent.
    pub bad: u64,
    /// Those whose numbers are all in earlier rows.
    pub duplicates: u64,
}

/// The list as it was when it was opened.
#[derive(Debug)]
pub struct List {
    copy: Arc<File>,
    columns: ListColumns,
    templates: Templates,
    zones: Zones,
    /// This run's part.
    shard: Option<Shard>,
    duplicates: Duplicates,
    pub summary: ListSummary,
    /// Which rows cannot be called.
    bad: Vec<bool>,
    /// Which rows are not this run's.
    other_parts: Vec<bool>,
    /// Rows whose id was there before, by their offset: the number behind the `#`.
    repeated_ids: HashMap<u64, u32>,
    /// The keys of numbers that are there more than once: the line of the first.
    first_lines: HashMap<u64, u64>,
}

impl List {
    /// Copies the list and looks at every row once. With a shard, the list is that part; what repeats is still decided
    /// by the whole.
    ///
    /// # Errors
    /// All that is wrong with the file: it cannot be read, its header lacks a column that the campaign names, or, with
    /// `bad_rows = "stop"`, a row cannot be called.
    pub fn open(campaign: &Campaign, shard: Option<Shard>) -> Result<Self, CampaignErrors> {
        let source = &campaign.contacts.file;
        let copy = copy(source).map(Arc::new).map_err(|message| {
            let at = campaign.contacts.file_at;
            CampaignErrors(vec![Diagnostic::at(&campaign.path, at, message)])
        })?;
        let (columns, templates) = columns::bind(campaign, &copy)?;
        let mut list = Self {
            copy,
            columns,
            templates,
            zones: Zones::new(campaign.zone()),
            shard,
            duplicates: campaign.contacts.duplicates,
            summary: ListSummary::default(),
            bad: Vec::new(),
            other_parts: Vec::new(),
            repeated_ids: HashMap::new(),
            first_lines: HashMap::new(),
        };
        let errors = validate::check(&mut list, source);
        let errors =
            errors.map_err(|error| CampaignErrors(vec![csv::diagnostic(source, error)]))?;
        if campaign.contacts.bad_rows == BadRows::Stop && !errors.is_empty() {
            return Err(CampaignErrors(errors));
        }
        Ok(list)
    }

    /// A digest of the list's bytes: the same for the same list in every run. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub(crate) fn digest(&self) -> io::Result<String> {
        let mut digest = Md5::new();
        read_part(&self.copy, 0..u64::MAX, |bytes| digest.update(bytes))?;
        let digest = u128::from_be_bytes(digest.finalize().into());
        Ok(format!("{digest:032x}"))
    }

    /// The list's file name, as notes name it.
    pub(crate) fn file_name(&self) -> &str {
        &self.columns.file_name
    }

    /// The time zones of the contacts. The first is that of a contact without one of its own: the window's, or the
    /// system's where there is no window.
    pub fn zones(&self) -> &[TimeZone] {
        &self.zones.all
    }

    /// The rows in their order but for those that are `done`, which is empty where none is. Blocks on the disk; memory
    /// does not grow with the list.
    pub fn rows(self: &Arc<Self>, done: Vec<bool>) -> ListRows {
        ListRows {
            reader: self.reader(self.columns.body, STREAM),
            row: CsvRow::default(),
            list: Arc::clone(self),
            done,
            index: 0,
        }
    }

    /// Tells which rows are done by the ids of their contacts, whether those can be called or not. Rows that are not
    /// this run's are not asked for. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn done(&self, mut is_done: impl FnMut(&str) -> bool) -> io::Result<Vec<bool>> {
        let mut reader = self.reader(self.columns.body, STREAM);
        let mut row = CsvRow::default();
        let mut done = self.other_parts.clone();
        for done in &mut done {
            if !reader.read(&mut row)? {
                break;
            }
            *done = *done || is_done(&self.id(&row));
        }
        Ok(done)
    }

    /// Reads a contact again at its place. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn reread(&self, at: Position) -> io::Result<Contact> {
        let mut row = CsvRow::default();
        if self.reader(at, ONE_ROW).read(&mut row)?
            && let ListEntry::Contact(contact) = self.entry(&row, false)
        {
            return Ok(contact);
        }
        let name = self.file_name();
        Err(io::Error::other(format!(
            "the private copy of {name} has changed"
        )))
    }

    /// What the Originate of a contact says when this of its numbers is called on this trunk (both by their indices).
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn render(
        &self,
        contact: &Contact,
        number: usize,
        trunk: usize,
    ) -> Result<Rendered, ContactError> {
        let (templates, mut rendered) = (&self.templates, Rendered::default());
        let (number, trunk) = (&contact.numbers[number], &templates.trunks[trunk]);
        templates.render(&contact.row, number, trunk, &mut rendered)?;
        Ok(rendered)
    }

    /// The values of the columns that the campaign keeps, in its order.
    pub fn kept(&self, contact: &Contact) -> Vec<String> {
        self.columns.kept(&contact.row)
    }

    /// Looks at a row for the first time: whether it can be called at each of its numbers on every trunk. Gives these and
    /// its zone.
    fn judge(
        &self,
        row: &CsvRow,
        numbers: &mut Vec<Number>,
        scratch: &mut Rendered,
    ) -> Result<u16, ContactError> {
        let (found, expected) = (row.len(), self.columns.names.len());
        if found != expected {
            return Err(ContactError::Unsendable(format!(
                "{found} fields, where the header has {expected}"
            )));
        }
        let zone = self.read(row, numbers)?;
        let id = self.columns.own_id(row);
        if !journal::has_room(&id, numbers.len()) {
            return Err(ContactError::Unsendable(format!(
                "the contact's id is too long: {} bytes, and {} always fit into the journal",
                id.len(),
                journal::ALWAYS_FITS
            )));
        }
        for number in &*numbers {
            for trunk in &self.templates.trunks {
                self.templates.render(row, number, trunk, scratch)?;
            }
        }
        Ok(zone)
    }

    /// The numbers of a row, and its zone.
    fn read(&self, row: &CsvRow, numbers: &mut Vec<Number>) -> Result<u16, ContactError> {
        self.columns.numbers(row, numbers)?;
        let Some((column, name)) = self.columns.zone_field(row) else {
            return Ok(0);
        };
        self.zones.find(name).ok_or_else(|| {
            let name = String::from_utf8_lossy(name);
            ContactError::Unsendable(format!(
                "column `{column}`: no time zone is called {name:?}; write it like America/Montevideo"
            ))
        })
    }

    /// What a row comes to that was looked at before.
    fn entry(&self, row: &CsvRow, is_bad: bool) -> ListEntry {
        let skipped = |disposition, why| {
            ListEntry::Skipped(Skipped {
                id: self.id(row).into_owned(),
                number: self.columns.first_number_field(row).into_owned(),
                disposition,
                line: row.at.line,
                why,
                kept: self.columns.kept(row),
            })
        };
        let mut numbers = Vec::new();
        let zone = if is_bad {
            self.judge(row, &mut numbers, &mut Rendered::default())
        } else {
            self.read(row, &mut numbers)
        };
        let zone = match zone {
            Ok(zone) => zone,
            Err(error) => return skipped(error.disposition(), error.in_row(row)),
        };
        let (mut first_line, mut passed_over) = (None, Vec::new());
        if !self.first_lines.is_empty() {
            numbers.retain(|number| {
                let line = self.first_lines.get(&number.key()).copied();
                let earlier = line.filter(|&line| line != row.at.line);
                first_line = first_line.or(earlier);
                passed_over.extend(earlier.map(|_| *number));
                earlier.is_none()
            });
        }
        if let (true, Some(line)) = (numbers.is_empty(), first_line) {
            let why = format!("the number stands on line {line} already");
            return skipped(Disposition::Duplicate, why);
        }
        ListEntry::Contact(Contact {
            id: self.id(row).into_owned(),
            numbers,
            passed_over,
            zone,
            at: row.at,
            row: row.clone(),
        })
    }

    /// Whether a row is in this run's part of the list. That is decided by its first number, also where the row cannot
    /// be called, or else by its id.
    fn is_ours(&self, row: &CsvRow, numbers: &mut Vec<Number>) -> bool {
        self.shard.is_none_or(|shard| {
            // Without a number the id decides, whatever is wrong with the number.
            let _ = self.columns.numbers(row, numbers);
            shard.holds(match numbers.first() {
                Some(number) => number.key(),
                None => xxh3_64(self.columns.own_id(row).as_bytes()),
            })
        })
    }

    /// The id of a row: the column's, or the number as given, or the line; with `#2` and so on where it repeats.
    fn id<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let id = self.columns.own_id(row);
        match self.repeated_ids.get(&row.at.offset) {
            Some(repetition) => format!("{id}#{repetition}").into(),
            None => id,
        }
    }

    fn reader(&self, from: Position, buffer: usize) -> CsvReader {
        let copy = Arc::clone(&self.copy);
        CsvReader::new(copy, from, &[self.columns.delimiter], buffer)
    }
}

/// The rows of a list, in order.
#[derive(Debug)]
pub struct ListRows {
    list: Arc<List>,
    reader: CsvReader,
    row: CsvRow,
    /// Which rows are passed over.
    done: Vec<bool>,
    /// Of the row that is read next.
    index: usize,
}

impl Iterator for ListRows {
    type Item = io::Result<ListEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.reader.read(&mut self.row) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => return Some(Err(error)),
            }
            let (list, index) = (&self.list, self.index);
            self.index += 1;
            let is_in = |rows: &[bool]| rows.get(index) == Some(&true);
            if !is_in(&self.done) && !is_in(&list.other_parts) {
                return Some(Ok(list.entry(&self.row, is_in(&list.bad))));
            }
        }
    }
}

/// A private copy of the list, or what went wrong.
fn copy(list: &Path) -> Result<File, String> {
    let (name, folder) = (list.display(), std::env::temp_dir());
    let mut source = File::open(list).map_err(|error| format!("{name} cannot be read: {error}"))?;
    let copy = tempfile::tempfile().and_then(|mut copy| {
        io::copy(&mut source, &mut copy)?;
        Ok(copy)
    });
    copy.map_err(|error| format!("{name} cannot be copied to {}: {error}", folder.display()))
}
