//! A call that is running: on which line, to whom, and what happened to the contact before.

use std::sync::Arc;

use tokio::time::Instant;

use crate::call::id::CallId;
use crate::call::observations::Observations;
use crate::campaign::Resources;
use crate::contact_history::History;
use crate::contacts::Contact;
use crate::results::journal::JournalEntry;
use crate::trunk::TrunkIndex;
use crate::trunk::breaker::Breaker;

/// A line that is taken for a call.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) trunk: TrunkIndex,
    pub(super) breaker: Breaker,
    /// The trunk had rested, and is tried with this call.
    pub(super) trial: bool,
    /// Its slot of the journal.
    pub(super) slot: usize,
}

/// A call that is running. Owned by the dispatcher, so that it outlives a task that dies.
#[derive(Debug)]
pub(super) struct ActiveCall {
    pub(super) id: CallId,
    pub(super) line: Line,
    /// When the line was taken; for a call of an earlier run, when that was.
    pub(super) begun_at: Instant,
    pub(super) callee: Callee,
    /// Which of the contact's numbers is called, from 0.
    pub(super) number: u8,
    /// That number's key, which is the same however the number is written.
    pub(super) key: u64,
    /// What happened to the contact before.
    pub(super) history: History,
}

/// Who is called.
#[derive(Debug, Clone)]
pub(super) enum Callee {
    /// A contact of the list.
    Listed(Arc<Contact>),
    /// A contact that an earlier run called, as its journal has it; the list may have changed since.
    Adopted(JournalEntry),
}

impl ActiveCall {
    /// What the journal and the results have of the call before it is placed.
    pub(super) fn entry(&self, resources: &Resources) -> JournalEntry {
        let contact = match &self.callee {
            Callee::Listed(contact) => contact,
            Callee::Adopted(entry) => return entry.clone(),
        };
        let trunk = &resources.campaign.trunks[self.line.trunk.get()];
        JournalEntry {
            call_id: self.id.to_string(),
            contact: contact.id.clone(),
            number: contact.numbers[usize::from(self.number)].to_string(),
            place: self.number,
            numbers: contact.numbers.iter().map(ToString::to_string).collect(),
            kept: resources.list.kept(contact),
            trunk: trunk.name.clone(),
            caller_id: String::new(),
            begun_at: resources.clock.millis(),
        }
    }

    /// What is known of a call that is over and of which nothing was heard.
    pub(super) fn unobserved(&self) -> Observations {
        let mut observations = Observations::new(self.begun_at);
        observations.ended_at = Instant::now();
        observations
    }
}
