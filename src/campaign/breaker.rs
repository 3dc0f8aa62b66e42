//! Whether a trunk works, told from how its calls end, and for how long it is left alone when it does not.
//!
//! Congestion of several contacts in a row rests a trunk, and so do many outcomes in a row that are unlikely of people:
//! numbers that do not exist, calls declined or refused. A wrong prefix looks like that. One contact that is tried again
//! and again says nothing of a trunk: it may be its own network. What such a streak says of a contact is in
//! doubt, so but for its first few nobody gets a final row for it. After its rest the trunk is tried with one call; if
//! that fails, too, the next rest is longer. The calls' tasks tell how they ended before they write their rows, so that
//! a row that is final was so with all that was known.

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

/// One trunk's breaker. Clones share it.
#[derive(Debug, Clone)]
pub struct Breaker {
    log: TrunkLog,
    patience: Duration,
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
    finals: Vec<String>,
    /// What is to be said.
    trip: Option<Trip>,
    /// It works again, and nobody has said so yet.
    recovered: bool,
}

#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    length: Duration,
    trial: Option<Instant>,
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
            worked_at: Some(now),
            recovered: self.rest.is_some() || self.recovered,
            ..Self::default()
        };
    }
}

impl Breaker {
    /// A trunk that is thought to work. When none has worked for `patience`, the run is over, so that is when the last
    /// trial is due.
    pub fn new(log: TrunkLog, patience: Duration) -> Self {
        Self {
            log,
            patience,
            health: Arc::default(),
        }
    }

    /// Whether the trunk may be called on now.
    pub fn permit(&self, now: Instant) -> Permit {
        let health = self.lock();
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
        if let Some(rest) = &mut self.lock().rest {
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
        let mut health = self.lock();
        let doubt = health.in_doubt();
        if showing.trial
            && let Some(rest) = &mut health.rest
        {
            rest.trial = None;
        }
        let unlikely = match showing.disposition {
            Disposition::Congestion => false,
            Disposition::Rejected | Disposition::InvalidNumber | Disposition::Failed => true,
            Disposition::Unknown | Disposition::Cancelled => return false,
            // Silence says neither.
            Disposition::NoAnswer if !showing.alive => return false,
            // Somebody's phone was reached. What was reached before the streak began says nothing of it.
            _ => {
                if health.since.is_none_or(|since| showing.told_at >= since) {
                    health.works(showing.told_at);
                }
                return false;
            }
        };
        // It failed before the trunk was seen to work.
        if health
            .worked_at
            .is_some_and(|worked| showing.dialed_at < worked)
        {
            return doubt;
        }
        let contact = showing.contact.to_owned();
        match (doubt, unlikely) {
            (true, _) => {}
            (false, true) => {
                health.unlikely.insert(contact.clone());
                health.finals.push(contact);
            }
            (false, false) => {
                health.congested.insert(contact);
            }
        }
        let since = *health.since.get_or_insert(showing.told_at);
        if health.in_doubt() && (health.rest.is_none() || showing.trial) {
            let again = health.rest.is_some();
            let length = health
                .rest
                .map_or(FIRST_REST, |rest| (rest.length * 2).min(LONGEST_REST));
            // The last trial comes when patience ends, and not a rest later.
            let now = showing.told_at;
            let last = since + self.patience;
            let until = if last > now {
                (now + length).min(last)
            } else {
                now + length
            };
            health.rest = Some(Rest {
                until,
                length,
                trial: None,
            });
            health.trip = Some(Trip {
                streak: health.streak(),
                disposition: showing.disposition,
                rest: until - now,
                again,
                finals: health.finals.clone(),
            });
        }
        doubt
    }

    /// What is to be said of the trunk, once: it was put to rest.
    pub fn trip(&self) -> Option<Trip> {
        self.lock().trip.take()
    }

    /// What is to be said of the trunk, once: it works again.
    pub fn recovered(&self) -> bool {
        std::mem::take(&mut self.lock().recovered)
    }

    /// Whether the trunk rests or is being tried.
    pub fn rests(&self) -> bool {
        self.lock().rest.is_some()
    }

    /// Since when the trunk has not worked, if it rests or is being tried.
    pub fn failing_since(&self) -> Option<Instant> {
        let health = self.lock();
        health.rest.and(health.since)
    }

    /// Contacts that got a final row in the streak before it was seen.
    pub fn finals(&self) -> Vec<String> {
        self.lock().finals.clone()
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
                breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(600)),
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
            self.breaker.ended(Showing {
                contact,
                disposition,
                dialed_at: self.at(dialed),
                told_at: self.at(told),
                alive: true,
                trial,
            })
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
            breaker: Breaker::new(TrunkLog::default(), Duration::from_secs(2)),
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
