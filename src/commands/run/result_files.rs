//! Where the results of a run go, and what earlier runs left there.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
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
use crate::results::append_file::AppendFile;
use crate::results::fs::{is_same, resolve, sibling, sync_folder};
use crate::results::journal::{self, Journal, JournalContent, JournalHead};
use crate::results::lock::{Lock, LockError};
use crate::results::schema::ResultsColumns;
use crate::results::writer::{Sink, Writer};
use crate::results::{dated, resume};

/// Where the results go.
#[derive(Debug)]
pub(crate) enum Target {
    /// Nothing is continued.
    Stdout,
    /// A file that is begun, or continued.
    File(PathBuf),
    /// One of the files of a pattern: what it is called now, or an earlier one that was cut off.
    Dated {
        /// The pattern.
        pattern: PathBuf,
        /// What it is called now.
        now: PathBuf,
    },
    /// A rehearsal's: begun anew each time.
    Anew(PathBuf),
}

/// A target that is ours, with what was left there.
#[derive(Debug)]
pub(crate) struct Claimed {
    place: Place,
    pub(crate) left: Leftover,
    /// Results whose running calls are to be settled there before anybody is called.
    pub(crate) unsettled: Vec<Unsettled>,
    /// What is there is kept under another name before the results are begun.
    set_aside: bool,
    /// A digest of the list, where a later run may ask whether it is the same.
    list: String,
    clock: Clock,
    /// Held until the run is over.
    _locks: Vec<Lock>,
}

#[derive(Debug)]
enum Place {
    Stdout,
    File(Named),
    Anew(PathBuf),
}

/// A file as the operator names it, and what that leads to.
#[derive(Debug, Clone)]
struct Named {
    shown: PathBuf,
    /// This is locked, written and replaced, and the journal stands beside it.
    real: PathBuf,
}

/// Results of a run that was cut off and is not gone on with.
#[derive(Debug)]
pub(crate) struct Unsettled {
    path: Named,
    /// What was left there.
    pub(crate) left: Leftover,
}

/// Results that are open.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) writer: Writer,
    pub(crate) columns: ResultsColumns,
    pub(crate) journal: Option<Journal>,
}

/// An error in what the campaign file says of its results.
pub(crate) fn of_results(campaign: &Campaign, message: String) -> Diagnostic {
    Diagnostic::at(&campaign.path, campaign.results_at, message)
}

impl Target {
    /// Where this run's results go.
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
            return Ok(if args.simulate {
                Self::Anew(path.clone())
            } else {
                Self::File(path.clone())
            });
        }
        let Results::File(pattern) = &campaign.results else {
            return Ok(Self::Stdout);
        };
        let pattern = &of_part(pattern, args.shard);
        let cannot = |why: &dyn fmt::Display| {
            let message = format!("`results`: {}: {why}", pattern.display());
            Failure::Usage(of_results(campaign, message).to_string())
        };
        // The date is that of the clock's zone.
        let now = clock
            .dated(pattern, &campaign.zone())
            .map_err(|error| cannot(&error))?;
        if args.simulate {
            return Ok(Self::Anew(now.with_extension("simulated.csv")));
        }
        if now == *pattern {
            return Ok(Self::File(now));
        }
        // What was cut off is found by its name.
        if !now
            .file_name()
            .is_some_and(|name| dated::is_of(pattern, name))
        {
            return Err(cannot(
                &"the date cannot be told from such a name: use %Y-%m-%d, and %H%M%S for a time",
            ));
        }
        let pattern = pattern.clone();
        Ok(Self::Dated { pattern, now })
    }

    /// Whether the rows go to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout)
    }

    /// The file, as it is called now; `None` is standard output.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) | Self::Anew(path) | Self::Dated { now: path, .. } => Some(path),
        }
    }

    /// Takes the results for this run alone, and reads what earlier runs left.
    pub(crate) fn claim(
        self,
        campaign: &Campaign,
        args: &RunArgs,
        list: &List,
        clock: &Clock,
    ) -> Result<Claimed, Failure> {
        let mut locks = Vec::new();
        let (path, cut_off, digest) = match self {
            Self::Stdout => return Ok(Claimed::unshared(Place::Stdout, clock)),
            Self::Anew(path) => {
                of_rehearsal(&path)?;
                return Ok(Claimed::unshared(Place::Anew(path), clock));
            }
            Self::File(path) => {
                let path = Named::resolve(path)?;
                locks.push(lock(&path.real)?);
                (path, Vec::new(), String::new())
            }
            Self::Dated { pattern, now } => {
                let digest = list.digest().context("the copy of the list")?;
                let cut_off = cut_off(&pattern, &mut locks)?;
                let list = (!args.fresh).then_some(digest.as_str());
                let (path, cut_off) = choose(now, cut_off, list, clock, &mut locks)?;
                (path, cut_off, digest)
            }
        };
        let campaign_file = resolve(&campaign.path).unwrap_or_else(|_| campaign.path.clone());
        let held = match args.shard {
            None => Lock::of(&campaign_file).map(|lock| vec![lock]),
            // The parts of a list are run side by side, each of them once, and nothing but such parts.
            Some(Shard { index, of }) => Lock::of_part(&campaign_file, of).and_then(|together| {
                let part = sibling(&campaign_file, &format!(".{index}-of-{of}"));
                Ok(vec![together, Lock::of(&part)?])
            }),
        };
        match held {
            Ok(held) => locks.extend(held),
            Err(error @ LockError::Held { .. }) => return Err(Failure::held(error)),
            // A campaign in a folder that cannot be written is protected by its results alone.
            Err(LockError::Io { source, .. }) if is_read_only(&source) => {}
            Err(error @ LockError::Io { .. }) => return Err(Failure::Unexpected(error.into())),
        }
        let asked = Asked {
            own: campaign.own_columns(),
            since: ContactLimits::new(&campaign.retry)
                .since(clock.timestamp())
                .map(Timestamp::as_millisecond),
        };
        let mut unsettled = Vec::new();
        for path in cut_off {
            match read(&path, &[], &asked) {
                Ok(left) => unsettled.push(Unsettled { path, left }),
                Err(failure) if args.fresh => not_settled(&path, &failure),
                Err(failure) => return Err(failure),
            }
        }
        let left = if args.fresh {
            let header = ResultsColumns::new(&asked.own).header();
            let ours = resume::may_be_set_aside(&path.real, &header);
            if !ours.with_context(|| path.to_string())? {
                return Err(Failure::Usage(format!(
                    "{path} does not begin as results do, and is not set aside: name another file with --results, or move it away"
                )));
            }
            // Who is still on the phone with the old run must not be called by the new one.
            match read(&path, &[], &asked) {
                Ok(left) if left.in_flight.is_empty() => {}
                Ok(left) => unsettled.push(Unsettled {
                    path: path.clone(),
                    left,
                }),
                Err(failure) => not_settled(&path, &failure),
            }
            Leftover::default()
        } else {
            let left = read(&path, &args.redial, &asked)?;
            let journal = path.journal();
            if left.in_flight.is_empty() && journal.exists() {
                journal::drop_calls(&journal)
                    .with_context(|| format!("{} cannot be written", journal.display()))?;
            }
            left
        };
        Ok(Claimed {
            place: Place::File(path),
            left,
            unsettled,
            set_aside: args.fresh,
            list: digest,
            clock: clock.clone(),
            _locks: locks,
        })
    }
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

impl Named {
    fn resolve(shown: PathBuf) -> Result<Self, Failure> {
        let real = resolve(&shown).with_context(|| format!("{}", shown.display()))?;
        if fs::metadata(&real).is_ok_and(|there| !there.is_file()) {
            return Err(Failure::Usage(format!(
                "{} is no file: name one, or - for standard output",
                shown.display()
            )));
        }
        Ok(Self { shown, real })
    }

    fn journal(&self) -> PathBuf {
        journal::path_of(&self.real)
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}

fn lock(path: &Path) -> Result<Lock, Failure> {
    Lock::of(path).map_err(|error| match error {
        LockError::Held { .. } => Failure::held(error),
        LockError::Io { .. } => Failure::Unexpected(error.into()),
    })
}

fn is_read_only(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem
    )
}

/// The results of a pattern whose runs were cut off, with the heads of their journals; each is locked.
fn cut_off(
    pattern: &Path,
    locks: &mut Vec<Lock>,
) -> Result<Vec<(Named, Option<JournalHead>)>, Failure> {
    let there = dated::there(pattern).with_context(|| format!("{}", pattern.display()))?;
    let mut cut_off: Vec<(Named, Option<JournalHead>)> = Vec::new();
    for shown in there {
        let path = Named::resolve(shown)?;
        if !path.journal().exists() || cut_off.iter().any(|(other, _)| other.real == path.real) {
            continue;
        }
        // Whose run is running now is not cut off.
        let lock = lock(&path.real)?;
        if let Some(noted) = noted(&path)? {
            locks.push(lock);
            cut_off.push((path, noted.head));
        }
    }
    Ok(cut_off)
}

/// Whether a run that was cut off with this list is gone on with, or the results of `now` are the ones; and which of
/// those that were cut off are to be settled first.
fn choose(
    now: PathBuf,
    mut cut_off: Vec<(Named, Option<JournalHead>)>,
    list: Option<&str>,
    clock: &Clock,
    locks: &mut Vec<Lock>,
) -> Result<(Named, Vec<Named>), Failure> {
    let now = Named::resolve(now)?;
    let time = clock.now().timestamp();
    let heads: Vec<_> = cut_off.iter().map(|(_, head)| head.clone()).collect();
    let path = if let Some(place) = list.and_then(|list| dated::to_continue(&heads, list, time)) {
        let (path, _) = cut_off.remove(place);
        if path.real != now.real {
            info!("{path}: its run was cut off, and the list is the same: it goes on there");
        }
        path
    } else if let Some(place) = cut_off.iter().position(|(path, _)| path.real == now.real) {
        cut_off.remove(place).0
    } else {
        locks.push(lock(&now.real)?);
        now
    };
    let others = cut_off.into_iter().map(|(path, _)| path).collect();
    Ok((path, others))
}

fn noted(path: &Named) -> Result<Option<JournalContent>, Failure> {
    let journal = path.journal();
    let noted = journal::read(&journal).with_context(|| format!("{}", journal.display()))?;
    Ok(noted)
}

/// What a campaign asks of results that are read.
struct Asked {
    /// Its own columns.
    own: Vec<String>,
    /// From when on it matters who was called when.
    since: Option<i64>,
}

/// What was left in a file and its journal. Contacts whose final row has one of these dispositions may be called again.
fn read(path: &Named, redial: &[Disposition], asked: &Asked) -> Result<Leftover, Failure> {
    let noted = noted(path)?;
    let ids: Option<BTreeSet<_>> = noted.as_ref().map(|noted| {
        let ids = noted.entries.iter();
        ids.filter_map(|(_, entry)| entry.id()).collect()
    });
    let mut earlier =
        resume::read(&path.real, redial, ids.as_ref(), asked.since).map_err(Failure::usage)?;
    if earlier.simulated {
        return Err(holds_a_rehearsal(&path.shown));
    }
    if let Some(torn) = &earlier.torn {
        warn!(
            "the last row of {path} was torn by a crash: it was cut off and is kept in {}",
            torn.display()
        );
    }
    if earlier.completed {
        warn!(
            "the last row of {path} had lost its line end, as some editors leave it: it was given one"
        );
    }
    if !earlier.columns.is_empty() && earlier.columns != ResultsColumns::new(&asked.own).names() {
        warn!("{path} has another set of columns: it is continued in its own");
    }
    let in_flight: Vec<_> = noted
        .map(|noted| noted.entries)
        .unwrap_or_default()
        .into_iter()
        .filter(|(_, entry)| entry.id().is_some_and(|id| !earlier.settled.contains(&id)))
        .collect();
    for (_, entry) in &in_flight {
        earlier.is_in_flight(&entry.contact);
    }
    Ok(Leftover {
        earlier,
        done: None,
        in_flight,
    })
}

/// A rehearsal writes over nothing but an earlier one.
pub(crate) fn of_rehearsal(path: &Path) -> Result<(), Failure> {
    if resume::may_be_begun_anew(path) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is not a rehearsal's: it is not touched, name another file with --results or move it away",
        path.display()
    )))
}

/// A rehearsal is not gone on with.
pub(crate) fn holds_a_rehearsal(path: &Path) -> Failure {
    Failure::Usage(format!(
        "{} holds a rehearsal: name another file with --results, or begin anew with --fresh",
        path.display()
    ))
}

/// Says what cannot be settled because its results cannot be read.
fn not_settled(path: &Named, why: &Failure) {
    warn!("{why}; calls that were running when it was cut off, if any, are not looked for: {path}");
}

/// Keeps the old results, and their journal, under a dated name.
fn set_aside(path: &Named) -> Result<(), Failure> {
    let stamp = Zoned::now().strftime(".%Y%m%dT%H%M%S").to_string();
    // Two of one second are told apart: nothing is overwritten.
    let free = (1..=u16::MAX)
        .map(|n| match n {
            1 => stamp.clone(),
            n => format!("{stamp}-{n}"),
        })
        .find(|ending| {
            let taken = |old: &Path| sibling(old, ending).exists();
            !taken(&path.real) && !taken(&path.journal())
        })
        .unwrap_or(stamp);
    for old in [path.real.clone(), path.journal()] {
        let aside = sibling(&old, &free);
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
    sync_folder(&path.real).with_context(|| format!("{path}"))?;
    Ok(())
}

/// Opens results for writing: begun with their header, or continued in their own columns.
fn open(
    path: &Named,
    left: &Leftover,
    own: &[String],
) -> Result<(AppendFile, ResultsColumns), Failure> {
    let columns = columns(left, own);
    let opened = if left.earlier.columns.is_empty() {
        AppendFile::create(&path.real, &columns.header())
    } else {
        AppendFile::open(&path.real)
    };
    let file = opened.with_context(|| format!("{path} cannot be written"))?;
    Ok((file, columns))
}

/// The columns of results that are begun, or continued.
fn columns(left: &Leftover, own: &[String]) -> ResultsColumns {
    match &left.earlier.columns {
        columns if columns.is_empty() => ResultsColumns::new(own),
        columns => ResultsColumns::of_file(columns.clone(), own),
    }
}

impl Unsettled {
    /// Opens the results for the rows of the calls that were running.
    pub(crate) fn open(&self, left: &Leftover, own: &[String]) -> Result<Opened, Failure> {
        let (file, columns) = open(&self.path, left, own)?;
        Ok(Opened {
            writer: Writer::start(Sink::Synced(file), &self.path.to_string()),
            columns,
            journal: None,
        })
    }

    /// Everything is settled: its run has come to its end.
    pub(crate) fn close(&self) {
        if let Err(error) = journal::remove(&self.path.journal()) {
            warn!("the journal of {self} is left behind, which does no harm: {error}");
        }
    }
}

impl fmt::Display for Unsettled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.fmt(f)
    }
}

impl Claimed {
    /// What no other run can want.
    fn unshared(place: Place, clock: &Clock) -> Self {
        Self {
            place,
            left: Leftover::default(),
            unsettled: Vec::new(),
            set_aside: false,
            list: String::new(),
            clock: clock.clone(),
            _locks: Vec::new(),
        }
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match &self.place {
            Place::Stdout => "standard output".to_owned(),
            Place::File(path) => path.to_string(),
            Place::Anew(path) => path.display().to_string(),
        }
    }

    /// Whether the rows go to standard output.
    pub(crate) fn is_stdout(&self) -> bool {
        matches!(self.place, Place::Stdout)
    }

    /// The files that are written, and what they are.
    pub(crate) fn files(&self) -> Vec<(PathBuf, String)> {
        match &self.place {
            Place::Stdout => Vec::new(),
            Place::Anew(path) => vec![(path.clone(), "where the results go".to_owned())],
            Place::File(path) => vec![
                (path.real.clone(), "where the results go".to_owned()),
                (path.journal(), "the journal of the results".to_owned()),
                (
                    sibling(&path.real, ".lock"),
                    "the lock of the results".to_owned(),
                ),
            ],
        }
    }

    /// Opens the results for writing: begun with their header, or continued.
    pub(crate) fn open(&self, own: &[String]) -> Result<Opened, Failure> {
        let name = self.name();
        let unwritable = || format!("{name} cannot be written");
        let fresh = columns(&self.left, own);
        let (sink, columns, journal) = match &self.place {
            Place::Stdout => {
                let sink = Sink::stdout(&fresh.header()).with_context(unwritable)?;
                (sink, fresh, None)
            }
            Place::Anew(path) => {
                let file = AppendFile::recreate(path, &fresh.header()).with_context(unwritable)?;
                (Sink::Unsynced(file), fresh, None)
            }
            Place::File(path) => {
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
        Ok(Opened {
            writer: Writer::start(sink, &name),
            columns,
            journal,
        })
    }
}
