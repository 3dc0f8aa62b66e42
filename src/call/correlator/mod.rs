//! Ties what Asterisk says to the call that it is about.
//!
//! The correlator runs inside the task that owns the AMI session, so it never waits: it gathers [`Observations`] and
//! resolves the call's oneshot when no more is to be expected. Responses, `OriginateResponse`, `VarSet` and `Hangup`
//! come in any order; each of three paths finds the call: the `ActionID`, the Uniqueid that was chosen as `ChannelId`,
//! and the Uniqueid that `VarSet CALLID` names. What the observations mean is
//! [`verdict`](super::verdict)'s.

mod call_state;
mod events;
mod reconcile;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::warn;

use crate::ami::errors::SessionError;
use crate::ami::handler::Handler;
use crate::ami::message::Message;
use crate::call::captured::CapturedVars;
use crate::call::id::CallId;
use crate::call::observations::Observations;
use crate::trunk::activity::TrunkActivity;
use crate::trunk::rate_limit::PaceToken;
pub use call_state::ListedChannel;
use call_state::{CallState, Unaccounted};

/// How long the end of a call that Asterisk says it does not know may still be on its way.
const ABANDON_GRACE: Duration = Duration::from_secs(2);

/// The channel that a failed originate runs the extension `failed` on: it carries the call's variables, and is not it.
const SPOOL_FAILED: &[u8] = b"OutgoingSpoolFailed";

/// What the tasks of the calls tell the correlator.
#[derive(Debug)]
pub enum Note {
    /// A call whose Originate is written next.
    Register {
        id: CallId,
        /// Gets the observations when the call is over.
        done: oneshot::Sender<Observations>,
        /// Its place in the rate of its trunk, where signs of life are noted, too.
        token: PaceToken,
    },
    /// An Originate that places no call, written next to see whether this login may dial.
    Probe {
        id: CallId,
        /// Gets `Ok` with its `OriginateResponse`: originating is allowed, and its events reach us. Otherwise Asterisk's
        /// message.
        done: oneshot::Sender<Result<(), String>>,
    },
    /// A call of an earlier run that may still be going on. No Originate is written for it.
    Adopt {
        id: CallId,
        done: oneshot::Sender<Observations>,
        /// When its Originate was written.
        begun_at: Instant,
    },
    /// The channels that Asterisk carries, asked for because a session was lost or a run was cut off.
    Listed {
        asked_at: Instant,
        channels: Vec<ListedChannel>,
        /// Gets the moment at which to ask again, if a call may have ended or may only not be in the list yet.
        again: oneshot::Sender<Option<Instant>>,
    },
    /// Asterisk does not know the call's channel: if its end does not come soon, it was missed.
    Abandon(CallId),
}

/// Gathers the observations of the calls in flight.
#[derive(Debug, Default)]
pub struct Correlator {
    calls: HashMap<CallId, CallState>,
    /// Uniqueids that Asterisk chose itself.
    aliases: HashMap<Box<[u8]>, CallId>,
    /// Calls that are complete at a moment unless something comes first; a moment that was superseded is skipped.
    deadlines: BTreeSet<(Instant, CallId)>,
    probe: Option<(CallId, oneshot::Sender<Result<(), String>>)>,
    /// The turns of calls whose Originate was not given to the system yet, for all that is known.
    unwritten: Vec<PaceToken>,
    captured_vars: Arc<CapturedVars>,
    varset_seen: bool,
    ended_without_varset: u32,
}

impl Correlator {
    pub fn new(captured_vars: Arc<CapturedVars>) -> Self {
        Self {
            captured_vars,
            ..Self::default()
        }
    }

    /// The call that a channel belongs to, by its own id or by that of the call that it is linked to.
    fn find(&self, uniqueid: &[u8], linkedid: &[u8]) -> Option<CallId> {
        self.by_id(uniqueid).or_else(|| self.by_id(linkedid))
    }

    fn by_id(&self, id: &[u8]) -> Option<CallId> {
        let own = id.strip_suffix(b";2").unwrap_or(id);
        match CallId::from_bytes(own) {
            Some(call) if self.calls.contains_key(&call) => Some(call),
            _ => self.aliases.get(id).copied(),
        }
    }

    /// Resolves a call of which no more is to be expected, or notes when that will be so.
    fn resolve_if_complete(&mut self, call: CallId, now: Instant) {
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        match state.complete_after(!self.captured_vars.names.is_empty()) {
            Some(Duration::ZERO) => self.resolve(call, true),
            Some(grace) if state.deadline.is_none() => self.set_deadline(call, now + grace),
            _ => {}
        }
    }

    fn set_deadline(&mut self, call: CallId, at: Instant) {
        if let Some(state) = self.calls.get_mut(&call) {
            state.deadline = Some(at);
            self.deadlines.insert((at, call));
        }
    }

    fn resolve(&mut self, call: CallId, end_seen: bool) {
        let Some(mut state) = self.calls.remove(&call) else {
            return;
        };
        for alias in &state.aliases {
            self.aliases.remove(alias);
        }
        state.observations.end_seen = end_seen;
        state.observations.captured = state.variables.captured;
        // What was set before this session began could not be seen.
        if state.observations.channel.is_some() && state.whole && !self.varset_seen {
            self.ended_without_varset += 1;
            if self.ended_without_varset == 1 {
                warn!(
                    "Asterisk sends no VarSet events: add `dialplan` to `read =` of this user in manager.conf, and look for `disabledevents` there"
                );
            }
        }
        // The task of a call that died no longer listens; its row is written without it.
        let _ = state.done.send(state.observations);
    }
}

impl Handler for Correlator {
    type Note = Note;

    fn wants(&self, event: &[u8]) -> bool {
        matches!(
            event,
            b"OriginateResponse"
                | b"Newchannel"
                | b"Newstate"
                | b"VarSet"
                | b"DialState"
                | b"DialEnd"
                | b"HangupRequest"
                | b"Hangup"
        )
    }

    fn event(&mut self, message: &Message, now: Instant) {
        self.take_event(message, now);
    }

    fn response(&mut self, action_id: &[u8], message: &Message, now: Instant) {
        let Some(call) = CallId::from_bytes(action_id) else {
            return;
        };
        if message.get("Response") != Some(b"Error") {
            return;
        }
        let why = message.get("Message").unwrap_or(b"no reason given");
        let why = String::from_utf8_lossy(why).into_owned();
        if let Some(state) = self.calls.get_mut(&call) {
            state.observations.refused = Some(why);
            state.observations.ended_at = now;
            self.resolve(call, true);
        } else if let Some((_, done)) = self.probe.take_if(|(id, _)| *id == call) {
            let _ = done.send(Err(why));
        }
    }

    fn note(&mut self, note: Note, now: Instant) {
        match note {
            Note::Register { id, done, token } => {
                let state = CallState::new(Observations::new(now), done, token.activity());
                self.calls.insert(id, state);
                self.unwritten.push(token);
            }
            Note::Adopt { id, done, begun_at } => {
                let observations = Observations::new(begun_at);
                let mut state = CallState::new(observations, done, TrunkActivity::default());
                state.unaccounted = Some(Unaccounted::since(now));
                state.whole = false;
                self.calls.insert(id, state);
            }
            Note::Listed {
                asked_at,
                channels,
                again,
            } => {
                // The one who asked may have given up meanwhile.
                let _ = again.send(self.listed(asked_at, &channels, now));
            }
            Note::Probe { id, done } => self.probe = Some((id, done)),
            Note::Abandon(id) => {
                if let Some(state) = self.calls.get_mut(&id)
                    && !state.abandoned
                {
                    state.abandoned = true;
                    self.set_deadline(id, now + ABANDON_GRACE);
                }
            }
        }
    }

    fn flushed(&mut self, now: Instant) {
        for token in self.unwritten.drain(..) {
            token.written(now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|&(at, _)| at)
    }

    fn tick(&mut self, now: Instant) {
        while let Some(&(at, call)) = self.deadlines.first()
            && at <= now
        {
            self.deadlines.pop_first();
            let Some(state) = self.calls.get_mut(&call) else {
                continue;
            };
            if state.deadline == Some(at) {
                let missed = state.abandoned && !state.observations.hung_up();
                if missed {
                    state.observations.ended_at = now;
                }
                self.resolve(call, !missed);
            }
        }
    }

    fn closed(&mut self, _why: &SessionError, now: Instant) {
        self.probe = None;
        // What was on its way may have got there, and no later than now.
        self.flushed(Instant::now());
        for state in self.calls.values_mut() {
            state.unaccounted.get_or_insert(Unaccounted::since(now));
            state.whole = false;
        }
    }
}
