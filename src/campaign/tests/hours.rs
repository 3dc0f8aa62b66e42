//! Nobody is called outside the hours, and everybody within them.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use jiff::civil::{Time, Weekday, time};

use super::*;
use crate::config::{Outside, Window};
use crate::contact_history::History;
use crate::schedule::hours::{Hours, Opening, StopAt};

const ALL_DAYS: [bool; 7] = [true; 7];

pub(crate) fn opening(days: [bool; 7], from: i8, to: i8) -> Opening {
    Opening {
        days,
        from: time(from, 0, 0, 0),
        to: time(to, 0, 0, 0),
    }
}

pub(crate) fn window(zone: &str, openings: Vec<Opening>) -> Window {
    Window {
        hours: Hours {
            zone: TimeZone::get(zone).unwrap(),
            holidays: BTreeSet::new(),
            openings,
        },
        outside: Outside::Wait,
        stop_at: None,
    }
}

/// So many people who answer, one after the other on one line: eleven seconds each.
fn on_one_line(contacts: usize, start: &str, window: Window) -> Lab {
    let mut list = "number\n".to_owned();
    for contact in 0..contacts {
        let _ = writeln!(list, "{contact:05}01");
    }
    let mut lab = Lab::new(CARRIER, &list);
    lab.campaign.trunks[0].ports = 1;
    lab.campaign.window = Some(window);
    lab.start = start.parse().unwrap();
    lab
}

/// When each call was dialed, in the zone.
fn dialed(of: &Dialed, zone: &str) -> Vec<jiff::Zoned> {
    let zone = TimeZone::get(zone).unwrap();
    let calls = of.rows.iter().filter(|row| !row["dialed_at"].is_empty());
    calls
        .map(|row| time_of(row).to_zoned(zone.clone()))
        .collect()
}

fn time_of(row: &Row) -> Timestamp {
    crate::campaign::tests::time(row, "dialed_at")
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_at_night_waits_for_the_morning_and_a_call_that_runs_is_not_cut() {
    // Twenty minutes of calls, ten of them before closing time.
    let hours = window("UTC", vec![opening(ALL_DAYS, 9, 20)]);
    let lab = on_one_line(110, "2026-11-23T19:50:00Z", hours);
    let run = lab.dial().await;
    run.assert_one_final_row_each(110);
    let dialed = dialed(&run, "UTC");
    let evening = dialed.iter().filter(|at| at.day() == 23).count();
    assert!((53..=55).contains(&evening), "{evening}");
    for at in &dialed {
        assert!((9..20).contains(&at.hour()), "{at}");
    }
    let morning = dialed.iter().find(|at| at.day() == 24).unwrap();
    assert_eq!((morning.hour(), morning.minute()), (9, 0));
    let last = run
        .rows
        .iter()
        .rfind(|row| time_of(row).to_string().as_str() < "2026-11-24");
    let last = last.unwrap();
    assert!(super::time(last, "ended_at").to_string().as_str() >= "2026-11-23T20:00");
    assert_eq!(last["disposition"], "ANSWERED");
}

#[tokio::test(start_paused = true)]
async fn hours_are_those_of_the_clock_on_the_day_that_it_is_set_forward_and_back() {
    for (start, opens) in [
        // New York: in 2027 forward on 14 March, back on 7 November.
        ("2027-03-14T00:00:00Z", "2027-03-14T13:00:00Z"),
        ("2027-11-07T00:30:00Z", "2027-11-07T14:00:00Z"),
    ] {
        let hours = window("America/New_York", vec![opening(ALL_DAYS, 9, 17)]);
        let run = on_one_line(5, start, hours).dial().await;
        run.assert_one_final_row_each(5);
        let first = time_of(&run.rows[0]);
        let opens: Timestamp = opens.parse().unwrap();
        assert_eq!(first.as_second(), opens.as_second(), "{start}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_weekend_and_a_holiday_are_waited_out() {
    let weekdays = [true, true, true, true, true, false, false];
    let mut hours = window("Europe/Berlin", vec![opening(weekdays, 9, 17)]);
    hours.hours.holidays = BTreeSet::from(["2026-12-28".parse().unwrap()]);
    // A Friday, shortly before closing time; Monday is a holiday.
    let run = on_one_line(60, "2026-12-25T15:55:00Z", hours).dial().await;
    run.assert_one_final_row_each(60);
    let days: BTreeSet<_> = dialed(&run, "Europe/Berlin")
        .iter()
        .map(|at| (at.weekday() as i8, at.day()))
        .collect();
    let expected = [(Weekday::Friday as i8, 25), (Weekday::Tuesday as i8, 29)];
    assert_eq!(days, BTreeSet::from(expected));
}

#[tokio::test(start_paused = true)]
async fn an_opening_across_midnight_is_one() {
    let hours = window("UTC", vec![opening(ALL_DAYS, 22, 2)]);
    let run = on_one_line(2_000, "2026-11-23T21:00:00Z", hours)
        .dial()
        .await;
    run.assert_one_final_row_each(2_000);
    let dialed = dialed(&run, "UTC");
    for at in &dialed {
        assert!(!(2..22).contains(&at.hour()), "{at}");
    }
    let longest = dialed
        .windows(2)
        .map(|pair| pair[1].timestamp().duration_since(pair[0].timestamp()))
        .max();
    assert!(longest.unwrap().as_hours() >= 19, "it closes by day");
    let across = dialed.iter().filter(|at| at.hour() == 0).count();
    assert!(across > 300, "{across} in the hour after midnight");
}

#[tokio::test(start_paused = true)]
async fn a_retry_is_moved_into_the_hours_and_says_so() {
    let hours = window("UTC", vec![opening(ALL_DAYS, 9, 20)]);
    let mut lab = on_one_line(0, "2026-11-23T19:58:00Z", hours);
    fs::write(lab.folder.path().join("list.csv"), "number\n0010\n").unwrap();
    lab.campaign.retry.max_attempts = 2;
    let run = lab.dial().await;
    assert_eq!(
        run.column("0010", "next_attempt_at")[0],
        "2026-11-24T09:00:00.000+00:00"
    );
    assert_eq!(run.column("0010", "attempt"), ["1", "2"]);
    assert_eq!(
        time_of(run.of("0010")[1]).to_string(),
        "2026-11-24T09:00:00Z"
    );
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_does_not_wait_ends_with_the_number_that_is_left() {
    let mut hours = window("UTC", vec![opening(ALL_DAYS, 9, 20)]);
    hours.outside = Outside::Stop;
    let run = on_one_line(110, "2026-11-23T19:50:00Z", hours).dial().await;
    assert!(matches!(run.end, RunEnd::Outside(Some(_))), "{:?}", run.end);
    assert!((50..60).contains(&run.rows.len()), "{}", run.rows.len());
    assert_eq!(run.tally.pending(), 110 - run.rows.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn nothing_new_is_begun_after_stop_at() {
    let mut hours = window("America/Montevideo", vec![opening(ALL_DAYS, 0, 0)]);
    let at: Time = time(20, 30, 0, 0);
    hours.stop_at = Some(StopAt::Daily(at));
    let run = on_one_line(110, "2026-11-23T23:20:00Z", hours).dial().await;
    assert!(matches!(run.end, RunEnd::StopAt), "{:?}", run.end);
    let dialed = dialed(&run, "America/Montevideo");
    assert!((50..60).contains(&dialed.len()), "{}", dialed.len());
    assert!(dialed.iter().all(|call| call.time() < at));
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_contacts_in_five_zones_are_called_by_day_where_they_live() {
    const ZONES: [&str; 5] = [
        "America/Los_Angeles",
        "America/Montevideo",
        "Europe/Lisbon",
        "Asia/Kathmandu",
        "Australia/Lord_Howe",
    ];
    let mut list = "number,tz\n".to_owned();
    for contact in 0..10_000 {
        // Some answer, some are busy once, some do not answer.
        let fate = [1, 2, 80, 20, 10][contact % 5];
        let _ = writeln!(list, "{contact:05}{fate:02},{}", ZONES[contact % 7 % 5]);
    }
    let mut lab = Lab::with("timezone = \"tz\"", CARRIER, &list);
    lab.campaign.trunks[0].ports = 200;
    lab.campaign.retry.max_attempts = 2;
    lab.campaign.window = Some(window(
        "UTC",
        vec![
            opening([true, true, true, true, true, true, false], 9, 12),
            opening(ALL_DAYS, 15, 19),
        ],
    ));
    lab.start = "2026-04-03T20:00:00Z".parse().unwrap();
    let run = lab.dial().await;
    run.assert_one_final_row_each(10_000);
    for row in run.rows {
        let contact: usize = row["contact"][..5].parse().unwrap();
        let zone = TimeZone::get(ZONES[contact % 7 % 5]).unwrap();
        let at = time_of(&row).to_zoned(zone);
        let morning = (9..12).contains(&at.hour()) && at.weekday() != Weekday::Sunday;
        assert!(morning || (15..19).contains(&at.hour()), "{at}");
    }
}

/// A window that is closed at noon, when the runs of the lab begin.
fn evenings(outside: Outside) -> Window {
    Window {
        outside,
        ..window("UTC", vec![opening(ALL_DAYS, 18, 20)])
    }
}

/// What an earlier run left: these contacts have their final row.
fn done(contacts: &[&str]) -> Leftover {
    let mut left = Leftover::default();
    for contact in contacts {
        left.earlier.settle(contact, History::default(), None);
    }
    left
}

#[tokio::test(start_paused = true)]
async fn who_is_done_does_not_wait_for_the_morning_nor_ends_with_contacts_left() {
    for outside in [Outside::Wait, Outside::Stop] {
        let mut lab = Lab::new(CARRIER, "number\n00101\n00201\n\n00101\n");
        lab.campaign.window = Some(evenings(outside));
        let path = lab.folder.path().join("results.csv");
        let resources = lab.resources(&path).await;
        let begun = tokio::time::Instant::now();
        let (views, _) = views(&resources);
        let left = done(&["00101", "00201"]);
        let over = run(resources, left, None, Stop::default(), views).await;
        assert!(matches!(over, RunEnd::Finished), "{over:?}");
        assert!(begun.elapsed() < Duration::from_secs(1));
        assert_eq!(rows(&path).len(), 1, "the one that stands twice");
    }
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_left_is_waited_for_or_told_with_the_hour() {
    let list = "number\n00101\n00201\n";
    let mut lab = Lab::new(CARRIER, list);
    lab.campaign.window = Some(evenings(Outside::Wait));
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let (views, _) = views(&resources);
    let over = run(resources, done(&["00101"]), None, Stop::default(), views).await;
    assert!(matches!(over, RunEnd::Finished), "{over:?}");
    let called = rows(&path);
    assert_eq!(called.len(), 1);
    assert_eq!(time_of(&called[0]).to_string(), "2026-11-23T18:00:00Z");

    lab.campaign.window = Some(evenings(Outside::Stop));
    let run = lab.dial().await;
    let RunEnd::Outside(Some(opens)) = &run.end else {
        panic!("{:?}", run.end);
    };
    assert_eq!(opens.timestamp().to_string(), "2026-11-23T18:00:00Z");
    assert_eq!(run.rows.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn after_stop_at_nobody_is_left_or_everybody_is() {
    let mut hours = window("UTC", vec![opening(ALL_DAYS, 0, 0)]);
    hours.stop_at = Some(StopAt::Moment("2026-11-23T11:00:00Z".parse().unwrap()));
    for (contacts, finished) in [(&["00101"][..], true), (&[], false)] {
        let mut lab = Lab::new(CARRIER, "number\n00101\n");
        lab.campaign.window = Some(hours.clone());
        let path = lab.folder.path().join("results.csv");
        let resources = lab.resources(&path).await;
        let (views, _) = views(&resources);
        let over = run(resources, done(contacts), None, Stop::default(), views).await;
        assert_eq!(matches!(over, RunEnd::Finished), finished, "{over:?}");
        assert_eq!(matches!(over, RunEnd::StopAt), !finished, "{over:?}");
        assert_eq!(rows(&path).len(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn where_each_zone_has_its_hours_the_first_to_open_again_is_told() {
    let list = "number,tz\n00101,UTC\n00201,America/Montevideo\n00301,Asia/Tokyo\n";
    let mut lab = Lab::with("timezone = \"tz\"", CARRIER, list);
    let mut hours = window("UTC", vec![opening(ALL_DAYS, 9, 20)]);
    hours.outside = Outside::Stop;
    lab.campaign.window = Some(hours);
    let run = lab.dial().await;
    let RunEnd::Outside(Some(opens)) = &run.end else {
        panic!("{:?}", run.end);
    };
    // Nine in the morning in Tokyo.
    assert_eq!(opens.timestamp().to_string(), "2026-11-24T00:00:00Z");
    assert_eq!(run.rows.len(), 2);
}
