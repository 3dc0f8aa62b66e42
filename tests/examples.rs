//! The campaigns in examples/: each is read without a fault, and a rehearsal of it comes to its end.

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::{Row, assert_one_final_row_each, dialer, rows, stderr};
use dialer::config;
use dialer::contacts::List;

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

/// A rehearsal of an example, as its folder's own command would be: its rows and the contacts of its list.
fn rehearsed(name: &str, folder: &Path) -> (Vec<Row>, u64) {
    let copy = copy_of(folder);
    let path = copy.path().join("campaign.toml");
    let campaign = config::load(&path, None, true).unwrap_or_else(|faults| panic!("{faults}"));
    let list = List::open(&campaign, None).unwrap_or_else(|faults| panic!("{faults}"));
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
    (rows(&results[0]), list.summary().contacts)
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
        let campaign = config::load(&folder.join("campaign.toml"), None, true)
            .unwrap_or_else(|faults| panic!("{faults}"));
        let list = List::open(&campaign, None).map_or_else(|faults| panic!("{faults}"), Arc::new);
        let summary = list.summary();
        assert!(
            summary.contacts - summary.bad - summary.duplicates >= 15,
            "{name}: {summary:?}"
        );
        for entry in list.rows().unwrap() {
            entry.unwrap();
        }
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
