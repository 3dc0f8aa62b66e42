//! When a trunk is rested, tried and trusted again.

use std::cell::Cell;

use super::*;

struct Trunk {
    breaker: Breaker,
    start: Instant,
    called: Cell<u32>,
}

impl Trunk {
    fn new() -> Self {
        Self {
            breaker: Breaker::new(TrunkActivity::default(), Duration::from_secs(600), true),
            start: Instant::now(),
            called: Cell::new(0),
        }
    }

    fn at(&self, seconds: u64) -> Instant {
        self.start + Duration::from_secs(seconds)
    }

    /// A call of somebody else, dialed and told in these seconds.
    fn call(&self, disposition: Disposition, dialed: u64, told: u64, trial: bool) -> bool {
        self.called.set(self.called.get() + 1);
        self.call_to(
            &self.called.get().to_string(),
            disposition,
            dialed,
            told,
            trial,
        )
    }

    fn call_to(
        &self,
        contact: &str,
        disposition: Disposition,
        dialed: u64,
        told: u64,
        trial: bool,
    ) -> bool {
        let doubt = self.breaker.ended(CallEnd {
            contact,
            disposition,
            dialed_at: self.at(dialed),
            told_at: self.at(told),
            alive: disposition != Disposition::Congestion,
            answered: false,
            trial,
        });
        if !doubt && disposition != Disposition::Congestion {
            self.breaker.is_final(contact, disposition);
        }
        doubt
    }

    /// The trunk is tried from then on, and that comes to nothing.
    fn try_in_vain(&self, seconds: u64) {
        assert_eq!(self.breaker.admit(self.at(seconds)), Admission::Trial);
        self.breaker.try_with_a_call(self.at(seconds));
        self.call(Disposition::Congestion, seconds, seconds, true);
    }
}

#[test]
fn five_congested_calls_in_a_row_rest_a_trunk_and_an_answer_between_them_does_not() {
    let trunk = Trunk::new();
    for _ in 0..4 {
        trunk.call(Disposition::Congestion, 1, 1, false);
    }
    trunk.call(Disposition::Answered, 2, 2, false);
    for _ in 0..4 {
        trunk.call(Disposition::Congestion, 3, 3, false);
    }
    assert_eq!(trunk.breaker.admit(trunk.at(3)), Admission::Call);
    trunk.call(Disposition::Congestion, 3, 3, false);
    assert_eq!(
        trunk.breaker.admit(trunk.at(3)),
        Admission::Rests(trunk.at(3) + FIRST_REST)
    );
    let trip = trunk.breaker.trip().unwrap();
    assert_eq!((trip.streak, trip.again), (5, false));
    assert_eq!(trunk.breaker.trip(), None, "it is said once");
}

#[test]
fn one_contact_that_is_congested_again_and_again_does_not_rest_a_trunk() {
    let trunk = Trunk::new();
    for attempt in 0..50 {
        let contact = format!("{}", attempt % 4);
        assert!(!trunk.call_to(&contact, Disposition::Congestion, 1, 1, false));
    }
    assert!(!trunk.breaker.rests());
}

#[test]
fn ten_unlikely_rows_are_final_and_the_eleventh_is_in_doubt() {
    let trunk = Trunk::new();
    for _ in 0..10 {
        assert!(!trunk.call(Disposition::InvalidNumber, 1, 1, false));
    }
    for _ in 0..50 {
        assert!(trunk.call(Disposition::Rejected, 1, 2, false));
    }
    assert_eq!(trunk.breaker.finals().len(), 10);
    assert!(trunk.breaker.trip().is_some());
}

#[test]
fn a_contact_whose_numbers_all_fail_is_one_of_the_ten_and_named_once() {
    let trunk = Trunk::new();
    for _ in 0..3 {
        assert!(!trunk.breaker.ended(CallEnd {
            contact: "of three numbers",
            disposition: Disposition::InvalidNumber,
            dialed_at: trunk.at(1),
            told_at: trunk.at(1),
            alive: true,
            answered: false,
            trial: false,
        }));
    }
    assert!(
        trunk.breaker.finals().is_empty(),
        "none of the rows was final"
    );
    let is_final = |contact| trunk.breaker.is_final(contact, Disposition::InvalidNumber);
    is_final("of three numbers");
    is_final("somebody who was reached");
    let finals = trunk.breaker.finals();
    let expected = (
        "of three numbers".to_owned(),
        "--redial \"INVALID NUMBER\"".to_owned(),
    );
    assert_eq!(named(&finals), expected);
}

#[test]
fn each_failed_trial_makes_the_rest_longer_up_to_a_minute() {
    let trunk = Trunk::new();
    for _ in 0..5 {
        trunk.call(Disposition::Congestion, 0, 0, false);
    }
    let mut rests = Vec::new();
    let mut now = trunk.at(0);
    for _ in 0..6 {
        let Admission::Rests(until) = trunk.breaker.admit(now) else {
            panic!("it rests");
        };
        rests.push((until - now).as_secs());
        now = until;
        assert_eq!(trunk.breaker.admit(now), Admission::Trial);
        trunk.breaker.try_with_a_call(now);
        assert_eq!(trunk.breaker.admit(now), Admission::Tried);
        let told = (now - trunk.start).as_secs();
        assert!(trunk.call(Disposition::Congestion, told, told, true));
    }
    assert_eq!(rests, [5, 10, 20, 40, 60, 60]);
}

#[test]
fn the_last_trial_is_due_when_patience_ends() {
    let trunk = Trunk {
        breaker: Breaker::new(TrunkActivity::default(), Duration::from_secs(2), true),
        ..Trunk::new()
    };
    for _ in 0..5 {
        trunk.call(Disposition::Congestion, 0, 0, false);
    }
    assert_eq!(
        trunk.breaker.admit(trunk.at(0)),
        Admission::Rests(trunk.at(0) + Duration::from_secs(2))
    );
}

#[test]
fn what_was_answered_before_the_streak_or_failed_before_the_trunk_worked_decides_nothing() {
    let trunk = Trunk::new();
    for _ in 0..5 {
        trunk.call(Disposition::Congestion, 10, 10, false);
    }
    // Answered at 5 s, and hung up only now.
    trunk.call(Disposition::Answered, 1, 5, false);
    assert!(trunk.breaker.rests());
    trunk.breaker.try_with_a_call(trunk.at(20));
    trunk.call(Disposition::Busy, 20, 21, true);
    assert!(!trunk.breaker.rests());
    assert!(trunk.breaker.recovered());
    // Dialed while it was dead, and timed out after it came back.
    for _ in 0..20 {
        trunk.call(Disposition::Congestion, 12, 42, false);
    }
    assert!(!trunk.breaker.rests());
}

#[test]
fn calls_that_are_refused_after_the_trunk_worked_are_a_streak_whenever_they_were_dialed() {
    let trunk = Trunk::new();
    trunk.call(Disposition::Busy, 1, 10, false);
    for _ in 0..10 {
        assert!(!trunk.call(Disposition::InvalidNumber, 5, 11, false));
    }
    assert!(trunk.call(Disposition::InvalidNumber, 5, 11, false));
    assert!(trunk.breaker.rests());
}

#[test]
fn a_trunk_works_from_the_moment_of_an_answer_however_long_the_call_is() {
    let trunk = Trunk::new();
    for _ in 0..10 {
        trunk.call(Disposition::InvalidNumber, 0, 0, false);
    }
    trunk.breaker.try_with_a_call(trunk.at(5));
    trunk.breaker.activity.note_answer(trunk.at(6));
    assert_eq!(trunk.breaker.admit(trunk.at(7)), Admission::Call);
    assert!(!trunk.breaker.rests());
    assert!(
        !trunk.call(Disposition::Rejected, 7, 8, false),
        "a person's"
    );
    assert!(trunk.breaker.recovered());
}

#[test]
fn an_answer_proves_nothing_where_the_dialplan_tells_what_it_was() {
    let log = TrunkActivity::default();
    let trunk = Trunk {
        breaker: Breaker::new(log.clone(), Duration::from_secs(600), false),
        ..Trunk::new()
    };
    for _ in 0..5 {
        log.note_answer(trunk.at(1));
        trunk.call(Disposition::Congestion, 0, 1, false);
    }
    trunk.breaker.try_with_a_call(trunk.at(6));
    log.note_answer(trunk.at(6));
    assert_eq!(trunk.breaker.admit(trunk.at(7)), Admission::Tried);
}

#[test]
fn many_who_answer_and_say_no_are_people_and_no_trouble_of_the_trunk() {
    let breaker = Breaker::new(TrunkActivity::default(), Duration::from_secs(600), false);
    let now = Instant::now();
    for contact in 0..50 {
        let doubt = breaker.ended(CallEnd {
            contact: &contact.to_string(),
            disposition: Disposition::Rejected,
            dialed_at: now,
            told_at: now,
            alive: true,
            answered: true,
            trial: false,
        });
        assert!(!doubt, "{contact}");
    }
    assert!(!breaker.rests());
}

#[test]
fn patience_is_the_time_in_which_it_was_tried_and_not_the_night() {
    let trunk = Trunk {
        breaker: Breaker::new(TrunkActivity::default(), Duration::from_secs(60), true),
        ..Trunk::new()
    };
    // Three in the evening, two in the morning.
    for told in [0, 0, 0, 40_000, 40_000] {
        trunk.call(Disposition::Congestion, told, told, false);
    }
    assert!(trunk.breaker.rests() && !trunk.breaker.is_given_up());
    for tried in [40_005, 40_015, 80_000] {
        assert!(!trunk.breaker.is_given_up(), "tried at {tried}");
        trunk.try_in_vain(tried);
    }
    // 5 + 10 + 20 of 60 seconds are spent, and the next rest would be longer than what is left.
    assert!(!trunk.breaker.is_given_up());
    trunk.try_in_vain(80_025);
    assert!(trunk.breaker.is_given_up());
}

#[test]
fn a_trunk_that_is_being_tried_is_not_given_up() {
    let trunk = Trunk {
        breaker: Breaker::new(TrunkActivity::default(), Duration::from_secs(5), true),
        ..Trunk::new()
    };
    for _ in 0..5 {
        trunk.call(Disposition::Congestion, 0, 0, false);
    }
    trunk.try_in_vain(5);
    assert!(trunk.breaker.is_given_up());
    trunk.breaker.try_with_a_call(trunk.at(15));
    assert!(!trunk.breaker.is_given_up());
}

#[test]
fn a_trial_that_rings_lets_the_other_lines_go_on_and_decides_nothing_yet() {
    let trunk = Trunk::new();
    for _ in 0..10 {
        trunk.call(Disposition::InvalidNumber, 0, 0, false);
    }
    trunk.breaker.try_with_a_call(trunk.at(5));
    trunk.breaker.activity.note_ringing(trunk.at(6));
    assert_eq!(trunk.breaker.admit(trunk.at(6)), Admission::Call);
    assert!(
        trunk.call(Disposition::InvalidNumber, 6, 7, false),
        "still in doubt"
    );
}
