//! The rows of the report's tables, which the text and the page lay out each in its own way.

use std::time::Duration;

use super::call_lengths::CallLengths;
use super::figures::{CallDurations, CallGroup, Figures};
use crate::disposition::Disposition;
use crate::output::format::{exact, percent};

pub(super) struct TableRow {
    pub(super) name: String,
    /// Whose colour the bar has.
    pub(super) disposition: Option<Disposition>,
    /// The number that the bar shows.
    pub(super) bar: u64,
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
    pub(super) fn new(
        name: impl ToString,
        bar: u64,
        cells: impl IntoIterator<Item = TableCell>,
    ) -> Self {
        Self {
            name: name.to_string(),
            disposition: None,
            bar,
            cells: cells.into_iter().collect(),
        }
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

    /// Contacts with this final outcome, calls that ended so, and the share of each.
    pub(super) fn by_disposition(&self) -> Vec<TableRow> {
        let (contacts, calls) = (self.contacts.in_results, self.attempts.total);
        let mut rows = Vec::new();
        for kind in Disposition::ALL {
            let of = self.dispositions[kind];
            if of.contacts > 0 || of.attempts > 0 {
                let share = Share(of.contacts, contacts);
                let (count, calls) = (Count(of.attempts), Share(of.attempts, calls));
                let cells = [Count(of.contacts), share, count, calls];
                let mut row = TableRow::new(kind, of.contacts, cells);
                row.disposition = Some(kind);
                rows.push(row);
            }
        }
        let pending = self.contacts.pending;
        if pending > 0 {
            let cells = [Count(pending), Share(pending, contacts), Empty];
            rows.push(TableRow::new("not finished", pending, cells));
        }
        rows
    }

    pub(super) fn disposition_total(&self) -> TableRow {
        let (contacts, calls) = (self.contacts.in_results, self.attempts.total);
        TableRow::new("total", 0, [Count(contacts), Empty, Count(calls)])
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
        let cells = [Count(calls), Count(picked_up), Share(picked_up, calls)];
        TableRow::new(&self.key, calls, cells)
    }
}

impl CallDurations {
    /// What calls there were, with their names in the text and on the page.
    pub(super) fn kinds(&self) -> Vec<(&'static str, &'static str, &CallLengths)> {
        let picked_up = "Ringing until picked up";
        let no_answer = "Ringing, NO ANSWER";
        let mut kinds = vec![
            ("talking", "Talking", &self.talk),
            ("ringing, picked up", picked_up, &self.ring_answered),
            ("ringing, NO ANSWER", no_answer, &self.ring_no_answer),
        ];
        kinds.retain(|(_, _, lengths)| lengths.calls > 0);
        kinds
    }
}

impl CallLengths {
    /// Calls, mean, median, 90%, longest and sum.
    pub(super) fn cells(&self) -> [TableCell; 6] {
        [
            Count(self.calls),
            Time(self.mean()),
            Time(self.quantile(50)),
            Time(self.quantile(90)),
            Time(self.longest),
            Time(self.total),
        ]
    }
}
