//! What the dispatcher does when something goes wrong inside this process.

use super::*;
use crate::campaign::tests::{CARRIER, Lab, rows, time, views};
use crate::trunk::rate_limit::PaceToken;

fn dispatcher(resources: Resources) -> Dispatcher {
    let (views, _) = views(&resources);
    let left = Leftover::default();
    Dispatcher::new(resources, left, None, Stop::default(), views)
}

const FIRST: TrunkIndex = TrunkIndex(0);

/// Reads the list and takes the first contact.
async fn first_contact(dispatcher: &mut Dispatcher) -> Candidate {
    while !dispatcher.queue.has_for(FIRST, None) {
        dispatcher.queue.read_ahead(Timestamp::UNIX_EPOCH);
        let piece = dispatcher.queue.read().await.unwrap();
        dispatcher.queue.add(piece);
    }
    dispatcher.queue.take_for(FIRST, None).unwrap()
}

/// Takes a line for the first contact.
async fn take_a_line(dispatcher: &mut Dispatcher) -> (ActiveCall, Arc<Contact>, PaceToken) {
    let ready = first_contact(dispatcher).await;
    let now = Instant::now();
    let (line, token) = dispatcher.lines.take(FIRST, false, now).unwrap();
    let contact = Arc::new(ready.contact);
    let call = ActiveCall {
        id: CallId::new(),
        line,
        begun_at: now,
        number: 0,
        key: contact.numbers[0].key(),
        callee: Callee::Listed(Arc::clone(&contact)),
        history: ready.history,
    };
    (call, contact, token)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_dies_costs_its_call_and_not_its_line() {
    let mut lab = Lab::new(CARRIER, "number\n101\n201\n");
    lab.campaign.trunks[0].ports = 1;
    // It has one call a second: a lost one would be the trunk's last.
    lab.campaign.trunks[0].calls_per_second = 1.0;
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let (views, viewer) = views(&resources);
    let left = Leftover::default();
    let mut dispatcher = Dispatcher::new(resources, left, None, Stop::default(), views);
    let (call, _, token) = take_a_line(&mut dispatcher).await;
    dispatcher.follow(Arc::new(call), async move {
        let _token = token;
        panic!("this task dies")
    });

    let end = dispatcher.run().await;
    assert!(matches!(end, RunEnd::Finished), "{end:?}");
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
    resources.reconnector.client().unwrap().logoff().await;
    let mut dispatcher = dispatcher(resources);
    let (call, contact, token) = take_a_line(&mut dispatcher).await;
    let resources = Arc::clone(&dispatcher.resources);
    let (stop, call) = (Stop::default(), Arc::new(call));
    let result = place_call(Arc::clone(&resources), call, contact, token, stop).await;
    assert!(matches!(result, TaskResult::NotDialed), "{result:?}");
    let now = resources.clock.timestamp();
    assert_eq!(resources.rules.earliest("101", 0, now), now);
}

/// A call to 110 that an earlier run left.
fn in_flight(begun_at: Timestamp) -> JournalEntry {
    JournalEntry {
        call_id: CallId::new().to_string(),
        contact: "110".to_owned(),
        number: "110".to_owned(),
        place: 0,
        numbers: vec!["110".to_owned()],
        kept: Vec::new(),
        trunk: "carrier".to_owned(),
        caller_id: String::new(),
        begun_at,
    }
}

#[tokio::test(start_paused = true)]
async fn both_signals_act_at_once_while_calls_of_an_earlier_run_are_looked_up() {
    let mut lab = Lab::new(CARRIER, "number\n110\n201\n");
    lab.no_status = true;
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let a_minute_ago = resources.clock.timestamp() - Duration::from_secs(60);
    let left = Leftover {
        in_flight: vec![(0, in_flight(a_minute_ago))],
        ..Leftover::default()
    };
    let (views, viewer) = views(&resources);
    let stop = Stop::default();
    let begun = Instant::now();
    let run = crate::campaign::run(resources, left, None, stop.clone(), views);
    let run = tokio::spawn(run);
    tokio::time::sleep(Duration::from_secs(1)).await;
    viewer.ask();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(viewer.latest().running, 1, "it takes a line");
    stop.drain.cancel();
    stop.hang_up.cancel();
    let end = run.await.unwrap();
    assert!(matches!(end, RunEnd::Drained), "{end:?}");
    let took = begun.elapsed();
    assert!(took < Duration::from_secs(6), "{took:?}");
    let rows = rows(&path);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0]["disposition"], "UNKNOWN");
    let note = &rows[0]["note"];
    assert!(note.starts_with("the run was stopped"), "{note}");
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
    let an_hour_ago = resources.clock.timestamp() - Duration::from_secs(3_600);
    let entry = in_flight(an_hour_ago);
    let left = Leftover {
        in_flight: vec![(0, entry)],
        ..Leftover::default()
    };
    let (views, _) = views(&resources);
    let end = crate::campaign::run(resources, left, None, Stop::default(), views).await;
    assert!(matches!(end, RunEnd::Finished), "{end:?}");
    let rows = rows(&path);
    assert_eq!(rows[0]["disposition"], "UNKNOWN");
    assert_eq!(rows[1]["disposition"], "BUSY");
    let gap = time(&rows[1], "dialed_at").duration_since(time(&rows[0], "dialed_at"));
    assert!(gap.as_hours() >= 24, "{gap}");
}

#[tokio::test(start_paused = true)]
async fn the_first_signal_is_answered_also_where_the_run_ends_for_another_reason() {
    let lab = Lab::new(CARRIER, "number\n101\n");
    let resources = lab.resources(&lab.folder.path().join("results.csv")).await;
    let mut dispatcher = dispatcher(resources);
    dispatcher.end = Some(RunEnd::StopAt);
    dispatcher.stop.drain.cancel();
    let event = tokio::time::timeout(Duration::from_secs(1), dispatcher.next_event());
    let event = event.await.expect("the signal is seen");
    assert!(matches!(event, Event::Drain));
    dispatcher.handle(event);
    assert!(dispatcher.draining, "it was said");
    assert!(matches!(dispatcher.end, Some(RunEnd::StopAt)));
}

#[tokio::test(start_paused = true)]
async fn a_contact_whose_call_has_no_slot_in_the_journal_is_not_lost() {
    let mut lab = Lab::new(CARRIER, "number\n101\n");
    lab.campaign.trunks[0].ports = 1;
    let resources = lab.resources(&lab.folder.path().join("results.csv")).await;
    let mut dispatcher = dispatcher(resources);
    let ready = first_contact(&mut dispatcher).await;
    let now = Instant::now();
    let taken = dispatcher.lines.take(FIRST, false, now).unwrap();
    assert!(!dispatcher.begin_call(ready, 0, FIRST, false, now));
    assert_eq!(dispatcher.tally.dispatched, 0);
    assert_eq!(dispatcher.lines.trunks[0].busy, 1, "that of the line taken");
    let ready = dispatcher.queue.take_for(FIRST, None).unwrap();
    assert_eq!(ready.contact.id, "101");
    drop(taken);
}
