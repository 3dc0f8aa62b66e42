//! What a campaign may say, and hardly means: lines that its pace never fills, answers that prove nothing.

use crate::commands::estimate::Expected;
use crate::config::{Campaign, Fault, Trunk};

/// Technologies whose lines may be analog: an analog line counts as answered as soon as it is dialed on.
const MAY_BE_ANALOG: [&str; 5] = ["DAHDI", "Zap", "VPB", "Phone", "MGCP"];

/// What there is to say, trunk by trunk.
pub(super) fn of(campaign: &Campaign) -> Vec<Fault> {
    let mut doubts = Vec::new();
    for trunk in &campaign.trunks {
        let mut doubt = |message: String| {
            doubts.push(Fault {
                file: campaign.path.clone(),
                line: Some(trunk.channel.line),
                column: Some(trunk.channel.column),
                message,
            });
        };
        if let Some(message) = never_filled(campaign, trunk) {
            doubt(message);
        }
        if let Some(message) = proves_nothing(campaign, trunk) {
            doubt(message);
        }
    }
    doubts
}

/// Lines that stay empty, because no call begins on them before one ends elsewhere.
fn never_filled(campaign: &Campaign, trunk: &Trunk) -> Option<String> {
    let expected = Expected::of(campaign);
    let filled = (trunk.calls_per_second * expected.call).ceil().max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "no trunk has so many lines")]
    let lines = trunk.ports as f64;
    if filled >= lines || expected.call <= 0.0 {
        return None;
    }
    Some(format!(
        "trunk {}: at {} calls a second no more than about {filled:.0} of its {} lines are ever in use at once; `calls_per_second = {:.1}` would fill them ({})",
        trunk.name,
        trunk.calls_per_second,
        trunk.ports,
        (lines / expected.call * 10.0).ceil() / 10.0,
        expected.assumption()
    ))
}

/// Whether an answer on a trunk may be none, and nothing else tells the outcome.
fn proves_nothing(campaign: &Campaign, trunk: &Trunk) -> Option<String> {
    let dialed = trunk.channel.template.text();
    let (technology, _) = dialed.split_once('/')?;
    let may_be_analog = MAY_BE_ANALOG
        .iter()
        .any(|analog| analog.eq_ignore_ascii_case(technology));
    if !may_be_analog || campaign.capture.disposition.is_some() {
        return None;
    }
    Some(format!(
        "trunk {}: on an analog line every call counts as ANSWERED as soon as it is dialed, whatever becomes of it; \
         let the dialplan find that out, and name its variable as `disposition` in [capture] (ISDN lines tell it themselves)",
        trunk.name
    ))
}
