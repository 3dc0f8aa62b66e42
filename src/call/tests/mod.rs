mod captured;
mod recordings;
mod session_breaks;
mod surprises;

use super::observations::{Cause, Leg};
use super::*;

#[test]
fn a_call_that_was_over_before_it_was_to_be_cut_was_not_cut() {
    let ended_at = Instant::now();
    let mut signals = Signals::new(ended_at);
    let mut leg = Leg::new(b"1.1", b"PJSIP/carrier-1");
    leg.cause = Some(Cause {
        code: 16,
        text: String::new(),
    });
    signals.channel = Some(leg);
    let cut_at = |at| Ended::of(signals.clone(), Some((Cut::Cancelled, at))).cut;
    assert_eq!(cut_at(ended_at + Duration::from_millis(1)), None);
    assert_eq!(
        cut_at(ended_at - Duration::from_millis(1)),
        Some(Cut::Cancelled)
    );
}
