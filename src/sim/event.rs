//! How Asterisk 22 words its events: which headers, in which order, with which values.
//!
//! Whether and when an event happens is decided elsewhere.

use std::borrow::Cow;

use crate::sim::cause::{HangupCause, cause_text};
use crate::sim::channel::{Channel, ChannelState};
use crate::sim::headers::{
    UNKNOWN, channel_headers, end, escape_c, header, number_header, or_unknown,
};
use crate::sim::originate::{Originate, SessionNumber};

/// The data of `AppDial`, which a dialed channel runs until its call is answered.
pub(super) const OUTGOING: &str = "(Outgoing Line)";

/// `Reason:` of an `OriginateResponse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OriginateReason {
    Failed = 0,
    RingTimeout = 3,
    Answered = 4,
    Busy = 5,
    Congestion = 8,
}

/// The RTP statistics that a channel with media leaves behind when it goes.
const RTP_STATISTICS: [(&str, &str); 5] = [
    ("RTPAUDIOQOS", include_str!("rtp/qos.txt")),
    ("RTPAUDIOQOSJITTER", include_str!("rtp/jitter.txt")),
    ("RTPAUDIOQOSLOSS", include_str!("rtp/loss.txt")),
    ("RTPAUDIOQOSRTT", include_str!("rtp/rtt.txt")),
    ("RTPAUDIOQOSMES", include_str!("rtp/mes.txt")),
];

/// Whether an event filter for a dialer lets an event through; of `VarSet` those of variables that it set or looks at.
fn tells_of_outcome(event: &str) -> bool {
    matches!(event, "Newchannel" | "Newstate" | "VarSet" | "Hangup")
        || matches!(event, "DialBegin" | "DialState" | "DialEnd")
        || matches!(event, "OriginateResponse" | "Shutdown")
}

/// Collects events.
#[derive(Debug, Default)]
pub(super) struct Events {
    pub(super) out: Vec<u8>,
    /// Whether events that say nothing of a call's outcome are written too.
    pub(super) all: bool,
    /// The outcomes that sessions wait for, instead of an `OriginateResponse`; true is answered.
    pub(super) outcomes: Vec<(SessionNumber, bool)>,
}

impl Events {
    /// The first lines of an event; false, and nothing, if it is filtered out.
    fn begin(&mut self, event: &str) -> bool {
        let wanted = self.all || tells_of_outcome(event);
        if wanted {
            header(&mut self.out, "Event", event);
            let class = match event {
                "Newexten" | "VarSet" => "dialplan,all",
                "Shutdown" => "system,all",
                _ => "call,all",
            };
            header(&mut self.out, "Privilege", class);
        }
        wanted
    }

    /// An event of some channels, each shown with a prefix, and further headers.
    fn write(&mut self, event: &str, shown: &[(&str, &Channel)], headers: &[(&str, &str)]) {
        if self.begin(event) {
            for (prefix, channel) in shown {
                channel_headers(&mut self.out, prefix, channel);
            }
            end(&mut self.out, headers);
        }
    }

    fn of(&mut self, event: &str, channel: &Channel, headers: &[(&str, &str)]) {
        self.write(event, &[("", channel)], headers);
    }

    pub(super) fn newchannel(&mut self, channel: &mut Channel) {
        channel.lives = true;
        self.of("Newchannel", channel, &[]);
    }

    pub(super) fn newexten(
        &mut self,
        channel: &mut Channel,
        application: &'static str,
        data: impl Into<Cow<'static, str>>,
    ) {
        channel.application = application.into();
        channel.data = data.into();
        let headers = [
            ("Extension", &*channel.exten),
            ("Application", application),
            ("AppData", &channel.data),
        ];
        self.of("Newexten", channel, &headers);
    }

    pub(super) fn newstate(&mut self, channel: &mut Channel, state: ChannelState) {
        channel.state = state;
        self.of("Newstate", channel, &[]);
    }

    /// Variables that the dialer sets or looks at.
    pub(super) fn varsets<'a>(
        &mut self,
        channel: &Channel,
        variables: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) {
        let start = self.out.len();
        let mut shown = start..start;
        for (variable, value) in variables {
            if shown.is_empty() {
                self.begin("VarSet");
                channel_headers(&mut self.out, "", channel);
                shown.end = self.out.len();
            } else {
                // The same channel is the most of each.
                self.out.extend_from_within(shown.clone());
            }
            let headers = [("Variable", variable), ("Value", &escape_c(value))];
            end(&mut self.out, &headers);
        }
    }

    /// Variables that Asterisk sets for itself.
    pub(super) fn own_varsets(&mut self, channel: &Channel, variables: &[(&str, &str)]) {
        if self.all {
            self.varsets(channel, variables.iter().copied());
        }
    }

    pub(super) fn rtp_statistics(&mut self, channel: &Channel) {
        self.own_varsets(channel, &RTP_STATISTICS);
    }

    pub(super) fn new_callerid(&mut self, channel: &Channel) {
        let presentation = [("CID-CallingPres", "0 (Presentation Allowed, Not Screened)")];
        self.of("NewCallerid", channel, &presentation);
    }

    pub(super) fn new_connected_line(&mut self, channel: &Channel) {
        self.of("NewConnectedLine", channel, &[]);
    }

    /// An event of dialing; `caller` is the channel whose dialplan dials.
    fn dial(
        &mut self,
        event: &str,
        caller: Option<&Channel>,
        dest: &Channel,
        headers: &[(&str, &str)],
    ) {
        match caller {
            Some(caller) => self.write(event, &[("", caller), ("Dest", dest)], headers),
            None => self.write(event, &[("Dest", dest)], headers),
        }
    }

    pub(super) fn dial_begin(&mut self, caller: Option<&Channel>, dest: &Channel, string: &str) {
        self.dial("DialBegin", caller, dest, &[("DialString", string)]);
    }

    pub(super) fn dial_state(&mut self, caller: Option<&Channel>, dest: &Channel, status: &str) {
        self.dial("DialState", caller, dest, &[("DialStatus", status)]);
    }

    pub(super) fn dial_end(&mut self, caller: Option<&Channel>, dest: &Channel, status: &str) {
        self.dial("DialEnd", caller, dest, &[("DialStatus", status)]);
    }

    /// The end of a dial that was redirected.
    pub(super) fn dial_end_forwarded(&mut self, dest: &Channel, forward: &str) {
        let headers = [("Forward", forward), ("DialStatus", "CANCEL")];
        self.dial("DialEnd", None, dest, &headers);
    }

    fn with_cause(&mut self, event: &str, channel: &Channel, cause: Option<HangupCause>) {
        if self.begin(event) {
            channel_headers(&mut self.out, "", channel);
            if let Some(HangupCause { q850, sip }) = cause {
                number_header(&mut self.out, "Cause", q850.into());
                if event == "Hangup" {
                    header(&mut self.out, "Cause-txt", cause_text(q850));
                }
                if let Some(code) = sip {
                    number_header(&mut self.out, "TechCause", code.into());
                }
            }
            end(&mut self.out, &[]);
        }
    }

    pub(super) fn hangup_request(&mut self, channel: &Channel, cause: Option<HangupCause>) {
        self.with_cause("HangupRequest", channel, cause);
    }

    pub(super) fn soft_hangup_request(&mut self, channel: &Channel, q850: u16) {
        let cause = HangupCause::plain(q850);
        self.with_cause("SoftHangupRequest", channel, Some(cause));
    }

    pub(super) fn hangup(&mut self, channel: &mut Channel, cause: HangupCause) {
        channel.lives = false;
        self.with_cause("Hangup", channel, Some(cause));
    }

    pub(super) fn local_bridge(&mut self, one: &Channel, two: &Channel, optimised: bool) {
        let headers = [
            ("Context", &*one.context),
            ("Exten", &one.exten),
            ("LocalOptimization", if optimised { "Yes" } else { "No" }),
        ];
        let halves = [("LocalOne", one), ("LocalTwo", two)];
        self.write("LocalBridge", &halves, &headers);
    }

    /// `BridgeCreate`, `BridgeDestroy`; with a channel `BridgeEnter`, `BridgeLeave`.
    pub(super) fn bridge(
        &mut self,
        event: &str,
        id: &str,
        channels: u8,
        channel: Option<&Channel>,
    ) {
        if self.begin(event) {
            for (key, value) in [
                ("BridgeUniqueid", id),
                ("BridgeType", "basic"),
                ("BridgeTechnology", "simple_bridge"),
                ("BridgeCreator", UNKNOWN),
                ("BridgeName", UNKNOWN),
                ("BridgeNumChannels", &channels.to_string()),
                ("BridgeVideoSourceMode", "none"),
            ] {
                header(&mut self.out, key, value);
            }
            if let Some(channel) = channel {
                channel_headers(&mut self.out, "", channel);
            }
            end(&mut self.out, &[]);
        }
    }

    /// The outcome of an originate, to those who watch or to the session that waits for it. `channel` is the
    /// originated one, if there is any.
    pub(super) fn originate_response(
        &mut self,
        originate: &Originate,
        channel: Option<&Channel>,
        reason: OriginateReason,
    ) {
        let answered = reason == OriginateReason::Answered;
        if let Some(session) = originate.waiting {
            self.outcomes.push((session, answered));
            return;
        }
        let shown = channel.filter(|_| answered);
        let (name, id) = match shown {
            Some(channel) => (&channel.name, &*channel.uniqueid),
            None => {
                let given = originate.channel_id.as_deref();
                (&originate.dial_string, given.unwrap_or(UNKNOWN))
            }
        };
        let target = if originate.application.is_empty() {
            [("Context", &originate.context), ("Exten", &originate.exten)]
        } else {
            let application = ("Application", &originate.application);
            [application, ("Data", &originate.data)]
        };
        let [one, two] = target.map(|(key, value)| (key, value.as_str()));
        let reason = (reason as u8).to_string();
        let headers = [
            ("ActionID", originate.action_id.as_str()),
            ("Response", if answered { "Success" } else { "Failure" }),
            ("Channel", name),
            one,
            two,
            ("Reason", &reason),
            ("Uniqueid", id),
            ("CallerIDNum", or_unknown(&originate.caller.number)),
            ("CallerIDName", or_unknown(&originate.caller.name)),
        ];
        let skip = usize::from(originate.action_id.is_empty());
        self.write("OriginateResponse", &[], &headers[skip..]);
    }

    pub(super) fn shutdown(&mut self) {
        let headers = [("Shutdown", "Cleanly"), ("Restart", "False")];
        self.write("Shutdown", &[], &headers);
    }
}
