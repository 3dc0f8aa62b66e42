//! One file of numbers: what it says, and what has changed in it since.
//!
//! Runs and people add to such files while others read them, one line at a time. A file that still begins with all
//! that was read of it is read on from there; whether it does is told by its content, since neither its length nor its
//! times say so.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::str;

use md5::{Digest as _, Md5};
use memchr::{memchr, memchr3};
use tracing::warn;

use crate::suppression::Key;

/// Bytes read at once.
const CHUNK: usize = 1 << 18;
/// So much of a line is kept; a number stands at its beginning.
const MAX_LINE: usize = 1 << 10;

/// A file, and how far it was read.
pub(super) struct Source {
    path: PathBuf,
    /// It need not exist yet.
    may_be_missing: bool,
    seen: Option<Stamp>,
    reading: Reading,
    /// So many lines without a number were warned of.
    warned: u64,
    failing: bool,
}

/// What was read of a file.
pub(super) enum News {
    /// It has all that it had, and this.
    Added {
        /// The numbers of the lines that were added.
        numbers: Vec<u64>,
        /// That of the last line, if no line end follows.
        unfinished: Option<u64>,
    },
    /// It says this.
    Replaced {
        /// The numbers of its lines, sorted.
        numbers: Box<[u64]>,
        /// That of the last line, if no line end follows.
        unfinished: Option<u64>,
    },
}

/// What tells that a file has changed, short of reading it.
#[derive(PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

impl Source {
    pub(super) fn new(path: PathBuf, may_be_missing: bool) -> Self {
        Self {
            path,
            may_be_missing,
            seen: None,
            reading: Reading::default(),
            warned: 0,
            failing: false,
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads what is new in the file; `None` if it has not changed.
    pub(super) fn look(&mut self, key: &Key) -> io::Result<Option<News>> {
        if let Some(seen) = &self.seen {
            let metadata = fs::metadata(&self.path)?;
            // What is no file, such as a pipe, was read once and for all.
            if !metadata.is_file() || *seen == Stamp::of(&metadata) {
                return Ok(None);
            }
        }
        let mut file = match File::open(&self.path) {
            Err(error)
                if error.kind() == ErrorKind::NotFound
                    && self.may_be_missing
                    && self.seen.is_none() =>
            {
                return Ok(None);
            }
            file => file?,
        };
        // Before it is read: what is written meanwhile makes another stamp.
        let stamp = Stamp::of(&file.metadata()?);
        let mut numbers = Vec::new();
        let first = self.seen.is_none();
        let news = if !first && self.reading.is_begin_of(&mut file)? {
            let mut reading = self.reading.clone();
            let unfinished = reading.read(&mut file, key, &mut numbers)?;
            self.reading = reading;
            News::Added {
                numbers,
                unfinished,
            }
        } else {
            if !first {
                file.rewind()?;
            }
            let mut reading = Reading::default();
            let unfinished = reading.read(&mut file, key, &mut numbers)?;
            if numbers.is_empty() && unfinished.is_none() && reading.is_of_something_else() {
                return Err(io::Error::new(
                    ErrorKind::InvalidData,
                    "no line of it begins with a number; where nobody is on the list, leave the file empty",
                ));
            }
            self.reading = reading;
            numbers.sort_unstable();
            numbers.dedup();
            News::Replaced {
                numbers: numbers.into_boxed_slice(),
                unfinished,
            }
        };
        self.seen = Some(stamp);
        Ok(Some(news))
    }

    /// Warns of lines that are no numbers, unless that was done.
    pub(super) fn warn_of_lines(&mut self) {
        let (bad, first) = self.reading.bad();
        if bad > self.warned {
            warn!(
                "{}: {bad} lines begin with no number and suppress nobody, the first is line {first}",
                self.path.display()
            );
        }
        self.warned = bad;
    }

    /// Notes that the file cannot be used, and says whether that is new.
    pub(super) fn failed(&mut self) -> bool {
        !std::mem::replace(&mut self.failing, true)
    }

    /// Notes that the file can be used, and says whether that is new.
    pub(super) fn recovered(&mut self) -> bool {
        std::mem::take(&mut self.failing)
    }
}

/// How far a file was read.
#[derive(Clone, Default)]
struct Reading {
    bytes: u64,
    /// Of all these bytes.
    digest: Md5,
    /// The last line, as long as no line end follows.
    unfinished: Vec<u8>,
    unfinished_is_bad: bool,
    lines: u64,
    header: Header,
    unfinished_is_odd_header: bool,
    /// How many of the lines with an end were no numbers, but had to be.
    bad: u64,
    first_bad: u64,
}

/// What became of the line that may be a header.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Header {
    /// It may come yet.
    #[default]
    Awaited,
    /// It named a column of numbers, or there was none.
    Over,
    /// It named something else.
    Odd,
}

/// What a line says.
enum Line {
    /// Nothing, and nothing was to be expected of it.
    Nothing,
    Number(u64),
    /// It may be the names of the columns.
    Header {
        /// The first column does not seem to be one of numbers.
        odd: bool,
    },
    NoNumber,
}

impl Reading {
    /// How many lines were no numbers, but had to be, and the first of them.
    fn bad(&self) -> (u64, u64) {
        match (self.bad, self.unfinished_is_bad) {
            (0, true) => (1, self.lines + 1),
            (bad, last) => (bad + u64::from(last), self.first_bad),
        }
    }

    /// Whether a file in which there is no number is another than the one that was meant. One that is empty, or has
    /// the header of a list of numbers and nothing below it, is a list in which nobody stands.
    fn is_of_something_else(&self) -> bool {
        self.bad().0 > 0 || self.header == Header::Odd || self.unfinished_is_odd_header
    }

    /// Whether a file begins with all that was read. Reads that much of it.
    fn is_begin_of(&self, file: &mut File) -> io::Result<bool> {
        let mut digest = Md5::new();
        let mut begin = file.take(self.bytes);
        let mut chunk = vec![0; CHUNK];
        loop {
            match read(&mut begin, &mut chunk)? {
                0 => break,
                length => digest.update(&chunk[..length]),
            }
        }
        Ok(begin.limit() == 0 && digest.finalize() == self.digest.clone().finalize())
    }

    /// Reads on to the end of the file, and gives the number of a last line that has no end.
    fn read(
        &mut self,
        file: &mut File,
        key: &Key,
        numbers: &mut Vec<u64>,
    ) -> io::Result<Option<u64>> {
        let mut chunk = vec![0; CHUNK];
        loop {
            match read(file, &mut chunk)? {
                0 => break,
                length => self.feed(&chunk[..length], key, numbers)?,
            }
        }
        let last = self.parse(&self.unfinished, key);
        self.unfinished_is_bad = matches!(last, Line::NoNumber);
        self.unfinished_is_odd_header = matches!(last, Line::Header { odd: true });
        Ok(match last {
            Line::Number(number) => Some(number),
            Line::Nothing | Line::Header { .. } | Line::NoNumber => None,
        })
    }

    fn feed(&mut self, mut bytes: &[u8], key: &Key, numbers: &mut Vec<u64>) -> io::Result<()> {
        let is_utf16 = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        if self.bytes == 0 && is_utf16 {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is UTF-16: save it as UTF-8",
            ));
        }
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        while let Some(end) = memchr(b'\n', bytes) {
            let line = &bytes[..end];
            if self.unfinished.is_empty() {
                self.line(line, key, numbers);
            } else {
                self.keep(line);
                let line = std::mem::take(&mut self.unfinished);
                self.line(&line, key, numbers);
            }
            bytes = &bytes[end + 1..];
        }
        self.keep(bytes);
        Ok(())
    }

    fn keep(&mut self, bytes: &[u8]) {
        let room = MAX_LINE - self.unfinished.len();
        self.unfinished
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn line(&mut self, line: &[u8], key: &Key, numbers: &mut Vec<u64>) {
        self.lines += 1;
        match self.parse(line, key) {
            Line::Nothing => return,
            Line::Number(number) => numbers.push(number),
            Line::Header { odd: true } => {
                self.header = Header::Odd;
                return;
            }
            Line::Header { odd: false } => {}
            Line::NoNumber => {
                if self.bad == 0 {
                    self.first_bad = self.lines;
                }
                self.bad += 1;
            }
        }
        if self.header == Header::Awaited {
            self.header = Header::Over;
        }
    }

    fn parse(&self, line: &[u8], key: &Key) -> Line {
        let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
        let field = first_field(line);
        match str::from_utf8(field).ok().and_then(key) {
            Some(number) => Line::Number(number),
            None if field.starts_with(b"#") || is_blank(line) => Line::Nothing,
            None if self.header == Header::Awaited && has_letters(field) => Line::Header {
                odd: !names_numbers(field),
            },
            None => Line::NoNumber,
        }
    }
}

fn read(from: &mut impl Read, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// The first column, whichever of the usual delimiters the file has.
fn first_field(line: &[u8]) -> &[u8] {
    let line = line.trim_ascii();
    let (field, end) = match line.strip_prefix(b"\"") {
        Some(quoted) => (quoted, memchr(b'"', quoted)),
        None => (line, memchr3(b',', b';', b'\t', line)),
    };
    field[..end.unwrap_or(field.len())].trim_ascii()
}

/// One of the rows without anything that spreadsheets leave at the end.
fn is_blank(line: &[u8]) -> bool {
    line.iter()
        .all(|byte| byte.is_ascii_whitespace() || matches!(byte, b',' | b';' | b'"'))
}

/// Whether this may be the name of a column of telephone numbers.
fn names_numbers(field: &[u8]) -> bool {
    const WORDS: [&str; 9] = [
        "num", "núm", "phone", "fon", "tel", "mobil", "celular", "cell", "msisdn",
    ];
    str::from_utf8(field).is_ok_and(|name| {
        let name = name.to_lowercase();
        !name.contains(char::is_control) && WORDS.iter().any(|word| name.contains(word))
    })
}

fn has_letters(field: &[u8]) -> bool {
    String::from_utf8_lossy(field)
        .chars()
        .any(char::is_alphabetic)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(field: &str) -> Option<u64> {
        field.replace(' ', "").parse().ok()
    }

    fn fed<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Reading, Vec<u64>) {
        let mut reading = Reading::default();
        let mut numbers = Vec::new();
        for chunk in chunks {
            reading.feed(chunk, &key, &mut numbers).unwrap();
        }
        (reading, numbers)
    }

    #[test]
    fn the_first_column_counts_whatever_stands_around_it() {
        let text = b"\xef\xbb\xbfnumber,name\r\n1,Ana\r\n\"2\",\"x, y\"\r\n3;Eva\r\n4\tx\r\n 5 5 \r\n6,Jos\xe9\r\n";
        let (reading, numbers) = fed([&text[..]]);
        assert_eq!(numbers, [1, 2, 3, 4, 55, 6]);
        assert_eq!(reading.bad, 0);
    }

    #[test]
    fn only_lines_that_should_be_numbers_are_counted_as_none() {
        let text = b"\n# since 2019\nphone\n1\nask Ana\n,,;\n\n# more\n+\n,Eva\n2\n";
        let (reading, numbers) = fed([&text[..]]);
        assert_eq!(numbers, [1, 2]);
        assert_eq!((reading.bad, reading.first_bad), (3, 5));
        let (reading, _) = fed([&b"--\n1\n"[..]]);
        assert_eq!(reading.bad, 1, "a header has letters");
    }

    #[test]
    fn a_line_without_end_takes_no_memory() {
        let chunk = [b'1'; 4096];
        let (reading, _) = fed((0..100).map(|_| &chunk[..]));
        assert!(reading.unfinished.capacity() <= 2 * MAX_LINE);
    }

    proptest! {
        #[test]
        fn how_a_file_is_cut_into_reads_never_matters(
            text in "([0-9]{1,4}|[a-c ]{1,3}|#|\"|,|\n|\r\n){0,40}",
            size in 1..8_usize,
        ) {
            let (whole, numbers) = fed([text.as_bytes()]);
            let (cut, same) = fed(text.as_bytes().chunks(size));
            prop_assert_eq!(numbers, same);
            prop_assert_eq!(whole.bad, cut.bad);
            prop_assert_eq!(whole.first_bad, cut.first_bad);
            prop_assert_eq!(whole.unfinished, cut.unfinished);
            prop_assert!(whole.digest.finalize() == cut.digest.finalize());
        }
    }
}
