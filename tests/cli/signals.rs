//! How an operator stops a run: with Ctrl-C on a terminal, by closing it, and as a supervisor does.

#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::common::process::{Process, Start as _, says};
use crate::common::terminal;
use crate::common::{Folder, Pbx, list, only, side_by_side, until};
use jiff::tz::TimeZone;
use jiff::{ToSpan as _, Zoned};
use rustix::process::{Pid, Signal, test_kill_process};

/// What the second signal promises.
const AT_MOST: Duration = Duration::from_secs(5);
/// Said at the first signal, with three calls running.
const STOPPING: &str =
    "stopping: no new calls; 3 are running and may finish (once more to hang them up)";
/// What makes of two signals two.
const APART: Duration = Duration::from_millis(300);
/// Long after the answer of a call that rings for 50 ms.
const ANSWERED: Duration = Duration::from_secs(1);

/// Three lines, and people to call with these numbers, whose last two digits are their fates.
fn folder(pbx: SocketAddr, numbers: &[&str]) -> Folder {
    Folder::new(
        pbx,
        "",
        "ports = 3\ncalls_per_second = 100.0",
        "",
        &list(numbers),
    )
}

/// Six who answer.
const SIX: [&str; 6] = ["101", "201", "301", "401", "501", "601"];
/// One who answers, two who let it ring, and one whose turn does not come.
const FOUR: [&str; 4] = ["101", "220", "320", "401"];

/// `dialer run` with the signals as the system has them at first, whatever these tests run under.
fn dialer_run(folder: &Folder) -> [String; 5] {
    [
        "env".to_owned(),
        "--default-signal".to_owned(),
        env!("CARGO_BIN_EXE_dialer").to_owned(),
        "run".to_owned(),
        folder.path("campaign.toml").display().to_string(),
    ]
}

/// The end of a process, and how long it took to come.
fn ended(mut child: Process) -> (Option<i32>, Duration) {
    let began = Instant::now();
    let mut status = None;
    until("the end of the run", || {
        status = child.try_wait().unwrap();
        status.is_some()
    });
    (status.unwrap().code(), began.elapsed())
}

#[track_caller]
fn assert_finished(folder: &Folder, pbx: &Pbx) {
    let rows = folder.rows();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    for row in &rows {
        assert_eq!(
            (row["disposition"].as_str(), row["note"].as_str()),
            ("ANSWERED", "")
        );
    }
    assert_eq!(
        pbx.simulator.dialed().len(),
        3 + 1,
        "none was begun; the probe apart"
    );
}

#[track_caller]
fn assert_hung_up(folder: &Folder, pbx: &Pbx) {
    let rows = folder.rows();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    // Who heard a part of the message is to hear all of it.
    let answered = only(&rows, "101");
    assert_ne!(answered["answered_at"], "");
    assert_ne!(answered["talk_seconds"], "");
    assert_eq!(
        answered["note"],
        "answered, then hung up: the run was stopped"
    );
    for number in ["101", "220", "320"] {
        let row = only(&rows, number);
        assert_eq!(
            (
                row["disposition"].as_str(),
                row["final"].as_str(),
                row["counted"].as_str()
            ),
            ("CANCELLED", "no", "no")
        );
    }
    assert_eq!(
        pbx.simulator.counters().calls,
        0,
        "nobody is left on a line"
    );
    assert_eq!(pbx.simulator.dialed().len(), 3 + 1);
}

/// A command in a session of its own, whose terminal that is.
fn spawn_on(end: &OwnedFd, command: &[String]) -> Process {
    Command::new("setsid")
        .arg("--ctty")
        .args(command)
        .env("TERM", "xterm")
        .stdin(end.try_clone().unwrap())
        .stdout(end.try_clone().unwrap())
        .stderr(end.try_clone().unwrap())
        .start()
}

/// A run on a terminal.
struct OnTerminal {
    child: Process,
    keyboard: File,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl OnTerminal {
    fn run(folder: &Folder) -> Self {
        let (keyboard, end) = terminal::open(40, 120);
        let child = spawn_on(&end, &dialer_run(folder));
        drop(end);
        let shown = Arc::new(Mutex::new(Vec::new()));
        let mut reader = keyboard.try_clone().unwrap();
        let writer = Arc::clone(&shown);
        thread::spawn(move || {
            let mut some = [0; 4096];
            // It ends with the last process that has the other end.
            while let Ok(read @ 1..) = reader.read(&mut some) {
                writer.lock().unwrap().extend_from_slice(&some[..read]);
            }
        });
        Self {
            child,
            keyboard,
            shown,
        }
    }

    fn ctrl_c(&mut self) {
        self.keyboard.write_all(b"\x03").unwrap();
    }

    /// Waits until the screen shows something, whatever was shown and wiped away before.
    #[track_caller]
    fn shows(&self, text: &str) {
        until(text, || {
            let mut parser = vt100::Parser::new(40, 120, 0);
            parser.process(&self.shown.lock().unwrap());
            // A long line is broken where the screen ends.
            let screen = parser.screen().contents().replace('\n', "");
            screen.contains(text)
        });
    }
}

#[test]
fn the_first_ctrl_c_begins_no_call_and_lets_those_finish_whose_number_it_says() {
    let pbx = Pbx::start(50, 3_000);
    let folder = folder(pbx.address, &SIX);
    let mut run = OnTerminal::run(&folder);
    until("three calls", || pbx.simulator.counters().calls == 3);
    run.ctrl_c();
    run.shows(STOPPING);
    run.shows("stopped with 3 contacts left");
    let (code, _) = ended(run.child);
    assert_eq!(code, Some(3));
    assert_finished(&folder, &pbx);
}

#[test]
fn the_second_ctrl_c_hangs_them_up_at_once() {
    let pbx = Pbx::start(50, 60_000);
    let folder = folder(pbx.address, &FOUR);
    let mut run = OnTerminal::run(&folder);
    until("three calls", || pbx.simulator.counters().calls == 3);
    thread::sleep(ANSWERED);
    run.ctrl_c();
    run.shows(STOPPING);
    thread::sleep(APART);
    run.ctrl_c();
    run.shows("stopping now: running calls are hung up");
    let (code, took) = ended(run.child);
    assert_eq!(code, Some(130));
    assert!(took < AT_MOST, "{took:?}");
    assert_hung_up(&folder, &pbx);
}

#[test]
fn a_terminal_that_is_closed_lets_running_calls_finish() {
    let pbx = Pbx::start(50, 3_000);
    let folder = folder(pbx.address, &SIX);
    let (mut keyboard, end) = terminal::open(40, 120);
    // The shell of a person passes the hangup on to what it runs; when it is gone, the system sends another.
    let shell = ["bash", "--norc", "--noprofile", "-i"].map(str::to_owned);
    let shell = spawn_on(&end, &shell);
    drop(end);
    let pid = folder.path("pid");
    let typed = format!(
        "sh -c 'echo $$ >{} && exec \"$@\"' sh {} --progress none\n",
        pid.display(),
        dialer_run(&folder).join(" ")
    );
    keyboard.write_all(typed.as_bytes()).unwrap();
    until("three calls", || pbx.simulator.counters().calls == 3);
    drop(keyboard);
    ended(shell);
    let pid = fs::read_to_string(pid).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    until("the end of the run", || test_kill_process(pid).is_err());
    assert_finished(&folder, &pbx);
    // Such an end is a clean one.
    assert!(!folder.path("campaign.results.csv.journal").exists());
}

#[test]
fn a_run_under_nohup_is_not_stopped_by_a_hangup() {
    let pbx = Pbx::start(50, 500);
    let folder = folder(pbx.address, &SIX);
    let run = Command::new("nohup")
        .args([env!("CARGO_BIN_EXE_dialer"), "run", "-q"])
        .arg(folder.path("campaign.toml"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .start();
    until("a call", || pbx.simulator.counters().calls > 0);
    run.signal(Signal::HUP);
    let (code, _) = ended(run);
    assert_eq!(code, Some(0));
    assert_eq!(folder.rows().len(), 6);
}

/// A run as a supervisor starts one: no terminal, and somebody who reads the log.
struct Supervised {
    child: Process,
    log: BufReader<std::process::ChildStderr>,
}

impl Supervised {
    fn run(folder: &Folder) -> Self {
        let [env, arguments @ ..] = dialer_run(folder);
        let mut child = Command::new(env)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .start();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, log }
    }

    /// Reads the log until it says something.
    #[track_caller]
    fn says(&mut self, text: &str) {
        says(&mut self.log, text);
    }
}

#[test]
fn the_first_signal_of_a_supervisor_lets_running_calls_finish() {
    side_by_side([Signal::TERM, Signal::HUP, Signal::INT], |kind| {
        let pbx = Pbx::start(50, 2_000);
        let folder = folder(pbx.address, &SIX);
        let mut run = Supervised::run(&folder);
        until("three calls", || pbx.simulator.counters().calls == 3);
        run.child.signal(kind);
        run.says(STOPPING);
        run.says("stopped with 3 contacts left: the same command goes on");
        let (code, _) = ended(run.child);
        assert_eq!(code, Some(3), "{kind:?}");
        assert_finished(&folder, &pbx);
    });
}

#[test]
fn a_run_that_is_stopped_while_nobody_is_called_speaks_of_no_calls() {
    let pbx = Pbx::start(50, 500);
    let in_three_days = Zoned::now().with_time_zone(TimeZone::UTC) + 72.hours();
    let hours = format!(
        "[window]\ntimezone = \"UTC\"\n\
         [[window.open]]\ndays = [\"{}\"]\nfrom = \"00:00\"\nto = \"24:00\"\n",
        in_three_days.strftime("%a").to_string().to_lowercase()
    );
    let folder = Folder::new(pbx.address, "", "", &hours, &list(["101"]));
    let mut run = Supervised::run(&folder);
    run.says("; 1 contact is left");
    run.child.signal(Signal::TERM);
    run.says("stopping: no new calls; none is running\n");
    run.says("stopped with 1 contact left: the same command goes on");
    assert_eq!(ended(run.child).0, Some(3));
}

#[test]
fn the_second_signal_of_a_supervisor_hangs_them_up_and_gives_the_exit_code() {
    let signals = [
        (Signal::TERM, Signal::TERM, 143),
        (Signal::HUP, Signal::HUP, 129),
        (Signal::INT, Signal::INT, 130),
        (Signal::TERM, Signal::INT, 130),
    ];
    side_by_side(signals, |(first, second, expected)| {
        let pbx = Pbx::start(50, 60_000);
        let folder = folder(pbx.address, &FOUR);
        let mut run = Supervised::run(&folder);
        until("three calls", || pbx.simulator.counters().calls == 3);
        thread::sleep(ANSWERED);
        run.child.signal(first);
        run.says(STOPPING);
        thread::sleep(APART);
        run.child.signal(second);
        let (code, took) = ended(run.child);
        assert_eq!(code, Some(expected));
        assert!(took < AT_MOST, "{took:?}");
        assert_hung_up(&folder, &pbx);
    });
}

#[test]
fn signals_that_come_together_are_one() {
    let pbx = Pbx::start(50, 2_000);
    let folder = folder(pbx.address, &SIX);
    let run = Supervised::run(&folder);
    until("three calls", || pbx.simulator.counters().calls == 3);
    // So does `timeout`, to the process and to its group.
    run.child.signal(Signal::TERM);
    run.child.signal(Signal::CONT);
    run.child.signal(Signal::INT);
    let (code, _) = ended(run.child);
    assert_eq!(code, Some(3));
    assert_finished(&folder, &pbx);
}

/// A line to the PBX that can go away.
struct Line {
    address: SocketAddr,
    away: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Line {
    fn to(pbx: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let away = Arc::new(AtomicBool::new(false));
        let open = Arc::new(Mutex::new(Vec::new()));
        let (refuse, keep) = (Arc::clone(&away), Arc::clone(&open));
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                if refuse.load(Ordering::Relaxed) {
                    continue;
                }
                let far = TcpStream::connect(pbx).unwrap();
                for (from, to) in [(&near, &far), (&far, &near)] {
                    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
                    thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                }
                keep.lock().unwrap().extend([near, far]);
            }
        });
        Self {
            address,
            away,
            open,
        }
    }

    fn go_away(&self) {
        self.away.store(true, Ordering::Relaxed);
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn a_second_signal_while_the_line_is_away_tells_what_was_seen() {
    let pbx = Pbx::start(50, 60_000);
    let line = Line::to(pbx.address);
    let folder = folder(line.address, &FOUR);
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"5s\"", "\"10m\"")).unwrap();
    let mut run = Supervised::run(&folder);
    until("three calls", || pbx.simulator.counters().calls == 3);
    thread::sleep(ANSWERED);
    line.go_away();
    run.says("no new calls until the connection is back");
    run.child.signal(Signal::TERM);
    run.says(STOPPING);
    thread::sleep(APART);
    run.child.signal(Signal::TERM);
    let (code, took) = ended(run.child);
    assert_eq!(code, Some(143));
    assert!(took < AT_MOST, "{took:?}");
    let rows = folder.rows();
    assert_eq!(rows.len(), 3, "{rows:#?}");
    let answered = only(&rows, "101");
    assert_eq!(answered["disposition"], "ANSWERED", "{answered:#?}");
    assert_ne!(answered["answered_at"], "");
    assert!(answered["note"].contains("did not confirm the hangup"));
    for number in ["220", "320"] {
        let row = only(&rows, number);
        assert_eq!(row["disposition"], "UNKNOWN", "{row:#?}");
        assert!(row["note"].contains("did not confirm the hangup"));
    }
}
