//! Results of an earlier run, read to go on from.
//!
//! The rows are the truth: what has a final row is done, what has others is called again when it is due, and a call of
//! the journal that has a row is settled. They are streamed: what is kept grows with the contacts and not with the
//! rows. What follows the last whole row is judged by the module `tail`.

mod record;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::call::id::CallId;
use crate::contact_history::{Histories, History, may_have_rung};
use crate::disposition::Disposition;
use crate::phone_number::Number;
use crate::results::keys::{ByKey, ContactKey, ContactKeys};
use crate::results::rows::{self, Row, RowError, Rows};
use crate::results::tail::{self, Tail};
use record::{Header, Record};

/// How far an earlier run came with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ContactProgress {
    /// What has happened to it, but for which number is next: that takes the list to tell.
    pub history: History,
    /// It will not be called again.
    pub is_final: bool,
    /// How its last row ended.
    pub last: Option<Disposition>,
    /// An earlier run was cut off in the middle of a call to it, and that call is being settled.
    pub in_flight: bool,
    /// When it may be called again, in milliseconds since 1970; 0: at once.
    pub next: i64,
    /// A hash of the number that was called last.
    number: u32,
    /// How often it began anew: what its numbers were before that counts no more.
    anew: u8,
}

/// A [`ContactProgress`], with its history kept elsewhere: most contacts of a million share a few.
#[derive(Debug, Clone, Copy)]
struct Kept {
    next: i64,
    history: u32,
    number: u32,
    last: Option<Disposition>,
    is_final: bool,
    in_flight: bool,
    anew: u8,
}

const _: () = assert!(
    size_of::<(ContactKey, Kept)>() == 40,
    "there may be millions"
);

impl ContactProgress {
    /// A contact whose call was settled: it is called again when it is due, and never where it is not.
    pub fn settled(history: History, due: Option<i64>) -> Self {
        Self {
            history,
            is_final: due.is_none(),
            next: due.unwrap_or(0),
            ..Self::default()
        }
    }

    /// A contact that was done is called once more: it gets all of its attempts again.
    fn begin_anew(&mut self) {
        *self = Self {
            history: self.history.afresh(),
            anew: self.anew.wrapping_add(1),
            ..Self::default()
        };
    }
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct PriorRun {
    /// The columns of the file; empty where there is none yet.
    pub columns: Vec<String>,
    /// Rows that are whole.
    pub rows: u64,
    /// Where a torn last row was set aside.
    pub torn: Option<PathBuf>,
    /// The last row had lost its line end, and was given it.
    pub completed: bool,
    /// The rows are a rehearsal's.
    pub simulated: bool,
    /// The calls that were asked for and have their row.
    pub settled: BTreeSet<CallId>,
    /// Who was called when, in milliseconds since 1970, as far as that was asked for.
    pub calls: Vec<(String, i64)>,
    contacts: ByKey<Kept>,
    histories: Histories,
    /// Numbers that turned out not to exist, by contact and by how often that had begun anew.
    dead: HashSet<(ContactKey, u8, u32)>,
    keys: ContactKeys,
}

/// Why results cannot be continued.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// They cannot be read or repaired.
    #[error("{} cannot be continued: {source}", path.display())]
    Io {
        /// The results.
        path: PathBuf,
        /// What happened.
        source: io::Error,
    },
    /// They are no results.
    #[error(
        "{} cannot be continued: it has no column {missing}, so these are no results: name another file with --results, or move it away",
        path.display()
    )]
    Columns {
        /// The results.
        path: PathBuf,
        /// What is missing.
        missing: String,
    },
    /// A row in the middle is not whole.
    #[error("{}:{line}: the row cannot be read ({what}): mend it, or begin anew with --fresh", path.display())]
    Row {
        /// The results.
        path: PathBuf,
        /// Its line.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

impl PriorRun {
    /// How far an earlier run came with a contact; `None` if it never came to it.
    pub fn progress(&self, contact: &str) -> Option<ContactProgress> {
        let kept = self.contacts.get(&self.keys.of(contact))?;
        Some(self.unpack(kept))
    }

    /// Notes how far a contact has come.
    pub fn note(&mut self, contact: &str, progress: ContactProgress) {
        let key = self.keys.of(contact);
        self.put(key, progress);
    }

    /// What is known of a contact that has these numbers: its history, which number is next, and which do not exist.
    pub fn history(&self, contact: &str, numbers: &[Number]) -> History {
        let key = self.keys.of(contact);
        let Some(kept) = self.contacts.get(&key) else {
            return History::default();
        };
        let mut history = self.histories.get(kept.history);
        for (place, number) in (0..).zip(numbers) {
            let number = hash(number.as_str());
            if self.dead.contains(&(key, kept.anew, number)) {
                history.number_is_dead(place);
            }
            if number == kept.number {
                history.next_number += place;
            }
        }
        history
    }

    /// Notes that an earlier run was cut off in the middle of a call to a contact, whatever its last row says: a contact
    /// that was being called once more is not done.
    pub fn is_in_flight(&mut self, contact: &str) {
        let mut progress = self.progress(contact).unwrap_or_default();
        if progress.is_final {
            progress.begin_anew();
        }
        progress.in_flight = true;
        self.note(contact, progress);
    }

    /// Whether a contact is done.
    pub fn has_finals(&self) -> bool {
        self.contacts.values().any(|kept| kept.is_final)
    }

    /// Forgets the contacts that are done: it is known elsewhere who they are.
    pub fn forget_finals(&mut self) {
        self.contacts.retain(|_, kept| !kept.is_final);
        self.contacts.shrink_to_fit();
    }

    fn unpack(&self, kept: &Kept) -> ContactProgress {
        ContactProgress {
            history: self.histories.get(kept.history),
            is_final: kept.is_final,
            last: kept.last,
            in_flight: kept.in_flight,
            next: kept.next,
            number: kept.number,
            anew: kept.anew,
        }
    }

    fn put(&mut self, key: ContactKey, progress: ContactProgress) {
        let kept = Kept {
            next: progress.next,
            history: self.histories.keep(progress.history),
            number: progress.number,
            last: progress.last,
            is_final: progress.is_final,
            in_flight: progress.in_flight,
            anew: progress.anew,
        };
        self.contacts.insert(key, kept);
    }
}

/// Reads results to go on from; where there are none, nothing was done yet. A torn last row is cut off and kept in a
/// file beside them; one that lost its line end is given it. Contacts whose final row has one of the dispositions in
/// `redial` may be called again. Of the calls in `journal`, which is `None` where there is no journal, it is told which
/// have their row. Calls that were dialed `since` a moment, in milliseconds since 1970, are gathered.
///
/// # Errors
/// The file is not one that can be continued. It is unchanged then.
pub fn read(
    path: &Path,
    redial: &[Disposition],
    journal: Option<&BTreeSet<CallId>>,
    since: Option<i64>,
) -> Result<PriorRun, ResumeError> {
    let failed = |source| ResumeError::Io {
        path: path.to_owned(),
        source,
    };
    let mut earlier = PriorRun::default();
    let mut rows = match Rows::open(path) {
        Ok(rows) => rows,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(earlier),
        Err(error) => return Err(failed(error)),
    };
    let unread = |error| match error {
        RowError::Io(error) => failed(error),
        RowError::Unclosed(line) => bad(path, line, rows::Misquoted::Open.to_string()),
    };
    let header = match rows.next().map_err(unread)? {
        Some(row) => Some(Header::of(row, path)?),
        None => None,
    };
    let tail = match &header {
        None => tail::judge_header(rows.tail().bytes),
        Some(header) => {
            while let Some(row) = rows.next().map_err(unread)? {
                earlier
                    .take(header, row, redial, journal, since)
                    .map_err(|what| bad_row(path, row, what))?;
            }
            let tail = rows.tail();
            let parse = |bytes: &[u8]| header.parse(bytes);
            tail::judge(tail.bytes, tail.line, header.columns.len(), journal, parse)
        }
    };
    match tail {
        Tail::Nothing => {}
        Tail::Fault(line, what) => return Err(bad(path, line, what)),
        Tail::Torn => {
            let aside = tail::set_aside(path, rows.tail().bytes, rows.whole());
            earlier.torn = Some(aside.map_err(failed)?);
        }
        Tail::Whole => {
            if let Some(header) = &header {
                earlier
                    .take(header, rows.tail(), redial, journal, since)
                    .map_err(|what| bad_row(path, rows.tail(), what))?;
            }
            tail::complete(path).map_err(failed)?;
            earlier.completed = true;
        }
    }
    earlier.columns = header.map(|header| header.columns).unwrap_or_default();
    Ok(earlier)
}

/// Whether `--fresh` may set a file aside: there is none, it is empty, or it begins as results do, whatever became of
/// its rows. A `header` that was written in part is one that results begin with, too.
///
/// # Errors
/// It cannot be read.
pub fn may_be_set_aside(path: &Path, header: &[u8]) -> io::Result<bool> {
    let mut rows = match Rows::open(path) {
        Ok(rows) => rows,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    };
    match rows.next() {
        Ok(Some(row)) => Ok(Header::of(row, path).is_ok()),
        Ok(None) => Ok(header.starts_with(rows.tail().bytes)),
        Err(RowError::Io(error)) => Err(error),
        Err(RowError::Unclosed(_)) => Ok(false),
    }
}

fn bad(path: &Path, line: u64, what: String) -> ResumeError {
    ResumeError::Row {
        path: path.to_owned(),
        line,
        what,
    }
}

fn bad_row(path: &Path, row: Row<'_>, what: String) -> ResumeError {
    let what = if row.last_line == row.line {
        what
    } else {
        // What a lost quotation mark does: the rows below become part of a field.
        format!(
            "{what}; the row goes on to line {}: check its quotation marks",
            row.last_line
        )
    };
    bad(path, row.line, what)
}

impl PriorRun {
    fn take(
        &mut self,
        header: &Header,
        row: Row<'_>,
        redial: &[Disposition],
        journal: Option<&BTreeSet<CallId>>,
        since: Option<i64>,
    ) -> Result<(), String> {
        let fields = header.fields(row.bytes)?;
        let record = Record::of(&fields)?;
        self.rows += 1;
        self.simulated |= record.simulated;
        if let Some(journal) = journal.filter(|journal| !journal.is_empty())
            && let Some(call) = record.call().filter(|call| journal.contains(call))
        {
            self.settled.insert(call);
        }
        if let Some(since) = since
            && may_have_rung(record.disposition, record.counted)
            && let Ok(at) = record.dialed_at.parse::<Timestamp>()
            && at.as_millisecond() > since
        {
            self.calls
                .push((record.contact.to_owned(), at.as_millisecond()));
        }
        let key = self.keys.of(record.contact);
        let kept = self.contacts.get(&key);
        let mut progress = kept.map_or_else(ContactProgress::default, |kept| self.unpack(kept));
        if progress.is_final {
            progress.begin_anew();
        }
        progress.history.put(record.disposition, record.counted);
        progress.history.attempts = record.attempt;
        progress.number = hash(record.number);
        // The turn of a number is over when the call counted and was no fault of the trunk.
        let had_its_turn = record.counted && record.disposition != Disposition::Congestion;
        progress.history.next_number = u8::from(had_its_turn);
        if had_its_turn && record.disposition == Disposition::InvalidNumber {
            self.dead.insert((key, progress.anew, progress.number));
        }
        progress.is_final = record.is_final;
        progress.last = Some(record.disposition);
        progress.next = record.next;
        if progress.is_final && redial.contains(&record.disposition) {
            progress.begin_anew();
        }
        self.put(key, progress);
        Ok(())
    }
}

/// 32 bits suffice to tell the few numbers of one contact apart.
fn hash(number: &str) -> u32 {
    number.bytes().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Whether a rehearsal may begin a file anew: there is none, it is empty, or it is an earlier rehearsal's.
pub fn may_be_begun_anew(path: &Path) -> bool {
    if fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0) {
        return true;
    }
    if !path.exists() {
        return true;
    }
    let Ok(mut reader) = csv::Reader::from_path(path) else {
        return false;
    };
    let Some(note) = reader
        .headers()
        .ok()
        .and_then(|header| header.iter().position(|column| column == "note"))
    else {
        return false;
    };
    // A header alone was left by a run that was cut off before its first row; the name tells which kind it was.
    let named_so = path.to_string_lossy().ends_with(".simulated.csv");
    let mut rows = reader.records().peekable();
    (named_so || rows.peek().is_some())
        && rows.all(|row| row.is_ok_and(|row| row.get(note).is_some_and(is_simulated)))
}

/// Whether a row is a rehearsal's, by its note.
pub(crate) fn is_simulated(note: &str) -> bool {
    note == "simulated" || note.starts_with("simulated:")
}
