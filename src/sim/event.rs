//! How Asterisk 22 words its events: which headers, in which order, with which values.
//!
//! Everything is appended to one buffer. Whether and when an event happens is decided elsewhere.

/// The state of a channel, as `ChannelState` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Down,
    Ring,
    Ringing,
    Up,
    Busy,
}

impl State {
    /// The two header values, with the line between them.
    const fn number_and_name(self) -> (&'static str, &'static str) {
        match self {
            Self::Down => ("0", "Down"),
            Self::Ring => ("4", "Ring"),
            Self::Ringing => ("5", "Ringing"),
            Self::Up => ("6", "Up"),
            Self::Busy => ("7", "Busy"),
        }
    }
}

/// A party's number and name; empty is unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Party<'a> {
    pub(super) num: &'a [u8],
    pub(super) name: &'a [u8],
}

/// A channel as an event shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leg<'a> {
    pub(super) channel: &'a [u8],
    pub(super) state: State,
    pub(super) caller: Party<'a>,
    pub(super) connected: Party<'a>,
    pub(super) context: &'a [u8],
    pub(super) exten: &'a [u8],
    pub(super) priority: u32,
    pub(super) uniqueid: &'a [u8],
    pub(super) linkedid: &'a [u8],
}

/// A hangup cause, with the SIP code behind it where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cause {
    pub(super) q850: u16,
    pub(super) sip: Option<u16>,
}

impl Cause {
    pub(super) const fn plain(q850: u16) -> Self {
        Self { q850, sip: None }
    }
}

/// A bridge as an event shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bridge<'a> {
    pub(super) uniqueid: &'a [u8],
    pub(super) channels: u32,
}

/// What Asterisk calls a party that it does not know.
pub(super) const UNKNOWN: &[u8] = b"<unknown>";

/// Writes the headers of a channel, each under a prefix. The keys are put together at compile time: these lines are
/// most of what the simulator writes.
macro_rules! snapshot {
    ($name:ident, $prefix:literal) => {
        fn $name(out: &mut Vec<u8>, leg: &Leg<'_>) {
            let (number, name) = leg.state.number_and_name();
            out.extend_from_slice(concat!($prefix, "Channel: ").as_bytes());
            out.extend_from_slice(leg.channel);
            out.extend_from_slice(concat!("\r\n", $prefix, "ChannelState: ").as_bytes());
            out.extend_from_slice(number.as_bytes());
            out.extend_from_slice(concat!("\r\n", $prefix, "ChannelStateDesc: ").as_bytes());
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(concat!("\r\n", $prefix, "CallerIDNum: ").as_bytes());
            out.extend_from_slice(or_unknown(leg.caller.num));
            out.extend_from_slice(concat!("\r\n", $prefix, "CallerIDName: ").as_bytes());
            out.extend_from_slice(or_unknown(leg.caller.name));
            out.extend_from_slice(concat!("\r\n", $prefix, "ConnectedLineNum: ").as_bytes());
            out.extend_from_slice(or_unknown(leg.connected.num));
            out.extend_from_slice(concat!("\r\n", $prefix, "ConnectedLineName: ").as_bytes());
            out.extend_from_slice(or_unknown(leg.connected.name));
            out.extend_from_slice(
                concat!(
                    "\r\n",
                    $prefix,
                    "Language: en\r\n",
                    $prefix,
                    "AccountCode: \r\n",
                    $prefix,
                    "Context: "
                )
                .as_bytes(),
            );
            out.extend_from_slice(leg.context);
            out.extend_from_slice(concat!("\r\n", $prefix, "Exten: ").as_bytes());
            out.extend_from_slice(leg.exten);
            out.extend_from_slice(concat!("\r\n", $prefix, "Priority: ").as_bytes());
            decimal(out, u64::from(leg.priority));
            out.extend_from_slice(concat!("\r\n", $prefix, "Uniqueid: ").as_bytes());
            out.extend_from_slice(leg.uniqueid);
            out.extend_from_slice(concat!("\r\n", $prefix, "Linkedid: ").as_bytes());
            out.extend_from_slice(leg.linkedid);
            out.extend_from_slice(b"\r\n");
        }
    };
}

snapshot!(plain_headers, "");
snapshot!(dest_headers, "Dest");
snapshot!(local_one_headers, "LocalOne");
snapshot!(local_two_headers, "LocalTwo");

fn or_unknown(value: &[u8]) -> &[u8] {
    if value.is_empty() { UNKNOWN } else { value }
}

/// The headers of a channel, as they also stand in lists.
pub(super) fn channel_headers(out: &mut Vec<u8>, leg: &Leg<'_>) {
    plain_headers(out, leg);
}

/// One header line.
pub(super) fn header(out: &mut Vec<u8>, key: &str, value: &[u8]) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// One header line with a number.
pub(super) fn number_header(out: &mut Vec<u8>, key: &str, value: u64) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    decimal(out, value);
    out.extend_from_slice(b"\r\n");
}

/// A number without leading zeros.
pub(super) fn decimal(out: &mut Vec<u8>, mut value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // One digit always fits a byte.
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
        if value == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
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

/// The RTP statistics that a channel with media leaves behind when it goes.
const RTP: [(&str, &[u8]); 5] = [
    (
        "RTPAUDIOQOS",
        b"ssrc=653192512;themssrc=0;lp=0;rxjitter=0.000000;rxcount=0;txjitter=0.000000;txcount=0;rlp=0;rtt=0.000000;rxmes=0.000000;txmes=0.000000",
    ),
    (
        "RTPAUDIOQOSJITTER",
        b"minrxjitter=000.000000;maxrxjitter=000.000000;avgrxjitter=000.000000;stdevrxjitter=000.000000;mintxjitter=000.000000;maxtxjitter=000.000000;avgtxjitter=000.000000;stdevtxjitter=000.000000;",
    ),
    (
        "RTPAUDIOQOSLOSS",
        b"  minrxlost=000.000000;  maxrxlost=000.000000;  avgrxlost=000.000000;  stdevrxlost=000.000000;  mintxlost=000.000000;  maxtxlost=000.000000;  avgtxlost=000.000000;  stdevtxlost=000.000000;",
    ),
    (
        "RTPAUDIOQOSRTT",
        b"     minrtt=000.000000;     maxrtt=000.000000;     avgrtt=000.000000;     stdevrtt=000.000000;",
    ),
    (
        "RTPAUDIOQOSMES",
        b"   minrxmes=000.000000;   maxrxmes=000.000000;   avgrxmes=000.000000;   stdevrxmes=000.000000;   mintxmes=000.000000;   maxtxmes=000.000000;   avgtxmes=000.000000;   stdevtxmes=000.000000;",
    ),
];

/// Appends events to a buffer.
#[derive(Debug)]
pub(super) struct Events<'a> {
    out: &'a mut Vec<u8>,
    /// Whether events that tell nothing of a call's outcome are written too.
    all: bool,
}

impl<'a> Events<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, all: bool) -> Self {
        Self { out, all }
    }

    fn of_leg(&mut self, head: &[u8], leg: &Leg<'_>) {
        self.out.extend_from_slice(head);
        plain_headers(self.out, leg);
    }

    fn end(&mut self) {
        self.out.extend_from_slice(b"\r\n");
    }

    pub(super) fn newchannel(&mut self, leg: &Leg<'_>) {
        self.of_leg(b"Event: Newchannel\r\nPrivilege: call,all\r\n", leg);
        self.end();
    }

    pub(super) fn newexten(&mut self, leg: &Leg<'_>, application: &[u8], data: &[u8]) {
        if self.all {
            self.of_leg(b"Event: Newexten\r\nPrivilege: dialplan,all\r\n", leg);
            header(self.out, "Extension", leg.exten);
            header(self.out, "Application", application);
            header(self.out, "AppData", data);
            self.end();
        }
    }

    /// A variable that the dialer sets or looks at.
    pub(super) fn varset(&mut self, leg: &Leg<'_>, variable: &[u8], value: &[u8]) {
        self.of_leg(b"Event: VarSet\r\nPrivilege: dialplan,all\r\n", leg);
        header(self.out, "Variable", variable);
        self.out.extend_from_slice(b"Value: ");
        escape_c(value, self.out);
        self.out.extend_from_slice(b"\r\n\r\n");
    }

    /// A variable that Asterisk sets for itself.
    pub(super) fn own_varset(&mut self, leg: &Leg<'_>, variable: &str, value: &[u8]) {
        if self.all {
            self.varset(leg, variable.as_bytes(), value);
        }
    }

    pub(super) fn rtp_statistics(&mut self, leg: &Leg<'_>) {
        for (variable, value) in RTP {
            self.own_varset(leg, variable, value);
        }
    }

    pub(super) fn new_callerid(&mut self, leg: &Leg<'_>) {
        if self.all {
            self.of_leg(b"Event: NewCallerid\r\nPrivilege: call,all\r\n", leg);
            self.out.extend_from_slice(
                b"CID-CallingPres: 0 (Presentation Allowed, Not Screened)\r\n\r\n",
            );
        }
    }

    pub(super) fn new_connected_line(&mut self, leg: &Leg<'_>) {
        if self.all {
            self.of_leg(b"Event: NewConnectedLine\r\nPrivilege: call,all\r\n", leg);
            self.end();
        }
    }

    pub(super) fn newstate(&mut self, leg: &Leg<'_>) {
        self.of_leg(b"Event: Newstate\r\nPrivilege: call,all\r\n", leg);
        self.end();
    }

    fn dial(&mut self, head: &[u8], caller: Option<&Leg<'_>>, dest: &Leg<'_>) {
        self.out.extend_from_slice(head);
        if let Some(caller) = caller {
            plain_headers(self.out, caller);
        }
        dest_headers(self.out, dest);
    }

    pub(super) fn dial_begin(
        &mut self,
        caller: Option<&Leg<'_>>,
        dest: &Leg<'_>,
        dial_string: &[u8],
    ) {
        self.dial(b"Event: DialBegin\r\nPrivilege: call,all\r\n", caller, dest);
        header(self.out, "DialString", dial_string);
        self.end();
    }

    pub(super) fn dial_state(&mut self, caller: Option<&Leg<'_>>, dest: &Leg<'_>, status: &str) {
        self.dial(b"Event: DialState\r\nPrivilege: call,all\r\n", caller, dest);
        header(self.out, "DialStatus", status.as_bytes());
        self.end();
    }

    pub(super) fn dial_end(&mut self, caller: Option<&Leg<'_>>, dest: &Leg<'_>, status: &str) {
        self.dial(b"Event: DialEnd\r\nPrivilege: call,all\r\n", caller, dest);
        header(self.out, "DialStatus", status.as_bytes());
        self.end();
    }

    /// The end of a dial that was redirected.
    pub(super) fn dial_end_forwarded(&mut self, dest: &Leg<'_>, forward: &[u8]) {
        self.dial(b"Event: DialEnd\r\nPrivilege: call,all\r\n", None, dest);
        header(self.out, "Forward", forward);
        header(self.out, "DialStatus", b"CANCEL");
        self.end();
    }

    pub(super) fn hangup_request(&mut self, leg: &Leg<'_>, cause: Option<Cause>) {
        if self.all {
            self.of_leg(b"Event: HangupRequest\r\nPrivilege: call,all\r\n", leg);
            if let Some(cause) = cause {
                number_header(self.out, "Cause", u64::from(cause.q850));
                if let Some(sip) = cause.sip {
                    number_header(self.out, "TechCause", u64::from(sip));
                }
            }
            self.end();
        }
    }

    pub(super) fn soft_hangup_request(&mut self, leg: &Leg<'_>, q850: u16) {
        if self.all {
            self.of_leg(b"Event: SoftHangupRequest\r\nPrivilege: call,all\r\n", leg);
            number_header(self.out, "Cause", u64::from(q850));
            self.end();
        }
    }

    pub(super) fn hangup(&mut self, leg: &Leg<'_>, cause: Cause) {
        self.of_leg(b"Event: Hangup\r\nPrivilege: call,all\r\n", leg);
        number_header(self.out, "Cause", u64::from(cause.q850));
        header(self.out, "Cause-txt", cause_text(cause.q850).as_bytes());
        if let Some(sip) = cause.sip {
            number_header(self.out, "TechCause", u64::from(sip));
        }
        self.end();
    }

    pub(super) fn local_bridge(&mut self, one: &Leg<'_>, two: &Leg<'_>, optimised: bool) {
        if self.all {
            self.out
                .extend_from_slice(b"Event: LocalBridge\r\nPrivilege: call,all\r\n");
            local_one_headers(self.out, one);
            local_two_headers(self.out, two);
            header(self.out, "Context", one.context);
            header(self.out, "Exten", one.exten);
            let optimised: &[u8] = if optimised { b"Yes" } else { b"No" };
            header(self.out, "LocalOptimization", optimised);
            self.end();
        }
    }

    /// `BridgeCreate`, `BridgeDestroy`; with a channel `BridgeEnter`, `BridgeLeave`.
    pub(super) fn bridge(&mut self, event: &str, bridge: Bridge<'_>, leg: Option<&Leg<'_>>) {
        if self.all {
            header(self.out, "Event", event.as_bytes());
            header(self.out, "Privilege", b"call,all");
            header(self.out, "BridgeUniqueid", bridge.uniqueid);
            self.out.extend_from_slice(
                b"BridgeType: basic\r\nBridgeTechnology: simple_bridge\r\nBridgeCreator: <unknown>\r\nBridgeName: <unknown>\r\n",
            );
            number_header(self.out, "BridgeNumChannels", u64::from(bridge.channels));
            self.out
                .extend_from_slice(b"BridgeVideoSourceMode: none\r\n");
            if let Some(leg) = leg {
                plain_headers(self.out, leg);
            }
            self.end();
        }
    }

    pub(super) fn originate_response(&mut self, response: &OriginateResponse<'_>) {
        self.out
            .extend_from_slice(b"Event: OriginateResponse\r\nPrivilege: call,all\r\n");
        if !response.action_id.is_empty() {
            header(self.out, "ActionID", response.action_id);
        }
        let success: &[u8] = if response.reason == 4 {
            b"Success"
        } else {
            b"Failure"
        };
        header(self.out, "Response", success);
        header(self.out, "Channel", response.channel);
        match response.target {
            Target::Exten { context, exten, .. } => {
                header(self.out, "Context", context);
                header(self.out, "Exten", exten);
            }
            Target::Application { application, data } => {
                header(self.out, "Application", application);
                header(self.out, "Data", data);
            }
        }
        number_header(self.out, "Reason", u64::from(response.reason));
        header(self.out, "Uniqueid", or_unknown(response.uniqueid));
        header(self.out, "CallerIDNum", or_unknown(response.caller.num));
        header(self.out, "CallerIDName", or_unknown(response.caller.name));
        self.end();
    }

    pub(super) fn shutdown(&mut self) {
        self.out.extend_from_slice(
            b"Event: Shutdown\r\nPrivilege: system,all\r\nShutdown: Cleanly\r\nRestart: False\r\n\r\n",
        );
    }
}

/// Where an answered call goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    Exten {
        context: &'a [u8],
        exten: &'a [u8],
        priority: u32,
    },
    Application {
        application: &'a [u8],
        data: &'a [u8],
    },
}

/// The `OriginateResponse` event.
#[derive(Debug, Clone, Copy)]
pub(super) struct OriginateResponse<'a> {
    pub(super) action_id: &'a [u8],
    /// The channel once it was answered, else the dial string.
    pub(super) channel: &'a [u8],
    pub(super) target: Target<'a>,
    /// 4 is success.
    pub(super) reason: u8,
    /// Empty where there is none to tell.
    pub(super) uniqueid: &'a [u8],
    pub(super) caller: Party<'a>,
}

/// Puts in the C escapes that Asterisk puts into the `Value:` of a `VarSet`.
fn escape_c(value: &[u8], out: &mut Vec<u8>) {
    for &byte in value {
        let letter = match byte {
            0x07 => b'a',
            0x08 => b'b',
            0x0c => b'f',
            b'\n' => b'n',
            b'\r' => b'r',
            b'\t' => b't',
            0x0b => b'v',
            b'\\' | b'\'' | b'"' | b'?' => byte,
            _ => {
                out.push(byte);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::unescape_c;

    #[test]
    fn numbers_are_written_whole() {
        let mut out = Vec::new();
        for value in [0, 7, 10, u64::MAX] {
            decimal(&mut out, value);
            out.push(b' ');
        }
        assert_eq!(out, b"0 7 10 18446744073709551615 ");
    }

    #[test]
    fn a_value_comes_back_whole_from_a_varset() {
        let value = b"say \"hi\", it's 5?\\n\x07\x08\t\x0b\x0c\xff";
        let mut out = Vec::new();
        escape_c(value, &mut out);
        assert!(out.starts_with(br#"say \"hi\", it\'s 5\?\\n\a\b\t\v\f"#));
        assert_eq!(*unescape_c(&out), *value);
    }
}
