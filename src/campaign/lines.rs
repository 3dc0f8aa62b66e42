//! The lines of the trunks: which are free, and which call is on each of the others.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use tokio::sync::Notify;
use tokio::task::Id;
use tokio::time::Instant;

use crate::campaign::active_call::{ActiveCall, Line};
use crate::config::Campaign;
use crate::results::journal::JournalEntry;
use crate::trunk::line_use::{LineMeter, LineTimes};
use crate::trunk::rate_limit::PaceToken;
use crate::trunk::{Admission, Trunk, TrunkIndex};

/// All lines of a run.
#[derive(Debug)]
pub(super) struct Lines {
    trunks: Vec<Trunk>,
    /// What each trunk said to the last look for a call to begin.
    admissions: Vec<Admission>,
    /// Slots of the journal that no line uses.
    slots: Vec<usize>,
    /// The running calls, by the task of each.
    calls: HashMap<Id, Arc<ActiveCall>>,
    /// The keys of the numbers that are being called.
    numbers: HashSet<u64>,
    meter: LineMeter,
}

impl Lines {
    /// All lines free, but for the `taken` slots of calls that earlier runs left. `wake` is notified when a trunk that
    /// rested rings.
    pub(super) fn new(campaign: &Campaign, taken: &HashSet<usize>, wake: &Arc<Notify>) -> Self {
        let patience = campaign.ami.reconnect_for;
        let answers_prove = campaign.capture.disposition.is_none();
        let trunks = campaign.trunks.iter();
        let trunks: Vec<Trunk> = trunks
            .map(|trunk| Trunk::new(trunk, patience, answers_prove, wake))
            .collect();
        let mut lines = Self {
            admissions: vec![Admission::NobodyToCall; trunks.len()],
            trunks,
            slots: Vec::new(),
            calls: HashMap::new(),
            numbers: HashSet::new(),
            meter: LineMeter::default(),
        };
        let free = (0..lines.ports())
            .rev()
            .filter(|slot| !taken.contains(slot));
        lines.slots = free.collect();
        lines
    }

    pub(super) fn trunks(&self) -> &[Trunk] {
        &self.trunks
    }

    pub(super) fn indices(&self) -> impl Iterator<Item = TrunkIndex> + use<> {
        (0..u16::try_from(self.trunks.len()).unwrap_or(u16::MAX)).map(TrunkIndex)
    }

    pub(super) fn ports(&self) -> usize {
        self.trunks.iter().map(|trunk| trunk.ports).sum()
    }

    /// How many calls are running.
    pub(super) fn running(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn numbers_in_use(&self) -> &HashSet<u64> {
        &self.numbers
    }

    /// What each trunk said to the last look for a call to begin.
    pub(super) fn admissions(&self) -> &[Admission] {
        &self.admissions
    }

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
        let there = &self.trunks[trunk.get()];
        let admission = match there.admit(now) {
            Admission::Busy => Admission::Busy,
            _ if self.slots.is_empty() => Admission::Busy,
            _ if !has_somebody => Admission::NobodyToCall,
            admission => admission,
        };
        self.admissions[trunk.get()] = admission;
        admission
    }

    /// Nobody was left for a trunk that admitted a call.
    pub(super) fn nobody_to_call(&mut self, trunk: TrunkIndex) {
        self.admissions[trunk.get()] = Admission::NobodyToCall;
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
        let usage = Arc::clone(&line.usage);
        Some((line, self.trunks[trunk.get()].take(now, trial, usage)))
    }

    /// The line of a call that an earlier run left: of the trunk of that name, or else of the first.
    pub(super) fn adopt(&mut self, slot: usize, entry: &JournalEntry) -> Line {
        let named = |trunk: &Trunk| trunk.name == entry.trunk;
        let trunk = self.trunks.iter().position(named).unwrap_or(0);
        self.trunks[trunk].busy += 1;
        let trunk = TrunkIndex(u16::try_from(trunk).unwrap_or(u16::MAX));
        let line = self.line(trunk, false, slot);
        line.usage.begin(Instant::now());
        line
    }

    fn line(&self, trunk: TrunkIndex, trial: bool, slot: usize) -> Line {
        let there = &self.trunks[trunk.get()];
        Line {
            trunk,
            activity: there.activity.clone(),
            breaker: there.breaker.clone(),
            trial,
            slot,
            usage: self.meter.take(trunk),
        }
    }

    /// A call is on its line, followed by a task.
    pub(super) fn started(&mut self, task: Id, call: Arc<ActiveCall>) {
        self.numbers.insert(call.key);
        self.calls.insert(task, call);
    }

    /// The call whose task ended, if it was that of a call. Its line is still taken.
    pub(super) fn ended(&mut self, task: Id) -> Option<Arc<ActiveCall>> {
        self.calls.remove(&task)
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
