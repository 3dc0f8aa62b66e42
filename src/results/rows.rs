//! The rows of results as they stand in the file, one after another: where each ends, and what its fields are.
//!
//! Results of a million rows are read again whenever a run continues, so they are streamed, a row is looked at where it
//! lies in the buffer, and nothing of it is copied unless it holds a doubled quotation mark. What a row means is not
//! known here. Quoting is RFC 4180 to the letter: a mark that is missing makes a fault of its row, and never a row of
//! what stood in two.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::ops::Range;
use std::path::Path;

use memchr::{memchr, memchr_iter, memchr2_iter};

/// Bytes read at once.
const STREAM: usize = 1 << 20;
/// No row is as long as this: what seems to be has a quotation mark that is never closed.
const LONGEST: usize = 16 << 20;

/// Reads results row by row.
#[derive(Debug)]
pub(super) struct Rows {
    file: File,
    buffer: Vec<u8>,
    /// What of the buffer is still to be read.
    unread: Range<usize>,
    /// How many bytes of the file were whole rows.
    whole: u64,
    /// On which line what is unread begins.
    line: u64,
}

/// Why there is no next row.
#[derive(Debug)]
pub(super) enum RowError {
    /// The disk failed.
    Io(io::Error),
    /// A quotation mark is never closed in the row on this line.
    Unclosed(u64),
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    /// Without its line end.
    pub(super) bytes: &'r [u8],
    /// The line on which it begins, from 1.
    pub(super) line: u64,
    /// The line on which it ends; another one where a field holds line breaks.
    pub(super) last_line: u64,
}

impl Rows {
    /// Begins at the beginning.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: File::open(path)?,
            buffer: vec![0; STREAM],
            unread: 0..0,
            whole: 0,
            line: 1,
        })
    }

    /// The next row that is whole and not empty; `None` behind the last of them.
    pub(super) fn next(&mut self) -> Result<Option<Row<'_>>, RowError> {
        loop {
            let Some((length, lines)) = end_of_row(&self.buffer[self.unread.clone()]) else {
                if self.fill()? {
                    continue;
                }
                return Ok(None);
            };
            let (start, line) = (self.unread.start, self.line);
            self.unread.start += length;
            self.whole += length as u64;
            self.line += lines;
            let mut end = self.unread.start - 1;
            if end > start && self.buffer[end - 1] == b'\r' {
                end -= 1;
            }
            if end > start {
                return Ok(Some(Row {
                    bytes: &self.buffer[start..end],
                    line,
                    last_line: self.line - 1,
                }));
            }
        }
    }

    /// What follows the last whole row, once there is no next one.
    pub(super) fn tail(&self) -> Row<'_> {
        Row {
            bytes: &self.buffer[self.unread.clone()],
            line: self.line,
            last_line: self.line,
        }
    }

    /// How many bytes of the file were whole rows so far.
    pub(super) fn whole(&self) -> u64 {
        self.whole
    }

    /// Reads on; `false` at the end of the file.
    fn fill(&mut self) -> Result<bool, RowError> {
        if self.unread.len() >= LONGEST {
            return Err(RowError::Unclosed(self.line));
        }
        self.buffer.copy_within(self.unread.clone(), 0);
        self.unread = 0..self.unread.len();
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(2 * self.buffer.len(), 0);
        }
        loop {
            match self.file.read(&mut self.buffer[self.unread.end..]) {
                Ok(read) => {
                    self.unread.end += read;
                    return Ok(read > 0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(RowError::Io(error)),
            }
        }
    }
}

/// How many bytes the first row takes, and how many lines: up to the first line end that is not within quotation marks.
fn end_of_row(bytes: &[u8]) -> Option<(usize, u64)> {
    let line = memchr(b'\n', bytes)?;
    if memchr(b'"', &bytes[..line]).is_none() {
        return Some((line + 1, 1));
    }
    let (mut quoted, mut lines) = (false, 0);
    for place in memchr2_iter(b'"', b'\n', bytes) {
        if bytes[place] == b'"' {
            quoted = !quoted;
            continue;
        }
        lines += 1;
        if !quoted {
            return Some((place + 1, lines));
        }
    }
    None
}

/// What is wrong with the quotation marks of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misquoted {
    /// One that is opened is never closed.
    #[error("a quotation mark (\") is opened and never closed")]
    Open,
    /// One stands where there can be none.
    #[error("a quotation mark (\") stands where there can be none")]
    Stray,
}

/// Shows each field with its place, and tells how many there are. What comes before a fault was shown.
pub(super) fn split<'r>(
    row: &'r [u8],
    mut show: impl FnMut(usize, Cow<'r, [u8]>),
) -> Result<usize, Misquoted> {
    let mut place = 0;
    if memchr(b'"', row).is_none() {
        let mut start = 0;
        for comma in memchr_iter(b',', row) {
            show(place, Cow::Borrowed(&row[start..comma]));
            start = comma + 1;
            place += 1;
        }
        show(place, Cow::Borrowed(&row[start..]));
        return Ok(place + 1);
    }
    let mut rest = row;
    loop {
        let (field, length) = first_field(rest)?;
        show(place, field);
        place += 1;
        match rest.get(length) {
            None => return Ok(place),
            Some(_) => rest = &rest[length + 1..],
        }
    }
}

/// The first field, and how many bytes it takes up to the comma behind it, or to the end.
fn first_field(row: &[u8]) -> Result<(Cow<'_, [u8]>, usize), Misquoted> {
    let Some(quoted) = row.strip_prefix(b"\"") else {
        let end = memchr(b',', row).unwrap_or(row.len());
        return match memchr(b'"', &row[..end]) {
            Some(_) => Err(Misquoted::Stray),
            None => Ok((Cow::Borrowed(&row[..end]), end)),
        };
    };
    let mut doubled = Vec::new();
    let mut start = 0;
    loop {
        let mark = start + memchr(b'"', &quoted[start..]).ok_or(Misquoted::Open)?;
        match quoted.get(mark + 1) {
            Some(b'"') => {
                doubled.extend_from_slice(&quoted[start..=mark]);
                start = mark + 2;
            }
            None | Some(b',') => {
                let field = if doubled.is_empty() {
                    Cow::Borrowed(&quoted[..mark])
                } else {
                    doubled.extend_from_slice(&quoted[start..mark]);
                    Cow::Owned(doubled)
                };
                return Ok((field, mark + 2));
            }
            Some(_) => return Err(Misquoted::Stray),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;
    use crate::results::schema::ResultsColumns;

    fn fields(row: &[u8]) -> Result<Vec<Vec<u8>>, Misquoted> {
        let mut fields = Vec::new();
        let count = split(row, |place, field| {
            assert_eq!(place, fields.len());
            fields.push(field.into_owned());
        })?;
        assert_eq!(count, fields.len());
        Ok(fields)
    }

    /// The rows of a file with their lines, and the bytes behind them.
    fn rows(bytes: &[u8]) -> (Vec<(u64, Vec<u8>)>, Vec<u8>) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, bytes).unwrap();
        let mut reader = Rows::open(&path).unwrap();
        // Every row crosses the end of a buffer this small.
        reader.buffer.truncate(1);
        let mut rows = Vec::new();
        while let Some(row) = reader.next().unwrap() {
            rows.push((row.line, row.bytes.to_vec()));
        }
        assert_eq!(
            reader.whole() + reader.tail().bytes.len() as u64,
            bytes.len() as u64
        );
        (rows, reader.tail().bytes.to_vec())
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_field_by_field(written in prop::collection::vec(
            prop::collection::vec("[ab ,\"\r\nü]{0,6}", 2..5), 1..6))
        {
            let bytes: Vec<u8> = written.iter().flat_map(|fields| ResultsColumns::of_file(fields.clone(), &[]).header()).collect();
            let (rows, tail) = rows(&bytes);
            prop_assert!(tail.is_empty());
            let read: Vec<Vec<Vec<u8>>> = rows.iter().map(|(_, row)| fields(row).unwrap()).collect();
            let written: Vec<Vec<Vec<u8>>> = written
                .iter()
                .map(|fields| fields.iter().map(|field| field.clone().into_bytes()).collect())
                .collect();
            prop_assert_eq!(read, written);
        }
    }

    #[test]
    fn rows_are_told_by_their_line_whatever_ends_them() {
        let (rows, tail) = rows(b"a,b\r\n\"two\nlines\",\n\n1,2\ntor");
        let lines: Vec<_> = rows.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 5]);
        assert_eq!(rows[0].1, b"a,b");
        assert_eq!(tail, b"tor");
    }

    #[test]
    fn a_mark_that_is_missing_makes_no_row_of_two() {
        // The mark behind `one` is lost: taken loosely, this would be a row of two fields.
        assert_eq!(fields(b"\"one,\n\"two\" lines"), Err(Misquoted::Stray));
        assert_eq!(fields(b"1,\"two"), Err(Misquoted::Open));
        assert_eq!(fields(b"5\" pipe,2"), Err(Misquoted::Stray));
        assert_eq!(fields(b"\"a\"\"b\",").unwrap(), [&b"a\"b"[..], b""]);
    }
}
