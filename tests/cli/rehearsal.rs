//! A rehearsal foretells: virtual time comes to what real time comes to, only sooner.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use crate::common::stalls;
use crate::common::{Row, assert_one_final_row_each, dialer, list, rows, stderr};
use jiff::civil::time;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A campaign of so many contacts in a folder of its own.
fn campaign(contacts: u32, rest: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[ami]\nusername = \"dialer\"\nsecret = \"s3cret\"\n[contacts]\nfile = \"list.csv\"\n\
         [call]\ncontext = \"notify\"\nexten = \"s\"\n{rest}"
    );
    fs::write(folder.path().join("campaign.toml"), text).unwrap();
    let numbers = (0..contacts).map(|contact| format!("+598290{contact:05}"));
    fs::write(folder.path().join("list.csv"), list(numbers)).unwrap();
    folder
}

/// A rehearsal, its rows and its summary.
fn rehearse(folder: &Path, options: &[&str]) -> (Vec<Row>, Value) {
    let output = dialer()
        .current_dir(folder)
        .args(["run", "campaign.toml", "--simulate", "-q", "--json"])
        .args(options)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&folder.join("campaign.results.simulated.csv"));
    (rows, serde_json::from_slice(&output.stdout).unwrap())
}

fn instant(row: &Row, column: &str) -> Timestamp {
    row[column].parse().unwrap()
}

/// Ten thousand contacts by day only, as many lines as make it a working day: whatever the time is now, it ends, every
/// contact has its one final row, no call begins outside, and the summary says of it what the rows say.
#[test]
fn a_day_of_ten_thousand_contacts_is_rehearsed_to_its_end() {
    const LINES: usize = 16;
    let folder = campaign(
        10_000,
        "[[trunk]]\nname = \"carrier\"\nchannel = \"PJSIP/{number}@carrier\"\nports = 12\ncalls_per_second = 2.0\n\
         [[trunk]]\nname = \"reserve\"\nchannel = \"PJSIP/{number}@reserve\"\nports = 4\ncalls_per_second = 1.0\n\
         [retry]\nmax_attempts = 3\ndelay = \"10m\"\n\
         [window]\ntimezone = \"America/Montevideo\"\n\
         [[window.open]]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\n\
         from = \"09:00\"\nto = \"17:00\"\n",
    );
    let (rows, summary) = rehearse(folder.path(), &[]);
    assert_one_final_row_each(&rows, 10_000);

    let zone = TimeZone::get("America/Montevideo").unwrap();
    let mut carried: HashMap<&str, f64> = HashMap::new();
    let mut changes = Vec::new();
    for row in &rows {
        let (dialed, ended) = (instant(row, "dialed_at"), instant(row, "ended_at"));
        let began = dialed.to_zoned(zone.clone()).time();
        assert!(
            began >= time(9, 0, 0, 0) && began < time(17, 0, 0, 0),
            "{row:?}"
        );
        let took = ended.duration_since(dialed).as_secs_f64();
        *carried.entry(&row["trunk"]).or_default() += took;
        changes.push((dialed, 1));
        changes.push((ended, -1));
    }
    // The end of a call that frees the line comes before the call that takes it in the same millisecond.
    changes.sort_by_key(|&(at, change)| (at, change));
    let (mut lines, mut since, mut dialing) = (0, Timestamp::MIN, 0.0);
    for (at, change) in changes {
        if lines > 0 {
            dialing += at.duration_since(since).as_secs_f64();
        }
        lines += change;
        since = at;
        assert!(lines <= i64::try_from(LINES).unwrap(), "{lines} calls");
    }

    assert_eq!(summary["simulated"], true);
    assert_eq!(summary["finished"], 10_000);
    let unreached = rows
        .iter()
        .filter(|row| row["final"] == "yes" && row["disposition"] != "ANSWERED")
        .count();
    assert_eq!(summary["unreached"], unreached);
    let last = rows.iter().map(|row| instant(row, "ended_at")).max();
    let ended: Timestamp = summary["ended_at"].as_str().unwrap().parse().unwrap();
    let after_the_last = ended.duration_since(last.unwrap());
    assert!(after_the_last.abs() <= SignedDuration::from_secs(1));
    let said = summary["dialing_seconds"].as_f64().unwrap();
    close(said, dialing, 0.01 * dialing);
    for trunk in summary["trunks"].as_array().unwrap() {
        let carried = carried[trunk["trunk"].as_str().unwrap()];
        close(
            trunk["busy_seconds"].as_f64().unwrap(),
            carried,
            0.01 * carried,
        );
        let lines = trunk["lines"].as_f64().unwrap();
        close(
            trunk["busy"].as_f64().unwrap(),
            carried / lines / dialing,
            0.01,
        );
    }
}

#[track_caller]
fn close(said: f64, counted: f64, within: f64) {
    assert!((said - counted).abs() <= within, "{said} is not {counted}");
}

/// One line per call, of a contact's calls in their order: how it ended, and how long it took.
fn by_call(rows: &[Row]) -> HashMap<(String, String), (String, f64)> {
    rows.iter()
        .map(|row| {
            let seconds = |column: &str| row[column].parse().unwrap_or(0.0);
            let took: f64 = seconds("ring_seconds") + seconds("talk_seconds");
            (
                (row["contact"].clone(), row["attempt"].clone()),
                (format!("{} {}", row["disposition"], row["final"]), took),
            )
        })
        .collect()
}

#[test]
fn virtual_time_comes_to_the_same_as_real_time() {
    const LINES: u32 = 40;
    let folder = campaign(
        100,
        &format!(
            "ring_timeout = \"1s\"\n\
         [[trunk]]\nname = \"carrier\"\nchannel = \"PJSIP/{{number}}@carrier\"\nports = {LINES}\ncalls_per_second = 200.0\n\
         [retry]\nmax_attempts = 3\ndelay = \"1s\"\n\
         [simulate]\nseed = 7\nbusy = 0.15\ncongestion = 0.03\ntalk = \"700ms\"\nring = \"400ms\"\n"
        ),
    );
    let (foretold, foretold_sum) = rehearse(folder.path(), &[]);
    let ((real, real_sum), stalls) = stalls::during(|| rehearse(folder.path(), &["--real-time"]));
    let stalled = stalls.all.as_secs_f64();

    assert_one_final_row_each(&foretold, 100);
    assert_eq!(foretold_sum["dispositions"], real_sum["dispositions"]);
    let (foretold, real) = (by_call(&foretold), by_call(&real));
    assert_eq!(foretold.len(), real.len());
    assert!(foretold.len() > 120, "too few were called again");
    for (call, (ended, took)) in &foretold {
        let (really_ended, really_took) = &real[call];
        assert_eq!(ended, really_ended, "{call:?}");
        // Where a moment is noted late, what lies before it is longer and what follows is shorter.
        let noted_late = 0.1 + stalled;
        assert!(
            (really_took - took).abs() <= 0.1 * took + noted_late,
            "{call:?} took {took} s and really {really_took} s"
        );
    }
    let all = |calls: &HashMap<_, (_, f64)>| calls.values().map(|(_, took)| took).sum::<f64>();
    let (said, took) = (all(&foretold), all(&real));
    // What holds up the machine holds up the calls of all lines.
    let held_up = f64::from(LINES) * stalled;
    assert!(
        (said - took).abs() <= 0.1 * said + held_up,
        "{said} s of calls, really {took} s"
    );
    let seconds = |summary: &Value| summary["seconds"].as_f64().unwrap();
    let (said, took) = (seconds(&foretold_sum), seconds(&real_sum));
    println!("foretold {said} s, took {took} s, the machine stalled for {stalled} s");
    assert!(
        (said * 0.9..=said * 1.1 + stalled).contains(&took),
        "{said} s, really {took} s"
    );
}
