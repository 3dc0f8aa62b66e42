//! One file of numbers: what it says, and what has changed in it since.
//!
//! Runs and people add to such files while others read them, one line at a time. A file that begins with what was read of
//! it, which its hash shows, is read on from there; any other is read again.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use tracing::warn;
use xxhash_rust::xxh3::Xxh3;

use super::key;
use crate::config::Diagnostic;
use crate::contacts::csv::{CsvReader, CsvRow, Position, STREAM, diagnostic, read_part};
use crate::phone_number::Numbering;
use crate::plural::counted;
use crate::results::fs::device_and_inode;

/// Any of them ends a field: people write these files with whichever they like.
const DELIMITERS: &[u8] = b",;\t";

const NO_NUMBERS: &str =
    "no line of it begins with a number; where nobody is on the list, leave the file empty";

/// A file, and how far it was read.
#[derive(Default)]
pub(super) struct WatchedFile {
    pub(super) path: PathBuf,
    /// It need not exist yet.
    may_be_missing: bool,
    seen: Option<FileStamp>,
    reading: Reading,
    /// So many lines without a number were warned of.
    warned: u64,
    failing: bool,
}

/// What was read of a file.
pub(super) struct FileChange {
    /// The file has these numbers; otherwise it has them besides those that it had.
    pub(super) is_whole: bool,
    /// The numbers of its complete lines; sorted, each once, if they are the whole.
    pub(super) numbers: Vec<u64>,
    /// That of the last line, as long as no line end follows: it may be the beginning of another number.
    pub(super) unfinished: Option<u64>,
}

/// What tells that a file has changed, short of reading it: which file, its length, and when it was modified.
type FileStamp = ((u64, u64), u64, Option<SystemTime>);

fn stamp(metadata: &Metadata) -> FileStamp {
    let modified = metadata.modified().ok();
    (device_and_inode(metadata), metadata.len(), modified)
}

impl WatchedFile {
    pub(super) fn new(path: &Path, may_be_missing: bool) -> Self {
        Self {
            path: path.to_owned(),
            may_be_missing,
            ..Self::default()
        }
    }

    /// Reads what is new in the file; `None` if it has not changed.
    pub(super) fn look(&mut self, numbering: Numbering) -> Result<Option<FileChange>, Diagnostic> {
        let path = self.path.clone();
        let unreadable = |error| diagnostic(&path, error);
        let Some((file, stamp)) = self.open().map_err(unreadable)? else {
            return Ok(None);
        };
        let is_first = self.seen.is_none();
        let is_whole = is_first || !self.reading.begins(&file).map_err(unreadable)?;
        let mut reading = if is_whole {
            Reading::default()
        } else {
            self.reading.clone()
        };
        // Before it is parsed: what is written in between is found to be different at the next look.
        reading.hash_up_to(&file, stamp.1).map_err(unreadable)?;
        let (mut numbers, unfinished) = reading
            .read(&file, numbering, is_first)
            .map_err(unreadable)?;
        if is_whole {
            if numbers.is_empty() && unfinished.is_none() && reading.is_of_something_else() {
                return Err(Diagnostic::of_file(&path, NO_NUMBERS));
            }
            numbers.sort_unstable();
            numbers.dedup();
        }
        self.reading = reading;
        self.seen = Some(stamp);
        Ok(Some(FileChange {
            is_whole,
            numbers,
            unfinished,
        }))
    }

    /// Opens the file if there is something to be looked at.
    fn open(&self) -> io::Result<Option<(Arc<File>, FileStamp)>> {
        if let Some(seen) = self.seen {
            let metadata = fs::metadata(&self.path)?;
            // What is no file, such as a pipe, was read once and for all.
            if seen == stamp(&metadata) || !metadata.is_file() {
                return Ok(None);
            }
        }
        let may_be_missing = self.may_be_missing && self.seen.is_none();
        let mut file = match File::open(&self.path) {
            Err(error) if may_be_missing && error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            let mut copy = tempfile::tempfile()?;
            io::copy(&mut file, &mut copy)?;
            file = copy;
        }
        Ok(Some((Arc::new(file), stamp(&metadata))))
    }

    /// Warns of lines that are no numbers, unless that was done.
    pub(super) fn warn_of_lines(&mut self) {
        let (bad, first) = self.reading.bad();
        if bad > self.warned {
            warn!(
                "{}: {} without a number at the beginning, which suppress nobody; the first is line {first}",
                self.path.display(),
                counted(bad, "line")
            );
        }
        self.warned = bad;
    }

    /// Notes whether the file can be used, and says whether that is new.
    pub(super) fn is_news(&mut self, failing: bool) -> bool {
        std::mem::replace(&mut self.failing, failing) != failing
    }
}

/// How far a file was read.
#[derive(Clone, Default)]
struct Reading {
    /// Behind its last complete row.
    end: Position,
    /// So many bytes of it are in the hash.
    hashed: u64,
    hash: Xxh3,
    /// Something stands in front, so that no header comes any more.
    has_begun: bool,
    has_odd_header: bool,
    /// What a last row says that has no line end.
    unfinished: RowMeaning,
    /// How many complete rows were no numbers, but had to be; and the line of the first.
    bad: u64,
    first_bad: u64,
}

/// What a row says.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum RowMeaning {
    /// Nothing, and nothing was to be expected of it.
    #[default]
    Nothing,
    Number(u64),
    /// It may name the columns.
    Header {
        /// The first column does not seem to be one of numbers.
        is_odd: bool,
    },
    NoNumber,
}

impl Reading {
    /// How many lines were no numbers, but had to be, and the first of them.
    fn bad(&self) -> (u64, u64) {
        match (self.bad, self.unfinished == RowMeaning::NoNumber) {
            (0, true) => (1, self.end.line.max(1)),
            (bad, last) => (bad + u64::from(last), self.first_bad),
        }
    }

    /// Whether a file in which there is no number is another than the one that was meant. One that is empty, or has
    /// the header of a list of numbers and nothing below it, is a list of nobody.
    fn is_of_something_else(&self) -> bool {
        let is_odd = self.unfinished == RowMeaning::Header { is_odd: true };
        self.bad().0 > 0 || self.has_odd_header || is_odd
    }

    /// Whether a file begins with what was read of this one.
    fn begins(&self, file: &Arc<File>) -> io::Result<bool> {
        let mut hash = Xxh3::new();
        let is_there = read_part(file, 0..self.hashed, |bytes| hash.update(bytes))?;
        Ok(is_there && hash.digest() == self.hash.digest())
    }

    fn hash_up_to(&mut self, file: &Arc<File>, length: u64) -> io::Result<()> {
        read_part(file, self.hashed..length, |bytes| self.hash.update(bytes))?;
        self.hashed = length;
        Ok(())
    }

    /// Reads on to the end of the file. Gives its numbers, and that of a last line that has no end. Where it is not
    /// `strict`, a line with a fault is one without a number: the lines behind it hold.
    fn read(
        &mut self,
        file: &Arc<File>,
        numbering: Numbering,
        strict: bool,
    ) -> io::Result<(Vec<u64>, Option<u64>)> {
        let file = Arc::clone(file);
        let mut reader = if self.end.offset == 0 {
            CsvReader::open(file, DELIMITERS, STREAM)?
        } else {
            CsvReader::new(file, self.end, DELIMITERS, STREAM)
        };
        let (mut row, mut numbers) = (CsvRow::default(), Vec::new());
        self.unfinished = RowMeaning::Nothing;
        loop {
            let (meaning, is_complete) = match reader.read(&mut row) {
                Ok(false) => break,
                Ok(true) => (self.meaning(&row, numbering), row.is_complete),
                Err(error) if !strict && error.kind() == ErrorKind::InvalidData => {
                    (RowMeaning::NoNumber, reader.skip_line(row.at)?)
                }
                Err(error) => return Err(error),
            };
            if !is_complete {
                self.unfinished = meaning;
                break;
            }
            self.end = reader.position();
            match meaning {
                RowMeaning::Nothing => continue,
                RowMeaning::Number(number) => numbers.push(number),
                RowMeaning::Header { is_odd } => self.has_odd_header = is_odd,
                RowMeaning::NoNumber => {
                    if self.bad == 0 {
                        self.first_bad = row.at.line;
                    }
                    self.bad += 1;
                }
            }
            self.has_begun = true;
        }
        let unfinished = match self.unfinished {
            RowMeaning::Number(number) => Some(number),
            _ => None,
        };
        Ok((numbers, unfinished))
    }

    fn meaning(&self, row: &CsvRow, numbering: Numbering) -> RowMeaning {
        let field = row.get(0);
        let text = row.text(0);
        let is_text = str::from_utf8(field).is_ok();
        match key(numbering, &text).filter(|_| is_text) {
            Some(number) => RowMeaning::Number(number),
            None if field.starts_with(b"#") => RowMeaning::Nothing,
            None if !self.has_begun && text.chars().any(char::is_alphabetic) => {
                RowMeaning::Header {
                    is_odd: !names_numbers(&text),
                }
            }
            None => RowMeaning::NoNumber,
        }
    }
}

/// Whether this may be the name of a column of telephone numbers.
fn names_numbers(name: &str) -> bool {
    const WORDS: [&str; 9] = [
        "num", "núm", "phone", "fon", "tel", "mobil", "celular", "cell", "msisdn",
    ];
    let name = name.to_lowercase();
    !name.contains(char::is_control) && WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    /// A file that is read after each piece that is added to it.
    fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Reading, Vec<u64>) {
        let (file, mut reading, mut all) = (
            Arc::new(tempfile::tempfile().unwrap()),
            Reading::default(),
            Vec::new(),
        );
        let mut length = 0;
        for piece in pieces {
            file.as_ref().write_all(piece).unwrap();
            length += piece.len() as u64;
            reading.hash_up_to(&file, length).unwrap();
            all.extend(reading.read(&file, Numbering(None), false).unwrap().0);
        }
        (reading, all)
    }

    fn keys<const N: usize>(numbers: [&str; N]) -> [u64; N] {
        numbers.map(|number| key(Numbering(None), number).unwrap())
    }

    #[test]
    fn the_first_column_counts_whatever_stands_around_it() {
        let text = b"\xef\xbb\xbfnumber,name\r\n1,Ana\r\n\"2\",\"x,\r\n y\"\r\n3;Eva\r4\tx\r\n 5 5 \r\n6,Jos\xe9\r\n";
        let (reading, numbers) = read([&text[..]]);
        assert_eq!(numbers, keys(["1", "2", "3", "4", "55", "6"]));
        assert_eq!(reading.bad, 0);
    }

    #[test]
    fn only_lines_that_should_be_numbers_are_counted_as_none() {
        let text = b"\n# since 2019\nphone\n1\nask Ana\n,,;\n\n# more\n+\n,Eva\n2\n";
        let (reading, numbers) = read([&text[..]]);
        assert_eq!(numbers, keys(["1", "2"]));
        assert_eq!((reading.bad, reading.first_bad), (3, 5));
        let (reading, _) = read([&b"--\n1\n"[..]]);
        assert_eq!(reading.bad, 1, "a header has letters");
    }

    #[test]
    fn a_fault_takes_its_line_and_no_other() {
        let (reading, numbers) = read([&b"1\n\"2\n3\n\"4\"x\n5\n"[..], b"\"6", b"\n7\n"]);
        assert_eq!(numbers, keys(["1", "3", "5", "7"]));
        assert_eq!((reading.bad, reading.first_bad), (3, 2));
        let overlong = "8".repeat(3 << 20);
        let (reading, numbers) = read([overlong.as_bytes(), b"\n9\n"]);
        assert_eq!((reading.bad, numbers), (1, keys(["9"]).to_vec()));
    }

    proptest! {
        #[test]
        fn how_a_file_grows_never_matters(
            text in "([0-9]{1,4}|[a-c ]{1,3}|#|,|\n|\r\n){1,40}",
            size in 1..8_usize,
        ) {
            let (whole, numbers) = read([text.as_bytes()]);
            let (grown, same) = read(text.as_bytes().chunks(size));
            prop_assert_eq!(numbers, same);
            prop_assert_eq!(whole.bad, grown.bad);
            prop_assert!(whole.unfinished == grown.unfinished);
            prop_assert_eq!(whole.hash.digest(), grown.hash.digest());
        }
    }
}
