//! The one look at every row before anything is dialed.

use std::collections::HashMap;
use std::collections::hash_map;
use std::hash::{BuildHasher as _, RandomState};
use std::io;
use std::path::Path;

use csv::ByteRecord;

use super::{Entry, FAULTS_SHOWN, List, Skipped};
use crate::config::Fault;
use crate::disposition::Disposition;
use crate::number::Number;

/// Looks at every row: counts them, and notes which repeat an id or a number. Returns the first bad ones.
///
/// Ids and numbers are known by 64 bits each while this runs. Two ids that share them only get a `#2` too many; two
/// numbers that share them are compared in full.
pub(super) fn check(list: &mut List) -> io::Result<Vec<Skipped>> {
    let hasher = RandomState::new();
    let mut ids: HashMap<u64, u32> = HashMap::new();
    let mut numbers: HashMap<u64, super::Position> = HashMap::new();
    let mut bad = Vec::new();
    let mut reader = list.reader(list.columns.body)?;
    let mut record = ByteRecord::new();
    while reader.read_byte_record(&mut record)? {
        let Some(at) = list.columns.position_of(&record) else {
            continue;
        };
        record.trim();
        if record.iter().all(<[u8]>::is_empty) {
            continue;
        }
        list.summary.contacts += 1;
        if let Some(repetition) = repetition(&mut ids, &hasher, &list.columns.own_id(&record, at)) {
            list.repeated_ids.insert(at.offset, repetition);
        }
        match list.entry(&mut record, at) {
            Some(Entry::Contact(contact)) => {
                if let Some(first) = earlier(list, &mut numbers, &hasher, &contact.number, at)? {
                    list.duplicates.insert(at.offset, first);
                    list.summary.duplicates += 1;
                }
            }
            Some(Entry::Skipped(skipped)) => {
                debug_assert_ne!(skipped.disposition, Disposition::Duplicate);
                list.summary.bad += 1;
                if bad.len() < FAULTS_SHOWN {
                    bad.push(skipped);
                }
            }
            None => {}
        }
    }
    Ok(bad)
}

/// The number behind the `#` of an id that was there before. A made id must not be one that the list gives, either.
fn repetition(ids: &mut HashMap<u64, u32>, hasher: &RandomState, id: &str) -> Option<u32> {
    let mut repetition = match ids.entry(hasher.hash_one(id)) {
        hash_map::Entry::Vacant(entry) => {
            entry.insert(2);
            return None;
        }
        hash_map::Entry::Occupied(entry) => *entry.get(),
    };
    while ids
        .insert(hasher.hash_one(format!("{id}#{repetition}")), 2)
        .is_some()
    {
        repetition += 1;
    }
    ids.insert(hasher.hash_one(id), repetition + 1);
    Some(repetition)
}

/// The line on which a number stood before.
fn earlier(
    list: &List,
    numbers: &mut HashMap<u64, super::Position>,
    hasher: &RandomState,
    number: &Number,
    at: super::Position,
) -> io::Result<Option<u64>> {
    match numbers.entry(hasher.hash_one(number)) {
        hash_map::Entry::Vacant(entry) => {
            entry.insert(at);
            Ok(None)
        }
        hash_map::Entry::Occupied(entry) => {
            let first = *entry.get();
            let same = list.reread(first)?.number == *number;
            Ok(same.then_some(first.line))
        }
    }
}

/// Bad rows as faults of the list.
pub(super) fn as_faults(source: &Path, bad: Vec<Skipped>, all: u64) -> Vec<Fault> {
    let shown = bad.len() as u64;
    let mut faults: Vec<Fault> = bad
        .into_iter()
        .map(|skipped| Fault {
            file: source.to_owned(),
            line: Some(skipped.line),
            column: None,
            message: skipped.why,
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
