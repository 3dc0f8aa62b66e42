//! The session with Asterisk, or with a simulated one in this process.

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
use crate::call::captured::CapturedVars;
use crate::call::reconnect::{OpenError, Reconnector};
use crate::commands::Failure;
use crate::config::Campaign;
use crate::shutdown;
use crate::sim::{Simulator, SimulatorConfig};

/// What happens within so short a time happens at once in a rehearsal, which makes it the faster.
const STEP: Duration = Duration::from_millis(20);
/// Bytes that the pipe to the simulated Asterisk holds in each direction.
const PIPE: usize = 1 << 16;
/// A thread that is woken again within this time has a busy session.
const BUSY: Duration = Duration::from_micros(250);
/// How long it sleeps then. A call of which nothing is heard for so long loses nothing.
const GATHER: Duration = Duration::from_micros(500);

/// A thread of its own for the session with Asterisk. Whatever goes on elsewhere in the process, the socket is read:
/// Asterisk cuts off a client that reads too slowly.
#[derive(Debug)]
pub(super) struct AmiThread(Option<Runtime>);

impl AmiThread {
    /// Starts the thread. Not to be called or dropped within another runtime.
    pub(super) fn open() -> Result<Self, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("ami")
            .on_thread_park(gather)
            .enable_all()
            .build()
            .context("the thread of the connection cannot be started")?;
        Ok(Self(Some(runtime)))
    }

    /// Runs on the thread that calls it what needs no thread of its own.
    pub(super) fn block_on<T>(&self, work: impl Future<Output = T>) -> Result<T, Failure> {
        Ok(self.runtime()?.block_on(work))
    }

    fn runtime(&self) -> anyhow::Result<&Runtime> {
        self.0.as_ref().context("the thread has ended")
    }

    /// Connects to the campaign's Asterisk.
    pub(super) async fn connect(&self, campaign: &Campaign) -> Result<Reconnector, Failure> {
        let ami = &campaign.ami;
        let tls = ami.tls.as_ref().map(Tls::new).transpose();
        let transport = Transport::Tcp {
            host: ami.host.clone(),
            port: ami.port,
            connect_timeout: ami.connect_timeout,
            tls: tls.map_err(Failure::usage)?,
        };
        // What it spawns stays on that thread.
        let pbx = self
            .runtime()?
            .spawn(session(campaign, transport))
            .await
            .context("the connection")?
            .map_err(Failure::pbx)?;
        info!("logged in to {} at {}:{}", pbx.banner, ami.host, ami.port);
        Ok(pbx)
    }
}

/// A name service that does not answer keeps a thread, and is not waited for.
impl Drop for AmiThread {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Starts a simulated Asterisk in this process and connects to it.
pub(super) async fn simulate(campaign: &Campaign) -> Result<Reconnector, Failure> {
    let simulator = Simulator::new(SimulatorConfig {
        username: campaign.ami.username.clone(),
        secret: campaign.ami.secret.expose().to_owned(),
        all_events: false,
        step: STEP,
        ..SimulatorConfig::new(campaign.simulate)
    });
    let transport = Transport::InProcess(Box::new(move || {
        let (ours, theirs) = duplex(PIPE);
        let simulator = simulator.clone();
        tokio::spawn(async move { simulator.serve(theirs).await });
        Box::new(ours)
    }));
    let pbx = session(campaign, transport)
        .await
        .context("the simulated Asterisk")?;
    info!("simulated: nothing is dialed");
    Ok(pbx)
}

/// Lets what comes gather for a moment when it comes thick and fast.
///
/// Asterisk writes every event by itself, some twenty a call. Being woken for each of them would take more processor
/// time than all that is done with them, and take it from Asterisk. The first event after a pause is handled at once.
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

/// A logoff that gets no answer changes nothing.
pub(super) async fn log_off(pbx: &Reconnector) {
    if let Some(client) = pbx.client() {
        let _ = timeout(shutdown::LOGOFF, client.logoff()).await;
    }
}

fn session(
    campaign: &Campaign,
    transport: Transport,
) -> impl Future<Output = Result<Reconnector, OpenError>> + use<> {
    let ami = &campaign.ami;
    let secret = ami.secret.expose();
    let login = Login::new(&ami.username, secret, ami.auth, ami.connect_timeout);
    let captured_vars = Arc::new(CapturedVars::of(&campaign.capture));
    Reconnector::connect(transport, login, ami.reconnect_for, captured_vars)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn a_name_service_that_never_answers_does_not_hold_up_the_end() {
        let (_never, resolver) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        thread::spawn(move || {
            let ami = AmiThread::open().unwrap();
            // As the name of a host is looked up: on a blocking thread of the runtime.
            let (asked, asking) = mpsc::channel();
            ami.0.as_ref().unwrap().spawn_blocking(move || {
                asked.send(()).unwrap();
                resolver.recv()
            });
            asking.recv().unwrap();
            drop(ami);
            ended.send(()).unwrap();
        });
        let end = end.recv_timeout(Duration::from_secs(10));
        assert!(end.is_ok(), "it waits for the name service");
    }
}
