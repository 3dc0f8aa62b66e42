//! Adding to a file of suppressed numbers, which other runs and people add to as well.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::results::fs::{is_named, sync_folder};

/// How often a file that somebody replaces at the same moment is opened again.
const TRIES: usize = 100;

/// Adds numbers to the end of a file, one a line, and comes back when they are on the disk.
///
/// Safe beside other runs that do the same: the file is locked meanwhile. It is made if it is not there. A last line
/// that somebody left without an end gets one first.
///
/// # Errors
/// The file cannot be opened, locked or written; or a number holds a line break, and nothing was written.
pub fn opt_out(file: &Path, numbers: &[&str]) -> io::Result<()> {
    if numbers.iter().any(|number| number.contains(['\r', '\n'])) {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "a number holds a line break",
        ));
    }
    for _ in 0..TRIES {
        let mut opened = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(file)?;
        opened.lock()?;
        // An editor may have put another in its place before we had the lock: ours would be seen by nobody.
        if !is_named(file, &opened)? {
            continue;
        }
        let length = opened.metadata()?.len();
        let mut lines = numbers.join("\n") + "\n";
        if let Some(last) = length.checked_sub(1) {
            let mut byte = [0];
            opened.read_exact_at(&mut byte, last)?;
            if byte != *b"\n" {
                lines.insert(0, '\n');
            }
        }
        opened.write_all(lines.as_bytes())?;
        opened.sync_all()?;
        // Whoever writes first to a new file, not who made it: the others write after that.
        if length == 0 {
            sync_folder(file)?;
        }
        return Ok(());
    }
    Err(io::Error::other("it is replaced again and again"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::thread;

    #[test]
    fn a_last_line_without_an_end_is_not_run_into() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnc.txt");
        opt_out(&file, &["100", "101"]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "100\n101\n");
        fs::write(&file, "100\r\n101").unwrap();
        opt_out(&file, &["102"]).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "100\r\n101\n102\n");
    }

    #[test]
    fn what_would_be_two_lines_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnc.txt");
        for number in ["100\n200", "100\r"] {
            let error = opt_out(&file, &["1", number]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
        }
        assert!(!file.exists());
    }

    #[test]
    fn runs_that_add_at_the_same_time_lose_nothing_and_tear_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnc.txt");
        // Without an end, which exactly one of them must add.
        fs::write(&file, "099").unwrap();
        thread::scope(|scope| {
            for run in 0..8 {
                let file = &file;
                scope.spawn(move || {
                    for call in 0..25 {
                        let [one, other] = [0, 1].map(|n| format!("{run}{call:02}{n}"));
                        opt_out(file, &[&one, &other]).unwrap();
                    }
                });
            }
        });
        let text = fs::read_to_string(&file).unwrap();
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        let mut all = vec!["099".to_owned()];
        all.extend((0..8).flat_map(|run| {
            (0..25).flat_map(move |call| (0..2).map(move |n| format!("{run}{call:02}{n}")))
        }));
        all.sort();
        assert_eq!(lines, all);
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_file_that_was_replaced_while_its_lock_was_waited_for_gets_the_number() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnc.txt");
        fs::write(&file, "1\n").unwrap();
        let held = File::open(&file).unwrap();
        held.lock().unwrap();
        thread::scope(|scope| {
            let adding = scope.spawn(|| opt_out(&file, &["2"]));
            // Once both have it open, it waits for the lock, or is about to.
            let opened = || {
                let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
                open.filter(|fd| fs::read_link(fd.path()).is_ok_and(|target| target == file))
                    .count()
            };
            while opened() < 2 {
                thread::yield_now();
            }
            fs::write(folder.path().join("new"), "3\n").unwrap();
            fs::rename(folder.path().join("new"), &file).unwrap();
            drop(held);
            adding.join().unwrap().unwrap();
        });
        assert_eq!(fs::read_to_string(&file).unwrap(), "3\n2\n");
    }
}
