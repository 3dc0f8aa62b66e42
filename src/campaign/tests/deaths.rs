//! What the dispatcher does when something goes wrong inside this process.

use tokio::time::Instant;

use super::*;
use crate::call::id::CallId;
use crate::campaign::place_call::{self, Outcome, Record, Who};
use crate::disposition::Disposition;
use crate::trunk::rate_limit::Turn;

fn dispatcher(resources: Resources, stop: Stop) -> Dispatcher {
    let earlier = PriorRun::default();
    let (views, _) = views(&resources);
    Dispatcher::new(resources, earlier, None, &[], None, stop, views).unwrap()
}

/// Reads the list and takes a line for whoever is first.
async fn take_a_line(dispatcher: &mut Dispatcher) -> (Record, Turn) {
    while !dispatcher.queue.has_for(0, None) {
        dispatcher.queue.fetch(0);
        dispatcher.queue.fetched().await.unwrap();
    }
    let ready = dispatcher.queue.take_for(0, None).unwrap();
    let now = Instant::now();
    let turn = dispatcher.trunks[0].take(now, false);
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
    (record, turn)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_costs_its_call_and_not_its_line() {
    let mut lab = Lab::new(CARRIER, "number\n101\n201\n");
    lab.campaign.trunks[0].ports = 1;
    // It has one turn a second: a lost one would be the trunk's last.
    lab.campaign.trunks[0].calls_per_second = 1.0;
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let stop = Stop::default();
    let mut dispatcher = dispatcher(resources, stop);
    let (record, turn) = take_a_line(&mut dispatcher).await;
    let task = dispatcher.tasks.spawn(async move {
        let _turn = turn;
        panic!("this task dies")
    });
    dispatcher.lines.insert(task.id(), Arc::new(record));

    let viewer = dispatcher.views.viewer();
    let over = dispatcher.run().await;
    assert!(matches!(over, Over::Finished), "{over:?}");
    assert_eq!(viewer.latest().running, 0);
    let rows = rows(&path);
    let ends: Vec<_> = rows
        .iter()
        .map(|row| (row["contact"].as_str(), row["disposition"].as_str()))
        .collect();
    assert_eq!(ends, [("101", "UNKNOWN"), ("201", "ANSWERED")]);
    assert!(rows[0]["note"].contains("lost track of this call"));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_placed_is_none_of_the_days_calls() {
    let mut lab = Lab::new(CARRIER, "number\n101\n");
    lab.campaign.retry.max_per_day = Some(1);
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    // The session ends in the moment in which the call has its line.
    resources.link.client().unwrap().logoff().await;
    let stop = Stop::default();
    let mut dispatcher = dispatcher(resources, stop);
    let (record, turn) = take_a_line(&mut dispatcher).await;
    let Who::Contact(contact) = &record.who else {
        panic!("it is in the list");
    };
    let resources = &dispatcher.resources;
    let outcome = place_call::run(resources, &record, contact, turn, &Stop::default()).await;
    assert!(matches!(outcome, Outcome::NotDialed), "{outcome:?}");
    let now = resources.clock.millis();
    assert_eq!(resources.limits.earliest("101", now), now);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_an_earlier_run_left_is_one_of_the_days_calls() {
    let mut lab = Lab::new(CARRIER, "number\n110\n");
    lab.campaign.retry.max_per_day = Some(1);
    let rule = crate::config::Rule {
        retry: Some(true),
        ..crate::config::Rule::default()
    };
    lab.campaign.retry.rules.insert(Disposition::Unknown, rule);
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let an_hour_ago = resources.clock.millis() - 3_600_000;
    let entry = JournalEntry {
        call_id: CallId::new().to_string(),
        contact: "110".to_owned(),
        number: "110".to_owned(),
        place: 0,
        numbers: vec!["110".to_owned()],
        kept: Vec::new(),
        trunk: "carrier".to_owned(),
        caller_id: String::new(),
        begun_at: an_hour_ago,
    };
    let left = Left {
        in_flight: vec![(0, entry)],
        ..Left::default()
    };
    let (views, _) = views(&resources);
    let over = run(resources, left, None, Stop::default(), views).await;
    assert!(matches!(over, Over::Finished), "{over:?}");
    let rows = rows(&path);
    assert_eq!(rows[0]["disposition"], "UNKNOWN");
    assert_eq!(rows[1]["disposition"], "BUSY");
    let gap = time(&rows[1], "dialed_at").duration_since(time(&rows[0], "dialed_at"));
    assert!(gap.as_hours() >= 24, "{gap}");
}

#[tokio::test(start_paused = true)]
async fn a_look_at_the_suppression_lists_that_takes_long_holds_up_the_calls_no_longer_than_that() {
    let mut lab = Lab::new(CARRIER, "number\n101\n");
    let file = lab.folder.path().join("dnc.txt");
    fs::write(&file, "").unwrap();
    lab.campaign.suppress = vec![file];
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let stop = Stop::default();
    let mut dispatcher = dispatcher(resources, stop);
    for _ in 0..2 {
        assert!(!dispatcher.knows_who_is_suppressed(), "they are looked at");
        tokio::time::advance(Duration::from_secs(20)).await;
        assert!(!dispatcher.knows_who_is_suppressed(), "they still are");
        dispatcher.wake().await;
        assert!(dispatcher.knows_who_is_suppressed());
        // The next look does not hold up calls, unless it takes long.
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(dispatcher.knows_who_is_suppressed());
        assert!(dispatcher.refreshing.is_some());
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(!dispatcher.knows_who_is_suppressed());
        dispatcher.wake().await;
        tokio::time::advance(Duration::from_secs(11)).await;
    }
}
