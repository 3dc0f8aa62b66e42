//! The rows of the report's tables, which the text and the page lay out each in its own way.

use std::time::Duration;

use super::call_lengths::CallLengths;
use super::figures::{CallDurations, CallGroup, Figures};
use crate::disposition::Disposition;
use crate::output::format::{exact, percent};

pub(super) struct TableRow {
    pub(super) name: String,
    /// The numbers that the pieces of the bar show, and whose colour each has.
    pub(super) bar: Vec<(Option<Disposition>, u64)>,
    pub(super) cells: Vec<TableCell>,
}

#[derive(Clone, Copy)]
pub(super) enum TableCell {
    Empty,
    Count(u64),
    /// A part of a whole.
    Share(u64, u64),
    /// A part of a whole, and which share that is; of 0 there is no share.
    CountAndShare(u64, u64),
    Time(Duration),
}

use TableCell::{Count, Empty, Share, Time};

impl TableRow {
    pub(super) fn new(name: &str, bar: u64, cells: impl IntoIterator<Item = TableCell>) -> Self {
        Self {
            name: name.to_owned(),
            bar: vec![(None, bar)],
            cells: cells.into_iter().collect(),
        }
    }

    pub(super) fn bar_length(&self) -> u64 {
        self.bar.iter().map(|(_, count)| count).sum()
    }
}

impl TableCell {
    /// As text, in which `count` writes numbers.
    pub(super) fn show(self, count: fn(u64) -> String) -> String {
        match self {
            Empty => String::new(),
            Count(number) => count(number),
            Share(part, whole) => percent(part, whole),
            Self::CountAndShare(part, 0) => format!("{}{:8}", count(part), ""),
            Self::CountAndShare(part, whole) => {
                format!("{}{:>8}", count(part), percent(part, whole))
            }
            Time(time) => exact(time),
        }
    }
}

impl Figures {
    /// Contacts, and their share of the row above.
    pub(super) fn funnel(&self) -> [TableRow; 4] {
        let contacts = &self.contacts;
        let row = |name, count, share| TableRow::new(name, count, [Count(count), share]);
        let of = |name, count, whole| row(name, count, Share(count, whole));
        [
            row("in the results", contacts.in_results, Empty),
            of("called", contacts.called, contacts.in_results),
            of("reached", contacts.reached, contacts.called),
            of("ANSWERED", contacts.answered, contacts.reached),
        ]
    }

    /// Contacts with this final outcome, calls that ended so, and the share of each; the last row is the total.
    pub(super) fn by_disposition(&self) -> Vec<TableRow> {
        let (contacts, calls) = (self.contacts.in_results, self.attempts.total);
        let mut rows = Vec::new();
        for kind in Disposition::ALL {
            let of = self.dispositions[kind];
            if of.contacts > 0 || of.attempts > 0 {
                rows.push(TableRow {
                    name: kind.to_string(),
                    bar: vec![(Some(kind), of.contacts)],
                    cells: vec![
                        Count(of.contacts),
                        Share(of.contacts, contacts),
                        Count(of.attempts),
                        Share(of.attempts, calls),
                    ],
                });
            }
        }
        let pending = self.contacts.pending;
        if pending > 0 {
            let cells = [Count(pending), Share(pending, contacts), Empty];
            rows.push(TableRow::new("not finished", pending, cells));
        }
        let total = [Count(contacts), Empty, Count(calls)];
        rows.push(TableRow::new("total", 0, total));
        rows
    }

    /// From the first hour with calls to the last.
    pub(super) fn hours_with_calls(&self) -> &[CallGroup] {
        let has_calls = |hour: &CallGroup| hour.calls.total() > 0;
        let first = self.hours.iter().position(has_calls).unwrap_or(0);
        let last = self.hours.iter().rposition(has_calls);
        &self.hours[first..last.map_or(first, |last| last + 1)]
    }

    /// `Never called: 2 (1 INVALID NUMBER, 1 DUPLICATE).`
    pub(super) fn never_called(&self, count: fn(u64) -> String) -> Option<String> {
        let contacts = self.contacts.not_called;
        let reasons = Disposition::ALL.into_iter().filter_map(|disposition| {
            let contacts = self.dispositions[disposition].not_called;
            (contacts > 0).then(|| format!("{} {disposition}", count(contacts)))
        });
        let reasons = match reasons.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => none,
            reasons => format!(" ({reasons})"),
        };
        (contacts > 0).then(|| format!("Never called: {}{reasons}.", count(contacts)))
    }
}

impl CallGroup {
    /// Calls, those that were picked up, and their share.
    pub(super) fn row(&self) -> TableRow {
        let (calls, picked_up) = (self.calls.total(), self.calls.picked_up());
        TableRow {
            name: self.key.to_string(),
            bar: Disposition::ALL
                .map(|kind| (Some(kind), self.calls[kind]))
                .to_vec(),
            cells: vec![Count(calls), Count(picked_up), Share(picked_up, calls)],
        }
    }
}

impl CallDurations {
    /// Of each kind of call: how many, mean, median, 90%, longest and sum.
    pub(super) fn rows(&self) -> Vec<TableRow> {
        let kinds = [
            ("talking", &self.talk),
            ("ringing, picked up", &self.ring_answered),
            ("ringing, NO ANSWER", &self.ring_no_answer),
        ];
        let row = |(name, lengths): (&str, &CallLengths)| {
            let times = [
                lengths.mean(),
                lengths.quantile(50),
                lengths.quantile(90),
                lengths.longest,
                lengths.total,
            ];
            let cells = [Count(lengths.calls)].into_iter().chain(times.map(Time));
            (lengths.calls > 0).then(|| TableRow::new(name, 0, cells))
        };
        kinds.into_iter().filter_map(row).collect()
    }
}
