//! What becomes of a call that is over: its line is given back, its contact waits or is done, and what it says of the
//! trunk, the disk or this process is said.

use std::sync::Arc;

use tokio::task::{Id, JoinError};
use tracing::{error, info, warn};

use crate::campaign::Over;
use crate::campaign::dispatcher::{Dispatcher, Settled, settle};
use crate::campaign::place_call::{self, Attempted, Record, Who};
use crate::campaign::queue::Ready;
use crate::disposition::Disposition;
use crate::error_chain::error_chain;
use crate::results::writer::WriteError;
use crate::trunk::breaker;

/// How many different troubles are said before the rest is left to the rows.
const TROUBLES_TOLD: usize = 20;

impl Dispatcher {
    pub(super) fn joined(&mut self, joined: Result<(Id, Settled), JoinError>) {
        match joined {
            Ok((id, settled)) => {
                let record = self.lines.remove(&id);
                if let Some(record) = &record {
                    self.free(record, matches!(settled, Settled::Unwritten(..)));
                }
                self.settled(settled, record.as_deref());
            }
            Err(error) => match self.lines.remove(&error.id()) {
                Some(record) => self.bury(record, &error),
                None => self.uncalled = self.uncalled.saturating_sub(1),
            },
        }
    }

    /// Gives a line back. A call that could not be written down is still the journal's.
    fn free(&mut self, record: &Record, unwritten: bool) {
        let ports: usize = self.trunks.iter().map(|trunk| trunk.ports).sum();
        // A run with fewer lines may have taken over calls beyond them.
        if !unwritten && record.slot < ports {
            self.slots.push(record.slot);
        }
        if let Some(trunk) = self.trunks.get_mut(record.trunk) {
            trunk.busy = trunk.busy.saturating_sub(1);
        }
        self.numbers.remove(&record.key);
        self.queue.free_number(record.key);
    }

    fn settled(&mut self, settled: Settled, record: Option<&Record>) {
        if record.is_none() {
            self.uncalled = self.uncalled.saturating_sub(1);
        }
        match settled {
            Settled::Call(attempted) => self.attempted(&attempted, record),
            Settled::Uncalled(disposition) => self.tally.finished(disposition),
            Settled::NotDialed(record) => self.not_dialed(&record),
            Settled::NotNoted(error, record) => {
                self.not_dialed(&record);
                self.unwritable(error, None);
            }
            Settled::Unwritten(error, row) => self.unwritable(error, Some(row)),
        }
    }

    fn attempted(&mut self, attempted: &Attempted, record: Option<&Record>) {
        self.tally
            .attempted(attempted.disposition, attempted.decision.is_final);
        let Some(record) = record else { return };
        if let Some(why) = &attempted.opt_out_unwritten
            && !matches!(self.over, Some(Over::Unwritable(..)))
        {
            error!(
                "no new calls are begun, the running ones are waited for: {}",
                error_chain(why)
            );
            self.over = Some(Over::OptOutUnwritten(why.clone()));
        }
        if let Some(trouble) = &attempted.trouble {
            self.tell(attempted.disposition, record, trouble);
        }
        match (&record.who, attempted.due) {
            (Who::Contact(contact), Some(due)) => {
                self.queue.wait(contact.at, attempted.history, due);
            }
            (Who::Contact(_), None) => {}
            (Who::Adopted(entry), due) => {
                self.queue.settled(&entry.contact, attempted.history, due);
            }
        }
        self.tell_how_the_trunk_is(record.trunk);
    }

    /// Says what a trunk's breaker did, and ends the run when no trunk has worked for too long.
    fn tell_how_the_trunk_is(&mut self, place: usize) {
        let Some(trunk) = self.trunks.get(place) else {
            return;
        };
        if let Some(trip) = trunk.breaker.trip() {
            let name = &trunk.name;
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
            info!("trunk {} works again", trunk.name);
        }
        let mut trunks = self.trunks.iter();
        if self.over.is_none() && trunks.all(|trunk| trunk.breaker.is_given_up()) {
            let finals = self.trunks.iter().flat_map(|trunk| trunk.breaker.finals());
            self.over = Some(Over::TrunksLost(finals.collect()));
        }
    }

    /// Says what went wrong on a trunk, each thing once: the rows say it of every call.
    fn tell(&mut self, disposition: Disposition, record: &Record, trouble: &str) {
        let trunk = &self.trunks[record.trunk].name;
        if self.told.len() < TROUBLES_TOLD && self.told.insert(trouble.to_owned()) {
            warn!("trunk {trunk}: {disposition}: {trouble} (said once; each row has its note)");
        }
    }

    /// A contact that had its turn and was not dialed after all.
    fn not_dialed(&mut self, record: &Record) {
        let Who::Contact(contact) = &record.who else {
            return;
        };
        self.tally.dispatched -= 1;
        self.speed.not_dialed();
        if record.trial {
            record.breaker.not_tried();
        }
        self.queue.put_back(Ready {
            contact: contact.clone(),
            history: record.history,
        });
    }

    /// Rows cannot be written, or can be again. What was said of it stands: nothing more is begun.
    pub(super) fn troubled(&mut self) {
        let why = self.trouble.borrow_and_update().why.clone();
        if let Some(why) = why {
            self.unwritable(why, None);
        } else {
            info!("the rows that waited are written now");
        }
    }

    /// Nothing more is begun; what could not be written is kept to be shown.
    pub(super) fn unwritable(&mut self, error: WriteError, row: Option<Vec<u8>>) {
        if let Some(Over::Unwritable(_, rows)) = &mut self.over {
            rows.extend(row);
        } else {
            error!(
                "no new calls are begun, the running ones are waited for: {}",
                error_chain(&error)
            );
            self.over = Some(Over::Unwritable(error, row.into_iter().collect()));
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
            let outcome = place_call::bury(&resources, &borrowed).await;
            settle(&resources, borrowed, outcome).await
        });
        self.lines.insert(task.id(), record);
    }
}
