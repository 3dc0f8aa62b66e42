//! The calls, what is due when, and the sessions that hear of it.
//!
//! One heap holds the next step of every call. There is no task behind it: each session advances it up to now before
//! it does anything, and sleeps until the next entry. What a session is told is appended to its outbox.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::call::{Call, Dialed, Next, Numbers};
use super::event::{Events, OriginateResponse};
use super::fate::{End, Plan, hash};
use super::originate::Originate;
use super::{Counters, SimulatorConfig};

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

/// How many bytes may wait for a session that does not read. The real one waits 100 ms and then cuts it off.
const MAX_WAITING: usize = 64 * 1024 * 1024;

/// How many trunks are counted one by one.
const MAX_TRUNKS: usize = 1000;

/// How long `core stop now` takes between the hangups and the end.
const STOPPING: Duration = Duration::from_millis(1100);

/// Whether Asterisk takes calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Running {
    Up,
    /// Waits for the calls to end.
    Gracefully,
    /// Says goodbye at that moment.
    Stopping(Instant),
    Down,
}

/// What waits to be written to a session.
#[derive(Debug)]
pub(super) struct Outbox {
    pub(super) bytes: Vec<u8>,
    /// Whether it is logged in and wants events.
    pub(super) events: bool,
    pub(super) logged_in: bool,
    /// To be closed; without another byte if it is cut off.
    pub(super) close: Option<Close>,
    /// The outcome of the originate that the session waits for.
    pub(super) outcome: Option<bool>,
    pub(super) wake: Arc<Notify>,
}

/// How a session is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Once everything is written.
    Flushed,
    /// At once.
    CutOff,
}

/// How many calls a trunk carries.
#[derive(Debug, Default)]
struct Load {
    now: usize,
    most: usize,
}

/// The whole simulated Asterisk.
pub(super) struct Exchange {
    calls: Calls,
    sessions: Vec<Option<Outbox>>,
    /// The session whose turn it is. It looks at its outbox at the end of its turn and need not be woken.
    pub(super) serving: Option<usize>,
}

/// The calls and their clock, apart from the sessions.
pub(super) struct Calls {
    pub(super) config: SimulatorConfig,
    pub(super) started: Instant,
    running: Running,
    calls: Vec<Call>,
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

impl Exchange {
    pub(super) fn new(config: SimulatorConfig, now: Instant) -> Self {
        let epoch = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        Self {
            calls: Calls {
                config,
                started: now,
                running: Running::Up,
                calls: Vec::new(),
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
            },
            sessions: Vec::new(),
            serving: None,
        }
    }

    /// Takes a session in; `None` when Asterisk is down.
    pub(super) fn join(&mut self, now: Instant) -> Option<(usize, Arc<Notify>)> {
        self.advance(now);
        if self.calls.running == Running::Down {
            return None;
        }
        let wake = Arc::new(Notify::new());
        let outbox = Outbox {
            bytes: Vec::new(),
            events: false,
            logged_in: false,
            close: None,
            outcome: None,
            wake: Arc::clone(&wake),
        };
        let place = if let Some(place) = self.sessions.iter().position(Option::is_none) {
            self.sessions[place] = Some(outbox);
            place
        } else {
            self.sessions.push(Some(outbox));
            self.sessions.len() - 1
        };
        Some((place, wake))
    }

    /// Lets a session go. The others take over what it would have been woken for.
    pub(super) fn leave(&mut self, session: usize) {
        if let Some(place) = self.sessions.get_mut(session) {
            *place = None;
        }
        self.wake_all();
    }

    pub(super) fn outbox(&mut self, session: usize) -> Option<&mut Outbox> {
        self.sessions.get_mut(session)?.as_mut()
    }

    pub(super) fn calls(&self) -> &Calls {
        &self.calls
    }

    /// The calls, and the outbox of a session for what is told to it alone.
    pub(super) fn calls_and_outbox(&mut self, session: usize) -> Option<(&Calls, &mut Outbox)> {
        let outbox = self.sessions.get_mut(session)?.as_mut()?;
        Some((&self.calls, outbox))
    }

    fn wake_all(&self) {
        for outbox in self.sessions.iter().flatten() {
            outbox.wake.notify_one();
        }
    }

    /// Does something that may cause events, and tells every session that wants them.
    ///
    /// Events go straight into the outbox of the first such session, and are copied to the others.
    fn broadcast(&mut self, act: impl FnOnce(&mut Calls, &mut Vec<u8>)) {
        let Self {
            calls,
            sessions,
            serving,
        } = self;
        let mut listening = sessions.iter_mut().enumerate().filter_map(|(place, seat)| {
            let outbox = seat.as_mut()?;
            (outbox.events && outbox.close.is_none()).then_some((place, outbox))
        });
        let mut first = listening.next();
        let mut out = first
            .as_mut()
            .map_or_else(Vec::new, |(_, outbox)| std::mem::take(&mut outbox.bytes));
        let start = out.len();
        act(calls, &mut out);
        let told = out.len() > start;
        if told {
            for (place, outbox) in listening {
                outbox.bytes.extend_from_slice(&out[start..]);
                outbox.told(*serving == Some(place));
            }
        }
        if let Some((place, first)) = first {
            first.bytes = out;
            if told {
                first.told(*serving == Some(place));
            }
        }
        for (session, answered) in self.calls.outcomes.drain(..) {
            if let Some(Some(outbox)) = self.sessions.get_mut(session) {
                outbox.outcome = Some(answered);
                outbox.wake.notify_one();
            }
        }
    }

    /// Does everything that is due.
    pub(super) fn advance(&mut self, now: Instant) {
        if self.calls.is_due(now) {
            self.broadcast(|calls, out| calls.advance(now, out));
        }
        if self.calls.running == Running::Gracefully && self.calls.live == 0 {
            self.calls.running = Running::Stopping(now);
        }
        if let Running::Stopping(at) = self.calls.running
            && at <= now
        {
            self.broadcast(|calls, out| Events::new(out, calls.config.all_events).shutdown());
            self.close_all(Close::Flushed);
            self.calls.running = Running::Down;
        }
    }

    /// When [`Self::advance`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let step = self.calls.due.peek().map(|Reverse((at, _, _))| *at);
        match self.calls.running {
            Running::Stopping(at) => Some(step.map_or(at, |step| step.min(at))),
            _ => step,
        }
    }

    /// Whether every action is refused since Asterisk stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.calls.running != Running::Up
    }

    /// Begins a call, or tells at once that there is no channel.
    pub(super) fn originate(
        &mut self,
        originate: &Originate<'_>,
        waiting: Option<usize>,
        now: Instant,
    ) {
        self.broadcast(|calls, out| calls.originate(originate, waiting, now, out));
    }

    /// Hangs up a call.
    pub(super) fn hang_up(&mut self, place: u32, cause: Option<u16>) {
        self.broadcast(|calls, out| calls.hang_up(place, cause, out));
    }

    pub(super) fn counters(&self) -> Counters {
        Counters {
            originates: self.calls.originates,
            calls: self.calls.live,
            most_calls: self.calls.most_live,
            sessions: self
                .sessions
                .iter()
                .flatten()
                .filter(|outbox| outbox.logged_in && outbox.close.is_none())
                .count(),
        }
    }

    pub(super) fn most_calls_on(&self, trunk: &[u8]) -> usize {
        self.calls
            .trunks
            .get(trunk)
            .and_then(|place| self.calls.loads.get(*place as usize))
            .map_or(0, |load| load.most)
    }

    pub(super) fn dialed(&self) -> Vec<String> {
        self.calls.record.clone()
    }

    pub(super) fn stop_now(&mut self, now: Instant) {
        self.advance(now);
        if matches!(self.calls.running, Running::Up | Running::Gracefully) {
            self.broadcast(Calls::hang_up_all);
            self.calls.running = Running::Stopping(now + STOPPING);
        }
        self.wake_all();
    }

    pub(super) fn stop_gracefully(&mut self, now: Instant) {
        self.advance(now);
        if self.calls.running == Running::Up {
            self.calls.running = Running::Gracefully;
        }
        self.wake_all();
    }

    pub(super) fn drop_sessions(&mut self, now: Instant) {
        self.advance(now);
        self.close_all(Close::CutOff);
    }

    pub(super) fn crash(&mut self, now: Instant) {
        self.advance(now);
        self.close_all(Close::CutOff);
        self.calls.forget_all();
    }

    fn close_all(&mut self, how: Close) {
        for outbox in self.sessions.iter_mut().flatten() {
            outbox.close = Some(how);
            outbox.wake.notify_one();
        }
    }
}

impl Outbox {
    fn told(&mut self, awake: bool) {
        if self.bytes.len() > MAX_WAITING {
            self.close = Some(Close::CutOff);
        }
        if !awake {
            self.wake.notify_one();
        }
    }
}

impl Calls {
    fn is_due(&self, now: Instant) -> bool {
        matches!(self.due.peek(), Some(Reverse((at, _, _))) if *at <= now)
    }

    fn advance(&mut self, now: Instant, out: &mut Vec<u8>) {
        while self.is_due(now)
            && let Some(Reverse((_, entry, place))) = self.due.pop()
        {
            let Some(call) = self.calls.get_mut(place as usize) else {
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
        self.entries += 1;
        if let Some(call) = self.calls.get_mut(place as usize) {
            call.due = self.entries;
            self.due.push(Reverse((at, self.entries, place)));
        }
    }

    fn pass_outcome(&mut self, place: u32) {
        if let Some(call) = self.calls.get_mut(place as usize)
            && let Some(session) = call.waiting
            && let Some(answered) = call.outcome.take()
        {
            self.outcomes.push((session, answered));
        }
    }

    /// The originated channel is gone: its id may be used again and it takes no room on its trunk.
    fn unlist(&mut self, place: u32) {
        let Some(call) = self.calls.get(place as usize) else {
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
            .calls
            .get(place as usize)
            .is_some_and(|call| !call.left)
        {
            self.unlist(place);
        }
        if let Some(call) = self.calls.get_mut(place as usize) {
            call.in_use = false;
            self.free.push(place);
        }
    }

    fn originate(
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
        let plan = if duplicate || !dialed.technology_is_known() {
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
        let call = &mut self.calls[place as usize];
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
            self.calls.push(Call::vacant(now));
            u32::try_from(self.calls.len() - 1).unwrap_or(u32::MAX)
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
            .filter(|place| self.calls[*place as usize].exists())
            .or_else(|| {
                let places = (0_u32..).zip(&self.calls);
                let mut live = places.filter(|(_, call)| call.exists());
                live.find(|(_, call)| super::status::has_channel(call, name))
                    .map(|(place, _)| place)
            })
    }

    /// Every call whose channel exists.
    pub(super) fn existing(&self) -> impl Iterator<Item = &Call> {
        self.calls.iter().filter(|call| call.exists())
    }

    pub(super) fn get(&self, place: u32) -> Option<&Call> {
        self.calls.get(place as usize)
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

    fn hang_up(&mut self, place: u32, cause: Option<u16>, out: &mut Vec<u8>) {
        if let Some(call) = self.calls.get_mut(place as usize)
            && call.exists()
        {
            call.hang_up(&mut Events::new(out, self.config.all_events), cause);
            self.pass_outcome(place);
            self.remove(place);
        }
    }

    fn hang_up_all(&mut self, out: &mut Vec<u8>) {
        for place in 0..u32::try_from(self.calls.len()).unwrap_or(u32::MAX) {
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

    fn forget_all(&mut self) {
        for place in 0..u32::try_from(self.calls.len()).unwrap_or(u32::MAX) {
            if self.get(place).is_some_and(|call| call.in_use) {
                self.remove(place);
            }
        }
    }
}
