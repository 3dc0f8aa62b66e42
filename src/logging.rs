//! The operator's log: sentences on standard error.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;

use crate::cli::Verbosity;

/// Starts logging. `-q` leaves warnings and errors, `-v` adds details of each call, `-vv` every message.
pub fn start(verbosity: Verbosity) {
    let level = match (verbosity.quiet, verbosity.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(format!("warn,dialer={level}")))
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(colour)
        .init();
}
