//! The calls, and what is due when.
//!
//! One heap holds the next step of every call. Who receives the events, and who drives the clock, is not known here.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::sim::call::SimulatedCall;
use crate::sim::channel::{Channel, ChannelNumbers};
use crate::sim::course;
use crate::sim::dial_string::DialString;
use crate::sim::event::{Events, OriginateReason};
use crate::sim::fate::{CallFate, CallPlan, Fates, SETUP, hash};
use crate::sim::originate::Originate;
use crate::sim::settings::{Counters, SimulatorConfig};

/// How many trunks are counted one by one.
const MAX_TRUNKS: usize = 1000;

/// Calls are numbered in the order of their originates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CallNumber(u64);

/// How many calls a trunk carries.
#[derive(Debug, Default)]
struct TrunkLoad {
    now: usize,
    most: usize,
}

/// The calls and their clock, apart from the sessions.
pub(super) struct SimulatedCalls {
    pub(super) config: SimulatorConfig,
    pub(super) started: Instant,
    started_at: Timestamp,
    calls: BTreeMap<CallNumber, Box<SimulatedCall>>,
    /// When, the how manieth step to be scheduled, of which call. That of a call that is gone does not count.
    due: BinaryHeap<Reverse<(Instant, u64, CallNumber)>>,
    scheduled: u64,
    /// The calls whose originated channel lives, or is about to, by its unique id.
    by_id: HashMap<Arc<str>, CallNumber>,
    /// How often each dial string was dialed, by its hash.
    times_dialed: HashMap<u64, u32>,
    /// Every dial string, if they are recorded.
    pub(super) dial_strings: Vec<String>,
    trunks: HashMap<String, TrunkLoad>,
    numbers: ChannelNumbers,
    pub(super) counters: Counters,
}

impl SimulatedCalls {
    pub(super) fn new(config: SimulatorConfig, now: Instant) -> Self {
        let started_at = Timestamp::now();
        Self {
            config,
            started: now,
            started_at,
            calls: BTreeMap::new(),
            due: BinaryHeap::new(),
            scheduled: 0,
            by_id: HashMap::new(),
            times_dialed: HashMap::new(),
            dial_strings: Vec::new(),
            trunks: HashMap::new(),
            numbers: ChannelNumbers::since(started_at.as_second()),
            counters: Counters::default(),
        }
    }

    pub(super) fn most_calls_on(&self, trunk: &str) -> usize {
        self.trunks.get(trunk).map_or(0, |load| load.most)
    }

    /// When the next step is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, ..))| *at)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.next_due().is_some_and(|at| at <= now)
    }

    /// Does everything that is due.
    pub(super) fn advance(&mut self, now: Instant, events: &mut Events) {
        while self.is_due(now)
            && let Some(Reverse((_, _, number))) = self.due.pop()
        {
            let Some(call) = self.calls.get_mut(&number) else {
                continue;
            };
            let next = course::step(call, events, &self.config.dialplan_variables);
            let next = next.map(|after| call.dialed + after);
            if self.still_lives(number)
                && let Some(at) = next
            {
                self.schedule(number, at);
            }
        }
    }

    /// Puts a call's next step off to the first moment at which something may happen.
    fn schedule(&mut self, number: CallNumber, at: Instant) {
        let step = self.config.step.as_millis();
        let since = at.saturating_duration_since(self.started).as_millis();
        let on_grid = since.div_ceil(step.max(1)).saturating_mul(step);
        let at = match u64::try_from(on_grid) {
            Ok(on_grid) if step > 1 => self.started + Duration::from_millis(on_grid),
            _ => at,
        };
        self.scheduled += 1;
        self.due.push(Reverse((at, self.scheduled, number)));
    }

    /// Frees what a call does not hold any more. Once the originated channel is gone, its id may be used again and it
    /// takes no room on its trunk; the call goes on while another channel lives.
    fn still_lives(&mut self, number: CallNumber) -> bool {
        let Some(call) = self.calls.get_mut(&number) else {
            return false;
        };
        if call.has_trunk && !call.first.lives {
            call.has_trunk = false;
            self.by_id.remove(&call.first.uniqueid);
            let trunk = DialString::parse(&call.originate.dial_string).endpoint;
            if let Some(load) = self.trunks.get_mut(trunk) {
                load.now = load.now.saturating_sub(1);
            }
            self.counters.calls -= 1;
        }
        let lives = call.lives();
        if !lives {
            self.calls.remove(&number);
        }
        lives
    }

    /// Begins a call, or says at once that there is no channel.
    pub(super) fn originate(&mut self, originate: Originate, now: Instant, events: &mut Events) {
        self.counters.originates += 1;
        if self.config.record_dialed {
            self.dial_strings.push(originate.dial_string.clone());
        }
        let dialed = DialString::parse(&originate.dial_string);
        let Some(plan) = self.plan(&originate, dialed) else {
            return events.originate_response(&originate, None, OriginateReason::Failed);
        };
        self.take_trunk(dialed.endpoint);
        let number = CallNumber(self.counters.originates);
        let call = SimulatedCall::new(originate, plan, now, &mut self.numbers);
        self.by_id.insert(call.first.uniqueid.clone(), number);
        self.calls.insert(number, Box::new(call));
        self.schedule(number, now + SETUP);
    }

    /// What becomes of a call; `None` if it gets no channel.
    fn plan(&mut self, originate: &Originate, dialed: DialString<'_>) -> Option<CallPlan> {
        let id = originate.channel_id.as_ref();
        let is_duplicate = id.is_some_and(|id| self.by_id.contains_key(id));
        let exists = dialed.is_local() || self.config.has_endpoint(dialed.endpoint);
        if is_duplicate || !exists || !dialed.technology_is_known() {
            return None;
        }
        let simulate = &self.config.simulate;
        let string = hash(simulate.seed, originate.dial_string.as_bytes());
        let nth = self.times_dialed.entry(string).or_insert(0);
        *nth += 1;
        let plan = match self.config.fates {
            Fates::Drawn => CallPlan::drawn(simulate, string, *nth),
            Fates::ByNumber => CallPlan::by_number(simulate, string, dialed.last_digits(), *nth),
        };
        (plan.fate != CallFate::NoChannel).then_some(plan)
    }

    fn take_trunk(&mut self, trunk: &str) {
        if self.trunks.len() < MAX_TRUNKS && !self.trunks.contains_key(trunk) {
            self.trunks.insert(trunk.to_owned(), TrunkLoad::default());
        }
        if let Some(load) = self.trunks.get_mut(trunk) {
            load.now += 1;
            load.most = load.most.max(load.now);
        }
        self.counters.calls += 1;
        self.counters.most_calls = self.counters.most_calls.max(self.counters.calls);
    }

    /// The live call with a channel of that name or unique id.
    pub(super) fn find(&self, name: &str) -> Option<CallNumber> {
        let has = |call: &SimulatedCall| call.channels().any(|channel| channel.is(name));
        let by_id = self.by_id.get(name).copied();
        by_id.filter(|number| has(&self.calls[number])).or_else(|| {
            let mut live = self.calls.iter().filter(|(_, call)| has(call));
            Some(*live.next()?.0)
        })
    }

    /// Every channel that exists, with its call.
    pub(super) fn channels(&self) -> impl Iterator<Item = (&SimulatedCall, &Channel)> {
        self.calls
            .values()
            .flat_map(|call| call.channels().map(move |channel| (&**call, channel)))
    }

    /// The time of day of a moment, in seconds since 1970 with six decimals.
    pub(super) fn wall_clock(&self, at: Instant) -> String {
        let at = self.started_at + at.saturating_duration_since(self.started);
        format!("{}.{:06}", at.as_second(), at.subsec_microsecond())
    }

    pub(super) fn hang_up(&mut self, number: CallNumber, cause: Option<u16>, events: &mut Events) {
        if let Some(call) = self.calls.get_mut(&number) {
            course::is_hung_up(call, events, cause);
            self.still_lives(number);
        }
    }

    pub(super) fn hang_up_all(&mut self, events: &mut Events) {
        let numbers: Vec<CallNumber> = self.calls.keys().copied().collect();
        for number in numbers {
            let call = self.calls.get(&number);
            if let Some(channel) = call.and_then(|call| call.channels().next()) {
                events.soft_hangup_request(channel, 4);
                self.hang_up(number, None, events);
            }
        }
        self.forget_all();
    }

    /// Loses every call without a word.
    pub(super) fn forget_all(&mut self) {
        self.calls.clear();
        self.by_id.clear();
        self.trunks.values_mut().for_each(|load| load.now = 0);
        self.counters.calls = 0;
    }
}
