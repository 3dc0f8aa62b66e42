//! Where the results of a run go, and what earlier runs left there.

use std::ffi::OsStr;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use tracing::warn;

use crate::campaign::Leftover;
use crate::campaign::contact_limits::ContactLimits;
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::run::prior_results::{
    ResultsPath, check_is_results, check_not_removed, check_rehearsal, choose, find_cut_off, read,
    repair, set_aside,
};
use crate::config::{Campaign, Diagnostic};
use crate::contacts::{List, Shard};
use crate::results::append_file::AppendFile;
use crate::results::dated;
use crate::results::fs::{folder, is_same, resolve, sibling};
use crate::results::journal::{self, Journal};
use crate::results::lock::{Lock, LockError};
use crate::results::resume::PriorRun;
use crate::results::schema::ResultsColumns;
use crate::results::writer::{Sink, Writer};

/// What is said of a folder that cannot be written.
const READ_ONLY: [ErrorKind; 2] = [ErrorKind::PermissionDenied, ErrorKind::ReadOnlyFilesystem];

/// Where the results go.
#[derive(Debug)]
pub(crate) enum ResultsTarget {
    Stdout,
    /// A file that is created, or continued.
    File(PathBuf),
    /// One of the files of a pattern: the one that is named `now`, or an earlier one whose run was cut off.
    Dated {
        pattern: PathBuf,
        now: PathBuf,
    },
    /// A rehearsal's, which is overwritten each time.
    Rehearsal(PathBuf),
}

/// Results that no other run can take, with what earlier runs left there.
#[derive(Debug)]
pub(crate) struct ClaimedResults {
    /// `None` is standard output.
    pub(super) path: Option<ResultsPath>,
    rehearsal: bool,
    pub(crate) left: Leftover,
    /// Results whose running calls are settled there before any contact is called.
    pub(crate) cut_off: Vec<CutOffResults>,
    /// The old results are kept under another name before new ones are created.
    set_aside: bool,
    /// A digest of the list under a dated name, where a later run has to know whether it is the same.
    list: String,
    clock: Clock,
    /// Held until the run is over.
    locks: Vec<Lock>,
}

/// Results of a run that was cut off and is not continued.
#[derive(Debug)]
pub(crate) struct CutOffResults {
    pub(super) path: ResultsPath,
    pub(super) left: Leftover,
}

#[derive(Debug)]
pub(crate) struct OpenResults {
    pub(crate) writer: Writer,
    pub(crate) columns: ResultsColumns,
    pub(crate) journal: Option<Journal>,
}

impl ResultsTarget {
    pub(crate) fn choose(
        campaign: &Campaign,
        args: &RunArgs,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        if let Some(path) = &args.results {
            if path == Path::new("-") {
                return Ok(Self::Stdout);
            }
            let wrong =
                |message: String| Failure::Usage(format!("--results {}{message}", path.display()));
            let mut read = campaign.files_read();
            if let Some((_, what)) = read.find(|(read, _)| is_same(read, path)) {
                return Err(wrong(format!(" is {what}: name another file")));
            }
            check_folder(path).map_err(|error| wrong(format!(": {error}")))?;
            return Ok(if args.simulate {
                Self::Rehearsal(path.clone())
            } else {
                Self::File(path.clone())
            });
        }
        let Some(pattern) = &campaign.results else {
            return Ok(Self::Stdout);
        };
        let pattern = &of_part(pattern, args.shard);
        let wrong = |message: String| {
            let message = format!("`results`: {message}");
            let error = Diagnostic::at(&campaign.path, campaign.results_at, message);
            Failure::Usage(error.to_string())
        };
        // The date is that of the clock's zone.
        let now = clock
            .dated(pattern, &campaign.zone())
            .map_err(|error| wrong(format!("{}: {error}", pattern.display())))?;
        check_folder(&now).map_err(wrong)?;
        if args.simulate {
            return Ok(Self::Rehearsal(now.with_extension("simulated.csv")));
        }
        if now == *pattern {
            return Ok(Self::File(now));
        }
        // Results whose run was cut off are found by their name.
        let name = now.file_name();
        if !name.is_some_and(|name| dated::is_of(pattern, name)) {
            return Err(wrong(format!(
                "{}: the date cannot be told from such a name: use %Y-%m-%d, and %H%M%S for a time",
                pattern.display()
            )));
        }
        let pattern = pattern.clone();
        Ok(Self::Dated { pattern, now })
    }

    /// The file, as it is named now; `None` is standard output.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) | Self::Rehearsal(path) | Self::Dated { now: path, .. } => Some(path),
        }
    }

    /// What a run would continue. Nothing is locked, repaired or written.
    pub(crate) fn preview(&self, args: &RunArgs) -> Result<PriorRun, Failure> {
        match self {
            Self::Rehearsal(path) => check_rehearsal(path)?,
            Self::File(path) | Self::Dated { now: path, .. } if !args.fresh => {
                let path = ResultsPath::resolve(path.clone())?;
                let left = read(&path, &args.redial, None)?;
                check_not_removed(&path, &left)?;
                return Ok(left.earlier);
            }
            _ => {}
        }
        Ok(PriorRun::default())
    }

    /// Locks the results for this run, and reads what earlier runs left.
    pub(crate) fn claim(
        self,
        campaign: &Campaign,
        args: &RunArgs,
        list: &List,
        clock: &Clock,
    ) -> Result<ClaimedResults, Failure> {
        let mut claimed = ClaimedResults {
            path: None,
            rehearsal: false,
            left: Leftover::default(),
            cut_off: Vec::new(),
            set_aside: args.fresh,
            list: String::new(),
            clock: clock.clone(),
            locks: Vec::new(),
        };
        let locks = &mut claimed.locks;
        let (path, mut others) = match self {
            Self::Stdout => return Ok(claimed),
            Self::Rehearsal(path) => {
                check_rehearsal(&path)?;
                claimed.path = Some(ResultsPath::resolve(path)?);
                claimed.rehearsal = true;
                return Ok(claimed);
            }
            Self::File(path) => {
                let path = ResultsPath::resolve(path)?;
                locks.push(Lock::of(&path.real)?);
                (path, Vec::new())
            }
            Self::Dated { pattern, now } => {
                claimed.list = list.digest().context("the copy of the list")?;
                let cut_off = find_cut_off(&pattern, locks)?;
                let list = (!args.fresh).then_some(claimed.list.as_str());
                choose(now, cut_off, list, clock, locks)?
            }
        };
        locks.extend(lock_campaign(campaign, args.shard)?);
        let own = campaign.own_columns();
        let since = ContactLimits::new(&campaign.retry).since(clock.timestamp());
        if args.fresh {
            check_is_results(&path, &own)?;
            // A contact who is still on the phone with the old run must not be called by the new one.
            if path.journal().exists() {
                others.push(path.clone());
            }
        } else {
            let left = read(&path, &args.redial, since)?;
            check_not_removed(&path, &left)?;
            repair(&path, &left, &own)?;
            let journal = path.journal();
            if left.in_flight.is_empty() && journal.exists() {
                journal::drop_calls(&journal).with_context(|| unwritable(journal.display()))?;
            }
            claimed.left = left;
        }
        for path in others {
            let left = read(&path, &[], since);
            match left.and_then(|left| repair(&path, &left, &own).map(|()| left)) {
                Ok(left) => claimed.cut_off.push(CutOffResults { path, left }),
                Err(failure) if args.fresh => warn!(
                    "{failure}; calls that were running when it was cut off, if any, are not looked for: {path}"
                ),
                Err(failure) => return Err(failure),
            }
        }
        claimed.path = Some(path);
        Ok(claimed)
    }
}

fn unwritable(file: impl fmt::Display) -> String {
    format!("{file} cannot be written")
}

/// Fails where there is no folder for a file.
fn check_folder(file: &Path) -> Result<(), String> {
    let file = resolve(file).unwrap_or_else(|_| file.to_owned());
    let folder = folder(&file);
    if folder.is_dir() {
        return Ok(());
    }
    let folder = folder.display();
    Err(format!("there is no folder {folder}: mkdir -p {folder}"))
}

/// The results of a part of the list: `storm.0-of-7.csv` for `storm.csv`.
fn of_part(results: &Path, shard: Option<Shard>) -> PathBuf {
    let Some(Shard { index, of }) = shard else {
        return results.to_owned();
    };
    let part = format!("{index}-of-{of}");
    match results.extension().and_then(OsStr::to_str) {
        Some(extension) => results.with_extension(format!("{part}.{extension}")),
        None => results.with_extension(part),
    }
}

/// The lock of the campaign: of all of the list, or of a part, which other parts may hold as well.
fn lock_campaign(campaign: &Campaign, shard: Option<Shard>) -> Result<Vec<Lock>, Failure> {
    let file = resolve(&campaign.path).unwrap_or_else(|_| campaign.path.clone());
    let locked = match shard {
        None => Lock::of(&file).map(|lock| vec![lock]),
        Some(Shard { index, of }) => Lock::of_part(&file, of).and_then(|together| {
            let part = sibling(&file, &format!(".{index}-of-{of}"));
            Ok(vec![together, Lock::of(&part)?])
        }),
    };
    match locked {
        // A campaign in a folder that cannot be written is protected by its results alone.
        Err(LockError::Io { source, .. }) if READ_ONLY.contains(&source.kind()) => Ok(Vec::new()),
        locked => Ok(locked?),
    }
}

/// Opens results for writing, without a journal: created with their header, or continued in their own columns.
pub(super) fn open(
    path: &ResultsPath,
    left: &Leftover,
    own: &[String],
) -> Result<OpenResults, Failure> {
    let (opened, columns) = if left.earlier.columns.is_empty() {
        let columns = ResultsColumns::new(own);
        (AppendFile::create(&path.real, &columns.header()), columns)
    } else {
        let columns = ResultsColumns::of_file(left.earlier.columns.clone(), own);
        (AppendFile::open(&path.real), columns)
    };
    let file = opened.with_context(|| unwritable(path))?;
    Ok(OpenResults {
        writer: Writer::start(Sink::Synced(file), &path.to_string()),
        columns,
        journal: None,
    })
}

impl ClaimedResults {
    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        let path = self.path.as_ref();
        path.map_or_else(|| "standard output".to_owned(), ToString::to_string)
    }

    /// The files that are written, and what they are.
    pub(crate) fn files(&self) -> Vec<(PathBuf, &'static str)> {
        let Some(path) = &self.path else {
            return Vec::new();
        };
        let mut files = vec![(path.real.clone(), "where the results go")];
        if !self.rehearsal {
            files.push((path.journal(), "the journal of the results"));
            files.push((sibling(&path.real, ".lock"), "the lock of the results"));
        }
        files
    }

    pub(crate) fn open(&self, own: &[String]) -> Result<OpenResults, Failure> {
        let name = self.name();
        let new = ResultsColumns::new(own);
        let sink = match &self.path {
            None => Sink::stdout(&new.header()),
            Some(path) if self.rehearsal => {
                AppendFile::recreate(&path.real, &new.header()).map(Sink::Unsynced)
            }
            Some(path) => {
                if self.set_aside {
                    set_aside(path)?;
                }
                let opened = open(path, &self.left, own)?;
                let journal = path.journal();
                let journal = Journal::open(&journal, &self.list, &self.clock)
                    .with_context(|| unwritable(journal.display()))?;
                return Ok(OpenResults {
                    journal: Some(journal),
                    ..opened
                });
            }
        };
        let sink = sink.with_context(|| unwritable(&name))?;
        Ok(OpenResults {
            writer: Writer::start(sink, &name),
            columns: new,
            journal: None,
        })
    }
}
