//! Whatever ends a run, the same command continues it: nobody is lost, nobody is called twice.
//!
//! The file is long because each way to end a run is a scene of its own; they share the helpers at its top.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::Signal;

use crate::common::process::Start as _;
use crate::common::{Folder, Pbx, Row, assert_one_final_row_each, list, only, rows, stderr, until};

fn journal(folder: &Folder) -> std::path::PathBuf {
    folder.path("campaign.results.csv.journal")
}

#[test]
fn a_run_that_was_stopped_is_continued_where_it_stopped() {
    let pbx = Pbx::start(5, 400);
    let folder = Folder::new(
        pbx.address,
        "",
        "ports = 3\ncalls_per_second = 100.0",
        "[retry]\nmax_attempts = 2\ndelay = \"300ms\"",
        &list(["101", "110", "ask", "201", "301", "401", "501", "601"]),
    );
    let mut running = folder.command().start();
    until("a call", || pbx.simulator.counters().calls > 0);
    running.signal(Signal::TERM);
    assert_eq!(running.wait().unwrap().code(), Some(3));
    assert!(!journal(&folder).exists(), "a clean end leaves no journal");
    let before = fs::read(folder.results()).unwrap();

    folder.exits(0);
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 8);
    assert!(
        fs::read(folder.results()).unwrap().starts_with(&before),
        "the file is only appended to"
    );
    let attempts: Vec<_> = rows
        .iter()
        .filter(|row| row["number"] == "110")
        .map(|row| row["attempt"].as_str())
        .collect();
    assert_eq!(attempts, ["1", "2"], "attempts are counted across runs");

    let dialed = pbx.simulator.dialed().len();
    folder.exits(0);
    assert_eq!(
        folder.rows().len(),
        rows.len(),
        "there is nothing left to do"
    );
    assert_eq!(pbx.simulator.dialed().len(), dialed + 1, "the probe apart");
}

#[test]
fn what_is_left_of_a_retry_delay_is_waited_for() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(
        pbx.address,
        "",
        "calls_per_second = 100.0",
        "[retry]\nmax_attempts = 2\ndelay = \"4s\"",
        &list(["110"]),
    );
    let running = folder.command().start();
    until("the first row", || {
        folder.results().exists() && folder.rows().len() == 1
    });
    running.kill();
    folder.exits(0);
    let rows = folder.rows();
    let time = |text: &str| text.parse::<jiff::Timestamp>().unwrap();
    assert!(time(&rows[1]["dialed_at"]) >= time(&rows[0]["next_attempt_at"]));
    assert_eq!(
        (rows[1]["attempt"].as_str(), rows[1]["final"].as_str()),
        ("2", "yes")
    );
}

#[test]
fn a_call_that_still_runs_after_a_crash_is_followed_to_its_end() {
    let pbx = Pbx::start(50, 6_000);
    let folder = Folder::quick(&pbx, "ports = 2", ["101", "202"]);
    let running = folder.command().start();
    until("both calls", || pbx.simulator.counters().calls == 2);
    thread::sleep(Duration::from_millis(200));
    running.kill();
    assert!(journal(&folder).exists());
    assert_eq!(folder.rows().len(), 0);

    let output = folder.exits(0);
    let said = stderr(&output);
    assert!(!said.contains("VarSet"), "their events came before: {said}");
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 2);
    for row in &rows {
        assert_eq!(row["disposition"], "ANSWERED", "{row:#?}");
        assert_eq!(row["attempt"], "1");
    }
    assert_eq!(
        pbx.simulator.dialed().len(),
        4,
        "two calls and two probes: nobody was called again"
    );
    assert!(!journal(&folder).exists());
}

#[test]
fn a_call_that_ended_unseen_is_unknown_and_not_called_again() {
    let pbx = Pbx::start(20, 60);
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"1s\"",
        "ports = 1\ncalls_per_second = 100.0",
        "[retry]\ndelay = \"100ms\"",
        &list(["120", "101"]),
    );
    let running = folder.command().start();
    until("a call", || pbx.simulator.counters().calls == 1);
    running.kill();
    pbx.simulator.crash();
    folder.exits(0);
    let rows = folder.rows();
    let lost = only(&rows, "120");
    assert_eq!(
        (lost["disposition"].as_str(), lost["final"].as_str()),
        ("UNKNOWN", "yes")
    );
    assert!(lost["note"].contains("cut off"), "{}", lost["note"]);
    assert_eq!(only(&rows, "101")["disposition"], "ANSWERED");

    // The operator may know better.
    let output = folder
        .command()
        .args(["--redial", "UNKNOWN"])
        .args(["-q"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let redialed: Vec<Row> = folder
        .rows()
        .into_iter()
        .filter(|row| row["number"] == "120")
        .collect();
    assert_eq!(redialed.len(), 1 + 3, "{redialed:#?}");
}

#[test]
fn a_second_run_is_told_who_holds_the_results() {
    let pbx = Pbx::start(5, 3_000);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let mut first = folder.command().start();
    until("a call", || pbx.simulator.counters().calls == 1);
    let output = folder.exits(75);
    let holder = format!("process {} on ", first.id());
    assert!(stderr(&output).contains(&holder), "{}", stderr(&output));
    let output = folder
        .command()
        .args(["--results"])
        .arg(folder.path("other.csv"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(75), "the campaign is held, too");
    assert_eq!(first.wait().unwrap().code(), Some(0));
    assert_eq!(folder.run().status.code(), Some(0));
}

#[test]
fn a_torn_row_is_set_aside_and_said() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::quick(&pbx, "", ["101"]);
    folder.run();
    let whole = fs::read(folder.results()).unwrap();
    fs::write(
        folder.results(),
        [&whole[..], b"campaign,201,201,1,ye"].concat(),
    )
    .unwrap();
    fs::write(folder.path("list.csv"), list(["101", "201"])).unwrap();
    let output = folder.exits(0);
    assert!(
        stderr(&output).contains("was torn by a crash"),
        "{}",
        stderr(&output)
    );
    assert!(fs::read(folder.results()).unwrap().starts_with(&whole));
    assert_one_final_row_each(&folder.rows(), 2);
}

#[test]
fn a_fresh_run_destroys_nothing() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::quick(&pbx, "", ["101"]);
    folder.run();
    let old = fs::read(folder.results()).unwrap();
    let output = folder.command().arg("--fresh").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_ne!(fs::read(folder.results()).unwrap(), old);
    let kept = fs::read_dir(folder.path(""))
        .unwrap()
        .filter_map(|entry| fs::read(entry.unwrap().path()).ok())
        .any(|bytes| bytes == old);
    assert!(kept);
}

#[test]
fn what_is_no_results_is_never_written_over_nor_set_aside() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(
        pbx.address,
        "",
        "",
        "[suppress]\nfiles = [\"dnc.txt\"]",
        &list(["101"]),
    );
    let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
    let text = text.replace("secret = \"", "secret_file = \"ami.secret\" # \"");
    fs::write(folder.path("campaign.toml"), text).unwrap();
    fs::write(folder.path("ami.secret"), "s3cret").unwrap();
    fs::write(folder.path("dnc.txt"), "").unwrap();
    fs::write(folder.path("notes.txt"), "call Ana").unwrap();
    let files = [
        ("list.csv", "is the list of contacts"),
        ("campaign.toml", "is the campaign file"),
        ("./ami.secret", "is the `secret_file`"),
        ("dnc.txt", "is a list of numbers never to call"),
        ("notes.txt", "does not begin as results do"),
    ];
    let before = files.map(|(name, _)| fs::read(folder.path(name)).unwrap());
    for (name, why) in files {
        let mut command = folder.command();
        command.arg("--results").arg(folder.path(name));
        let output = command.arg("--fresh").output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
        assert!(stderr(&output).contains(why), "{}", stderr(&output));
    }
    let after = files.map(|(name, _)| fs::read(folder.path(name)).unwrap());
    assert_eq!(before, after);
    let output = folder
        .command()
        .arg("--results")
        .arg(folder.path("ami.secret"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(
        fs::read_to_string(folder.path("ami.secret")).unwrap(),
        "s3cret"
    );
    assert_eq!(pbx.simulator.counters().originates, 0);

    // What was written of a header before the machine stopped, and damaged rows, are results all the same.
    let damaged = "contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\nx,\"\n";
    for begun in ["campaign,con", damaged] {
        fs::write(folder.results(), begun).unwrap();
        let output = folder.command().arg("--fresh").output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn results_with_other_columns_are_continued_in_their_own() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::quick(&pbx, "", ["101", "201"]);
    let header =
        "note,next_attempt_at,mine,final,counted,attempt,disposition,contact,number,call_id";
    fs::write(
        folder.results(),
        format!("{header}\n,,kept,yes,yes,1,ANSWERED,101,101,\n"),
    )
    .unwrap();
    let output = folder.exits(0);
    assert!(
        stderr(&output).contains("another set of columns"),
        "{}",
        stderr(&output)
    );
    let rows = folder.rows();
    assert_eq!(
        (rows[0]["mine"].as_str(), rows[1]["mine"].as_str()),
        ("kept", "")
    );
    assert_eq!(
        (rows[1]["contact"].as_str(), rows[1]["disposition"].as_str()),
        ("201", "ANSWERED")
    );
}

#[test]
fn rehearsals_and_real_results_never_mix() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::quick(&pbx, "", ["101"]);
    folder.run();
    let real = fs::read(folder.results()).unwrap();
    let output = folder
        .command()
        .args(["--simulate", "--results"])
        .arg(folder.results())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(fs::read(folder.results()).unwrap(), real);
    let list = folder.path("list.csv");
    let output = folder
        .command()
        .args(["--simulate", "--results"])
        .arg(&list)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(fs::read_to_string(&list).unwrap().starts_with("number\n"));
    let rehearsed = folder.path("rehearsed.csv");
    let output = folder
        .command()
        .args(["--simulate", "--results"])
        .arg(&rehearsed)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let output = folder
        .command()
        .arg("--results")
        .arg(&rehearsed)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

#[test]
fn a_full_disk_stops_the_dialing_and_loses_no_row() {
    let pbx = Pbx::start(5, 40);
    let folder = Folder::quick(&pbx, "ports = 4", (0..200).map(|n| format!("{n:04}01")));
    // No file may grow beyond 24 KiB: some rows fit, one is torn. (In blocks of 512 bytes, as POSIX has it.)
    let limited = format!(
        "trap '' XFSZ; ulimit -f 48; exec {} run {} -q",
        env!("CARGO_BIN_EXE_dialer"),
        folder.path("campaign.toml").display()
    );
    let output = std::process::Command::new("sh")
        .args(["-c", &limited])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("campaign.results.csv cannot be written: File too large"),
        "{said}"
    );
    let written = folder.rows();
    let dialed = pbx.simulator.dialed().len() - 1;
    assert!(
        written.len() < 200 && !written.is_empty(),
        "{}",
        written.len()
    );
    // Every call that was dialed has its row, in the file or on standard error.
    let printed = said
        .lines()
        .filter(|line| line.starts_with("campaign,"))
        .count();
    assert_eq!(written.len() + printed, dialed, "{said}");

    folder.exits(0);
    let rows = folder.rows();
    assert_one_final_row_each(&rows, 200);
    let unknown = rows
        .iter()
        .filter(|row| row["disposition"] == "UNKNOWN")
        .count();
    assert_eq!(
        unknown, printed,
        "those that were printed are settled, not called again"
    );
    assert_eq!(
        pbx.simulator.dialed().len(),
        200 + 2,
        "nobody was called twice"
    );
}

/// Kills the run at random moments and continues it, until it has been killed so often; then lets it finish.
fn killed_and_continued(kills: usize, mean: f64) {
    const CONTACTS: usize = 400;
    let pbx = Pbx::start(60, 700);
    let folder = Folder::new(
        pbx.address,
        "ring_timeout = \"1s\"",
        "ports = 20\ncalls_per_second = 200.0",
        "[retry]\nmax_attempts = 3\ndelay = \"200ms\"",
        // Answered, busy, busy once, not answered, rejected; each on a line of its own, which tells calls at once.
        &list((0..CONTACTS).map(|n| format!("{n:04}{}", [1, 10, 80, 20, 30][n % 5] + 100))),
    );
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path)
        .unwrap()
        .replace("{number}@carrier", "{number}@{number}");
    fs::write(&path, text).unwrap();
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut killed = 0;
    while killed < kills {
        // An exponential pause of this mean: some kills come at the start, some in the middle.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = ((random >> 11) as f64 / (1_u64 << 53) as f64).max(1e-9);
        let pause = Duration::from_secs_f64((-share.ln() * mean).min(4.0));
        let running = folder.command().arg("-q").stderr(Stdio::null()).start();
        thread::sleep(pause);
        running.kill();
        killed += 1;
    }
    folder.exits(0);
    let rows = folder.rows();
    assert_one_final_row_each(&rows, CONTACTS);
    let ids: BTreeSet<&str> = rows.iter().map(|row| row["call_id"].as_str()).collect();
    assert_eq!(ids.len(), rows.len(), "no row is doubled");

    let mut dialed: HashMap<String, usize> = HashMap::new();
    for channel in pbx.simulator.dialed() {
        if let Some(number) = channel.split('@').nth(1) {
            *dialed.entry(number.to_owned()).or_default() += 1;
        }
    }
    for (number, originates) in &dialed {
        let of_number = rows.iter().filter(|row| &row["number"] == number).count();
        assert!(
            of_number >= *originates,
            "{number}: {originates} originates and {of_number} rows"
        );
        assert!(
            pbx.simulator.most_calls_on(number) <= 1,
            "{number} was called twice at once"
        );
    }
    let aside: Vec<_> = fs::read_dir(folder.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert!(!journal(&folder).exists(), "{aside:?}");
    let unknown = rows
        .iter()
        .filter(|row| row["disposition"] == "UNKNOWN")
        .count();
    assert!(
        unknown < rows.len() / 2,
        "most calls are told: {unknown} of {} are not",
        rows.len()
    );
}

#[test]
fn a_run_that_is_killed_again_and_again_loses_nobody_and_calls_nobody_twice() {
    killed_and_continued(6, 1.0);
}

/// What takes long and is asked for by name.
mod long {
    #[test]
    #[ignore = "takes two minutes"]
    fn a_run_that_is_killed_a_hundred_times_loses_nobody_and_calls_nobody_twice() {
        super::killed_and_continued(100, 1.0);
    }
}

#[test]
fn a_dated_name_is_that_of_the_day() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("results = \"storm-%Y.csv\"\n{text}")).unwrap();
    assert_eq!(folder.run().status.code(), Some(0));
    let year = jiff::Zoned::now().year();
    assert_eq!(rows(&folder.path(&format!("storm-{year}.csv"))).len(), 1);
}

/// A campaign that was killed under the previous version, with three calls running: its files as that version wrote them.
fn previous_version(pbx: &Pbx) -> Folder {
    let folder = Folder::new(pbx.address, "", "", "", "");
    let golden = Path::new("tests/cli/previous_version");
    let campaign = fs::read_to_string(golden.join("campaign.toml")).unwrap();
    let port = format!("port = {}", pbx.address.port());
    let campaign = campaign.replace("port = 5038", &port);
    fs::write(folder.path("campaign.toml"), campaign).unwrap();
    for (from, to) in [
        ("list.csv", "list.csv"),
        ("results.csv", "previous.results.csv"),
        ("journal", "previous.results.csv.journal"),
    ] {
        fs::copy(golden.join(from), folder.path(to)).unwrap();
    }
    folder
}

#[test]
fn files_of_the_previous_version_are_continued_as_they_are() {
    let pbx = Pbx::start(5, 20);
    let folder = previous_version(&pbx);
    let results = folder.path("previous.results.csv");
    let before = fs::read(&results).unwrap();
    let done = ["H05", "H08", "H09"];
    folder.exits(0);
    assert!(fs::read(&results).unwrap().starts_with(&before));
    let rows = rows(&results);
    assert_one_final_row_each(&rows, 24);
    for contact in done {
        only(&rows, contact);
    }
    for contact in ["H02", "H03", "H04"] {
        let last = rows.iter().rfind(|row| row["contact"] == contact).unwrap();
        assert_eq!(last["disposition"], "UNKNOWN", "its call ended unseen");
        assert!(last["call_id"].starts_with("01m8hbk"), "{last:?}");
    }
    assert!(!folder.path("previous.results.csv.journal").exists());
    let dialed = pbx.simulator.dialed();
    assert_eq!(dialed.len(), 1 + 24 - done.len() - 3, "the probe apart");
}

#[test]
fn removed_results_are_asked_for_before_their_calls_are_taken_for_unsettled() {
    let pbx = Pbx::start(5, 20);
    let folder = previous_version(&pbx);
    let results = folder.path("previous.results.csv");
    fs::remove_file(&results).unwrap();
    for options in [&[][..], &["--dry-run"]] {
        let output = folder.command().args(options).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("previous.results.csv is missing"), "{said}");
        assert!(said.contains("--fresh"), "{said}");
    }
    assert!(!results.exists() && pbx.simulator.dialed().is_empty());
    let output = folder.command().arg("--fresh").output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let rows = rows(&results);
    assert_one_final_row_each(&rows, 24);
    assert!(rows.iter().all(|row| row["disposition"] == "ANSWERED"));
}

#[test]
fn a_results_folder_that_does_not_exist_is_named_once_and_with_what_to_do() {
    let pbx = Pbx::start(5, 20);
    let folder = Folder::new(pbx.address, "", "", "", &list(["101"]));
    let results = folder.path("nodir/storm.csv");
    for options in [&[][..], &["--dry-run"], &["--simulate"]] {
        let mut command = folder.command();
        let output = command
            .args(options)
            .arg("--results")
            .arg(&results)
            .output()
            .unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        let missing = folder.path("nodir");
        let advice = format!("there is no folder {0}: mkdir -p {0}", missing.display());
        assert!(said.contains(&advice) && !said.contains("lock"), "{said}");
    }
}
