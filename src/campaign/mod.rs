//! The loop: a free line, the next contact, a task for the call, and what becomes of its outcome.
//!
//! The `dispatcher` owns the lines and the queue; each call is a task that borrows its line (`attempt`); `outcomes` takes
//! what comes of it, and `uncalled` tells of those who are not called. Whom to call is
//! the `queue`'s, when the `gate`'s (hours) and the `limits`' (calls a day), on which line the `trunk`'s with its
//! `breaker`; `retry` decides who is called again. What earlier runs left in flight is taken over in `adopt`. Whoever
//! wants to know how the run is gets a `view` of it, made in `watched`.

mod adopt;
pub mod busy;
pub mod contact_limits;
mod dispatcher;
mod explain;
mod outcomes;
pub mod place_call;
pub mod queue;
pub mod retry;
pub mod snapshot;
mod speed;
pub mod tally;
#[cfg(test)]
mod tests;
mod uncalled;

use std::io;
use std::sync::Arc;

use jiff::Zoned;
use tokio_util::sync::CancellationToken;

use crate::call::reconnect::Reconnector;
use crate::clock::Clock;
use crate::config::Campaign;
use crate::contacts::{Done, List};
use crate::disposition::Disposition;
use crate::phone_number::Numbering;
use crate::results::journal::{Journal, JournalEntry};
use crate::results::resume::PriorRun;
use crate::results::schema::ResultsColumns;
use crate::results::writer::{WriteError, Writer};
use crate::schedule::calling_window::Gate;
use crate::suppression::Suppressions;
use contact_limits::Limits;
use dispatcher::Dispatcher;
use snapshot::Views;
use tally::Tally;

/// What a run needs, shared by the dispatcher and the calls.
#[derive(Debug)]
pub struct Resources {
    /// The campaign.
    pub campaign: Campaign,
    /// Its contacts.
    pub list: Arc<List>,
    /// The link to Asterisk.
    pub link: Reconnector,
    /// The results.
    pub writer: Writer,
    /// Their columns.
    pub columns: ResultsColumns,
    /// What is in flight, on disk; `None` where nothing is to be continued.
    pub journal: Option<Journal>,
    /// The time of day.
    pub clock: Clock,
    /// Whether calls may begin at this time of day.
    pub gate: Gate,
    /// How often somebody may be called.
    pub limits: Limits,
    /// How numbers are read.
    pub numbering: Numbering,
    /// Numbers never to call.
    pub suppress: Suppressions,
    /// Nothing is real: no file but the results is written, and every row says so.
    pub rehearsal: bool,
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub struct Left {
    /// How far they came with each contact.
    pub earlier: PriorRun,
    /// Which rows of the list are done; `None` until that was looked up, at the [`beginning`].
    pub done: Option<Done>,
    /// Calls that they had in flight, with their slots of the journal, and no row yet.
    pub in_flight: Vec<(usize, JournalEntry)>,
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
    /// Nobody who is left may be called before that, if ever, and the campaign does not wait so long.
    Outside(Option<Zoned>),
    /// It is `stop_at`.
    StopAt,
    /// The connection to Asterisk could not be established again.
    PbxLost(Arc<str>),
    /// No trunk has worked for so long that the run gives up; contacts that got a final row in that time, and
    /// with what disposition.
    TrunksLost(Vec<(String, Disposition)>),
    /// The results cannot be written; rows that are not in the file.
    Unwritable(WriteError, Vec<Vec<u8>>),
    /// Somebody is never to be called again, and that cannot be written down for the next run.
    OptOutUnwritten(WriteError),
    /// The list cannot be read any more.
    Unreadable(io::Error),
}

impl Over {
    /// Every word that [`word`](Self::word) knows.
    pub const WORDS: [&'static str; 9] = [
        "finished",
        "drained",
        "outside the window",
        "stop_at",
        "session lost",
        "trunks lost",
        "results unwritable",
        "opt-out unwritable",
        "list unreadable",
    ];

    /// A word for it, for programs. None is ever renamed.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Finished => "finished",
            Self::Drained => "drained",
            Self::Outside(_) => "outside the window",
            Self::StopAt => "stop_at",
            Self::PbxLost(_) => "session lost",
            Self::TrunksLost(_) => "trunks lost",
            Self::Unwritable(..) => "results unwritable",
            Self::OptOutUnwritten(_) => "opt-out unwritable",
            Self::Unreadable(_) => "list unreadable",
        }
    }
}

/// The counts before anything has happened in this run. Where an earlier run is gone on from, the rows of the list
/// that are done are noted, and nothing else is kept of their contacts. That blocks on the disk: the earlier results may
/// hold contacts that are in the list no more.
///
/// # Errors
/// The private copy of the list cannot be read.
pub fn beginning(list: &List, limit: Option<u64>, left: &mut Left) -> io::Result<Tally> {
    let (mut called, mut finished) = (0, [0_u64; Disposition::ALL.len()]);
    if left.earlier.has_finals() {
        let done = list.done(|id| {
            let progress = left.earlier.progress(id);
            let Some(progress) = progress.filter(|progress| progress.is_final) else {
                return false;
            };
            if progress.history.attempts > 0 || progress.last == Some(Disposition::Suppressed) {
                called += 1;
            }
            if let Some(disposition) = progress.last {
                finished[disposition as usize] += 1;
            }
            true
        });
        left.done = Some(done?);
        left.earlier.forget_finals();
    }
    let summary = list.summary();
    let callable = (summary.contacts - summary.bad - summary.duplicates).saturating_sub(called);
    let to_call = limit.map_or(callable, |limit| callable.min(limit));
    let mut tally = Tally::new(summary.contacts, to_call);
    for (disposition, contacts) in Disposition::ALL.into_iter().zip(finished) {
        tally.were_finished(disposition, contacts);
    }
    Ok(tally)
}

/// Dials the campaign. `views` hold the counts of the [`beginning`], and show how it is to whoever asks, and in the end.
pub async fn run(
    resources: Resources,
    left: Left,
    limit: Option<u64>,
    stop: Stop,
    views: Views,
) -> Over {
    let Left {
        earlier,
        done,
        in_flight,
    } = left;
    for (contact, at) in &earlier.calls {
        resources.limits.called(contact, *at);
    }
    match Dispatcher::new(resources, earlier, done, &in_flight, limit, stop, views) {
        Ok(mut dispatcher) => {
            dispatcher.adopt(in_flight).await;
            dispatcher.run().await
        }
        Err(error) => Over::Unreadable(error),
    }
}
