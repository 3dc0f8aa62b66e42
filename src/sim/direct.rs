//! What Asterisk 22 tells of a call on one channel, such as `PJSIP/100@carrier`.

use crate::sim::call::Call;
use crate::sim::event::{Cause, Events, Leg, Party, State, Target};
use crate::sim::fate::{End, EndedBy, Sign, cause_of_sip};

/// The cause that a ring timeout ends with; 480 is what Asterisk makes up for it.
pub(super) const TIMED_OUT: Cause = Cause {
    q850: 19,
    sip: Some(480),
};

/// `Reason:` of an outcome.
pub(super) const FAILED: u8 = 0;
pub(super) const RANG_OUT: u8 = 3;
pub(super) const ANSWERED: u8 = 4;

/// The channel appears and its destination is dialed.
pub(super) fn setup(call: &mut Call, events: &mut Events<'_>) {
    // Asterisk tells the outcome from another thread. A fast failure overtakes even the beginning.
    let early = call.is_instant()
        && matches!(call.plan.end, End::Refused(_))
        && call.plan.order >> 7 & 7 < 3;
    let first = early && call.plan.order >> 10 & 1 == 0;
    if first {
        call.tell(events, FAILED);
    }
    let unnamed = anonymous(&call.leg());
    events.newchannel(&unnamed);
    events.newexten(&unnamed, b"AppDial2", b"(Outgoing Line)");
    if early {
        call.tell(events, FAILED);
    }
    set_variables(call, &anonymous(&call.leg()), events);
    name_caller(call, events);
    events.dial_begin(None, &call.leg(), call.get(call.address));
}

/// The channel before anybody told it who calls.
pub(super) fn anonymous<'a>(leg: &Leg<'a>) -> Leg<'a> {
    Leg {
        caller: Party::default(),
        connected: Party::default(),
        ..*leg
    }
}

pub(super) fn set_variables(call: &Call, leg: &Leg<'_>, events: &mut Events<'_>) {
    for &(name, value) in &call.variables {
        events.varset(leg, call.get(name), call.get(value));
    }
}

pub(super) fn name_caller(call: &Call, events: &mut Events<'_>) {
    if call.caller_given() {
        let leg = call.leg();
        events.new_callerid(&Leg {
            connected: Party::default(),
            ..leg
        });
        events.new_connected_line(&leg);
    }
}

/// The far end rings, or sends early media.
pub(super) fn sign(call: &mut Call, events: &mut Events<'_>) {
    if call.plan.sign == Sign::Progress {
        events.dial_state(None, &call.leg(), "PROGRESS");
        return;
    }
    let before = (call.plan.order >> 11).is_multiple_of(4);
    if before {
        events.dial_state(None, &call.leg(), "RINGING");
    }
    call.state = State::Ringing;
    events.newstate(&call.leg());
    if !before {
        events.dial_state(None, &call.leg(), "RINGING");
    }
}

/// The originate timed out. No `DialEnd` comes.
pub(super) fn timed_out(call: &mut Call, events: &mut Events<'_>) {
    let cause = Cause {
        sip: TIMED_OUT.sip.filter(|_| call.sip),
        ..TIMED_OUT
    };
    let late = call.plan.order >> 3 & 15 < 3;
    if !late {
        call.tell(events, RANG_OUT);
    }
    events.hangup(&call.leg(), cause);
    call.tell(events, RANG_OUT);
}

/// How `DialEnd` words a cause.
pub(super) fn dial_status(q850: u16) -> &'static str {
    match q850 {
        17 => "BUSY",
        34 | 42 => "CONGESTION",
        _ => "NOANSWER",
    }
}

/// The far end refused.
pub(super) fn refused(call: &mut Call, events: &mut Events<'_>, code: u16) {
    let cause = call.refusal(code);
    let leg = call.leg();
    if call.plan.sign != Sign::Nothing {
        events.rtp_statistics(&leg);
    }
    events.hangup_request(&leg, Some(cause));
    let order = call.plan.order >> 3 & 15;
    if (1..6).contains(&order) {
        call.tell(events, FAILED);
    }
    events.dial_end(None, &call.leg(), dial_status(cause.q850));
    if order != 0 {
        call.tell(events, FAILED);
    }
    events.hangup(&call.leg(), cause);
    call.tell(events, FAILED);
}

/// The far end answered, or sent us elsewhere.
pub(super) fn answered(call: &mut Call, events: &mut Events<'_>) {
    if call.plan.end == End::Redirected {
        redirected(call, events);
        return;
    }
    let order = call.plan.order & 7;
    if order == 0 {
        call.tell(events, ANSWERED);
    }
    call.state = State::Up;
    events.newstate(&call.leg());
    events.dial_end(None, &call.leg(), "ANSWER");
    if order < 3 {
        call.tell(events, ANSWERED);
    }
    begin_dialplan(call, events, order < 6);
    call.tell(events, ANSWERED);
    if call.plan.end == End::OperatorBusy {
        dial_operator(call, events);
    }
}

/// The first steps of the dialplan; `between` tells the outcome after the first one.
pub(super) fn begin_dialplan(call: &mut Call, events: &mut Events<'_>, between: bool) {
    if matches!(call.target(), Target::Application { .. }) {
        return;
    }
    events.newexten(&call.in_dialplan(0), b"Answer", b"");
    if between {
        call.tell(events, ANSWERED);
    }
    if call.plan.end == End::OperatorBusy {
        let leg = call.in_dialplan(1);
        events.newexten(&leg, b"Dial", b"PJSIP/9@operator,5");
        clear_dial_variables(&leg, events);
    } else {
        events.newexten(&call.in_dialplan(1), b"Wait", b"1");
    }
}

/// What `Dial` clears before it begins.
pub(super) fn clear_dial_variables(leg: &Leg<'_>, events: &mut Events<'_>) {
    for variable in [
        "DIALSTATUS",
        "DIALEDPEERNUMBER",
        "DIALEDPEERNAME",
        "ANSWEREDTIME",
        "ANSWEREDTIME_MS",
        "DIALEDTIME",
        "DIALEDTIME_MS",
        "RINGTIME",
        "RINGTIME_MS",
        "PROGRESSTIME",
        "PROGRESSTIME_MS",
    ] {
        events.own_varset(leg, variable, b"");
    }
}

/// The operator's leg, and the caller's once the operator is dialed.
fn operator(call: &Call) -> Leg<'_> {
    Leg {
        caller: Party {
            num: b"s",
            name: call.caller().name,
        },
        connected: call.caller(),
        ..call.inbound(call.far, State::Down)
    }
}

fn with_operator(call: &Call, steps: u32) -> Leg<'_> {
    Leg {
        connected: operator(call).caller,
        ..call.in_dialplan(steps)
    }
}

fn dial_operator(call: &Call, events: &mut Events<'_>) {
    let operator = operator(call);
    let unnamed = anonymous(&operator);
    events.newchannel(&unnamed);
    events.own_varset(&unnamed, "DIALEDPEERNUMBER", call.get(call.far_address));
    events.newexten(&operator, b"AppDial", b"(Outgoing Line)");
    events.new_callerid(&operator);
    events.new_connected_line(&operator);
    events.dial_begin(
        Some(&call.in_dialplan(1)),
        &operator,
        call.get(call.far_address),
    );
    events.new_connected_line(&with_operator(call, 1));
}

/// The operator is busy, and the dialplan hangs up with that cause. It says nothing of the call, which was answered.
fn operator_is_busy(call: &Call, events: &mut Events<'_>) {
    let busy = Cause {
        q850: 17,
        sip: Some(486),
    };
    let operator = operator(call);
    let leg = with_operator(call, 1);
    events.hangup_request(&operator, Some(busy));
    events.dial_end(Some(&leg), &operator, "BUSY");
    events.own_varset(&leg, "DIALSTATUS", b"BUSY");
    let leg = with_operator(call, 2);
    events.newexten(&leg, b"Hangup", b"17");
    events.soft_hangup_request(&leg, 16);
    events.hangup(&operator, busy);
    events.rtp_statistics(&leg);
    events.hangup(&leg, busy);
}

/// The halves of the Local channel that a redirect makes: the first, in the dialplan, and the second.
fn redirect_halves(call: &Call, state: (State, State)) -> (Leg<'_>, Leg<'_>) {
    let place = |leg| Leg {
        exten: call.get(call.local_exten),
        linkedid: call.get(call.far.id),
        ..leg
    };
    (
        place(call.inbound(call.far, state.0)),
        place(call.inbound(call.second, state.1)),
    )
}

fn redirected(call: &mut Call, events: &mut Events<'_>) {
    let moved = Cause {
        q850: 23,
        sip: Some(302),
    };
    let (one, two) = redirect_halves(call, (State::Down, State::Ring));
    events.newchannel(&one);
    events.newchannel(&two);
    events.newexten(&one, b"AppDial2", b"(Outgoing Line)");
    events.own_varset(&one, "FORWARDERNAME", call.get(call.channel));
    events.own_varset(&two, "FORWARDERNAME", call.get(call.channel));
    events.local_bridge(&one, &two, true);
    let target = call.get(call.local_exten);
    let dial_string = [target, b"@", call.get(call.local_context)].concat();
    events.dial_begin(None, &one, &dial_string);
    events.dial_end_forwarded(&call.leg(), target);
    events.newexten(&two, b"Answer", b"");
    events.hangup_request(&call.leg(), Some(moved));
    let (one, two) = redirect_halves(call, (State::Up, State::Up));
    events.newstate(&two);
    events.newstate(&one);
    events.dial_end(None, &one, "ANSWER");
    call.tell(events, ANSWERED);
    let (one, _) = redirect_halves(call, (State::Up, State::Up));
    for (steps, application, data) in [(0, &b"Answer"[..], &b""[..]), (1, b"Wait", b"1")] {
        let leg = redirected_in_dialplan(call, &one, steps);
        events.newexten(&leg, application, data);
    }
    events.hangup(&call.leg(), moved);
    call.left = true;
}

/// The first half of the redirect's Local channel, which runs the dialplan in place of the originated channel.
fn redirected_in_dialplan<'a>(call: &'a Call, one: &Leg<'a>, steps: u32) -> Leg<'a> {
    let place = call.in_dialplan(steps);
    Leg {
        context: place.context,
        exten: place.exten,
        priority: place.priority,
        ..*one
    }
}

fn redirected_ends(call: &Call, events: &mut Events<'_>, cause: u16) {
    let (half, two) = redirect_halves(call, (State::Up, State::Up));
    let two = Leg { priority: 2, ..two };
    events.newexten(&two, b"Wait", b"1");
    let one = redirected_in_dialplan(call, &half, 2);
    events.newexten(&one, b"Playback", b"silence/1");
    events.own_varset(&one, "PLAYBACKSTATUS", b"FAILED");
    let one = redirected_in_dialplan(call, &half, 3);
    events.newexten(&one, b"Hangup", b"");
    events.soft_hangup_request(&one, 16);
    events.hangup_request(&two, Some(Cause::plain(cause)));
    events.hangup(&one, Cause::plain(cause));
    events.soft_hangup_request(&two, 16);
    events.hangup(&two, Cause::plain(cause));
}

/// The conversation is over.
pub(super) fn talked(call: &mut Call, events: &mut Events<'_>) {
    match call.plan.end {
        End::OperatorBusy => operator_is_busy(call, events),
        End::Redirected => redirected_ends(call, events, 16),
        End::Answered(EndedBy::Callee) => {
            let leg = call.in_dialplan(1);
            events.rtp_statistics(&leg);
            events.hangup_request(&leg, None);
            events.soft_hangup_request(&leg, 16);
            events.hangup(&leg, Cause::plain(0));
        }
        _ if matches!(call.target(), Target::Application { .. }) => {
            // The application returned, and nothing follows it.
            events.rtp_statistics(&call.leg());
            events.hangup(&call.leg(), Cause::plain(0));
        }
        _ => {
            play_and_hang_up(call, events);
            events.rtp_statistics(&call.in_dialplan(3));
            events.hangup(&call.in_dialplan(3), Cause::plain(16));
        }
    }
}

/// The last steps of a dialplan that plays something and hangs up.
pub(super) fn play_and_hang_up(call: &Call, events: &mut Events<'_>) {
    let leg = call.in_dialplan(2);
    events.newexten(&leg, b"Playback", b"silence/1");
    events.own_varset(&leg, "PLAYBACKSTATUS", b"SUCCESS");
    let leg = call.in_dialplan(3);
    events.newexten(&leg, b"Hangup", b"");
    events.soft_hangup_request(&leg, 16);
}

/// Somebody hung the call up through AMI. A cause is passed on only if one was given.
pub(super) fn hung_up(call: &mut Call, events: &mut Events<'_>, cause: Option<u16>) {
    let given = hangup_cause(call, cause);
    if call.left {
        redirected_ends(call, events, given.q850);
        return;
    }
    if call.state == State::Up {
        let leg = call.in_dialplan(1);
        events.soft_hangup_request(&leg, 16);
        if call.plan.end == End::OperatorBusy {
            let operator = operator(call);
            events.dial_end(Some(&with_operator(call, 1)), &operator, "CANCEL");
            events.hangup(&operator, Cause::plain(0));
        }
        let leg = call.in_dialplan(1);
        events.rtp_statistics(&leg);
        events.hangup(&leg, given);
        return;
    }
    events.dial_end(None, &call.leg(), dial_status(given.q850));
    call.tell(events, FAILED);
    events.hangup(&call.leg(), given);
}

/// The cause of a hangup through AMI: 0, or the one given, with the SIP code that Asterisk sends for it.
pub(super) fn hangup_cause(call: &Call, cause: Option<u16>) -> Cause {
    let Some(q850) = cause else {
        return Cause::plain(0);
    };
    let sip = [486, 480, 404, 403, 503, 500]
        .into_iter()
        .find(|code| cause_of_sip(*code) == q850);
    Cause {
        q850,
        sip: sip.filter(|_| call.sip),
    }
}
