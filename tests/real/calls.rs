//! The promises of `dialer run`, held against a real Asterisk with `SIPp` as the people it calls.
//!
//! The file is long because each promise is a campaign of its own.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use crate::asterisk;
use crate::asterisk::{
    Campaign, Crowd, Pbx, Records, Relay, Row, Run, Seen, TOO_LITTLE, Watch, assert_recorded_once,
    list,
};
use crate::common::outcomes::{self, CASES, Case, DEAD, FORBIDDEN, Way};
use crate::common::side_by_side;

/// A trunk whose endpoint each row of the list names.
const PARTY_TRUNK: &str = r#"
[[trunk]]
name = "parties"
channel = "PJSIP/{number}@{party}"
ports = 20
calls_per_second = 100
"#;

/// A campaign that calls each party once; `call` is what stands in `[call]`.
fn parties(call: &str, trunk: &str, parties: &[&str]) -> Campaign {
    let rows: Vec<_> = (100..)
        .zip(parties)
        .map(|(number, party)| format!("{party},{number},{party}"))
        .collect();
    Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"
id = "id"

[call]
exten = "s"
ring_timeout = "4s"
call_timeout = "30s"
{call}
{trunk}
[retry]
max_attempts = 1
delay = "1s"
"#
        ),
        list("id,number,party", rows.iter().map(String::as_str)),
    )
}

/// The call was not answered, and ended for that reason; `sip_code` is 0 where nobody sent one.
#[track_caller]
fn assert_ended(run: &Run, contact: &str, disposition: &str, cause: &str, sip_code: u16) {
    let tells_sip_codes = Pbx::under_test().tells_sip_codes();
    let rows = run.of(contact);
    assert!(!rows.is_empty(), "{contact} has no row: {run}");
    for row in rows {
        row.assert_disposition(disposition);
        assert_eq!(row.get("cause"), cause, "cause of {contact}: {run}");
        let expected = if tells_sip_codes && sip_code != 0 {
            sip_code.to_string()
        } else {
            String::new()
        };
        assert_eq!(
            row.get("sip_code"),
            expected,
            "SIP code of {contact}: {run}"
        );
        assert_eq!(row.get("answered_at"), "", "{contact}: {run}");
        assert_eq!(row.get("talk_seconds"), "", "{contact}: {run}");
    }
}

/// A channel for every attempt, and none of them left.
fn assert_each_attempt_once(seen: &Seen, run: &Run) {
    assert_eq!(seen.created.len(), run.rows.len(), "{seen:?} {run}");
    let ids: HashSet<_> = run.rows.iter().map(|row| row.get("call_id")).collect();
    assert_eq!(ids.len(), run.rows.len(), "an id is used once: {run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn every_end_of_a_call_gets_its_name() {
    let watch = Watch::channels("PJSIP/");
    let run = parties(
        "context = \"patient\"",
        PARTY_TRUNK,
        &[
            "answer",
            "instant",
            "early-answer",
            "leaves",
            "busy",
            "early-busy",
            "absent",
            "noanswer",
            "silent",
            "reject",
            "notfound",
            "gone",
        ],
    )
    .run();
    run.assert_complete();
    assert_each_attempt_once(&watch.end(), &run);

    assert_ended(&run, "busy", "BUSY", "17", 486);
    assert_ended(&run, "early-busy", "BUSY", "17", 486);
    assert_ended(&run, "absent", "NO ANSWER", "19", 480);
    assert_ended(&run, "reject", "REJECTED", "21", 603);
    assert_ended(&run, "notfound", "INVALID NUMBER", "1", 404);
    assert_ended(&run, "gone", "INVALID NUMBER", "22", 410);

    // Nobody sent a SIP code here; the cause is one that Asterisk makes up, 19 or none.
    for contact in ["noanswer", "silent"] {
        let row = run.only(contact);
        row.assert_disposition("NO ANSWER");
        assert_eq!(row.get("sip_code"), "", "{run}");
        assert!((3.5..60.0).contains(&row.seconds("ring_seconds")), "{run}");
    }

    for contact in ["answer", "instant", "early-answer", "leaves"] {
        let row = run.only(contact);
        row.assert_disposition("ANSWERED");
        assert_eq!(row.get("counted"), "yes", "{run}");
    }
    // The phone rings for 0.3 s, and the dialplan hangs up after 5 s.
    let answer = run.only("answer");
    assert_eq!(answer.get("cause"), "16", "{run}");
    assert!(
        (0.25..60.0).contains(&answer.seconds("ring_seconds")),
        "{run}"
    );
    assert!(
        (3.0..60.0).contains(&answer.seconds("talk_seconds")),
        "{run}"
    );
    // The callee hangs up after 0.5 s: cause 16, or 0 on newer versions.
    let leaves = run.only("leaves");
    assert!(["0", "16"].contains(&leaves.get("cause")), "{run}");
    assert!(
        (0.2..4.9).contains(&leaves.seconds("talk_seconds")),
        "{run}"
    );
}

/// So many calls over fifty lines: each has its row, and there are never more channels than lines.
fn many_calls_at_fifty_ports(calls: usize) {
    const PORTS: usize = 50;
    let rows: Vec<_> = (0..calls).map(|n| format!("{}", 1_000_000 + n)).collect();
    let campaign = Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"

[call]
context = "brief"
exten = "s"

[[trunk]]
name = "crowd"
channel = "PJSIP/{{number}}@crowd"
ports = {PORTS}
calls_per_second = 1000
"#
        ),
        list("number", rows.iter().map(String::as_str)),
    );
    let crowd = Crowd::gather();
    let watch = Watch::channels("PJSIP/crowd-");

    let run = campaign.run();

    run.assert_complete();
    assert_eq!(run.rows.len(), calls, "{run}");
    for row in &run.rows {
        row.assert_disposition("ANSWERED");
    }
    let numbers: HashSet<_> = run.rows.iter().map(|row| row.get("number")).collect();
    assert_eq!(numbers.len(), calls, "each number once");
    let seen = watch.end();
    assert_each_attempt_once(&seen, &run);
    assert!(seen.peak <= PORTS, "{} channels at once", seen.peak);
    // A port that comes free is used again at once: with 0.3 s calls every port was in use at some time.
    assert!(seen.peak > PORTS / 2, "only {} channels at once", seen.peak);
    assert_eq!(crowd.disperse(), calls, "calls that SIPp received");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn calls_at_fifty_ports_each_have_a_row_and_never_more_than_fifty_channels() {
    many_calls_at_fifty_ports(500);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_trunk_that_cannot_carry_calls_is_congestion_and_gives_its_port_back() {
    let forbidden = if Pbx::under_test().tells_sip_codes() {
        "CONGESTION"
    } else {
        "REJECTED" // cause 21 is all that is known
    };
    let cases = [
        ("unavail", "CONGESTION", "34", 503),
        ("broken", "CONGESTION", "38", 500),
        ("forbidden", forbidden, "21", 403),
        ("no-such-endpoint", "CONGESTION", "", 0),
    ];
    side_by_side(cases, |(party, disposition, cause, code)| {
        let run = parties(
            "context = \"brief\"",
            &PARTY_TRUNK.replace("ports = 20", "ports = 1"),
            &[party, "answer"],
        )
        .run();
        run.assert_complete();
        assert_ended(&run, party, disposition, cause, code);
        run.only("answer").assert_disposition("ANSWERED");
        if cause.is_empty() {
            let note = run.of(party)[0].get("note");
            assert!(note.contains("no channel was created"), "{run}");
        }
    });
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_unknown_technology_never_gets_a_channel_and_gives_its_port_back() {
    let trunk = r#"
[[trunk]]
name = "none"
channel = "NoSuchTechnology/{number}"
ports = 1
calls_per_second = 100
"#;
    let run = parties("context = \"brief\"", trunk, &["somebody"]).run();
    run.assert_complete();
    // Five are the fault of the trunk, which has one line; the sixth is the contact's only attempt.
    assert_eq!(run.rows.len(), 6, "{run}");
    assert_ended(&run, "somebody", "CONGESTION", "", 0);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_extension_that_does_not_exist_fails_every_contact_without_a_call() {
    let watch = Watch::channels("PJSIP/");
    let run = parties("context = \"nowhere\"", PARTY_TRUNK, &["answer", "busy"]).run();
    run.assert_complete();
    for contact in ["answer", "busy"] {
        let row = run.only(contact);
        row.assert_disposition("FAILED");
        assert!(row.get("note").contains("xtension does not exist"), "{run}");
    }
    assert_eq!(watch.end().created, [""; 0]);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn what_asterisk_runs_after_a_failed_originate_does_not_change_its_outcome() {
    side_by_side(["with-failed", "catch-all"], |context| {
        let run = parties(
            &format!("context = \"{context}\""),
            PARTY_TRUNK,
            &["answer", "busy", "reject", "notfound"],
        )
        .run();
        run.assert_complete();
        run.only("answer").assert_disposition("ANSWERED");
        assert_ended(&run, "busy", "BUSY", "17", 486);
        assert_ended(&run, "reject", "REJECTED", "21", 603);
        assert_ended(&run, "notfound", "INVALID NUMBER", "1", 404);
    });
}

/// The cases every way, with a ring timeout.
fn every_way(cases: &[&Case], ring_timeout: &str) {
    side_by_side(Way::ALL, |way| {
        let (rest, list) = outcomes::campaign(way, cases);
        let run = Campaign::new(&rest, list)
            .rest(
                "ring_timeout = \"4s\"",
                &format!("ring_timeout = \"{ring_timeout}\""),
            )
            .run();
        run.assert_complete();
        let rows: Vec<_> = run.rows.into_iter().map(Row::into_columns).collect();
        let tells_sip_codes = Pbx::under_test().tells_sip_codes();
        outcomes::assert_as_expected(way, cases, &rows, tells_sip_codes);
    });
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn every_outcome_is_told_the_same_whichever_way_the_call_goes() {
    every_way(&CASES.iter().chain([&FORBIDDEN]).collect::<Vec<_>>(), "4s");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_trunk_that_answers_nothing_at_all_is_congestion_whichever_way_the_call_goes() {
    every_way(&[&DEAD], "1s");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_local_extension_that_is_busy_itself_is_busy() {
    let run = Campaign::new(
        r#"
[contacts]
file = "contacts.csv"

[call]
context = "brief"
exten = "s"
ring_timeout = "2s"

[[trunk]]
name = "local"
channel = "Local/{number}@local/n"
ports = 10
calls_per_second = 100

[retry]
max_attempts = 1
delay = "1s"
"#,
        list("number", ["100", "200", "300", "500"]),
    )
    .run();
    run.assert_complete();
    run.only("100").assert_disposition("ANSWERED");
    run.only("200").assert_disposition("BUSY");
    run.only("300").assert_disposition("NO ANSWER");
    run.only("500").assert_disposition("REJECTED");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_answered_call_stays_answered_when_its_dialplan_then_dials_a_busy_operator() {
    let run = parties("context = \"operator\"", PARTY_TRUNK, &["answer"]).run();
    run.assert_complete();
    run.only("answer").assert_disposition("ANSWERED");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_callee_that_redirects_was_not_answered() {
    let run = parties("context = \"brief\"", PARTY_TRUNK, &["moved", "answer"]).run();
    run.assert_complete();
    run.only("moved").assert_disposition("UNKNOWN");
    assert_eq!(run.only("moved").get("answered_at"), "", "{run}");
    run.only("answer").assert_disposition("ANSWERED");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_answered_call_is_hung_up_at_call_timeout_and_stays_answered() {
    let watch = Watch::channels("PJSIP/");
    let run = parties("context = \"held\"", PARTY_TRUNK, &["answer"]);
    let run = run
        .rest("call_timeout = \"30s\"", "call_timeout = \"6s\"")
        .run();
    run.assert_complete();
    let row = run.only("answer");
    row.assert_disposition("ANSWERED");
    assert!((3.0..30.0).contains(&row.seconds("talk_seconds")), "{run}");
    assert!(row.get("note").contains("call_timeout"), "{run}");
    assert_eq!(watch.end().created.len(), 1);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_busy_contact_is_called_again_and_its_last_row_is_final() {
    let run = parties("context = \"brief\"", PARTY_TRUNK, &["busy", "answer"])
        .rest("max_attempts = 1", "max_attempts = 3")
        .run();
    run.assert_complete();
    let attempts: Vec<_> = run
        .of("busy")
        .into_iter()
        .map(|row| row.get("attempt"))
        .collect();
    assert_eq!(attempts, ["1", "2", "3"], "{run}");
    run.only("answer").assert_disposition("ANSWERED");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_session_that_is_cut_loses_no_call_and_nobody_is_called_twice() {
    const CALLS: usize = 20;
    let watch = Watch::channels("PJSIP/");
    let relay = Relay::to_pbx();
    let trunk = PARTY_TRUNK.replace("ports = 20", "ports = 10");
    let campaign = parties("context = \"patient\"", &trunk, &["answer"; CALLS])
        .rest("id = \"id\"", "id = \"number\"")
        .ami(
            &format!("port = {}", Pbx::under_test().port),
            &format!("port = {}", relay.port),
        );
    let dialing = thread::spawn(move || campaign.run());
    watch.wait_for(10); // all lines are in use, and each call lasts for 5 s
    relay.cut();

    let run = dialing.join().expect("it ran");

    run.assert_complete();
    assert_each_attempt_once(&watch.end(), &run);
    assert_eq!(run.rows.len(), CALLS, "{run}");
    for row in &run.rows {
        row.assert_disposition("ANSWERED");
    }
}

/// A campaign of many short calls.
fn many(contacts: usize) -> Campaign {
    let rows: Vec<_> = (0..contacts)
        .map(|n| {
            let party = ["answer", "busy", "reject", "instant"][n % 4];
            format!("{},{party}", 10_000 + n)
        })
        .collect();
    Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"

[call]
context = "brief"
exten = "s"
ring_timeout = "10s"
{PARTY_TRUNK}
[retry]
max_attempts = 2
delay = "1s"
"#
        ),
        list("number,party", rows.iter().map(String::as_str)),
    )
}

/// Every contact has its end, every channel its row, and nobody was called again after an end.
#[track_caller]
fn assert_nobody_lost(run: &Run, contacts: usize, seen: &Seen) {
    run.assert_complete();
    let called: HashSet<_> = run.rows.iter().map(|row| row.get("contact")).collect();
    assert_eq!(called.len(), contacts);
    let ids: HashSet<_> = run.rows.iter().map(|row| row.get("call_id")).collect();
    assert_eq!(ids.len(), run.rows.len(), "no row is doubled");
    assert!(
        seen.created.len() <= run.rows.len(),
        "{} channels and {} rows",
        seen.created.len(),
        run.rows.len()
    );
}

fn killed_and_continued(kills: u64, contacts: usize) {
    let campaign = many(contacts);
    let records = Records::gather();
    let watch = Watch::channels("PJSIP/");
    for kill in 0..kills {
        campaign.run_and_kill(Duration::from_millis(150 + kill * 977 % 2_700));
    }
    let run = campaign.run();
    assert_nobody_lost(&run, contacts, &watch.end());
    assert_recorded_once(&run, &records.end());
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_run_that_is_killed_again_and_again_loses_nobody_and_calls_nobody_twice() {
    killed_and_continued(6, 120);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_asterisk_that_is_restarted_in_the_middle_costs_the_calls_in_flight_at_most() {
    let campaign = many(300);
    let watch = Watch::channels("PJSIP/");
    let run = thread::scope(|scope| {
        let running = scope.spawn(|| campaign.run());
        watch.wait_for(60);
        asterisk::restart();
        running.join().unwrap()
    });
    run.assert_complete();
    let unknown = run
        .rows
        .iter()
        .filter(|row| row.get("disposition") == "UNKNOWN")
        .count();
    assert!(unknown <= 20, "{unknown} of 20 lines are UNKNOWN: {run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn nothing_in_the_list_becomes_an_action_of_its_own() {
    let inject = "x\r\n\r\nAction: Originate\r\nChannel: Local/100@local/n\r\nApplication: Wait\r\nData: 1\r\n\r\n";
    let contacts = format!(
        "id,number,party,message\n\
         good,100,answer,\"(a), \\ \"\"b\"\" ${{EXTEN}} & 'c'\"\n\
         variable,101,answer,\"{inject}\"\n\
         channel,102,\"answer{inject}\",hello\n\
         number,\"103{inject}\",answer,hello\n\
         second,104,answer&Local/100@local,hello\n"
    );
    let campaign = Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"
id = "id"

[call]
context = "brief"
exten = "s"

[call.variables]
MESSAGE = "{{message}}"
{PARTY_TRUNK}"#
        ),
        contacts,
    );
    let injected = Watch::channels("Local/");
    let dialed = Watch::channels("PJSIP/");

    let run = campaign.run();

    run.assert_complete();
    run.only("good").assert_disposition("ANSWERED");
    for contact in ["variable", "channel", "second"] {
        run.only(contact).assert_disposition("FAILED");
        assert_ne!(run.only(contact).get("note"), "", "{run}");
    }
    run.only("number").assert_disposition("INVALID NUMBER");
    assert_eq!(injected.end().created, [""; 0]);
    assert_eq!(
        dialed.end().created.len(),
        1,
        "only the good row was dialed"
    );
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn whatever_a_field_holds_arrives_in_the_channel_variable_as_it_is() {
    let fields = [
        r#"quotes " and ' and `"#.to_owned(),
        r"commas, backslashes \ \n (brackets) [square] {curly}".to_owned(),
        "${X} $[1+1] ${SHELL(ls)} %20 & ; | # = ~".to_owned(),
        "ünïcödé ☎ 🌩️ emoji".to_owned(),
        "x".repeat(900),
    ];
    let mut list = csv::Writer::from_writer(Vec::new());
    list.write_record(["number", "party", "message"]).unwrap();
    for (number, field) in (100..).zip(&fields) {
        list.write_record([number.to_string().as_str(), "answer", field])
            .unwrap();
    }
    let campaign = Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"

[call]
context = "patient"
exten = "s"

[call.variables]
MESSAGE = "{{message}}"
{PARTY_TRUNK}"#
        ),
        list.into_inner().unwrap(),
    );
    let watch = Watch::channels("PJSIP/");
    let (run, mut arrived) = thread::scope(|scope| {
        let running = scope.spawn(|| campaign.run());
        watch.wait_for(fields.len());
        // They stay for five seconds; variables are set before a channel is dialed.
        let mut arrived = Vec::new();
        while arrived.len() < fields.len() && !running.is_finished() {
            arrived = asterisk::values_of("MESSAGE");
        }
        (running.join().unwrap(), arrived)
    });
    run.assert_complete();
    let mut expected = fields.to_vec();
    expected.sort();
    arrived.sort();
    assert_eq!(arrived, expected, "{run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn the_manager_is_reached_over_tls_too() {
    let ca_file = std::env::var("DIALER_TEST_ASTERISK_CA")
        .unwrap_or_else(|_| "/var/cache/dialer-asterisk/ca.pem".to_owned());
    let plain = Pbx::under_test().port;
    let over_tls = |tls: &str| {
        parties("context = \"brief\"", PARTY_TRUNK, &["answer", "busy"]).ami(
            &format!("port = {plain}"),
            &format!("port = {}\ntls = true\n{tls}", plain + 1),
        )
    };
    let run = over_tls(&format!("ca_file = \"{ca_file}\"")).run();
    run.assert_complete();
    run.only("answer").assert_disposition("ANSWERED");
    run.only("busy").assert_disposition("BUSY");

    assert_refused(&over_tls(""), &["unknown authority", "ca_file"]);
    let name = format!("ca_file = \"{ca_file}\"\nserver_name = \"pbx.example.org\"");
    assert_refused(
        &over_tls(&name),
        &["is for localhost, 127.0.0.1, not for \"pbx.example.org\""],
    );
}

/// The run ended with exit code 4, called nobody, and says something about each of these.
#[track_caller]
fn assert_refused(campaign: &Campaign, words: &[&str]) {
    let watch = Watch::channels("PJSIP/");
    let run = campaign.run();
    assert_eq!(run.code, Some(4), "{run}");
    for word in words {
        assert!(run.stderr.contains(word), "no word of {word:?}: {run}");
    }
    assert_eq!(watch.end().created, [""; 0]);
    assert_eq!(run.rows.len(), 0, "{run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_wrong_secret_is_exit_code_4_and_says_which_user_and_where_the_secret_stands() {
    let campaign = parties("context = \"brief\"", PARTY_TRUNK, &["answer"])
        .ami("secret = \"s3cret\"", "secret = \"wrong\"");
    assert_refused(&campaign, &["dialer", "secret", "manager.conf"]);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_user_that_may_do_too_little_is_exit_code_4_and_says_what_to_add() {
    side_by_side(TOO_LITTLE, |(user, access, class)| {
        let campaign = parties("context = \"brief\"", PARTY_TRUNK, &["answer"])
            .ami("\"dialer\"", &format!("\"{user}\""))
            .ami("connect_timeout = \"30s\"", "connect_timeout = \"5s\"");
        assert_refused(
            &campaign,
            &[&format!("[{user}]"), access, class, "manager.conf"],
        );
    });
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_port_where_nobody_listens_is_exit_code_4_and_says_which() {
    let port = Pbx::under_test().port;
    let campaign = parties("context = \"brief\"", PARTY_TRUNK, &["answer"])
        .ami(&format!("port = {port}"), "port = 15037")
        .ami("reconnect_for = \"60s\"", "reconnect_for = \"1s\"");
    assert_refused(&campaign, &["127.0.0.1:15037"]);
}

/// What takes long and is asked for by name.
mod long {
    #[test]
    #[ignore = "needs a real Asterisk, and takes half a minute"]
    fn two_thousand_calls_at_fifty_ports_are_two_thousand_rows_and_never_more_than_fifty_channels()
    {
        super::many_calls_at_fifty_ports(2_000);
    }

    #[test]
    #[ignore = "needs a real Asterisk, and takes half a minute"]
    fn a_run_that_is_killed_twenty_times_loses_nobody_and_calls_nobody_twice() {
        super::killed_and_continued(20, 400);
    }
}
