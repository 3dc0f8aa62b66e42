//! What is in the journal is a call that was placed, or may have been.

use jiff::tz::TimeZone;

use super::*;
use crate::results::journal::{self, Journal};

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_placed_after_all_leaves_nothing_to_be_settled() {
    let lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    let path = lab.folder.path().join("results.csv");
    let journal = journal::path_of(&path);
    let mut resources = lab.resources(&path).await;
    let opened = Journal::open(&journal, "", &Clock::system(TimeZone::UTC));
    resources.journal = Some(opened.unwrap());
    let (views, viewer) = views(&resources);
    // The calls have their lines and are being noted when the operator stops the run.
    let stop = Stop::default();
    let drain = stop.drain.clone();
    let counts = viewer.clone();
    let stopped = tokio::spawn(async move {
        while counts.latest().tally.dispatched == 0 {
            counts.ask();
            tokio::task::yield_now().await;
        }
        drain.cancel();
    });
    let over = run(resources, Left::default(), None, stop, views).await;
    stopped.await.unwrap();
    assert!(matches!(over, Over::Drained), "{over:?}");
    assert_eq!(rows(&path).len(), 0, "nobody was called");
    assert_eq!(journal::read(&journal).unwrap().unwrap().entries, []);
    assert_eq!(viewer.latest().tally.dispatched, 0);
}
