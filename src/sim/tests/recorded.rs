//! The simulator beside recordings of a real Asterisk 22: the same events, with the same headers in the same order.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use super::*;

/// The headers whose values must be the recorded ones; the others are names, numbers and moments.
const SAME_VALUE: [&str; 25] = [
    "Response",
    "Message",
    "Event",
    "Privilege",
    "ChannelState",
    "ChannelStateDesc",
    "DestChannelState",
    "DestChannelStateDesc",
    "Priority",
    "Cause",
    "Cause-txt",
    "TechCause",
    "Reason",
    "DialStatus",
    "Variable",
    "CID-CallingPres",
    "Application",
    "LocalOptimization",
    "BridgeNumChannels",
    "BridgeType",
    "Exten",
    "CallerIDName",
    "ConnectedLineName",
    "DestCallerIDName",
    "Language",
];

/// What is compared of a message: its headers in order, with their values where those matter.
fn shape(message: &Message) -> String {
    let mut shape = String::new();
    let dialing = matches!(message.event(), Some(b"DialBegin" | b"DialState"));
    for (key, value) in message.headers() {
        let key = std::str::from_utf8(key).unwrap();
        shape.push_str(key);
        // `Dial` events come from another thread than the state of the channel that they show.
        let races = dialing && key.starts_with("DestChannelState");
        if SAME_VALUE.contains(&key) && !races {
            shape.push_str(": ");
            // The number dialed is the extension of a Local channel; here it also asks for the fate.
            let is_number = key == "Exten" && value.len() == 3 && value.starts_with(b"1");
            let value = if is_number { b"100" } else { value };
            shape.push_str(std::str::from_utf8(value).unwrap());
        }
        shape.push('\n');
    }
    shape
}

/// Dials, and returns everything that is sent from the response on.
async fn simulated(channel: &str, more: &str) -> Vec<Message> {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    let id = "01k9qx3e7r8b2m5tv6w0c4d1fa";
    peer.send(&originate(channel, id, more)).await;
    let messages = peer.during(Duration::from_secs(30)).await;
    assert_eq!(simulator.counters().calls, 0, "a call is left");
    messages
}

/// Asserts that a simulated call sends exactly what was recorded; the order may differ as it does between two
/// calls of a real Asterisk.
async fn sends_what_is_recorded(name: &str, channel: &str, more: &str) {
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    let recorded = recording(name);
    let begin = recorded
        .iter()
        .position(|message| text(message, "Message") == "Originate successfully queued")
        .unwrap();
    for message in &recorded[begin..] {
        *counts.entry(shape(message)).or_default() += 1;
    }
    let simulated = simulated(channel, more).await;
    for message in &simulated {
        *counts.entry(shape(message)).or_default() -= 1;
    }
    let mut differences = String::new();
    for (shape, count) in counts.into_iter().filter(|(_, count)| *count != 0) {
        let whose = if count > 0 {
            "only recorded"
        } else {
            "only simulated"
        };
        write!(differences, "--- {whose} ({count}):\n{shape}\n").unwrap();
    }
    assert!(differences.is_empty(), "{name}:\n{differences}");
    keeps_the_order_within_a_channel(&simulated);
}

/// A channel's first event is `Newchannel`, its last `Hangup`; the response comes before all.
fn keeps_the_order_within_a_channel(messages: &[Message]) {
    assert_eq!(
        text(&messages[0], "Message"),
        "Originate successfully queued"
    );
    let mut ended: BTreeMap<String, bool> = BTreeMap::new();
    for message in &messages[1..] {
        let event = text(message, "Event");
        if event == "OriginateResponse" || message.get("Channel").is_none() {
            continue;
        }
        let uniqueid = text(message, "Uniqueid");
        match ended.get(&uniqueid) {
            None => assert_eq!(event, "Newchannel", "{message:?}"),
            Some(ended) => assert!(!ended, "after the hangup: {message:?}"),
        }
        ended.insert(uniqueid, event == "Hangup");
    }
    assert!(ended.values().all(|ended| *ended), "{ended:?}");
}

macro_rules! recorded {
    ($($test:ident: $recording:literal, $channel:literal, $more:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $test() {
            sends_what_is_recorded($recording, $channel, $more).await;
        }
    )*};
}

recorded! {
    answered_hung_up_by_the_dialplan: "22-one-id/pjsip-answered-hung-up-by-dialplan.txt", "PJSIP/101@answer", "";
    answered_hung_up_by_the_callee: "22-one-id/pjsip-answered-hung-up-by-callee.txt", "PJSIP/102@bye", "";
    busy: "22-one-id/pjsip-busy.txt", "PJSIP/110@busy", "";
    early_media_then_busy: "22-one-id/pjsip-183-then-busy.txt", "PJSIP/111@busy", "";
    declined: "22-one-id/pjsip-declined.txt", "PJSIP/131@reject", "";
    no_such_number: "22-one-id/pjsip-not-found.txt", "PJSIP/140@notfound", "";
    trunk_unavailable: "22-one-id/pjsip-503.txt", "PJSIP/150@unavail", "";
    rings_out: "22-one-id/pjsip-ring-timeout.txt", "PJSIP/120@noanswer", "";
    dead_trunk: "22-one-id/pjsip-dead-trunk.txt", "PJSIP/121@dead", "";
    no_channel: "22-one-id/no-channel-unknown-endpoint.txt", "PJSIP/160@nonexist", "";
    redirected: "22-one-id/redirected-302.txt", "PJSIP/106@moved", "";
    operator_busy: "22-one-id/answered-then-dialplan-dials-a-busy-operator.txt", "PJSIP/105@answer", "";
    local_answered: "22-one-id/freepbx-style-local-answer.txt", "Local/101@fpbx/n", "Variable: __TRUNK=answer";
    local_busy: "22-one-id/freepbx-style-local-busy.txt", "Local/110@fpbx/n", "Variable: __TRUNK=busy";
    local_rings_out: "22-one-id/freepbx-style-local-noanswer.txt", "Local/120@fpbx/n", "Variable: __TRUNK=noanswer";
    local_declined: "22-one-id/freepbx-style-local-reject.txt", "Local/131@fpbx/n", "Variable: __TRUNK=reject";
    local_no_such_number: "22-one-id/freepbx-style-local-notfound.txt", "Local/140@fpbx/n", "Variable: __TRUNK=notfound";
    local_trunk_unavailable: "22-one-id/freepbx-style-local-unavail.txt", "Local/150@fpbx/n", "Variable: __TRUNK=unavail";
}
