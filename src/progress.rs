//! What the operator reads of a run that goes on, in one line.

use std::fmt::Write as _;
use std::time::Duration;

use crate::campaign::tally::Tally;
use crate::terminal::Rates;

/// Narrower terminals have room for the numbers only.
const NARROW: usize = 60;
/// Between two fields.
const GAP: &str = "  ";

/// The counts for somebody who reads the log.
pub fn line(tally: &Tally, rates: &Rates) -> String {
    let mut line = format!(
        "{} pending, {} finished, {} failed, {} of {} ports free, {} dispatched",
        tally.pending(),
        tally.finished,
        tally.failed,
        tally.free_ports(),
        tally.ports,
        tally.dispatched,
    );
    if tally.retrying > 0 {
        let _ = write!(line, ", {} waiting for a retry", tally.retrying);
    }
    if tally.stopping {
        line.push_str(", stopping");
    } else if let Some(left) = rates.left() {
        let _ = write!(line, ", {} left", rough(left));
    }
    line
}

/// The counts for somebody who watches, at most `width` columns wide: the bar, then the fields, the important ones
/// first. What has no room is left out, from the right.
///
/// They are about the contacts that are called; those that cannot be called are told at the start and in the end.
pub fn bar(tally: &Tally, rates: &Rates, width: usize) -> String {
    let speed = rates.calls_per_second();
    let fields = [
        format!("{}/{}", tally.called, tally.to_call),
        if tally.stopping {
            "stopping".to_owned()
        } else {
            format!("left {}", rates.left().map_or("–".to_owned(), rough))
        },
        format!("answered {}", tally.reached()),
        format!("lines {}/{}", tally.in_flight, tally.ports),
        format!("failed {}", tally.called - tally.reached()),
        format!("retrying {}", tally.retrying),
        format!("dialed {}", tally.dispatched),
        format!(
            "{}/s",
            speed.map_or("–".to_owned(), |speed| format!("{speed:.1}"))
        ),
    ];
    let mut line = if width < NARROW {
        String::new()
    } else {
        drawn(tally, (width / 8).min(30))
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

/// `█████░░░░░`: how much of what is to be called is done.
fn drawn(tally: &Tally, cells: usize) -> String {
    let parts = u64::try_from(cells).unwrap_or(0);
    let full = (tally.called * parts)
        .checked_div(tally.to_call)
        .unwrap_or(parts);
    (0..parts)
        .map(|cell| if cell < full { '█' } else { '░' })
        .collect()
}

/// A time nobody needs exactly: `~45s`, `~12m`, `~3h 20m`, `~4d`.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let minutes = seconds.div_ceil(60);
    match seconds {
        0..90 => format!("~{seconds}s"),
        90..5_400 => format!("~{minutes}m"),
        5_400..172_800 => format!("~{}h {:02}m", minutes / 60, minutes % 60),
        _ => format!("~{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::disposition::Disposition;

    fn tally() -> Tally {
        let mut tally = Tally::new(310, 300, [("carrier", 10)]);
        tally.in_flight = 10;
        tally.retrying = 12;
        for _ in 0..80 {
            tally.attempted(Disposition::Answered, true);
        }
        for _ in 0..40 {
            tally.attempted(Disposition::Rejected, true);
        }
        for _ in 0..10 {
            tally.finished(Disposition::InvalidNumber);
        }
        tally
    }

    /// A minute in which these counts came to be.
    fn rates(tally: &mut Tally) -> Rates {
        let mut rates = Rates::default();
        let start = Instant::now();
        let mut nothing = Tally::new(310, 300, [("carrier", 10)]);
        for (second, counts) in [(0, &mut nothing), (60, tally)] {
            let now = start + Duration::from_secs(second);
            counts.at = Some(now.into());
            counts.dispatched = second * 5 / 2;
            rates.look(counts, now);
        }
        rates
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        assert_eq!(
            bar(&tally, &rates, 200),
            "██████████░░░░░░░░░░░░░░░  120/300  left ~2m  answered 80  lines 10/10  failed 40  retrying 12  dialed 150  2.5/s"
        );
    }

    #[test]
    fn a_usual_one_leaves_the_least_important_out() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        assert_eq!(
            bar(&tally, &rates, 80),
            "████░░░░░░  120/300  left ~2m  answered 80  lines 10/10  failed 40  retrying 12"
        );
    }

    #[test]
    fn a_narrow_one_shows_how_far_how_long_and_whom_it_reached() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        assert_eq!(bar(&tally, &rates, 40), "120/300  left ~2m  answered 80");
        assert_eq!(bar(&tally, &rates, 10), "120/300");
        assert_eq!(bar(&tally, &rates, 3), "");
    }

    #[test]
    fn what_cannot_be_told_yet_is_not_guessed() {
        assert_eq!(
            bar(&Tally::new(3, 3, [("carrier", 2)]), &Rates::default(), 120),
            "░░░░░░░░░░░░░░░  0/3  left –  answered 0  lines 0/2  failed 0  retrying 0  dialed 0  –/s"
        );
    }

    #[test]
    fn a_run_that_is_being_stopped_has_no_time_left_for_the_rest_of_the_list() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        tally.stopping = true;
        assert_eq!(bar(&tally, &rates, 40), "120/300  stopping  answered 80");
        assert!(line(&tally, &rates).ends_with("12 waiting for a retry, stopping"));
    }

    #[test]
    fn a_list_with_nobody_to_call_is_done_from_the_start() {
        let line = bar(&Tally::new(3, 0, [("carrier", 2)]), &Rates::default(), 80);
        assert!(line.starts_with("██████████  0/0"), "{line}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        for width in 0..250 {
            assert!(bar(&tally, &rates, width).chars().count() <= width);
        }
    }

    #[test]
    fn the_log_says_the_same_in_words() {
        let mut tally = tally();
        let rates = rates(&mut tally);
        assert_eq!(
            line(&tally, &rates),
            "180 pending, 130 finished, 50 failed, 0 of 10 ports free, 150 dispatched, 12 waiting for a retry, ~2m left"
        );
    }

    #[test]
    fn a_rough_time_is_short() {
        let times = [0, 89, 91, 5_399, 5_400, 100_000, 200_000];
        assert_eq!(
            times.map(|seconds| rough(Duration::from_secs(seconds))),
            ["~0s", "~89s", "~2m", "~90m", "~1h 30m", "~27h 47m", "~2d"]
        );
    }
}
