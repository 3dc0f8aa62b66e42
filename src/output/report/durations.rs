//! How long calls took: sums and quantiles in memory that depends on the longest call, not on how many there were.

use std::collections::BTreeMap;
use std::time::Duration;

/// The lengths of calls, counted to the tenth of a second.
#[derive(Debug, Default)]
pub(super) struct Lengths {
    calls: u64,
    total: Duration,
    longest: Duration,
    tenths: BTreeMap<u64, u64>,
}

impl Lengths {
    pub(super) fn add(&mut self, length: Duration) {
        self.calls += 1;
        self.total = self.total.saturating_add(length);
        self.longest = self.longest.max(length);
        let tenths = u64::try_from((length.as_millis() + 50) / 100).unwrap_or(u64::MAX);
        *self.tenths.entry(tenths).or_default() += 1;
    }

    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn total(&self) -> Duration {
        self.total
    }

    pub(super) fn longest(&self) -> Duration {
        self.longest
    }

    pub(super) fn mean(&self) -> Duration {
        let mean = self.total.as_millis() / u128::from(self.calls.max(1));
        Duration::from_millis(u64::try_from(mean).unwrap_or(u64::MAX))
    }

    /// So many percent of the calls were no longer than this, to the tenth of a second.
    pub(super) fn quantile(&self, percent: u64) -> Duration {
        let wanted = (self.calls * percent).div_ceil(100).max(1);
        let mut seen = 0;
        for (&tenths, &calls) in &self.tenths {
            seen += calls;
            if seen >= wanted {
                return Duration::from_millis(tenths.saturating_mul(100)).min(self.longest);
            }
        }
        Duration::ZERO
    }

    /// How many calls took less than each bound, and no less than the one before it; last, those above all bounds.
    pub(super) fn spread(&self, bounds: &[Duration]) -> Vec<u64> {
        let mut spread = vec![0; bounds.len() + 1];
        for (&tenths, &calls) in &self.tenths {
            let length = Duration::from_millis(tenths.saturating_mul(100));
            let place = bounds.partition_point(|bound| *bound <= length);
            spread[place] += calls;
        }
        spread
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_the_tenth_and_no_longer_than_the_longest() {
        let mut lengths = Lengths::default();
        for millis in [100, 5_040, 200, 9_990, 300] {
            lengths.add(Duration::from_millis(millis));
        }
        assert_eq!(lengths.calls(), 5);
        assert_eq!(lengths.quantile(50), Duration::from_millis(300));
        assert_eq!(lengths.quantile(80), Duration::from_secs(5));
        assert_eq!(lengths.quantile(100), Duration::from_millis(9_990));
        assert_eq!(lengths.mean(), Duration::from_millis(3_126));
        assert_eq!(lengths.total(), Duration::from_millis(15_630));
        let bounds = [1, 5].map(Duration::from_secs);
        assert_eq!(lengths.spread(&bounds), [3, 0, 2]);
    }

    #[test]
    fn of_no_call_there_is_no_length() {
        let none = Lengths::default();
        assert_eq!((none.mean(), none.quantile(50)), Default::default());
    }
}
