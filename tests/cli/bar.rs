//! The face on a real terminal: the dialer runs on a pseudo-terminal, and what is on its screen is read.

use crate::common::process::{Process, Start as _};
use crate::common::{storm, terminal};
use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

const ROWS: u16 = 40;
/// What only the bar says, in its first state as in its last: which of them is seen is a matter of a moment.
const BAR: &str = "  answered ";

/// A rehearsal of five who answer and one who cannot be called.
fn campaign() -> TempDir {
    storm(
        "",
        "id,number\na,100\nb,nobody\nc,102\nd,103\ne,104\nf,105\n",
    )
}

/// What came out of a rehearsal on a terminal.
struct Shown {
    /// Every byte, as it was written.
    bytes: String,
    /// What is on the screen in the end.
    screen: String,
}

/// A rehearsal on a terminal.
struct Rehearsal {
    child: Process,
    terminal: File,
}

/// Rehearses with standard error on a terminal so many columns wide; standard output too, if `shared`.
fn rehearse(
    folder: &Path,
    (rows, columns): (u16, u16),
    shared: bool,
    args: &[&str],
    env: &[(&str, &str)],
) -> Rehearsal {
    let (terminal, end) = terminal::open(rows, columns);
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
    let child = command.start();
    // The last handle of the other end goes: when the child is done, reading ends.
    drop(command);
    Rehearsal { child, terminal }
}

/// The same, to its end.
fn shown(folder: &Path, columns: u16, shared: bool, args: &[&str], env: &[(&str, &str)]) -> Shown {
    let size = (ROWS, columns);
    let Rehearsal {
        mut child,
        mut terminal,
    } = rehearse(folder, size, shared, args, env);
    let (mut bytes, mut some) = (Vec::new(), [0; 4096]);
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

/// Five who talk for long, on two trunks.
fn long_calls() -> TempDir {
    let folder = campaign();
    let path = folder.path().join("storm.toml");
    let text = fs::read_to_string(&path).unwrap();
    let second =
        "[[trunk]]\nname = \"second\"\nchannel = \"PJSIP/{number}@second\"\nports = 3\n[simulate]";
    let text = text.replace("[simulate]", second) + "\ntalk = \"3h\"\nring = \"10ms\"\n";
    let text = text.replace("ports = ", "calls_per_second = 100.0\nports = ");
    fs::write(&path, text).unwrap();
    folder
}

impl Rehearsal {
    /// What is on the screen as soon as it is as expected.
    fn screen(&mut self, parser: &mut vt100::Parser, is_there: impl Fn(&str) -> bool) -> String {
        let mut some = [0; 4096];
        loop {
            let screen = rows(parser);
            if is_there(&screen) {
                return screen;
            }
            let read = self.terminal.read(&mut some);
            let read = read.unwrap_or_else(|_| panic!("it ended with:\n{screen}"));
            parser.process(&some[..read]);
        }
    }

    /// Reads on until the end; what is on the screen then.
    fn end(mut self, parser: &mut vt100::Parser) -> String {
        let mut some = [0; 4096];
        while let Ok(read @ 1..) = self.terminal.read(&mut some) {
            parser.process(&some[..read]);
        }
        self.child.wait().unwrap();
        rows(parser)
    }
}

/// What is on the screen, row by row: a bar fills its rows.
fn rows(parser: &vt100::Parser) -> String {
    let (_, columns) = parser.screen().size();
    let rows = parser.screen().rows(0, columns);
    let rows: Vec<_> = rows.map(|row| row.trim_end().to_owned()).collect();
    rows.join("\n").trim_end().to_owned()
}

#[test]
fn a_wide_terminal_has_a_line_for_each_trunk_and_one_for_the_reason_and_who_asks_tears_none() {
    let folder = long_calls();
    let no_color = [("NO_COLOR", "1")];
    let mut run = rehearse(folder.path(), (24, 120), false, &["--real-time"], &no_color);
    let mut parser = vt100::Parser::new(24, 120, 0);
    let expected = [
        "░░░░░░░░░░░░░░  0/5  left –  answered 0  lines 5/5  picked up –",
        "  carrier        2/2  works",
        "  second         3/3  works",
        "  everybody was called, the last calls are running",
    ];
    let foot = |screen: &str| {
        let lines: Vec<_> = screen.lines().collect();
        let bar = lines.len().checked_sub(expected.len());
        bar.is_some_and(|bar| {
            let mut lines = lines[bar..].iter().zip(&expected);
            lines.all(|(line, begin)| line.starts_with(begin))
        })
    };
    run.screen(&mut parser, foot);
    run.child.signal(Signal::USR1);
    let said = "INFO 5 pending, 1 finished, 1 failed, 0 of 5 ports free, 5 dispatched";
    let screen = run.screen(&mut parser, |screen| screen.contains(said) && foot(screen));
    assert_eq!(screen.matches(expected[0]).count(), 1, "{screen}");
    run.child.signal(Signal::TERM);
    run.screen(&mut parser, |screen| {
        screen.contains("  stopping: no new calls")
    });
    // Signals that come together are one.
    thread::sleep(Duration::from_millis(300));
    run.child.signal(Signal::TERM);
    let end = run.end(&mut parser);
    for line in expected.iter().skip(1).chain(&["  stopping: no new calls"]) {
        assert!(!end.contains(line), "{end}");
    }
    assert!(end.contains("\nstorm: "), "{end}");
}

#[test]
fn a_narrow_terminal_has_one_line_that_says_why_nobody_is_called() {
    let folder = long_calls();
    let path = folder.path().join("storm.toml");
    let text = fs::read_to_string(&path).unwrap();
    // It opens the day after tomorrow.
    let today = jiff::Zoned::now()
        .with_time_zone(jiff::tz::TimeZone::UTC)
        .weekday();
    let days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
    let today = usize::try_from(today.to_monday_zero_offset()).unwrap();
    let window = format!(
        "[window]\ntimezone = \"UTC\"\n[[window.open]]\ndays = [\"{}\"]\nfrom = \"09:00\"\nto = \"20:00\"\n[simulate]",
        days[(today + 2) % 7]
    );
    fs::write(&path, text.replace("[simulate]", &window)).unwrap();
    for columns in [40, 59] {
        let mut run = rehearse(folder.path(), (24, columns), false, &["--real-time"], &[]);
        let mut parser = vt100::Parser::new(24, columns, 0);
        let screen = run.screen(&mut parser, |screen| screen.contains("0/5  closed until "));
        let bar = screen.lines().last().unwrap();
        assert!(bar.starts_with("0/5  closed until 2"), "{screen}");
        assert!(bar.contains(" 09:00"), "{screen}");
        assert!(!screen.contains("works"), "{screen}");
        run.child.signal(Signal::TERM);
        let end = run.end(&mut parser);
        assert!(!end.contains("0/5  closed"), "{end}");
    }
}
