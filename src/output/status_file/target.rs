//! Where a status file goes: over an older one and over no other file, since a typing error must not cost a list or results.

use std::fs::{self, File, Permissions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{anyhow, bail, ensure};

use crate::results::fs::{folder, is_same, resolve};

/// How a status file begins, in each format.
const BEGINNINGS: [&[u8]; 2] = [b"{\"dialer\":\"", b"# HELP dialer_"];
/// Other users may read it, as a node exporter does.
const MODE: u32 = 0o666;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StatusFormat {
    Json,
    Prometheus,
}

/// A path whose file may be replaced.
#[derive(Debug)]
pub(super) struct StatusTarget {
    /// Without links, which are followed once and for all.
    real: PathBuf,
    pub(super) format: StatusFormat,
}

impl StatusTarget {
    /// Looks what is there.
    ///
    /// # Errors
    /// A sentence for the operator.
    pub(super) fn choose(path: &Path, taken: &[(PathBuf, &'static str)]) -> anyhow::Result<Self> {
        let name = path.display();
        let is_no_file = || anyhow!("{name} is no file: name one with --status");
        ensure!(
            path != Path::new("-") && path.file_name().is_some(),
            is_no_file()
        );
        // An error may have passed by the first write; if not, that reports it.
        let real = resolve(path).unwrap_or_else(|_| path.to_owned());
        if let Some((_, what)) = taken.iter().find(|(other, _)| is_same(&real, other)) {
            bail!("--status {name} is {what}: name another file");
        }
        let has_folder = fs::metadata(folder(&real)).map_or_else(
            |error| error.kind() != io::ErrorKind::NotFound,
            |there| there.is_dir(),
        );
        ensure!(
            has_folder,
            "--status {name}: there is no folder {}",
            folder(path).display()
        );
        if let Ok(there) = fs::metadata(&real) {
            ensure!(there.is_file(), is_no_file());
            ensure!(
                there.len() == 0 || is_status_file(&real),
                "{name} is there and is no status file: it is not overwritten, name another file with --status"
            );
        }
        let format = match path.extension() {
            Some(extension) if extension == "prom" => StatusFormat::Prometheus,
            _ => StatusFormat::Json,
        };
        Ok(Self { real, format })
    }

    /// Replaces the file by one with this text. Whoever reads it has the old one or the new one, and never a part.
    pub(super) fn replace(&self, text: &[u8]) -> io::Result<()> {
        let name = self.real.file_name().unwrap_or_default();
        let mut new = tempfile::Builder::new()
            .prefix(&format!(".{}.", name.display()))
            .permissions(Permissions::from_mode(MODE))
            .tempfile_in(folder(&self.real))
            .map_err(|error| without_path(&error))?;
        new.write_all(text)?;
        new.persist(&self.real)?;
        Ok(())
    }
}

/// The error without the name of the temporary file, which means nothing to the operator.
fn without_path(error: &io::Error) -> io::Error {
    let text = error.to_string();
    let what = text.split(" at path ").next().unwrap_or_default();
    io::Error::new(error.kind(), what)
}

fn is_status_file(path: &Path) -> bool {
    let mut begin = Vec::new();
    let read = File::open(path).and_then(|file| file.take(64).read_to_end(&mut begin));
    read.is_ok() && BEGINNINGS.iter().any(|ours| begin.starts_with(ours))
}
