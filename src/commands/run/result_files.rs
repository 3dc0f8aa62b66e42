//! Where the results of a run go, and what earlier runs left there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{Timestamp, Zoned};
use tracing::{info, warn};

use crate::campaign::Leftover;
use crate::campaign::contact_limits::ContactLimits;
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::config::{Campaign, Diagnostic, Results};
use crate::contacts::{List, Shard};
use crate::disposition::Disposition;
use crate::error_chain::error_chain;
use crate::results::append_file::AppendFile;
use crate::results::dated;
use crate::results::fs::{folder, is_same, resolve, sibling, sync_folder};
use crate::results::journal::{self, Journal, JournalContent, JournalHead};
use crate::results::lock::{Lock, LockError};
use crate::results::reader::ResultsError;
use crate::results::resume::{self, Asked, PriorRun};
use crate::results::schema::ResultsColumns;
use crate::results::tail::Tail;
use crate::results::writer::{Sink, Writer};

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
    destination: Destination,
    pub(crate) left: Leftover,
    /// Results whose running calls are settled there before any contact is called.
    pub(crate) cut_off: Vec<CutOffResults>,
    /// The old results are kept under another name before new ones are created.
    set_aside: bool,
    /// A digest of the list under a dated name, where a later run has to know whether it is the same.
    list: String,
    clock: Clock,
    /// Held until the run is over.
    _locks: Vec<Lock>,
}

#[derive(Debug)]
enum Destination {
    Stdout,
    File(ResultsPath),
    Rehearsal(PathBuf),
}

/// A file as the operator names it, and what that leads to.
#[derive(Debug, Clone)]
struct ResultsPath {
    shown: PathBuf,
    /// This is locked, written and renamed, and the journal is beside it.
    real: PathBuf,
}

/// Results of a run that was cut off and is not continued.
#[derive(Debug)]
pub(crate) struct CutOffResults {
    path: ResultsPath,
    pub(crate) left: Leftover,
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
            let mut read = campaign.files_read();
            if let Some((_, what)) = read.find(|(read, _)| is_same(read, path)) {
                return Err(Failure::Usage(format!(
                    "--results {} is {what}: name another file",
                    path.display()
                )));
            }
            check_folder(path).map_err(|error| {
                Failure::Usage(format!("--results {}: {error}", path.display()))
            })?;
            return Ok(if args.simulate {
                Self::Rehearsal(path.clone())
            } else {
                Self::File(path.clone())
            });
        }
        let Results::File(pattern) = &campaign.results else {
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
        if !now
            .file_name()
            .is_some_and(|name| dated::is_of(pattern, name))
        {
            return Err(wrong(format!(
                "{}: the date cannot be told from such a name: use %Y-%m-%d, and %H%M%S for a time",
                pattern.display()
            )));
        }
        let pattern = pattern.clone();
        Ok(Self::Dated { pattern, now })
    }

    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
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
            destination: Destination::Stdout,
            left: Leftover::default(),
            cut_off: Vec::new(),
            set_aside: args.fresh,
            list: String::new(),
            clock: clock.clone(),
            _locks: Vec::new(),
        };
        let locks = &mut claimed._locks;
        let (path, others) = match self {
            Self::Stdout => return Ok(claimed),
            Self::Rehearsal(path) => {
                check_rehearsal(&path)?;
                claimed.destination = Destination::Rehearsal(path);
                return Ok(claimed);
            }
            Self::File(path) => {
                let path = ResultsPath::resolve(path)?;
                locks.push(lock(&path.real)?);
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
        let since = ContactLimits::new(&campaign.retry)
            .since(clock.timestamp())
            .map(Timestamp::as_millisecond);
        let read = |path: &ResultsPath, redial: &[Disposition]| read(path, redial, since);
        for path in others {
            match read(&path, &[]).and_then(|left| repair(&path, left, &own)) {
                Ok(left) => claimed.cut_off.push(CutOffResults { path, left }),
                Err(failure) if args.fresh => warn_not_settled(&path, &failure),
                Err(failure) => return Err(failure),
            }
        }
        if args.fresh {
            check_is_results(&path, &own)?;
            // A contact who is still on the phone with the old run must not be called by the new one.
            match read(&path, &[]).and_then(|left| repair(&path, left, &own)) {
                Ok(left) if left.in_flight.is_empty() => {}
                Ok(left) => claimed.cut_off.push(CutOffResults {
                    path: path.clone(),
                    left,
                }),
                Err(failure) => warn_not_settled(&path, &failure),
            }
        } else {
            let left = read(&path, &args.redial)?;
            check_not_removed(&path, &left)?;
            claimed.left = repair(&path, left, &own)?;
            let journal = path.journal();
            if claimed.left.in_flight.is_empty() && journal.exists() {
                journal::drop_calls(&journal)
                    .with_context(|| format!("{} cannot be written", journal.display()))?;
            }
        }
        claimed.destination = Destination::File(path);
        Ok(claimed)
    }
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

impl ResultsPath {
    fn resolve(shown: PathBuf) -> Result<Self, Failure> {
        let real = resolve(&shown).with_context(|| format!("{}", shown.display()))?;
        if fs::metadata(&real).is_ok_and(|there| !there.is_file()) {
            return Err(Failure::Usage(format!(
                "{} is not a file: name one, or - for standard output",
                shown.display()
            )));
        }
        Ok(Self { shown, real })
    }

    fn journal(&self) -> PathBuf {
        journal::path_of(&self.real)
    }
}

impl fmt::Display for ResultsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}

fn lock(path: &Path) -> Result<Lock, Failure> {
    Lock::of(path).map_err(not_locked)
}

fn not_locked(error: LockError) -> Failure {
    match error {
        LockError::Held { .. } => Failure::held(error),
        LockError::Io { .. } => Failure::Unexpected(error.into()),
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
        Err(LockError::Io { source, .. }) if is_read_only(&source) => Ok(Vec::new()),
        locked => locked.map_err(not_locked),
    }
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// The results of a pattern whose runs were cut off, with the heads of their journals; each is locked.
fn find_cut_off(
    pattern: &Path,
    locks: &mut Vec<Lock>,
) -> Result<Vec<(ResultsPath, Option<JournalHead>)>, Failure> {
    let there = dated::there(pattern).with_context(|| format!("{}", pattern.display()))?;
    let mut cut_off: Vec<(ResultsPath, Option<JournalHead>)> = Vec::new();
    for shown in there {
        let path = ResultsPath::resolve(shown)?;
        if !path.journal().exists() || cut_off.iter().any(|(other, _)| other.real == path.real) {
            continue;
        }
        // A run that is running now was not cut off.
        let lock = lock(&path.real)?;
        if let Some(journal) = read_journal(&path)? {
            locks.push(lock);
            cut_off.push((path, journal.head));
        }
    }
    Ok(cut_off)
}

/// The results that this run writes: those of a run that was cut off with this list, or else those of `now`. Then the
/// others that were cut off.
fn choose(
    now: PathBuf,
    mut cut_off: Vec<(ResultsPath, Option<JournalHead>)>,
    list: Option<&str>,
    clock: &Clock,
    locks: &mut Vec<Lock>,
) -> Result<(ResultsPath, Vec<ResultsPath>), Failure> {
    let now = ResultsPath::resolve(now)?;
    let time = clock.now().timestamp();
    let heads: Vec<_> = cut_off.iter().map(|(_, head)| head.clone()).collect();
    let path = if let Some(index) = list.and_then(|list| dated::to_continue(&heads, list, time)) {
        let (path, _) = cut_off.remove(index);
        if path.real != now.real {
            info!("{path}: its run was cut off, and the list is the same: it is continued");
        }
        path
    } else if let Some(index) = cut_off.iter().position(|(path, _)| path.real == now.real) {
        cut_off.remove(index).0
    } else {
        locks.push(lock(&now.real)?);
        now
    };
    let others = cut_off.into_iter().map(|(path, _)| path).collect();
    Ok((path, others))
}

fn read_journal(path: &ResultsPath) -> Result<Option<JournalContent>, Failure> {
    let journal = path.journal();
    let content = journal::read(&journal).with_context(|| journal.display().to_string())?;
    Ok(content)
}

/// What was left in a file and its journal. Contacts whose final row has one of these dispositions may be called again;
/// calls that were dialed after `since` are gathered. Nothing is changed.
fn read(
    path: &ResultsPath,
    redial: &[Disposition],
    since: Option<i64>,
) -> Result<Leftover, Failure> {
    let entries = read_journal(path)?.map(|journal| journal.entries);
    let calls: Option<BTreeSet<_>> = entries
        .as_ref()
        .map(|entries| entries.iter().filter_map(|(_, entry)| entry.id()).collect());
    let asked = Asked {
        redial,
        journal: calls.as_ref(),
        since,
    };
    let mut earlier = resume::read(&path.real, asked).map_err(cannot_continue)?;
    if earlier.simulated {
        return Err(Failure::Usage(format!(
            "{path} holds a rehearsal: name another file with --results, or begin anew with --fresh"
        )));
    }
    let mut in_flight = entries.unwrap_or_default();
    in_flight.retain(|(_, entry)| entry.id().is_some_and(|id| !earlier.settled.contains(&id)));
    for (_, entry) in &in_flight {
        earlier.is_in_flight(&entry.contact);
    }
    Ok(Leftover {
        earlier,
        done: None,
        in_flight,
    })
}

/// Repairs the end of results, so that rows can be appended.
fn repair(path: &ResultsPath, left: Leftover, own: &[String]) -> Result<Leftover, Failure> {
    let prior = &left.earlier;
    let torn = prior
        .repair(&path.real)
        .with_context(|| format!("{path} cannot be repaired"))?;
    if let Some(torn) = torn {
        warn!(
            "the last row of {path} was torn by a crash: it was cut off and is kept in {}",
            torn.display()
        );
    } else if prior.tail == Tail::WholeRow {
        warn!(
            "the last row of {path} had lost its line end, as some editors leave it: it was given one"
        );
    }
    if !prior.columns.is_empty() && prior.columns != ResultsColumns::new(own).names() {
        warn!("{path} has another set of columns: it is continued in its own");
    }
    Ok(left)
}

/// A rehearsal overwrites only an earlier one.
fn check_rehearsal(path: &Path) -> Result<(), Failure> {
    if resume::may_be_overwritten(path) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is not a rehearsal's: it is not touched, name another file with --results or move it away",
        path.display()
    )))
}

/// Only results are set aside.
fn check_is_results(path: &ResultsPath, own: &[String]) -> Result<(), Failure> {
    let header = ResultsColumns::new(own).header();
    if resume::may_be_set_aside(&path.real, &header)? {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{path} does not begin as results do, and is not set aside: name another file with --results, or move it away"
    )))
}

/// A journal with calls and no results beside it: somebody removed them. Without them it cannot be told which of the
/// calls are settled, and to settle them all would give a final row to contacts who were never called.
fn check_not_removed(path: &ResultsPath, left: &Leftover) -> Result<(), Failure> {
    if !left.earlier.columns.is_empty() || left.in_flight.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{path} is missing, but {} has calls of its run, which was cut off: put the results back, or begin anew with --fresh, which looks for those calls first",
        path.journal().display()
    )))
}

fn cannot_continue(error: ResultsError) -> Failure {
    let advice = match error {
        ResultsError::Row { .. } => ": correct it, or begin anew with --fresh",
        ResultsError::NoColumn { .. } => ": name another file with --results, or move it away",
        _ => "",
    };
    Failure::Usage(format!("{}{advice}", error_chain(&error)))
}

fn warn_not_settled(path: &ResultsPath, why: &Failure) {
    warn!("{why}; calls that were running when it was cut off, if any, are not looked for: {path}");
}

/// Keeps the old results, and their journal, under a dated name.
fn set_aside(path: &ResultsPath) -> Result<(), Failure> {
    // The journal first: it is settled, and without the results nothing would say so.
    let files = [path.journal(), path.real.clone()];
    let stamp = Zoned::now().strftime(".%Y%m%dT%H%M%S").to_string();
    let is_free = |suffix: &String| !files.iter().any(|old| sibling(old, suffix).exists());
    // Two within a second get different names: nothing is overwritten.
    let suffix = iter::once(stamp.clone())
        .chain((2..u16::MAX).map(|n| format!("{stamp}-{n}")))
        .find(is_free)
        .unwrap_or(stamp);
    for old in &files {
        let aside = sibling(old, &suffix);
        match fs::rename(old, &aside) {
            Ok(()) => warn!("{} is kept as {}", old.display(), aside.display()),
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            renamed => renamed.with_context(|| format!("{} cannot be set aside", old.display()))?,
        }
    }
    sync_folder(&path.real).with_context(|| path.to_string())?;
    Ok(())
}

/// Opens results for writing: created with their header, or continued in their own columns.
fn open(
    path: &ResultsPath,
    left: &Leftover,
    own: &[String],
) -> Result<(AppendFile, ResultsColumns), Failure> {
    let (opened, columns) = if left.earlier.columns.is_empty() {
        let columns = ResultsColumns::new(own);
        (AppendFile::create(&path.real, &columns.header()), columns)
    } else {
        let columns = ResultsColumns::of_file(left.earlier.columns.clone(), own);
        (AppendFile::open(&path.real), columns)
    };
    let file = opened.with_context(|| format!("{path} cannot be written"))?;
    Ok((file, columns))
}

impl CutOffResults {
    /// Opens the results for the rows of the calls that were running.
    pub(crate) fn open(&self, left: &Leftover, own: &[String]) -> Result<OpenResults, Failure> {
        let (file, columns) = open(&self.path, left, own)?;
        Ok(OpenResults {
            writer: Writer::start(Sink::Synced(file), &self.path.to_string()),
            columns,
            journal: None,
        })
    }

    /// Removes the journal: everything is settled.
    pub(crate) fn close(&self) {
        if let Err(error) = journal::remove(&self.path.journal()) {
            warn!("the journal of {self} cannot be removed, which does no harm: {error}");
        }
    }
}

impl fmt::Display for CutOffResults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl ClaimedResults {
    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match &self.destination {
            Destination::Stdout => "standard output".to_owned(),
            Destination::File(path) => path.to_string(),
            Destination::Rehearsal(path) => path.display().to_string(),
        }
    }

    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.destination, Destination::Stdout)
    }

    /// The files that are written, and what they are.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        let results = "where the results go".to_owned();
        match &self.destination {
            Destination::Stdout => Vec::new(),
            Destination::Rehearsal(path) => vec![(path.clone(), results)],
            Destination::File(path) => vec![
                (path.real.clone(), results),
                (path.journal(), "the journal of the results".to_owned()),
                (
                    sibling(&path.real, ".lock"),
                    "the lock of the results".to_owned(),
                ),
            ],
        }
    }

    pub(crate) fn open(&self, own: &[String]) -> Result<OpenResults, Failure> {
        let name = self.name();
        let unwritable = || format!("{name} cannot be written");
        let new = ResultsColumns::new(own);
        let (sink, columns, journal) = match &self.destination {
            Destination::Stdout => {
                let sink = Sink::stdout(&new.header()).with_context(unwritable)?;
                (sink, new, None)
            }
            Destination::Rehearsal(path) => {
                let file = AppendFile::recreate(path, &new.header()).with_context(unwritable)?;
                (Sink::Unsynced(file), new, None)
            }
            Destination::File(path) => {
                if self.set_aside {
                    set_aside(path)?;
                }
                let (file, columns) = open(path, &self.left, own)?;
                let journal = path.journal();
                let opened = Journal::open(&journal, &self.list, &self.clock)
                    .with_context(|| format!("{} cannot be written", journal.display()))?;
                (Sink::Synced(file), columns, Some(opened))
            }
        };
        Ok(OpenResults {
            writer: Writer::start(sink, &name),
            columns,
            journal,
        })
    }
}
