//! How long this machine kept a thread waiting that wanted to run: no promise on time can be seen to hold closer than
//! that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(1);

/// What a thread met that slept from tick to tick.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stalls {
    /// The longest that it was kept waiting.
    pub(crate) worst: Duration,
    /// All of it together, but for what is usual.
    pub(crate) all: Duration,
}

/// Does something, and tells what the machine was like meanwhile.
pub(crate) fn during<T>(work: impl FnOnce() -> T) -> (T, Stalls) {
    const USUAL: Duration = Duration::from_millis(10);
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut stalls = Stalls::default();
            while !over.load(Ordering::Relaxed) {
                let before = Instant::now();
                thread::sleep(TICK);
                let late = before.elapsed().saturating_sub(TICK);
                stalls.worst = stalls.worst.max(late);
                stalls.all += late.saturating_sub(USUAL);
            }
            stalls
        });
        let done = work();
        over.store(true, Ordering::Relaxed);
        (done, watching.join().expect("it only sleeps"))
    })
}
