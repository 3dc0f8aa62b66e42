//! Contacts that are not called: each gets a row that says why.

use std::sync::Arc;

use tracing::warn;

use crate::campaign::Resources;
use crate::campaign::conclude::{self, TaskResult};
use crate::campaign::eligibility::{Candidate, Never};
use crate::contacts::Skipped;
use crate::disposition::Disposition;
use crate::results::schema::ResultsRow;

/// The row of a row of the list that cannot be called.
pub(super) fn row_of_skipped(resources: &Resources, skipped: &Skipped) -> ResultsRow {
    let file = resources.list.file_name();
    let why = format!("{file} line {}: {}", skipped.line, skipped.why);
    if skipped.disposition != Disposition::Duplicate {
        warn!("not called: {why}");
    }
    ResultsRow {
        contact: skipped.id.clone(),
        number: skipped.number.clone(),
        disposition: Some(skipped.disposition),
        note: why,
        own: skipped.kept.clone(),
        ..ResultsRow::default()
    }
}

/// The row of a contact that is never called; `None` where another run may call it.
pub(super) fn row_of_never(
    resources: &Resources,
    candidate: &Candidate,
    why: Never,
) -> Option<ResultsRow> {
    let numbers = &candidate.contact.numbers;
    let (disposition, note) = match why {
        Never::Suppressed if numbers.len() == 1 => (
            Disposition::Suppressed,
            "the number is on a list of numbers never to call",
        ),
        Never::Suppressed => (
            Disposition::Suppressed,
            "every number that is left of the contact is on a list of numbers never to call",
        ),
        Never::NoSuchNumber => (
            Disposition::InvalidNumber,
            "an earlier run found that no number of the contact exists",
        ),
        Never::BeyondLimit | Never::StopAt | Never::Closed(_) => return None,
    };
    Some(ResultsRow {
        contact: candidate.contact.id.clone(),
        number: numbers.first().map(ToString::to_string).unwrap_or_default(),
        attempt: candidate.history.attempts,
        disposition: Some(disposition),
        note: note.to_owned(),
        own: resources.list.kept(&candidate.contact),
        ..ResultsRow::default()
    })
}

/// Writes such a row.
pub(super) async fn write(resources: Arc<Resources>, row: ResultsRow) -> TaskResult {
    let disposition = row.disposition.unwrap_or(Disposition::Failed);
    let row = ResultsRow {
        campaign: resources.campaign.name.clone(),
        is_final: true,
        note: resources.note(&row.note),
        ..row
    };
    conclude::write(&resources, row, TaskResult::NotCalled(disposition)).await
}
