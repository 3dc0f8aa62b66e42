//! The one owner of the lines and the queue: it begins calls, and acts on what happens.
//!
//! A line is given back when its call's row is durable, and is taken again in the same turn: nothing here polls. The
//! loop names the next [`Event`], and [`Dispatcher::handle`] alone acts on it. No field is seen outside this file, which
//! is longer than others for that: what changes the state of a run is here, and nowhere else.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::task::AbortOnDropHandle;
use tracing::{error, info};

use crate::call::id::CallId;
use crate::call::reconnect::SessionState;
use crate::campaign::conclude::{Conclusion, TaskResult};
use crate::campaign::eligibility::{Candidate, Eligibility, Never, RunMoment, Wait};
use crate::campaign::lines::{ActiveCall, Callee, Lines};
use crate::campaign::place_call::{bury, place_call};
use crate::campaign::queue::{Piece, Queue};
use crate::campaign::report::{self, Facts, RunReport};
use crate::campaign::snapshot::{Views, Waits};
use crate::campaign::stats::{CallSpeed, Tally};
use crate::campaign::suppression_refresh::SuppressionRefresh;
use crate::campaign::{Leftover, Resources, RunEnd, Stop, adopt, or_never, uncalled};
use crate::contacts::Contact;
use crate::disposition::Disposition;
use crate::results::journal::JournalEntry;
use crate::results::schema::ResultsRow;
use crate::results::writer::{WriteError, WriteTrouble};
use crate::trunk::{Admission, TrunkIndex};

/// Rows of contacts that are not called which may wait for their write at once.
const UNCALLED_AT_ONCE: usize = 256;
/// A wait for a time of day looks at the clock again after so long: it may have been set, or the machine have slept.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

enum Event {
    /// A task ended: of a call, or of the row of a contact that is not called.
    TaskEnded(Result<(Id, TaskResult), JoinError>),
    /// A piece of the list was read ahead.
    ListRead(io::Result<Box<Piece>>),
    /// The calls of an earlier run were looked up in Asterisk.
    CallsLookedUp,
    /// There may be something to begin or to show: a moment has come, the lists of numbers never to call are read, a trunk
    /// that is tried rings, or a snapshot is asked for.
    Woken,
    /// Rows cannot be written, or can be again.
    WriterChanged,
    /// The connection was lost, came back, or is given up.
    ConnectionChanged,
    /// The operator wants no new calls.
    Drain,
}

pub(super) struct Dispatcher {
    resources: Arc<Resources>,
    queue: Queue,
    lines: Lines,
    tasks: JoinSet<TaskResult>,
    /// Rows of contacts that are not called which wait for their write.
    uncalled: usize,
    /// Looks for the calls of an earlier run. No call begins before it is done.
    looking_for_calls: Option<AbortOnDropHandle<()>>,
    suppressions: SuppressionRefresh,
    /// Contacts that are not called because the campaign does not wait for their hours.
    left_outside: u64,
    /// When the first of them could be called.
    first_opening: Option<Timestamp>,
    /// When the pace or a rest allows the next call, where that is what holds it up.
    next_turn: Option<Instant>,
    wake: Arc<Notify>,
    /// Why no new call is begun any more.
    end: Option<RunEnd>,
    tally: Tally,
    speed: CallSpeed,
    /// Why the last look for a call to begin ended before the trunks were asked, if so.
    blocked: Option<Waits>,
    report: RunReport,
    connection: watch::Receiver<SessionState>,
    writer: watch::Receiver<WriteTrouble>,
    stop: Stop,
    /// The operator's first signal was answered.
    draining: bool,
}

impl Dispatcher {
    /// Begins to follow the calls that earlier runs left.
    pub(super) fn new(
        resources: Resources,
        mut left: Leftover,
        limit: Option<u64>,
        stop: Stop,
        views: Views,
    ) -> Self {
        let resources = Arc::new(resources);
        for (_, entry) in &left.in_flight {
            left.earlier.note_in_flight(&entry.contact);
        }
        let taken: HashSet<usize> = left.in_flight.iter().map(|&(slot, _)| slot).collect();
        let wake = views.wake();
        let lines = Lines::new(&resources.campaign, &taken, &wake);
        let trunks = lines.trunks.len();
        let (list, rehearsal) = (&resources.list, resources.rehearsal);
        let mut dispatcher = Self {
            queue: Queue::new(list, limit, left.earlier, left.done, trunks, rehearsal),
            lines,
            tasks: JoinSet::new(),
            uncalled: 0,
            looking_for_calls: None,
            suppressions: SuppressionRefresh::new(&resources.rules.suppressions, rehearsal),
            left_outside: 0,
            first_opening: None,
            next_turn: None,
            wake,
            end: None,
            tally: views.latest().tally,
            speed: CallSpeed::new(Instant::now()),
            blocked: Some(Waits::Beginning),
            report: RunReport {
                views,
                logged: None,
                troubles: HashSet::new(),
            },
            connection: resources.reconnector.state.clone(),
            writer: resources.writer.trouble.clone(),
            stop,
            draining: false,
            resources,
        };
        dispatcher.adopt(left.in_flight);
        dispatcher
    }

    pub(super) async fn run(mut self) -> RunEnd {
        loop {
            self.dial();
            self.report(None);
            if self.tasks.is_empty() && (self.end.is_some() || self.queue.is_exhausted()) {
                let end = self.end();
                self.report(Some(&end));
                return end;
            }
            // Rows that wait are tried for as long as calls are running, and a little longer.
            let rows = self.writer.borrow().rows;
            if rows > 0 && self.end.is_some() && self.tasks.len() <= rows {
                self.resources.writer.last_tries();
            }
            let event = self.next_event().await;
            self.handle(event);
        }
    }

    async fn next_event(&mut self) -> Event {
        let dialing = self.end.is_none();
        let timer = if dialing { self.next_moment() } else { None };
        tokio::select! {
            biased;
            Some(ended) = self.tasks.join_next_with_id() => Event::TaskEnded(ended),
            piece = self.queue.read(), if dialing => Event::ListRead(piece),
            () = self.suppressions.finished(), if dialing => Event::Woken,
            // A panic there leaves them to their watchdogs.
            _ = or_never(self.looking_for_calls.as_mut()) => Event::CallsLookedUp,
            () = or_never(timer.map(sleep_until)) => Event::Woken,
            () = self.wake.notified() => Event::Woken,
            Ok(()) = self.writer.changed() => Event::WriterChanged,
            _ = self.connection.changed(), if dialing => Event::ConnectionChanged,
            () = self.stop.drain.cancelled(), if !self.draining => Event::Drain,
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::TaskEnded(Ok((task, result))) => {
                let call = self.lines.calls.remove(&task);
                self.task_ended(call.as_deref(), result);
            }
            Event::TaskEnded(Err(error)) => match self.lines.calls.remove(&error.id()) {
                Some(call) => self.bury(call, &error),
                None => self.uncalled = self.uncalled.saturating_sub(1),
            },
            Event::ListRead(Ok(piece)) => self.queue.add(piece),
            Event::ListRead(Err(error)) => self.end = Some(RunEnd::Unreadable(error)),
            Event::Woken => {}
            Event::CallsLookedUp => self.looking_for_calls = None,
            Event::WriterChanged => {
                let why = self.writer.borrow_and_update().why.clone();
                if let Some(why) = why {
                    self.cannot_write(why, None);
                } else {
                    info!("the rows that waited are written now");
                }
            }
            Event::ConnectionChanged => self.end = self.lost_connection().map(RunEnd::PbxLost),
            Event::Drain => {
                report::log_stopping(self.lines.calls.len());
                self.draining = true;
                self.end.get_or_insert(RunEnd::Drained);
            }
        }
    }

    /// Begins the calls that may begin now, or sees that none will any more.
    fn dial(&mut self) {
        if self.end.is_some() || self.looking_for_calls.is_some() {
            return;
        }
        let now = self.resources.clock.timestamp();
        let closed = self.resources.rules.for_everybody(now);
        let connected = self.is_connected();
        if connected {
            self.begin_calls(closed, now);
        } else if !matches!(self.blocked, Some(Waits::Connection(_))) {
            self.blocked = Some(Waits::Connection(now.as_millisecond()));
        }
        // A run that is over by the time of day ends so only if somebody is left.
        if let Some(Eligibility::Never(why)) = closed
            && (self.queue.has_somebody() || !connected)
        {
            self.end = Some(match why {
                Never::Closed(opens) => self.outside(opens),
                _ => RunEnd::StopAt,
            });
        }
    }

    fn outside(&self, opens: Option<Timestamp>) -> RunEnd {
        RunEnd::Outside(opens.map(|opens| self.resources.clock.zoned(opens)))
    }

    /// Begins calls while there is a free line, a contact for it, and nothing that forbids it. Where it is `closed` for
    /// everybody, the list is read on up to those that would be called: where nobody is, nobody waits for the morning.
    fn begin_calls(&mut self, closed: Option<Eligibility>, now: Timestamp) {
        self.next_turn = None;
        if !self.suppressions.refresh() {
            self.blocked = Some(Waits::Suppressions);
            return;
        }
        let window = |opens: Option<Timestamp>| Waits::Window(opens.map(Timestamp::as_millisecond));
        self.blocked = match closed {
            Some(Eligibility::Wait(Wait::Window(opens))) => Some(window(Some(opens))),
            Some(Eligibility::Never(Never::Closed(opens))) => Some(window(opens)),
            _ => None,
        };
        self.queue.read_ahead(now);
        loop {
            while self.uncalled < UNCALLED_AT_ONCE
                && let Some(skipped) = self.queue.take_skipped()
            {
                self.write_uncalled(uncalled::row_of_skipped(&self.resources, &skipped));
            }
            if closed.is_some() || !self.begin_a_call(now) {
                break;
            }
        }
        self.queue.read_ahead(now);
    }

    /// Begins one call on the first trunk that takes one. `false` when there is nothing to begin now.
    fn begin_a_call(&mut self, now: Timestamp) -> bool {
        let instant = Instant::now();
        for trunk in self.lines.indices() {
            let others = self.lines.free_elsewhere(trunk);
            let has_somebody = self.queue.has_for(trunk, others);
            let trial = match self.lines.admit(trunk, instant, has_somebody) {
                Admission::Call => false,
                Admission::Trial => true,
                Admission::Paced(moment) | Admission::Rests(moment) => {
                    let earliest = self.next_turn.map_or(moment, |turn| turn.min(moment));
                    self.next_turn = Some(earliest);
                    continue;
                }
                Admission::Busy | Admission::Tried | Admission::NobodyToCall => continue,
            };
            while let Some(ready) = self.queue.take_for(trunk, others) {
                if let Some((ready, number)) = self.may_be_called(ready, now) {
                    return self.begin_call(ready, number, trunk, trial, instant);
                }
            }
            self.lines.trunks[trunk.get()].admission = Admission::NobodyToCall;
        }
        false
    }

    /// A contact and which of its numbers to call; `None` if it is not called now, which is taken care of.
    fn may_be_called(&mut self, mut ready: Candidate, now: Timestamp) -> Option<(Candidate, u8)> {
        let moment = RunMoment {
            now,
            numbers_in_use: &self.lines.numbers,
            limit_left: self.queue.limit_left,
        };
        let eligibility = self.resources.rules.judge(&ready, &moment);
        match eligibility {
            Eligibility::Now(_) | Eligibility::Wait(_) => self.queue.count(&mut ready),
            Eligibility::Never(_) => self.queue.discount(&ready),
        }
        match eligibility {
            Eligibility::Now(number) => return Some((ready, number)),
            Eligibility::Wait(Wait::NumberInUse(key)) => self.queue.wait_behind(key, ready),
            Eligibility::Wait(Wait::Retry(until) | Wait::Window(until) | Wait::Limits(until)) => {
                self.queue.wait(ready.contact.at, ready.history, until);
            }
            Eligibility::Never(why) => {
                if let Never::Closed(opens) = why {
                    self.left_outside += 1;
                    self.first_opening = self.first_opening.into_iter().chain(opens).min();
                }
                if let Some(row) = uncalled::row_of_never(&self.resources, &ready, why) {
                    self.tally.not_to_call();
                    self.write_uncalled(row);
                }
            }
        }
        None
    }

    fn write_uncalled(&mut self, row: ResultsRow) {
        self.uncalled += 1;
        let resources = Arc::clone(&self.resources);
        self.tasks.spawn(uncalled::write(resources, row));
    }

    /// `false` if the call cannot begin after all.
    fn begin_call(
        &mut self,
        candidate: Candidate,
        number: u8,
        trunk: TrunkIndex,
        trial: bool,
        now: Instant,
    ) -> bool {
        let Some((line, token)) = self.lines.take(trunk, trial, now) else {
            self.queue.ready.push_front(candidate);
            return false;
        };
        let contact = Arc::new(candidate.contact);
        let call = ActiveCall {
            id: CallId::new(),
            line,
            begun_at: now,
            number,
            key: contact.numbers[usize::from(number)].key(),
            callee: Callee::Listed(Arc::clone(&contact)),
            history: candidate.history,
        };
        self.tally.dispatched += 1;
        self.speed.begun(now);
        let (call, resources) = (Arc::new(call), Arc::clone(&self.resources));
        let task = place_call(
            resources,
            Arc::clone(&call),
            contact,
            token,
            self.stop.clone(),
        );
        self.follow(call, task);
        true
    }

    /// Follows the calls that an earlier run had in flight when it was cut off.
    fn adopt(&mut self, in_flight: Vec<(usize, JournalEntry)>) {
        if in_flight.is_empty() {
            return;
        }
        let (registered, all_registered) = mpsc::channel(1);
        for (slot, entry) in in_flight {
            let history = self.queue.prior.history(&entry.contact, &[]);
            if let Some(call) = self.lines.adopt(&self.resources, slot, entry, history) {
                let (call, resources) = (Arc::new(call), Arc::clone(&self.resources));
                let (registered, stop) = (registered.clone(), self.stop.clone());
                let task = adopt::follow(resources, Arc::clone(&call), registered, stop);
                self.follow(call, task);
            }
        }
        let look = adopt::look_for_calls(self.resources.reconnector.clone(), all_registered);
        self.looking_for_calls = Some(AbortOnDropHandle::new(tokio::spawn(look)));
    }

    /// A call's task died. Its line is kept until its channel is hung up and its row is written.
    fn bury(&mut self, call: Arc<ActiveCall>, why: &JoinError) {
        error!(
            "the task of call {} died ({why}): its channel is hung up and its row says UNKNOWN; please report this",
            call.id
        );
        let task = bury(Arc::clone(&self.resources), Arc::clone(&call));
        self.follow(call, task);
    }

    fn follow(
        &mut self,
        call: Arc<ActiveCall>,
        task: impl Future<Output = TaskResult> + Send + 'static,
    ) {
        let task = self.tasks.spawn(task);
        self.lines.numbers.insert(call.key);
        self.lines.calls.insert(task.id(), call);
    }

    /// The line of a call that is over is free, and its contact waits or is done.
    fn task_ended(&mut self, call: Option<&ActiveCall>, result: TaskResult) {
        if let Some(call) = call {
            let is_written = !matches!(result, TaskResult::NotWritten(..));
            self.lines.release(call, is_written);
            self.queue.free_number(call.key);
        } else {
            self.uncalled = self.uncalled.saturating_sub(1);
        }
        match (result, call) {
            (TaskResult::Concluded(conclusion), Some(call)) => self.concluded(call, &conclusion),
            (TaskResult::NotDialed, Some(call)) => self.not_dialed(call),
            (TaskResult::NotJournaled(error), Some(call)) => {
                self.not_dialed(call);
                self.cannot_write(error, None);
            }
            (TaskResult::NotCalled(disposition), _) => self.tally.finish(disposition, 1),
            (TaskResult::NotWritten(error, row), _) => self.cannot_write(error, Some(row)),
            (_, None) => {}
        }
    }

    fn concluded(&mut self, call: &ActiveCall, conclusion: &Conclusion) {
        let disposition = conclusion.disposition;
        self.tally.attempted(disposition, conclusion.is_final);
        if let Some(why) = &conclusion.opt_out_unwritten
            && !matches!(self.end, Some(RunEnd::Unwritable(..)))
        {
            report::log_write_error(why);
            self.end = Some(RunEnd::OptOutUnwritten(why.clone()));
        }
        let trunk = &self.lines.trunks[call.line.trunk.get()];
        if let Some(trouble) = &conclusion.trouble {
            self.report.log_trouble(&trunk.name, disposition, trouble);
        }
        report::log_trunk(trunk);
        match (&call.callee, conclusion.due) {
            (Callee::Listed(contact), Some(due)) => {
                self.queue.wait(contact.at, conclusion.history, due);
            }
            (Callee::Listed(_), None) => {}
            (Callee::Adopted(entry), due) => {
                self.queue.release(&entry.contact, conclusion.history, due);
            }
        }
        let trunks = &self.lines.trunks;
        if self.end.is_none() && trunks.iter().all(|trunk| trunk.breaker.is_given_up()) {
            let finals = trunks.iter().flat_map(|trunk| trunk.breaker.finals());
            self.end = Some(RunEnd::TrunksLost(finals.collect()));
        }
    }

    /// The contact of a call that did not begin is next again.
    fn not_dialed(&mut self, call: &ActiveCall) {
        let Callee::Listed(contact) = &call.callee else {
            return;
        };
        self.tally.dispatched = self.tally.dispatched.saturating_sub(1);
        self.speed.not_dialed();
        if call.line.trial {
            call.line.breaker.not_tried();
        }
        self.queue.ready.push_front(Candidate {
            contact: Contact::clone(contact),
            history: call.history,
            due: None,
            counted: true,
        });
    }

    /// Nothing more is begun; what could not be written is kept to be shown.
    fn cannot_write(&mut self, error: WriteError, row: Option<Vec<u8>>) {
        if let Some(RunEnd::Unwritable(_, rows)) = &mut self.end {
            rows.extend(row);
        } else {
            report::log_write_error(&error);
            self.end = Some(RunEnd::Unwritable(error, row.into_iter().collect()));
        }
    }

    /// Why the run is over, now that nothing is going on any more.
    fn end(&mut self) -> RunEnd {
        let nobody_left = self.queue.is_exhausted()
            && self.left_outside == 0
            && self.tally.attempts(Disposition::Cancelled) == 0;
        match self.end.take() {
            None if self.left_outside > 0 => self.outside(self.first_opening),
            // What would have stopped the run has stopped nothing.
            Some(end) if nobody_left && end.needs_contacts_left() => RunEnd::Finished,
            end => end.unwrap_or(RunEnd::Finished),
        }
    }

    /// When there is something to do that no other event tells of. A moment that has come, and that nothing can be made
    /// of yet, must not wake the loop: a line that comes free, what is being read, and the connection each do.
    fn next_moment(&self) -> Option<Instant> {
        let clock = &self.resources.clock;
        let now = clock.timestamp();
        let can_begin = self.is_connected()
            && self.suppressions.are_known()
            && self.looking_for_calls.is_none();
        let due = self.queue.next_due().filter(|_| can_begin);
        let change = self.resources.rules.next_change(now);
        let of_day = due.into_iter().chain(change).min().map(|moment| {
            let ahead = Duration::try_from(moment.duration_since(now)).unwrap_or_default();
            let is_virtual = clock.is_virtual();
            Instant::now()
                + if is_virtual {
                    ahead
                } else {
                    ahead.min(LOOK_AGAIN)
                }
        });
        let turn = self.next_turn.filter(|_| can_begin);
        of_day.into_iter().chain(turn).min()
    }

    /// Whether calls can be placed now.
    fn is_connected(&self) -> bool {
        matches!(&*self.connection.borrow(), SessionState::Up(_))
    }

    /// Why there will be no connection any more, if so.
    fn lost_connection(&mut self) -> Option<Arc<str>> {
        let is_kept = self.connection.has_changed().is_ok();
        match &*self.connection.borrow_and_update() {
            SessionState::Lost(why) => Some(Arc::clone(why)),
            _ if !is_kept => Some("the connection to Asterisk is no longer kept".into()),
            _ => None,
        }
    }

    /// Shows how the run is, or ended, to those who ask; and logs why no call is running, where that is new.
    fn report(&mut self, end: Option<&RunEnd>) {
        let ending = end.or(self.end.as_ref()).map(RunEnd::word);
        self.report.update(Facts {
            connected: self.is_connected(),
            blocked: ending.map(Waits::Ending).or(self.blocked),
            is_idle: ending.is_none()
                && self.tasks.is_empty()
                && self.suppressions.are_known()
                && self.queue.reading.is_none()
                && !self.queue.is_exhausted(),
            is_over: end.is_some(),
            tally: &self.tally,
            speed: &mut self.speed,
            queue: &self.queue,
            lines: &mut self.lines,
            clock: &self.resources.clock,
        });
    }
}

#[cfg(test)]
#[path = "tests/deaths.rs"]
mod deaths;
