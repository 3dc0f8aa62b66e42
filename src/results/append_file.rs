//! A file of whole rows: what a failed write left of one is cut off again before anything else is written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use crate::results::fs::{check_name, sync_folder};

/// A file that holds whole rows only, as long as its name leads to it.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    path: PathBuf,
    /// Bytes of whole rows.
    length: u64,
    /// It may be longer than that.
    torn: bool,
}

impl AppendFile {
    /// Creates results with their header, durably.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there is a file that is not empty; anything else of the file system.
    pub fn create(path: &Path, header: &[u8]) -> io::Result<Self> {
        let mut file = File::options().append(true).create(true).open(path)?;
        if file.metadata()?.len() > 0 {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        file.write_all(header)?;
        file.sync_all()?;
        sync_folder(path)?;
        Self::of(file, path)
    }

    /// Creates or overwrites a file that need not survive a crash: a rehearsal's results.
    pub fn recreate(path: &Path, header: &[u8]) -> io::Result<Self> {
        File::create(path)?;
        let mut file = File::options().append(true).open(path)?;
        file.write_all(header)?;
        Self::of(file, path)
    }

    /// Opens results that are continued.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(File::options().append(true).open(path)?, path)
    }

    fn of(file: File, path: &Path) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            length: file.metadata()?.len(),
            file,
            torn: false,
        })
    }

    /// Appends rows: all of them, or none.
    pub(super) fn append(&mut self, rows: &[u8], sync: bool) -> io::Result<()> {
        self.mend()?;
        // Rows whose sync failed, or that went into a file which has lost its name, are taken back and written again later.
        self.torn = true;
        let written = self
            .file
            .write_all(rows)
            .and_then(|()| if sync { self.file.sync_data() } else { Ok(()) })
            .and_then(|()| check_name(&self.path, &self.file));
        if let Err(error) = written {
            // If this fails, too, it is tried again before the next write.
            let _ = self.mend();
            return Err(error);
        }
        self.length += rows.len() as u64;
        self.torn = false;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.length {
            return Err(io::Error::other("another program has cut rows off it"));
        }
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        } else {
            // What another program appended is not ours to cut off.
            self.length = length;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn results_that_exist_are_never_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        fs::write(&path, "kept").unwrap();
        let error = AppendFile::create(&path, b"n\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "kept");
    }

    #[test]
    fn a_row_is_not_written_where_nobody_finds_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let aside = folder.path().join("aside.csv");
        let mut results = AppendFile::create(&path, b"n\n").unwrap();
        results.append(b"1\n", true).unwrap();
        fs::rename(&path, &aside).unwrap();
        assert!(results.append(b"2\n", true).is_err());
        assert_eq!(fs::read_to_string(&aside).unwrap(), "n\n1\n");
        fs::rename(&aside, &path).unwrap();
        results.append(b"2\n", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "n\n1\n2\n");
    }

    #[test]
    fn what_another_program_did_to_the_file_is_not_made_worse() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let mut results = AppendFile::create(&path, b"n\n").unwrap();
        let mut other = File::options().append(true).open(&path).unwrap();
        other.write_all(b"theirs\n").unwrap();
        results.append(b"1\n", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "n\ntheirs\n1\n");
        other.set_len(2).unwrap();
        let error = results.append(b"2\n", true).unwrap_err().to_string();
        assert!(error.contains("cut rows off"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "n\n");
    }

    #[test]
    fn rows_that_cannot_be_synced_are_not_written() {
        // It takes every write and refuses every sync.
        let null = || AppendFile::open(Path::new("/dev/null")).unwrap();
        assert!(null().append(b"1\n", true).is_err());
        assert!(null().append(b"1\n", false).is_ok());
    }
}
