//! What is said of a run while it goes on: snapshots to those who ask, and a log line where it is news.

use std::collections::HashSet;

use jiff::Timestamp;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::campaign::lines::Lines;
use crate::campaign::queue::Queue;
use crate::campaign::snapshot::{TrunkView, Views, Waits};
use crate::campaign::stats::{CallSpeed, Tally};
use crate::clock::Clock;
use crate::disposition::Disposition;
use crate::error_chain::error_chain;
use crate::plural::counted;
use crate::results::writer::WriteError;
use crate::trunk::{Admission, Trunk, breaker};

/// A wait for a retry that is shorter, in milliseconds, is not logged.
const RETRY_NEWS: i64 = 30_000;
/// A wait for a trunk that is shorter, in milliseconds, is not logged.
const TRUNK_NEWS: i64 = 1_000;
/// How many different troubles are logged before the rest is left to the rows.
const TROUBLES: usize = 20;

/// What is said of a run, and was.
#[derive(Debug)]
pub(super) struct RunReport {
    pub(super) views: Views,
    /// Why no call is running, as it was logged last.
    pub(super) logged: Option<Waits>,
    /// The troubles that were logged: each is once, since the row of each call has it.
    pub(super) troubles: HashSet<String>,
}

/// How the run is.
pub(super) struct Facts<'f> {
    pub(super) tally: &'f Tally,
    pub(super) speed: &'f mut CallSpeed,
    pub(super) queue: &'f Queue,
    pub(super) lines: &'f mut Lines,
    pub(super) clock: &'f Clock,
    pub(super) connected: bool,
    /// Why no call is begun whatever the trunks say; `None` if each was asked.
    pub(super) blocked: Option<Waits>,
    /// Contacts are left, and nothing is being done about any of them.
    pub(super) is_idle: bool,
    /// Nothing follows any more.
    pub(super) is_over: bool,
}

impl Facts<'_> {
    /// Why no further call is begun.
    fn waits(&self) -> Waits {
        let queue = self.queue;
        match self.blocked {
            Some(Waits::Window(_)) if !queue.has_somebody() => {}
            Some(blocked) => return blocked,
            None => {}
        }
        if queue.is_exhausted() {
            return Waits::LastCalls;
        }
        if queue.has_ready()
            && let Some(waits) = self.waits_for_trunks()
        {
            return waits;
        }
        if queue.reading.is_some() {
            return Waits::List;
        }
        if queue.has_skipped() {
            return Waits::Rows;
        }
        let due = queue.waiting.first_due();
        due.map_or(Waits::Calls, |due| Waits::Retries(due.as_millisecond()))
    }

    /// What a contact that could be called waits for.
    fn waits_for_trunks(&self) -> Option<Waits> {
        let (mut paced, mut rested, mut busy, mut tried) = (None, None, false, false);
        let earlier = |first: Option<Instant>, moment| first.into_iter().chain([moment]).min();
        for trunk in &self.lines.trunks {
            match trunk.admission {
                Admission::Paced(until) => paced = earlier(paced, until),
                Admission::Rests(until) => rested = earlier(rested, until),
                Admission::Busy => busy = true,
                Admission::Tried => tried = true,
                Admission::Call | Admission::Trial | Admission::NobodyToCall => {}
            }
        }
        let rested = rested.map(|until| self.clock.millis_at(until));
        match paced {
            Some(until) => Some(Waits::Pace(self.clock.millis_at(until))),
            None if busy => Some(Waits::Lines),
            None => (rested.is_some() || tried).then_some(Waits::Trunks(rested)),
        }
    }
}

impl RunReport {
    /// Shows how the run is where that is asked for, and logs why no call is running where that is news.
    pub(super) fn update(&mut self, mut facts: Facts<'_>) {
        let now = facts.clock.millis();
        let waits = facts.is_idle.then(|| facts.waits());
        let news = waits.filter(|&waits| is_news(waits, now));
        if self.logged != news {
            self.logged = news;
            if news.is_some() {
                self.show(&mut facts);
                let why = self.views.latest().why();
                let left = facts.tally.to_call.saturating_sub(facts.tally.called);
                let are = if left == 1 { "is" } else { "are" };
                info!(
                    "nobody is being called: {why}; {} {are} left",
                    counted(left, "contact")
                );
            }
        }
        if facts.is_over || self.views.are_asked_for() {
            self.show(&mut facts);
        }
    }

    fn show(&self, facts: &mut Facts<'_>) {
        let now = Instant::now();
        self.views.show(|view| {
            view.at = facts.clock.millis();
            view.tally.clone_from(facts.tally);
            view.tally.line_times = facts.lines.times(now);
            view.running = facts.lines.calls.len();
            view.retrying = facts.queue.waiting();
            let due = facts.queue.waiting.first_due();
            view.next_due = due.map(Timestamp::as_millisecond);
            view.calls_per_second = facts.speed.per_second(now);
            view.connected = facts.connected;
            view.waits = facts.waits();
            let trunks = facts.lines.trunks.iter();
            let trunks = trunks.map(|trunk| TrunkView {
                name: trunk.name.as_str().into(),
                ports: trunk.ports,
                busy: trunk.busy,
                condition: trunk.breaker.condition(facts.clock),
            });
            view.trunks = trunks.collect();
        });
    }

    /// Logs what went wrong on a trunk, each thing once.
    pub(super) fn log_trouble(&mut self, trunk: &str, disposition: Disposition, trouble: &str) {
        if self.troubles.len() < TROUBLES && self.troubles.insert(trouble.to_owned()) {
            warn!("trunk {trunk}: {disposition}: {trouble} (said once; each row has its note)");
        }
    }
}

/// Between two calls of a slow pace, and of a short wait, nothing is said.
fn is_news(waits: Waits, now: i64) -> bool {
    match waits {
        Waits::Connection(_) | Waits::Window(Some(_)) => true,
        Waits::Retries(due) => due > now + RETRY_NEWS,
        Waits::Trunks(Some(until)) => until > now + TRUNK_NEWS,
        _ => false,
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
        let finals = trunk.breaker.finals();
        if !trip.again && !finals.is_empty() {
            let (contacts, redial) = breaker::named(&finals);
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

pub(super) fn log_write_error(why: &WriteError) {
    error!(
        "no new calls are begun, the running ones are waited for: {}",
        error_chain(why)
    );
}
