//! What is in the journal is a call that was placed, or may have been.

use jiff::tz::TimeZone;
use tokio::time::advance;

use super::*;
use crate::campaign::tests::hours::{opening, window};
use crate::config::{Outside, Window};
use crate::results::journal::{self, Journal};

/// Dials three people, and does something once the calls have their lines and are being noted.
async fn meanwhile<F: Future<Output = ()> + Send + 'static>(
    lab: &Lab,
    something: impl FnOnce(Stop) -> F,
) -> RunEnd {
    let path = lab.folder.path().join("results.csv");
    let journal = journal::path_of(&path);
    let mut resources = lab.resources(&path).await;
    let opened = Journal::open(&journal, "", &Clock::system(TimeZone::UTC));
    resources.journal = Some(opened.unwrap());
    let (views, viewer) = views(&resources);
    let stop = Stop::default();
    let something = something(stop.clone());
    let counts = viewer.clone();
    let happened = tokio::spawn(async move {
        while counts.latest().tally.dispatched == 0 {
            counts.ask();
            tokio::task::yield_now().await;
        }
        something.await;
    });
    let over = Box::pin(run(resources, Leftover::default(), None, stop, views)).await;
    happened.await.unwrap();
    assert_eq!(rows(&path).len(), 0, "nobody was called");
    assert_eq!(journal::read(&journal).unwrap().unwrap().entries, []);
    assert_eq!(viewer.latest().tally.dispatched, 0);
    over
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_placed_after_all_leaves_nothing_to_be_settled() {
    let lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    let over = meanwhile(&lab, |stop| async move { stop.drain.cancel() }).await;
    assert!(matches!(over, RunEnd::Drained), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_takes_its_time_has_nobody_called_after_hours() {
    let mut lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    lab.start = "2026-11-23T19:59:59Z".parse().unwrap();
    lab.campaign.window = Some(Window {
        outside: Outside::Stop,
        ..window("UTC", vec![opening([true; 7], 18, 20)])
    });
    let over = meanwhile(&lab, |_| advance(Duration::from_secs(1))).await;
    assert!(matches!(over, RunEnd::Outside(Some(_))), "{over:?}");
}

#[tokio::test(start_paused = true)]
async fn a_contact_that_has_no_room_in_the_journal_fails_alone() {
    let long = "x".repeat(5_000);
    let list = format!("id,number\nA,00101\n{long},00201\nC,00301\n");
    let lab = Lab::with("id = \"id\"", CARRIER, &list);
    let path = lab.folder.path().join("results.csv");
    let mut resources = lab.resources(&path).await;
    let clock = Clock::system(TimeZone::UTC);
    let journal = Journal::open(&journal::path_of(&path), "", &clock);
    resources.journal = Some(journal.unwrap());
    let (views, _viewer) = views(&resources);
    let over = Box::pin(run(
        resources,
        Leftover::default(),
        None,
        Stop::default(),
        views,
    ))
    .await;
    assert!(matches!(over, RunEnd::Finished), "{over:?}");
    let how: Vec<_> = rows(&path)
        .iter()
        .map(|row| (row["contact"].len(), row["disposition"].clone()))
        .collect();
    assert_eq!(how.len(), 3);
    assert!(how.contains(&(5_000, "FAILED".to_owned())), "{how:?}");
}
