//! The lines of the trunks: which are free, and which call is on each of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::Id;
use tokio::time::Instant;

use crate::campaign::active_call::{ActiveCall, Line};
use crate::config::Campaign;
use crate::results::journal::JournalEntry;
use crate::trunk::line_times::LineTimes;
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
    times: LineTimes,
    /// Up to when `times` are counted.
    counted: Instant,
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
            times: LineTimes::default(),
            counted: Instant::now(),
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
    pub(super) fn times(&mut self, now: Instant) -> &LineTimes {
        let passed = now.saturating_duration_since(self.counted);
        self.counted = self.counted.max(now);
        let busy = self.trunks.iter().map(|trunk| trunk.busy);
        self.times.pass(passed, busy);
        &self.times
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
        self.times(now);
        let there = &mut self.trunks[trunk.get()];
        let token = there.take(now, trial);
        let breaker = there.breaker.clone();
        let line = Line {
            trunk,
            breaker,
            trial,
            slot,
        };
        Some((line, token))
    }

    /// The line of a call that an earlier run left: of the trunk of that name, or else of the first.
    pub(super) fn adopt(&mut self, slot: usize, entry: &JournalEntry) -> Line {
        self.times(Instant::now());
        let named = |trunk: &TrunkIndex| self.trunks[trunk.get()].name == entry.trunk;
        let trunk = self.indices().find(named).unwrap_or(TrunkIndex(0));
        let there = &mut self.trunks[trunk.get()];
        there.busy += 1;
        Line {
            trunk,
            breaker: there.breaker.clone(),
            trial: false,
            slot,
        }
    }

    /// A call is on its line, followed by a task.
    pub(super) fn started(&mut self, task: Id, call: Arc<ActiveCall>) {
        self.numbers.insert(call.key);
        self.calls.insert(task, call);
    }

    /// Gives the line of a call back. The slot of one whose row is not written is still the journal's.
    pub(super) fn release(&mut self, call: &ActiveCall, frees_slot: bool) {
        self.times(Instant::now());
        // A run with fewer lines may have adopted calls beyond them.
        if frees_slot && call.line.slot < self.ports() {
            self.slots.push(call.line.slot);
        }
        let trunk = &mut self.trunks[call.line.trunk.get()];
        trunk.busy = trunk.busy.saturating_sub(1);
        self.numbers.remove(&call.key);
    }
}
