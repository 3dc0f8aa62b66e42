//! The one table of outcomes against the simulated Asterisk. `tests/real/calls.rs` holds it against real ones.

use std::fs;

use crate::common::outcomes::{CASES, Case, DEAD, FORBIDDEN, Way, assert_as_expected, campaign};
use crate::common::{Folder, Pbx, side_by_side};

/// Runs the cases every way.
fn run(cases: &[&Case]) {
    side_by_side(Way::ALL, |way| {
        let pbx = Pbx::start(60, 90);
        let (rest, list) = campaign(way, cases);
        let rest = rest.replace("ring_timeout = \"4s\"", "ring_timeout = \"1s\"");
        let folder = Folder::new(pbx.address, "", "", "", "");
        let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
        let ami = text.split("[contacts]").next().unwrap();
        fs::write(folder.path("campaign.toml"), format!("{ami}{rest}")).unwrap();
        fs::write(folder.path("contacts.csv"), list).unwrap();
        folder.exits(0);
        assert_as_expected(way, cases, &folder.rows(), true);
    });
}

#[test]
fn every_outcome_is_told_the_same_whichever_way_the_call_goes() {
    run(&CASES.iter().chain([&FORBIDDEN]).collect::<Vec<_>>());
}

#[test]
fn a_trunk_that_answers_nothing_at_all_is_congestion_whichever_way_the_call_goes() {
    run(&[&DEAD]);
}
