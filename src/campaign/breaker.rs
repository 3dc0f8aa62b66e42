//! Whether a trunk works, told from how its calls end, and for how long it is left alone when it does not.
//!
//! Congestion of several contacts in a row rests a trunk, and so do many outcomes in a row that are unlikely of people:
//! numbers that do not exist, calls declined or refused. A wrong prefix looks like that. One contact that is tried again
//! and again says nothing of a trunk: it may be its own network. What such a streak says of a contact is in
//! doubt, so but for its first few nobody gets a final row for it. After its rest the trunk is tried with one call; if
//! that fails, too, the next rest is longer, until it was tried for as long as the campaign's patience lasts. Nights, and
//! times in which nobody is left to try it with, do not count for that. An answer shows that a trunk works from the
//! moment at which somebody picks up. The calls' tasks tell how they ended before they write their rows, so that a row
//! that is final was so with all that was known.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::call::pace::TrunkLog;
use crate::disposition::Disposition;

/// So many contacts that are congested in a row rest a trunk.
const CONGESTED: usize = 5;
/// So many contacts in a row whose calls came to nothing, congested or unlikely, rest a trunk. No more than that get a
/// final row.
const UNLIKELY: usize = 10;
/// The first rest; each further one is twice as long.
const FIRST_REST: Duration = Duration::from_secs(5);
/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// How a call ended, as far as its trunk is concerned.
#[derive(Debug, Clone, Copy)]
pub struct Showing<'a> {
    /// Whose call it was.
    pub contact: &'a str,
    /// How it ended.
    pub disposition: Disposition,
    /// When it was dialed.
    pub dialed_at: Instant,
    /// When it was answered, or else ended.
    pub told_at: Instant,
    /// Somebody or something beyond the trunk was heard of.
    pub alive: bool,
    /// It was answered, whatever the dialplan then told of it.
    pub answered: bool,
    /// It was the one call that a rested trunk was tried with.
    pub trial: bool,
}

/// Whether a trunk may be called on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permit {
    /// It works, as far as is known.
    Calls,
    /// It was rested long enough: with one call, to see.
    Trial,
    /// It rests until then.
    At(Instant),
    /// It is being tried with a call.
    Tried,
}

/// What a trunk is rested for, for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trip {
    /// The calls of so many contacts in a row came to nothing.
    pub streak: usize,
    /// How the last of them ended.
    pub disposition: Disposition,
    /// How long it rests.
    pub rest: Duration,
    /// It had rested before.
    pub again: bool,
    /// Contacts that got a final row before the streak was seen.
    pub finals: Vec<String>,
}

/// How a trunk is, for whoever looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It works, as far as is known.
    Works,
    /// It rests until then: the calls of so many contacts in a row came to nothing, the last like this.
    Rests(Instant, usize, Disposition),
    /// The same, and it is being tried with a call.
    Tried(usize, Disposition),
}

/// One trunk's breaker. Clones share it.
#[derive(Debug, Clone)]
pub struct Breaker {
    log: TrunkLog,
    patience: Duration,
    answers_prove: bool,
    health: Arc<Mutex<Health>>,
}

#[derive(Debug, Default)]
struct Health {
    /// Contacts of the streak whose calls were congested.
    congested: BTreeSet<String>,
    /// Those whose outcome is unlikely.
    unlikely: BTreeSet<String>,
    /// When the first of the streak ended.
    since: Option<Instant>,
    worked_at: Option<Instant>,
    rest: Option<Rest>,
    /// Contacts of the streak that got a final row for it.
    finals: Vec<String>,
    /// What is to be said.
    trip: Option<Trip>,
    /// It works again, and nobody has said so yet.
    recovered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    since: Instant,
    until: Instant,
    /// How long this rest was meant to be.
    length: Duration,
    /// How the call ended that it rests for.
    last: Disposition,
    /// Since when it is being tried with a call.
    trial: Option<Instant>,
    /// How long it has rested and was tried before.
    spent: Duration,
}

impl Health {
    fn in_doubt(&self) -> bool {
        self.congested.len() >= CONGESTED || self.streak() >= UNLIKELY
    }

    fn streak(&self) -> usize {
        self.congested.len() + self.unlikely.len()
    }

    fn works(&mut self, now: Instant) {
        *self = Self {
            worked_at: self.worked_at.max(Some(now)),
            recovered: self.rest.is_some() || self.recovered,
            ..Self::default()
        };
    }
}

impl Breaker {
    /// A trunk that is thought to work. When none has worked for `patience`, the run is over, so that is when the last
    /// trial is due. Where the dialplan tells what an answer was, as on analog lines, an answer proves nothing by itself.
    pub fn new(log: TrunkLog, patience: Duration, answers_prove: bool) -> Self {
        Self {
            log,
            patience,
            answers_prove,
            health: Arc::default(),
        }
    }

    /// Whether the trunk may be called on now.
    pub fn permit(&self, now: Instant) -> Permit {
        let health = self.look();
        match health.rest {
            None => Permit::Calls,
            Some(Rest {
                trial: Some(begun), ..
            }) => {
                // It rings over there: that is no outcome yet, but more than a dead trunk does.
                if self.log.rang_since(begun) {
                    Permit::Calls
                } else {
                    Permit::Tried
                }
            }
            Some(Rest { until, .. }) if now >= until => Permit::Trial,
            Some(Rest { until, .. }) => Permit::At(until),
        }
    }

    /// A rested trunk is tried with a call.
    pub fn try_with_a_call(&self, now: Instant) {
        if let Some(rest) = &mut self.look().rest {
            rest.trial = Some(now);
            self.log.wake_when_it_rings();
        }
    }

    /// The call that it was to be tried with was not dialed.
    pub fn not_tried(&self) {
        if let Some(rest) = &mut self.lock().rest {
            rest.trial = None;
        }
    }

    /// Notes how a call of the trunk ended. Returns whether that is in doubt: the row must not be final for it.
    pub fn ended(&self, showing: Showing<'_>) -> bool {
        let mut health = self.look();
        let doubt = health.in_doubt();
        let rest = health.rest.as_mut().filter(|_| showing.trial);
        let tried_since = rest.and_then(|rest| rest.trial.take());
        let unlikely = match showing.disposition {
            Disposition::Congestion => false,
            // The dialplan heard a person say no.
            Disposition::Rejected if showing.answered => return Self::reached(health, &showing),
            Disposition::Rejected | Disposition::InvalidNumber | Disposition::Failed => true,
            Disposition::Unknown | Disposition::Cancelled => return false,
            // Silence says neither.
            Disposition::NoAnswer if !showing.alive => return false,
            _ => return Self::reached(health, &showing),
        };
        // It failed before the trunk was seen to work. Nobody tells when a call that met silence failed.
        let failed_at = if showing.alive {
            showing.told_at
        } else {
            showing.dialed_at
        };
        if health.worked_at.is_some_and(|worked| failed_at < worked) {
            return doubt;
        }
        let contact = showing.contact.to_owned();
        match (doubt, unlikely) {
            (true, _) => {}
            (false, true) => {
                health.unlikely.insert(contact);
            }
            (false, false) => {
                health.congested.insert(contact);
            }
        }
        health.since.get_or_insert(showing.told_at);
        if health.in_doubt() && (health.rest.is_none() || tried_since.is_some()) {
            self.rest(&mut health, &showing, tried_since);
        }
        doubt
    }

    /// Somebody's phone was reached. What was reached before the streak began says nothing of it.
    fn reached(mut health: MutexGuard<'_, Health>, showing: &Showing<'_>) -> bool {
        if health.since.is_none_or(|since| showing.told_at >= since) {
            health.works(showing.told_at);
        }
        false
    }

    /// Puts the trunk to rest, for the first time or after a trial that failed.
    fn rest(&self, health: &mut Health, showing: &Showing<'_>, tried_since: Option<Instant>) {
        let now = showing.told_at;
        let before = health.rest;
        let length = before.map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
        let spent = before.map_or(Duration::ZERO, |rest| {
            let rested = rest.until - rest.since;
            let tried = tried_since.map_or(Duration::ZERO, |begun| now - begun);
            rest.spent + rested + tried
        });
        // The last trial comes when patience ends, and not a rest later.
        let left = self.patience.saturating_sub(spent);
        let rests_for = if left.is_zero() {
            length
        } else {
            length.min(left)
        };
        health.rest = Some(Rest {
            since: now,
            until: now + rests_for,
            length,
            last: showing.disposition,
            trial: None,
            spent,
        });
        health.trip = Some(Trip {
            streak: health.streak(),
            disposition: showing.disposition,
            rest: rests_for,
            again: before.is_some(),
            finals: Vec::new(),
        });
    }

    /// Notes that a contact got a final row for how its call ended.
    pub fn is_final(&self, contact: &str) {
        let mut health = self.lock();
        if health.congested.contains(contact) || health.unlikely.contains(contact) {
            health.finals.push(contact.to_owned());
        }
    }

    /// What is to be said of the trunk, once: it was put to rest.
    pub fn trip(&self) -> Option<Trip> {
        let mut health = self.lock();
        let finals = health.finals.clone();
        let trip = health.trip.take()?;
        Some(Trip { finals, ..trip })
    }

    /// What is to be said of the trunk, once: it works again.
    pub fn recovered(&self) -> bool {
        std::mem::take(&mut self.look().recovered)
    }

    /// How the trunk is.
    pub fn state(&self) -> State {
        let health = self.look();
        match health.rest {
            None => State::Works,
            Some(rest) if rest.trial.is_some() => State::Tried(health.streak(), rest.last),
            Some(rest) => State::Rests(rest.until, health.streak(), rest.last),
        }
    }

    /// Whether the trunk rests or is being tried.
    pub fn rests(&self) -> bool {
        self.look().rest.is_some()
    }

    /// Whether the trunk was tried for as long as patience lasts, and none of its calls may still show that it works.
    pub fn is_given_up(&self) -> bool {
        let given_up = |rest: Rest| rest.trial.is_none() && rest.spent >= self.patience;
        self.look().rest.is_some_and(given_up)
    }

    /// Contacts that got a final row in the streak before it was seen.
    pub fn finals(&self) -> Vec<String> {
        self.lock().finals.clone()
    }

    /// What is known of the trunk, with what its log tells: a call that was answered may go on for long.
    fn look(&self) -> MutexGuard<'_, Health> {
        let mut health = self.lock();
        if self.answers_prove
            && let Some(answered) = self.log.answered()
            && health.since.is_some_and(|since| answered > since)
        {
            health.works(answered);
        }
        health
    }

    fn lock(&self) -> MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
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
                breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(600), true),
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
            let doubt = self.breaker.ended(Showing {
                contact,
                disposition,
                dialed_at: self.at(dialed),
                told_at: self.at(told),
                alive: disposition != Disposition::Congestion,
                answered: false,
                trial,
            });
            if !doubt && disposition != Disposition::Congestion {
                self.breaker.is_final(contact);
            }
            doubt
        }

        /// The trunk is tried from then on, and that comes to nothing.
        fn try_in_vain(&self, seconds: u64) {
            assert_eq!(self.breaker.permit(self.at(seconds)), Permit::Trial);
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
        assert_eq!(trunk.breaker.permit(trunk.at(3)), Permit::Calls);
        trunk.call(Disposition::Congestion, 3, 3, false);
        assert_eq!(
            trunk.breaker.permit(trunk.at(3)),
            Permit::At(trunk.at(3) + FIRST_REST)
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
        assert_eq!(trunk.breaker.trip().unwrap().finals.len(), 10);
    }

    #[test]
    fn a_contact_whose_numbers_all_fail_is_one_of_the_ten_and_named_once() {
        let trunk = Trunk::new();
        for _ in 0..3 {
            assert!(!trunk.breaker.ended(Showing {
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
        trunk.breaker.is_final("of three numbers");
        trunk.breaker.is_final("somebody who was reached");
        assert_eq!(trunk.breaker.finals(), ["of three numbers"]);
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
            let Permit::At(until) = trunk.breaker.permit(now) else {
                panic!("it rests");
            };
            rests.push((until - now).as_secs());
            now = until;
            assert_eq!(trunk.breaker.permit(now), Permit::Trial);
            trunk.breaker.try_with_a_call(now);
            assert_eq!(trunk.breaker.permit(now), Permit::Tried);
            let told = (now - trunk.start).as_secs();
            assert!(trunk.call(Disposition::Congestion, told, told, true));
        }
        assert_eq!(rests, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn the_last_trial_is_due_when_patience_ends() {
        let trunk = Trunk {
            breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(2), true),
            ..Trunk::new()
        };
        for _ in 0..5 {
            trunk.call(Disposition::Congestion, 0, 0, false);
        }
        assert_eq!(
            trunk.breaker.permit(trunk.at(0)),
            Permit::At(trunk.at(0) + Duration::from_secs(2))
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
        trunk.breaker.log.was_answered(trunk.at(6));
        assert_eq!(trunk.breaker.permit(trunk.at(7)), Permit::Calls);
        assert!(!trunk.breaker.rests());
        assert!(
            !trunk.call(Disposition::Rejected, 7, 8, false),
            "a person's"
        );
        assert!(trunk.breaker.recovered());
    }

    #[test]
    fn an_answer_proves_nothing_where_the_dialplan_tells_what_it_was() {
        let log = TrunkLog::default();
        let trunk = Trunk {
            breaker: Breaker::new(log.clone(), Duration::from_secs(600), false),
            ..Trunk::new()
        };
        for _ in 0..5 {
            log.was_answered(trunk.at(1));
            trunk.call(Disposition::Congestion, 0, 1, false);
        }
        trunk.breaker.try_with_a_call(trunk.at(6));
        log.was_answered(trunk.at(6));
        assert_eq!(trunk.breaker.permit(trunk.at(7)), Permit::Tried);
    }

    #[test]
    fn many_who_answer_and_say_no_are_people_and_no_trouble_of_the_trunk() {
        let breaker = Breaker::new(TrunkLog::default(), Duration::from_secs(600), false);
        let now = Instant::now();
        for contact in 0..50 {
            let doubt = breaker.ended(Showing {
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
            breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(60), true),
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
            breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(5), true),
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
        trunk.breaker.log.rang(trunk.at(6));
        assert_eq!(trunk.breaker.permit(trunk.at(6)), Permit::Calls);
        assert!(
            trunk.call(Disposition::InvalidNumber, 6, 7, false),
            "still in doubt"
        );
    }
}
