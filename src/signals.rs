//! The operator's signals as steps of a stop: the first lets running calls finish, the second hangs them up.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};

use tokio::signal::unix::{SignalKind, signal};
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

/// Listens for INT, TERM and HUP and passes them on as `stop`.
///
/// # Errors
/// The handlers cannot be installed.
pub fn listen(stop: Stop) -> io::Result<Aborted> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let aborted = Aborted::default();
    let number = aborted.clone();
    tokio::spawn(async move {
        loop {
            let kind = tokio::select! {
                Some(()) = interrupt.recv() => SignalKind::interrupt(),
                Some(()) = terminate.recv() => SignalKind::terminate(),
                Some(()) = hangup.recv() => SignalKind::hangup(),
                else => return,
            };
            if stop.drain.is_cancelled() {
                warn!("stopping now: running calls are hung up");
                number.0.store(kind.as_raw_value(), Ordering::Relaxed);
                stop.hang_up.cancel();
            } else {
                warn!(
                    "stopping: no new calls; the running ones finish (once more to hang them up)"
                );
                stop.drain.cancel();
            }
        }
    });
    Ok(aborted)
}
