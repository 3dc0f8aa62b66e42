//! How the run is, as the dispatcher tells it: to whoever looks, and by itself when nobody is being called.

use tracing::info;

use crate::campaign::Over;
use crate::campaign::dispatcher::{Dispatcher, Looked};
use crate::campaign::snapshot::{Condition, OfTrunk, Trouble, Waits};
use crate::campaign::tally;
use crate::clock::Clock;
use crate::trunk::breaker::State;
use crate::trunk::{Found, Trunk};

/// A wait for a retry that is shorter, in milliseconds, is not said,
const NEWS: i64 = 30_000;
/// nor one for a trunk.
const TRUNK_NEWS: i64 = 1_000;

impl Dispatcher {
    /// Shows how the run is.
    pub(super) fn show(&mut self) {
        let waits = self.waits();
        self.show_as(waits);
    }

    /// Shows how the run ended.
    pub(super) fn show_the_end(&mut self, over: &Over) {
        self.show_as(Waits::Ending(over.word()));
    }

    fn show_as(&mut self, waits: Waits) {
        let calls_per_second = self.speed.per_second(tokio::time::Instant::now());
        let clock = &self.resources.clock;
        let connected = self.linked();
        self.views.show(|view| {
            view.at = clock.millis();
            view.tally.clone_from(&self.tally);
            view.running = self.lines.len();
            view.retrying = self.queue.waiting();
            view.next_due = self.queue.first_due();
            view.calls_per_second = calls_per_second;
            view.connected = connected;
            view.waits = waits;
            view.trunks.clear();
            let trunks = self.trunks.iter();
            view.trunks.extend(trunks.map(|trunk| of(trunk, clock)));
        });
    }

    /// Why no further call is begun: what the last look for one found.
    fn waits(&self) -> Waits {
        let clock = &self.resources.clock;
        if let Some(over) = &self.over {
            return Waits::Ending(over.word());
        }
        match self.looked {
            Looked::NotYet => return Waits::Beginning,
            Looked::NoConnection => {
                let since = self.down_since.map(|since| clock.millis_at(since));
                return Waits::Connection(since.unwrap_or_else(|| clock.millis()));
            }
            Looked::Suppressions => return Waits::Suppressions,
            Looked::Closed(opens) if self.queue.has_somebody() => return Waits::Window(opens),
            Looked::Closed(_) | Looked::AtTrunks => {}
        }
        if self.queue.is_exhausted() {
            return Waits::LastCalls;
        }
        if self.queue.has_ready()
            && let Some(waits) = self.trunks_wait()
        {
            return waits;
        }
        if self.queue.is_reading() {
            return Waits::List;
        }
        if self.queue.has_skipped() {
            return Waits::Rows;
        }
        self.queue.first_due().map_or(Waits::Calls, Waits::Retries)
    }

    /// What somebody whose turn has come waits for, as the trunks found.
    fn trunks_wait(&self) -> Option<Waits> {
        let clock = &self.resources.clock;
        let found = || self.trunks.iter().map(|trunk| trunk.found);
        let paced = found().filter_map(|found| match found {
            Found::Paced(until) => Some(until),
            _ => None,
        });
        if let Some(until) = paced.min() {
            return Some(Waits::Pace(clock.millis_at(until)));
        }
        if found().any(|found| found == Found::Busy) {
            return Some(Waits::Lines);
        }
        let rested = found().filter_map(|found| match found {
            Found::Rests(until) => Some(until),
            _ => None,
        });
        let first = rested.min().map(|until| clock.millis_at(until));
        let none_works = found().any(|found| matches!(found, Found::Rests(_) | Found::Tried));
        none_works.then_some(Waits::Trunks(first))
    }

    /// Says why nobody is being called, once, if nobody is.
    pub(super) fn tell_why_nobody_is_called(&mut self) {
        let waits = self.why_nobody_is_called();
        if self.said == waits {
            return;
        }
        self.said = waits;
        // A short wait is no news.
        let now = self.resources.clock.millis();
        let is_news = |waits: &Waits| match waits {
            Waits::Retries(due) => *due > now + NEWS,
            Waits::Trunks(until) => until.is_some_and(|until| until > now + TRUNK_NEWS),
            _ => true,
        };
        if waits.as_ref().is_some_and(is_news) {
            let left = self.tally.to_call.saturating_sub(self.tally.called);
            self.show();
            let why = self.views.latest().why();
            let are = if left == 1 { "is" } else { "are" };
            info!(
                "nobody is being called: {why}; {} {are} left",
                tally::contacts(left)
            );
        }
    }

    fn why_nobody_is_called(&self) -> Option<Waits> {
        let waits = self.tasks.is_empty() && self.over.is_none() && !self.queue.is_exhausted();
        if !waits || self.refreshing.is_some() || self.queue.is_reading() {
            return None;
        }
        // Between two calls of a slow pace nothing is to be said.
        match self.waits() {
            waits @ (Waits::Connection(_)
            | Waits::Window(Some(_))
            | Waits::Trunks(_)
            | Waits::Retries(_)) => Some(waits),
            _ => None,
        }
    }
}

fn of(trunk: &Trunk, clock: &Clock) -> OfTrunk {
    OfTrunk {
        name: trunk.name.as_str().into(),
        ports: trunk.ports,
        busy: trunk.busy,
        condition: match trunk.breaker.state() {
            State::Works => Condition::Works,
            State::Rests(until, streak, last) => Condition::Rests {
                until: clock.millis_at(until),
                trouble: Trouble { streak, last },
            },
            State::Tried(streak, last) => Condition::Tried(Trouble { streak, last }),
        },
    }
}
