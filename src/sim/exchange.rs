//! The sessions, what each is sent, and whether Asterisk runs at all.
//!
//! There is no task behind the calls: each session advances them up to now before it does anything, and sleeps until
//! the next step is due.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::sim::calls::SimulatedCalls;
use crate::sim::client::{Close, ManagerClient};
use crate::sim::event::Events;
use crate::sim::originate::SessionNumber;
use crate::sim::settings::{Counters, SimulatorConfig};

/// How long `core stop now` takes between the hangups and the end.
const STOPPING: Duration = Duration::from_millis(1100);

/// The whole simulated Asterisk.
pub(super) struct Exchange {
    pub(super) calls: SimulatedCalls,
    /// When a stopping Asterisk says goodbye.
    stops_at: Option<Instant>,
    is_down: bool,
    sessions: BTreeMap<SessionNumber, ManagerClient>,
    sessions_begun: u64,
    events: Events,
    /// The session whose turn it is. It looks at its output at the end of its turn and need not be woken.
    serving: Option<SessionNumber>,
}

pub(super) fn lock(exchange: &Mutex<Exchange>) -> MutexGuard<'_, Exchange> {
    // What a panic left half done is at worst a call too many or too few.
    exchange.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Exchange {
    pub(super) fn new(config: SimulatorConfig, now: Instant) -> Self {
        Self {
            stops_at: None,
            is_down: false,
            sessions: BTreeMap::new(),
            sessions_begun: 0,
            events: Events {
                all: config.all_events,
                ..Events::default()
            },
            serving: None,
            calls: SimulatedCalls::new(config, now),
        }
    }

    /// Takes a session in; `None` when Asterisk is down.
    pub(super) fn join(&mut self, now: Instant) -> Option<(SessionNumber, Arc<Notify>)> {
        self.advance(now);
        if self.is_down {
            return None;
        }
        let client = ManagerClient::default();
        let wake = Arc::clone(&client.wake);
        self.sessions_begun += 1;
        let number = SessionNumber(self.sessions_begun);
        self.sessions.insert(number, client);
        Some((number, wake))
    }

    /// Lets a session go. The others take over what it would have been woken for.
    pub(super) fn leave(&mut self, session: SessionNumber) {
        self.sessions.remove(&session);
        self.serving = None;
        self.wake_all();
    }

    pub(super) fn begin_turn(&mut self, session: SessionNumber, now: Instant) {
        self.serving = Some(session);
        self.advance(now);
        if let Some(client) = self.sessions.get_mut(&session) {
            client.advance(now);
        }
    }

    /// Whether the next action of a session is to be handled now.
    pub(super) fn hears(&self, session: SessionNumber) -> bool {
        let client = self.sessions.get(&session);
        client.is_some_and(ManagerClient::is_heard)
    }

    /// Gives a session what it has to write, if it has written all before; when it is due again, and whether it ends.
    pub(super) fn end_turn(
        &mut self,
        session: SessionNumber,
        writing: &mut Vec<u8>,
    ) -> (Option<Instant>, Option<Close>) {
        self.serving = None;
        let Some(client) = self.sessions.get_mut(&session) else {
            return (None, Some(Close::CutOff));
        };
        if writing.is_empty() {
            client.take_output(writing);
        }
        let due = [self.calls.next_due(), self.stops_at, client.next_due()];
        (due.into_iter().flatten().min(), client.close)
    }

    /// The calls, and the client of a session for what is sent to it alone.
    pub(super) fn calls_and_client(
        &mut self,
        session: SessionNumber,
    ) -> Option<(&SimulatedCalls, &mut ManagerClient)> {
        Some((&self.calls, self.sessions.get_mut(&session)?))
    }

    fn wake_all(&self) {
        for client in self.sessions.values() {
            client.wake.notify_one();
        }
    }

    /// Does something that may cause events, and sends them to every session that wants them.
    pub(super) fn broadcast(&mut self, act: impl FnOnce(&mut SimulatedCalls, &mut Events)) {
        let events = &mut self.events;
        act(&mut self.calls, events);
        for (number, client) in &mut self.sessions {
            client.send(&events.out, self.serving == Some(*number));
        }
        events.out.clear();
        for (session, answered) in events.outcomes.drain(..) {
            if let Some(client) = self.sessions.get_mut(&session) {
                client.unblock(answered);
            }
        }
    }

    /// Does everything that is due.
    fn advance(&mut self, now: Instant) {
        if self.calls.is_due(now) {
            self.broadcast(|calls, events| calls.advance(now, events));
        }
        if self.stops_at.take_if(|at| *at <= now).is_some() {
            self.broadcast(|_, events| events.shutdown());
            self.close_all(Close::Flushed);
            self.is_down = true;
        }
    }

    /// Whether every action is refused since Asterisk stops.
    pub(super) fn is_stopping(&self) -> bool {
        self.stops_at.is_some() || self.is_down
    }

    pub(super) fn counters(&self) -> Counters {
        let sessions = self.sessions.values();
        let live = sessions.filter(|client| client.is_logged_in && client.close.is_none());
        Counters {
            sessions: live.count(),
            ..self.calls.counters
        }
    }

    pub(super) fn stop_now(&mut self, now: Instant) {
        self.advance(now);
        if !self.is_stopping() {
            self.broadcast(SimulatedCalls::hang_up_all);
            self.stops_at = Some(now + STOPPING);
        }
        self.wake_all();
    }

    pub(super) fn drop_sessions(&mut self, now: Instant) {
        self.advance(now);
        self.close_all(Close::CutOff);
    }

    pub(super) fn crash(&mut self, now: Instant) {
        self.drop_sessions(now);
        self.calls.forget_all();
    }

    fn close_all(&mut self, how: Close) {
        for client in self.sessions.values_mut() {
            client.close(how);
        }
    }
}
