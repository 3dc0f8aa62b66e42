//! One simulated call: its texts, its plan, and how far it has come.
//!
//! A call advances in steps, one due at a time. What a step tells stands with the kind of channel, in `direct` and
//! `local`; when it is told, here.

use std::time::Duration;

use tokio::time::Instant;

use super::{direct, local};
use crate::sim::dialed::Dialed;
use crate::sim::event::{Cause, Events, Leg, OriginateResponse, Party, State, Target};
use crate::sim::fate::{End, Plan, SETUP, Sign};
use crate::sim::originate::Originate;

/// A piece of a call's text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Span {
    at: u32,
    len: u32,
}

/// What kind of channel was originated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// One channel, such as `PJSIP/100@carrier`.
    #[default]
    Direct,
    /// Two halves, of which the second runs a dialplan that dials a trunk.
    Local,
}

/// What happens to a call next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// The channel appears.
    #[default]
    Setup,
    /// The far end rings or sends early media.
    Sign,
    /// It is answered, refused, or has rung long enough.
    End,
    /// The conversation is over.
    Talk,
}

/// What a step leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// The next step, at that moment.
    At(Instant),
    /// Nothing more unless somebody hangs up.
    Never,
    /// Every channel of the call is gone.
    Gone,
}

/// The names of a further channel of a call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Other {
    pub(super) channel: Span,
    pub(super) id: Span,
}

/// Counters from which channels and unique ids get their names.
#[derive(Debug)]
pub(super) struct Numbers {
    /// Seconds since 1970 at which the simulated Asterisk started.
    pub(super) epoch: u64,
    pub(super) channel: u32,
    pub(super) local: u32,
    pub(super) unique: u64,
}

impl Numbers {
    fn next_channel(&mut self) -> u32 {
        let number = self.channel;
        self.channel = number.wrapping_add(1);
        number
    }
}

/// A call. The buffers of one that is gone serve the next.
#[derive(Debug)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts, not states of one thing"
)]
pub(super) struct Call {
    text: Vec<u8>,
    pub(super) variables: Vec<(Span, Span)>,
    pub(super) kind: Kind,
    pub(super) plan: Plan,
    pub(super) phase: Phase,
    /// The number of the one entry among the due steps that counts; others are of the past.
    pub(super) due: u64,
    pub(super) in_use: bool,
    pub(super) dialed: Instant,
    pub(super) timeout: Option<Duration>,
    pub(super) answered: Option<Instant>,
    /// State of the originated channel.
    pub(super) state: State,
    /// State of the far leg of a Local channel.
    pub(super) far_state: State,
    /// Whether the outcome was told already.
    told: bool,
    /// Whether the originated channel is gone, though the call goes on elsewhere: a redirect.
    pub(super) left: bool,
    /// The session that waits for the outcome, where the originate was not asynchronous.
    pub(super) waiting: Option<usize>,
    /// The outcome for that session, once it is known.
    pub(super) outcome: Option<bool>,
    /// Which trunk's load this call counts in.
    pub(super) trunk: u32,
    /// Whether hangups of this technology carry a SIP code.
    pub(super) sip: bool,
    id_given: bool,
    application_given: bool,
    priority: u32,
    action_id: Span,
    pub(super) dial: Span,
    pub(super) address: Span,
    pub(super) id: Span,
    pub(super) channel: Span,
    context: Span,
    exten: Span,
    application: Span,
    data: Span,
    num: Span,
    name: Span,
    /// Where a Local channel goes.
    pub(super) local_context: Span,
    pub(super) local_exten: Span,
    /// The second half of a Local channel, or of the one that a redirect makes.
    pub(super) second: Other,
    /// The leg that the dialplan dials, or the first half of the Local channel that a redirect makes.
    pub(super) far: Other,
    /// What the dialplan dials, after the technology.
    pub(super) far_address: Span,
    pub(super) bridge: Span,
}

/// The endpoint's context: where a channel stands until it is answered.
const INBOUND: &[u8] = b"from-trunk";

/// The operator whom a dialplan dials, and the trunk behind a Local channel that names none.
const OPERATOR: &[u8] = b"9@operator";
const TRUNK: &[u8] = b"trunk";

impl Call {
    pub(super) fn vacant(now: Instant) -> Self {
        let nothing = Span::default();
        Self {
            text: Vec::new(),
            variables: Vec::new(),
            kind: Kind::Direct,
            plan: Plan {
                end: End::NoChannel,
                sign: Sign::Nothing,
                sign_at: 0,
                end_at: 0,
                talk: 0,
                order: 0,
            },
            phase: Phase::Setup,
            due: 0,
            in_use: false,
            dialed: now,
            timeout: None,
            answered: None,
            state: State::Down,
            far_state: State::Down,
            told: false,
            left: false,
            waiting: None,
            outcome: None,
            trunk: u32::MAX,
            sip: false,
            id_given: false,
            application_given: false,
            priority: 1,
            action_id: nothing,
            dial: nothing,
            address: nothing,
            id: nothing,
            channel: nothing,
            context: nothing,
            exten: nothing,
            application: nothing,
            data: nothing,
            num: nothing,
            name: nothing,
            local_context: nothing,
            local_exten: nothing,
            second: Other::default(),
            far: Other::default(),
            far_address: nothing,
            bridge: nothing,
        }
    }

    /// Begins a call in this place.
    pub(super) fn begin(
        &mut self,
        originate: &Originate<'_>,
        dialed: &Dialed<'_>,
        plan: Plan,
        now: Instant,
        numbers: &mut Numbers,
    ) {
        self.text.clear();
        self.variables.clear();
        self.kind = if dialed.is_local() {
            Kind::Local
        } else {
            Kind::Direct
        };
        self.plan = plan;
        self.phase = Phase::Setup;
        self.in_use = true;
        self.dialed = now;
        self.timeout = originate.timeout;
        self.answered = None;
        self.state = State::Down;
        self.far_state = State::Down;
        self.told = false;
        self.left = false;
        self.waiting = None;
        self.outcome = None;
        self.sip = dialed.technology.eq_ignore_ascii_case(b"PJSIP");
        self.id_given = !originate.channel_id.is_empty();
        self.action_id = self.keep(originate.action_id);
        self.dial = self.keep(originate.channel);
        self.address = self.keep(dialed.address);
        self.num = self.keep(originate.caller.num);
        self.name = self.keep(originate.caller.name);
        self.id = if self.id_given {
            self.keep(originate.channel_id)
        } else {
            self.unique_id(numbers)
        };
        match originate.target {
            Target::Exten {
                context,
                exten,
                priority,
            } => {
                self.application_given = false;
                self.context = self.keep(context);
                self.exten = self.keep(exten);
                self.priority = priority;
            }
            Target::Application { application, data } => {
                self.application_given = true;
                self.application = self.keep(application);
                self.data = self.keep(data);
            }
        }
        for (name, value) in &originate.variables {
            let pair = (self.keep(name), self.keep(value));
            self.variables.push(pair);
        }
        match self.kind {
            Kind::Local => self.name_local(dialed, numbers),
            Kind::Direct => self.name_direct(dialed, numbers),
        }
    }

    fn name_direct(&mut self, dialed: &Dialed<'_>, numbers: &mut Numbers) {
        self.channel = self.channel_name(dialed.technology, dialed.endpoint, numbers);
        match self.plan.end {
            End::OperatorBusy => {
                self.far.channel = self.channel_name(b"PJSIP", b"operator", numbers);
                self.far.id = self.unique_id(numbers);
                self.far_address = self.keep(OPERATOR);
            }
            End::Redirected => {
                self.local_context = self.keep(INBOUND);
                self.local_exten = self.keep(b"777");
                let pair = self.local_names(numbers);
                (self.far.channel, self.second.channel) = pair;
                self.far.id = self.unique_id(numbers);
                self.second.id = self.unique_id(numbers);
            }
            _ => {}
        }
    }

    fn name_local(&mut self, dialed: &Dialed<'_>, numbers: &mut Numbers) {
        self.local_exten = self.keep(dialed.number);
        self.local_context = self.keep(dialed.endpoint);
        (self.channel, self.second.channel) = self.local_names(numbers);
        self.second.id = if self.id_given {
            let id = self.get(self.id).to_vec();
            self.join(&[&id, b";2"])
        } else {
            self.unique_id(numbers)
        };
        let trunk = self
            .variable(b"TRUNK")
            .map_or_else(|| TRUNK.to_vec(), <[u8]>::to_vec);
        self.far.channel = self.channel_name(b"PJSIP", &trunk, numbers);
        self.far.id = self.unique_id(numbers);
        self.far_address = self.join(&[dialed.number, b"@", &trunk]);
        let order = self.plan.order;
        let bridge = format!(
            "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
            order >> 32,
            order >> 16 & 0xffff,
            order >> 4 & 0xfff,
            order & 0xfff,
            crate::sim::fate::mix(order) >> 16
        );
        self.bridge = self.keep(bridge.as_bytes());
    }

    fn keep(&mut self, bytes: &[u8]) -> Span {
        self.join(&[bytes])
    }

    /// Offsets fit: a message is at most [`crate::ami::MAX_MESSAGE`] long, and little is added to it.
    fn join(&mut self, pieces: &[&[u8]]) -> Span {
        let at = self.text.len();
        for piece in pieces {
            self.text.extend_from_slice(piece);
        }
        self.span_from(at)
    }

    fn span_from(&self, at: usize) -> Span {
        Span {
            at: u32::try_from(at).unwrap_or(u32::MAX),
            len: u32::try_from(self.text.len() - at).unwrap_or(0),
        }
    }

    fn unique_id(&mut self, numbers: &mut Numbers) -> Span {
        let at = self.text.len();
        crate::sim::event::decimal(&mut self.text, numbers.epoch);
        self.text.push(b'.');
        crate::sim::event::decimal(&mut self.text, numbers.unique);
        numbers.unique += 1;
        self.span_from(at)
    }

    fn channel_name(&mut self, technology: &[u8], endpoint: &[u8], numbers: &mut Numbers) -> Span {
        let number = hex(numbers.next_channel());
        self.join(&[technology, b"/", endpoint, b"-", &number])
    }

    fn local_names(&mut self, numbers: &mut Numbers) -> (Span, Span) {
        let number = hex(numbers.local);
        numbers.local = numbers.local.wrapping_add(1);
        let exten = self.get(self.local_exten).to_vec();
        let context = self.get(self.local_context).to_vec();
        let pieces: [&[u8]; 6] = [b"Local/", &exten, b"@", &context, b"-", &number];
        let one = self.join(&[&pieces.concat(), b";1"]);
        let two = self.join(&[&pieces.concat(), b";2"]);
        (one, two)
    }

    pub(super) fn get(&self, span: Span) -> &[u8] {
        let at = span.at as usize;
        self.text.get(at..at + span.len as usize).unwrap_or(b"")
    }

    pub(super) fn caller(&self) -> Party<'_> {
        Party {
            num: self.get(self.num),
            name: self.get(self.name),
        }
    }

    pub(super) fn caller_given(&self) -> bool {
        self.num.len + self.name.len > 0
    }

    pub(super) fn target(&self) -> Target<'_> {
        if self.application_given {
            Target::Application {
                application: self.get(self.application),
                data: self.get(self.data),
            }
        } else {
            Target::Exten {
                context: self.get(self.context),
                exten: self.get(self.exten),
                priority: self.priority,
            }
        }
    }

    /// The value of a variable that the originate set, whatever its inheritance.
    pub(super) fn variable(&self, name: &[u8]) -> Option<&[u8]> {
        self.variables
            .iter()
            .find(|(set, _)| without_inheritance(self.get(*set)) == name)
            .map(|(_, value)| self.get(*value))
    }

    /// Whether the call's first channel exists, so that it can be hung up.
    pub(super) fn exists(&self) -> bool {
        self.in_use && self.phase != Phase::Setup
    }

    /// The originated channel before it is answered.
    pub(super) fn leg(&self) -> Leg<'_> {
        let (context, exten) = match self.kind {
            Kind::Direct => (INBOUND, &b"s"[..]),
            Kind::Local => (self.get(self.local_context), self.get(self.local_exten)),
        };
        Leg {
            channel: self.get(self.channel),
            state: self.state,
            caller: self.caller(),
            connected: self.caller(),
            context,
            exten,
            priority: 1,
            uniqueid: self.get(self.id),
            linkedid: self.get(self.id),
        }
    }

    /// The originated channel in the dialplan, `steps` priorities after where it came in.
    pub(super) fn in_dialplan(&self, steps: u32) -> Leg<'_> {
        let leg = self.leg();
        match self.target() {
            Target::Exten {
                context,
                exten,
                priority,
            } => Leg {
                context,
                exten,
                priority: priority.saturating_add(steps),
                ..leg
            },
            Target::Application { .. } => leg,
        }
    }

    /// A leg that the dialplan dialed; its place in the dialplan is the endpoint's.
    pub(super) fn inbound(&self, other: Other, state: State) -> Leg<'_> {
        Leg {
            channel: self.get(other.channel),
            state,
            caller: Party::default(),
            connected: Party::default(),
            context: INBOUND,
            exten: b"s",
            priority: 1,
            uniqueid: self.get(other.id),
            linkedid: self.get(self.id),
        }
    }

    /// Tells the outcome of the originate, once.
    pub(super) fn tell(&mut self, events: &mut Events<'_>, reason: u8) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        if self.waiting.is_some() {
            self.outcome = Some(reason == 4);
            return;
        }
        let answered = reason == 4;
        events.originate_response(&OriginateResponse {
            action_id: self.get(self.action_id),
            channel: self.get(if answered { self.channel } else { self.dial }),
            target: self.target(),
            reason,
            uniqueid: if answered || self.id_given {
                self.get(self.id)
            } else {
                b""
            },
            caller: self.caller(),
        });
    }

    /// The cause of a refusal, with its code where the technology has one.
    pub(super) fn refusal(&self, code: u16) -> Cause {
        Cause {
            q850: crate::sim::fate::cause_of_sip(code),
            sip: (self.sip || self.kind == Kind::Local).then_some(code),
        }
    }

    /// Whether a refusal comes so fast that the channel was hardly there.
    pub(super) fn is_instant(&self) -> bool {
        self.plan.end_at <= SETUP
    }

    /// Does what is due, and says when to come back.
    pub(super) fn step(
        &mut self,
        events: &mut Events<'_>,
        dialplan_variables: &[(String, String)],
    ) -> Next {
        match self.phase {
            Phase::Setup => {
                match self.kind {
                    Kind::Direct => direct::setup(self, events),
                    Kind::Local => local::setup(self, events),
                }
                let signs = self.plan.sign != Sign::Nothing && self.plan.sign_at < self.plan.end_at;
                if signs {
                    self.phase = Phase::Sign;
                    self.at(self.plan.sign_at)
                } else {
                    self.phase = Phase::End;
                    self.at(self.plan.end_at)
                }
            }
            Phase::Sign => {
                if self.has_timed_out(self.plan.sign_at) {
                    return self.end(events, dialplan_variables);
                }
                match self.kind {
                    Kind::Direct => direct::sign(self, events),
                    Kind::Local => local::sign(self, events),
                }
                self.phase = Phase::End;
                self.at(self.plan.end_at)
            }
            Phase::End => self.end(events, dialplan_variables),
            Phase::Talk => {
                match self.kind {
                    Kind::Direct => direct::talked(self, events),
                    Kind::Local => local::talked(self, events),
                }
                Next::Gone
            }
        }
    }

    fn end(&mut self, events: &mut Events<'_>, dialplan_variables: &[(String, String)]) -> Next {
        if self.has_timed_out(self.plan.end_at) {
            match self.kind {
                Kind::Direct => direct::timed_out(self, events),
                Kind::Local => local::timed_out(self, events),
            }
            return Next::Gone;
        }
        if let End::Refused(code) = self.plan.end {
            match self.kind {
                Kind::Direct => direct::refused(self, events, code),
                Kind::Local => local::refused(self, events, code),
            }
            return Next::Gone;
        }
        let answered = self.dialed + Duration::from_millis(u64::from(self.plan.end_at));
        self.answered = Some(answered);
        match self.kind {
            Kind::Direct => direct::answered(self, events),
            Kind::Local => local::answered(self, events),
        }
        if !self.left {
            for (name, value) in dialplan_variables {
                events.varset(&self.in_dialplan(1), name.as_bytes(), value.as_bytes());
            }
        }
        self.phase = Phase::Talk;
        Next::At(answered + Duration::from_millis(u64::from(self.plan.talk)))
    }

    /// Hangs up whatever there is of the call.
    pub(super) fn hang_up(&mut self, events: &mut Events<'_>, cause: Option<u16>) {
        match self.kind {
            Kind::Direct => direct::hung_up(self, events, cause),
            Kind::Local => local::hung_up(self, events, cause),
        }
    }

    /// Whether the originate's timeout comes before that moment, in milliseconds from the originate.
    fn has_timed_out(&self, at: u32) -> bool {
        self.timeout
            .is_some_and(|timeout| timeout <= Duration::from_millis(u64::from(at)))
    }

    /// That moment, or the timeout where it comes first.
    fn at(&self, millis: u32) -> Next {
        let at = Duration::from_millis(u64::from(millis));
        match self.timeout {
            Some(timeout) => Next::At(self.dialed + timeout.min(at)),
            None if millis == u32::MAX => Next::Never,
            None => Next::At(self.dialed + at),
        }
    }
}

/// A variable's name without the underscores that say how it is inherited.
pub(super) fn without_inheritance(name: &[u8]) -> &[u8] {
    name.strip_prefix(b"__")
        .or_else(|| name.strip_prefix(b"_"))
        .unwrap_or(name)
}

/// Eight hexadecimal digits, as at the end of a channel's name.
fn hex(number: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (place, digit) in digits.iter_mut().rev().enumerate() {
        *digit = b"0123456789abcdef"[(number >> (4 * place) & 15) as usize];
    }
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channel_names_end_with_eight_hexadecimal_digits() {
        assert_eq!(&hex(0x2_ba7e), b"0002ba7e");
    }
}
