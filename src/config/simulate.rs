//! `[simulate]`: what the simulated Asterisk does.

use super::{DAY, Simulate};
use crate::config::section::Section;

pub(super) fn simulate(section: &Section<'_, '_>) -> Simulate {
    let share = |key, default| {
        let share = section.float(key, 0.0..=1.0, "a share between 0 and 1");
        share.unwrap_or(default)
    };
    let mean = |key, default| section.duration(key, "0s"..=DAY).unwrap_or(default);
    let seed = section.integer("seed", 0..=u64::MAX);
    let default = Simulate::default();
    let simulate = Simulate {
        seed: seed.unwrap_or(default.seed),
        answered: share("answered", default.answered),
        busy: share("busy", default.busy),
        declined: share("declined", default.declined),
        congestion: share("congestion", default.congestion),
        invalid: share("invalid", default.invalid),
        no_channel: share("no_channel", default.no_channel),
        talk: mean("talk", default.talk),
        ring: mean("ring", default.ring),
    };
    let sum = simulate.fates();
    if sum > 1.0 + 1e-9 {
        let message = "they must not be more than 1";
        let message = format!("the shares of [simulate] add up to {sum:.2}: {message}");
        section.error(section.at, message);
    }
    simulate
}
