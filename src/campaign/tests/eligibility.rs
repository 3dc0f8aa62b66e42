//! Who may be called when, as a table.

use std::sync::Arc;

use super::*;
use crate::campaign::tests::hours::{opening, window};
use crate::campaign::tests::{CARRIER, Lab};
use crate::contact_history::AttemptOutcome;
use crate::contacts::{List, ListEntry};
use crate::disposition::Disposition;
use crate::phone_number::Numbering;
use crate::schedule::hours::StopAt;
use crate::trunk::TrunkIndex;

fn at(time: &str) -> Timestamp {
    time.parse().unwrap()
}

/// A case: what differs from a contact with two numbers, in the UTC of a Monday noon, within the hours.
#[derive(Default)]
struct Case {
    now: Option<&'static str>,
    due: Option<&'static str>,
    suppressed: &'static [&'static str],
    dead: &'static [u8],
    called: &'static [&'static str],
    in_use: &'static [&'static str],
    limit_left: Option<u64>,
    counted: bool,
    stops: bool,
    stop_at: Option<&'static str>,
}

fn key(number: &str) -> u64 {
    Numbering(None).read(number).unwrap().key()
}

fn judge(case: &Case) -> Eligibility {
    let list = "number,mobile,tz\n00101,00201,America/Montevideo\n";
    let columns = "number = [\"number\", \"mobile\"]\ntimezone = \"tz\"";
    let mut lab = Lab::with(columns, CARRIER, list);
    let mut hours = window("UTC", vec![opening([true; 7], 9, 20)]);
    hours.stop_at = case.stop_at.map(|stop_at| StopAt::Moment(at(stop_at)));
    if case.stops {
        hours.outside = Outside::Stop;
    }
    lab.campaign.window = Some(hours);
    lab.campaign.retry.max_per_day = Some(1);
    let list = Arc::new(List::open(&lab.campaign, None).unwrap());
    let Some(Ok(ListEntry::Contact(contact))) = list.rows(Vec::new()).next() else {
        panic!("it can be called");
    };
    let now = at(case.now.unwrap_or("2026-11-23T15:00:00Z"));
    let suppressions = Suppressions::load(&[], None, Numbering(None)).unwrap();
    for number in case.suppressed {
        suppressions.insert(key(number));
    }
    let rules = CallingRules::new(&lab.campaign, list.zones(), suppressions, now);
    for call in case.called {
        rules.note_call("00101", at(call));
    }
    let mut history = History::default();
    for &number in case.dead {
        history.note(AttemptOutcome {
            disposition: Disposition::InvalidNumber,
            number,
            trunk: TrunkIndex(0),
            doubt: false,
        });
    }
    let candidate = Candidate {
        contact,
        history,
        due: case.due.map(at),
        counted: case.counted,
    };
    let moment = RunMoment {
        now,
        numbers_in_use: &case.in_use.iter().map(|number| key(number)).collect(),
        limit_left: case.limit_left.unwrap_or(u64::MAX),
    };
    rules.judge(&candidate, &moment)
}

#[test]
fn each_reason_has_its_answer_and_never_outweighs_later() {
    const NIGHT: &str = "2026-11-23T11:00:00Z";
    const MORNING: &str = "2026-11-23T12:00:00Z";
    let case = Case::default;
    let never = Eligibility::Never;
    let wait = Eligibility::Wait;
    #[rustfmt::skip]
    let table = [
        ("nothing against it", case(), Eligibility::Now(0)),
        ("the first number is suppressed", Case { suppressed: &["00101"], ..case() }, Eligibility::Now(1)),
        ("the first number does not exist", Case { dead: &[0], ..case() }, Eligibility::Now(1)),
        ("all are suppressed", Case { suppressed: &["00101", "00201"], ..case() }, never(Never::Suppressed)),
        ("what exists is suppressed", Case { dead: &[0], suppressed: &["00201"], ..case() }, never(Never::Suppressed)),
        ("none exists", Case { dead: &[0, 1], ..case() }, never(Never::NoSuchNumber)),
        ("suppressed at night", Case { suppressed: &["00101", "00201"], now: Some(NIGHT), ..case() }, never(Never::Suppressed)),
        ("suppressed, and no limit left", Case { suppressed: &["00101", "00201"], limit_left: Some(0), ..case() }, never(Never::Suppressed)),
        ("no limit left", Case { limit_left: Some(0), ..case() }, never(Never::BeyondLimit)),
        ("no limit left, but it is counted", Case { limit_left: Some(0), counted: true, ..case() }, Eligibility::Now(0)),
        ("not due yet", Case { due: Some("2026-11-23T15:00:01Z"), ..case() }, wait(Wait::Retry(at("2026-11-23T15:00:01Z")))),
        ("due", Case { due: Some("2026-11-23T15:00:00Z"), ..case() }, Eligibility::Now(0)),
        ("night where it lives", Case { now: Some(NIGHT), ..case() }, wait(Wait::Window(at(MORNING)))),
        ("night, and the campaign does not wait", Case { now: Some(NIGHT), stops: true, ..case() }, never(Never::Closed(Some(at(MORNING))))),
        ("stop_at", Case { stop_at: Some("2026-11-23T14:00:00Z"), ..case() }, never(Never::StopAt)),
        ("stop_at to come", Case { stop_at: Some("2026-11-23T15:01:00Z"), ..case() }, Eligibility::Now(0)),
        ("called today", Case { called: &["2026-11-23T10:00:00Z"], ..case() }, wait(Wait::Limits(at("2026-11-24T10:00:00Z")))),
        ("called yesterday", Case { called: &["2026-11-22T15:00:00Z"], ..case() }, Eligibility::Now(0)),
        ("its number is in use", Case { in_use: &["00101"], ..case() }, wait(Wait::NumberInUse(key("00101")))),
        ("its other number is in use", Case { in_use: &["00201"], ..case() }, Eligibility::Now(0)),
        ("in use, at night", Case { in_use: &["00101"], now: Some(NIGHT), ..case() }, wait(Wait::Window(at(MORNING)))),
    ];
    for (what, case, expected) in table {
        assert_eq!(judge(&case), expected, "{what}");
    }
}

#[test]
fn a_run_as_a_whole_is_allowed_closed_or_over() {
    let mut lab = Lab::new(CARRIER, "number\n00101\n");
    let suppressions = Suppressions::load(&[], None, Numbering(None)).unwrap();
    let mut dialing = |outside, now| {
        let mut hours = window("UTC", vec![opening([true; 7], 9, 20)]);
        hours.outside = outside;
        hours.stop_at = Some(StopAt::Moment(at("2026-11-23T18:00:00Z")));
        lab.campaign.window = Some(hours);
        let start = at("2026-11-23T08:00:00Z");
        let rules = CallingRules::new(&lab.campaign, &[TimeZone::UTC], suppressions.clone(), start);
        (rules.for_everybody(at(now)), rules.next_change(at(now)))
    };
    let stop_at = at("2026-11-23T17:59:59.75Z");
    let opens = at("2026-11-23T09:00:00Z");
    for (outside, now, expected) in [
        (
            Outside::Wait,
            "2026-11-23T08:00:00Z",
            (Some(Eligibility::Wait(Wait::Window(opens))), Some(opens)),
        ),
        (
            Outside::Stop,
            "2026-11-23T08:00:00Z",
            (
                Some(Eligibility::Never(Never::Closed(Some(opens)))),
                Some(stop_at),
            ),
        ),
        (Outside::Wait, "2026-11-23T12:00:00Z", (None, Some(stop_at))),
        (
            Outside::Wait,
            "2026-11-23T18:00:00Z",
            (Some(Eligibility::Never(Never::StopAt)), None),
        ),
    ] {
        assert_eq!(dialing(outside, now), expected, "{now}");
    }
}
