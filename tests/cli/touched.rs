//! Results that somebody moves, edits, links or begins anew, while a run writes them or between two: no outcome is lost
//! and nobody is called twice.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::common::process::{Process, Start as _};
use crate::common::{
    Folder, Pbx, assert_one_final_row_each, dialer, list, only, rows, stderr, until,
};

/// A run whose first call lasts, while many others are busy at once, and what it says goes to a file.
struct Running {
    child: Process,
    said: PathBuf,
}

impl Running {
    const CONTACTS: usize = 121;

    fn folder(pbx: &Pbx) -> Folder {
        let busy = (0..Self::CONTACTS - 1).map(|n| format!("{n:04}10"));
        Folder::new(
            pbx.address,
            "",
            "ports = 2\ncalls_per_second = 20.0",
            "[retry]\nmax_attempts = 1",
            &list(std::iter::once("999901".to_owned()).chain(busy)),
        )
    }

    /// Starts it, and waits until it has written some rows.
    fn start(folder: &Folder, results: &Path) -> Self {
        let said = folder.path("said.txt");
        let child = folder
            .command()
            .arg("--results")
            .arg(results)
            .stderr(File::create(&said).unwrap())
            .start();
        until("three rows", || {
            results.exists() && rows(results).len() >= 3
        });
        Self { child, said }
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.said).unwrap()
    }

    /// The rows that it printed because they could not be written.
    fn printed(&self) -> usize {
        self.said()
            .lines()
            .filter(|line| line.starts_with("campaign,"))
            .count()
    }
}

#[test]
fn results_that_come_back_while_calls_are_running_get_every_row() {
    let pbx = Pbx::start(5, 6_000);
    let folder = Running::folder(&pbx);
    let (results, aside) = (folder.results(), folder.path("aside.csv"));
    let mut running = Running::start(&folder, &results);
    fs::rename(&results, &aside).unwrap();
    until("a word of it", || {
        let said = running.said();
        said.contains("campaign.results.csv cannot be written: it was moved away or removed")
    });
    fs::rename(&aside, &results).unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    let said = running.said();
    assert!(
        said.contains("the rows that waited are written now"),
        "{said}"
    );
    assert_eq!(running.printed(), 0, "{said}");
    let written = folder.rows();
    let dialed = pbx.simulator.dialed().len() - 1;
    assert!(
        dialed < Running::CONTACTS,
        "nobody is dialed whose row waits"
    );
    assert_eq!(written.len(), dialed);
    assert_eq!(only(&written, "999901")["disposition"], "ANSWERED");

    assert_eq!(folder.run().status.code(), Some(0));
    assert_one_final_row_each(&folder.rows(), Running::CONTACTS);
}

#[test]
fn a_results_folder_that_vanishes_stops_the_dialing_and_what_is_missing_there_is_printed() {
    let pbx = Pbx::start(5, 2_500);
    let folder = Running::folder(&pbx);
    let (there, gone) = (folder.path("there"), folder.path("gone"));
    fs::create_dir(&there).unwrap();
    let results = there.join("storm.csv");
    let mut running = Running::start(&folder, &results);
    fs::rename(&there, &gone).unwrap();
    assert_eq!(running.child.wait().unwrap().code(), Some(1));
    let said = running.said();
    assert!(said.contains("storm.csv"), "{said}");
    assert!(!said.contains("make room"), "{said}");
    assert!(
        said.contains("put the results back before you run it again"),
        "{said}"
    );
    let written = rows(&gone.join("storm.csv")).len();
    let dialed = pbx.simulator.dialed().len() - 1;
    assert!(running.printed() > 0 && dialed < Running::CONTACTS);
    assert_eq!(written + running.printed(), dialed, "{said}");

    fs::rename(&gone, &there).unwrap();
    let output = folder
        .command()
        .arg("--results")
        .arg(&results)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&results);
    assert_one_final_row_each(&rows, Running::CONTACTS);
    let unknown = rows.iter().filter(|row| row["disposition"] == "UNKNOWN");
    assert_eq!(unknown.count(), running.printed());
}

/// A few contacts who all answer at once, or after `talk` milliseconds.
fn quick(pbx: &Pbx, numbers: &[&str]) -> Folder {
    Folder::new(
        pbx.address,
        "",
        "ports = 2\ncalls_per_second = 100.0",
        "",
        &list(numbers),
    )
}

#[test]
fn a_last_line_end_that_an_editor_took_is_put_back_and_nobody_is_called_again() {
    let pbx = Pbx::start(5, 20);
    let folder = quick(&pbx, &["101", "201"]);
    assert_eq!(folder.run().status.code(), Some(0));
    let whole = fs::read(folder.results()).unwrap();
    fs::write(folder.results(), &whole[..whole.len() - 1]).unwrap();
    fs::write(folder.path("list.csv"), list(["101", "201", "301"])).unwrap();
    let output = folder.exits(0);
    assert!(
        stderr(&output).contains("lost its line end"),
        "{}",
        stderr(&output)
    );
    assert!(fs::read(folder.results()).unwrap().starts_with(&whole));
    assert_one_final_row_each(&folder.rows(), 3);
    assert_eq!(pbx.simulator.dialed().len(), 3 + 2, "the probes apart");
}

#[test]
fn a_quotation_mark_that_got_lost_is_named_and_nothing_is_dialed() {
    let pbx = Pbx::start(5, 20);
    let folder = quick(&pbx, &["101", "201", "301", "401"]);
    assert_eq!(folder.run().status.code(), Some(0));
    let dialed = pbx.simulator.dialed().len();
    let text = fs::read_to_string(folder.results()).unwrap();
    let lost = text.replacen("\ncampaign,", "\n\"campaign,", 2).replacen(
        "\n\"campaign,",
        "\ncampaign,",
        1,
    );
    fs::write(folder.results(), &lost).unwrap();
    let output = folder.exits(2);
    assert!(
        stderr(&output).contains("campaign.results.csv:3: "),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_to_string(folder.results()).unwrap(), lost);
    assert_eq!(pbx.simulator.dialed().len(), dialed);
}

#[test]
fn two_names_of_one_file_are_one() {
    let pbx = Pbx::start(5, 2_000);
    let folder = quick(&pbx, &["101"]);
    fs::create_dir(folder.path("disk")).unwrap();
    let (real, link) = (folder.path("disk/storm.csv"), folder.path("storm.csv"));
    symlink("disk/storm.csv", &link).unwrap();
    fs::copy(folder.path("campaign.toml"), folder.path("other.toml")).unwrap();
    let run = |results: &Path, option: &str| {
        let mut command = folder.command();
        command.arg("--results").arg(results).arg(option);
        command
    };
    let mut running = run(&link, "-q").start();
    until("a call", || pbx.simulator.counters().calls == 1);
    assert!(folder.path("disk/storm.csv.journal").exists());
    let output = dialer()
        .arg("run")
        .arg(folder.path("other.toml"))
        .arg("--results")
        .arg(&real)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert_eq!(running.wait().unwrap().code(), Some(0));
    let first = fs::read(&real).unwrap();

    let output = run(&link, "--fresh").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_ne!(fs::read(&real).unwrap(), first);
    assert!(
        files(&folder.path("disk")).contains(&first),
        "the old ones are kept"
    );
}

fn files(folder: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter_map(|path| fs::read(path).ok()).collect()
}

#[test]
fn whoever_is_on_the_phone_with_the_old_run_is_not_called_by_a_fresh_one_meanwhile() {
    let pbx = Pbx::start(5, 3_000);
    let folder = quick(&pbx, &["00101", "00201", "00301"]);
    // Each number on a line of its own, which tells calls to it at once.
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("{number}@carrier", "{number}@{number}")).unwrap();
    let running = folder.command().arg("-q").start();
    until("two calls", || pbx.simulator.counters().calls == 2);
    running.kill();
    let output = folder.command().arg("--fresh").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_one_final_row_each(&folder.rows(), 3);
    for number in ["00101", "00201"] {
        assert_eq!(pbx.simulator.most_calls_on(number), 1, "{number}");
    }
    let kept = fs::read_dir(folder.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with("campaign.results.csv.2")
        })
        .unwrap();
    let kept = rows(&kept);
    for number in ["00101", "00201"] {
        assert_eq!(only(&kept, number)["disposition"], "ANSWERED", "{kept:#?}");
    }
}

#[test]
fn a_redial_that_is_cut_off_gives_all_its_attempts() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(
        pbx.address,
        "",
        "calls_per_second = 100.0",
        "[retry]\nmax_attempts = 3\ndelay = \"10ms\"",
        &list(["00110"]),
    );
    assert_eq!(folder.run().status.code(), Some(0));
    // Long enough to be killed between two calls.
    let path = folder.path("campaign.toml");
    let quick = fs::read_to_string(&path).unwrap();
    fs::write(&path, quick.replace("\"10ms\"", "\"5s\"")).unwrap();
    let running = folder.command().args(["-q", "--redial", "BUSY"]).start();
    until("the first of its calls", || folder.rows().len() == 4);
    running.kill();
    fs::write(&path, quick).unwrap();
    folder.exits(0);
    let rows = folder.rows();
    let finals: Vec<_> = rows.iter().map(|row| row["final"].as_str()).collect();
    let three = ["no", "no", "yes"];
    assert_eq!(finals, [three, three].concat(), "{rows:#?}");
    // Without being asked to, nobody calls again.
    let dialed = pbx.simulator.dialed().len();
    assert_eq!(folder.run().status.code(), Some(0));
    assert_eq!(pbx.simulator.dialed().len(), dialed + 1, "the probe");
}

/// Results with a date in their name, and that name so many days ago.
fn dated(folder: &Folder) -> impl Fn(i64) -> PathBuf {
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("results = \"storm-%Y-%m-%d.csv\"\n{text}")).unwrap();
    let (folder, today) = (folder.path(""), jiff::Zoned::now().date());
    move |days| {
        let day = today - jiff::Span::new().days(days);
        folder.join(day.strftime("storm-%Y-%m-%d.csv").to_string())
    }
}

#[test]
fn a_run_that_began_before_midnight_and_still_runs_is_not_settled_by_another() {
    let pbx = Pbx::start(5, 3_000);
    let folder = quick(&pbx, &["101"]);
    let results = dated(&folder);
    fs::copy(folder.path("campaign.toml"), folder.path("other.toml")).unwrap();
    let mut yesterday = folder
        .command()
        .arg("-q")
        .arg("--results")
        .arg(results(1))
        .start();
    until("a call", || pbx.simulator.counters().calls == 1);
    let output = dialer()
        .arg("run")
        .arg(folder.path("other.toml"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75), "{}", stderr(&output));
    assert!(!results(0).exists());
    assert_eq!(yesterday.wait().unwrap().code(), Some(0));
    assert_one_final_row_each(&rows(&results(1)), 1);
}

/// Kills a run in the middle of its calls, as if its results had been begun days ago.
fn killed(folder: &Folder, pbx: &Pbx, results: &impl Fn(i64) -> PathBuf, days: i64) {
    let before = pbx.simulator.dialed().len();
    let running = folder.command().arg("-q").start();
    until("two calls", || pbx.simulator.dialed().len() == before + 3);
    running.kill();
    let beside = |path: PathBuf| path.with_extension("csv.journal");
    fs::rename(beside(results(0)), beside(results(days))).unwrap();
    fs::rename(results(0), results(days)).unwrap();
}

#[test]
fn of_several_runs_that_were_cut_off_the_last_with_this_list_goes_on_and_the_others_are_settled() {
    let pbx = Pbx::start(5, 2_500);
    let folder = quick(&pbx, &["00101", "00201"]);
    let results = dated(&folder);
    killed(&folder, &pbx, &results, 3);
    fs::write(folder.path("list.csv"), list(["00301", "00401", "00501"])).unwrap();
    // Found by its name alone, its calls would be settled here already.
    let parked = folder.path("parked");
    fs::create_dir(&parked).unwrap();
    let park = |name: &str| {
        let from = results(3).with_extension(name);
        (from.clone(), parked.join(from.file_name().unwrap()))
    };
    for (from, to) in [park("csv"), park("csv.journal")] {
        fs::rename(from, to).unwrap();
    }
    killed(&folder, &pbx, &results, 1);
    for (to, from) in [park("csv"), park("csv.journal")] {
        fs::rename(from, to).unwrap();
    }

    let output: Output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!results(0).exists());
    assert_one_final_row_each(&rows(&results(1)), 3);
    assert_one_final_row_each(&rows(&results(3)), 2);
    let journals = Command::new("find")
        .arg(folder.path(""))
        .args(["-name", "*.journal"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&journals.stdout), "");
    assert_eq!(
        pbx.simulator.dialed().len(),
        2 + 3 + 3,
        "five people once each, and three probes"
    );
}
