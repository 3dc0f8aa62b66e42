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

use crate::clock::Clock;
use crate::disposition::Disposition;
use crate::trunk::Admission;
use crate::trunk::activity::TrunkActivity;

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
pub struct CallEnd<'a> {
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

/// What a trunk is rested for, for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trip {
    /// The calls of so many contacts in a row came to nothing.
    pub streak: usize,
    /// How the last of them ended.
    pub disposition: Disposition,
    /// How long it rests.
    pub rest: Duration,
    /// It had rested before.
    pub again: bool,
}

/// Who got a final row before a streak was seen, and the option that makes them callable again.
pub fn named(finals: &[(String, Disposition)]) -> (String, String) {
    let contacts: Vec<&str> = finals.iter().map(|(contact, _)| contact.as_str()).collect();
    let dispositions: BTreeSet<Disposition> = finals.iter().map(|&(_, how)| how).collect();
    let words: Vec<&str> = dispositions.into_iter().map(Disposition::as_str).collect();
    let words = words.join(",");
    let quote = if words.contains(' ') { "\"" } else { "" };
    let option = format!("--redial {quote}{words}{quote}");
    (contacts.join(", "), option)
}

/// Whether a trunk works, as far as is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Works,
    /// It does not, and rests.
    Rests {
        /// When it is tried again, in milliseconds since 1970; that may have come, and nobody be there to try it with.
        until: i64,
        trouble: Trouble,
    },
    /// It did not, and is tried again with one call.
    Tried(Trouble),
}

/// Why a trunk is thought not to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trouble {
    /// The calls of so many contacts in a row came to nothing.
    pub streak: usize,
    /// How the last of them ended.
    pub last: Disposition,
}

/// One trunk's breaker. Clones share it.
#[derive(Debug, Clone)]
pub struct Breaker {
    pub(crate) activity: TrunkActivity,
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
    /// Contacts of the streak that got a final row for it, and with what disposition.
    finals: Vec<(String, Disposition)>,
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
    pub fn new(activity: TrunkActivity, patience: Duration, answers_prove: bool) -> Self {
        Self {
            activity,
            patience,
            answers_prove,
            health: Arc::default(),
        }
    }

    /// Whether the trunk may be called on now.
    pub(super) fn admit(&self, now: Instant) -> Admission {
        let Some(rest) = self.look().rest else {
            return Admission::Call;
        };
        match rest.trial {
            // It rings over there: that is no outcome yet, but more than a dead trunk does.
            Some(begun) if self.activity.rang_since(begun) => Admission::Call,
            Some(_) => Admission::Tried,
            None if now >= rest.until => Admission::Trial,
            None => Admission::Rests(rest.until),
        }
    }

    /// A rested trunk is tried with a call.
    pub fn try_with_a_call(&self, now: Instant) {
        if let Some(rest) = &mut self.look().rest {
            rest.trial = Some(now);
            self.activity.wake_when_it_rings();
        }
    }

    /// The call that it was to be tried with was not dialed.
    pub fn not_tried(&self) {
        if let Some(rest) = &mut self.lock().rest {
            rest.trial = None;
        }
    }

    /// Notes how a call of the trunk ended. Returns whether that is in doubt: the row must not be final for it.
    pub fn ended(&self, end: CallEnd<'_>) -> bool {
        let mut health = self.look();
        let doubt = health.in_doubt();
        let rest = health.rest.as_mut().filter(|_| end.trial);
        let tried_since = rest.and_then(|rest| rest.trial.take());
        let unlikely = match end.disposition {
            Disposition::Congestion => false,
            // The dialplan heard a person say no.
            Disposition::Rejected if end.answered => return Self::reached(health, &end),
            Disposition::Rejected | Disposition::InvalidNumber | Disposition::Failed => true,
            Disposition::Unknown | Disposition::Cancelled => return false,
            // Silence says neither.
            Disposition::NoAnswer if !end.alive => return false,
            _ => return Self::reached(health, &end),
        };
        // It failed before the trunk was seen to work. Nobody tells when a call that met silence failed.
        let failed_at = if end.alive {
            end.told_at
        } else {
            end.dialed_at
        };
        if health.worked_at.is_some_and(|worked| failed_at < worked) {
            return doubt;
        }
        if !doubt {
            let contacts = if unlikely {
                &mut health.unlikely
            } else {
                &mut health.congested
            };
            contacts.insert(end.contact.to_owned());
        }
        health.since.get_or_insert(end.told_at);
        if health.in_doubt() && (health.rest.is_none() || tried_since.is_some()) {
            self.rest(&mut health, &end, tried_since);
        }
        doubt
    }

    /// Somebody's phone was reached. What was reached before the streak began says nothing of it.
    fn reached(mut health: MutexGuard<'_, Health>, end: &CallEnd<'_>) -> bool {
        if health.since.is_none_or(|since| end.told_at >= since) {
            health.works(end.told_at);
        }
        false
    }

    /// Puts the trunk to rest, for the first time or after a trial that failed.
    fn rest(&self, health: &mut Health, end: &CallEnd<'_>, tried_since: Option<Instant>) {
        let now = end.told_at;
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
            last: end.disposition,
            trial: None,
            spent,
        });
        health.trip = Some(Trip {
            streak: health.streak(),
            disposition: end.disposition,
            rest: rests_for,
            again: before.is_some(),
        });
    }

    /// Notes that a contact got a final row for how its call ended.
    pub fn is_final(&self, contact: &str, disposition: Disposition) {
        let mut health = self.lock();
        if health.congested.contains(contact) || health.unlikely.contains(contact) {
            health.finals.push((contact.to_owned(), disposition));
        }
    }

    /// What is to be said of the trunk, once: it was put to rest.
    pub fn trip(&self) -> Option<Trip> {
        self.lock().trip.take()
    }

    /// What is to be said of the trunk, once: it works again.
    pub fn recovered(&self) -> bool {
        std::mem::take(&mut self.look().recovered)
    }

    pub fn condition(&self, clock: &Clock) -> Condition {
        let health = self.look();
        let Some(rest) = health.rest else {
            return Condition::Works;
        };
        let trouble = Trouble {
            streak: health.streak(),
            last: rest.last,
        };
        match rest.trial {
            Some(_) => Condition::Tried(trouble),
            None => Condition::Rests {
                until: clock.millis_at(rest.until),
                trouble,
            },
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

    /// Contacts that got a final row in the streak before it was seen, and with what disposition.
    pub fn finals(&self) -> Vec<(String, Disposition)> {
        self.lock().finals.clone()
    }

    /// What is known of the trunk, with what its log tells: a call that was answered may go on for long.
    fn look(&self) -> MutexGuard<'_, Health> {
        let mut health = self.lock();
        if self.answers_prove
            && let Some(answered) = self.activity.answered()
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
mod tests;
