//! Results read back, row by row, for whoever makes something of them: a report, an export.
//!
//! Columns are found by their names, whatever their order; one row is held at a time, whatever the length of the file.
//! A file that is still being written ends in the middle of a row at times: that row is left out, and said. Going on
//! from results is not here: see [`resume`](super::resume).

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use csv::{ByteRecord, StringRecord};
use memchr::memchr_iter;

/// The results, as far as they are whole.
#[derive(Debug)]
pub struct Reader<R> {
    rows: csv::Reader<Watched<R>>,
    name: String,
    columns: Vec<String>,
    /// The next row, read already: whether the last one is whole shows only behind it.
    ahead: Option<Ahead>,
    torn: bool,
}

#[derive(Debug)]
struct Ahead {
    fields: ByteRecord,
    line: u64,
}

/// One row.
#[derive(Debug, Default)]
pub struct Record {
    fields: StringRecord,
    line: u64,
}

/// Why results cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The file.
    #[error("{name} cannot be read: {source}")]
    Io {
        /// What it is called.
        name: String,
        /// What happened.
        source: io::Error,
    },
    /// There is nothing in it, not even a whole header line.
    #[error("{0} holds no results: it has no header line")]
    Empty(String),
    /// It is something else.
    #[error("{name} holds no results: it has no column {missing}")]
    Column {
        /// What it is called.
        name: String,
        /// The column without which nothing can be said.
        missing: String,
    },
    /// A row that is not what it should be.
    #[error("{name}:{line}: the row cannot be read ({what})")]
    Row {
        /// What the file is called.
        name: String,
        /// The row's first line, from 1.
        line: u64,
        /// What is wrong with it.
        what: String,
    },
}

/// Opens results; `-` is standard input.
///
/// # Errors
/// They cannot be opened, or there is no header line.
pub fn open(path: &Path) -> Result<Reader<Box<dyn Read>>, ReadError> {
    if path == Path::new("-") {
        return Reader::new(Box::new(io::stdin().lock()), "standard input");
    }
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => Reader::new(Box::new(file), &name),
        Err(source) => Err(ReadError::Io { name, source }),
    }
}

impl<R: Read> Reader<R> {
    /// Begins to read; `name` is what errors call it.
    ///
    /// # Errors
    /// It cannot be read, or there is no header line.
    pub fn new(bytes: R, name: &str) -> Result<Self, ReadError> {
        let rows = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .from_reader(Watched::new(bytes));
        let mut reader = Self {
            rows,
            name: name.to_owned(),
            columns: Vec::new(),
            ahead: None,
            torn: false,
        };
        reader.ahead = reader.look_ahead(ByteRecord::new())?;
        let Some(header) = reader.take()? else {
            return Err(ReadError::Empty(name.to_owned()));
        };
        reader.columns = header
            .fields
            .iter()
            .map(|name| {
                String::from_utf8_lossy(name)
                    .trim_start_matches('\u{feff}')
                    .trim()
                    .to_owned()
            })
            .collect();
        Ok(reader)
    }

    /// The columns in their order.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column == name)
    }

    /// The place of a column that has to be there.
    ///
    /// # Errors
    /// It is not.
    pub fn needed(&self, name: &str) -> Result<usize, ReadError> {
        self.column(name).ok_or_else(|| ReadError::Column {
            name: self.name.clone(),
            missing: name.to_owned(),
        })
    }

    /// Reads the next row into `record`; `false` at the end.
    ///
    /// # Errors
    /// It cannot be read, has not as many fields as the header, or is not UTF-8.
    pub fn read(&mut self, record: &mut Record) -> Result<bool, ReadError> {
        let Some(Ahead { fields, line }) = self.take()? else {
            return Ok(false);
        };
        if fields.len() != self.columns.len() {
            let what = format!(
                "{} fields, the header has {}",
                fields.len(),
                self.columns.len()
            );
            return Err(self.bad(line, what));
        }
        record.line = line;
        record.fields = StringRecord::from_byte_record(fields)
            .map_err(|error| self.bad(line, error.to_string()))?;
        Ok(true)
    }

    /// Whether the last row was torn, and is left out. Known at the end.
    pub fn torn(&self) -> bool {
        self.torn
    }

    /// An error about a row.
    pub fn bad(&self, line: u64, what: impl Into<String>) -> ReadError {
        ReadError::Row {
            name: self.name.clone(),
            line,
            what: what.into(),
        }
    }

    /// The next whole row.
    fn take(&mut self) -> Result<Option<Ahead>, ReadError> {
        let Some(row) = self.ahead.take() else {
            return Ok(None);
        };
        self.ahead = self.look_ahead(ByteRecord::with_capacity(512, row.fields.len()))?;
        if self.ahead.is_none() && self.rows.get_ref().torn() {
            self.torn = true;
            return Ok(None);
        }
        Ok(Some(row))
    }

    fn look_ahead(&mut self, mut fields: ByteRecord) -> Result<Option<Ahead>, ReadError> {
        let read = self
            .rows
            .read_byte_record(&mut fields)
            .map_err(|error| ReadError::Io {
                name: self.name.clone(),
                source: error.into(),
            })?;
        let line = fields.position().map_or(0, csv::Position::line);
        Ok(read.then_some(Ahead { fields, line }))
    }
}

impl Record {
    /// The field of a column, trimmed; empty where there is no such column.
    pub fn get(&self, column: Option<usize>) -> &str {
        column
            .and_then(|column| self.fields.get(column))
            .unwrap_or_default()
            .trim()
    }

    /// All fields as they stand there.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        self.fields.iter()
    }

    /// The line at which it begins, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }
}

/// Bytes that are read, and whether they end with a row.
#[derive(Debug)]
struct Watched<R> {
    bytes: R,
    quoted: bool,
    last: u8,
}

impl<R> Watched<R> {
    fn new(bytes: R) -> Self {
        Self {
            bytes,
            quoted: false,
            last: b'\n',
        }
    }

    /// What was read ends within a row.
    fn torn(&self) -> bool {
        self.quoted || self.last != b'\n'
    }
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.bytes.read(buffer)?;
        let read = &buffer[..length];
        self.quoted ^= memchr_iter(b'"', read).count() % 2 == 1;
        self.last = read.last().copied().unwrap_or(self.last);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(bytes: &[u8]) -> (Vec<Vec<String>>, bool) {
        let mut reader = Reader::new(bytes, "storm.csv").unwrap();
        let mut record = Record::default();
        let mut rows = Vec::new();
        while reader.read(&mut record).unwrap() {
            rows.push(record.fields().map(str::to_owned).collect());
        }
        (rows, reader.torn())
    }

    fn error(bytes: &[u8]) -> String {
        let mut record = Record::default();
        Reader::new(bytes, "storm.csv")
            .and_then(|mut reader| {
                while reader.read(&mut record)? {}
                Ok(())
            })
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn columns_are_found_by_name_and_a_missing_one_is_empty() {
        let bytes = &b"\xef\xbb\xbfb, a\n1, x \n"[..];
        let mut reader = Reader::new(bytes, "storm.csv").unwrap();
        assert_eq!(reader.columns(), ["b", "a"]);
        let (a, none) = (reader.needed("a").unwrap(), reader.column("none"));
        let mut record = Record::default();
        assert!(reader.read(&mut record).unwrap());
        assert_eq!((record.get(Some(a)), record.get(none)), ("x", ""));
        assert_eq!(record.line(), 2);
        assert!(!reader.read(&mut record).unwrap());
        assert_eq!(
            reader.needed("contact").unwrap_err().to_string(),
            "storm.csv holds no results: it has no column contact"
        );
    }

    #[test]
    fn a_cut_anywhere_leaves_out_the_torn_row_and_no_other() {
        let whole = b"a,b\n1,x\n2,\"two\nlines, \"\"quoted\"\"\"\n3,z\n";
        let ends = [4, 8, 34, 38];
        assert_eq!(whole.len(), ends[3]);
        for cut in ends[0]..=whole.len() {
            let (rows, torn) = rows(&whole[..cut]);
            let expected = ends.iter().filter(|&&end| end <= cut).count() - 1;
            assert_eq!(rows.len(), expected, "cut at {cut}");
            assert_eq!(torn, !ends.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn what_is_no_results_is_said_with_its_line() {
        assert_eq!(
            error(b""),
            "storm.csv holds no results: it has no header line"
        );
        assert_eq!(
            error(b"contact,disp"),
            "storm.csv holds no results: it has no header line"
        );
        assert_eq!(
            error(b"a,b\n\"two\nlines\",x\n1\n2,y\n"),
            "storm.csv:4: the row cannot be read (1 fields, the header has 2)"
        );
        assert!(error(b"a,b\n1,\xff\n2,x\n").starts_with("storm.csv:2: the row cannot be read"));
    }
}
