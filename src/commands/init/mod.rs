//! `dialer init`: a campaign file and a list to begin with.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tracing::info;

use crate::commands::Failure;
use crate::exit;

const CAMPAIGN: &str = include_str!("campaign.toml");
const CONTACTS: &str = include_str!("contacts.csv");
/// What to type next.
const NEXT_STEPS: &str = include_str!("next_steps.sh");

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// There is a campaign already, or nothing can be written there.
pub(super) fn run(path: &Path) -> Result<u8, Failure> {
    let campaign = campaign_file(path);
    let folder = campaign.parent().unwrap_or(Path::new(""));
    if !folder.as_os_str().is_empty() {
        fs::create_dir_all(folder)
            .with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    }
    if !begin(&campaign, CAMPAIGN)? {
        return Err(Failure::Usage(format!(
            "{} exists already: nothing was written, name another file",
            campaign.display()
        )));
    }
    info!("wrote {}", campaign.display());
    let contacts = folder.join("contacts.csv");
    if begin(&contacts, CONTACTS)? {
        info!(
            "wrote {}, made-up people to rehearse with",
            contacts.display()
        );
    } else {
        info!("{} exists already and is not changed", contacts.display());
    }
    let next_steps = NEXT_STEPS.replace("campaign.toml", &quoted(&campaign));
    crate::commands::print(|stdout| stdout.write_all(next_steps.as_bytes()))?;
    Ok(exit::DONE)
}

/// The file that a path means: itself if it is called so, or the one in a folder.
fn campaign_file(path: &Path) -> PathBuf {
    if path.extension() == Some("toml".as_ref()) && !path.is_dir() {
        path.to_owned()
    } else {
        path.join("campaign.toml")
    }
}

/// Writes a file that is not there yet; `false` if it is.
fn begin(path: &Path, text: &str) -> anyhow::Result<bool> {
    let file = File::options().write(true).create_new(true).open(path);
    match file.and_then(|mut file| file.write_all(text.as_bytes())) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error).with_context(|| format!("{} cannot be written", path.display())),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let path = path.display().to_string();
    let plain = |char: char| char.is_alphanumeric() || "./_-+,@%:".contains(char);
    if path.chars().all(plain) {
        path
    } else {
        format!("'{}'", path.replace('\'', r"'\''"))
    }
}
