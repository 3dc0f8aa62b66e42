//! The operator's log: sentences on standard error, or one JSON object a line.

use std::fmt;

use jiff::Zoned;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;

use crate::cli::LogFormat;
use crate::clock;
use crate::output::terminal::Screen;

/// Starts logging. `-q` leaves warnings and errors, `-v` adds details of each call, `-vv` every message.
pub fn start(screen: &Screen) {
    let settings = screen.settings();
    let level = match (settings.quiet, settings.verbose) {
        (true, _) => "warn",
        (false, 0) => "info",
        (false, 1) => "debug",
        (false, _) => "trace",
    };
    // A person who is watching knows the day.
    let time: fn(&mut Writer<'_>) -> fmt::Result =
        if settings.terminal && settings.log_format == LogFormat::Text {
            |line| write!(line, "{}", Zoned::now().strftime("%H:%M:%S"))
        } else {
            |line| line.write_str(&clock::rfc3339(&Zoned::now()))
        };
    let log = tracing_subscriber::fmt()
        // A question about the run is answered also with -q.
        .with_env_filter(EnvFilter::new(format!(
            "warn,dialer={level},dialer::output::progress=info"
        )))
        .with_writer(screen.log())
        .with_timer(time)
        .with_target(false)
        // A log that cannot be written any more is no reason to fail, and least of all to panic.
        .log_internal_errors(false);
    match settings.log_format {
        LogFormat::Text => log.with_ansi(settings.color).init(),
        LogFormat::Json => log.json().flatten_event(true).init(),
    }
}
