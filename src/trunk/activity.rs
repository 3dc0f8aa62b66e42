//! The signs of life of one trunk, as the task that owns the socket notes them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

/// When calls of a trunk last rang, were answered, or were ended from beyond it. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct TrunkActivity {
    signs: Arc<Mutex<Signs>>,
    /// Notified when a call rings or is answered that somebody waits for.
    wake: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Signs {
    /// The last sign of life of any kind.
    alive: Option<Instant>,
    rang: Option<Instant>,
    answered: Option<Instant>,
    /// The next call that rings or is answered wakes the dispatcher.
    awaited: bool,
    /// Calls that ended without a sign of life since the last one that had one.
    silent: u32,
}

impl Signs {
    fn note_life(&mut self, now: Instant) {
        self.alive = self.alive.max(Some(now));
        self.silent = 0;
    }
}

impl TrunkActivity {
    pub(super) fn new(wake: &Arc<Notify>) -> Self {
        Self {
            signs: Arc::default(),
            wake: Arc::clone(wake),
        }
    }

    /// A call was ended by somebody beyond the trunk.
    pub(crate) fn note_life(&self, now: Instant) {
        self.lock().note_life(now);
    }

    /// A call rang or progressed.
    pub(crate) fn note_ringing(&self, now: Instant) {
        let mut signs = self.lock();
        signs.note_life(now);
        signs.rang = Some(now);
        self.wake_if_awaited(&mut signs);
    }

    pub(crate) fn note_answer(&self, now: Instant) {
        let mut signs = self.lock();
        signs.note_life(now);
        signs.answered = signs.answered.max(Some(now));
        self.wake_if_awaited(&mut signs);
    }

    /// Notes a call that ended without a sign of life, and returns how many did since the last one that had one.
    pub(crate) fn note_silence(&self) -> u32 {
        let mut signs = self.lock();
        signs.silent = signs.silent.saturating_add(1);
        signs.silent
    }

    /// When a call was last answered.
    pub(super) fn answered(&self) -> Option<Instant> {
        self.lock().answered
    }

    pub(super) fn rang_since(&self, moment: Instant) -> bool {
        self.lock().rang.is_some_and(|rang| rang >= moment)
    }

    pub(crate) fn alive_since(&self, moment: Instant) -> bool {
        self.lock().alive.is_some_and(|alive| alive >= moment)
    }

    /// The next call that rings or is answered wakes the dispatcher.
    pub(super) fn wake_when_it_rings(&self) {
        self.lock().awaited = true;
    }

    fn wake_if_awaited(&self, signs: &mut Signs) {
        if std::mem::take(&mut signs.awaited) {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
