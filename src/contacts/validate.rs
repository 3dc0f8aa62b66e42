//! The one look at every row before anything is dialed. What is learnt of a row here is not asked again.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::List;
use super::csv::{CsvRow, STREAM};
use crate::config::{Diagnostic, Duplicates};

/// The rows of bad lists that are named one by one before the rest are only counted.
const FAULTS_SHOWN: usize = 100;

/// The rows of the whole list that cannot be called.
#[derive(Debug, Default)]
pub(super) struct BadRowReport {
    pub(super) count: u64,
    /// The first of them by their lines, and why.
    first: Vec<(u64, String)>,
}

/// Looks at every row: counts them, learns their zones, and notes which cannot be called, which are another part's, and
/// which repeat an id or a number.
///
/// This takes 16 bytes a row: a hash of its id and the key of its number. Sorted, they show which repeat.
pub(super) fn check(list: &mut List) -> io::Result<BadRowReport> {
    let (mut ids, mut keys, mut report) = (Vec::new(), Vec::new(), BadRowReport::default());
    let mut suffixed_ids = Vec::new();
    let (mut row, mut numbers, mut scratch) = Default::default();
    let mut reader = list.reader(list.columns.body, STREAM)?;
    while reader.read(&mut row)? {
        let id = list.columns.own_id(&row);
        ids.push(hash(&id));
        if is_suffixed(&id) {
            suffixed_ids.push(hash(&id));
        }
        if let Some((_, zone)) = list.columns.zone_field(&row) {
            list.zones.learn(zone);
        }
        let is_ours = list.is_ours(&row);
        let judged = list.judge(&row, &mut numbers, &mut scratch);
        list.other_parts.push(!is_ours);
        list.bad.push(judged.is_err());
        list.summary.contacts += u64::from(is_ours);
        match judged {
            Ok(_) if list.duplicates == Duplicates::Call => {}
            Ok(_) => keys.extend(numbers.iter().map(|number| number.key())),
            Err(error) => {
                list.summary.bad += u64::from(is_ours);
                report.count += 1;
                if report.first.len() < FAULTS_SHOWN {
                    report.first.push((row.at.line, error.in_row(&row)));
                }
            }
        }
    }
    let (ids, keys) = (repeated(ids), repeated(keys));
    if !ids.is_empty() || !keys.is_empty() {
        suffixed_ids.sort_unstable();
        note_repetitions(list, &ids, &suffixed_ids, &keys)?;
    }
    Ok(report)
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// What is there more than once, sorted.
fn repeated(mut hashes: Vec<u64>) -> Vec<u64> {
    hashes.sort_unstable();
    let repeated = hashes.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
    repeated.map(|same| same[0]).collect()
}

/// Whether an id of the list ends as those do that are made for a repeated one.
fn is_suffixed(id: &str) -> bool {
    id.rsplit_once('#').is_some_and(|(_, repetition)| {
        !repetition.is_empty() && repetition.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// Notes the rows whose id was there before, and the line on which each repeated number is first. All are sorted.
fn note_repetitions(
    list: &mut List,
    ids: &[u64],
    suffixed_ids: &[u64],
    keys: &[u64],
) -> io::Result<()> {
    let has = |sorted: &[u64], hash: u64| sorted.binary_search(&hash).is_ok();
    // The number behind the `#` that is next, by the hashes of ids.
    let mut next_repetition: HashMap<u64, u32> = HashMap::new();
    list.first_lines = keys.iter().map(|&key| (key, 0)).collect();
    let (mut row, mut numbers) = (CsvRow::default(), Vec::new());
    let mut reader = list.reader(list.columns.body, STREAM)?;
    for index in 0.. {
        if !reader.read(&mut row)? {
            break;
        }
        let id = list.columns.own_id(&row);
        let id_hash = hash(&id);
        if has(ids, id_hash) || has(suffixed_ids, id_hash) {
            if let Some(&next) = next_repetition.get(&id_hash) {
                // A made id must not be one that was there, and none that comes may be taken for a made one.
                let made = |repetition: &u32| hash(&format!("{id}#{repetition}"));
                let is_free = |repetition: &u32| !next_repetition.contains_key(&made(repetition));
                let repetition = (next..).find(is_free).unwrap_or(next);
                if has(suffixed_ids, made(&repetition)) {
                    next_repetition.insert(made(&repetition), 2);
                }
                next_repetition.insert(id_hash, repetition + 1);
                list.repeated_ids.push((row.at.offset, repetition));
            } else {
                next_repetition.insert(id_hash, 2);
            }
        }
        if keys.is_empty() || list.bad.contains(index) || list.read(&row, &mut numbers).is_err() {
            continue;
        }
        let mut is_duplicate = true;
        for number in &numbers {
            match list
                .first_lines
                .binary_search_by_key(&number.key(), |&(key, _)| key)
            {
                Ok(place) if list.first_lines[place].1 == 0 => {
                    list.first_lines[place].1 = row.at.line;
                    is_duplicate = false;
                }
                Ok(_) => {}
                Err(_) => is_duplicate = false,
            }
        }
        list.summary.duplicates += u64::from(is_duplicate && !list.other_parts.contains(index));
    }
    list.repeated_ids.shrink_to_fit();
    Ok(())
}

impl BadRowReport {
    /// As errors of the list.
    pub(super) fn into_errors(self, source: &Path) -> Vec<Diagnostic> {
        let more = self.count - self.first.len() as u64;
        let first = self.first.into_iter();
        let mut errors: Vec<Diagnostic> = first
            .map(|(line, why)| Diagnostic::of_line(source, line, why))
            .collect();
        if more > 0 {
            let message = format!("and {more} more rows that cannot be called");
            errors.push(Diagnostic::of_file(source, message));
        }
        errors
    }
}
