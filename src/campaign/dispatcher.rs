//! The one owner of the lines and the queue.
//!
//! A line is given back when its call's row is durable, and is taken again in the same turn: nothing here polls. The
//! dispatcher wakes for a call that ended, for contacts that were read ahead, for the pace, for somebody who is due, for
//! a trunk that is tried, for the hours, for the end of the session and for the operator.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::{Id, JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until};
use tracing::warn;

use super::{Over, Resources, Stop};
use crate::call::id::CallId;
use crate::call::reconnect::SessionState;
use crate::campaign::place_call::{self, Attempted, Outcome, Record, Who};
use crate::campaign::queue::{Queue, Ready};
use crate::campaign::snapshot::{Views, Waits};
use crate::campaign::speed::Speed;
use crate::campaign::tally::Tally;
use crate::config::Outside;
use crate::contacts::Done;
use crate::disposition::Disposition;
use crate::results::journal::JournalEntry;
use crate::results::resume::PriorRun;
use crate::results::writer::{WriteError, WriteTrouble};
use crate::schedule::calling_window::Gated;
use crate::trunk::rate_limit::Turn;
use crate::trunk::{Found, Takes, Trunk};

/// Rows of contacts that are not called which may wait for their write at once.
const SKIPPED_AT_ONCE: usize = 256;
/// A wait for a time of day looks at the clock again after so long: it may have been set, or the machine have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// How often the files of numbers never to call are looked at.
const SUPPRESSED_AS_OF: Duration = Duration::from_secs(1);
/// A look that takes longer than this holds up new calls: a number that was added must be known.
const SUPPRESSED_AT_MOST: Duration = Duration::from_secs(10);

/// What came of the last look for a call to begin, before any trunk was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Looked {
    /// There was none yet.
    NotYet,
    /// There is no connection.
    NoConnection,
    /// The lists of numbers never to call are being looked at.
    Suppressions,
    /// It is outside the hours until then.
    Closed(Option<i64>),
    /// Each trunk knows what it found.
    AtTrunks,
}

/// What a task of the dispatcher was about.
pub(super) enum Settled {
    /// A call, with its row written.
    Call(Attempted),
    /// The row of a contact that is not called, written.
    Uncalled(Disposition),
    /// The session was over before the contact was dialed, or no call may begin any more.
    NotDialed(Arc<Record>),
    /// The call could not be noted in the journal.
    NotNoted(WriteError, Arc<Record>),
    /// A row that could not be written.
    Unwritten(WriteError, Vec<u8>),
}

pub(super) struct Dispatcher {
    pub(super) resources: Arc<Resources>,
    pub(super) queue: Queue,
    pub(super) trunks: Vec<Trunk>,
    pub(super) tasks: JoinSet<Settled>,
    /// The lines in use, by the task that borrows each. The record outlives a task that dies.
    pub(super) lines: HashMap<Id, Arc<Record>>,
    /// Slots of the journal that no line uses.
    pub(super) slots: Vec<usize>,
    /// Numbers that are being called, by their keys.
    pub(super) numbers: HashSet<u64>,
    /// What was said already of calls that went wrong.
    pub(super) told: HashSet<String>,
    /// Rows of contacts that are not called, waiting for their write.
    pub(super) uncalled: usize,
    /// Contacts who may not be called at this time of day, in a campaign that does not wait.
    left_outside: u64,
    /// When the first of them may be.
    left_until: Option<i64>,
    /// When the pace or a rest allows the next call, where that is what holds it up.
    next_turn: Option<Instant>,
    /// The lists of numbers never to call, as of when; and while they are looked at.
    suppressed_as_of: Option<Instant>,
    pub(super) refreshing: Option<JoinHandle<()>>,
    /// Told when a call rings that a rested trunk is tried with, and when somebody wants to know how the run is.
    wake: Arc<Notify>,
    /// Why no new call is begun any more.
    pub(super) over: Option<Over>,
    pub(super) tally: Tally,
    pub(super) speed: Speed,
    /// What came of the last look for a call to begin.
    pub(super) looked: Looked,
    /// Why nobody is being called, as it was said last.
    pub(super) said: Option<Waits>,
    /// Where it is shown how the run is.
    pub(super) views: Views,
    link: watch::Receiver<SessionState>,
    /// Since when there is no connection.
    pub(super) down_since: Option<Instant>,
    /// What cannot be written at the moment.
    pub(super) trouble: watch::Receiver<WriteTrouble>,
    pub(super) stop: Stop,
}

impl Dispatcher {
    pub(super) fn new(
        mut resources: Resources,
        mut earlier: PriorRun,
        done: Option<Done>,
        in_flight: &[(usize, JournalEntry)],
        limit: Option<u64>,
        stop: Stop,
        views: Views,
    ) -> io::Result<Self> {
        if let Some(window) = &resources.campaign.window
            && let Some(stop_at) = window.stop_at
        {
            let start = resources.clock.now().timestamp();
            let stop_at = stop_at.next(&window.hours.zone, start);
            resources.gate.stop_at(stop_at.as_millisecond());
        }
        let resources = Arc::new(resources);
        let campaign = &resources.campaign;
        for (_, entry) in in_flight {
            earlier.is_in_flight(&entry.contact);
        }
        let ports: usize = campaign.trunks.iter().map(|trunk| trunk.ports).sum();
        let taken: HashSet<usize> = in_flight.iter().map(|&(slot, _)| slot).collect();
        let wake = views.wake();
        let patience = campaign.ami.reconnect_for;
        let answers_prove = campaign.capture.disposition.is_none();
        let trunks: Vec<Trunk> = campaign
            .trunks
            .iter()
            .map(|trunk| Trunk::new(trunk, patience, answers_prove, &wake))
            .collect();
        let list = Arc::clone(&resources.list);
        Ok(Self {
            queue: Queue::new(
                &list,
                limit,
                earlier,
                done,
                trunks.len(),
                resources.rehearsal,
            )?,
            slots: (0..ports)
                .rev()
                .filter(|slot| !taken.contains(slot))
                .collect(),
            trunks,
            tasks: JoinSet::new(),
            lines: HashMap::new(),
            numbers: HashSet::new(),
            told: HashSet::new(),
            uncalled: 0,
            left_outside: 0,
            left_until: None,
            next_turn: None,
            suppressed_as_of: None,
            refreshing: None,
            wake,
            over: None,
            tally: views.latest().tally,
            speed: Speed::new(Instant::now()),
            looked: Looked::NotYet,
            said: None,
            views,
            link: resources.link.watch(),
            down_since: None,
            trouble: resources.writer.trouble(),
            stop,
            resources,
        })
    }

    pub(super) async fn run(mut self) -> Over {
        loop {
            if self.over.is_none() {
                let over = self.look_at_the_clock();
                if self.linked() {
                    self.fill_lines(over.is_none());
                } else {
                    self.looked = Looked::NoConnection;
                    self.down_since.get_or_insert_with(Instant::now);
                }
                // Before that is said, it is seen whether anybody is left at all.
                if over.is_some() && (self.queue.has_somebody() || !self.linked()) {
                    self.over = over;
                }
            }
            let lines = self.trunks.iter().map(|trunk| trunk.busy);
            self.tally.busy.passed(Instant::now(), lines);
            self.tell_why_nobody_is_called();
            if self.views.are_asked_for() {
                self.show();
            }
            if self.tasks.is_empty() && (self.over.is_some() || self.queue.is_exhausted()) {
                let over = self.end();
                self.show_the_end(&over);
                return over;
            }
            // Rows that wait are tried for as long as calls are running, and a little longer.
            let rows = self.trouble.borrow().rows;
            if rows > 0 && self.over.is_some() && self.tasks.len() <= rows {
                self.resources.writer.last_tries();
            }
            self.wake().await;
        }
    }

    /// Why the run is over, now that nothing is going on any more.
    fn end(&mut self) -> Over {
        let nobody_left = self.queue.is_exhausted()
            && self.left_outside == 0
            && self.tally.attempts(Disposition::Cancelled) == 0;
        match self.over.take() {
            // What would have stopped the run has stopped nothing.
            Some(
                Over::Drained
                | Over::PbxLost(_)
                | Over::Outside(_)
                | Over::StopAt
                | Over::TrunksLost(_),
            ) if nobody_left => Over::Finished,
            Some(Over::Unwritable(_, rows)) if nobody_left && rows.is_empty() => Over::Finished,
            Some(over) => over,
            None if self.left_outside > 0 => {
                let clock = &self.resources.clock;
                Over::Outside(self.left_until.map(|opens| clock.time(opens)))
            }
            None => Over::Finished,
        }
    }

    /// Why the run is over, if it is by the time of day.
    fn look_at_the_clock(&self) -> Option<Over> {
        let clock = &self.resources.clock;
        let now = clock.millis();
        if self.resources.gate.is_over(now) {
            return Some(Over::StopAt);
        }
        match self.resources.gate.any(now) {
            Gated::Closed(None) => Some(Over::Outside(None)),
            Gated::Closed(Some(opens)) if !self.waits_for_opening() => {
                Some(Over::Outside(Some(clock.time(opens))))
            }
            _ => None,
        }
    }

    /// Begins calls while there is a free line, somebody to call, and nothing that forbids it; unless the run is not to
    /// `dial` any more, and only sees who is left.
    fn fill_lines(&mut self, dial: bool) {
        self.next_turn = None;
        self.down_since = None;
        if !self.knows_who_is_suppressed() {
            self.looked = Looked::Suppressions;
            return;
        }
        let wall = self.resources.clock.millis();
        // The list is read on at night, up to those who are to be called: where nobody is, nobody waits for the morning.
        let gate = self.resources.gate.any(wall);
        self.looked = match gate {
            Gated::Open => Looked::AtTrunks,
            Gated::Closed(opens) => Looked::Closed(opens),
        };
        let open = dial && gate == Gated::Open;
        self.queue.fetch(wall);
        loop {
            self.pass_over_rows();
            if !open || !self.fill_a_line(wall) {
                break;
            }
        }
        self.queue.fetch(wall);
    }

    /// Whether the files of numbers never to call are known well enough to begin a call. Looks at them if that was not
    /// done lately; calls are begun meanwhile.
    pub(super) fn knows_who_is_suppressed(&mut self) -> bool {
        let is_due = self
            .suppressed_as_of
            .is_none_or(|as_of| !self.resources.rehearsal && as_of.elapsed() >= SUPPRESSED_AS_OF);
        if is_due && self.refreshing.is_none() && self.resources.suppress.has_files() {
            let suppress = self.resources.suppress.clone();
            self.refreshing = Some(tokio::task::spawn_blocking(move || suppress.refresh()));
        }
        self.suppressions_are_known()
    }

    fn suppressions_are_known(&self) -> bool {
        let is_recent =
            |as_of: Instant| self.resources.rehearsal || as_of.elapsed() < SUPPRESSED_AT_MOST;
        self.suppressed_as_of.is_some_and(is_recent) || !self.resources.suppress.has_files()
    }

    /// Writes the rows of contacts that are not called, up to the next who is.
    fn pass_over_rows(&mut self) {
        while self.uncalled < SKIPPED_AT_ONCE
            && let Some(skipped) = self.queue.take_skipped()
        {
            self.skip(&skipped);
        }
    }

    /// Begins one call on the first trunk that takes one. `false` when there is nothing to begin now.
    fn fill_a_line(&mut self, wall: i64) -> bool {
        let now = Instant::now();
        for place in 0..self.trunks.len() {
            if !self.trunks[place].has_free_line() || self.slots.is_empty() {
                self.trunks[place].found = Found::Busy;
                continue;
            }
            let others = self.lines_of_others(place);
            if !self.queue.has_for(place, others) {
                self.trunks[place].found = Found::Nobody;
                continue;
            }
            let trial = match self.trunks[place].takes(now) {
                Takes::Call => false,
                Takes::Trial => true,
                Takes::No(found) => {
                    self.trunks[place].found = found;
                    if let Found::Paced(moment) | Found::Rests(moment) = found {
                        let earliest = self.next_turn.map_or(moment, |turn| turn.min(moment));
                        self.next_turn = Some(earliest);
                    }
                    continue;
                }
            };
            while let Some(ready) = self.queue.take_for(place, others) {
                if let Some((ready, number)) = self.may_be_called(ready, wall) {
                    let turn = self.trunks[place].take(now, trial);
                    self.speed.begun(now);
                    self.begin_call(ready, number, place, trial, turn);
                    return true;
                }
            }
            self.trunks[place].found = Found::Nobody;
        }
        false
    }

    /// How many lines are free of the other trunks that work; `None` if none works.
    fn lines_of_others(&self, place: usize) -> Option<usize> {
        let others = self.trunks.iter().enumerate();
        others
            .filter(|&(other, trunk)| other != place && !trunk.breaker.rests())
            .map(|(_, trunk)| trunk.ports.saturating_sub(trunk.busy))
            .reduce(|lines, more| lines + more)
    }

    /// A contact whose turn has come, and which of its numbers; `None` if it is not called now, which is taken care of.
    fn may_be_called(&mut self, ready: Ready, wall: i64) -> Option<(Ready, u8)> {
        match self.resources.gate.state(ready.contact.zone, wall) {
            Gated::Open => {}
            Gated::Closed(Some(opens)) if self.waits_for_opening() => {
                self.queue.wait(ready.contact.at, ready.history, opens);
                return None;
            }
            Gated::Closed(opens) => {
                self.left_outside += 1;
                let first = |left: i64| opens.map_or(left, |opens| opens.min(left));
                self.left_until = self.left_until.map(first).or(opens);
                return None;
            }
        }
        let earliest = self.resources.limits.earliest(&ready.contact.id, wall);
        if earliest > wall {
            self.queue.wait(ready.contact.at, ready.history, earliest);
            return None;
        }
        let numbers = &ready.contact.numbers;
        let Some(number) = ready.history.numbers(numbers.len()).find(|&number| {
            !self
                .resources
                .suppress
                .contains(numbers[usize::from(number)].key())
        }) else {
            self.nothing_to_call(&ready);
            return None;
        };
        let key = numbers[usize::from(number)].key();
        if self.numbers.contains(&key) {
            self.queue.wait_behind(key, ready);
            return None;
        }
        Some((ready, number))
    }

    fn waits_for_opening(&self) -> bool {
        let window = self.resources.campaign.window.as_ref();
        window.is_none_or(|window| window.outside == Outside::Wait)
    }

    fn begin_call(&mut self, ready: Ready, number: u8, place: usize, trial: bool, turn: Turn) {
        let Some(slot) = self.slots.pop() else {
            return;
        };
        let trunk = &self.trunks[place];
        let key = ready.contact.numbers[usize::from(number)].key();
        self.numbers.insert(key);
        let record = Arc::new(Record {
            id: CallId::new(),
            trunk: place,
            log: trunk.pace.log(),
            breaker: trunk.breaker.clone(),
            trial,
            begun_at: Instant::now(),
            slot,
            who: Who::Contact(ready.contact),
            number,
            key,
            history: ready.history,
        });
        self.tally.dispatched += 1;
        let resources = Arc::clone(&self.resources);
        let stop = self.stop.clone();
        let borrowed = Arc::clone(&record);
        let task = self.tasks.spawn(async move {
            let outcome = match &borrowed.who {
                Who::Contact(contact) => {
                    place_call::run(&resources, &borrowed, contact, turn, &stop).await
                }
                Who::Adopted(_) => Outcome::NotDialed,
            };
            settle(&resources, borrowed, outcome).await
        });
        self.lines.insert(task.id(), record);
    }

    pub(super) async fn wake(&mut self) {
        let dialing = self.over.is_none();
        let timer = if dialing { self.next_moment() } else { None };
        tokio::select! {
            biased;
            Some(joined) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.joined(joined),
            fetched = self.queue.fetched(), if dialing => {
                if let Err(error) = fetched {
                    self.over = Some(Over::Unreadable(error));
                }
            }
            () = refreshed(&mut self.refreshing), if dialing => {
                self.refreshing = None;
                // However long that took: what was looked at is acted on before it is looked at again.
                self.suppressed_as_of = Some(Instant::now());
            }
            () = until(timer), if dialing => {}
            () = self.wake.notified() => {}
            Ok(()) = self.trouble.changed() => self.troubled(),
            changed = self.link.changed(), if dialing => self.link_changed(changed.is_ok()),
            () = self.stop.drain.cancelled(), if dialing => {
                match self.lines.len() {
                    0 => warn!("stopping: no new calls; none is running"),
                    1 => warn!(
                        "stopping: no new calls; 1 is running and may finish (once more to hang it up)"
                    ),
                    running => warn!(
                        "stopping: no new calls; {running} are running and may finish (once more to hang them up)"
                    ),
                }
                self.over = Some(Over::Drained);
            }
        }
    }

    /// When there is something to do of which nothing else tells. A moment that has come, and that nothing can be made
    /// of yet, must not wake anybody: a line that comes free, what is being read, and the link each wake by themselves.
    fn next_moment(&self) -> Option<Instant> {
        let clock = &self.resources.clock;
        let wall = clock.millis();
        let opens = match self.resources.gate.any(wall) {
            Gated::Closed(opens) => opens,
            Gated::Open => None,
        };
        let linked = self.linked() && self.suppressions_are_known();
        let of_day = self
            .queue
            .next_due()
            .into_iter()
            .chain(opens)
            .filter(|_| linked)
            .chain(self.resources.gate.over().filter(|&over| over > wall))
            .min();
        let now = Instant::now();
        let of_day = of_day.map(|moment| {
            let ahead = Duration::from_millis(u64::try_from(moment - wall).unwrap_or(0));
            let ahead = if clock.is_virtual() {
                ahead
            } else {
                ahead.min(LOOK_AGAIN)
            };
            now + ahead
        });
        let turn = self.next_turn.filter(|_| linked);
        of_day.into_iter().chain(turn).min()
    }

    fn link_changed(&mut self, kept: bool) {
        let lost = match &*self.link.borrow_and_update() {
            SessionState::Lost(why) => Some(Arc::clone(why)),
            _ if !kept => Some("the connection to Asterisk is no longer kept".into()),
            _ => None,
        };
        if let Some(why) = lost {
            self.over = Some(Over::PbxLost(why));
        }
    }

    /// Whether calls can be placed now.
    pub(super) fn linked(&self) -> bool {
        matches!(&*self.link.borrow(), SessionState::Up(_))
    }
}

/// Writes the row of a call that is over.
pub(super) async fn settle(
    resources: &Resources,
    record: Arc<Record>,
    outcome: Outcome,
) -> Settled {
    let (attempted, row) = match outcome {
        Outcome::Over(attempted, row) => (attempted, row.to_csv(&resources.columns)),
        Outcome::NotDialed => return Settled::NotDialed(record),
        Outcome::NotNoted(error) => return Settled::NotNoted(error, record),
    };
    match resources.writer.append(row.clone()).await {
        Ok(()) => Settled::Call(attempted),
        Err(error) => Settled::Unwritten(error, row),
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Returns when the lists are looked at; never, if they are not being looked at. Cancel-safe.
async fn refreshed(refreshing: &mut Option<JoinHandle<()>>) {
    match refreshing {
        // A panic there leaves what was known before.
        Some(refreshing) => drop(refreshing.await),
        None => std::future::pending().await,
    }
}
