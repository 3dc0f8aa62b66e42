//! The counts of a run, and how many calls a second it begins.

use tokio::time::Instant;

use crate::disposition::Disposition;
use crate::trunk::line_use::LineTimes;

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    /// Contacts of the list, callable or not.
    pub(crate) contacts: u64,
    /// Contacts that this run calls: those that can be called, and no more than the limit.
    pub(crate) to_call: u64,
    /// Contacts that could be called and are more than the limit.
    pub(crate) beyond_limit: u64,
    /// Those of `to_call` that have their final outcome.
    pub(crate) called: u64,
    /// Those of `called` that were reached.
    pub(crate) reached_in_this_run: u64,
    /// Contacts of the list with their final outcome, of earlier runs too.
    pub(crate) finished: u64,
    /// Those of `finished` that were not reached.
    pub(crate) failed: u64,
    /// Originates handed out.
    pub(crate) dispatched: u64,
    /// For how long the lines carried calls.
    pub(crate) line_times: LineTimes,
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

impl Tally {
    pub(crate) fn new(contacts: u64, to_call: u64) -> Self {
        Self {
            contacts,
            to_call,
            ..Self::default()
        }
    }

    /// Notes an attempt that ended.
    pub(crate) fn attempted(&mut self, disposition: Disposition, is_final: bool) {
        self.attempts[disposition as usize] += 1;
        if is_final {
            self.called += 1;
            self.reached_in_this_run += u64::from(disposition.picked_up());
            self.finish(disposition, 1);
        }
    }

    /// Notes a contact that turned out not to be one to call: one beyond the limit takes its place.
    pub(crate) fn not_to_call(&mut self) {
        if self.beyond_limit > 0 {
            self.beyond_limit -= 1;
        } else {
            self.to_call = self.to_call.saturating_sub(1);
        }
    }

    /// Notes contacts that have their final outcome, called or not.
    pub(crate) fn finish(&mut self, disposition: Disposition, contacts: u64) {
        self.finals[disposition as usize] += contacts;
        self.finished += contacts;
        if !disposition.picked_up() {
            self.failed += contacts;
        }
    }

    pub(crate) fn attempts(&self, disposition: Disposition) -> u64 {
        self.attempts[disposition as usize]
    }

    /// Contacts whose final outcome this is.
    pub(crate) fn finals(&self, disposition: Disposition) -> u64 {
        self.finals[disposition as usize]
    }

    /// Contacts that got their final outcome in this run without being reached.
    pub(crate) fn failed_in_this_run(&self) -> u64 {
        self.called.saturating_sub(self.reached_in_this_run)
    }

    /// Contacts whose call was picked up, in earlier runs too.
    pub(crate) fn reached(&self) -> u64 {
        self.finished - self.failed
    }

    /// Contacts that were to be reached and have a final outcome without it.
    pub(crate) fn unreached(&self) -> u64 {
        self.failed - self.finals(Disposition::Suppressed) - self.finals(Disposition::Duplicate)
    }

    /// Contacts that have no final outcome yet.
    pub(crate) fn pending(&self) -> u64 {
        self.contacts.saturating_sub(self.finished)
    }

    /// Calls that ended in this run.
    pub(crate) fn ended(&self) -> u64 {
        self.attempts.iter().sum()
    }

    /// Those of them that were picked up.
    pub(crate) fn picked_up(&self) -> u64 {
        let picked_up = Disposition::ALL.into_iter().filter(|how| how.picked_up());
        picked_up.map(|how| self.attempts(how)).sum()
    }

    /// Calls that were picked up, of those that ended; `None` before the first did.
    pub(crate) fn answer_rate(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let rate = self.picked_up() as f64 / self.ended() as f64;
        (self.ended() > 0).then_some(rate)
    }
}

/// How many whole seconds the speed looks back.
const LATELY: usize = 10;

/// The calls begun in each of the last seconds, counted as they are.
#[derive(Debug)]
pub(super) struct CallSpeed {
    since: Instant,
    /// The second that is running, from 0.
    second: u64,
    calls: [u32; LATELY + 1],
}

impl CallSpeed {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            second: 0,
            calls: [0; LATELY + 1],
        }
    }

    pub(super) fn begun(&mut self, now: Instant) {
        self.advance(now);
        let index = self.index(self.second);
        self.calls[index] += 1;
    }

    pub(super) fn not_dialed(&mut self) {
        let lately = self.second.saturating_sub(LATELY as u64)..=self.second;
        let mut indices = lately.rev().map(|second| self.index(second));
        if let Some(index) = indices.find(|&index| self.calls[index] > 0) {
            self.calls[index] -= 1;
        }
    }

    pub(super) fn per_second(&mut self, now: Instant) -> Option<f64> {
        self.advance(now);
        let seconds = u32::try_from(self.second.min(LATELY as u64)).ok()?;
        let running = self.calls[self.index(self.second)];
        let calls = self.calls.iter().sum::<u32>() - running;
        (seconds > 0).then(|| f64::from(calls) / f64::from(seconds))
    }

    fn advance(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.since).as_secs();
        for begun in (self.second + 1..=second).take(self.calls.len()) {
            let index = self.index(begun);
            self.calls[index] = 0;
        }
        self.second = self.second.max(second);
    }

    fn index(&self, second: u64) -> usize {
        usize::try_from(second % self.calls.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_continued_run_counts_what_it_reached_apart_from_earlier_runs() {
        let mut tally = Tally::new(20, 8);
        tally.finish(Disposition::Answered, 12);
        assert_eq!((tally.reached(), tally.reached_in_this_run), (12, 0));
        assert_eq!(tally.failed_in_this_run(), 0);
        tally.attempted(Disposition::Answered, true);
        tally.attempted(Disposition::Busy, false);
        tally.attempted(Disposition::Busy, true);
        assert_eq!((tally.reached(), tally.reached_in_this_run), (13, 1));
        assert_eq!((tally.called, tally.failed_in_this_run()), (2, 1));
    }

    /// So many calls in each of these seconds.
    fn dial(speed: &mut CallSpeed, start: Instant, seconds: std::ops::Range<u64>, each: u64) {
        for second in seconds {
            for call in 0..each {
                let within = Duration::from_millis(1_000 * call / each);
                speed.begun(start + Duration::from_secs(second) + within);
            }
        }
    }

    #[test]
    fn the_speed_is_that_of_the_last_ten_whole_seconds() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut speed = CallSpeed::new(start);
        assert_eq!(speed.per_second(start), None);
        dial(&mut speed, start, 0..3, 8);
        assert_eq!(speed.per_second(at(2)), Some(8.0));
        assert_eq!(speed.per_second(at(4)), Some(6.0));
        dial(&mut speed, start, 4..20, 2);
        assert_eq!(speed.per_second(at(20)), Some(2.0));
        assert_eq!(speed.per_second(at(25)), Some(1.0));
        assert_eq!(speed.per_second(at(30)), Some(0.0));
        assert_eq!(speed.per_second(at(1_000)), Some(0.0));
    }

    #[test]
    fn who_was_not_dialed_after_all_is_taken_back() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut speed = CallSpeed::new(start);
        dial(&mut speed, start, 0..2, 5);
        for _ in 0..7 {
            speed.not_dialed();
        }
        assert_eq!(speed.per_second(at(3)), Some(1.0));
        for _ in 0..7 {
            speed.not_dialed();
        }
        assert_eq!(speed.per_second(at(3)), Some(0.0));
    }
}
