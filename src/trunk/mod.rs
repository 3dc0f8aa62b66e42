//! A trunk as the dispatcher sees it: its lines, its pace, and whether it works.

use std::sync::Arc;
pub mod breaker;
pub mod rate_limit;

use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config;
use crate::trunk::breaker::{Breaker, Permit};
use crate::trunk::rate_limit::{Pace, Turn};

/// One `[[trunk]]`, with what is in use of it.
#[derive(Debug)]
pub struct Trunk {
    /// Its name, in the results and the log.
    pub name: String,
    /// Its lines.
    pub ports: usize,
    /// Those of them that carry a call.
    pub busy: usize,
    /// When its next call may be written.
    pub pace: Pace,
    /// Whether it works.
    pub breaker: Breaker,
    /// What came of the last try to begin a call on it.
    pub found: Found,
}

/// Why a trunk was left without a further call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// All its lines carry calls.
    Busy,
    /// There was nobody to call on it.
    Nobody,
    /// Its pace allows none before that moment.
    Paced(Instant),
    /// It does not work, and rests until then.
    Rests(Instant),
    /// It does not work, and is being tried.
    Tried,
}

/// Whether a trunk takes a call now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Takes {
    /// A call.
    Call,
    /// A call, to see whether it works again.
    Trial,
    /// None.
    No(Found),
}

impl Trunk {
    /// A trunk of the campaign with all its lines free. `rings` is told when a call rings that it is tried with.
    /// See [`Breaker::new`] for the rest.
    pub fn new(
        trunk: &config::TrunkConfig,
        patience: Duration,
        answers_prove: bool,
        rings: &Arc<Notify>,
    ) -> Self {
        let pace = Pace::new(trunk.calls_per_second, rings);
        Self {
            name: trunk.name.clone(),
            ports: trunk.ports,
            busy: 0,
            breaker: Breaker::new(pace.log(), patience, answers_prove),
            pace,
            found: Found::Nobody,
        }
    }

    /// Whether it has a free line.
    pub fn has_free_line(&self) -> bool {
        self.busy < self.ports
    }

    /// Whether it takes a call now.
    pub fn takes(&self, now: Instant) -> Takes {
        if !self.has_free_line() {
            return Takes::No(Found::Busy);
        }
        let trial = match self.breaker.permit(now) {
            Permit::Calls => false,
            Permit::Trial => true,
            Permit::At(until) => return Takes::No(Found::Rests(until)),
            Permit::Tried => return Takes::No(Found::Tried),
        };
        match self.pace.ready(now) {
            Err(turn) => Takes::No(Found::Paced(turn)),
            Ok(()) if trial => Takes::Trial,
            Ok(()) => Takes::Call,
        }
    }

    /// A call begins on it, and gets its turn.
    pub fn take(&mut self, now: Instant, trial: bool) -> Turn {
        self.busy += 1;
        if trial {
            self.breaker.try_with_a_call(now);
        }
        self.pace.take(now)
    }
}
