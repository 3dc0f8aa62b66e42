//! Where the results of a run go, and what an earlier run left there.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Zoned;
use tracing::warn;

use super::Failure;
use crate::campaign::Left;
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::config::{Campaign, Results};
use crate::results::journal::{self, Journal};
use crate::results::lock::{Lock, LockError};
use crate::results::resume;
use crate::results::row::Columns;
use crate::results::writer::{self, Sink, Writer};

/// Where the results go.
#[derive(Debug)]
pub(super) enum Target {
    /// Nothing is continued.
    Stdout,
    /// A file that is begun, or continued.
    File(PathBuf),
    /// A rehearsal's: begun anew each time.
    Anew(PathBuf),
}

/// A target that is ours, with what was left there.
#[derive(Debug)]
pub(super) struct Claimed {
    target: Target,
    pub(super) left: Left,
    /// Held until the run is over.
    _locks: Vec<Lock>,
}

/// Results that are open.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) writer: Writer,
    pub(super) columns: Columns,
    pub(super) journal: Option<Journal>,
}

impl Target {
    /// Where this run's results go.
    pub(super) fn choose(
        campaign: &Campaign,
        args: &RunArgs,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        if let Some(path) = &args.results {
            return Ok(if path == Path::new("-") {
                Self::Stdout
            } else if args.simulate {
                Self::Anew(path.clone())
            } else {
                Self::File(path.clone())
            });
        }
        let Results::File(pattern) = &campaign.results else {
            return Ok(Self::Stdout);
        };
        let path = clock.dated(pattern, &campaign.zone()).map_err(|error| {
            Failure::Usage(format!("results = \"{}\": {error}", pattern.display()))
        })?;
        Ok(if args.simulate {
            Self::Anew(path.with_extension("simulated.csv"))
        } else {
            Self::File(path)
        })
    }

    /// What messages call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Stdout => "standard output".to_owned(),
            Self::File(path) | Self::Anew(path) => path.display().to_string(),
        }
    }

    /// Takes the results for this run alone, and reads what an earlier run left.
    pub(super) fn claim(self, campaign: &Campaign, args: &RunArgs) -> Result<Claimed, Failure> {
        let unclaimed = |target| Claimed {
            target,
            left: Left::default(),
            _locks: Vec::new(),
        };
        let path = match &self {
            Self::Stdout => return Ok(unclaimed(self)),
            Self::Anew(path) => {
                if !resume::may_be_begun_anew(path) {
                    return Err(Failure::Usage(format!(
                        "{} is not a rehearsal's: it is not touched, name another file with --results or move it away",
                        path.display()
                    )));
                }
                return Ok(unclaimed(self));
            }
            Self::File(path) => path,
        };
        let mut locks = vec![lock(path)?];
        match Lock::of(&campaign.path) {
            Ok(lock) => locks.push(lock),
            Err(error @ LockError::Held { .. }) => return Err(Failure::Held(error.to_string())),
            // A campaign in a folder that cannot be written is protected by its results alone.
            Err(LockError::Io { .. }) => {}
        }
        if args.fresh {
            set_aside(path)?;
        }
        let left = read(path, args, &campaign.own_columns())?;
        Ok(Claimed {
            target: self,
            left,
            _locks: locks,
        })
    }
}

fn lock(path: &Path) -> Result<Lock, Failure> {
    Lock::of(path).map_err(|error| match error {
        LockError::Held { .. } => Failure::Held(error.to_string()),
        LockError::Io { .. } => Failure::Unexpected(error.into()),
    })
}

fn read(path: &Path, args: &RunArgs, own: &[String]) -> Result<Left, Failure> {
    let journal = journal::path_of(path);
    let noted = journal::read(&journal).with_context(|| format!("{}", journal.display()))?;
    let ids: BTreeSet<_> = noted.iter().filter_map(|(_, entry)| entry.id()).collect();
    let earlier = resume::read(path, &args.redial, &ids)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    if earlier.simulated {
        return Err(Failure::Usage(format!(
            "{} holds a rehearsal: name another file with --results, or begin anew with --fresh",
            path.display()
        )));
    }
    if let Some(torn) = &earlier.torn {
        warn!(
            "the last row of {} was torn by a crash: it was cut off and is kept in {}",
            path.display(),
            torn.display()
        );
    }
    if !earlier.columns.is_empty() && earlier.columns != Columns::new(own).names() {
        warn!(
            "{} has another set of columns: it is continued in its own",
            path.display()
        );
    }
    let in_flight = noted
        .into_iter()
        .filter(|(_, entry)| entry.id().is_some_and(|id| !earlier.settled.contains(&id)))
        .collect();
    Ok(Left { earlier, in_flight })
}

/// Keeps the old results, and their journal, under a dated name.
fn set_aside(path: &Path) -> Result<(), Failure> {
    let stamp = Zoned::now().strftime("%Y%m%dT%H%M%S").to_string();
    for old in [path.to_owned(), journal::path_of(path)] {
        let mut name = old.file_name().unwrap_or_default().to_owned();
        name.push(format!(".{stamp}"));
        let aside = old.with_file_name(name);
        match fs::rename(&old, &aside) {
            Ok(()) => warn!("{} is kept as {}", old.display(), aside.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                return Err(Failure::Unexpected(
                    anyhow::Error::new(error)
                        .context(format!("{} cannot be set aside", old.display())),
                ));
            }
        }
    }
    writer::sync_folder(path).with_context(|| format!("{}", path.display()))?;
    Ok(())
}

impl Claimed {
    /// What messages call it.
    pub(super) fn name(&self) -> String {
        self.target.name()
    }

    /// Whether the rows go to standard output.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self.target, Target::Stdout)
    }

    /// Opens the results for writing: begun with their header, or continued.
    pub(super) fn open(&self, own: &[String]) -> Result<Opened, Failure> {
        let name = self.name();
        let earlier = &self.left.earlier;
        let columns = if earlier.columns.is_empty() {
            Columns::new(own)
        } else {
            Columns::of_file(earlier.columns.clone(), own)
        };
        let header = columns.header();
        let sink = match &self.target {
            Target::Stdout => Sink::stdout(&header),
            Target::Anew(path) => writer::begin_anew(path, &header).map(Sink::Unsynced),
            Target::File(path) if earlier.columns.is_empty() => {
                writer::begin(path, &header).map(Sink::Synced)
            }
            Target::File(path) => writer::go_on(path).map(Sink::Synced),
        };
        let sink = sink.with_context(|| format!("{name} cannot be written"))?;
        let journal = match &self.target {
            Target::File(path) => {
                let journal = journal::path_of(path);
                let opened = Journal::open(&journal);
                Some(opened.with_context(|| format!("{} cannot be written", journal.display()))?)
            }
            Target::Stdout | Target::Anew(_) => None,
        };
        Ok(Opened {
            writer: Writer::start(sink, &name),
            columns,
            journal,
        })
    }
}
