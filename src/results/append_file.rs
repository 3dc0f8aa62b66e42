//! A file of whole rows: what a failed write left of one is cut off again before anything else is written.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::Path;

use crate::results::fs::{Place, sync_folder};

/// A file that holds whole rows only, and is still what its name stands for.
#[derive(Debug)]
pub struct AppendFile {
    file: File,
    place: Place,
    /// How long it is as far as its rows are whole.
    length: u64,
    /// It may be longer than that.
    torn: bool,
}

impl AppendFile {
    /// Begins results with their header, durable with their folder's entry. A file that is there must be empty.
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] where there are results already; anything else of the file system.
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

    /// Begins a file anew that nobody will miss after a crash: a rehearsal's results.
    ///
    /// # Errors
    /// Anything of the file system.
    pub fn recreate(path: &Path, header: &[u8]) -> io::Result<Self> {
        File::create(path)?;
        let mut file = File::options().append(true).open(path)?;
        file.write_all(header)?;
        Self::of(file, path)
    }

    /// Opens results that are continued.
    ///
    /// # Errors
    /// Anything of the file system.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(File::options().append(true).open(path)?, path)
    }

    fn of(file: File, path: &Path) -> io::Result<Self> {
        Ok(Self {
            place: Place::of(path, &file)?,
            length: file.metadata()?.len(),
            file,
            torn: false,
        })
    }

    /// Appends rows: all of them, or none.
    pub(super) fn append(&mut self, rows: &[u8], sync: bool) -> io::Result<()> {
        self.mend()?;
        // Rows whose sync failed may be lost by a crash, so they are taken back, and written once more later. So are
        // those that went into a file which nobody finds any more.
        self.torn = true;
        let written = self
            .file
            .write_all(rows)
            .and_then(|()| if sync { self.file.sync_data() } else { Ok(()) })
            .and_then(|()| self.place.check());
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
            // What somebody else appended is not ours to cut off.
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
}
