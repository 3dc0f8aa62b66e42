//! How Asterisk 22 words its events: which headers, in which order, with which values.
//!
//! Whether and when an event happens is decided elsewhere.

use crate::sim::cause::{HangupCause, cause_text};
use crate::sim::channel::{Channel, ChannelState};
use crate::sim::headers::{
    ChannelKeys, DEST, LOCAL_ONE, LOCAL_TWO, PLAIN, UNKNOWN, channel_headers, end, escape_c,
    header, or_unknown, prefixed_headers,
};
use crate::sim::originate::{CallTarget, Originate, SessionNumber};

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

/// The RTP statistics that a channel with media leaves behind when it goes, a variable a line.
const RTP_STATISTICS: &str = include_str!("rtp_statistics.txt");

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
    fn write(&mut self, event: &str, shown: &[(&ChannelKeys, &Channel)], headers: &[(&str, &str)]) {
        if self.begin(event) {
            for (keys, channel) in shown {
                prefixed_headers(&mut self.out, keys, channel);
            }
            end(&mut self.out, headers);
        }
    }

    fn of(&mut self, event: &str, channel: &Channel, headers: &[(&str, &str)]) {
        self.write(event, &[(&PLAIN, channel)], headers);
    }

    pub(super) fn newchannel(&mut self, channel: &mut Channel) {
        channel.lives = true;
        self.of("Newchannel", channel, &[]);
    }

    pub(super) fn newexten(&mut self, channel: &mut Channel, application: &str, data: &str) {
        application.clone_into(&mut channel.application);
        data.clone_into(&mut channel.data);
        let headers = [
            ("Extension", channel.exten.as_str()),
            ("Application", application),
            ("AppData", data),
        ];
        self.of("Newexten", channel, &headers);
    }

    pub(super) fn newstate(&mut self, channel: &mut Channel, state: ChannelState) {
        channel.state = state;
        self.of("Newstate", channel, &[]);
    }

    /// A variable that the dialer sets or looks at.
    pub(super) fn varset(&mut self, channel: &Channel, variable: &str, value: &str) {
        let headers = [("Variable", variable), ("Value", &escape_c(value))];
        self.of("VarSet", channel, &headers);
    }

    /// Variables that Asterisk sets for itself.
    pub(super) fn own_varsets(&mut self, channel: &Channel, variables: &[(&str, &str)]) {
        if self.all {
            for (variable, value) in variables {
                self.varset(channel, variable, value);
            }
        }
    }

    pub(super) fn rtp_statistics(&mut self, channel: &Channel) {
        if self.all {
            let lines = RTP_STATISTICS.lines();
            for (variable, value) in lines.filter_map(|line| line.split_once('=')) {
                self.varset(channel, variable, value);
            }
        }
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
            Some(caller) => self.write(event, &[(&PLAIN, caller), (&DEST, dest)], headers),
            None => self.write(event, &[(&DEST, dest)], headers),
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
        let number = |number: Option<u16>| number.map_or_else(String::new, |it| it.to_string());
        let q850 = number(cause.map(|cause| cause.q850));
        let code = number(cause.and_then(|cause| cause.sip));
        let words = match cause {
            Some(cause) if event == "Hangup" => cause_text(cause.q850),
            _ => "",
        };
        let mut headers = vec![
            ("Cause", &*q850),
            ("Cause-txt", words),
            ("TechCause", &code),
        ];
        headers.retain(|(_, value)| !value.is_empty());
        self.of(event, channel, &headers);
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
            ("Context", one.context.as_str()),
            ("Exten", &one.exten),
            ("LocalOptimization", if optimised { "Yes" } else { "No" }),
        ];
        self.write(
            "LocalBridge",
            &[(&LOCAL_ONE, one), (&LOCAL_TWO, two)],
            &headers,
        );
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
                channel_headers(&mut self.out, channel);
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
        let given = originate.channel_id.as_deref();
        let (one, two) = match &originate.target {
            CallTarget::Exten { context, exten, .. } => (("Context", context), ("Exten", exten)),
            CallTarget::Application { application, data } => {
                (("Application", application), ("Data", data))
            }
        };
        let reason = (reason as u8).to_string();
        let headers = [
            ("ActionID", originate.action_id.as_str()),
            ("Response", if answered { "Success" } else { "Failure" }),
            (
                "Channel",
                shown.map_or(&originate.dial_string, |channel| &channel.name),
            ),
            (one.0, one.1),
            (two.0, two.1),
            ("Reason", &reason),
            (
                "Uniqueid",
                shown.map_or(given.unwrap_or(UNKNOWN), |channel| &channel.uniqueid),
            ),
            ("CallerIDNum", or_unknown(&originate.caller.number)),
            ("CallerIDName", or_unknown(&originate.caller.name)),
        ];
        let skip = usize::from(originate.action_id.is_empty());
        self.write("OriginateResponse", &[], &headers[skip..]);
    }

    pub(super) fn shutdown(&mut self) {
        self.write(
            "Shutdown",
            &[],
            &[("Shutdown", "Cleanly"), ("Restart", "False")],
        );
    }
}
