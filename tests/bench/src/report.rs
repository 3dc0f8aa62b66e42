//! The figures: gathered over runs, shown as medians.

use std::fmt::Write as _;
use std::fs;

use anyhow::Context as _;
use serde::Serialize;

use crate::cli::Options;
use crate::machine::Machine;

/// How a figure is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Unit {
    /// So many.
    Count,
    /// Megabytes a second.
    MegabytesPerSecond,
    /// So many a second.
    PerSecond,
    /// A quotient.
    Ratio,
    /// A quotient of which the third digit counts.
    Fine,
    /// A share, in percent.
    Share,
    /// Microseconds.
    Microseconds,
    /// Seconds.
    Seconds,
    /// Mebibytes.
    Mebibytes,
}

/// One table of figures.
#[derive(Debug, Serialize)]
pub(crate) struct Table {
    title: &'static str,
    /// What was measured, and what limits it.
    about: String,
    /// What the rows are.
    rows_are: &'static str,
    columns: Vec<(&'static str, Unit)>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Row {
    label: String,
    /// For each run what stands in the columns; a gap where a figure makes no sense.
    runs: Vec<Vec<Option<f64>>>,
}

impl Table {
    pub(crate) fn new(
        title: &'static str,
        about: impl Into<String>,
        rows_are: &'static str,
        columns: &[(&'static str, Unit)],
    ) -> Self {
        Self {
            title,
            about: about.into(),
            rows_are,
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// Adds what one run gave for a row.
    pub(crate) fn add(&mut self, label: impl Into<String>, figures: &[Option<f64>]) {
        let label = label.into();
        debug_assert_eq!(figures.len(), self.columns.len(), "a figure a column");
        let figures = figures.to_vec();
        match self.rows.iter_mut().find(|row| row.label == label) {
            Some(row) => row.runs.push(figures),
            None => self.rows.push(Row {
                label,
                runs: vec![figures],
            }),
        }
    }

    /// The median of what the runs gave, as text.
    fn cell(&self, row: &Row, column: usize) -> String {
        let mut values: Vec<f64> = row.runs.iter().filter_map(|run| run[column]).collect();
        values.sort_by(f64::total_cmp);
        match values.len() {
            0 => "–".to_owned(),
            count => {
                let median = f64::midpoint(values[(count - 1) / 2], values[count / 2]);
                self.columns[column].1.show(median)
            }
        }
    }

    fn cells(&self) -> Vec<Vec<String>> {
        let head = self.columns.iter().map(|&(name, _)| name.to_owned());
        let mut cells = vec![
            std::iter::once(self.rows_are.to_owned())
                .chain(head)
                .collect(),
        ];
        for row in &self.rows {
            let figures = (0..self.columns.len()).map(|column| self.cell(row, column));
            cells.push(std::iter::once(row.label.clone()).chain(figures).collect());
        }
        cells
    }

    fn text(&self) -> String {
        let cells = self.cells();
        let width = |column: usize| {
            let widths = cells
                .iter()
                .map(|row: &Vec<String>| row[column].chars().count());
            widths.max().unwrap_or(0)
        };
        let mut text = format!("{}\n{}\n\n", self.title, self.about);
        for row in &cells {
            for (column, cell) in row.iter().enumerate() {
                let width = width(column);
                // Writing to a string cannot fail.
                let _ = match column {
                    0 => write!(text, "{cell:<width$}"),
                    _ => write!(text, "  {cell:>width$}"),
                };
            }
            text.push('\n');
        }
        text
    }

    fn markdown(&self) -> String {
        let cells = self.cells();
        let mut text = format!("**{}.** {}\n\n", self.title, self.about);
        for (place, row) in cells.iter().enumerate() {
            let _ = writeln!(text, "| {} |", row.join(" | "));
            if place == 0 {
                let _ = writeln!(text, "|---|{}", "---:|".repeat(row.len() - 1));
            }
        }
        text
    }
}

impl Unit {
    fn show(self, value: f64) -> String {
        match self {
            Self::Count | Self::PerSecond | Self::MegabytesPerSecond => thousands(value),
            Self::Share => format!("{:.1}%", value * 100.0),
            Self::Microseconds | Self::Mebibytes => format!("{value:.1}"),
            Self::Ratio | Self::Seconds => format!("{value:.2}"),
            Self::Fine => format!("{value:.3}"),
        }
    }
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Everything that was measured, and on what.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    machine: Machine,
    tables: Vec<Table>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self {
            machine: Machine::look(),
            tables: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, table: Table) {
        self.tables.push(table);
    }

    /// Prints the tables, and writes every figure where that is asked for.
    pub(crate) fn show(&self, options: &Options) -> anyhow::Result<()> {
        let runs = match options.runs() {
            1 if options.quick => "one small run, which says nothing of speed".to_owned(),
            1 => "one run".to_owned(),
            runs => format!("medians of {runs} runs"),
        };
        println!("{}; {runs}.\n", self.machine);
        for table in &self.tables {
            let text = if options.markdown {
                table.markdown()
            } else {
                table.text()
            };
            println!("{text}");
        }
        if let Some(path) = &options.json {
            let json = serde_json::to_string_pretty(self)?;
            fs::write(path, json)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_the_runs_is_shown_and_a_gap_is_a_dash() {
        let mut table = Table::new("T", "a", "of", &[("x", Unit::Count), ("y", Unit::Share)]);
        for value in [9_000_000.0, 1.0, 1234.0] {
            table.add("row", &[Some(value), None]);
        }
        assert_eq!(table.cells(), [["of", "x", "y"], ["row", "1,234", "–"]]);
        assert!(
            table
                .markdown()
                .ends_with("| of | x | y |\n|---|---:|---:|\n| row | 1,234 | – |\n")
        );
    }

    #[test]
    fn thousands_are_set_apart() {
        let shown: Vec<_> = [0.0, 999.0, 1000.0, 1_234_567.0].map(thousands).into();
        assert_eq!(shown, ["0", "999", "1,000", "1,234,567"]);
    }
}
