//! The campaigns in examples/: each is read without a fault, and a rehearsal of it comes to its end.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::common::{Row, assert_one_final_row_each, dialer, rows, stderr};
use clap::Parser as _;
use dialer::cli::{Cli, Command};
use dialer::config;
use serde_json::Value;

/// The folders that hold a campaign, by name.
fn examples() -> Vec<(String, PathBuf)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let mut examples: Vec<_> = fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|folder| folder.join("campaign.toml").exists())
        .map(|folder| {
            (
                folder.file_name().unwrap().to_string_lossy().into_owned(),
                folder,
            )
        })
        .collect();
    examples.sort();
    examples
}

/// A copy of an example, without what somebody's rehearsal left there.
fn copy_of(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let from = entry.unwrap().path();
        let name = from.file_name().unwrap();
        if !name.to_string_lossy().ends_with(".simulated.csv") {
            fs::copy(&from, copy.path().join(name)).unwrap();
        }
    }
    copy
}

/// The plan of an example: it is read without a fault, and so is its list.
fn plan(folder: &Path) -> Value {
    let output = dialer()
        .args(["run", "--simulate", "--dry-run", "--json", "campaign.toml"])
        .current_dir(folder)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A rehearsal of an example, as its folder's own command would be: its rows and the contacts of its list.
fn rehearsed(name: &str, folder: &Path) -> (Vec<Row>, u64) {
    let copy = copy_of(folder);
    let contacts = plan(copy.path())["contacts"].as_u64().unwrap();
    let output = dialer()
        .args(["run", "--simulate", "campaign.toml"])
        .current_dir(copy.path())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{name}: {}", stderr(&output));
    let results: Vec<PathBuf> = fs::read_dir(copy.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(".simulated.csv"))
        .collect();
    assert_eq!(results.len(), 1, "{name}: {results:?}");
    (rows(&results[0]), contacts)
}

#[test]
fn there_is_one_for_each_way_of_calling() {
    let names: Vec<String> = examples().into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        [
            "analog",
            "appointments",
            "freepbx",
            "storm",
            "survey",
            "zones"
        ]
    );
}

#[test]
fn each_is_read_without_a_fault_with_somebody_to_call() {
    for (name, folder) in examples() {
        let plan = plan(copy_of(&folder).path());
        assert!(plan["to_call"].as_u64() >= Some(15), "{name}: {plan}");
    }
}

#[test]
fn a_rehearsal_of_each_gives_every_contact_its_final_row() {
    for (name, folder) in examples() {
        let (rows, contacts) = rehearsed(&name, &folder);
        println!("{name}: {} rows", rows.len());
        assert_one_final_row_each(&rows, usize::try_from(contacts).unwrap());
        let answered = rows
            .iter()
            .filter(|row| row["disposition"] == "ANSWERED")
            .count();
        assert!(answered > 0, "{name}: nobody answered");
        let campaign = config::load(&folder.join("campaign.toml"), None, true).unwrap();
        for column in &campaign.contacts.keep {
            assert!(
                rows.iter().any(|row| !row[&column.name].is_empty()),
                "{name}: {}",
                column.name
            );
        }
        for variable in &campaign.capture.variables {
            assert!(rows[0].contains_key(variable), "{name}: {variable}");
        }
    }
}

/// What the jobs in examples/shards/ hand to the dialer is what it takes.
#[test]
fn the_parts_of_a_list_are_asked_for_as_they_are_written() {
    let shards = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/shards");
    let job = fs::read_to_string(shards.join("job.yaml")).unwrap();
    let part = job
        .lines()
        .find_map(|line| line.trim().strip_prefix("- --shard="))
        .unwrap();
    let (index, of) = part.split_once('/').unwrap();
    assert!(job.contains(&format!("completions: {of}\n")), "{of}");
    let name = index.trim_start_matches("$(").trim_end_matches(')');
    assert!(job.contains(&format!("- name: {name}\n")), "{name}");
    let array = fs::read_to_string(shards.join("array.sbatch")).unwrap();
    let first_and_last = array
        .lines()
        .find_map(|line| line.strip_prefix("#SBATCH --array="))
        .unwrap();
    assert!(
        first_and_last.starts_with("0-"),
        "parts are counted from 0: {first_and_last}"
    );
    assert!(array.contains("part=$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT\n"));
    for option in ["--shard", "--results", "--progress", "--log-format"] {
        let help = dialer().args(["run", "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains(option), "{option}");
        assert!(job.contains(option) || array.contains(option), "{option}");
    }
}

/// A file of an example that is no campaign.
fn text(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::read_to_string(root.join("examples").join(path)).unwrap()
}

/// What a command line of a shell asks the dialer for. It must be one that the program takes.
fn asked(command: &str) -> Command {
    let (_, dialer) = command.split_once("dialer run").unwrap();
    let dialer = dialer.split("2>").next().unwrap();
    let words = dialer.split([';', ')', '&', '|', '>']).next().unwrap();
    let words = words.split_whitespace();
    Cli::try_parse_from(["dialer", "run"].into_iter().chain(words))
        .unwrap_or_else(|error| panic!("{command}: {error}"))
        .command
}

/// The settings of a unit file by section, in their order; what is neither a section, a setting, a comment nor empty is
/// no unit file.
fn unit(name: &str) -> BTreeMap<String, Vec<(String, String)>> {
    let mut sections = BTreeMap::new();
    let mut section = String::new();
    for line in text(&format!("systemd/{name}")).lines() {
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            name.clone_into(&mut section);
            sections.insert(section.clone(), Vec::new());
        } else if !line.is_empty() && !line.starts_with('#') {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("{line}"));
            assert!(key.chars().all(char::is_alphanumeric), "{line}");
            let settings = sections
                .get_mut(&section)
                .unwrap_or_else(|| panic!("{line}"));
            settings.push((key.to_owned(), value.to_owned()));
        }
    }
    sections
}

/// The one value of a setting.
fn value<'u>(
    unit: &'u BTreeMap<String, Vec<(String, String)>>,
    section: &str,
    key: &str,
) -> &'u str {
    let values: Vec<_> = unit[section]
        .iter()
        .filter(|(name, _)| name == key)
        .collect();
    assert_eq!(values.len(), 1, "{key}");
    &values[0].1
}

#[test]
fn the_service_runs_a_campaign_and_leaves_its_calls_the_time_they_take() {
    let service = unit("dialer@.service");
    let Command::Run(run) = asked(value(&service, "Service", "ExecStart")) else {
        panic!("the service dials");
    };
    assert_eq!(run.campaign, Path::new("campaign.toml"));
    assert!(!run.simulate && !run.dry_run && !run.fresh);

    let minutes = value(&service, "Service", "TimeoutStopSec").strip_suffix("min");
    let patience = Duration::from_secs(60 * minutes.unwrap().parse::<u64>().unwrap());
    for (name, folder) in examples() {
        let campaign = config::load(&folder.join("campaign.toml"), None, true).unwrap();
        let longest = campaign.call.call_timeout + Duration::from_secs(10);
        assert!(
            patience >= longest,
            "{name}: its calls may take {longest:?}"
        );
    }
}

/// One signal drains, two hang up: systemd must send one.
#[test]
fn the_service_gets_one_signal_that_drains_it() {
    let service = unit("dialer@.service");
    let of = |key| value(&service, "Service", key);
    assert_eq!(of("KillSignal"), "SIGTERM");
    assert_eq!(of("KillMode"), "mixed");
    assert_eq!(of("SendSIGHUP"), "no");
}

/// Every exit code is decided on: started again, or not.
#[test]
fn the_service_knows_every_exit_code() {
    let service = unit("dialer@.service");
    let codes = |key| -> Vec<u8> {
        let codes = value(&service, "Service", key).split(' ');
        codes.map(|code| code.parse().unwrap()).collect()
    };
    let decided = codes("RestartPreventExitStatus");
    assert_eq!(decided, [2, 3, 75, 129, 130, 143]);
    let again = [dialer::exit::FAILURE, dialer::exit::NO_PBX];
    assert!(again.iter().all(|code| !decided.contains(code)));
    assert_eq!(codes("SuccessExitStatus"), [dialer::exit::HELD]);
}

#[test]
fn the_timer_and_the_readme_name_what_is_there() {
    let timer = unit("dialer@.timer");
    assert_eq!(value(&timer, "Timer", "OnCalendar"), "Mon..Fri 09:30");
    assert_eq!(value(&timer, "Timer", "Persistent"), "no");
    assert_eq!(value(&timer, "Install", "WantedBy"), "timers.target");
    let (readme, service) = (text("systemd/README.md"), text("systemd/dialer@.service"));
    for path in ["/srv/dialer", "/etc/dialer", "/usr/local/bin/dialer"] {
        assert!(readme.contains(path) && service.contains(path), "{path}");
    }
    assert!(readme.contains("DIALER_AMI_SECRET=") && service.contains("DIALER_AMI_SECRET="));
}

/// Both lines of the crontab, the one that is commented out as well: five fields of time, then a command that the program
/// takes, silent where nothing is wrong. A `%` would be a line break to cron.
#[test]
fn the_crontab_is_one_and_is_silent() {
    let crontab = text("cron/crontab");
    let lines: Vec<&str> = crontab
        .lines()
        .map(|line| line.trim_start_matches('#'))
        .filter(|line| line.starts_with(|first: char| first.is_ascii_digit() || first == '*'))
        .collect();
    assert_eq!(lines.len(), 2);
    for line in &lines {
        let fields: Vec<&str> = line.split_whitespace().take(5).collect();
        let of_time = |field: &&str| {
            field
                .chars()
                .all(|c| c.is_ascii_digit() || "*/-,".contains(c))
        };
        assert!(fields.iter().all(of_time), "{line}");
        assert!(!line.contains('%'), "{line}");
    }
    for command in [lines[0], &text("cron/dial")] {
        let command = command
            .lines()
            .find(|line| line.contains("dialer run"))
            .unwrap();
        assert!(matches!(asked(command), Command::Run(_)));
        assert!(command.contains("dialer run -q campaign.toml"), "{command}");
    }
}

/// What cron would mail of each end of a run.
#[test]
fn a_turn_of_cron_says_what_somebody_should_read_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let bin = folder.path().join("bin");
    fs::create_dir(&bin).unwrap();
    let turn = |prints: &str, code: u8| {
        let dialer = bin.join("dialer");
        fs::write(
            &dialer,
            format!("#!/bin/sh\nprintf '{prints}' >&2\nexit {code}\n"),
        )
        .unwrap();
        fs::set_permissions(&dialer, PermissionsExt::from_mode(0o755)).unwrap();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cron/dial");
        let output = std::process::Command::new("sh")
            .arg(script)
            .arg(folder.path())
            .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
            .output()
            .unwrap();
        assert_eq!(
            output.status.code(),
            Some(i32::from(code)).filter(|code| *code != 75).or(Some(0))
        );
        assert_eq!(stderr(&output), "");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(turn("", 0), "");
    assert_eq!(turn("a row is no number\\n", 0), "a row is no number\n");
    assert_eq!(turn("another run holds it\\n", 75), "");
    for code in [1, 2, 3, 4, 129, 130, 143] {
        let mail = turn("why\\n", code);
        assert!(mail.starts_with("why\n"), "{mail}");
        assert!(mail.ends_with(&format!("(exit code {code})\n")), "{mail}");
    }
    let readme = text("cron/README.md");
    for code in [0, 1, 2, 3, 4, 75] {
        assert!(readme.contains(&format!("\n| {code} |")), "{code}");
    }
}
