//! `dialer generate`: what a package installs with the program.

mod manual;

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::cli::{Cli, Generated};
use crate::commands::Failure;
use crate::exit;

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Standard output cannot be written.
pub(super) fn run(what: Generated) -> Result<u8, Failure> {
    let shell = match what {
        Generated::Man => {
            crate::commands::print(|stdout| manual::write(stdout))?;
            return Ok(exit::DONE);
        }
        Generated::Bash => Shell::Bash,
        Generated::Zsh => Shell::Zsh,
        Generated::Fish => Shell::Fish,
        Generated::Powershell => Shell::PowerShell,
    };
    // Written at once: clap_complete panics where its writer fails.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "dialer", &mut script);
    crate::commands::print(|stdout| stdout.write_all(&script))?;
    Ok(exit::DONE)
}
