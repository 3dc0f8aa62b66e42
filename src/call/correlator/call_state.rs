//! One call as the correlator has it: what was gathered of it, and what is still to be expected.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::debug;

use crate::call::capture::Catch;
use crate::call::correlator::Listed;
use crate::call::id::CallId;
use crate::call::observations::{Leg, Originated, Signals};
use crate::trunk::rate_limit::TrunkLog;

/// How long a call that failed without a channel may still get one. `OriginateResponse` overtakes the events of its
/// own channel by milliseconds, and an originate without a channel gets no event at all.
const NO_CHANNEL_GRACE: Duration = Duration::from_secs(1);
/// How long the hangups of the other legs may lag behind that of the originated channel.
const LEGS_GRACE: Duration = Duration::from_secs(1);
/// How long `OriginateResponse` may lag behind the hangup of its channel.
const RESPONSE_GRACE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) signals: Signals,
    pub(super) done: oneshot::Sender<Signals>,
    pub(super) trunk: TrunkLog,
    pub(super) deadline: Option<Instant>,
    pub(super) abandoned: bool,
    /// Its end may have been missed.
    pub(super) sought: Option<Sought>,
    /// One session has carried it from its beginning.
    pub(super) whole: bool,
    pub(super) aliases: Vec<Box<[u8]>>,
    pub(super) catch: Catch,
}

/// A call that a session was lost on and whose own channel no later one has heard of, or that was dialed by a run that was cut off.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sought {
    /// Until when it is known to have lived.
    pub(super) lost_at: Instant,
    /// Since when it is in no list of living channels.
    pub(super) missing_since: Option<Instant>,
}

impl Sought {
    pub(super) const fn since(lost_at: Instant) -> Self {
        Self {
            lost_at,
            missing_since: None,
        }
    }
}

/// What is to be expected of a call.
pub(super) enum Outlook {
    Open,
    Over,
    OverAfter(Duration),
}

impl Entry {
    pub(super) fn new(signals: Signals, done: oneshot::Sender<Signals>, trunk: TrunkLog) -> Self {
        Self {
            signals,
            done,
            trunk,
            deadline: None,
            abandoned: false,
            sought: None,
            whole: true,
            aliases: Vec::new(),
            catch: Catch::default(),
        }
    }

    /// What is still to come; `catching` variables, the dialplan of another leg may set one as it ends.
    pub(super) fn outlook(&self, catching: bool) -> Outlook {
        let signals = &self.signals;
        let legs_remain = signals.legs.iter().any(|leg| leg.cause.is_none());
        // A channel that went up was answered, whatever else is still to be said of it.
        if signals.hung_up() && signals.up {
            return if catching && legs_remain {
                Outlook::OverAfter(LEGS_GRACE)
            } else {
                Outlook::Over
            };
        }
        match (signals.originated, &signals.channel) {
            (Some(Originated { success: true, .. }), _) if signals.hung_up() => Outlook::Over,
            (Some(_), Some(_)) if signals.hung_up() => {
                if legs_remain {
                    Outlook::OverAfter(LEGS_GRACE)
                } else {
                    Outlook::Over
                }
            }
            (Some(Originated { success: false, .. }), None) => Outlook::OverAfter(NO_CHANNEL_GRACE),
            (None, Some(_)) if signals.hung_up() => Outlook::OverAfter(RESPONSE_GRACE),
            _ => Outlook::Open,
        }
    }

    /// A channel of this call is in a list of living ones.
    pub(super) fn lives(&mut self, call: CallId, listed: &Listed, now: Instant) {
        let originated = *listed.uniqueid == *call.as_str().as_bytes()
            || self.is_originated(&listed.uniqueid)
            || (self.signals.channel.is_none() && listed.uniqueid == listed.linkedid);
        if originated {
            self.sought = None;
        }
        self.leg(call, &listed.uniqueid, &listed.channel, originated);
        if originated && self.signals.linkedid.is_none() {
            self.signals.linkedid = Some(listed.linkedid.clone());
        }
        if let Some(leg) = self.signals.leg_mut(&listed.uniqueid) {
            leg.ringing |= listed.ringing;
        }
        if originated && listed.up && !self.signals.up {
            let answered_at = listed.answered_ago.and_then(|ago| now.checked_sub(ago));
            self.signals.approximate |= answered_at.is_none() && self.signals.answered_at.is_none();
            self.went_up(answered_at.unwrap_or(now).max(self.signals.written_at));
        }
    }

    pub(super) fn is_originated(&self, uniqueid: &[u8]) -> bool {
        self.signals
            .channel
            .as_ref()
            .is_some_and(|leg| &*leg.uniqueid == uniqueid)
    }

    pub(super) fn went_up(&mut self, now: Instant) {
        self.signals.up = true;
        self.signals.answered_at.get_or_insert(now);
        self.trunk.was_answered(now);
    }

    /// The leg with this Uniqueid, noted now if it is new.
    pub(super) fn leg(
        &mut self,
        call: CallId,
        uniqueid: &[u8],
        channel: &[u8],
        originated: bool,
    ) -> &Leg {
        let known = self.signals.leg_mut(uniqueid).is_some();
        if !known {
            debug!(%call, channel = %String::from_utf8_lossy(channel), originated, "channel of a call");
        }
        if originated {
            self.signals
                .channel
                .get_or_insert_with(|| Leg::new(uniqueid, channel))
        } else {
            let legs = &mut self.signals.legs;
            let place = legs
                .iter()
                .position(|leg| &*leg.uniqueid == uniqueid)
                .unwrap_or_else(|| {
                    legs.push(Leg::new(uniqueid, channel));
                    legs.len() - 1
                });
            &legs[place]
        }
    }
}
