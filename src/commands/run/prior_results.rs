//! Results that are there: read, checked, repaired and set aside.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::iter;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::{Timestamp, Zoned};
use tracing::{info, warn};

use crate::campaign::Leftover;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::disposition::Disposition;
use crate::error_chain::error_chain;
use crate::results::dated;
use crate::results::fs::{resolve, sibling, sync_folder};
use crate::results::journal::{self, JournalContent, JournalHead};
use crate::results::lock::Lock;
use crate::results::reader::ResultsError;
use crate::results::resume::{self, Asked};
use crate::results::schema::ResultsColumns;
use crate::results::tail::Tail;

/// A file as the operator names it, and what that leads to.
#[derive(Debug, Clone)]
pub(super) struct ResultsPath {
    pub(super) shown: PathBuf,
    /// This is locked, written and renamed, and the journal is beside it.
    pub(super) real: PathBuf,
}

impl ResultsPath {
    pub(super) fn resolve(shown: PathBuf) -> Result<Self, Failure> {
        let real = resolve(&shown).with_context(|| format!("{}", shown.display()))?;
        if fs::metadata(&real).is_ok_and(|there| !there.is_file()) {
            return Err(Failure::Usage(format!(
                "{} is not a file: name one, or - for standard output",
                shown.display()
            )));
        }
        Ok(Self { shown, real })
    }

    pub(super) fn journal(&self) -> PathBuf {
        journal::path_of(&self.real)
    }

    /// Removes the journal: all of its calls are settled.
    pub(super) fn remove_journal(&self) {
        if let Err(error) = journal::remove(&self.journal()) {
            warn!("the journal of {self} cannot be removed, which does no harm: {error}");
        }
    }
}

impl fmt::Display for ResultsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.display().fmt(f)
    }
}

pub(super) fn read_journal(path: &ResultsPath) -> Result<Option<JournalContent>, Failure> {
    let journal = path.journal();
    let content = journal::read(&journal).with_context(|| journal.display().to_string())?;
    Ok(content)
}

/// What was left in a file and its journal. Contacts whose final row has one of these dispositions may be called again;
/// calls that were dialed after `since` are gathered. Nothing is changed.
pub(super) fn read(
    path: &ResultsPath,
    redial: &[Disposition],
    since: Option<Timestamp>,
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
    let mut earlier = resume::read(&path.real, asked).map_err(|error| cannot_continue(&error))?;
    if earlier.simulated {
        return Err(Failure::Usage(format!(
            "{path} holds a rehearsal: name another file with --results, or begin anew with --fresh"
        )));
    }
    let mut in_flight = entries.unwrap_or_default();
    in_flight.retain(|(_, entry)| entry.id().is_some_and(|id| !earlier.settled.contains(&id)));
    for (_, entry) in &in_flight {
        earlier.note_in_flight(&entry.contact);
    }
    Ok(Leftover {
        earlier,
        done: Vec::new(),
        in_flight,
    })
}

/// Repairs the end of results, so that rows can be appended.
pub(super) fn repair(path: &ResultsPath, left: &Leftover, own: &[String]) -> Result<(), Failure> {
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
    if !prior.columns.is_empty() && prior.columns != ResultsColumns::new(own).names {
        warn!("{path} has another set of columns: it is continued in its own");
    }
    Ok(())
}

/// A rehearsal overwrites only an earlier one.
pub(super) fn check_rehearsal(path: &Path) -> Result<(), Failure> {
    if resume::may_be_overwritten(path) {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{} is not a rehearsal's: it is not touched, name another file with --results or move it away",
        path.display()
    )))
}

/// Only results are set aside.
pub(super) fn check_is_results(path: &ResultsPath, own: &[String]) -> Result<(), Failure> {
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
pub(super) fn check_not_removed(path: &ResultsPath, left: &Leftover) -> Result<(), Failure> {
    if !left.earlier.columns.is_empty() || left.in_flight.is_empty() {
        return Ok(());
    }
    Err(Failure::Usage(format!(
        "{path} is missing, but {} has calls of its run, which was cut off: put the results back, or begin anew with --fresh, which looks for those calls first",
        path.journal().display()
    )))
}

fn cannot_continue(error: &ResultsError) -> Failure {
    let advice = match error {
        ResultsError::Row { .. } => ": correct it, or begin anew with --fresh",
        ResultsError::NoColumn { .. } => ": name another file with --results, or move it away",
        _ => "",
    };
    Failure::Usage(format!("{}{advice}", error_chain(error)))
}

/// Keeps the old results, and their journal, under a dated name.
pub(super) fn set_aside(path: &ResultsPath) -> Result<(), Failure> {
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

/// The results of a pattern whose runs were cut off, with the heads of their journals; each is locked.
pub(super) fn find_cut_off(
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
        let lock = Lock::of(&path.real)?;
        if let Some(journal) = read_journal(&path)? {
            locks.push(lock);
            cut_off.push((path, journal.head));
        }
    }
    Ok(cut_off)
}

/// The results that this run writes: those of a run that was cut off with this list, or else those of `now`. Then the
/// others that were cut off.
pub(super) fn choose(
    now: PathBuf,
    mut cut_off: Vec<(ResultsPath, Option<JournalHead>)>,
    list: Option<&str>,
    clock: &Clock,
    locks: &mut Vec<Lock>,
) -> Result<(ResultsPath, Vec<ResultsPath>), Failure> {
    let now = ResultsPath::resolve(now)?;
    let time = clock.timestamp();
    let heads = cut_off.iter().map(|(_, head)| head.as_ref());
    let path = if let Some(index) = list.and_then(|list| dated::to_continue(heads, list, time)) {
        let (path, _) = cut_off.remove(index);
        if path.real != now.real {
            info!("{path}: its run was cut off, and the list is the same: it is continued");
        }
        path
    } else if let Some(index) = cut_off.iter().position(|(path, _)| path.real == now.real) {
        cut_off.remove(index).0
    } else {
        locks.push(Lock::of(&now.real)?);
        now
    };
    let others = cut_off.into_iter().map(|(path, _)| path).collect();
    Ok((path, others))
}
