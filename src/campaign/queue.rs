//! Whom to call next: contacts fresh from the list, and those whose turn has come again.
//!
//! The list is read in small pieces on blocking threads, always a little ahead of the calls, so that neither a long
//! list nor a slow disk holds up the reading of the socket. A contact that waits is only a place in the list and what
//! has happened so far; its row is read again when its time has come. Moments of waiting are times of day, in
//! milliseconds since 1970, since a clock that is set and a machine that slept must not change who is called when.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use tokio::task::{JoinError, JoinHandle};

use crate::contact_history::{Histories, History};
use crate::contacts::{
    Contact, Done, List, ListEntry as Entry, ListRows as Rows, Position, Rereader, Skipped,
};
use crate::results::resume::{ContactProgress, PriorRun};

/// How many rows are read at once.
const CHUNK: usize = 128;

/// A contact whose turn has come, with what has happened to it so far.
#[derive(Debug)]
pub struct Ready {
    /// Whom to call.
    pub contact: Contact,
    /// PriorRun attempts.
    pub history: History,
}

/// The contacts that are still to be called.
#[derive(Debug)]
pub struct Queue {
    ready: VecDeque<Ready>,
    /// Those whose last call was congested, by the trunk that it was on.
    avoiding: Vec<VecDeque<Ready>>,
    fresh: VecDeque<Entry>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    histories: Histories,
    rows: Option<Rows>,
    /// `None` while it is reading.
    rereader: Option<Rereader>,
    fetching: Option<Fetching>,
    /// A rehearsal is over the sooner the fewer threads it waits for: it reads where it is.
    in_place: bool,
    /// Fresh contacts that may still be handed out.
    limit: u64,
    /// How far earlier runs came.
    earlier: PriorRun,
    /// Contacts whose call of an earlier run is still being settled, by id.
    held: HashMap<String, Contact>,
    /// Contacts that wait for the end of a call to the same number, by that.
    behind: HashMap<u64, Vec<Ready>>,
}

/// A contact that waits. Ordered by when it is due, then by its place in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Waiting {
    due: i64,
    offset: u64,
    line: u32,
    history: u32,
}

const _: () = assert!(size_of::<Waiting>() == 24, "there may be millions");

/// What is being read ahead, or was.
#[derive(Debug)]
enum Fetching {
    Elsewhere(JoinHandle<io::Result<Fetched>>),
    Here(Option<Box<io::Result<Fetched>>>),
}

#[derive(Debug)]
struct Fetched {
    again: Vec<Ready>,
    fresh: Vec<Entry>,
    /// `None` when the list is at its end.
    rows: Option<Rows>,
    rereader: Rereader,
}

impl Queue {
    /// What earlier runs left of the list, or the first `limit` contacts of that, for so many trunks. Rows that are `done`
    /// are not looked at again. The list is read `in_place` in a rehearsal, and elsewhere on threads that may block.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub fn new(
        list: &Arc<List>,
        limit: Option<u64>,
        earlier: PriorRun,
        done: Option<Done>,
        trunks: usize,
        in_place: bool,
    ) -> io::Result<Self> {
        let rows = match done {
            Some(done) => list.rows_but(done)?,
            None => list.rows()?,
        };
        Ok(Self {
            rereader: Some(list.rereader()?),
            in_place,
            ready: VecDeque::new(),
            avoiding: (0..trunks).map(|_| VecDeque::new()).collect(),
            fresh: VecDeque::new(),
            waiting: BinaryHeap::new(),
            histories: Histories::default(),
            rows: Some(rows),
            fetching: None,
            limit: limit.unwrap_or(u64::MAX),
            earlier,
            held: HashMap::new(),
            behind: HashMap::new(),
        })
    }

    /// Puts a contact back until it is due.
    pub fn wait(&mut self, at: Position, history: History, due: i64) {
        self.waiting.push(Reverse(Waiting {
            due,
            offset: at.offset,
            // It is for people alone, and nobody has a list of four thousand million lines.
            line: u32::try_from(at.line).unwrap_or(u32::MAX),
            history: self.histories.keep(history),
        }));
    }

    /// Puts a contact back that was not called after all.
    pub fn put_back(&mut self, ready: Ready) {
        self.ready.push_front(ready);
    }

    /// Puts a contact back until the call to this number is over.
    pub fn wait_behind(&mut self, number: u64, ready: Ready) {
        self.behind.entry(number).or_default().push(ready);
    }

    /// A call to this number is over: whoever waited for that is next.
    pub fn free_number(&mut self, number: u64) {
        if !self.behind.is_empty()
            && let Some(behind) = self.behind.remove(&number)
        {
            self.ready.extend(behind);
        }
    }

    /// The next row of the list that is not called, if its turn has come.
    pub fn take_skipped(&mut self) -> Option<Skipped> {
        if self.limit == 0 {
            return None;
        }
        match self.fresh.pop_front()? {
            Entry::Skipped(skipped) => Some(skipped),
            contact @ Entry::Contact(_) => {
                self.fresh.push_front(contact);
                None
            }
        }
    }

    /// Whether somebody could be called on this trunk now. Where others work, those who were congested on it are left to
    /// them and to their so many free `lines`; but no more of them than these, once nobody else is to be called.
    pub fn has_for(&self, trunk: usize, lines: Option<usize>) -> bool {
        self.avoiders(trunk, lines).next().is_some()
            || !self.ready.is_empty()
            || (self.limit > 0 && matches!(self.fresh.front(), Some(Entry::Contact(_))))
            || self.exceeds(trunk, lines)
    }

    /// Takes whom [`has_for`](Self::has_for) saw: those who wait the longest first, then the list.
    pub fn take_for(&mut self, trunk: usize, lines: Option<usize>) -> Option<Ready> {
        let avoided = self.avoiders(trunk, lines).next();
        if let Some(avoided) = avoided {
            return self.avoiding[avoided].pop_front();
        }
        if let Some(ready) = self.ready.pop_front().or_else(|| self.take_fresh()) {
            return Some(ready);
        }
        if self.exceeds(trunk, lines) {
            return self.avoiding[trunk].pop_front();
        }
        None
    }

    fn take_fresh(&mut self) -> Option<Ready> {
        if self.limit == 0 {
            return None;
        }
        match self.fresh.pop_front()? {
            Entry::Contact(contact) => {
                self.limit -= 1;
                let history = History::default();
                Some(Ready { contact, history })
            }
            skipped @ Entry::Skipped(_) => {
                self.fresh.push_front(skipped);
                None
            }
        }
    }

    /// The trunks whose congested contacts may be called on this one before all others.
    fn avoiders(&self, trunk: usize, lines: Option<usize>) -> impl Iterator<Item = usize> {
        self.avoiding
            .iter()
            .enumerate()
            .filter(move |&(avoided, ready)| {
                !ready.is_empty() && (avoided != trunk || lines.is_none())
            })
            .map(|(avoided, _)| avoided)
    }

    /// Whether more contacts were congested on a trunk than the others have lines for.
    fn exceeds(&self, trunk: usize, lines: Option<usize>) -> bool {
        lines.is_some_and(|lines| self.avoiding[trunk].len() > lines)
    }

    /// Whether nobody is left: none ready, none waiting, the list at its end.
    pub fn is_exhausted(&self) -> bool {
        let fresh_left = self.limit > 0 && (self.rows.is_some() || !self.fresh.is_empty());
        self.fetching.is_none() && self.waiting() == 0 && self.held.is_empty() && !fresh_left
    }

    /// How many contacts wait for their turn to come again.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
            + self.ready.len()
            + self.avoiding.iter().map(VecDeque::len).sum::<usize>()
            + self.behind.values().map(Vec::len).sum::<usize>()
    }

    /// When the first is due of those who wait for a time.
    pub fn first_due(&self) -> Option<i64> {
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Whether somebody's turn has come, on whatever trunk.
    pub fn has_ready(&self) -> bool {
        !self.ready.is_empty()
            || self.avoiding.iter().any(|ready| !ready.is_empty())
            || (self.limit > 0 && matches!(self.fresh.front(), Some(Entry::Contact(_))))
    }

    /// Whether the next row of the list is one that is not called.
    pub fn has_skipped(&self) -> bool {
        self.limit > 0 && matches!(self.fresh.front(), Some(Entry::Skipped(_)))
    }

    /// Whether something is being read ahead.
    pub fn is_reading(&self) -> bool {
        self.fetching.is_some()
    }

    /// When the next waiting contact is due; `None` if its row would not be read then anyway.
    pub fn next_due(&self) -> Option<i64> {
        if self.fetching.is_some() || self.ready.len() >= CHUNK {
            return None;
        }
        self.waiting.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// Whether somebody is known who is still to be called.
    pub fn has_somebody(&self) -> bool {
        let is_contact = |entry: &Entry| matches!(entry, Entry::Contact(_));
        self.waiting() > 0
            || !self.held.is_empty()
            || (self.limit > 0 && self.fresh.iter().any(is_contact))
    }

    /// Starts reading ahead if that is called for: those who are due, and some fresh ones.
    pub fn fetch(&mut self, now: i64) {
        if self.fetching.is_some() {
            return;
        }
        let mut due = Vec::new();
        while due.len() + self.ready.len() < CHUNK
            && let Some(Reverse(waiting)) = self.waiting.peek()
            && waiting.due <= now
        {
            due.extend(self.waiting.pop().map(|Reverse(waiting)| waiting));
        }
        let more_fresh = self.limit > 0 && self.rows.is_some() && self.fresh.len() < CHUNK / 2;
        if due.is_empty() && !more_fresh {
            return;
        }
        let due: Vec<_> = due
            .into_iter()
            .map(|waiting| {
                let at = Position {
                    offset: waiting.offset,
                    line: waiting.line.into(),
                };
                (at, self.histories.get(waiting.history))
            })
            .collect();
        let Some(mut rereader) = self.rereader.take() else {
            return;
        };
        let mut rows = self.rows.take();
        let read = move || {
            let again = due
                .into_iter()
                .map(|(at, history)| {
                    let contact = rereader.read(at)?;
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
                again,
                fresh,
                rows,
                rereader,
            })
        };
        self.fetching = Some(if self.in_place {
            Fetching::Here(Some(Box::new(read())))
        } else {
            Fetching::Elsewhere(tokio::task::spawn_blocking(read))
        });
    }

    /// Returns when what was being read is there; never, if nothing is being read. Cancel-safe.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub async fn fetched(&mut self) -> io::Result<()> {
        let fetched = match &mut self.fetching {
            None => return std::future::pending().await,
            Some(Fetching::Elsewhere(fetching)) => {
                fetching.await.unwrap_or_else(|error| Err(panicked(&error)))
            }
            Some(Fetching::Here(fetched)) => match fetched.take() {
                Some(fetched) => *fetched,
                None => return std::future::pending().await,
            },
        };
        self.fetching = None;
        let fetched = fetched?;
        self.rereader = Some(fetched.rereader);
        self.rows = fetched.rows;
        for ready in fetched.again {
            match ready.history.avoid.map(usize::from) {
                Some(trunk) if trunk < self.avoiding.len() => self.avoiding[trunk].push_back(ready),
                _ => self.ready.push_back(ready),
            }
        }
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
        match self.earlier.progress(&contact.id) {
            None => self.fresh.push_back(Entry::Contact(contact)),
            Some(progress) if progress.is_final => {}
            Some(progress) if progress.in_flight => {
                self.held.insert(contact.id.clone(), contact);
            }
            Some(progress) => {
                if self.limit > 0 {
                    self.limit -= 1;
                    let history = self.earlier.history(&contact.id, &contact.numbers);
                    self.wait(contact.at, history, progress.next);
                }
            }
        }
    }

    fn is_done(&self, contact: &str) -> bool {
        self.earlier
            .progress(contact)
            .is_some_and(|progress| progress.is_final)
    }

    /// What earlier runs made of a contact, as far as it can be told without the list.
    pub fn history_of(&self, contact: &str) -> History {
        self.earlier.history(contact, &[])
    }

    /// A call of an earlier run is settled: its contact is free for what follows, now or when the list comes to it.
    pub fn settled(&mut self, contact: &str, history: History, due: Option<i64>) {
        let progress = ContactProgress::settled(history, due);
        self.earlier.note(contact, progress);
        if let Some(contact) = self.held.remove(contact) {
            self.meet(Entry::Contact(contact));
        }
    }
}

fn panicked(error: &JoinError) -> io::Error {
    io::Error::other(format!("reading the list of contacts failed: {error}"))
}
