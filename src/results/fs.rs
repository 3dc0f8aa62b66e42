//! What all files of a run have to do with their folders: that a name is durable, that it still is the file that was
//! opened, and where a name leads.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Links in a row that are followed before they are taken for a circle, as Linux does.
const MOST_LINKS: usize = 40;

/// Makes it durable that a file is in its folder, or is there no more.
///
/// # Errors
/// Anything of the file system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder of a file.
pub fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The same path with something behind its name: `storm.csv.lock` for `storm.csv`.
pub fn sibling(path: &Path, what: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(what);
    path.with_file_name(name)
}

/// The file that a name stands for, whether it is there or not: symbolic links to files are followed, so that two names
/// of one file are one.
///
/// # Errors
/// The links lead in a circle, or cannot be read.
pub fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => path = folder(&path).join(fs::read_link(&path)?),
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its symbolic links lead in a circle"))
}

/// Whether two names are of one file, which need not be there.
pub fn is_same(one: &Path, other: &Path) -> bool {
    let full = |path: &Path| {
        let path = resolve(path).unwrap_or_else(|_| path.to_owned());
        let folder = fs::canonicalize(folder(&path)).ok()?;
        Some(folder.join(path.file_name()?))
    };
    match (full(one), full(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// A name and the file that it stood for when it was opened.
#[derive(Debug)]
pub(super) struct Place {
    path: PathBuf,
    file: (u64, u64),
}

impl Place {
    /// The place of a file that was opened by this name.
    pub(super) fn of(path: &Path, file: &File) -> io::Result<Self> {
        Ok(Self {
            path: path.to_owned(),
            file: identity(&file.metadata()?),
        })
    }

    /// Fails where the name stands for the file no more: what is written to it then, nobody finds.
    pub(super) fn check(&self) -> io::Result<()> {
        match fs::metadata(&self.path) {
            Ok(there) if identity(&there) == self.file => Ok(()),
            Ok(_) => Err(io::Error::other("it was replaced by another file")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(io::Error::other("it was moved away or removed"))
            }
            Err(error) => Err(error),
        }
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn two_names_of_one_file_are_one_also_before_it_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("disk")).unwrap();
        symlink("disk/storm.csv", path("link.csv")).unwrap();
        symlink(path("link.csv"), path("again.csv")).unwrap();
        for _ in 0..2 {
            assert_eq!(resolve(&path("again.csv")).unwrap(), path("disk/storm.csv"));
            fs::write(path("disk/storm.csv"), "").unwrap();
        }
        symlink("one", path("other")).unwrap();
        symlink("other", path("one")).unwrap();
        assert!(resolve(&path("one")).is_err());
    }

    #[test]
    fn a_file_that_went_away_or_was_replaced_is_missed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        let file = File::create(&path).unwrap();
        let place = Place::of(&path, &file).unwrap();
        assert!(place.check().is_ok());
        fs::rename(&path, folder.path().join("elsewhere.csv")).unwrap();
        assert!(place.check().is_err());
        fs::write(&path, "").unwrap();
        assert!(place.check().is_err());
        fs::rename(folder.path().join("elsewhere.csv"), &path).unwrap();
        assert!(place.check().is_ok());
    }
}
