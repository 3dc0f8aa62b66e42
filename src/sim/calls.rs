//! The calls, and what is due when.
//!
//! One heap holds the next step of every call. Who hears of it, and who drives the clock, is not known here.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::{Counters, SimulatorConfig};
use crate::sim::call::{Call, Next, Numbers};
use crate::sim::dialed::Dialed;
use crate::sim::event::{Events, OriginateResponse};
use crate::sim::fate::{End, Plan, hash};
use crate::sim::originate::Originate;

/// A hash map whose keys are hashes already.
type Hashed<V> = HashMap<u64, V, BuildHasherDefault<Identity>>;

#[derive(Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = hash(self.0, bytes);
    }

    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

/// How many trunks are counted one by one.
const MAX_TRUNKS: usize = 1000;

/// How many calls a trunk carries.
#[derive(Debug, Default)]
struct Load {
    now: usize,
    most: usize,
}

/// The calls and their clock, apart from the sessions.
pub(super) struct Calls {
    pub(super) config: SimulatorConfig,
    pub(super) started: Instant,
    places: Vec<Call>,
    free: Vec<u32>,
    /// When, in which order, which call. An entry counts only while its number is that of the call.
    due: BinaryHeap<Reverse<(Instant, u64, u32)>>,
    entries: u64,
    /// Live calls by the hash of their unique id.
    by_id: Hashed<u32>,
    /// How often each dial string was dialed, by its hash.
    dialed: Hashed<u32>,
    record: Vec<String>,
    trunks: HashMap<Vec<u8>, u32>,
    loads: Vec<Load>,
    numbers: Numbers,
    originates: u64,
    live: usize,
    most_live: usize,
    /// Outcomes for sessions that wait for one.
    outcomes: Vec<(usize, bool)>,
}

impl Calls {
    pub(super) fn new(config: SimulatorConfig, now: Instant) -> Self {
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            config,
            started: now,
            places: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            entries: 0,
            by_id: Hashed::default(),
            dialed: Hashed::default(),
            record: Vec::new(),
            trunks: HashMap::new(),
            loads: Vec::new(),
            numbers: Numbers {
                epoch,
                channel: 0,
                local: 0,
                unique: 0,
            },
            originates: 0,
            live: 0,
            most_live: 0,
            outcomes: Vec::new(),
        }
    }

    /// What was seen so far, the sessions apart.
    pub(super) fn counters(&self) -> Counters {
        Counters {
            originates: self.originates,
            calls: self.live,
            most_calls: self.most_live,
            sessions: 0,
        }
    }

    pub(super) fn most_calls_on(&self, trunk: &[u8]) -> usize {
        self.trunks
            .get(trunk)
            .and_then(|place| self.loads.get(*place as usize))
            .map_or(0, |load| load.most)
    }

    pub(super) fn dialed(&self) -> &[String] {
        &self.record
    }

    /// When the next step is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((at, _, _))| *at)
    }

    /// The outcomes that sessions wait for, and which sessions.
    pub(super) fn take_outcomes(&mut self) -> impl Iterator<Item = (usize, bool)> {
        self.outcomes.drain(..)
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        matches!(self.due.peek(), Some(Reverse((at, _, _))) if *at <= now)
    }

    pub(super) fn advance(&mut self, now: Instant, out: &mut Vec<u8>) {
        while self.is_due(now)
            && let Some(Reverse((_, entry, place))) = self.due.pop()
        {
            let Some(call) = self.places.get_mut(place as usize) else {
                continue;
            };
            if !call.in_use || call.due != entry {
                continue;
            }
            let had_left = call.left;
            let mut events = Events::new(out, self.config.all_events);
            let next = call.step(&mut events, &self.config.dialplan_variables);
            let leaves = call.left && !had_left;
            self.pass_outcome(place);
            if leaves {
                self.unlist(place);
            }
            match next {
                Next::At(at) => self.schedule(place, at),
                Next::Never => {}
                Next::Gone => self.remove(place),
            }
        }
    }

    fn schedule(&mut self, place: u32, at: Instant) {
        let at = self.on_grid(at);
        self.entries += 1;
        if let Some(call) = self.places.get_mut(place as usize) {
            call.due = self.entries;
            self.due.push(Reverse((at, self.entries, place)));
        }
    }

    /// The first moment from then on at which something may happen.
    fn on_grid(&self, at: Instant) -> Instant {
        let step = self.config.step.as_millis();
        if step <= 1 {
            return at;
        }
        let since = at.saturating_duration_since(self.started).as_millis();
        let on_grid = since.div_ceil(step).saturating_mul(step);
        self.started + Duration::from_millis(u64::try_from(on_grid).unwrap_or(u64::MAX / 2))
    }

    fn pass_outcome(&mut self, place: u32) {
        if let Some(call) = self.places.get_mut(place as usize)
            && let Some(session) = call.waiting
            && let Some(answered) = call.outcome.take()
        {
            self.outcomes.push((session, answered));
        }
    }

    /// The originated channel is gone: its id may be used again and it takes no room on its trunk.
    fn unlist(&mut self, place: u32) {
        let Some(call) = self.places.get(place as usize) else {
            return;
        };
        self.by_id.remove(&hash(0, call.get(call.id)));
        if let Some(load) = self.loads.get_mut(call.trunk as usize) {
            load.now -= 1;
        }
        self.live -= 1;
    }

    fn remove(&mut self, place: u32) {
        if self
            .places
            .get(place as usize)
            .is_some_and(|call| !call.left)
        {
            self.unlist(place);
        }
        if let Some(call) = self.places.get_mut(place as usize) {
            call.in_use = false;
            self.free.push(place);
        }
    }

    pub(super) fn originate(
        &mut self,
        originate: &Originate<'_>,
        waiting: Option<usize>,
        now: Instant,
        out: &mut Vec<u8>,
    ) {
        self.originates += 1;
        if self.config.record_dialed {
            let text = String::from_utf8_lossy(originate.channel);
            self.record.push(text.into_owned());
        }
        let dialed = Dialed::parse(originate.channel);
        let id = hash(0, originate.channel_id);
        let duplicate = !originate.channel_id.is_empty() && self.by_id.contains_key(&id);
        let missing = self.config.endpoints.as_ref().is_some_and(|known| {
            let mut known = known.iter();
            !dialed.is_local() && !known.any(|name| name.as_bytes() == dialed.endpoint)
        });
        let plan = if duplicate || missing || !dialed.technology_is_known() {
            None
        } else {
            let string = hash(self.config.simulate.seed, originate.channel);
            let nth = self.dialed.entry(string).or_insert(0);
            *nth += 1;
            let plan = Plan::new(
                &self.config.simulate,
                self.config.fates,
                string,
                dialed.last_digits(),
                *nth,
            );
            (plan.end != End::NoChannel).then_some(plan)
        };
        let Some(plan) = plan else {
            if let Some(session) = waiting {
                self.outcomes.push((session, false));
                return;
            }
            Events::new(out, self.config.all_events).originate_response(&OriginateResponse {
                action_id: originate.action_id,
                channel: originate.channel,
                target: originate.target,
                reason: 0,
                uniqueid: originate.channel_id,
                caller: originate.caller,
            });
            return;
        };
        let place = self.vacant_place(now);
        let trunk = self.trunk(dialed.endpoint);
        let call = &mut self.places[place as usize];
        call.begin(originate, &dialed, plan, now, &mut self.numbers);
        call.waiting = waiting;
        call.trunk = trunk;
        let id = hash(0, call.get(call.id));
        self.by_id.insert(id, place);
        self.live += 1;
        self.most_live = self.most_live.max(self.live);
        if let Some(load) = self.loads.get_mut(trunk as usize) {
            load.now += 1;
            load.most = load.most.max(load.now);
        }
        let setup = Duration::from_millis(u64::from(super::fate::SETUP));
        self.schedule(place, now + setup);
    }

    fn vacant_place(&mut self, now: Instant) -> u32 {
        self.free.pop().unwrap_or_else(|| {
            self.places.push(Call::vacant(now));
            u32::try_from(self.places.len() - 1).unwrap_or(u32::MAX)
        })
    }

    /// The place of a trunk's load; one that stands nowhere when there are too many trunks.
    fn trunk(&mut self, name: &[u8]) -> u32 {
        if let Some(place) = self.trunks.get(name) {
            return *place;
        }
        if self.loads.len() >= MAX_TRUNKS {
            return u32::MAX;
        }
        let place = u32::try_from(self.loads.len()).unwrap_or(u32::MAX);
        self.loads.push(Load::default());
        self.trunks.insert(name.to_vec(), place);
        place
    }

    /// The live call with that unique id or channel name, of whichever of its channels.
    pub(super) fn find(&self, name: &[u8]) -> Option<u32> {
        let by_id = self.by_id.get(&hash(0, name)).copied();
        by_id
            .filter(|place| self.places[*place as usize].exists())
            .or_else(|| {
                let places = (0_u32..).zip(&self.places);
                let mut live = places.filter(|(_, call)| call.exists());
                live.find(|(_, call)| crate::sim::status::has_channel(call, name))
                    .map(|(place, _)| place)
            })
    }

    /// Every call whose channel exists.
    pub(super) fn existing(&self) -> impl Iterator<Item = &Call> {
        self.places.iter().filter(|call| call.exists())
    }

    pub(super) fn get(&self, place: u32) -> Option<&Call> {
        self.places.get(place as usize)
    }

    pub(super) fn live(&self) -> usize {
        self.live
    }

    pub(super) fn originates(&self) -> u64 {
        self.originates
    }

    /// Microseconds since 1970 at that moment of tokio's clock.
    pub(super) fn wall_micros(&self, at: Instant) -> u64 {
        let since = at.saturating_duration_since(self.started);
        let micros = u64::try_from(since.as_micros()).unwrap_or(u64::MAX);
        (self.numbers.epoch * 1_000_000).saturating_add(micros)
    }

    pub(super) fn hang_up(&mut self, place: u32, cause: Option<u16>, out: &mut Vec<u8>) {
        if let Some(call) = self.places.get_mut(place as usize)
            && call.exists()
        {
            call.hang_up(&mut Events::new(out, self.config.all_events), cause);
            self.pass_outcome(place);
            self.remove(place);
        }
    }

    pub(super) fn hang_up_all(&mut self, out: &mut Vec<u8>) {
        for place in 0..u32::try_from(self.places.len()).unwrap_or(u32::MAX) {
            let Some(call) = self.get(place).filter(|call| call.in_use) else {
                continue;
            };
            if call.exists() {
                let leg = call.leg();
                Events::new(out, self.config.all_events).soft_hangup_request(&leg, 4);
                self.hang_up(place, None, out);
            } else {
                self.remove(place);
            }
        }
    }

    pub(super) fn forget_all(&mut self) {
        for place in 0..u32::try_from(self.places.len()).unwrap_or(u32::MAX) {
            if self.get(place).is_some_and(|call| call.in_use) {
                self.remove(place);
            }
        }
    }
}
