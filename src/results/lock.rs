//! One run at a time on the same results, and on the same campaign.
//!
//! The lock is the system's (`flock`) on a file beside what it protects, so a killed process never leaves one behind.
//! The file says who holds it; its holder removes it at the end. Runs that call parts of one list share the lock of the
//! campaign and keep every other run out; the last of them removes the file.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use jiff::Zoned;

use crate::results::fs::{is_named, sibling};

/// How the text of a lock begins that parts of a list share.
const PARTS: &str = "runs with --shard ";
/// How the text of a lock begins that one run holds alone.
const PROCESS: &str = "process ";
/// How often a lock file that its holder removes at the same moment is opened again.
const TRIES: usize = 100;
/// How long a part waits for its turn to join or to leave the shared lock. A turn takes a few system calls.
const TURN: Duration = Duration::from_secs(3);
/// How long it waits before it tries again.
const PAUSE: Duration = Duration::from_millis(5);

/// A lock that is held for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    shared: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("another run holds {}: {holder}; {}", what.display(), advice(what, holder))]
    Held { what: PathBuf, holder: String },
    #[error("{} cannot be locked", lock.display())]
    Io { lock: PathBuf, source: io::Error },
}

impl Lock {
    /// Locks a file, by one beside it: `storm.csv` by `storm.csv.lock`.
    pub fn of(what: &Path) -> Result<Self, LockError> {
        let lock = sibling(what, ".lock");
        take(&lock).map_err(|error| LockError::new(what, lock, error))
    }

    /// Locks it together with the other parts of a list that is cut into so many, and with no other run.
    pub fn of_part(what: &Path, parts: u32) -> Result<Self, LockError> {
        let lock = sibling(what, ".lock");
        let text = format!("{PARTS}I/{parts}, each a part of the list");
        take_part(&lock, &text, TURN).map_err(|error| LockError::new(what, lock, error))
    }
}

impl LockError {
    fn new(what: &Path, lock: PathBuf, source: io::Error) -> Self {
        match source.kind() {
            ErrorKind::WouldBlock => Self::Held {
                what: what.to_owned(),
                holder: source.to_string(),
            },
            _ => Self::Io { lock, source },
        }
    }
}

/// The error of a lock that another process holds.
fn held(holder: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::WouldBlock, holder.into())
}

const CHANGES_HANDS: &str = "its file is created and removed all the time";

/// Takes a lock alone.
///
/// # Errors
/// [`ErrorKind::WouldBlock`] where another process holds it: the text says which; anything else of the file system.
fn take(path: &Path) -> io::Result<Lock> {
    for _ in 0..TRIES {
        if let Some(lock) = take_opened(open(path)?, path)? {
            return Ok(lock);
        }
    }
    Err(held(CHANGES_HANDS))
}

/// Takes a lock whose file is open; `None` where its holder removed the file meanwhile, which then protects nothing.
fn take_opened(file: File, path: &Path) -> io::Result<Option<Lock>> {
    if !is_locked(file.try_lock())? {
        return Err(held(read_holder(&file)?));
    }
    if !is_named(path, &file)? {
        return Ok(None);
    }
    write_holder(&file, &this_process())?;
    Ok(Some(Lock {
        path: path.to_owned(),
        file,
        shared: false,
    }))
}

/// Takes a lock together with all who hold it with the same text. Errors are those of [`take`].
fn take_part(path: &Path, parts: &str, wait: Duration) -> io::Result<Lock> {
    let _turn = take_turn(path, wait)?;
    for _ in 0..TRIES {
        let file = open(path)?;
        // The first part writes the text, which stays as long as any part holds the lock.
        if is_locked(file.try_lock())? {
            if !is_named(path, &file)? {
                continue;
            }
            write_holder(&file, parts)?;
            file.unlock()?;
        }
        let joined = is_locked(file.try_lock_shared())?;
        let holder = read_holder(&file)?;
        if joined && !is_named(path, &file)? {
            continue;
        }
        if joined && holder == parts {
            return Ok(Lock {
                path: path.to_owned(),
                file,
                shared: true,
            });
        }
        if !joined || holder.starts_with(PARTS) {
            return Err(held(holder));
        }
        // A run that held it alone has ended at this moment.
    }
    Err(held(CHANGES_HANDS))
}

/// Parts join and leave their lock one at a time. That takes a lock of our own, and a bounded wait: other programs lock
/// the folder itself for as long as they like (`flock . dialer run …`).
fn take_turn(path: &Path, wait: Duration) -> io::Result<Lock> {
    let mutex = sibling(path, ".mutex");
    let give_up = Instant::now() + wait;
    loop {
        match take(&mutex) {
            Err(error) if error.kind() == ErrorKind::WouldBlock && Instant::now() < give_up => {
                thread::sleep(PAUSE);
            }
            taken => return taken,
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

fn is_locked(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn write_holder(mut file: &File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{holder}")
}

fn read_holder(mut file: &File) -> io::Result<String> {
    let mut holder = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut holder)?;
    Ok(match holder.trim() {
        "" => "a process that has not written its id yet".to_owned(),
        holder => holder.to_owned(),
    })
}

fn this_process() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname");
    format!(
        "{PROCESS}{} on {} since {}",
        std::process::id(),
        host.as_deref().map_or("this machine", str::trim),
        Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
    )
}

/// What to do about the holder of a lock.
fn advice(what: &Path, holder: &str) -> String {
    let process = holder
        .strip_prefix(PROCESS)
        .and_then(|rest| rest.split(' ').next());
    match process {
        Some(process) => format!("wait, or stop it: kill {process} (running calls finish)"),
        None if holder.starts_with(PARTS) => format!(
            "wait, or stop them (running calls finish); their processes are in {}",
            sibling(what, ".*-of-*.lock").display()
        ),
        None => "wait, and run it again".to_owned(),
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file is removed while it is locked, so that it is never another run's; of parts, by the last one. A file
        // that stays, because the turn did not come, keeps nobody out.
        let turn = self.shared.then(|| take_turn(&self.path, TURN));
        let is_last = || {
            self.file.unlock().is_ok()
                && self.file.try_lock().is_ok()
                && is_named(&self.path, &self.file).is_ok_and(|same| same)
        };
        if turn.as_ref().is_none_or(|turn| turn.is_ok() && is_last()) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_second_run_is_told_who_holds_the_results() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("storm.csv");
        let first = Lock::of(&results).unwrap();
        let told = Lock::of(&results).unwrap_err().to_string();
        assert!(told.contains("another run holds"), "{told}");
        assert!(
            told.contains(&format!("process {} on ", std::process::id())),
            "{told}"
        );
        let what_to_do = format!(
            "; wait, or stop it: kill {} (running calls finish)",
            std::process::id()
        );
        assert!(told.ends_with(&what_to_do), "{told}");
        drop(first);
        assert!(!folder.path().join("storm.csv.lock").exists());
        assert!(Lock::of(&results).is_ok());
    }

    #[test]
    fn a_file_that_a_killed_run_left_does_not_block() {
        let folder = tempfile::tempdir().unwrap();
        let results = folder.path().join("storm.csv");
        fs::write(
            folder.path().join("storm.csv.lock"),
            "process 1 on elsewhere\n",
        )
        .unwrap();
        assert!(Lock::of(&results).is_ok());
    }

    #[test]
    fn parts_of_one_list_hold_it_together_and_nobody_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let campaign = folder.path().join("storm.toml");
        let first = Lock::of_part(&campaign, 2).unwrap();
        let second = Lock::of_part(&campaign, 2).unwrap();
        let refused = |taken: Result<Lock, LockError>| taken.unwrap_err().to_string();
        for told in [
            refused(Lock::of(&campaign)),
            refused(Lock::of_part(&campaign, 3)),
        ] {
            assert!(told.contains("runs with --shard I/2"), "{told}");
            assert!(told.ends_with("storm.toml.*-of-*.lock"), "{told}");
        }
        drop(first);
        assert!(Lock::of(&campaign).is_err(), "one part is left");
        drop(second);
        assert!(!folder.path().join("storm.toml.lock").exists());

        let whole = Lock::of(&campaign).unwrap();
        let told = refused(Lock::of_part(&campaign, 2));
        assert!(
            told.contains(&format!("process {} on ", std::process::id())),
            "{told}"
        );
        drop(whole);
        assert!(Lock::of_part(&campaign, 3).is_ok());
    }

    #[test]
    fn parts_that_begin_and_end_at_the_same_moment_do_not_hold_each_other_up() {
        let folder = tempfile::tempdir().unwrap();
        let campaign = folder.path().join("storm.toml");
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        Lock::of_part(&campaign, 8).unwrap();
                    }
                });
            }
        });
        assert!(!folder.path().join("storm.toml.lock").exists());
    }

    #[test]
    fn a_removed_file_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv.lock");
        let opened = open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(take_opened(opened, &path).unwrap().is_none());
        let opened = open(&path).unwrap();
        assert!(take_opened(opened, &path).unwrap().is_some());
    }

    #[test]
    fn parts_do_not_wait_for_a_program_that_holds_their_folder() {
        let folder = tempfile::tempdir().unwrap();
        let held = File::open(folder.path()).unwrap();
        held.lock().unwrap();
        let campaign = folder.path().join("storm.toml");
        let (done, ended) = mpsc::channel();
        thread::spawn(move || {
            drop(Lock::of_part(&campaign, 2).unwrap());
            done.send(()).unwrap();
        });
        let patience = Duration::from_secs(30);
        ended.recv_timeout(patience).expect("joined and left");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_part_whose_turn_does_not_come_says_who_is_in_the_way() {
        let folder = tempfile::tempdir().unwrap();
        let lock = folder.path().join("storm.toml.lock");
        let _stuck = take(&sibling(&lock, ".mutex")).unwrap();
        let error = take_part(&lock, PARTS, Duration::ZERO).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(error.to_string().starts_with(PROCESS), "{error}");
    }
}
