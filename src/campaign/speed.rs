//! How many calls a second are begun.

use tokio::time::Instant;

/// So many whole seconds are looked back.
const LATELY: usize = 10;

/// The calls begun in each of the last seconds, counted as they are.
#[derive(Debug)]
pub(super) struct Speed {
    since: Instant,
    /// The second that is running, from 0.
    second: u64,
    calls: [u32; LATELY + 1],
}

impl Speed {
    /// Nothing has begun yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            second: 0,
            calls: [0; LATELY + 1],
        }
    }

    /// A call begins.
    pub(super) fn begun(&mut self, now: Instant) {
        self.turn(now);
        let place = self.place(self.second);
        self.calls[place] += 1;
    }

    /// A call that had begun was not dialed after all.
    pub(super) fn not_dialed(&mut self) {
        let back = (0..=self.second.min(LATELY as u64)).map(|back| self.second - back);
        let place = back
            .map(|second| self.place(second))
            .find(|&place| self.calls[place] > 0);
        if let Some(place) = place {
            self.calls[place] -= 1;
        }
    }

    /// Calls a second over the last ten whole seconds; `None` before there was one.
    pub(super) fn per_second(&mut self, now: Instant) -> Option<f64> {
        self.turn(now);
        let seconds = u32::try_from(self.second.min(LATELY as u64)).ok()?;
        let running = self.calls[self.place(self.second)];
        let calls = self.calls.iter().sum::<u32>() - running;
        (seconds > 0).then(|| f64::from(calls) / f64::from(seconds))
    }

    fn turn(&mut self, now: Instant) {
        let second = now.saturating_duration_since(self.since).as_secs();
        if second <= self.second {
            return;
        }
        if second - self.second > LATELY as u64 {
            self.calls = [0; LATELY + 1];
        } else {
            for begun in self.second + 1..=second {
                let place = self.place(begun);
                self.calls[place] = 0;
            }
        }
        self.second = second;
    }

    fn place(&self, second: u64) -> usize {
        usize::try_from(second % self.calls.len() as u64).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// So many calls in each of these seconds.
    fn dial(speed: &mut Speed, start: Instant, seconds: std::ops::Range<u64>, each: u64) {
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
        let mut speed = Speed::new(start);
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
        let mut speed = Speed::new(start);
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
