//! What the dispatcher does when something goes wrong inside this process.

use tokio::time::Instant;

use super::*;
use crate::call::id::CallId;
use crate::campaign::attempt::{Record, Who};

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_costs_its_call_and_not_its_line() {
    let mut lab = Lab::new(CARRIER, "number\n101\n201\n");
    lab.campaign.trunks[0].ports = 1;
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let stop = Stop::default();
    let mut dispatcher = Dispatcher::new(resources, Earlier::default(), &[], None, stop).unwrap();
    while !dispatcher.queue.has_for(0, false) {
        dispatcher.queue.fetch(0, true);
        dispatcher.queue.fetched().await.unwrap();
    }
    let ready = dispatcher.queue.take_for(0, false).unwrap();
    let now = Instant::now();
    dispatcher.trunks[0].take(now, false);
    let record = Record {
        id: CallId::new(),
        trunk: 0,
        log: dispatcher.trunks[0].pace.log(),
        breaker: dispatcher.trunks[0].breaker.clone(),
        trial: false,
        begun_at: now,
        slot: dispatcher.slots.pop().unwrap(),
        number: 0,
        key: ready.contact.numbers[0].key(),
        who: Who::Contact(ready.contact),
        history: ready.history,
    };
    record.log.not_written();
    let task = dispatcher.tasks.spawn(async { panic!("this task dies") });
    dispatcher.lines.insert(task.id(), Arc::new(record));

    let (progress, seen) = watch::channel(Tally::default());
    let over = dispatcher.run(&progress).await;
    assert!(matches!(over, Over::Finished), "{over:?}");
    assert_eq!(seen.borrow().in_flight, 0);
    let rows = rows(&path);
    let ends: Vec<_> = rows
        .iter()
        .map(|row| (row["contact"].as_str(), row["disposition"].as_str()))
        .collect();
    assert_eq!(ends, [("101", "UNKNOWN"), ("201", "ANSWERED")]);
    assert!(rows[0]["note"].contains("lost track of this call"));
}
