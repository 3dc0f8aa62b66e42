//! `dialer report`: reads results and says what became of the campaign.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use tracing::info;

use crate::cli::ReportArgs;
use crate::commands::Failure;
use crate::exit;
use crate::output::report::{self, CampaignReport, Figures, ReportColumns};
use crate::results::reader::{self, ResultsError};

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
    let figures = read(&args.results)?;
    let printed = if args.json {
        figures.json().context("the figures as JSON")? + "\n"
    } else if page_to_stdout {
        report::page(&figures)
    } else if page.is_none() {
        report::text(&figures)
    } else {
        String::new()
    };
    crate::commands::print(|stdout| stdout.write_all(printed.as_bytes()))?;
    if let Some(path) = page.filter(|_| !page_to_stdout) {
        write(path, &report::page(&figures))?;
        info!("the report is in {}", path.display());
    }
    Ok(exit::DONE)
}

fn read(results: &Path) -> Result<Figures, ResultsError> {
    let mut reader = reader::open(results)?;
    let columns = ReportColumns::of(&reader)?;
    let mut report = CampaignReport::default();
    while let Some(record) = reader.next()? {
        report.add(&columns.read(&record)?);
    }
    Ok(report.figures(reader.is_torn()))
}

/// Writes the page; over an older page, but never over another file.
fn write(path: &Path, page: &str) -> Result<(), Failure> {
    let is_file = fs::metadata(path).is_ok_and(|there| there.is_file() && there.len() > 0);
    if is_file && !is_page(path) {
        return Err(Failure::Usage(format!(
            "{} is not a page and is not overwritten: name another file with --html",
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
