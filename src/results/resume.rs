//! Results of an earlier run, read to go on from.
//!
//! The rows are the truth: what has a final row is done, what has others is called again when it is due, and a call of
//! the journal that has a row is settled. A row that was torn by a crash is the last one, and is set aside.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::{self, File};
use std::hash::{BuildHasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use jiff::{Timestamp, Zoned};
use memchr::memchr2;

use super::writer::sync_folder;
use crate::call::id::CallId;
use crate::disposition::Disposition;
use crate::history::History;
use crate::number::Number;

/// The columns without which nothing can be continued.
const NEEDED: [&str; 9] = [
    "contact",
    "number",
    "attempt",
    "counted",
    "final",
    "disposition",
    "next_attempt_at",
    "call_id",
    "note",
];

/// How far an earlier run came with a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
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
}

impl Progress {
    /// A contact whose call was settled: it is called again when it is due, and never where it is not.
    pub fn settled(history: History, due: Option<i64>) -> Self {
        Self {
            history,
            is_final: due.is_none(),
            next: due.unwrap_or(0),
            ..Self::default()
        }
    }
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct Earlier {
    /// The columns of the file; empty where there is none yet.
    pub columns: Vec<String>,
    /// Rows that are whole.
    pub rows: u64,
    /// Where a torn last row was set aside.
    pub torn: Option<PathBuf>,
    /// The rows are a rehearsal's.
    pub simulated: bool,
    /// The calls that were asked for and have their row.
    pub settled: BTreeSet<CallId>,
    contacts: HashMap<u128, Progress>,
    /// Numbers of contacts that have several, and that turned out not to exist.
    dead: HashSet<(u128, u32)>,
    /// Two keys: 128 bits never make two people one.
    keys: (RandomState, RandomState),
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
        "{} cannot be continued: it has no column {missing}; move it away, or begin anew with --fresh",
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

impl Earlier {
    /// How far an earlier run came with a contact; `None` if it never came to it.
    pub fn progress(&self, contact: &str) -> Option<&Progress> {
        self.contacts.get(&self.key(contact))
    }

    /// Notes how far a contact has come.
    pub fn note(&mut self, contact: &str, progress: Progress) {
        let key = self.key(contact);
        self.contacts.insert(key, progress);
    }

    /// What is known of a contact that has these numbers: its history, which number is next, and which do not exist.
    pub fn history(&self, contact: &str, numbers: &[Number]) -> History {
        let key = self.key(contact);
        let Some(progress) = self.contacts.get(&key) else {
            return History::default();
        };
        let mut history = progress.history;
        for (place, number) in (0..).zip(numbers) {
            let number = hash(number.as_str());
            if self.dead.contains(&(key, number)) {
                history.number_is_dead(place);
            }
            if number == progress.number {
                history.next_number += place;
            }
        }
        history
    }

    /// Notes that an earlier run was cut off in the middle of a call to a contact.
    pub fn is_in_flight(&mut self, contact: &str) {
        let key = self.key(contact);
        self.contacts.entry(key).or_default().in_flight = true;
    }

    /// The contacts that are done.
    pub fn finals(&self) -> impl Iterator<Item = &Progress> {
        let all = self.contacts.values();
        all.filter(|progress| progress.is_final)
    }

    fn key(&self, contact: &str) -> u128 {
        let (low, high) = &self.keys;
        u128::from(low.hash_one(contact)) << 64 | u128::from(high.hash_one(contact))
    }
}

/// Reads results to go on from; where there are none, nothing was done yet. A torn last row is cut off and kept in a
/// file beside them. Contacts whose final row has one of the dispositions in `redial` may be called again. Of `journal`
/// it is told which calls have their row.
///
/// # Errors
/// The file is not one that can be continued. It is unchanged then.
pub fn read(
    path: &Path,
    redial: &[Disposition],
    journal: &BTreeSet<CallId>,
) -> Result<Earlier, ResumeError> {
    let failed = |source| ResumeError::Io {
        path: path.to_owned(),
        source,
    };
    let mut earlier = Earlier::default();
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(earlier),
        Err(error) => return Err(failed(error)),
    };
    let whole = whole_rows(&bytes);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(&bytes[..whole]);
    let mut record = ByteRecord::new();
    if reader
        .read_byte_record(&mut record)
        .map_err(|error| failed(error.into()))?
    {
        earlier.columns = record
            .iter()
            .map(|name| {
                String::from_utf8_lossy(name)
                    .trim_start_matches('\u{feff}')
                    .to_owned()
            })
            .collect();
        earlier.take_rows(path, &mut reader, redial, journal)?;
    }
    if whole < bytes.len() {
        earlier.torn = Some(set_aside(path, &bytes, whole).map_err(failed)?);
    }
    Ok(earlier)
}

impl Earlier {
    fn take_rows(
        &mut self,
        path: &Path,
        reader: &mut csv::Reader<&[u8]>,
        redial: &[Disposition],
        journal: &BTreeSet<CallId>,
    ) -> Result<(), ResumeError> {
        let mut places = [0; NEEDED.len()];
        for (place, name) in places.iter_mut().zip(NEEDED) {
            *place = self
                .columns
                .iter()
                .position(|column| column == name)
                .ok_or_else(|| ResumeError::Columns {
                    path: path.to_owned(),
                    missing: name.to_owned(),
                })?;
        }
        let mut record = ByteRecord::new();
        loop {
            let bad = |line, what: String| ResumeError::Row {
                path: path.to_owned(),
                line,
                what,
            };
            let read = reader.read_byte_record(&mut record);
            let line = record.position().map_or(0, csv::Position::line);
            if !read.map_err(|error| bad(line, error.to_string()))? {
                return Ok(());
            }
            if record.len() != self.columns.len() {
                let what = format!(
                    "{} fields, the header has {}",
                    record.len(),
                    self.columns.len()
                );
                return Err(bad(line, what));
            }
            let mut fields = [""; NEEDED.len()];
            for (field, &place) in fields.iter_mut().zip(&places) {
                *field = std::str::from_utf8(&record[place])
                    .map_err(|error| bad(line, error.to_string()))?;
            }
            self.take_row(fields, redial, journal)
                .map_err(|what| bad(line, what))?;
        }
    }

    fn take_row(
        &mut self,
        fields: [&str; NEEDED.len()],
        redial: &[Disposition],
        journal: &BTreeSet<CallId>,
    ) -> Result<(), String> {
        let [
            contact,
            number,
            attempt,
            counted,
            is_final,
            disposition,
            next,
            call_id,
            note,
        ] = fields;
        let disposition: Disposition = disposition.parse().map_err(|error| format!("{error}"))?;
        let attempt: u16 = attempt
            .parse()
            .map_err(|_| format!("attempt {attempt:?}"))?;
        self.rows += 1;
        self.simulated |= is_simulated(note);
        if let Some(call) =
            CallId::from_bytes(call_id.as_bytes()).filter(|call| journal.contains(call))
        {
            self.settled.insert(call);
        }
        let key = self.key(contact);
        let progress = self.contacts.entry(key).or_default();
        let counted = counted == "yes";
        progress.history.put(disposition, counted);
        progress.history.attempts = attempt;
        progress.number = hash(number);
        // The turn of a number is over when the call counted and was no fault of the trunk.
        progress.history.next_number = u8::from(counted && disposition != Disposition::Congestion);
        if counted && disposition == Disposition::InvalidNumber && attempt > 0 {
            self.dead.insert((key, progress.number));
        }
        progress.is_final = is_final == "yes";
        progress.last = Some(disposition);
        progress.next = match next {
            "" => 0,
            next => next
                .parse::<Timestamp>()
                .map_err(|_| format!("next_attempt_at {next:?}"))?
                .as_millisecond(),
        };
        if progress.is_final && redial.contains(&disposition) {
            // Its attempts are used up; it gets all of them once more.
            *progress = Progress {
                history: progress.history.afresh(),
                ..Progress::default()
            };
        }
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

/// How many bytes are whole rows: up to the last line end that is not within quotes.
fn whole_rows(bytes: &[u8]) -> usize {
    let mut quoted = false;
    let mut whole = 0;
    let mut at = 0;
    while let Some(place) = memchr2(b'"', b'\n', &bytes[at..]) {
        at += place + 1;
        if bytes[at - 1] == b'"' {
            quoted = !quoted;
        } else if !quoted {
            whole = at;
        }
    }
    whole
}

/// Cuts off what follows the whole rows, and keeps it in a file of its own, which is durable before the cut.
fn set_aside(path: &Path, bytes: &[u8], whole: usize) -> io::Result<PathBuf> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(Zoned::now().strftime(".torn-%Y%m%dT%H%M%S%3f").to_string());
    let aside = path.with_file_name(name);
    let mut file = File::options().write(true).create_new(true).open(&aside)?;
    file.write_all(&bytes[whole..])?;
    file.sync_all()?;
    sync_folder(&aside)?;
    let results = File::options().write(true).open(path)?;
    results.set_len(whole as u64)?;
    results.sync_all()?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::row::{Columns, Row};

    fn row(
        contact: &str,
        attempt: u16,
        counted: bool,
        is_final: bool,
        disposition: Disposition,
    ) -> Row {
        Row {
            contact: contact.to_owned(),
            attempt,
            counted,
            is_final,
            disposition: Some(disposition),
            call_id: CallId::new().to_string(),
            ..Row::default()
        }
    }

    fn file(rows: &[Row]) -> Vec<u8> {
        let columns = Columns::new(&[]);
        let mut bytes = columns.header();
        for row in rows {
            bytes.extend(row.to_csv(&columns));
        }
        bytes
    }

    fn read_bytes(bytes: &[u8], redial: &[Disposition]) -> Result<Earlier, ResumeError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, bytes).unwrap();
        read(&path, redial, &BTreeSet::new())
    }

    #[test]
    fn each_contact_stands_where_its_rows_left_it() {
        let mut again = row("b", 2, true, false, Disposition::Busy);
        again.next_attempt_at = Some(
            "2026-11-23T09:30:00.250-03:00[America/Montevideo]"
                .parse()
                .unwrap(),
        );
        let rows = [
            row("a", 1, true, true, Disposition::Answered),
            row("b", 1, false, false, Disposition::Congestion),
            again,
            row("c", 1, false, false, Disposition::Cancelled),
            row("d", 0, false, true, Disposition::InvalidNumber),
        ];
        let earlier = read_bytes(&file(&rows), &[]).unwrap();
        assert_eq!(earlier.rows, 5);
        assert!(earlier.progress("a").unwrap().is_final);
        let busy = earlier.progress("b").unwrap();
        let history = busy.history;
        assert_eq!(
            (history.attempts, history.counted, history.congested),
            (2, 1, 1)
        );
        assert_eq!(busy.next, 1_795_437_000_250);
        let cancelled = earlier.progress("c").unwrap();
        assert!(!cancelled.is_final && cancelled.next == 0);
        assert!(earlier.progress("d").unwrap().is_final);
        assert!(earlier.progress("e").is_none());
    }

    #[test]
    fn a_final_row_can_be_redialed_and_the_last_one_counts() {
        let rows = [
            row("a", 3, true, true, Disposition::Unknown),
            row("b", 1, true, true, Disposition::Unknown),
            row("b", 2, true, true, Disposition::Answered),
        ];
        let earlier = read_bytes(&file(&rows), &[Disposition::Unknown]).unwrap();
        let redialed = earlier.progress("a").unwrap();
        assert!(!redialed.is_final);
        assert_eq!(
            (redialed.history.attempts, redialed.history.counted),
            (3, 0)
        );
        assert!(earlier.progress("b").unwrap().is_final);
    }

    #[test]
    fn a_cut_anywhere_loses_no_whole_row_and_invents_none() {
        let mut multiline = row(
            "two\nlines, \"quoted\"",
            1,
            true,
            true,
            Disposition::Answered,
        );
        multiline.note = "a\r\nb".to_owned();
        let rows = [
            row("a", 1, true, true, Disposition::Busy),
            multiline,
            row("z", 1, true, true, Disposition::Failed),
        ];
        let bytes = file(&rows);
        let ends: Vec<usize> = (0..=rows.len())
            .map(|rows_before| file(&rows[..rows_before]).len())
            .collect();
        for cut in 0..=bytes.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("storm.csv");
            fs::write(&path, &bytes[..cut]).unwrap();
            let earlier = read(&path, &[], &BTreeSet::new()).unwrap();
            let whole = ends.iter().filter(|&&end| end <= cut).count();
            assert_eq!(earlier.rows, whole.saturating_sub(1) as u64, "cut at {cut}");
            let mut kept = fs::read(&path).unwrap();
            if let Some(aside) = &earlier.torn {
                kept.extend(fs::read(aside).unwrap());
            }
            assert_eq!(kept, &bytes[..cut], "nothing is lost");
        }
    }

    #[test]
    fn what_cannot_be_continued_is_left_as_it_is() {
        for (bytes, says) in [
            (&b"a,b\n1,2\n"[..], "it has no column contact"),
            (&b"contact,number,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1\n"[..], "2: the row cannot be read (2 fields"),
            (&b"contact,number,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1,1,yes,yes,NOPE,,,\n"[..], "2: the row cannot be read (\"NOPE\" is no disposition"),
        ] {
            let error = read_bytes(bytes, &[]).unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
        }
    }

    #[test]
    fn a_rehearsal_is_told_apart_and_calls_of_the_journal_are_found() {
        let mut rehearsed = row("a", 1, true, true, Disposition::Busy);
        rehearsed.note = "simulated".to_owned();
        let bytes = file(&[rehearsed.clone()]);
        assert!(read_bytes(&bytes, &[]).unwrap().simulated);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, &bytes).unwrap();
        let known = CallId::from_bytes(rehearsed.call_id.as_bytes()).unwrap();
        let journal = BTreeSet::from([known, CallId::new()]);
        assert_eq!(
            read(&path, &[], &journal).unwrap().settled,
            BTreeSet::from([known])
        );
    }
}
