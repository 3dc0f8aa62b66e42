//! The report for a terminal or a mail: plain text of at most 80 columns.

use super::figures::{ByDisposition, CallGroup, Figures, GroupKey};
use super::tables::{TableCell, TableRow};
use crate::disposition::Disposition;
use crate::output::format::{cut, percent};

/// The longest bar.
const BAR: u64 = 36;
/// Groups beside each other in a table.
const BESIDE: usize = 4;
/// Attempts from this one on are one group.
const MANY: u16 = 8;
/// Characters of a trunk's name.
const NAME: usize = 13;

pub(crate) fn text(figures: &Figures) -> String {
    let mut text = Text::default();
    text.line(&cut(&figures.title(), 80));
    if let Some(period) = figures.period() {
        text.line(&period);
    }
    if figures.simulated {
        text.line("simulated: a rehearsal, nothing was dialed");
    }
    if figures.torn {
        text.line("the last row is not whole and is left out: the file may still be written");
    }
    if figures.rows == 0 {
        text.line("no rows yet");
        return text.0;
    }
    text.funnel(figures);
    let heads = [
        ("Dispositions", 22),
        ("contacts", 9),
        ("share", 8),
        ("calls", 11),
        ("share", 8),
    ];
    let mut rows = figures.by_disposition();
    rows.push(figures.disposition_total());
    text.table(&heads, &rows, false);
    text.durations(figures);
    let called = |hour: &CallGroup| hour.calls.total() > 0;
    let first = figures.hours.iter().position(called).unwrap_or(0);
    let last = figures.hours.iter().rposition(called);
    text.dialed(
        "Hour dialed",
        &figures.hours[first..last.map_or(0, |last| last + 1)],
    );
    if figures.days.len() > 1 {
        text.dialed("Day dialed", &figures.days);
    }
    text.groups("Calls by trunk", &figures.trunks);
    text.groups("Calls by attempt", &figures.attempt_numbers);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn line(&mut self, line: &str) {
        self.0 += line.trim_end();
        self.0.push('\n');
    }

    /// The heads come with the widths of their columns; the first is the title, above the names.
    fn table(&mut self, heads: &[(&str, usize)], rows: &[TableRow], bars: bool) {
        let [(title, names), columns @ ..] = heads else {
            return;
        };
        let mut line = format!("\n{title:<names$}");
        for (head, width) in columns {
            line += &format!("{head:>width$}");
        }
        self.line(&line);
        let most = rows.iter().map(|row| row.bar).max().unwrap_or(0);
        for row in rows {
            let mut line = format!("  {:<1$}", row.name, names - 2);
            for (cell, (_, width)) in row.cells.iter().zip(columns) {
                line += &format!("{:>width$}", cell.show(|count| count.to_string()));
            }
            if bars {
                line += "  ";
                line += &bar(row.bar, most);
            }
            self.line(&line);
        }
    }

    fn funnel(&mut self, figures: &Figures) {
        let heads = [("Funnel", 22), ("contacts", 9), ("share", 8)];
        self.table(&heads, &figures.funnel(), true);
        let contacts = &figures.contacts;
        self.line("");
        self.wrapped(&format!(
            "Answer rate: {}. Of the {} contacts called, {} were reached: at least one call was picked up (ANSWERED, \
             SHORT or MACHINE). Each share is of the line above.",
            percent(contacts.reached, contacts.called),
            contacts.called,
            contacts.reached,
        ));
        if let Some(never_called) = figures.never_called(|count| count.to_string()) {
            self.wrapped(&never_called);
        }
        if contacts.pending > 0 {
            self.wrapped(&format!(
                "Not finished: {}, whose last row is not final.",
                contacts.pending
            ));
        }
    }

    fn durations(&mut self, figures: &Figures) {
        let kinds = figures.durations.kinds();
        if kinds.is_empty() {
            return;
        }
        let heads = [
            ("Durations", 20),
            ("calls", 8),
            ("mean", 8),
            ("median", 9),
            ("90%", 9),
            ("longest", 10),
            ("together", 13),
        ];
        let rows = kinds
            .iter()
            .map(|(name, _, lengths)| TableRow::new(name, 0, lengths.cells()));
        self.table(&heads, &rows.collect::<Vec<_>>(), false);
    }

    /// Calls by when they were dialed.
    fn dialed(&mut self, title: &str, groups: &[CallGroup]) {
        if groups.is_empty() {
            return;
        }
        let heads = [(title, 13), ("calls", 9), ("picked up", 11), ("share", 8)];
        let rows: Vec<_> = groups.iter().map(CallGroup::row).collect();
        self.table(&heads, &rows, true);
    }

    /// Groups as columns, the dispositions as rows.
    fn groups(&mut self, title: &str, groups: &[CallGroup]) {
        for beside in columns(groups).chunks(BESIDE) {
            let names = beside
                .iter()
                .map(|(name, _)| cut(name, NAME))
                .collect::<Vec<_>>();
            let mut heads = vec![(title, 18)];
            heads.extend(names.iter().map(|name| (name.as_str(), 15)));
            let row = |name: &str, cell: &dyn Fn(&ByDisposition<u64>) -> TableCell| {
                let cells = beside.iter().map(|(_, calls)| cell(calls));
                TableRow::new(name, 0, cells.collect::<Vec<_>>())
            };
            let mut rows = Vec::new();
            for disposition in Disposition::ALL {
                if beside.iter().any(|(_, calls)| calls[disposition] > 0) {
                    rows.push(row(disposition.as_str(), &|calls| {
                        TableCell::CountAndShare(calls[disposition], calls.total())
                    }));
                }
            }
            rows.push(row("total", &|calls| {
                TableCell::CountAndShare(calls.total(), 0)
            }));
            self.table(&heads, &rows, false);
        }
    }

    /// A sentence, indented and broken at spaces.
    fn wrapped(&mut self, sentence: &str) {
        let mut line = " ".to_owned();
        for word in sentence.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > 76 {
                self.line(&line);
                line = " ".to_owned();
            }
            line.push(' ');
            line += word;
        }
        self.line(&line);
    }
}

/// The groups with their names; attempts that few contacts have are one group.
fn columns(groups: &[CallGroup]) -> Vec<(String, ByDisposition<u64>)> {
    let mut columns: Vec<(String, ByDisposition<u64>)> = Vec::new();
    for group in groups {
        let name = match group.key {
            GroupKey::Attempt(number) if number >= MANY => format!("{MANY} or more"),
            _ => group.key.to_string(),
        };
        match columns.last_mut().filter(|(last, _)| *last == name) {
            Some((_, calls)) => {
                for disposition in Disposition::ALL {
                    calls[disposition] += group.calls[disposition];
                }
            }
            None => columns.push((name, group.calls)),
        }
    }
    columns
}

/// Every number but 0 has a bar.
fn bar(count: u64, most: u64) -> String {
    let length = match count {
        0 => 0,
        _ => ((count * BAR + most / 2) / most).max(1),
    };
    "#".repeat(usize::try_from(length).unwrap_or(0))
}
