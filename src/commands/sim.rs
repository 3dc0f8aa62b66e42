//! `dialer sim`: the simulated Asterisk as a server of its own, in real time.

use std::fs::File;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tracing::{info, warn};

use crate::cli::SimArgs;
use crate::commands::Failure;
use crate::config::{self, Simulate};
use crate::exit;
use crate::output::progress;
use crate::plural::counted;
use crate::signals;
use crate::sim::{Simulator, SimulatorConfig};

/// How long to wait after a connection could not be accepted.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Serves any AMI client until the process is told to stop.
///
/// # Errors
/// The campaign is wrong, or the address cannot be listened on.
pub(super) fn run(args: &SimArgs) -> Result<u8, Failure> {
    signals::survive_requests()?;
    let mut config = SimulatorConfig::new(Simulate::default());
    if let Some(path) = &args.campaign {
        let secret = std::env::var(super::SECRET_VARIABLE).ok();
        let campaign = config::load(path, secret.as_deref(), true).map_err(Failure::usage)?;
        // The run that logs in here reads it as well, and would be refused with another.
        if let Some(file) = &campaign.ami.secret_file
            && let Err(error) = File::open(file)
        {
            return Err(Failure::Usage(format!(
                "{}: `secret_file` {} cannot be read: {error}; it holds the secret that a run logs in with and nothing else, any word will do here",
                path.display(),
                file.display()
            )));
        }
        config.simulate = campaign.simulate;
        config.username = campaign.ami.username;
        campaign.ami.secret.expose().clone_into(&mut config.secret);
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(serve(args.listen, config))
}

async fn serve(address: SocketAddr, config: SimulatorConfig) -> Result<u8, Failure> {
    let listener = TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            ErrorKind::AddrInUse => "another program listens there already".to_owned(),
            _ => error.to_string(),
        };
        Failure::Usage(format!("cannot listen on {address}: {why}"))
    })?;
    let address = listener.local_addr().context("the listening address")?;
    // Only the secret that the manual names is shown.
    let public = SimulatorConfig::new(Simulate::default()).secret;
    let secret = if config.secret == public {
        format!(", secret {public}")
    } else {
        " with the campaign's secret".to_owned()
    };
    let user = &config.username;
    info!("a simulated Asterisk listens on {address}: user {user}{secret}; nothing is dialed");
    let simulator = Simulator::new(config);
    let mut sessions = JoinSet::new();
    let mut stop = signals::stops()?;
    let mut requests = signals::requests()?;
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let simulator = simulator.clone();
                    sessions.spawn(async move { simulator.serve(stream).await });
                }
                Err(error) => {
                    warn!("a connection was not accepted: {error}");
                    // Out of files, mostly: it passes when another session ends.
                    sleep(ACCEPT_AGAIN).await;
                }
            },
            Some(ended) = sessions.join_next(), if !sessions.is_empty() => {
                if let Ok(Err(error)) = ended {
                    info!("a session broke: {error}");
                }
            }
            Some(()) = requests.recv() => {
                let counters = simulator.counters();
                progress::log_simulator(counters.originates, counters.calls, counters.most_calls);
            }
            Some(_) = stop.recv() => break,
        }
    }
    let counters = simulator.counters();
    info!(
        "stopped after {}, at most {} at once",
        counted(counters.originates, "originate"),
        counted(counters.most_calls, "call")
    );
    Ok(exit::DONE)
}
