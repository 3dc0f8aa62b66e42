//! `dialer init`: a campaign to begin with, which can be rehearsed as it stands.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::{assert_one_final_row_each, dialer, rows, stderr};
use dialer::config;

fn init(folder: &Path, arguments: &[&str]) -> Output {
    dialer()
        .current_dir(folder)
        .arg("init")
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What is there, with what it holds.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect();
    files.sort();
    files
}

#[test]
fn it_rehearses_at_once_by_the_first_command_that_was_printed() {
    let folder = tempfile::tempdir().unwrap();
    let output = init(folder.path(), &["-q"]);
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
    let printed = stdout(&output);
    let commands: Vec<&str> = printed
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    assert_eq!(
        commands,
        [
            "dialer run campaign.toml --simulate",
            "dialer run campaign.toml --limit 1 --fresh --results first-call.csv",
            "dialer run campaign.toml",
        ]
    );
    let rehearsal = dialer()
        .current_dir(folder.path())
        .args(commands[0].split(' ').skip(1))
        .output()
        .unwrap();
    assert_eq!(rehearsal.status.code(), Some(0), "{}", stderr(&rehearsal));
    let rows = rows(&folder.path().join("campaign.results.simulated.csv"));
    assert_one_final_row_each(&rows, 8);
    assert!(rows.iter().any(|row| row["disposition"] == "ANSWERED"));
    assert!(
        rows.iter()
            .all(|row| !row["name"].is_empty() && row["attempt"] != "0")
    );
}

#[test]
fn a_path_is_a_folder_or_a_file() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("there.toml")).unwrap();
    for (path, campaign) in [
        ("made/for it", "made/for it/campaign.toml"),
        ("storm.toml", "storm.toml"),
        ("a/b/storm.toml", "a/b/storm.toml"),
        ("there.toml", "there.toml/campaign.toml"),
    ] {
        let output = init(folder.path(), &[path]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let campaign = folder.path().join(campaign);
        assert!(config::load(&campaign, None, true).is_ok(), "{path}");
        assert!(campaign.with_file_name("contacts.csv").exists(), "{path}");
    }
    let output = init(folder.path(), &["it's"]);
    assert!(stdout(&output).contains(r"dialer run 'it'\''s/campaign.toml' --simulate"));
}

#[test]
fn nothing_is_ever_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("campaign.toml"), "mine").unwrap();
    let before = files(folder.path());
    let output = init(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "campaign.toml exists already: nothing was written, name another file\n"
    );
    assert_eq!(stdout(&output), "");
    assert_eq!(files(folder.path()), before);

    fs::remove_file(folder.path().join("campaign.toml")).unwrap();
    fs::write(folder.path().join("contacts.csv"), "mine").unwrap();
    let output = init(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("contacts.csv exists already and is not changed"));
    assert_eq!(
        fs::read(folder.path().join("contacts.csv")).unwrap(),
        b"mine"
    );
}

#[test]
fn a_place_that_cannot_be_written_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let output = init(folder.path(), &["file/sub"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("the folder file/sub cannot be made"),
        "{}",
        stderr(&output)
    );
}

/// The keys that are commented out are right as well: each block of them, uncommented, is read.
#[test]
fn what_is_commented_out_can_be_taken_in() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[]);
    let path = folder.path().join("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    let mut uncommented = 0;
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            let rest = line.strip_prefix("# ").filter(|rest| {
                rest.starts_with('[')
                    || rest
                        .split_once(" = ")
                        .is_some_and(|(key, _)| !key.contains(' '))
            });
            uncommented += usize::from(rest.is_some());
            rest.unwrap_or(line)
        })
        .collect();
    let text = lines.join("\n");
    assert!(uncommented > 15, "{text}");
    fs::write(folder.path().join("do-not-call.txt"), "").unwrap();
    fs::write(&path, &text).unwrap();
    if let Err(faults) = config::load(&path, None, true) {
        panic!("{faults}\n{text}");
    }
}

#[test]
fn no_line_is_wider_than_120_columns() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[]);
    for (name, text) in files(folder.path()) {
        for line in String::from_utf8(text).unwrap().lines() {
            assert!(line.chars().count() <= 120, "{name}: {line}");
        }
    }
}
