//! The operator's signals as steps of a stop: the first lets running calls finish, the second hangs them up.
//!
//! A terminal that is closed hangs up twice: its shell passes the HUP on, and the system sends another when the shell is
//! gone. Nobody asked twice, so the echo is no second signal. Nor is one that comes together with the first: `timeout`
//! signals the process and then its group, in the same moment.
//!
//! USR1 stops nothing: it asks how the run is.

use std::fs::{self, File};
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::{Duration, Instant};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::campaign::Stop;
use crate::output::terminal::LogWriter;

/// How long after the first HUP of a terminal that is closed the other may come. It was seen after milliseconds.
const ECHO: Duration = Duration::from_secs(1);

/// Signals so close to the first are the same one. A person who presses twice takes longer.
const TOGETHER: Duration = Duration::from_millis(250);

/// The number of the signal that aborted the run; 0 as long as none did.
#[derive(Debug, Clone, Default)]
pub struct Aborted(Arc<AtomicI32>);

impl Aborted {
    /// The number of the signal that aborted the run.
    pub fn by(&self) -> Option<u8> {
        u8::try_from(self.0.load(Ordering::Relaxed))
            .ok()
            .filter(|&number| number != 0)
    }
}

/// INT, TERM and HUP as they come; no HUP for a process that was started to ignore it, as by `nohup`.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Option<Signal>,
}

impl Signals {
    /// Takes the signals over from the system, which would end the process.
    ///
    /// # Errors
    /// The handlers cannot be installed.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: if hangup_is_ignored() {
                None
            } else {
                Some(signal(SignalKind::hangup())?)
            },
        })
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) -> SignalKind {
        tokio::select! {
            Some(()) = self.interrupt.recv() => SignalKind::interrupt(),
            Some(()) = self.terminate.recv() => SignalKind::terminate(),
            Some(()) = received(&mut self.hangup) => SignalKind::hangup(),
            // They never end as long as the runtime lives.
            else => std::future::pending().await,
        }
    }
}

async fn received(signal: &mut Option<Signal>) -> Option<()> {
    match signal {
        Some(signal) => signal.recv().await,
        None => None,
    }
}

/// Whether this process was started to ignore HUP. Only Linux shows that without unsafe code.
fn hangup_is_ignored() -> bool {
    fs::read_to_string("/proc/self/status").is_ok_and(|status| ignores_hangup(&status))
}

/// Whether the mask `SigIgn` of such a file has HUP, the first of all signals.
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

/// Takes USR1 over from the system, which would end the process, for good. Until a [`Requests`] listens it does
/// nothing. Not to be called within a runtime.
///
/// # Errors
/// The handler cannot be installed.
pub fn survive_requests() -> io::Result<()> {
    // The handler stays when this is gone.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let _within = runtime.enter();
    Requests::new().map(drop)
}

/// USR1, each time that it comes.
#[derive(Debug)]
pub struct Requests(Signal);

impl Requests {
    /// Listens from now on.
    ///
    /// # Errors
    /// The handler cannot be installed.
    pub fn new() -> io::Result<Self> {
        signal(SignalKind::user_defined1()).map(Self)
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            // It never ends as long as the runtime lives.
            std::future::pending::<()>().await;
        }
    }

    /// Has each of them answered in the log.
    pub fn answer(mut self, log: LogWriter) {
        tokio::spawn(async move {
            loop {
                self.next().await;
                log.report();
            }
        });
    }
}

/// Passes the signals on as `stop`.
///
/// # Errors
/// The handlers cannot be installed.
pub fn listen(stop: Stop) -> io::Result<Aborted> {
    let mut signals = Signals::new()?;
    let aborted = Aborted::default();
    let number = aborted.clone();
    let had_terminal = has_terminal();
    tokio::spawn(async move {
        let mut first: Option<(Instant, SignalKind)> = None;
        loop {
            let kind = signals.next().await;
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
            number.0.store(kind.as_raw_value(), Ordering::Relaxed);
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
