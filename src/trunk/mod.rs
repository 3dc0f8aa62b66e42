//! A trunk as the dispatcher sees it: its lines, its pace, and whether it works.

pub(crate) mod activity;
pub(crate) mod breaker;
pub(crate) mod line_use;
pub(crate) mod rate_limit;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config;
use activity::TrunkActivity;
use breaker::Breaker;
use line_use::LineUse;
use rate_limit::{PaceToken, RateLimit};

/// Which `[[trunk]]` of the campaign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct TrunkIndex(pub(crate) u16);

impl TrunkIndex {
    pub(crate) fn get(self) -> usize {
        usize::from(self.0)
    }
}

/// One `[[trunk]]`, with what is in use of it.
#[derive(Debug)]
pub(crate) struct Trunk {
    pub(crate) name: String,
    /// Its lines.
    pub(crate) ports: usize,
    /// Lines that are taken.
    pub(crate) busy: usize,
    pub(crate) breaker: Breaker,
    /// What the last look for a call to begin came to.
    pub(crate) admission: Admission,
    rate_limit: RateLimit,
}

/// Whether a trunk takes a call now, and else why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    Call,
    /// One call, to see whether the trunk works again.
    Trial,
    /// All lines are taken.
    Busy,
    /// The pace allows no call before that moment.
    Paced(Instant),
    /// The trunk does not work, and rests until then.
    Rests(Instant),
    /// The trunk does not work, and a trial call is running.
    Tried,
    /// There is nobody to call on it.
    NobodyToCall,
}

impl Trunk {
    /// A trunk of the campaign with all its lines free. `wake` is notified when a trial call rings. See [`Breaker::new`]
    /// for the rest.
    pub(crate) fn new(
        trunk: &config::TrunkConfig,
        patience: Duration,
        answers_prove: bool,
        wake: &Arc<Notify>,
    ) -> Self {
        let activity = TrunkActivity::new(wake);
        Self {
            name: trunk.name.clone(),
            ports: trunk.ports,
            busy: 0,
            breaker: Breaker::new(activity.clone(), patience, answers_prove),
            admission: Admission::NobodyToCall,
            rate_limit: RateLimit::new(trunk.calls_per_second, activity),
        }
    }

    pub(crate) fn free_lines(&self) -> usize {
        self.ports.saturating_sub(self.busy)
    }

    /// Whether it takes a call now, if it has a free line.
    pub(crate) fn admit(&self, now: Instant) -> Admission {
        match self.breaker.admit(now) {
            admission @ (Admission::Call | Admission::Trial) => {
                let next = self.rate_limit.next(now);
                next.map_or(admission, Admission::Paced)
            }
            admission => admission,
        }
    }

    /// Takes a line for a call that was [admitted](Self::admit).
    pub(crate) fn take(&mut self, now: Instant, trial: bool, line: Arc<LineUse>) -> PaceToken {
        self.busy += 1;
        if trial {
            self.breaker.try_with_a_call(now);
        }
        self.rate_limit.take(now, line)
    }
}
