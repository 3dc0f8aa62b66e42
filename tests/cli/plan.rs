//! `dialer run --dry-run`: what an operator is told of a run before it begins. That nothing is touched is held by the
//! tests of `run`.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::common::{dialer, stderr};
use jiff::{ToSpan as _, Zoned};
use tempfile::TempDir;

/// A campaign without its secret: a plan connects to nothing.
const CAMPAIGN: &str = r#"
name = "storm"
[ami]
username = "dialer"
secret_file = "ami.secret"
[contacts]
file = "contacts.csv"
id = "id"
number = ["number", "other"]
[call]
context = "notify"
exten = "s"
[[trunk]]
name = "carrier"
channel = "PJSIP/{number}@carrier"
ports = 2
calls_per_second = 10
[[trunk]]
name = "backup"
channel = "Local/{number}@backup/n"
ports = 30
calls_per_second = 0.5
[suppress]
files = ["dnc.txt"]
[simulate]
answered = 1.0
busy = 0.0
declined = 0.0
congestion = 0.0
invalid = 0.0
"#;

/// One of each fate, and people enough for both trunks.
const LIST: &str = "\
id,number,other
done,100,
again,101,
suppressed,102,
other,102,103
twice,101,
nobody,ask Ana,
a,201,
b,202,
c,203,
d,204,
";

fn folder(campaign: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("campaign.toml", campaign);
    write("contacts.csv", LIST);
    write("dnc.txt", "102\n");
    write(
        "storm.results.csv",
        "contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\n\
         done,1,yes,yes,ANSWERED,,,\nagain,1,yes,no,BUSY,,,\n",
    );
    folder
}

fn plan(folder: &Path, args: &[&str]) -> String {
    let output = dialer()
        .current_dir(folder)
        .env("TZ", "UTC")
        .args(["run", "campaign.toml", "--dry-run"])
        .args(args)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    without_end(&String::from_utf8(output.stdout).unwrap())
}

/// A plan without the moment at which a run would end: that is another one each time.
fn without_end(plan: &str) -> String {
    let lines = plan.lines().map(|line| {
        let end = line
            .find("would end at ")
            .map(|at| at + "would end at ".len());
        let json = line
            .find("\"expected_end_at\":\"")
            .map(|at| at + "\"expected_end_at\":\"".len());
        match end.or(json) {
            Some(at) => format!(
                "{}THEN{}",
                &line[..at],
                &line[at + "2026-11-28 14:51 +00:00".len()..]
            ),
            None => line.to_owned(),
        }
    });
    lines.map(|line| line + "\n").collect()
}

#[test]
fn a_plan_tells_everybodys_fate_and_what_it_takes() {
    insta::assert_snapshot!("text", plan(folder(CAMPAIGN).path(), &[]));
}

#[test]
fn a_plan_for_programs_has_the_same_figures() {
    let json = plan(folder(CAMPAIGN).path(), &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&json).unwrap());
}

#[test]
fn a_plan_is_that_of_the_command_line() {
    let folder = folder(CAMPAIGN);
    let args = ["--limit", "2", "--redial", "ANSWERED", "--results", "-"];
    insta::assert_snapshot!("limited", plan(folder.path(), &args));
    let simulated = plan(folder.path(), &["--simulate"]);
    assert!(
        simulated.ends_with("\nresults: storm.results.simulated.csv\n"),
        "{simulated}"
    );
    assert!(!simulated.contains("done already"), "{simulated}");
}

#[test]
fn a_plan_after_a_rehearsal_is_that_of_the_next_one_and_no_run_goes_on_in_it() {
    let folder = folder(CAMPAIGN);
    let before = plan(folder.path(), &["--simulate"]);
    let run = |args: &[&str]| {
        let mut command = dialer();
        command.current_dir(folder.path());
        command.args(["run", "campaign.toml"]).args(args);
        command.output().unwrap()
    };
    let rehearsed = run(&["-q", "--simulate"]);
    assert_eq!(rehearsed.status.code(), Some(0), "{}", stderr(&rehearsed));
    assert_eq!(plan(folder.path(), &["--simulate"]), before);
    let simulated = "storm.results.simulated.csv";
    let real = "storm.results.csv";
    for (args, why) in [
        (vec!["--results", simulated], "holds a rehearsal"),
        (
            vec!["--simulate", "--results", real],
            "is not a rehearsal's",
        ),
    ] {
        let refused = run(&[&args[..], &["--dry-run"]].concat());
        assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
        assert!(stderr(&refused).contains(why), "{}", stderr(&refused));
    }
}

#[test]
fn a_stop_before_the_hours_open_is_told_before_the_wait_for_it() {
    let now = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let clock = |hours: i64| {
        let then = now.checked_add(hours.hours()).unwrap();
        then.strftime("%H:%M").to_string()
    };
    let window = |stop_at: &str| {
        format!(
            "[window]\ntimezone = \"UTC\"\nstop_at = \"{stop_at}\"\n[[window.open]]\n\
             days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nfrom = \"{}\"\nto = \"{}\"\n",
            clock(4),
            clock(6)
        )
    };
    let said = |stop_at: &str, args: &[&str]| {
        let folder = folder(&format!("{CAMPAIGN}{}", window(stop_at)));
        fs::write(folder.path().join("ami.secret"), "s3cret").unwrap();
        let mut command = dialer();
        let output = command.current_dir(folder.path()).args(args).output();
        let output = output.unwrap();
        (output.status.code(), stderr(&output))
    };
    let commands: [(&[&str], i32); 3] = [
        (&["check", "campaign.toml"], 0),
        (&["run", "campaign.toml", "--dry-run"], 0),
        (&["run", "campaign.toml", "--simulate", "-q"], 3),
    ];
    for (args, code) in commands {
        let (exit, told) = said(&clock(2), args);
        assert_eq!(exit, Some(code), "{told}");
        assert!(
            told.contains("a run that begins now calls nobody"),
            "{told}"
        );
        if code == 3 {
            assert!(
                told.contains("10 contacts left: stop_at has come; the same command"),
                "{told}"
            );
        }
        let (_, told) = said(&clock(5), args);
        assert!(!told.contains("calls nobody"), "{told}");
    }
}

#[test]
fn a_plan_tells_who_has_to_wait_for_the_window() {
    // Whatever day it is when this runs, it is a holiday.
    let today = Zoned::now().with_time_zone(jiff::tz::TimeZone::UTC);
    let holidays: Vec<String> = (-1..=1)
        .map(|days| format!("\"{}\"", today.checked_add(days.days()).unwrap().date()))
        .collect();
    let window = format!(
        "[window]\ntimezone = \"UTC\"\nholidays = [{}]\n[[window.open]]\n\
         days = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nfrom = \"00:00\"\nto = \"24:00\"\n",
        holidays.join(", ")
    );
    let folder = folder(&format!("{CAMPAIGN}{window}"));
    let opens = today.checked_add(2.days()).unwrap().date().to_string();
    let plan = plan(folder.path(), &[]);
    insta::assert_snapshot!("closed", plan.replace(&opens, "THE DAY AFTER TOMORROW"));
}

#[test]
fn nobody_to_call_is_a_plan_as_well() {
    let folder = folder(CAMPAIGN);
    fs::write(folder.path().join("contacts.csv"), "id,number,other\n").unwrap();
    insta::assert_snapshot!("nobody", plan(folder.path(), &[]));
}

#[test]
fn a_run_with_a_limit_calls_those_whom_its_plan_names() {
    let folder = folder(CAMPAIGN);
    let list = "id,number,other\nfirst,102,\nsecond,103,102\na,201,\nb,202,\nc,203,\n";
    fs::write(folder.path().join("contacts.csv"), list).unwrap();
    fs::write(folder.path().join("dnc.txt"), "102\n103\n").unwrap();
    let plan = plan(folder.path(), &["--simulate", "--limit", "2", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
    let planned: Vec<_> = plan["first_calls"].as_array().unwrap().iter().collect();
    let planned: Vec<_> = planned.iter().map(|call| call["contact"].clone()).collect();
    assert_eq!((planned.len(), &plan["to_call"]), (2, &2.into()));
    let run = dialer()
        .current_dir(folder.path())
        .args(["run", "campaign.toml", "-q", "--simulate", "--limit", "2"])
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let rows = folder.path().join("storm.results.simulated.csv");
    let rows: Vec<HashMap<String, String>> = csv::Reader::from_path(rows)
        .unwrap()
        .deserialize()
        .map(Result::unwrap)
        .collect();
    let called = rows.iter().filter(|row| !row["dialed_at"].is_empty());
    let mut called: Vec<_> = called.map(|row| row["contact"].as_str()).collect();
    called.sort_unstable();
    assert_eq!(called, planned);
}
