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
use crate::results::read::{self, ReadError, Reader, Record};
use crate::results::schema::push_field;
use crate::results::spreadsheet::{self, Kind, push_cell};

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// The results cannot be read, or standard output cannot be written.
pub fn run(args: &ExportArgs) -> Result<u8, Failure> {
    let form = Form {
        spreadsheet: args.spreadsheet,
        delimiter: args.delimiter,
    };
    if args.last {
        let (mut file, name) = twice(&args.results)?;
        let last = LastRows::find(&mut Reader::new(&file, &name).map_err(|error| usage(&error))?)?;
        file.rewind()
            .with_context(|| format!("{name} cannot be read again"))?;
        copy(
            Reader::new(&file, &name).map_err(|error| usage(&error))?,
            form,
            Some(&last),
        )?;
    } else {
        copy(
            read::open(&args.results).map_err(|error| usage(&error))?,
            form,
            None,
        )?;
    }
    Ok(exit::DONE)
}

fn usage(error: &ReadError) -> Failure {
    Failure::Usage(error.to_string())
}

/// How it is written.
#[derive(Clone, Copy)]
struct Form {
    spreadsheet: bool,
    delimiter: char,
}

impl Form {
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

/// Which row is the last of each contact.
struct LastRows {
    keys: ContactKeys,
    rows: ByKey<u64>,
    /// Rows in all; the file may have grown since.
    read: u64,
}

impl LastRows {
    fn find(reader: &mut Reader<&File>) -> Result<Self, Failure> {
        let mut last = Self {
            keys: ContactKeys::default(),
            rows: ByKey::default(),
            read: 0,
        };
        let contact = reader.needed("contact").map_err(|error| usage(&error))?;
        let mut record = Record::default();
        while reader.read(&mut record).map_err(|error| usage(&error))? {
            let key = last.keys.of(record.get(Some(contact)));
            last.rows.insert(key, last.read);
            last.read += 1;
        }
        Ok(last)
    }

    fn has(&self, contact: &str, row: u64) -> bool {
        self.rows.get(&self.keys.of(contact)) == Some(&row)
    }
}

/// Results that are read twice: the file itself, or what came through a pipe, kept for that long.
fn twice(path: &Path) -> Result<(File, String), Failure> {
    let stdin = path == Path::new("-");
    let name = if stdin {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    };
    let failed = |source| {
        usage(&ReadError::Io {
            name: name.clone(),
            source,
        })
    };
    if stdin {
        return Ok((spooled(&mut io::stdin().lock()).map_err(failed)?, name));
    }
    let mut file = File::open(path).map_err(failed)?;
    if !file.metadata().map_err(failed)?.is_file() {
        file = spooled(&mut file).map_err(failed)?;
    }
    Ok((file, name))
}

fn spooled(from: &mut dyn Read) -> io::Result<File> {
    let mut file = tempfile::tempfile()?;
    io::copy(from, &mut file)?;
    file.rewind()?;
    Ok(file)
}

fn copy<R: Read>(
    mut reader: Reader<R>,
    form: Form,
    last: Option<&LastRows>,
) -> Result<(), Failure> {
    // Without these it is something else, and nothing is promised of it.
    let contact = reader.needed("contact").map_err(|error| usage(&error))?;
    reader
        .needed("disposition")
        .map_err(|error| usage(&error))?;
    let columns = reader.columns().to_vec();
    let kinds: Vec<Kind> = columns.iter().map(|column| Kind::of(column)).collect();
    let mut failed = None;
    crate::commands::print(|stdout| {
        let mut line = String::new();
        if form.spreadsheet {
            stdout.write_all(spreadsheet::MARK.as_bytes())?;
        }
        let names = columns.iter().map(String::as_str);
        form.row(&mut line, names, columns.iter().map(|_| Kind::Text));
        stdout.write_all(line.as_bytes())?;
        let mut record = Record::default();
        for row in 0.. {
            match reader.read(&mut record) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
            if last.is_some_and(|last| row >= last.read) {
                break;
            }
            if last.is_none_or(|last| last.has(record.get(Some(contact)), row)) {
                form.row(&mut line, record.fields(), kinds.iter().copied());
                stdout.write_all(line.as_bytes())?;
            }
        }
        Ok(())
    })?;
    if let Some(error) = failed {
        return Err(usage(&error));
    }
    if reader.torn() {
        warn!("the last row is not whole and is left out: the file may still be written");
    }
    Ok(())
}
