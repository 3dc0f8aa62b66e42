//! The counts of a run: what the progress line and the summary show.

use crate::disposition::Disposition;

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Contacts of the list, callable or not.
    pub contacts: u64,
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
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

impl Tally {
    /// Nothing has happened yet to so many contacts on so many lines.
    pub fn new(contacts: u64, ports: usize) -> Self {
        Self {
            contacts,
            ports,
            ..Self::default()
        }
    }

    /// Notes an attempt that ended.
    pub fn attempted(&mut self, disposition: Disposition, is_final: bool) {
        self.attempts[disposition as usize] += 1;
        if is_final {
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

    /// Contacts that have no final outcome yet.
    pub fn pending(&self) -> u64 {
        self.contacts.saturating_sub(self.finished)
    }

    /// Lines without a call.
    pub fn free_ports(&self) -> usize {
        self.ports.saturating_sub(self.in_flight)
    }
}
