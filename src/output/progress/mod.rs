//! What the operator reads of a run that goes on: the log's line here, the terminal's in `bar`, the same things in both.

mod bar;
mod left;

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use tracing::info;

use crate::campaign::snapshot::{TrunkView, View, Viewer};
use crate::clock;
use crate::output::format::{rough, rounded};
use crate::plural::counted;
use crate::trunk::breaker::{Condition, Trouble};
pub use bar::bar;
pub use left::TimeLeft;

/// A run, and how long it still takes.
#[derive(Debug)]
pub struct RunWatch {
    viewer: Viewer,
    left: TimeLeft,
}

/// What is seen at one moment.
#[derive(Debug)]
pub struct Seen {
    /// How the run is.
    pub view: View,
    /// How long the rest takes; `None` where that is not known.
    pub left: Option<Duration>,
}

impl RunWatch {
    /// Begins to look at a run.
    pub fn of(viewer: Viewer) -> Self {
        let mut left = TimeLeft::default();
        left.look(&viewer.latest().tally, Instant::now());
        Self { viewer, left }
    }

    /// How the run is now; how it was, if it does not say so in time.
    pub fn look(&mut self, patience: Duration) -> Seen {
        let view = self.viewer.look(patience);
        self.seen(view)
    }

    /// How the run was when it was looked at last, or ended.
    pub fn latest(&mut self) -> Seen {
        let view = self.viewer.latest();
        self.seen(view)
    }

    fn seen(&mut self, view: View) -> Seen {
        let left = self.left.look(&view.tally, Instant::now());
        Seen {
            left: left.filter(|_| !view.is_ending()),
            view,
        }
    }
}

/// Logs it: a sentence, or fields. What this module logs appears also with `-q`: then a person asked for it.
pub fn log(seen: &Seen, as_fields: bool) {
    if !as_fields {
        info!("{}", line(seen));
        return;
    }
    let view = &seen.view;
    let time = |millis: i64| clock::rfc3339(&view.time(millis));
    info!(
        pending = view.tally.pending(),
        finished = view.tally.finished,
        failed = view.tally.failed,
        ports = view.ports(),
        ports_free = view.free_ports(),
        dispatched = view.tally.dispatched,
        running = view.running,
        retrying = view.retrying,
        next_retry_at = view.next_due.map(time),
        calls_per_second = view.calls_per_second.map(rounded),
        answer_rate = view.tally.answer_rate().map(rounded),
        seconds_left = seen.left.map(|left| left.as_secs()),
        trunks = trunks(view),
        waits_for = view.waits.word(),
        waits_until = view.waits.until().map(time),
        waits_since = view.waits.since().map(time),
        why = view.why(),
        "progress"
    );
}

/// Says that there is no run to be looked at.
pub fn log_that_nothing_runs() {
    info!("nothing is being dialed: the run has not begun yet, or is over");
}

/// Says how a simulated Asterisk is.
pub fn log_simulator(originates: u64, calls: usize, most_calls: usize) {
    let (originates, calls) = (counted(originates, "originate"), counted(calls, "call"));
    info!("{originates} so far, {calls} now, at most {most_calls} at once");
}

/// How the run is, for the log.
fn line(Seen { view, left }: &Seen) -> String {
    let tally = &view.tally;
    let mut line = format!(
        "{} pending, {} finished, {} failed, {} of {} ports free, {} dispatched",
        tally.pending(),
        tally.finished,
        tally.failed,
        view.free_ports(),
        view.ports(),
        tally.dispatched,
    );
    // Writing to a string cannot fail.
    if let Some(speed) = view.calls_per_second {
        let _ = write!(line, ", {speed:.1} calls/s");
    }
    if let Some(rate) = tally.answer_rate() {
        let _ = write!(line, ", {:.0}% of the calls picked up", rate * 100.0);
    }
    if view.retrying > 0 {
        let _ = write!(line, ", {}", waiting(view));
    }
    if let Some(left) = left {
        let _ = write!(line, ", ~{} left", rough(*left));
    }
    let _ = write!(line, "; {}", view.why());
    let tells = |trunk: &TrunkView| view.trunks.len() > 1 || trunk.condition != Condition::Works;
    if view.trunks.iter().any(tells) {
        let _ = write!(line, "; {}", trunks(view));
    }
    line
}

/// `12 waiting for a retry (the next at 10:05:00)`.
fn waiting(view: &View) -> String {
    let mut waiting = format!("{} waiting for a retry", view.retrying);
    match view.next_due {
        Some(due) if due > view.at => {
            let _ = write!(waiting, " (the next at {})", view.when(due));
        }
        _ => {}
    }
    waiting
}

/// `carrier 10/30, backup 0/10 rests until 10:05:00 (5 failed, the last CONGESTION)`.
fn trunks(view: &View) -> String {
    let mut all = String::new();
    for trunk in &view.trunks {
        let gap = if all.is_empty() { "" } else { ", " };
        let _ = write!(all, "{gap}{} {}/{}", trunk.name, trunk.busy, trunk.ports);
        if trunk.condition != Condition::Works {
            let _ = write!(all, " {}", condition(trunk.condition, view));
        }
    }
    all
}

/// How a trunk is, in words.
fn condition(condition: Condition, view: &View) -> String {
    let why = |Trouble { streak, last }| format!("({streak} failed, the last {last})");
    match condition {
        Condition::Works => "works".to_owned(),
        Condition::Rests { until, trouble } if until > view.at => {
            format!("rests until {} {}", view.when(until), why(trouble))
        }
        Condition::Rests { trouble, .. } => {
            format!(
                "rested and is to be tried with the next call {}",
                why(trouble)
            )
        }
        Condition::Tried(trouble) => format!("is tried again with one call {}", why(trouble)),
    }
}

#[cfg(test)]
mod tests;
