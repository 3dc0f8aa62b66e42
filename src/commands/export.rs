//! `dialer export`: results for other programs, on standard output.

use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;

use anyhow::Context as _;
use tracing::warn;

use crate::cli::ExportArgs;
use crate::commands::Failure;
use crate::exit;
use crate::results::keys::{ByKey, ContactKeys};
use crate::results::reader::{self, ResultsError, ResultsReader};
use crate::results::schema::push_field;
use crate::results::spreadsheet::{self, Kind, push_cell};

/// Runs the command and returns the exit code of the process.
pub fn run(args: &ExportArgs) -> Result<u8, Failure> {
    let form = ExportForm {
        spreadsheet: args.spreadsheet,
        delimiter: args.delimiter,
    };
    if args.last {
        let (mut file, name) = rewindable(&args.results)?;
        let last = last_rows(ResultsReader::new(&file, &name)?)?;
        file.rewind()
            .with_context(|| format!("{name} cannot be read again"))?;
        copy(ResultsReader::new(&file, &name)?, form, Some(&last))?;
    } else {
        copy(reader::open(&args.results)?, form, None)?;
    }
    Ok(exit::DONE)
}

#[derive(Clone, Copy)]
struct ExportForm {
    spreadsheet: bool,
    delimiter: char,
}

impl ExportForm {
    fn row<'f>(
        self,
        line: &mut String,
        fields: impl Iterator<Item = &'f str>,
        kinds: impl Iterator<Item = Kind>,
    ) {
        line.clear();
        for (field, kind) in fields.zip(kinds) {
            if self.spreadsheet {
                push_cell(line, kind, field, self.delimiter);
            } else {
                push_field(line, field, self.delimiter);
            }
        }
        // In the place of the last delimiter.
        line.pop();
        line.push('\n');
    }
}

/// Which rows are the last ones of their contacts.
fn last_rows(mut reader: ResultsReader<&File>) -> Result<Vec<bool>, ResultsError> {
    let contact = reader.required("contact")?;
    let keys = ContactKeys::default();
    let mut latest = ByKey::default();
    let mut is_last = Vec::new();
    while let Some(record) = reader.next()? {
        let key = keys.of(record.get(contact));
        if let Some(before) = latest.insert(key, is_last.len()) {
            is_last[before] = false;
        }
        is_last.push(true);
    }
    Ok(is_last)
}

/// Results that can be read twice: the file itself, or a copy of what comes through a pipe.
fn rewindable(path: &Path) -> Result<(File, String), ResultsError> {
    let (file, name) = reader::open_file(path)?;
    match spooled(file) {
        Ok(file) => Ok((file, name)),
        Err(source) => Err(ResultsError::Io { name, source }),
    }
}

fn spooled(mut from: File) -> io::Result<File> {
    if from.metadata()?.is_file() {
        return Ok(from);
    }
    let mut file = tempfile::tempfile()?;
    io::copy(&mut from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn copy<R: Read>(
    mut reader: ResultsReader<R>,
    form: ExportForm,
    last: Option<&[bool]>,
) -> Result<(), Failure> {
    // Without these it is not a file of results.
    reader.required("contact")?;
    reader.required("disposition")?;
    let columns = reader.columns().to_vec();
    let kinds: Vec<Kind> = columns.iter().map(|column| Kind::of(column)).collect();
    let mut end = Ok(());
    crate::commands::print(|stdout| {
        let mut line = String::new();
        if form.spreadsheet {
            stdout.write_all(spreadsheet::MARK.as_bytes())?;
        }
        let names = columns.iter().map(String::as_str);
        form.row(&mut line, names, columns.iter().map(|_| Kind::Text));
        stdout.write_all(line.as_bytes())?;
        for row in 0.. {
            let record = match reader.next() {
                Ok(Some(record)) => record,
                Ok(None) => break,
                Err(error) => {
                    end = Err(error);
                    break;
                }
            };
            // The file may have grown since its last rows were found.
            if last.is_none_or(|last| last.get(row) == Some(&true)) {
                form.row(&mut line, record.fields(), kinds.iter().copied());
                stdout.write_all(line.as_bytes())?;
            }
        }
        Ok(())
    })?;
    end?;
    if reader.is_torn() {
        warn!("the last row is not whole and is left out: the file may still be written");
    }
    Ok(())
}
