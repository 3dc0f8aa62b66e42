//! The loop: a free line, the next contact, a task for the call, and what becomes of its outcome.
//!
//! One dispatcher owns the lines and the queue; each call is a task that borrows its line. A line is given back when
//! the call's row is durable, and is taken again in the same turn: nothing here polls. The dispatcher wakes for a call
//! that ended, for contacts that were read ahead, for the pace, for a retry that is due, for the end of the session and
//! for the operator.

pub mod attempt;
pub mod queue;
pub mod retry;
pub mod tally;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::call;
use crate::call::id::CallId;
use crate::call::link::{self, Link, State};
use crate::call::pace::{Pace, TrunkLog};
use crate::clock::Clock;
use crate::config::Campaign;
use crate::contacts::{List, Skipped};
use crate::disposition::Disposition;
use crate::results::journal::{Entry, Journal};
use crate::results::resume::Earlier;
use crate::results::row::Row;
use crate::results::writer::{Trouble, WriteError, Writer};
use attempt::{Attempted, Outcome, Record, Who};
use queue::{Kind, Next, Queue, Ready};
use retry::History;
use tally::Tally;

/// Rows of contacts that are not called which may wait for their write at once.
const SKIPPED_AT_ONCE: usize = 256;

/// How many different troubles are said before the rest is left to the rows.
const TROUBLES_TOLD: usize = 20;

/// What a run needs, shared by the dispatcher and the calls.
#[derive(Debug)]
pub struct Resources {
    /// The campaign.
    pub campaign: Campaign,
    /// Its contacts.
    pub list: Arc<List>,
    /// The link to Asterisk.
    pub link: Link,
    /// The results.
    pub writer: Writer,
    /// Their columns.
    pub columns: Vec<String>,
    /// What is in flight, on disk; `None` where nothing is to be continued.
    pub journal: Option<Journal>,
    /// The time of day.
    pub clock: Clock,
    /// Said in the `note` of every row, such as `simulated`.
    pub remark: Option<&'static str>,
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct Left {
    /// How far they came with each contact.
    pub earlier: Earlier,
    /// Calls that they had in flight, with their slots of the journal, and no row yet.
    pub in_flight: Vec<(usize, Entry)>,
}

/// How the operator stops a run.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    /// No new calls; the running ones finish.
    pub drain: CancellationToken,
    /// The running ones are hung up.
    pub hang_up: CancellationToken,
}

/// Why a run is over.
#[derive(Debug)]
pub enum Over {
    /// Every contact has its final outcome, or the limit is reached.
    Finished,
    /// The operator stopped it.
    Drained,
    /// The connection to Asterisk could not be established again.
    PbxLost(Arc<str>),
    /// The results cannot be written; rows that are not in the file.
    Unwritable(WriteError, Vec<Vec<u8>>),
    /// The list cannot be read any more.
    Unreadable(io::Error),
}

/// What a task of the dispatcher was about.
enum Settled {
    /// A call, with its row written.
    Call(Attempted),
    /// The row of a contact that is not called, written.
    Skipped(Disposition),
    /// The session was over before the contact was dialed.
    NotDialed(Arc<Record>),
    /// The call could not be noted in the journal.
    NotNoted(WriteError, Arc<Record>),
    /// A row that could not be written.
    Unwritten(WriteError, Vec<u8>),
}

/// The counts before anything has happened.
pub fn beginning(campaign: &Campaign, list: &List, limit: Option<u64>, earlier: &Earlier) -> Tally {
    let summary = list.summary();
    let never_called = |disposition: &Disposition| {
        matches!(
            disposition,
            Disposition::Duplicate | Disposition::InvalidNumber | Disposition::Failed
        )
    };
    let done = earlier
        .finals()
        .filter(|disposition| !never_called(disposition))
        .count() as u64;
    let callable = (summary.contacts - summary.bad - summary.duplicates).saturating_sub(done);
    let to_call = limit.map_or(callable, |limit| callable.min(limit));
    let mut tally = Tally::new(summary.contacts, to_call, campaign.trunks[0].ports);
    for disposition in earlier.finals() {
        tally.finished(disposition);
    }
    tally
}

/// Dials the campaign. `progress` receives the counts as they change.
pub async fn run(
    resources: Resources,
    left: Left,
    limit: Option<u64>,
    stop: Stop,
    progress: &watch::Sender<Tally>,
) -> Over {
    let Left { earlier, in_flight } = left;
    match Dispatcher::new(resources, earlier, &in_flight, limit, stop) {
        Ok(mut dispatcher) => {
            dispatcher.adopt(in_flight).await;
            dispatcher.run(progress).await
        }
        Err(error) => Over::Unreadable(error),
    }
}

struct Dispatcher {
    resources: Arc<Resources>,
    queue: Queue,
    pace: Pace,
    tasks: JoinSet<Settled>,
    /// The lines in use, by the task that borrows each. The record outlives a task that dies.
    lines: HashMap<Id, Arc<Record>>,
    /// Slots of the journal that no line uses.
    slots: Vec<usize>,
    /// What was said already of calls that went wrong.
    told: HashSet<String>,
    /// Rows of contacts that are not called, waiting for their write.
    skipped: usize,
    /// When the pace allows the next call, where it is what holds the next call up.
    next_turn: Option<Instant>,
    /// Why no new call is begun any more.
    over: Option<Over>,
    tally: Tally,
    link: watch::Receiver<State>,
    /// What cannot be written at the moment.
    trouble: watch::Receiver<Trouble>,
    stop: Stop,
}

impl Dispatcher {
    fn new(
        resources: Resources,
        mut earlier: Earlier,
        in_flight: &[(usize, Entry)],
        limit: Option<u64>,
        stop: Stop,
    ) -> io::Result<Self> {
        let resources = Arc::new(resources);
        let tally = beginning(&resources.campaign, &resources.list, limit, &earlier);
        for (_, entry) in in_flight {
            let mut progress = earlier
                .progress(&entry.contact)
                .copied()
                .unwrap_or_default();
            progress.in_flight = true;
            earlier.note(&entry.contact, progress);
        }
        let list = Arc::clone(&resources.list);
        let trunk = &resources.campaign.trunks[0];
        let taken = |slot: &usize| in_flight.iter().any(|(taken, _)| taken == slot);
        Ok(Self {
            queue: Queue::new(list, limit, earlier, resources.clock.clone())?,
            slots: (0..trunk.ports).rev().filter(|slot| !taken(slot)).collect(),
            pace: Pace::new(trunk.calls_per_second),
            tasks: JoinSet::new(),
            lines: HashMap::new(),
            told: HashSet::new(),
            skipped: 0,
            next_turn: None,
            over: None,
            tally,
            link: resources.link.watch(),
            trouble: resources.writer.trouble(),
            stop,
            resources,
        })
    }

    async fn run(mut self, progress: &watch::Sender<Tally>) -> Over {
        loop {
            if self.over.is_none() && self.linked() {
                self.fill_lines();
            }
            self.publish(progress);
            if self.tasks.is_empty() && (self.over.is_some() || self.queue.is_exhausted()) {
                let nobody_left =
                    self.queue.is_exhausted() && self.tally.called == self.tally.to_call;
                return match self.over.take() {
                    // What would have stopped the run has stopped nothing.
                    Some(Over::Drained | Over::PbxLost(_)) if nobody_left => Over::Finished,
                    Some(Over::Unwritable(_, rows)) if nobody_left && rows.is_empty() => {
                        Over::Finished
                    }
                    over => over.unwrap_or(Over::Finished),
                };
            }
            // Rows that wait are tried for as long as calls are running, and a little longer.
            let rows = self.trouble.borrow().rows;
            if rows > 0 && self.over.is_some() && self.tasks.len() <= rows {
                self.resources.writer.last_tries();
            }
            self.wake().await;
        }
    }

    /// Begins calls while there is a free line, a contact and the pace allows.
    fn fill_lines(&mut self) {
        self.next_turn = None;
        let ports = self.resources.campaign.trunks[0].ports;
        while self.lines.len() < ports && self.skipped < SKIPPED_AT_ONCE {
            let Some(&slot) = self.slots.last() else {
                return;
            };
            let now = Instant::now();
            let Some(kind) = self.queue.peek(now) else {
                return;
            };
            if kind == Kind::Call
                && let Err(turn) = self.pace.take(now)
            {
                self.next_turn = Some(turn);
                return;
            }
            match self.queue.take() {
                Some(Next::Call(ready)) => {
                    self.slots.pop();
                    self.begin_call(*ready, slot);
                }
                Some(Next::Skip(row)) => self.skip(row),
                None => return,
            }
        }
    }

    fn begin_call(&mut self, ready: Ready, slot: usize) {
        let record = Arc::new(Record {
            id: CallId::new(),
            trunk: 0,
            log: self.pace.log(),
            begun_at: Instant::now(),
            slot,
            who: Who::Contact(ready.contact),
            history: ready.history,
        });
        self.tally.dispatched += 1;
        let resources = Arc::clone(&self.resources);
        let stop = self.stop.clone();
        let borrowed = Arc::clone(&record);
        let task = self.tasks.spawn(async move {
            let outcome = match &borrowed.who {
                Who::Contact(contact) => attempt::run(&resources, &borrowed, contact, &stop).await,
                Who::Adopted(_) => Outcome::NotDialed,
            };
            settle(&resources, borrowed, outcome).await
        });
        self.lines.insert(task.id(), record);
    }

    /// Takes over the calls that an earlier run had in flight when it was cut off: those that Asterisk still carries are
    /// followed to their end, the others are told as UNKNOWN.
    async fn adopt(&mut self, in_flight: Vec<(usize, Entry)>) {
        if in_flight.is_empty() {
            return;
        }
        info!(
            "an earlier run was cut off with {} calls running: looking for them",
            in_flight.len()
        );
        for (slot, entry) in in_flight {
            let Some(id) = entry.id() else { continue };
            let begun_at = self.resources.clock.moment(entry.begun());
            let ended = call::adopt(&self.resources.link, id, begun_at).await;
            let trunks = &self.resources.campaign.trunks;
            let record = Arc::new(Record {
                id,
                trunk: trunks
                    .iter()
                    .position(|trunk| trunk.name == entry.trunk)
                    .unwrap_or(0),
                log: TrunkLog::default(),
                begun_at,
                slot,
                history: History {
                    attempts: entry.attempts,
                    counted: entry.counted,
                    congested: entry.congested,
                },
                who: Who::Adopted(entry),
            });
            let resources = Arc::clone(&self.resources);
            let stop = self.stop.clone();
            let borrowed = Arc::clone(&record);
            let task = self.tasks.spawn(async move {
                let outcome = match &borrowed.who {
                    Who::Adopted(entry) => {
                        attempt::adopted(&resources, &borrowed, entry, ended, &stop).await
                    }
                    Who::Contact(_) => Outcome::NotDialed,
                };
                settle(&resources, borrowed, outcome).await
            });
            self.lines.insert(task.id(), record);
        }
        // A session that drops meanwhile is reconciled by whoever connects again.
        if let Some(client) = self.resources.link.client()
            && let Err(error) = link::reconcile(&client).await
        {
            warn!("the living calls could not be listed: {error}");
        }
    }

    /// A call's task died. Its line is kept until its channel is hung up and its row is written.
    fn bury(&mut self, record: Arc<Record>, why: &JoinError) {
        error!(
            "the task of call {} died ({why}): its channel is hung up and its row says UNKNOWN; please report this",
            record.id
        );
        let resources = Arc::clone(&self.resources);
        let borrowed = Arc::clone(&record);
        let task = self.tasks.spawn(async move {
            let outcome = attempt::bury(&resources, &borrowed).await;
            settle(&resources, borrowed, outcome).await
        });
        self.lines.insert(task.id(), record);
    }

    /// Writes the row of a contact that is not called.
    fn skip(&mut self, skipped: Skipped) {
        let file = self.resources.list.file_name();
        if skipped.disposition != Disposition::Duplicate {
            warn!("not called: {file} line {}: {}", skipped.line, skipped.why);
        }
        self.skipped += 1;
        let resources = Arc::clone(&self.resources);
        self.tasks.spawn(async move {
            let row = skipped_row(&resources, &skipped).to_csv(&resources.columns);
            match resources.writer.append(row.clone()).await {
                Ok(()) => Settled::Skipped(skipped.disposition),
                Err(error) => Settled::Unwritten(error, row),
            }
        });
    }

    async fn wake(&mut self) {
        // A moment that has come, and that nothing can be made of yet, must not wake anybody: a line that comes free,
        // what is being read, and the link each wake by themselves.
        let line_free = self.lines.len() < self.resources.campaign.trunks[0].ports;
        let due = self
            .queue
            .next_due()
            .filter(|_| line_free && !self.queue.is_reading() && self.skipped < SKIPPED_AT_ONCE);
        let timer = self
            .next_turn
            .into_iter()
            .chain(due)
            .min()
            .filter(|_| self.linked());
        let dialing = self.over.is_none();
        tokio::select! {
            biased;
            Some(joined) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.joined(joined),
            fetched = self.queue.fetched(), if dialing => {
                if let Err(error) = fetched {
                    self.over = Some(Over::Unreadable(error));
                }
            }
            () = until(timer), if dialing => {}
            Ok(()) = self.trouble.changed() => self.troubled(),
            changed = self.link.changed(), if dialing => self.link_changed(changed.is_ok()),
            () = self.stop.drain.cancelled(), if dialing => {
                warn!(
                    "stopping: no new calls; {} are running and may finish (once more to hang them up)",
                    self.lines.len()
                );
                self.over = Some(Over::Drained);
            }
        }
    }

    fn link_changed(&mut self, kept: bool) {
        let lost = match &*self.link.borrow_and_update() {
            State::Lost(why) => Some(Arc::clone(why)),
            _ if !kept => Some("the connection to Asterisk is no longer kept".into()),
            _ => None,
        };
        if let Some(why) = lost {
            self.over = Some(Over::PbxLost(why));
        }
    }

    /// Whether calls can be placed now.
    fn linked(&self) -> bool {
        matches!(&*self.link.borrow(), State::Up(_))
    }

    fn joined(&mut self, joined: Result<(Id, Settled), JoinError>) {
        match joined {
            Ok((id, settled)) => {
                let record = self.lines.remove(&id);
                // A call that could not be written down is still the journal's.
                if let Some(record) = &record
                    && !matches!(settled, Settled::Unwritten(..))
                {
                    self.slots.push(record.slot);
                }
                self.settled(settled, record.as_deref());
            }
            Err(error) => match self.lines.remove(&error.id()) {
                Some(record) => self.bury(record, &error),
                None => self.skipped = self.skipped.saturating_sub(1),
            },
        }
    }

    fn settled(&mut self, settled: Settled, record: Option<&Record>) {
        if record.is_none() {
            self.skipped = self.skipped.saturating_sub(1);
        }
        match settled {
            Settled::Call(attempted) => {
                self.tally
                    .attempted(attempted.disposition, attempted.decision.is_final);
                if let (Some(trouble), Some(record)) = (&attempted.trouble, record) {
                    self.tell(attempted.disposition, record, trouble);
                }
                match (attempted.at, attempted.due, record) {
                    (Some(at), Some(due), _) => self.queue.wait(at, attempted.history, due),
                    (None, due, Some(record)) => {
                        self.queue.settled(record.contact(), attempted.history, due);
                    }
                    _ => {}
                }
            }
            Settled::Skipped(disposition) => self.tally.finished(disposition),
            Settled::NotDialed(record) => self.not_dialed(&record),
            Settled::NotNoted(error, record) => {
                self.not_dialed(&record);
                self.unwritable(error, None);
            }
            Settled::Unwritten(error, row) => self.unwritable(error, Some(row)),
        }
    }

    /// Says what went wrong on a trunk, each thing once: the rows say it of every call.
    fn tell(&mut self, disposition: Disposition, record: &Record, trouble: &str) {
        let trunk = &self.resources.campaign.trunks[record.trunk].name;
        if self.told.len() < TROUBLES_TOLD && self.told.insert(trouble.to_owned()) {
            warn!("trunk {trunk}: {disposition}: {trouble} (said once; each row has its note)");
        }
    }

    /// A contact that had its turn and was not dialed after all.
    fn not_dialed(&mut self, record: &Record) {
        self.tally.dispatched -= 1;
        self.pace.log().not_written();
        let history = record.history;
        let contact = match &record.who {
            Who::Contact(contact) => contact.clone(),
            Who::Adopted(_) => return,
        };
        self.queue.put_back(Ready { contact, history });
    }

    /// Rows cannot be written, or can be again. What was said of it stands: nothing more is begun.
    fn troubled(&mut self) {
        let why = self.trouble.borrow_and_update().why.clone();
        match why {
            Some(why) => self.unwritable(why, None),
            None => info!("the rows that waited are written now"),
        }
    }

    /// Nothing more is begun; what could not be written is kept to be shown.
    fn unwritable(&mut self, error: WriteError, row: Option<Vec<u8>>) {
        if let Some(Over::Unwritable(_, rows)) = &mut self.over {
            rows.extend(row);
        } else {
            error!("no new calls are begun, the running ones are waited for: {error}");
            self.over = Some(Over::Unwritable(error, row.into_iter().collect()));
        }
    }

    fn publish(&mut self, progress: &watch::Sender<Tally>) {
        self.tally.in_flight = self.lines.len();
        self.tally.retrying = self.queue.waiting();
        self.tally.stopping = self.over.is_some();
        self.tally.at = Some(Instant::now());
        progress.send_replace(self.tally.clone());
    }
}

/// Writes the row of a call that is over.
async fn settle(resources: &Resources, record: Arc<Record>, outcome: Outcome) -> Settled {
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

fn skipped_row(resources: &Resources, skipped: &Skipped) -> Row {
    let file = resources.list.file_name();
    let why = format!("{file} line {}: {}", skipped.line, skipped.why);
    Row {
        campaign: resources.campaign.name.clone(),
        contact: skipped.id.clone(),
        number: skipped.number.clone(),
        is_final: true,
        disposition: Some(skipped.disposition),
        note: attempt::note(resources, &why),
        ..Row::default()
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => std::future::pending().await,
    }
}
