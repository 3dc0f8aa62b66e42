use super::*;
use crate::campaign::snapshot::Waits;
use crate::campaign::tests::views::example;
use crate::disposition::Disposition;

/// A run in which something of everything happened.
fn seen() -> Seen {
    Seen {
        view: example(),
        left: Some(Duration::from_secs(90)),
    }
}

/// The same on one trunk, with everything that it can wait for in turn.
fn on_one_trunk(waits: Waits) -> Seen {
    let mut seen = seen();
    seen.view.trunks.truncate(1);
    seen.view.waits = waits;
    seen
}

/// Ten in the morning, and so many seconds.
fn ten_and(seconds: i64) -> i64 {
    example().at + 1_000 * seconds
}

const LINE: &str = "180 pending, 130 finished, 50 failed, 10 of 20 ports free, 150 dispatched, 2.5 calls/s, \
    67% of the calls picked up, 12 waiting for a retry (the next at 10:02:00), ~2m left";

#[test]
fn a_wide_terminal_shows_everything() {
    assert_eq!(
        bar(&seen(), 200, 40),
        "██████████░░░░░░░░░░░░░░░  120/300  left ~2m  answered 80  lines 10/20  picked up 67%  2.5/s  retrying 12  failed 40  dialed 150\n\
         \x20 carrier      10/10  works\n\
         \x20 backup        0/10  rests until 10:00:05 (5 failed, the last CONGESTION)\n\
         \x20 all lines are busy; 12 retries, the next at 10:02:00"
    );
}

#[test]
fn a_usual_one_leaves_the_least_important_out() {
    assert_eq!(
        bar(&seen(), 80, 24),
        "████░░░░░░  120/300  left ~2m  answered 80  lines 10/20  picked up 67%  2.5/s\n\
         \x20 carrier      10/10  works\n\
         \x20 backup        0/10  rests until 10:00:05 (5 failed, the last CONGESTION)\n\
         \x20 all lines are busy; 12 retries, the next at 10:02:00"
    );
    assert_eq!(
        bar(&on_one_trunk(Waits::Lines), 80, 24).lines().count(),
        2,
        "the counts say all of one trunk"
    );
}

#[test]
fn a_narrow_one_shows_how_far_how_long_and_whom_it_reached() {
    assert_eq!(bar(&seen(), 40, 24), "120/300  left ~2m  answered 80");
    assert_eq!(bar(&seen(), 10, 24), "120/300");
    assert_eq!(bar(&seen(), 3, 24), "");
    assert_eq!(bar(&seen(), 200, 9).lines().count(), 1, "a low one, too");
}

#[test]
fn many_trunks_take_no_more_room_than_there_is_and_those_in_trouble_are_shown() {
    let mut seen = seen();
    let works = seen.view.trunks[0].clone();
    seen.view.trunks.extend((0..20).map(|n| TrunkView {
        name: format!("carrier-{n}").into(),
        ..works.clone()
    }));
    let shown = bar(&seen, 100, 24);
    let lines: Vec<_> = shown.lines().collect();
    assert_eq!(lines.len(), 8, "{shown}");
    assert!(lines.iter().any(|line| line.contains("backup")), "{shown}");
    assert_eq!(lines[6], "  and 17 more trunks");
    for rows in 0..100 {
        let lines = bar(&seen, 100, rows).lines().count();
        assert!(lines == 1 || lines <= rows / 3, "{lines} of {rows}");
    }
}

#[test]
fn no_line_is_wider_than_the_terminal() {
    for width in 0..250 {
        for line in bar(&seen(), width, 30).lines() {
            assert!(line.chars().count() <= width, "{line}");
        }
    }
}

#[test]
fn what_cannot_be_told_yet_is_not_guessed() {
    let (_, viewer) = crate::campaign::snapshot::channel(
        crate::campaign::stats::Tally::new(3, 3),
        &[],
        &crate::clock::Clock::system(jiff::tz::TimeZone::UTC),
    );
    let seen = RunWatch::of(viewer).latest();
    assert_eq!(
        bar(&seen, 130, 30),
        "░░░░░░░░░░░░░░░░  0/3  left –  answered 0  lines 0/0  picked up –  –/s  retrying 0  failed 0  dialed 0\n  the run begins"
    );
    assert_eq!(
        line(&seen),
        "3 pending, 0 finished, 0 failed, 0 of 0 ports free, 0 dispatched; the run begins"
    );
}

#[test]
fn a_continued_run_counts_the_contacts_of_this_run_only() {
    let mut tally = crate::campaign::stats::Tally::new(18, 6);
    tally.finish(Disposition::Answered, 12);
    let (_, viewer) = crate::campaign::snapshot::channel(
        tally,
        &[],
        &crate::clock::Clock::system(jiff::tz::TimeZone::UTC),
    );
    let mut seen = RunWatch::of(viewer).latest();
    let shown = |seen: &Seen| bar(seen, 200, 5).replace(['░', '█'], "");
    let begin = shown(&seen);
    assert!(begin.contains("  0/6  left –  answered 0  "), "{begin}");
    assert!(begin.contains("  failed 0  "), "{begin}");
    seen.view.tally.attempted(Disposition::Answered, true);
    seen.view.tally.attempted(Disposition::NoAnswer, true);
    let later = shown(&seen);
    assert!(later.contains("  2/6  left –  answered 1  "), "{later}");
    assert!(later.contains("  failed 1  "), "{later}");
}

#[test]
fn the_log_says_the_same_in_words() {
    assert_eq!(
        line(&seen()),
        format!(
            "{LINE}; all lines are busy; carrier 10/10, backup 0/10 rests until 10:00:05 (5 failed, the last CONGESTION)"
        )
    );
}

#[test]
fn each_reason_is_said_everywhere() {
    let reasons = [
        (Waits::Lines, "all lines are busy", "left ~2m"),
        (Waits::Pace(ten_and(0)), "the pace is kept", "left ~2m"),
        (
            Waits::Pace(ten_and(7)),
            "the pace allows the next call at 10:00:07",
            "next call 10:00:07",
        ),
        (
            Waits::Trunks(Some(ten_and(5))),
            "no trunk works, the first is tried again at 10:00:05",
            "trunks rest until 10:00:05",
        ),
        (
            Waits::Trunks(None),
            "no trunk works, it is being tried with one call",
            "trying a trunk",
        ),
        (
            Waits::Window(Some(ten_and(23 * 3_600))),
            "outside the calling hours until 2026-11-24 09:00:00",
            "closed until 2026-11-24 09:00",
        ),
        (
            Waits::Window(None),
            "no calling hours can be foreseen",
            "closed",
        ),
        (
            Waits::Connection(ten_and(-3)),
            "there is no connection to Asterisk since 09:59:57",
            "reconnecting since 09:59:57",
        ),
        (
            Waits::Retries(ten_and(120)),
            "everybody who is left waits to be called again, the next at 10:02:00",
            "next retry 10:02:00",
        ),
        (
            Waits::Ending("drained"),
            "stopping: no new calls",
            "stopping",
        ),
        (
            Waits::Ending("results unwritable"),
            "stopping: results unwritable",
            "stopping",
        ),
    ];
    for (waits, sentence, short) in reasons {
        let mut seen = on_one_trunk(waits);
        if matches!(waits, Waits::Retries(_) | Waits::Pace(_)) {
            seen.view.running = 0;
        }
        assert!(
            line(&seen).ends_with(&format!("; {sentence}")),
            "{}",
            line(&seen)
        );
        let shown = bar(&seen, 120, 24);
        let last = shown.lines().last().unwrap();
        assert!(last.starts_with(&format!("  {sentence}")), "{shown}");
        let narrow = bar(&seen, 40, 24);
        assert!(narrow.starts_with(&format!("120/300  {short}")), "{narrow}");
    }
}

#[test]
fn a_single_trunk_is_told_of_where_it_does_not_work() {
    let mut seen = on_one_trunk(Waits::Trunks(None));
    let trouble = Trouble {
        streak: 10,
        last: Disposition::InvalidNumber,
    };
    let said = [
        (
            Condition::Tried(trouble),
            "is tried again with one call (10 failed, the last INVALID NUMBER)",
        ),
        (
            Condition::Rests {
                until: ten_and(0),
                trouble,
            },
            "rested and is to be tried with the next call (10 failed, the last INVALID NUMBER)",
        ),
    ];
    for (condition, words) in said {
        seen.view.trunks[0].condition = condition;
        assert!(line(&seen).ends_with(&format!("; carrier 10/10 {words}")));
        assert!(bar(&seen, 120, 24).contains(&format!("  carrier      10/10  {words}")[..60]));
    }
}

#[test]
fn a_run_that_is_being_stopped_has_no_time_left_for_the_rest_of_the_list() {
    let (views, viewer) = crate::campaign::snapshot::channel(
        crate::campaign::stats::Tally::new(3, 3),
        &[],
        &crate::clock::Clock::system(jiff::tz::TimeZone::UTC),
    );
    drop(views);
    let mut progress = RunWatch::of(viewer);
    let mut ending = example();
    ending.waits = Waits::Ending("drained");
    assert_eq!(progress.seen(ending).left, None);
}
