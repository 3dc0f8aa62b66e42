//! For how long lines carried calls, each from when it is taken until it is given back.

use std::time::Duration;

/// The time that lines carried calls so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineTimes {
    /// How long at least one line of any trunk carried a call.
    dialing: Duration,
    /// How long the lines of each trunk carried calls, all together.
    carried: Vec<Duration>,
}

impl LineTimes {
    pub(crate) fn dialing(&self) -> Duration {
        self.dialing
    }

    /// How long the lines of a trunk carried calls, all together.
    pub(crate) fn carried(&self, trunk: usize) -> Duration {
        self.carried.get(trunk).copied().unwrap_or_default()
    }

    /// How much of a trunk's `lines` was used in the time with calls, between 0 and 1; `None` without a call.
    pub(crate) fn share(&self, trunk: usize, lines: usize) -> Option<f64> {
        let whole = times(self.dialing, lines);
        (!whole.is_zero()).then(|| self.carried(trunk).div_duration_f64(whole))
    }

    /// One line of the first trunk carried calls for that long.
    #[cfg(test)]
    pub(crate) fn of_one_line(dialing: Duration) -> Self {
        Self {
            dialing,
            carried: vec![dialing],
        }
    }

    /// So much time has passed, with so many `busy` lines of each trunk.
    pub(crate) fn pass(&mut self, time: Duration, busy: impl IntoIterator<Item = usize>) {
        let mut any = false;
        for (trunk, lines) in busy.into_iter().enumerate() {
            if self.carried.len() == trunk {
                self.carried.push(Duration::ZERO);
            }
            self.carried[trunk] += times(time, lines);
            any |= lines > 0;
        }
        if any {
            self.dialing += time;
        }
    }
}

fn times(time: Duration, lines: usize) -> Duration {
    time.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_busy_while_there_are_calls() {
        let mut times = LineTimes::default();
        for (seconds, busy) in [
            (100, [0, 0]),
            (10, [4, 0]),
            (20, [2, 1]),
            (3_600, [0, 0]),
            (10, [0, 1]),
        ] {
            times.pass(Duration::from_secs(seconds), busy);
        }
        assert_eq!(times.dialing(), Duration::from_secs(40));
        assert_eq!(times.carried(0), Duration::from_secs(80));
        assert_eq!(times.carried(1), Duration::from_secs(30));
        assert_eq!(times.share(0, 4), Some(0.5));
        assert_eq!(times.share(1, 2), Some(0.375));
        assert_eq!(LineTimes::default().share(0, 4), None);
    }
}
