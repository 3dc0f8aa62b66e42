//! The line to Asterisk, or to a simulated one in this process.

use std::cell::Cell;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::io::duplex;
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tracing::info;

use crate::ami::login::Login;
use crate::ami::tls::Tls;
use crate::ami::transport::Transport;
use crate::call::capture::Watched;
use crate::call::reconnect::{Established, Link};
use crate::campaign;
use crate::commands::Failure;
use crate::config::Campaign;
use crate::sim::{Simulator, SimulatorConfig};

/// What happens within so short a time happens at once in a rehearsal, which makes it the faster.
const STEP: Duration = Duration::from_millis(20);
/// How long Asterisk may take to say goodbye; nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(2);
/// Bytes that the pipe to the simulated Asterisk holds in each direction.
const PIPE: usize = 1 << 16;
/// Whoever is woken again within this time has a busy line.
const BUSY: Duration = Duration::from_micros(250);
/// How long the line is left alone then. A call of which nothing is heard for so long loses nothing.
const GATHER: Duration = Duration::from_micros(500);

/// A thread of its own for the connection to Asterisk. Whatever goes on elsewhere in the process, the socket is read:
/// Asterisk cuts off who reads too slowly.
#[derive(Debug)]
pub(super) struct Line(Runtime);

impl Line {
    /// Starts the thread. Not to be called or dropped within another runtime.
    pub(super) fn open() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ami")
            .on_thread_park(gather)
            .enable_all()
            .build()
            .context("the thread of the connection cannot be started")?;
        Ok(Self(runtime))
    }

    /// Connects to the campaign's Asterisk.
    pub(super) async fn connect(&self, campaign: &Campaign) -> Result<Established, Failure> {
        let ami = &campaign.ami;
        let (host, port, within) = (ami.host.clone(), ami.port, ami.connect_timeout);
        let transport = match &ami.tls {
            None => Transport::Tcp { host, port, within },
            Some(options) => {
                let tls = Tls::new(options).map_err(Failure::usage)?;
                Transport::Tls {
                    host,
                    port,
                    within,
                    tls,
                }
            }
        };
        // What it spawns stays on that thread.
        let established = Link::establish(
            transport,
            login(campaign),
            ami.reconnect_for,
            watched(campaign),
        );
        let established = self
            .0
            .spawn(established)
            .await
            .context("the connection")?
            .map_err(Failure::pbx)?;
        info!(
            "logged in to {} at {}:{}",
            established.banner, ami.host, ami.port
        );
        Ok(established)
    }
}

/// Starts a simulated Asterisk in this process and connects to it.
pub(super) async fn simulate(campaign: &Campaign) -> Result<Link, Failure> {
    let simulator = Simulator::new(SimulatorConfig {
        username: campaign.ami.username.clone(),
        secret: campaign.ami.secret.expose().to_owned(),
        all_events: false,
        step: STEP,
        ..SimulatorConfig::new(campaign.simulate)
    });
    let transport = Transport::Made(Box::new(move || {
        let (ours, theirs) = duplex(PIPE);
        let simulator = simulator.clone();
        tokio::spawn(async move { simulator.serve(theirs).await });
        Box::new(ours)
    }));
    let established = Link::establish(
        transport,
        login(campaign),
        campaign.ami.reconnect_for,
        watched(campaign),
    )
    .await
    .context("the simulated Asterisk")?;
    info!("simulated: nothing is dialed");
    Ok(established.link)
}

/// Lets what comes gather for a moment when it comes thick and fast.
///
/// Asterisk writes every event by itself, some twenty a call. Being woken for each of them would take more processor
/// time than all that is done with them, and take it from Asterisk. A quiet line is heard at once.
fn gather() {
    thread_local! {
        static WAITED: Cell<Option<Instant>> = const { Cell::new(None) };
    }
    let last = WAITED.get();
    if last.is_some_and(|last| last.elapsed() < BUSY) {
        thread::sleep(GATHER);
    }
    WAITED.set(Some(Instant::now()));
}

/// Logs off. A goodbye that gets no answer changes nothing.
pub(super) async fn goodbye(link: &Link) {
    if let Some(client) = link.client() {
        let _ = timeout(GOODBYE, client.logoff()).await;
    }
}

fn watched(campaign: &Campaign) -> Arc<Watched> {
    Arc::new(campaign::capture::watched(&campaign.capture))
}

fn login(campaign: &Campaign) -> Login {
    Login::new(
        &campaign.ami.username,
        campaign.ami.secret.expose(),
        campaign.ami.auth,
        campaign.ami.connect_timeout,
    )
}
