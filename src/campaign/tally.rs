//! The counts of a run: what the progress line and the summary show.

use tokio::time::Instant;

use crate::disposition::Disposition;

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Contacts of the list, callable or not.
    pub contacts: u64,
    /// Contacts that this run calls: those that can be called, and no more than the limit.
    pub to_call: u64,
    /// Those of them with their final outcome.
    pub called: u64,
    /// Contacts with their final outcome.
    pub finished: u64,
    /// Those of them that nobody reached.
    pub failed: u64,
    /// Originates handed out.
    pub dispatched: u64,
    /// Calls running now.
    pub in_flight: usize,
    /// Contacts that wait for a retry.
    pub retrying: usize,
    /// Lines in all.
    pub ports: usize,
    /// No new call is begun any more.
    pub stopping: bool,
    /// When this was counted; in a rehearsal that is not the time of the wall.
    pub at: Option<Instant>,
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

impl Tally {
    /// Nothing has happened yet to so many contacts, so many of them to be called, on so many lines.
    pub fn new(contacts: u64, to_call: u64, ports: usize) -> Self {
        Self {
            contacts,
            to_call,
            ports,
            ..Self::default()
        }
    }

    /// Notes an attempt that ended.
    pub fn attempted(&mut self, disposition: Disposition, is_final: bool) {
        self.attempts[disposition as usize] += 1;
        if is_final {
            self.called += 1;
            self.finished(disposition);
        }
    }

    /// Notes a contact that has its final outcome, called or not.
    pub fn finished(&mut self, disposition: Disposition) {
        self.finals[disposition as usize] += 1;
        self.finished += 1;
        if !disposition.picked_up() {
            self.failed += 1;
        }
    }

    /// Calls that ended like this.
    pub fn attempts(&self, disposition: Disposition) -> u64 {
        self.attempts[disposition as usize]
    }

    /// Contacts whose final outcome this is.
    pub fn finals(&self, disposition: Disposition) -> u64 {
        self.finals[disposition as usize]
    }

    /// Contacts whose call was picked up.
    pub fn reached(&self) -> u64 {
        self.finished - self.failed
    }

    /// Contacts that have no final outcome yet.
    pub fn pending(&self) -> u64 {
        self.contacts.saturating_sub(self.finished)
    }

    /// Lines without a call.
    pub fn free_ports(&self) -> usize {
        self.ports.saturating_sub(self.in_flight)
    }
}
