//! How fast `dialer` is, what it takes, and what limits it.
//!
//! Each sub-benchmark compares things in one run on one machine, so that a ratio holds where a time does not. With
//! `--quick` everything is small, and what is checked is that nothing is lost: times are never asserted.

mod campaign;
mod cli;
mod decode;
mod lines;
mod machine;
mod process;
mod raw;
mod record;
mod recording;
mod report;
mod results;
mod spool;
mod watch;
mod whole;

use std::process::ExitCode;

use anyhow::ensure;
use clap::Parser as _;
use cli::{Cli, What};
use report::Report;

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    ensure!(
        cli.options.quick || machine::syncs(),
        "the folder for temporary files is in memory, where a sync costs nothing: set TMPDIR to one on a disk"
    );
    let mut report = Report::new();
    match &cli.what {
        What::All => {
            report.add(decode::measure(&cli.options)?);
            report.add(whole::speed(&cli.options)?);
            report.add(lines::measure(&cli.options)?);
            report.add(whole::lists(&cli.options)?);
            report.add(whole::rehearsal(&cli.options)?);
        }
        What::Decode => report.add(decode::measure(&cli.options)?),
        What::Speed => report.add(whole::speed(&cli.options)?),
        What::Lists => report.add(whole::lists(&cli.options)?),
        What::Rehearsal => report.add(whole::rehearsal(&cli.options)?),
        What::Lines => report.add(lines::measure(&cli.options)?),
        What::Record(args) => return record::record(args),
    }
    report.show(&cli.options)
}
