//! What is allowed and probably not meant: lines that the pace never fills, answers that prove nothing.

use crate::config::{Campaign, Diagnostic, TrunkConfig};
use crate::plural::counted;

/// Technologies whose lines may be analog: an analog line counts as answered as soon as it is dialed on.
const MAY_BE_ANALOG: [&str; 5] = ["DAHDI", "Zap", "VPB", "Phone", "MGCP"];

/// What there is to say, trunk by trunk.
pub(super) fn of(campaign: &Campaign) -> Vec<Diagnostic> {
    let of_trunk = |trunk: &TrunkConfig| {
        let (empty, analog) = (
            never_filled(campaign, trunk),
            proves_nothing(campaign, trunk),
        );
        let at = trunk.channel.at;
        let messages = empty.into_iter().chain(analog);
        messages.map(move |message| Diagnostic::at(&campaign.path, at, message))
    };
    campaign.trunks.iter().flat_map(of_trunk).collect()
}

/// Lines that stay empty, because the pace begins no call on them before one ends elsewhere.
fn never_filled(campaign: &Campaign, trunk: &TrunkConfig) -> Option<String> {
    let call = mean_call(campaign);
    let filled = (trunk.calls_per_second * call).ceil().max(1.0);
    #[expect(clippy::cast_precision_loss, reason = "no trunk has so many lines")]
    let lines = trunk.ports as f64;
    if filled >= lines || call <= 0.0 {
        return None;
    }
    Some(format!(
        "trunk {}: at {} a second about {filled:.0} of its {} lines are in use at once, and never more; \
         `calls_per_second = {:.1}` would fill them (a call takes {call:.1} s on average, by [simulate])",
        trunk.name,
        counted(trunk.calls_per_second, "call"),
        trunk.ports,
        (lines / call * 10.0).ceil() / 10.0,
    ))
}

/// Seconds that a call of a rehearsal keeps its line, on average.
fn mean_call(campaign: &Campaign) -> f64 {
    let simulate = campaign.simulate;
    let call_timeout = campaign.call.call_timeout;
    let ring_timeout = campaign.call.ring_timeout.min(call_timeout);
    let ring = simulate.ring.min(ring_timeout);
    let talk = simulate.talk.min(call_timeout.saturating_sub(ring));
    // What the far end refuses at once takes about an eighth of the ringing.
    let refused = simulate.busy + simulate.congestion + simulate.invalid;
    simulate.answered * talk.as_secs_f64()
        + (simulate.answered + simulate.declined + refused / 8.0) * ring.as_secs_f64()
        + simulate.unanswered() * ring_timeout.as_secs_f64()
}

/// Whether an answer on a trunk may not be one, and nothing else shows the outcome.
fn proves_nothing(campaign: &Campaign, trunk: &TrunkConfig) -> Option<String> {
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
