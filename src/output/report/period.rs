//! From when to when.

use crate::output::format::exact;
use crate::output::report::Moment;
use crate::output::report::entry::hours_and_minutes;

/// `2026-11-25 18:22:22 to 18:22:59 -03:00, 37.0s`: what is the same is not said twice.
pub(super) fn period(first: Moment, last: Moment) -> String {
    let offset = |moment: Moment| {
        moment
            .offset()
            .map(|offset| format!(" {}", hours_and_minutes(offset)))
            .unwrap_or_default()
    };
    let from = first.clock().strftime("%Y-%m-%d %H:%M:%S");
    let from_offset = if first.offset() == last.offset() {
        String::new()
    } else {
        offset(first)
    };
    let to = if first.clock().date() == last.clock().date() && from_offset.is_empty() {
        last.clock().strftime("%H:%M:%S")
    } else {
        last.clock().strftime("%Y-%m-%d %H:%M:%S")
    };
    let took = exact(last.since(first));
    format!("{from}{from_offset} to {to}{}, {took}", offset(last))
}
