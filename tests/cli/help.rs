//! What `dialer` says of itself: help, manual page, completions, version.

use std::process::Command;

use crate::common::{dialer, stderr};
use clap::CommandFactory as _;
use dialer::cli::Cli;
use dialer::disposition::Disposition;

/// The help of a command, for a terminal of the usual width.
fn help(command: &[&str], option: &str) -> String {
    let output = dialer()
        .args(command)
        .arg(option)
        .env_remove("COLUMNS")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn commands() -> Vec<String> {
    Cli::command()
        .get_subcommands()
        .map(|command| command.get_name().to_owned())
        .collect()
}

fn generated(what: &str) -> String {
    let output = dialer().args(["generate", what]).output().unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_is_what_it_was_and_fits_80_columns() {
    let mut asked = vec![("dialer".to_owned(), help(&[], "--help"))];
    for command in commands() {
        asked.push((command.clone(), help(&[&command], "--help")));
        asked.push((format!("{command}-h"), help(&[&command], "-h")));
    }
    for (name, help) in &asked {
        for line in help.lines() {
            assert!(line.chars().count() <= 80, "{name}: {line}");
        }
    }
    for (name, help) in asked.iter().filter(|(name, _)| !name.ends_with("-h")) {
        insta::assert_snapshot!(name.as_str(), help);
    }
}

#[test]
fn a_disposition_is_taken_however_it_is_written_and_a_slip_is_told_what_was_meant() {
    let redial = |word: &str| {
        let output = dialer()
            .args(["run", "none.toml", "--redial", word])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        stderr(&output)
    };
    for word in ["busy", "No_Answer,invalid number", "BUSY, NO ANSWER"] {
        let said = redial(word);
        assert!(said.contains("none.toml"), "it came to the file: {said}");
    }
    let said = redial("BUZY");
    assert!(said.contains("did you mean \"BUSY\"?"), "{said}");
    let said = redial("engaged");
    assert!(
        said.contains("write one of ANSWERED, SHORT, MACHINE, BUSY,"),
        "{said}"
    );
}

#[test]
fn the_manual_has_every_command_option_exit_code_and_disposition() {
    let manual = generated("man");
    // groff's own escape of a hyphen.
    let manual = manual.replace("\\-", "-");
    for section in [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "COMMANDS",
        "OPTIONS",
        "DISPOSITIONS",
        "SIGNALS",
        "\"EXIT STATUS\"",
        "FILES",
        "ENVIRONMENT",
        "EXAMPLES",
    ] {
        assert_eq!(
            manual.matches(&format!("\n.SH {section}\n")).count(),
            1,
            "{section}"
        );
    }
    for command in Cli::command().get_subcommands() {
        let name = format!("\n.SS \"dialer {}", command.get_name());
        let (_, part) = manual.split_once(&name).unwrap_or_else(|| panic!("{name}"));
        let part = part.split("\n.S").next().unwrap();
        for argument in command.get_arguments() {
            if let Some(long) = argument.get_long() {
                assert!(part.contains(&format!("--{long}")), "{name}: --{long}");
            }
        }
    }
    for disposition in Disposition::ALL {
        assert!(
            manual.contains(&format!("\n.TP\n\\fB{disposition}\\fR\n")),
            "{disposition}"
        );
    }
    let (_, codes) = manual.split_once(".SH \"EXIT STATUS\"").unwrap();
    let codes = codes.split(".SH").next().unwrap();
    for line in include_str!("../../src/exit.rs").lines() {
        let Some((name, value)) = line
            .strip_prefix("pub const ")
            .and_then(|rest| rest.split_once(": u8 = "))
        else {
            continue;
        };
        if name != "SIGNAL" {
            let value = value.trim_end_matches(';');
            assert!(codes.contains(&format!("\n\\fB{value}\\fR\n")), "{name}");
        }
    }
}

/// Every example is a command line that this program takes.
#[test]
fn the_examples_of_the_manual_are_command_lines() {
    let manual = generated("man").replace("\\-", "-");
    let (_, examples) = manual.split_once(".SH EXAMPLES").unwrap();
    let mut found = 0;
    for line in examples
        .lines()
        .filter_map(|line| line.strip_prefix("\\fBdialer "))
    {
        let line = line
            .strip_suffix("\\fR")
            .unwrap()
            .split(" > ")
            .next()
            .unwrap();
        let words = ["dialer"].into_iter().chain(line.split(' '));
        assert!(Cli::command().try_get_matches_from(words).is_ok(), "{line}");
        found += 1;
    }
    assert!(found >= 5, "{examples}");
}

#[test]
fn every_shell_completes_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let script = generated(shell);
        for command in commands() {
            assert!(script.contains(&command), "{shell}: {command}");
        }
        assert!(
            script.contains("--spreadsheet") || script.contains("-l spreadsheet"),
            "{shell}"
        );
    }
}

/// Bash is everywhere; the other shells' scripts are clap's own affair.
#[test]
fn bash_completes_what_was_begun() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("dialer.bash");
    std::fs::write(&script, generated("bash")).unwrap();
    let complete = |line: &str| {
        let output = Command::new("bash")
            .arg("-c")
            .arg(
                "source \"$1\"; read -ra COMP_WORDS <<<\"$2\"; COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n\
                 _dialer dialer \"${COMP_WORDS[COMP_CWORD]}\" \"${COMP_WORDS[COMP_CWORD - 1]}\"; echo \"${COMPREPLY[@]}\"",
            )
            .args(["bash", script.to_str().unwrap(), line])
            .output()
            .unwrap();
        assert_eq!(stderr(&output), "");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("dialer rep"), "report");
    assert_eq!(complete("dialer export --spr"), "--spreadsheet");
    assert_eq!(complete("dialer generate pow"), "powershell");
}

#[test]
fn the_version_names_the_commit_where_there_is_one() {
    let output = dialer().arg("--version").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .args(arguments)
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        Some(String::from_utf8(output.stdout).unwrap().trim().to_owned())
    };
    let version = env!("CARGO_PKG_VERSION");
    let root = git(&["rev-parse", "--show-toplevel"]);
    let expected = if root.as_deref() == Some(env!("CARGO_MANIFEST_DIR")) {
        let commit = git(&["log", "-1", "--no-show-signature", "--format=%h %cs"]).unwrap();
        format!("dialer {version} ({commit})\n")
    } else {
        format!("dialer {version}\n")
    };
    assert_eq!(said, expected);
}

#[test]
fn a_slip_is_told_what_there_is() {
    let output = dialer().args(["generate", "dash"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("[possible values: man, bash, zsh, fish, powershell]"));
    let output = dialer().arg("reprot").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("'report'"), "{}", stderr(&output));
}
