//! Several trunks, each with its lines, its pace and its troubles.

use std::fmt::Write as _;

use super::*;

/// A trunk on which every number gets these digits at its end, which tell its fate; none: the number's own.
fn trunk(name: &str, fate: &str, ports: usize) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nchannel = \"PJSIP/{{number}}{fate}@{name}\"\nports = {ports}\ncalls_per_second = 1000.0\n"
    )
}

fn people(count: usize, fate: u8) -> String {
    let mut list = "number\n".to_owned();
    for contact in 0..count {
        let _ = writeln!(list, "{contact:05}{fate:02}");
    }
    list
}

fn rows_of<'d>(run: &'d Dialed, trunk: &str) -> Vec<&'d Row> {
    run.rows
        .iter()
        .filter(|row| row["trunk"] == trunk)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_trunk_with_a_free_line_is_taken() {
    let trunks = trunk("first", "", 3) + &trunk("second", "", 2);
    let lab = Lab::new(&trunks, &people(20, 1));
    let run = lab.dial().await;
    run.assert_one_final_row_each(20);
    assert_eq!(rows_of(&run, "first").len(), 12);
    assert_eq!(rows_of(&run, "second").len(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_trunk_that_only_congests_is_rested_and_the_others_reach_everybody() {
    let trunks = trunk("bad", "50", 10) + &trunk("good", "", 10);
    let mut lab = Lab::new(&trunks, &people(300, 1));
    lab.campaign.retry.max_attempts = 1;
    let run = lab.dial().await;
    run.assert_one_final_row_each(300);
    let on_the_bad_one = rows_of(&run, "bad");
    // Those that were on their way when it was seen, and one for each trial.
    assert!(
        (6..40).contains(&on_the_bad_one.len()),
        "{}",
        on_the_bad_one.len()
    );
    for row in on_the_bad_one {
        assert_eq!(
            (row["counted"].as_str(), row["final"].as_str()),
            ("no", "no")
        );
    }
    for row in rows_of(&run, "good") {
        assert_eq!(row["disposition"], "ANSWERED");
    }
}

#[tokio::test(start_paused = true)]
async fn with_only_a_trunk_that_does_not_work_the_run_ends_and_nobody_has_a_final_row() {
    for fate in ["50", "60", "21"] {
        let mut lab = Lab::new(&trunk("bad", fate, 5), &people(50, 1));
        lab.campaign.retry.max_attempts = 1;
        let run = lab.dial().await;
        assert!(
            matches!(&run.end, RunEnd::TrunksLost(finals) if finals.is_empty()),
            "{:?}",
            run.end
        );
        assert!(
            run.rows
                .iter()
                .all(|row| row["final"] == "no" && row["counted"] == "no")
        );
        let trials = run.rows.len();
        assert!((6..30).contains(&trials), "{fate}: {trials} rows");
        let first = time(&run.rows[0], "ended_at");
        let last = time(run.rows.last().unwrap(), "ended_at");
        let took = last.duration_since(first).as_secs();
        assert!(
            (600..=660).contains(&took),
            "{fate}: it was tried for {took} s"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_prefix_costs_ten_contacts_and_not_the_list() {
    for (fate, disposition) in [("40", "INVALID NUMBER"), ("31", "REJECTED")] {
        let lab = Lab::new(&trunk("wrong", fate, 30), &people(200, 1));
        let run = lab.dial().await;
        let RunEnd::TrunksLost(named) = &run.end else {
            panic!("{:?}", run.end);
        };
        let is_final = |row: &&Row| row["final"] == "yes";
        let mut finals: Vec<_> = run
            .rows
            .iter()
            .filter(is_final)
            .map(|row| &row["contact"])
            .collect();
        assert_eq!(finals.len(), 10, "{fate}");
        let mut named: Vec<_> = named.iter().map(|(contact, _)| contact).collect();
        named.sort();
        finals.sort();
        assert_eq!(named, finals, "they are named");
        for row in &run.rows {
            assert_eq!(row["disposition"], disposition, "what was seen is told");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_trunk_that_comes_back_is_used_again_with_all_its_lines() {
    // The first time that a number with 82 is dialed, the trunk has no room.
    let mut lab = Lab::new(&trunk("only", "", 10), &people(40, 82));
    lab.campaign.retry.delay = Duration::from_secs(1);
    let run = lab.dial().await;
    run.assert_one_final_row_each(40);
    let answered = run
        .rows
        .iter()
        .filter(|row| row["disposition"] == "ANSWERED")
        .count();
    assert_eq!(answered, 40);
    assert!(
        run.rows
            .iter()
            .all(|row| row["disposition"] == "ANSWERED" || row["counted"] == "no")
    );
}

#[tokio::test(start_paused = true)]
async fn who_was_congested_on_one_trunk_goes_to_another() {
    let trunks = trunk("first", "", 1) + &trunk("second", "", 1);
    let mut lab = Lab::new(&trunks, "number\n00182\n00201\n00301\n00401\n00501\n");
    lab.campaign.retry.delay = Duration::from_secs(5);
    let run = lab.dial().await;
    run.assert_one_final_row_each(5);
    // It is congested once on each.
    let trunks = run.column("00182", "trunk");
    assert_eq!(trunks, ["first", "second", "first"]);
}

#[tokio::test(start_paused = true)]
async fn each_trunk_keeps_its_own_pace() {
    let slow = trunk("slow", "", 50).replace("1000.0", "2.0");
    let fast = trunk("fast", "", 50).replace("1000.0", "20.0");
    let run = Lab::new(&(slow + &fast), &people(400, 1)).dial().await;
    run.assert_one_final_row_each(400);
    for (name, most) in [("slow", 2), ("fast", 20)] {
        let mut at: Vec<i64> = rows_of(&run, name)
            .iter()
            .map(|row| time(row, "dialed_at").as_millisecond())
            .collect();
        at.sort_unstable();
        let fullest = (0..at.len())
            .map(|first| {
                at[first..]
                    .iter()
                    .take_while(|&&call| call < at[first] + 1_000)
                    .count()
            })
            .max();
        assert_eq!(fullest, Some(most), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_trunk_that_dies_without_a_word_costs_a_few_attempts_and_not_one_of_everybody() {
    // Ten people answer, and then nobody says anything any more.
    let list = people(10, 1) + &people(60, 21).replace("number\n", "").replace("000", "100");
    let mut lab = Lab::new(&trunk("only", "", 5), &list);
    lab.campaign.call.ring_timeout = Duration::from_secs(10);
    lab.campaign.ami.reconnect_for = Duration::from_secs(120);
    let run = lab.dial().await;
    assert!(matches!(run.end, RunEnd::TrunksLost(_)), "{:?}", run.end);
    let counted = |row: &&Row| row["counted"] == "yes" && row["disposition"] != "ANSWERED";
    let counted = run.rows.iter().filter(counted).count();
    assert!(
        (1..=3).contains(&counted),
        "{counted} attempts were used up"
    );
    let silent = run
        .rows
        .iter()
        .filter(|row| row["disposition"] == "CONGESTION");
    assert!(silent.count() > 5);
}

#[tokio::test(start_paused = true)]
async fn lines_are_not_left_idle_for_those_who_would_rather_be_called_on_another_trunk() {
    // Every fourth is congested at first on the big trunk; the small one reaches everybody, one after the other.
    let trunks = trunk("big", "", 20) + &trunk("small", "01", 1);
    let mut people = "number\n".to_owned();
    for contact in 0..300 {
        let fate = if contact % 4 == 0 { 82 } else { 1 };
        let _ = writeln!(people, "1{contact:04}{fate:02}");
    }
    let mut lab = Lab::new(&trunks, &people);
    lab.campaign.retry.delay = Duration::from_secs(30);
    let run = lab.dial().await;
    run.assert_one_final_row_each(300);
    let first = run.rows.iter().map(|row| time(row, "dialed_at")).min();
    let end = run.rows.iter().map(|row| time(row, "ended_at")).max();
    let took = end.unwrap().duration_since(first.unwrap()).as_secs();
    // 300 answers of eleven seconds take 160 on 21 lines; one line alone would need 800 for those who were congested.
    assert!(took < 300, "it took {took} s");
}
