//! `dialer report`: reads results and says what became of the campaign.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use tracing::info;

use crate::cli::ReportArgs;
use crate::commands::Failure;
use crate::exit;
use crate::output::report::{self, Columns, Figures, Report};
use crate::results::read::{self, ReadError, Record};

/// What a page begins with.
const DOCTYPE: &[u8] = b"<!doctype html>";

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// The results cannot be read, or the report cannot be written.
pub fn run(args: &ReportArgs) -> Result<u8, Failure> {
    let page = args.html.as_deref();
    let page_to_stdout = page == Some(Path::new("-"));
    if args.json && page_to_stdout {
        return Err(Failure::Usage(
            "--json and --html - both want standard output: name a file for the page".to_owned(),
        ));
    }
    let figures = read(&args.results).map_err(Failure::usage)?;
    if args.json {
        let json = figures.json().context("the figures as JSON")?;
        crate::commands::print(|stdout| writeln!(stdout, "{json}"))?;
    } else if page.is_none() {
        crate::commands::print(|stdout| stdout.write_all(report::text(&figures).as_bytes()))?;
    }
    match page {
        Some(_) if page_to_stdout => {
            crate::commands::print(|stdout| stdout.write_all(report::page(&figures).as_bytes()))?;
        }
        Some(path) => {
            write(path, &report::page(&figures))?;
            info!("the report is in {}", path.display());
        }
        None => {}
    }
    Ok(exit::DONE)
}

fn read(results: &Path) -> Result<Figures, ReadError> {
    let mut reader = read::open(results)?;
    let columns = Columns::of(&reader)?;
    let (mut report, mut record) = (Report::default(), Record::default());
    while reader.read(&mut record)? {
        let entry = columns
            .entry(&record)
            .map_err(|what| reader.bad(record.line(), what))?;
        report.add(&entry);
    }
    Ok(report.figures(reader.torn()))
}

/// Writes the page, over an older one and over nothing else: a slip must not cost the results.
fn write(path: &Path, page: &str) -> Result<(), Failure> {
    let is_file = fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    if is_file && !is_page(path) {
        return Err(Failure::Usage(format!(
            "{} is there and is no page: it is not overwritten, name another file with --html",
            path.display()
        )));
    }
    fs::write(path, page).with_context(|| format!("{} cannot be written", path.display()))?;
    Ok(())
}

fn is_page(path: &Path) -> bool {
    let mut begin = [0; DOCTYPE.len()];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut begin))
        .is_ok()
        && begin.eq_ignore_ascii_case(DOCTYPE)
}
