//! At most so many calls of a contact in any day and any week. Kept only where the campaign limits them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::config::Retry;

const DAY: SignedDuration = SignedDuration::from_hours(24);
const WEEK: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When each contact was called lately.
#[derive(Debug)]
pub(crate) struct ContactLimits {
    per_day: Option<u32>,
    per_week: Option<u32>,
    /// In order, in milliseconds since 1970, by a hash of the contact's id: at worst two people share one allowance.
    calls: Mutex<HashMap<u64, Vec<i64>>>,
    hasher: RandomState,
}

impl ContactLimits {
    pub(crate) fn new(retry: &Retry) -> Self {
        Self {
            per_day: retry.max_per_day,
            per_week: retry.max_per_week,
            calls: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// From when on a call of an earlier run matters now; `None`: it never does.
    pub(crate) fn since(&self, now: Timestamp) -> Option<Timestamp> {
        let period = match (self.per_day, self.per_week) {
            (_, Some(_)) => WEEK,
            (Some(_), None) => DAY,
            (None, None) => return None,
        };
        Some(now - period)
    }

    /// Notes a call.
    pub(crate) fn note(&self, contact: &str, at: Timestamp) {
        let Some(since) = self.since(at) else {
            return;
        };
        let mut calls = self.lock();
        let calls = calls.entry(self.hasher.hash_one(contact)).or_default();
        calls.retain(|&earlier| earlier > since.as_millisecond());
        let at = at.as_millisecond();
        let index = calls.partition_point(|&earlier| earlier <= at);
        calls.insert(index, at);
    }

    /// When a contact that is due then may be called at the earliest.
    pub(crate) fn earliest(&self, contact: &str, due: Timestamp) -> Timestamp {
        if self.since(due).is_none() {
            return due;
        }
        let calls = self.lock();
        let Some(calls) = calls.get(&self.hasher.hash_one(contact)) else {
            return due;
        };
        // The `most`-th call from the end must be over a period ago.
        let after = |most: Option<u32>, period: SignedDuration| {
            let index = calls.len().checked_sub(most? as usize)?;
            let call = Timestamp::from_millisecond(*calls.get(index)?).ok()?;
            call.checked_add(period).ok()
        };
        let after = [after(self.per_day, DAY), after(self.per_week, WEEK)];
        after.into_iter().flatten().fold(due, Timestamp::max)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<i64>>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn limits(max_per_day: Option<u32>, max_per_week: Option<u32>) -> ContactLimits {
        ContactLimits::new(&Retry {
            max_attempts: 100,
            max_per_day,
            max_per_week,
            delay: Duration::ZERO,
            next_number_delay: None,
            backoff: 1.0,
            max_delay: Duration::ZERO,
            rules: BTreeMap::new(),
        })
    }

    /// So many hours after the beginning.
    fn hour(hours: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hours)
    }

    #[test]
    fn three_a_day_are_three_in_any_24_hours() {
        let limits = limits(Some(3), None);
        for at in [0, 10, 20] {
            assert_eq!(limits.earliest("a", hour(at)), hour(at));
            limits.note("a", hour(at));
        }
        assert_eq!(limits.earliest("a", hour(21)), hour(24));
        assert_eq!(limits.earliest("b", hour(21)), hour(21));
        limits.note("a", hour(24));
        assert_eq!(limits.earliest("a", hour(25)), hour(34));
    }

    #[test]
    fn a_week_has_its_own_limit() {
        let limits = limits(Some(2), Some(3));
        for day in [0, 2, 4] {
            limits.note("a", hour(day * 24));
        }
        assert_eq!(limits.earliest("a", hour(5 * 24)), hour(7 * 24));
        assert_eq!(limits.since(hour(7 * 24)), Some(hour(0)));
    }

    #[test]
    fn what_is_not_limited_is_not_kept() {
        let limits = limits(None, None);
        limits.note("a", hour(1));
        assert!(limits.calls.lock().unwrap().is_empty());
        assert_eq!(limits.since(hour(1)), None);
    }
}
