//! The one look at every row before anything is dialed. What is learnt of a row here is not asked again.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64;

use super::List;
use super::csv::{CsvRow, STREAM};
use crate::config::{Diagnostic, Duplicates};
use crate::phone_number::Number;

/// The rows of bad lists that are named one by one before the rest are only counted.
const FAULTS_SHOWN: usize = 100;

/// Looks at every row: counts them, learns their zones, and notes which cannot be called, which are another part's, and
/// which repeat an id or a number.
///
/// Gives an error for each of the rows of the whole list that cannot be called, or the first of them.
///
/// This takes 16 bytes a row: a hash of its id and the key of its number. Sorted, they show which repeat.
pub(super) fn check(list: &mut List, source: &Path) -> io::Result<Vec<Diagnostic>> {
    let (mut ids, mut keys, mut suffixed_ids) = (Vec::new(), Vec::new(), HashSet::new());
    let (mut errors, mut more_errors) = (Vec::new(), 0_u64);
    let (mut row, mut numbers, mut scratch) = Default::default();
    let mut reader = list.reader(list.columns.body, STREAM);
    while reader.read(&mut row)? {
        let id = list.columns.own_id(&row);
        ids.push(hash(&id));
        // It ends as those do that are made for a repeated id.
        let repetition = id.rsplit_once('#').map(|(_, repetition)| repetition);
        if repetition.is_some_and(|repetition| repetition.parse::<u32>().is_ok()) {
            suffixed_ids.insert(hash(&id));
        }
        if let Some((_, zone)) = list.columns.zone_field(&row) {
            list.zones.learn(zone);
        }
        let is_ours = list.is_ours(&row, &mut numbers);
        let judged = list.judge(&row, &mut numbers, &mut scratch);
        list.other_parts.push(!is_ours);
        list.bad.push(judged.is_err());
        list.summary.contacts += u64::from(is_ours);
        match judged {
            Ok(_) if list.duplicates == Duplicates::Call => {}
            Ok(_) => keys.extend(numbers.iter().map(Number::key)),
            Err(error) => {
                list.summary.bad += u64::from(is_ours);
                if errors.len() < FAULTS_SHOWN {
                    errors.push(Diagnostic::of_line(source, row.at.line, error.in_row(&row)));
                } else {
                    more_errors += 1;
                }
            }
        }
    }
    if more_errors > 0 {
        let message = format!("and {more_errors} more rows that cannot be called");
        errors.push(Diagnostic::of_file(source, message));
    }
    let ids = repeated(ids);
    list.first_lines = repeated(keys).into_iter().map(|key| (key, 0)).collect();
    if !ids.is_empty() || !list.first_lines.is_empty() {
        note_repetitions(list, &ids, &suffixed_ids)?;
    }
    Ok(errors)
}

fn hash(text: &str) -> u64 {
    xxh3_64(text.as_bytes())
}

/// What is there more than once.
fn repeated(mut hashes: Vec<u64>) -> HashSet<u64> {
    hashes.sort_unstable();
    let repeated = hashes.chunk_by(|a, b| a == b).filter(|same| same.len() > 1);
    repeated.map(|same| same[0]).collect()
}

/// Notes the rows whose id was there before, and the line on which each repeated number is first.
fn note_repetitions(
    list: &mut List,
    ids: &HashSet<u64>,
    suffixed_ids: &HashSet<u64>,
) -> io::Result<()> {
    // The number behind the `#` that is next, by the hashes of ids.
    let mut next_repetition: HashMap<u64, u32> = HashMap::new();
    let (mut row, mut numbers) = (CsvRow::default(), Vec::new());
    let mut reader = list.reader(list.columns.body, STREAM);
    for index in 0..list.bad.len() {
        if !reader.read(&mut row)? {
            break;
        }
        let id = list.columns.own_id(&row);
        let id_hash = hash(&id);
        if ids.contains(&id_hash) || suffixed_ids.contains(&id_hash) {
            if let Some(&next) = next_repetition.get(&id_hash) {
                // A made id must not be one that was there, and none that comes may be taken for a made one.
                let made = |repetition: &u32| hash(&format!("{id}#{repetition}"));
                let is_free = |repetition: &u32| !next_repetition.contains_key(&made(repetition));
                let repetition = (next..=u32::MAX).find(is_free).unwrap_or(next);
                if suffixed_ids.contains(&made(&repetition)) {
                    next_repetition.insert(made(&repetition), 2);
                }
                next_repetition.insert(id_hash, repetition + 1);
                list.repeated_ids.insert(row.at.offset, repetition);
            } else {
                next_repetition.insert(id_hash, 2);
            }
        }
        if list.first_lines.is_empty() || list.bad[index] || list.read(&row, &mut numbers).is_err()
        {
            continue;
        }
        let mut is_duplicate = true;
        for number in &numbers {
            match list.first_lines.get_mut(&number.key()) {
                Some(line) if *line != 0 => {}
                Some(line) => {
                    *line = row.at.line;
                    is_duplicate = false;
                }
                None => is_duplicate = false,
            }
        }
        list.summary.duplicates += u64::from(is_duplicate && !list.other_parts[index]);
    }
    Ok(())
}
