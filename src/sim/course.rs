//! What Asterisk 22 sends of a call, step by step, on the originated channel.
//!
//! It is the same whether that channel leads to a trunk, such as `PJSIP/100@carrier`, or is the first half of a Local
//! channel; what the second half adds is in `local`. The order of some events is drawn, as it is from Asterisk's threads.

use std::time::Duration;

use crate::sim::call::{CallStep, SimulatedCall};
use crate::sim::cause::{HangupCause, cause_of_sip};
use crate::sim::channel::{Channel, ChannelState, FORWARD, INBOUND, Party};
use crate::sim::dial_string::DialString;
use crate::sim::event::{Events, OUTGOING, OriginateReason};
use crate::sim::fate::{CallFate, RingSignal, SETUP};
use crate::sim::local;
use crate::sim::originate::Originate;

const CLEARING: HangupCause = HangupCause::CLEARING;

/// Does what is due, and says how long after the originate to come back; `None`: not before somebody hangs up.
pub(super) fn step(
    call: &mut SimulatedCall,
    events: &mut Events,
    dialplan_variables: &[(String, String)],
) -> Option<Duration> {
    match call.next {
        CallStep::Setup => setup(call, events),
        CallStep::Signal => signal(call, events),
        CallStep::Outcome => outcome(call, events, dialplan_variables),
        CallStep::Hangup => conversation_ends(call, events),
    }
    let plan = &call.plan;
    let (next, at) = match call.next {
        CallStep::Setup if plan.has_signal() => (CallStep::Signal, Some(plan.signal_at)),
        CallStep::Setup | CallStep::Signal => (CallStep::Outcome, plan.outcome_at),
        CallStep::Outcome | CallStep::Hangup => {
            let ends_at = plan.outcome_at.map(|at| at + plan.talk);
            (CallStep::Hangup, ends_at)
        }
    };
    call.next = next;
    at
}

fn outcome(call: &mut SimulatedCall, events: &mut Events, dialplan_variables: &[(String, String)]) {
    match call.plan.fate {
        CallFate::Unanswered | CallFate::NoChannel => return times_out(call, events),
        CallFate::Refused(code) => return is_refused(call, events, code),
        CallFate::Redirected if !call.is_local => is_redirected(call, events),
        CallFate::Answered
        | CallFate::CalleeHangsUp
        | CallFate::OperatorBusy
        | CallFate::Redirected => {
            is_answered(call, events);
            let set = dialplan_variables.iter();
            let set = set.map(|(name, value)| format!("{name}={value}"));
            call.originate.variables.splice(0..0, set);
            let set = call.originate.variables().take(dialplan_variables.len());
            events.varsets(&call.first, set);
        }
    }
    call.answered = call.plan.outcome_at.map(|at| call.dialed + at);
}

/// The channel appears and its destination is dialed.
fn setup(call: &mut SimulatedCall, events: &mut Events) {
    // The outcome comes from another thread. A fast failure overtakes even the beginning.
    let order = call.plan.order;
    let early = matches!(call.plan.fate, CallFate::Refused(_))
        && call.plan.outcome_at <= Some(SETUP)
        && !call.is_local
        && order >> 7 & 7 < 3;
    let first = early && order >> 10 & 1 == 0;
    call.report_if(first, events, OriginateReason::Failed);
    events.newchannel(&mut call.first);
    if call.is_local {
        events.newchannel(&mut call.second);
    }
    events.newexten(&mut call.first, "AppDial2", OUTGOING);
    call.report_if(early, events, OriginateReason::Failed);
    events.varsets(&call.first, call.originate.variables());
    let caller = &call.originate.caller;
    if *caller != Party::default() {
        call.first.caller = caller.clone();
        events.new_callerid(&call.first);
        call.first.connected = caller.clone();
        events.new_connected_line(&call.first);
    }
    if call.is_local {
        local::join_halves(call, events);
    }
    let address = DialString::parse(&call.originate.dial_string).address;
    events.dial_begin(None, &call.first, address);
    if call.is_local {
        dial_far(call, events);
    }
}

/// What `Dial` clears before it begins.
const CLEARED: &str = "DIALSTATUS DIALEDPEERNUMBER DIALEDPEERNAME ANSWEREDTIME ANSWEREDTIME_MS \
    DIALEDTIME DIALEDTIME_MS RINGTIME RINGTIME_MS PROGRESSTIME PROGRESSTIME_MS";

/// The dialplan dials the far leg: from the second half of a Local channel, or from an answered one.
fn dial_far(call: &mut SimulatedCall, events: &mut Events) {
    let (far, address) = (&mut call.far, &*call.far_address);
    let dialer = if call.is_local {
        &mut call.second
    } else {
        &mut call.first
    };
    events.newexten(dialer, "Dial", format!("PJSIP/{address},20"));
    for variable in CLEARED.split(' ') {
        events.own_varsets(dialer, &[(variable, "")]);
    }
    events.newchannel(far);
    events.own_varsets(far, &[("DIALEDPEERNUMBER", address)]);
    let inherited = call.originate.variables().filter_map(|(name, value)| {
        // Two underscores are inherited for ever, one once, and then it is gone from the name.
        let for_ever = name.starts_with("__").then_some(name);
        Some((for_ever.or_else(|| name.strip_prefix('_'))?, value))
    });
    events.varsets(far, inherited);
    far.exten.clone_from(&dialer.exten);
    far.caller = Party {
        number: (&*dialer.exten).into(),
        name: call.originate.caller.name.clone(),
    };
    far.connected = call.originate.caller.clone();
    events.newexten(far, "AppDial", OUTGOING);
    events.new_callerid(far);
    events.new_connected_line(far);
    events.dial_begin(Some(dialer), far, address);
}

/// The far end rings, or sends early media.
fn signal(call: &mut SimulatedCall, events: &mut Events) {
    if call.plan.signal == RingSignal::Progress {
        if call.is_local {
            events.dial_state(Some(&call.second), &call.far, "PROGRESS");
        }
        events.dial_state(None, &call.first, "PROGRESS");
        return;
    }
    if call.is_local {
        return local::rings(call, events);
    }
    let before = (call.plan.order >> 11).is_multiple_of(4);
    if before {
        events.dial_state(None, &call.first, "RINGING");
    }
    events.newstate(&mut call.first, ChannelState::Ringing);
    if !before {
        events.dial_state(None, &call.first, "RINGING");
    }
}

/// The originate timed out. No `DialEnd` comes.
fn times_out(call: &mut SimulatedCall, events: &mut Events) {
    // 480 is what Asterisk makes up for it.
    let cause = call.own_cause(19, 480);
    if call.is_local {
        events.hangup_request(&call.second, Some(cause));
    }
    let here = call.plan.order >> 3 & 15 >= 3;
    call.report_if(here, events, OriginateReason::RingTimeout);
    events.hangup(&mut call.first, cause);
    call.report(events, OriginateReason::RingTimeout);
    if call.is_local {
        local::gives_up(call, events, cause);
        events.hangup(&mut call.far, HangupCause::sip(19, 480));
    }
}

/// The far end refused.
fn is_refused(call: &mut SimulatedCall, events: &mut Events, code: u16) {
    if call.is_local {
        return local::is_refused(call, events, HangupCause::sip(cause_of_sip(code), code));
    }
    let cause = call.own_cause(cause_of_sip(code), code);
    if call.plan.signal != RingSignal::Nothing {
        events.rtp_statistics(&call.first);
    }
    events.hangup_request(&call.first, Some(cause));
    let order = call.plan.order >> 3 & 15;
    call.report_if((1..6).contains(&order), events, OriginateReason::Failed);
    events.dial_end(None, &call.first, cause.dial_status());
    call.report_if(order != 0, events, OriginateReason::Failed);
    events.hangup(&mut call.first, cause);
    call.report(events, OriginateReason::Failed);
}

/// The far end answered.
fn is_answered(call: &mut SimulatedCall, events: &mut Events) {
    if call.is_local {
        local::far_answers(call, events);
    }
    let order = call.plan.order & 7;
    call.report_if(order == 0, events, OriginateReason::Answered);
    events.newstate(&mut call.first, ChannelState::Up);
    events.dial_end(None, &call.first, "ANSWER");
    call.report_if(order < 3, events, OriginateReason::Answered);
    enter_dialplan(&mut call.first, &call.originate, events);
    call.report_if(order < 6, events, OriginateReason::Answered);
    if call.dials_operator() {
        call.report(events, OriginateReason::Answered);
        call.first.priority += 1;
        dial_far(call, events);
        call.first.connected = call.far.caller.clone();
        events.new_connected_line(&call.first);
    } else if call.runs_extension() {
        run_next(&mut call.first, "Wait", "1", events);
    }
    call.report(events, OriginateReason::Answered);
    if call.is_local {
        local::enters_bridge(call, events);
    }
}

/// An answered channel goes where the originate said.
fn enter_dialplan(channel: &mut Channel, originate: &Originate, events: &mut Events) {
    if originate.application.is_empty() {
        channel.context = originate.context.clone().into();
        channel.exten = originate.exten.clone().into();
        channel.priority = originate.priority;
        events.newexten(channel, "Answer", "");
    } else {
        channel.application = originate.application.clone().into();
        channel.data = originate.data.clone().into();
    }
}

/// The dialplan goes to the next priority.
fn run_next(
    channel: &mut Channel,
    application: &'static str,
    data: &'static str,
    events: &mut Events,
) {
    channel.priority += 1;
    events.newexten(channel, application, data);
}

/// The last steps of a dialplan that plays something and hangs up.
fn play_and_hang_up(channel: &mut Channel, status: &str, events: &mut Events) {
    run_next(channel, "Playback", "silence/1", events);
    events.own_varsets(channel, &[("PLAYBACKSTATUS", status)]);
    run_next(channel, "Hangup", "", events);
    events.soft_hangup_request(channel, CLEARING.q850);
}

/// The far end sent us elsewhere, and there it is answered.
fn is_redirected(call: &mut SimulatedCall, events: &mut Events) {
    let moved = call.own_cause(23, 302);
    events.newchannel(&mut call.far);
    events.newchannel(&mut call.second);
    events.newexten(&mut call.far, "AppDial2", OUTGOING);
    let forwarder = [("FORWARDERNAME", call.first.name.as_str())];
    events.own_varsets(&call.far, &forwarder);
    events.own_varsets(&call.second, &forwarder);
    events.local_bridge(&call.far, &call.second, true);
    events.dial_begin(None, &call.far, &format!("{FORWARD}@{INBOUND}"));
    events.dial_end_forwarded(&call.first, FORWARD);
    events.newexten(&mut call.second, "Answer", "");
    events.hangup_request(&call.first, Some(moved));
    events.newstate(&mut call.second, ChannelState::Up);
    events.newstate(&mut call.far, ChannelState::Up);
    events.dial_end(None, &call.far, "ANSWER");
    call.report(events, OriginateReason::Answered);
    enter_dialplan(&mut call.far, &call.originate, events);
    run_next(&mut call.far, "Wait", "1", events);
    events.hangup(&mut call.first, moved);
}

/// The Local channel of a redirect ends.
fn forwarded_halves_end(call: &mut SimulatedCall, events: &mut Events, cause: HangupCause) {
    run_next(&mut call.second, "Wait", "1", events);
    play_and_hang_up(&mut call.far, "FAILED", events);
    events.hangup_request(&call.second, Some(cause));
    events.hangup(&mut call.far, cause);
    events.soft_hangup_request(&call.second, CLEARING.q850);
    events.hangup(&mut call.second, cause);
}

/// The operator is busy, and the dialplan hangs up with that cause. It says nothing of the call, which was answered.
fn operator_is_busy(call: &mut SimulatedCall, events: &mut Events) {
    let busy = HangupCause::sip(17, 486);
    events.hangup_request(&call.far, Some(busy));
    events.dial_end(Some(&call.first), &call.far, "BUSY");
    events.own_varsets(&call.first, &[("DIALSTATUS", "BUSY")]);
    run_next(&mut call.first, "Hangup", "17", events);
    events.soft_hangup_request(&call.first, CLEARING.q850);
    events.hangup(&mut call.far, busy);
    events.rtp_statistics(&call.first);
    events.hangup(&mut call.first, busy);
}

/// The conversation is over.
fn conversation_ends(call: &mut SimulatedCall, events: &mut Events) {
    if !call.first.lives {
        return forwarded_halves_end(call, events, CLEARING);
    }
    if call.dials_operator() {
        return operator_is_busy(call, events);
    }
    if call.plan.fate == CallFate::CalleeHangsUp {
        return callee_hangs_up(call, events);
    }
    // Where an application returned, nothing follows it that would give a cause.
    let mut cause = HangupCause::plain(0);
    if call.runs_extension() {
        play_and_hang_up(&mut call.first, "SUCCESS", events);
        cause = CLEARING;
    }
    if call.is_local {
        return local::is_hung_up(call, events, CLEARING);
    }
    events.rtp_statistics(&call.first);
    events.hangup(&mut call.first, cause);
}

/// The callee hangs up, on the channel that leads to it.
fn callee_hangs_up(call: &mut SimulatedCall, events: &mut Events) {
    let channel = if call.is_local {
        &mut call.far
    } else {
        &mut call.first
    };
    events.rtp_statistics(channel);
    events.hangup_request(channel, None);
    events.soft_hangup_request(channel, CLEARING.q850);
    events.hangup(channel, HangupCause::plain(0));
    if call.is_local {
        local::halves_follow(call, events);
    }
}

/// A client hung the call up. A cause is passed on only if one was given, with the SIP code that Asterisk sends for it.
pub(super) fn is_hung_up(call: &mut SimulatedCall, events: &mut Events, cause: Option<u16>) {
    let code = cause.and_then(|q850| {
        let mut codes = [486, 480, 404, 403, 503, 500].into_iter();
        codes.find(|code| cause_of_sip(*code) == q850)
    });
    let cause = HangupCause {
        sip: code.and_then(|code| call.own_cause(0, code).sip),
        q850: cause.unwrap_or(0),
    };
    if !call.first.lives {
        return forwarded_halves_end(call, events, HangupCause::plain(cause.q850));
    }
    if call.first.state != ChannelState::Up {
        events.dial_end(None, &call.first, cause.dial_status());
        if call.is_local {
            events.hangup_request(&call.second, Some(cause));
        }
        call.report(events, OriginateReason::Failed);
        if call.is_local {
            local::gives_up(call, events, cause);
            events.hangup(&mut call.far, CLEARING);
        }
        return events.hangup(&mut call.first, cause);
    }
    events.soft_hangup_request(&call.first, CLEARING.q850);
    if call.is_local {
        return local::is_hung_up(call, events, cause);
    }
    if call.far.lives {
        events.dial_end(Some(&call.first), &call.far, "CANCEL");
        events.hangup(&mut call.far, HangupCause::plain(0));
    }
    events.rtp_statistics(&call.first);
    events.hangup(&mut call.first, cause);
}
