//! What the figures were taken on.

use std::fmt;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use serde::Serialize;

/// The machine, and how busy it was with other things.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    /// What one write with a sync takes in the folder for temporary files, in microseconds; the median.
    sync_microseconds: u128,
    /// Processes that wanted to run in the last minute, before anything was measured.
    load: String,
}

impl Machine {
    pub(crate) fn look() -> Self {
        let memory = field("/proc/meminfo", "MemTotal").unwrap_or_default();
        let kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or(0);
        let first_word = |path| {
            let text = fs::read_to_string(path).unwrap_or_default();
            text.split_whitespace().next().unwrap_or("?").to_owned()
        };
        Self {
            processor: field("/proc/cpuinfo", "model name").unwrap_or_else(|| "?".to_owned()),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gib: (kib + (1 << 19)) >> 20,
            kernel: first_word("/proc/sys/kernel/osrelease"),
            sync_microseconds: sync_time().unwrap_or_default().as_micros(),
            load: first_word("/proc/loadavg"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            processor,
            cores,
            memory_gib,
            kernel,
            sync_microseconds,
            load,
        } = self;
        write!(
            f,
            "{processor}, {cores} cores, {memory_gib} GiB, Linux {kernel}; a synced write takes {sync_microseconds} µs; load {load}"
        )
    }
}

/// The value of the first line with that key.
fn field(path: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

/// Whether a sync to the folder for temporary files does something. In memory it does not, and measures nothing.
pub(crate) fn syncs() -> bool {
    const TMPFS: u64 = 0x0102_1994;
    let file_system = rustix::fs::statfs(std::env::temp_dir());
    file_system.is_ok_and(|found| u64::try_from(found.f_type).ok() != Some(TMPFS))
}

fn sync_time() -> std::io::Result<Duration> {
    let file: File = tempfile::tempfile()?;
    let mut times = Vec::new();
    for place in 0..51 {
        let began = Instant::now();
        file.write_all_at(&[b'x'; 256], place * 256)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    times.sort();
    Ok(times[times.len() / 2])
}
