//! Where a status file goes: over an older one and nothing else, since a typing error must not cost a list or results.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::results::fs::{folder, is_same, resolve};

/// What a status file begins with, in each form.
pub(super) const BEGINNINGS: [&str; 2] = ["{\"dialer\":\"", "# HELP dialer_"];
/// Whoever may read files of this process may read it: a node exporter is another user.
const MODE: u32 = 0o666;

/// Why a status file is not written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It is no file.
    #[error("{} is no file: name one with --status", .0.display())]
    NoFile(PathBuf),
    /// There is no folder for it.
    #[error("--status {}: there is no folder {}", .0.display(), folder(.0).display())]
    NoFolder(PathBuf),
    /// Something else is there.
    #[error("{} is there and is no status file: it is not overwritten, name another file with --status", .0.display())]
    NotOurs(PathBuf),
    /// Something else of this run will be there.
    #[error("--status {} is {what}: name another file", path.display())]
    Taken {
        /// As it was named.
        path: PathBuf,
        /// What will be there.
        what: String,
    },
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusForm {
    /// One object.
    Json,
    /// Prometheus' text format.
    Prometheus,
}

/// A file that may be replaced.
#[derive(Debug)]
pub(super) struct StatusTarget {
    real: PathBuf,
    pub(super) form: StatusForm,
}

impl StatusTarget {
    /// Looks what is there. A link is followed once and for all.
    pub(super) fn choose(path: &Path, taken: &[(PathBuf, String)]) -> Result<Self, Refused> {
        let no_file = || Refused::NoFile(path.to_owned());
        if path == Path::new("-") || path.file_name().is_none() {
            return Err(no_file());
        }
        // What cannot be resolved now may be resolvable when it is written.
        let real = resolve(path).unwrap_or_else(|_| path.to_owned());
        let same = |(other, _): &&(PathBuf, String)| is_same(&real, other);
        if let Some((_, what)) = taken.iter().find(same) {
            return Err(Refused::Taken {
                path: path.to_owned(),
                what: what.clone(),
            });
        }
        let no_folder = match fs::metadata(folder(&real)) {
            Ok(there) => !there.is_dir(),
            Err(error) => error.kind() == io::ErrorKind::NotFound,
        };
        if no_folder {
            return Err(Refused::NoFolder(path.to_owned()));
        }
        match fs::metadata(&real) {
            Ok(there) if !there.is_file() => return Err(no_file()),
            Ok(there) if there.len() > 0 && !is_ours(&real) => {
                return Err(Refused::NotOurs(path.to_owned()));
            }
            _ => {}
        }
        let form = match path.extension() {
            Some(extension) if extension == "prom" => StatusForm::Prometheus,
            _ => StatusForm::Json,
        };
        Ok(Self { real, form })
    }

    /// Puts a text in the place of the file. Whoever reads it has the old one or the new one, and never a part.
    pub(super) fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut name = std::ffi::OsString::from(".");
        name.push(self.real.file_name().unwrap_or_default());
        name.push(".");
        let mut new = tempfile::Builder::new()
            .prefix(&name)
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder(&self.real))
            .map_err(|error| plain(&error))?;
        new.write_all(text)?;
        new.persist(&self.real)?;
        Ok(())
    }
}

/// The error without the name of the temporary file, which means nothing to the operator.
fn plain(error: &io::Error) -> io::Error {
    let told = error.to_string();
    let what = told
        .split_once(" at path ")
        .map_or(&*told, |(what, _)| what);
    io::Error::new(error.kind(), what)
}

fn is_ours(path: &Path) -> bool {
    let longest = BEGINNINGS.map(str::len).into_iter().max().unwrap_or(0);
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(longest as u64).read_to_end(&mut begin));
    read.is_ok()
        && BEGINNINGS
            .iter()
            .any(|ours| begin.starts_with(ours.as_bytes()))
}
