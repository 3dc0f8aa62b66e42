//! What is sent of a call, beyond the recordings.
//!
//! The file is long because each kind of call is listed event by event.

use std::collections::{BTreeMap, BTreeSet};

use tokio::time::Instant;

use super::*;

/// The one event of that name.
fn only<'a>(messages: &'a [Message], name: &'a str) -> &'a Message {
    let found: Vec<_> = events(messages, name).collect();
    assert_eq!(found.len(), 1, "{name} in {messages:?}");
    found[0]
}

fn names(messages: &[Message]) -> Vec<String> {
    messages
        .iter()
        .map(|message| text(message, "Event"))
        .collect()
}

/// `Reason`, and `Cause` and `TechCause` of the originated channel's hangup.
fn outcome(messages: &[Message]) -> (String, String, String) {
    let reason = text(only(messages, "OriginateResponse"), "Reason");
    let hangup = events(messages, "Hangup").find(|hangup| text(hangup, "Uniqueid") == "id");
    let get = |key| hangup.map_or_else(String::new, |hangup| text(hangup, key));
    (reason, get("Cause"), get("TechCause"))
}

async fn dial(peer: &mut Peer, channel: &str) -> Vec<Message> {
    peer.send(&originate(channel, "id", "")).await;
    peer.during(Duration::from_secs(60)).await
}

#[tokio::test(start_paused = true)]
async fn the_last_digits_of_a_number_ask_for_its_fate() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    for (digits, reason, cause, code, signs) in [
        ("01", "4", "16", "", "RINGING ANSWER"),
        ("02", "4", "0", "", "RINGING ANSWER"),
        ("03", "4", "0", "", "PROGRESS ANSWER"),
        ("04", "4", "16", "", "ANSWER"),
        ("05", "4", "17", "486", "RINGING ANSWER BUSY"),
        ("06", "4", "23", "302", "CANCEL ANSWER"),
        ("10", "0", "17", "486", "BUSY"),
        ("11", "0", "17", "486", "PROGRESS BUSY"),
        ("12", "0", "17", "486", "RINGING BUSY"),
        ("20", "3", "19", "480", "RINGING"),
        ("21", "3", "19", "480", ""),
        ("22", "0", "19", "480", "NOANSWER"),
        ("23", "3", "19", "480", "PROGRESS"),
        ("30", "0", "21", "603", "RINGING NOANSWER"),
        ("31", "0", "21", "603", "NOANSWER"),
        ("40", "0", "1", "404", "NOANSWER"),
        ("41", "0", "22", "410", "NOANSWER"),
        ("42", "0", "28", "484", "NOANSWER"),
        ("50", "0", "34", "503", "CONGESTION"),
        ("51", "0", "38", "500", "NOANSWER"),
        ("52", "0", "21", "403", "NOANSWER"),
        ("53", "0", "34", "503", "CONGESTION"),
        ("60", "0", "", "", ""),
        ("99", "4", "16", "", "RINGING ANSWER"),
    ] {
        let messages = dial(&mut peer, &format!("PJSIP/5989{digits}@carrier")).await;
        let expected = (reason.to_owned(), cause.to_owned(), code.to_owned());
        assert_eq!(outcome(&messages), expected, "{digits}");
        let statuses: Vec<String> = messages
            .iter()
            .filter(|message| {
                message
                    .event()
                    .is_some_and(|name| name.starts_with(b"Dial"))
            })
            .map(|message| text(message, "DialStatus"))
            .filter(|status| !status.is_empty())
            .collect();
        assert_eq!(statuses.join(" "), signs, "{digits}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_number_that_is_busy_first_is_answered_when_dialed_again() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    for (reason, cause) in [("0", "17"), ("4", "16"), ("4", "16")] {
        let messages = dial(&mut peer, "PJSIP/180@carrier").await;
        let (response, hung_up, _) = outcome(&messages);
        assert_eq!((response.as_str(), hung_up.as_str()), (reason, cause));
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_technology_or_endpoint_or_an_id_in_use_fails_at_once_without_a_channel() {
    let simulator = Simulator::new(SimulatorConfig {
        endpoints: Some(vec!["carrier".to_owned()]),
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/120@carrier", "used", "")).await;
    peer.until("DialState").await;
    for (channel, id) in [
        ("Dialer/permission-check", "id"),
        ("PJSIP/101@nonsuch", "id"),
        ("PJSIP/101@carrier", "used"),
    ] {
        peer.send(&originate(channel, id, "")).await;
        let messages = peer.during(Duration::from_millis(10)).await;
        assert_eq!(names(&messages), ["", "OriginateResponse"], "{channel}");
        assert_eq!(text(&messages[0], "Response"), "Success");
        assert_eq!(text(&messages[1], "Response"), "Failure");
        assert_eq!(text(&messages[1], "Reason"), "0");
        assert_eq!(text(&messages[1], "Channel"), channel);
        assert_eq!(text(&messages[1], "Uniqueid"), id);
    }
    assert_eq!(simulator.counters().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_failure_without_an_id_of_ours_names_none() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(
        "Action: Originate\nActionID: a\nChannel: PJSIP/110@c\nApplication: NoOp\nAsync: true",
    )
    .await;
    let messages = peer.during(Duration::from_secs(9)).await;
    let response = only(&messages, "OriginateResponse");
    assert_eq!(text(response, "Uniqueid"), "<unknown>");
    assert_eq!(text(response, "CallerIDNum"), "<unknown>");
    assert_ne!(text(only(&messages, "Hangup"), "Uniqueid"), "");
    assert_eq!(events(&messages, "NewCallerid").count(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_application_is_reported_in_place_of_an_extension_and_ends_without_a_cause() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send("Action: Originate\nActionID: a\nChannelId: id\nChannel: PJSIP/101@c\nApplication: Playback\nData: storm\nAsync: true")
        .await;
    let messages = peer.during(Duration::from_secs(9)).await;
    let response = only(&messages, "OriginateResponse");
    let keys: Vec<_> = response
        .headers()
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect();
    assert_eq!(
        keys,
        [
            "Event",
            "Privilege",
            "ActionID",
            "Response",
            "Channel",
            "Application",
            "Data",
            "Reason",
            "Uniqueid",
            "CallerIDNum",
            "CallerIDName"
        ]
    );
    assert_eq!(text(response, "Data"), "storm");
    assert_eq!(text(only(&messages, "Hangup"), "Cause"), "0");
}

#[tokio::test(start_paused = true)]
async fn variables_are_set_on_the_channel_and_inherited_as_their_underscores_say() {
    let simulator = Simulator::new(SimulatorConfig {
        dialplan_variables: vec![("CHOICE".to_owned(), "9".to_owned())],
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let more = "Variable: MESSAGE=say \\\"hi\\\"\\, now\nVariable: _ONCE=1\nVariable: __EVER=2";
    peer.send(&originate("Local/101@fpbx/n", "id", more)).await;
    let messages = peer.during(Duration::from_secs(60)).await;
    let set: BTreeSet<(String, String, String)> = events(&messages, "VarSet")
        .filter(|set| !text(set, "Value").is_empty())
        .map(|set| {
            let channel = text(set, "Channel");
            let half = channel.rsplit(['-', ';']).next().unwrap().to_owned();
            let half = if channel.contains(';') {
                half
            } else {
                "far".to_owned()
            };
            (half, text(set, "Variable"), text(set, "Value"))
        })
        .collect();
    let has = |half: &str, name: &str, value: &str| {
        set.contains(&(half.to_owned(), name.to_owned(), value.to_owned()))
    };
    for half in ["1", "2"] {
        assert!(has(half, "MESSAGE", r#"say \"hi\", now"#), "{set:?}");
        assert!(has(half, "_ONCE", "1") && has(half, "__EVER", "2"));
        assert!(has(half, "CALLID", "id"));
    }
    assert!(has("far", "ONCE", "1") && has("far", "__EVER", "2"));
    assert!(
        !set.iter()
            .any(|(half, name, _)| half == "far" && name == "MESSAGE")
    );
    assert!(has("1", "CHOICE", "9"));
}

#[tokio::test(start_paused = true)]
async fn a_call_rings_no_longer_than_the_timeout() {
    let simulator = Simulator::new(SimulatorConfig {
        simulate: Simulate {
            ring: Duration::from_secs(10),
            ..simulate()
        },
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let began = Instant::now();
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    let messages = peer.until("Hangup").await;
    assert_eq!(began.elapsed(), Duration::from_secs(3));
    assert_eq!(text(only(&messages, "Hangup"), "Cause"), "19");
    let forever = originate("PJSIP/120@carrier", "id", "").replace("Timeout: 3000", "Timeout: 0");
    peer.send(&forever).await;
    let messages = peer.during(Duration::from_secs(100_000)).await;
    assert_eq!(events(&messages, "Hangup").count(), 0);
    assert_eq!(simulator.counters().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_lasts_as_long_as_it_should() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    let began = Instant::now();
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    peer.until("OriginateResponse").await;
    assert_eq!(began.elapsed(), Duration::from_secs(1));
    peer.until("Hangup").await;
    assert_eq!(began.elapsed(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_coarse_grid_puts_off_what_happens_but_changes_nothing_else() {
    let simulator = Simulator::new(SimulatorConfig {
        step: Duration::from_millis(700),
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let began = Instant::now();
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    peer.until("OriginateResponse").await;
    assert_eq!(began.elapsed(), Duration::from_millis(1400));
    peer.until("Hangup").await;
    assert_eq!(began.elapsed(), Duration::from_millis(3500));
}

#[tokio::test(start_paused = true)]
async fn the_outcome_of_a_ring_timeout_comes_before_or_after_the_hangup() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    for channel in ["PJSIP/{}20@carrier", "Local/{}20@fpbx/n"] {
        let mut last = BTreeSet::new();
        for number in 0..60 {
            let channel = channel.replace("{}", &number.to_string());
            let sent = names(&dial(&mut peer, &channel).await);
            let of_ours = |name: &&String| *name == "OriginateResponse" || *name == "Hangup";
            last.insert(sent.into_iter().find(|name| of_ours(&name)).unwrap());
        }
        assert_eq!(last.len(), 2, "{channel}: {last:?}");
    }
}

/// Where the outcome of a failed call comes among its other events.
fn place_of_outcome(messages: &[Message]) -> &'static str {
    let names = names(messages);
    let at = |name: &str| names.iter().position(|event| event == name).unwrap();
    let outcome = at("OriginateResponse");
    if outcome > at("Hangup") {
        "after the hangup"
    } else if outcome > at("DialEnd") {
        "before the hangup"
    } else if outcome > at("VarSet") {
        "before the end of dialing"
    } else {
        "before the first variable"
    }
}

#[tokio::test(start_paused = true)]
async fn the_outcome_is_not_ordered_with_the_other_events() {
    let simulator = Simulator::new(by_number());
    let places = |digits: &'static str| {
        let simulator = simulator.clone();
        async move {
            let mut peer = Peer::log_in(&simulator).await;
            let mut places: BTreeMap<&str, u32> = BTreeMap::new();
            for number in 0..400 {
                let channel = format!("PJSIP/{number}{digits}@carrier");
                peer.send(&originate(&channel, "id", "")).await;
                let messages = peer.during(Duration::from_secs(1)).await;
                *places.entry(place_of_outcome(&messages)).or_default() += 1;
            }
            places
        }
    };
    let slow = places("50").await;
    let fast = places("53").await;
    assert_eq!(slow.len(), 3, "{slow:?}");
    assert!(!slow.contains_key("before the first variable"), "{slow:?}");
    assert!((10..50).contains(&slow["after the hangup"]), "{slow:?}");
    assert!(
        (120..190).contains(&fast["before the first variable"]),
        "{fast:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_fate_does_not_depend_on_the_order_of_arrival() {
    let mixed = SimulatorConfig::new(Simulate {
        answered: 0.3,
        busy: 0.2,
        declined: 0.1,
        congestion: 0.1,
        invalid: 0.1,
        no_channel: 0.1,
        ..simulate()
    });
    let mut runs = Vec::new();
    for backwards in [false, true] {
        let simulator = Simulator::new(mixed.clone());
        let mut peer = Peer::log_in(&simulator).await;
        let mut numbers: Vec<u32> = (0..200).collect();
        if backwards {
            numbers.reverse();
        }
        for number in numbers {
            let id = format!("id{number}");
            let channel = format!("PJSIP/{number}@carrier");
            peer.send(&originate(&channel, &id, "")).await;
        }
        let messages = peer.during(Duration::from_secs(60)).await;
        let mut fates = BTreeMap::new();
        for message in &messages {
            let event = text(message, "Event");
            if event == "Hangup" || event == "OriginateResponse" {
                let fate = ["Reason", "Cause", "TechCause"].map(|key| text(message, key));
                fates.insert((text(message, "Uniqueid"), event), fate);
            }
        }
        runs.push(fates);
    }
    assert_eq!(runs[0].len(), runs[1].len());
    assert_eq!(runs[0], runs[1]);
    let kinds: BTreeSet<_> = runs[0].values().collect();
    assert!(kinds.len() > 7, "{kinds:?}");
}

#[tokio::test(start_paused = true)]
async fn a_ringing_call_is_hung_up_as_the_real_one_does() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/120@carrier", "id", "")).await;
    peer.until("DialState").await;
    peer.send("Action: Hangup\nActionID: h\nChannel: id").await;
    let messages = peer.during(Duration::from_secs(60)).await;
    assert_eq!(text(&messages[0], "Message"), "Channel Hungup");
    assert_eq!(
        names(&messages[1..]),
        ["DialEnd", "OriginateResponse", "Hangup"]
    );
    assert_eq!(text(&messages[1], "DialStatus"), "NOANSWER");
    assert_eq!(outcome(&messages), ("0".into(), "0".into(), String::new()));
    let answer = peer.ask("Action: Hangup\nChannel: id").await;
    assert_eq!(text(&answer, "Message"), "No such channel");
    assert_eq!(simulator.counters().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn a_cause_given_to_hangup_is_passed_on() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/120@carrier", "id", "")).await;
    let messages = peer.until("DialState").await;
    let channel = text(only(&messages, "Newchannel"), "Channel");
    peer.send(&format!(
        "Action: Hangup\nActionID: h\nChannel: {channel}\nCause: 17"
    ))
    .await;
    let messages = peer.during(Duration::from_secs(60)).await;
    assert_eq!(text(only(&messages, "DialEnd"), "DialStatus"), "BUSY");
    assert_eq!(outcome(&messages), ("0".into(), "17".into(), "486".into()));
}

#[tokio::test(start_paused = true)]
async fn an_answered_call_is_hung_up_and_its_outcome_stays() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    for channel in ["PJSIP/101@carrier", "Local/101@fpbx/n", "PJSIP/105@carrier"] {
        peer.send(&originate(channel, "id", "")).await;
        peer.until("OriginateResponse").await;
        peer.send("Action: Hangup\nActionID: h\nChannel: id").await;
        let messages = peer.during(Duration::from_secs(60)).await;
        assert_eq!(events(&messages, "OriginateResponse").count(), 0);
        let hangup = events(&messages, "Hangup").find(|hangup| text(hangup, "Uniqueid") == "id");
        assert_eq!(text(hangup.unwrap(), "Cause"), "0", "{channel}");
        assert_eq!(simulator.counters().calls, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ringing_local_channel_goes_with_all_its_legs() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("Local/120@fpbx/n", "id", "")).await;
    peer.until("DialState").await;
    peer.send("Action: Hangup\nActionID: h\nChannel: id").await;
    let messages = peer.during(Duration::from_secs(60)).await;
    assert_eq!(events(&messages, "Hangup").count(), 3);
    assert_eq!(outcome(&messages), ("0".into(), "0".into(), String::new()));
}

#[tokio::test(start_paused = true)]
async fn with_a_filter_only_events_that_show_the_outcome_are_sent() {
    let simulator = Simulator::new(SimulatorConfig {
        all_events: false,
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let messages = dial(&mut peer, "PJSIP/101@carrier").await;
    let mut sent = names(&messages);
    sent.sort();
    assert_eq!(
        sent,
        [
            "",
            "DialBegin",
            "DialEnd",
            "DialState",
            "Hangup",
            "Newchannel",
            "Newstate",
            "Newstate",
            "OriginateResponse",
            "VarSet"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn calls_at_once_are_counted_by_trunk() {
    let simulator = Simulator::new(SimulatorConfig {
        record_dialed: true,
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    for (number, trunk) in [(101, "a"), (201, "a"), (301, "b"), (120, "a"), (160, "b")] {
        let id = format!("{number}{trunk}");
        let channel = format!("PJSIP/{number}@{trunk}");
        peer.send(&originate(&channel, &id, "")).await;
    }
    peer.during(Duration::from_secs(60)).await;
    dial(&mut peer, "PJSIP/101@b").await;
    let counters = simulator.counters();
    assert_eq!(counters.originates, 6);
    assert_eq!(counters.calls, 0);
    assert_eq!(counters.most_calls, 4);
    assert_eq!(counters.sessions, 1);
    assert_eq!(simulator.most_calls_on("a"), 3);
    assert_eq!(simulator.most_calls_on("b"), 1);
    assert_eq!(simulator.most_calls_on("c"), 0);
    assert_eq!(simulator.dialed().len(), 6);
    assert_eq!(simulator.dialed()[1], "PJSIP/201@a");
}

#[tokio::test(start_paused = true)]
async fn a_redirected_call_takes_no_room_on_its_trunk_while_it_goes_on() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/106@carrier", "id", "")).await;
    peer.until("Hangup").await;
    assert_eq!(simulator.counters().calls, 0);
    let answer = peer.ask("Action: CoreShowChannels").await;
    assert_eq!(text(&answer, "EventList"), "start");
    let list = peer.until("CoreShowChannelsComplete").await;
    assert_eq!(events(&list, "CoreShowChannel").count(), 2);
    // The id is free again though the other legs live.
    peer.send(&originate("PJSIP/120@carrier", "id", "")).await;
    peer.until("Newchannel").await;
    peer.during(Duration::from_secs(60)).await;
    assert_eq!(simulator.counters().calls, 0);
}
