//! How many share a sync: when they come thick and fast, more of them.
//!
//! A sync takes as much processor time as all the rest of a call, and takes it from Asterisk where that runs on the same
//! machine. A campaign whose calls last seconds never waits here. Above a few hundred syncs a second, each waits a few
//! milliseconds for others to come, but never once enough have.

use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, timeout_at};

/// How far apart syncs are in the long run.
const APART: Duration = Duration::from_millis(4);
/// How far the long run may be left behind: fifty syncs that follow one another wait for nobody, so that some lines whose
/// calls end together are refilled at once.
const AT_ONCE: Duration = Duration::from_millis(200);
/// So many make a sync worth while.
const ENOUGH: usize = 8;

/// The syncs of one file.
#[derive(Debug)]
pub(super) struct Gather {
    /// When the syncs so far would be over, were they that far apart.
    spaced_until: Instant,
}

impl Gather {
    pub(super) fn new() -> Self {
        Self {
            spaced_until: Instant::now(),
        }
    }

    /// Called with who waits for the next sync; returns when that is due, with who came meanwhile.
    pub(super) async fn enough<T>(
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
        let mut gather = Gather::new();
        let mut waits = Vec::new();
        for _ in 0..syncs {
            let began = Instant::now();
            gather.enough(&mut vec![()], &mut coming).await;
            waits.push(began.elapsed());
            advance(apart).await;
        }
        waits
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_where_calls_take_their_time() {
        let waited = waits(1_000, Duration::from_millis(5)).await;
        assert_eq!(waited.iter().sum::<Duration>(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn some_that_follow_one_another_do_not_wait_and_many_wait_a_little() {
        let waited = waits(1_000, Duration::from_millis(1)).await;
        assert_eq!(waited[..50].iter().sum::<Duration>(), Duration::ZERO);
        assert!(waited.iter().all(|&wait| wait <= APART), "{waited:?}");
        let all: Duration = waited.iter().sum();
        assert!(all > 2_700 * Duration::from_millis(1), "{all:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_once_enough_have_come() {
        let (sender, mut coming) = mpsc::unbounded_channel();
        let mut gather = Gather::new();
        for _ in 0..1_000 {
            let began = Instant::now();
            let mut waiting = vec![()];
            for _ in 1..ENOUGH {
                sender.send(()).unwrap();
            }
            gather.enough(&mut waiting, &mut coming).await;
            assert_eq!(began.elapsed(), Duration::ZERO);
            waiting.clear();
            while coming.try_recv().is_ok() {}
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_comes_meanwhile_shares_the_sync() {
        let (sender, mut coming) = mpsc::unbounded_channel();
        let mut gather = Gather::new();
        while gather.spaced_until - Instant::now() <= AT_ONCE {
            gather.enough(&mut vec![0], &mut coming).await;
        }
        let mut waiting = vec![1];
        tokio::join!(gather.enough(&mut waiting, &mut coming), async {
            sleep(Duration::from_millis(1)).await;
            sender.send(2).unwrap();
        });
        assert_eq!(waiting, [1, 2]);
    }
}
