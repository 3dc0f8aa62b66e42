//! What is said of a run while it goes on: snapshots to those who ask, and a log line where it is news.

use std::collections::HashSet;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::campaign::explain::{self, LastLook};
use crate::campaign::lines::Lines;
use crate::campaign::queue::Queue;
use crate::campaign::snapshot::{Condition, Trouble, TrunkView, Views, Waits};
use crate::campaign::stats::{self, Stats};
use crate::clock::Clock;
use crate::disposition::Disposition;
use crate::trunk::Trunk;
use crate::trunk::breaker::{self, BreakerState};

/// A wait for a retry that is shorter, in milliseconds, is not logged.
const RETRY_NEWS: i64 = 30_000;
/// A wait for a trunk that is shorter, in milliseconds, is not logged.
const TRUNK_NEWS: i64 = 1_000;
/// How many different troubles are logged before the rest is left to the rows.
const TROUBLES: usize = 20;

/// What is said of a run, and was.
#[derive(Debug)]
pub(super) struct RunReport {
    views: Views,
    /// Why no call is running, as it was logged last.
    logged: Option<Waits>,
    /// The troubles that were logged: each is once, since the row of each call has it.
    troubles: HashSet<String>,
}

/// How the run is.
pub(super) struct Facts<'f> {
    pub(super) connected: bool,
    pub(super) look: LastLook,
    pub(super) queue: &'f Queue,
    pub(super) lines: &'f Lines,
    pub(super) clock: &'f Clock,
    /// Contacts are left, and nothing is being done about any of them.
    pub(super) is_idle: bool,
    /// The word for why no new call is begun any more.
    pub(super) ending: Option<&'static str>,
    /// Nothing follows any more.
    pub(super) is_over: bool,
}

impl Facts<'_> {
    fn waits(&self) -> Waits {
        self.ending.map_or_else(
            || explain::waits(self.look, self.queue, self.lines, self.clock),
            Waits::Ending,
        )
    }
}

impl RunReport {
    pub(super) fn new(views: Views) -> Self {
        Self {
            views,
            logged: None,
            troubles: HashSet::new(),
        }
    }

    /// Shows how the run is where that is asked for, and logs why no call is running where that is news.
    pub(super) fn update(&mut self, stats: &mut Stats, facts: &Facts<'_>) {
        let is_idle = facts.is_idle && facts.ending.is_none();
        let waits = is_idle
            .then(|| facts.waits())
            .filter(|waits| may_be_news(*waits));
        if self.logged != waits {
            self.logged = waits;
            if waits.is_some_and(|waits| is_long(waits, facts.clock.millis())) {
                self.show(stats, facts);
                let why = self.views.latest().why();
                let tally = &stats.tally;
                let left = tally.to_call.saturating_sub(tally.called);
                let are = if left == 1 { "is" } else { "are" };
                info!(
                    "nobody is being called: {why}; {} {are} left",
                    stats::contacts(left)
                );
            }
        }
        if facts.is_over || self.views.are_asked_for() {
            self.show(stats, facts);
        }
    }

    fn show(&self, stats: &mut Stats, facts: &Facts<'_>) {
        let now = Instant::now();
        let calls_per_second = stats.calls_per_second(now);
        stats.tally.line_times = facts.lines.times(now);
        self.views.show(|view| {
            view.at = facts.clock.millis();
            view.tally.clone_from(&stats.tally);
            view.running = facts.lines.running();
            view.retrying = facts.queue.waiting();
            let due = facts.queue.first_due();
            view.next_due = due.map(jiff::Timestamp::as_millisecond);
            view.calls_per_second = calls_per_second;
            view.connected = facts.connected;
            view.waits = facts.waits();
            view.trunks.clear();
            let trunks = facts.lines.trunks().iter();
            let trunks = trunks.map(|trunk| trunk_view(trunk, facts.clock));
            view.trunks.extend(trunks);
        });
    }

    /// Logs what went wrong on a trunk, each thing once.
    pub(super) fn log_trouble(&mut self, trunk: &str, disposition: Disposition, trouble: &str) {
        if self.troubles.len() < TROUBLES && self.troubles.insert(trouble.to_owned()) {
            warn!("trunk {trunk}: {disposition}: {trouble} (said once; each row has its note)");
        }
    }
}

/// Between two calls of a slow pace, nothing is to be said.
fn may_be_news(waits: Waits) -> bool {
    matches!(
        waits,
        Waits::Connection(_) | Waits::Window(Some(_)) | Waits::Trunks(_) | Waits::Retries(_)
    )
}

/// A short wait is no news.
fn is_long(waits: Waits, now: i64) -> bool {
    match waits {
        Waits::Retries(due) => due > now + RETRY_NEWS,
        Waits::Trunks(until) => until.is_some_and(|until| until > now + TRUNK_NEWS),
        _ => true,
    }
}

/// How a trunk is.
fn trunk_view(trunk: &Trunk, clock: &Clock) -> TrunkView {
    TrunkView {
        name: trunk.name.as_str().into(),
        ports: trunk.ports,
        busy: trunk.busy,
        condition: match trunk.breaker.state() {
            BreakerState::Works => Condition::Works,
            BreakerState::Rests(until, streak, last) => Condition::Rests {
                until: clock.millis_at(until),
                trouble: Trouble { streak, last },
            },
            BreakerState::Tried(streak, last) => Condition::Tried(Trouble { streak, last }),
        },
    }
}

/// Says that a trunk was put to rest, or works again, if either is new.
pub(super) fn log_trunk(trunk: &Trunk) {
    let name = &trunk.name;
    if let Some(trip) = trunk.breaker.trip() {
        let how = if trip.again { "still does" } else { "does" };
        warn!(
            "trunk {name} {how} not work: the calls of {} contacts in a row came to nothing, the last was {}; it rests for {:.0?} and is then tried with one call",
            trip.streak, trip.disposition, trip.rest
        );
        if !trip.again && !trip.finals.is_empty() {
            let (contacts, redial) = breaker::named(&trip.finals);
            warn!(
                "these contacts got a final row before that was seen: {contacts}; if it was the trunk, call them again with {redial}"
            );
        }
    } else if trunk.breaker.recovered() {
        info!("trunk {name} works again");
    }
}

/// Answers the operator's first signal.
pub(super) fn log_stopping(running: usize) {
    match running {
        0 => warn!("stopping: no new calls; none is running"),
        1 => {
            warn!("stopping: no new calls; 1 is running and may finish (once more to hang it up)");
        }
        running => warn!(
            "stopping: no new calls; {running} are running and may finish (once more to hang them up)"
        ),
    }
}
