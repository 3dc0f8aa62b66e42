//! Several trunks, their troubles and their pace, held against a real Asterisk.

use std::fmt::Write as _;
use std::thread;
use std::time::Duration;

use crate::asterisk::{Campaign, Crowd, Pbx, Relay, Row, Watch, crowd_is_registered};
use crate::common::stalls;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _, Zoned};

/// A trunk to the people of an endpoint, each of its calls a third of a second long.
fn trunk(name: &str, endpoint: &str, ports: usize, calls_per_second: f64) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nchannel = \"PJSIP/{{number}}@{endpoint}\"\nports = {ports}\ncalls_per_second = {calls_per_second}\n"
    )
}

fn campaign(trunks: &str, contacts: usize) -> Campaign {
    let mut list = "number\n".to_owned();
    for contact in 0..contacts {
        let _ = writeln!(list, "{}", 10_000 + contact);
    }
    Campaign::new(
        &format!(
            "[contacts]\nfile = \"contacts.csv\"\n[call]\ncontext = \"brief\"\nexten = \"s\"\nring_timeout = \"2s\"\n\
             {trunks}\n[retry]\nmax_attempts = 1\ndelay = \"1s\"\n"
        ),
        list,
    )
}

fn of<'r>(rows: &'r [Row], trunk: &str) -> Vec<&'r Row> {
    rows.iter()
        .filter(|row| row.get("trunk") == trunk)
        .collect()
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_trunk_that_fails_in_three_ways_is_rested_and_used_again_when_it_is_back() {
    let trunks = trunk("failing", "crowd", 10, 50.0)
        + &trunk("second", "answer", 5, 50.0)
        + &trunk("third", "leaves", 5, 50.0);
    let campaign = campaign(&trunks, 1_000).rest("max_attempts = 1", "max_attempts = 3");
    let crowd = Crowd::gather();
    let watch = Watch::channels("PJSIP/");
    let run = thread::scope(|scope| {
        let running = scope.spawn(|| campaign.run());
        watch.wait_for(60);
        drop(crowd);
        let refusing = Crowd::refusing("503 Service Unavailable");
        thread::sleep(Duration::from_secs(4));
        drop(refusing); // dead: nobody says anything any more
        thread::sleep(Duration::from_secs(5));
        crowd_is_registered(false);
        thread::sleep(Duration::from_secs(4));
        crowd_is_registered(true);
        let _crowd = Crowd::gather();
        running.join().unwrap()
    });
    run.assert_complete();
    for row in run.rows.iter().filter(|row| row.is_final()) {
        row.assert_disposition("ANSWERED");
    }
    let on_failing = of(&run.rows, "failing");
    let (answered, failed): (Vec<&Row>, Vec<&Row>) = on_failing
        .into_iter()
        .partition(|row| row.get("disposition") == "ANSWERED");
    // Some phones rang when it failed, and before it was seen a few were thought to be off.
    let counted = failed.iter().filter(|row| row.get("counted") == "yes");
    assert!(counted.count() <= 10, "{run}");
    for row in &failed {
        let congested = row.get("disposition") == "CONGESTION";
        assert_eq!(congested, row.get("counted") == "no", "{run}");
    }
    // Those that were on their way, and the trials: not the list.
    assert!(
        (5..60).contains(&failed.len()),
        "{} failed on it: {run}",
        failed.len()
    );
    let last_failure = failed.iter().map(|row| row.get("ended_at")).max();
    let last_answer = answered.iter().map(|row| row.get("dialed_at")).max();
    assert!(last_answer > last_failure, "it was not used again: {run}");
    let again = answered
        .iter()
        .filter(|row| Some(row.get("dialed_at")) > last_failure);
    assert!(again.count() > 20, "it was hardly used again: {run}");
    assert!(run.stderr.contains("trunk failing does not work"), "{run}");
    assert!(run.stderr.contains("trunk failing works again"), "{run}");
    let outage = first_and_last(failed.iter().map(|row| time(row, "ended_at")));
    for other in ["second", "third"] {
        let rows = of(&run.rows, other);
        assert!(rows.len() > 100, "{other} carried on: {run}");
        let busy = share_in_use(&rows, 5, outage);
        assert!(busy > 0.8, "{other}: {busy} of its lines in use: {run}");
    }
}

/// A moment of a row, in seconds since 1970.
fn time(row: &Row, column: &str) -> f64 {
    let at: Timestamp = row.get(column).parse().expect("a time");
    Duration::try_from(at.as_duration())
        .expect("after 1970")
        .as_secs_f64()
}

fn first_and_last(moments: impl Iterator<Item = f64>) -> (f64, f64) {
    moments.fold((f64::MAX, f64::MIN), |(first, last), at| {
        (first.min(at), last.max(at))
    })
}

/// Which share of these calls' lines was in use between two moments.
fn share_in_use(rows: &[&Row], lines: u32, (from, to): (f64, f64)) -> f64 {
    let within = |row: &&Row| {
        let (begun, ended) = (time(row, "dialed_at"), time(row, "ended_at"));
        (ended.min(to) - begun.max(from)).max(0.0)
    };
    rows.iter().map(within).sum::<f64>() / (f64::from(lines) * (to - from))
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn with_only_a_trunk_that_fails_the_run_ends_and_the_same_command_goes_on() {
    let campaign = campaign(&trunk("only", "crowd", 10, 50.0), 60)
        .ami("reconnect_for = \"60s\"", "reconnect_for = \"8s\"");
    let refusing = Crowd::refusing("503 Service Unavailable");
    let run = campaign.run();
    assert_eq!(run.code, Some(3), "{run}");
    assert!(run.rows.iter().all(|row| !row.is_final()), "{run}");
    assert!(
        run.rows.iter().all(|row| row.get("counted") == "no"),
        "{run}"
    );
    assert!(
        run.stderr.contains("no trunk has worked for reconnect_for"),
        "{run}"
    );
    drop(refusing);
    let _crowd = Crowd::gather();
    let run = campaign.run();
    run.assert_complete();
    for row in run.rows.iter().filter(|row| row.is_final()) {
        row.assert_disposition("ANSWERED");
    }
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_wrong_prefix_costs_ten_contacts_who_are_named_and_can_be_redialed() {
    let campaign = campaign(&trunk("wrong", "notfound", 10, 50.0), 60)
        .ami("reconnect_for = \"60s\"", "reconnect_for = \"6s\"");
    let run = campaign.run();
    assert_eq!(run.code, Some(3), "{run}");
    let finals: Vec<_> = run.rows.iter().filter(|row| row.is_final()).collect();
    assert_eq!(finals.len(), 10, "{run}");
    for row in &finals {
        assert!(run.stderr.contains(row.get("contact")), "{run}");
    }
    assert!(run.stderr.contains("--redial"), "{run}");
    let run = campaign
        .rest("@notfound", "@answer")
        .with(&["--redial", "INVALID NUMBER"])
        .run();
    assert_eq!(run.code, Some(0), "{run}");
    let answered = run
        .rows
        .iter()
        .filter(|row| row.get("disposition") == "ANSWERED");
    assert_eq!(answered.count(), 60, "{run}");
}

/// The most of these moments within any such time, both in seconds.
fn most_within(mut moments: Vec<f64>, time: f64) -> usize {
    moments.sort_by(f64::total_cmp);
    let within = |first: usize| {
        let end = moments[first] + time;
        moments[first..].iter().take_while(|&&at| at < end).count()
    };
    (0..moments.len()).map(within).max().unwrap_or(0)
}

/// So many contacts at twenty calls a second; every ninth is busy once more.
fn twenty_calls_a_second(contacts: usize) {
    let calls = contacts + contacts / 9;
    let relay = Relay::to_pbx();
    let mut list = "number,party\n".to_owned();
    for contact in 0..contacts {
        let party = if contact % 9 == 0 { "busy" } else { "instant" };
        let _ = writeln!(list, "{},{party}", 10_000 + contact);
    }
    let trunk = trunk("paced", "{party}", 60, 20.0);
    let campaign = Campaign::new(
        &format!(
            "[contacts]\nfile = \"contacts.csv\"\n[call]\ncontext = \"brief\"\nexten = \"s\"\n{trunk}\n\
             [retry]\nmax_attempts = 2\ndelay = \"3s\"\n"
        ),
        list,
    )
    .ami(
        &format!("port = {}", Pbx::under_test().port),
        &format!("port = {}", relay.port),
    );
    let watch = Watch::channels("PJSIP/");
    let (run, stalls) = stalls::during(|| campaign.run());
    run.assert_complete();
    assert_eq!(run.rows.len(), calls);
    let seen = watch.end();
    let written = relay.originates();
    assert_eq!(written.len(), calls + 1, "the permission check is one more");
    let written = &written[1..];
    let noted: Vec<f64> = run.rows.iter().map(|row| time(row, "dialed_at")).collect();
    let in_a_second = most_within(noted, 1.0);
    assert!(in_a_second <= 20, "{in_a_second} written in a second");
    // Whoever reads the wire is late at times, as late as this machine lets a thread be.
    let seconds = 1.0 - stalls.worst.as_secs_f64();
    let on_the_wire = most_within(written.to_vec(), seconds);
    assert!(
        on_the_wire <= 20,
        "{on_the_wire} in {seconds} s on the wire"
    );
    assert_eq!(seen.created_at.len(), calls);
    let seconds = 0.95 - stalls.worst.as_secs_f64();
    let at_pbx = most_within(seen.created_at, seconds);
    assert!(at_pbx <= 20, "{at_pbx} in {seconds} s at the PBX");
    // The last calls are retries that were waited for.
    let steady = &written[..contacts];
    #[expect(clippy::cast_precision_loss, reason = "hundreds of calls")]
    let average = (contacts - 1) as f64 / (steady[contacts - 1] - steady[0]);
    assert!(average >= 19.0, "{average} a second on average");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn twenty_calls_a_second_are_never_more_and_hardly_less() {
    twenty_calls_a_second(270);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn two_trunks_each_keep_their_own_pace() {
    let relay = Relay::to_pbx();
    let trunks = trunk("slow", "instant", 40, 4.0) + &trunk("fast", "answer", 40, 12.0);
    let campaign = campaign(&trunks, 160).ami(
        &format!("port = {}", Pbx::under_test().port),
        &format!("port = {}", relay.port),
    );
    let (slow, fast) = (
        Watch::channels("PJSIP/instant-"),
        Watch::channels("PJSIP/answer-"),
    );
    let (run, stalls) = stalls::during(|| campaign.run());
    run.assert_complete();
    let written = relay.originates();
    assert_eq!(written.len(), 161, "the permission check is one more");
    let late = stalls.worst.as_secs_f64();
    let on_the_wire = most_within(written[1..].to_vec(), 1.0 - late);
    assert!(on_the_wire <= 4 + 12, "{on_the_wire} in {} s", 1.0 - late);
    for (seen, name, most) in [(slow.end(), "slow", 4), (fast.end(), "fast", 12)] {
        assert_eq!(seen.created.len(), of(&run.rows, name).len());
        let at_pbx = most_within(seen.created_at, 0.95 - late);
        assert!(at_pbx <= most, "{name}: {at_pbx} in {} s", 0.95 - late);
        let rows = of(&run.rows, name);
        let noted = rows.iter().map(|row| time(row, "dialed_at")).collect();
        let in_a_second = most_within(noted, 1.0);
        assert!(in_a_second <= most, "{name}: {in_a_second} in a second");
        let (first, last) = first_and_last(rows.iter().map(|row| time(row, "dialed_at")));
        #[expect(clippy::cast_precision_loss, reason = "a hundred calls")]
        let (calls, most) = (rows.len() as f64, most as f64);
        let average = (calls - 1.0) / (last - first);
        assert!(average > most * 0.9, "{name}: {average} a second");
    }
}

/// Three contacts, and hours that begin again at nine in the morning of the day after tomorrow; that moment.
fn closed(outside: &str) -> (Campaign, String) {
    let opens = Zoned::now().with_time_zone(TimeZone::UTC).date() + 2.days();
    let day = opens.strftime("%a").to_string().to_lowercase();
    let campaign = campaign(&trunk("answering", "answer", 3, 50.0), 3).rest(
        "[retry]",
        &format!(
            "[window]\ntimezone = \"UTC\"\noutside = \"{outside}\"\n\
             [[window.open]]\ndays = [\"{day}\"]\nfrom = \"09:00\"\nto = \"10:00\"\n[retry]"
        ),
    );
    (campaign, format!("{opens} 09:00:00"))
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_run_outside_its_hours_that_does_not_wait_calls_nobody_and_says_until_when() {
    let (campaign, opens) = closed("stop");
    let watch = Watch::channels("PJSIP/");
    let run = campaign.run();
    assert_eq!(run.code, Some(3), "{run}");
    let said = format!("stopped with 3 contacts left: outside the calling hours until {opens}");
    assert!(run.stderr.contains(&said), "{run}");
    assert_eq!(run.rows.len(), 0, "{run}");
    assert_eq!(watch.end().created.len(), 0, "{run}");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_run_that_waits_for_its_hours_says_until_when_and_for_how_many_and_can_be_stopped() {
    let (campaign, opens) = closed("wait");
    let watch = Watch::channels("PJSIP/");
    let said = format!("outside the calling hours until {opens}; 3 contacts are left");
    let run = campaign.run_until_it_says(&said);
    assert_eq!(run.code, Some(3), "{run}");
    assert_eq!(run.rows.len(), 0, "{run}");
    assert_eq!(watch.end().created.len(), 0, "{run}");
}

/// What takes long and is asked for by name.
mod long {
    #[test]
    #[ignore = "needs a real Asterisk, and takes a minute"]
    fn a_thousand_calls_at_twenty_a_second_are_never_more_and_hardly_less() {
        super::twenty_calls_a_second(900);
    }
}
