//! `dialer report`: what became of a campaign, read from its results.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use crate::common::process::Start as _;
use crate::common::{dialer, stderr};
use serde_json::Value;

const HEADER: &str = "campaign,contact,number,attempt,counted,final,disposition,trunk,dialed_at,ended_at,ring_seconds,talk_seconds,note";

/// A day's campaign, small enough to be counted by hand: twelve contacts, of whom ten were called, on two trunks.
fn results() -> String {
    let mut results = format!("{HEADER}\n");
    let mut call = |contact: u32,
                    attempt: u32,
                    is_final: &str,
                    disposition: &str,
                    trunk: &str,
                    time: &str,
                    ring: &str,
                    talk: &str| {
        writeln!(
            results,
            "storm,H{contact:03},+5982900{contact:04},{attempt},yes,{is_final},{disposition},{trunk},\
             2026-11-23T{time}.000-03:00,2026-11-23T{time}.900-03:00,{ring},{talk},"
        )
        .unwrap();
    };
    call(
        1, 1, "yes", "ANSWERED", "carrier", "09:00:00", "8.000", "20.000",
    );
    call(2, 1, "no", "BUSY", "carrier", "09:00:01", "2.000", "");
    call(3, 1, "no", "NO ANSWER", "carrier", "09:00:02", "30.000", "");
    call(
        4, 1, "yes", "MACHINE", "carrier", "09:59:59", "4.500", "12.000",
    );
    call(
        5, 1, "yes", "SHORT", "reserve", "10:00:00", "5.000", "1.200",
    );
    call(6, 1, "yes", "REJECTED", "reserve", "10:00:01", "3.000", "");
    call(
        7,
        1,
        "yes",
        "INVALID NUMBER",
        "carrier",
        "10:00:02",
        "0.400",
        "",
    );
    call(
        2, 2, "yes", "ANSWERED", "carrier", "10:05:00", "9.000", "95.000",
    );
    call(3, 2, "no", "NO ANSWER", "carrier", "10:05:02", "30.000", "");
    call(
        8, 1, "yes", "ANSWERED", "carrier", "13:00:00", "11.000", "18.000",
    );
    call(9, 1, "no", "CONGESTION", "reserve", "13:00:01", "0.000", "");
    call(
        9, 2, "yes", "ANSWERED", "carrier", "13:00:31", "7.000", "33.000",
    );
    call(
        3,
        3,
        "yes",
        "NO ANSWER",
        "carrier",
        "13:30:00",
        "30.000",
        "",
    );
    call(10, 1, "no", "BUSY", "carrier", "13:59:00", "1.500", "");
    results.push_str(
        "storm,H011,,0,no,yes,INVALID NUMBER,,,,,,contacts.csv line 12: the number is empty\n",
    );
    results.push_str("storm,H012,+59829000001,0,no,yes,DUPLICATE,,,,,,contacts.csv line 13\n");
    results
}

struct Results {
    folder: tempfile::TempDir,
}

impl Results {
    fn new(results: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("storm.csv"), results).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn report(&self, options: &[&str]) -> Output {
        dialer()
            .current_dir(self.folder.path())
            .args(["report", "storm.csv"])
            .args(options)
            .output()
            .unwrap()
    }

    /// What is on standard output, in silence.
    fn said(&self, options: &[&str]) -> String {
        let output = self.report(options);
        assert_eq!(
            (output.status.code(), stderr(&output).as_str()),
            (Some(0), "")
        );
        String::from_utf8(output.stdout).unwrap()
    }
}

#[test]
fn the_text_is_what_it_was() {
    let said = Results::new(&results()).said(&[]);
    insta::assert_snapshot!("text", said);
    assert!(said.lines().all(|line| line.chars().count() <= 80));
}

#[test]
fn the_object_has_the_figures_that_were_counted_by_hand() {
    let said = Results::new(&results()).said(&["--json"]);
    assert_eq!(said.lines().count(), 1);
    let figures: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(figures["campaigns"], serde_json::json!(["storm"]));
    assert_eq!(figures["simulated"], false);
    assert_eq!(
        figures["contacts"],
        serde_json::json!({
            "in_results": 12, "called": 10, "reached": 6, "answered": 4, "not_called": 2, "finished": 11, "pending": 1
        })
    );
    assert_eq!(figures["answer_rate"], 0.6);
    assert_eq!(
        figures["attempts"],
        serde_json::json!({"total": 14, "counted": 14, "picked_up": 6})
    );
    assert_eq!(
        figures["dispositions"]["INVALID NUMBER"],
        serde_json::json!({"contacts": 2, "not_called": 1, "attempts": 1})
    );
    assert_eq!(
        figures["durations"]["talk"],
        serde_json::json!({
            "calls": 6, "total_seconds": 179.2, "mean_seconds": 29.866, "median_seconds": 18.0,
            "p90_seconds": 95.0, "longest_seconds": 95.0
        })
    );
    assert_eq!(
        figures["hours"][9],
        serde_json::json!({"hour": 9, "attempts": 4, "picked_up": 2})
    );
    assert_eq!(figures["hours"][13]["attempts"], 5);
    assert_eq!(figures["trunks"][1]["trunk"], "reserve");
    assert_eq!(figures["trunks"][1]["dispositions"]["CONGESTION"], 1);
    assert_eq!(figures["attempt_numbers"][2]["attempt"], 3);
    assert_eq!(figures["attempt_numbers"][2]["attempts"], 1);
}

#[test]
fn the_page_is_written_instead_of_the_text_and_over_an_older_page_only() {
    let results = Results::new(&results());
    let output = results.report(&["--html", "report.html"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 0));
    assert!(stderr(&output).contains("the report is in report.html"));
    let page = fs::read_to_string(results.path("report.html")).unwrap();
    insta::assert_snapshot!("page", without_style(&page));
    assert_eq!(results.said(&["--html", "-"]), page);
    assert_eq!(results.said(&["-q", "--html", "report.html"]), "");

    // A slip costs nothing: neither these results nor others.
    let before = fs::read(results.path("storm.csv")).unwrap();
    fs::write(results.path("other.csv"), "contact\n").unwrap();
    for path in ["storm.csv", "other.csv"] {
        let output = results.report(&["--html", path]);
        assert_eq!(output.status.code(), Some(2));
        let refused = format!("{path} is not a page and is not overwritten");
        assert!(stderr(&output).contains(&refused), "{}", stderr(&output));
    }
    assert_eq!(fs::read(results.path("storm.csv")).unwrap(), before);
    assert_eq!(fs::read(results.path("other.csv")).unwrap(), b"contact\n");

    let output = results.report(&["--html", "no/such/folder.html"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no/such/folder.html cannot be written"));
}

fn without_style(page: &str) -> String {
    let (head, rest) = page.split_once("<style>").unwrap();
    let (_, body) = rest.split_once("</style>").unwrap();
    format!("{head}<style>…</style>{body}")
}

#[test]
fn an_object_and_a_page_can_be_had_together_but_not_in_one_place() {
    let results = Results::new(&results());
    let output = results.report(&["--json", "--html", "report.html"]);
    assert!(serde_json::from_slice::<Value>(&output.stdout).is_ok());
    assert!(results.path("report.html").exists());
    let output = results.report(&["--json", "--html", "-"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    assert!(stderr(&output).contains("both want standard output"));
}

#[test]
fn results_come_through_a_pipe_as_well() {
    let mut child = dialer()
        .args(["report", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .start();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(results().as_bytes())
        .unwrap();
    let output = child.output();
    assert_eq!(
        String::from_utf8(output.stdout).unwrap(),
        Results::new(&results()).said(&[])
    );
}

#[test]
fn a_file_that_is_still_written_is_told_up_to_its_last_whole_row() {
    let whole = results();
    let last = whole.trim_end().rfind('\n').unwrap() + 1;
    for cut in [last + 1, last + 20, whole.len() - 1] {
        let torn = Results::new(&whole[..cut]);
        let said = torn.said(&[]);
        assert!(
            said.contains(
                "the last row is not whole and is left out: the file may still be written"
            ),
            "{said}"
        );
        let figures: Value = serde_json::from_str(&torn.said(&["--json"])).unwrap();
        assert_eq!(figures["torn"], true);
        assert_eq!(figures["contacts"]["in_results"], 11);
    }
}

/// The same calls, a day later from the afternoon on: what there was by day is told where there was more than one.
#[test]
fn days_are_told_apart_where_there_are_several() {
    let later = results().replace("2026-11-23T13", "2026-11-24T13");
    let results = Results::new(&later);
    let said = results.said(&[]);
    let (_, days) = said.split_once("Day dialed").unwrap();
    let (days, _) = days.split_once("\n\n").unwrap();
    insta::assert_snapshot!("days", format!("Day dialed{days}"));
    assert!(said.lines().all(|line| line.chars().count() <= 80));
    let figures: Value = serde_json::from_str(&results.said(&["--json"])).unwrap();
    assert_eq!(
        figures["days"],
        serde_json::json!([
            {"day": "2026-11-23", "attempts": 9, "picked_up": 4},
            {"day": "2026-11-24", "attempts": 5, "picked_up": 2}
        ])
    );
    let page = results.said(&["--html", "-"]);
    assert!(page.contains("<th scope=\"row\">Tue 2026-11-24</th>"));
}

/// Whatever there is of it, a page says it without a gap.
#[test]
fn a_page_of_nobody_called_and_of_one_call_reads_well() {
    let nobody = format!("{HEADER}\nstorm,1,+598,0,no,yes,SUPPRESSED,,,,,,\n");
    let page = Results::new(&nobody).said(&["--html", "-"]);
    for says in ["nobody was called", "nothing was dialed", "Never called: 1"] {
        assert!(page.contains(says), "{says}");
    }
    assert!(!page.contains("Calls by"), "{page}");
    let one = results().lines().take(2).collect::<Vec<_>>().join("\n") + "\n";
    let page = Results::new(&one).said(&["--html", "-"]);
    assert!(page.contains(">1 of 1 reached<"), "{page}");
    assert!(page.contains("<th scope=\"row\">09:00</th>"), "{page}");
    assert!(!page.contains("Calls by day"));
}

/// A rehearsal of the example, reported as it is.
#[test]
fn a_rehearsal_says_so_and_agrees_with_the_summary_of_its_run() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/storm/campaign.toml");
    let results = Results::new("");
    let run = dialer()
        .arg("run")
        .arg(example)
        .args(["--simulate", "-q", "--json", "--results"])
        .arg(results.path("rehearsal.csv"))
        .output()
        .unwrap();
    assert_eq!(run.status.code(), Some(0), "{}", stderr(&run));
    let summary: Value = serde_json::from_slice(&run.stdout).unwrap();
    fs::rename(results.path("rehearsal.csv"), results.path("storm.csv")).unwrap();
    assert!(
        results
            .said(&[])
            .contains("simulated: a rehearsal, nothing was dialed")
    );
    let figures: Value = serde_json::from_str(&results.said(&["--json"])).unwrap();
    assert_eq!(figures["simulated"], true);
    assert_eq!(figures["contacts"]["finished"], summary["finished"]);
    for (disposition, counts) in summary["dispositions"].as_object().unwrap() {
        let counted = &figures["dispositions"][disposition];
        assert_eq!(counted["contacts"], counts["contacts"], "{disposition}");
        assert_eq!(counted["attempts"], counts["attempts"], "{disposition}");
    }
}

#[test]
fn what_is_no_results_is_refused_with_its_line() {
    for (results, says) in [
        (
            String::new(),
            "storm.csv holds no results: it has no header line".to_owned(),
        ),
        (
            "name,phone\nAna,1\n".to_owned(),
            "storm.csv holds no results: it has no column contact".to_owned(),
        ),
        (
            results().replace("REJECTED", "ENGAGED"),
            "storm.csv:7: the row cannot be read (\"ENGAGED\" is no disposition)".to_owned(),
        ),
        (
            results().replace("2026-11-23T10:00:01.000-03:00", "yesterday"),
            "storm.csv:7: the row cannot be read (dialed_at \"yesterday\" is no time)".to_owned(),
        ),
    ] {
        let output = Results::new(&results).report(&[]);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
        assert_eq!(stderr(&output), format!("{says}\n"));
    }
    let output = dialer()
        .args(["report", "/nonexistent.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent.csv cannot be read: "));
}

#[test]
fn a_run_that_has_no_rows_yet_is_no_error() {
    let results = Results::new(&format!("{HEADER}\n"));
    assert_eq!(results.said(&[]), "Results\nno rows yet\n");
    assert!(
        results
            .said(&["--html", "-"])
            .contains("There are no rows yet.")
    );
    let figures: Value = serde_json::from_str(&results.said(&["--json"])).unwrap();
    assert_eq!(figures["answer_rate"], Value::Null);
}

#[test]
fn whoever_closes_the_pipe_has_enough() {
    let results = Results::new(&results());
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = dialer()
        .arg("report")
        .arg(results.path("storm.csv"))
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
}
