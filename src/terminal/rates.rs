//! How fast it goes, and how long it will take at that.
//!
//! The speed of dialing is told by the campaign's clock, which a rehearsal turns faster than the wall's. The time that
//! is left is told by the wall's, because it is for somebody who waits.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use tokio::time::Instant as CampaignInstant;

use crate::campaign::tally::Tally;

/// The stretch over which calls a second are told.
const LATELY: Duration = Duration::from_secs(10);
/// A shorter stretch tells no speed.
const BRIEFEST: Duration = Duration::from_secs(1);
/// The stretch from which the time left is told, if enough contacts finished in it.
const STRETCH: Duration = Duration::from_secs(300);
/// How many finished contacts that takes; a longer stretch is looked at for them.
const ENOUGH: u64 = 10;
/// Nothing is said about the time left before this,
const TOO_EARLY: Duration = Duration::from_secs(10);
/// or from fewer finished contacts.
const TOO_FEW: u64 = 5;

/// Looks at the counts now and then, and knows the speed.
#[derive(Debug, Default)]
pub struct Rates {
    /// Moments of the last seconds on the campaign's clock, and the calls dialed until then.
    dialed: VecDeque<(CampaignInstant, u64)>,
    /// Moments when more contacts were seen to be finished, and how many were by then.
    called: VecDeque<(Instant, u64)>,
    /// The counts last seen, and when they were first seen.
    seen: Option<(CampaignInstant, Instant)>,
    calls_per_second: Option<f64>,
    left: Option<Duration>,
}

impl Rates {
    /// Looks at the counts at this moment of the wall's clock.
    pub fn look(&mut self, tally: &Tally, now: Instant) {
        let Some(at) = tally.at else { return };
        let first_seen = match self.seen {
            Some((seen, first_seen)) if seen == at => first_seen,
            _ => now,
        };
        self.seen = Some((at, first_seen));
        self.look_at_dialed(tally.dispatched, at + (now - first_seen));
        self.look_at_called(tally, now);
    }

    /// Calls dialed a second, over the last ten seconds; `None` until that can be told.
    pub fn calls_per_second(&self) -> Option<f64> {
        self.calls_per_second
    }

    /// How long the rest takes if contacts go on finishing as they did lately; `None` until that can be told.
    pub fn left(&self) -> Option<Duration> {
        self.left
    }

    fn look_at_dialed(&mut self, dialed: u64, at: CampaignInstant) {
        self.dialed.push_back((at, dialed));
        while let Some(&(second, _)) = self.dialed.get(1)
            && at.saturating_duration_since(second) >= LATELY
        {
            self.dialed.pop_front();
        }
        self.calls_per_second = self.dialed.front().and_then(|&(from, before)| {
            let span = at.saturating_duration_since(from);
            #[expect(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
            let calls = dialed.saturating_sub(before) as f64;
            (span >= BRIEFEST).then(|| calls / span.as_secs_f64())
        });
    }

    fn look_at_called(&mut self, tally: &Tally, now: Instant) {
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
        self.left = self.called.front().and_then(|&(from, before)| {
            let span = now.saturating_duration_since(from);
            let finished = called.saturating_sub(before);
            if span < TOO_EARLY || finished < TOO_FEW {
                return None;
            }
            #[expect(clippy::cast_precision_loss, reason = "an estimate")]
            let times = tally.to_call.saturating_sub(called) as f64 / finished as f64;
            Duration::try_from_secs_f64(span.as_secs_f64() * times).ok()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks once a second at a campaign that dials and finishes so many a second.
    fn watch(
        rates: &mut Rates,
        tally: &mut Tally,
        start: Instant,
        seconds: std::ops::Range<u64>,
        each: u64,
    ) {
        for second in seconds {
            let now = start + Duration::from_secs(second);
            tally.at = Some(CampaignInstant::from_std(now));
            rates.look(tally, now);
            tally.dispatched += each;
            tally.called += each;
        }
    }

    #[test]
    fn nothing_is_told_before_it_can_be() {
        let (mut rates, mut tally) = (Rates::default(), Tally::new(100, 100, [("carrier", 4)]));
        let start = Instant::now();
        watch(&mut rates, &mut tally, start, 0..1, 1);
        assert_eq!((rates.calls_per_second(), rates.left()), (None, None));
        watch(&mut rates, &mut tally, start, 1..10, 1);
        assert_eq!((rates.calls_per_second(), rates.left()), (Some(1.0), None));
        watch(&mut rates, &mut tally, start, 10..11, 1);
        assert_eq!(rates.left(), Some(Duration::from_secs(90)));
    }

    #[test]
    fn the_speed_is_that_of_the_last_ten_seconds() {
        let (mut rates, mut tally) = (
            Rates::default(),
            Tally::new(10_000, 10_000, [("carrier", 4)]),
        );
        let start = Instant::now();
        watch(&mut rates, &mut tally, start, 0..100, 8);
        watch(&mut rates, &mut tally, start, 100..111, 2);
        assert_eq!(rates.calls_per_second(), Some(2.0));
        watch(&mut rates, &mut tally, start, 111..122, 0);
        assert_eq!(rates.calls_per_second(), Some(0.0));
    }

    #[test]
    fn the_speed_falls_also_while_nothing_is_counted() {
        let (mut rates, mut tally) = (Rates::default(), Tally::new(100, 100, [("carrier", 4)]));
        let start = Instant::now();
        watch(&mut rates, &mut tally, start, 0..11, 3);
        for second in 11..25 {
            rates.look(&tally, start + Duration::from_secs(second));
        }
        assert_eq!(rates.calls_per_second(), Some(0.0));
    }

    #[test]
    fn the_time_left_follows_the_last_minutes_and_few_contacts_are_looked_for_further_back() {
        let (mut rates, mut tally) = (
            Rates::default(),
            Tally::new(10_000, 10_000, [("carrier", 4)]),
        );
        let start = Instant::now();
        watch(&mut rates, &mut tally, start, 0..100, 8);
        watch(&mut rates, &mut tally, start, 100..500, 1);
        let left = rates.left().unwrap().as_secs();
        assert!((8_600..8_900).contains(&left), "{left}");

        let (mut rates, mut tally) = (Rates::default(), Tally::new(20, 20, [("carrier", 1)]));
        let start = Instant::now();
        for call in 0..6 {
            tally.called = call;
            tally.at = Some(CampaignInstant::from_std(start));
            rates.look(&tally, start + Duration::from_secs(180 * call));
        }
        assert_eq!(rates.left(), Some(Duration::from_secs(180 * 15)));
    }

    #[test]
    fn a_rehearsal_tells_the_speed_of_the_campaign_and_the_time_that_is_waited() {
        let (mut rates, mut tally) = (
            Rates::default(),
            Tally::new(20_000, 20_000, [("carrier", 4)]),
        );
        let start = Instant::now();
        for second in 0..=10 {
            tally.dispatched = second * 1000;
            tally.called = second * 1000;
            tally.at = Some(CampaignInstant::from_std(
                start + Duration::from_secs(500 * second),
            ));
            rates.look(&tally, start + Duration::from_secs(second));
        }
        assert_eq!(rates.calls_per_second(), Some(2.0));
        assert_eq!(rates.left(), Some(Duration::from_secs(10)));
    }
}
