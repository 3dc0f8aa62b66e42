//! How long calls took: sums and quantiles in memory that depends on the longest call, not on how many there were.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::output::format::seconds;

/// The lengths of calls, counted to the tenth of a second. As JSON `null` where there were no calls.
#[derive(Debug, Default)]
pub(super) struct CallLengths {
    pub(super) calls: u64,
    pub(super) total: Duration,
    pub(super) longest: Duration,
    tenths: BTreeMap<u64, u64>,
}

impl CallLengths {
    pub(super) fn add(&mut self, length: Duration) {
        self.calls += 1;
        self.total = self.total.saturating_add(length);
        self.longest = self.longest.max(length);
        let tenths = u64::try_from((length.as_millis() + 50) / 100).unwrap_or(u64::MAX);
        *self.tenths.entry(tenths).or_default() += 1;
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

    /// How many calls took less than each bound, in seconds, and no less than the one before it.
    pub(super) fn spread<const BOUNDS: usize>(&self, bounds: [u64; BOUNDS]) -> Vec<u64> {
        let mut spread = vec![0; BOUNDS];
        for (&tenths, &calls) in &self.tenths {
            spread[bounds.partition_point(|bound| *bound <= tenths / 10)] += calls;
        }
        spread
    }
}

impl Serialize for CallLengths {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.calls == 0 {
            return serializer.serialize_none();
        }
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("calls", &self.calls)?;
        for (key, length) in [
            ("total_seconds", self.total),
            ("mean_seconds", self.mean()),
            ("median_seconds", self.quantile(50)),
            ("p90_seconds", self.quantile(90)),
            ("longest_seconds", self.longest),
        ] {
            map.serialize_entry(key, &seconds(length))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_exact_to_the_tenth_and_no_longer_than_the_longest() {
        let mut lengths = CallLengths::default();
        for millis in [100, 5_040, 200, 9_990, 300] {
            lengths.add(Duration::from_millis(millis));
        }
        assert_eq!(lengths.calls, 5);
        assert_eq!(lengths.quantile(50), Duration::from_millis(300));
        assert_eq!(lengths.quantile(80), Duration::from_secs(5));
        assert_eq!(lengths.quantile(100), Duration::from_millis(9_990));
        assert_eq!(lengths.mean(), Duration::from_millis(3_126));
        assert_eq!(lengths.total, Duration::from_millis(15_630));
        assert_eq!(lengths.spread([1, 5, u64::MAX]), [3, 0, 2]);
    }

    #[test]
    fn without_calls_there_is_no_length() {
        let none = CallLengths::default();
        assert_eq!((none.mean(), none.quantile(50)), Default::default());
    }
}
