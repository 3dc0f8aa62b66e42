use super::*;
use jiff::ToSpan;
use jiff::civil::{date, time};
use proptest::prelude::*;

const ALL_WEEK: [bool; 7] = [true; 7];
const WORKDAYS: [bool; 7] = [true, true, true, true, true, false, false];

fn zone(name: &str) -> TimeZone {
    TimeZone::get(name).unwrap()
}

fn instant(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn clock(hours: i8, minutes: i8) -> Time {
    time(hours, minutes, 0, 0)
}

fn hours(openings: &[([bool; 7], Time, Time)]) -> Hours {
    Hours {
        zone: TimeZone::UTC,
        holidays: BTreeSet::new(),
        openings: openings
            .iter()
            .map(|&(days, from, to)| Opening { days, from, to })
            .collect(),
    }
}

fn open(until: &str) -> HoursState {
    HoursState {
        is_open: true,
        until: Some(instant(until)),
    }
}

fn closed(until: &str) -> HoursState {
    HoursState {
        is_open: false,
        until: Some(instant(until)),
    }
}

#[test]
fn the_end_of_an_opening_is_not_in_it_and_its_beginning_is() {
    let hours = hours(&[(WORKDAYS, clock(9, 0), clock(20, 0))]);
    let state = |at| hours.state(&TimeZone::UTC, instant(at));
    assert_eq!(
        state("2026-11-23T08:59:59.999Z"),
        closed("2026-11-23T09:00Z")
    );
    assert_eq!(state("2026-11-23T09:00Z"), open("2026-11-23T20:00Z"));
    assert_eq!(state("2026-11-23T19:59:59.999Z"), open("2026-11-23T20:00Z"));
    assert_eq!(state("2026-11-23T20:00Z"), closed("2026-11-24T09:00Z"));
}

#[test]
fn after_friday_comes_monday_and_after_a_holiday_the_day_behind_it() {
    let mut hours = hours(&[(WORKDAYS, clock(9, 0), clock(20, 0))]);
    let friday_evening = instant("2026-12-18T21:00Z");
    assert_eq!(
        hours.state(&TimeZone::UTC, friday_evening),
        closed("2026-12-21T09:00Z")
    );
    hours
        .holidays
        .extend((21..=31).map(|day| date(2026, 12, day)));
    assert_eq!(
        hours.state(&TimeZone::UTC, friday_evening),
        closed("2027-01-01T09:00Z")
    );
}

#[test]
fn five_people_in_five_zones_have_five_mornings() {
    let hours = hours(&[(ALL_WEEK, clock(9, 0), clock(10, 0))]);
    for (name, utc) in [
        ("Pacific/Auckland", "2026-06-09T21:00Z"),
        ("Asia/Kathmandu", "2026-06-10T03:15Z"),
        ("Europe/Berlin", "2026-06-10T07:00Z"),
        ("America/Montevideo", "2026-06-10T12:00Z"),
        ("America/Los_Angeles", "2026-06-10T16:00Z"),
    ] {
        let at = instant(utc);
        let HoursState {
            is_open: true,
            until,
        } = hours.state(&zone(name), at)
        else {
            panic!("{name} is closed")
        };
        assert_eq!(until, Some(at + 1.hour()), "{name}");
        let before = hours.state(&zone(name), at - 1.second());
        assert_eq!(
            before,
            HoursState {
                is_open: false,
                until: Some(at)
            },
            "{name}"
        );
    }
}

#[test]
fn an_opening_across_midnight_belongs_to_the_day_on_which_it_begins() {
    let friday = [false, false, false, false, true, false, false];
    let mut hours = hours(&[(friday, clock(22, 0), clock(2, 0))]);
    let state = |hours: &Hours, at| hours.state(&TimeZone::UTC, instant(at));
    let late = "2026-11-28T01:00Z";
    assert_eq!(
        state(&hours, "2026-11-27T01:00Z"),
        closed("2026-11-27T22:00Z")
    );
    assert_eq!(state(&hours, late), open("2026-11-28T02:00Z"));
    // The day after is a holiday.
    hours.holidays.insert(date(2026, 11, 28));
    assert_eq!(
        state(&hours, "2026-11-27T23:00Z"),
        open("2026-11-28T00:00Z")
    );
    assert_eq!(state(&hours, late), closed("2026-12-04T22:00Z"));
    // The day on which it begins is one.
    hours.holidays = BTreeSet::from([date(2026, 11, 27)]);
    assert_eq!(
        state(&hours, "2026-11-27T23:00Z"),
        closed("2026-12-04T22:00Z")
    );
    assert_eq!(state(&hours, late), closed("2026-12-04T22:00Z"));
}

#[test]
fn openings_that_touch_are_one() {
    let midnight = Time::midnight();
    let parts = hours(&[
        (ALL_WEEK, clock(8, 0), clock(12, 0)),
        (ALL_WEEK, clock(12, 0), clock(15, 0)),
        (WORKDAYS, clock(14, 30), midnight),
        (WORKDAYS, midnight, clock(1, 0)),
    ]);
    assert_eq!(
        parts.state(&TimeZone::UTC, instant("2026-11-23T10:00Z")),
        open("2026-11-24T01:00Z")
    );
    let always = hours(&[(ALL_WEEK, midnight, midnight)]);
    assert_eq!(
        always.state(&zone("Europe/Berlin"), instant("2026-11-23T10:00Z")),
        HoursState {
            is_open: true,
            until: None
        }
    );
}

#[test]
fn nothing_to_open_is_closed_for_ever() {
    let never = HoursState {
        is_open: false,
        until: None,
    };
    for openings in [
        &[][..],
        &[([false; 7], clock(9, 0), clock(20, 0))],
        &[(ALL_WEEK, clock(9, 0), clock(9, 0))],
    ] {
        let state = hours(openings).state(&zone("Europe/Berlin"), instant("2026-11-23T10:00Z"));
        assert_eq!(state, never);
    }
    let end = hours(&[(ALL_WEEK, clock(9, 0), clock(9, 1))]);
    assert_eq!(end.state(&TimeZone::UTC, Timestamp::MAX), never);
}

#[test]
fn an_hour_that_is_skipped_opens_nothing_and_cuts_what_it_cuts() {
    for (name, at, jump) in [
        ("America/New_York", "2026-03-08T06:00Z", "2026-03-08T07:00Z"),
        ("Europe/Berlin", "2026-03-29T00:00Z", "2026-03-29T01:00Z"),
    ] {
        let (at, jump) = (instant(at), instant(jump));
        let zone = zone(name);
        let state = |from, to, at| hours(&[(ALL_WEEK, from, to)]).state(&zone, at);
        // Inside what is skipped: next on the following day, which has an hour less.
        assert_eq!(
            state(clock(2, 15), clock(2, 45), at),
            HoursState {
                is_open: false,
                until: Some(jump + 23.hours() + 15.minutes())
            },
            "{name}"
        );
        // It begins or ends inside: at the jump.
        let until = Some(jump);
        assert_eq!(
            state(clock(2, 15), clock(4, 0), at),
            HoursState {
                is_open: false,
                until
            },
            "{name}"
        );
        assert_eq!(
            state(clock(0, 0), clock(2, 30), at),
            HoursState {
                is_open: true,
                until
            },
            "{name}"
        );
    }
}

#[test]
fn an_hour_that_comes_twice_is_open_twice() {
    for (name, back) in [
        ("America/New_York", "2026-11-01T06:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00Z"),
    ] {
        let zone = zone(name);
        let back = instant(back);
        let hour = zone.to_datetime(back).time();
        let middle = hour.wrapping_add(15.minutes());
        let hours = hours(&[(ALL_WEEK, hour, middle)]);
        let first = back - 1.hour();
        for (at, state) in [
            (
                first - 1.second(),
                HoursState {
                    is_open: false,
                    until: Some(first),
                },
            ),
            (
                first,
                HoursState {
                    is_open: true,
                    until: Some(first + 15.minutes()),
                },
            ),
            (
                first + 15.minutes(),
                HoursState {
                    is_open: false,
                    until: Some(back),
                },
            ),
            (
                back,
                HoursState {
                    is_open: true,
                    until: Some(back + 15.minutes()),
                },
            ),
        ] {
            assert_eq!(hours.state(&zone, at), state, "{name} {at}");
        }
    }
}

#[test]
fn half_an_hour_of_summer_time_is_half_an_hour() {
    let lord_howe = zone("Australia/Lord_Howe");
    let hours = hours(&[(ALL_WEEK, clock(1, 45), clock(9, 0))]);
    // At 02:00 in April the clock goes back to 01:30: what was open closes, and opens again.
    let back = instant("2026-04-04T15:00Z");
    let until = Some(back);
    assert_eq!(
        hours.state(&lord_howe, back - 1.minute()),
        HoursState {
            is_open: true,
            until
        }
    );
    let until = Some(back + 15.minutes());
    assert_eq!(
        hours.state(&lord_howe, back),
        HoursState {
            is_open: false,
            until
        }
    );
}

#[test]
fn a_day_that_a_place_left_out_has_no_hours() {
    // Samoa went from 29 December 2011, 24:00, to 31 December, 00:00. The 30th would have been a Friday.
    let apia = zone("Pacific/Apia");
    let workdays = hours(&[(WORKDAYS, clock(9, 0), clock(17, 0))]);
    let thursday_evening = instant("2011-12-29T18:00-10:00");
    assert_eq!(
        workdays.state(&apia, thursday_evening),
        closed("2012-01-02T09:00+14:00")
    );
    let across = hours(&[(WORKDAYS, clock(22, 0), clock(2, 0))]);
    assert_eq!(
        across.state(&apia, instant("2011-12-29T23:00-10:00")),
        open("2011-12-31T02:00+14:00"),
        "Friday's own opening goes on after its midnight, since the calendar says so"
    );
}

#[test]
fn a_run_stops_at_the_next_such_time_of_day() {
    let montevideo = zone("America/Montevideo");
    let next = |start| StopAt::Daily(clock(20, 30)).next(&montevideo, instant(start));
    let today = instant("2026-11-23T20:30-03:00");
    assert_eq!(next("2026-11-23T09:00-03:00"), today);
    assert_eq!(next("2026-11-22T20:30-03:00"), today);
    assert_eq!(next("2026-11-22T20:29:59.9-03:00"), today - 24.hours());
    let moment = instant("2020-01-01T00:00Z");
    assert_eq!(StopAt::Moment(moment).next(&montevideo, today), moment);
}

#[test]
fn a_stop_in_an_hour_that_is_skipped_is_at_the_jump_and_in_one_that_comes_twice_the_next_of_both() {
    let new_york = zone("America/New_York");
    let next = |at, start| StopAt::Daily(at).next(&new_york, instant(start));
    assert_eq!(
        next(clock(2, 30), "2026-03-08T01:00-05:00"),
        instant("2026-03-08T03:00-04:00")
    );
    for (start, stop) in [
        ("2026-11-01T01:00-04:00", "2026-11-01T01:30-04:00"),
        ("2026-11-01T01:30-04:00", "2026-11-01T01:30-05:00"),
        ("2026-11-01T01:30-05:00", "2026-11-02T01:30-05:00"),
    ] {
        assert_eq!(next(clock(1, 30), start), instant(stop));
    }
}

/// What a person would say who looks at the clock, the calendar and the plan.
fn looks_open(hours: &Hours, zone: &TimeZone, at: Timestamp) -> bool {
    let now = zone.to_datetime(at);
    let minute = |time: Time| i32::from(time.hour()) * 60 + i32::from(time.minute());
    let begins = |opening: &Opening, date: Date| {
        opening.days[usize::try_from(date.weekday().to_monday_zero_offset()).unwrap()]
            && !hours.holidays.contains(&date)
    };
    let (today, clock) = (now.date(), minute(now.time()));
    !hours.holidays.contains(&today)
        && hours.openings.iter().any(|opening| {
            let from = minute(opening.from);
            let to = match minute(opening.to) {
                to if to < from || to == 0 => to + 24 * 60,
                to => to,
            };
            let holds = |clock| from <= clock && clock < to;
            begins(opening, today) && holds(clock)
                || begins(opening, today.yesterday().unwrap()) && holds(clock + 24 * 60)
        })
}

/// Moments around which zones change, and quiet ones.
fn moments() -> impl Strategy<Value = (&'static str, Timestamp)> {
    let around = prop::sample::select(vec![
        ("America/New_York", "2026-03-08T07:00Z"),
        ("America/New_York", "2026-11-01T06:00Z"),
        ("Europe/Berlin", "2026-03-29T01:00Z"),
        ("Europe/Berlin", "2026-10-25T01:00Z"),
        ("Australia/Lord_Howe", "2026-04-04T15:00Z"),
        ("Australia/Lord_Howe", "2026-10-03T15:30Z"),
        ("Pacific/Apia", "2011-12-30T10:00Z"),
        ("America/Sao_Paulo", "2018-11-04T03:00Z"),
        ("America/Montevideo", "2026-07-01T12:00Z"),
        ("Asia/Kathmandu", "2026-12-25T00:00Z"),
    ]);
    // Mostly just before.
    let minutes = prop_oneof![3 => -180..60_i64, 1 => -5 * 24 * 60..24 * 60_i64];
    (around, minutes)
        .prop_map(|((name, moment), minutes)| (name, instant(moment) + minutes.minutes()))
}

fn openings() -> impl Strategy<Value = Vec<Opening>> {
    // Every quarter of an hour, so that edges meet, and mostly those in which zones change.
    let quarter =
        || prop_oneof![0..16_i8, 0..96_i8].prop_map(|quarter| clock(quarter / 4, quarter % 4 * 15));
    let opening = (any::<[bool; 7]>(), quarter(), quarter()).prop_map(|(days, from, to)| Opening {
        days,
        from,
        to,
    });
    prop::collection::vec(opening, 1..4)
}

proptest! {
    #[test]
    fn whether_it_is_open_and_until_when_is_what_a_look_at_the_clock_every_minute_finds(
        (name, at) in moments(),
        openings in openings(),
        holidays in prop::collection::vec(-6..8_i64, 0..3),
    ) {
        let zone = zone(name);
        let today = zone.to_datetime(at).date();
        let holidays = holidays.into_iter().map(|days| today.saturating_add(days.days()));
        let hours = Hours { zone: TimeZone::UTC, holidays: holidays.collect(), openings };
        let HoursState { is_open: open, until } = hours.state(&zone, at);
        prop_assert_eq!(open, looks_open(&hours, &zone, at));
        let end = at + (9 * 24).hours();
        let mut minute = at;
        while minute < end && looks_open(&hours, &zone, minute) == open {
            minute += 1.minute();
        }
        if minute < end {
            prop_assert_eq!(until, Some(minute));
        } else {
            prop_assert!(until.is_none_or(|until| until >= end));
        }
    }
}
