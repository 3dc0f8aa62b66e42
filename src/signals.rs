//! The operator's signals as steps of a stop: the first lets running calls finish, the second hangs them up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

use crate::campaign::Stop;

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

/// INT, TERM and HUP as they come.
#[derive(Debug)]
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
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
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Cancel safe.
    pub async fn next(&mut self) -> SignalKind {
        tokio::select! {
            Some(()) = self.interrupt.recv() => SignalKind::interrupt(),
            Some(()) = self.terminate.recv() => SignalKind::terminate(),
            Some(()) = self.hangup.recv() => SignalKind::hangup(),
            // They never end as long as the runtime lives.
            else => std::future::pending().await,
        }
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
    tokio::spawn(async move {
        loop {
            let kind = signals.next().await;
            if stop.drain.is_cancelled() {
                warn!("stopping now: running calls are hung up");
                number.0.store(kind.as_raw_value(), Ordering::Relaxed);
                stop.hang_up.cancel();
            } else {
                stop.drain.cancel();
            }
        }
    });
    Ok(aborted)
}
