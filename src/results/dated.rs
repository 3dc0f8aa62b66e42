//! Results under dated names, `storm-%Y-%m-%d.csv`: which of them were cut off, and which of those is continued.
//!
//! A journal beside results says that their run did not come to a clean end. Nothing here is read of the results, and
//! nothing is changed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp};

use crate::results::fs::folder;
use crate::results::journal::{self, JournalHead};

/// For how long after it was cut off a run is continued in its own file.
pub const CONTINUED_FOR: SignedDuration = SignedDuration::from_hours(12);

/// Whether the name of a file is one that a pattern makes at some time.
pub fn is_of(pattern: &Path, name: &OsStr) -> bool {
    match (pattern.file_name().and_then(OsStr::to_str), name.to_str()) {
        (Some(pattern), Some(name)) => strtime::parse(pattern, name).is_ok(),
        _ => false,
    }
}

/// The names of a pattern's results in its folder, as far as they or their journal are there; in their order.
///
/// # Errors
/// The folder cannot be read.
pub fn there(pattern: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder(pattern)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut there = BTreeSet::new();
    for entry in entries {
        let found = pattern.with_file_name(entry?.file_name());
        let results = journal::results_of(&found).unwrap_or(found);
        if results.file_name().is_some_and(|name| is_of(pattern, name)) {
            there.insert(results);
        }
    }
    Ok(there.into_iter().collect())
}

/// Which of the runs that were cut off is continued, by its index: the one that was alive last, if that is not too long
/// ago and it dialed this list. `heads` are those of their journals, where one says anything.
pub fn to_continue<'h>(
    heads: impl Iterator<Item = Option<&'h JournalHead>>,
    list: &str,
    now: Timestamp,
) -> Option<usize> {
    let is_fit = |head: &&JournalHead| {
        head.list == list && now.duration_since(head.alive_at) < CONTINUED_FOR
    };
    heads
        .enumerate()
        .filter_map(|(index, head)| Some((index, head.filter(is_fit)?)))
        .max_by_key(|(_, head)| head.alive_at)
        .map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_from_those_of_other_campaigns() {
        let of = |pattern: &str, name: &str| is_of(Path::new(pattern), OsStr::new(name));
        assert!(of("storm-%Y-%m-%d.csv", "storm-2026-11-23.csv"));
        assert!(of("%F.csv", "2026-11-23.csv"));
        assert!(of("storm-%Y%m%dT%H%M%S.csv", "storm-20261123T093000.csv"));
        assert!(of("%A, %e %B.csv", "Monday,  2 November.csv"));
        for other in [
            "storm-north-2026-11-23.csv",
            "storm-2026-11-23.csv.20261124T080000",
            "storm-2026-11-23.simulated.csv",
            "storm-.csv",
            "storm-20261123.csv",
            "calls-2026-11-23.csv",
        ] {
            assert!(!of("storm-%Y-%m-%d.csv", other), "{other}");
        }
    }

    #[test]
    fn results_are_found_by_their_names_and_by_their_journals() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a-2026-11-22.csv",
            "a-2026-11-22.csv.journal",
            "a-2026-11-21.csv.journal",
            "a-2026-11-23.csv.lock",
            "b-2026-11-22.csv",
        ] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = there(&folder.path().join("a-%Y-%m-%d.csv")).unwrap();
        let expected =
            ["a-2026-11-21.csv", "a-2026-11-22.csv"].map(|name| folder.path().join(name));
        assert_eq!(found, expected);
        assert!(
            there(&folder.path().join("none/%Y.csv"))
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn the_run_that_was_alive_last_is_gone_on_with_for_twelve_hours_and_with_its_list() {
        let now: Timestamp = "2026-11-24T00:30:00Z".parse().unwrap();
        let head = |list: &str, ago: SignedDuration| {
            let alive_at = now - ago;
            let list = list.to_owned();
            Some(JournalHead { list, alive_at })
        };
        let minutes = SignedDuration::from_mins;
        let chosen = |cut_off: &[Option<JournalHead>]| {
            to_continue(cut_off.iter().map(Option::as_ref), "list", now)
        };
        assert_eq!(chosen(&[head("list", minutes(40))]), Some(0));
        assert_eq!(chosen(&[head("list", minutes(12 * 60))]), None);
        assert_eq!(chosen(&[head("list", minutes(12 * 60 - 1))]), Some(0));
        assert_eq!(chosen(&[head("another", minutes(40))]), None);
        assert_eq!(chosen(&[None]), None, "nobody knows what it was");
        let several = [
            head("list", minutes(300)),
            None,
            head("list", minutes(40)),
            head("another", minutes(1)),
        ];
        assert_eq!(chosen(&several), Some(2));
        // The clock was set back meanwhile.
        assert_eq!(chosen(&[head("list", minutes(-10))]), Some(0));
    }
}
