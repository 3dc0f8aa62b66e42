//! The report as a page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! Every figure is in a table; the style sheet draws the bars from numbers in the markup. Whatever comes from the results
//! is escaped.

use super::figures::{CallGroup, Figures, GroupKey};
use super::tables::{TableCell, TableRow};
use crate::disposition::Disposition;
use crate::output::format::{exact, percent};

/// How long calls talked, and the bound of each in seconds.
const TALKED: [(&str, u64); 8] = [
    ("under 5 s", 5),
    ("5 to 10 s", 10),
    ("10 to 20 s", 20),
    ("20 to 30 s", 30),
    ("30 s to 1 min", 60),
    ("1 min to 2 min", 120),
    ("2 min to 5 min", 300),
    ("5 min and longer", u64::MAX),
];
const GROUP_HEADS: [&str; 4] = ["", "Calls", "Picked up", "Share"];

pub(crate) fn page(figures: &Figures) -> String {
    let sections = if figures.rows == 0 {
        "<section>\n<p>There are no rows yet.</p>\n</section>\n".to_owned()
    } else {
        [
            cards(figures),
            funnel(figures),
            dispositions(figures),
            hours(figures),
            days(&figures.days),
            groups("Calls by trunk", &figures.trunks),
            groups("Calls by attempt", &figures.attempt_numbers),
            durations(figures),
        ]
        .concat()
    };
    // Escaped text holds no `<`, so no marker.
    include_str!("page.html")
        .replace("<!--style-->", include_str!("page.css"))
        .replace("<!--title-->", &escaped(&figures.title()))
        .replace("<!--notes-->", &notes(figures))
        .replace("<!--sections-->", &sections)
}

fn notes(figures: &Figures) -> String {
    let mut notes = String::new();
    if let Some(period) = figures.period() {
        notes += &format!("<p>{period}</p>\n");
    }
    if figures.simulated {
        notes += "<p class=\"notice\"><strong>Simulated.</strong> This is a rehearsal: nothing was dialed.</p>\n";
    }
    if figures.torn {
        notes += "<p class=\"notice\">The last row is not whole and is left out: the file may still be written.</p>\n";
    }
    notes
}

/// The numbers that most readers look for.
fn cards(figures: &Figures) -> String {
    let (contacts, attempts) = (&figures.contacts, &figures.attempts);
    let reached = match contacts.called {
        0 => "nobody was called".to_owned(),
        called => format!("{} of {} reached", count(contacts.reached), count(called)),
    };
    let pending = match contacts.pending {
        0 => "all with their final outcome".to_owned(),
        pending => format!("{} not finished yet", count(pending)),
    };
    let picked_up = match attempts.total {
        0 => "nothing was dialed".to_owned(),
        total => format!("{} picked up", percent(attempts.picked_up, total)),
    };
    let rate = percent(contacts.reached, contacts.called);
    let mut cards = vec![
        ("Answer rate", rate, reached),
        ("Contacts", count(contacts.in_results), pending),
        ("Calls", count(attempts.total), picked_up),
    ];
    let talk = &figures.durations.talk;
    if talk.calls > 0 {
        let mean = format!("{} a call on average", exact(talk.mean()));
        cards.push(("Talk time", exact(talk.total), mean));
    }
    let card = |(name, big, more)| {
        format!(
            "<div><dt>{name}</dt><dd class=\"big\">{big}</dd><dd class=\"more\">{more}</dd></div>\n"
        )
    };
    let cards: Vec<_> = cards.into_iter().map(card).collect();
    format!("<dl class=\"key\">\n{}</dl>\n", cards.concat())
}

fn funnel(figures: &Figures) -> String {
    let heads = ["Contacts", "Number", "Of the step above"];
    let mut body = table("bars", &heads, figures.funnel());
    body += "<p>A contact is reached when at least one call to it was picked up: ANSWERED, SHORT \
             or MACHINE. The answer rate is the contacts reached, of those called.</p>\n";
    if let Some(never_called) = figures.never_called(count) {
        body += &format!("<p>{never_called}</p>\n");
    }
    section("Funnel", &body)
}

fn dispositions(figures: &Figures) -> String {
    let heads = ["Final outcome", "Contacts", "Share", "Calls"];
    let table = table("bars total", &heads, figures.by_disposition());
    section("How it ended", &table)
}

fn hours(figures: &Figures) -> String {
    let hours = figures.hours_with_calls();
    if hours.is_empty() {
        return String::new();
    }
    let table = table("bars", &GROUP_HEADS, hours.iter().map(CallGroup::row));
    let note = "<p>The hour is that of the clock by which the results were written. The colours are those of the \
                outcomes above.</p>\n";
    section("Calls by hour", &(table + note))
}

/// Where there is more than one.
fn days(days: &[CallGroup]) -> String {
    if days.len() < 2 {
        return String::new();
    }
    let rows = days.iter().map(|day| match day.key {
        GroupKey::Day(date) => TableRow {
            name: date.strftime("%a %Y-%m-%d").to_string(),
            ..day.row()
        },
        _ => day.row(),
    });
    section("Calls by day", &table("bars", &GROUP_HEADS, rows))
}

/// With the calls of each disposition.
fn groups(title: &str, groups: &[CallGroup]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut kinds = Disposition::ALL.to_vec();
    kinds.retain(|kind| groups.iter().any(|group| group.calls[*kind] > 0));
    let rows = groups.iter().map(|group| {
        let mut row = group.row();
        let calls = kinds.iter().map(|kind| group.calls[*kind]);
        row.cells.extend(calls.map(TableCell::Count));
        row
    });
    let mut heads = GROUP_HEADS.to_vec();
    heads.extend(kinds.iter().map(|kind| kind.as_str()));
    section(title, &wide(title, &table("bars", &heads, rows)))
}

fn durations(figures: &Figures) -> String {
    let rows = figures.durations.rows();
    if rows.is_empty() {
        return String::new();
    }
    let heads = [
        "",
        "Calls",
        "Mean",
        "Median",
        "9 of 10 within",
        "Longest",
        "Together",
    ];
    let mut body = wide("Durations", &table("", &heads, rows));
    let talk = &figures.durations.talk;
    if talk.calls > 0 {
        let mut spread = talk.spread(TALKED.map(|(_, bound)| bound));
        while spread.pop_if(|calls| *calls == 0).is_some() {}
        let rows = TALKED.iter().zip(spread).map(|((name, _), calls)| {
            let cells = [TableCell::Count(calls), TableCell::Share(calls, talk.calls)];
            TableRow::new(name, calls, cells)
        });
        body += &table("bars", &["Talked", "Calls", "Share"], rows);
    }
    section("Durations", &body)
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{body}</section>\n")
}

/// Something that scrolls where the page is narrow.
fn wide(title: &str, table: &str) -> String {
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">\n{table}</div>\n"
    )
}

/// In a table of the class `bars` each row has one, beside its name. Cells without a head are left out.
fn table(class: &str, heads: &[&str], rows: impl IntoIterator<Item = TableRow>) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let has_bars = class.starts_with("bars");
    let most = rows.iter().map(TableRow::bar_length).max().unwrap_or(0);
    let mut table = format!("<table class=\"{class}\">\n<thead><tr>");
    for (place, head) in heads.iter().enumerate() {
        table += &match *head {
            "" => "<td></td>".to_owned(),
            head => format!("<th scope=\"col\">{head}</th>"),
        };
        if has_bars && place == 0 {
            table += "<td></td>";
        }
    }
    table += "</tr></thead>\n<tbody>\n";
    for row in &rows {
        table += &format!("<tr><th scope=\"row\">{}</th>", escaped(&row.name));
        if has_bars {
            table += &bar(row, most);
        }
        for cell in row.cells.iter().take(heads.len() - 1) {
            table += &format!("<td>{}</td>", cell.show(count));
        }
        table += "</tr>\n";
    }
    table + "</tbody>\n</table>\n"
}

/// The cell of a bar.
fn bar(row: &TableRow, most: u64) -> String {
    let mut pieces = String::new();
    for (kind, count) in row.bar.iter().filter(|(_, count)| *count > 0) {
        let width = percent(*count, most);
        pieces += &match kind {
            Some(kind) => format!(
                "<i style=\"--c:var(--d{});--p:{width}\" title=\"{kind}: {count}\"></i>",
                *kind as usize
            ),
            None => format!("<i style=\"--p:{width}\"></i>"),
        };
    }
    format!("<td class=\"bar\" aria-hidden=\"true\"><span>{pieces}</span></td>")
}

/// `1 234 567`, with narrow spaces that do not break: readable in every country. Four digits need none.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && digits.len() > 4 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{202f}');
        }
        text.push(digit);
    }
    text
}

/// Text in which nothing is markup.
fn escaped(text: &str) -> String {
    text.replace(char::is_control, "\u{fffd}")
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
