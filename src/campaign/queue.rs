//! Whom to call next: contacts fresh from the list, and those whose retry is due.
//!
//! The list is read in small pieces on blocking threads, always a little ahead of the calls, so that neither a long
//! list nor a slow disk holds up the reading of the socket. A contact that waits for its retry is only a place in the
//! list and what has happened so far; its row is read again when its time has come.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};
use tokio::time::Instant;

use super::retry::History;
use crate::clock::Clock;
use crate::contacts::{Contact, Entry, List, Position, Rows, Skipped};
use crate::results::resume::{Earlier, Progress};

/// How many rows are read at once.
const CHUNK: usize = 64;

/// A contact whose turn has come, with what has happened to it so far.
#[derive(Debug)]
pub struct Ready {
    /// Whom to call.
    pub contact: Contact,
    /// Earlier attempts.
    pub history: History,
}

/// What comes next.
#[derive(Debug)]
pub enum Next {
    /// Somebody to call.
    Call(Box<Ready>),
    /// A row of the list that is not called, and why.
    Skip(Skipped),
}

/// What kind of thing comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Somebody to call.
    Call,
    /// A row of the list that is not called.
    Skip,
}

/// The contacts that are still to be called.
#[derive(Debug)]
pub struct Queue {
    list: Arc<List>,
    retries: VecDeque<Ready>,
    fresh: VecDeque<Entry>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    rows: Option<Rows>,
    fetching: Option<JoinHandle<io::Result<Fetched>>>,
    /// Fresh contacts that may still be handed out.
    limit: u64,
    /// How far earlier runs came.
    earlier: Earlier,
    /// Contacts whose call of an earlier run is still being settled, by id.
    held: HashMap<String, Contact>,
    clock: Clock,
}

/// A contact that waits for its retry. Ordered by when it is due, then by its place in the list.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: Instant,
    at: Position,
    history: HistoryOf,
}

/// A history has no order of its own; it only rides along.
#[derive(Debug, PartialEq, Eq)]
struct HistoryOf(History);

impl PartialOrd for HistoryOf {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for HistoryOf {
    fn cmp(&self, _other: &Self) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

#[derive(Debug)]
struct Fetched {
    retries: Vec<Ready>,
    fresh: Vec<Entry>,
    /// `None` when the list is at its end.
    rows: Option<Rows>,
}

impl Queue {
    /// What earlier runs left of the list, or the first `limit` contacts of that.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub fn new(
        list: Arc<List>,
        limit: Option<u64>,
        earlier: Earlier,
        clock: Clock,
    ) -> io::Result<Self> {
        let rows = list.rows()?;
        Ok(Self {
            list,
            retries: VecDeque::new(),
            fresh: VecDeque::new(),
            waiting: BinaryHeap::new(),
            rows: Some(rows),
            fetching: None,
            limit: limit.unwrap_or(u64::MAX),
            earlier,
            held: HashMap::new(),
            clock,
        })
    }

    /// Puts a contact back until its retry is due.
    pub fn wait(&mut self, at: Position, history: History, due: Instant) {
        let history = HistoryOf(history);
        self.waiting.push(Reverse(Waiting { due, at, history }));
    }

    /// Puts a contact back that was not called after all.
    pub fn put_back(&mut self, ready: Ready) {
        self.retries.push_front(ready);
    }

    /// What is next, if anything is ready now; due retries go first. Reads ahead.
    pub fn peek(&mut self, now: Instant) -> Option<Kind> {
        self.fetch(now);
        if !self.retries.is_empty() {
            return Some(Kind::Call);
        }
        match self.fresh.front().filter(|_| self.limit > 0)? {
            Entry::Contact(_) => Some(Kind::Call),
            Entry::Skipped(_) => Some(Kind::Skip),
        }
    }

    /// Takes what [`peek`](Self::peek) saw.
    pub fn take(&mut self) -> Option<Next> {
        if let Some(ready) = self.retries.pop_front() {
            return Some(Next::Call(Box::new(ready)));
        }
        if self.limit == 0 {
            return None;
        }
        match self.fresh.pop_front()? {
            Entry::Contact(contact) => {
                self.limit -= 1;
                let history = History::default();
                Some(Next::Call(Box::new(Ready { contact, history })))
            }
            Entry::Skipped(row) => Some(Next::Skip(row)),
        }
    }

    /// Whether nobody is left: none ready, none waiting, the list at its end.
    pub fn is_exhausted(&self) -> bool {
        let fresh_left = self.limit > 0 && (self.rows.is_some() || !self.fresh.is_empty());
        self.fetching.is_none()
            && self.retries.is_empty()
            && self.waiting.is_empty()
            && self.held.is_empty()
            && !fresh_left
    }

    /// How many contacts wait for a retry.
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.retries.len()
    }

    /// Whether something is being read ahead.
    pub fn is_reading(&self) -> bool {
        self.fetching.is_some()
    }

    /// When the next waiting contact is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Starts reading ahead if that is called for.
    fn fetch(&mut self, now: Instant) {
        if self.fetching.is_some() {
            return;
        }
        let mut due = Vec::new();
        while due.len() < CHUNK
            && let Some(Reverse(waiting)) = self.waiting.peek()
            && waiting.due <= now
        {
            due.extend(self.waiting.pop().map(|Reverse(waiting)| waiting));
        }
        let more_fresh = self.limit > 0 && self.rows.is_some() && self.fresh.len() < CHUNK / 2;
        if due.is_empty() && !more_fresh {
            return;
        }
        let list = Arc::clone(&self.list);
        let mut rows = self.rows.take();
        self.fetching = Some(tokio::task::spawn_blocking(move || {
            let retries = due
                .into_iter()
                .map(|waiting| {
                    let contact = list.reread(waiting.at)?;
                    let history = waiting.history.0;
                    Ok(Ready { contact, history })
                })
                .collect::<io::Result<_>>()?;
            let mut fresh = Vec::new();
            while more_fresh
                && fresh.len() < CHUNK
                && let Some(reader) = &mut rows
            {
                match reader.next() {
                    Some(entry) => fresh.push(entry?),
                    None => rows = None,
                }
            }
            Ok(Fetched {
                retries,
                fresh,
                rows,
            })
        }));
    }

    /// Returns when what was being read is there; never, if nothing is being read. Cancel-safe.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub async fn fetched(&mut self) -> io::Result<()> {
        let Some(fetching) = &mut self.fetching else {
            return std::future::pending().await;
        };
        let fetched = fetching.await;
        self.fetching = None;
        let fetched = fetched.map_err(|error| panicked(&error))??;
        self.retries.extend(fetched.retries);
        self.rows = fetched.rows;
        for entry in fetched.fresh {
            self.meet(entry);
        }
        Ok(())
    }

    /// Sorts a row of the list by how far earlier runs came with its contact.
    fn meet(&mut self, entry: Entry) {
        let contact = match entry {
            Entry::Contact(contact) => contact,
            Entry::Skipped(skipped) => {
                if !self.is_done(&skipped.id) {
                    self.fresh.push_back(Entry::Skipped(skipped));
                }
                return;
            }
        };
        match self.earlier.progress(&contact.id).copied() {
            None => self.fresh.push_back(Entry::Contact(contact)),
            Some(progress) if progress.is_final => {}
            Some(progress) if progress.in_flight => {
                self.held.insert(contact.id.clone(), contact);
            }
            Some(progress) => {
                if self.limit > 0 {
                    self.limit -= 1;
                    let history = history_of(&progress);
                    let due = progress.due().map(|due| self.clock.moment(due));
                    match due.filter(|&due| due > Instant::now()) {
                        Some(due) => self.wait(contact.at, history, due),
                        None => self.retries.push_back(Ready { contact, history }),
                    }
                }
            }
        }
    }

    fn is_done(&self, contact: &str) -> bool {
        self.earlier
            .progress(contact)
            .is_some_and(|progress| progress.is_final)
    }

    /// A call of an earlier run is settled: its contact is free for what follows, now or when the list comes to it.
    pub fn settled(&mut self, contact: &str, history: History, due: Option<Instant>) {
        let due = due.map(|due| self.clock.at(due).timestamp());
        let progress = Progress::settled(history.attempts, history.counted, history.congested, due);
        self.earlier.note(contact, progress);
        if let Some(contact) = self.held.remove(contact) {
            self.meet(Entry::Contact(contact));
        }
    }
}

fn history_of(progress: &Progress) -> History {
    History {
        attempts: progress.attempts,
        counted: progress.counted,
        congested: progress.congested,
    }
}

fn panicked(error: &JoinError) -> io::Error {
    io::Error::other(format!("reading the list of contacts failed: {error}"))
}
