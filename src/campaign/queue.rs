//! Whom to call next: contacts from the list, in its order, and those that are due again.
//!
//! The list is read in small pieces on blocking threads, always a little ahead of the calls, so that neither a long
//! list nor a slow disk holds up the reading of the socket. A contact that waits is only a position in the list and its
//! history; its row is read again when it is due. Contacts wait for a wall-clock time, since a clock that is set and a
//! machine that slept must not change who is called when.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::task::{JoinError, JoinHandle};

use crate::campaign::waiting::WaitingContacts;
use crate::contact_history::History;
use crate::contacts::{Contact, Done, List, ListEntry, ListRows, Position, Rereader, Skipped};
use crate::results::resume::{ContactProgress, PriorRun};
use crate::trunk::TrunkIndex;

/// How many rows are read at once.
const CHUNK: usize = 128;
/// How many contacts that avoid a trunk are read ahead; the others stay packed.
const AVOIDERS_READ: usize = 32;

/// A contact that may be next, with what has happened to it so far.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) contact: Contact,
    pub(super) history: History,
    /// When an earlier run left it to be called again.
    pub(super) due: Option<Timestamp>,
    /// It is one of the contacts that `--limit` allows.
    pub(super) counted: bool,
}

/// The contacts that are still to be called.
#[derive(Debug)]
pub(super) struct Queue {
    ready: VecDeque<Ready>,
    /// A few of the contacts that are due and avoid a trunk, by that.
    avoiders: Vec<VecDeque<Ready>>,
    /// Rows that were read ahead, in the order of the list.
    listed: VecDeque<Listed>,
    waiting: WaitingContacts,
    /// `None` while a piece is read, and at the end of the list.
    rows: Option<ListRows>,
    /// `None` while a piece is read.
    rereader: Option<Rereader>,
    reading: Option<ReadAhead>,
    /// A rehearsal is over the sooner the fewer threads it waits for: it reads in place.
    in_place: bool,
    /// How many more contacts may be counted.
    limit_left: u64,
    prior: PriorRun,
    /// Contacts whose call of an earlier run is being followed, by id.
    held: HashMap<String, Contact>,
    /// Contacts that wait for the end of a call to the same number, by its key.
    behind: HashMap<u64, Vec<Ready>>,
}

#[derive(Debug)]
enum Listed {
    Contact(Box<Ready>),
    Skipped(Skipped),
}

/// A piece that is being read, or was.
#[derive(Debug)]
enum ReadAhead {
    Thread(JoinHandle<io::Result<Piece>>),
    InPlace(Box<io::Result<Piece>>),
}

/// What was read of the list.
#[derive(Debug)]
pub(super) struct Piece {
    due: Vec<Ready>,
    listed: Vec<ListEntry>,
    /// `None` when the list is at its end.
    rows: Option<ListRows>,
    rereader: Rereader,
}

impl Queue {
    /// What earlier runs left of the list, for so many trunks; with a `limit`, that many contacts of it. Rows that are
    /// `done` are not looked at again. The list is read `in_place` in a rehearsal, else on threads that may block.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub(super) fn new(
        list: &Arc<List>,
        limit: Option<u64>,
        prior: PriorRun,
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
            avoiders: (0..trunks).map(|_| VecDeque::new()).collect(),
            listed: VecDeque::new(),
            waiting: WaitingContacts::new(trunks),
            rows: Some(rows),
            reading: None,
            limit_left: limit.unwrap_or(u64::MAX),
            prior,
            held: HashMap::new(),
            behind: HashMap::new(),
        })
    }

    /// How many more contacts `--limit` allows.
    pub(super) fn limit_left(&self) -> u64 {
        self.limit_left
    }

    /// Counts a contact that is called, or will be when it is due, among those that `--limit` allows.
    pub(super) fn count(&mut self, ready: &mut Ready) {
        if !std::mem::replace(&mut ready.counted, true) {
            self.limit_left = self.limit_left.saturating_sub(1);
        }
    }

    /// A contact is not called after all. If it never was, another may be counted instead.
    pub(super) fn discount(&mut self, ready: &Ready) {
        if ready.counted && ready.history.attempts == 0 {
            self.limit_left = self.limit_left.saturating_add(1);
        }
    }

    /// Puts a counted contact back until it is due.
    pub(super) fn wait(&mut self, at: Position, history: History, due: Timestamp) {
        self.waiting.push(at, history, due);
    }

    /// Puts a contact back that was not called after all.
    pub(super) fn put_back(&mut self, ready: Ready) {
        self.ready.push_front(ready);
    }

    /// Puts a contact back until the call to this number is over.
    pub(super) fn wait_behind(&mut self, number: u64, ready: Ready) {
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
        if !self.has_skipped() {
            return None;
        }
        match self.listed.pop_front()? {
            Listed::Skipped(skipped) => Some(skipped),
            Listed::Contact(_) => None,
        }
    }

    /// Whether a contact could be called on this trunk now. Where others work, those that were congested on it are left
    /// to them and to their free `lines`; but no more of them than these, once nobody else is to be called.
    pub(super) fn has_for(&self, trunk: TrunkIndex, lines: Option<usize>) -> bool {
        self.avoided(trunk, lines).next().is_some()
            || !self.ready.is_empty()
            || self.has_listed()
            || self.exceeds(trunk, lines)
    }

    /// Takes whom [`has_for`](Self::has_for) saw: those that wait the longest first, then the list.
    pub(super) fn take_for(&mut self, trunk: TrunkIndex, lines: Option<usize>) -> Option<Ready> {
        let avoided = self.avoided(trunk, lines).next();
        if let Some(avoided) = avoided {
            return self.avoiders[avoided].pop_front();
        }
        if let Some(ready) = self.ready.pop_front() {
            return Some(ready);
        }
        if self.has_listed() {
            return match self.listed.pop_front()? {
                Listed::Contact(ready) => Some(*ready),
                Listed::Skipped(_) => None,
            };
        }
        if self.exceeds(trunk, lines) {
            return self.avoiders[trunk.get()].pop_front();
        }
        None
    }

    /// The trunks whose avoiders may be called on this one before all others.
    fn avoided(&self, trunk: TrunkIndex, lines: Option<usize>) -> impl Iterator<Item = usize> {
        let avoiders = self.avoiders.iter().enumerate();
        avoiders
            .filter(move |&(avoided, avoiders)| {
                !avoiders.is_empty() && (avoided != trunk.get() || lines.is_none())
            })
            .map(|(avoided, _)| avoided)
    }

    /// Whether more contacts avoid a trunk than the others have lines for.
    fn exceeds(&self, trunk: TrunkIndex, lines: Option<usize>) -> bool {
        let ready = self.avoiders[trunk.get()].len();
        let avoiders = ready + self.waiting.avoiders(trunk.get());
        ready > 0 && lines.is_some_and(|lines| avoiders > lines)
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

    /// When the first contact is due, as far as they wait for a time.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        self.waiting.first_due()
    }

    /// Whether a contact could be called, on whatever trunk.
    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
            || self.avoiders.iter().any(|avoiders| !avoiders.is_empty())
            || self.has_listed()
    }

    /// Whether the next row of the list is a contact that may be called.
    fn has_listed(&self) -> bool {
        self.limit_left > 0 && matches!(self.listed.front(), Some(Listed::Contact(_)))
    }

    /// Whether the next row of the list is one that is not called.
    pub(super) fn has_skipped(&self) -> bool {
        self.limit_left > 0 && matches!(self.listed.front(), Some(Listed::Skipped(_)))
    }

    pub(super) fn is_reading(&self) -> bool {
        self.reading.is_some()
    }

    /// When the next waiting contact is due; `None` if its row would not be read then anyway.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        if self.reading.is_some() || self.ready.len() >= CHUNK {
            return None;
        }
        self.first_due()
    }

    /// Whether a contact is known that is still to be called.
    pub(super) fn has_somebody(&self) -> bool {
        let is_contact = |listed: &Listed| matches!(listed, Listed::Contact(_));
        self.waiting() > 0
            || !self.held.is_empty()
            || (self.limit_left > 0 && self.listed.iter().any(is_contact))
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
        let Some(mut rereader) = self.rereader.take() else {
            return;
        };
        let mut rows = self.rows.take();
        let read = move || {
            let due = due.into_iter().map(|(at, history)| {
                let contact = rereader.read(at)?;
                Ok(Ready {
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
            Ok(Piece {
                due,
                listed,
                rows,
                rereader,
            })
        };
        self.reading = Some(if self.in_place {
            ReadAhead::InPlace(Box::new(read()))
        } else {
            ReadAhead::Thread(tokio::task::spawn_blocking(read))
        });
    }

    /// Returns what was read ahead, for [`add`](Self::add); waits for ever if nothing is being read. Cancel-safe.
    ///
    /// # Errors
    /// The private copy of the list cannot be read.
    pub(super) async fn read(&mut self) -> io::Result<Piece> {
        if let Some(ReadAhead::Thread(reading)) = &mut self.reading {
            let piece = reading.await;
            self.reading = None;
            return piece.unwrap_or_else(|error| Err(panicked(&error)));
        }
        match self.reading.take() {
            Some(ReadAhead::InPlace(piece)) => *piece,
            _ => std::future::pending().await,
        }
    }

    /// Adds what was read.
    pub(super) fn add(&mut self, piece: Piece) {
        self.rereader = Some(piece.rereader);
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
                    if let Some(ready) = self.resume(contact) {
                        self.listed.push_back(Listed::Contact(Box::new(ready)));
                    }
                }
                ListEntry::Skipped(skipped) => {
                    let progress = self.prior.progress(&skipped.id);
                    if progress.is_none_or(|progress| !progress.is_final) {
                        self.listed.push_back(Listed::Skipped(skipped));
                    }
                }
            }
        }
    }

    /// A contact of the list as earlier runs left it; `None` if it is done, or held while its call is followed.
    fn resume(&mut self, contact: Contact) -> Option<Ready> {
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
            due = Some(progress.next);
        }
        Some(Ready {
            contact,
            history,
            due,
            counted: false,
        })
    }

    /// What earlier runs made of a contact, as far as that can be told without the list.
    pub(super) fn history_of(&self, contact: &str) -> History {
        self.prior.history(contact, &[])
    }

    /// A call of an earlier run is over: its contact is free for what follows, now or when the list comes to it.
    pub(super) fn release(&mut self, contact: &str, history: History, due: Option<Timestamp>) {
        let progress = ContactProgress::settled(history, due);
        self.prior.note(contact, progress);
        if let Some(contact) = self.held.remove(contact)
            && self.limit_left > 0
            && let Some(ready) = self.resume(contact)
        {
            self.ready.push_back(ready);
        }
    }
}

fn panicked(error: &JoinError) -> io::Error {
    io::Error::other(format!("reading the list of contacts failed: {error}"))
}
