//! When the next Originate of a trunk may be written.
//!
//! A rate is kept by what was really written to the socket, not by what was planned: a call that waited between its
//! token and the socket, or within the write, must not make the next second too full.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::activity::TrunkActivity;
use super::line_use::LineUse;

/// Added to the window in which calls are counted, for what the system does with them on their way.
const MARGIN: Duration = Duration::from_millis(5);
/// How far the even spacing may fall behind before it is forgotten: late timers are made up for, idle time is not.
const CATCH_UP: Duration = Duration::from_millis(20);

/// The Originates of a trunk that count in the current window.
#[derive(Debug, Default)]
struct Writes {
    /// Calls that have their token and are not written yet.
    underway: usize,
    /// When calls were written, oldest first.
    written: VecDeque<Instant>,
}

type SharedWrites = Arc<Mutex<Writes>>;

fn lock(writes: &SharedWrites) -> MutexGuard<'_, Writes> {
    writes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Allows one call to be written. Dropped without [`written`](Self::written), it gives its place in the rate back.
#[derive(Debug, Default)]
pub struct PaceToken {
    writes: SharedWrites,
    activity: TrunkActivity,
    line: Option<Arc<LineUse>>,
}

impl PaceToken {
    /// Where the trunk's signs of life are noted.
    pub(crate) fn activity(&self) -> TrunkActivity {
        self.activity.clone()
    }

    /// The call was written by now. Until then it may be written at any moment, and counts in every second.
    pub(crate) fn written(self, now: Instant) {
        lock(&self.writes).written.push_back(now);
        if let Some(line) = &self.line {
            line.begin(now);
        }
    }
}

impl Drop for PaceToken {
    fn drop(&mut self) {
        let mut writes = lock(&self.writes);
        writes.underway = writes.underway.saturating_sub(1);
    }
}

/// The rate of one trunk: even spacing, and never more than `calls_per_second` written in any second.
///
/// A fractional rate is kept on average; then a second may hold the next whole number.
#[derive(Debug)]
pub(crate) struct RateLimit {
    gap: Duration,
    most: usize,
    window: Duration,
    next: Option<Instant>,
    writes: SharedWrites,
    activity: TrunkActivity,
}

impl RateLimit {
    /// `calls_per_second` must be positive.
    pub(crate) fn new(calls_per_second: f64, activity: TrunkActivity) -> Self {
        let whole = calls_per_second.floor().max(1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "floored, at least 1, and a float cast saturates"
        )]
        let most = whole as usize;
        Self {
            gap: Duration::from_secs_f64(1.0 / calls_per_second),
            most,
            window: Duration::from_secs_f64(whole / calls_per_second) + MARGIN,
            next: None,
            writes: SharedWrites::default(),
            activity,
        }
    }

    /// The earliest moment at which it is worth asking again; `None`: the next call may be written now.
    pub(crate) fn next(&self, now: Instant) -> Option<Instant> {
        if let Some(next) = self.next
            && now < next
        {
            return Some(next);
        }
        let mut writes = lock(&self.writes);
        let is_past = |&written: &Instant| written + self.window <= now;
        while writes.written.front().is_some_and(is_past) {
            writes.written.pop_front();
        }
        (writes.written.len() + writes.underway >= self.most).then(|| {
            let oldest = writes.written.front();
            oldest.map_or(now + self.gap, |&written| written + self.window)
        })
    }

    /// Takes the token of one call, which [`next`](Self::next) must allow now.
    pub(crate) fn take(&mut self, now: Instant, line: Arc<LineUse>) -> PaceToken {
        lock(&self.writes).underway += 1;
        let planned = self.next.unwrap_or(now);
        self.next = Some(planned.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + self.gap);
        PaceToken {
            writes: Arc::clone(&self.writes),
            activity: self.activity.clone(),
            line: Some(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trunk::TrunkIndex;
    use crate::trunk::line_use::LineMeter;

    fn line() -> Arc<LineUse> {
        LineMeter::default().take(TrunkIndex(0))
    }

    fn rate_limit(calls_per_second: f64) -> RateLimit {
        RateLimit::new(calls_per_second, TrunkActivity::default())
    }

    /// Writes as fast as the pace allows for `seconds`, each write `delay` after its token; retokens when they were
    /// written, in seconds.
    fn run(calls_per_second: f64, seconds: f64, delay: impl Fn(usize) -> Duration) -> Vec<f64> {
        let start = Instant::now();
        let mut limit = rate_limit(calls_per_second);
        let mut written: Vec<Instant> = Vec::new();
        let mut tokens: Vec<(Instant, PaceToken)> = Vec::new();
        let mut now = start;
        while (now - start).as_secs_f64() < seconds {
            for (due, token) in tokens.extract_if(.., |(due, _)| *due <= now) {
                token.written(due);
                written.push(due);
            }
            match limit.next(now) {
                None => tokens.push((now + delay(written.len()), limit.take(now, line()))),
                // As tokio's timers do, wake at the next millisecond.
                Some(_) => now += Duration::from_millis(1),
            }
        }
        written.sort();
        written
            .iter()
            .map(|&at| (at - start).as_secs_f64())
            .collect()
    }

    fn most_in_a_second(written: &[f64]) -> usize {
        (0..written.len())
            .map(|first| {
                written[first..]
                    .iter()
                    .take_while(|&&at| at < written[first] + 1.0)
                    .count()
            })
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn no_second_is_too_full_and_the_rate_is_reached() {
        let written = run(20.0, 10.0, |_| Duration::ZERO);
        assert_eq!(most_in_a_second(&written), 20);
        assert!(written.len() >= 195, "{} in 10 s", written.len());
    }

    #[test]
    fn a_write_that_was_late_does_not_make_its_second_too_full() {
        let written = run(20.0, 20.0, |call| {
            Duration::from_millis(if call % 7 == 0 { 90 } else { 0 })
        });
        assert!(most_in_a_second(&written) <= 20);
        assert!(written.len() >= 340, "{} in 20 s", written.len());
    }

    #[test]
    fn an_idle_trunk_saves_nothing_up_for_a_burst() {
        let start = Instant::now();
        let mut limit = rate_limit(2.0);
        assert_eq!(limit.next(start), None);
        limit.take(start, line()).written(start);
        let later = start + Duration::from_secs(60);
        assert_eq!(limit.next(later), None);
        limit.take(later, line()).written(later);
        let again = limit.next(later).unwrap();
        assert!(again >= later + Duration::from_millis(480));
    }

    #[test]
    fn a_token_that_is_not_used_is_given_back() {
        let start = Instant::now();
        let mut limit = rate_limit(1.0);
        drop(limit.take(start, line()));
        let later = start + Duration::from_secs(2);
        assert_eq!(limit.next(later), None);
        let token = limit.take(later, line());
        assert!(limit.next(later + Duration::from_secs(2)).is_some());
        token.written(later);
        assert_eq!(limit.next(later + Duration::from_secs(2)), None);
    }

    #[test]
    fn a_call_that_is_being_written_counts_in_every_second_until_it_was() {
        let start = Instant::now();
        let mut limit = rate_limit(1.0);
        let token = limit.take(start, line());
        let later = start + Duration::from_secs(5);
        assert!(
            limit.next(later).is_some(),
            "it may be written at any moment"
        );
        token.written(later);
        assert_eq!(limit.next(later), Some(later + limit.window));
    }

    #[test]
    fn less_than_one_call_a_second_is_a_pace_too() {
        let written = run(0.2, 60.0, |_| Duration::ZERO);
        assert_eq!(written.len(), 12);
        assert_eq!(most_in_a_second(&written), 1);
    }

    #[test]
    fn a_thousand_a_second_is_reached_with_timers_of_a_millisecond() {
        let written = run(1000.0, 3.0, |_| Duration::ZERO);
        assert!(most_in_a_second(&written) <= 1000);
        assert!(written.len() >= 2900, "{} in 3 s", written.len());
    }
}
