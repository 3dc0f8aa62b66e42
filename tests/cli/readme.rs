//! What the README says, against what the program does.
//!
//! The file is long because each table and each example of the README has a test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::common::dialer;
use clap::error::ErrorKind;
use clap::{CommandFactory as _, ValueEnum as _};
use dialer::cli::{Cli, Generated};
use dialer::config;
use dialer::disposition::Disposition;
use dialer::{HEADER, Kind};
use serde_json::Value;

const README: &str = include_str!("../../README.md");

/// The cells of each row of the table whose header begins with `first`.
fn table(first: &str) -> Vec<Vec<String>> {
    let rows: Vec<Vec<String>> = README
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {first} |")))
        .skip(2) // the header and the rule under it
        .take_while(|line| line.starts_with('|'))
        .map(|line| {
            line.replace("\\|", "\0")
                .trim_matches('|')
                .split('|')
                .map(|cell| cell.trim().replace('\0', "|"))
                .collect()
        })
        .collect();
    assert!(!rows.is_empty(), "no table {first}");
    rows
}

/// What stands between backquotes.
fn spans(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// The fenced blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let mut lines = README.lines();
    let mut blocks = Vec::new();
    while let Some(line) = lines.next() {
        if let Some(found) = line.strip_prefix("```") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
            if found == language {
                blocks.push(block.join("\n") + "\n");
            }
        }
    }
    assert!(!blocks.is_empty(), "no block of {language}");
    blocks
}

/// The one JSON object that has such a key.
fn object_with(key: &str) -> Value {
    let mut objects = blocks("json");
    objects.retain(|block| block.contains(&format!("\"{key}\":")));
    assert_eq!(objects.len(), 1, "{key}");
    serde_json::from_str(&objects[0]).unwrap()
}

/// The README without its fenced blocks.
fn prose() -> String {
    README.split("```").step_by(2).collect()
}

/// The keys of a section of an Asterisk configuration.
fn section(text: &str, name: &str) -> BTreeSet<(String, String)> {
    let keys: BTreeSet<_> = text
        .lines()
        .skip_while(|line| *line != format!("[{name}]"))
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with(';'))
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned()))
        .collect();
    assert!(!keys.is_empty(), "no [{name}]");
    keys
}

fn help(command: &[&str]) -> String {
    let output = dialer().args(command).arg("--help").output().unwrap();
    assert!(output.status.success(), "{command:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The options that a help text describes.
fn options(help: &str) -> BTreeSet<&str> {
    help.lines()
        .filter(|line| line.trim_start().starts_with('-'))
        .flat_map(|line| line.split([' ', ',', '.']))
        .filter(|word| word.starts_with('-') && word.len() > 1)
        .collect()
}

/// A command line's options; `-vv` is `-v`.
fn options_of(command: &str) -> Vec<&str> {
    command
        .split_whitespace()
        .filter(|word| word.starts_with('-') && word.len() > 1 && *word != "--")
        .map(|word| if word == "-vv" { "-v" } else { word })
        .collect()
}

#[test]
fn every_exit_code_is_named() {
    let named: BTreeSet<u8> = table("Exit code")
        .iter()
        .flat_map(|row| row[0].split(", "))
        .map(|code| code.parse().unwrap())
        .collect();
    let mut codes = BTreeSet::new();
    for line in include_str!("../../src/exit.rs").lines() {
        if let Some((name, value)) = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split_once(": u8 = "))
        {
            let value: u8 = value.trim_end_matches(';').parse().unwrap();
            if name == "SIGNAL" {
                codes.extend([1, 2, 15].map(|signal| value + signal)); // HUP, INT, TERM
            } else {
                codes.insert(value);
            }
        }
    }
    assert_eq!(named, codes);
}

#[test]
fn every_column_is_named_in_its_order() {
    let rows = table("Column");
    let named: Vec<&str> = rows.iter().flat_map(|row| spans(&row[0])).collect();
    assert_eq!(named.join(","), HEADER);
}

#[test]
fn every_disposition_is_named_and_is_called_again_as_it_says() {
    let mut named = Vec::new();
    for row in table("Disposition") {
        let disposition = Disposition::from_name(spans(&row[0])[0]).unwrap();
        assert_eq!(
            row[2] == "yes",
            disposition.retried_by_default(),
            "{disposition}"
        );
        named.push(disposition);
    }
    assert_eq!(named, Disposition::ALL);
}

#[test]
fn every_option_is_there_and_every_option_there_is_named() {
    let commands = [
        ("dialer run", help(&["run"])),
        ("dialer check", help(&["check"])),
        ("dialer sim", help(&["sim"])),
        ("dialer report", help(&["report"])),
        ("dialer export", help(&["export"])),
        ("dialer init", help(&["init"])),
        ("dialer generate", help(&["generate"])),
        ("dialer", help(&[])),
    ];
    let known: BTreeSet<&str> = commands
        .iter()
        .flat_map(|(_, help)| options(help))
        .collect();
    let text = prose();
    let shell = blocks("sh").join("");
    let mut named = BTreeSet::new();
    for span in spans(&text).into_iter().chain(shell.lines()) {
        // `cargo run -- run …` is `dialer run …`.
        let span = span
            .split_once(" -- ")
            .map_or(span.to_owned(), |(_, rest)| format!("dialer {rest}"));
        if let Some((command, help)) = commands.iter().find(|(name, _)| span.starts_with(name)) {
            for option in options_of(&span) {
                assert!(options(help).contains(option), "{command} has no {option}");
                named.insert(option.to_owned());
            }
        } else if span.starts_with('-') {
            for option in options_of(&span) {
                assert!(known.contains(option), "there is no {option}");
                named.insert(option.to_owned());
            }
        }
    }
    for (command, help) in &commands {
        let mut lines = help.lines().peekable();
        while let Some(line) = lines.next() {
            let of_line = options(line);
            let described = lines.peek().copied().unwrap_or_default();
            if of_line.is_empty()
                || of_line.contains("--help")
                || described.contains("Possible values")
            {
                continue;
            }
            assert!(
                of_line.iter().any(|option| named.contains(*option)),
                "{command}: {of_line:?} is not named"
            );
        }
    }
}

/// Every command line is one that the program takes, and every command is shown.
#[test]
fn every_command_is_there_and_every_command_there_is_shown() {
    let text = prose();
    let session = blocks("console").join("");
    let typed = session.lines().filter_map(|line| line.strip_prefix("$ "));
    let shell = blocks("sh").join("");
    let shell: Vec<&str> = shell.lines().chain(typed).collect();
    let mut shown = BTreeSet::new();
    let commands = spans(&text).into_iter().chain(shell.iter().copied());
    // One behind a pipe as well.
    for line in commands.flat_map(|line| line.split("| ")) {
        let line = line.split_once(" -- ").map_or_else(
            || line.to_owned(),
            |(_, rest)| format!("dialer {rest}"), // `cargo run -- run …` is `dialer run …`.
        );
        let command = line.split(['>', '|', '#']).next().unwrap().trim();
        if !command.starts_with("dialer ") {
            continue;
        }
        let words = command
            .split_whitespace()
            .map(|word| word.trim_matches('"'));
        let parsed = Cli::command().try_get_matches_from(words);
        match parsed.map_err(|error| error.kind()) {
            Ok(matches) => shown.extend(matches.subcommand_name().map(str::to_owned)),
            Err(ErrorKind::DisplayVersion | ErrorKind::DisplayHelp) => {}
            // A command that is named without what it needs, in the middle of a sentence.
            Err(ErrorKind::MissingRequiredArgument) if !shell.contains(&line.as_str()) => {}
            Err(kind) => panic!("{line}: {kind:?}"),
        }
    }
    for command in Cli::command().get_subcommands() {
        assert!(
            shown.contains(command.get_name()),
            "dialer {} is not shown",
            command.get_name()
        );
    }
}

#[test]
fn the_values_of_an_option_are_those_of_the_help() {
    let help = help(&["run"]);
    for row in table("Option") {
        let span = spans(&row[0])[0];
        let Some((option, values)) = span.split_once(' ').filter(|(_, v)| v.contains('|')) else {
            continue;
        };
        let described: Vec<&str> = help
            .lines()
            .skip_while(|line| !line.trim_start().starts_with(option))
            .take_while(|line| !line.contains("[default"))
            .filter_map(|line| line.trim_start().strip_prefix("- ")?.split(':').next())
            .collect();
        assert_eq!(values.split('|').collect::<Vec<_>>(), described, "{option}");
    }
}

#[test]
fn the_manager_user_may_what_the_tested_one_may() {
    let readme = blocks("ini")
        .into_iter()
        .find(|block| block.contains("[dialer]"))
        .unwrap();
    let without_secret = |text: &str| {
        let mut keys = section(text, "dialer");
        keys.retain(|(key, _)| key != "secret");
        keys
    };
    let permissions = without_secret(&readme);
    assert_eq!(
        permissions,
        without_secret(include_str!("../asterisk/etc/manager.conf"))
    );
    for (key, value) in &permissions {
        if key == "read" || key == "write" {
            let shown = format!("{key} perm: {value}");
            assert!(spans(&prose()).contains(&shown.as_str()), "{shown}");
        }
    }
}

/// A block that is no whole campaign stands under the line `<!-- fragment -->` and is tried as an addition to the first.
#[test]
fn every_campaign_is_read() {
    let campaigns = blocks("toml");
    let fragments = README.matches("<!-- fragment -->\n```toml\n").count();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    let mut whole = 0;
    for block in &campaigns {
        let fragment = README.contains(&format!("<!-- fragment -->\n```toml\n{block}"));
        let text = if fragment {
            format!("{}\n{block}", campaigns[0])
        } else {
            whole += 1;
            block.clone()
        };
        fs::write(&path, &text).unwrap();
        if let Err(faults) = config::load(&path, None, true) {
            panic!("{faults:?}\n{text}");
        }
    }
    assert!(whole > 0);
    assert_eq!(whole + fragments, campaigns.len());
}

/// Steps 5 and 6 as they stand there, and the keys that `--json` is said to print.
#[test]
fn the_rehearsal_shows_what_it_should() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::write(path("campaign.toml"), &blocks("toml")[0]).unwrap();
    fs::write(path("contacts.csv"), &blocks("csv")[0]).unwrap();
    let command = blocks("sh")
        .join("")
        .lines()
        .find(|line| line.starts_with("dialer run") && line.contains("--simulate"))
        .unwrap()
        .to_owned();
    let output = dialer()
        .args(command.split_whitespace().skip(1))
        .arg("--json")
        .current_dir(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    for promised in [
        "simulated: nothing is dialed",
        "results: campaign.results.simulated.csv",
    ] {
        assert!(said.contains(promised), "{said}");
        assert!(spans(&prose()).contains(&promised), "{promised}");
    }
    assert!(path("campaign.results.simulated.csv").exists());

    let printed: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let shown = object_with("busy_seconds");
    let keys = |value: &serde_json::Value| -> BTreeSet<String> {
        value.as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(keys(&printed), keys(&shown));
    for disposition in keys(&shown["dispositions"]) {
        assert_eq!(
            keys(&shown["dispositions"][&disposition]),
            keys(&printed["dispositions"][&disposition])
        );
    }
}

/// The keys that `dialer report --json` is said to print, down to the smallest.
#[test]
fn the_reports_object_is_as_shown() {
    fn compare(shown: &Value, printed: &Value, at: &str) {
        match (shown, printed) {
            (Value::Object(shown), Value::Object(printed)) => {
                // Of the dispositions one stands there for all.
                let all = printed.contains_key("NO ANSWER");
                for (key, shown) in shown {
                    compare(shown, &printed[key], &format!("{at}.{key}"));
                }
                assert!(all || shown.len() == printed.len(), "{at}");
            }
            (Value::Array(shown), Value::Array(printed)) => compare(&shown[0], &printed[0], at),
            (Value::Null, _) => {}
            _ => assert_eq!(
                std::mem::discriminant(shown),
                std::mem::discriminant(printed),
                "{at}"
            ),
        }
    }
    let shown = object_with("durations");
    let folder = tempfile::tempdir().unwrap();
    let succeeds = |arguments: &[&str]| {
        let output = dialer()
            .args(arguments)
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{arguments:?}");
        output.stdout
    };
    succeeds(&["init"]);
    succeeds(&["run", "--simulate", "campaign.toml"]);
    let report = succeeds(&["report", "--json", "campaign.results.simulated.csv"]);
    compare(&shown, &serde_json::from_slice(&report).unwrap(), "");
}

#[test]
fn a_spreadsheet_gets_the_columns_as_it_says() {
    let prose = prose();
    let (_, text) = prose.split_once("With `--spreadsheet`").unwrap();
    let (text, _) = text.split_once("Everything else stays text").unwrap();
    let named: Vec<&str> = spans(text)
        .into_iter()
        .filter(|span| HEADER.split(',').any(|column| column == *span))
        .collect();
    let (mut numbers, mut times) = (Vec::new(), 0);
    for column in HEADER.split(',') {
        match Kind::of(column) {
            Kind::Quantity | Kind::Seconds => numbers.push(column),
            Kind::Time => times += 1,
            Kind::Text => {}
        }
    }
    assert_eq!(named, numbers);
    assert_eq!(times, 4, "the four times");
}

/// What can be generated, and nothing else, is named.
#[test]
fn everything_that_can_be_generated_is_named() {
    let prose = prose();
    let (_, text) = prose.split_once("`dialer generate man` prints").unwrap();
    let (text, _) = text.split_once("what these shells need").unwrap();
    let mut named = vec!["man"];
    named.extend(
        spans(text)
            .into_iter()
            .map(|span| span.trim_start_matches("dialer generate ")),
    );
    let there: Vec<String> = Generated::value_variants()
        .iter()
        .map(|what| what.to_possible_value().unwrap().get_name().to_owned())
        .collect();
    assert_eq!(named, there);
}

/// The campaign's user, secret, context, extension and trunk are those that the steps before it set up.
#[test]
fn the_steps_fit_together() {
    let campaign = &blocks("toml")[0];
    let asterisk = blocks("ini").join("\n");
    let value = |key: &str| {
        campaign
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{key} = \"")))
            .and_then(|rest| rest.split('"').next())
            .unwrap()
    };
    let user = section(&asterisk, value("username"));
    let secret = &user.iter().find(|(key, _)| key == "secret").unwrap().1;
    let file = value("secret_file");
    assert!(
        blocks("sh")
            .iter()
            .any(|block| block.contains(&format!("echo {secret} > {file}")))
    );
    assert!(asterisk.contains(&format!(
        "[{}]\nexten => {},1,",
        value("context"),
        value("exten")
    )));
    let trunk = value("channel").rsplit('@').next().unwrap();
    assert!(asterisk.contains(&format!("[{trunk}]\ntype = endpoint\n")));
}

#[test]
fn every_file_it_links_to_or_runs_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let links = README
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .filter(|link| !link.contains("://") && !link.starts_with('#'));
    let shell = blocks("sh").join(" ");
    let run = shell
        .split_whitespace()
        .filter(|word| word.starts_with("examples/"));
    for path in links.chain(run) {
        assert!(root.join(path).exists(), "{path}");
    }
}

/// How GitHub names the place of a heading.
fn anchor(heading: &str) -> String {
    heading
        .to_lowercase()
        .chars()
        .filter(|char| char.is_alphanumeric() || [' ', '-', '_'].contains(char))
        .map(|char| if char == ' ' { '-' } else { char })
        .collect()
}

#[test]
fn the_contents_are_the_headings_in_their_order_and_every_link_within_leads_somewhere() {
    let prose = prose();
    let headings: Vec<&str> = prose
        .lines()
        .filter_map(|line| line.strip_prefix("## "))
        .collect();
    let (_, contents) = prose.split_once("## Contents\n\n").unwrap();
    let entries: Vec<(&str, &str)> = contents
        .lines()
        .take_while(|line| !line.is_empty())
        .map(|line| {
            let entry = line
                .strip_prefix("- [")
                .and_then(|rest| rest.strip_suffix(')'));
            entry.and_then(|entry| entry.split_once("](#")).unwrap()
        })
        .collect();
    let named: Vec<&str> = entries.iter().map(|(name, _)| *name).collect();
    let of_contents = |heading: &&str| !["Contents", "License"].contains(heading);
    let there: Vec<&str> = headings.iter().copied().filter(of_contents).collect();
    assert_eq!(named, there);
    let anchors: BTreeSet<String> = headings.iter().map(|heading| anchor(heading)).collect();
    assert_eq!(anchors.len(), headings.len(), "two headings of one name");
    for link in prose.split("](#").skip(1) {
        let link = link.split(')').next().unwrap();
        assert!(anchors.contains(link), "#{link}");
    }
}

/// The keys of config.example.toml, which are those of the program, by the table in which they stand.
#[test]
fn every_key_of_a_campaign_is_named_in_its_table() {
    let mut keys: Vec<(String, Vec<&str>)> = vec![("at the top".to_owned(), Vec::new())];
    for line in include_str!("../../config.example.toml").lines() {
        if line.starts_with('[') {
            let name = line.split('#').next().unwrap().trim();
            let name = name.replace("\"NO ANSWER\"", "\"…\"");
            keys.push((format!("`{name}`"), Vec::new()));
        } else if let Some((key, _)) = line.trim_start_matches("# ").split_once(" = ")
            && key
                .chars()
                .all(|char| char.is_ascii_lowercase() || char == '_')
        {
            keys.last_mut().unwrap().1.push(key);
        }
    }
    let named: Vec<(String, String)> = table("Table")
        .into_iter()
        .map(|row| (row[0].clone(), row[1].clone()))
        .collect();
    assert_eq!(named.len(), keys.len());
    for ((table, named), (there, keys)) in named.iter().zip(&keys) {
        assert_eq!(table, there);
        assert_eq!(&spans(named), keys, "{table}");
    }
}

/// What is written in capitals as a disposition is one, wherever it stands; what is said of an exit code is said of one.
#[test]
fn no_disposition_and_no_exit_code_is_made_up() {
    let prose = prose();
    let known = |word: &str| Disposition::from_name(word).is_some();
    // What Asterisk, a shell and the dialplan write so.
    let others = [
        "CALLID", "CHOICE", "NO_COLOR", "OPTIONS", "PATH", "TERM", "TAB", "NAME",
    ];
    for span in spans(&prose) {
        let words = span
            .strip_prefix("--redial ")
            .unwrap_or(span)
            .trim_matches('"');
        let capital = |char: char| char.is_ascii_uppercase() || char == ' ' || char == '_';
        if words.len() > 3 && words.chars().all(capital) && !others.contains(&words) {
            assert!(known(words), "{span}");
        }
    }
    let rows = table("Exit code");
    let codes: BTreeSet<&str> = rows.iter().flat_map(|row| row[0].split(", ")).collect();
    for said in prose.split("exit code ").skip(1) {
        let code: String = said.chars().take_while(char::is_ascii_digit).collect();
        assert!(code.is_empty() || codes.contains(code.as_str()), "{code}");
    }
}

/// A text whose moments, which are others each time, are all the same.
fn timeless(text: &str) -> String {
    let shape = |word: &str| -> String {
        let digit = |char: char| if char.is_ascii_digit() { '0' } else { char };
        word.chars().map(digit).collect()
    };
    let is_moment = |word: &str| {
        let shape = shape(word);
        ["0000-00-00", "00:00:00"]
            .iter()
            .any(|moment| shape.starts_with(moment))
            || ["+00:00", "-00:00"].contains(&shape.as_str())
    };
    let mut timeless = String::new();
    for word in text.split_inclusive([' ', '\n', ',', ';']) {
        let end = word.len() - word.trim_end_matches([' ', '\n', ',', ';']).len();
        let (word, end) = word.split_at(word.len() - end);
        timeless.push_str(if is_moment(word) { "(then)" } else { word });
        timeless.push_str(end);
    }
    // A moment of another day is told with its date.
    timeless.replace("(then) (then)", "(then)")
}

/// The tour, taken: what each command says is what stands there, but for the time of day.
#[test]
fn the_tour_goes_as_it_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let program = Path::new(env!("CARGO_BIN_EXE_dialer")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    let sessions = blocks("console");
    let mut taken = 0;
    for session in sessions.join("").split("$ ").skip(1) {
        let (command, told) = session.split_once('\n').unwrap();
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{command} 2>&1")])
            .current_dir(folder.path())
            .env("PATH", format!("{}:{path}", program.display()))
            .env_remove("DIALER_AMI_SECRET")
            .output()
            .unwrap();
        let said = String::from_utf8(output.stdout).unwrap();
        assert_eq!(timeless(&said), timeless(told), "{command}\n{said}");
        taken += 1;
    }
    assert!(taken >= 4);
}
