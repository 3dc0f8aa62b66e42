//! The report for somebody at a terminal, or in a mail: plain text of at most 80 columns.

use std::fmt::{self, Write as _};

use crate::disposition::Disposition;
use crate::output::format::{cut, exact, percent};
use crate::output::report::Counts;
use crate::output::report::figures::{Common, Figures, Group, Length};
use crate::output::report::period::period;

/// The longest bar.
const BAR: u64 = 36;
/// Groups beside each other in a table, so that it has room in 80 columns.
const BESIDE: usize = 4;
/// Attempts from this one on are told together.
const MANY: u16 = 8;
/// Characters of a trunk's name.
const NAME: usize = 13;

/// The report as text.
pub fn text(figures: &Figures) -> String {
    let mut text = Text::default();
    // Writing to a string cannot fail.
    let _ = text.whole(figures);
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn whole(&mut self, figures: &Figures) -> fmt::Result {
        self.head(figures)?;
        if figures.rows == 0 {
            return writeln!(self.0, "no rows yet");
        }
        self.funnel(figures)?;
        self.dispositions(figures)?;
        self.durations(figures)?;
        self.hours(figures)?;
        self.days(figures)?;
        self.groups("Calls by trunk", &columns(&figures.trunks))?;
        self.groups("Calls by attempt", &columns(&figures.attempt_numbers))
    }

    fn head(&mut self, figures: &Figures) -> fmt::Result {
        writeln!(self.0, "{}", cut(&figures.title(), 80))?;
        if let (Some(first), Some(last)) = (figures.first_dialed_at, figures.last_ended_at) {
            writeln!(self.0, "{}", period(first, last))?;
        }
        if figures.simulated {
            writeln!(self.0, "simulated: a rehearsal, nothing was dialed")?;
        }
        if figures.torn {
            writeln!(
                self.0,
                "the last row is not whole and is left out: the file may still be written"
            )?;
        }
        Ok(())
    }

    fn funnel(&mut self, figures: &Figures) -> fmt::Result {
        let contacts = &figures.contacts;
        writeln!(self.0, "\n{:<22}{:>9}{:>8}", "Funnel", "contacts", "share")?;
        let widest = contacts.in_results;
        let in_results = bar(widest, widest);
        writeln!(
            self.0,
            "  {:<20}{widest:>9}          {in_results}",
            "in the results"
        )?;
        for (stage, count, whole) in [
            ("called", contacts.called, contacts.in_results),
            ("reached", contacts.reached, contacts.called),
            ("ANSWERED", contacts.answered, contacts.reached),
        ] {
            let share = percent(count, whole);
            let bar = bar(count, widest);
            let line = format!("  {stage:<20}{count:>9}{share:>8}  {bar}");
            writeln!(self.0, "{}", line.trim_end())?;
        }
        writeln!(
            self.0,
            "\n  Answer rate: {}. Of the {} contacts called, {} were reached: at least\n  \
             one call was picked up (ANSWERED, SHORT or MACHINE). Each share is of the\n  line above.",
            percent(contacts.reached, contacts.called),
            contacts.called,
            contacts.reached,
        )?;
        if contacts.not_called > 0 {
            let reasons: Vec<String> = Disposition::ALL
                .into_iter()
                .map(|kind| (kind, figures.dispositions.get(kind).not_called))
                .filter(|(_, contacts)| *contacts > 0)
                .map(|(kind, contacts)| format!("{contacts} {kind}"))
                .collect();
            let reasons = if reasons.is_empty() {
                String::new()
            } else {
                format!(" ({})", reasons.join(", "))
            };
            self.wrapped(&format!("Never called: {}{reasons}.", contacts.not_called))?;
        }
        if contacts.pending > 0 {
            self.wrapped(&format!(
                "Not finished: {}, whose last row is not final.",
                contacts.pending
            ))?;
        }
        Ok(())
    }

    fn dispositions(&mut self, figures: &Figures) -> fmt::Result {
        writeln!(
            self.0,
            "\n{:<22}{:>9}{:>8}{:>11}{:>8}",
            "Dispositions", "contacts", "share", "calls", "share"
        )?;
        let (contacts, calls) = (figures.contacts.in_results, figures.attempts.total);
        for kind in Disposition::ALL {
            let of = figures.dispositions.get(kind);
            if of.contacts > 0 || of.attempts > 0 {
                writeln!(
                    self.0,
                    "  {:<20}{:>9}{:>8}{:>11}{:>8}",
                    kind.as_str(),
                    of.contacts,
                    percent(of.contacts, contacts),
                    of.attempts,
                    percent(of.attempts, calls)
                )?;
            }
        }
        let pending = figures.contacts.pending;
        if pending > 0 {
            let share = percent(pending, contacts);
            writeln!(self.0, "  {:<20}{pending:>9}{share:>8}", "not finished")?;
        }
        writeln!(self.0, "  {:<20}{contacts:>9}{calls:>19}", "total")
    }

    fn durations(&mut self, figures: &Figures) -> fmt::Result {
        let kinds = [
            ("talking", figures.durations.talk),
            ("ringing, picked up", figures.durations.ring_answered),
            ("ringing, NO ANSWER", figures.durations.ring_no_answer),
        ];
        if kinds.iter().all(|(_, length)| length.is_none()) {
            return Ok(());
        }
        writeln!(
            self.0,
            "\n{:<20}{:>8}{:>8}{:>9}{:>9}{:>10}{:>13}",
            "Durations", "calls", "mean", "median", "90%", "longest", "together"
        )?;
        for (kind, length) in kinds {
            let Some(Length {
                calls,
                total,
                mean,
                median,
                p90,
                longest,
            }) = length
            else {
                continue;
            };
            writeln!(
                self.0,
                "  {kind:<18}{calls:>8}{:>8}{:>9}{:>9}{:>10}{:>13}",
                exact(mean),
                exact(median),
                exact(p90),
                exact(longest),
                exact(total),
            )?;
        }
        Ok(())
    }

    fn hours(&mut self, figures: &Figures) -> fmt::Result {
        let busiest = figures.hours.iter().map(|hour| hour.attempts).max();
        let Some(busiest) = busiest.filter(|busiest| *busiest > 0) else {
            return Ok(());
        };
        writeln!(
            self.0,
            "\n{:<13}{:>9}{:>11}{:>8}",
            "Hour dialed", "calls", "picked up", "share"
        )?;
        let called = |hour: &&crate::output::report::Hour| hour.attempts > 0;
        let first = figures.hours.iter().position(|hour| called(&hour));
        let last = figures.hours.iter().rposition(|hour| called(&hour));
        let range = first.unwrap_or(0)..=last.unwrap_or(0);
        for hour in &figures.hours[range] {
            let name = format!("{:02}:00", hour.hour);
            self.dialed(&name, hour.attempts, hour.picked_up, busiest)?;
        }
        Ok(())
    }

    /// Where there is more than one.
    fn days(&mut self, figures: &Figures) -> fmt::Result {
        let days = &figures.days;
        let busiest = days.iter().map(|day| day.attempts).max();
        let Some(busiest) = busiest.filter(|_| days.len() > 1) else {
            return Ok(());
        };
        writeln!(
            self.0,
            "\n{:<13}{:>9}{:>11}{:>8}",
            "Day dialed", "calls", "picked up", "share"
        )?;
        for day in days {
            self.dialed(&day.day.to_string(), day.attempts, day.picked_up, busiest)?;
        }
        Ok(())
    }

    /// The calls dialed at some time.
    fn dialed(&mut self, when: &str, calls: u64, picked_up: u64, most: u64) -> fmt::Result {
        let share = percent(picked_up, calls);
        let bar = bar(calls, most);
        let line = format!("  {when:<11}{calls:>9}{picked_up:>11}{share:>8}  {bar}");
        writeln!(self.0, "{}", line.trim_end())
    }

    /// Groups as columns, the dispositions as rows.
    fn groups(&mut self, title: &str, groups: &[(String, Counts)]) -> fmt::Result {
        for beside in groups.chunks(BESIDE) {
            write!(self.0, "\n{title:<18}")?;
            for (name, _) in beside {
                write!(self.0, "{:>15}", cut(name, NAME))?;
            }
            writeln!(self.0)?;
            for kind in Disposition::ALL {
                let place = kind as usize;
                if beside.iter().all(|(_, counts)| counts[place] == 0) {
                    continue;
                }
                write!(self.0, "  {:<16}", kind.as_str())?;
                for (_, counts) in beside {
                    let share = percent(counts[place], counts.iter().sum());
                    write!(self.0, "{:>7}{share:>8}", counts[place])?;
                }
                writeln!(self.0)?;
            }
            let mut total = format!("  {:<16}", "total");
            for (_, counts) in beside {
                let _ = write!(total, "{:>7}        ", counts.iter().sum::<u64>());
            }
            writeln!(self.0, "{}", total.trim_end())?;
        }
        Ok(())
    }

    /// A sentence, indented and broken at spaces.
    fn wrapped(&mut self, sentence: &str) -> fmt::Result {
        let mut column = 0;
        for word in sentence.split(' ') {
            if column + 1 + word.chars().count() > 78 {
                writeln!(self.0)?;
                column = 0;
            }
            let gap = if column == 0 { "  " } else { " " };
            write!(self.0, "{gap}{word}")?;
            column += gap.len() + word.chars().count();
        }
        writeln!(self.0)
    }
}

/// The groups by their names; attempts that hardly any contact has are one group.
fn columns(groups: &[Group]) -> Vec<(String, Counts)> {
    let mut columns: Vec<(String, Counts)> = Vec::new();
    for group in groups {
        let name = match &group.of {
            Common::Attempt(number) if *number >= MANY => format!("{MANY} or more"),
            of => of.to_string(),
        };
        match columns.last_mut().filter(|(last, _)| *last == name) {
            Some((_, counts)) => {
                for (sum, count) in counts.iter_mut().zip(group.dispositions) {
                    *sum += count;
                }
            }
            None => columns.push((name, group.dispositions)),
        }
    }
    columns
}

/// A bar as long as the count is of the most; what is there at all has one.
fn bar(count: u64, most: u64) -> String {
    let length = if count == 0 || most == 0 {
        0
    } else {
        let most = u128::from(most);
        ((u128::from(count) * u128::from(BAR) * 2 + most) / (most * 2)).max(1)
    };
    "#".repeat(usize::try_from(length).unwrap_or(0))
}
