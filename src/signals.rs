//! The operator's signals as steps of a stop: the first lets running calls finish, the second hangs them up.
//!
//! A terminal that is closed hangs up twice: its shell passes the HUP on, and the system sends another when the shell is
//! gone. Nobody asked twice, so the echo is no second signal. Nor is one that comes together with the first: `timeout`
//! signals the process and then its group, in the same moment.
//!
//! USR1 stops nothing: it asks how the run is.

use std::fs::{self, File};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::sync::watch;
use tracing::warn;

use crate::campaign::Stop;
use crate::output::terminal::LogWriter;

/// How long after the first HUP of a terminal that is closed the other may come. It was seen after milliseconds.
const ECHO: Duration = Duration::from_secs(1);

/// Signals so close to the first are the same one. A person who presses twice takes longer.
const TOGETHER: Duration = Duration::from_millis(250);

/// INT, TERM and HUP as they come; no HUP for a process that was started to ignore it, as by `nohup`. Until now the
/// system would have ended the process.
pub fn stops() -> anyhow::Result<UnboundedReceiver<SignalKind>> {
    let (sender, stops) = mpsc::unbounded_channel();
    let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
    if !fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status)) {
        kinds.push(SignalKind::hangup());
    }
    for kind in kinds {
        let (mut signal, sender) = (catch(kind)?, sender.clone());
        tokio::spawn(
            async move { while signal.recv().await.is_some() && sender.send(kind).is_ok() {} },
        );
    }
    Ok(stops)
}

fn catch(kind: SignalKind) -> anyhow::Result<Signal> {
    signal(kind).context("signals cannot be listened to")
}

/// Whether the mask `SigIgn` of a process's status has HUP, the first of all signals. Only Linux shows it without unsafe
/// code.
fn ignores_hangup(status: &str) -> bool {
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .is_some_and(|mask| mask & 1 != 0)
}

/// Whether this process has a terminal that can close. One that is closed can no longer be opened.
fn has_terminal() -> bool {
    File::open("/dev/tty").is_ok()
}

/// Takes USR1 over from the system, which would end the process, for good. Until [`requests`] are received it does
/// nothing. Not to be called within a runtime.
pub fn survive_requests() -> anyhow::Result<()> {
    // The handler stays when this is gone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("signals cannot be listened to")?;
    let _within = runtime.enter();
    requests().map(drop)
}

/// USR1, each time that it comes.
pub fn requests() -> anyhow::Result<Signal> {
    catch(SignalKind::user_defined1())
}

/// Has each request answered in the log.
pub fn answer_requests(log: LogWriter) -> anyhow::Result<()> {
    let mut requests = requests()?;
    tokio::spawn(async move {
        while requests.recv().await.is_some() {
            log.report();
        }
    });
    Ok(())
}

/// Passes the signals on as `stop`. What it returns holds the last signal that aborted the run.
pub fn listen(stop: Stop) -> anyhow::Result<watch::Receiver<Option<SignalKind>>> {
    let mut stops = stops()?;
    let (sender, aborted) = watch::channel(None);
    let had_terminal = has_terminal();
    tokio::spawn(async move {
        let mut first: Option<(Instant, SignalKind)> = None;
        while let Some(kind) = stops.recv().await {
            let Some((at, first_kind)) = first else {
                first = Some((Instant::now(), kind));
                stop.drain.cancel();
                continue;
            };
            let since = at.elapsed();
            if since < TOGETHER {
                continue;
            }
            let hung_up_twice = [first_kind, kind] == [SignalKind::hangup(); 2];
            let echo = hung_up_twice && since < ECHO;
            if echo && had_terminal && !has_terminal() {
                continue;
            }
            warn!("stopping now: running calls are hung up");
            sender.send_replace(Some(kind));
            stop.hang_up.cancel();
        }
    });
    Ok(aborted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_whether_it_was_started_to_ignore_hangups() {
        assert!(ignores_hangup(
            "Name:\tdialer\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000000\n"
        ));
        for status in ["SigIgn:\t0000000000001000\n", "Name:\tdialer\n", ""] {
            assert!(!ignores_hangup(status), "{status}");
        }
    }
}
