//! A run that is looked at while it goes on: by a status file, and by a signal that asks.
//!
//! The file is long because each state of a run is a scene of its own.

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{ChildStderr, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::common::process::{Process, Start as _, says};
use crate::common::prometheus;
use crate::common::{Folder, Pbx, dialer, list, stderr, until};
use rustix::process::Signal;
use serde_json::Value;

/// A campaign to be rehearsed: everybody answers, on two trunks with two lines each.
fn folder(contacts: u32, talk: &str) -> Folder {
    let rest = format!(
        "[[trunk]]\nname = \"backup\"\nchannel = \"PJSIP/{{number}}@backup\"\nports = 2\ncalls_per_second = 100.0\n\
         [simulate]\nanswered = 1.0\nbusy = 0.0\ndeclined = 0.0\ncongestion = 0.0\ninvalid = 0.0\nring = \"50ms\"\ntalk = \"{talk}\"\n"
    );
    Folder::new(
        "127.0.0.1:1".parse().unwrap(),
        "",
        "ports = 2\ncalls_per_second = 100.0",
        &rest,
        &list((0..contacts).map(|contact| 598_290_000 + contact)),
    )
}

/// A rehearsal at the pace of real time.
fn watched(folder: &Folder) -> Command {
    let mut command = folder.command();
    command.args(["--simulate", "--real-time"]);
    command
}

fn started(command: &mut Command) -> (Process, BufReader<ChildStderr>) {
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).start();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    (child, stderr)
}

fn object(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

/// Waits until a run that has a status file has dialed four. From then on it is known to listen to signals, too.
#[track_caller]
fn four_calls(status: &Path, run: &Process) {
    until("four calls", || {
        let status = fs::read_to_string(status).unwrap_or_default();
        status.contains(&format!("\"pid\":{},", run.id())) && status.contains("\"running\":4,")
    });
}

/// What each look at a file found, from its first writing to the end of the run that writes it. Each is read whole.
fn looks(folder: &Folder, name: &str) -> Vec<String> {
    let path = folder.path(name);
    let mut run = watched(folder)
        .args(["-q", "--progress", "none", "--status"])
        .arg(&path)
        .start();
    until("the first status", || path.exists());
    let mut looks = Vec::new();
    while run.try_wait().unwrap().is_none() {
        looks.push(fs::read_to_string(&path).unwrap());
        thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(run.wait().unwrap().code(), Some(0));
    looks.push(fs::read_to_string(&path).unwrap());
    looks.dedup();
    assert!(looks.len() >= 4, "{looks:#?}");
    for look in &looks {
        assert!(!look.contains("59829"), "whose number is that? {look}");
    }
    looks
}

#[test]
fn the_object_is_whole_at_each_look_and_in_the_end_says_so() {
    let folder = folder(12, "1s");
    let looks = looks(&folder, "status.json");
    let looks: Vec<Value> = looks
        .iter()
        .map(|look| serde_json::from_str(look).unwrap_or_else(|_| panic!("{look}")))
        .collect();
    let states: Vec<_> = looks.iter().map(|look| &look["state"]).collect();
    assert_eq!(states.last().unwrap(), &"ended");
    let busy = looks.iter().find(|look| look["waits_for"] == "lines");
    let busy = busy.unwrap_or_else(|| panic!("{looks:#?}"));
    assert_eq!(
        (&busy["state"], &busy["running"]),
        (&"running".into(), &4.into())
    );
    assert_eq!(busy["trunks"][1]["trunk"], "backup");
    assert_eq!(busy["trunks"][1]["busy"], 2);
    let end = looks.last().unwrap();
    assert_eq!(
        (&end["exit_code"], &end["stopped"]),
        (&0.into(), &"finished".into())
    );
    assert_eq!(
        (&end["finished"], &end["answer_rate"]),
        (&12.into(), &1.0.into())
    );
    assert_eq!(
        (&end["running"], &end["simulated"]),
        (&0.into(), &true.into())
    );
    let left = fs::read_dir(folder.path("")).unwrap();
    let left = left.filter(|entry| {
        let name = entry.as_ref().unwrap().file_name();
        name.to_string_lossy().contains("status.json.")
    });
    assert_eq!(left.count(), 0, "nothing is left beside it");
}

#[test]
fn the_page_is_whole_at_each_look_and_in_the_end_says_so() {
    let folder = folder(12, "1s");
    let looks = looks(&folder, "status.prom");
    let mut ended = 0.0;
    for look in &looks {
        let samples = prometheus::read(look).unwrap_or_else(|why| panic!("{why}\n{look}"));
        let total = samples
            .iter()
            .filter(|((name, _), _)| name == "dialer_calls_ended_total")
            .map(|(_, value)| value)
            .sum::<f64>();
        assert!(total >= ended, "a counter never falls");
        ended = total;
    }
    assert!((ended - 12.0).abs() < 0.1, "{ended}");
    let end = looks.last().unwrap();
    assert!(
        end.contains("dialer_exit_code{campaign=\"campaign\"} 0\n"),
        "{end}"
    );
    assert!(
        end.contains("dialer_state{campaign=\"campaign\",state=\"ended\"} 1\n"),
        "{end}"
    );
}

#[test]
fn a_rehearsal_in_virtual_time_tells_how_it_ended_by_its_own_clock() {
    let folder = folder(200, "1h");
    let path = folder.path("status.json");
    let output = folder
        .command()
        .args(["-q", "--simulate", "--status"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
    let end = object(&path);
    assert_eq!(
        (&end["state"], &end["finished"]),
        (&"ended".into(), &200.into())
    );
    let time = |key: &str| {
        end[key]
            .as_str()
            .unwrap()
            .parse::<jiff::Timestamp>()
            .unwrap()
    };
    assert!(
        time("ended_at")
            .duration_since(time("started_at"))
            .as_hours()
            >= 2
    );
}

#[test]
fn who_asks_is_told_in_the_log_also_with_quiet_and_the_run_goes_on() {
    let folder = folder(4, "2h");
    for quiet in [&["-q"][..], &["--progress", "none"]] {
        let (run, mut said) = started(
            watched(&folder)
                .args(quiet)
                .arg("--status")
                .arg(folder.path("status.json")),
        );
        four_calls(&folder.path("status.json"), &run);
        for _ in 0..2 {
            run.signal(Signal::USR1);
            let line = says(&mut said, " pending");
            assert!(
                line.contains(
                    "INFO 4 pending, 0 finished, 0 failed, 0 of 4 ports free, 4 dispatched"
                ),
                "{line}"
            );
            assert!(
                line.ends_with(
                    "; everybody was called, the last calls are running; carrier 2/2, backup 2/2\n"
                ),
                "{line}"
            );
        }
        run.signal(Signal::TERM);
        says(&mut said, "stopping: no new calls");
        run.signal(Signal::USR1);
        says(
            &mut said,
            "; stopping: no new calls; carrier 2/2, backup 2/2",
        );
        // Signals that come together are one.
        thread::sleep(Duration::from_millis(300));
        run.signal(Signal::TERM);
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        assert_eq!(run.output().status.code(), Some(143));
        assert!(!rest.contains(" pending, "), "{rest}");
        let end = object(&folder.path("status.json"));
        assert_eq!(
            (&end["exit_code"], &end["stopped"]),
            (&143.into(), &"aborted".into())
        );
    }
}

#[test]
fn where_the_log_is_json_the_answer_has_fields() {
    let folder = folder(4, "2h");
    let path = folder.path("status.json");
    let (run, mut said) = started(
        watched(&folder)
            .args(["-q", "--log-format", "json", "--status"])
            .arg(&path),
    );
    four_calls(&path, &run);
    run.signal(Signal::USR1);
    let answer: Value = serde_json::from_str(&says(&mut said, "progress")).unwrap();
    assert_eq!(
        (&answer["level"], &answer["message"]),
        (&"INFO".into(), &"progress".into())
    );
    assert_eq!(
        (&answer["pending"], &answer["running"], &answer["ports"]),
        (&4.into(), &4.into(), &4.into())
    );
    assert_eq!(answer["waits_for"], "last calls");
    assert_eq!(answer["trunks"], "carrier 2/2, backup 2/2");
    for _ in 0..2 {
        run.signal(Signal::TERM);
        says(&mut said, "stopping");
        // Signals that come together are one.
        thread::sleep(Duration::from_millis(300));
    }
}

/// The campaign file is a pipe: when it is opened, the run has begun, and has read nothing yet.
#[test]
fn who_asks_too_early_ends_nothing() {
    let folder = folder(1, "10ms");
    let path = folder.path("campaign.toml");
    let text = fs::read(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    for command in [
        &["run", "campaign.toml", "--simulate"][..],
        &[
            "sim",
            "--listen",
            "127.0.0.1:0",
            "--campaign",
            "campaign.toml",
        ],
    ] {
        let (child, mut said) = started(dialer().current_dir(folder.path("")).args(command));
        let mut pipe = File::options().write(true).open(&path).unwrap();
        for _ in 0..3 {
            child.signal(Signal::USR1);
        }
        pipe.write_all(&text).unwrap();
        drop(pipe);
        if command[0] == "sim" {
            says(&mut said, "a simulated Asterisk listens");
            child.signal(Signal::USR1);
            says(
                &mut said,
                "0 originates so far, 0 calls now, at most 0 at once",
            );
            child.signal(Signal::TERM);
        }
        let mut rest = String::new();
        said.read_to_string(&mut rest).unwrap();
        let output = child.output();
        assert_eq!(output.status.code(), Some(0), "{rest}");
    }
}

#[test]
fn a_status_that_cannot_be_written_is_said_once_and_written_as_soon_as_it_can_be() {
    let folder = folder(8, "2s");
    let path = folder.path("away/status.json");
    let mut command = folder.command();
    let output = command.arg("--status").arg(&path).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("there is no folder"),
        "{}",
        stderr(&output)
    );
    fs::create_dir(folder.path("away")).unwrap();
    let (run, mut said) = started(watched(&folder).args(["-q", "--status"]).arg(&path));
    until("its first status", || path.exists());
    fs::rename(folder.path("away"), folder.path("moved")).unwrap();
    let warning = says(&mut said, "WARN");
    assert!(
        warning.contains(
            "away/status.json cannot be written (said once, the run goes on): No such file or directory (os error 2)\n"
        ),
        "{warning}"
    );
    fs::create_dir(folder.path("away")).unwrap();
    let mut rest = String::new();
    said.read_to_string(&mut rest).unwrap();
    assert_eq!(run.output().status.code(), Some(0));
    assert_eq!(rest, "");
    assert_eq!(object(&path)["state"], "ended");
}

#[test]
fn nothing_but_an_older_status_is_written_over() {
    let folder = folder(1, "10ms");
    let results = folder.path("campaign.results.simulated.csv");
    let files = ["campaign.toml", "list.csv"];
    let before = files.map(|name| fs::read(folder.path(name)).unwrap());
    let refused = |name: &str, why: &str| {
        let path = folder.path(name);
        let output = folder
            .command()
            .args(["-q", "--simulate", "--status"])
            .arg(&path)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    };
    for name in files {
        refused(
            name,
            "is there and is no status file: it is not overwritten",
        );
    }
    refused(
        "campaign.results.simulated.csv",
        "is where the results go: name another file",
    );
    refused("", "is no file: name one with --status");
    assert!(!results.exists(), "nobody was called");
    assert_eq!(
        files.map(|name| fs::read(folder.path(name)).unwrap()),
        before
    );

    let pbx = Pbx::start(10, 10);
    let real = Folder::new(pbx.address, "", "ports = 1", "", "number\n101\n");
    for (name, what) in [
        ("campaign.results.csv", "is where the results go"),
        (
            "campaign.results.csv.journal",
            "is the journal of the results",
        ),
    ] {
        let output = real
            .command()
            .arg("--status")
            .arg(real.path(name))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2), "{name}");
        assert!(stderr(&output).contains(what), "{}", stderr(&output));
    }
    assert_eq!(pbx.simulator.counters().originates, 0);
    for _ in 0..2 {
        let output = real
            .command()
            .args(["-q", "--status"])
            .arg(real.path("status.json"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_run_that_reaches_no_pbx_says_so_and_one_that_is_not_alone_leaves_the_others_status() {
    let away = folder(1, "10ms");
    let path = away.path("status.json");
    let output = away
        .command()
        .args(["-q", "--status"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    let end = object(&path);
    assert_eq!(
        (&end["state"], &end["exit_code"]),
        (&"ended".into(), &4.into())
    );
    assert_eq!(
        (&end["stopped"], &end["contacts"]),
        (&Value::Null, &Value::Null)
    );

    let pbx = Pbx::start(10, 600_000);
    let held = Folder::new(pbx.address, "", "ports = 1", "", "number\n101\n");
    let path = held.path("status.json");
    let (run, mut said) = started(held.command().arg("--status").arg(&path));
    until("a call", || pbx.simulator.counters().calls == 1);
    until("the status of it", || path.exists());
    let output = held
        .command()
        .args(["-q", "--status"])
        .arg(&path)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(object(&path)["pid"], run.id());
    for _ in 0..2 {
        run.signal(Signal::TERM);
        says(&mut said, "stopping");
        // Signals that come together are one.
        thread::sleep(Duration::from_millis(300));
    }
    run.output();
}

/// The names of a table or a list in the README, as far as they are of this form.
fn in_the_readme(begin: &str, end: &str) -> String {
    let readme = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let (_, part) = readme.split_once(begin).unwrap();
    part.split(end).next().unwrap().to_owned()
}

#[test]
fn the_readme_names_every_key_every_sample_and_every_word() {
    let folder = folder(1, "10ms");
    let write = |name: &str| {
        let path = folder.path(name);
        let mut command = folder.command();
        command.args(["-q", "--simulate", "--status"]).arg(&path);
        assert_eq!(command.output().unwrap().status.code(), Some(0));
        fs::read_to_string(path).unwrap()
    };
    let section = in_the_readme("## Watched by other programs", "\n## ");
    let (_, example) = section.split_once("```json\n").unwrap();
    let example: Value = serde_json::from_str(example.split("```").next().unwrap()).unwrap();
    let object: Value = serde_json::from_str(&write("status.json")).unwrap();
    let keys = |object: &Value| {
        object
            .as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&example), keys(&object));
    assert_eq!(keys(&example["trunks"][0]), keys(&object["trunks"][0]));

    let samples = prometheus::read(&write("status.prom")).unwrap();
    for (name, _) in samples.keys() {
        let name = name.strip_prefix("dialer_").unwrap();
        assert!(section.contains(&format!("`{name}`")), "{name}");
    }
}
