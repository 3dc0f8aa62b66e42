//! A run: a free line, the next contact, a task for the call, and what becomes of its end.
//!
//! The `dispatcher` owns the `queue` of contacts and the `lines` of the trunks, and acts on all events. Whether a contact
//! may be called, the `eligibility` says, with its hours and its `contact_limits`. Each call is a task: `place_call`, or
//! `adopt` for those that an earlier run left, and `conclude`, which asks `retry` and writes the row; `uncalled` has the
//! rows of those that are not called. `report` gives out `snapshot`s of the run, with why no further call begins.

mod adopt;
mod conclude;
pub(crate) mod contact_limits;
mod dispatcher;
pub(crate) mod eligibility;
mod lines;
mod place_call;
mod queue;
mod report;
pub(crate) mod retry;
pub(crate) mod snapshot;
pub(crate) mod stats;
mod suppression_refresh;
#[cfg(test)]
pub(crate) mod tests;
mod uncalled;
mod waiting;

use std::future::{self, Future};
use std::io;
use std::sync::Arc;

use jiff::Zoned;
use tokio_util::sync::CancellationToken;
use tracing::error;

use crate::call::reconnect::Reconnector;
use crate::clock::Clock;
use crate::config::Campaign;
use crate::contacts::List;
use crate::disposition::Disposition;
use crate::phone_number::Numbering;
use crate::results::journal::{Journal, JournalEntry};
use crate::results::resume::PriorRun;
use crate::results::schema::ResultsColumns;
use crate::results::writer::{WriteError, Writer};
use crate::suppression;
use dispatcher::Dispatcher;
use eligibility::CallingRules;
use lines::{ActiveCall, Callee};
use snapshot::Views;
use stats::Tally;

/// What is in the `note` of every row of a rehearsal.
const SIMULATED: &str = "simulated";

/// What a run needs, shared by the dispatcher and the calls.
#[derive(Debug)]
pub(crate) struct Resources {
    pub(crate) campaign: Campaign,
    pub(crate) list: Arc<List>,
    pub(crate) reconnector: Reconnector,
    pub(crate) writer: Writer,
    pub(crate) columns: ResultsColumns,
    /// `None` where nothing is to be continued.
    pub(crate) journal: Option<Journal>,
    pub(crate) clock: Clock,
    pub(crate) rules: CallingRules,
    pub(crate) numbering: Numbering,
    /// Nothing is real: no file but the results is written, and every row says so.
    pub(crate) rehearsal: bool,
}

impl Resources {
    /// The note of a row, with what is remarked on every row of a rehearsal.
    fn note(&self, note: &str) -> String {
        if self.rehearsal {
            conclude::join(SIMULATED, note)
        } else {
            note.to_owned()
        }
    }

    /// The key of a number, which is the same however the number was written in an earlier run.
    fn key_of(&self, number: &str) -> u64 {
        let number = self.numbering.read(number);
        number.map_or(0, |number| number.key())
    }

    /// Never calls the numbers of a call's contact again, in this run and in the next.
    ///
    /// # Errors
    /// The file cannot be written: they are not called in this run, but the next one would not know.
    async fn opt_out(&self, call: &ActiveCall, contact: &str) -> Result<(), WriteError> {
        let numbers: Vec<String> = match &call.callee {
            Callee::Listed(contact) => contact.all_numbers().map(ToString::to_string).collect(),
            Callee::Adopted(entry) => entry.numbers.clone(),
        };
        for number in &numbers {
            self.rules.suppressions.insert(self.key_of(number));
        }
        let asked = self.campaign.capture.opt_out.as_ref();
        let Some(opt_out) = asked.filter(|_| !self.rehearsal) else {
            return Ok(());
        };
        let file = opt_out.file.clone();
        let written = tokio::task::spawn_blocking(move || {
            let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
            suppression::opt_out(&file, &numbers)
        })
        .await;
        let written = written.unwrap_or_else(|panic| Err(io::Error::other(panic)));
        written.map_err(|error| {
            let file = opt_out.file.display().to_string();
            error!(
                "contact {contact} asked never to be called again, and that cannot be written down: add its numbers to {file} by hand"
            );
            WriteError::new(&file, error)
        })
    }
}

/// What earlier runs left.
#[derive(Debug, Default)]
pub(crate) struct Leftover {
    /// How far they came with each contact.
    pub(crate) earlier: PriorRun,
    /// Which rows of the list are done; empty until that was looked up, at the [`beginning`].
    pub(crate) done: Vec<bool>,
    /// Calls that they had in flight, with their slots of the journal, and no row yet.
    pub(crate) in_flight: Vec<(usize, JournalEntry)>,
}

/// How the operator stops a run.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    /// No new calls; the running ones finish.
    pub(crate) drain: CancellationToken,
    /// The running ones are hung up.
    pub(crate) hang_up: CancellationToken,
}

/// Why a run is over.
#[derive(Debug)]
pub(crate) enum RunEnd {
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

impl RunEnd {
    /// Every word that [`word`](Self::word) knows.
    pub(crate) const WORDS: [&'static str; 9] = [
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
    pub(crate) const fn word(&self) -> &'static str {
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

    /// Whether it stops a run only where contacts are left.
    fn needs_contacts_left(&self) -> bool {
        match self {
            Self::Unwritable(_, rows) => rows.is_empty(),
            Self::Finished | Self::OptOutUnwritten(_) | Self::Unreadable(_) => false,
            _ => true,
        }
    }
}

/// The counts before anything has happened in this run. Where an earlier run is gone on from, the rows of the list
/// that are done are noted, and nothing else is kept of their contacts. That blocks on the disk: the earlier results may
/// hold contacts that are in the list no more.
///
/// # Errors
/// The private copy of the list cannot be read.
pub(crate) fn beginning(list: &List, limit: Option<u64>, left: &mut Leftover) -> io::Result<Tally> {
    let summary = list.summary;
    let mut tally = Tally::new(summary.contacts, 0);
    let mut called = 0;
    if left.earlier.finals() > 0 {
        left.done = list.done(|id| {
            let progress = left.earlier.progress(id);
            let Some(progress) = progress.filter(|progress| progress.is_final) else {
                return false;
            };
            if left.earlier.history(id, &[]).attempts > 0
                || progress.last == Some(Disposition::Suppressed)
            {
                called += 1;
            }
            if let Some(disposition) = progress.last {
                tally.finish(disposition, 1);
            }
            true
        })?;
        left.earlier.forget_finals();
    }
    let callable = (summary.contacts - summary.bad - summary.duplicates).saturating_sub(called);
    tally.to_call = limit.map_or(callable, |limit| callable.min(limit));
    tally.beyond_limit = callable - tally.to_call;
    Ok(tally)
}

/// Dials the campaign. `views` hold the counts of the [`beginning`], and show how the run is to those who ask, and how it
/// ended.
pub(crate) async fn run(
    resources: Resources,
    left: Leftover,
    limit: Option<u64>,
    stop: Stop,
    views: Views,
) -> RunEnd {
    for (contact, at) in &left.earlier.calls {
        resources.rules.note_call(contact, *at);
    }
    let dispatcher = Dispatcher::new(resources, left, limit, stop, views);
    dispatcher.run().await
}

/// The outcome of a future that may not be there; then it never comes.
async fn or_never<F: Future>(awaited: Option<F>) -> F::Output {
    match awaited {
        Some(awaited) => awaited.await,
        None => future::pending().await,
    }
}
