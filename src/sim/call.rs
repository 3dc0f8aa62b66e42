//! One simulated call: what was asked for, its plan, its channels, and how far it has come.
//!
//! A call advances in steps, one due at a time. What a step sends is written in `course`.

use tokio::time::Instant;
use uuid::Uuid;

use crate::sim::cause::HangupCause;
use crate::sim::channel::{Channel, ChannelNumbers, FORWARD, INBOUND};
use crate::sim::dial_string::DialString;
use crate::sim::event::{Events, OriginateReason};
use crate::sim::fate::{CallFate, CallPlan, mix};
use crate::sim::originate::Originate;

/// What happens to a call next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallStep {
    /// The channel appears.
    Setup,
    /// The far end rings or sends early media.
    Signal,
    /// It is answered, refused, or has rung long enough.
    Outcome,
    /// The conversation is over.
    Hangup,
}

/// A call, from the originate until its last channel is gone.
#[derive(Debug)]
pub(super) struct SimulatedCall {
    pub(super) originate: Originate,
    pub(super) plan: CallPlan,
    pub(super) next: CallStep,
    pub(super) dialed: Instant,
    pub(super) answered: Option<Instant>,
    /// Whether it takes room on its trunk.
    pub(super) has_trunk: bool,
    /// Whether the outcome was sent already.
    reported: bool,
    /// Whether a Local channel was originated: two halves, of which the second runs a dialplan that dials a trunk.
    pub(super) is_local: bool,
    /// The originated channel; of a Local channel its first half.
    pub(super) first: Channel,
    /// The second half of a Local channel, or of the one that a redirect makes.
    pub(super) second: Channel,
    /// The leg that the dialplan dials, or the first half of the Local channel that a redirect makes.
    pub(super) far: Channel,
    /// What the dialplan dials, after the technology.
    pub(super) far_address: String,
}

impl SimulatedCall {
    pub(super) fn new(
        originate: Originate,
        plan: CallPlan,
        now: Instant,
        numbers: &mut ChannelNumbers,
    ) -> Self {
        let dialed = DialString::parse(&originate.dial_string);
        let is_local = dialed.is_local();
        let id = originate.channel_id.clone();
        let id = id.unwrap_or_else(|| numbers.unique_id());
        let (mut second, mut far) = (Channel::default(), Channel::default());
        let first;
        let mut far_address = String::new();
        if is_local {
            let given = originate.channel_id.as_ref();
            let two = given.map_or_else(|| numbers.unique_id(), |id| format!("{id};2").into());
            let ids = [id.clone(), two];
            (first, second) = numbers.local_halves(dialed.number, dialed.endpoint, ids);
            let trunk = originate.variable("TRUNK").unwrap_or("trunk");
            far = numbers.leg("PJSIP", trunk, None, &id);
            far_address = format!("{}@{trunk}", dialed.number);
        } else {
            first = numbers.leg(dialed.technology, dialed.endpoint, Some(&id), &id);
            if plan.fate == CallFate::OperatorBusy {
                far = numbers.leg("PJSIP", "operator", None, &id);
                "9@operator".clone_into(&mut far_address);
            } else if plan.fate == CallFate::Redirected {
                let ids = [numbers.unique_id(), numbers.unique_id()];
                (far, second) = numbers.local_halves(FORWARD, INBOUND, ids);
            }
        }
        Self {
            plan: plan.within(originate.timeout),
            originate,
            next: CallStep::Setup,
            dialed: now,
            answered: None,
            has_trunk: true,
            reported: false,
            is_local,
            first,
            second,
            far,
            far_address,
        }
    }

    /// Whether a channel of it exists.
    pub(super) fn lives(&self) -> bool {
        self.channels().next().is_some()
    }

    /// The channels that exist, the originated one first.
    pub(super) fn channels(&self) -> impl Iterator<Item = &Channel> {
        let all = [&self.first, &self.second, &self.far];
        all.into_iter().filter(|channel| channel.lives)
    }

    /// Whether a channel carries the variables of the originate, and those that the dialplan sets.
    pub(super) fn has_variables(&self, channel: &Channel) -> bool {
        let id = &channel.uniqueid;
        *id == self.first.uniqueid || self.is_local && *id == self.second.uniqueid
    }

    /// The unique id of the bridge between `second` and `far`.
    pub(super) fn bridge(&self) -> String {
        let order = self.plan.order;
        Uuid::from_u64_pair(order, mix(order)).to_string()
    }

    /// Whether the dialplan dials an operator once the call is answered.
    pub(super) fn dials_operator(&self) -> bool {
        self.plan.fate == CallFate::OperatorBusy && !self.is_local
    }

    /// Whether an answered call runs an extension, and not an application alone.
    pub(super) fn runs_extension(&self) -> bool {
        self.originate.application.is_empty()
    }

    /// Reports the outcome of the originate, once.
    pub(super) fn report(&mut self, events: &mut Events, reason: OriginateReason) {
        self.report_if(true, events, reason);
    }

    /// Reports the outcome here if it was drawn that it comes here: it is not ordered with the other events.
    pub(super) fn report_if(&mut self, here: bool, events: &mut Events, reason: OriginateReason) {
        if here && !std::mem::replace(&mut self.reported, true) {
            events.originate_response(&self.originate, Some(&self.first), reason);
        }
    }

    /// The cause, with its SIP code where the originated channel's technology has one.
    pub(super) fn own_cause(&self, q850: u16, code: u16) -> HangupCause {
        let technology = DialString::parse(&self.originate.dial_string).technology;
        HangupCause {
            q850,
            sip: technology.eq_ignore_ascii_case("PJSIP").then_some(code),
        }
    }
}
