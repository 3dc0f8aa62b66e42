//! What Asterisk said of one attempt, gathered in whatever order it was said. What it means is
//! [`verdict`](super::verdict)'s.

use tokio::time::Instant;

use crate::call::captured::CapturedValues;

/// A Q.850 cause as Asterisk's `Hangup` event gives it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cause {
    /// 0 is Asterisk's "Unknown".
    pub code: u16,
    /// Asterisk's words for it (`Cause-txt`).
    pub text: String,
}

/// What kind of channel a leg is, by the technology in front of its name.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Technology {
    /// `PJSIP/…` or `SIP/…`: an answer, a refusal and silence can be told apart.
    Sip,
    /// `Local/…`: a way into the dialplan, never a line of its own.
    Local,
    /// Anything else (DAHDI, IAX2 …).
    #[default]
    Other,
}

impl Technology {
    /// The technology of a channel by its name, such as `PJSIP/carrier-0000002a`.
    pub fn of_channel(name: &[u8]) -> Self {
        let technology = name.split(|&byte| byte == b'/').next().unwrap_or_default();
        if technology.eq_ignore_ascii_case(b"PJSIP") || technology.eq_ignore_ascii_case(b"SIP") {
            Self::Sip
        } else if technology.eq_ignore_ascii_case(b"Local") {
            Self::Local
        } else {
            Self::Other
        }
    }
}

/// One channel of a call: the originated one, the far half of a Local channel, or a line that the dialplan dialed.
#[derive(Debug, Clone, Default)]
pub struct Leg {
    pub uniqueid: Box<[u8]>,
    pub technology: Technology,
    /// It signalled ringing (`Newstate Ringing` or `DialState RINGING`).
    pub ringing: bool,
    /// It signalled progress or proceeding (`DialState PROGRESS`, `PROCEEDING`), as with early media.
    pub progress: bool,
    /// The status that `DialEnd` gave.
    pub dial_status: Option<DialStatus>,
    /// The cause that its `Hangup` gave; present when and only when it was hung up.
    pub cause: Option<Cause>,
    /// The SIP code that its `Hangup` gave as `TechCause` (20.17, 22.7, 23.1 and later). Asterisk makes up 480 for a
    /// channel that it gave up itself.
    pub tech_cause: Option<u16>,
    /// The far end ended it: a `HangupRequest` was seen on this channel, which is not a Local one (there the dialplan is
    /// the far end). Its cause, and its SIP code where the version tells, are what was really sent.
    pub ended_by_far_end: Option<FarEnd>,
}

/// What the far end of a channel sent to end it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FarEnd {
    /// The Q.850 cause; 0 where there was none.
    pub cause: u16,
    /// The SIP code, where this version of Asterisk tells.
    pub sip_code: Option<u16>,
}

impl Leg {
    /// A channel of which nothing is known yet but its name.
    pub fn new(uniqueid: &[u8], channel: &[u8]) -> Self {
        Self {
            uniqueid: uniqueid.into(),
            technology: Technology::of_channel(channel),
            ..Self::default()
        }
    }

    /// Whether ringing or progress was signalled.
    pub fn rang(&self) -> bool {
        self.ringing || self.progress
    }

    /// The cause that its `Hangup` gave; 0 if there is none.
    pub fn cause_code(&self) -> u16 {
        self.cause.as_ref().map_or(0, |cause| cause.code)
    }
}

/// `DialEnd`'s `DialStatus`. `NOANSWER` is everything that is neither busy nor congested, so it decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DialStatus {
    /// `ANSWER`
    Answer,
    /// `BUSY`
    Busy,
    /// `CONGESTION` or `CHANUNAVAIL`
    Congestion,
    /// `CANCEL`, `ABORT`: given up by the caller
    Cancel,
    /// `NOANSWER` and whatever else there is
    NoAnswer,
}

impl DialStatus {
    /// Reads the value of a `DialStatus` header.
    pub fn parse(value: &[u8]) -> Self {
        match value {
            b"ANSWER" => Self::Answer,
            b"BUSY" => Self::Busy,
            b"CONGESTION" | b"CHANUNAVAIL" => Self::Congestion,
            b"CANCEL" | b"ABORT" => Self::Cancel,
            _ => Self::NoAnswer,
        }
    }
}

/// `OriginateResponse`: how the attempt to get an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OriginateResult {
    /// `Response: Success`
    pub success: bool,
    /// `Reason`: 4 answered, 3 ring timeout, 5 busy, 8 congestion (the last two only from Local channels and
    /// `chan_sip`), 0 everything else.
    pub reason: u16,
}

/// All that is known of one attempt when it is over.
#[derive(Debug, Clone)]
pub struct Observations {
    /// When the Originate was handed to the socket.
    pub written_at: Instant,
    /// Asterisk refused the request itself (`Response: Error`), with its message.
    pub refused: Option<String>,
    /// `OriginateResponse`, if it came.
    pub originate_result: Option<OriginateResult>,
    /// The channel that was originated (the `;1` half of a Local channel), if it ever existed.
    pub channel: Option<Leg>,
    /// Asterisk's Linkedid of the originated channel.
    pub linkedid: Option<Box<[u8]>>,
    /// The other channels of the call, in the order in which they appeared.
    pub legs: Vec<Leg>,
    /// When the call was answered: the originated channel went up, or `OriginateResponse` said so, whichever was first.
    pub answered_at: Option<Instant>,
    /// The originated channel was seen to go up.
    pub up: bool,
    /// When the originated channel was hung up, or the call was otherwise over.
    pub ended_at: Instant,
    /// Asterisk said all that it has to say; else the session was lost, or Asterisk no longer knows the channel.
    pub end_seen: bool,
    /// A moment was missed while the connection was down, so that the durations are not exact.
    pub approximate: bool,
    /// The variables that the campaign asks for.
    pub captured: CapturedValues,
}

impl Observations {
    /// Nothing known but that the Originate is being written.
    pub fn new(written_at: Instant) -> Self {
        Self {
            written_at,
            refused: None,
            originate_result: None,
            channel: None,
            linkedid: None,
            legs: Vec::new(),
            answered_at: None,
            up: false,
            ended_at: written_at,
            end_seen: false,
            approximate: false,
            captured: CapturedValues::default(),
        }
    }

    /// Whether the far end or the network beyond the trunk gave any sign of life: an answer, ringing, progress, or an
    /// end that came from there.
    pub fn alive(&self) -> bool {
        let ended_by_far_end = |leg: &Leg| leg.ended_by_far_end.is_some();
        self.up || self.rang() || self.all_legs().any(ended_by_far_end)
    }

    /// The `Reason` of `OriginateResponse`; 0 if none came.
    pub fn reason(&self) -> u16 {
        self.originate_result.map_or(0, |result| result.reason)
    }

    /// Whether any leg signalled ringing or progress.
    pub fn rang(&self) -> bool {
        self.all_legs().any(Leg::rang)
    }

    /// The originated channel included.
    pub(super) fn all_legs(&self) -> impl Iterator<Item = &Leg> {
        self.channel.iter().chain(&self.legs)
    }

    /// Whether the originated channel was hung up.
    pub fn hung_up(&self) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.cause.is_some())
    }

    /// Whether the person who answered hung up: on the originated channel, or on the line that answered behind a Local
    /// one. What the dialplan dials after the answer says nothing of that.
    pub fn callee_hung_up(&self) -> bool {
        let line = |leg: &&Leg| leg.technology != Technology::Local;
        let answered = |leg: &&Leg| leg.dial_status == Some(DialStatus::Answer);
        self.channel
            .as_ref()
            .filter(line)
            .or_else(|| self.legs.iter().filter(line).find(answered))
            .is_some_and(|leg| leg.ended_by_far_end.is_some())
    }

    /// The leg that decides how an unanswered call ended: the last line that was dialed; else the far half of the
    /// Local channel if it was given a cause; else the originated channel.
    pub fn deciding_leg(&self) -> Option<&Leg> {
        let line = |leg: &&Leg| leg.technology != Technology::Local;
        let with_cause = |leg: &&Leg| leg.cause_code() != 0;
        self.legs
            .iter()
            .rfind(line)
            .or_else(|| self.channel.as_ref().filter(line))
            .or_else(|| self.legs.iter().rfind(with_cause))
            .or(self.channel.as_ref())
    }
}
