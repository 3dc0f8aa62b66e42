//! At most so many calls of a contact in any day and any week. Kept only where the campaign limits them.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use crate::config::Retry;

/// A day in milliseconds.
const DAY: i64 = 86_400_000;
/// A week in milliseconds.
const WEEK: i64 = 7 * DAY;

/// When each contact was called lately. Times of day are milliseconds since 1970.
#[derive(Debug)]
pub struct Limits {
    per_day: Option<usize>,
    per_week: Option<usize>,
    /// By a hash of the contact's id: at worst two people share one allowance.
    calls: Mutex<HashMap<u64, Vec<i64>>>,
    hasher: RandomState,
}

impl Limits {
    /// The limits of a campaign.
    pub fn new(retry: &Retry) -> Self {
        let limit =
            |most: Option<u32>| most.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        Self {
            per_day: limit(retry.max_per_day),
            per_week: limit(retry.max_per_week),
            calls: Mutex::default(),
            hasher: RandomState::new(),
        }
    }

    /// From when on a call of an earlier run matters now; `None`: it never does.
    pub fn since(&self, now: i64) -> Option<i64> {
        match (self.per_day, self.per_week) {
            (_, Some(_)) => Some(now - WEEK),
            (Some(_), None) => Some(now - DAY),
            (None, None) => None,
        }
    }

    /// Notes a call.
    pub fn called(&self, contact: &str, at: i64) {
        if self.since(at).is_none() {
            return;
        }
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(self.hasher.hash_one(contact)).or_default();
        calls.retain(|&earlier| earlier > at - WEEK);
        let place = calls.partition_point(|&earlier| earlier <= at);
        calls.insert(place, at);
    }

    /// When a contact that is due then may be called at the earliest.
    pub fn earliest(&self, contact: &str, due: i64) -> i64 {
        if self.since(due).is_none() {
            return due;
        }
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(calls) = calls.get(&self.hasher.hash_one(contact)) else {
            return due;
        };
        // The `most`-th call from the end must be over a period ago.
        let after = |most: Option<usize>, period: i64| {
            let place = calls.len().checked_sub(most?)?;
            Some(calls.get(place)? + period)
        };
        due.max(after(self.per_day, DAY).unwrap_or(i64::MIN))
            .max(after(self.per_week, WEEK).unwrap_or(i64::MIN))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    fn limits(max_per_day: Option<u32>, max_per_week: Option<u32>) -> Limits {
        Limits::new(&Retry {
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

    const HOUR: i64 = DAY / 24;

    #[test]
    fn three_a_day_are_three_in_any_24_hours() {
        let limits = limits(Some(3), None);
        for hour in [0, 10, 20] {
            assert_eq!(limits.earliest("a", hour * HOUR), hour * HOUR);
            limits.called("a", hour * HOUR);
        }
        assert_eq!(limits.earliest("a", 21 * HOUR), DAY);
        assert_eq!(limits.earliest("b", 21 * HOUR), 21 * HOUR);
        limits.called("a", DAY);
        assert_eq!(limits.earliest("a", DAY + HOUR), DAY + 10 * HOUR);
    }

    #[test]
    fn a_week_has_its_own_limit() {
        let limits = limits(Some(2), Some(3));
        for day in [0, 2, 4] {
            limits.called("a", day * DAY);
        }
        assert_eq!(limits.earliest("a", 5 * DAY), WEEK);
        assert_eq!(limits.since(WEEK), Some(0));
    }

    #[test]
    fn what_is_not_limited_is_not_kept() {
        let limits = limits(None, None);
        limits.called("a", 1);
        assert!(limits.calls.lock().unwrap().is_empty());
        assert_eq!(limits.since(1), None);
    }
}
