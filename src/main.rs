//! The `dialer` command: parse, run, exit code.

use std::process::ExitCode;

use clap::Parser as _;
use dialer::cli::{Cli, Command};
use dialer::commands;
use dialer::output::logging;
use dialer::output::terminal::{Screen, Settings, Surroundings};

fn main() -> ExitCode {
    let cli = Cli::parse();
    let screen = Screen::open(Settings::resolve(&cli.output, Surroundings::look()));
    logging::start(&screen);
    let result = match &cli.command {
        Command::Run(args) => commands::run::run(args, &screen),
        Command::Check(args) => commands::check::run(args, &screen),
        Command::Sim(args) => commands::sim::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Init(args) => commands::init::run(args),
        Command::Generate(args) => commands::generate::run(args),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            screen.fail(&failure.to_string());
            ExitCode::from(failure.exit_code())
        }
    }
}
