//! What a Local channel adds to its call: a second half whose dialplan dials a trunk.
//!
//! The dialplan is the kind that `FreePBX` writes: `Dial`, then `Goto(s-${DIALSTATUS})`, then `Busy` or `Congestion`. The
//! first half is the call; why it failed is on the leg that the second half dialed.

use crate::sim::call::SimulatedCall;
use crate::sim::cause::HangupCause;
use crate::sim::channel::ChannelState;
use crate::sim::event::{Events, OUTGOING, OriginateReason};

const CLEARING: HangupCause = HangupCause::CLEARING;

/// The second half gets what the first has, and both are bridged.
pub(super) fn join_halves(call: &mut SimulatedCall, events: &mut Events) {
    events.varsets(&call.second, call.originate.variables().rev());
    call.second.caller = call.originate.caller.clone();
    call.second.connected = call.originate.caller.clone();
    events.new_callerid(&call.second);
    events.new_connected_line(&call.second);
    let optimised = !call.originate.dial_string.ends_with("/n");
    events.local_bridge(&call.first, &call.second, optimised);
}

pub(super) fn rings(call: &mut SimulatedCall, events: &mut Events) {
    events.newstate(&mut call.far, ChannelState::Ringing);
    events.newstate(&mut call.first, ChannelState::Ringing);
    let before = call.plan.order >> 11 & 1 == 0;
    if before {
        events.dial_state(None, &call.first, "RINGING");
    }
    events.own_varsets(&call.second, &[("RINGTIME", "0"), ("RINGTIME_MS", "2")]);
    events.dial_state(Some(&call.second), &call.far, "RINGING");
    if !before {
        events.dial_state(None, &call.first, "RINGING");
    }
}

/// The second half stops dialing, since the first is gone.
pub(super) fn gives_up(call: &mut SimulatedCall, events: &mut Events, cause: HangupCause) {
    events.dial_end(Some(&call.second), &call.far, "CANCEL");
    events.own_varsets(&call.second, &[("DIALSTATUS", "CANCEL")]);
    events.soft_hangup_request(&call.second, CLEARING.q850);
    events.hangup(&mut call.second, cause);
}

/// The far end refused, and the dialplan goes where `DIALSTATUS` says.
pub(super) fn is_refused(call: &mut SimulatedCall, events: &mut Events, cause: HangupCause) {
    let status = cause.dial_status();
    let dialstatus = if status == "NOANSWER" {
        "CHANUNAVAIL"
    } else {
        status
    };
    let (application, dial_end, end, reason) = if status == "BUSY" {
        ("Busy", "BUSY", 17, OriginateReason::Busy)
    } else {
        ("Congestion", "CONGESTION", 34, OriginateReason::Congestion)
    };
    let far_goes = call.plan.order >> 3 & 3;
    events.hangup_request(&call.far, Some(cause));
    events.dial_end(Some(&call.second), &call.far, status);
    events.own_varsets(&call.second, &[("DIALSTATUS", dialstatus)]);
    if far_goes == 0 {
        events.hangup(&mut call.far, cause);
    }
    let exten = format!("s-{dialstatus}");
    call.second.priority = 2;
    events.newexten(&mut call.second, "Goto", format!("{exten},1"));
    call.second.exten = exten.into();
    call.second.priority = 1;
    events.newexten(&mut call.second, application, "3");
    events.newstate(&mut call.second, ChannelState::Busy);
    events.dial_end(None, &call.first, dial_end);
    if far_goes == 1 {
        events.hangup(&mut call.far, cause);
    }
    events.hangup_request(&call.second, Some(HangupCause::plain(0)));
    events.soft_hangup_request(&call.second, CLEARING.q850);
    let order = call.plan.order >> 5 & 3;
    call.report_if(order < 2, events, reason);
    events.hangup(&mut call.second, HangupCause::plain(end));
    call.report_if(order == 2, events, reason);
    events.hangup(&mut call.first, HangupCause::plain(0));
    call.report(events, reason);
    if far_goes > 1 {
        events.hangup(&mut call.far, cause);
    }
}

/// The far leg was answered, and so is the second half.
pub(super) fn far_answers(call: &mut SimulatedCall, events: &mut Events) {
    events.newstate(&mut call.far, ChannelState::Up);
    let peer = [
        ("DIALSTATUS", "ANSWER"),
        ("DIALEDPEERNAME", &call.far.name),
        ("DIALEDPEERNUMBER", &call.far_address),
    ];
    events.own_varsets(&call.second, &peer);
    // `Dial` takes its extension away.
    call.far.exten = "".into();
    events.dial_end(Some(&call.second), &call.far, "ANSWER");
    events.newstate(&mut call.second, ChannelState::Up);
    events.bridge("BridgeCreate", &call.bridge(), 0, None);
    events.newexten(&mut call.far, "AppDial", OUTGOING);
}

pub(super) fn enters_bridge(call: &SimulatedCall, events: &mut Events) {
    let (second, far, bridge) = (&call.second, &call.far, &*call.bridge());
    events.bridge("BridgeEnter", bridge, 1, Some(far));
    events.bridge("BridgeEnter", bridge, 2, Some(second));
    events.own_varsets(far, &[("BRIDGEPEER", &second.name)]);
    let peer = [
        ("BRIDGEPEER", far.name.as_str()),
        ("BRIDGEPVTCALLID", bridge),
    ];
    events.own_varsets(second, &peer);
}

fn second_leaves_bridge(call: &SimulatedCall, events: &mut Events) {
    events.own_varsets(&call.second, &[("BRIDGEPEER", ""), ("BRIDGEPVTCALLID", "")]);
    events.own_varsets(&call.far, &[("BRIDGEPEER", "")]);
    events.bridge("BridgeLeave", &call.bridge(), 1, Some(&call.second));
    let talk = call.plan.talk;
    let whole = talk + call.plan.outcome_at.unwrap_or_default();
    for (variable, time) in [("ANSWEREDTIME", talk), ("DIALEDTIME", whole)] {
        let (seconds, millis) = (time.as_secs().to_string(), time.as_millis().to_string());
        let in_millis = format!("{variable}_MS");
        events.own_varsets(&call.second, &[(variable, &seconds), (&in_millis, &millis)]);
    }
    events.own_varsets(&call.second, &[("DIALSTATUS", "ANSWER")]);
}

/// Both halves follow the far leg, on which the callee hung up.
pub(super) fn halves_follow(call: &mut SimulatedCall, events: &mut Events) {
    second_leaves_bridge(call, events);
    events.hangup_request(&call.first, Some(CLEARING));
    events.hangup(&mut call.second, CLEARING);
    events.soft_hangup_request(&call.first, CLEARING.q850);
    events.hangup(&mut call.first, CLEARING);
    events.bridge("BridgeDestroy", &call.bridge(), 0, None);
}

/// An answered call is hung up on its first half, and the rest follows.
pub(super) fn is_hung_up(call: &mut SimulatedCall, events: &mut Events, cause: HangupCause) {
    events.hangup_request(&call.second, Some(cause));
    events.hangup(&mut call.first, cause);
    second_leaves_bridge(call, events);
    events.soft_hangup_request(&call.second, CLEARING.q850);
    events.hangup(&mut call.second, cause);
    events.bridge("BridgeLeave", &call.bridge(), 0, Some(&call.far));
    events.bridge("BridgeDestroy", &call.bridge(), 0, None);
    events.rtp_statistics(&call.far);
    events.hangup(&mut call.far, CLEARING);
}
