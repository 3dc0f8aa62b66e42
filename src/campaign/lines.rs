//! The lines of the trunks: which are free, and which call is on each of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::Id;
use tokio::time::Instant;

use crate::call::id::CallId;
use crate::call::observations::Observations;
use crate::campaign::Resources;
use crate::config::Campaign;
use crate::contact_history::History;
use crate::contacts::Contact;
use crate::results::journal::JournalEntry;
use crate::trunk::breaker::Breaker;
use crate::trunk::line_use::{LineMeter, LineTimes, LineUse};
use crate::trunk::rate_limit::PaceToken;
use crate::trunk::{Admission, Trunk, TrunkIndex};

/// All lines of a run.
#[derive(Debug)]
pub(super) struct Lines {
    pub(super) trunks: Vec<Trunk>,
    /// Slots of the journal that no line uses.
    slots: Vec<usize>,
    /// The running calls, by the task of each.
    pub(super) calls: HashMap<Id, Arc<ActiveCall>>,
    /// The keys of the numbers that are being called.
    pub(super) numbers: HashSet<u64>,
    meter: LineMeter,
}

impl Lines {
    /// All lines free, but for the `taken` slots of calls that earlier runs left. `wake` is notified when a trunk that
    /// rested rings.
    pub(super) fn new(campaign: &Campaign, taken: &HashSet<usize>, wake: &Arc<Notify>) -> Self {
        let patience = campaign.ami.reconnect_for;
        let answers_prove = campaign.capture.disposition.is_none();
        let trunks = campaign.trunks.iter();
        let trunks = trunks.map(|trunk| Trunk::new(trunk, patience, answers_prove, wake));
        let mut lines = Self {
            trunks: trunks.collect(),
            slots: Vec::new(),
            calls: HashMap::new(),
            numbers: HashSet::new(),
            meter: LineMeter::default(),
        };
        let slots = (0..lines.ports()).rev();
        lines.slots = slots.filter(|slot| !taken.contains(slot)).collect();
        lines
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = TrunkIndex> + use<> {
        (0..u16::try_from(self.trunks.len()).unwrap_or(u16::MAX)).map(TrunkIndex)
    }

    fn ports(&self) -> usize {
        self.trunks.iter().map(|trunk| trunk.ports).sum()
    }

    /// For how long the lines carried calls up to now.
    pub(super) fn times(&self, now: Instant) -> LineTimes {
        self.meter.read(now)
    }

    /// How many lines are free of the other trunks that work; `None` if none works.
    pub(super) fn free_elsewhere(&self, trunk: TrunkIndex) -> Option<usize> {
        let others = self.trunks.iter().enumerate();
        others
            .filter(|&(other, trunk_there)| other != trunk.get() && !trunk_there.breaker.rests())
            .map(|(_, trunk)| trunk.free_lines())
            .reduce(|lines, more| lines + more)
    }

    /// Whether a trunk takes a call now, where there is somebody to call on it.
    pub(super) fn admit(
        &mut self,
        trunk: TrunkIndex,
        now: Instant,
        has_somebody: bool,
    ) -> Admission {
        let trunk = &mut self.trunks[trunk.get()];
        trunk.admission = if trunk.free_lines() == 0 || self.slots.is_empty() {
            Admission::Busy
        } else if has_somebody {
            trunk.admit(now)
        } else {
            Admission::NobodyToCall
        };
        trunk.admission
    }

    /// Takes a line that was [admitted](Self::admit); `None` if there is no slot for its call in the journal.
    pub(super) fn take(
        &mut self,
        trunk: TrunkIndex,
        trial: bool,
        now: Instant,
    ) -> Option<(Line, PaceToken)> {
        let slot = self.slots.pop()?;
        let line = self.line(trunk, trial, slot);
        let token = self.trunks[trunk.get()].take(now, trial, Arc::clone(&line.usage));
        Some((line, token))
    }

    fn line(&self, trunk: TrunkIndex, trial: bool, slot: usize) -> Line {
        Line {
            trunk,
            breaker: self.trunks[trunk.get()].breaker.clone(),
            trial,
            slot,
            usage: self.meter.take(trunk),
        }
    }

    /// A call that an earlier run left, on a line of the trunk of that name, or else of the first; `None` if its entry of
    /// the journal has no id.
    pub(super) fn adopt(
        &mut self,
        resources: &Resources,
        slot: usize,
        entry: JournalEntry,
        history: History,
    ) -> Option<ActiveCall> {
        let id = entry.id()?;
        let named = |trunk: &TrunkIndex| self.trunks[trunk.get()].name == entry.trunk;
        let trunk = self.indices().find(named).unwrap_or(TrunkIndex(0));
        self.trunks[trunk.get()].busy += 1;
        let line = self.line(trunk, false, slot);
        line.usage.begin(Instant::now());
        Some(ActiveCall {
            id,
            line,
            begun_at: resources.clock.moment(entry.begun_at),
            number: entry.place,
            key: resources.key_of(&entry.number),
            history,
            callee: Callee::Adopted(entry),
        })
    }

    /// Gives the line of a call back. The slot of one whose row is not written is still the journal's.
    pub(super) fn release(&mut self, call: &ActiveCall, frees_slot: bool) {
        // A run with fewer lines may have adopted calls beyond them.
        if frees_slot && call.line.slot < self.ports() {
            self.slots.push(call.line.slot);
        }
        let trunk = &mut self.trunks[call.line.trunk.get()];
        trunk.busy = trunk.busy.saturating_sub(1);
        self.numbers.remove(&call.key);
    }
}

/// A line that is taken for a call.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) trunk: TrunkIndex,
    pub(super) breaker: Breaker,
    /// The trunk had rested, and is tried with this call.
    pub(super) trial: bool,
    /// Its slot of the journal.
    pub(super) slot: usize,
    /// It is in use from the Originate until this is dropped.
    pub(super) usage: Arc<LineUse>,
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
            begun_at: resources.clock.timestamp(),
        }
    }

    /// What is known of a call that is over and of which nothing was heard.
    pub(super) fn unobserved(&self) -> Observations {
        let mut observations = Observations::new(self.begun_at);
        observations.ended_at = Instant::now();
        observations
    }
}
