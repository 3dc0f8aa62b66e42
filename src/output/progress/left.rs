//! How long the rest will take, by the wall clock also in a rehearsal, whose own clock runs faster.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::campaign::stats::Tally;

/// The stretch from which the time left is estimated, if enough contacts finished in it.
const STRETCH: Duration = Duration::from_secs(300);
/// How many finished contacts that takes; a longer stretch is looked at for them.
const ENOUGH: u64 = 10;
/// Nothing is said about the time left before this,
const TOO_EARLY: Duration = Duration::from_secs(10);
/// or from fewer finished contacts.
const TOO_FEW: u64 = 5;

/// Estimates how long the rest takes, from looks at the counts.
#[derive(Debug, Default)]
pub struct TimeLeft {
    /// Moments when more contacts were seen to be finished, and how many were by then.
    called: VecDeque<(Instant, u64)>,
}

impl TimeLeft {
    /// How long the rest takes if contacts go on finishing as they did lately; `None` until that is known. This is
    /// one more look, at this moment.
    pub fn look(&mut self, tally: &Tally, now: Instant) -> Option<Duration> {
        let called = tally.called;
        if self.called.back().is_none_or(|&(_, last)| last != called) {
            self.called.push_back((now, called));
        }
        while let Some(&(second, until)) = self.called.get(1)
            && now.saturating_duration_since(second) >= STRETCH
            && called.saturating_sub(until) >= ENOUGH
        {
            self.called.pop_front();
        }
        let &(from, before) = self.called.front()?;
        let span = now.saturating_duration_since(from);
        let finished = called.saturating_sub(before);
        if span < TOO_EARLY || finished < TOO_FEW {
            return None;
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let times = tally.to_call.saturating_sub(called) as f64 / finished as f64;
        Duration::try_from_secs_f64(span.as_secs_f64() * times).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second at a campaign in which so many finish a second.
    fn watch(
        left: &mut TimeLeft,
        tally: &mut Tally,
        start: Instant,
        seconds: std::ops::Range<u64>,
        each: u64,
    ) -> Option<Duration> {
        let mut told = None;
        for second in seconds {
            told = left.look(tally, start + Duration::from_secs(second));
            tally.called += each;
        }
        told
    }

    #[test]
    fn nothing_is_told_before_it_can_be() {
        let (mut left, mut tally) = (TimeLeft::default(), Tally::new(100, 100));
        let start = Instant::now();
        assert_eq!(watch(&mut left, &mut tally, start, 0..10, 1), None);
        let told = watch(&mut left, &mut tally, start, 10..11, 1);
        assert_eq!(told, Some(Duration::from_secs(90)));
    }

    #[test]
    fn it_follows_the_last_minutes_and_few_contacts_are_looked_for_further_back() {
        let (mut left, mut tally) = (TimeLeft::default(), Tally::new(10_000, 10_000));
        let start = Instant::now();
        watch(&mut left, &mut tally, start, 0..100, 8);
        let told = watch(&mut left, &mut tally, start, 100..500, 1);
        let told = told.unwrap().as_secs();
        assert!((8_600..8_900).contains(&told), "{told}");

        let (mut left, mut tally) = (TimeLeft::default(), Tally::new(20, 20));
        let mut told = None;
        for call in 0..6 {
            tally.called = call;
            told = left.look(&tally, start + Duration::from_secs(180 * call));
        }
        assert_eq!(told, Some(Duration::from_secs(180 * 15)));
    }
}
