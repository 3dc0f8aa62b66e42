//! Contacts who are not called: each gets a row that says why.

use std::sync::Arc;

use tracing::warn;

use crate::campaign::dispatcher::{Dispatcher, Settled};
use crate::campaign::queue::Ready;
use crate::contacts::Skipped;
use crate::disposition::Disposition;
use crate::results::schema::ResultsRow;

impl Dispatcher {
    /// Writes the row of a contact that is not called.
    pub(super) fn skip(&mut self, skipped: &Skipped) {
        let file = self.resources.list.file_name();
        if skipped.disposition != Disposition::Duplicate {
            warn!("not called: {file} line {}: {}", skipped.line, skipped.why);
        }
        let why = format!("{file} line {}: {}", skipped.line, skipped.why);
        self.write_uncalled(ResultsRow {
            contact: skipped.id.clone(),
            number: skipped.number.clone(),
            disposition: Some(skipped.disposition),
            note: why,
            ..ResultsRow::default()
        });
    }

    /// Writes the row of a contact none of whose numbers may be called.
    pub(super) fn nothing_to_call(&mut self, ready: &Ready) {
        let numbers = &ready.contact.numbers;
        let one_exists = ready.history.numbers(numbers.len()).next().is_some();
        let (disposition, note) = match (one_exists, numbers.len()) {
            (true, 1) => (
                Disposition::Suppressed,
                "the number is on a list of numbers never to call",
            ),
            (true, _) => (
                Disposition::Suppressed,
                "every number that is left of the contact is on a list of numbers never to call",
            ),
            (false, _) => (
                Disposition::InvalidNumber,
                "an earlier run found that no number of the contact exists",
            ),
        };
        self.tally.called += 1;
        self.write_uncalled(ResultsRow {
            contact: ready.contact.id.clone(),
            number: numbers.first().map(ToString::to_string).unwrap_or_default(),
            attempt: ready.history.attempts,
            disposition: Some(disposition),
            note: note.to_owned(),
            own: self.resources.own_columns(&ready.contact),
            ..ResultsRow::default()
        });
    }

    fn write_uncalled(&mut self, row: ResultsRow) {
        self.uncalled += 1;
        let resources = Arc::clone(&self.resources);
        self.tasks.spawn(async move {
            let disposition = row.disposition.unwrap_or(Disposition::Failed);
            let row = ResultsRow {
                campaign: resources.campaign.name.clone(),
                is_final: true,
                note: resources.note(&row.note),
                ..row
            };
            let row = row.to_csv(&resources.columns);
            match resources.writer.append(row.clone()).await {
                Ok(()) => Settled::Uncalled(disposition),
                Err(error) => Settled::Unwritten(error, row),
            }
        });
    }
}
