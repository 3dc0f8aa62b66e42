//! Processes that a test starts: none outlives its test, however that ends.

use std::io::BufRead;
use std::ops::{Deref, DerefMut};
use std::process::{Child, Command, Output};

use rustix::process::{Pid, Signal, kill_process};

/// A process that is killed when this is dropped.
pub(crate) struct Process(Option<Child>);

impl Process {
    /// Waits for its end, and takes what it wrote to its pipes.
    pub(crate) fn output(mut self) -> Output {
        self.0.take().unwrap().wait_with_output().unwrap()
    }

    pub(crate) fn kill(self) {}

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(self), signal).unwrap();
    }
}

impl Deref for Process {
    type Target = Child;

    fn deref(&self) -> &Child {
        self.0.as_ref().unwrap()
    }
}

impl DerefMut for Process {
    fn deref_mut(&mut self) -> &mut Child {
        self.0.as_mut().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
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
        Process(Some(self.spawn().unwrap()))
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
