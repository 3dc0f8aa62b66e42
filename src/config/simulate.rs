//! `[simulate]`: what the simulated Asterisk does.

use std::time::Duration;

use super::{DAY, Simulate};
use crate::config::section::Section;

pub(super) fn simulate(section: &Section<'_, '_>) -> Simulate {
    let share = |key, default| {
        section.float(
            key,
            default,
            |share| (0.0..=1.0).contains(&share),
            "a share between 0 and 1",
        )
    };
    let default = Simulate::default();
    let simulate = Simulate {
        seed: section
            .integer("seed", 0..=u64::MAX)
            .unwrap_or(default.seed),
        answered: share("answered", default.answered),
        busy: share("busy", default.busy),
        declined: share("declined", default.declined),
        congestion: share("congestion", default.congestion),
        invalid: share("invalid", default.invalid),
        no_channel: share("no_channel", default.no_channel),
        talk: section.duration("talk", default.talk, Duration::ZERO..=DAY),
        ring: section.duration("ring", default.ring, Duration::ZERO..=DAY),
    };
    let sum = simulate.answered
        + simulate.busy
        + simulate.declined
        + simulate.congestion
        + simulate.invalid
        + simulate.no_channel;
    if sum > 1.0 + 1e-9 {
        section.fault_here(format!(
            "the shares of [simulate] add up to {sum:.2}: they must not be more than 1"
        ));
    }
    section.finish();
    simulate
}
