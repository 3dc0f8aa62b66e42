//! Whom to call next: contacts from the list, in its order, and those that are due again.
//!
//! The list is read in small pieces on blocking threads, always a little ahead of the calls, so that neither a long
//! list nor a slow disk holds up the reading of the socket. A contact that waits is only a position in the list and its
//! history; its row is read again when it is due. Contacts wait for a wall-clock time, since a clock that is set and a
//! machine that slept must not change who is called when.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;

use crate::campaign::eligibility::Candidate;
use crate::campaign::or_never;
use crate::campaign::waiting::WaitingContacts;
use crate::contact_history::History;
use crate::contacts::{Contact, List, ListEntry, ListRows, Position, Skipped};
use crate::results::resume::PriorRun;
use crate::trunk::TrunkIndex;

/// How many rows are read at once.
const CHUNK: usize = 128;
/// How many contacts that avoid a trunk are read ahead; the others stay packed.
const AVOIDERS_READ: usize = 32;

/// The contacts that are still to be called.
pub(super) struct Queue {
    pub(super) ready: VecDeque<Candidate>,
    /// A few of the contacts that are due and avoid a trunk, by that.
    avoiders: Vec<VecDeque<Candidate>>,
    /// Rows that were read ahead, in the order of the list.
    listed: VecDeque<Result<Candidate, Skipped>>,
    pub(super) waiting: WaitingContacts,
    /// `None` while a piece is read, and at the end of the list.
    rows: Option<ListRows>,
    list: Arc<List>,
    pub(super) reading: Option<ReadAhead>,
    /// A rehearsal is over the sooner the fewer threads it waits for: it reads in place.
    in_place: bool,
    /// How many more contacts may be counted.
    pub(super) limit_left: u64,
    pub(super) prior: PriorRun,
    /// Contacts whose call of an earlier run is being followed, by id.
    held: HashMap<String, Contact>,
    /// Contacts that wait for the end of a call to the same number, by its key.
    behind: HashMap<u64, Vec<Candidate>>,
}

/// A piece that is being read.
type ReadAhead = Pin<Box<dyn Future<Output = io::Result<Box<Piece>>> + Send>>;

/// Where the next contact for a trunk is.
enum NextOf {
    /// Those that avoid this trunk.
    Avoiders(usize),
    Ready,
    Listed,
}

/// What was read of the list.
#[derive(Debug)]
pub(super) struct Piece {
    due: Vec<Candidate>,
    listed: Vec<ListEntry>,
    /// `None` when the list is at its end.
    rows: Option<ListRows>,
}

impl Queue {
    /// What earlier runs left of the list, for so many trunks; with a `limit`, that many contacts of it. Rows that are
    /// `done` are not looked at again. The list is read `in_place` in a rehearsal, else on threads that may block.
    pub(super) fn new(
        list: &Arc<List>,
        limit: Option<u64>,
        prior: PriorRun,
        done: Vec<bool>,
        trunks: usize,
        in_place: bool,
    ) -> Self {
        Self {
            list: Arc::clone(list),
            in_place,
            ready: VecDeque::new(),
            avoiders: (0..trunks).map(|_| VecDeque::new()).collect(),
            listed: VecDeque::new(),
            waiting: WaitingContacts::new(trunks),
            rows: Some(list.rows(done)),
            reading: None,
            limit_left: limit.unwrap_or(u64::MAX),
            prior,
            held: HashMap::new(),
            behind: HashMap::new(),
        }
    }

    /// Counts a contact that is called, or will be when it is due, among those that `--limit` allows.
    pub(super) fn count(&mut self, ready: &mut Candidate) {
        if !std::mem::replace(&mut ready.counted, true) {
            self.limit_left = self.limit_left.saturating_sub(1);
        }
    }

    /// A contact is not called after all. If it never was, another may be counted instead.
    pub(super) fn discount(&mut self, ready: &Candidate) {
        if ready.counted && ready.history.attempts == 0 {
            self.limit_left = self.limit_left.saturating_add(1);
        }
    }

    /// Puts a counted contact back until it is due.
    pub(super) fn wait(&mut self, at: Position, history: History, due: Timestamp) {
        self.waiting.push(at, history, due);
    }

    /// Puts a contact back until the call to this number is over.
    pub(super) fn wait_behind(&mut self, number: u64, ready: Candidate) {
        self.behind.entry(number).or_default().push(ready);
    }

    /// A call to this number is over: the contacts that waited for that are next.
    pub(super) fn free_number(&mut self, number: u64) {
        if !self.behind.is_empty()
            && let Some(behind) = self.behind.remove(&number)
        {
            self.ready.extend(behind);
        }
    }

    /// The next row of the list, if it is one that is not called.
    pub(super) fn take_skipped(&mut self) -> Option<Skipped> {
        if self.has_skipped() {
            self.listed.pop_front()?.err()
        } else {
            None
        }
    }

    /// Whether a contact could be called on this trunk now. Where others work, those that were congested on it are left
    /// to them and to their free `lines`; but no more of them than these, once nobody else is to be called.
    pub(super) fn has_for(&self, trunk: TrunkIndex, lines: Option<usize>) -> bool {
        self.next_for(trunk, lines).is_some()
    }

    /// Takes whom [`has_for`](Self::has_for) saw: those that wait the longest first, then the list.
    pub(super) fn take_for(
        &mut self,
        trunk: TrunkIndex,
        lines: Option<usize>,
    ) -> Option<Candidate> {
        match self.next_for(trunk, lines)? {
            NextOf::Avoiders(avoided) => self.avoiders[avoided].pop_front(),
            NextOf::Ready => self.ready.pop_front(),
            NextOf::Listed => self.listed.pop_front()?.ok(),
        }
    }

    fn next_for(&self, trunk: TrunkIndex, lines: Option<usize>) -> Option<NextOf> {
        let trunk = trunk.get();
        let (avoiders, waiting) = (&self.avoiders, &self.waiting.avoiders);
        let may_take = |&avoided: &usize| {
            !avoiders[avoided].is_empty() && (avoided != trunk || lines.is_none())
        };
        if let Some(avoided) = (0..avoiders.len()).find(may_take) {
            return Some(NextOf::Avoiders(avoided));
        }
        if !self.ready.is_empty() {
            return Some(NextOf::Ready);
        }
        if self.has_listed() {
            return Some(NextOf::Listed);
        }
        let (own, packed) = (avoiders[trunk].len(), waiting[trunk].len());
        let exceed = own > 0 && lines.is_some_and(|lines| own + packed > lines);
        exceed.then_some(NextOf::Avoiders(trunk))
    }

    /// Whether nobody is left: none ready, none waiting, the list at its end.
    pub(super) fn is_exhausted(&self) -> bool {
        let list_left = self.limit_left > 0 && (self.rows.is_some() || !self.listed.is_empty());
        self.reading.is_none() && self.waiting() == 0 && self.held.is_empty() && !list_left
    }

    /// How many contacts wait to be called again.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
            + self.ready.len()
            + self.avoiders.iter().map(VecDeque::len).sum::<usize>()
            + self.behind.values().map(Vec::len).sum::<usize>()
    }

    /// Whether a contact could be called, on whatever trunk.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
            || self.avoiders.iter().any(|avoiders| !avoiders.is_empty())
            || self.has_listed()
    }

    /// Whether the next row of the list is a contact that may be called.
    fn has_listed(&self) -> bool {
        self.limit_left > 0 && matches!(self.listed.front(), Some(Ok(_)))
    }

    /// Whether the next row of the list is one that is not called.
    pub(super) fn has_skipped(&self) -> bool {
        self.limit_left > 0 && matches!(self.listed.front(), Some(Err(_)))
    }

    /// When the next waiting contact is due; `None` if its row would not be read then anyway.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.reading.is_some() || self.ready.len() >= CHUNK {
            return None;
        }
        self.waiting.first_due()
    }

    /// Whether a contact is known that is still to be called.
    pub(super) fn has_somebody(&self) -> bool {
        self.waiting() > 0
            || !self.held.is_empty()
            || (self.limit_left > 0 && self.listed.iter().any(Result::is_ok))
    }

    /// Starts to read ahead if that is called for: contacts that are due, and the next rows of the list.
    pub(super) fn read_ahead(&mut self, now: Timestamp) {
        if self.reading.is_some() {
            return;
        }
        let room = CHUNK.saturating_sub(self.ready.len());
        let avoiders = self.avoiders.iter();
        let to_avoid = avoiders.map(|avoiders| AVOIDERS_READ.saturating_sub(avoiders.len()));
        let due = self.waiting.take_due(now, room, to_avoid);
        let more_rows = self.limit_left > 0 && self.rows.is_some() && self.listed.len() < CHUNK / 2;
        if due.is_empty() && !more_rows {
            return;
        }
        let list = Arc::clone(&self.list);
        let mut rows = self.rows.take();
        let read = move || {
            let due = due.into_iter().map(|(at, history)| {
                let contact = list.reread(at)?;
                Ok(Candidate {
                    contact,
                    history,
                    due: None,
                    counted: true,
                })
            });
            let due = due.collect::<io::Result<_>>()?;
            let mut listed = Vec::new();
            while more_rows
                && listed.len() < CHUNK
                && let Some(reader) = &mut rows
            {
                match reader.next() {
                    Some(entry) => listed.push(entry?),
                    None => rows = None,
                }
            }
            Ok(Box::new(Piece { due, listed, rows }))
        };
        self.reading = Some(if self.in_place {
            Box::pin(std::future::ready(read()))
        } else {
            let reading = tokio::task::spawn_blocking(read);
            Box::pin(async {
                let panicked = |error| format!("reading the list of contacts failed: {error}");
                reading
                    .await
                    .map_err(|error| io::Error::other(panicked(error)))?
            })
        });
    }

    /// Returns what was read ahead, for [`add`](Self::add); waits for ever if nothing is being read. Cancel-safe.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub(super) async fn read(&mut self) -> io::Result<Box<Piece>> {
        let piece = or_never(self.reading.as_mut()).await;
        self.reading = None;
        piece
    }

    /// Adds what was read.
    pub(super) fn add(&mut self, piece: Box<Piece>) {
        self.rows = piece.rows;
        for ready in piece.due {
            match self.waiting.avoids(ready.history) {
                Some(trunk) => self.avoiders[trunk].push_back(ready),
                None => self.ready.push_back(ready),
            }
        }
        for entry in piece.listed {
            match entry {
                ListEntry::Contact(contact) => {
                    let candidate = self.resume(contact);
                    self.listed.extend(candidate.map(Ok));
                }
                ListEntry::Skipped(skipped) => {
                    let progress = self.prior.progress(&skipped.id);
                    if progress.is_none_or(|progress| !progress.is_final) {
                        self.listed.push_back(Err(skipped));
                    }
                }
            }
        }
    }

    /// A contact of the list as earlier runs left it; `None` if it is done, or held while its call is followed.
    fn resume(&mut self, contact: Contact) -> Option<Candidate> {
        let (mut history, mut due) = (History::default(), None);
        if let Some(progress) = self.prior.progress(&contact.id) {
            if progress.is_final {
                return None;
            }
            if progress.in_flight {
                self.held.insert(contact.id.clone(), contact);
                return None;
            }
            history = self.prior.history(&contact.id, &contact.numbers);
            due = Some(progress.next());
        }
        Some(Candidate {
            contact,
            history,
            due,
            counted: false,
        })
    }

    /// A call of an earlier run is over: its contact is free for what follows, now or when the list comes to it.
    pub(super) fn release(&mut self, contact: &str, history: History, due: Option<Timestamp>) {
        self.prior.settle(contact, history, due);
        if let Some(contact) = self.held.remove(contact)
            && self.limit_left > 0
            && let Some(ready) = self.resume(contact)
        {
            self.ready.push_back(ready);
        }
    }
}
