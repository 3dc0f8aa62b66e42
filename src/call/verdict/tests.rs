//! Observations and circumstances on the left; disposition, cause, SIP code and note on the right.

use super::Disposition::{self, *};
use super::*;
use crate::call::observations::OriginateResult;

fn at(seconds: u64) -> Instant {
    // Any moment will do, as long as it is the same for one call.
    thread_local! {
        static START: Instant = Instant::now();
    }
    START.with(|start| *start + Duration::from_secs(seconds))
}

/// A channel that was hung up with this cause.
fn leg(channel: &str, cause: u16) -> Leg {
    let mut leg = Leg::new(channel.as_bytes(), channel.as_bytes());
    leg.cause = Some(Cause {
        code: cause,
        text: String::new(),
    });
    leg
}

fn sip(cause: u16) -> Leg {
    leg("PJSIP/carrier-1", cause)
}

impl Leg {
    fn ended_by(mut self, cause: u16, sip_code: Option<u16>) -> Self {
        self.ended_by_far_end = Some(FarEnd { cause, sip_code });
        self
    }

    fn sent(self, sip_code: u16) -> Self {
        let cause = self.cause.as_ref().map_or(0, |cause| cause.code);
        self.ended_by(cause, Some(sip_code))
    }

    fn tech_cause(mut self, sip_code: u16) -> Self {
        self.tech_cause = Some(sip_code);
        self
    }

    fn dial_status(mut self, status: DialStatus) -> Self {
        self.dial_status = Some(status);
        self
    }

    fn ringing(mut self) -> Self {
        self.ringing = true;
        self
    }
}

/// A call whose originate failed with this reason.
fn failed(reason: u16, channel: impl Into<Option<Leg>>) -> Observations {
    let mut observations = Observations::new(at(0));
    observations.channel = channel.into();
    observations.originate_result = Some(OriginateResult {
        success: false,
        reason,
    });
    observations.ended_at = at(30);
    observations.end_seen = true;
    observations
}

/// A call that went up after 10 seconds, and was hung up after 10 more.
fn answered(channel: Leg) -> Observations {
    let mut observations = failed(0, channel);
    observations.originate_result = Some(OriginateResult {
        success: true,
        reason: 4,
    });
    observations.up = true;
    observations.answered_at = Some(at(10));
    observations.ended_at = at(20);
    observations
}

impl Observations {
    fn leg(mut self, leg: Leg) -> Self {
        self.legs.push(leg);
        self
    }

    fn lost(mut self) -> Self {
        self.end_seen = false;
        self
    }

    fn approximate(mut self) -> Self {
        self.approximate = true;
        self
    }

    fn never_up(mut self) -> Self {
        self.up = false;
        self
    }

    fn refused(mut self, message: &str) -> Self {
        self.refused = Some(message.to_owned());
        self
    }
}

const PLAIN: Circumstances = Circumstances {
    own_hangup: None,
    trunk_alive: false,
    adopted: false,
    min_talk: Duration::ZERO,
    captured_vars: None,
};
const STOPPED: Circumstances = Circumstances {
    own_hangup: Some(HangupReason::Stopped),
    ..PLAIN
};
const TIMED_OUT: Circumstances = Circumstances {
    own_hangup: Some(HangupReason::CallTimeout),
    ..PLAIN
};
const ADOPTED: Circumstances = Circumstances {
    adopted: true,
    ..PLAIN
};
const ADOPTED_STOPPED: Circumstances = Circumstances {
    adopted: true,
    ..STOPPED
};
const TRUNK_ALIVE: Circumstances = Circumstances {
    trunk_alive: true,
    ..PLAIN
};

const fn min_talk(seconds: u64) -> Circumstances<'static> {
    Circumstances {
        min_talk: Duration::from_secs(seconds),
        ..PLAIN
    }
}

const REDIRECTED: &str = "redirected by the callee to another destination, which was not followed";
const LOST: &str = "the connection to Asterisk was lost before the end of the call was seen";
const UNCONFIRMED: &str = "the run was stopped, and Asterisk did not confirm the hangup";
const NO_CHANNEL: &str = "no channel was created: unknown or unregistered trunk, or no free line";
const SILENT: &str = "the trunk was silent: no reply of any kind came";
const OTHERS_GOT_THROUGH: &str =
    "no ringing was signalled, but other calls of this trunk got through";
const REFUSED_US: &str = "the trunk refused us: check its credentials and what it may call";
const NO_CAUSE: &str = "ended at once without a cause: does the dialed extension exist?";

type Case = (
    Observations,
    Circumstances<'static>,
    Disposition,
    Option<u16>,
    Option<u16>,
    &'static str,
);

#[track_caller]
fn hold(cases: impl IntoIterator<Item = Case>) {
    for (observations, circumstances, disposition, cause, sip_code, note) in cases {
        let verdict = decide(&observations, &circumstances);
        let found = (
            verdict.disposition,
            verdict.cause.map(|cause| cause.code),
            verdict.sip_code,
            &*verdict.note,
        );
        assert_eq!(
            found,
            (disposition, cause, sip_code, note),
            "{observations:#?} {circumstances:#?}"
        );
    }
}

#[test]
#[rustfmt::skip]
fn answered_calls() {
    let by_callee = || answered(sip(16).ended_by(16, None));
    hold([
        (answered(sip(16)), PLAIN, Answered, Some(16), None, ""),
        // The cause says nothing of an answered call, nor does a code.
        (answered(sip(17).sent(486)), PLAIN, Answered, Some(17), None, ""),
        // Ten seconds of talk.
        (answered(sip(16)), min_talk(10), Answered, Some(16), None, ""),
        (answered(sip(16)), min_talk(11), Short, Some(16), None, ""),
        (answered(sip(16)).approximate(), PLAIN, Answered, Some(16), None, "answered while the connection to Asterisk was down: times are approximate"),
        (answered(sip(16)).lost(), PLAIN, Answered, Some(16), None, "answered; the connection to Asterisk was lost before its end was seen"),
        (answered(sip(16)), TIMED_OUT, Answered, Some(16), None, "cut at call_timeout"),
        (answered(sip(16)), STOPPED, Cancelled, Some(16), None, "answered, then hung up: the run was stopped"),
        (by_callee(), STOPPED, Answered, Some(16), None, ""),
        // It may have gone on to its end.
        (answered(sip(16)).lost(), STOPPED, Answered, Some(16), None, "answered; the run was stopped, and Asterisk did not confirm the hangup"),
        (answered(sip(23)).never_up(), PLAIN, Unknown, Some(23), None, REDIRECTED),
    ]);
}

#[test]
#[rustfmt::skip]
fn calls_that_were_not_placed_or_whose_end_was_not_seen() {
    let none = || failed(0, None);
    hold([
        (none().refused("Extension does not exist."), PLAIN, Failed, None, None, "Asterisk refused the request: Extension does not exist."),
        (none().refused("Asterisk is Shutting Down"), PLAIN, Congestion, None, None, "Asterisk refused the request: Asterisk is Shutting Down"),
        (none(), PLAIN, Congestion, None, None, NO_CHANNEL),
        (failed(0, sip(0)).lost(), PLAIN, Unknown, Some(0), None, LOST),
        (failed(0, sip(0)).lost(), TIMED_OUT, Unknown, Some(0), None, LOST),
        (none().lost(), STOPPED, Unknown, None, None, UNCONFIRMED),
        (none().lost(), ADOPTED, Unknown, None, None, "the dialer was cut off during this call, and it had ended before it was looked for"),
        (none().lost(), ADOPTED_STOPPED, Unknown, None, None, UNCONFIRMED),
    ]);
}

#[test]
#[rustfmt::skip]
fn our_own_hangup_counts_unless_the_far_end_was_faster() {
    hold([
        (failed(0, sip(16).ringing()), STOPPED, Cancelled, Some(16), None, "hung up: the run was stopped"),
        (failed(0, sip(16).ringing()), TIMED_OUT, NoAnswer, Some(16), None, "cut at call_timeout"),
        (failed(0, sip(17).sent(486)), STOPPED, Busy, Some(17), Some(486), ""),
        (failed(0, sip(17).sent(486)), TIMED_OUT, Busy, Some(17), Some(486), ""),
    ]);
}

#[test]
#[rustfmt::skip]
fn ring_timeouts() {
    let timeout = |leg| failed(REASON_TIMEOUT, leg);
    hold([
        // 22 makes up the 480.
        (timeout(sip(19).tech_cause(480).ringing()), PLAIN, NoAnswer, Some(19), None, ""),
        (timeout(sip(19).tech_cause(480)), PLAIN, Congestion, Some(19), None, SILENT),
        (timeout(sip(19).tech_cause(480)), TRUNK_ALIVE, NoAnswer, Some(19), None, OTHERS_GOT_THROUGH),
        (timeout(sip(0)), PLAIN, Congestion, Some(0), None, SILENT),
        (timeout(leg("DAHDI/1-1", 0)), PLAIN, NoAnswer, Some(0), None, "no ringing was signalled"),
        // A `Dial` in the dialplan gave the line up.
        (failed(0, leg("Local/1@out-1;1", 0)).leg(sip(19).tech_cause(480).ringing()), PLAIN, NoAnswer, Some(19), None, ""),
        (failed(0, leg("Local/1@out-1;1", 0)).leg(sip(19).tech_cause(480)), PLAIN, Congestion, Some(19), None, SILENT),
        (failed(0, leg("Local/1@out-1;1", 0)).leg(sip(16).dial_status(DialStatus::Cancel).ringing()), PLAIN, NoAnswer, Some(16), None, ""),
        (failed(0, leg("Local/1@out-1;1", 0)).leg(sip(0).dial_status(DialStatus::NoAnswer)), TRUNK_ALIVE, NoAnswer, Some(0), None, OTHERS_GOT_THROUGH),
    ]);
}

#[test]
fn sip_codes() {
    for (codes, disposition, note) in [
        (&[486, 600][..], Busy, ""),
        (&[603, 607], Rejected, ""),
        (&[404, 410, 484, 485, 604], InvalidNumber, ""),
        (&[408, 480, 483], NoAnswer, ""),
        (&[401, 403, 407], Congestion, REFUSED_US),
        (
            &[409, 420, 488, 606, 500, 503, 504, 513, 599],
            Congestion,
            "",
        ),
        (&[302, 402, 487, 608], Failed, ""),
    ] {
        for &code in codes {
            let sent = failed(0, sip(21).sent(code));
            hold([(sent, PLAIN, disposition, Some(21), Some(code), note)]);
            // Where a filter keeps the `HangupRequest` away; 480 may be made up then.
            if code != MADE_UP_SIP_CODE {
                let told = failed(0, sip(21).tech_cause(code));
                hold([(told, PLAIN, disposition, Some(21), Some(code), note)]);
            }
        }
    }
    #[rustfmt::skip]
    hold([
        // Whatever else a phone that rang ends with.
        (failed(0, sip(127).sent(487).ringing()), PLAIN, NoAnswer, Some(127), Some(487), ""),
        // Only SIP has SIP codes.
        (failed(0, leg("IAX2/x-1", 17).tech_cause(404)), PLAIN, Busy, Some(17), None, ""),
        // Nobody sends these.
        (failed(0, sip(17).tech_cause(200)), PLAIN, Busy, Some(17), None, ""),
        (failed(0, sip(17).tech_cause(700)), PLAIN, Busy, Some(17), None, ""),
    ]);
}

#[test]
fn causes() {
    for (causes, disposition) in [
        (&[17][..], Busy),
        (&[18, 19, 20], NoAnswer),
        (&[21], Rejected),
        (&[1, 22, 28], InvalidNumber),
        (&[3, 27, 34, 38, 41, 42, 44, 47, 58, 88, 102], Congestion),
    ] {
        for &cause in causes {
            let told = failed(0, sip(cause));
            hold([(told, PLAIN, disposition, Some(cause), None, "")]);
            // What the far end sent goes before the cause of the hangup.
            let sent = failed(0, sip(16).ended_by(cause, None));
            hold([(sent, PLAIN, disposition, Some(16), None, "")]);
        }
    }
}

#[test]
#[rustfmt::skip]
fn without_a_cause_the_status_decides_and_the_line_behind_a_local_channel_goes_first() {
    let local = |reason| failed(reason, leg("Local/1@out-1;1", 0));
    hold([
        (local(REASON_BUSY), PLAIN, Busy, Some(0), None, ""),
        (local(REASON_CONGESTION), PLAIN, Congestion, Some(0), None, ""),
        (failed(0, leg("Local/1@out-1;1", 0).dial_status(DialStatus::Busy)), PLAIN, Busy, Some(0), None, ""),
        (failed(0, leg("Local/1@out-1;1", 0).dial_status(DialStatus::Congestion)), PLAIN, Congestion, Some(0), None, ""),
        (local(0), PLAIN, Failed, Some(0), None, NO_CAUSE),
        (failed(0, leg("Local/1@out-1;1", 16).ringing()), PLAIN, NoAnswer, Some(16), None, "ended before an answer"),
        // The far half knows more, the last line that was dialed most.
        (local(8).leg(leg("Local/1@out-1;2", 34)), PLAIN, Congestion, Some(34), None, ""),
        (local(8).leg(leg("Local/1@out-1;2", 34)).leg(sip(1).sent(404)), PLAIN, InvalidNumber, Some(1), Some(404), ""),
        (local(8).leg(sip(1).sent(404)).leg(sip(17).sent(486)), PLAIN, Busy, Some(17), Some(486), ""),
    ]);
}

#[test]
fn a_trunk_that_refuses_is_no_sign_of_life_from_beyond_it() {
    let end = |cause, sip_code| is_from_beyond_the_trunk(FarEnd { cause, sip_code });
    for code in [486, 603, 404, 480, 402] {
        assert!(end(21, Some(code)), "{code}");
    }
    for code in [401, 403, 407, 500, 503, 488] {
        assert!(!end(21, Some(code)), "{code}");
    }
    // Without a code the cause has to do.
    assert!(end(17, None) && end(21, None) && end(0, None));
    assert!(!end(34, None) && !end(38, None));
}
