//! What Asterisk 22 tells of a call through a Local channel whose dialplan dials a trunk.
//!
//! The dialplan is the kind that `FreePBX` writes: `Dial`, then `Goto(s-${DIALSTATUS})`, then `Busy` or `Congestion`. The
//! first half is the call; why it failed stands on the leg that the second half dialed.

use crate::sim::call::{Call, without_inheritance};
use crate::sim::direct::{
    self, ANSWERED, FAILED, RANG_OUT, TIMED_OUT, anonymous, begin_dialplan, clear_dial_variables,
    dial_status, play_and_hang_up, set_variables,
};
use crate::sim::event::{Bridge, Cause, Events, Leg, Party, State, Target};
use crate::sim::fate::{End, EndedBy, Sign};

/// `Reason:` after `Busy()` and `Congestion()`.
const BUSY: u8 = 5;
const CONGESTION: u8 = 8;

/// The second half, which runs the dialplan.
fn second(call: &Call, state: State) -> Leg<'_> {
    Leg {
        channel: call.get(call.second.channel),
        state,
        uniqueid: call.get(call.second.id),
        ..call.leg()
    }
}

/// The leg that was dialed. Its own number is the extension that was dialed.
fn far(call: &Call) -> Leg<'_> {
    Leg {
        caller: Party {
            num: call.get(call.local_exten),
            name: call.caller().name,
        },
        connected: call.caller(),
        exten: call.get(call.local_exten),
        ..call.inbound(call.far, call.far_state)
    }
}

/// The leg once it was answered: `Dial` takes its extension away.
fn far_answered(call: &Call) -> Leg<'_> {
    Leg {
        exten: b"",
        ..far(call)
    }
}

fn bridge(call: &Call, channels: u32) -> Bridge<'_> {
    Bridge {
        uniqueid: call.get(call.bridge),
        channels,
    }
}

pub(super) fn setup(call: &mut Call, events: &mut Events<'_>) {
    let one = anonymous(&call.leg());
    let two = anonymous(&second(call, State::Ring));
    events.newchannel(&one);
    events.newchannel(&two);
    events.newexten(&one, b"AppDial2", b"(Outgoing Line)");
    set_variables(call, &one, events);
    direct::name_caller(call, events);
    for &(name, value) in call.variables.iter().rev() {
        events.varset(&two, call.get(name), call.get(value));
    }
    let two = second(call, State::Ring);
    events.new_callerid(&two);
    events.new_connected_line(&two);
    events.local_bridge(&call.leg(), &two, !call.get(call.dial).ends_with(b"/n"));
    events.dial_begin(None, &call.leg(), call.get(call.address));
    let dial = [b"PJSIP/", call.get(call.far_address), b",20"].concat();
    events.newexten(&two, b"Dial", &dial);
    clear_dial_variables(&two, events);
    dial_far(call, events);
}

fn dial_far(call: &Call, events: &mut Events<'_>) {
    let far = far(call);
    let unnamed = Leg {
        exten: b"s",
        ..anonymous(&far)
    };
    events.newchannel(&unnamed);
    events.own_varset(&unnamed, "DIALEDPEERNUMBER", call.get(call.far_address));
    for &(name, value) in &call.variables {
        let name = call.get(name);
        // Two underscores are inherited for ever, one once, and then it is gone from the name.
        if name.starts_with(b"__") {
            events.varset(&unnamed, name, call.get(value));
        } else if name.starts_with(b"_") {
            events.varset(&unnamed, without_inheritance(name), call.get(value));
        }
    }
    events.newexten(&far, b"AppDial", b"(Outgoing Line)");
    events.new_callerid(&far);
    events.new_connected_line(&far);
    let two = second(call, State::Ring);
    events.dial_begin(Some(&two), &far, call.get(call.far_address));
}

pub(super) fn sign(call: &mut Call, events: &mut Events<'_>) {
    if call.plan.sign == Sign::Progress {
        let two = second(call, State::Ring);
        events.dial_state(Some(&two), &far(call), "PROGRESS");
        events.dial_state(None, &call.leg(), "PROGRESS");
        return;
    }
    call.far_state = State::Ringing;
    events.newstate(&far(call));
    call.state = State::Ringing;
    events.newstate(&call.leg());
    let two = second(call, State::Ring);
    let before = call.plan.order >> 11 & 1 == 0;
    if before {
        events.dial_state(None, &call.leg(), "RINGING");
    }
    events.own_varset(&two, "RINGTIME", b"0");
    events.own_varset(&two, "RINGTIME_MS", b"2");
    events.dial_state(Some(&two), &far(call), "RINGING");
    if !before {
        events.dial_state(None, &call.leg(), "RINGING");
    }
}

pub(super) fn timed_out(call: &mut Call, events: &mut Events<'_>) {
    let cause = Cause::plain(TIMED_OUT.q850);
    events.hangup_request(&second(call, State::Ring), Some(cause));
    let late = call.plan.order >> 3 & 1 == 0;
    if !late {
        call.tell(events, RANG_OUT);
    }
    events.hangup(&call.leg(), cause);
    call.tell(events, RANG_OUT);
    second_gives_up(call, events, cause);
    events.hangup(&far(call), TIMED_OUT);
}

/// The second half stops dialing, since the first is gone.
fn second_gives_up(call: &Call, events: &mut Events<'_>, cause: Cause) {
    let two = second(call, State::Ring);
    events.dial_end(Some(&two), &far(call), "CANCEL");
    events.own_varset(&two, "DIALSTATUS", b"CANCEL");
    events.soft_hangup_request(&two, 16);
    events.hangup(&two, cause);
}

pub(super) fn refused(call: &mut Call, events: &mut Events<'_>, code: u16) {
    let cause = call.refusal(code);
    let status = dial_status(cause.q850);
    // What `Dial` leaves in DIALSTATUS, and so where the dialplan goes.
    let (dialstatus, application, end, reason) = match status {
        "BUSY" => ("BUSY", "Busy", 17, BUSY),
        "CONGESTION" => ("CONGESTION", "Congestion", 34, CONGESTION),
        _ => ("CHANUNAVAIL", "Congestion", 34, CONGESTION),
    };
    let far_goes = call.plan.order >> 3 & 3;
    let two = second(call, State::Ring);
    events.hangup_request(&far(call), Some(cause));
    events.dial_end(Some(&two), &far(call), status);
    events.own_varset(&two, "DIALSTATUS", dialstatus.as_bytes());
    if far_goes == 0 {
        events.hangup(&far(call), cause);
    }
    let exten = format!("s-{dialstatus}");
    let goto = Leg { priority: 2, ..two };
    events.newexten(&goto, b"Goto", format!("{exten},1").as_bytes());
    let there = Leg {
        exten: exten.as_bytes(),
        ..two
    };
    events.newexten(&there, application.as_bytes(), b"3");
    let there = Leg {
        state: State::Busy,
        ..there
    };
    events.newstate(&there);
    let told = if end == 17 { "BUSY" } else { "CONGESTION" };
    events.dial_end(None, &call.leg(), told);
    if far_goes == 1 {
        events.hangup(&far(call), cause);
    }
    events.hangup_request(&there, Some(Cause::plain(0)));
    events.soft_hangup_request(&there, 16);
    let order = call.plan.order >> 5 & 3;
    let two_goes = |call: &Call, events: &mut Events<'_>| {
        let there = Leg {
            exten: exten.as_bytes(),
            ..second(call, State::Busy)
        };
        events.hangup(&there, Cause::plain(end));
    };
    if order < 2 {
        call.tell(events, reason);
        two_goes(call, events);
    } else {
        two_goes(call, events);
        if order == 2 {
            call.tell(events, reason);
        }
    }
    events.hangup(&call.leg(), Cause::plain(0));
    call.tell(events, reason);
    if far_goes > 1 {
        events.hangup(&far(call), cause);
    }
}

pub(super) fn answered(call: &mut Call, events: &mut Events<'_>) {
    call.far_state = State::Up;
    events.newstate(&far(call));
    let two = second(call, State::Ring);
    events.own_varset(&two, "DIALSTATUS", b"ANSWER");
    events.own_varset(&two, "DIALEDPEERNAME", call.get(call.far.channel));
    events.own_varset(&two, "DIALEDPEERNUMBER", call.get(call.far_address));
    events.dial_end(Some(&two), &far_answered(call), "ANSWER");
    events.newstate(&second(call, State::Up));
    events.bridge("BridgeCreate", bridge(call, 0), None);
    events.newexten(&far_answered(call), b"AppDial", b"(Outgoing Line)");
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
    let two = second(call, State::Up);
    let far = far_answered(call);
    events.bridge("BridgeEnter", bridge(call, 1), Some(&far));
    events.bridge("BridgeEnter", bridge(call, 2), Some(&two));
    events.own_varset(&far, "BRIDGEPEER", two.channel);
    events.own_varset(&two, "BRIDGEPEER", far.channel);
    events.own_varset(&two, "BRIDGEPVTCALLID", call.get(call.bridge));
}

pub(super) fn talked(call: &mut Call, events: &mut Events<'_>) {
    if call.plan.end == End::Answered(EndedBy::Callee) {
        let far = far_answered(call);
        events.rtp_statistics(&far);
        events.hangup_request(&far, None);
        events.soft_hangup_request(&far, 16);
        events.hangup(&far, Cause::plain(0));
        leave_bridge(call, events);
        let two = second(call, State::Up);
        let one = call.in_dialplan(1);
        events.hangup_request(&one, Some(Cause::plain(16)));
        events.hangup(&two, Cause::plain(16));
        events.soft_hangup_request(&one, 16);
        events.hangup(&one, Cause::plain(16));
        events.bridge("BridgeDestroy", bridge(call, 0), None);
        return;
    }
    if matches!(call.target(), Target::Exten { .. }) {
        play_and_hang_up(call, events);
    }
    let one = call.in_dialplan(3);
    events.hangup_request(&second(call, State::Up), Some(Cause::plain(16)));
    events.hangup(&one, Cause::plain(16));
    second_and_far_go(call, events, Cause::plain(16));
}

fn leave_bridge(call: &Call, events: &mut Events<'_>) {
    let two = second(call, State::Up);
    let far = far_answered(call);
    events.own_varset(&two, "BRIDGEPEER", b"");
    events.own_varset(&two, "BRIDGEPVTCALLID", b"");
    events.own_varset(&far, "BRIDGEPEER", b"");
    events.bridge("BridgeLeave", bridge(call, 1), Some(&two));
    let talk = u64::from(call.plan.talk);
    let whole = talk + u64::from(call.plan.end_at);
    let mut number = Vec::new();
    for (variable, value) in [
        ("ANSWEREDTIME", talk / 1000),
        ("ANSWEREDTIME_MS", talk),
        ("DIALEDTIME", whole / 1000),
        ("DIALEDTIME_MS", whole),
    ] {
        number.clear();
        crate::sim::event::decimal(&mut number, value);
        events.own_varset(&two, variable, &number);
    }
    events.own_varset(&two, "DIALSTATUS", b"ANSWER");
}

/// The answered far side goes, after the first half.
fn second_and_far_go(call: &Call, events: &mut Events<'_>, cause: Cause) {
    leave_bridge(call, events);
    let two = second(call, State::Up);
    let far = far_answered(call);
    events.soft_hangup_request(&two, 16);
    events.hangup(&two, cause);
    events.bridge("BridgeLeave", bridge(call, 0), Some(&far));
    events.bridge("BridgeDestroy", bridge(call, 0), None);
    events.rtp_statistics(&far);
    events.hangup(&far, Cause::plain(16));
}

pub(super) fn hung_up(call: &mut Call, events: &mut Events<'_>, cause: Option<u16>) {
    let cause = direct::hangup_cause(call, cause);
    if call.state == State::Up {
        let one = call.in_dialplan(1);
        events.soft_hangup_request(&one, 16);
        events.hangup_request(&second(call, State::Up), Some(cause));
        events.hangup(&one, cause);
        second_and_far_go(call, events, cause);
        return;
    }
    events.dial_end(None, &call.leg(), dial_status(cause.q850));
    events.hangup_request(&second(call, State::Ring), Some(cause));
    call.tell(events, FAILED);
    second_gives_up(call, events, cause);
    events.hangup(&call.leg(), cause);
    events.hangup(&far(call), Cause::plain(16));
}
