//! What earlier runs left in flight when they were cut off.

use std::sync::Arc;

use tracing::{info, warn};

use crate::call;
use crate::call::reconcile::reconcile;
use crate::campaign::dispatcher::{Dispatcher, settle};
use crate::campaign::place_call::{self, Outcome, Record, Who};
use crate::error_chain::error_chain;
use crate::results::journal::JournalEntry;

impl Dispatcher {
    /// Takes over the calls that an earlier run had in flight when it was cut off: those that Asterisk still carries are
    /// followed to their end, the others are told as UNKNOWN.
    pub(super) async fn adopt(&mut self, in_flight: Vec<(usize, JournalEntry)>) {
        if in_flight.is_empty() {
            return;
        }
        info!(
            "an earlier run was cut off with {} calls running: looking for them",
            in_flight.len()
        );
        for (slot, entry) in in_flight {
            self.adopt_one(slot, entry).await;
        }
        // A session that drops meanwhile is reconciled by whoever connects again.
        if let Some(client) = self.resources.link.client()
            && let Err(error) = reconcile(&client, self.resources.link.captured_vars()).await
        {
            warn!("{}", error_chain(&error));
        }
    }

    async fn adopt_one(&mut self, slot: usize, entry: JournalEntry) {
        let Some(id) = entry.id() else { return };
        let begun_at = self.resources.clock.moment(entry.begun());
        let ended = call::adopt(&self.resources.link, id, begun_at).await;
        let named = |trunk: &crate::trunk::Trunk| trunk.name == entry.trunk;
        let place = self.trunks.iter().position(named).unwrap_or(0);
        let trunk = &mut self.trunks[place];
        trunk.busy += 1;
        let key = self.resources.key_of(&entry.number);
        self.numbers.insert(key);
        let record = Arc::new(Record {
            id,
            trunk: place,
            log: trunk.pace.log(),
            breaker: trunk.breaker.clone(),
            trial: false,
            begun_at,
            slot,
            number: entry.place,
            key,
            history: self.queue.history_of(&entry.contact),
            who: Who::Adopted(entry),
        });
        let resources = Arc::clone(&self.resources);
        let stop = self.stop.clone();
        let borrowed = Arc::clone(&record);
        let task = self.tasks.spawn(async move {
            let outcome = match &borrowed.who {
                Who::Adopted(entry) => {
                    place_call::adopted(&resources, &borrowed, entry, ended, &stop).await
                }
                Who::Contact(_) => Outcome::NotDialed,
            };
            settle(&resources, borrowed, outcome).await
        });
        self.lines.insert(task.id(), record);
    }
}
