//! How busy the lines were: the time in which they carried calls, of the time in which there were calls at all.
//!
//! Told of each change by the dispatcher, it adds up what lies between two of them. A wait for the morning, for somebody
//! who is due or for Asterisk, with no call on any line, is nobody's idle line.

use std::time::Duration;

use tokio::time::Instant;

/// The time that went by so far.
#[derive(Debug, Clone, Default)]
pub struct Busy {
    since: Option<Instant>,
    dialing: Duration,
    trunks: Vec<OfTrunk>,
}

#[derive(Debug, Clone, Copy, Default)]
struct OfTrunk {
    /// Lines that carry a call now.
    lines: usize,
    /// How long lines carried calls, all together.
    carried: Duration,
}

impl Busy {
    /// From now on so many lines of each trunk carry a call; what was before goes on until now.
    pub fn passed(&mut self, now: Instant, lines: impl ExactSizeIterator<Item = usize>) {
        let since = self.since.replace(now);
        let passed = since.map_or(Duration::ZERO, |since| now.duration_since(since));
        self.trunks.resize(lines.len(), OfTrunk::default());
        if self.trunks.iter().any(|trunk| trunk.lines > 0) {
            self.dialing += passed;
        }
        for (trunk, lines) in self.trunks.iter_mut().zip(lines) {
            trunk.carried += times(passed, trunk.lines);
            trunk.lines = lines;
        }
    }

    /// How long at least one line carried a call.
    pub fn dialing(&self) -> Duration {
        self.dialing
    }

    /// How long the lines of a trunk carried calls, all together.
    pub fn carried(&self, trunk: usize) -> Duration {
        self.trunks
            .get(trunk)
            .map_or(Duration::ZERO, |trunk| trunk.carried)
    }

    /// How much of a trunk's lines that was, between 0 and 1; `None` where there was no call.
    pub fn share(&self, trunk: usize, lines: usize) -> Option<f64> {
        let whole = times(self.dialing, lines);
        (!whole.is_zero()).then(|| self.carried(trunk).div_duration_f64(whole))
    }
}

fn times(time: Duration, lines: usize) -> Duration {
    time.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_busy_by_how_long_each_carried_a_call_while_there_were_calls() {
        let mut busy = Busy::default();
        let begin = Instant::now();
        let mut since_begin = 0;
        // So many seconds, with so many lines of each trunk busy.
        for (seconds, lines) in [(10, [4, 0]), (20, [2, 1]), (3_600, [0, 0]), (10, [0, 1])] {
            busy.passed(begin + Duration::from_secs(since_begin), lines.into_iter());
            since_begin += seconds;
        }
        let end = begin + Duration::from_secs(since_begin);
        busy.passed(end, [0, 0].into_iter());
        assert_eq!(busy.dialing(), Duration::from_secs(40));
        assert_eq!(busy.carried(0), Duration::from_secs(80));
        assert_eq!(busy.carried(1), Duration::from_secs(30));
        assert_eq!(busy.share(0, 4), Some(0.5));
        assert_eq!(busy.share(1, 2), Some(0.375));
        assert_eq!(Busy::default().share(0, 4), None);
    }
}
