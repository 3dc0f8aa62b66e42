//! Processes that a test starts: none outlives its test, however that ends.

use std::io::BufRead;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Output};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

/// No process of a test takes nearly as long.
const PATIENCE: Duration = Duration::from_secs(300);

/// A process that is killed when this is dropped, or when it hangs.
pub(crate) struct Process {
    child: Option<Child>,
    _watched: Sender<()>,
}

impl Process {
    /// Waits for its end, and takes what it wrote to its pipes.
    pub(crate) fn output(mut self) -> Output {
        self.child.take().unwrap().wait_with_output().unwrap()
    }

    pub(crate) fn kill(self) {
        drop(self);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self), signal).unwrap();
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.child.as_ref().unwrap()
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        self.child.as_mut().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Starts a command.
pub(crate) trait Start {
    fn start(&mut self) -> Process;
}

impl Start for Command {
    fn start(&mut self) -> Process {
        let child = self.spawn().unwrap();
        let pid = Pid::from_child(&child);
        let (watched, dropped) = mpsc::channel();
        thread::spawn(move || {
            if dropped.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let _ = kill_process(pid, Signal::KILL);
            }
        });
        Process {
            child: Some(child),
            _watched: watched,
        }
    }
}

/// Reads on until a line says this; that line.
#[track_caller]
pub(crate) fn says(log: &mut impl BufRead, what: &str) -> String {
    let mut said = Vec::new();
    loop {
        let mut line = String::new();
        let read = log.read_line(&mut line).unwrap();
        assert!(read > 0, "no {what:?} in {said:#?}");
        if line.contains(what) {
            return line;
        }
        said.push(line);
    }
}
