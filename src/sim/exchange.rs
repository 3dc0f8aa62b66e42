//! The sessions, what each is told, and whether Asterisk runs at all.
//!
//! There is no task behind the calls: each session advances them up to now before it does anything, and sleeps until
//! the next step is due. What a session is told is appended to its outbox.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Counters, SimulatorConfig};
use crate::sim::calls::Calls;
use crate::sim::event::Events;
use crate::sim::originate::Originate;

/// How many bytes may wait for a session that does not read. The real one waits 100 ms and then cuts it off.
const MAX_WAITING: usize = 256 * 1024 * 1024;

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

/// The whole simulated Asterisk.
pub(super) struct Exchange {
    calls: Calls,
    running: Running,
    sessions: Vec<Option<Outbox>>,
    /// The session whose turn it is. It looks at its outbox at the end of its turn and need not be woken.
    pub(super) serving: Option<usize>,
}

impl Exchange {
    pub(super) fn new(config: SimulatorConfig, now: Instant) -> Self {
        Self {
            calls: Calls::new(config, now),
            running: Running::Up,
            sessions: Vec::new(),
            serving: None,
        }
    }

    /// Takes a session in; `None` when Asterisk is down.
    pub(super) fn join(&mut self, now: Instant) -> Option<(usize, Arc<Notify>)> {
        self.advance(now);
        if self.running == Running::Down {
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
        self.serving = None;
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
            ..
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
        for (session, answered) in self.calls.take_outcomes() {
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
        if self.running == Running::Gracefully && self.calls.live() == 0 {
            self.running = Running::Stopping(now);
        }
        if let Running::Stopping(at) = self.running
            && at <= now
        {
            self.broadcast(|calls, out| Events::new(out, calls.config.all_events).shutdown());
            self.close_all(Close::Flushed);
            self.running = Running::Down;
        }
    }

    /// When [`Self::advance`] has something to do.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let step = self.calls.next_due();
        match self.running {
            Running::Stopping(at) => Some(step.map_or(at, |step| step.min(at))),
            _ => step,
        }
    }

    /// Whether every action is refused since Asterisk stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.running != Running::Up
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
        let sessions = self.sessions.iter().flatten();
        Counters {
            sessions: sessions
                .filter(|outbox| outbox.logged_in && outbox.close.is_none())
                .count(),
            ..self.calls.counters()
        }
    }

    pub(super) fn stop_now(&mut self, now: Instant) {
        self.advance(now);
        if matches!(self.running, Running::Up | Running::Gracefully) {
            self.broadcast(Calls::hang_up_all);
            self.running = Running::Stopping(now + STOPPING);
        }
        self.wake_all();
    }

    pub(super) fn stop_gracefully(&mut self, now: Instant) {
        self.advance(now);
        if self.running == Running::Up {
            self.running = Running::Gracefully;
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
