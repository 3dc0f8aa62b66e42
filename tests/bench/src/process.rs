//! The dialer as a process: started, watched, and what it took.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};

/// Ticks of the clock that the system counts processor time in; Linux has had a hundred a second for ever.
const TICKS: f64 = 100.0;

/// How often the memory of a process is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    /// Processor time in seconds.
    pub(crate) cpu: f64,
    /// Peak memory in mebibytes, as far as it was seen.
    pub(crate) peak: f64,
}

/// Builds the product as it is released, and tells where it is.
pub(crate) fn dialer() -> anyhow::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--release",
            "--locked",
            "--quiet",
            "--bin",
            "dialer",
            "--target-dir",
            "target",
        ])
        .current_dir(&root)
        .status()?;
    ensure!(built.success(), "the dialer cannot be built");
    Ok(root.join("target/release/dialer").canonicalize()?)
}

/// A process that ends when this does.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    began: Instant,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> anyhow::Result<Self> {
        let began = Instant::now();
        let child = command.stdin(Stdio::null()).spawn()?;
        Ok(Self { child, began })
    }

    /// Processor time so far, in seconds.
    pub(crate) fn cpu(&self) -> anyhow::Result<f64> {
        cpu(self.child.id())
    }

    /// Waits for its end, which must be a good one.
    pub(crate) fn end(mut self) -> anyhow::Result<Took> {
        let id = self.child.id();
        let (over, is_over) = mpsc::channel::<()>();
        // Looked at seldom: looking takes processor time, too.
        let looking = thread::spawn(move || {
            let mut peak = 0.0_f64;
            while is_over.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                peak = peak.max(memory(id).unwrap_or(0.0));
            }
            peak
        });
        // Whoever has ended and was not waited for still tells its time.
        let child = Pid::from_child(&self.child);
        waitid(
            WaitId::Pid(child),
            WaitIdOptions::EXITED | WaitIdOptions::NOWAIT,
        )?;
        let wall = self.began.elapsed();
        drop(over);
        let took = Took {
            wall,
            cpu: self.cpu()?,
            peak: looking.join().unwrap_or_default(),
        };
        let status = self.child.wait()?;
        ensure!(status.success(), "it ended with {status}");
        Ok(took)
    }

    /// Peak memory so far, in mebibytes.
    pub(crate) fn peak(&self) -> anyhow::Result<f64> {
        memory(self.child.id()).context("its memory cannot be seen")
    }

    pub(crate) fn since(&self, moment: Instant) -> Duration {
        moment - self.began
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The fields of `/proc/PID/stat` behind the name.
fn stat(process: u32) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))?;
    let (_, fields) = text.rsplit_once(") ").context("a stat without a name")?;
    Ok(fields.split(' ').map(str::to_owned).collect())
}

/// Processor time of a process so far, in seconds.
pub(crate) fn cpu(process: u32) -> anyhow::Result<f64> {
    let fields = stat(process)?;
    Ok((fields[11].parse::<f64>()? + fields[12].parse::<f64>()?) / TICKS)
}

fn memory(process: u32) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let peak = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = peak.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib / 1024.0)
}
