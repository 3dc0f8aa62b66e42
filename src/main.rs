//! The `dialer` command: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use dialer::cli::{Cli, Command};
use dialer::{commands, logging};

fn main() -> ExitCode {
    let cli = Cli::parse();
    logging::start(cli.verbosity);
    let result = match &cli.command {
        Command::Run(args) => commands::run::run(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
