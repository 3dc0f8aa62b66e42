//! What the operator sees of a run: on a terminal, in a cron mail, in a pipeline.

use crate::common::process::{Process, Start as _, says};
use crate::common::{dialer, storm};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

const ROWS: &str = "id,number\na,100\nb,101\nc,102\nd,103\ne,104\n";

/// A folder with a campaign of these contacts, each of whom answers in a rehearsal.
fn campaign(rows: &str) -> TempDir {
    storm("calls_per_second = 2.0", rows)
}

/// `dialer run storm.toml --simulate`, as from a shell in that folder.
fn rehearse(folder: &Path) -> Command {
    let mut command = dialer();
    command
        .current_dir(folder)
        .env_clear()
        .env("TERM", "xterm-256color")
        .args(["run", "storm.toml", "--simulate"]);
    command
}

struct Said {
    code: i32,
    stdout: String,
    stderr: String,
}

fn said(command: &mut Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[test]
fn quiet_is_silent_on_success() {
    let folder = campaign(ROWS);
    for more in [&[][..], &["--progress", "bar"], &["--progress", "plain"]] {
        let said = said(rehearse(folder.path()).arg("-q").args(more));
        assert_eq!(
            (said.code, said.stdout, said.stderr),
            (0, String::new(), String::new())
        );
    }
}

#[test]
fn quiet_still_says_what_is_wrong() {
    let folder = campaign("id,number\na,100\nb,nobody\n");
    let warned = said(rehearse(folder.path()).arg("-q"));
    assert_eq!(warned.code, 0);
    assert_eq!(warned.stderr.lines().count(), 1, "{}", warned.stderr);
    assert!(
        warned
            .stderr
            .contains(" WARN not called: contacts.csv line 3: not a number")
    );

    fs::remove_file(folder.path().join("contacts.csv")).unwrap();
    let refused = said(rehearse(folder.path()).arg("-q"));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.contains("contacts.csv"));
}

#[test]
fn standard_output_is_empty_unless_data_is_asked_for() {
    let folder = campaign(ROWS);
    let plain = said(&mut rehearse(folder.path()));
    assert_eq!((plain.code, plain.stdout.as_str()), (0, ""));
    let rows = said(rehearse(folder.path()).args(["--results", "-"]));
    assert_eq!(rows.stdout.lines().count(), 6);
    assert!(rows.stdout.starts_with("campaign,contact,number,"));
}

#[test]
fn the_summary_for_programs_is_one_object_with_these_keys() {
    let folder = campaign("id,number\na,100\nb,101\nc,nobody\n");
    let said = said(rehearse(folder.path()).args(["--json", "-q"]));
    assert_eq!(said.stdout.lines().count(), 1);
    let summary: Value = serde_json::from_str(&said.stdout).unwrap();
    let keys: Vec<_> = summary
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(
        keys,
        [
            "campaign",
            "contacts",
            "dialing_seconds",
            "dispatched",
            "dispositions",
            "ended_at",
            "exit_code",
            "finished",
            "pending",
            "results",
            "seconds",
            "simulated",
            "started_at",
            "stopped",
            "trunks",
            "unreached",
        ]
    );
    assert_eq!(summary["campaign"], "storm");
    assert_eq!(summary["contacts"], 3);
    assert_eq!(summary["finished"], 3);
    assert_eq!(summary["pending"], 0);
    assert_eq!(summary["dispatched"], 2);
    assert_eq!(summary["exit_code"], 0);
    assert_eq!(summary["stopped"], "finished");
    assert_eq!(summary["simulated"], true);
    assert_eq!(summary["unreached"], 1);
    let dispositions = summary["dispositions"].as_object().unwrap();
    assert_eq!(dispositions.len(), 13);
    assert_eq!(
        dispositions["ANSWERED"],
        serde_json::json!({"contacts": 2, "attempts": 2})
    );
    assert_eq!(
        dispositions["INVALID NUMBER"],
        serde_json::json!({"contacts": 1, "attempts": 0})
    );
    let results = folder.path().join(summary["results"].as_str().unwrap());
    assert!(results.is_file());
    let time = |key: &str| {
        summary[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    let took = (time("ended_at") - time("started_at"))
        .total(jiff::Unit::Second)
        .unwrap();
    assert!((took - summary["seconds"].as_f64().unwrap()).abs() < 0.01);
}

#[test]
fn the_summary_for_people_is_on_standard_error_also_beside_the_one_for_programs() {
    let folder = campaign(ROWS);
    for more in [&[][..], &["--json"]] {
        let stderr = said(rehearse(folder.path()).args(more)).stderr;
        assert!(
            stderr.contains("\nANSWERED                 5    100.0%         5\n"),
            "{stderr}"
        );
        assert!(
            stderr.contains("\nstorm: 5 of 5 contacts reached (100.0%) in "),
            "{stderr}"
        );
        assert!(stderr.contains("\nresults: "), "{stderr}");
    }
}

#[test]
fn rows_and_the_summary_cannot_share_standard_output() {
    let folder = campaign(ROWS);
    let refused = said(rehearse(folder.path()).args(["--json", "--results", "-"]));
    assert_eq!(refused.code, 2);
    assert_eq!(refused.stdout, "");
    assert_eq!(
        refused.stderr,
        "--json and the results both want standard output: name a file with --results\n"
    );
}

#[test]
fn what_the_command_line_does_not_know_is_refused() {
    let folder = campaign(ROWS);
    for wrong in [
        &["-q", "-v"][..],
        &["--color", "sometimes"],
        &["--log-format", "xml"],
        &["--progress", "fancy"],
    ] {
        let refused = said(rehearse(folder.path()).args(wrong));
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_pipe_gets_no_colours_and_no_bar_unless_colours_are_asked_for() {
    let folder = campaign(ROWS);
    let auto = said(rehearse(folder.path()).args(["--progress", "bar"]));
    assert!(
        !auto.stderr.contains(['\x1b', '\r', '█']),
        "{:?}",
        auto.stderr
    );
    let always = said(rehearse(folder.path()).args(["--color", "always"]));
    assert!(always.stderr.contains("\x1b["));
    let never = said(
        rehearse(folder.path())
            .args(["--color", "never"])
            .env("CLICOLOR_FORCE", "1"),
    );
    assert!(!never.stderr.contains('\x1b'));
}

#[test]
fn lines_in_a_file_have_the_full_time_and_the_level_as_a_word() {
    let folder = campaign("id,number\na,100\nb,nobody\n");
    let stderr = said(&mut rehearse(folder.path())).stderr;
    let warning = stderr
        .lines()
        .find(|line| line.contains("not called"))
        .unwrap();
    let (time, rest) = warning.split_once(' ').unwrap();
    time.parse::<jiff::Timestamp>().unwrap();
    assert!(rest.starts_with(" WARN not called: "), "{rest}");
}

#[test]
fn a_json_log_is_one_object_a_line_from_the_first_to_the_last() {
    let folder = campaign("id,number\na,100\nb,nobody\n");
    let ran = said(rehearse(folder.path()).args(["--log-format", "json", "-v"]));
    fs::remove_file(folder.path().join("contacts.csv")).unwrap();
    let refused = said(rehearse(folder.path()).args(["--log-format", "json"]));
    assert_eq!(refused.code, 2);
    let mut lines = 0;
    for line in ran.stderr.lines().chain(refused.stderr.lines()) {
        let object: Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        object["timestamp"]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap();
        assert!(
            object["level"].is_string() && object["message"].is_string(),
            "{line}"
        );
        lines += 1;
    }
    assert!(lines >= 4);
    let summary: Value = serde_json::from_str(ran.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(summary["message"], "summary");
    assert_eq!(summary["reached"], 1);
}

#[test]
fn faults_before_dialing_are_plain_sentences() {
    let folder = campaign(ROWS);
    fs::write(
        folder.path().join("storm.toml"),
        "chanel = 1\n\"\\u001b[2Jx\" = 2\n",
    )
    .unwrap();
    let refused = said(&mut rehearse(folder.path()));
    assert_eq!(refused.code, 2);
    assert!(refused.stderr.lines().count() > 1);
    for line in refused.stderr.lines() {
        assert!(line.starts_with("storm.toml:"), "{line}");
        assert!(!line.contains('\x1b'), "{line}");
    }
}

#[test]
fn a_full_disk_under_the_log_stops_nobody() {
    let folder = campaign(ROWS);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let status = dialer()
        .current_dir(folder.path())
        .args(["-vv", "run", "storm.toml", "--simulate"])
        .stderr(full)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(0));
    let results = fs::read_to_string(folder.path().join("storm.results.simulated.csv")).unwrap();
    assert_eq!(results.lines().count(), 6);
}

#[test]
fn a_summary_that_cannot_be_written_is_a_failure() {
    let folder = campaign(ROWS);
    let full = File::options().write(true).open("/dev/full").unwrap();
    let output = dialer()
        .current_dir(folder.path())
        .args(["-q", "run", "storm.toml", "--simulate", "--json"])
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.contains("the summary cannot be written to standard output"),
        "{stderr}"
    );
}

#[test]
fn no_number_of_anybody_stands_in_the_log() {
    let folder = campaign("id,number\na,59829001234\nb,59829001234\nc,59829x01234\n");
    let stderr = said(&mut rehearse(folder.path())).stderr;
    assert!(!stderr.contains("5982900"), "{stderr}");
    assert!(!stderr.contains("59829x"), "{stderr}");
}

/// Rows of so many contacts.
fn contacts(count: u32) -> String {
    (0..count).fold(String::new(), |mut rows, contact| {
        writeln!(rows, "{contact},{}", 1000 + contact).unwrap();
        rows
    })
}

/// A rehearsal that takes its time, and what it says while it goes on.
fn slow(folder: &Path, talk: &str) -> (Process, BufReader<ChildStderr>) {
    let path = folder.join("storm.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(
        &path,
        format!("{text}\ntalk = \"{talk}\"\nring = \"10ms\"\n"),
    )
    .unwrap();
    let mut child = dialer()
        .current_dir(folder)
        .args(["run", "storm.toml", "--simulate", "--real-time", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .start();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

fn summary_of(child: Process, mut stderr: impl Read) -> Value {
    stderr.read_to_string(&mut String::new()).unwrap();
    let output = child.output();
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["exit_code"], output.status.code().unwrap());
    summary
}

#[test]
fn the_summary_for_programs_says_that_the_run_was_stopped() {
    let many = contacts(500);
    let folder = campaign(&format!("id,number\nx,nobody\n{many}"));
    let (child, mut stderr) = slow(folder.path(), "100ms");
    says(&mut stderr, "not called");
    child.signal(Signal::TERM);
    let summary = summary_of(child, stderr);
    assert_eq!(summary["stopped"], "drained");
    assert_eq!(summary["exit_code"], 3);
    assert!(summary["pending"].as_u64().unwrap() > 0);
}

#[test]
fn the_summary_for_programs_says_that_the_run_was_aborted() {
    let folder = campaign(&format!("{ROWS}x,nobody\n").replace("a,100", "y,nobody\na,100"));
    let (child, mut stderr) = slow(folder.path(), "2h");
    says(&mut stderr, "not called");
    child.signal(Signal::TERM);
    says(&mut stderr, "stopping: no new calls");
    // Signals that come together are one.
    thread::sleep(Duration::from_millis(300));
    child.signal(Signal::TERM);
    let summary = summary_of(child, stderr);
    assert_eq!(summary["stopped"], "aborted");
    assert_eq!(summary["exit_code"], 143);
}

#[test]
fn a_pipe_gets_a_line_of_counts_now_and_then() {
    let folder = campaign(ROWS);
    let (child, mut stderr) = slow(folder.path(), "2h");
    says(
        &mut stderr,
        "INFO 5 pending, 0 finished, 0 failed, 0 of 2 ports free, 2 dispatched",
    );
    child.signal(Signal::TERM);
    says(&mut stderr, "stopping: no new calls");
    // Signals that come together are one.
    thread::sleep(Duration::from_millis(300));
    child.signal(Signal::TERM);
    assert_eq!(summary_of(child, stderr)["stopped"], "aborted");
}

#[test]
fn a_log_that_nobody_reads_holds_up_no_call() {
    let many = contacts(1500);
    let folder = campaign(&format!("id,number\n{many}"));
    let mut child = dialer()
        .current_dir(folder.path())
        .args(["-vv", "run", "storm.toml", "--simulate"])
        .stderr(Stdio::piped())
        .start();
    let results = folder.path().join("storm.results.simulated.csv");
    let rows = || fs::read_to_string(&results).map_or(0, |rows| rows.lines().count());
    let patience = Instant::now() + Duration::from_secs(120);
    while rows() < 1501 {
        if Instant::now() > patience {
            child.kill();
            panic!("{} of 1501 rows", rows());
        }
        thread::sleep(Duration::from_millis(20));
    }
    // More than a pipe holds, or the test would show nothing.
    let mut log = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut log)
        .unwrap();
    assert!(log.len() > 128 * 1024, "{}", log.len());
    assert!(child.wait().unwrap().success());
}
