//! The face on a real terminal: the dialer runs on a pseudo-terminal, and what is on its screen is read.

use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tempfile::TempDir;

const ROWS: u16 = 40;
/// What only the bar says: of five who can be called, so many are done, and how long it takes cannot be told yet.
const BAR: &str = "/5  left –  answered ";

/// A rehearsal of five who answer and one who cannot be called.
fn campaign() -> TempDir {
    let folder = TempDir::new().unwrap();
    let text = r#"
        [ami]
        username = "dialer"
        secret = "word"
        [contacts]
        file = "contacts.csv"
        id = "id"
        [call]
        context = "notify"
        exten = "s"
        [[trunk]]
        name = "carrier"
        channel = "PJSIP/{number}@carrier"
        ports = 2
        [simulate]
        answered = 1.0
        busy = 0.0
        declined = 0.0
        congestion = 0.0
        invalid = 0.0
    "#;
    fs::write(folder.path().join("storm.toml"), text).unwrap();
    let rows = "id,number\na,100\nb,nobody\nc,102\nd,103\ne,104\nf,105\n";
    fs::write(folder.path().join("contacts.csv"), rows).unwrap();
    folder
}

/// What came out of a rehearsal on a terminal.
struct Shown {
    /// Every byte, as it was written.
    bytes: String,
    /// What is on the screen in the end.
    screen: String,
}

/// Rehearses with standard error on a terminal so many columns wide; standard output too, if `shared`.
fn shown(folder: &Path, columns: u16, shared: bool, args: &[&str], env: &[(&str, &str)]) -> Shown {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&terminal).unwrap();
    unlockpt(&terminal).unwrap();
    let size = Winsize {
        ws_row: ROWS,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size).unwrap();
    let name = ptsname(&terminal, Vec::new()).unwrap();
    let end = OpenOptions::new()
        .read(true)
        .write(true)
        .open(name.to_str().unwrap())
        .unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialer"));
    command
        .current_dir(folder)
        .env_clear()
        .env("TERM", "xterm-256color")
        .envs(env.iter().copied())
        .args(["run", "storm.toml", "--simulate"])
        .args(args)
        .stdin(Stdio::null())
        .stderr(end.try_clone().unwrap());
    if shared {
        command.stdout(end);
    } else {
        command.stdout(Stdio::null());
        drop(end);
    }
    let mut child = command.spawn().unwrap();
    // The last handle of the other end: when the child is done, reading ends.
    drop(command);
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
    let mut terminal = File::from(terminal);
    while let Ok(read @ 1..) = terminal.read(&mut some) {
        bytes.extend_from_slice(&some[..read]);
    }
    assert!(child.wait().unwrap().success());
    let mut parser = vt100::Parser::new(ROWS, columns, 0);
    parser.process(&bytes);
    Shown {
        screen: parser.screen().contents(),
        bytes: String::from_utf8(bytes).unwrap(),
    }
}

#[test]
fn a_terminal_has_a_bar_and_colours_and_in_the_end_only_what_is_worth_keeping() {
    let folder = campaign();
    let shown = shown(folder.path(), 120, false, &[], &[]);
    assert!(shown.bytes.contains(BAR), "{}", shown.bytes);
    assert!(
        shown.bytes.contains("\x1b[32m INFO\x1b[0m"),
        "{:?}",
        shown.bytes
    );
    assert!(!shown.screen.contains(BAR), "{}", shown.screen);
    assert!(
        shown
            .screen
            .contains("\nstorm: 5 of 6 contacts reached (83.3%) in "),
        "{}",
        shown.screen
    );
}

#[test]
fn no_line_of_the_log_tears_the_bar() {
    let folder = campaign();
    let shown = shown(folder.path(), 200, false, &["-vv"], &[("NO_COLOR", "1")]);
    let log = shown.screen.split("\n\n").next().unwrap();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let (time, rest) = line.split_at(9);
        assert!(
            time.bytes().filter(|&byte| byte == b':').count() == 2,
            "{line}"
        );
        let level = rest.trim_start().split(' ').next().unwrap();
        assert!(
            ["TRACE", "DEBUG", "INFO", "WARN"].contains(&level),
            "{line}"
        );
    }
}

#[test]
fn the_bar_of_a_narrow_terminal_stays_on_its_line() {
    let folder = campaign();
    let shown = shown(folder.path(), 40, false, &[], &[]);
    assert!(shown.bytes.contains(BAR), "{}", shown.bytes);
    assert!(!shown.bytes.contains("░"), "{}", shown.bytes);
    assert!(!shown.screen.contains(BAR), "{}", shown.screen);
}

#[test]
fn no_color_leaves_the_bar_and_takes_the_colours_unless_it_is_empty() {
    let folder = campaign();
    let none = shown(folder.path(), 120, false, &[], &[("NO_COLOR", "1")]);
    assert!(none.bytes.contains(BAR));
    assert!(!none.bytes.contains("\x1b[32m"), "{:?}", none.bytes);
    let empty = shown(folder.path(), 120, false, &[], &[("NO_COLOR", "")]);
    assert!(empty.bytes.contains("\x1b[32m"));
    let asked = shown(
        folder.path(),
        120,
        false,
        &["--color", "always"],
        &[("NO_COLOR", "1")],
    );
    assert!(asked.bytes.contains("\x1b[32m"));
}

#[test]
fn a_dumb_terminal_gets_characters_and_nothing_else() {
    let folder = campaign();
    for args in [&[][..], &["--progress", "bar"]] {
        let shown = shown(folder.path(), 120, false, args, &[("TERM", "dumb")]);
        assert!(
            !shown.bytes.contains(['\x1b', '░', '█']),
            "{:?}",
            shown.bytes
        );
        assert!(shown.screen.contains("5 of 6 contacts reached"));
    }
}

#[test]
fn there_is_no_bar_where_none_is_wanted_or_rows_would_tear_it() {
    let folder = campaign();
    for args in [
        &["--progress", "none"][..],
        &["--progress", "plain"],
        &["--log-format", "json"],
    ] {
        let shown = shown(folder.path(), 120, false, args, &[]);
        assert!(!shown.bytes.contains(BAR), "{}", shown.bytes);
    }
    let rows = shown(folder.path(), 120, true, &["--results", "-"], &[]);
    assert!(rows.bytes.contains("campaign,contact,number"));
    assert!(!rows.bytes.contains(BAR), "{}", rows.bytes);
}

#[test]
fn quiet_shows_nothing_on_a_terminal_but_what_is_wrong() {
    let folder = campaign();
    let shown = shown(folder.path(), 120, false, &["-q"], &[("NO_COLOR", "1")]);
    assert_eq!(shown.screen.trim().lines().count(), 1, "{}", shown.screen);
    assert!(
        shown
            .screen
            .contains("WARN not called: contacts.csv line 3: not a number")
    );
}
