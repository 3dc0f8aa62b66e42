//! `dialer run`: reads everything, connects, dials, and says how it ended.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use tokio::io::duplex;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing::{error, info};

use super::Failure;
use crate::ami::login::Login;
use crate::ami::transport::Transport;
use crate::call::link::Link;
use crate::call::probe;
use crate::campaign::tally::Tally;
use crate::campaign::{self, Over, Resources, Stop};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::config::{self, Campaign, Results};
use crate::contacts::List;
use crate::results::row;
use crate::results::writer::{self, Sink, Writer};
use crate::sim::{Simulator, SimulatorConfig};
use crate::{exit, progress, signals};

/// The environment variable that may hold the secret of the manager user.
const SECRET_VARIABLE: &str = "DIALER_AMI_SECRET";
/// How long Asterisk may take to say goodbye; nothing depends on it.
const GOODBYE: std::time::Duration = std::time::Duration::from_secs(2);
/// Bytes that the pipe to the simulated Asterisk holds in each direction.
const PIPE: usize = 1 << 16;
/// What stands in the `note` of every row of a rehearsal.
const SIMULATED: &str = "simulated";

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Nothing was dialed, or the runtime itself failed.
pub fn run(args: &RunArgs) -> Result<u8, Failure> {
    refuse_unsupported(args)?;
    let secret = std::env::var(SECRET_VARIABLE).ok();
    let campaign = config::load(&args.campaign, secret, args.simulate).map_err(usage)?;
    let list = List::open(&campaign).map_err(usage)?;
    let target = Target::choose(&campaign, args, &Clock::system())?;
    target.refuse_existing()?;
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
            Clock::following_tokio()
        } else {
            Clock::system()
        };
        dial(campaign, list, target, clock, args).await
    })
}

fn usage(faults: impl std::fmt::Display) -> Failure {
    Failure::Usage(faults.to_string())
}

/// Says plainly what is not there yet, rather than ignoring it.
fn refuse_unsupported(args: &RunArgs) -> Result<(), Failure> {
    let asked = [
        ("--shard", args.shard.is_some()),
        ("--redial", !args.redial.is_empty()),
        ("--fresh", args.fresh),
        ("--dry-run", args.dry_run),
        ("--json", args.json),
    ];
    match asked.into_iter().find(|(_, asked)| *asked) {
        Some((option, _)) => Err(Failure::Usage(format!("{option} is not supported yet"))),
        None => Ok(()),
    }
}

async fn dial(
    campaign: Campaign,
    list: List,
    target: Target,
    clock: Clock,
    args: &RunArgs,
) -> Result<u8, Failure> {
    let link = if args.simulate {
        simulate(&campaign).await?
    } else {
        connect(&campaign).await?
    };
    probe::permissions(&link, &campaign.ami.username)
        .await
        .map_err(|error| Failure::Pbx(error.to_string()))?;
    let writer = target.create()?;

    let stop = Stop::default();
    let aborted = signals::listen(stop.clone()).context("signals cannot be listened to")?;
    let (tally, changes) = watch::channel(Tally::default());
    let reporter = tokio::spawn(progress::report(changes));
    let summary = list.summary();
    info!(
        "campaign {}: {} contacts, {} of them cannot be called; results go to {}",
        campaign.name,
        summary.contacts,
        summary.bad + summary.duplicates,
        target.name()
    );
    let resources = Resources {
        list: Arc::new(list),
        link: link.clone(),
        remark: args.simulate.then_some(SIMULATED),
        campaign,
        writer,
        clock,
    };
    let over = campaign::run(resources, args.limit, stop, &tally).await;
    reporter.abort();
    let tally = tally.borrow().clone();
    info!("summary\n{}", progress::summary(&tally));
    let code = conclude(over, &tally);
    // Everything is written: a goodbye that gets no answer changes nothing.
    if let Some(client) = link.client() {
        let _ = timeout(GOODBYE, client.logoff()).await;
    }
    Ok(aborted.by().map_or(code, |signal| exit::SIGNAL + signal))
}

/// Says how the run ended, and what the exit code is for it.
fn conclude(over: Over, tally: &Tally) -> u8 {
    match over {
        Over::Finished => exit::DONE,
        Over::Drained => {
            info!("stopped with {} contacts left", tally.pending());
            exit::CONTACTS_LEFT
        }
        Over::PbxLost(why) => {
            error!(
                "{why}: stopped with {} contacts left; calls that were running have the disposition UNKNOWN",
                tally.pending()
            );
            exit::CONTACTS_LEFT
        }
        Over::Unwritable(why, rows) => {
            error!("{why}: these rows are missing there and follow as CSV");
            for row in rows {
                eprint!("{}", String::from_utf8_lossy(&row));
            }
            exit::FAILURE
        }
        Over::Unreadable(why) => {
            error!("stopped: {why}");
            exit::FAILURE
        }
    }
}

/// Connects to the campaign's Asterisk.
async fn connect(campaign: &Campaign) -> Result<Link, Failure> {
    let ami = &campaign.ami;
    let transport = Transport::Tcp {
        host: ami.host.clone(),
        port: ami.port,
        within: ami.connect_timeout,
    };
    let established = Link::establish(transport, login(campaign), ami.reconnect_for)
        .await
        .map_err(|error| Failure::Pbx(error.to_string()))?;
    info!(
        "logged in to {} at {}:{}",
        established.banner, ami.host, ami.port
    );
    Ok(established.link)
}

/// Starts a simulated Asterisk in this process and connects to it.
async fn simulate(campaign: &Campaign) -> Result<Link, Failure> {
    let simulator = Simulator::new(SimulatorConfig {
        username: campaign.ami.username.clone(),
        secret: campaign.ami.secret.expose().to_owned(),
        all_events: false,
        ..SimulatorConfig::new(campaign.simulate)
    });
    let transport = Transport::Made(Box::new(move || {
        let (ours, theirs) = duplex(PIPE);
        let simulator = simulator.clone();
        tokio::spawn(async move { simulator.serve(theirs).await });
        Box::new(ours)
    }));
    let established = Link::establish(transport, login(campaign), campaign.ami.reconnect_for)
        .await
        .context("the simulated Asterisk")?;
    info!("simulated: nothing is dialed");
    Ok(established.link)
}

fn login(campaign: &Campaign) -> Login {
    Login::new(
        &campaign.ami.username,
        campaign.ami.secret.expose(),
        campaign.ami.auth,
        campaign.ami.connect_timeout,
    )
}

/// Where the results go.
enum Target {
    Stdout,
    /// Must not exist yet.
    New(PathBuf),
    /// A rehearsal's: begun anew each time.
    Anew(PathBuf),
}

impl Target {
    fn choose(campaign: &Campaign, args: &RunArgs, clock: &Clock) -> Result<Self, Failure> {
        if let Some(path) = &args.results {
            return Ok(if path == Path::new("-") {
                Self::Stdout
            } else if args.simulate {
                Self::Anew(path.clone())
            } else {
                Self::New(path.clone())
            });
        }
        let Results::File(pattern) = &campaign.results else {
            return Ok(Self::Stdout);
        };
        let path = clock.dated(pattern).map_err(|error| {
            Failure::Usage(format!("results = \"{}\": {error}", pattern.display()))
        })?;
        Ok(if args.simulate {
            Self::Anew(path.with_extension("simulated.csv"))
        } else {
            Self::New(path)
        })
    }

    fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::New(path) | Self::Anew(path) => path.display().to_string(),
        }
    }

    /// Continuing is not built yet, so results that exist must not be dialed over.
    fn refuse_existing(&self) -> Result<(), Failure> {
        match self {
            Self::New(path) if path.exists() => Err(exists(path)),
            _ => Ok(()),
        }
    }

    fn create(&self) -> Result<Writer, Failure> {
        let sink = match self {
            Self::Stdout => Sink::stdout(&row::header()),
            Self::New(path) => writer::create(path, &row::header()).map(Sink::Synced),
            Self::Anew(path) => writer::begin_anew(path, &row::header()).map(Sink::Unsynced),
        };
        match sink {
            Ok(sink) => Ok(Writer::start(sink, &self.name())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                Err(Failure::Usage(format!("{} exists", self.name())))
            }
            Err(error) => Err(Failure::Unexpected(
                anyhow::Error::new(error).context(format!("{} cannot be created", self.name())),
            )),
        }
    }
}

fn exists(path: &Path) -> Failure {
    Failure::Usage(format!(
        "{} exists: continuing earlier results is not supported yet; move it away, or name another file with --results",
        path.display()
    ))
}
