//! What is written stays, whatever the disk, the date and the folder do.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::process::Start as _;
use crate::common::{Folder, Pbx, Row, assert_one_final_row_each, list, rows, stderr, until};

/// Rows that a run printed because they could not be written.
fn printed(output: &Output) -> usize {
    let said = stderr(output);
    said.lines()
        .filter(|line| line.starts_with("campaign,"))
        .count()
}

/// A file system that is soon full, for as long as this lives.
struct Small<'f>(&'f Path);

impl<'f> Small<'f> {
    fn mount(at: &'f Path, size: &str) -> Self {
        fs::create_dir(at).unwrap();
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(at)
            .status();
        assert!(mounted.unwrap().success(), "mounting needs root");
        Self(at)
    }

    fn make_room(&self, size: &str) {
        let mounted = Command::new("mount")
            .args(["-o", &format!("remount,size={size}")])
            .arg(self.0)
            .status();
        assert!(mounted.unwrap().success());
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0).status();
    }
}

#[test]
#[ignore = "needs root: mounts a small tmpfs"]
fn a_disk_that_fills_up_costs_no_row_and_the_same_command_goes_on_when_there_is_room() {
    const CONTACTS: usize = 300;
    let pbx = Pbx::start(5, 40);
    let folder = Folder::quick(
        &pbx,
        "ports = 4",
        (0..CONTACTS).map(|n| format!("{n:04}01")),
    );
    let path = folder.path("small");
    let small = Small::mount(&path, "64k");
    let results = path.join("storm.csv");
    let run = || {
        let mut command = folder.command();
        command.arg("--results").arg(&results).output().unwrap()
    };
    let output = run();
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("storm.csv cannot be written: No space left"),
        "{said}"
    );
    let written = rows(&results);
    assert!(!written.is_empty() && written.len() < CONTACTS);
    let dialed = pbx.simulator.dialed().len() - 1;
    let printed = printed(&output);
    assert_eq!(
        written.len() + printed,
        dialed,
        "every call has its row: {said}"
    );

    small.make_room("4m");
    let output = run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&results);
    assert_one_final_row_each(&rows, CONTACTS);
    let unknown = |row: &&Row| row["disposition"] == "UNKNOWN";
    assert_eq!(rows.iter().filter(unknown).count(), printed);
    assert_eq!(
        pbx.simulator.dialed().len(),
        CONTACTS + 2,
        "nobody was called twice"
    );
}

#[test]
fn a_pipe_that_is_closed_ends_the_run_and_prints_what_it_had_to_say() {
    let pbx = Pbx::start(5, 200);
    let numbers = (0..50).map(|n| format!("{n:04}01"));
    let folder = Folder::quick(&pbx, "ports = 4", numbers);
    let mut running = folder
        .command()
        .args(["--results", "-"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .start();
    until("a call", || pbx.simulator.counters().calls > 0);
    drop(running.stdout.take());
    let output = running.output();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let dialed = pbx.simulator.dialed().len() - 1;
    assert!(dialed < 50, "nobody is dialed whose row cannot be told");
    assert_eq!(printed(&output), dialed, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("the same command calls everybody again") && !said.contains("make room"),
        "{said}"
    );
}

/// A campaign with dated results whose run was killed while it had calls, as if that had been yesterday.
fn killed_yesterday(pbx: &Pbx, numbers: &[&str]) -> (Folder, String, String) {
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"1s\"",
        "ports = 2\ncalls_per_second = 100.0",
        "",
        &list(numbers),
    );
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("results = \"storm-%Y-%m-%d.csv\"\n{text}")).unwrap();
    let running = folder.command().arg("-q").start();
    until("a row", || {
        let now = jiff::Zoned::now()
            .strftime("storm-%Y-%m-%d.csv")
            .to_string();
        let there = folder.path(&now);
        there.exists() && fs::read_to_string(there).unwrap().lines().count() > 1
    });
    until("two calls", || pbx.simulator.counters().calls == 2);
    running.kill();
    let now = jiff::Zoned::now();
    let name = |day: &jiff::Zoned| day.strftime("storm-%Y-%m-%d.csv").to_string();
    let (today, yesterday) = (name(&now), name(&now.yesterday().unwrap()));
    for ending in ["", ".journal"] {
        let (from, to) = (format!("{today}{ending}"), format!("{yesterday}{ending}"));
        fs::rename(folder.path(&from), folder.path(&to)).unwrap();
    }
    (folder, today, yesterday)
}

#[test]
fn a_run_that_was_killed_before_midnight_goes_on_in_its_own_file() {
    let pbx = Pbx::start(5, 700);
    let numbers = ["00140", "00201", "00301", "00401", "00501"];
    let (folder, today, yesterday) = killed_yesterday(&pbx, &numbers);
    let output = folder.exits(0);
    assert!(!folder.path(&today).exists(), "{}", stderr(&output));
    assert_one_final_row_each(&rows(&folder.path(&yesterday)), numbers.len());
    assert!(!folder.path(&format!("{yesterday}.journal")).exists());
    // Now it has come to a clean end, and today has a file of its own.
    assert_eq!(folder.run().status.code(), Some(0));
    assert_one_final_row_each(&rows(&folder.path(&today)), numbers.len());
}

#[test]
fn with_another_list_what_was_in_flight_is_settled_there_and_the_new_run_begins_its_own_file() {
    let pbx = Pbx::start(5, 700);
    let (folder, today, yesterday) = killed_yesterday(&pbx, &["00140", "00201", "00301", "00401"]);
    fs::write(folder.path("list.csv"), list(["00201", "00601"])).unwrap();
    folder.exits(0);
    let settled = rows(&folder.path(&yesterday));
    let settled: HashSet<_> = settled.iter().map(|row| row["contact"].as_str()).collect();
    assert_eq!(
        settled,
        HashSet::from(["00140", "00201", "00301"]),
        "nobody new"
    );
    assert!(!folder.path(&format!("{yesterday}.journal")).exists());
    assert_one_final_row_each(&rows(&folder.path(&today)), 2);
    assert_eq!(pbx.simulator.most_calls_on("carrier"), 2);
}

#[test]
fn a_folder_that_cannot_be_written_dials_nobody() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let output = folder
        .command()
        .args(["--results", "/proc/storm.csv"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("/proc/storm.csv"),
        "{}",
        stderr(&output)
    );
    assert!(
        pbx.simulator.dialed().len() <= 1,
        "the permission check at most"
    );
}
