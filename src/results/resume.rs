//! Results of an earlier run, read to continue them.
//!
//! The rows are the truth: a contact with a final row is done, one with other rows is called again when it is due, and a
//! call of the journal that has a row is settled. What is kept grows with the contacts and not with the rows.

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fs::{self, File};
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
    self, Outcome, OutcomeColumns, ResultsError, ResultsReader, ResultsRecord, is_simulated,
};
use crate::results::tail::{self, Tail, TailRow};

/// How far an earlier run came with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContactProgress {
    /// What has happened to it, but for which number is next: only the list says that.
    pub history: History,
    pub is_final: bool,
    /// The disposition of its last row.
    pub last: Option<Disposition>,
    /// An earlier run was cut off in the middle of a call to it, and that call is being settled.
    pub in_flight: bool,
    /// When it may be called again; 1970: at once.
    pub next: Timestamp,
    /// A hash of the number that was called last.
    number: u32,
    /// How often it was redialed: what its numbers were before that counts no more.
    redials: u8,
}

/// A [`ContactProgress`] with the place of its history: most contacts of a million share a few.
#[derive(Debug, Clone, Copy)]
struct PackedProgress {
    /// In milliseconds since 1970.
    next: i64,
    history: u32,
    number: u32,
    last: Option<Disposition>,
    is_final: bool,
    in_flight: bool,
    redials: u8,
}

const _: () = assert!(
    size_of::<(ContactKey, PackedProgress)>() == 40,
    "there may be millions"
);

impl ContactProgress {
    /// A contact whose call was settled: it is called again when it is `due`, if ever.
    pub fn settled(history: History, due: Option<Timestamp>) -> Self {
        Self {
            history,
            is_final: due.is_none(),
            next: due.unwrap_or_default(),
            ..Self::default()
        }
    }

    /// A contact that was done gets all of its attempts again.
    fn redial(&mut self) {
        *self = Self {
            history: self.history.afresh(),
            redials: self.redials.wrapping_add(1),
            ..Self::default()
        };
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
    contacts: ByKey<PackedProgress>,
    histories: Histories,
    /// Numbers that turned out not to exist, by contact and its number of redials.
    dead: HashSet<(ContactKey, u8, u32)>,
    keys: ContactKeys,
}

impl PriorRun {
    /// `None` if no earlier run came to the contact.
    pub fn progress(&self, contact: &str) -> Option<ContactProgress> {
        let kept = self.contacts.get(&self.keys.of(contact))?;
        Some(self.unpack(kept))
    }

    pub fn note(&mut self, contact: &str, progress: ContactProgress) {
        let key = self.keys.of(contact);
        self.put(key, progress);
    }

    /// The history of a contact that has these numbers, with which of them is next and which do not exist.
    pub fn history(&self, contact: &str, numbers: &[Number]) -> History {
        let key = self.keys.of(contact);
        let Some(kept) = self.contacts.get(&key) else {
            return History::default();
        };
        let mut history = self.histories.get(kept.history);
        for (index, number) in (0..).zip(numbers) {
            let number = hash(number.as_str());
            if self.dead.contains(&(key, kept.redials, number)) {
                history.number_is_dead(index);
            }
            if number == kept.number {
                history.next_number += index;
            }
        }
        history
    }

    /// Notes that an earlier run was cut off in the middle of a call to a contact, which is not done then, whatever its
    /// last row says.
    pub fn is_in_flight(&mut self, contact: &str) {
        let mut progress = self.progress(contact).unwrap_or_default();
        if progress.is_final {
            progress.redial();
        }
        progress.in_flight = true;
        self.note(contact, progress);
    }

    /// How many contacts are done.
    pub fn finals(&self) -> usize {
        self.contacts.values().filter(|kept| kept.is_final).count()
    }

    /// Forgets the contacts that are done: the list has noted them.
    pub fn forget_finals(&mut self) {
        self.contacts.retain(|_, kept| !kept.is_final);
        self.contacts.shrink_to_fit();
    }

    fn unpack(&self, kept: &PackedProgress) -> ContactProgress {
        ContactProgress {
            history: self.histories.get(kept.history),
            is_final: kept.is_final,
            last: kept.last,
            in_flight: kept.in_flight,
            next: Timestamp::from_millisecond(kept.next).unwrap_or_default(),
            number: kept.number,
            redials: kept.redials,
        }
    }

    fn put(&mut self, key: ContactKey, progress: ContactProgress) {
        let kept = PackedProgress {
            next: progress.next.as_millisecond(),
            history: self.histories.keep(progress.history),
            number: progress.number,
            last: progress.last,
            is_final: progress.is_final,
            in_flight: progress.in_flight,
            redials: progress.redials,
        };
        self.contacts.insert(key, kept);
    }

    fn take(
        &mut self,
        record: &ResultsRecord<'_>,
        columns: &ResumeColumns,
        asked: &Asked<'_>,
    ) -> Result<(), ResultsError> {
        let Outcome {
            contact,
            attempt,
            counted,
            is_final,
            disposition,
            simulated,
        } = columns.outcome.read(record)?;
        let next = match record.get(columns.next) {
            "" => Timestamp::UNIX_EPOCH,
            next => next
                .parse::<Timestamp>()
                .map_err(|_| record.error(&format!("next_attempt_at {next:?} is no time")))?,
        };
        self.simulated |= simulated;
        if let Some(journal) = asked.journal.filter(|journal| !journal.is_empty())
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
            self.calls.push((contact.to_owned(), at));
        }
        let key = self.keys.of(contact);
        let kept = self.contacts.get(&key);
        let mut progress = kept.map_or_else(ContactProgress::default, |kept| self.unpack(kept));
        if progress.is_final {
            progress.redial();
        }
        progress.history.put(disposition, counted);
        progress.history.attempts = attempt;
        progress.number = hash(record.get(columns.number));
        // The turn of a number is over when the call counted and was no fault of the trunk.
        let had_its_turn = counted && disposition != Disposition::Congestion;
        progress.history.next_number = u8::from(had_its_turn);
        if had_its_turn && disposition == Disposition::InvalidNumber {
            self.dead.insert((key, progress.redials, progress.number));
        }
        progress.is_final = is_final;
        progress.last = Some(disposition);
        progress.next = next;
        if progress.is_final && asked.redial.contains(&disposition) {
            progress.redial();
        }
        self.put(key, progress);
        Ok(())
    }

    /// Repairs the end of the file, so that rows can be appended: a torn row is cut off and kept in a file beside it, and
    /// a row without its line end is given one. Returns where a torn row is kept.
    pub fn repair(&self, path: &Path) -> io::Result<Option<PathBuf>> {
        match &self.tail {
            Tail::Nothing => Ok(None),
            Tail::WholeRow => tail::complete(path).map(|()| None),
            Tail::Torn { bytes, at } => tail::set_aside(path, bytes, *at).map(Some),
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
            count: reader.columns().len(),
        })
    }

    /// Reads some bytes as a row.
    fn parse(&self, fields: &mut Fields, bytes: &[u8]) -> TailRow {
        let split = fields.split(bytes).map(|()| fields.len());
        let call_id = fields.get(bytes, self.call_id);
        let call = CallId::from_bytes(call_id);
        let is_row = split == Ok(self.count)
            && (call_id.is_empty() || call.is_some())
            && reader::whole_row(fields, bytes).is_some_and(|record| {
                let outcome = self.outcome.read(&record);
                outcome.is_ok_and(|outcome| !outcome.contact.is_empty())
            });
        TailRow {
            is_row,
            call: call.filter(|_| split.map_or(true, |count| self.call_id + 1 < count)),
            fields: split,
        }
    }
}

/// Reads results to continue them; where there are none, nothing was done yet. The file is not changed.
pub fn read(path: &Path, asked: Asked<'_>) -> Result<PriorRun, ResultsError> {
    let mut prior = PriorRun::default();
    let name = path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(prior),
        Err(source) => return Err(ResultsError::Io { name, source }),
    };
    let mut reader = ResultsReader::new(file, &name)?;
    let columns = match reader.columns() {
        [] => None,
        _ => Some(ResumeColumns::of(&reader)?),
    };
    let tail = if let Some(columns) = &columns {
        while let Some(record) = reader.next()? {
            prior.take(&record, columns, &asked)?;
        }
        let mut fields = Fields::default();
        tail::judge(
            reader.tail(),
            (reader.tail_line(), reader.whole()),
            columns.count,
            asked.journal,
            |bytes| columns.parse(&mut fields, bytes),
        )
    } else {
        tail::judge_header(reader.tail())
    };
    prior.tail = tail.map_err(|(line, what)| reader.error_on_line(line, what))?;
    if let (Some(columns), Tail::WholeRow) = (&columns, &prior.tail) {
        prior.take(&reader.tail_record()?, columns, &asked)?;
    }
    prior.columns = reader.columns().to_vec();
    Ok(prior)
}

/// Whether `--fresh` may set a file aside: there is none, it is empty, or it begins as results do, whatever became of
/// its rows. Part of a `header` is enough.
pub fn may_be_set_aside(path: &Path, header: &[u8]) -> Result<bool, ResultsError> {
    let name = path.display().to_string();
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(ResultsError::Io { name, source }),
    };
    match ResultsReader::new(file, &name) {
        Ok(reader) if reader.columns().is_empty() => Ok(header.starts_with(reader.tail())),
        Ok(reader) => Ok(ResumeColumns::of(&reader).is_ok()),
        Err(ResultsError::Row { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Whether a rehearsal may overwrite a file: there is none, it is empty, or all of it is an earlier rehearsal's.
pub fn may_be_overwritten(path: &Path) -> bool {
    match fs::metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return true,
        Ok(there) if there.is_file() && there.len() == 0 => return true,
        _ => {}
    }
    // A header alone was left by a run that was cut off before its first row; only the name says which kind it was.
    let is_named_so = path.to_string_lossy().ends_with(".simulated.csv");
    is_rehearsal(path).is_ok_and(|rehearsal| rehearsal.unwrap_or(is_named_so))
}

/// Whether all rows are a rehearsal's; `None` where there are none.
fn is_rehearsal(path: &Path) -> Result<Option<bool>, ResultsError> {
    let mut reader = reader::open(path)?;
    let note = reader.required("note")?;
    let mut rehearsal = None;
    while let Some(record) = reader.next()? {
        rehearsal = Some(is_simulated(record.get(note)));
        if rehearsal == Some(false) {
            break;
        }
    }
    Ok(rehearsal)
}

/// 32 bits suffice to tell the few numbers of one contact apart.
fn hash(number: &str) -> u32 {
    #[expect(clippy::cast_possible_truncation, reason = "32 of 64 bits are enough")]
    let hash = xxh3_64(number.as_bytes()) as u32;
    hash
}
