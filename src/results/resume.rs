//! Results of an earlier run, read to continue them.
//!
//! The rows are the truth: a contact with a final row is done, one with other rows is called again when it is due, and a
//! call of the journal that has a row is settled. What is kept grows with the contacts and not with the rows.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use xxhash_rust::xxh3::xxh3_64;

use crate::call::id::CallId;
use crate::contact_history::{Histories, History, may_have_rung};
use crate::disposition::Disposition;
use crate::phone_number::Number;
use crate::results::fields::Fields;
use crate::results::keys::{ByKey, ContactKey, ContactKeys};
use crate::results::reader::{
    self, OutcomeColumns, ResultsError, ResultsReader, ResultsRecord, RowPosition, is_simulated,
};
use crate::results::tail::{self, Tail, TailRow};

/// How far an earlier run came with a contact. Most contacts of a million share a few histories: this has only the place
/// of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContactProgress {
    /// When it may be called again, in milliseconds since 1970; 0: at once.
    next: i64,
    history: u32,
    /// A hash of the number that was called last.
    number: u32,
    /// The disposition of its last row.
    pub last: Option<Disposition>,
    pub is_final: bool,
    /// An earlier run was cut off in the middle of a call to it, and that call is being settled.
    pub in_flight: bool,
    /// How often it was redialed: what its numbers were before that counts no more.
    redials: u8,
}

const _: () = assert!(
    size_of::<(ContactKey, ContactProgress)>() == 40,
    "there may be millions"
);

impl ContactProgress {
    /// When it may be called again; 1970: at once.
    pub fn next(&self) -> Timestamp {
        Timestamp::from_millisecond(self.next).unwrap_or_default()
    }
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct PriorRun {
    /// The columns of the file; empty where there is none yet, or no whole header.
    pub columns: Vec<String>,
    /// What follows the last whole row.
    pub tail: Tail,
    /// A rehearsal wrote rows of it.
    pub simulated: bool,
    /// The calls of the journal that have their row.
    pub settled: BTreeSet<CallId>,
    /// Contacts and when they were called, as far as that was asked for.
    pub calls: Vec<(String, Timestamp)>,
    contacts: ByKey<ContactProgress>,
    histories: Histories,
    /// Numbers that turned out not to exist, by contact and its number of redials.
    dead: HashSet<(ContactKey, u8, u32)>,
    keys: ContactKeys,
}

impl PriorRun {
    /// `None` if no earlier run came to the contact.
    pub fn progress(&self, contact: &str) -> Option<ContactProgress> {
        self.contacts.get(&self.keys.of(contact)).copied()
    }

    /// Notes that a call of an earlier run is settled: its contact is called again when it is `due`, if ever.
    pub fn settle(&mut self, contact: &str, history: History, due: Option<Timestamp>) {
        let progress = ContactProgress {
            next: due.unwrap_or_default().as_millisecond(),
            history: self.histories.keep(history),
            is_final: due.is_none(),
            ..ContactProgress::default()
        };
        self.contacts.insert(self.keys.of(contact), progress);
    }

    /// The history of a contact that has these numbers, with which of them is next and which do not exist.
    pub fn history(&self, contact: &str, numbers: &[Number]) -> History {
        let key = self.keys.of(contact);
        let Some(progress) = self.contacts.get(&key) else {
            return History::default();
        };
        let mut history = self.histories.get(progress.history);
        for (index, number) in (0..).zip(numbers) {
            let number = hash(number.as_str());
            if self.dead.contains(&(key, progress.redials, number)) {
                history.number_is_dead(index);
            }
            if number == progress.number {
                history.next_number += index;
            }
        }
        history
    }

    /// Notes that an earlier run was cut off in the middle of a call to a contact, which is not done then, whatever its
    /// last row says.
    pub fn note_in_flight(&mut self, contact: &str) {
        let key = self.keys.of(contact);
        let mut progress = self.contacts.get(&key).copied().unwrap_or_default();
        if progress.is_final {
            progress = self.redial(progress);
        }
        progress.in_flight = true;
        self.contacts.insert(key, progress);
    }

    /// Gives a contact that was done all of its attempts again.
    fn redial(&mut self, progress: ContactProgress) -> ContactProgress {
        let history = self.histories.get(progress.history).afresh();
        ContactProgress {
            history: self.histories.keep(history),
            redials: progress.redials.wrapping_add(1),
            ..ContactProgress::default()
        }
    }

    /// How many contacts are done.
    pub fn finals(&self) -> usize {
        self.contacts.values().filter(|of| of.is_final).count()
    }

    /// Forgets the contacts that are done: the list has noted them.
    pub fn forget_finals(&mut self) {
        self.contacts.retain(|_, of| !of.is_final);
        self.contacts.shrink_to_fit();
    }

    fn take(
        &mut self,
        record: &ResultsRecord<'_>,
        columns: &ResumeColumns,
        asked: &Asked<'_>,
    ) -> Result<(), ResultsError> {
        let outcome = columns.outcome.read(record)?;
        let (disposition, counted) = (outcome.disposition, outcome.counted);
        let next = match record.get(columns.next) {
            "" => Timestamp::UNIX_EPOCH,
            next => next
                .parse::<Timestamp>()
                .map_err(|_| record.error(&format!("next_attempt_at {next:?} is no time")))?,
        };
        self.simulated |= outcome.simulated;
        if let Some(journal) = asked.journal
            && let Some(call) = CallId::from_bytes(record.get(columns.call_id).as_bytes())
            && journal.contains(&call)
        {
            self.settled.insert(call);
        }
        if let Some(since) = asked.since
            && may_have_rung(disposition, counted)
            && let Ok(at) = record.get(columns.dialed_at).parse::<Timestamp>()
            && at > since
        {
            self.calls.push((outcome.contact.to_owned(), at));
        }
        let key = self.keys.of(outcome.contact);
        let mut progress = self.contacts.get(&key).copied().unwrap_or_default();
        if progress.is_final {
            progress = self.redial(progress);
        }
        let mut history = self.histories.get(progress.history);
        history.put(disposition, counted);
        history.attempts = outcome.attempt;
        // The turn of a number is over when the call counted and was no fault of the trunk.
        let had_its_turn = counted && disposition != Disposition::Congestion;
        history.next_number = u8::from(had_its_turn);
        progress.history = self.histories.keep(history);
        progress.number = hash(record.get(columns.number));
        if had_its_turn && disposition == Disposition::InvalidNumber {
            self.dead.insert((key, progress.redials, progress.number));
        }
        progress.is_final = outcome.is_final;
        progress.last = Some(disposition);
        progress.next = next.as_millisecond();
        if outcome.is_final && asked.redial.contains(&disposition) {
            progress = self.redial(progress);
        }
        self.contacts.insert(key, progress);
        Ok(())
    }

    /// Repairs the end of the file, so that rows can be appended: a torn row is cut off and kept in a file beside it, and
    /// a row without its line end is given one. Returns where a torn row is kept.
    pub fn repair(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match self.tail {
            Tail::Nothing => Ok(None),
            Tail::WholeRow => tail::complete(path).map(|()| None),
            Tail::Torn(at) => tail::set_aside(path, at).map(Some),
        }
    }
}

/// What is asked of results that are read.
#[derive(Debug, Default, Clone, Copy)]
pub struct Asked<'a> {
    /// Contacts whose final row has one of these may be called again.
    pub redial: &'a [Disposition],
    /// The calls of the journal; `None` where there is no journal.
    pub journal: Option<&'a BTreeSet<CallId>>,
    /// Calls that were dialed after this are gathered.
    pub since: Option<Timestamp>,
}

/// The columns without which results cannot be continued, and some more.
#[derive(Debug)]
struct ResumeColumns {
    outcome: OutcomeColumns,
    next: usize,
    call_id: usize,
    number: Option<usize>,
    dialed_at: Option<usize>,
    count: usize,
}

impl ResumeColumns {
    fn of<R: Read>(reader: &ResultsReader<R>) -> Result<Self, ResultsError> {
        let outcome = OutcomeColumns::of(reader)?;
        reader.required("counted")?;
        reader.required("note")?;
        Ok(Self {
            outcome,
            next: reader.required("next_attempt_at")?,
            call_id: reader.required("call_id")?,
            number: reader.column("number"),
            dialed_at: reader.column("dialed_at"),
            count: reader.columns.len(),
        })
    }

    /// Reads some bytes as a row.
    fn parse(&self, fields: &mut Fields, bytes: &[u8]) -> TailRow {
        let record = reader::record(fields, bytes, self.count, RowPosition::default());
        let is_row = record.is_ok_and(|record| {
            let call = record.get(self.call_id).as_bytes();
            let outcome = self.outcome.read(&record);
            outcome.is_ok_and(|outcome| !outcome.contact.is_empty())
                && (call.is_empty() || CallId::from_bytes(call).is_some())
        });
        let split = fields.split(bytes).map(|()| fields.len());
        let is_whole = split.map_or(true, |count| self.call_id + 1 < count);
        TailRow {
            is_row,
            call: CallId::from_bytes(fields.get(bytes, self.call_id)).filter(|_| is_whole),
            fields: split,
        }
    }
}

/// Reads results to continue them; where there are none, nothing was done yet. The file is not changed.
pub fn read(path: &Path, asked: Asked<'_>) -> Result<PriorRun, ResultsError> {
    let mut prior = PriorRun::default();
    let mut reader = match reader::open(path) {
        Err(error) if error.is_not_found() => return Ok(prior),
        opened => opened?,
    };
    prior.columns.clone_from(&reader.columns);
    if prior.columns.is_empty() {
        let tail = tail::judge_header(reader.tail());
        prior.tail = tail.map_err(|(line, what)| reader.error_on_line(line, what))?;
        return Ok(prior);
    }
    let columns = ResumeColumns::of(&reader)?;
    while let Some(record) = reader.next()? {
        prior.take(&record, &columns, &asked)?;
    }
    let mut fields = Fields::default();
    let tail = tail::judge(
        reader.tail(),
        (reader.line, reader.whole),
        columns.count,
        asked.journal,
        |bytes| columns.parse(&mut fields, bytes),
    );
    prior.tail = tail.map_err(|(line, what)| reader.error_on_line(line, what))?;
    if prior.tail == Tail::WholeRow {
        // With its line end, the tail is the next row.
        reader.buffer.push(b'\n');
        if let Some(record) = reader.next()? {
            prior.take(&record, &columns, &asked)?;
        }
    }
    Ok(prior)
}

/// Whether `--fresh` may set a file aside: there is none, it is empty, or it begins as results do, whatever became of
/// its rows. Part of a `header` is enough.
pub fn may_be_set_aside(path: &Path, header: &[u8]) -> Result<bool, ResultsError> {
    match reader::open(path) {
        Ok(reader) if reader.columns.is_empty() => Ok(header.starts_with(reader.tail())),
        Ok(reader) => Ok(ResumeColumns::of(&reader).is_ok()),
        Err(ResultsError::Row { .. }) => Ok(false),
        Err(error) if error.is_not_found() => Ok(true),
        Err(error) => Err(error),
    }
}

/// Whether a rehearsal may overwrite a file: there is none, it is empty, or all of it is an earlier rehearsal's.
pub fn may_be_overwritten(path: &Path) -> bool {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => true,
        Ok(there) if there.is_file() && there.len() == 0 => true,
        _ => is_rehearsal(path).unwrap_or(false),
    }
}

fn is_rehearsal(path: &Path) -> Result<bool, ResultsError> {
    let mut reader = reader::open(path)?;
    let note = reader.required("note")?;
    // A header alone was left by a run that was cut off before its first row; only the name says which kind it was.
    let mut is_rehearsal = path.to_string_lossy().ends_with(".simulated.csv");
    while let Some(record) = reader.next()? {
        is_rehearsal = is_simulated(record.get(note));
        if !is_rehearsal {
            break;
        }
    }
    Ok(is_rehearsal)
}

/// 32 bits suffice to tell the few numbers of one contact apart.
fn hash(number: &str) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "32 of 64 bits are enough")]
    let hash = xxh3_64(number.as_bytes()) as u32;
    hash
}
