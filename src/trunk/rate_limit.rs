//! When the next Originate of a trunk may be written, and what the task that owns the socket notes of a trunk.
//!
//! A pace is kept by what was really written to the socket, not by what was planned: a call that waited between its
//! turn and the socket, or within the write, must not make the next second too full.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Added to the window in which calls are counted, for what the system does with them on their way.
const MARGIN: Duration = Duration::from_millis(5);
/// How far the even spacing may fall behind before it is forgotten: late timers are made up for, idle time is not.
const CATCH_UP: Duration = Duration::from_millis(20);

/// What the task that owns the socket notes of one trunk: the Originates written lately, and the last sign of life.
#[derive(Debug, Clone, Default)]
pub struct TrunkLog {
    log: Arc<Mutex<Log>>,
    /// Told when it rings or is answered, where somebody waits for that.
    rings: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Log {
    /// Calls that have their turn and are not written yet.
    underway: usize,
    /// When calls were written, oldest first.
    written: VecDeque<Instant>,
    /// When a call of this trunk last showed a sign of life.
    alive: Option<Instant>,
    /// When a call of this trunk last rang or progressed.
    rang: Option<Instant>,
    /// When one was last answered.
    answered: Option<Instant>,
    /// Somebody waits for a call that rings or is answered.
    awaited: bool,
    /// Calls that ended since without any sign of life.
    silent: u32,
}

impl TrunkLog {
    /// Notes that a call of this trunk was ended by somebody beyond it.
    pub fn alive(&self, now: Instant) {
        let mut log = self.lock();
        log.alive = Some(now);
        log.silent = 0;
    }

    /// Notes that a call of this trunk rang or progressed.
    pub fn rang(&self, now: Instant) {
        let mut log = self.lock();
        log.alive = Some(now);
        log.silent = 0;
        log.rang = Some(now);
        if std::mem::take(&mut log.awaited) {
            self.rings.notify_one();
        }
    }

    /// Notes that a call of this trunk was answered.
    pub fn was_answered(&self, now: Instant) {
        let mut log = self.lock();
        log.alive = log.alive.max(Some(now));
        log.silent = 0;
        log.answered = log.answered.max(Some(now));
        if std::mem::take(&mut log.awaited) {
            self.rings.notify_one();
        }
    }

    /// When a call of this trunk was last answered.
    pub fn answered(&self) -> Option<Instant> {
        self.lock().answered
    }

    /// Notes that a call of this trunk ended without any sign of life, and tells how many did since there was one.
    pub fn silent(&self) -> u32 {
        let mut log = self.lock();
        log.silent = log.silent.saturating_add(1);
        log.silent
    }

    /// Whether any call of this trunk rang or progressed at or after a moment.
    pub fn rang_since(&self, moment: Instant) -> bool {
        self.lock().rang.is_some_and(|rang| rang >= moment)
    }

    /// Has whoever waits told when a call of this trunk rings or is answered next.
    pub fn wake_when_it_rings(&self) {
        self.lock().awaited = true;
    }

    /// Whether any call of this trunk showed a sign of life at or after a moment.
    pub fn alive_since(&self, moment: Instant) -> bool {
        self.lock().alive.is_some_and(|alive| alive >= moment)
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn of one call. Whoever drops it without having written the call gives it back, whatever the reason.
#[derive(Debug, Default)]
pub struct Turn {
    log: TrunkLog,
    taken: bool,
}

impl Turn {
    /// Where the trunk's signs of life are noted.
    pub fn log(&self) -> TrunkLog {
        self.log.clone()
    }

    /// Notes that the call was written by now. Until then it may be written at any moment, and counts in every second.
    pub fn written(mut self, now: Instant) {
        let mut log = self.log.lock();
        log.written.push_back(now);
        if std::mem::take(&mut self.taken) {
            log.underway = log.underway.saturating_sub(1);
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if self.taken {
            let mut log = self.log.lock();
            log.underway = log.underway.saturating_sub(1);
        }
    }
}

/// The pace of one trunk: even spacing, and never more than `calls_per_second` written in any second.
///
/// A fractional rate is kept on average; then a second may hold the next whole number.
#[derive(Debug)]
pub struct Pace {
    gap: Duration,
    most: usize,
    window: Duration,
    next: Option<Instant>,
    log: TrunkLog,
}

impl Pace {
    /// A pace of `calls_per_second`, which must be positive. `rings` is for [`TrunkLog::wake_when_it_rings`].
    pub fn new(calls_per_second: f64, rings: &Arc<Notify>) -> Self {
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
            log: TrunkLog {
                rings: Arc::clone(rings),
                ..TrunkLog::default()
            },
        }
    }

    /// Where the writing of this trunk's calls is noted.
    pub fn log(&self) -> TrunkLog {
        self.log.clone()
    }

    /// When it is the turn of the next call: now, or the earliest moment at which it is worth asking again.
    ///
    /// # Errors
    /// That moment.
    pub fn ready(&self, now: Instant) -> Result<(), Instant> {
        if let Some(next) = self.next
            && now < next
        {
            return Err(next);
        }
        let mut log = self.log.lock();
        while log
            .written
            .front()
            .is_some_and(|&written| written + self.window <= now)
        {
            log.written.pop_front();
        }
        if log.written.len() + log.underway >= self.most {
            return Err(log
                .written
                .front()
                .map_or(now + self.gap, |&written| written + self.window));
        }
        Ok(())
    }

    /// Takes the turn of one call, which must be [ready](Self::ready).
    pub fn take(&mut self, now: Instant) -> Turn {
        self.log.lock().underway += 1;
        let planned = self.next.unwrap_or(now);
        self.next = Some(planned.max(now.checked_sub(CATCH_UP).unwrap_or(now)) + self.gap);
        Turn {
            log: self.log(),
            taken: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes as fast as the pace allows for `seconds`, each write `delay` after its turn; returns when they were
    /// written, in seconds.
    fn run(calls_per_second: f64, seconds: f64, delay: impl Fn(usize) -> Duration) -> Vec<f64> {
        let start = Instant::now();
        let mut pace = Pace::new(calls_per_second, &Arc::default());
        let mut written: Vec<Instant> = Vec::new();
        let mut turns: Vec<(Instant, Turn)> = Vec::new();
        let mut now = start;
        while (now - start).as_secs_f64() < seconds {
            for (due, turn) in turns.extract_if(.., |(due, _)| *due <= now) {
                turn.written(due);
                written.push(due);
            }
            match pace.ready(now) {
                Ok(()) => {
                    turns.push((now + delay(written.len()), pace.take(now)));
                }
                // As tokio's timers do, wake at the next millisecond.
                Err(_) => now += Duration::from_millis(1),
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
        let mut pace = Pace::new(2.0, &Arc::default());
        assert_eq!(pace.ready(start), Ok(()));
        pace.take(start).written(start);
        let later = start + Duration::from_secs(60);
        assert_eq!(pace.ready(later), Ok(()));
        pace.take(later).written(later);
        let again = pace.ready(later).unwrap_err();
        assert!(again >= later + Duration::from_millis(480));
    }

    #[test]
    fn a_turn_that_is_not_used_is_given_back() {
        let start = Instant::now();
        let mut pace = Pace::new(1.0, &Arc::default());
        drop(pace.take(start));
        let later = start + Duration::from_secs(2);
        assert_eq!(pace.ready(later), Ok(()));
        let turn = pace.take(later);
        assert!(pace.ready(later + Duration::from_secs(2)).is_err());
        turn.written(later);
        assert_eq!(pace.ready(later + Duration::from_secs(2)), Ok(()));
    }

    #[test]
    fn a_call_that_is_being_written_counts_in_every_second_until_it_was() {
        let start = Instant::now();
        let mut pace = Pace::new(1.0, &Arc::default());
        let turn = pace.take(start);
        let later = start + Duration::from_secs(5);
        assert!(
            pace.ready(later).is_err(),
            "it may be written at any moment"
        );
        turn.written(later);
        assert_eq!(pace.ready(later), Err(later + pace.window));
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
