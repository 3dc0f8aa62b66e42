//! The lists of live channels: `Status` and `CoreShowChannels`.

use std::time::Duration;

use tokio::time::Instant;

use crate::sim::call::{Call, Kind};
use crate::sim::calls::Calls;
use crate::sim::event::{Leg, State, Target, channel_headers, header, number_header};
use crate::sim::fate::End;

/// A live channel, with what it does.
struct Live<'a> {
    leg: Leg<'a>,
    application: &'a [u8],
    data: &'a [u8],
    /// Whether it carries the originate's variables.
    variables: bool,
}

/// The channels that a call has now, the originated one first.
fn channels(call: &Call) -> Vec<Live<'_>> {
    let up = call.state == State::Up;
    let waiting = (&b"AppDial2"[..], &b"(Outgoing Line)"[..]);
    let (application, data) = match call.target() {
        _ if !up => waiting,
        Target::Application { application, data } => (application, data),
        Target::Exten { .. } if call.plan.end == End::OperatorBusy => {
            (&b"Dial"[..], &b"PJSIP/9@operator,5"[..])
        }
        Target::Exten { .. } => (&b"Wait"[..], &b"1"[..]),
    };
    let first = Live {
        leg: if up { call.in_dialplan(1) } else { call.leg() },
        application,
        data,
        variables: true,
    };
    let other = |other, state, application, data, variables| Live {
        leg: call.inbound(other, state),
        application,
        data,
        variables,
    };
    let dialed = (&b"AppDial"[..], &b"(Outgoing Line)"[..]);
    match (call.kind, call.plan.end) {
        (Kind::Local, _) => {
            let state = if up { State::Up } else { State::Ring };
            let mut second = other(call.second, state, b"Dial", b"", true);
            second.leg.context = call.get(call.local_context);
            second.leg.exten = call.get(call.local_exten);
            let far = other(call.far, call.far_state, dialed.0, dialed.1, false);
            vec![first, second, far]
        }
        (Kind::Direct, End::Redirected) if call.left => {
            let mut halves = vec![
                other(call.far, State::Up, b"Wait", b"1", false),
                other(call.second, State::Up, b"Wait", b"1", false),
            ];
            for half in &mut halves {
                half.leg.linkedid = call.get(call.far.id);
            }
            halves
        }
        (Kind::Direct, End::OperatorBusy) if up => {
            let operator = other(call.far, State::Down, dialed.0, dialed.1, false);
            vec![first, operator]
        }
        (Kind::Direct, _) => vec![first],
    }
}

/// Whether one of the call's channels has that name or unique id.
pub(super) fn has_channel(call: &Call, name: &[u8]) -> bool {
    channels(call)
        .iter()
        .any(|live| live.leg.channel == name || live.leg.uniqueid == name)
}

fn start(out: &mut Vec<u8>, action_id: &[u8], message: &str) {
    header(out, "Response", b"Success");
    action_id_header(out, action_id);
    header(out, "EventList", b"start");
    header(out, "Message", message.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn action_id_header(out: &mut Vec<u8>, action_id: &[u8]) {
    if !action_id.is_empty() {
        header(out, "ActionID", action_id);
    }
}

fn complete(out: &mut Vec<u8>, event: &str, action_id: &[u8], items: u64) {
    header(out, "Event", event.as_bytes());
    action_id_header(out, action_id);
    header(out, "EventList", b"Complete");
    number_header(out, "ListItems", items);
}

/// The answer to `Status`, of one call or of all, with the variables that were asked for.
pub(super) fn status(
    calls: &Calls,
    one: Option<(&Call, &[u8])>,
    variables: &[u8],
    action_id: &[u8],
    now: Instant,
    out: &mut Vec<u8>,
) {
    start(out, action_id, "Channel status will follow");
    let variables = names(variables);
    let mut items = 0;
    let mut list = |call: &Call, only: Option<&[u8]>| {
        for live in channels(call) {
            if only.is_some_and(|name| name != live.leg.channel && name != live.leg.uniqueid) {
                continue;
            }
            items += 1;
            status_event(calls, call, &live, &variables, action_id, now, out);
        }
    };
    match one {
        Some((call, name)) => list(call, Some(name)),
        None => calls.existing().for_each(|call| list(call, None)),
    }
    complete(out, "StatusComplete", action_id, items);
    number_header(out, "Items", items);
    out.extend_from_slice(b"\r\n");
}

fn status_event(
    calls: &Calls,
    call: &Call,
    live: &Live<'_>,
    variables: &[Vec<u8>],
    action_id: &[u8],
    now: Instant,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"Event: Status\r\nPrivilege: Call\r\n");
    channel_headers(out, &live.leg);
    let technology = live.leg.channel.split(|&byte| byte == b'/').next();
    header(out, "Type", technology.unwrap_or(b""));
    header(out, "DNID", b"");
    for (key, value) in [
        ("EffectiveConnectedLineNum", live.leg.connected.num),
        ("EffectiveConnectedLineName", live.leg.connected.name),
    ] {
        let unknown = value.is_empty();
        header(
            out,
            key,
            if unknown {
                crate::sim::event::UNKNOWN
            } else {
                value
            },
        );
    }
    header(out, "TimeToHangup", b"0");
    header(out, "BridgeID", b"");
    header(out, "Application", live.application);
    header(out, "Data", live.data);
    out.extend_from_slice(
        b"Nativeformats: (ulaw)\r\nReadformat: ulaw\r\nReadtrans: \r\nWriteformat: ulaw\r\nWritetrans: \r\nCallgroup: 0\r\nPickupgroup: 0\r\n",
    );
    let seconds = now.saturating_duration_since(call.dialed).as_secs();
    number_header(out, "Seconds", seconds);
    for name in variables {
        out.extend_from_slice(b"Variable: ");
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(&value(calls, call, live, name, now));
        out.extend_from_slice(b"\r\n");
    }
    action_id_header(out, action_id);
    out.extend_from_slice(b"\r\n");
}

/// A variable of a live channel, `(null)` where it is unset.
fn value(calls: &Calls, call: &Call, live: &Live<'_>, name: &[u8], now: Instant) -> Vec<u8> {
    if name == b"CDR(billsec,f)" {
        let talked = call.answered.map_or(Duration::ZERO, |at| now - at);
        return format!("{:.6}", talked.as_secs_f64()).into_bytes();
    }
    if name == b"CDR(answer,u)" {
        let micros = call.answered.map_or(0, |at| calls.wall_micros(at));
        return format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000).into_bytes();
    }
    let dialplan = || {
        let mut set = calls.config.dialplan_variables.iter();
        let found = set.find(|(set, _)| call.state == State::Up && set.as_bytes() == name);
        found.map(|(_, value)| value.as_bytes())
    };
    let value = live
        .variables
        .then(|| dialplan().or_else(|| call.variable(name)));
    value.flatten().unwrap_or(b"(null)").to_vec()
}

/// The names in `Variables:`. A comma inside parentheses, or after a backslash, belongs to its name.
fn names(text: &[u8]) -> Vec<Vec<u8>> {
    let mut names = Vec::new();
    let mut name = Vec::new();
    let mut depth = 0_u32;
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => name.extend(bytes.next()),
            b',' if depth == 0 => names.push(std::mem::take(&mut name)),
            _ => {
                match byte {
                    b'(' => depth += 1,
                    b')' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                name.push(byte);
            }
        }
    }
    names.push(name);
    names.retain(|name| !name.is_empty());
    names
}

/// The answer to `CoreShowChannels`.
pub(super) fn core_show_channels(calls: &Calls, action_id: &[u8], now: Instant, out: &mut Vec<u8>) {
    start(out, action_id, "Channels will follow");
    let mut items = 0;
    for call in calls.existing() {
        for live in channels(call) {
            items += 1;
            header(out, "Event", b"CoreShowChannel");
            action_id_header(out, action_id);
            channel_headers(out, &live.leg);
            header(out, "Application", live.application);
            header(out, "ApplicationData", live.data);
            let seconds = now.saturating_duration_since(call.dialed).as_secs();
            let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
            let duration = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
            header(out, "Duration", duration.as_bytes());
            header(out, "BridgeId", b"");
            out.extend_from_slice(b"\r\n");
        }
    }
    complete(out, "CoreShowChannelsComplete", action_id, items);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_in_the_list_of_variables_keeps_its_comma() {
        let expected = [&b"CALLID"[..], b"CDR(answer,u)", b"X"];
        assert_eq!(names(b"CALLID,CDR(answer,u),X"), expected);
        assert_eq!(names(br"CALLID,CDR(answer\,u),X"), expected);
        assert!(names(b"").is_empty());
    }
}
