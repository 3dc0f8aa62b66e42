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

/// A cause and its words a line.
const CAUSE_TEXTS: &str = include_str!("cause_texts.txt");

/// The words of a hangup cause, in `Cause-txt`.
pub(super) fn cause_text(q850: u16) -> &'static str {
    let mut texts = CAUSE_TEXTS.lines().filter_map(|line| line.split_once(' '));
    let known = texts.find(|(cause, _)| cause.parse() == Ok(q850));
    known.map_or("Unknown", |(_, text)| text)
}
