//! A campaign over a line that is cut again and again, held against a real Asterisk and its call detail records.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use crate::asterisk::{
    Campaign, Pbx, Record, Records, Relay, Run, Watch, assert_recorded_once, list,
};

/// What may lie between our clock and the whole seconds of a call detail record.
const SECOND: f64 = 1.1;

/// Calls of one to eight seconds, some of them to the busy and to those who decline.
fn campaign(relay: &Relay, contacts: usize) -> Campaign {
    let rows: Vec<_> = (0..contacts)
        .map(|n| {
            let party = ["answer", "answer", "busy", "answer", "answer", "reject"][n % 6];
            let talk = ["1", "8", "4", "6"][n % 4];
            format!("{},{party},{talk}", 10_000 + n)
        })
        .collect();
    Campaign::new(
        r#"
[contacts]
file = "contacts.csv"

[call]
context = "lasting"
exten = "s"
ring_timeout = "10s"

[call.variables]
TALK = "{talk}"

[[trunk]]
name = "parties"
channel = "PJSIP/{number}@{party}"
ports = 20
calls_per_second = 100

[retry]
max_attempts = 2
delay = "1s"
"#,
        list("number,party,talk", rows.iter().map(String::as_str)),
    )
    .ami(
        &format!("port = {}", Pbx::under_test().port),
        &format!("port = {}", relay.port),
    )
}

/// One of the records of each call says what its row says. Of those whose end nobody saw nothing is claimed.
#[track_caller]
fn assert_told_as_recorded(run: &Run, records: &HashMap<String, Vec<Record>>) {
    for row in &run.rows {
        if row.get("disposition") == "UNKNOWN" {
            continue;
        }
        let of_call = records.get(row.get("call_id"));
        let of_call = of_call.unwrap_or_else(|| panic!("no record of {run}"));
        let answered = row.get("disposition") == "ANSWERED";
        let note = row.get("note");
        let exact = answered && !note.contains("approximate") && !note.contains("lost");
        let agrees = |record: &Record| {
            record.answered == answered
                && (!exact || (record.talked - row.seconds("talk_seconds")).abs() <= SECOND)
        };
        assert!(
            of_call.iter().any(agrees),
            "{} for {} s, {note:?}; recorded {of_call:?}",
            row.get("disposition"),
            row.get("talk_seconds"),
        );
    }
}

/// Cuts the line so many times while so many are called; every other time within an event.
fn cut_again_and_again(most: u32, contacts: usize) {
    let relay = Relay::to_pbx();
    let campaign = campaign(&relay, contacts);
    let records = Records::gather();
    let watch = Watch::channels("PJSIP/");
    let (run, cuts) = thread::scope(|scope| {
        let running = scope.spawn(|| campaign.run());
        watch.wait_for(20);
        let (mut cuts, mut pause) = (0, 0);
        while cuts < most && !running.is_finished() {
            pause = (pause + 977) % 1_500;
            thread::sleep(Duration::from_millis(300 + pause));
            relay.byte_by_byte((4..8).contains(&(cuts % 16)));
            let cut = match cuts {
                // Longer than the keepalive: the dialer gives it up by itself.
                15 => relay.fall_silent(),
                n if n % 2 == 0 => relay.cut_within_event(),
                _ => relay.cut_if_connected(),
            };
            cuts += u32::from(cut);
        }
        (running.join().unwrap(), cuts)
    });
    assert_eq!(cuts, most, "the campaign was over too soon: {run}");
    watch.end();
    let records = records.end();
    run.assert_complete();
    let called: HashSet<_> = run.rows.iter().map(|row| row.get("contact")).collect();
    assert_eq!(called.len(), contacts);
    assert_recorded_once(&run, &records);
    assert_told_as_recorded(&run, &records);
    // Most calls outlived a cut, and were taken up again.
    let unknown = |row: &&crate::asterisk::Row| row.get("disposition") == "UNKNOWN";
    let unknown = run.rows.iter().filter(unknown).count();
    assert!(unknown < contacts / 3, "{unknown} are UNKNOWN: {run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_line_that_is_cut_again_and_again_and_stutters_costs_nobody() {
    cut_again_and_again(10, 100);
}

/// What takes long and is asked for by name.
mod long {
    #[test]
    #[ignore = "needs a real Asterisk, and takes two minutes"]
    fn a_line_that_is_cut_thirty_times_falls_silent_and_stutters_costs_nobody() {
        super::cut_again_and_again(30, 500);
    }
}
