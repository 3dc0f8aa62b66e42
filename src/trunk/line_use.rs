//! For how long lines carried calls, each from its Originate until its row is written.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::TrunkIndex;

/// The time that lines carried calls so far.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineTimes {
    /// Up to when the time is counted.
    until: Option<Instant>,
    /// How long at least one line of any trunk carried a call.
    pub(crate) dialing: Duration,
    /// Of each trunk: how many lines carry a call now, and how long lines did, all together.
    pub(crate) trunks: Vec<(usize, Duration)>,
}

impl LineTimes {
    /// How long the lines of a trunk carried calls, all together.
    pub(crate) fn carried(&self, trunk: usize) -> Duration {
        self.trunks
            .get(trunk)
            .map_or(Duration::ZERO, |times| times.1)
    }

    /// How much of a trunk's `lines` was used in the time with calls, between 0 and 1; `None` without a call.
    pub(crate) fn share(&self, trunk: usize, lines: usize) -> Option<f64> {
        let whole = times(self.dialing, lines);
        (!whole.is_zero()).then(|| self.carried(trunk).div_duration_f64(whole))
    }

    fn pass(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.until.unwrap_or(now));
        self.until = self.until.max(Some(now));
        if self.trunks.iter().any(|&(lines, _)| lines > 0) {
            self.dialing += passed;
        }
        for (lines, carried) in &mut self.trunks {
            *carried += times(passed, *lines);
        }
    }
}

fn times(time: Duration, lines: usize) -> Duration {
    time.saturating_mul(u32::try_from(lines).unwrap_or(u32::MAX))
}

/// Counts the time in which lines carry calls. Clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct LineMeter(Arc<Mutex<LineTimes>>);

impl LineMeter {
    /// A line that is taken for a call. It carries the call from [`LineUse::begin`] until it is dropped.
    pub(crate) fn take(&self, trunk: TrunkIndex) -> Arc<LineUse> {
        Arc::new(LineUse {
            meter: self.clone(),
            trunk,
            in_use: AtomicBool::new(false),
        })
    }

    /// The times up to now.
    pub(crate) fn read(&self, now: Instant) -> LineTimes {
        let mut times = self.lock();
        times.pass(now);
        times.clone()
    }

    /// From now on so many lines more of a trunk carry a call, or fewer.
    fn change(&self, trunk: TrunkIndex, now: Instant, by: isize) {
        let mut times = self.lock();
        times.pass(now);
        let trunks = times.trunks.len().max(trunk.get() + 1);
        times.trunks.resize(trunks, (0, Duration::ZERO));
        let lines = &mut times.trunks[trunk.get()].0;
        *lines = lines.saturating_add_signed(by);
    }

    fn lock(&self) -> MutexGuard<'_, LineTimes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line that is taken for a call.
#[derive(Debug)]
pub(crate) struct LineUse {
    meter: LineMeter,
    trunk: TrunkIndex,
    in_use: AtomicBool,
}

impl LineUse {
    /// The call's Originate is written.
    pub(crate) fn begin(&self, now: Instant) {
        if !self.in_use.swap(true, Ordering::Relaxed) {
            self.meter.change(self.trunk, now, 1);
        }
    }
}

impl Drop for LineUse {
    fn drop(&mut self) {
        if *self.in_use.get_mut() {
            self.meter.change(self.trunk, Instant::now(), -1);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn lines_are_busy_from_their_originate_and_while_there_are_calls() {
        let meter = LineMeter::default();
        let line = |trunk| {
            let line = meter.take(TrunkIndex(trunk));
            line.begin(Instant::now());
            line
        };
        let seconds = |seconds| advance(Duration::from_secs(seconds));
        let taken = meter.take(TrunkIndex(0));
        seconds(100).await;
        assert_eq!(meter.read(Instant::now()).dialing, Duration::ZERO);
        drop(taken);
        let mut first = vec![line(0), line(0), line(0), line(0)];
        seconds(10).await;
        first.truncate(2);
        let second = line(1);
        seconds(20).await;
        drop((first, second));
        seconds(3_600).await;
        let last = line(1);
        seconds(10).await;
        let times = meter.read(Instant::now());
        drop(last);
        assert_eq!(times.dialing, Duration::from_secs(40));
        assert_eq!(times.carried(0), Duration::from_secs(80));
        assert_eq!(times.carried(1), Duration::from_secs(30));
        assert_eq!(times.share(0, 4), Some(0.5));
        assert_eq!(times.share(1, 2), Some(0.375));
        assert_eq!(LineTimes::default().share(0, 4), None);
    }
}
