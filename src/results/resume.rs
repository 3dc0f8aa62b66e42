//! Results of an earlier run, read to go on from.
//!
//! The rows are the truth: what has a final row is done, what has others is called again when it is due, and a call of
//! the journal that has a row is settled. They are streamed: what is kept grows with the contacts and not with the
//! rows. What follows the last whole row is judged by the module `tail`.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::rows::{self, Row, RowError, Rows};
use super::tail::{self, Parsed, Tail};
use crate::call::id::CallId;
use crate::disposition::Disposition;
use crate::history::History;
use crate::number::Number;

/// The columns that are looked at. Without the first, [`REQUIRED`] ones nothing can be continued.
const NEEDED: [&str; 10] = [
    "contact",
    "attempt",
    "counted",
    "final",
    "disposition",
    "next_attempt_at",
    "call_id",
    "note",
    "number",
    "dialed_at",
];
/// So many of them must be there.
const REQUIRED: usize = 8;
/// Which of them is the call's id.
const CALL_ID: usize = 6;

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
    /// How often it began anew: what its numbers were before that counts no more.
    anew: u8,
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
pub struct Earlier {
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
    contacts: HashMap<Key, Progress, BuildHasherDefault<KeyHasher>>,
    /// Numbers that turned out not to exist, by contact and by how often that had begun anew.
    dead: HashSet<(Key, u8, u32)>,
    /// Two keys: 128 bits never make two people one.
    keys: (RandomState, RandomState),
}

/// What a contact is known by: two keyed hashes of its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Key(u64, u64);

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0);
    }
}

/// A [`Key`] is a hash already.
#[derive(Debug, Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
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
            if self.dead.contains(&(key, progress.anew, number)) {
                history.number_is_dead(place);
            }
            if number == progress.number {
                history.next_number += place;
            }
        }
        history
    }

    /// Notes that an earlier run was cut off in the middle of a call to a contact, whatever its last row says: a contact
    /// that was being called once more is not done.
    pub fn is_in_flight(&mut self, contact: &str) {
        let key = self.key(contact);
        let progress = self.contacts.entry(key).or_default();
        if progress.is_final {
            progress.begin_anew();
        }
        progress.in_flight = true;
    }

    /// The contacts that are done.
    pub fn finals(&self) -> impl Iterator<Item = &Progress> {
        let all = self.contacts.values();
        all.filter(|progress| progress.is_final)
    }

    fn key(&self, contact: &str) -> Key {
        let (one, other) = &self.keys;
        Key(one.hash_one(contact), other.hash_one(contact))
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
) -> Result<Earlier, ResumeError> {
    let failed = |source| ResumeError::Io {
        path: path.to_owned(),
        source,
    };
    let mut earlier = Earlier::default();
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

/// The columns of a file, and where the needed ones are.
#[derive(Debug)]
struct Header {
    columns: Vec<String>,
    /// For each column, which of the needed ones it is.
    needed: Vec<Option<usize>>,
}

/// What is needed of a row, as it stands there.
type Needed<'r> = [Cow<'r, [u8]>; NEEDED.len()];

/// What a row says.
#[derive(Debug)]
struct Record<'r> {
    contact: &'r str,
    number: &'r str,
    attempt: u16,
    counted: bool,
    is_final: bool,
    disposition: Disposition,
    /// In milliseconds since 1970; 0: at once.
    next: i64,
    call_id: &'r str,
    dialed_at: &'r str,
    simulated: bool,
}

impl Header {
    fn of(row: Row<'_>, path: &Path) -> Result<Self, ResumeError> {
        let mut columns = Vec::new();
        rows::split(row.bytes, |_, name| {
            let name = String::from_utf8_lossy(&name);
            columns.push(name.trim_start_matches('\u{feff}').to_owned());
        })
        .map_err(|error| bad_row(path, row, error.to_string()))?;
        let mut needed = vec![None; columns.len()];
        for (which, name) in NEEDED.into_iter().enumerate() {
            match columns.iter().position(|column| column == name) {
                Some(place) => needed[place] = Some(which),
                None if which >= REQUIRED => {}
                None => {
                    return Err(ResumeError::Columns {
                        path: path.to_owned(),
                        missing: name.to_owned(),
                    });
                }
            }
        }
        Ok(Self { columns, needed })
    }

    /// Picks the needed fields, and tells how many fields there are.
    fn pick<'r>(&self, row: &'r [u8]) -> (Needed<'r>, Result<usize, rows::Misquoted>) {
        let mut fields: Needed = Default::default();
        let count = rows::split(row, |place, field| {
            if let Some(&Some(which)) = self.needed.get(place) {
                fields[which] = field;
            }
        });
        (fields, count)
    }

    /// The needed fields of a row that has as many fields as the header.
    fn fields<'r>(&self, row: &'r [u8]) -> Result<Needed<'r>, String> {
        let (fields, count) = self.pick(row);
        match count.map_err(|error| error.to_string())? {
            count if count == self.columns.len() => Ok(fields),
            count => Err(format!(
                "{count} fields, the header has {}",
                self.columns.len()
            )),
        }
    }

    /// What some bytes would be as a row.
    fn parse(&self, bytes: &[u8]) -> Parsed {
        let (fields, count) = self.pick(bytes);
        let record = Record::of(&fields).ok().filter(Record::is_plausible);
        Parsed {
            is_row: count == Ok(self.columns.len()) && record.is_some(),
            call: self
                .needed
                .iter()
                .position(|&which| which == Some(CALL_ID))
                .filter(|&place| count.map_or(true, |count| place + 1 < count))
                .and_then(|_| CallId::from_bytes(&fields[CALL_ID])),
            fields: count,
        }
    }
}

impl<'r> Record<'r> {
    fn of(fields: &'r Needed<'_>) -> Result<Self, String> {
        let mut texts = [""; NEEDED.len()];
        for (text, field) in texts.iter_mut().zip(fields) {
            *text = std::str::from_utf8(field).map_err(|error| error.to_string())?;
        }
        let [
            contact,
            attempt,
            counted,
            is_final,
            disposition,
            next,
            call_id,
            note,
            number,
            dialed_at,
        ] = texts;
        Ok(Self {
            contact,
            number,
            attempt: attempt
                .parse()
                .map_err(|_| format!("attempt {attempt:?}"))?,
            counted: counted == "yes",
            is_final: is_final == "yes",
            disposition: disposition.parse().map_err(|error| format!("{error}"))?,
            next: match next {
                "" => 0,
                next => next
                    .parse::<Timestamp>()
                    .map_err(|_| format!("next_attempt_at {next:?}"))?
                    .as_millisecond(),
            },
            call_id,
            dialed_at,
            simulated: is_simulated(note),
        })
    }

    fn call(&self) -> Option<CallId> {
        CallId::from_bytes(self.call_id.as_bytes())
    }

    /// Whether it has what every row has that this dialer writes.
    fn is_plausible(&self) -> bool {
        !self.contact.is_empty() && (self.call_id.is_empty() || self.call().is_some())
    }
}

impl Earlier {
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
        // A call that only the trunk was asked for rang no phone.
        let rang = record.counted || record.disposition != Disposition::Congestion;
        if let Some(since) = since
            && rang
            && let Ok(at) = record.dialed_at.parse::<Timestamp>()
            && at.as_millisecond() > since
        {
            self.calls
                .push((record.contact.to_owned(), at.as_millisecond()));
        }
        let key = self.key(record.contact);
        let progress = self.contacts.entry(key).or_default();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::number::Numbering;
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
        read(&path, redial, None, None)
    }

    /// The calls of these rows, as a journal has them that was left by a crash.
    fn calls(rows: &[Row]) -> BTreeSet<CallId> {
        rows.iter()
            .filter_map(|row| CallId::from_bytes(row.call_id.as_bytes()))
            .collect()
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
        let journal = calls(&rows);
        let ends: Vec<usize> = (0..=rows.len())
            .map(|rows_before| file(&rows[..rows_before]).len())
            .collect();
        for cut in 0..=bytes.len() {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("storm.csv");
            fs::write(&path, &bytes[..cut]).unwrap();
            let earlier = read(&path, &[], Some(&journal), None).unwrap();
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
    fn a_redial_that_was_cut_off_keeps_all_the_attempts_it_gave() {
        let rows = [
            row("a", 1, true, false, Disposition::Busy),
            row("a", 2, true, true, Disposition::Unknown),
            row("a", 3, false, false, Disposition::Congestion),
            row("a", 4, true, false, Disposition::Busy),
        ];
        let redialed = *read_bytes(&file(&rows), &[])
            .unwrap()
            .progress("a")
            .unwrap();
        let history = redialed.history;
        let counts = (history.attempts, history.counted, history.congested);
        assert_eq!(counts, (4, 1, 1), "those from before it count no more");
        // Asked for once more, nothing changes: its last row is not a final one.
        let again = read_bytes(&file(&rows), &[Disposition::Unknown]).unwrap();
        assert_eq!(*again.progress("a").unwrap(), redialed);
    }

    #[test]
    fn who_was_called_lately_is_told_where_that_is_asked_for() {
        let at = |text: &str| Some(text.parse().unwrap());
        let mut rows = [
            row("a", 1, true, false, Disposition::Busy),
            row("a", 2, true, false, Disposition::Busy),
            row("b", 1, false, false, Disposition::Congestion),
        ];
        rows[0].dialed_at = at("2026-11-20T12:00:00Z[UTC]");
        rows[1].dialed_at = at("2026-11-23T12:00:00Z[UTC]");
        rows[2].dialed_at = at("2026-11-23T12:00:00Z[UTC]");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, file(&rows)).unwrap();
        let noon = 1_795_435_200_000;
        let earlier = read(&path, &[], None, Some(noon - 86_400_000)).unwrap();
        assert_eq!(earlier.calls, [("a".to_owned(), noon)]);
        assert_eq!(read(&path, &[], None, None).unwrap().calls, []);
    }

    #[test]
    fn a_number_that_does_not_exist_is_called_again_only_when_the_contact_is_redialed() {
        let invalid = Row {
            number: "100".to_owned(),
            ..row("a", 1, true, true, Disposition::InvalidNumber)
        };
        let numbers = ["100", "200"].map(|number| Numbering::new(None).read(number).unwrap());
        let left = |redial: &[Disposition]| {
            let earlier = read_bytes(&file(std::slice::from_ref(&invalid)), redial).unwrap();
            let history = earlier.history("a", &numbers);
            history.numbers(2).collect::<Vec<_>>()
        };
        assert_eq!(left(&[]), [1]);
        assert_eq!(left(&[Disposition::InvalidNumber]), [0, 1]);
    }

    /// What becomes of a file, and what stands there afterwards.
    fn read_from(
        bytes: &[u8],
        journal: Option<&BTreeSet<CallId>>,
    ) -> (Result<Earlier, ResumeError>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, bytes).unwrap();
        let earlier = read(&path, &[], journal, None);
        (earlier, fs::read(&path).unwrap())
    }

    #[test]
    fn a_last_row_without_its_line_end_is_torn_only_if_its_call_is_in_the_journal() {
        let mut last = row("two\nlines", 1, true, true, Disposition::Answered);
        last.note = "a, b".to_owned();
        let rows = [row("a", 1, true, true, Disposition::Busy), last];
        let bytes = file(&rows);
        let cut = &bytes[..bytes.len() - 1];
        // An editor took it: without a crash there is no journal, and after one it knows the calls that were running.
        for journal in [None, Some(&calls(&rows[..1]))] {
            let (earlier, after) = read_from(cut, journal);
            let earlier = earlier.unwrap();
            assert!(earlier.completed && earlier.torn.is_none());
            assert!(earlier.progress("two\nlines").unwrap().is_final);
            assert_eq!(after, bytes);
        }
        let (earlier, after) = read_from(cut, Some(&calls(&rows)));
        let earlier = earlier.unwrap();
        assert!(earlier.torn.is_some() && !earlier.completed);
        assert!(earlier.progress("two\nlines").is_none());
        assert_eq!(after, file(&rows[..1]));
    }

    #[test]
    fn what_no_crash_cut_off_is_not_set_aside() {
        let mut last = row("two\nlines", 1, true, true, Disposition::Answered);
        last.note = "a, b".to_owned();
        let rows = [row("a", 1, true, true, Disposition::Busy), last];
        let bytes = file(&rows);
        let before = file(&rows[..1]).len();
        let at_line_break = before + memchr::memchr(b'\n', &bytes[before..]).unwrap() + 1;
        let two_in_one = [&bytes[..before - 1], &bytes[..before - 1]].concat();
        for (cut, journal, says) in [
            // Its call is whole and has its row, so that row was durable.
            (&bytes[..bytes.len() - 3], Some(&calls(&rows[..1])), ":3: "),
            // A line end within a field is where a mark was lost, and hardly where a crash cuts.
            (&bytes[..at_line_break], None, ":3: "),
            (&two_in_one[..], None, ":2: "),
        ] {
            let (earlier, after) = read_from(cut, journal);
            let error = earlier.unwrap_err().to_string();
            assert!(error.contains(says), "{error}");
            assert_eq!(after, cut);
        }
    }

    #[test]
    fn a_lost_quotation_mark_takes_nobody_s_outcome_away() {
        let mut quoted = row("a, b", 1, true, true, Disposition::Answered);
        quoted.note = "one, two".to_owned();
        let plain = |contact| row(contact, 1, true, true, Disposition::Busy);
        let rows = [plain("x"), quoted.clone(), plain("y"), quoted, plain("z")];
        let bytes = file(&rows);
        let journal = calls(&rows);
        let marks = memchr::memchr_iter(b'"', &bytes).collect::<Vec<_>>();
        assert_eq!(marks.len(), 8);
        for mark in marks {
            let mut lost = bytes.clone();
            lost.remove(mark);
            let line = bytes[..mark].split(|&byte| byte == b'\n').count();
            for journal in [None, Some(&journal)] {
                let folder = tempfile::tempdir().unwrap();
                let path = folder.path().join("storm.csv");
                fs::write(&path, &lost).unwrap();
                let error = read(&path, &[], journal, None).unwrap_err().to_string();
                assert!(error.contains(&format!("storm.csv:{line}: ")), "{error}");
                assert_eq!(fs::read(&path).unwrap(), lost, "it is left as it is");
            }
        }
    }

    #[test]
    fn what_cannot_be_continued_is_left_as_it_is() {
        for (bytes, says) in [
            (&b"a,b\n1,2\n"[..], "it has no column contact"),
            (&b"contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1\n"[..], "2: the row cannot be read (2 fields"),
            (&b"contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1,yes,yes,NOPE,,,\n"[..], "2: the row cannot be read (\"NOPE\" is no disposition"),
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
            read(&path, &[], Some(&journal), None).unwrap().settled,
            BTreeSet::from([known])
        );
    }
}
