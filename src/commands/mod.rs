//! The commands, a file each.

mod check;
mod connect;
mod export;
mod generate;
mod init;
mod load;
mod plan;
mod rehearsal;
mod report;
mod run;
mod sim;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::error_chain::error_chain;
use crate::exit;
use crate::output::logging;
use crate::output::terminal::{Screen, Settings, Surroundings};
use crate::results::lock::LockError;
use crate::results::reader::ResultsError;

/// The `dialer` command: parse, run, exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::open(Settings::resolve(cli.output, Surroundings::look()));
    logging::start(&screen);
    let result = match &cli.command {
        Command::Run(args) => run::run(args, &screen),
        Command::Check(args) => check::run(args, &screen),
        Command::Sim(args) => sim::run(args),
        Command::Report(args) => report::run(args),
        Command::Export(args) => export::run(args),
        Command::Init { path } => init::run(path),
        Command::Generate { what } => generate::run(*what),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            screen.fail(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The environment variable that may hold the secret of the manager user.
const SECRET_VARIABLE: &str = "DIALER_AMI_SECRET";

/// Why a command did not do what it was asked, by what the caller of the process must know.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// Wrong usage, configuration or input; every line is a sentence of its own.
    #[error("{0}")]
    Usage(String),
    /// The PBX could not be reached, or refused the login or a permission.
    #[error("{0}")]
    Pbx(String),
    /// Another run holds the results or the campaign.
    #[error("{0}")]
    Held(String),
    /// Anything else.
    #[error("{}", error_chain(.0.as_ref()))]
    Unexpected(#[from] anyhow::Error),
}

impl From<ResultsError> for Failure {
    fn from(error: ResultsError) -> Self {
        Self::usage(error)
    }
}

impl From<LockError> for Failure {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held { .. } => Self::Held(error_chain(&error)),
            LockError::Io { .. } => Self::Unexpected(error.into()),
        }
    }
}

impl Failure {
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self::Usage(error_chain(error.into().as_ref()))
    }

    pub(crate) fn pbx(error: impl Into<anyhow::Error>) -> Self {
        Self::Pbx(error_chain(error.into().as_ref()))
    }

    /// The exit code of the process.
    const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Pbx(_) => exit::NO_PBX,
            Self::Held(_) => exit::HELD,
            Self::Unexpected(_) => exit::FAILURE,
        }
    }
}

/// Writes to standard output. A reader that closed it wants no more, which is not a failure.
fn print(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Failure> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    match write(&mut stdout).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {
            // What is still in the buffer would be tried once more.
            let _ = stdout.into_parts();
            Ok(())
        }
        written => Ok(written.context("standard output cannot be written")?),
    }
}
