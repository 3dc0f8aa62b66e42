//! One run at a time on the same results, and on the same campaign.
//!
//! The lock is the system's (`flock`) on a file beside what it protects, so a killed process never leaves one behind.
//! The file says who holds it; it is removed at the end by its holder.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Zoned;

use super::disk::beside;

/// How often a lock file that its holder removes at the same moment is opened again.
const TRIES: usize = 100;

/// A lock that is held for as long as this lives.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

/// Why a lock is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process holds it.
    #[error("another run holds {}: {holder}", what.display())]
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
        let path = beside(what, ".lock");
        take(&path).map_err(|error| match error {
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

fn take(path: &Path) -> Result<Lock, Taken> {
    for _ in 0..TRIES {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                file.read_to_string(&mut holder)?;
                let holder = holder.trim();
                return Err(Taken::Held(if holder.is_empty() {
                    "it has not said who it is".to_owned()
                } else {
                    holder.to_owned()
                }));
            }
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        // Its holder may have removed it between our opening and our locking: then we hold a file that nobody sees.
        let ours = file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                file.set_len(0)?;
                file.seek(SeekFrom::Start(0))?;
                writeln!(file, "{}", holder())?;
                return Ok(Lock {
                    path: path.to_owned(),
                    _file: file,
                });
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error.into()),
        }
    }
    Err(Taken::Held("its file comes and goes".to_owned()))
}

/// Who we are.
fn holder() -> String {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => "this machine",
        host => host,
    };
    format!(
        "process {} on {host} since {}",
        std::process::id(),
        Zoned::now().strftime("%Y-%m-%d %H:%M:%S")
    )
}

impl Drop for Lock {
    fn drop(&mut self) {
        // While it is still held, so that nobody else's is removed.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
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
}
