//! A client as the exchange sees it: who it is, and what waits to be written to it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sim::headers::respond;

/// How many bytes may wait for a client that does not read. The real one waits 100 ms and then cuts it off.
const MAX_WAITING: usize = 256 * 1024 * 1024;

/// How long a wrong login waits for its answer.
pub(super) const REFUSAL: Duration = Duration::from_secs(1);

/// What Asterisk says to an originate that it accepts.
pub(super) const QUEUED: &str = "Originate successfully queued";

/// How a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Once everything is written.
    Flushed,
    /// At once.
    CutOff,
}

#[derive(Debug, Default)]
pub(super) struct ManagerClient {
    /// What waits to be written.
    pub(super) output: Vec<u8>,
    pub(super) is_logged_in: bool,
    /// The `ActionID` of the last action, which is answered before the next one is looked at.
    pub(super) action_id: String,
    /// A wrong login: when it is answered and the session ends.
    pub(super) refused: Option<Instant>,
    /// The challenge that was sent last.
    pub(super) challenge: Option<u64>,
    /// Whether it is logged in and wants events.
    pub(super) wants_events: bool,
    /// An originate that is not asynchronous blocks the session: where in the output its answer goes, before the
    /// events that are held back until then.
    blocked: Option<usize>,
    pub(super) close: Option<Close>,
    pub(super) wake: Arc<Notify>,
}

impl ManagerClient {
    /// Whether what it sends is looked at now.
    pub(super) fn is_heard(&self) -> bool {
        self.close.is_none() && self.blocked.is_none() && self.refused.is_none()
    }

    /// When [`Self::advance`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.refused
    }

    pub(super) fn advance(&mut self, now: Instant) {
        if self.refused.take_if(|at| *at <= now).is_some() {
            self.refuse("Authentication failed");
            self.close = Some(Close::Flushed);
        }
    }

    /// Answers that something is done.
    pub(super) fn accept(&mut self, words: &str) {
        self.respond("Success", &[("Message", words)]);
    }

    pub(super) fn refuse(&mut self, why: &str) {
        self.respond("Error", &[("Message", why)]);
    }

    pub(super) fn respond(&mut self, kind: &str, headers: &[(&str, &str)]) {
        respond(&mut self.output, kind, &self.action_id, headers);
    }

    /// Answers nothing more until the outcome of an originate is known.
    pub(super) fn block(&mut self) {
        self.blocked = Some(self.output.len());
    }

    /// The outcome of the originate that blocks the session.
    pub(super) fn unblock(&mut self, answered: bool) {
        if let Some(answer_at) = self.blocked.take() {
            let events = self.output.split_off(answer_at);
            if answered {
                self.accept(QUEUED);
            } else {
                self.refuse("Originate failed");
            }
            self.output.extend_from_slice(&events);
            self.wake.notify_one();
        }
    }

    /// Appends events to the output, if it wants any.
    pub(super) fn send(&mut self, events: &[u8], is_served: bool) {
        if !self.wants_events || self.close.is_some() || events.is_empty() {
            return;
        }
        self.output.extend_from_slice(events);
        if self.output.len() > MAX_WAITING {
            self.close = Some(Close::CutOff);
        }
        if !is_served {
            self.wake.notify_one();
        }
    }

    /// Moves what may be written now into an empty buffer.
    pub(super) fn take_output(&mut self, buffer: &mut Vec<u8>) {
        match &mut self.blocked {
            None => std::mem::swap(buffer, &mut self.output),
            Some(answer_at) => buffer.extend(self.output.drain(..std::mem::take(answer_at))),
        }
    }

    pub(super) fn close(&mut self, how: Close) {
        self.close = Some(how);
        self.wake.notify_one();
    }
}
