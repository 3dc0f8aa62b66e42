//! Who is called again, on which number, and who never.

use super::*;
use crate::campaign::tests::hours::{opening, window};
use crate::config::{CaptureCondition, Duplicates, OptOut, Outside, Rule};
use crate::contact_history::History;
use crate::disposition::Disposition;
use crate::results::resume::{self, Asked};
use crate::results::schema::{ResultsColumns, ResultsRow};

#[tokio::test(start_paused = true)]
async fn the_numbers_of_a_contact_take_turns_within_one_budget() {
    let list = "number,mobile,work\n00110,00210,00301\n00120,,\n";
    let mut lab = Lab::with("number = [\"number\", \"mobile\", \"work\"]", CARRIER, list);
    lab.campaign.retry.next_number_delay = Some(Duration::from_secs(7));
    let run = lab.dial().await;
    run.assert_one_final_row_each(2);
    assert_eq!(run.column("00110", "number"), ["00110", "00210", "00301"]);
    assert_eq!(
        run.column("00110", "disposition"),
        ["BUSY", "BUSY", "ANSWERED"]
    );
    let rows = run.of("00110");
    let gap = time(rows[1], "dialed_at").duration_since(time(rows[0], "ended_at"));
    assert_eq!(gap.as_secs(), 7);
    assert_eq!(run.column("00120", "number"), ["00120"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_does_not_exist_is_passed_over_at_once_and_never_called_again() {
    let list = "number,mobile\n00140,00210\n";
    let lab = Lab::with("number = [\"number\", \"mobile\"]", CARRIER, list);
    let run = lab.dial().await;
    run.assert_one_final_row_each(1);
    assert_eq!(run.column("00140", "number"), ["00140", "00210", "00210"]);
    let rows = run.of("00140");
    let gap = time(rows[1], "dialed_at").duration_since(time(rows[0], "ended_at"));
    assert!(gap.as_millis() < 1_000, "{gap}");
}

#[tokio::test(start_paused = true)]
async fn a_rule_has_the_last_word_on_its_disposition() {
    let mut lab = Lab::new(CARRIER, "number\n00110\n00220\n00331\n");
    lab.campaign.retry.max_attempts = 4;
    let rule = |delay, max_attempts, retry| Rule {
        delay: Some(Duration::from_secs(delay)),
        max_attempts,
        retry,
        ..Rule::default()
    };
    lab.campaign
        .retry
        .rules
        .insert(Disposition::NoAnswer, rule(1_800, Some(2), None));
    lab.campaign
        .retry
        .rules
        .insert(Disposition::Rejected, rule(60, None, Some(true)));
    let run = lab.dial().await;
    run.assert_one_final_row_each(3);
    assert_eq!(run.of("00110").len(), 4);
    assert_eq!(run.of("00331").len(), 4);
    let rows = run.of("00220");
    assert_eq!(rows.len(), 2);
    let gap = time(rows[1], "dialed_at").duration_since(time(rows[0], "ended_at"));
    assert_eq!(gap.as_secs(), 1_800);
}

#[tokio::test(start_paused = true)]
async fn nobody_is_called_more_often_in_a_day_than_allowed() {
    let mut lab = Lab::new(CARRIER, "number\n00110\n");
    lab.campaign.retry.max_attempts = 7;
    lab.campaign.retry.max_per_day = Some(2);
    lab.campaign.retry.max_per_week = Some(5);
    let run = lab.dial().await;
    run.assert_one_final_row_each(1);
    let rows = run.of("00110");
    let at: Vec<i64> = rows
        .iter()
        .map(|row| time(row, "dialed_at").as_second())
        .collect();
    for (most, seconds) in [(2, 86_400), (5, 7 * 86_400)] {
        for window in at.windows(most + 1) {
            assert!(window[most] - window[0] >= seconds, "{at:?}");
        }
    }
    assert_eq!(at.len(), 7);
    assert!(time(rows[0], "next_attempt_at") <= time(rows[1], "dialed_at"));
}

#[tokio::test(start_paused = true)]
async fn numbers_on_a_list_never_to_call_are_passed_over_and_a_contact_without_another_gets_a_row()
{
    let list = "number,mobile\n00101,\n00201,00301\n00401,00501\n";
    let mut lab = Lab::with("number = [\"number\", \"mobile\"]", CARRIER, list);
    let file = lab.folder.path().join("dnc.txt");
    fs::write(&file, "00101\n002 01\n00401\n00501\n").unwrap();
    lab.campaign.suppress = vec![file];
    let run = lab.dial().await;
    run.assert_one_final_row_each(3);
    assert_eq!(run.column("00101", "disposition"), ["SUPPRESSED"]);
    assert_eq!(run.column("00101", "attempt"), ["0"]);
    assert_eq!(run.column("00201", "number"), ["00301"]);
    assert_eq!(run.column("00401", "disposition"), ["SUPPRESSED"]);
}

#[tokio::test(start_paused = true)]
async fn a_contact_that_waits_for_a_retry_is_suppressed_when_the_list_changes() {
    let mut lab = Lab::new(CARRIER, "number\n00110\n00201\n");
    let file = lab.folder.path().join("dnc.txt");
    fs::write(&file, "").unwrap();
    lab.campaign.suppress = vec![file.clone()];
    let added = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(60)).await;
        fs::write(&file, "00110\n").unwrap();
    });
    let run = lab.dial().await;
    added.await.unwrap();
    run.assert_one_final_row_each(2);
    assert_eq!(run.column("00110", "disposition"), ["BUSY", "SUPPRESSED"]);
    assert_eq!(run.column("00110", "attempt"), ["1", "1"]);
}

#[tokio::test(start_paused = true)]
async fn a_number_that_stands_twice_is_called_for_each_but_never_at_the_same_time() {
    let list = "number,id\n00101,a\n00101,b\n00101,c\n00201,d\n";
    let mut lab = Lab::with("id = \"id\"", CARRIER, list);
    lab.campaign.contacts.duplicates = Duplicates::Call;
    let run = lab.dial().await;
    run.assert_one_final_row_each(4);
    let mut calls: Vec<_> = run
        .rows
        .iter()
        .filter(|row| row["number"] == "00101")
        .map(|row| (time(row, "dialed_at"), time(row, "ended_at")))
        .collect();
    calls.sort();
    assert_eq!(calls.len(), 3);
    assert!(
        calls.windows(2).all(|pair| pair[0].1 <= pair[1].0),
        "{calls:?}"
    );
}

/// The dialplan sets these variables when a call is answered.
fn sets(lab: &mut Lab, variables: &[(&str, &str)]) {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    lab.sim.dialplan_variables = variables.iter().map(owned).collect();
}

fn condition(variable: &str, value: &str) -> CaptureCondition {
    CaptureCondition {
        variable: variable.to_owned(),
        value: value.to_owned(),
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_dialplan_sets_stands_in_the_columns_asked_for_and_tells_the_outcome() {
    let mut lab = Lab::with(
        "keep = [\"name\"]",
        CARRIER,
        "number,name\n00101,Ana\n00210,Eva\n",
    );
    sets(&mut lab, &[("CHOICE", "2"), ("AMDSTATUS", "MACHINE")]);
    lab.campaign.capture.variables = vec!["CHOICE".to_owned(), "NEVER".to_owned()];
    lab.campaign.capture.machine = Some(condition("AMDSTATUS", "MACHINE"));
    let run = lab.dial().await;
    run.assert_one_final_row_each(2);
    let row = run.of("00101")[0];
    assert_eq!(row["disposition"], "MACHINE");
    let own = [&row["name"], &row["CHOICE"], &row["NEVER"]];
    assert_eq!(own, ["Ana", "2", ""]);
    assert_eq!(run.column("00210", "CHOICE"), ["", "", ""]);
    assert_eq!(run.column("00210", "name"), ["Eva"; 3]);
}

#[tokio::test(start_paused = true)]
async fn who_opts_out_is_written_down_and_not_called_again_on_any_number() {
    let list = "number,mobile,id\n00101,00210,a\n00301,00101,b\n00210,,c\n";
    let mut lab = Lab::with(
        "number = [\"number\", \"mobile\"]\nid = \"id\"",
        CARRIER,
        list,
    );
    lab.campaign.contacts.duplicates = Duplicates::Call;
    lab.campaign.trunks[0].ports = 1;
    let file = lab.folder.path().join("dnc.txt");
    sets(&mut lab, &[("CHOICE", "9")]);
    lab.campaign.capture.opt_out = Some(OptOut {
        when: condition("CHOICE", "9"),
        file: file.clone(),
    });
    let run = lab.dial().await;
    run.assert_one_final_row_each(3);
    // The first answers and opts out with both numbers: the third has one of them, and the second has another.
    assert_eq!(run.column("a", "disposition"), ["ANSWERED"]);
    assert_eq!(run.column("c", "disposition"), ["SUPPRESSED"]);
    assert_eq!(run.column("b", "number"), ["00301"]);
    let written = fs::read_to_string(&file).unwrap();
    assert_eq!(written, "00101\n00210\n00301\n00101\n");
    let again = lab.dial().await;
    assert!(
        again
            .rows
            .iter()
            .all(|row| row["disposition"] == "SUPPRESSED")
    );
}

#[tokio::test(start_paused = true)]
async fn who_opts_out_opts_out_on_the_numbers_that_are_called_for_an_earlier_row_as_well() {
    let list = "number,mobile,id\n00110,,a\n00101,00110,b\n";
    let mut lab = Lab::with(
        "number = [\"number\", \"mobile\"]\nid = \"id\"",
        CARRIER,
        list,
    );
    lab.campaign.trunks[0].ports = 1;
    let file = lab.folder.path().join("dnc.txt");
    sets(&mut lab, &[("CHOICE", "9")]);
    lab.campaign.capture.opt_out = Some(OptOut {
        when: condition("CHOICE", "9"),
        file: file.clone(),
    });
    let run = lab.dial().await;
    assert_eq!(run.column("b", "disposition"), ["ANSWERED"]);
    assert_eq!(run.column("a", "disposition"), ["BUSY", "SUPPRESSED"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "00101\n00110\n");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_shorter_than_min_talk_is_short() {
    let mut lab = Lab::new(CARRIER, "number\n00101\n");
    lab.campaign.call.min_talk = Duration::from_secs(11);
    let run = lab.dial().await;
    assert_eq!(run.column("00101", "disposition"), ["SHORT"]);
    lab.campaign.call.min_talk = Duration::from_secs(9);
    let run = lab.dial().await;
    assert_eq!(run.column("00101", "disposition"), ["ANSWERED"]);
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_contacts_and_not_calls() {
    let mut lab = Lab::new(CARRIER, "number\n00110\n00201\n00301\n");
    lab.limit = Some(2);
    let run = lab.dial().await;
    run.assert_one_final_row_each(2);
    assert_eq!(run.of("00110").len(), 3);
    assert!(run.of("00301").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_limit_counts_those_that_are_called_and_not_those_that_never_are() {
    let list = "number\n00101\n00201\n00301\n00401\n00501\n";
    let mut lab = Lab::new(CARRIER, list);
    let file = lab.folder.path().join("dnc.txt");
    fs::write(&file, "00101\n00201\n").unwrap();
    lab.campaign.suppress = vec![file];
    lab.limit = Some(2);
    let run = lab.dial().await;
    run.assert_one_final_row_each(4);
    assert_eq!(run.column("00201", "disposition"), ["SUPPRESSED"]);
    for called in ["00301", "00401"] {
        assert_eq!(run.column(called, "disposition"), ["ANSWERED"]);
    }
    assert_eq!((run.tally.to_call, run.tally.called), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_limit_passes_over_those_whose_hours_the_campaign_does_not_wait_for() {
    let list = "number,tz\n00101,Asia/Tokyo\n00201,UTC\n00301,UTC\n";
    let mut lab = Lab::with("timezone = \"tz\"", CARRIER, list);
    let mut hours = window("UTC", vec![opening([true; 7], 9, 20)]);
    hours.outside = Outside::Stop;
    lab.campaign.window = Some(hours);
    lab.limit = Some(1);
    let run = lab.dial().await;
    assert_eq!(run.rows.len(), 1);
    assert_eq!(run.column("00201", "disposition"), ["ANSWERED"]);
}

#[tokio::test(start_paused = true)]
async fn retries_of_an_earlier_run_count_in_a_limit_in_the_order_of_the_list() {
    let mut lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    lab.limit = Some(2);
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let mut left = Leftover::default();
    let mut history = History::default();
    history.put(Disposition::Busy, true);
    let in_an_hour = resources.clock.timestamp() + jiff::SignedDuration::from_hours(1);
    left.earlier.settle("00101", history, Some(in_an_hour));
    let (views, _) = views(&resources);
    let end = run(resources, left, Some(2), Stop::default(), views).await;
    assert!(matches!(end, RunEnd::Finished), "{end:?}");
    let rows = rows(&path);
    let called: Vec<_> = rows.iter().map(|row| row["contact"].as_str()).collect();
    assert_eq!(called, ["00201", "00101"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_of_the_list_stands_in_every_row() {
    let list = "number,name,town\n00110,\"Peña, Ana\",Salto\nask,Eva,\n";
    let lab = Lab::with("keep = [\"town\", \"name\"]", CARRIER, list);
    let run = lab.dial().await;
    assert_eq!(run.column("00110", "name"), ["Peña, Ana"; 3]);
    assert_eq!(run.column("00110", "town"), ["Salto"; 3]);
    assert_eq!(
        run.column("ask", "name"),
        ["Eva"],
        "also if it is not called"
    );
}

#[tokio::test(start_paused = true)]
async fn who_is_in_the_list_no_more_is_not_counted() {
    let lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let columns = ResultsColumns::new(&[]);
    let mut bytes = columns.header();
    for (contact, attempt, disposition) in [
        ("00101", 1, Disposition::Answered),
        ("00201", 0, Disposition::Suppressed),
        ("99901", 1, Disposition::Answered),
        ("99902", 1, Disposition::Busy),
    ] {
        let row = ResultsRow {
            contact: contact.to_owned(),
            attempt,
            counted: attempt > 0,
            is_final: true,
            disposition: Some(disposition),
            ..ResultsRow::default()
        };
        bytes.extend(row.to_csv(&columns));
    }
    let earlier = lab.folder.path().join("earlier.csv");
    std::fs::write(&earlier, bytes).unwrap();
    let mut left = Leftover {
        earlier: resume::read(&earlier, Asked::default()).unwrap(),
        ..Leftover::default()
    };
    let counts = beginning(&resources.list, None, &mut left).unwrap();
    assert_eq!(
        (counts.contacts, counts.finished, counts.to_call),
        (3, 2, 1)
    );
    assert_eq!((counts.reached(), counts.pending()), (1, 1));
    let (views, viewer) = snapshot::channel(counts, &[], &resources.clock);
    let over = run(resources, left, None, Stop::default(), views).await;
    assert!(matches!(over, RunEnd::Finished), "{over:?}");
    let counts = viewer.latest().tally;
    assert_eq!((counts.finished, counts.called), (3, 1));
    assert_eq!((counts.reached(), counts.pending()), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_the_trunk_had_no_room_for_is_none_of_the_day() {
    // Congested the first time, answered the second.
    let mut lab = Lab::new(CARRIER, "number\n00182\n");
    lab.campaign.retry.max_per_day = Some(1);
    let run = lab.dial().await;
    run.assert_one_final_row_each(1);
    let rows = run.of("00182");
    assert_eq!(rows.len(), 2);
    let gap = time(rows[1], "dialed_at").duration_since(time(rows[0], "ended_at"));
    assert_eq!(gap.as_secs(), 300, "the delay, and not a day");
}

#[tokio::test(start_paused = true)]
async fn nobody_is_called_on_where_it_cannot_be_written_down_who_opts_out() {
    let mut lab = Lab::new(CARRIER, "number\n00101\n00201\n00301\n");
    lab.campaign.trunks[0].ports = 1;
    sets(&mut lab, &[("CHOICE", "9")]);
    lab.campaign.capture.opt_out = Some(OptOut {
        when: condition("CHOICE", "9"),
        file: lab.folder.path().join("gone").join("dnc.txt"),
    });
    let run = lab.dial().await;
    let RunEnd::OptOutUnwritten(why) = &run.end else {
        panic!("{:?}", run.end);
    };
    assert!(
        why.to_string().contains("dnc.txt cannot be written"),
        "{why}"
    );
    assert_eq!(run.column("00101", "disposition"), ["ANSWERED"]);
    assert_eq!(run.rows.len(), 1, "nobody else was called");
}
