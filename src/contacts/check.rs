//! The one look at every row before anything is dialed.

use std::collections::{HashMap, HashSet, hash_map};
use std::hash::{DefaultHasher, Hash, Hasher as _};
use std::path::Path;

use super::scan::{Record, STREAM, ScanError};
use super::{List, Why};
use crate::config::Fault;
use crate::number::Number;

/// The rows of bad lists that are named one by one before the rest are only counted.
const FAULTS_SHOWN: usize = 100;

/// A row that cannot be called: its line, and why.
pub(super) type Bad = (u64, Why);

/// Looks at every row: counts them, and notes which repeat an id or a number. Returns the first bad ones.
///
/// This takes 16 bytes a row: a hash of its id and one of its number. Sorted, they show which hashes repeat. Only the
/// rows that have one of those are then compared in full, so that nobody is left out because of a hash.
pub(super) fn check(list: &mut List) -> Result<Vec<Bad>, ScanError> {
    let (mut ids, mut numbers, mut bad) = (Vec::new(), Vec::new(), Vec::new());
    let (mut record, mut scratch) = (Record::default(), Vec::new());
    let mut scanner = list.scanner(list.columns.body, STREAM)?;
    while let Some(place) = scanner.read(&mut record)? {
        list.summary.contacts += 1;
        ids.push(hash(&list.columns.own_id(&record, place.at)));
        match list.judge(&record, place, &mut scratch) {
            Ok(number) => numbers.push(hash(&number)),
            Err(why) => {
                list.summary.bad += 1;
                if bad.len() < FAULTS_SHOWN {
                    bad.push((place.at.line, why));
                }
            }
        }
    }
    let (ids, numbers) = (repeated(ids), repeated(numbers));
    if !ids.is_empty() || !numbers.is_empty() {
        note_repetitions(list, &ids, &numbers)?;
    }
    Ok(bad)
}

/// The same for the same text in every run, so that ids are the same in every run.
fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

/// What is there more than once.
fn repeated(mut hashes: Vec<u64>) -> HashSet<u64> {
    hashes.sort_unstable();
    hashes
        .chunk_by(|a, b| a == b)
        .filter(|same| same.len() > 1)
        .map(|same| same[0])
        .collect()
}

/// Notes the rows whose id or number was there before; only those with one of these hashes can be.
fn note_repetitions(
    list: &mut List,
    ids: &HashSet<u64>,
    numbers: &HashSet<u64>,
) -> Result<(), ScanError> {
    let mut known_ids = HashMap::new();
    let mut first_lines: HashMap<Number, u64> = HashMap::new();
    let (mut record, mut scratch) = (Record::default(), Vec::new());
    let mut scanner = list.scanner(list.columns.body, STREAM)?;
    while let Some(place) = scanner.read(&mut record)? {
        let id = list.columns.own_id(&record, place.at);
        if (ids.contains(&hash(&id)) || could_be_made(&id))
            && let Some(repetition) = repetition(&mut known_ids, &id)
        {
            list.repeated_ids.push((place.at.offset, repetition));
        }
        let number = String::from_utf8_lossy(list.columns.number_field(&record));
        let Some(number) = Number::clean(&number)
            .ok()
            .filter(|number| numbers.contains(&hash(number)))
        else {
            continue;
        };
        if list.judge(&record, place, &mut scratch).is_err() {
            continue;
        }
        match first_lines.entry(number) {
            hash_map::Entry::Vacant(entry) => {
                entry.insert(place.at.line);
            }
            hash_map::Entry::Occupied(entry) => {
                list.duplicates.push((place.at.offset, *entry.get()));
                list.summary.duplicates += 1;
            }
        }
    }
    list.repeated_ids.shrink_to_fit();
    list.duplicates.shrink_to_fit();
    Ok(())
}

/// Whether an id of the list ends as those do that are made for a repeated one.
fn could_be_made(id: &str) -> bool {
    id.rsplit_once('#').is_some_and(|(_, repetition)| {
        !repetition.is_empty() && repetition.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// The number behind the `#` of an id that was there before. A made id must not be one that was there, either.
fn repetition(known: &mut HashMap<String, u32>, id: &str) -> Option<u32> {
    let Some(next) = known.get(id) else {
        known.insert(id.to_owned(), 2);
        return None;
    };
    let mut repetition = *next;
    while known.contains_key(&format!("{id}#{repetition}")) {
        repetition += 1;
    }
    known.insert(format!("{id}#{repetition}"), 2);
    known.insert(id.to_owned(), repetition + 1);
    Some(repetition)
}

/// Bad rows as faults of the list.
pub(super) fn as_faults(source: &Path, bad: Vec<Bad>, all: u64) -> Vec<Fault> {
    let shown = bad.len() as u64;
    let mut faults: Vec<Fault> = bad
        .into_iter()
        .map(|(line, why)| Fault {
            file: source.to_owned(),
            line: Some(line),
            column: None,
            message: why.to_string(),
        })
        .collect();
    if all > shown {
        faults.push(Fault {
            file: source.to_owned(),
            line: None,
            column: None,
            message: format!("and {} more rows that cannot be called", all - shown),
        });
    }
    faults
}
