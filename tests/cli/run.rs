//! `dialer run` as a user meets it: against a simulated Asterisk behind a real port, and as a rehearsal.
//!
//! The file is long because each behaviour is a whole run of its own; they share the helpers at its top.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use rustix::process::Signal;

use crate::common::process::{Start as _, says};
use crate::common::{
    Folder, Pbx, Row, assert_one_final_row_each, dialer, list, only, rows, stderr, until,
};

#[test]
fn every_fate_has_its_row() {
    // The last two digits of a number tell the simulated Asterisk what becomes of its call. Two campaigns: with all the
    // bad ones in one, the trunk would rest.
    assert_fates(&[
        ("601", "ANSWERED", "16", ""),
        ("602", "ANSWERED", "0", ""),
        ("603", "ANSWERED", "0", ""),
        ("604", "ANSWERED", "16", ""),
        ("605", "ANSWERED", "17", ""),
        ("606", "UNKNOWN", "23", "302"),
        ("610", "BUSY", "17", "486"),
        ("611", "BUSY", "17", "486"),
        ("612", "BUSY", "17", "486"),
        ("620", "NO ANSWER", "19", ""),
        ("622", "NO ANSWER", "19", "480"),
        ("623", "NO ANSWER", "19", ""),
        ("630", "REJECTED", "21", "603"),
        ("631", "REJECTED", "21", "603"),
        ("640", "INVALID NUMBER", "1", "404"),
        ("641", "INVALID NUMBER", "22", "410"),
        ("642", "INVALID NUMBER", "28", "484"),
        ("650", "CONGESTION", "34", "503"),
        ("651", "CONGESTION", "38", "500"),
        ("652", "CONGESTION", "21", "403"),
    ]);
    assert_fates(&[
        ("601", "ANSWERED", "16", ""),
        ("653", "CONGESTION", "34", "503"),
        ("660", "CONGESTION", "", ""),
    ]);
}

/// Numbers, each with its disposition, its cause and its SIP code.
#[track_caller]
fn assert_fates(fates: &[(&str, &str, &str, &str)]) {
    let pbx = Pbx::start(60, 90);
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"1s\"",
        "ports = 30\ncalls_per_second = 100.0",
        "[retry]\nmax_attempts = 1\ndelay = \"0s\"",
        &list(fates.iter().map(|(number, ..)| number)),
    );
    folder.exits(0);
    let rows = folder.rows();
    assert_one_final_row_each(&rows, fates.len());
    for &(number, disposition, cause, sip_code) in fates {
        let of_number: Vec<_> = rows.iter().filter(|row| row["number"] == number).collect();
        let last = of_number.last().unwrap();
        assert_eq!(
            (
                last["disposition"].as_str(),
                last["cause"].as_str(),
                last["sip_code"].as_str()
            ),
            (disposition, cause, sip_code),
            "{number}"
        );
        // Five congested attempts are the trunk's fault; the sixth uses up the only one that there is.
        let attempts = if disposition == "CONGESTION" { 6 } else { 1 };
        assert_eq!(of_number.len(), attempts, "{number}");
        assert_eq!(last["attempt"], attempts.to_string());
        let counted: Vec<_> = of_number
            .iter()
            .map(|row| row["counted"] == "yes")
            .collect();
        assert_eq!(counted.iter().filter(|counted| **counted).count(), 1);
        assert_eq!(counted.last(), Some(&true), "{number}");
        let answered = disposition == "ANSWERED";
        assert_eq!(!last["answered_at"].is_empty(), answered, "{number}");
        assert_eq!(!last["talk_seconds"].is_empty(), answered, "{number}");
        assert_eq!(!last["uniqueid"].is_empty(), number != "660", "{number}");
        assert_eq!(last["call_id"].len(), 26);
    }
    // Each originate has its row: those that the PBX accepted, the probe at the start apart.
    assert_eq!(pbx.simulator.counters().originates, rows.len() as u64 + 1);
}

#[test]
fn a_dead_trunk_is_told_apart_from_people_who_do_not_answer() {
    let pbx = Pbx::start(50, 50);
    let campaign = |numbers: &[&str]| {
        Folder::new(
            pbx.address,
            "ring_timeout = \"1s\"",
            "calls_per_second = 100.0",
            "[retry]\nmax_attempts = 1\nmax_delay = \"0s\"",
            &list(numbers),
        )
    };
    let dead = campaign(&["621"]);
    dead.run();
    assert_eq!(dead.rows()[0]["disposition"], "CONGESTION");
    let alive = campaign(&["620", "621"]);
    alive.run();
    assert_eq!(only(&alive.rows(), "621")["disposition"], "NO ANSWER");
}

#[test]
fn lines_are_filled_and_never_more_than_there_are() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::quick(&pbx, "ports = 7", (0..300).map(|n| format!("{n:04}01")));
    folder.exits(0);
    assert_eq!(pbx.simulator.counters().most_calls, 7);
    assert_eq!(
        pbx.simulator.dialed().len(),
        301,
        "every contact once, and the probe"
    );
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 300);
    assert!(rows.iter().all(|row| row["disposition"] == "ANSWERED"));
}

#[test]
fn the_busy_and_the_absent_are_called_again() {
    let pbx = Pbx::start(20, 20);
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"1s\"",
        "calls_per_second = 100.0",
        "[retry]\nmax_attempts = 3\ndelay = \"100ms\"",
        &list(["180", "181", "182", "110"]),
    );
    folder.exits(0);
    let rows = folder.rows();
    let told = |number: &str| -> Vec<(String, String)> {
        rows.iter()
            .filter(|row| row["number"] == number)
            .map(|row| (row["attempt"].clone(), row["disposition"].clone()))
            .collect()
    };
    let pair = |attempt: &str, disposition: &str| (attempt.to_owned(), disposition.to_owned());
    assert_eq!(told("180"), [pair("1", "BUSY"), pair("2", "ANSWERED")]);
    assert_eq!(
        told("181"),
        [
            pair("1", "NO ANSWER"),
            pair("2", "NO ANSWER"),
            pair("3", "ANSWERED")
        ]
    );
    assert_eq!(
        told("182"),
        [pair("1", "CONGESTION"), pair("2", "ANSWERED")]
    );
    assert_eq!(
        told("110"),
        [pair("1", "BUSY"), pair("2", "BUSY"), pair("3", "BUSY")]
    );
    for row in rows.iter().filter(|row| row["final"] == "no") {
        let wait = time(&row["next_attempt_at"]) - time(&row["ended_at"]);
        assert_eq!(wait, 100, "counted from the end of the attempt: {row:#?}");
        let next = (row["attempt"].parse::<u32>().unwrap() + 1).to_string();
        let again = rows
            .iter()
            .find(|later| later["number"] == row["number"] && later["attempt"] == next)
            .unwrap();
        assert!(time(&again["dialed_at"]) >= time(&row["next_attempt_at"]));
    }
}

/// Milliseconds of a time in the results.
fn time(rfc3339: &str) -> i64 {
    rfc3339.parse::<jiff::Timestamp>().unwrap().as_millisecond()
}

#[test]
fn a_call_that_lasts_too_long_is_hung_up_and_keeps_its_disposition() {
    let pbx = Pbx::start(50, 600_000);
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"30s\"\ncall_timeout = \"1s\"",
        "calls_per_second = 100.0",
        "[retry]\nmax_attempts = 1",
        &list(["101", "120"]),
    );
    folder.exits(0);
    let rows = folder.rows();
    for (number, disposition) in [("101", "ANSWERED"), ("120", "NO ANSWER")] {
        let row = only(&rows, number);
        assert_eq!(row["disposition"], disposition);
        assert_eq!(row["note"], "cut at call_timeout");
    }
    assert_eq!(pbx.simulator.counters().calls, 0, "nothing is left behind");
}

/// A line to the PBX that passes everything on in small pieces, and stops for 100 ms after every 4,000 bytes, mostly in
/// the middle of an event.
fn stuttering_line(pbx: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(pbx).unwrap();
            let (mut from_near, mut to_far) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || {
                let _ = std::io::copy(&mut from_near, &mut to_far);
                let _ = to_far.shutdown(Shutdown::Both);
            });
            thread::spawn(move || {
                let (mut from, mut to) = (far, near);
                let mut piece = [0; 97];
                let mut passed = 0;
                while let Ok(read @ 1..) = from.read(&mut piece) {
                    if to.write_all(&piece[..read]).is_err() {
                        break;
                    }
                    passed += read;
                    if passed > 4_000 {
                        passed = 0;
                        thread::sleep(Duration::from_millis(100));
                    }
                }
                let _ = to.shutdown(Shutdown::Both);
            });
        }
    });
    address
}

#[test]
fn silence_in_the_middle_of_an_event_loses_nothing() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(
        stuttering_line(pbx.address),
        "",
        "ports = 10\ncalls_per_second = 1000.0",
        "[retry]\nmax_attempts = 1",
        &list((0..15).flat_map(|n| [format!("{n:03}01"), format!("{n:03}10")])),
    );
    folder.exits(0);
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 30);
    for row in rows {
        let expected = if row["number"].ends_with("01") {
            "ANSWERED"
        } else {
            "BUSY"
        };
        assert_eq!(row["disposition"], expected);
    }
}

#[test]
fn a_slow_disk_holds_up_new_calls_and_loses_nothing() {
    let pbx = Pbx::start(1, 5);
    let folder = Folder::new(
        pbx.address,
        "",
        "ports = 20\ncalls_per_second = 10000.0",
        "",
        &list((0..2_000).map(|n| format!("{n:04}01"))),
    );
    // A pipe that nobody reads is the slowest disk there is: it takes 64 KiB, some hundreds of rows.
    let mut running = folder
        .command()
        .args(["--results", "-", "-q"])
        .stdout(Stdio::piped())
        .start();
    let stuck = || {
        let before = pbx.simulator.counters();
        thread::sleep(Duration::from_millis(500));
        let after = pbx.simulator.counters();
        after.originates > 1 && after.originates == before.originates && after.calls == 0
    };
    while !stuck() {}
    assert!(
        pbx.simulator.counters().originates < 2_000,
        "no new calls while rows wait"
    );
    assert_eq!(
        pbx.simulator.counters().sessions,
        1,
        "the session is read all the while"
    );
    let mut said = String::new();
    running
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let copy = folder.path("stdout.csv");
    fs::write(&copy, said).unwrap();
    let rows = rows(&copy);
    assert_one_final_row_each(&rows, 2_000);
    assert!(rows.iter().all(|row| row["disposition"] == "ANSWERED"));
}

#[test]
fn a_dropped_session_costs_no_call() {
    let pbx = Pbx::start(50, 3_000);
    let folder = Folder::quick(&pbx, "ports = 10", (0..30).map(|n| format!("{n:04}01")));
    let mut running = folder.command().start();
    while pbx.simulator.counters().calls < 10 {
        thread::yield_now();
    }
    pbx.simulator.drop_sessions();
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 30);
    assert!(
        rows.iter().all(|row| row["disposition"] == "ANSWERED"),
        "{rows:#?}"
    );
    assert_eq!(pbx.simulator.counters().most_calls, 10);
    assert_eq!(pbx.simulator.dialed().len(), 31, "nobody was called twice");
}

#[test]
fn calls_that_ended_unseen_are_unknown_and_not_called_again() {
    let pbx = Pbx::start(50, 600_000);
    let folder = Folder::new(
        pbx.address,
        "",
        "ports = 4\ncalls_per_second = 1000.0",
        "[retry]\nmax_attempts = 1",
        // The first four ring for ever.
        &list(["120", "220", "320", "420", "510", "610"]),
    );
    let mut running = folder.command().start();
    while pbx.simulator.counters().calls < 4 {
        thread::yield_now();
    }
    pbx.simulator.crash();
    running.wait().unwrap();
    let rows = folder.rows();
    for number in ["120", "220", "320", "420"] {
        let row = only(&rows, number);
        assert_eq!(
            (row["disposition"].as_str(), row["final"].as_str()),
            ("UNKNOWN", "yes")
        );
    }
    assert!(
        rows.iter()
            .any(|row| row["number"] == "510" && row["disposition"] == "BUSY")
    );
}

#[test]
fn a_pbx_that_stays_away_ends_the_run_with_contacts_left() {
    let pbx = Pbx::start(50, 600_000);
    let folder = Folder::quick(&pbx, "ports = 2", ["120", "220", "320"]);
    let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
    fs::write(
        folder.path("campaign.toml"),
        text.replace("reconnect_for = \"5s\"", "reconnect_for = \"0s\""),
    )
    .unwrap();
    let running = folder.command().stderr(Stdio::piped()).start();
    while pbx.simulator.counters().calls < 2 {
        thread::yield_now();
    }
    pbx.simulator.stop_now();
    let output = running.output();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let rows = folder.rows();
    assert!(rows.len() >= 2, "{rows:#?}");
    let unseen = rows.iter().filter(|row| row["disposition"] == "UNKNOWN");
    let said = match unseen.count() {
        0 => "left; the same command goes on".to_owned(),
        1 => "left; 1 call with the disposition UNKNOWN; the same command goes on".to_owned(),
        n => format!("left; {n} calls with the disposition UNKNOWN; the same command goes on"),
    };
    assert!(stderr(&output).contains(&said), "{}", stderr(&output));
}

#[test]
fn a_second_signal_ends_the_run_in_five_seconds_even_if_the_pbx_is_silent() {
    let pbx = Pbx::start(50, 60_000);
    let (line, silenced) = line_that_can_be_silenced(pbx.address);
    let folder = Folder::new(line, "", "ports = 1", "", &list(["101", "201"]));
    let mut running = folder.command().stderr(Stdio::piped()).start();
    while pbx.simulator.counters().calls < 1 {
        thread::yield_now();
    }
    let mut log = BufReader::new(running.stderr.take().unwrap());
    thread::sleep(Duration::from_millis(300));
    silenced.store(true, Ordering::Relaxed);
    running.signal(Signal::INT);
    says(&mut log, "stopping: no new calls");
    // Signals that come together are one.
    thread::sleep(Duration::from_millis(300));
    running.signal(Signal::INT);
    let began = Instant::now();
    assert_eq!(running.wait().unwrap().code(), Some(130));
    assert!(
        began.elapsed() < Duration::from_secs(5),
        "{:?}",
        began.elapsed()
    );
    let rows = folder.rows();
    assert_eq!(rows.len(), 1);
    // It was answered, which was seen; its end was not.
    assert_eq!(rows[0]["disposition"], "ANSWERED");
}

/// A line to the PBX that passes on what it is told, until it is to be silent.
fn line_that_can_be_silenced(pbx: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let silenced = Arc::new(AtomicBool::new(false));
    let silent = Arc::clone(&silenced);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(pbx).unwrap();
            for (from, to) in [(&near, &far), (&far, &near)] {
                let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                let silent = Arc::clone(&silent);
                thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = from.read(&mut piece) {
                        if !silent.load(Ordering::Relaxed) && to.write_all(&piece[..read]).is_err()
                        {
                            break;
                        }
                    }
                });
            }
        }
    });
    (address, silenced)
}

#[test]
fn a_login_that_is_refused_says_what_to_change_and_dials_nothing() {
    let pbx = Pbx::with(50, 50, |config| config.secret = "another".to_owned());
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let output = folder.exits(4);
    let said = stderr(&output);
    assert!(
        said.contains("refused the login of user \"dialer\"") && said.contains("manager.conf"),
        "{said}"
    );
    assert!(!said.contains("s3cret"), "{said}");
    assert!(!folder.results().exists());
}

#[test]
fn a_missing_permission_is_found_without_placing_a_call() {
    for (action, says) in [
        ("Originate", "add `originate` to `write =`"),
        ("Hangup", "add `call` to `write =`"),
    ] {
        let pbx = Pbx::with(50, 50, |config| {
            config.denied_actions = vec![action.to_owned()];
        });
        let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
        let output = folder.exits(4);
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        assert_eq!(pbx.simulator.counters().most_calls, 0);
        assert!(!folder.results().exists());
    }
}

#[test]
fn a_host_that_cannot_be_reached_is_named() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    drop(pbx);
    let output = folder.exits(4);
    assert!(
        stderr(&output).contains("refused the connection"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn results_that_are_none_are_not_dialed_over() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    fs::write(folder.results(), "kept\n").unwrap();
    let output = folder.exits(2);
    assert!(
        stderr(&output).contains("it has no column contact"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_to_string(folder.results()).unwrap(), "kept\n");
    assert_eq!(pbx.simulator.counters().sessions, 0);
}

#[test]
fn an_extension_that_does_not_exist_is_a_row_that_says_so() {
    let pbx = Pbx::with(1, 1, |config| {
        config.extensions = Some(vec![("other".to_owned(), "s".to_owned())]);
    });
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let output = folder.exits(0);
    let rows = folder.rows();
    let row = only(&rows, "101");
    assert_eq!(row["disposition"], "FAILED");
    assert_eq!(
        row["note"],
        "Asterisk refused the request: Extension does not exist."
    );
    let said = stderr(&output);
    assert!(
        said.contains(
            "trunk carrier: FAILED: Asterisk refused the request: Extension does not exist."
        ),
        "{said}"
    );
}

#[test]
fn a_technology_that_asterisk_does_not_have_gives_its_line_back() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::new(
        pbx.address,
        "",
        "ports = 1\ncalls_per_second = 100.0",
        "[retry]\nmax_attempts = 1\ndelay = \"0s\"",
        &list(["101"]),
    );
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("PJSIP/", "Nonsuch/")).unwrap();
    folder.exits(0);
    let rows = folder.rows();
    assert_eq!(rows.len(), 6, "five attempts are the trunk's fault");
    for row in &rows {
        assert_eq!(row["disposition"], "CONGESTION");
        assert!(
            row["note"].starts_with("no channel was created"),
            "{}",
            row["note"]
        );
    }
}

#[test]
fn standard_output_carries_the_results_and_nothing_else() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::quick(&pbx, "", ["101", "ask"]);
    let output = folder.command().args(["--results", "-"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let copy = folder.path("stdout.csv");
    fs::write(&copy, &output.stdout).unwrap();
    let rows = rows(&copy);
    assert_eq!(only(&rows, "101")["disposition"], "ANSWERED");
    assert_eq!(only(&rows, "ask")["disposition"], "INVALID NUMBER");
    assert!(!folder.results().exists());
}

#[test]
fn a_limit_calls_the_first_contacts_only() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::quick(&pbx, "", ["101", "201", "301"]);
    let output = folder.command().args(["--limit", "2"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let called: BTreeSet<String> = folder
        .rows()
        .into_iter()
        .map(|row| row["number"].clone())
        .collect();
    assert_eq!(called, BTreeSet::from(["101".to_owned(), "201".to_owned()]));
}

#[test]
fn wrong_input_is_told_with_its_place_before_anything_is_dialed() {
    let pbx = Pbx::start(1, 1);
    let folder = Folder::new(pbx.address, "rign_timeout = \"5s\"", "", "", &list(["101"]));
    let output = folder.exits(2);
    let place = format!(
        "{}:12:1: unknown key `rign_timeout` in [call]; did you mean `ring_timeout`?",
        folder.path("campaign.toml").display()
    );
    assert!(stderr(&output).contains(&place), "{}", stderr(&output));
    assert_eq!(pbx.simulator.counters().sessions, 0);
}

#[test]
fn quiet_is_silent_of_success_only() {
    let pbx = Pbx::start(5, 5);
    let in_three_days = Zoned::now().with_time_zone(TimeZone::UTC) + 72.hours();
    let hours = format!(
        "[window]\ntimezone = \"UTC\"\noutside = \"stop\"\n\
         [[window.open]]\ndays = [\"{}\"]\nfrom = \"00:00\"\nto = \"24:00\"\n",
        in_three_days.strftime("%a").to_string().to_lowercase()
    );
    for (rest, code, said) in [("", 0, ""), (&*hours, 3, "stopped with 2 contacts left: ")] {
        let folder = Folder::new(pbx.address, "", "", rest, &list(["101", "201"]));
        let output = folder.command().arg("-q").output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
        assert_eq!(stderr(&output).is_empty(), code == 0, "{}", stderr(&output));
    }
}

#[test]
fn a_run_with_nobody_to_call_says_why() {
    let pbx = Pbx::start(5, 5);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101", "none"]));
    let why = "INFO everybody has a final outcome already";
    let output = folder.run();
    assert!(!stderr(&output).contains(why), "{}", stderr(&output));
    let output = folder.exits(0);
    assert!(stderr(&output).contains(why), "{}", stderr(&output));
    let folder = Folder::new(pbx.address, "", "", "", &list(["none"]));
    let said = stderr(&folder.run());
    assert!(
        said.contains("INFO nobody in the list can be called"),
        "{said}"
    );
}

#[test]
fn a_disposition_to_redial_may_be_written_anyhow_and_a_slip_is_told() {
    let pbx = Pbx::start(5, 5);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let redial = |words: &str| {
        let output = folder.command().args(["--redial", words]).output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for words in ["answered", "no answer,Answered", "ANSWERED, no_answer"] {
        assert_eq!(redial(words).0, Some(0), "{words}");
    }
    assert_eq!(folder.rows().len(), 3);
    for (slip, told) in [
        ("BUZY", "did you mean \"BUSY\"?"),
        ("gone", "write one of ANSWERED, SHORT, MACHINE, BUSY,"),
    ] {
        let (code, said) = redial(slip);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn a_plan_says_who_would_be_called_and_touches_nothing() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(
        pbx.address,
        "",
        "ports = 2\ncalls_per_second = 100.0",
        "[suppress]\nfiles = [\"dnc.txt\"]\n[simulate]\nanswered = 1.0\nbusy = 0.0\ndeclined = 0.0\ncongestion = 0.0\ninvalid = 0.0\nring = \"8s\"\ntalk = \"20s\"",
        &list(["101", "ask", "201", "101", "301", "401"]),
    );
    fs::write(folder.path("dnc.txt"), "301\n").unwrap();
    let limited = folder.command().args(["--limit", "1", "-q"]).status();
    assert!(limited.unwrap().success());
    let before = fs::read(folder.results()).unwrap();
    let files = || fs::read_dir(folder.path("")).unwrap().count();
    let there = files();
    let dialed = pbx.simulator.dialed().len();
    let plan = |arguments: &[&str]| {
        let output = folder
            .command()
            .arg("--dry-run")
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    let text = plan(&[]);
    for line in [
        "         6  in the list\n",
        "         1  done already\n",
        "         1  on a list of numbers never to call\n",
        "         1  whose number is in an earlier row\n",
        "         1  whose row cannot be called\n",
        "         2  to call\n",
        "trunk carrier: 2 lines, 100 calls a second at most\n",
        "about 2 calls in ",
        "  201 at 201 on carrier\n  401 at 401 on carrier\n",
    ] {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
    let json: serde_json::Value =
        serde_json::from_str(&plan(&["--json", "--redial", "ANSWERED"])).unwrap();
    assert_eq!((&json["to_call"], &json["done"]), (&3.into(), &0.into()));
    assert_eq!(json["first_calls"][0]["contact"], "101");
    assert!(plan(&["--limit", "1"]).contains("         1  beyond --limit\n"));
    assert_eq!(fs::read(folder.results()).unwrap(), before);
    assert_eq!(files(), there, "nothing was written");
    assert_eq!(pbx.simulator.dialed().len(), dialed, "nobody was asked");
}

#[test]
fn the_example_shows_every_outcome_of_a_rehearsal() {
    let folder = tempfile::tempdir().unwrap();
    let results = folder.path().join("rehearsal.csv");
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/storm/campaign.toml");
    let output = dialer()
        .args(["run", "--simulate", "--results"])
        .arg(&results)
        .arg(&example)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&results);
    assert_one_final_row_each(&rows, 300);
    let shown: BTreeSet<&str> = rows.iter().map(|row| row["disposition"].as_str()).collect();
    assert_eq!(
        shown,
        BTreeSet::from([
            "ANSWERED",
            "BUSY",
            "CONGESTION",
            "FAILED",
            "INVALID NUMBER",
            "NO ANSWER",
            "REJECTED"
        ])
    );
    assert!(rows.iter().all(|row| row["note"].starts_with("simulated")));
    // The same seed gives the same fates, whatever the order.
    let again = folder.path().join("again.csv");
    let output = dialer()
        .args(["run", "--simulate", "--results"])
        .arg(&again)
        .arg(&example)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    let fates = |rows: &[Row]| -> BTreeSet<(String, String, String)> {
        rows.iter()
            .map(|row| {
                (
                    row["contact"].clone(),
                    row["attempt"].clone(),
                    row["disposition"].clone(),
                )
            })
            .collect()
    };
    assert_eq!(fates(&rows), fates(&crate::common::rows(&again)));
}

#[test]
fn a_simulated_asterisk_of_its_own_serves_a_campaign() {
    let folder = Folder::new(
        "127.0.0.1:5038".parse().unwrap(),
        "ring_timeout = \"1s\"",
        "calls_per_second = 100.0",
        "[retry]\nmax_attempts = 1\n[simulate]\nanswered = 1.0\nbusy = 0\ndeclined = 0\ncongestion = 0\ninvalid = 0\ntalk = \"50ms\"\nring = \"50ms\"",
        &list(["101", "102", "103"]),
    );
    let mut server = dialer()
        .args(["sim", "--listen", "127.0.0.1:0", "--campaign"])
        .arg(folder.path("campaign.toml"))
        .stderr(Stdio::piped())
        .start();
    let mut said = BufReader::new(server.stderr.take().unwrap());
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let port = line
        .split("127.0.0.1:")
        .nth(1)
        .and_then(|rest| rest.split(':').next())
        .unwrap_or_else(|| panic!("{line}"));
    assert!(!line.contains("s3cret"), "{line}");
    let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
    fs::write(
        folder.path("campaign.toml"),
        text.replace("port = 5038", &format!("port = {port}")),
    )
    .unwrap();
    folder.exits(0);
    assert!(
        folder
            .rows()
            .iter()
            .all(|row| row["disposition"] == "ANSWERED")
    );
    server.signal(Signal::TERM);
    assert_eq!(server.wait().unwrap().code(), Some(0));
}

#[test]
fn a_simulator_that_is_to_take_a_campaigns_secret_does_not_start_without_it() {
    let folder = Folder::new("127.0.0.1:1".parse().unwrap(), "", "", "", &list(["101"]));
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    let sim = |secret: &str| {
        fs::write(&path, text.replace("secret = \"s3cret\"\n", secret)).unwrap();
        let mut command = dialer();
        command.args(["sim", "--listen", "127.0.0.1:0", "--campaign"]);
        command.arg(&path).env_remove("DIALER_AMI_SECRET");
        command.stderr(Stdio::piped()).start()
    };
    let output = sim("secret_file = \"ami.secret\"\n").output();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("ami.secret cannot be read: No such file"),
        "{}",
        stderr(&output)
    );

    // A campaign that names none has the one that everybody can read in the manual.
    let mut server = sim("");
    let mut said = String::new();
    BufReader::new(server.stderr.take().unwrap())
        .read_line(&mut said)
        .unwrap();
    server.kill();
    assert!(said.contains("user dialer, secret simulated"), "{said}");
}

#[test]
fn the_parts_of_a_list_are_dialed_side_by_side_and_call_everyone_once() {
    let pbx = Pbx::start(5, 20);
    let numbers = (0..60).map(|n| format!("{n:04}01"));
    let folder = Folder::quick(&pbx, "", numbers);
    let parts: Vec<_> = (0..3)
        .map(|part| {
            let mut command = folder.command();
            command.args(["-q", "--shard", &format!("{part}/3")]);
            command.start()
        })
        .collect();
    for mut part in parts {
        assert_eq!(part.wait().unwrap().code(), Some(0));
    }
    let mut called = Vec::new();
    for part in 0..3 {
        let rows = rows(&folder.path(&format!("campaign.results.{part}-of-3.csv")));
        assert!(!rows.is_empty(), "part {part} has somebody");
        called.extend(rows.into_iter().map(|row| row["number"].clone()));
    }
    called.sort();
    let everyone: Vec<_> = (0..60).map(|n| format!("{n:04}01")).collect();
    assert_eq!(called, everyone);
    assert!(!folder.results().exists());
}

#[test]
fn a_part_of_a_list_is_not_dialed_beside_the_whole_or_beside_parts_of_another_size() {
    let pbx = Pbx::start(5, 60_000);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101", "201", "301", "401"]));
    let part = |shard: &str| {
        let mut command = folder.command();
        command.args(["-q", "--shard", shard]);
        command
    };
    let refused = |command: &mut std::process::Command, who: &str| {
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
        assert!(stderr(&output).contains(who), "{}", stderr(&output));
    };
    let whole = folder.command().arg("-q").start();
    until("a call", || pbx.simulator.counters().calls > 0);
    refused(&mut part("0/2"), &format!("process {} on ", whole.id()));
    whole.kill();

    let running = part("0/1").start();
    let lock = folder.path("campaign.toml.lock");
    until("its lock", || {
        fs::read_to_string(&lock).is_ok_and(|holder| holder.contains("--shard I/1"))
    });
    refused(&mut folder.command(), "runs with --shard I/1");
    refused(&mut part("0/2"), "runs with --shard I/1");
    refused(
        part("0/1").arg("--results").arg(folder.path("other.csv")),
        &format!("process {} on ", running.id()),
    );
    running.kill();
}
