//! The list of contacts: CSV rows in, contacts out, streamed from a private copy.
//!
//! The list is dialed as it was at the start. It is copied to an unnamed file first, every row of the copy is looked at
//! once, and the rows are then read again from there as the calls need them: memory holds only what cannot be told
//! from a row alone, which are the rows that repeat an id or a number. What a row may hold is decided here; when it is
//! dialed is the campaign's.

mod columns;
mod csv;
mod done;
mod row;
mod shard;
#[cfg(test)]
mod tests;
mod validate;
mod zones;

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use md5::{Digest as _, Md5};

use jiff::tz::TimeZone;
use xxhash_rust::xxh3::xxh3_64;

use crate::config::{BadRows, Campaign, CampaignErrors, Diagnostic, Duplicates};
use crate::disposition::Disposition;
use crate::phone_number::Number;
use columns::{Columns, Row};
use csv::{ONE_ROW, Place, Record, STREAM, ScanError, Scanner};
use row::Why;
use zones::Zones;

pub use done::Done;
pub use row::{Contact, Entry, Rendered, Skipped, Unsendable};
pub use shard::Shard;

/// Where a row stands in the private copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub(crate) offset: u64,
    pub(crate) line: u64,
}

/// How many rows there are in this run's part of the list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Rows, header and empty ones apart.
    pub contacts: u64,
    /// Those of them that have no number or cannot be sent.
    pub bad: u64,
    /// Those whose numbers all stand earlier in the list.
    pub duplicates: u64,
}

/// The list as it was when it was opened.
#[derive(Debug)]
pub struct List {
    copy: File,
    columns: Columns,
    zones: Zones,
    /// Which rows are this run's.
    shard: Option<Shard>,
    duplicates: Duplicates,
    summary: Summary,
    /// Rows whose id was there before, by their offset, in order: the number behind the `#`.
    repeated_ids: Vec<(u64, u32)>,
    /// Numbers that were there before, by the offset of their row and the place of their column, in order: the line of
    /// the first.
    repeated_numbers: Vec<((u64, u16), u64)>,
}

/// What is found in a row that can be called. Kept from row to row, so that none of them costs an allocation.
#[derive(Debug, Default)]
struct Judged {
    /// Its numbers with the places of their columns, each once; never empty.
    numbers: Vec<(u16, Number)>,
    zone: u16,
    scratch: Vec<u8>,
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
        let columns = Columns::bind(campaign, &copy)?;
        let mut list = Self {
            copy,
            columns,
            zones: Zones::new(campaign.zone()),
            shard,
            duplicates: campaign.contacts.duplicates,
            summary: Summary::default(),
            repeated_ids: Vec::new(),
            repeated_numbers: Vec::new(),
        };
        let bad = validate::check(&mut list).map_err(|error| {
            let line = match error {
                ScanError::Io(_) => None,
                ScanError::Unclosed { line } => Some(line),
            };
            CampaignErrors(vec![Diagnostic {
                file: source.clone(),
                line,
                column: None,
                message: error.to_string(),
            }])
        })?;
        if campaign.contacts.bad_rows == BadRows::Stop && bad.all > 0 {
            return Err(CampaignErrors(bad.into_errors(source)));
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

    /// The time zones of the contacts. The first is that of a contact without one of its own: the window's, or the
    /// system's where there is no window.
    pub fn zones(&self) -> &[TimeZone] {
        self.zones.all()
    }

    /// The rows in their order. Blocks on the disk; memory does not grow with the list.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rows(self: &Arc<Self>) -> io::Result<Rows> {
        Ok(Rows {
            scanner: self.scanner(self.columns.body, STREAM)?,
            record: Record::default(),
            judged: Judged::default(),
            list: Arc::clone(self),
            done: Done::default(),
            row: 0,
            at_end: false,
        })
    }

    /// The rows in their order but for those that are `done`. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rows_but(self: &Arc<Self>, done: Done) -> io::Result<Rows> {
        let mut rows = self.rows()?;
        match done.from() {
            Some(from) => rows.scanner.go_to(from),
            None => rows.at_end = true,
        }
        rows.done = done;
        Ok(rows)
    }

    /// Tells which rows are done by the ids of their contacts, whether those can be called or not. Rows that are not
    /// this run's are not asked for. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn done(&self, mut is_done: impl FnMut(&str) -> bool) -> io::Result<Done> {
        let mut scanner = self.scanner(self.columns.body, STREAM)?;
        let (mut record, mut judged) = (Record::default(), Judged::default());
        let mut done = Done::default();
        while let Some(place) = scanner.read(&mut record)? {
            let is_ours = self.shard.is_none() || {
                let verdict = self.judge(&record, place, &mut judged);
                self.is_ours(&record, place, verdict.is_ok().then_some(&judged))
            };
            done.push(place.at, !is_ours || is_done(&self.id(&record, place.at)));
        }
        Ok(done)
    }

    /// What reads contacts at their places once more.
    ///
    /// # Errors
    /// The copy cannot be opened a second time.
    pub fn rereader(self: &Arc<Self>) -> io::Result<Rereader> {
        Ok(Rereader {
            scanner: self.scanner(self.columns.body, ONE_ROW)?,
            record: Record::default(),
            list: Arc::clone(self),
        })
    }

    /// What the Originate of a contact says when this of its numbers is called on this trunk (both by their places).
    ///
    /// # Errors
    /// Why it cannot be sent.
    pub fn render(
        &self,
        contact: &Contact,
        number: usize,
        trunk: usize,
    ) -> Result<Rendered, Unsendable> {
        let columns = &self.columns;
        let row = Row {
            record: &contact.record,
            number: &contact.numbers[number],
        };
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

    /// The values of the columns that the campaign keeps, in its order.
    pub fn kept(&self, contact: &Contact) -> Vec<String> {
        self.columns.kept(&contact.record)
    }

    /// The numbers of a row that can be called on every trunk, and its zone.
    fn judge(&self, record: &Record, place: Place, judged: &mut Judged) -> Result<(), Why> {
        let of_row = |why| Why::Row {
            why,
            goes_on_to: Some(place.last_line).filter(|&line| line != place.at.line),
        };
        let (found, expected) = (record.len(), self.columns.names.len());
        if found != expected {
            return Err(of_row(Unsendable::Fields { found, expected }));
        }
        self.columns
            .numbers(record, &mut judged.numbers)
            .map_err(Why::Number)?;
        judged.zone = self.zone(record).map_err(of_row)?;
        self.check_templates(record, judged).map_err(of_row)
    }

    fn zone(&self, record: &Record) -> Result<u16, Unsendable> {
        let Some((name, field)) = self.columns.zone_field(record) else {
            return Ok(0);
        };
        self.zones.find(field).ok_or_else(|| Unsendable::Zone {
            column: name.to_owned(),
            name: String::from_utf8_lossy(field).into_owned(),
        })
    }

    /// Whether every template has a value that can be sent, whatever number is called.
    fn check_templates(&self, record: &Record, judged: &mut Judged) -> Result<(), Unsendable> {
        let scratch = &mut judged.scratch;
        for (_, number) in &judged.numbers {
            let row = Row { record, number };
            self.columns.check(row, scratch)?;
            for variable in 0..self.columns.variables().len() {
                scratch.clear();
                self.columns.variable(row, variable, scratch)?;
            }
        }
        Ok(())
    }

    /// What a row comes to; `None` where it is another run's.
    fn entry(&self, record: &Record, place: Place, judged: &mut Judged) -> Option<Entry> {
        let at = place.at;
        let verdict = self.judge(record, place, judged);
        if !self.is_ours(record, place, verdict.is_ok().then_some(&*judged)) {
            return None;
        }
        let skipped = |disposition, why| {
            Entry::Skipped(Skipped {
                id: self.id(record, at).into_owned(),
                number: self.columns.first_number_field(record).into_owned(),
                disposition,
                line: at.line,
                why,
                kept: self.columns.kept(record),
            })
        };
        if let Err(why) = verdict {
            return Some(skipped(why.disposition(), why.to_string()));
        }
        let mut first_line = None;
        let (mut numbers, mut passed_over) = (Vec::new(), Vec::new());
        for &(column, number) in &judged.numbers {
            match noted(&self.repeated_numbers, (at.offset, column)) {
                Some(line) => {
                    first_line = first_line.or(Some(line));
                    passed_over.push(number);
                }
                None => numbers.push(number),
            }
        }
        if let (true, Some(line)) = (numbers.is_empty(), first_line) {
            let why = format!("the number stands on line {line} already");
            return Some(skipped(Disposition::Duplicate, why));
        }
        Some(Entry::Contact(Contact {
            record: record.clone(),
            id: self.id(record, at).into_owned(),
            numbers,
            passed_over,
            zone: judged.zone,
            at,
        }))
    }

    /// Whether a row is in this run's part of the list. That is told by its first number, also where the row cannot be
    /// called, or else by its id.
    fn is_ours(&self, record: &Record, place: Place, judged: Option<&Judged>) -> bool {
        let Some(shard) = self.shard else {
            return true;
        };
        let number = match judged {
            Some(judged) => judged.numbers.first().map(|&(_, number)| number),
            None => self.columns.first_number(record),
        };
        shard.holds(match number {
            Some(number) => number.key(),
            None => xxh3_64(self.columns.own_id(record, place.at).as_bytes()),
        })
    }

    /// The id of a row: the column's, or the number as given, or the line; with `#2` and so on where it repeats.
    fn id<'r>(&self, record: &'r Record, at: Position) -> Cow<'r, str> {
        let id = self.columns.own_id(record, at);
        match noted(&self.repeated_ids, at.offset) {
            Some(repetition) => format!("{id}#{repetition}").into(),
            None => id,
        }
    }

    fn scanner(&self, from: Position, buffer: usize) -> io::Result<Scanner> {
        let file = self.copy.try_clone()?;
        Ok(Scanner::new(file, from, self.columns.delimiter, buffer))
    }
}

/// What is noted under a key.
fn noted<K: Ord + Copy, T: Copy>(notes: &[(K, T)], key: K) -> Option<T> {
    let place = notes.binary_search_by_key(&key, |&(key, _)| key);
    place.ok().map(|place| notes[place].1)
}

/// The rows of a list, in order.
#[derive(Debug)]
pub struct Rows {
    list: Arc<List>,
    scanner: Scanner,
    record: Record,
    judged: Judged,
    /// Rows that are passed over, counted from where the reading began.
    done: Done,
    /// How many rows were read.
    row: u64,
    at_end: bool,
}

/// Reads contacts of a list at their places.
#[derive(Debug)]
pub struct Rereader {
    list: Arc<List>,
    scanner: Scanner,
    record: Record,
}

impl Rereader {
    /// The contact at a place. Blocks on the disk.
    ///
    /// # Errors
    /// The copy cannot be read.
    pub fn read(&mut self, at: Position) -> io::Result<Contact> {
        self.scanner.go_to(at);
        if let Some(place) = self.scanner.read(&mut self.record)?
            && let Some(Entry::Contact(contact)) =
                self.list.entry(&self.record, place, &mut Judged::default())
        {
            return Ok(contact);
        }
        Err(io::Error::other(format!(
            "the private copy of {} has changed",
            self.list.columns.file_name
        )))
    }
}

impl Iterator for Rows {
    type Item = io::Result<Entry>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.at_end {
            let place = match self.scanner.read(&mut self.record) {
                Ok(place) => place?,
                Err(error) => return Some(Err(error.into())),
            };
            self.row += 1;
            if self.done.contains(self.row - 1) {
                continue;
            }
            let entry = self.list.entry(&self.record, place, &mut self.judged);
            if let Some(entry) = entry {
                return Some(Ok(entry));
            }
        }
        None
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
