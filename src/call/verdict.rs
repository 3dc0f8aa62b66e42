//! How a call ended: a pure function from the [`Observations`] of an attempt to a [`Disposition`].
//!
//! Nothing here waits, reads a clock or knows a file. It rests on recordings of Asterisk 16 and 22: a hangup cause does
//! not say whether a call was answered, `DialStatus: NOANSWER` means everything that has no status of its own, and the
//! originated half of a Local channel knows nothing of how the line behind it ended.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::captured::{CapturedValues, CapturedVars};
use crate::call::observations::{Cause, DialStatus, FarEnd, Leg, Observations, Technology};
use crate::disposition::Disposition;

/// What the verdict needs to know that Asterisk did not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// Why the dialer itself hung the call up, if it did.
    pub own_hangup: Option<HangupReason>,
    /// Another call of the same trunk showed a sign of life lately, so silence is the callee's and not the trunk's.
    pub trunk_alive: bool,
    /// The call was placed by an earlier run, which was cut off.
    pub adopted: bool,
    /// An answered call shorter than this is `SHORT`.
    pub min_talk: Duration,
    pub captured_vars: Option<&'a CapturedVars>,
}

/// Why the dialer hung up a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HangupReason {
    CallTimeout,
    /// The operator stopped the run.
    Stopped,
}

/// How an attempt ended, as the results record it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    pub disposition: Disposition,
    /// The Q.850 cause as Asterisk said it, of the leg that decided.
    pub cause: Option<Cause>,
    /// The SIP code that the far end sent; `None` where the call was answered, nothing was sent, or the version of
    /// Asterisk does not tell.
    pub sip_code: Option<u16>,
    pub answered_at: Option<Instant>,
    /// For a reader of the results; empty when the disposition says it all.
    pub note: String,
}

/// Asterisk's words when it refuses every action during a graceful stop.
const SHUTTING_DOWN: &str = "shutting down";
/// `OriginateResponse`'s `Reason` for an answer that did not come in time.
const REASON_TIMEOUT: u16 = 3;
/// The `Reason` of a busy Local channel or `chan_sip` peer.
const REASON_BUSY: u16 = 5;
/// The `Reason` of a congested one.
const REASON_CONGESTION: u16 = 8;
/// Asterisk gives a channel that it gives up while ringing this SIP code, though it was not sent.
const MADE_UP_SIP_CODE: u16 = 480;

/// How many characters of a value a note shows.
const MAX_QUOTED: usize = 40;

pub fn decide(observations: &Observations, circumstances: &Circumstances) -> Verdict {
    if let Some(message) = &observations.refused {
        let shutting_down = message.to_ascii_lowercase().contains(SHUTTING_DOWN);
        let disposition = if shutting_down {
            Disposition::Congestion
        } else {
            Disposition::Failed
        };
        let note = format!("Asterisk refused the request: {message}");
        return Verdict::of(disposition, observations, note);
    }
    if observations.answered_at.is_some() {
        return picked_up(observations, circumstances);
    }
    // Whether our hangup took effect is not known either: somebody may have answered meanwhile.
    if !observations.end_seen {
        let note = if circumstances.own_hangup == Some(HangupReason::Stopped) {
            "the run was stopped, and Asterisk did not confirm the hangup"
        } else if circumstances.adopted {
            "the dialer was cut off during this call, and it had ended before it was looked for"
        } else {
            "the connection to Asterisk was lost before the end of the call was seen"
        };
        return Verdict::of(Disposition::Unknown, observations, note);
    }
    // A call that the far end ended before our hangup took effect ended as the far end says.
    let leg = observations.deciding_leg();
    let ended_by_far_end = leg.is_some_and(|leg| leg.ended_by_far_end.is_some());
    let own_hangup = circumstances.own_hangup.filter(|_| !ended_by_far_end);
    let (disposition, note) = match own_hangup {
        Some(HangupReason::Stopped) => (Disposition::Cancelled, "hung up: the run was stopped"),
        Some(HangupReason::CallTimeout) => (Disposition::NoAnswer, "cut at call_timeout"),
        None => not_answered(observations, circumstances),
    };
    Verdict::of(disposition, observations, note)
}

fn picked_up(observations: &Observations, circumstances: &Circumstances) -> Verdict {
    // A callee that redirects (302) is reported as answered, but its channel never went up: the call goes on as
    // another one, which is not tied to this.
    if observations.hung_up() && !observations.up {
        let note = "redirected by the callee to another destination, which was not followed";
        return Verdict::of(Disposition::Unknown, observations, note);
    }
    // Somebody who heard the beginning of a message is to hear all of it: the next run calls again. A call whose hangup
    // was not seen may have gone on to its end.
    let stopped = circumstances.own_hangup == Some(HangupReason::Stopped);
    if stopped && observations.end_seen && !observations.callee_hung_up() {
        let note = "answered, then hung up: the run was stopped".to_owned();
        return Verdict::of_answered(Disposition::Cancelled, observations, note);
    }
    let talk = observations
        .answered_at
        .map_or(Duration::ZERO, |answered| observations.ended_at - answered);
    let (disposition, mut note) = captured_disposition(&observations.captured, circumstances);
    let disposition = disposition.unwrap_or(if talk < circumstances.min_talk {
        Disposition::Short
    } else {
        Disposition::Answered
    });
    let end = match circumstances.own_hangup {
        Some(HangupReason::CallTimeout) => "cut at call_timeout",
        Some(HangupReason::Stopped) if !observations.end_seen => {
            "answered; the run was stopped, and Asterisk did not confirm the hangup"
        }
        None if !observations.end_seen => {
            "answered; the connection to Asterisk was lost before its end was seen"
        }
        _ if observations.approximate => {
            "answered while the connection to Asterisk was down: times are approximate"
        }
        _ => "",
    };
    if !note.is_empty() && !end.is_empty() {
        note.push_str("; ");
    }
    note.push_str(end);
    Verdict::of_answered(disposition, observations, note)
}

/// How an answered call ended by what the dialplan says, and what is to be noted of that.
fn captured_disposition(
    captured: &CapturedValues,
    circumstances: &Circumstances,
) -> (Option<Disposition>, String) {
    let Some(vars) = circumstances.captured_vars else {
        return (None, String::new());
    };
    let mut note = String::new();
    if let Some(index) = vars.disposition {
        let name = vars.names.get(index).map_or("", |name| name);
        let word = captured.text(index);
        match word.trim() {
            "" => {}
            word => match Disposition::from_dialplan(word) {
                Some(disposition) => return (Some(disposition), format!("told by {name}")),
                None => note = format!("{name} says {}, which names no outcome", quoted(word)),
            },
        }
    }
    let machine = vars.machine.as_ref();
    let is_machine = machine.is_some_and(|machine| machine.holds(captured.value(machine.variable)));
    (is_machine.then_some(Disposition::Machine), note)
}

/// A word of the dialplan's for a note: not much of it, and on one line.
fn quoted(word: &str) -> String {
    let shown: String = word.chars().take(MAX_QUOTED).collect();
    let more = if shown.len() < word.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

fn not_answered(
    observations: &Observations,
    circumstances: &Circumstances,
) -> (Disposition, &'static str) {
    let reason = observations.reason();
    let Some(leg) = observations.deciding_leg() else {
        return (
            Disposition::Congestion,
            "no channel was created: unknown or unregistered trunk, or no free line",
        );
    };
    if reason == REASON_TIMEOUT {
        return timed_out(observations, leg, circumstances);
    }
    if let Some(code) = sip_code(leg, observations) {
        let note = match code {
            401 | 403 | 407 => "the trunk refused us: check its credentials and what it may call",
            _ => "",
        };
        return (of_sip_code(code, observations.rang()), note);
    }
    if gave_up_in_dialplan(leg) {
        return timed_out(observations, leg, circumstances);
    }
    let sent = leg.ended_by_far_end.map(|end| end.cause);
    let cause = sent.filter(|&cause| cause != 0);
    let cause = cause.unwrap_or_else(|| leg.cause_code());
    if let Some(disposition) = of_cause(cause) {
        return (disposition, "");
    }
    let channel = observations.channel.as_ref();
    let own_status = channel.and_then(|channel| channel.dial_status);
    let status = |wanted| [leg.dial_status, own_status].contains(&Some(wanted));
    if reason == REASON_BUSY || status(DialStatus::Busy) {
        (Disposition::Busy, "")
    } else if observations.rang() {
        (Disposition::NoAnswer, "ended before an answer")
    } else if reason == REASON_CONGESTION || status(DialStatus::Congestion) {
        (Disposition::Congestion, "")
    } else {
        (
            Disposition::Failed,
            "ended at once without a cause: does the dialed extension exist?",
        )
    }
}

/// A ring timeout: Asterisk's, or that of a `Dial` in the dialplan.
fn timed_out(
    observations: &Observations,
    leg: &Leg,
    circumstances: &Circumstances,
) -> (Disposition, &'static str) {
    if observations.alive() {
        (Disposition::NoAnswer, "")
    } else if leg.technology != Technology::Sip {
        (Disposition::NoAnswer, "no ringing was signalled")
    } else if circumstances.trunk_alive {
        (
            Disposition::NoAnswer,
            "no ringing was signalled, but other calls of this trunk got through",
        )
    } else {
        (
            Disposition::Congestion,
            "the trunk was silent: no reply of any kind came",
        )
    }
}

/// A `Dial` in the dialplan gave this line up: the far end did not end it, yet it has the cause of a ringing phone that
/// was not answered, or was cancelled.
fn gave_up_in_dialplan(leg: &Leg) -> bool {
    leg.ended_by_far_end.is_none()
        && leg.technology != Technology::Local
        && (leg.dial_status == Some(DialStatus::Cancel)
            || leg.tech_cause == Some(MADE_UP_SIP_CODE)
            || (leg.dial_status == Some(DialStatus::NoAnswer)
                && leg.cause.as_ref().is_some_and(|cause| cause.code == 0)))
}

/// The SIP code that the far end of a leg really sent.
///
/// A `HangupRequest` carries only what was sent. Where a filter keeps that event away, the `Hangup`'s code is taken,
/// but for a 480, which Asterisk also makes up, and for anything after a ring timeout.
fn sip_code(leg: &Leg, observations: &Observations) -> Option<u16> {
    let timed_out = observations.reason() == REASON_TIMEOUT;
    match leg.ended_by_far_end {
        Some(end) => end.sip_code.or(leg.tech_cause),
        None => leg
            .tech_cause
            .filter(|&code| code != MADE_UP_SIP_CODE && !timed_out),
    }
    .filter(|&code| leg.technology == Technology::Sip && (300..700).contains(&code))
}

/// The disposition of a SIP final response (RFC 3261, RFC 8197 for 607).
fn of_sip_code(code: u16, rang: bool) -> Disposition {
    match code {
        486 | 600 => Disposition::Busy,
        603 | 607 => Disposition::Rejected,
        404 | 410 | 484 | 485 | 604 => Disposition::InvalidNumber,
        408 | 480 | 483 => Disposition::NoAnswer,
        // The trunk refuses us: wrong credentials, or not allowed to call there.
        401 | 403 | 407
        // No room, not reachable, no codec in common.
        | 409 | 420 | 488 | 606 | 500..=599 => Disposition::Congestion,
        _ if rang => Disposition::NoAnswer,
        _ => Disposition::Failed,
    }
}

/// Whether an end came from beyond the trunk: from the person called, or from a network that knows the number.
pub(super) fn is_from_beyond_the_trunk(end: FarEnd) -> bool {
    let disposition = match end.sip_code {
        Some(code) => Some(of_sip_code(code, false)),
        None => of_cause(end.cause),
    };
    disposition != Some(Disposition::Congestion)
}

/// The disposition of a Q.850 cause (ITU-T Q.850, as Asterisk numbers them); `None` for one that decides nothing.
fn of_cause(code: u16) -> Option<Disposition> {
    match code {
        17 => Some(Disposition::Busy),
        18..=20 => Some(Disposition::NoAnswer),
        21 => Some(Disposition::Rejected),
        1 | 22 | 28 => Some(Disposition::InvalidNumber),
        3 | 27 | 34 | 38 | 41 | 42 | 44 | 47 | 58 | 88 | 102 => Some(Disposition::Congestion),
        _ => None,
    }
}

impl Verdict {
    /// A verdict on a call that was answered, with the cause of the originated channel.
    fn of_answered(disposition: Disposition, observations: &Observations, note: String) -> Self {
        let channel = observations.channel.as_ref();
        Self {
            disposition,
            cause: channel.and_then(|leg| leg.cause.clone()),
            sip_code: None,
            answered_at: observations.answered_at,
            note,
        }
    }

    /// A verdict on a call that was not answered, with the cause and code of the leg that decided.
    fn of(disposition: Disposition, observations: &Observations, note: impl Into<String>) -> Self {
        let leg = observations.deciding_leg();
        Self {
            disposition,
            cause: leg.and_then(|leg| leg.cause.clone()),
            sip_code: leg.and_then(|leg| sip_code(leg, observations)),
            answered_at: None,
            note: note.into(),
        }
    }
}

#[cfg(test)]
mod tests;
