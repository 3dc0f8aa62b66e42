//! `dialer export`: results for other programs, on standard output.

use std::fs::File;
use std::io::{self, Read, Seek as _};

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
    if args.last {
        let (file, name) = reader::open_file(&args.results)?;
        let mut file = rewindable(file).map_err(|source| ResultsError::Io {
            name: name.clone(),
            source,
        })?;
        let last = last_rows(ResultsReader::new(&file, &name)?)?;
        file.rewind()
            .with_context(|| format!("{name} cannot be read again"))?;
        copy(ResultsReader::new(&file, &name)?, args, Some(&last))?;
    } else {
        copy(reader::open(&args.results)?, args, None)?;
    }
    Ok(exit::DONE)
}

/// Makes `line` a row as it is exported.
fn export_row<'f>(
    args: &ExportArgs,
    line: &mut String,
    cells: impl Iterator<Item = (&'f str, Kind)>,
) {
    line.clear();
    for (field, kind) in cells {
        if args.spreadsheet {
            push_cell(line, kind, field, args.delimiter);
        } else {
            push_field(line, field, args.delimiter);
        }
    }
    // In the place of the last delimiter.
    line.pop();
    line.push('\n');
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
fn rewindable(mut from: File) -> io::Result<File> {
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
    args: &ExportArgs,
    last: Option<&[bool]>,
) -> Result<(), Failure> {
    // Without these it is not a file of results.
    reader.required("contact")?;
    reader.required("disposition")?;
    let columns = reader.columns.clone();
    let kinds: Vec<Kind> = columns.iter().map(|column| Kind::of(column)).collect();
    let mut end = Ok(());
    crate::commands::print(|stdout| {
        let mut line = String::new();
        if args.spreadsheet {
            stdout.write_all(spreadsheet::MARK.as_bytes())?;
        }
        let names = columns.iter().map(|name| (name.as_str(), Kind::Text));
        export_row(args, &mut line, names);
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
                let cells = record.fields().zip(kinds.iter().copied());
                export_row(args, &mut line, cells);
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
