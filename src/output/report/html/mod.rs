//! The report as a page that needs nothing but itself: no script, no font, no picture from elsewhere.
//!
//! Every figure is a table, or has one behind it; what is drawn is drawn by the style sheet from numbers in the markup.
//! Whatever comes from the results is escaped.

mod parts;

use std::fmt::{self, Write as _};

use crate::disposition::Disposition;
use crate::output::format::{exact, percent};
use crate::output::report::figures::{Figures, Group, Length, SPREAD};
use crate::output::report::period::period;
use parts::{Count, Escaped, bar_row, calls, dot, stack};

const STYLE: &str = include_str!("page.css");

/// The report as a page.
pub fn page(figures: &Figures) -> String {
    let mut page = Page(String::with_capacity(32 * 1024));
    // Writing to a string cannot fail.
    let _ = page.whole(figures);
    page.0
}

/// How one of a length's figures is shown.
type Shown = fn(&Length) -> String;

struct Page(String);

impl Page {
    fn whole(&mut self, figures: &Figures) -> fmt::Result {
        let title = figures.title();
        write!(
            self.0,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
             <title>{}: call report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n",
            Escaped(&title)
        )?;
        self.head(figures, &title)?;
        if figures.rows == 0 {
            self.0.push_str(
                "<section>\n<p>There are no rows yet.</p>\n</section>\n</main>\n</body>\n</html>\n",
            );
            return Ok(());
        }
        self.key(figures)?;
        self.funnel(figures)?;
        self.dispositions(figures)?;
        self.hours(figures)?;
        self.days(figures)?;
        self.groups("Calls by trunk", "Trunk", &figures.trunks)?;
        self.groups("Calls by attempt", "Attempt", &figures.attempt_numbers)?;
        self.durations(figures)?;
        self.0.push_str("</main>\n</body>\n</html>\n");
        Ok(())
    }

    fn head(&mut self, figures: &Figures, title: &str) -> fmt::Result {
        writeln!(
            self.0,
            "<header>\n<p>Call report</p>\n<h1>{}</h1>",
            Escaped(title)
        )?;
        if let (Some(first), Some(last)) = (figures.first_dialed_at, figures.last_ended_at) {
            writeln!(self.0, "<p>{}</p>", period(first, last))?;
        }
        if figures.simulated {
            writeln!(
                self.0,
                "<p class=\"notice\"><strong>Simulated.</strong> This is a rehearsal: nothing was dialed.</p>"
            )?;
        }
        if figures.torn {
            writeln!(
                self.0,
                "<p class=\"notice\">The last row is not whole and is left out: the file may still be written.</p>"
            )?;
        }
        writeln!(self.0, "</header>")
    }

    /// The numbers that most readers came for.
    fn key(&mut self, figures: &Figures) -> fmt::Result {
        let contacts = &figures.contacts;
        let attempts = &figures.attempts;
        writeln!(self.0, "<dl class=\"key\">")?;
        let mut card = |class: &str, name: &str, big: &str, more: &str| {
            writeln!(
                self.0,
                "<div{class}><dt>{name}</dt><dd class=\"big\">{big}</dd><dd class=\"more\">{more}</dd></div>"
            )
        };
        card(
            " class=\"first\"",
            "Answer rate",
            &percent(contacts.reached, contacts.called),
            &match contacts.called {
                0 => "nobody was called".to_owned(),
                called => format!(
                    "{} of {} contacts called were reached",
                    Count(contacts.reached),
                    Count(called)
                ),
            },
        )?;
        card(
            "",
            "Contacts",
            &Count(contacts.in_results).to_string(),
            &if contacts.pending > 0 {
                format!("{} not finished yet", Count(contacts.pending))
            } else {
                "all with their final outcome".to_owned()
            },
        )?;
        card(
            "",
            "Calls",
            &Count(attempts.total).to_string(),
            &match attempts.total {
                0 => "nothing was dialed".to_owned(),
                total => format!("{} picked up", percent(attempts.picked_up, total)),
            },
        )?;
        if let Some(talk) = &figures.durations.talk {
            card(
                "",
                "Talk time",
                &exact(talk.total),
                &format!("{} a call on average", exact(talk.mean)),
            )?;
        }
        writeln!(self.0, "</dl>")
    }

    fn funnel(&mut self, figures: &Figures) -> fmt::Result {
        let contacts = &figures.contacts;
        writeln!(
            self.0,
            "<section>\n<h2>Funnel</h2>\n<table class=\"bars\">\n\
             <thead><tr><th scope=\"col\">Contacts</th><td></td><th scope=\"col\">Number</th>\
             <th scope=\"col\">Of the step above</th></tr></thead>\n<tbody>"
        )?;
        let most = contacts.in_results;
        for (stage, count, share) in [
            ("in the results", contacts.in_results, None),
            ("called", contacts.called, Some(contacts.in_results)),
            ("reached", contacts.reached, Some(contacts.called)),
            ("ANSWERED", contacts.answered, Some(contacts.reached)),
        ] {
            let share = share.map(|whole| percent(count, whole)).unwrap_or_default();
            let columns = format!("<td>{}</td><td>{share}</td>", Count(count));
            bar_row(&mut self.0, stage, None, count, most, &columns)?;
        }
        writeln!(
            self.0,
            "</tbody>\n</table>\n<p>A contact is reached when at least one call to it was picked up: ANSWERED, SHORT \
             or MACHINE. The answer rate is the contacts reached, of those called.</p>"
        )?;
        if contacts.not_called > 0 {
            let reasons: Vec<String> = Disposition::ALL
                .into_iter()
                .map(|kind| (kind, figures.dispositions.get(kind).not_called))
                .filter(|(_, contacts)| *contacts > 0)
                .map(|(kind, contacts)| format!("{} {kind}", Count(contacts)))
                .collect();
            writeln!(
                self.0,
                "<p>Never called: {} ({}).</p>",
                Count(contacts.not_called),
                reasons.join(", ")
            )?;
        }
        writeln!(self.0, "</section>")
    }

    fn dispositions(&mut self, figures: &Figures) -> fmt::Result {
        let (contacts, attempts) = (figures.contacts.in_results, figures.attempts.total);
        writeln!(
            self.0,
            "<section>\n<h2>How it ended</h2>\n<table class=\"bars\">\n\
             <thead><tr><th scope=\"col\">Final outcome</th><td></td><th scope=\"col\">Contacts</th>\
             <th scope=\"col\">Share</th><th scope=\"col\">Calls</th></tr></thead>\n<tbody>"
        )?;
        let row = |kind: &Disposition| figures.dispositions.get(*kind);
        let pending = figures.contacts.pending;
        let most = Disposition::ALL.iter().map(|kind| row(kind).contacts).max();
        let most = most.unwrap_or(0).max(pending);
        for kind in Disposition::ALL {
            let of = row(&kind);
            if of.contacts > 0 || of.attempts > 0 {
                let columns = format!(
                    "<td>{}</td><td>{}</td><td>{}</td>",
                    Count(of.contacts),
                    percent(of.contacts, contacts),
                    Count(of.attempts)
                );
                bar_row(
                    &mut self.0,
                    kind.as_str(),
                    Some(kind),
                    of.contacts,
                    most,
                    &columns,
                )?;
            }
        }
        if pending > 0 {
            let columns = format!(
                "<td>{}</td><td>{}</td><td></td>",
                Count(pending),
                percent(pending, contacts)
            );
            bar_row(&mut self.0, "not finished", None, pending, most, &columns)?;
        }
        writeln!(
            self.0,
            "</tbody>\n<tfoot><tr><th scope=\"row\">total</th><td></td><td>{}</td><td></td><td>{}</td></tr></tfoot>\n\
             </table>\n</section>",
            Count(contacts),
            Count(attempts)
        )
    }

    fn hours(&mut self, figures: &Figures) -> fmt::Result {
        let Some(busiest) = figures.hours.iter().max_by_key(|hour| hour.attempts) else {
            return Ok(());
        };
        writeln!(
            self.0,
            "<section>\n<h2>Calls by hour</h2>\n<ul class=\"legend\" aria-hidden=\"true\"><li>{}picked up</li><li>{}not</li>\
             <li>most at {:02}:00: {}</li></ul>\n\
             <div class=\"hours\" role=\"img\" aria-label=\"Calls by the hour in which they were dialed: most at \
             {:02}:00, {} calls, {} of them picked up. The table below has every hour.\">",
            dot(Disposition::Answered),
            dot(Disposition::NoAnswer),
            busiest.hour,
            calls(busiest.attempts),
            busiest.hour,
            busiest.attempts,
            percent(busiest.picked_up, busiest.attempts)
        )?;
        for hour in &figures.hours {
            let some = if hour.attempts > 0 {
                " class=\"some\""
            } else {
                ""
            };
            write!(
                self.0,
                "<span{some} style=\"--p:{};--q:{}\" title=\"{:02}:00, {} calls, {} picked up\"><i></i></span>",
                parts::width(hour.attempts, busiest.attempts),
                parts::width(hour.picked_up, hour.attempts),
                hour.hour,
                hour.attempts,
                hour.picked_up,
            )?;
        }
        writeln!(
            self.0,
            "</div>\n<div class=\"scale\" aria-hidden=\"true\"><span>0h</span><span>3h</span><span>6h</span>\
             <span>9h</span><span>12h</span><span>15h</span><span>18h</span><span>21h</span></div>\n\
             <details><summary>Every hour as a table</summary>\n<table>\n<thead><tr><th scope=\"col\">Dialed at</th>\
             <th scope=\"col\">Calls</th><th scope=\"col\">Picked up</th><th scope=\"col\">Share</th></tr></thead>\n<tbody>"
        )?;
        for hour in figures.hours.iter().filter(|hour| hour.attempts > 0) {
            writeln!(
                self.0,
                "<tr><th scope=\"row\">{:02}:00</th><td>{}</td><td>{}</td><td>{}</td></tr>",
                hour.hour,
                Count(hour.attempts),
                Count(hour.picked_up),
                percent(hour.picked_up, hour.attempts)
            )?;
        }
        writeln!(
            self.0,
            "</tbody>\n</table></details>\n<p>The hour is that of the clock by which the results were written.</p>\n</section>"
        )
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
            "<section>\n<h2>Calls by day</h2>\n<table class=\"bars\">\n\
             <thead><tr><th scope=\"col\">Dialed on</th><td></td><th scope=\"col\">Calls</th>\
             <th scope=\"col\">Picked up</th><th scope=\"col\">Share</th></tr></thead>\n<tbody>"
        )?;
        for day in days {
            let columns = format!(
                "<td>{}</td><td>{}</td><td>{}</td>",
                Count(day.attempts),
                Count(day.picked_up),
                percent(day.picked_up, day.attempts)
            );
            let name = day.day.strftime("%a %Y-%m-%d").to_string();
            bar_row(&mut self.0, &name, None, day.attempts, busiest, &columns)?;
        }
        writeln!(self.0, "</tbody>\n</table>\n</section>")
    }

    fn groups(&mut self, title: &str, what: &str, groups: &[Group]) -> fmt::Result {
        if groups.is_empty() {
            return Ok(());
        }
        let kinds: Vec<Disposition> = Disposition::ALL
            .into_iter()
            .filter(|kind| {
                groups
                    .iter()
                    .any(|group| group.dispositions[*kind as usize] > 0)
            })
            .collect();
        write!(
            self.0,
            "<section>\n<h2>{title}</h2>\n<ul class=\"legend\" aria-hidden=\"true\">"
        )?;
        for kind in &kinds {
            write!(self.0, "<li>{}{kind}</li>", dot(*kind))?;
        }
        writeln!(self.0, "</ul>")?;
        for group in groups {
            stack(&mut self.0, what, group)?;
        }
        write!(
            self.0,
            "<details><summary>As a table</summary>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\"><table>\n\
             <thead><tr><th scope=\"col\">{what}</th><th scope=\"col\">Calls</th><th scope=\"col\">Picked up</th>"
        )?;
        for kind in &kinds {
            write!(self.0, "<th scope=\"col\">{kind}</th>")?;
        }
        writeln!(self.0, "</tr></thead>\n<tbody>")?;
        for group in groups {
            write!(
                self.0,
                "<tr><th scope=\"row\">{}</th><td>{}</td><td>{}</td>",
                Escaped(&group.of.to_string()),
                Count(group.attempts),
                percent(group.picked_up, group.attempts)
            )?;
            for kind in &kinds {
                write!(
                    self.0,
                    "<td>{}</td>",
                    Count(group.dispositions[*kind as usize])
                )?;
            }
            writeln!(self.0, "</tr>")?;
        }
        writeln!(self.0, "</tbody>\n</table></div></details>\n</section>")
    }

    fn durations(&mut self, figures: &Figures) -> fmt::Result {
        let durations = &figures.durations;
        let kinds: Vec<(&str, Length)> = [
            ("Talking", durations.talk),
            ("Ringing until picked up", durations.ring_answered),
            ("Ringing, NO ANSWER", durations.ring_no_answer),
        ]
        .into_iter()
        .filter_map(|(kind, length)| Some((kind, length?)))
        .collect();
        if kinds.is_empty() {
            return Ok(());
        }
        write!(
            self.0,
            "<section>\n<h2>Durations</h2>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"Durations\">\
             <table class=\"lengths\">\n<thead><tr><td></td>"
        )?;
        for (kind, _) in &kinds {
            write!(self.0, "<th scope=\"col\">{kind}</th>")?;
        }
        writeln!(self.0, "</tr></thead>\n<tbody>")?;
        let rows: [(&str, Shown); 6] = [
            ("calls", |length| Count(length.calls).to_string()),
            ("mean", |length| exact(length.mean)),
            ("median", |length| exact(length.median)),
            ("9 of 10 within", |length| exact(length.p90)),
            ("longest", |length| exact(length.longest)),
            ("together", |length| exact(length.total)),
        ];
        for (name, figure) in rows {
            write!(self.0, "<tr><th scope=\"row\">{name}</th>")?;
            for (_, length) in &kinds {
                write!(self.0, "<td>{}</td>", figure(length))?;
            }
            writeln!(self.0, "</tr>")?;
        }
        writeln!(self.0, "</tbody>\n</table></div>")?;
        if durations.talk.is_some() {
            writeln!(
                self.0,
                "<h3>How long they talked</h3>\n<table class=\"bars\">\n<thead><tr><th scope=\"col\">Talked</th><td></td>\
                 <th scope=\"col\">Calls</th><th scope=\"col\">Share</th></tr></thead>\n<tbody>"
            )?;
            let spread = &durations.talk_spread;
            let (most, calls) = (
                spread.iter().copied().max().unwrap_or(0),
                spread.iter().sum(),
            );
            let last = spread.iter().rposition(|calls| *calls > 0).unwrap_or(0);
            for (place, count) in spread.iter().enumerate().take(last + 1) {
                let columns = format!(
                    "<td>{}</td><td>{}</td>",
                    Count(*count),
                    percent(*count, calls)
                );
                bar_row(&mut self.0, &within(place), None, *count, most, &columns)?;
            }
            writeln!(self.0, "</tbody>\n</table>")?;
        }
        writeln!(self.0, "</section>")
    }
}

/// `under 5 s`, `5 to 10 s`, `5 min and longer`: a step of the spread.
fn within(place: usize) -> String {
    let time = |seconds: u64| match seconds {
        0..60 => format!("{seconds} s"),
        _ => format!("{} min", seconds / 60),
    };
    let to = SPREAD.get(place).copied();
    let from = place
        .checked_sub(1)
        .and_then(|before| SPREAD.get(before).copied());
    match (from, to) {
        (None, Some(to)) => format!("under {}", time(to)),
        (Some(from), Some(to)) if to < 60 => format!("{from} to {}", time(to)),
        (Some(from), Some(to)) => format!("{} to {}", time(from), time(to)),
        (Some(from), None) => format!("{} and longer", time(from)),
        (None, None) => String::new(),
    }
}
