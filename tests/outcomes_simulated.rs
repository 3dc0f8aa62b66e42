//! The one table of outcomes against the simulated Asterisk. `tests/real_asterisk.rs` holds it against real ones.

mod common;
mod outcomes;

use std::fs;

use common::{Folder, Pbx, stderr};
use outcomes::{CASES, FORBIDDEN, Way, campaign, check};

#[test]
fn every_outcome_is_told_the_same_whichever_way_the_call_goes() {
    let pbx = Pbx::start(60, 90);
    let cases: Vec<_> = CASES.iter().chain([&FORBIDDEN]).collect();
    let mut wrong = Vec::new();
    for way in Way::ALL {
        let (rest, list) = campaign(way, &cases);
        let folder = Folder::new(pbx.address, "", "", "", "");
        let text = fs::read_to_string(folder.path("campaign.toml")).unwrap();
        let ami = text.split("[contacts]").next().unwrap();
        fs::write(folder.path("campaign.toml"), format!("{ami}{rest}")).unwrap();
        fs::write(folder.path("contacts.csv"), list).unwrap();
        let output = folder.run();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        wrong.extend(check(way, &cases, &folder.rows(), true));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
