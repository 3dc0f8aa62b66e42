//! The list of contacts: CSV rows in, contacts out, streamed from a private copy.
//!
//! The list is dialed as it was at the start. It is copied to an unnamed file first, every row of the copy is looked at
//! once, and the rows are then read again from there as the calls need them: memory holds only what cannot be told
//! from a row alone, which is what repeats, and a bit for each row that cannot be called. What a row may hold is decided
//! here; when it is dialed is the campaign's.

mod columns;
pub(crate) mod csv;
mod render;
mod row;
mod row_set;
mod shard;
#[cfg(test)]
mod tests;
mod validate;
mod zones;

use std::borrow::Cow;
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
use row_set::RowSet;
use zones::Zones;

pub use csv::Position;
pub use row::{Contact, ListEntry, Rendered, Skipped};
pub use row_set::RowSet as Done;
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
    copy: File,
    columns: ListColumns,
    templates: Templates,
    zones: Zones,
    /// This run's part.
    shard: Option<Shard>,
    duplicates: Duplicates,
    summary: ListSummary,
    /// Rows that cannot be called.
    bad: RowSet,
    /// Rows that are not this run's.
    other_parts: RowSet,
    /// Rows whose id was there before, by their offset, in order: the number behind the `#`.
    repeated_ids: Vec<(u64, u32)>,
    /// The keys of numbers that are there more than once, in order: the line of the first.
    first_lines: Vec<(u64, u64)>,
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
        let copy = copy(source).map_err(|message| {
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
            bad: RowSet::default(),
            other_parts: RowSet::default(),
            repeated_ids: Vec::new(),
            first_lines: Vec::new(),
        };
        let bad = validate::check(&mut list);
        let bad = bad.map_err(|error| CampaignErrors(vec![csv::diagnostic(source, error)]))?;
        if campaign.contacts.bad_rows == BadRows::Stop && bad.count > 0 {
            return Err(CampaignErrors(bad.into_errors(source)));
        }
        Ok(list)
    }

    pub fn summary(&self) -> ListSummary {
        self.summary
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
        self.zones.all()
    }

    /// The rows in their order. Blocks on the disk; memory does not grow with the list.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rows(self: &Arc<Self>) -> io::Result<ListRows> {
        self.rows_but(RowSet::default())
    }

    /// The rows in their order but for those that are `done`. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rows_but(self: &Arc<Self>, done: RowSet) -> io::Result<ListRows> {
        Ok(ListRows {
            reader: self.reader(self.columns.body, STREAM)?,
            row: CsvRow::default(),
            list: Arc::clone(self),
            done,
            index: 0,
        })
    }

    /// Tells which rows are done by the ids of their contacts, whether those can be called or not. Rows that are not
    /// this run's are not asked for. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn done(&self, mut is_done: impl FnMut(&str) -> bool) -> io::Result<RowSet> {
        let mut reader = self.reader(self.columns.body, STREAM)?;
        let (mut row, mut done) = (CsvRow::default(), RowSet::default());
        for index in 0.. {
            if !reader.read(&mut row)? {
                break;
            }
            let other = self.other_parts.contains(index);
            done.push(other || is_done(&self.id(&row)));
        }
        Ok(done)
    }

    /// What reads contacts at their places once more.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rereader(self: &Arc<Self>) -> io::Result<Rereader> {
        Ok(Rereader {
            reader: self.reader(self.columns.body, ONE_ROW)?,
            row: CsvRow::default(),
            list: Arc::clone(self),
        })
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
        self.templates
            .render(&contact.row, &contact.numbers[number], trunk)
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
            return Err(ContactError::Fields { found, expected });
        }
        let zone = self.read(row, numbers)?;
        let id = self.columns.own_id(row);
        if !journal::has_room(&id, numbers.len()) {
            return Err(ContactError::LongId { bytes: id.len() });
        }
        for number in &*numbers {
            self.templates.check(row, number, scratch)?;
        }
        Ok(zone)
    }

    /// The numbers of a row, and its zone.
    fn read(&self, row: &CsvRow, numbers: &mut Vec<Number>) -> Result<u16, ContactError> {
        self.columns.numbers(row, numbers)?;
        let Some((column, name)) = self.columns.zone_field(row) else {
            return Ok(0);
        };
        self.zones.find(name).ok_or_else(|| ContactError::Zone {
            column: column.to_owned(),
            name: String::from_utf8_lossy(name).into_owned(),
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
                let line = noted(&self.first_lines, number.key());
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

    /// Whether a row is in this run's part of the list. That is told by its first number, also where the row cannot be
    /// called, or else by its id.
    fn is_ours(&self, row: &CsvRow) -> bool {
        self.shard.is_none_or(|shard| {
            shard.holds(match self.columns.first_number(row) {
                Some(number) => number.key(),
                None => xxh3_64(self.columns.own_id(row).as_bytes()),
            })
        })
    }

    /// The id of a row: the column's, or the number as given, or the line; with `#2` and so on where it repeats.
    fn id<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let id = self.columns.own_id(row);
        match noted(&self.repeated_ids, row.at.offset) {
            Some(repetition) => format!("{id}#{repetition}").into(),
            None => id,
        }
    }

    fn reader(&self, from: Position, buffer: usize) -> io::Result<CsvReader> {
        let file = self.copy.try_clone()?;
        Ok(CsvReader::new(
            file,
            from,
            &[self.columns.delimiter],
            buffer,
        ))
    }
}

/// What is noted under a key.
fn noted<T: Copy>(notes: &[(u64, T)], key: u64) -> Option<T> {
    let place = notes.binary_search_by_key(&key, |&(key, _)| key);
    place.ok().map(|place| notes[place].1)
}

/// The rows of a list, in order.
#[derive(Debug)]
pub struct ListRows {
    list: Arc<List>,
    reader: CsvReader,
    row: CsvRow,
    /// Rows that are passed over.
    done: RowSet,
    /// Of the row that is read next.
    index: u64,
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
            if !self.done.contains(index) && !list.other_parts.contains(index) {
                return Some(Ok(list.entry(&self.row, list.bad.contains(index))));
            }
        }
    }
}

/// Reads contacts of a list at their places.
#[derive(Debug)]
pub struct Rereader {
    list: Arc<List>,
    reader: CsvReader,
    row: CsvRow,
}

impl Rereader {
    /// The contact at a place where one was read before. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn read(&mut self, at: Position) -> io::Result<Contact> {
        self.reader.go_to(at);
        if self.reader.read(&mut self.row)?
            && let ListEntry::Contact(contact) = self.list.entry(&self.row, false)
        {
            return Ok(contact);
        }
        let name = self.list.file_name();
        Err(io::Error::other(format!(
            "the private copy of {name} has changed"
        )))
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
