//! The lines at the foot of a terminal: the bar with its counts; where there is room, the trunks; and why no further call
//! begins.

use super::{Seen, condition, rough};
use crate::campaign::snapshot::{TrunkView, View, Waits};
use crate::trunk::breaker::Condition;

/// Narrower terminals have room for the numbers only.
const NARROW: usize = 60;
/// A terminal with fewer rows has room for one line only.
const LOW: usize = 10;
/// Between two fields.
const GAP: &str = "  ";

/// How a run is, for a person who watches: no line is more than `width` columns wide, and all of them together take at
/// most a third of so many `rows`. What has no room is left out: first the trunks, then the reason, then the counts from
/// the right.
///
/// The counts are about the contacts that are called; the start and the end of the run name those that cannot be.
pub fn bar(seen: &Seen, width: usize, rows: usize) -> String {
    let view = &seen.view;
    let mut lines = vec![counts(seen, width)];
    if width >= NARROW && rows >= LOW {
        let troubled = view
            .trunks
            .iter()
            .any(|trunk| trunk.condition != Condition::Works);
        if view.trunks.len() > 1 || troubled {
            let room = (rows / 3).saturating_sub(2);
            lines.extend(trunks(view, width, room));
        }
        lines.push(cut(&format!("{GAP}{}", reason(view)), width));
    }
    lines.join("\n")
}

/// The bar, then the fields, the important ones first.
fn counts(seen: &Seen, width: usize) -> String {
    let view = &seen.view;
    let tally = &view.tally;
    let share = tally
        .answer_rate()
        .map_or("–".to_owned(), |rate| format!("{:.0}%", rate * 100.0));
    let speed = view
        .calls_per_second
        .map_or("–".to_owned(), |speed| format!("{speed:.1}"));
    let fields = [
        format!("{}/{}", tally.called, tally.to_call),
        why_not(view).unwrap_or_else(|| format!("left {}", left(seen))),
        format!("answered {}", tally.reached_in_this_run),
        format!("lines {}/{}", view.running, view.ports()),
        format!("picked up {share}"),
        format!("{speed}/s"),
        format!("retrying {}", view.retrying),
        format!("failed {}", tally.failed_in_this_run()),
        format!("dialed {}", tally.dispatched),
    ];
    let mut line = if width < NARROW {
        String::new()
    } else {
        drawn(view, (width / 8).min(30))
    };
    for field in fields {
        let gap = if line.is_empty() { "" } else { GAP };
        if line.chars().count() + gap.len() + field.chars().count() > width {
            break;
        }
        line.push_str(gap);
        line.push_str(&field);
    }
    line
}

/// `~2m`
fn left(seen: &Seen) -> String {
    seen.left
        .map_or("–".to_owned(), |left| format!("~{}", rough(left)))
}

/// Why no contact is called, in the place of the time that is left, unless it is an everyday wait.
fn why_not(view: &View) -> Option<String> {
    let at = |millis: i64| {
        let when = view.when(millis);
        // The seconds of a time of day are left out, and those of a date.
        when.strip_suffix(":00").map_or(when.clone(), str::to_owned)
    };
    Some(match view.waits {
        Waits::Ending(_) => "stopping".to_owned(),
        Waits::Window(Some(opens)) => format!("closed until {}", at(opens)),
        Waits::Window(None) => "closed".to_owned(),
        Waits::Connection(since) => format!("reconnecting since {}", view.when(since)),
        Waits::Trunks(Some(until)) if until > view.at => {
            format!("trunks rest until {}", view.when(until))
        }
        Waits::Trunks(_) => "trying a trunk".to_owned(),
        Waits::Pace(until) if view.running == 0 && until >= view.at + 1_000 => {
            format!("next call {}", view.when(until))
        }
        Waits::Retries(due) if view.running == 0 => format!("next retry {}", view.when(due)),
        _ => return None,
    })
}

/// Why no further call begins, and when the next contact is due.
fn reason(view: &View) -> String {
    let why = view.why();
    match view.next_due {
        Some(due) if due > view.at && !matches!(view.waits, Waits::Retries(_)) => {
            let retries = match view.retrying {
                1 => "1 retry".to_owned(),
                more => format!("{more} retries, the next"),
            };
            format!("{why}; {retries} at {}", view.when(due))
        }
        _ => why,
    }
}

/// A line for each trunk, as far as there is room; those in trouble are not left out for those that work.
fn trunks(view: &View, width: usize, room: usize) -> Vec<String> {
    let name_width = view.trunks.iter().map(|trunk| trunk.name.chars().count());
    let name_width = name_width.max().unwrap_or(0).min(width / 3);
    let line = |trunk: &TrunkView| {
        let lines = format!("{}/{}", trunk.busy, trunk.ports);
        let name = cut(&trunk.name, name_width);
        let how = condition(trunk.condition, view);
        cut(
            &format!("{GAP}{name:<name_width$}{GAP}{lines:>9}{GAP}{how}"),
            width,
        )
    };
    let all = view.trunks.len();
    if all <= room {
        return view.trunks.iter().map(line).collect();
    }
    let Some(room) = room.checked_sub(1) else {
        return Vec::new();
    };
    let works = |trunk: &TrunkView| trunk.condition == Condition::Works;
    let mut shown: Vec<usize> = (0..all).collect();
    shown.sort_by_key(|&place| works(&view.trunks[place]));
    shown.truncate(room);
    shown.sort_unstable();
    let mut lines: Vec<_> = shown
        .iter()
        .map(|&place| line(&view.trunks[place]))
        .collect();
    lines.push(cut(&format!("{GAP}and {} more trunks", all - room), width));
    lines
}

/// `█████░░░░░`: how much of what is to be called is done.
fn drawn(view: &View, cells: usize) -> String {
    let parts = u64::try_from(cells).unwrap_or(0);
    let full = (view.tally.called * parts)
        .checked_div(view.tally.to_call)
        .unwrap_or(parts);
    (0..parts)
        .map(|cell| if cell < full { '█' } else { '░' })
        .collect()
}

/// The text, or as much of it as there is room for.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let Some(room) = width.checked_sub(1) else {
        return String::new();
    };
    let mut cut: String = text.chars().take(room).collect();
    cut.push('…');
    cut
}
