//! The counts of a run: what the progress line and the summary show.

use std::sync::Arc;

use tokio::time::Instant;

use super::busy::Busy;
use crate::clock::{self, Clock};
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
    /// The trunks, in the order of the campaign.
    pub trunks: Vec<OfTrunk>,
    /// Why nobody is being called, if nobody is.
    pub idle: Option<Idle>,
    /// When this was counted; in a rehearsal that is not the time of the wall.
    pub at: Option<Instant>,
    /// How busy the lines were.
    pub busy: Busy,
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

/// How a trunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfTrunk {
    /// Its name.
    pub name: Arc<str>,
    /// Its lines.
    pub ports: usize,
    /// Those of them that carry a call.
    pub busy: usize,
    /// It does not work, and rests or is being tried.
    pub resting: bool,
}

/// Why nobody is being called. Times of day are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// There is no connection to Asterisk.
    NoSession,
    /// It is outside the calling hours until then.
    Outside(i64),
    /// No trunk works: they rest and are tried in turn.
    TrunksRest,
    /// Everybody who is left waits, the next until then.
    UntilDue(i64),
}

impl Idle {
    /// The reason in words.
    pub fn say(self, clock: &Clock) -> String {
        let time = |millis| clock.time(millis).strftime(clock::SHOWN).to_string();
        match self {
            Self::NoSession => "there is no connection to Asterisk".to_owned(),
            Self::Outside(opens) => format!("outside the calling hours until {}", time(opens)),
            Self::TrunksRest => "no trunk works, they rest before they are tried again".to_owned(),
            Self::UntilDue(due) => format!(
                "everybody who is left waits to be called again, the next at {}",
                time(due)
            ),
        }
    }
}

impl Tally {
    /// Nothing has happened yet to so many contacts, so many of them to be called, on trunks with so many lines.
    pub fn new<'t>(
        contacts: u64,
        to_call: u64,
        trunks: impl IntoIterator<Item = (&'t str, usize)>,
    ) -> Self {
        let trunks: Vec<OfTrunk> = trunks
            .into_iter()
            .map(|(name, ports)| OfTrunk {
                name: name.into(),
                ports,
                busy: 0,
                resting: false,
            })
            .collect();
        Self {
            contacts,
            to_call,
            ports: trunks.iter().map(|trunk| trunk.ports).sum(),
            trunks,
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
        self.were_finished(disposition, 1);
    }

    /// Notes so many contacts that have their final outcome.
    pub fn were_finished(&mut self, disposition: Disposition, contacts: u64) {
        self.finals[disposition as usize] += contacts;
        self.finished += contacts;
        if !disposition.picked_up() {
            self.failed += contacts;
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

    /// Contacts with their final outcome who were to be reached, and whom nobody reached.
    pub fn unreached(&self) -> u64 {
        let on_purpose = [Disposition::Suppressed, Disposition::Duplicate];
        self.failed - on_purpose.map(|kind| self.finals(kind)).iter().sum::<u64>()
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
