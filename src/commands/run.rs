//! `dialer run`: reads everything, connects, dials, and says how it ended.

use std::io::{self, ErrorKind, Write as _};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::Instant;
use tracing::{error, info, warn};

use super::Failure;
use super::connect::{self, Line};
use super::input::{self, Input};
use super::plan;
use super::target::{Claimed, Opened, Target, Unsettled};
use crate::call::probe;
use crate::campaign::gate::Gate;
use crate::campaign::limits::Limits;
use crate::campaign::tally::Tally;
use crate::campaign::{self, Over, Resources, Stop};
use crate::cli::{LogFormat, RunArgs};
use crate::clock::{self, Clock};
use crate::summary::Summary;
use crate::terminal::Screen;
use crate::{exit, signals};

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Nothing was dialed, or the runtime itself failed.
pub fn run(args: &RunArgs, screen: &Screen) -> Result<u8, Failure> {
    // Neither a rehearsal nor a plan connects to anything: they need no secret.
    let needs_no_secret = args.simulate || args.dry_run;
    let input = input::examine(&args.campaign, needs_no_secret, args.shard)
        .input()
        .map_err(|faults| Failure::Usage(faults.to_string()))?;
    let zone = input.campaign.zone();
    let clock = Clock::system(zone.clone());
    let target = Target::choose(&input.campaign, args, &clock)?;
    if args.json && target.is_stdout() && !args.dry_run {
        return Err(Failure::Usage(
            "--json and the results both want standard output: name a file with --results"
                .to_owned(),
        ));
    }
    if args.dry_run {
        return plan::print(input, target.path(), &clock, args);
    }
    let claimed = target.claim(&input.campaign, args, &input.list, &clock)?;
    let ami = if args.simulate {
        None
    } else {
        Some(Line::open()?)
    };
    // A rehearsal runs in virtual time: the clock stands still while there is something to do, and jumps to the next
    // timer when there is not.
    let virtual_time = args.simulate && !args.real_time;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(virtual_time)
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let clock = if virtual_time {
            Clock::following_tokio(zone)
        } else {
            clock
        };
        Box::pin(dial(input, ami.as_ref(), claimed, clock, args, screen)).await
    })
}

async fn dial(
    Input {
        campaign,
        list,
        suppress,
    }: Input,
    ami: Option<&Line>,
    mut claimed: Claimed,
    clock: Clock,
    args: &RunArgs,
    screen: &Screen,
) -> Result<u8, Failure> {
    let link = match ami {
        Some(ami) => ami.connect(&campaign).await?.link,
        None => connect::simulate(&campaign).await?,
    };
    probe::permissions(&link, &campaign.ami.username)
        .await
        .map_err(|error| Failure::Pbx(error.to_string()))?;
    let stop = Stop::default();
    let aborted = signals::listen(stop.clone()).context("signals cannot be listened to")?;
    let own = campaign.own_columns();
    let list = Arc::new(list);
    let resources = |opened: &Opened| Resources {
        list: Arc::clone(&list),
        link: link.clone(),
        gate: Gate::new(
            campaign.window.as_ref().map(|window| window.hours.clone()),
            list.zones(),
        ),
        limits: Limits::new(&campaign.retry),
        numbering: campaign.numbering(),
        suppress: suppress.clone(),
        rehearsal: args.simulate,
        campaign: campaign.clone(),
        writer: opened.writer.clone(),
        columns: opened.columns.clone(),
        journal: opened.journal.clone(),
        clock: clock.clone(),
    };
    for unsettled in std::mem::take(&mut claimed.unsettled) {
        let settled = Box::pin(settle(unsettled, &own, &resources, &stop));
        let (over, tally) = settled.await?;
        if !matches!(over, Over::Finished) {
            let (code, _) = conclude(over, &tally, screen);
            connect::goodbye(&link).await;
            return Ok(aborted.by().map_or(code, |signal| exit::SIGNAL + signal));
        }
    }
    let opened = claimed.open(&own)?;
    let mut left = std::mem::take(&mut claimed.left);
    let beginning = campaign::beginning(&campaign, &list, args.limit, &mut left)
        .context("the private copy of the list")?;
    let (tally, changes) = watch::channel(beginning);
    let summary = list.summary();
    info!(
        "campaign {}: {} contacts, {} of them cannot be called; results go to {}",
        campaign.name,
        summary.contacts,
        summary.bad + summary.duplicates,
        claimed.name()
    );
    let watching = screen.watch(changes, claimed.is_stdout());
    let began = Instant::now();
    let over = campaign::run(resources(&opened), left, args.limit, stop, &tally).await;
    drop(watching);
    let ended = Instant::now();
    let summary = Summary {
        campaign: campaign.name.clone(),
        results: claimed.name(),
        tally: tally.borrow().clone(),
        trunks: campaign
            .trunks
            .iter()
            .map(|trunk| (trunk.name.clone(), trunk.ports))
            .collect(),
        started_at: clock.at(began),
        ended_at: clock.at(ended),
        took: ended - began,
        simulated: args.simulate,
        drained: matches!(over, Over::Drained),
    };
    show(&summary, screen);
    // What stopped a run that was to go on has cut it off: the journal says so to the next one, which goes on in the
    // same file whatever the date is then, and settles what could not be written down.
    let clean_end = matches!(
        &over,
        Over::Finished | Over::Drained | Over::Outside(_) | Over::StopAt
    );
    let (code, stopped) = conclude(over, &summary.tally, screen);
    if clean_end
        && let Some(journal) = opened.journal
        && let Err(error) = journal.remove()
    {
        warn!("the journal is left behind, which does no harm: {error}");
    }
    let (code, stopped) = aborted
        .by()
        .map_or((code, stopped), |signal| (exit::SIGNAL + signal, "aborted"));
    let code = if args.json {
        print(&summary, code, stopped)
    } else {
        code
    };
    connect::goodbye(&link).await;
    Ok(code)
}

/// Settles what a run had in flight when it was cut off, in its own results, before anybody is called: those of its
/// calls that Asterisk still carries are followed to their end.
async fn settle(
    mut unsettled: Unsettled,
    own: &[String],
    resources: impl Fn(&Opened) -> Resources,
    stop: &Stop,
) -> Result<(Over, Tally), Failure> {
    let left = std::mem::take(&mut unsettled.left);
    let (tally, _) = watch::channel(Tally::default());
    let over = if left.in_flight.is_empty() {
        info!("{unsettled}: its run was cut off between two calls and is not gone on with");
        Over::Finished
    } else {
        info!(
            "{unsettled}: its run was cut off and is not gone on with: its calls are settled first"
        );
        let opened = unsettled.open(&left, own)?;
        // Nobody new is called.
        campaign::run(resources(&opened), left, Some(0), stop.clone(), &tally).await
    };
    if !matches!(over, Over::Unwritable(..)) {
        unsettled.close();
    }
    Ok((over, tally.borrow().clone()))
}

/// Shows people what became of it.
fn show(summary: &Summary, screen: &Screen) {
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
fn print(summary: &Summary, code: u8, stopped: &str) -> u8 {
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

/// Says how the run ended, and answers the exit code for it and the word of the machine-readable summary.
fn conclude(over: Over, tally: &Tally, screen: &Screen) -> (u8, &'static str) {
    match over {
        Over::Finished => (exit::DONE, "finished"),
        Over::Drained => {
            info!("stopped with {} contacts left", tally.pending());
            (exit::CONTACTS_LEFT, "drained")
        }
        Over::Outside(opens) => {
            let why = match opens {
                Some(opens) => format!(
                    "outside the calling hours until {}, and [window] says outside = \"stop\"",
                    opens.strftime(clock::SHOWN)
                ),
                None => "no calling hours can be foreseen".to_owned(),
            };
            info!("stopped with {} contacts left: {why}", tally.pending());
            (exit::CONTACTS_LEFT, "outside the window")
        }
        Over::StopAt => {
            info!(
                "stopped with {} contacts left: it is stop_at",
                tally.pending()
            );
            (exit::CONTACTS_LEFT, "stop_at")
        }
        Over::TrunksLost(finals) => {
            error!(
                "stopped with {} contacts left: no trunk has worked for reconnect_for; when they do again, run the same command",
                tally.pending()
            );
            if !finals.is_empty() {
                error!(
                    "these contacts got a final row before that was seen, and --redial with its disposition makes them callable again: {}",
                    finals.join(", ")
                );
            }
            (exit::CONTACTS_LEFT, "trunks lost")
        }
        Over::PbxLost(why) => {
            error!(
                "{why}: stopped with {} contacts left; calls that were running have the disposition UNKNOWN",
                tally.pending()
            );
            (exit::CONTACTS_LEFT, "session lost")
        }
        Over::Unwritable(why, rows) => {
            error!(
                "stopped with {} contacts left: {why}; make room, then run the same command again",
                tally.pending()
            );
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
            (exit::FAILURE, "results unwritable")
        }
        Over::OptOutUnwritten(why) => {
            error!(
                "stopped with {} contacts left: {why}; add the numbers of the contacts named above, then run the same command again",
                tally.pending()
            );
            (exit::FAILURE, "opt-out unwritable")
        }
        Over::Unreadable(why) => {
            error!("stopped: {why}");
            (exit::FAILURE, "list unreadable")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{Output, ProgressKind, When};
    use crate::terminal::{Settings, Surroundings};

    #[test]
    fn every_end_of_a_run_has_its_exit_code_and_its_word() {
        let output = Output {
            quiet: true,
            verbose: 0,
            color: When::Never,
            log_format: LogFormat::Text,
            progress: ProgressKind::None,
        };
        let screen = Screen::open(Settings::resolve(&output, Surroundings::look()));
        let ends = [
            (Over::Finished, (0, "finished")),
            (Over::Drained, (3, "drained")),
            (Over::Outside(None), (3, "outside the window")),
            (Over::StopAt, (3, "stop_at")),
            (Over::TrunksLost(Vec::new()), (3, "trunks lost")),
            (Over::PbxLost("gone".into()), (3, "session lost")),
            (
                Over::Unreadable(io::Error::other("gone")),
                (1, "list unreadable"),
            ),
        ];
        for (over, expected) in ends {
            assert_eq!(
                conclude(over, &Tally::new(1, 1, [("carrier", 1)]), &screen),
                expected
            );
        }
    }
}
