//! The one reader of CSV that people bring: RFC 4180, with the line and the column of every row, field and fault.
//!
//! It differs from the `csv` crate in two things that matter to an operator. Lines are counted as an editor shows them,
//! whether they end in LF, CRLF or CR. And a quotation mark that is never closed, or closed in front of more text, is an
//! error: every row behind it would be lost in a field, and nobody would know.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use memchr::{memchr, memchr2_iter};

use crate::config::{Diagnostic, Location};

/// Bytes read at once where row follows row.
pub(crate) const STREAM: usize = 1 << 17;
/// Bytes read at once where one row is wanted.
pub(super) const ONE_ROW: usize = 1 << 12;
/// Bytes and fields of a row that are kept in memory: more is no row of a list of contacts.
const MAX_ROW: usize = 1 << 20;

const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// Spreadsheets write these in front of what they call Unicode text.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
/// An .xlsx or .ods is a ZIP archive.
const ZIP_MARK: [u8; 4] = *b"PK\x03\x04";

/// A place in a file where a line begins.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// In bytes.
    pub(crate) offset: u64,
    /// From 1, as an editor counts them.
    pub(crate) line: u64,
}

/// One row of a file. Kept from row to row, so that none of them costs an allocation.
#[derive(Debug, Clone, Default)]
pub(crate) struct CsvRow {
    /// Where it begins.
    pub(crate) at: Position,
    /// The line on which it ends; another one when a field holds line breaks.
    pub(crate) last_line: u64,
    /// A line end follows. Without one, more of the row may be written later.
    pub(crate) is_complete: bool,
    bytes: Vec<u8>,
    fields: Vec<FieldBounds>,
}

#[derive(Debug, Clone, Copy)]
struct FieldBounds {
    /// Where it ends in the bytes of the row.
    end: usize,
    /// Where it begins in the file.
    offset: u64,
}

/// Why a file, or what follows in it, is no CSV. Inside of an [`io::Error`] of the kind `InvalidData`.
#[derive(Debug, thiserror::Error)]
#[error("line {}: {message}", .at.line)]
struct InvalidCsv {
    at: Location,
    message: String,
}

fn invalid(at: Location, message: impl Into<String>) -> io::Error {
    let message = message.into();
    io::Error::new(ErrorKind::InvalidData, InvalidCsv { at, message })
}

/// Why a file cannot be read, as an error of that file.
pub(crate) fn diagnostic(file: &Path, error: io::Error) -> Diagnostic {
    match error.downcast::<InvalidCsv>() {
        Ok(InvalidCsv { at, message }) => Diagnostic::at(file, at, message),
        Err(error) => Diagnostic::of_file(file, format!("cannot be read: {error}")),
    }
}

impl CsvRow {
    /// How many fields there are.
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    /// A field without the spaces around it.
    pub(crate) fn get(&self, index: usize) -> Option<&[u8]> {
        let end = self.fields.get(index)?.end;
        let before = index.checked_sub(1).map(|before| self.fields[before].end);
        Some(self.bytes[before.unwrap_or(0)..end].trim_ascii())
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.get(index))
    }

    /// Whether it is one of the rows without anything that spreadsheets leave at the end.
    fn is_blank(&self) -> bool {
        // Most rows begin with something: the other fields need no look then.
        self.get(0).is_none_or(<[u8]>::is_empty) && self.fields().all(<[u8]>::is_empty)
    }
}

/// Reads a shared file row by row, from a place of its own.
#[derive(Debug)]
pub(crate) struct CsvReader {
    file: File,
    /// The bytes that end a field without quotation marks.
    ends_field: [bool; 256],
    buffer: Box<[u8]>,
    /// What of the buffer is still to be read.
    unread: Range<usize>,
    /// Where the file is read next.
    offset: u64,
    line: u64,
}

impl CsvReader {
    /// Begins at a place where a row does. Any of `delimiters` ends a field.
    pub(crate) fn new(file: File, from: Position, delimiters: &[u8], buffer: usize) -> Self {
        let mut ends_field = [false; 256];
        for &byte in delimiters.iter().chain(b"\r\n") {
            ends_field[usize::from(byte)] = true;
        }
        Self {
            file,
            ends_field,
            buffer: vec![0; buffer].into(),
            unread: 0..0,
            offset: from.offset,
            line: from.line,
        }
    }

    /// Begins at the beginning of a file, behind a byte order mark. What is plainly no CSV is refused.
    pub(crate) fn open(file: File, delimiters: &[u8], buffer: usize) -> io::Result<Self> {
        let start = Position { offset: 0, line: 1 };
        let mut reader = Self::new(file, start, delimiters, buffer.max(ZIP_MARK.len()));
        reader.fill()?;
        let begin = &reader.buffer[reader.unread.clone()];
        let at = Location { line: 1, column: 1 };
        if UTF16_MARKS.iter().any(|mark| begin.starts_with(mark)) {
            return Err(invalid(at, "is UTF-16: save it as \"CSV UTF-8\""));
        }
        if begin.starts_with(&ZIP_MARK) {
            return Err(invalid(
                at,
                "is a spreadsheet's own file: save it as \"CSV UTF-8\"",
            ));
        }
        if begin.starts_with(UTF8_MARK) {
            reader.unread.start += UTF8_MARK.len();
        }
        Ok(reader)
    }

    /// Goes on from another place where a row begins.
    pub(crate) fn go_to(&mut self, from: Position) {
        self.unread = 0..0;
        self.offset = from.offset;
        self.line = from.line;
    }

    /// Where the next row begins, or a blank line in front of it.
    pub(crate) fn position(&self) -> Position {
        Position {
            offset: self.offset - self.unread.len() as u64,
            line: self.line,
        }
    }

    /// Reads the next row that is not blank; `false` at the end.
    pub(crate) fn read(&mut self, row: &mut CsvRow) -> io::Result<bool> {
        while self.read_any(row)? {
            if !row.is_blank() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Passes over the rest of the line at a place where a row begins; `false` where that has no end.
    pub(crate) fn skip_line(&mut self, from: Position) -> io::Result<bool> {
        self.go_to(from);
        while let Some(byte) = self.peek()? {
            if matches!(byte, b'\r' | b'\n') {
                self.end_line()?;
                return Ok(true);
            }
            self.unread.start += 1;
        }
        Ok(false)
    }

    /// Where a field begins.
    pub(crate) fn location(&self, row: &CsvRow, field: usize) -> io::Result<Location> {
        let offset = row.fields.get(field).map_or(row.at.offset, |at| at.offset);
        self.location_of(row.at, offset)
    }

    fn read_any(&mut self, row: &mut CsvRow) -> io::Result<bool> {
        loop {
            match self.peek()? {
                None => return Ok(false),
                Some(b'\r' | b'\n') => self.end_line()?,
                Some(_) => break,
            }
        }
        row.at = self.position();
        row.bytes.clear();
        row.fields.clear();
        loop {
            let offset = self.position().offset;
            if self.peek()? == Some(b'"') {
                self.quoted(row, offset)?;
            } else {
                self.unquoted(row)?;
            }
            let end = row.bytes.len();
            row.fields.push(FieldBounds { end, offset });
            row.last_line = self.line;
            row.is_complete = match self.peek()? {
                None => false,
                Some(b'\r' | b'\n') => {
                    self.end_line()?;
                    true
                }
                Some(_) => {
                    self.unread.start += 1;
                    continue;
                }
            };
            return Ok(true);
        }
    }

    /// Reads a field up to its delimiter or the end of the line.
    fn unquoted(&mut self, row: &mut CsvRow) -> io::Result<()> {
        loop {
            let unread = &self.buffer[self.unread.clone()];
            let end = unread
                .iter()
                .position(|&byte| self.ends_field[usize::from(byte)]);
            let length = end.unwrap_or(unread.len());
            row.bytes.extend_from_slice(&unread[..length]);
            self.unread.start += length;
            self.check_length(row)?;
            if end.is_some() || !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads a field in quotation marks, and the blanks behind it.
    fn quoted(&mut self, row: &mut CsvRow, offset: u64) -> io::Result<()> {
        let (begin, line) = (row.bytes.len(), self.line);
        self.unread.start += 1;
        loop {
            if self.unread.is_empty() && !self.fill()? {
                let message = "a quotation mark (\") is opened here and never closed";
                return Err(self.invalid(row, offset, message));
            }
            let unread = &self.buffer[self.unread.clone()];
            let end = memchr(b'"', unread);
            let text = &unread[..end.unwrap_or(unread.len())];
            row.bytes.extend_from_slice(text);
            self.unread.start += text.len();
            self.check_length(row)?;
            if end.is_some() {
                self.unread.start += 1;
                if self.peek()? != Some(b'"') {
                    break;
                }
                self.unread.start += 1;
                row.bytes.push(b'"');
            }
        }
        self.line += count_lines(&row.bytes[begin..]);
        while let Some(byte) = self.peek()?
            && !self.ends_field[usize::from(byte)]
        {
            if !matches!(byte, b' ' | b'\t') {
                let message = format!(
                    "text follows the quotation mark that closes a field; the field begins on line {line} (a quotation mark within a field is written twice)"
                );
                return Err(self.invalid(row, self.position().offset, message));
            }
            self.unread.start += 1;
        }
        Ok(())
    }

    fn check_length(&self, row: &CsvRow) -> io::Result<()> {
        if row.bytes.len() + row.fields.len() <= MAX_ROW {
            return Ok(());
        }
        let message = "the row that begins here is longer than 1 MiB";
        Err(self.invalid(row, row.at.offset, message))
    }

    /// What is wrong with a row, at an offset of the file.
    fn invalid(&self, row: &CsvRow, offset: u64, message: impl Into<String>) -> io::Error {
        match self.location_of(row.at, offset) {
            Ok(at) => invalid(at, message),
            Err(error) => error,
        }
    }

    /// The next byte; `None` at the end of the file.
    fn peek(&mut self) -> io::Result<Option<u8>> {
        if self.unread.is_empty() && !self.fill()? {
            return Ok(None);
        }
        Ok(Some(self.buffer[self.unread.start]))
    }

    /// Passes over a line end: LF, CRLF or CR.
    fn end_line(&mut self) -> io::Result<()> {
        let is_cr = self.buffer[self.unread.start] == b'\r';
        self.unread.start += 1;
        if is_cr && self.peek()? == Some(b'\n') {
            self.unread.start += 1;
        }
        self.line += 1;
        Ok(())
    }

    /// Reads on; `false` at the end of the file.
    fn fill(&mut self) -> io::Result<bool> {
        let read = read_at(&self.file, &mut self.buffer, self.offset)?;
        self.offset += read as u64;
        self.unread = 0..read;
        Ok(read > 0)
    }

    /// The location of an offset, counted from the beginning of a line before it.
    fn location_of(&self, from: Position, offset: u64) -> io::Result<Location> {
        let mut text = vec![0; usize::try_from(offset - from.offset).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut text, from.offset)?;
        let lines = count_lines(&text);
        let line_start = memchr::memrchr2(b'\r', b'\n', &text).map_or(0, |end| end + 1);
        let is_char = |byte: &&u8| **byte & 0xC0 != 0x80;
        Ok(Location {
            line: from.line + lines,
            column: text[line_start..].iter().filter(is_char).count() as u64 + 1,
        })
    }
}

/// How many lines end in a text: by LF, CRLF or CR.
fn count_lines(text: &[u8]) -> u64 {
    let is_end = |&at: &usize| text[at] == b'\r' || at == 0 || text[at - 1] != b'\r';
    memchr2_iter(b'\r', b'\n', text).filter(is_end).count() as u64
}

fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    loop {
        match file.read_at(buffer, offset) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Hands on a part of a file in pieces; `false` where the file ends before.
pub(crate) fn read_part(
    file: &File,
    mut part: Range<u64>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let mut buffer = vec![0; STREAM];
    while part.start < part.end {
        let length = usize::try_from(part.end - part.start).map_or(STREAM, |left| left.min(STREAM));
        let read = read_at(file, &mut buffer[..length], part.start)?;
        if read == 0 {
            return Ok(false);
        }
        take(&buffer[..read]);
        part.start += read as u64;
    }
    Ok(true)
}
