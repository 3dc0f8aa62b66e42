//! A call that is running: on which line, to whom, and what happened to the contact before.

use std::sync::Arc;

use tokio::time::Instant;

use crate::call::id::CallId;
use crate::call::observations::Observations;
use crate::contact_history::History;
use crate::contacts::Contact;
use crate::phone_number::Number;
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
    /// The contact's id.
    pub(super) fn contact(&self) -> &str {
        match &self.callee {
            Callee::Listed(contact) => &contact.id,
            Callee::Adopted(entry) => &entry.contact,
        }
    }

    /// The number that is called.
    pub(super) fn called(&self) -> &str {
        match &self.callee {
            Callee::Listed(contact) => contact.numbers[usize::from(self.number)].as_str(),
            Callee::Adopted(entry) => &entry.number,
        }
    }

    /// All numbers of the contact, as far as they are known.
    pub(super) fn numbers(&self) -> Vec<&str> {
        match &self.callee {
            Callee::Listed(contact) => contact.numbers.iter().map(Number::as_str).collect(),
            Callee::Adopted(entry) => entry.numbers.iter().map(String::as_str).collect(),
        }
    }

    /// The contact's zone; for a call of an earlier run that of the campaign.
    pub(super) fn zone(&self) -> u16 {
        match &self.callee {
            Callee::Listed(contact) => contact.zone,
            Callee::Adopted(_) => 0,
        }
    }

    /// What is known of a call that is over and of which nothing was heard.
    pub(super) fn unobserved(&self) -> Observations {
        let mut observations = Observations::new(self.begun_at);
        observations.ended_at = Instant::now();
        observations
    }

    /// An earlier run placed it.
    pub(super) fn is_adopted(&self) -> bool {
        matches!(self.callee, Callee::Adopted(_))
    }
}
