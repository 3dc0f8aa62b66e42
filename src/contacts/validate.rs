//! The one look at every row before anything is dialed.

use std::collections::{HashMap, HashSet, hash_map};
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::{Judged, List};
use crate::config::{Diagnostic, Duplicates};
use crate::contacts::csv::{Record, STREAM, ScanError};
use crate::contacts::row::Why;

/// The rows of bad lists that are named one by one before the rest are only counted.
const FAULTS_SHOWN: usize = 100;

/// The rows of the whole list that cannot be called.
#[derive(Debug, Default)]
pub(super) struct Bad {
    /// How many there are.
    pub(super) all: u64,
    /// The first of them by their lines, and why.
    first: Vec<(u64, Why)>,
}

/// Looks at every row: counts them, learns their zones, and notes which repeat an id or a number.
///
/// This takes 16 bytes a row: a hash of its id and the key of its number. Sorted, they show which repeat. Only the rows
/// that have one of those are then compared in full, so that nobody is left out because of a hash.
pub(super) fn check(list: &mut List) -> Result<Bad, ScanError> {
    let (mut ids, mut numbers, mut bad) = (Vec::new(), Vec::new(), Bad::default());
    let (mut record, mut judged) = (Record::default(), Judged::default());
    let mut scanner = list.scanner(list.columns.body, STREAM)?;
    while let Some(place) = scanner.read(&mut record)? {
        ids.push(hash(&list.columns.own_id(&record, place.at)));
        if let Some((_, zone)) = list.columns.zone_field(&record) {
            list.zones.learn(zone);
        }
        let verdict = list.judge(&record, place, &mut judged);
        let is_ours = list.is_ours(&record, place, verdict.is_ok().then_some(&judged));
        list.summary.contacts += u64::from(is_ours);
        match verdict {
            Ok(()) if list.duplicates == Duplicates::Call => {}
            Ok(()) => numbers.extend(judged.numbers.iter().map(|(_, number)| number.key())),
            Err(why) => {
                list.summary.bad += u64::from(is_ours);
                bad.all += 1;
                if bad.first.len() < FAULTS_SHOWN {
                    bad.first.push((place.at.line, why));
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

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
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

/// Notes the rows whose id was there before, and the numbers that were; only those with one of these hashes can be.
fn note_repetitions(
    list: &mut List,
    ids: &HashSet<u64>,
    numbers: &HashSet<u64>,
) -> Result<(), ScanError> {
    let mut known_ids = HashMap::new();
    let mut first_lines: HashMap<Box<str>, u64> = HashMap::new();
    let (mut record, mut judged) = (Record::default(), Judged::default());
    let mut scanner = list.scanner(list.columns.body, STREAM)?;
    while let Some(place) = scanner.read(&mut record)? {
        let id = list.columns.own_id(&record, place.at);
        if (ids.contains(&hash(&id)) || could_be_made(&id))
            && let Some(repetition) = repetition(&mut known_ids, &id)
        {
            list.repeated_ids.push((place.at.offset, repetition));
        }
        if numbers.is_empty() || list.judge(&record, place, &mut judged).is_err() {
            continue;
        }
        let mut left = judged.numbers.len();
        for (column, number) in &judged.numbers {
            if !numbers.contains(&number.key()) {
                continue;
            }
            match first_lines.entry(number.subscriber().into()) {
                hash_map::Entry::Vacant(entry) => {
                    entry.insert(place.at.line);
                }
                hash_map::Entry::Occupied(entry) => {
                    let at = (place.at.offset, *column);
                    list.repeated_numbers.push((at, *entry.get()));
                    left -= 1;
                }
            }
        }
        if left == 0 && list.is_ours(&record, place, Some(&judged)) {
            list.summary.duplicates += 1;
        }
    }
    list.repeated_ids.shrink_to_fit();
    list.repeated_numbers.shrink_to_fit();
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

impl Bad {
    /// As errors of the list.
    pub(super) fn into_errors(self, source: &Path) -> Vec<Diagnostic> {
        let more = self.all - self.first.len() as u64;
        let mut errors: Vec<Diagnostic> = self
            .first
            .into_iter()
            .map(|(line, why)| Diagnostic::of_line(source, line, why.to_string()))
            .collect();
        if more > 0 {
            let message = format!("and {more} more rows that cannot be called");
            errors.push(Diagnostic::of_file(source, message));
        }
        errors
    }
}
