//! How many writes share a sync: above a few hundred syncs a second, each waits a few milliseconds for more writes.
//!
//! A sync takes as much processor time as all the rest of a call, and takes it from Asterisk where that runs on the same
//! machine. A campaign whose calls last seconds never waits here.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// How far apart syncs are in the long run.
const APART: Duration = Duration::from_millis(4);
/// The burst: fifty syncs that follow one another do not wait, so that lines whose calls end together are refilled at
/// once.
const AT_ONCE: Duration = Duration::from_millis(200);
/// So many writes are enough for a sync.
const ENOUGH: usize = 8;

#[derive(Debug)]
pub(super) struct GroupCommit {
    /// When the syncs so far would be over, were they [`APART`].
    spaced_until: Instant,
}

impl GroupCommit {
    pub(super) fn new() -> Self {
        Self {
            spaced_until: Instant::now(),
        }
    }

    /// Takes what waits for the next sync; returns when that is due, with what came meanwhile.
    pub(super) async fn wait<T>(
        &mut self,
        waiting: &mut Vec<T>,
        coming: &mut UnboundedReceiver<T>,
    ) {
        let due = self.spaced_until.checked_sub(AT_ONCE);
        while waiting.len() < ENOUGH
            && let Some(due) = due.filter(|&due| due > Instant::now())
        {
            match timeout_at(due, coming.recv_many(waiting, usize::MAX)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        self.spaced_until = self.spaced_until.max(Instant::now()) + APART;
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;
    use tokio::time::{advance, sleep};

    use super::*;

    /// How long each of so many waits that come that far apart.
    async fn waits(syncs: usize, apart: Duration) -> Vec<Duration> {
        let (_sender, mut coming) = mpsc::unbounded_channel();
        let mut commit = GroupCommit::new();
        let mut waits = Vec::new();
        for _ in 0..syncs {
            let began = Instant::now();
            commit.wait(&mut vec![()], &mut coming).await;
            waits.push(began.elapsed());
            advance(apart).await;
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn slow_calls_do_not_wait() {
        let waited = waits(1_000, Duration::from_millis(5)).await;
        assert_eq!(waited.iter().sum::<Duration>(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_does_not_wait_and_a_stream_waits_a_little() {
        let waited = waits(1_000, Duration::from_millis(1)).await;
        assert_eq!(waited[..50].iter().sum::<Duration>(), Duration::ZERO);
        assert!(waited.iter().all(|&wait| wait <= APART), "{waited:?}");
        let all: Duration = waited.iter().sum();
        assert!(all > 2_700 * Duration::from_millis(1), "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn enough_writes_do_not_wait() {
        let (sender, mut coming) = mpsc::unbounded_channel();
        let mut commit = GroupCommit::new();
        for _ in 0..1_000 {
            let began = Instant::now();
            let mut waiting = vec![()];
            for _ in 1..ENOUGH {
                sender.send(()).unwrap();
            }
            commit.wait(&mut waiting, &mut coming).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
            waiting.clear();
            while coming.try_recv().is_ok() {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_comes_meanwhile_shares_the_sync() {
        let (sender, mut coming) = mpsc::unbounded_channel();
        let mut commit = GroupCommit::new();
        while commit.spaced_until - Instant::now() <= AT_ONCE {
            commit.wait(&mut vec![0], &mut coming).await;
        }
        let mut waiting = vec![1];
        tokio::join!(commit.wait(&mut waiting, &mut coming), async {
            sleep(Duration::from_millis(1)).await;
            sender.send(2).unwrap();
        });
        assert_eq!(waiting, [1, 2]);
    }
}
