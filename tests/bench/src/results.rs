//! What a run left behind, read by a reader that knows nothing of the dialer: nobody lost, nobody twice, no line too many.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use jiff::Timestamp;

/// What the results of a campaign say.
#[derive(Debug, Default)]
pub(crate) struct Results {
    /// Attempts, and contacts that were not called.
    pub(crate) rows: usize,
    /// Attempts that were answered.
    pub(crate) answered: usize,
    /// The most calls that were in flight on one trunk.
    pub(crate) most_at_once: usize,
    /// From the first Originate to the last end.
    pub(crate) spent: Duration,
}

/// Reads the results of a campaign of this crate's, whose contacts are `c0`, `c1` and so on.
///
/// Each of them must have one final row, and no row after it.
pub(crate) fn read(path: &Path, contacts: usize) -> anyhow::Result<Results> {
    let mut reader = csv::Reader::from_path(path)?;
    let header = reader.headers()?.clone();
    let place = |name: &str| {
        let place = header.iter().position(|column| column == name);
        place.with_context(|| format!("no column {name}"))
    };
    let (contact, is_final, disposition) =
        (place("contact")?, place("final")?, place("disposition")?);
    let (trunk, dialed_at, ended_at) = (place("trunk")?, place("dialed_at")?, place("ended_at")?);
    let mut over = vec![false; contacts];
    let mut trunks: HashMap<String, Vec<(i64, bool)>> = HashMap::new();
    let mut results = Results::default();
    let mut row = csv::StringRecord::new();
    while reader.read_record(&mut row)? {
        results.rows += 1;
        let number = row[contact].strip_prefix('c').map(str::parse::<usize>);
        let over = match number {
            Some(Ok(number)) => over.get_mut(number),
            _ => None,
        };
        let over = over.with_context(|| format!("nobody is {:?}", &row[contact]))?;
        ensure!(!*over, "{} has a row after the final one", &row[contact]);
        *over = &row[is_final] == "yes";
        results.answered += usize::from(&row[disposition] == "ANSWERED");
        if !row[dialed_at].is_empty() {
            let calls = match trunks.get_mut(&row[trunk]) {
                Some(calls) => calls,
                None => trunks.entry(row[trunk].to_owned()).or_default(),
            };
            calls.push((milliseconds(&row[dialed_at])?, true));
            calls.push((milliseconds(&row[ended_at])?, false));
        }
    }
    let lost = over.iter().filter(|over| !**over).count();
    ensure!(lost == 0, "{lost} contacts have no final row");
    let all = || trunks.values().flatten();
    let began = all().filter(|(_, begins)| *begins).map(|(at, _)| at).min();
    let ended = all().map(|(at, _)| at).max();
    if let (Some(began), Some(ended)) = (began, ended) {
        results.spent = Duration::from_millis(ended.abs_diff(*began));
    }
    let most = trunks.values_mut().map(|calls| most_at_once(calls)).max();
    results.most_at_once = most.unwrap_or(0);
    Ok(results)
}

fn milliseconds(time: &str) -> anyhow::Result<i64> {
    let time: Timestamp = time
        .parse()
        .with_context(|| format!("{time:?} is no time"))?;
    Ok(time.as_millisecond())
}

/// The most calls at once, where one that ends makes room for one that begins in the same millisecond.
fn most_at_once(calls: &mut [(i64, bool)]) -> usize {
    calls.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for &(_, begins) in &*calls {
        // A call that is over within a millisecond ends before it begins here.
        now = if begins {
            now + 1
        } else {
            now.saturating_sub(1)
        };
        most = most.max(now);
    }
    most
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const HEADER: &str = "contact,final,disposition,trunk,dialed_at,ended_at\n";

    fn results(rows: &str, contacts: usize) -> anyhow::Result<Results> {
        let file = tempfile::NamedTempFile::new()?;
        fs::write(file.path(), format!("{HEADER}{rows}"))?;
        read(file.path(), contacts)
    }

    #[test]
    fn a_contact_that_is_lost_unknown_or_called_again_is_seen() {
        let row = |contact: &str, last: &str| {
            format!(
                "{contact},{last},ANSWERED,t,2026-11-23T09:30:00.000Z,2026-11-23T09:30:01.000Z\n"
            )
        };
        results(&(row("c0", "no") + &row("c0", "yes")), 1).unwrap();
        for (rows, contacts) in [
            (row("c0", "yes"), 2),
            (row("c0", "no"), 1),
            (row("c0", "yes") + &row("c0", "no"), 1),
            (row("c0", "yes") + &row("c0", "yes"), 1),
            (row("c7", "yes"), 1),
        ] {
            assert!(results(&rows, contacts).is_err(), "{rows}");
        }
    }

    #[test]
    fn calls_at_once_are_counted_by_trunk() {
        let row = |contact: usize, trunk: &str, from: u32, to: u32| {
            format!(
                "c{contact},yes,BUSY,{trunk},2026-11-23T09:30:0{from}.000-03:00,2026-11-23T09:30:0{to}.000-03:00\n"
            )
        };
        let rows = row(0, "a", 0, 2) + &row(1, "a", 2, 5) + &row(2, "b", 2, 4) + &row(3, "b", 3, 4);
        let results = results(&rows, 4).unwrap();
        assert_eq!(results.most_at_once, 2);
        assert_eq!(results.spent, Duration::from_secs(5));
        assert_eq!((results.rows, results.answered), (4, 0));
    }
}
