//! What is said at the end of a run, and its exit code.

use std::io::{self, ErrorKind, Write as _};

use tracing::{error, info, warn};

use crate::campaign::RunEnd;
use crate::campaign::stats::Tally;
use crate::cli::{LogFormat, RunArgs};
use crate::clock;
use crate::disposition::Disposition;
use crate::error_chain::error_chain;
use crate::exit;
use crate::output::status_file::RunOutcome;
use crate::output::summary::RunSummary;
use crate::output::terminal::Screen;
use crate::plural::counted;
use crate::trunk::breaker;

/// Shows people what became of it.
pub(super) fn show(summary: &RunSummary, screen: &Screen) {
    let settings = screen.settings();
    if settings.quiet {
        return;
    }
    match settings.log_format {
        LogFormat::Text => screen.say(&format!("\n{}", summary.table())),
        LogFormat::Json => info!(
            campaign = summary.campaign,
            results = summary.results,
            contacts = summary.tally.contacts,
            finished = summary.tally.finished,
            reached = summary.tally.reached(),
            unreached = summary.tally.unreached(),
            dispatched = summary.tally.dispatched,
            seconds = summary.took.as_secs_f64(),
            ended_at = clock::rfc3339(&summary.ended_at),
            simulated = summary.simulated,
            "summary"
        ),
    }
}

/// Prints it for programs, and returns the exit code of the process.
pub(super) fn print(summary: &RunSummary, ended: RunOutcome) -> u8 {
    let (code, stopped) = (ended.exit_code, ended.stopped.unwrap_or_default());
    let printed = summary
        .json(code, stopped)
        .map_err(io::Error::from)
        .and_then(|json| writeln!(io::stdout(), "{json}"));
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            error!("the summary cannot be written to standard output: {error}");
            code.max(exit::FAILURE)
        }
        // Who closed the pipe does not want it.
        _ => code,
    }
}

pub(super) const CONTINUES: &str = "the same command goes on";
const CALLS_EVERYBODY: &str = "the rows on standard output are not kept, and the same command calls everybody again: \
     first remove the contacts that have a final row from the list";

/// What the same command does where contacts are left.
pub(super) fn same_command(args: &RunArgs, to_stdout: bool) -> &'static str {
    match args {
        _ if to_stdout => CALLS_EVERYBODY,
        RunArgs { simulate: true, .. } => "the same command begins the rehearsal anew",
        RunArgs { fresh: true, .. } => "the same command without --fresh goes on",
        _ => CONTINUES,
    }
}

/// Says how the run ended and what the same command does, and returns the exit code and the word of the
/// machine-readable summary.
pub(super) fn conclude(
    end: RunEnd,
    tally: &Tally,
    same_command: &str,
    screen: &Screen,
) -> RunOutcome {
    let left = counted(tally.pending(), "contact");
    let stopped = Some(end.word());
    let stop = |why: &str| {
        warn!("stopped with {left} left: {why}{same_command}");
        exit::CONTACTS_LEFT
    };
    let exit_code = match end {
        RunEnd::Finished => exit::DONE,
        RunEnd::Drained => stop(""),
        RunEnd::Outside(None) => stop("no calling hours can be foreseen; "),
        RunEnd::Outside(Some(opens)) => {
            let opens = opens.strftime(clock::SHOWN);
            stop(&format!(
                "outside the calling hours until {opens}, and [window] says outside = \"stop\"; "
            ))
        }
        RunEnd::StopAt => stop("stop_at has come; "),
        RunEnd::TrunksLost(finals) => {
            error!(
                "stopped with {left} left: no trunk has worked for reconnect_for; when one does again, {same_command}"
            );
            if !finals.is_empty() {
                let (contacts, redial) = breaker::named(&finals);
                error!(
                    "these contacts got a final row before that was seen: {contacts}; {redial} makes them callable again"
                );
            }
            exit::CONTACTS_LEFT
        }
        RunEnd::PbxLost(why) => {
            let unknown = match tally.attempts(Disposition::Unknown) {
                0 => String::new(),
                calls => format!("{} with the disposition UNKNOWN; ", counted(calls, "call")),
            };
            error!("{why}: stopped with {left} left; {unknown}{same_command}");
            exit::CONTACTS_LEFT
        }
        RunEnd::Unwritable(why, rows) => {
            let mend = match same_command {
                CALLS_EVERYBODY => "",
                _ if why.is_full() => "make room; then ",
                _ if why.is_lost() => {
                    "put the results back before you run it again, or everybody in them is called again; then "
                }
                _ => "mend that; then ",
            };
            let why = error_chain(&why);
            error!("stopped with {left} left: {why}; {mend}{same_command}");
            if !rows.is_empty() {
                error!("these rows are not in the results and follow as CSV");
            }
            for row in rows {
                let row = String::from_utf8_lossy(&row);
                match screen.settings().log_format {
                    LogFormat::Text => screen.say(&row),
                    LogFormat::Json => error!(row = row.trim_end(), "missing row"),
                }
            }
            exit::FAILURE
        }
        RunEnd::OptOutUnwritten(why) => {
            let why = error_chain(&why);
            error!(
                "stopped with {left} left: {why}; add the numbers of the contacts named above; then {same_command}"
            );
            exit::FAILURE
        }
        RunEnd::Unreadable(why) => {
            error!("stopped: {why}");
            exit::FAILURE
        }
    };
    RunOutcome { exit_code, stopped }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Output, ProgressKind, When};
    use crate::output::terminal::{Settings, Surroundings};

    #[test]
    fn every_end_of_a_run_has_its_exit_code_and_its_word() {
        let output = Output {
            quiet: true,
            verbose: 0,
            color: When::Never,
            log_format: LogFormat::Text,
            progress: ProgressKind::None,
        };
        let screen = Screen::open(Settings::resolve(output, Surroundings::look()));
        let ends = [
            (RunEnd::Finished, (0, "finished")),
            (RunEnd::Drained, (3, "drained")),
            (RunEnd::Outside(None), (3, "outside the window")),
            (RunEnd::StopAt, (3, "stop_at")),
            (RunEnd::TrunksLost(Vec::new()), (3, "trunks lost")),
            (RunEnd::PbxLost("gone".into()), (3, "session lost")),
            (
                RunEnd::Unreadable(io::Error::other("gone")),
                (1, "list unreadable"),
            ),
        ];
        for (end, expected) in ends {
            let (exit_code, word) = expected;
            let expected = RunOutcome {
                exit_code,
                stopped: Some(word),
            };
            assert_eq!(
                conclude(end, &Tally::new(1, 1), CONTINUES, &screen),
                expected
            );
        }
    }
}
