//! One file a command: what the words on the command line do.

mod check;
mod connect;
mod estimate;
mod export;
mod generate;
mod init;
mod load;
mod plan;
mod report;
mod run;
mod sim;

use std::io::{self, BufWriter, ErrorKind, Write};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;

use crate::cli::{Cli, Command};
use crate::exit;
use crate::output::logging;
use crate::output::terminal::{Screen, Settings, Surroundings};

/// The `dialer` command: parse, run, exit code.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::open(Settings::resolve(&cli.output, Surroundings::look()));
    logging::start(&screen);
    let result = match &cli.command {
        Command::Run(args) => run::run(args, &screen),
        Command::Check(args) => check::run(args, &screen),
        Command::Sim(args) => sim::run(args),
        Command::Report(args) => report::run(args),
        Command::Export(args) => export::run(args),
        Command::Init(args) => init::run(args),
        Command::Generate(args) => generate::run(args),
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
pub enum Failure {
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
    #[error("{0:#}")]
    Unexpected(#[from] anyhow::Error),
}

impl Failure {
    /// The exit code of the process.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => exit::USAGE,
            Self::Pbx(_) => exit::NO_PBX,
            Self::Held(_) => exit::HELD,
            Self::Unexpected(_) => exit::FAILURE,
        }
    }
}

/// Writes to standard output. Whoever closed it wants no more, which is no failure.
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
