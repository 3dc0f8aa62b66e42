//! The one reader of CSV that people bring: RFC 4180, with the line and the column of every row, field and fault.
//!
//! It differs from the `csv` crate in two things that matter to an operator. Lines are counted as an editor shows them,
//! whether they end in LF, CRLF or CR. And a quotation mark that is never closed, or closed in front of more text, is an
//! error: every row behind it would be lost in a field, and nobody would know.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, ErrorKind, Read};
use std::ops::Range;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

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

    /// A field without the spaces around it; empty where the row has none.
    pub(crate) fn get(&self, index: usize) -> &[u8] {
        let Some(field) = self.fields.get(index) else {
            return &[];
        };
        let before = index.checked_sub(1).map(|before| self.fields[before].end);
        self.bytes[before.unwrap_or(0)..field.end].trim_ascii()
    }

    /// A field as text; bytes that are not UTF-8 become U+FFFD.
    pub(crate) fn text(&self, index: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.get(index))
    }

    pub(crate) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|index| self.get(index))
    }

    /// Whether it is one of the rows without anything that spreadsheets leave at the end.
    fn is_blank(&self) -> bool {
        // Most rows begin with something: the other fields need no look then.
        self.get(0).is_empty() && self.fields().all(<[u8]>::is_empty)
    }
}

/// Reads a shared file from a place of its own.
#[derive(Debug)]
struct FileReader {
    file: Arc<File>,
    /// Where it is read next.
    offset: u64,
}

impl Read for FileReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.offset)?;
        self.offset += read as u64;
        Ok(read)
    }
}

/// Reads a shared file row by row.
#[derive(Debug)]
pub(crate) struct CsvReader {
    input: BufReader<FileReader>,
    /// The bytes that end a field without quotation marks.
    ends_field: [bool; 256],
    line: u64,
}

impl CsvReader {
    /// Begins at a place where a row does. Any of `delimiters` ends a field.
    pub(crate) fn new(file: Arc<File>, from: Position, delimiters: &[u8], buffer: usize) -> Self {
        let mut ends_field = [false; 256];
        for &byte in delimiters.iter().chain(b"\r\n") {
            ends_field[usize::from(byte)] = true;
        }
        let offset = from.offset;
        Self {
            input: BufReader::with_capacity(buffer, FileReader { file, offset }),
            ends_field,
            line: from.line,
        }
    }

    /// Begins at the beginning of a file, behind a byte order mark. What is plainly no CSV is refused.
    pub(crate) fn open(file: Arc<File>, delimiters: &[u8], buffer: usize) -> io::Result<Self> {
        let start = Position { offset: 0, line: 1 };
        let mut reader = Self::new(file, start, delimiters, buffer);
        let begin = reader.input.fill_buf()?;
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
            reader.input.consume(UTF8_MARK.len());
        }
        Ok(reader)
    }

    /// Where the next row begins, or a blank line in front of it.
    pub(crate) fn position(&self) -> Position {
        Position {
            offset: self.input.get_ref().offset - self.input.buffer().len() as u64,
            line: self.line,
        }
    }

    /// Reads the next row that is not blank; `false` at the end.
    pub(crate) fn read(&mut self, row: &mut CsvRow) -> io::Result<bool> {
        loop {
            match self.peek()? {
                None => return Ok(false),
                Some(b'\r' | b'\n') => self.end_line()?,
                Some(_) => {
                    self.read_fields(row)?;
                    if !row.is_blank() {
                        return Ok(true);
                    }
                }
            }
        }
    }

    /// Passes over the rest of the line at a place where a row begins; `false` where that has no end.
    pub(crate) fn skip_line(&mut self, from: Position) -> io::Result<bool> {
        let file = Arc::clone(&self.input.get_ref().file);
        let offset = from.offset;
        self.input = BufReader::with_capacity(self.input.capacity(), FileReader { file, offset });
        self.line = from.line;
        while let Some(byte) = self.peek()? {
            if matches!(byte, b'\r' | b'\n') {
                self.end_line()?;
                return Ok(true);
            }
            self.input.consume(1);
        }
        Ok(false)
    }

    /// Where a field begins.
    pub(crate) fn location(&self, row: &CsvRow, field: usize) -> io::Result<Location> {
        let offset = row.fields.get(field).map_or(row.at.offset, |at| at.offset);
        self.location_of(row.at, offset)
    }

    fn read_fields(&mut self, row: &mut CsvRow) -> io::Result<()> {
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
                    self.input.consume(1);
                    continue;
                }
            };
            return Ok(());
        }
    }

    /// Reads a field up to its delimiter or the end of the line.
    fn unquoted(&mut self, row: &mut CsvRow) -> io::Result<()> {
        loop {
            let unread = self.input.fill_buf()?;
            let mut bytes = unread.iter();
            let end = bytes.position(|&byte| self.ends_field[usize::from(byte)]);
            let length = end.unwrap_or(unread.len());
            row.bytes.extend_from_slice(&unread[..length]);
            self.input.consume(length);
            self.check_length(row)?;
            if end.is_some() || length == 0 {
                return Ok(());
            }
        }
    }

    /// Reads a field in quotation marks, and the blanks behind it.
    fn quoted(&mut self, row: &mut CsvRow, offset: u64) -> io::Result<()> {
        let (begin, line) = (row.bytes.len(), self.line);
        self.input.consume(1);
        loop {
            let unread = self.input.fill_buf()?;
            if unread.is_empty() {
                let message = "a quotation mark (\") is opened here and never closed";
                return Err(self.invalid(row, offset, message));
            }
            let end = memchr(b'"', unread);
            let length = end.unwrap_or(unread.len());
            row.bytes.extend_from_slice(&unread[..length]);
            self.input.consume(length);
            self.check_length(row)?;
            if end.is_some() {
                self.input.consume(1);
                if self.peek()? != Some(b'"') {
                    break;
                }
                self.input.consume(1);
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
            self.input.consume(1);
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
        Ok(self.input.fill_buf()?.first().copied())
    }

    /// Passes over a line end: LF, CRLF or CR.
    fn end_line(&mut self) -> io::Result<()> {
        let is_cr = self.peek()? == Some(b'\r');
        self.input.consume(1);
        if is_cr && self.peek()? == Some(b'\n') {
            self.input.consume(1);
        }
        self.line += 1;
        Ok(())
    }

    /// The location of an offset, counted from the beginning of a line before it.
    fn location_of(&self, from: Position, offset: u64) -> io::Result<Location> {
        let mut text = vec![0; usize::try_from(offset - from.offset).unwrap_or(usize::MAX)];
        let file = &self.input.get_ref().file;
        file.read_exact_at(&mut text, from.offset)?;
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

/// Hands on a part of a file in pieces; `false` where the file ends before.
pub(crate) fn read_part(
    file: &Arc<File>,
    part: Range<u64>,
    mut take: impl FnMut(&[u8]),
) -> io::Result<bool> {
    let (file, offset) = (Arc::clone(file), part.start);
    let reader = BufReader::with_capacity(STREAM, FileReader { file, offset });
    let mut part = reader.take(part.end - part.start);
    loop {
        let bytes = part.fill_buf()?;
        if bytes.is_empty() {
            return Ok(part.limit() == 0);
        }
        take(bytes);
        let length = bytes.len();
        part.consume(length);
    }
}
