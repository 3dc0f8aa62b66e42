//! What a status file says, in both formats, and when it is written.
//!
//! The file is long because it quotes whole files.

use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::sync::mpsc;
use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::campaign::RunEnd;
use crate::campaign::snapshot::{self, Waits};
use crate::campaign::stats::Tally;
use crate::campaign::tests::views::example;
use crate::clock::Clock;

#[path = "../../../tests/common/prometheus.rs"]
mod parser;

fn identity() -> RunIdentity {
    RunIdentity {
        campaign: "storm".to_owned(),
        results: "storm.results.csv".to_owned(),
        simulated: false,
        shard: None,
        started_at: "2026-11-23T09:59:00[UTC]".parse().unwrap(),
    }
}

fn seen() -> Seen {
    Seen {
        view: example(),
        left: Some(Duration::from_secs(90)),
    }
}

fn running(seen: &Seen) -> RunState<'_> {
    RunState {
        seen: Some(seen),
        end: None,
    }
}

fn at_end(seen: Option<&Seen>, end: RunOutcome) -> RunState<'_> {
    RunState {
        seen,
        end: Some(end),
    }
}

const DONE: RunOutcome = RunOutcome {
    exit_code: 3,
    stopped: Some("drained"),
};

/// One sample, with the labels that its run gives it left out.
fn value(text: &str, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
    let labels = [("campaign", "storm")].iter().chain(labels);
    let labels = labels.map(|&(label, value)| (label.to_owned(), value.to_owned()));
    let samples = parser::read(text).unwrap();
    samples.get(&(name.to_owned(), labels.collect())).copied()
}

#[test]
fn the_object_tells_everything_that_an_operator_wants_to_know() {
    let text = json::text(&identity(), &running(&seen()));
    assert_eq!(text.matches('\n').count(), 1);
    let mut object: Value = serde_json::from_str(&text).unwrap();
    assert!(
        object["dispositions"]["ANSWERED"] == serde_json::json!({"contacts": 80, "attempts": 80})
    );
    object.as_object_mut().unwrap().remove("dispositions");
    let expected = serde_json::json!({
        "dialer": env!("CARGO_PKG_VERSION"), "state": "running",
        "campaign": "storm", "results": "storm.results.csv", "simulated": false, "shard": null,
        "pid": std::process::id(),
        "started_at": "2026-11-23T09:59:00.000+00:00", "updated_at": "2026-11-23T10:00:00.000+00:00",
        "ended_at": null, "exit_code": null, "stopped": null,
        "contacts": 310, "to_call": 300, "finished": 130, "pending": 180, "reached": 80,
        "dispatched": 150, "ended": 120, "picked_up": 80, "answer_rate": 0.6667,
        "calls_per_second": 2.5, "seconds_left": 90,
        "running": 10, "ports": 20,
        "trunks": [
            {"trunk": "carrier", "ports": 10, "busy": 10, "state": "working", "until": null, "streak": null, "last": null},
            {"trunk": "backup", "ports": 10, "busy": 0, "state": "resting",
             "until": "2026-11-23T10:00:05.000+00:00", "streak": 5, "last": "CONGESTION"},
        ],
        "retrying": 12, "next_retry_at": "2026-11-23T10:02:00.000+00:00",
        "connected": true, "waits_for": "lines", "waits_until": null, "waits_since": null,
        "why": "all lines are busy",
    });
    assert_eq!(object, expected);
}

#[test]
fn its_keys_are_the_same_before_and_after() {
    let keys = |stage: &RunState<'_>| -> Vec<String> {
        let object: Value = serde_json::from_str(&json::text(&identity(), stage)).unwrap();
        object.as_object().unwrap().keys().cloned().collect()
    };
    let seen = seen();
    let running = keys(&running(&seen));
    assert_eq!(keys(&RunState::default()), running);
    assert_eq!(keys(&at_end(None, DONE)), running);
    let text = json::text(&identity(), &at_end(Some(&seen), DONE));
    let ended: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(ended["state"], "ended");
    assert_eq!(ended["exit_code"], 3);
    assert_eq!(ended["stopped"], "drained");
    assert_eq!(ended["ended_at"], ended["updated_at"]);
}

#[test]
fn the_page_is_what_prometheus_takes_and_tells_the_same() {
    let text = prometheus::text(&identity(), &running(&seen()));
    for (name, labels, expected) in [
        ("dialer_state", &[("state", "running")][..], 1.0),
        ("dialer_state", &[("state", "ended")], 0.0),
        ("dialer_started_timestamp_seconds", &[], 1_795_427_940.0),
        ("dialer_updated_timestamp_seconds", &[], 1_795_428_000.0),
        ("dialer_contacts", &[], 310.0),
        ("dialer_contacts_to_call", &[], 300.0),
        ("dialer_contacts_pending", &[], 180.0),
        ("dialer_contacts_reached", &[], 80.0),
        (
            "dialer_contacts_finished",
            &[("disposition", "INVALID NUMBER")],
            10.0,
        ),
        ("dialer_contacts_waiting", &[], 12.0),
        ("dialer_next_retry_timestamp_seconds", &[], 1_795_428_120.0),
        (
            "dialer_calls_ended_total",
            &[("disposition", "REJECTED")],
            40.0,
        ),
        ("dialer_calls_running", &[], 10.0),
        ("dialer_calls_per_second", &[], 2.5),
        ("dialer_answer_ratio", &[], 80.0 / 120.0),
        ("dialer_left_seconds", &[], 90.0),
        ("dialer_trunk_lines", &[("trunk", "backup")], 10.0),
        ("dialer_trunk_lines_busy", &[("trunk", "carrier")], 10.0),
        (
            "dialer_trunk_state",
            &[("trunk", "backup"), ("state", "resting")],
            1.0,
        ),
        (
            "dialer_trunk_rests_until_timestamp_seconds",
            &[("trunk", "backup")],
            1_795_428_005.0,
        ),
        ("dialer_connected", &[], 1.0),
        ("dialer_waiting", &[("for", "lines")], 1.0),
        ("dialer_waiting", &[("for", "pace")], 0.0),
    ] {
        assert_eq!(
            value(&text, name, labels),
            Some(expected),
            "{name} {labels:?}"
        );
    }
    assert_eq!(value(&text, "dialer_exit_code", &[]), None);
    let text = prometheus::text(&identity(), &at_end(Some(&seen()), DONE));
    let mut heads = text.lines().filter(|line| line.starts_with("# HELP "));
    assert!(heads.all(|head| head.split(' ').count() > 3), "{text}");
}

#[test]
fn the_page_of_a_run_at_its_beginning_and_its_end_is_whole_as_well() {
    let starting = prometheus::text(&identity(), &RunState::default());
    assert_eq!(
        value(&starting, "dialer_state", &[("state", "starting")]),
        Some(1.0)
    );
    assert_eq!(value(&starting, "dialer_contacts", &[]), None);

    let mut seen = seen();
    seen.view.waits = Waits::Ending("drained");
    let ended = prometheus::text(&identity(), &at_end(Some(&seen), DONE));
    assert_eq!(value(&ended, "dialer_exit_code", &[]), Some(3.0));
    assert_eq!(
        value(&ended, "dialer_stopped", &[("reason", "drained")]),
        Some(1.0)
    );
    assert_eq!(
        value(&ended, "dialer_waiting", &[("for", "drained")]),
        Some(1.0)
    );
    let failed = RunOutcome {
        exit_code: 4,
        stopped: None,
    };
    let failed = prometheus::text(&identity(), &at_end(None, failed));
    assert_eq!(value(&failed, "dialer_exit_code", &[]), Some(4.0));
}

#[test]
fn every_reason_has_its_sample_and_its_words() {
    let waits = [
        Waits::Beginning,
        Waits::Lines,
        Waits::Pace(1),
        Waits::Trunks(Some(1)),
        Waits::Trunks(None),
        Waits::Window(Some(1)),
        Waits::Window(None),
        Waits::Connection(1),
        Waits::Retries(1),
        Waits::Calls,
        Waits::List,
        Waits::Suppressions,
        Waits::Rows,
        Waits::LastCalls,
    ];
    let endings = RunEnd::WORDS.map(Waits::Ending);
    let mut seen = seen();
    for waits in waits.into_iter().chain(endings) {
        seen.view.waits = waits;
        let text = prometheus::text(&identity(), &running(&seen));
        let labels = [("for", waits.word())];
        assert_eq!(
            value(&text, "dialer_waiting", &labels),
            Some(1.0),
            "{waits:?}"
        );
        let samples = parser::read(&text).unwrap();
        let is = samples
            .iter()
            .filter(|((name, _), value)| name == "dialer_waiting" && **value > 0.0);
        assert_eq!(is.count(), 1, "{waits:?}");
        let until = value(&text, "dialer_waiting_until_timestamp_seconds", &[]);
        assert_eq!(until.is_some(), waits.until().is_some());
        assert!(!seen.view.why().is_empty());
    }
}

#[test]
fn two_runs_that_share_a_folder_share_no_sample_and_say_what_a_name_means_alike() {
    let one = prometheus::text(&identity(), &running(&seen()));
    let other = RunIdentity {
        shard: Some("1/4".parse().unwrap()),
        ..identity()
    };
    let other = prometheus::text(&other, &running(&seen()));
    let (first, second) = (parser::read(&one).unwrap(), parser::read(&other).unwrap());
    assert!(first.keys().all(|sample| !second.contains_key(sample)));
    let heads = |text: &str| -> Vec<String> {
        let heads = text.lines().filter(|line| line.starts_with('#'));
        heads.map(str::to_owned).collect()
    };
    assert_eq!(heads(&one), heads(&other));
}

#[test]
fn a_name_may_hold_anything() {
    let name = "a \"b\" \\ {c},\nd=\u{e9}";
    let mut seen = seen();
    seen.view.trunks[0].name = name.into();
    let about = RunIdentity {
        campaign: name.to_owned(),
        ..identity()
    };
    let samples = parser::read(&prometheus::text(&about, &running(&seen))).unwrap();
    let busy = samples.keys().find(|(sample, labels)| {
        sample == "dialer_trunk_lines_busy"
            && labels.get("trunk").is_some_and(|trunk| trunk == name)
    });
    assert_eq!(busy.unwrap().1["campaign"], name);
    let object: Value = serde_json::from_str(&json::text(&about, &running(&seen))).unwrap();
    assert_eq!(object["trunks"][0]["trunk"], name);
}

#[test]
fn the_parser_of_these_tests_is_strict() {
    let head = "# HELP dialer_x X.\n# TYPE dialer_x gauge\n";
    assert!(parser::read(&format!("{head}dialer_x{{a=\"b\"}} 1\n")).is_ok());
    for wrong in [
        "dialer_x{a=\"b\"} 1",
        "dialer_x{a=\"b\"} 1 1795428000\n",
        "dialer_x{a=\"b\"} one\n",
        "dialer_x{a=\"b\"c\"} 1\n",
        "dialer_x{a=\"b\\t\"} 1\n",
        "dialer_x{a=\"b\",a=\"c\"} 1\n",
        "dialer_x{a=\"b\"} 1\ndialer_x{a=\"b\"} 2\n",
        "dialer_y{a=\"b\"} 1\n",
        "dialer_x{a=\"b\n",
        "",
        "dialer_x{a=\"b\"} 1\n# HELP dialer_x X.\n# TYPE dialer_x gauge\ndialer_x{a=\"c\"} 1\n",
        "dialer_x{a=\"b\"} 1\n# HELP dialer_y Y.\n# TYPE dialer_y counter\ndialer_y{a=\"c\"} 1\n",
    ] {
        assert!(parser::read(&format!("{head}{wrong}")).is_err(), "{wrong}");
    }
}

#[test]
fn a_file_is_replaced_and_others_may_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("status.json");
    let place = StatusTarget::choose(&path, &[]).unwrap();
    assert_eq!(place.format, StatusFormat::Json);
    place.replace(b"one").unwrap();
    let first = fs::File::open(&path).unwrap();
    place.replace(b"two").unwrap();
    assert_eq!(
        io::read_to_string(first).unwrap(),
        "one",
        "it was not written over"
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), "two");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
    let plain = folder.path().join("plain");
    fs::write(&plain, "").unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
    assert_eq!(mode(&path), mode(&plain));
    assert_eq!(
        StatusTarget::choose(Path::new("b.prom"), &[])
            .unwrap()
            .format,
        StatusFormat::Prometheus
    );
}

#[test]
fn nothing_but_a_status_file_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("contacts.csv"), "number\n100\n").unwrap();
    symlink("contacts.csv", path("link.json")).unwrap();
    for name in ["contacts.csv", "link.json"] {
        let refused = StatusTarget::choose(&path(name), &[]).unwrap_err();
        let refused = refused.to_string();
        assert!(
            refused.contains("is there and is no status file"),
            "{refused}"
        );
    }
    for name in [folder.path(), Path::new("-"), Path::new("/dev/null")] {
        let refused = StatusTarget::choose(name, &[]).unwrap_err().to_string();
        assert!(refused.contains(" is no file: "), "{refused}");
    }
    let refused = StatusTarget::choose(&path("none/status.json"), &[]).unwrap_err();
    let folder_of_it = path("none").display().to_string();
    assert!(
        refused
            .to_string()
            .ends_with(&format!("there is no folder {folder_of_it}")),
        "{refused}"
    );
    // What will be there, by whichever name.
    fs::create_dir(path("sub")).unwrap();
    symlink("storm.csv", path("other.csv")).unwrap();
    let taken = [(path("storm.csv"), "where the results go")];
    for name in ["storm.csv", "other.csv", "sub/../storm.csv"] {
        let refused = StatusTarget::choose(&path(name), &taken).unwrap_err();
        assert!(
            refused
                .to_string()
                .ends_with(" is where the results go: name another file")
        );
    }
    // What may be: both forms, by any name, and an empty file.
    for stage in [RunState::default(), running(&seen())] {
        for text in [
            json::text(&identity(), &stage),
            prometheus::text(&identity(), &stage),
            String::new(),
        ] {
            fs::write(path("status.json"), text).unwrap();
            assert!(StatusTarget::choose(&path("status.json"), &taken).is_ok());
        }
    }
}

#[test]
fn a_link_stays_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    symlink("sub/status.json", path("status.json")).unwrap();
    let place = StatusTarget::choose(&path("status.json"), &[]).unwrap();
    place.replace(b"text").unwrap();
    assert_eq!(fs::read_to_string(path("sub/status.json")).unwrap(), "text");
    assert!(
        fs::symlink_metadata(path("status.json"))
            .unwrap()
            .is_symlink()
    );
}

#[test]
fn a_folder_that_does_not_answer_holds_up_nobody_who_orders() {
    let (orders, taking) = mpsc::channel();
    let (begun, first) = mpsc::channel();
    let (release, stuck) = mpsc::channel::<()>();
    let writer = thread::spawn(move || {
        let mut texts = Vec::new();
        let write = |text: &str| {
            begun.send(()).unwrap();
            // As a write to a server that is away.
            let _ = stuck.recv();
            texts.push(text.to_owned());
            Ok(())
        };
        StatusWriter::new(
            Path::new("status.json"),
            identity(),
            StatusFormat::Json,
            write,
        )
        .run(&taking);
        texts
    });
    first.recv().unwrap();
    let (finish, answers) = mpsc::channel();
    let status = StatusFile {
        path: PathBuf::from("status.json"),
        orders,
        answers,
    };
    let (_views, viewer) = snapshot::channel(
        Tally::new(1, 1),
        &[],
        &Clock::system(jiff::tz::TimeZone::UTC),
    );
    let begun_at = Instant::now();
    status.watch(viewer);
    status.end(DONE);
    assert!(
        begun_at.elapsed() < 2 * shutdown::STATUS_FILE,
        "the end waits no longer"
    );
    drop((release, finish));
    let texts = writer.join().unwrap();
    assert!(texts.last().unwrap().contains("\"state\":\"ended\""));
}

#[test]
fn what_cannot_be_written_is_tried_again() {
    let (orders, taking) = mpsc::channel();
    let writer = thread::spawn(move || {
        let mut tries = 0;
        let mut last = String::new();
        let write = |text: &str| {
            tries += 1;
            text.clone_into(&mut last);
            if tries < 3 {
                Err(io::Error::other("full"))
            } else {
                Ok(())
            }
        };
        let mut writer = StatusWriter::new(
            Path::new("status.json"),
            identity(),
            StatusFormat::Json,
            write,
        );
        writer.put(None, None);
        assert!(writer.warned);
        writer.run(&taking);
        (tries, last)
    });
    orders.send(StatusOrder::End(DONE)).unwrap();
    let (tries, last) = writer.join().unwrap();
    assert_eq!(tries, 3);
    assert!(last.contains("\"stopped\":\"drained\""));
}

#[test]
fn the_readme_names_every_word_for_why_no_call_is_begun() {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("## Watched by other programs").unwrap();
    let section = section.split("\n## ").next().unwrap();
    for word in Waits::WORDS {
        assert!(section.contains(&format!("`{word}`")), "{word}");
    }
}
