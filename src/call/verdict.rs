//! How a call ended: a pure function from the [`Signals`] of an attempt to a [`Disposition`].
//!
//! Nothing here waits, reads a clock or knows a file. What is told rests on recordings of Asterisk 16 and 22: a hangup
//! cause does not say whether a call was answered, `DialStatus: NOANSWER` stands for everything that has no status of
//! its own, and a Local channel's own half knows nothing of how the line behind it ended.

use std::time::Duration;

use tokio::time::Instant;

use crate::call::capture::{Captured, Watched};
use crate::call::observations::{
    Cause, DialStatus, End, FarEnd, Leg, Originated, Signals, Technology,
};
use crate::disposition::Disposition;

/// What the verdict needs to know that Asterisk did not say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Circumstances<'a> {
    /// Why the dialer itself hung the call up, if it did.
    pub cut: Option<Cut>,
    /// Another call of the same trunk showed a sign of life lately, so silence is the callee's and not the trunk's.
    pub trunk_alive: bool,
    /// The call was placed by an earlier run, which was cut off.
    pub adopted: bool,
    /// An answered call shorter than this is `SHORT`.
    pub min_talk: Duration,
    /// Which variables were watched, and what they tell.
    pub watched: Option<&'a Watched>,
}

/// Why the dialer hung up a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// It lasted for `call_timeout`.
    CallTimeout,
    /// The operator stopped the run.
    Cancelled,
}

/// How an attempt ended, as it will stand in the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The outcome.
    pub disposition: Disposition,
    /// The Q.850 cause as Asterisk said it, of the leg that decided.
    pub cause: Option<Cause>,
    /// The SIP code that the far end sent; `None` where the call was answered, nothing was sent, or the version of
    /// Asterisk does not tell.
    pub sip_code: Option<u16>,
    /// When it was answered.
    pub answered_at: Option<Instant>,
    /// What a reader of the results should know, in words; empty when the disposition says it all.
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
/// Asterisk gives a channel that it gives up while ringing this SIP code, though nobody sent it.
const MADE_UP_SIP_CODE: u16 = 480;

/// So many characters of a value stand in a note.
const MAX_QUOTED: usize = 40;

/// Tells how a call ended.
pub fn decide(signals: &Signals, circumstances: &Circumstances) -> Verdict {
    if let Some(message) = &signals.refused {
        return refused(message);
    }
    if signals.answered_at.is_some() {
        return picked_up(signals, circumstances);
    }
    // Whether a hangup that was asked for took effect is not known either: somebody may have answered meanwhile.
    if signals.end == End::Lost {
        let note = if circumstances.adopted {
            "the dialer was cut off during this call, and it had ended before it was looked for"
        } else if circumstances.cut == Some(Cut::Cancelled) {
            "the run was stopped, and Asterisk did not confirm the hangup"
        } else {
            "the connection to Asterisk was lost before the end of the call was seen"
        };
        return Verdict::of(Disposition::Unknown, signals, note);
    }
    // A call that the far end ended before our hangup took effect ended as the far end says.
    let ended_by_far_end = signals
        .deciding_leg()
        .is_some_and(|leg| leg.ended_by_far_end.is_some());
    match circumstances.cut {
        Some(Cut::Cancelled) if !ended_by_far_end => {
            return Verdict::of(
                Disposition::Cancelled,
                signals,
                "hung up: the run was stopped",
            );
        }
        Some(Cut::CallTimeout) if !ended_by_far_end => {
            return Verdict::of(Disposition::NoAnswer, signals, "cut at call_timeout");
        }
        _ => {}
    }
    not_answered(signals, circumstances)
}

fn refused(message: &str) -> Verdict {
    let shutting_down = message.to_ascii_lowercase().contains(SHUTTING_DOWN);
    Verdict {
        disposition: if shutting_down {
            Disposition::Congestion
        } else {
            Disposition::Failed
        },
        cause: None,
        sip_code: None,
        answered_at: None,
        note: format!("Asterisk refused the request: {message}"),
    }
}

fn picked_up(signals: &Signals, circumstances: &Circumstances) -> Verdict {
    // A callee that redirects (302) is reported as answered, but its channel never went up: the call goes on as
    // another one, which nobody ties to this.
    if signals.hung_up() && !signals.up {
        return Verdict {
            answered_at: None,
            ..Verdict::of(
                Disposition::Unknown,
                signals,
                "redirected by the callee to another destination, which was not followed",
            )
        };
    }
    // Whoever heard the beginning of a message is to hear all of it: the next run calls again. A call whose hangup nobody
    // saw may have gone on to its end.
    if circumstances.cut == Some(Cut::Cancelled)
        && signals.end == End::Complete
        && !signals.callee_hung_up()
    {
        return Verdict {
            disposition: Disposition::Cancelled,
            cause: signals.channel.as_ref().and_then(|leg| leg.cause.clone()),
            sip_code: None,
            answered_at: signals.answered_at,
            note: "answered, then hung up: the run was stopped".to_owned(),
        };
    }
    let talk = signals
        .answered_at
        .map_or(Duration::ZERO, |answered| signals.ended_at - answered);
    let (disposition, told) = told(&signals.captured, circumstances);
    let disposition = disposition.unwrap_or(if talk < circumstances.min_talk {
        Disposition::Short
    } else {
        Disposition::Answered
    });
    let end = match (circumstances.cut, signals.end) {
        (Some(Cut::Cancelled), End::Lost) => {
            "answered; the run was stopped, and Asterisk did not confirm the hangup"
        }
        (Some(Cut::CallTimeout), _) => "cut at call_timeout",
        (None, End::Lost) => {
            "answered; the connection to Asterisk was lost before its end was seen"
        }
        (None | Some(Cut::Cancelled), End::Complete) if signals.approximate => {
            "answered while the connection to Asterisk was down: times are approximate"
        }
        (None | Some(Cut::Cancelled), End::Complete) => "",
    };
    let notes = [told.as_str(), end];
    let notes: Vec<_> = notes.into_iter().filter(|note| !note.is_empty()).collect();
    Verdict {
        disposition,
        cause: signals.channel.as_ref().and_then(|leg| leg.cause.clone()),
        sip_code: None,
        answered_at: signals.answered_at,
        note: notes.join("; "),
    }
}

/// How an answered call ended by what the dialplan says, and what is to be noted of that.
fn told(captured: &Captured, circumstances: &Circumstances) -> (Option<Disposition>, String) {
    let Some(watched) = circumstances.watched else {
        return (None, String::new());
    };
    let mut note = String::new();
    if let Some(place) = watched.disposition {
        let name = watched.names.get(place).map_or("", |name| name);
        let word = captured.text(place);
        match word.trim() {
            "" => {}
            word => match Disposition::told(word) {
                Some(disposition) => return (Some(disposition), format!("told by {name}")),
                None => note = format!("{name} says {}, which names no outcome", quoted(word)),
            },
        }
    }
    let is_machine = |machine| captured.meets(machine);
    let machine = watched.machine.as_ref().is_some_and(is_machine);
    (machine.then_some(Disposition::Machine), note)
}

/// A word of the dialplan's for a note: not much of it, and on one line.
fn quoted(word: &str) -> String {
    let shown: String = word.chars().take(MAX_QUOTED).collect();
    let more = if shown.len() < word.len() { "…" } else { "" };
    format!("\"{}{more}\"", shown.escape_debug())
}

fn not_answered(signals: &Signals, circumstances: &Circumstances) -> Verdict {
    let reason = signals.originated.map_or(0, |originated| originated.reason);
    let Some(leg) = signals.deciding_leg() else {
        return Verdict::of(
            Disposition::Congestion,
            signals,
            "no channel was created: unknown or unregistered trunk, or no free line",
        );
    };
    if reason == REASON_TIMEOUT {
        return timed_out(signals, leg, circumstances);
    }
    if let Some(code) = sip_code(leg, signals) {
        return Verdict::of(
            of_sip_code(code, signals.rang()),
            signals,
            note_of_sip_code(code),
        );
    }
    let cause = leg.ended_by_far_end.map_or(0, |end| end.cause);
    let cause = if cause == 0 {
        leg.cause.as_ref().map_or(0, |cause| cause.code)
    } else {
        cause
    };
    if gave_up_in_dialplan(leg) {
        return timed_out(signals, leg, circumstances);
    }
    if let Some(disposition) = of_cause(cause) {
        return Verdict::of(disposition, signals, "");
    }
    let status = |wanted| {
        let own = signals.channel.as_ref().and_then(|leg| leg.dial_status);
        leg.dial_status == Some(wanted) || own == Some(wanted)
    };
    if reason == REASON_BUSY || status(DialStatus::Busy) {
        Verdict::of(Disposition::Busy, signals, "")
    } else if signals.rang() {
        Verdict::of(Disposition::NoAnswer, signals, "ended before an answer")
    } else if reason == REASON_CONGESTION || status(DialStatus::Congestion) {
        Verdict::of(Disposition::Congestion, signals, "")
    } else {
        Verdict::of(
            Disposition::Failed,
            signals,
            "ended at once without a cause: does the dialed extension exist?",
        )
    }
}

/// The ring timeout is over, Asterisk's or that of a `Dial` in the dialplan.
fn timed_out(signals: &Signals, leg: &Leg, circumstances: &Circumstances) -> Verdict {
    if signals.alive() {
        Verdict::of(Disposition::NoAnswer, signals, "")
    } else if leg.technology != Technology::Sip {
        Verdict::of(Disposition::NoAnswer, signals, "no ringing was signalled")
    } else if circumstances.trunk_alive {
        Verdict::of(
            Disposition::NoAnswer,
            signals,
            "no ringing was signalled, but other calls of this trunk got through",
        )
    } else {
        Verdict::of(
            Disposition::Congestion,
            signals,
            "the trunk was silent: no reply of any kind came",
        )
    }
}

/// A `Dial` in the dialplan gave this line up: nobody at the far end ended it, yet it has the cause of a ringing phone
/// that was not answered, or was cancelled.
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
fn sip_code(leg: &Leg, signals: &Signals) -> Option<u16> {
    let timed_out = matches!(
        signals.originated,
        Some(Originated {
            reason: REASON_TIMEOUT,
            ..
        })
    );
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

fn note_of_sip_code(code: u16) -> &'static str {
    match code {
        401 | 403 | 407 => "the trunk refused us: check its credentials and what it may call",
        _ => "",
    }
}

/// Whether an end was somebody's beyond the trunk: the person called, or a network that knows the number.
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
    /// A verdict on a call that was not answered, with the cause and code of the leg that decided.
    fn of(disposition: Disposition, signals: &Signals, note: &str) -> Self {
        let leg = signals.deciding_leg();
        Self {
            disposition,
            cause: leg.and_then(|leg| leg.cause.clone()),
            sip_code: leg.and_then(|leg| sip_code(leg, signals)),
            answered_at: None,
            note: note.to_owned(),
        }
    }
}
