//! The report as a page that needs nothing else: no script, no font, no picture from elsewhere.
//!
//! Every figure is in a table; what is drawn is drawn by the style sheet from numbers in the markup. Whatever comes from
//! the results is escaped.

use super::call_lengths::CallLengths;
use super::figures::{CallGroup, Figures, GroupKey};
use super::tables::{TableCell, TableRow};
use crate::disposition::Disposition;
use crate::output::format::{exact, percent};

const STYLE: &str = include_str!("page.css");
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

pub(crate) fn page(figures: &Figures) -> String {
    let title = escaped(&figures.title());
    let body = if figures.rows == 0 {
        "<section>\n<p>There are no rows yet.</p>\n</section>\n".to_owned()
    } else {
        [
            cards(figures),
            funnel(figures),
            dispositions(figures),
            hours(&figures.hours),
            days(&figures.days),
            groups("Calls by trunk", "Trunk", &figures.trunks),
            groups("Calls by attempt", "Attempt", &figures.attempt_numbers),
            durations(figures),
        ]
        .concat()
    };
    let header = header(figures, &title);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta name=\"robots\" content=\"noindex\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n\
         <title>{title}: call report</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n\
         {header}{body}</main>\n</body>\n</html>\n"
    )
}

fn header(figures: &Figures, title: &str) -> String {
    let mut header = format!("<header>\n<p>Call report</p>\n<h1>{title}</h1>\n");
    if let Some(period) = figures.period() {
        header += &format!("<p>{period}</p>\n");
    }
    if figures.simulated {
        header += "<p class=\"notice\"><strong>Simulated.</strong> This is a rehearsal: nothing was dialed.</p>\n";
    }
    if figures.torn {
        header += "<p class=\"notice\">The last row is not whole and is left out: the file may still be written.</p>\n";
    }
    header + "</header>\n"
}

/// The numbers that most readers look for.
fn cards(figures: &Figures) -> String {
    let (contacts, attempts) = (&figures.contacts, &figures.attempts);
    let rate = percent(contacts.reached, contacts.called);
    let reached = match contacts.called {
        0 => "nobody was called".to_owned(),
        called => {
            let (reached, called) = (count(contacts.reached), count(called));
            format!("{reached} of {called} contacts called were reached")
        }
    };
    let pending = match contacts.pending {
        0 => "all with their final outcome".to_owned(),
        pending => format!("{} not finished yet", count(pending)),
    };
    let picked_up = match attempts.total {
        0 => "nothing was dialed".to_owned(),
        total => format!("{} picked up", percent(attempts.picked_up, total)),
    };
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
    let mut markup = "<dl class=\"key\">\n".to_owned();
    for (place, (name, big, more)) in cards.iter().enumerate() {
        let class = if place == 0 { " class=\"first\"" } else { "" };
        markup += &format!(
            "<div{class}><dt>{name}</dt><dd class=\"big\">{big}</dd><dd class=\"more\">{more}</dd></div>\n"
        );
    }
    markup + "</dl>\n"
}

fn funnel(figures: &Figures) -> String {
    let heads = ["Contacts", "Number", "Of the step above"];
    let mut body = table("bars", &heads, figures.funnel(), None);
    body += "\n<p>A contact is reached when at least one call to it was picked up: ANSWERED, SHORT \
             or MACHINE. The answer rate is the contacts reached, of those called.</p>\n";
    if let Some(never_called) = figures.never_called(count) {
        body += &format!("<p>{never_called}</p>\n");
    }
    section("Funnel", &body)
}

fn dispositions(figures: &Figures) -> String {
    let heads = ["Final outcome", "Contacts", "Share", "Calls"];
    let (rows, total) = (figures.by_disposition(), figures.disposition_total());
    let table = table("bars", &heads, rows, Some(&total));
    section("How it ended", &(table + "\n"))
}

fn hours(hours: &[CallGroup]) -> String {
    let Some(busiest) = hours.iter().max_by_key(|hour| hour.calls.total()) else {
        return String::new();
    };
    let (most, name) = (busiest.calls.total(), &busiest.key);
    let mut body = format!(
        "<ul class=\"legend\" aria-hidden=\"true\"><li>{}picked up</li><li>{}not</li><li>most at {name}: {}</li></ul>\n\
         <div class=\"hours\" role=\"img\" aria-label=\"Calls by the hour in which they were dialed: most at {name}, \
         {most} calls, {} of them picked up. The table below has every hour.\">\n",
        dot(Disposition::Answered),
        dot(Disposition::NoAnswer),
        calls(most),
        percent(busiest.calls.picked_up(), most)
    );
    for hour in hours {
        let (calls, picked_up) = (hour.calls.total(), hour.calls.picked_up());
        let some = if calls > 0 { " class=\"some\"" } else { "" };
        body += &format!(
            "<span{some} style=\"--p:{};--q:{}\" title=\"{}, {calls} calls, {picked_up} picked up\"><i></i></span>",
            width(calls, most),
            width(picked_up, calls),
            hour.key,
        );
    }
    let rows = hours.iter().filter(|hour| hour.calls.total() > 0);
    let heads = ["Dialed at", "Calls", "Picked up", "Share"];
    let table = table("", &heads, rows.map(CallGroup::row), None);
    body += &format!(
        "</div>\n<div class=\"scale\" aria-hidden=\"true\"><span>0h</span><span>3h</span><span>6h</span>\
         <span>9h</span><span>12h</span><span>15h</span><span>18h</span><span>21h</span></div>\n\
         <details><summary>Every hour as a table</summary>\n{table}</details>\n\
         <p>The hour is that of the clock by which the results were written.</p>\n"
    );
    section("Calls by hour", &body)
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
    let heads = ["Dialed on", "Calls", "Picked up", "Share"];
    section("Calls by day", &(table("bars", &heads, rows, None) + "\n"))
}

fn groups(title: &str, what: &str, groups: &[CallGroup]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut kinds = Disposition::ALL.to_vec();
    kinds.retain(|kind| groups.iter().any(|group| group.calls[*kind] > 0));
    let mut body = "<ul class=\"legend\" aria-hidden=\"true\">".to_owned();
    let mut heads = vec![what, "Calls", "Picked up"];
    for kind in &kinds {
        body += &format!("<li>{}{kind}</li>", dot(*kind));
        heads.push(kind.as_str());
    }
    body += "</ul>\n";
    let mut rows = Vec::new();
    for group in groups {
        body += &stack(what, group);
        let calls = group.calls.total();
        let mut row = TableRow::new(&group.key, 0, [TableCell::Count(calls)]);
        let picked_up = TableCell::Share(group.calls.picked_up(), calls);
        let counts = kinds
            .iter()
            .map(|kind| TableCell::Count(group.calls[*kind]));
        row.cells.extend([picked_up].into_iter().chain(counts));
        rows.push(row);
    }
    let table = wide(title, &table("", &heads, rows, None));
    body += &format!("<details><summary>As a table</summary>\n{table}</details>\n");
    section(title, &body)
}

/// The calls of a group as one bar, a piece for each disposition.
fn stack(what: &str, group: &CallGroup) -> String {
    let name = escaped(&group.key.to_string());
    let shown = match group.key {
        GroupKey::Attempt(_) => format!("{what} {name}"),
        _ => name.clone(),
    };
    let all = group.calls.total();
    let (mut shares, mut pieces) = (Vec::new(), String::new());
    for kind in Disposition::ALL {
        let calls = group.calls[kind];
        if calls > 0 {
            let share = percent(calls, all);
            shares.push(format!("{kind} {share}"));
            pieces += &format!(
                "<i style=\"--c:var(--d{});--n:{calls}\" title=\"{kind}: {calls}, {share}\"></i>",
                kind as usize
            );
        }
    }
    format!(
        "<figure class=\"stack\"><figcaption><span>{shown}</span><span>{}, {} picked up</span></figcaption>\
         <div role=\"img\" aria-label=\"{what} {name}: {}\">{pieces}</div></figure>\n",
        calls(all),
        percent(group.calls.picked_up(), all),
        shares.join(", ")
    )
}

fn durations(figures: &Figures) -> String {
    let kinds = figures.durations.kinds();
    if kinds.is_empty() {
        return String::new();
    }
    let mut heads = vec![""];
    heads.extend(kinds.iter().map(|(_, name, _)| name));
    let names = [
        "calls",
        "mean",
        "median",
        "9 of 10 within",
        "longest",
        "together",
    ];
    let columns: Vec<_> = kinds
        .iter()
        .map(|(_, _, lengths)| lengths.cells())
        .collect();
    let rows = (0..).zip(names).map(|(place, name)| {
        TableRow::new(name, 0, columns.iter().map(|cells: &[_; 6]| cells[place]))
    });
    let table = table("lengths", &heads, rows, None);
    let body = wide("Durations", &table) + "\n" + &talk_spread(&figures.durations.talk);
    section("Durations", &body)
}

/// How many calls talked how long.
fn talk_spread(talk: &CallLengths) -> String {
    if talk.calls == 0 {
        return String::new();
    }
    let mut spread = talk.spread(TALKED.map(|(_, bound)| bound));
    while spread.pop_if(|calls| *calls == 0).is_some() {}
    let rows = TALKED.iter().zip(spread).map(|((name, _), calls)| {
        let cells = [TableCell::Count(calls), TableCell::Share(calls, talk.calls)];
        TableRow::new(name, calls, cells)
    });
    let table = table("bars", &["Talked", "Calls", "Share"], rows, None);
    format!("<h3>How long they talked</h3>\n{table}\n")
}

fn section(title: &str, body: &str) -> String {
    format!("<section>\n<h2>{title}</h2>\n{body}</section>\n")
}

/// Something that scrolls where the page is narrow.
fn wide(title: &str, table: &str) -> String {
    format!(
        "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"{title}\">{table}</div>"
    )
}

/// In a table of the class `bars` each row has one, beside its name. Cells without a head are left out.
fn table(
    class: &str,
    heads: &[&str],
    rows: impl IntoIterator<Item = TableRow>,
    total: Option<&TableRow>,
) -> String {
    let rows: Vec<_> = rows.into_iter().collect();
    let bars = class == "bars";
    let mut table = match class {
        "" => "<table>\n<thead><tr>".to_owned(),
        _ => format!("<table class=\"{class}\">\n<thead><tr>"),
    };
    for (place, head) in heads.iter().enumerate() {
        if head.is_empty() || (bars && place == 1) {
            table += "<td></td>";
        }
        if !head.is_empty() {
            table += &format!("<th scope=\"col\">{head}</th>");
        }
    }
    table += "</tr></thead>\n<tbody>\n";
    let most = rows.iter().map(|row| row.bar).max().unwrap_or(0);
    let row = |row: &TableRow, bar: &str| {
        let mut markup = format!("<tr><th scope=\"row\">{}</th>{bar}", escaped(&row.name));
        for cell in row.cells.iter().take(heads.len() - 1) {
            markup += &format!("<td>{}</td>", cell.show(count));
        }
        markup + "</tr>"
    };
    for of in &rows {
        let bar = if bars { bar(of, most) } else { String::new() };
        table += &(row(of, &bar) + "\n");
    }
    table += "</tbody>\n";
    if let Some(total) = total {
        table += &format!("<tfoot>{}</tfoot>\n", row(total, "<td></td>"));
    }
    table + "</table>"
}

/// The cell of a bar.
fn bar(row: &TableRow, most: u64) -> String {
    let colour = row.disposition.map_or_else(String::new, |kind| {
        format!("--c:var(--d{});", kind as usize)
    });
    let bar = match row.bar {
        0 => String::new(),
        count => format!("<i style=\"{colour}--p:{}\"></i>", width(count, most)),
    };
    format!("<td class=\"bar\" aria-hidden=\"true\"><span>{bar}</span></td>")
}

/// The square in the colour of a disposition.
fn dot(kind: Disposition) -> String {
    format!(
        "<span class=\"dot\" style=\"--c:var(--d{})\"></span>",
        kind as usize
    )
}

/// A length or height in percent.
fn width(part: u64, whole: u64) -> String {
    match whole {
        0 => "0%".to_owned(),
        _ => percent(part, whole),
    }
}

fn calls(calls: u64) -> String {
    let s = if calls == 1 { "" } else { "s" };
    format!("{} call{s}", count(calls))
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
    let mut escaped = String::new();
    for char in text.chars() {
        match char {
            '&' => escaped += "&amp;",
            '<' => escaped += "&lt;",
            '>' => escaped += "&gt;",
            '"' => escaped += "&quot;",
            '\'' => escaped += "&#39;",
            char if char.is_control() => escaped.push('\u{fffd}'),
            char => escaped.push(char),
        }
    }
    escaped
}
