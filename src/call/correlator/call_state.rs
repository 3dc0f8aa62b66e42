//! One call as the correlator has it: what was gathered of it, and what is still to be expected.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use crate::call::captured::VarTracker;
use crate::call::id::CallId;
use crate::call::observations::{Leg, Observations};
use crate::trunk::activity::TrunkActivity;

/// How long a call that failed without a channel may still get one. `OriginateResponse` overtakes the events of its
/// own channel by milliseconds, and an originate without a channel gets no event at all.
const NO_CHANNEL_GRACE: Duration = Duration::from_secs(1);
/// How long the hangups of the other legs may lag behind that of the originated channel.
const LEGS_GRACE: Duration = Duration::from_secs(1);
/// How long `OriginateResponse` may lag behind the hangup of its channel.
const RESPONSE_GRACE: Duration = Duration::from_secs(5);

/// A channel that Asterisk carries, as `Status` lists it.
#[derive(Debug, Clone)]
pub struct ListedChannel {
    pub uniqueid: Box<[u8]>,
    pub linkedid: Box<[u8]>,
    pub channel: Box<[u8]>,
    pub up: bool,
    pub ringing: bool,
    /// Its variable `CALLID`; empty if it has none.
    pub callid: Box<[u8]>,
    /// How long ago it was answered, where call detail records say so.
    pub answered_ago: Option<Duration>,
    /// The captured variables that it has, by their indices among
    /// [`CapturedVars::names`](crate::call::captured::CapturedVars::names).
    pub variables: Vec<(usize, Box<[u8]>)>,
}

#[derive(Debug)]
pub(super) struct CallState {
    pub(super) observations: Observations,
    pub(super) done: oneshot::Sender<Observations>,
    pub(super) trunk: TrunkActivity,
    pub(super) deadline: Option<Instant>,
    /// Asterisk says that it does not know the channel.
    pub(super) abandoned: bool,
    /// Its end may have been missed.
    pub(super) unaccounted: Option<Unaccounted>,
    /// One session has carried it from its beginning.
    pub(super) whole: bool,
    /// Uniqueids that Asterisk chose itself.
    pub(super) aliases: Vec<Box<[u8]>>,
    pub(super) variables: VarTracker,
}

/// A call that a session was lost on, or that was dialed by a run that was cut off, and whose own channel no later session
/// has heard of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unaccounted {
    /// Until when it is known to have lived.
    pub(super) lost_at: Instant,
    /// Since when it is in no list of channels.
    pub(super) missing_since: Option<Instant>,
}

impl Unaccounted {
    pub(super) const fn since(lost_at: Instant) -> Self {
        Self {
            lost_at,
            missing_since: None,
        }
    }
}

impl CallState {
    pub(super) fn new(
        observations: Observations,
        done: oneshot::Sender<Observations>,
        trunk: TrunkActivity,
    ) -> Self {
        Self {
            observations,
            done,
            trunk,
            deadline: None,
            abandoned: false,
            unaccounted: None,
            whole: true,
            aliases: Vec::new(),
            variables: VarTracker::default(),
        }
    }

    /// How long to wait for the rest of what may still come; `None` while the call goes on. Where variables are captured,
    /// the dialplan of another leg may set one as it ends.
    pub(super) fn complete_after(&self, captures: bool) -> Option<Duration> {
        let observations = &self.observations;
        let success = observations.originate_result.map(|result| result.success);
        if observations.channel.is_none() {
            return (success == Some(false)).then_some(NO_CHANNEL_GRACE);
        }
        if !observations.hung_up() {
            return None;
        }
        let legs_remain = observations.legs.iter().any(|leg| leg.cause.is_none());
        // A channel that went up was answered, whatever else is still to be said of it.
        let waits_for_legs = match success {
            _ if observations.up => captures && legs_remain,
            Some(success) => !success && legs_remain,
            None => return Some(RESPONSE_GRACE),
        };
        Some(if waits_for_legs {
            LEGS_GRACE
        } else {
            Duration::ZERO
        })
    }

    /// A channel of this call is in a list of channels.
    pub(super) fn update_from_list(&mut self, call: CallId, listed: &ListedChannel, now: Instant) {
        let originated = *listed.uniqueid == *call.as_str().as_bytes()
            || self.is_originated(&listed.uniqueid)
            || (self.observations.channel.is_none() && listed.uniqueid == listed.linkedid);
        let leg = self.leg(call, &listed.uniqueid, &listed.channel, originated);
        leg.ringing |= listed.ringing;
        if !originated {
            return;
        }
        self.unaccounted = None;
        let observations = &mut self.observations;
        let linkedid = &mut observations.linkedid;
        linkedid.get_or_insert_with(|| listed.linkedid.clone());
        if listed.up && !observations.up {
            let answered_at = listed.answered_ago.and_then(|ago| now.checked_sub(ago));
            observations.approximate |= answered_at.is_none() && observations.answered_at.is_none();
            let answered_at = answered_at.unwrap_or(now).max(observations.written_at);
            self.went_up(answered_at);
        }
    }

    pub(super) fn is_originated(&self, uniqueid: &[u8]) -> bool {
        let channel = self.observations.channel.as_ref();
        channel.is_some_and(|leg| &*leg.uniqueid == uniqueid)
    }

    pub(super) fn went_up(&mut self, now: Instant) {
        self.observations.up = true;
        self.observations.answered_at.get_or_insert(now);
        self.trunk.note_answer(now);
    }

    /// The leg with this Uniqueid, noted now if it is new.
    pub(super) fn leg(
        &mut self,
        call: CallId,
        uniqueid: &[u8],
        channel: &[u8],
        originated: bool,
    ) -> &mut Leg {
        let is_known = |leg: &Leg| *leg.uniqueid == *uniqueid;
        if !self.observations.all_legs().any(is_known) {
            debug!(%call, channel = %String::from_utf8_lossy(channel), originated, "channel of a call");
        }
        if originated {
            return self
                .observations
                .channel
                .get_or_insert_with(|| Leg::new(uniqueid, channel));
        }
        let legs = &mut self.observations.legs;
        let index = legs
            .iter()
            .position(|leg| &*leg.uniqueid == uniqueid)
            .unwrap_or_else(|| {
                legs.push(Leg::new(uniqueid, channel));
                legs.len() - 1
            });
        &mut legs[index]
    }
}
