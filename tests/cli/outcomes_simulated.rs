//! The one table of outcomes against the simulated Asterisk. `tests/real/calls.rs` holds it against real ones.

use std::fs;

use crate::common::outcomes::{CASES, Case, DEAD, FORBIDDEN, Way, campaign, check};
use crate::common::{Folder, Pbx, stderr};

/// Runs the cases one way, and tells what is wrong.
fn run(pbx: &Pbx, way: Way, cases: &[&Case]) -> Vec<String> {
    let (rest, list) = campaign(way, cases);
    let rest = rest.replace("ring_timeout = \"4s\"", "ring_timeout = \"1s\"");
    let folder = Folder::new(pbx.address, "", "", "", "");
    let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
    let ami = text.split("[contacts]").next().unwrap();
    fs::write(folder.path("campaign.toml"), format!("{ami}{rest}")).unwrap();
    fs::write(folder.path("contacts.csv"), list).unwrap();
    let output = folder.run();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    check(way, cases, &folder.rows(), true)
}

#[test]
fn every_outcome_is_told_the_same_whichever_way_the_call_goes() {
    let pbx = Pbx::start(60, 90);
    let cases: Vec<_> = CASES.iter().chain([&FORBIDDEN]).collect();
    let wrong: Vec<String> = Way::ALL
        .into_iter()
        .flat_map(|way| run(&pbx, way, &cases))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_trunk_that_answers_nothing_at_all_is_congestion_whichever_way_the_call_goes() {
    let pbx = Pbx::start(60, 90);
    let wrong: Vec<String> = Way::ALL
        .into_iter()
        .flat_map(|way| run(&pbx, way, &[&DEAD]))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
