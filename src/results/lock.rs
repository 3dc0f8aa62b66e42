//! One run at a time on the same results, and on the same campaign.
//!
//! The lock is the system's (`flock`) on a file beside what it protects, so a killed process never leaves one behind.
//! The file says who holds it; it is removed at the end by its holder. Runs that call parts of one list hold the
//! campaign together, and everybody else out; the last of them removes the file.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use crate::results::fs::sibling;

/// How those begin who hold a lock as parts of a list.
const PARTS: &str = "runs with --shard ";
/// How a run begins that holds a lock alone.
const PROCESS: &str = "process ";
/// How often a lock file that its holder removes at the same moment is opened again.
const TRIES: usize = 100;
/// A lock that is held for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    file: File,
    /// Others may hold it, too.
    shared: bool,
}

/// Why a lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another run holds {}: {holder}; {}", what.display(), advice(what, holder))]
    Held {
        /// What is protected.
        what: PathBuf,
        /// Who holds it, as far as it says.
        holder: String,
    },
    /// The lock file cannot be made.
    #[error("{} cannot be locked: {source}", what.display())]
    Io {
        /// What is protected.
        what: PathBuf,
        /// What happened.
        source: io::Error,
    },
}

impl Lock {
    /// Locks a file that is written, by one beside it: `storm.csv` by `storm.csv.lock`.
    ///
    /// # Errors
    /// Somebody else holds it, or the folder cannot be written.
    pub fn of(what: &Path) -> Result<Self, LockError> {
        Self::told(what, take(&sibling(what, ".lock")))
    }

    /// Locks it together with the other parts of a list that is cut into so many, and with nobody else.
    ///
    /// # Errors
    /// Somebody else holds it: all of the list is called, or parts of another size. Or the folder cannot be written.
    pub fn of_part(what: &Path, of: u32) -> Result<Self, LockError> {
        let parts = format!("{PARTS}I/{of}, each a part of the list");
        Self::told(what, take_part(&sibling(what, ".lock"), &parts))
    }

    fn told(what: &Path, taken: Result<Self, Taken>) -> Result<Self, LockError> {
        taken.map_err(|error| match error {
            Taken::Held(holder) => LockError::Held {
                what: what.to_owned(),
                holder,
            },
            Taken::Io(source) => LockError::Io {
                what: what.to_owned(),
                source,
            },
        })
    }
}

enum Taken {
    Held(String),
    Io(io::Error),
}

impl From<io::Error> for Taken {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Takes a lock alone.
fn take(path: &Path) -> Result<Lock, Taken> {
    for _ in 0..TRIES {
        let file = open(path)?;
        if !is_locked(file.try_lock())? {
            return Err(Taken::Held(read(&file)?));
        }
        if is_there(&file, path)? {
            say(&file, &holder())?;
            return Ok(Lock {
                path: path.to_owned(),
                file,
                shared: false,
            });
        }
    }
    Err(comes_and_goes())
}

/// Takes a lock with all who hold it as the same `parts`.
fn take_part(path: &Path, parts: &str) -> Result<Lock, Taken> {
    let _one_by_one = one_by_one(path)?;
    for _ in 0..TRIES {
        let file = open(path)?;
        // Whoever is the first says who holds it. What the file says does not change as long as anybody does.
        if is_locked(file.try_lock())? {
            if !is_there(&file, path)? {
                continue;
            }
            say(&file, parts)?;
            file.unlock()?;
        }
        let joined = is_locked(file.try_lock_shared())?;
        let held_by = read(&file)?;
        if !joined {
            return Err(Taken::Held(held_by));
        }
        if !is_there(&file, path)? {
            continue;
        }
        if held_by == parts {
            return Ok(Lock {
                path: path.to_owned(),
                file,
                shared: true,
            });
        }
        if held_by.starts_with(PARTS) {
            return Err(Taken::Held(held_by));
        }
        // A run that held it alone has ended at this moment.
    }
    Err(comes_and_goes())
}

fn comes_and_goes() -> Taken {
    Taken::Held("its file comes and goes".to_owned())
}

fn open(path: &Path) -> io::Result<File> {
    File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
}

/// The parts of a list join and leave their lock one by one: each waits here for those before it, which takes them a
/// moment.
fn one_by_one(path: &Path) -> io::Result<File> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder)?;
    folder.lock()?;
    Ok(folder)
}

fn is_locked(tried: Result<(), TryLockError>) -> io::Result<bool> {
    match tried {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether a file is still the one of this name. Its holder may have removed it between our opening and our locking:
/// then we hold a file that nobody sees.
fn is_there(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Writes down who holds a lock.
fn say(mut file: &File, holder: &str) -> io::Result<()> {
    file.set_len(0)?;
    file.seek(SeekFrom::Start(0))?;
    writeln!(file, "{holder}")
}

/// Who holds a lock.
fn read(mut file: &File) -> io::Result<String> {
    let mut holder = String::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_string(&mut holder)?;
    Ok(match holder.trim() {
        "" => "it has not said who it is".to_owned(),
        holder => holder.to_owned(),
    })
}

/// Who we are.
fn holder() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "this machine",
        host => host,
    };
    format!(
        "{PROCESS}{} on {host} since {}",
        std::process::id(),
        Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
    )
}

/// What there is to do about whoever holds it.
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
        // While it is still held, so that nobody else's is removed; and where others hold it, too, the last one does it.
        let one_by_one = self.shared.then(|| one_by_one(&self.path));
        let is_ours = match &one_by_one {
            None => true,
            Some(Err(_)) => false,
            Some(Ok(_)) => {
                self.file.unlock().is_ok()
                    && self.file.try_lock().is_ok()
                    && is_there(&self.file, &self.path).is_ok_and(|there| there)
            }
        };
        if is_ours {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

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
}
