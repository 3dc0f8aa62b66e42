//! Ties what Asterisk says to the call that it is about.
//!
//! The correlator runs inside the task that owns the AMI connection, so it never waits: it gathers [`Signals`] and
//! resolves the call's oneshot when no more is to be expected. Responses, `OriginateResponse`, `VarSet` and `Hangup`
//! come in any order; each of three paths finds the call: the `ActionID`, the Uniqueid that was chosen as `ChannelId`,
//! and the Uniqueid that `VarSet CALLID` names. What the signals mean is decided elsewhere.

mod call_state;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::{debug, warn};

use crate::ami::client::SessionError;
use crate::ami::connection::Handler;
use crate::ami::message::{Message, unescape_c};
use crate::call::capture::Watched;
use crate::call::id::CallId;
use crate::call::observations::{Cause, DialStatus, End, FarEnd, Originated, Signals, Technology};
use crate::call::verdict;
use crate::trunk::rate_limit::{TrunkLog, Turn};
use call_state::{Entry, Outlook, Sought};

/// How long the end of a call that Asterisk says it does not know may still be on its way.
const ABANDON_GRACE: Duration = Duration::from_secs(2);

/// Between two lists of living channels that a call must be missing in to have ended. A written Originate was seen to
/// appear 25 ms late.
const BETWEEN_LISTS: Duration = Duration::from_millis(1_500);

/// The channel that a failed originate runs the extension `failed` on: it carries the call's variables, and is not it.
const SPOOL_FAILED: &[u8] = b"OutgoingSpoolFailed";

/// What the tasks of the calls tell the correlator.
#[derive(Debug)]
pub enum Note {
    /// A call whose Originate is written next.
    Register {
        /// Its id.
        id: CallId,
        /// Where its signals go when it is over.
        done: oneshot::Sender<Signals>,
        /// Its turn on its trunk, where signs of life are noted, too.
        turn: Turn,
    },
    /// An Originate that places no call, written next to see whether this login may dial.
    Probe {
        /// Its `ActionID`.
        id: CallId,
        /// Where the answer goes.
        done: oneshot::Sender<Probed>,
    },
    /// A call of an earlier run that may still be going on. No Originate is written for it.
    Adopt {
        /// Its id.
        id: CallId,
        /// Where its signals go when it is over.
        done: oneshot::Sender<Signals>,
        /// When its Originate was written.
        begun_at: Instant,
    },
    /// The channels that Asterisk carries, asked for because a session was lost or a run was cut off.
    Listed {
        /// When they were asked for.
        asked_at: Instant,
        /// The channels.
        listed: Vec<Listed>,
        /// Receives when to ask again, if a call may have ended or may only not be in the list yet.
        again: oneshot::Sender<Option<Instant>>,
    },
    /// Asterisk does not know the call's channel: if its end does not come soon, it was missed.
    Abandon(CallId),
}

/// A channel that Asterisk carries.
#[derive(Debug, Clone)]
pub struct Listed {
    /// Its Uniqueid.
    pub uniqueid: Box<[u8]>,
    /// Its Linkedid.
    pub linkedid: Box<[u8]>,
    /// Its name.
    pub channel: Box<[u8]>,
    /// It is answered.
    pub up: bool,
    /// It rings.
    pub ringing: bool,
    /// Its variable `CALLID`; empty if it has none.
    pub callid: Box<[u8]>,
    /// How long ago it was answered, where call detail records tell.
    pub answered_ago: Option<Duration>,
    /// The variables that are asked for and that it has, by their places among [`Watched::names`].
    pub variables: Vec<(usize, Box<[u8]>)>,
}

/// What came back for an Originate that places no call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probed {
    /// Its `OriginateResponse` came: originating is allowed, and its events reach us.
    Heard,
    /// Asterisk refused it, with this message.
    Refused(String),
}

/// Gathers the signals of the calls in flight.
#[derive(Debug, Default)]
pub struct Correlator {
    calls: HashMap<CallId, Entry>,
    /// Uniqueids and Linkedids that Asterisk chose itself.
    aliases: HashMap<Box<[u8]>, CallId>,
    /// Calls that end by themselves at a moment unless something comes first; a moment that was superseded is skipped.
    deadlines: VecDeque<(Instant, CallId)>,
    probe: Option<(CallId, oneshot::Sender<Probed>)>,
    /// The turns of calls whose Originate was not given to the system yet, for all that is known.
    unwritten: Vec<Turn>,
    watched: Arc<Watched>,
    varset_seen: bool,
    ended_without_varset: u32,
}

impl Correlator {
    /// A correlator without calls, which catches no variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// A correlator without calls, which catches these variables.
    pub fn watching(watched: Arc<Watched>) -> Self {
        Self {
            watched,
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

    fn varset(&mut self, message: &Message) {
        let variable = message.get("Variable").unwrap_or_default();
        // A variable that is inherited is reported with its underscores: `__CALLID`.
        let name = variable.iter().position(|&byte| byte != b'_');
        if name.is_none_or(|start| &variable[start..] != b"CALLID") {
            if let Some(place) = self.watched.place(variable) {
                self.caught(place, message);
            }
            return;
        }
        self.varset_seen = true;
        let channel = message.get("Channel").unwrap_or_default();
        if channel.starts_with(SPOOL_FAILED) {
            return;
        }
        let value = unescape_c(message.get("Value").unwrap_or_default());
        let Some(call) = CallId::from_bytes(&value) else {
            return;
        };
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let uniqueid = message.get("Uniqueid").unwrap_or_default();
        let linkedid = message.get("Linkedid").unwrap_or_default();
        // The originated channel is the one that the others are linked to.
        let originated = uniqueid == call.as_str().as_bytes() || uniqueid == linkedid;
        let leg = entry.leg(call, uniqueid, channel, originated);
        debug!(%call, uniqueid = %String::from_utf8_lossy(&leg.uniqueid), "CALLID tied to a channel");
        if uniqueid != call.as_str().as_bytes() {
            entry.aliases.push(uniqueid.into());
            self.aliases.insert(uniqueid.into(), call);
        }
        self.channel_appeared(call);
    }

    /// A variable that is asked for was set.
    fn caught(&mut self, variable: usize, message: &Message) {
        let watched = Arc::clone(&self.watched);
        if let Some((_, entry, uniqueid)) = self.of_channel(message, Prefix::Own) {
            let value = unescape_c(message.get("Value").unwrap_or_default());
            entry.catch.set(&watched, uniqueid, variable, &value);
        }
    }

    /// An event that is about one channel of a call, its Uniqueid under `prefix` + `Uniqueid`.
    fn of_channel<'m>(
        &mut self,
        message: &'m Message,
        prefix: Prefix,
    ) -> Option<(CallId, &mut Entry, &'m [u8])> {
        let uniqueid = message.get(prefix.uniqueid())?;
        let linkedid = message.get(prefix.linkedid()).unwrap_or_default();
        let channel = message.get(prefix.channel()).unwrap_or_default();
        if channel.starts_with(SPOOL_FAILED) {
            return None;
        }
        let call = self.find(uniqueid, linkedid)?;
        self.channel_appeared(call);
        let entry = self.calls.get_mut(&call)?;
        let known_as = entry.signals.channel.as_ref().map(|leg| &*leg.uniqueid);
        let originated = known_as == Some(uniqueid) || uniqueid == call.as_str().as_bytes();
        if originated {
            entry.sought = None;
        }
        entry.leg(call, uniqueid, channel, originated);
        if originated && entry.signals.linkedid.is_none() {
            entry.signals.linkedid = Some(linkedid.into());
        }
        Some((call, entry, uniqueid))
    }

    /// A channel of a call exists, so the wait for one is over.
    fn channel_appeared(&mut self, call: CallId) {
        if let Some(entry) = self.calls.get_mut(&call)
            && !entry.signals.hung_up()
        {
            entry.deadline = None;
            entry.abandoned = false;
        }
    }

    fn newstate(&mut self, message: &Message, now: Instant) {
        let state = message.get("ChannelStateDesc").unwrap_or_default();
        let Some((_, entry, uniqueid)) = self.of_channel(message, Prefix::Own) else {
            return;
        };
        match state {
            b"Ringing" => {
                if let Some(leg) = entry.signals.leg_mut(uniqueid) {
                    leg.ringing = true;
                }
                entry.trunk.rang(now);
            }
            b"Up" if entry.is_originated(uniqueid) => entry.went_up(now),
            _ => {}
        }
    }

    fn dial_state(&mut self, message: &Message, now: Instant) {
        let status = message.get("DialStatus").unwrap_or_default();
        let Some((_, entry, uniqueid)) = self.of_channel(message, Prefix::Dest) else {
            return;
        };
        let Some(leg) = entry.signals.leg_mut(uniqueid) else {
            return;
        };
        match status {
            b"RINGING" => leg.ringing = true,
            b"PROGRESS" | b"PROCEEDING" => leg.progress = true,
            _ => return,
        }
        entry.trunk.rang(now);
    }

    fn dial_end(&mut self, message: &Message, now: Instant) {
        let status = DialStatus::parse(message.get("DialStatus").unwrap_or_default());
        let Some((_, entry, uniqueid)) = self.of_channel(message, Prefix::Dest) else {
            return;
        };
        if status == DialStatus::Answer && entry.is_originated(uniqueid) {
            entry.went_up(now);
        }
        if let Some(leg) = entry.signals.leg_mut(uniqueid) {
            leg.dial_status = Some(status);
        }
    }

    fn hangup_request(&mut self, message: &Message, now: Instant) {
        let cause = number(message, "Cause").unwrap_or(0);
        let sip_code = number(message, "TechCause");
        if let Some((_, entry, uniqueid)) = self.of_channel(message, Prefix::Own)
            && let Some(leg) = entry.signals.leg_mut(uniqueid)
            && leg.technology != Technology::Local
        {
            let end = FarEnd { cause, sip_code };
            leg.ended_by_far_end = Some(end);
            // A trunk that refuses has let nobody through.
            if verdict::is_from_beyond_the_trunk(end) {
                entry.trunk.alive(now);
            }
        }
    }

    fn hangup(&mut self, message: &Message, now: Instant) {
        let cause = Cause {
            code: number(message, "Cause").unwrap_or(0),
            text: String::from_utf8_lossy(message.get("Cause-txt").unwrap_or_default())
                .into_owned(),
        };
        let tech_cause = number(message, "TechCause");
        let Some((call, entry, uniqueid)) = self.of_channel(message, Prefix::Own) else {
            return;
        };
        if let Some(leg) = entry.signals.leg_mut(uniqueid) {
            leg.cause = Some(cause);
            leg.tech_cause = tech_cause;
        }
        if entry.is_originated(uniqueid) {
            entry.signals.ended_at = now;
        }
        self.settle(call, now);
    }

    fn originate_response(&mut self, message: &Message, now: Instant) {
        let Some(call) = message.get("ActionID").and_then(CallId::from_bytes) else {
            return;
        };
        if let Some((_, done)) = self.probe.take_if(|(id, _)| *id == call) {
            let _ = done.send(Probed::Heard);
        }
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let success = message.get("Response") == Some(b"Success");
        entry.signals.originated = Some(Originated {
            success,
            reason: number(message, "Reason").unwrap_or(0),
        });
        if success {
            entry.signals.answered_at.get_or_insert(now);
        }
        if !entry.signals.hung_up() {
            entry.signals.ended_at = now;
        }
        self.settle(call, now);
    }

    /// Resolves a call of which no more is to be expected, or notes when that will be so.
    fn settle(&mut self, call: CallId, now: Instant) {
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        match entry.outlook(!self.watched.is_empty()) {
            Outlook::Over => self.resolve(call, End::Complete),
            Outlook::OverAfter(grace) => {
                if entry.deadline.is_none() {
                    self.set_deadline(call, now + grace);
                }
            }
            Outlook::Open => {}
        }
    }

    fn set_deadline(&mut self, call: CallId, at: Instant) {
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.deadline = Some(at);
            let place = self
                .deadlines
                .partition_point(|&(earlier, _)| earlier <= at);
            self.deadlines.insert(place, (at, call));
        }
    }

    fn resolve(&mut self, call: CallId, end: End) {
        let Some(mut entry) = self.calls.remove(&call) else {
            return;
        };
        for alias in &entry.aliases {
            self.aliases.remove(alias);
        }
        entry.signals.end = end;
        entry.signals.captured = entry.catch.captured;
        // What was set before this session began was not to be seen.
        if entry.signals.channel.is_some() && entry.whole && !self.varset_seen {
            self.ended_without_varset += 1;
            if self.ended_without_varset == 1 {
                warn!(
                    "Asterisk sends no VarSet events: add `dialplan` to `read =` of this user in manager.conf, and look for `disabledevents` there"
                );
            }
        }
        // The task of a call that died no longer listens; its row is written by whoever noticed.
        let _ = entry.done.send(entry.signals);
    }
}

/// A header that holds a small number.
fn number(message: &Message, key: &str) -> Option<u16> {
    std::str::from_utf8(message.get(key)?).ok()?.parse().ok()
}

/// Which headers of an event name the channel that it is about.
#[derive(Clone, Copy)]
enum Prefix {
    Own,
    Dest,
}

impl Prefix {
    const fn uniqueid(self) -> &'static str {
        match self {
            Self::Own => "Uniqueid",
            Self::Dest => "DestUniqueid",
        }
    }

    const fn linkedid(self) -> &'static str {
        match self {
            Self::Own => "Linkedid",
            Self::Dest => "DestLinkedid",
        }
    }

    const fn channel(self) -> &'static str {
        match self {
            Self::Own => "Channel",
            Self::Dest => "DestChannel",
        }
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
        match message.event().unwrap_or_default() {
            b"OriginateResponse" => self.originate_response(message, now),
            b"Newchannel" => {
                self.of_channel(message, Prefix::Own);
            }
            b"Newstate" => self.newstate(message, now),
            b"VarSet" => self.varset(message),
            b"DialState" => self.dial_state(message, now),
            b"DialEnd" => self.dial_end(message, now),
            b"HangupRequest" => self.hangup_request(message, now),
            b"Hangup" => self.hangup(message, now),
            _ => {}
        }
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
        if let Some(entry) = self.calls.get_mut(&call) {
            entry.signals.refused = Some(why);
            entry.signals.ended_at = now;
            self.resolve(call, End::Complete);
        } else if let Some((_, done)) = self.probe.take_if(|(id, _)| *id == call) {
            let _ = done.send(Probed::Refused(why));
        }
    }

    fn note(&mut self, note: Note, now: Instant) {
        match note {
            Note::Register { id, done, turn } => {
                let signals = Signals::new(now);
                self.calls.insert(id, Entry::new(signals, done, turn.log()));
                self.unwritten.push(turn);
            }
            Note::Adopt { id, done, begun_at } => {
                let signals = Signals::new(begun_at);
                let mut entry = Entry::new(signals, done, TrunkLog::default());
                entry.sought = Some(Sought::since(now));
                entry.whole = false;
                self.calls.insert(id, entry);
            }
            Note::Listed {
                asked_at,
                listed,
                again,
            } => {
                // Whoever asked may have given up meanwhile.
                let _ = again.send(self.listed(asked_at, &listed, now));
            }
            Note::Probe { id, done } => self.probe = Some((id, done)),
            Note::Abandon(id) => {
                if let Some(entry) = self.calls.get_mut(&id)
                    && !entry.abandoned
                {
                    entry.abandoned = true;
                    self.set_deadline(id, now + ABANDON_GRACE);
                }
            }
        }
    }

    fn flushed(&mut self, now: Instant) {
        for turn in self.unwritten.drain(..) {
            turn.written(now);
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|&(at, _)| at)
    }

    fn tick(&mut self, now: Instant) {
        while let Some(&(at, call)) = self.deadlines.front() {
            if at > now {
                break;
            }
            self.deadlines.pop_front();
            let Some(entry) = self.calls.get_mut(&call) else {
                continue;
            };
            if entry.deadline == Some(at) {
                let missed = entry.abandoned && !entry.signals.hung_up();
                if missed {
                    entry.signals.ended_at = now;
                }
                self.resolve(call, if missed { End::Lost } else { End::Complete });
            }
        }
    }

    fn closed(&mut self, _why: &SessionError, now: Instant) {
        self.probe = None;
        // What was on its way may have got there, and no later than now.
        self.flushed(Instant::now());
        for entry in self.calls.values_mut() {
            entry.sought.get_or_insert(Sought::since(now));
            entry.whole = false;
        }
    }
}

impl Correlator {
    /// Learns what Asterisk carries: a sought call that is missing in two lists, the second a good second after the
    /// first, has ended unseen. The lists may be of two sessions. Answers when to ask again, if one was missing for the
    /// first time.
    fn listed(&mut self, asked_at: Instant, listed: &[Listed], now: Instant) -> Option<Instant> {
        for channel in listed {
            if let Some((call, entry)) = self.of_listed(channel) {
                entry.lives(call, channel, now);
            }
        }
        self.listed_variables(listed);
        let mut again = None;
        let mut gone = Vec::new();
        for (&call, entry) in &mut self.calls {
            let Some(sought) = &mut entry.sought else {
                continue;
            };
            let due = *sought.missing_since.get_or_insert(now) + BETWEEN_LISTS;
            if asked_at >= due {
                gone.push(call);
            } else {
                again = again.max(Some(due));
            }
        }
        for call in gone {
            self.give_up(call, now);
        }
        again
    }

    /// Catches what was set while nobody listened. Which of two channels got its value last is not known; a dialplan
    /// is most likely to run on the originated one, so that comes last here.
    fn listed_variables(&mut self, listed: &[Listed]) {
        let watched = Arc::clone(&self.watched);
        for originated in [false, true] {
            for channel in listed.iter().filter(|one| !one.variables.is_empty()) {
                if let Some((_, entry)) = self.of_listed(channel)
                    && entry.is_originated(&channel.uniqueid) == originated
                {
                    for (variable, value) in &channel.variables {
                        entry
                            .catch
                            .has(&watched, &channel.uniqueid, *variable, value);
                    }
                }
            }
        }
    }

    /// The call of a channel in the list.
    fn of_listed(&mut self, channel: &Listed) -> Option<(CallId, &mut Entry)> {
        let call = self
            .find(&channel.uniqueid, &channel.linkedid)
            .or_else(|| CallId::from_bytes(&channel.callid))?;
        Some((call, self.calls.get_mut(&call)?))
    }

    /// Resolves a call whose end will not be seen, or is not waited for any longer, with what was seen of it.
    pub fn give_up(&mut self, call: CallId, now: Instant) {
        let Some(entry) = self.calls.get_mut(&call) else {
            return;
        };
        let over = !matches!(entry.outlook(false), Outlook::Open);
        if !over {
            let lost_at = entry.sought.map_or(now, |sought| sought.lost_at);
            entry.signals.ended_at = lost_at.max(entry.signals.written_at);
        }
        self.resolve(call, if over { End::Complete } else { End::Lost });
    }

    /// There will be no further session.
    pub fn give_up_all(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.give_up(call, now);
        }
    }
}
