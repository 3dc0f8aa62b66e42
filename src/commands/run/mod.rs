//! `dialer run`: reads everything, connects, dials, and says how it ended.

use std::sync::Arc;

mod ending;
mod prior_results;
pub(crate) mod result_files;

use anyhow::Context as _;
use jiff::Zoned;
use tokio::signal::unix::SignalKind;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::call::preflight::Preflight;
use crate::campaign::eligibility::CallingRules;
use crate::campaign::snapshot;
use crate::campaign::stats::Tally;
use crate::campaign::{self, Resources, RunEnd, Stop};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::connect::{self, AmiThread};
use crate::commands::load::{self, Input};
use crate::commands::plan;
use crate::commands::run::result_files::{
    ClaimedResults, CutOffResults, OpenResults, ResultsTarget,
};
use crate::config::Campaign;
use crate::contacts::{List, ListSummary};
use crate::exit;
use crate::output::status_file::{RunIdentity, RunOutcome, StatusFile};
use crate::output::summary::RunSummary;
use crate::output::terminal::Screen;
use crate::plural::counted;
use crate::signals;

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Nothing was dialed, or the runtime itself failed.
pub fn run(args: &RunArgs, screen: &Screen) -> Result<u8, Failure> {
    signals::survive_requests()?;
    // Neither a rehearsal nor a plan connects to anything: they need no secret.
    let needs_no_secret = args.simulate || args.dry_run;
    let input = load::examine(&args.campaign, needs_no_secret, args.shard)
        .input()
        .map_err(Failure::usage)?;
    let zone = input.campaign.zone();
    let clock = Clock::system(zone.clone());
    let target = ResultsTarget::choose(&input.campaign, args, &clock)?;
    if args.json && target.path().is_none() && !args.dry_run {
        return Err(Failure::Usage(
            "--json and the results both want standard output: name a file with --results"
                .to_owned(),
        ));
    }
    if args.dry_run {
        return plan::print(input, &target, &clock, args);
    }
    let claimed = target.claim(&input.campaign, args, &input.list, &clock)?;
    let ami = (!args.simulate).then(AmiThread::open).transpose()?;
    // A rehearsal runs in virtual time: the clock stands still while there is something to do, and jumps to the next
    // timer when there is not.
    let virtual_time = args.simulate && !args.real_time;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(virtual_time)
        .build()
        .context("the runtime cannot be started")?;
    let status = open_status(&input, &claimed, args)?;
    let ended = runtime.block_on(async {
        let clock = if virtual_time {
            Clock::following_tokio(zone)
        } else {
            clock
        };
        let (ami, status) = (ami.as_ref(), status.as_ref());
        Box::pin(dial(input, ami, claimed, clock, args, screen, status)).await
    });
    // A disk that does not answer is not waited for.
    runtime.shutdown_background();
    if let Some(status) = status {
        status.end(match &ended {
            Ok(ended) => *ended,
            Err(failure) => RunOutcome {
                exit_code: failure.exit_code(),
                stopped: None,
            },
        });
    }
    ended.map(|ended| ended.exit_code)
}

/// Begins to write the status file, if one is asked for. That is done when the run has its results for itself: one that does not get them
/// must not write over what the other tells.
fn open_status(
    input: &Input,
    claimed: &ClaimedResults,
    args: &RunArgs,
) -> Result<Option<StatusFile>, Failure> {
    let Some(path) = &args.status else {
        return Ok(None);
    };
    let about = RunIdentity {
        campaign: input.campaign.name.clone(),
        results: claimed.name(),
        simulated: args.simulate,
        shard: args.shard,
        started_at: Zoned::now().with_time_zone(input.campaign.zone()),
    };
    let mut taken = claimed.files();
    if let Some(opt_out) = &input.campaign.capture.opt_out {
        taken.push((opt_out.file.clone(), "the opt-out file"));
    }
    let opened = StatusFile::open(path, about, taken);
    opened.map(Some).map_err(Failure::usage)
}

async fn dial(
    Input {
        campaign,
        list,
        suppress,
    }: Input,
    ami: Option<&AmiThread>,
    mut claimed: ClaimedResults,
    clock: Clock,
    args: &RunArgs,
    screen: &Screen,
    status: Option<&StatusFile>,
) -> Result<RunOutcome, Failure> {
    signals::answer_requests(screen.log())?;
    let reconnector = match ami {
        Some(ami) => ami.connect(&campaign).await?,
        None => connect::simulate(&campaign).await?,
    };
    Preflight::begin(&reconnector, &campaign.ami.username)
        .await
        .map_err(Failure::pbx)?;
    let stop = Stop::default();
    let aborted = signals::listen(stop.clone())?;
    let own = campaign.own_columns();
    let list = Arc::new(list);
    let resources = |opened: &OpenResults| Resources {
        list: Arc::clone(&list),
        reconnector: reconnector.clone(),
        rules: CallingRules::new(&campaign, list.zones(), suppress.clone(), clock.timestamp()),
        numbering: campaign.numbering(),
        rehearsal: args.simulate,
        campaign: campaign.clone(),
        writer: opened.writer.clone(),
        columns: opened.columns.clone(),
        journal: opened.journal.clone(),
        clock: clock.clone(),
    };
    for unsettled in std::mem::take(&mut claimed.cut_off) {
        let (over, tally) = Box::pin(settle(unsettled, &own, &resources, &stop)).await?;
        if !matches!(over, RunEnd::Finished) {
            let ended = ending::conclude(over, &tally, ending::CONTINUES, screen);
            let ended = aborted_or(*aborted.borrow(), ended);
            connect::log_off(&reconnector).await;
            return Ok(ended);
        }
    }
    let opened = claimed.open(&own)?;
    let mut left = std::mem::take(&mut claimed.left);
    let beginning = campaign::beginning(&list, args.limit, &mut left)
        .context("the private copy of the list")?;
    let (views, viewer) = snapshot::channel(beginning, &campaign.trunks, &clock);
    let tally = viewer.latest().tally;
    announce(&campaign, &list, &tally, args.limit, &claimed.name());
    if let Some(doubt) = plan::stops_before_it_opens(&campaign, list.zones(), &clock) {
        warn!("{doubt}");
    }
    screen.watch(viewer.clone(), claimed.path.is_none());
    if let Some(status) = status {
        status.watch(viewer.clone());
    }
    let began = Instant::now();
    let over = campaign::run(resources(&opened), left, args.limit, stop, views).await;
    screen.unwatch();
    let ended = Instant::now();
    let summary = RunSummary {
        campaign: campaign.name.clone(),
        results: claimed.name(),
        tally: viewer.latest().tally,
        trunks: campaign
            .trunks
            .iter()
            .map(|trunk| (trunk.name.clone(), trunk.ports))
            .collect(),
        started_at: clock.at(began),
        ended_at: clock.at(ended),
        took: ended - began,
        simulated: args.simulate,
        drained: matches!(over, RunEnd::Drained),
    };
    ending::show(&summary, screen);
    // A run that an error stopped leaves its journal: the next run then continues the same file, whatever the date, and
    // settles the calls whose rows could not be written.
    let clean_end = matches!(
        &over,
        RunEnd::Finished | RunEnd::Drained | RunEnd::Outside(_) | RunEnd::StopAt
    );
    let same = ending::same_command(args, claimed.path.is_none());
    let ended = ending::conclude(over, &summary.tally, same, screen);
    if clean_end && let Some(path) = claimed.path.filter(|_| opened.journal.is_some()) {
        path.remove_journal();
    }
    let mut ended = aborted_or(*aborted.borrow(), ended);
    if args.json {
        ended.exit_code = ending::print(&summary, ended);
    }
    connect::log_off(&reconnector).await;
    Ok(ended)
}

/// Says what a run begins with, and why it has nobody to call, if so.
fn announce(campaign: &Campaign, list: &List, tally: &Tally, limit: Option<u64>, results: &str) {
    let ListSummary {
        contacts,
        bad,
        duplicates,
    } = list.summary;
    let uncallable = bad + duplicates;
    info!(
        "campaign {}: {}, {uncallable} of them cannot be called; results go to {results}",
        campaign.name,
        counted(contacts, "contact"),
    );
    let why = match contacts {
        _ if tally.to_call > 0 || limit == Some(0) => return,
        0 => "the list has no contacts",
        _ if contacts == uncallable => {
            "nobody in the list can be called: the notes of their rows say why"
        }
        _ => {
            "everybody has a final outcome already: --redial DISPOSITION calls some again, --fresh everybody"
        }
    };
    info!("{why}");
}

/// The end of a run that was aborted by a signal, or else the one that it came to.
fn aborted_or(aborted: Option<SignalKind>, ended: RunOutcome) -> RunOutcome {
    let number = aborted.and_then(|signal| u8::try_from(signal.as_raw_value()).ok());
    number.map_or(ended, |number| RunOutcome {
        exit_code: exit::SIGNAL + number,
        stopped: Some("aborted"),
    })
}

/// Settles what a run had in flight when it was cut off, in its own results, before anybody is called: those of its
/// calls that Asterisk still carries are followed to their end.
async fn settle(
    CutOffResults { path, left }: CutOffResults,
    own: &[String],
    resources: impl Fn(&OpenResults) -> Resources,
    stop: &Stop,
) -> Result<(RunEnd, Tally), Failure> {
    let settled = if left.in_flight.is_empty() {
        info!("{path}: its run was cut off while no call was running, and is not continued");
        (RunEnd::Finished, Tally::default())
    } else {
        info!("{path}: its run was cut off and is not continued: its calls are settled first");
        let opened = result_files::open(&path, &left, own)?;
        let resources = resources(&opened);
        let trunks = &resources.campaign.trunks;
        let (views, viewer) = snapshot::channel(Tally::default(), trunks, &resources.clock);
        // Nobody new is called.
        let over = campaign::run(resources, left, Some(0), stop.clone(), views).await;
        (over, viewer.latest().tally)
    };
    if !matches!(settled.0, RunEnd::Unwritable(..)) {
        path.remove_journal();
    }
    Ok(settled)
}
