//! Files and their names: the folder of a path, siblings, durable names, and whether a name still leads to an open file.

use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Links that are followed one after another before they count as a loop, as in Linux.
const MOST_LINKS: usize = 40;

/// Makes it durable that a file was created in its folder, or removed from it.
pub(crate) fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(folder(path))?.sync_all()
}

/// The folder of a file: `.` where the path names none.
pub(crate) fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// The same path with a suffix: `storm.csv.lock` for `storm.csv`.
pub(crate) fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

/// Follows symbolic links, also where the file does not exist yet, so that two names of one file are one.
pub(crate) fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::symlink_metadata(&path) {
            Ok(there) if there.is_symlink() => path = folder(&path).join(fs::read_link(&path)?),
            Ok(_) => return Ok(path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::other("its symbolic links form a loop"))
}

/// Whether two names are of one file, which need not exist.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
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

/// Which file it is, whatever its name.
pub(crate) fn device_and_inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The name of an open file leads to it no more: what is written to it is lost.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct LostFile(&'static str);

/// Checks that a path still leads to an open file.
///
/// # Errors
/// A [`LostFile`] where it does not.
pub(crate) fn check_name(path: &Path, file: &File) -> io::Result<()> {
    let lost = match fs::metadata(path) {
        Ok(there) if device_and_inode(&there) == device_and_inode(&file.metadata()?) => {
            return Ok(());
        }
        Ok(_) => LostFile("it was replaced by another file"),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            LostFile("it was moved away or removed")
        }
        Err(error) => return Err(error),
    };
    Err(io::Error::other(lost))
}

/// Whether a path still leads to an open file.
pub(crate) fn is_named(path: &Path, file: &File) -> io::Result<bool> {
    match check_name(path, file) {
        Ok(()) => Ok(true),
        Err(error) if is_lost(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

pub(super) fn is_lost(error: &io::Error) -> bool {
    matches!(error.get_ref(), Some(inner) if inner.is::<LostFile>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn two_names_of_one_file_are_one_also_before_it_exists() {
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
    fn a_name_that_was_moved_or_replaced_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        let file = File::create(&path).unwrap();
        assert!(is_named(&path, &file).unwrap());
        fs::rename(&path, folder.path().join("elsewhere.csv")).unwrap();
        assert!(!is_named(&path, &file).unwrap());
        fs::write(&path, "").unwrap();
        assert!(!is_named(&path, &file).unwrap());
        fs::rename(folder.path().join("elsewhere.csv"), &path).unwrap();
        assert!(is_named(&path, &file).unwrap());
    }
}
