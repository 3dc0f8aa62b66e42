//! The report for a terminal or a mail: plain text of at most 80 columns.

use super::figures::{ByDisposition, CallGroup, Figures, GroupKey};
use super::tables::TableCell::CountAndShare;
use super::tables::TableRow;
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
    let mut text = TextReport::default();
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
    let head = "Dispositions           contacts   share      calls   share";
    let rows = figures.by_disposition();
    text.table(head, &[22, 9, 8, 11, 8], rows, false);
    let head = "Durations              calls    mean   median      90%   longest     together";
    let rows = figures.durations.rows();
    text.table(head, &[20, 8, 8, 9, 9, 10, 13], rows, false);
    let head = "Hour dialed      calls  picked up   share";
    let rows = figures.hours_with_calls().iter().map(CallGroup::row);
    text.table(head, &[13, 9, 11, 8], rows, true);
    if figures.days.len() > 1 {
        let head = "Day dialed       calls  picked up   share";
        let rows = figures.days.iter().map(CallGroup::row);
        text.table(head, &[13, 9, 11, 8], rows, true);
    }
    text.groups("Calls by trunk", &figures.trunks);
    text.groups("Calls by attempt", &figures.attempt_numbers);
    text.0
}

#[derive(Default)]
struct TextReport(String);

impl TextReport {
    fn line(&mut self, line: &str) {
        self.0 += line.trim_end();
        self.0.push('\n');
    }

    /// A table, where there are rows. The widths are those of the columns under the head.
    fn table(
        &mut self,
        head: &str,
        widths: &[usize],
        rows: impl IntoIterator<Item = TableRow>,
        bars: bool,
    ) {
        let rows: Vec<_> = rows.into_iter().collect();
        let Some(most) = rows.iter().map(TableRow::bar_length).max() else {
            return;
        };
        self.line(&format!("\n{head}"));
        for row in rows {
            let mut line = format!("  {:<1$}", row.name, widths[0] - 2);
            for (cell, width) in row.cells.iter().zip(&widths[1..]) {
                line += &format!("{:>width$}", cell.show(|count| count.to_string()));
            }
            if bars {
                line += &format!("  {}", bar(row.bar_length(), most));
            }
            self.line(&line);
        }
    }

    fn funnel(&mut self, figures: &Figures) {
        let head = "Funnel                 contacts   share";
        self.table(head, &[22, 9, 8], figures.funnel(), true);
        let contacts = &figures.contacts;
        self.line("");
        self.wrapped(&format!(
            "Answer rate: {}, {} of {} called. A contact is reached when at least one call to it was picked up \
             (ANSWERED, SHORT or MACHINE). Each share is of the line above.",
            percent(contacts.reached, contacts.called),
            contacts.reached,
            contacts.called,
        ));
        if let Some(never_called) = figures.never_called(|count| count.to_string()) {
            self.wrapped(&never_called);
        }
        let pending = contacts.pending;
        if pending > 0 {
            self.wrapped(&format!(
                "Not finished: {pending}, whose last row is not final."
            ));
        }
    }

    /// Groups as columns, the dispositions as rows.
    fn groups(&mut self, title: &str, groups: &[CallGroup]) {
        for beside in columns(groups).chunks(BESIDE) {
            let mut head = format!("{title:<18}");
            for (name, _) in beside {
                head += &format!("{:>15}", cut(name, NAME));
            }
            let mut kinds = Disposition::ALL.to_vec();
            kinds.retain(|kind| beside.iter().any(|(_, calls)| calls[*kind] > 0));
            let rows = kinds.into_iter().map(|kind| {
                let cell = |calls: &ByDisposition<u64>| CountAndShare(calls[kind], calls.total());
                TableRow::new(
                    kind.as_str(),
                    0,
                    beside.iter().map(|(_, calls)| cell(calls)),
                )
            });
            let total = beside
                .iter()
                .map(|(_, calls)| CountAndShare(calls.total(), 0));
            let rows = rows.chain([TableRow::new("total", 0, total)]);
            self.table(&head, &[18, 15, 15, 15, 15], rows, false);
        }
    }

    /// A sentence, indented and broken at spaces.
    fn wrapped(&mut self, sentence: &str) {
        let mut line = " ".to_owned();
        for word in sentence.split(' ') {
            if line.chars().count() + 1 + word.chars().count() > 76 {
                self.line(&line);
                line.truncate(1);
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
