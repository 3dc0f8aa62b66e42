//! Why no further call begins, from what the last look for one found.

use jiff::Timestamp;
use tokio::time::Instant;

use crate::campaign::lines::Lines;
use crate::campaign::queue::Queue;
use crate::campaign::snapshot::Waits;
use crate::clock::Clock;
use crate::trunk::Admission;

/// How far the last look for a call to begin came.
#[derive(Debug, Clone, Copy)]
pub(super) enum LastLook {
    /// There was none yet.
    NotYet,
    /// There has been no connection since then.
    NoConnection(Instant),
    /// The lists of numbers never to call are being read.
    Suppressions,
    /// It is outside the hours until then.
    Closed(Option<Timestamp>),
    /// Each trunk was asked.
    AtTrunks,
}

/// Why no further call is begun, in a run that goes on.
pub(super) fn waits(look: LastLook, queue: &Queue, lines: &Lines, clock: &Clock) -> Waits {
    match look {
        LastLook::NotYet => return Waits::Beginning,
        LastLook::NoConnection(since) => return Waits::Connection(clock.millis_at(since)),
        LastLook::Suppressions => return Waits::Suppressions,
        LastLook::Closed(opens) if queue.has_somebody() => {
            return Waits::Window(opens.map(Timestamp::as_millisecond));
        }
        LastLook::Closed(_) | LastLook::AtTrunks => {}
    }
    if queue.is_exhausted() {
        return Waits::LastCalls;
    }
    if queue.has_ready()
        && let Some(waits) = waits_for_trunks(lines.admissions(), clock)
    {
        return waits;
    }
    if queue.is_reading() {
        return Waits::List;
    }
    if queue.has_skipped() {
        return Waits::Rows;
    }
    let due = queue.first_due().map(Timestamp::as_millisecond);
    due.map_or(Waits::Calls, Waits::Retries)
}

/// What a contact that could be called waits for.
fn waits_for_trunks(admissions: &[Admission], clock: &Clock) -> Option<Waits> {
    let paced = admissions.iter().filter_map(|admission| match admission {
        Admission::Paced(until) => Some(*until),
        _ => None,
    });
    if let Some(until) = paced.min() {
        return Some(Waits::Pace(clock.millis_at(until)));
    }
    if admissions.contains(&Admission::Busy) {
        return Some(Waits::Lines);
    }
    let rests = admissions.iter().filter_map(|admission| match admission {
        Admission::Rests(until) => Some(*until),
        _ => None,
    });
    let first = rests.min().map(|until| clock.millis_at(until));
    (first.is_some() || admissions.contains(&Admission::Tried)).then_some(Waits::Trunks(first))
}
