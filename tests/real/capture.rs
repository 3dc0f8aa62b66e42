//! What the callee did, held against a real Asterisk: the dialplan of `examples/survey` with a keypress that travels.

use crate::asterisk::{Campaign, list};
use crate::common::side_by_side;

/// The survey on one line, so that the order is the list's. The person who says hello presses 9.
fn survey(channel: &str, rows: &[&str]) -> Campaign {
    Campaign::new(
        &format!(
            r#"
[contacts]
file = "contacts.csv"
id = "id"
number = ["number", "other"]
duplicates = "call"
keep = ["party"]

[call]
context = "survey"
exten = "s"
ring_timeout = "5s"

[[trunk]]
name = "people"
channel = "{channel}"
ports = 1
calls_per_second = 100

[retry]
max_attempts = 1

[capture]
variables = ["CHOICE", "AMDSTATUS"]
machine = "AMDSTATUS=MACHINE"
opt_out = {{ when = "CHOICE=9", file = "dnc.txt" }}
"#
        ),
        list("id,number,other,party", rows.iter().copied()),
    )
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn the_key_that_was_pressed_and_the_machine_that_was_heard_stand_in_the_results() {
    side_by_side(
        ["PJSIP/{party}@self", "Local/{party}@inbound/n"],
        |channel| {
            let campaign = survey(
                channel,
                &[
                    "a,100,600,hello",
                    "b,600,,hello",
                    "c,700,100,talks",
                    "d,800,,hello",
                ],
            );
            let run = campaign.run();
            run.assert_complete();
            let a = run.only("a");
            a.assert_disposition("ANSWERED");
            assert_eq!(
                (a.get("CHOICE"), a.get("AMDSTATUS")),
                ("9", "HUMAN"),
                "{channel}: {run}"
            );
            assert_eq!(a.get("party"), "hello");
            // Both numbers of the person who pressed 9 are called no more, wherever they stand.
            run.only("b").assert_disposition("SUPPRESSED");
            let c = run.only("c");
            c.assert_disposition("MACHINE");
            assert_eq!(
                (c.get("CHOICE"), c.get("AMDSTATUS")),
                ("", "MACHINE"),
                "{channel}: {run}"
            );
            run.only("d").assert_disposition("ANSWERED");
            assert_eq!(campaign.read("dnc.txt"), "100\n600\n800\n");

            // Nor in the next run, of another list.
            campaign.write(
                "contacts.csv",
                "id,number,other,party\ne,600,100,hello\nf,700,,talks\n",
            );
            let run = campaign.with(&["--results", "next.csv"]).run_to("next.csv");
            run.only("e").assert_disposition("SUPPRESSED");
            run.only("f").assert_disposition("MACHINE");
        },
    );
}
