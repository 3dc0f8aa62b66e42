//! What each event says of the call that it is about.

use std::sync::Arc;

use tokio::time::Instant;
use tracing::debug;

use super::call_state::CallState;
use super::{Correlator, SPOOL_FAILED};
use crate::ami::message::{Message, unescape_c};
use crate::call::id::CallId;
use crate::call::observations::{Cause, DialStatus, FarEnd, Leg, OriginateResult, Technology};
use crate::call::verdict;

/// The headers of an event that give the channel it is about: its Uniqueid, its Linkedid and its name.
const OWN: [&str; 3] = ["Uniqueid", "Linkedid", "Channel"];
/// Of the dialed channel, in the events of a `Dial`.
const DEST: [&str; 3] = ["DestUniqueid", "DestLinkedid", "DestChannel"];

impl Correlator {
    pub(super) fn take_event(&mut self, message: &Message, now: Instant) {
        match message.event().unwrap_or_default() {
            b"OriginateResponse" => self.originate_response(message, now),
            b"Newchannel" => _ = self.of_channel(message, OWN, |_| {}),
            b"Newstate" => self.newstate(message, now),
            b"VarSet" => self.varset(message),
            b"DialState" => self.dial_state(message, now),
            b"DialEnd" => self.dial_end(message, now),
            b"HangupRequest" => self.hangup_request(message, now),
            b"Hangup" => self.hangup(message, now),
            _ => {}
        }
    }

    fn varset(&mut self, message: &Message) {
        let variable = message.get("Variable").unwrap_or_default();
        // A variable that is inherited is reported with its underscores: `__CALLID`.
        let name = variable.iter().position(|&byte| byte != b'_');
        if name.is_none_or(|start| &variable[start..] != b"CALLID") {
            if let Some(index) = self.captured_vars.index(variable) {
                self.capture(index, message);
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
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        let uniqueid = message.get("Uniqueid").unwrap_or_default();
        let linkedid = message.get("Linkedid").unwrap_or_default();
        // The originated channel is the one that the others are linked to.
        let originated = uniqueid == call.as_str().as_bytes() || uniqueid == linkedid;
        let leg = state.leg(call, uniqueid, channel, originated);
        debug!(%call, uniqueid = %String::from_utf8_lossy(&leg.uniqueid), "CALLID tied to a channel");
        if uniqueid != call.as_str().as_bytes() {
            state.aliases.push(uniqueid.into());
            self.aliases.insert(uniqueid.into(), call);
        }
        self.channel_appeared(call);
    }

    fn capture(&mut self, variable: usize, message: &Message) {
        let vars = Arc::clone(&self.captured_vars);
        if let Some((_, state, _)) = self.of_channel(message, OWN, |_| {}) {
            let uniqueid = message.get("Uniqueid").unwrap_or_default();
            let value = unescape_c(message.get("Value").unwrap_or_default());
            state.variables.set(&vars, uniqueid, variable, &value);
        }
    }

    /// Updates the leg that an event is about; gives its call, and whether it is the originated channel.
    fn of_channel(
        &mut self,
        message: &Message,
        [uniqueid, linkedid, channel]: [&str; 3],
        update: impl FnOnce(&mut Leg),
    ) -> Option<(CallId, &mut CallState, bool)> {
        let uniqueid = message.get(uniqueid)?;
        let linkedid = message.get(linkedid).unwrap_or_default();
        let channel = message.get(channel).unwrap_or_default();
        if channel.starts_with(SPOOL_FAILED) {
            return None;
        }
        let call = self.find(uniqueid, linkedid)?;
        self.channel_appeared(call);
        let state = self.calls.get_mut(&call)?;
        let originated = state.is_originated(uniqueid) || uniqueid == call.as_str().as_bytes();
        update(state.leg(call, uniqueid, channel, originated));
        if originated {
            state.unaccounted = None;
            let known = &mut state.observations.linkedid;
            known.get_or_insert_with(|| linkedid.into());
        }
        Some((call, state, originated))
    }

    /// A channel of a call exists, so the wait for one is over.
    fn channel_appeared(&mut self, call: CallId) {
        if let Some(state) = self.calls.get_mut(&call)
            && !state.observations.hung_up()
        {
            state.deadline = None;
            state.abandoned = false;
        }
    }

    fn newstate(&mut self, message: &Message, now: Instant) {
        let channel_state = message.get("ChannelStateDesc").unwrap_or_default();
        let rings = channel_state == b"Ringing";
        let found = self.of_channel(message, OWN, |leg| leg.ringing |= rings);
        let Some((_, state, originated)) = found else {
            return;
        };
        if rings {
            state.trunk.note_ringing(now);
        } else if originated && channel_state == b"Up" {
            state.went_up(now);
        }
    }

    fn dial_state(&mut self, message: &Message, now: Instant) {
        let status = message.get("DialStatus").unwrap_or_default();
        let rings = status == b"RINGING";
        let progresses = matches!(status, b"PROGRESS" | b"PROCEEDING");
        let found = self.of_channel(message, DEST, |leg| {
            leg.ringing |= rings;
            leg.progress |= progresses;
        });
        if let Some((_, state, _)) = found
            && (rings || progresses)
        {
            state.trunk.note_ringing(now);
        }
    }

    fn dial_end(&mut self, message: &Message, now: Instant) {
        let status = DialStatus::parse(message.get("DialStatus").unwrap_or_default());
        let found = self.of_channel(message, DEST, |leg| leg.dial_status = Some(status));
        if let Some((_, state, true)) = found
            && status == DialStatus::Answer
        {
            state.went_up(now);
        }
    }

    fn hangup_request(&mut self, message: &Message, now: Instant) {
        let end = FarEnd {
            cause: number(message, "Cause").unwrap_or(0),
            sip_code: number(message, "TechCause"),
        };
        let mut is_line = false;
        let found = self.of_channel(message, OWN, |leg| {
            is_line = leg.technology != Technology::Local;
            leg.ended_by_far_end = is_line.then_some(end);
        });
        // A trunk that refuses has let no call through.
        if let Some((_, state, _)) = found
            && is_line
            && verdict::is_from_beyond_the_trunk(end)
        {
            state.trunk.note_life(now);
        }
    }

    fn hangup(&mut self, message: &Message, now: Instant) {
        let found = self.of_channel(message, OWN, |leg| {
            let text = message.get("Cause-txt").unwrap_or_default();
            leg.cause = Some(Cause {
                code: number(message, "Cause").unwrap_or(0),
                text: String::from_utf8_lossy(text).into_owned(),
            });
            leg.tech_cause = number(message, "TechCause");
        });
        let Some((call, state, originated)) = found else {
            return;
        };
        if originated {
            state.observations.ended_at = now;
        }
        self.resolve_if_complete(call, now);
    }

    fn originate_response(&mut self, message: &Message, now: Instant) {
        let Some(call) = message.get("ActionID").and_then(CallId::from_bytes) else {
            return;
        };
        if let Some((_, done)) = self.probe.take_if(|(id, _)| *id == call) {
            let _ = done.send(Ok(()));
        }
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        let observations = &mut state.observations;
        let success = message.get("Response") == Some(b"Success");
        observations.originate_result = Some(OriginateResult {
            success,
            reason: number(message, "Reason").unwrap_or(0),
        });
        if success {
            observations.answered_at.get_or_insert(now);
        }
        if !observations.hung_up() {
            observations.ended_at = now;
        }
        self.resolve_if_complete(call, now);
    }
}

/// A header that holds a small number.
fn number(message: &Message, key: &str) -> Option<u16> {
    std::str::from_utf8(message.get(key)?).ok()?.parse().ok()
}
