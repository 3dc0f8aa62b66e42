//! The rows of a CSV file, with the place of each: RFC 4180 by `csv-core`, lines as an editor counts them.
//!
//! The `csv` crate says where the end of the row before stands, which is another line after CRLF or an empty line, and
//! takes a quotation mark that is never closed for the end of the list. Both matter here: the line is what an operator
//! goes by, and everybody below such a mark would not be called and nobody would know.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};
use memchr::memchr2_iter;

use crate::contacts::Position;

/// Bytes read at once where row follows row.
pub(super) const STREAM: usize = 1 << 17;
/// Bytes read at once where one row is wanted.
pub(super) const ONE_ROW: usize = 1 << 12;

/// The fields of a row.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    /// How many fields there are.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field without the spaces around it.
    pub(super) fn get(&self, place: usize) -> Option<&[u8]> {
        let end = *self.ends.get(place)?;
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(self.bytes[start..end].trim_ascii())
    }

    /// The fields in their order.
    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|place| self.get(place))
    }

    /// Whether it is one of the rows without anything that spreadsheets leave at the end.
    fn is_blank(&self) -> bool {
        let mut ends = self.ends.iter();
        // Most rows begin with something: the other fields need no look then.
        ends.next()
            .is_none_or(|&end| self.bytes[..end].trim_ascii().is_empty())
            && self.fields().all(<[u8]>::is_empty)
    }
}

/// Where a row stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Where it begins.
    pub(super) at: Position,
    /// The line on which it ends; another one when a field holds line breaks.
    pub(super) last_line: u64,
}

/// Why there is no next row.
#[derive(Debug, thiserror::Error)]
pub(super) enum ScanError {
    /// The disk failed.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A field is still open at the end of the file.
    #[error("a quotation mark (\") is opened in the row on line {line} and never closed")]
    Unclosed {
        /// Where the row begins.
        line: u64,
    },
}

impl From<ScanError> for io::Error {
    fn from(error: ScanError) -> Self {
        match error {
            ScanError::Io(error) => error,
            ScanError::Unclosed { .. } => Self::new(ErrorKind::InvalidData, error),
        }
    }
}

/// Reads a shared file row by row, from a place of its own.
#[derive(Debug)]
pub(super) struct Scanner {
    file: File,
    core: Reader,
    buffer: Box<[u8]>,
    /// What of the buffer is still to be read.
    unread: std::ops::Range<usize>,
    /// Where the file is read next.
    offset: u64,
    line: u64,
    /// Whether a CR was read last, so that an LF is the rest of the same line end.
    after_cr: bool,
}

impl Scanner {
    /// Begins at a place where a row does.
    pub(super) fn new(file: File, from: Position, delimiter: u8, buffer: usize) -> Self {
        let mut core = ReaderBuilder::new().delimiter(delimiter).build();
        // A byte order mark is dropped from the first thing that is read. This is not the start of a file.
        core.read_record(b"\n", &mut [], &mut []);
        Self {
            file,
            core,
            buffer: vec![0; buffer].into(),
            unread: 0..0,
            offset: from.offset,
            line: from.line,
            after_cr: false,
        }
    }

    /// Goes on from another place where a row begins.
    pub(super) fn go_to(&mut self, from: Position) {
        // As at a start: a row may have been left in the middle by an error.
        self.core.reset();
        self.core.read_record(b"\n", &mut [], &mut []);
        self.unread = 0..0;
        self.offset = from.offset;
        self.line = from.line;
        self.after_cr = false;
    }

    /// Reads the next row that is not blank; `None` at the end.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<Option<Place>, ScanError> {
        while let Some(place) = self.read_any(record)? {
            if !record.is_blank() {
                return Ok(Some(place));
            }
        }
        Ok(None)
    }

    /// Where the line after the last row begins.
    pub(super) fn next_line(&mut self) -> io::Result<Position> {
        // The parser takes the CR of a CRLF for the end of a row.
        if self.after_cr
            && (!self.unread.is_empty() || self.fill()?)
            && self.buffer[self.unread.start] == b'\n'
        {
            self.consume(1);
        }
        Ok(self.position())
    }

    fn position(&self) -> Position {
        Position {
            offset: self.offset - self.unread.len() as u64,
            line: self.line,
        }
    }

    fn read_any(&mut self, record: &mut Record) -> Result<Option<Place>, ScanError> {
        loop {
            if self.unread.is_empty() && !self.fill()? {
                return Ok(None);
            }
            if !matches!(self.buffer[self.unread.start], b'\r' | b'\n') {
                break;
            }
            self.consume(1);
        }
        let at = self.position();
        let (mut written, mut ended) = (0, 0);
        record.bytes.resize(record.bytes.capacity().max(256), 0);
        record.ends.resize(record.ends.capacity().max(16), 0);
        let mut at_end = false;
        loop {
            at_end = at_end || (self.unread.is_empty() && !self.fill()?);
            // A last line without its end gets one. If that is taken for text, a quotation mark is open.
            let input = if at_end {
                b"\n"
            } else {
                &self.buffer[self.unread.clone()]
            };
            let (result, taken, bytes, ends) = self.core.read_record(
                input,
                &mut record.bytes[written..],
                &mut record.ends[ended..],
            );
            written += bytes;
            ended += ends;
            if !at_end {
                self.consume(taken);
            }
            match result {
                ReadRecordResult::Record | ReadRecordResult::End => break,
                ReadRecordResult::OutputFull => {
                    record.bytes.resize(2 * record.bytes.len(), 0);
                }
                ReadRecordResult::OutputEndsFull => {
                    record.ends.resize(2 * record.ends.len(), 0);
                }
                ReadRecordResult::InputEmpty if at_end => {
                    return Err(ScanError::Unclosed { line: at.line });
                }
                ReadRecordResult::InputEmpty => {}
            }
        }
        record.bytes.truncate(written);
        record.ends.truncate(ended);
        // The end of the row's own line is read already, or it is the end of the file.
        let last_line = if at_end { self.line } else { self.line - 1 };
        Ok(Some(Place { at, last_line }))
    }

    /// Reads on; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        let read = loop {
            match self.file.read_at(&mut self.buffer, self.offset) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.offset += read as u64;
        self.unread = 0..read;
        Ok(read > 0)
    }

    /// Passes over bytes that were read, and counts their line ends: LF, CRLF or CR.
    fn consume(&mut self, count: usize) {
        let bytes = &self.buffer[self.unread.start..self.unread.start + count];
        for place in memchr2_iter(b'\r', b'\n', bytes) {
            let after_cr = match place.checked_sub(1) {
                Some(before) => bytes[before] == b'\r',
                None => self.after_cr,
            };
            if bytes[place] == b'\r' || !after_cr {
                self.line += 1;
            }
        }
        if let Some(&last) = bytes.last() {
            self.after_cr = last == b'\r';
        }
        self.unread.start += count;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use proptest::prelude::*;

    use super::*;

    type Row = (u64, Vec<Vec<u8>>);

    /// The rows with the offset of each, or `None` where a quotation mark is open.
    fn scan(text: &[u8], buffer: usize) -> Option<Vec<Row>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let mut scanner = Scanner::new(file, Position { offset: 0, line: 1 }, b',', buffer);
        let (mut record, mut rows) = (Record::default(), Vec::new());
        loop {
            match scanner.read(&mut record) {
                Ok(None) => return Some(rows),
                Ok(Some(place)) => {
                    let before = &text[..usize::try_from(place.at.offset).unwrap()];
                    assert_eq!(place.at.line, lines(before), "{:?}", before.escape_ascii());
                    let fields = record.fields().map(<[u8]>::to_vec).collect();
                    rows.push((place.at.offset, fields));
                }
                Err(ScanError::Unclosed { .. }) => return None,
                Err(ScanError::Io(error)) => panic!("{error}"),
            }
        }
    }

    /// The line of what follows this text, in the plainest way.
    fn lines(before: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(before)
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        1 + text.matches('\n').count() as u64
    }

    /// The same rows by the `csv` crate.
    fn reference(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
        csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(text)
            .byte_records()
            .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
            .filter(|fields: &Vec<Vec<u8>>| !fields.iter().all(Vec::is_empty))
            .collect()
    }

    proptest! {
        #[test]
        fn rows_are_those_of_the_csv_crate_whatever_the_buffer(text in "[ab ,\"\r\n]{0,40}", buffer in 1..9_usize) {
            let text = text.as_bytes();
            if let Some(rows) = scan(text, buffer) {
                let fields: Vec<_> = rows.iter().map(|(_, fields)| fields.clone()).collect();
                prop_assert_eq!(fields, reference(text));
                // Each row reads the same from its own place.
                for (offset, fields) in rows {
                    let rest = &text[usize::try_from(offset).unwrap()..];
                    prop_assert_eq!(&scan_first(rest), &fields);
                }
            }
        }
    }

    fn scan_first(text: &[u8]) -> Vec<Vec<u8>> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let mut scanner = Scanner::new(file, Position { offset: 0, line: 1 }, b',', ONE_ROW);
        let mut record = Record::default();
        scanner.read(&mut record).unwrap();
        record.fields().map(<[u8]>::to_vec).collect()
    }

    #[test]
    fn rows_longer_than_every_buffer_are_read_whole() {
        let text = format!("{},{}\n1,2\n", "x".repeat(5000), ",".repeat(300));
        let rows = scan(text.as_bytes(), 64).unwrap();
        assert_eq!((rows[0].1[0].len(), rows[0].1.len()), (5000, 302));
        assert_eq!(rows[1].1, [b"1", b"2"]);
    }
}
