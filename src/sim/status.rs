//! The lists of live channels: `Status` and `CoreShowChannels`.

use tokio::time::Instant;

use crate::sim::call::SimulatedCall;
use crate::sim::calls::SimulatedCalls;
use crate::sim::channel::{Channel, Party};
use crate::sim::client::ManagerClient;
use crate::sim::headers::{action_id_header, channel_headers, end, header, or_unknown, respond};
use crate::sim::originate::split_arguments;

/// What the response says before a list.
const START: (&str, &str) = ("EventList", "start");

/// The event that ends a list.
fn complete(out: &mut Vec<u8>, event: &str, action_id: &str, items: usize) {
    header(out, "Event", event);
    action_id_header(out, action_id);
    header(out, "EventList", "Complete");
    header(out, "ListItems", &items.to_string());
}

/// The answer to `Status`, of one channel or of all, with the variables that were asked for.
pub(super) fn status(
    calls: &SimulatedCalls,
    client: &mut ManagerClient,
    only: &str,
    variables: &str,
    now: Instant,
) {
    let (action_id, out) = (&*client.action_id, &mut client.output);
    let message = ("Message", "Channel status will follow");
    respond(out, "Success", action_id, &[START, message]);
    let mut items = 0;
    let mut variables = split_arguments(variables);
    variables.retain(|name| !name.is_empty());
    for (call, channel) in calls.channels() {
        if only.is_empty() || channel.is(only) {
            items += 1;
            header(out, "Event", "Status");
            header(out, "Privilege", "Call");
            channel_headers(out, "", channel);
            let seconds = now.saturating_duration_since(call.dialed).as_secs();
            let Party { number, name } = &channel.connected;
            let headers = [
                ("Type", channel.name.split('/').next().unwrap_or("")),
                ("DNID", ""),
                ("EffectiveConnectedLineNum", or_unknown(number)),
                ("EffectiveConnectedLineName", or_unknown(name)),
                ("TimeToHangup", "0"),
                ("BridgeID", ""),
                ("Application", &channel.application),
                ("Data", &channel.data),
                ("Nativeformats", "(ulaw)"),
                ("Readformat", "ulaw"),
                ("Readtrans", ""),
                ("Writeformat", "ulaw"),
                ("Writetrans", ""),
                ("Callgroup", "0"),
                ("Pickupgroup", "0"),
                ("Seconds", &seconds.to_string()),
            ];
            for (key, value) in headers {
                header(out, key, value);
            }
            for name in &variables {
                let value = value(calls, call, channel, name, now);
                header(out, "Variable", &format!("{name}={value}"));
            }
            action_id_header(out, action_id);
            end(out, &[]);
        }
    }
    complete(out, "StatusComplete", action_id, items);
    end(out, &[("Items", &items.to_string())]);
}

/// A variable of a live channel, `(null)` where it is unset.
fn value(
    calls: &SimulatedCalls,
    call: &SimulatedCall,
    channel: &Channel,
    name: &str,
    now: Instant,
) -> String {
    match (name, call.answered) {
        ("CDR(billsec,f)", Some(at)) => format!("{:.6}", (now - at).as_secs_f64()),
        ("CDR(answer,u)", Some(at)) => calls.wall_clock(at),
        ("CDR(billsec,f)" | "CDR(answer,u)", None) => "0.000000".to_owned(),
        _ if call.has_variables(channel) => {
            let value = call.originate.variable(name);
            value.unwrap_or("(null)").to_owned()
        }
        _ => "(null)".to_owned(),
    }
}

/// The answer to `CoreShowChannels`.
pub(super) fn core_show_channels(calls: &SimulatedCalls, client: &mut ManagerClient, now: Instant) {
    let (action_id, out) = (&*client.action_id, &mut client.output);
    let message = ("Message", "Channels will follow");
    respond(out, "Success", action_id, &[START, message]);
    let mut items = 0;
    for (call, channel) in calls.channels() {
        items += 1;
        header(out, "Event", "CoreShowChannel");
        action_id_header(out, action_id);
        channel_headers(out, "", channel);
        let seconds = now.saturating_duration_since(call.dialed).as_secs();
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let duration = format!("{hours:02}:{minutes:02}:{:02}", seconds % 60);
        let headers = [
            ("Application", &*channel.application),
            ("ApplicationData", &channel.data),
            ("Duration", &duration),
            ("BridgeId", ""),
        ];
        end(out, &headers);
    }
    complete(out, "CoreShowChannelsComplete", action_id, items);
    end(out, &[]);
}
