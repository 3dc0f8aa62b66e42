//! Hangup causes: their Q.850 numbers, the SIP codes behind them, and their words.

/// A hangup cause, with the SIP code behind it where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HangupCause {
    pub(super) q850: u16,
    pub(super) sip: Option<u16>,
}

impl HangupCause {
    /// Of a hangup by the dialplan.
    pub(super) const CLEARING: Self = Self::plain(16);

    pub(super) const fn plain(q850: u16) -> Self {
        Self { q850, sip: None }
    }

    pub(super) const fn sip(q850: u16, code: u16) -> Self {
        Self {
            q850,
            sip: Some(code),
        }
    }

    /// How `DialEnd` words it.
    pub(super) const fn dial_status(self) -> &'static str {
        match self.q850 {
            17 => "BUSY",
            34 | 42 => "CONGESTION",
            _ => "NOANSWER",
        }
    }
}

/// The Q.850 cause that Asterisk makes of a SIP code.
pub(super) const fn cause_of_sip(code: u16) -> u16 {
    match code {
        404 | 485 | 604 => 1,
        408 => 18,
        410 => 22,
        420 => 3,
        480 | 483 => 19,
        484 => 28,
        486 | 600 => 17,
        401 | 403 | 407 | 603 => 21,
        409 => 41,
        488 | 606 => 58,
        500 => 38,
        502 => 27,
        503 => 34,
        504 => 102,
        505.. => 42,
        _ => 127,
    }
}

/// The words of a hangup cause, in `Cause-txt`.
pub(super) const fn cause_text(q850: u16) -> &'static str {
    match q850 {
        1 => "Unallocated (unassigned) number",
        3 => "No route to destination",
        16 => "Normal Clearing",
        17 => "User busy",
        18 => "No user responding",
        19 => "User alerting, no answer",
        20 => "Subscriber absent",
        21 => "Call Rejected",
        22 => "Number changed",
        23 => "Redirected to new destination",
        27 => "Destination out of order",
        28 => "Invalid number format",
        34 => "Circuit/channel congestion",
        38 => "Network out of order",
        41 => "Temporary failure",
        42 => "Switching equipment congestion",
        58 => "Bearer capability not available",
        102 => "Recover on timer expiry",
        127 => "Interworking, unspecified",
        _ => "Unknown",
    }
}
