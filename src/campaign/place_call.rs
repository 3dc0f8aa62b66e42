//! One attempt of a contact, from its row of the list to the row of the results.

use std::io;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;
use tracing::error;

use super::{Resources, Stop};
use crate::ami::errors::SessionClosed;
use crate::call::id::CallId;
use crate::call::observations::Observations;
use crate::call::originate::originate;
use crate::call::verdict::{self, Circumstances, Verdict};
use crate::call::{self, Attempt, FinishedCall};
use crate::campaign::retry::{self, Decision};
use crate::contact_history::{Happened, History, may_have_rung};
use crate::contacts::Contact;
use crate::disposition::Disposition;
use crate::phone_number::Number;
use crate::results::journal::{JournalEntry, JournalError};
use crate::results::schema::ResultsRow;
use crate::results::writer::WriteError;
use crate::schedule::calling_window::Gated;
use crate::suppression;
use crate::trunk::breaker::{Breaker, Showing};
use crate::trunk::rate_limit::{TrunkLog, Turn};

/// How long before its Originate a sign of life on the trunk still speaks for it.
const LATELY: Duration = Duration::from_secs(60);
/// So many silent calls may be those of phones that are off; one more without a sign of life between them is the trunk's.
const SILENT: u32 = 3;
/// What stands in the `note` of every row of a rehearsal.
const SIMULATED: &str = "simulated";

/// A line in use: who is called on it, and as what. Owned by the dispatcher, borrowed by the call's task.
#[derive(Debug)]
pub struct Record {
    /// The attempt's id.
    pub id: CallId,
    /// Which trunk, by its place in the campaign.
    pub trunk: usize,
    /// What is noted of that trunk.
    pub log: TrunkLog,
    /// Whether that trunk works.
    pub breaker: Breaker,
    /// The trunk had rested, and is tried with this call.
    pub trial: bool,
    /// When the line was taken.
    pub begun_at: Instant,
    /// Its slot of the journal.
    pub slot: usize,
    /// Who is called.
    pub who: Who,
    /// Which of the contact's numbers is called, from 0.
    pub number: u8,
    /// That number's key, which is the same however the number is written.
    pub key: u64,
    /// What happened to the contact before.
    pub history: History,
}

/// Who is called.
#[derive(Debug)]
pub enum Who {
    /// A contact of the list.
    Contact(Contact),
    /// Somebody whom an earlier run called; the list has changed since, perhaps.
    Adopted(JournalEntry),
}

impl Record {
    /// The contact's id.
    pub fn contact(&self) -> &str {
        match &self.who {
            Who::Contact(contact) => &contact.id,
            Who::Adopted(entry) => &entry.contact,
        }
    }

    fn called(&self) -> &str {
        match &self.who {
            Who::Contact(contact) => contact.numbers[usize::from(self.number)].as_str(),
            Who::Adopted(entry) => &entry.number,
        }
    }

    /// All numbers of the contact, as far as they are known.
    fn numbers(&self) -> Vec<&str> {
        match &self.who {
            Who::Contact(contact) => contact.numbers.iter().map(Number::as_str).collect(),
            Who::Adopted(entry) => entry.numbers.iter().map(String::as_str).collect(),
        }
    }

    /// The contact's zone; for a call of an earlier run that of the campaign.
    fn zone(&self) -> u16 {
        match &self.who {
            Who::Contact(contact) => contact.zone,
            Who::Adopted(_) => 0,
        }
    }

    /// The row that every outcome of this attempt begins with.
    fn row(&self, resources: &Resources) -> ResultsRow {
        ResultsRow {
            campaign: resources.campaign.name.clone(),
            contact: self.contact().to_owned(),
            number: self.called().to_owned(),
            own: match &self.who {
                Who::Contact(contact) => resources.own_columns(contact),
                Who::Adopted(entry) => entry.kept.clone(),
            },
            ..ResultsRow::default()
        }
    }
}

/// What the dispatcher needs to know of an attempt that is over.
#[derive(Debug)]
pub struct Attempted {
    /// What has happened to the contact, this attempt included.
    pub history: History,
    /// How it ended.
    pub disposition: Disposition,
    /// What follows.
    pub decision: Decision,
    /// When the contact is due again, in milliseconds since 1970.
    pub due: Option<i64>,
    /// What an operator should know at once: why the trunk or Asterisk did not do what it was asked.
    pub trouble: Option<String>,
    /// Why it could not be written down that the contact is never to be called again.
    pub opt_out_unwritten: Option<WriteError>,
}

/// What came of an attempt.
#[derive(Debug)]
pub enum Outcome {
    /// It is over, and this is its row.
    Over(Attempted, Box<ResultsRow>),
    /// There was no session, or no new call may begin any more: nothing was dialed.
    NotDialed,
    /// It could not be noted in the journal: nothing was dialed.
    NotNoted(WriteError),
}

/// Calls the contact and tells how that ended.
pub async fn run(
    resources: &Resources,
    record: &Record,
    contact: &Contact,
    turn: Turn,
    stop: &Stop,
) -> Outcome {
    let campaign = &resources.campaign;
    let rendered = match resources
        .list
        .render(contact, usize::from(record.number), record.trunk)
    {
        Ok(rendered) => rendered,
        Err(why) => return unsendable(resources, record, &why.to_string()),
    };
    let originate = match originate(&campaign.call, record.id, &rendered) {
        Ok(originate) => originate,
        Err(why) => return unsendable(resources, record, &why.to_string()),
    };
    let caller_id = rendered
        .caller_id
        .as_deref()
        .map(|caller_id| String::from_utf8_lossy(caller_id).into_owned())
        .unwrap_or_default();
    if let Some(journal) = &resources.journal {
        let entry = JournalEntry {
            call_id: record.id.to_string(),
            contact: contact.id.clone(),
            number: record.called().to_owned(),
            place: record.number,
            numbers: contact.numbers.iter().map(ToString::to_string).collect(),
            kept: resources.own_columns(contact),
            trunk: campaign.trunks[record.trunk].name.clone(),
            caller_id: caller_id.clone(),
            begun_at: resources.clock.millis(),
        };
        match journal.begin(record.slot, &entry).await {
            Ok(()) => {}
            Err(error @ JournalError::TooLong) => {
                return unsendable(resources, record, &error.to_string());
            }
            Err(JournalError::Write(error)) => return Outcome::NotNoted(error),
        }
    }
    let attempt = Attempt {
        id: record.id,
        originate,
        call_timeout: campaign.call.call_timeout,
        turn,
        hang_up: stop.hang_up.clone(),
    };
    if let Some(ended) = place(resources, contact, attempt, stop).await {
        return over(resources, record, caller_id, &ended, false).await;
    }
    // What stays in the journal without a row is taken for a call by the next run.
    if let Some(journal) = &resources.journal
        && let Err(error) = journal.clear(record.slot).await
    {
        return Outcome::NotNoted(error);
    }
    Outcome::NotDialed
}

/// Places the call, if it may still begin and there is a session.
async fn place(
    resources: &Resources,
    contact: &Contact,
    attempt: Attempt,
    stop: &Stop,
) -> Option<FinishedCall> {
    // The disk may have taken its time.
    let now = resources.clock.millis();
    let open = resources.gate.state(contact.zone, now) == Gated::Open;
    if !open || resources.gate.is_over(now) || stop.drain.is_cancelled() {
        return None;
    }
    call::place(&resources.link, attempt).await.ok()
}

/// Follows a call of an earlier run to its end.
pub async fn adopted(
    resources: &Resources,
    record: &Record,
    entry: &JournalEntry,
    ended: oneshot::Receiver<Observations>,
    stop: &Stop,
) -> Outcome {
    let watchdog = record.begun_at + resources.campaign.call.call_timeout;
    let followed = call::follow(&resources.link, record.id, ended, watchdog, &stop.hang_up).await;
    let ended = followed.unwrap_or_else(|SessionClosed| {
        let mut observations = Observations::new(record.begun_at);
        observations.ended_at = Instant::now();
        FinishedCall {
            observations,
            own_hangup: None,
        }
    });
    over(resources, record, entry.caller_id.clone(), &ended, true).await
}

async fn over(
    resources: &Resources,
    record: &Record,
    caller_id: String,
    ended: &FinishedCall,
    adopted: bool,
) -> Outcome {
    let observations = &ended.observations;
    let lately = observations.written_at.checked_sub(LATELY);
    let alive = observations.alive() || observations.answered_at.is_some();
    let trunk_alive = lately.is_some_and(|lately| record.log.alive_since(lately))
        && !record.breaker.rests()
        && (alive || !is_told(observations) || record.log.silent() <= SILENT);
    let circumstances = Circumstances {
        own_hangup: ended.own_hangup,
        trunk_alive,
        adopted,
        min_talk: resources.campaign.call.min_talk,
        captured_vars: Some(resources.link.captured_vars()),
    };
    let verdict = verdict::decide(observations, &circumstances);

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let channel = observations.channel.as_ref();
    let connected_at = verdict.answered_at.unwrap_or(observations.ended_at);
    let mut row = ResultsRow {
        caller_id,
        ring: channel.map(|_| connected_at - observations.written_at),
        talk: verdict.answered_at.map(|at| observations.ended_at - at),
        uniqueid: channel.map(|leg| text(&leg.uniqueid)).unwrap_or_default(),
        linkedid: observations
            .linkedid
            .as_deref()
            .map(text)
            .unwrap_or_default(),
        ..record.row(resources)
    };
    row.own
        .resize(resources.campaign.contacts.keep.len(), String::new());
    let capture = &resources.campaign.capture;
    row.own
        .extend(observations.captured.columns(capture.variables.len()));
    let opted_out = if observations.captured.opted_out {
        resources.opt_out(record).await
    } else {
        Ok(())
    };
    let moments = Moments {
        dialed_at: observations.written_at,
        ended_at: observations.ended_at,
        alive,
    };
    let outcome = conclude(resources, record, row, verdict, moments);
    match (outcome, opted_out) {
        (Outcome::Over(attempted, row), Err(error)) => {
            let opt_out_unwritten = Some(error);
            let attempted = Attempted {
                opt_out_unwritten,
                ..attempted
            };
            Outcome::Over(attempted, row)
        }
        (outcome, _) => outcome,
    }
}

/// Whether a channel was followed to its end.
fn is_told(observations: &Observations) -> bool {
    observations.channel.is_some() && observations.end_seen
}

/// When an attempt was what, and whether anything was heard of it.
#[derive(Clone, Copy)]
struct Moments {
    dialed_at: Instant,
    ended_at: Instant,
    alive: bool,
}

/// The end of a call whose task died: hangs its channel up, and tells that nobody knows how it ended.
pub async fn bury(resources: &Resources, record: &Record) -> Outcome {
    call::hang_up_for_good(&resources.link, record.id).await;
    let verdict = Verdict {
        disposition: Disposition::Unknown,
        cause: None,
        sip_code: None,
        answered_at: None,
        note: "the dialer lost track of this call and hung it up".to_owned(),
    };
    let now = Instant::now();
    let row = record.row(resources);
    let moments = Moments {
        dialed_at: record.begun_at,
        ended_at: now,
        alive: false,
    };
    conclude(resources, record, row, verdict, moments)
}

/// A contact whose Originate cannot be put into words that Asterisk takes. The list is checked at the start, so this
/// is a second net.
fn unsendable(resources: &Resources, record: &Record, why: &str) -> Outcome {
    if record.trial {
        record.breaker.not_tried();
    }
    let disposition = Disposition::Failed;
    let row = ResultsRow {
        is_final: true,
        disposition: Some(disposition),
        note: resources.note(why),
        ..record.row(resources)
    };
    let attempted = Attempted {
        history: record.history,
        disposition,
        decision: Decision {
            counted: false,
            again_after: None,
            is_final: true,
        },
        due: None,
        trouble: Some(why.to_owned()),
        opt_out_unwritten: None,
    };
    Outcome::Over(attempted, Box::new(row))
}

fn conclude(
    resources: &Resources,
    record: &Record,
    row: ResultsRow,
    verdict: Verdict,
    moments: Moments,
) -> Outcome {
    let Moments {
        dialed_at,
        ended_at,
        alive,
    } = moments;
    let disposition = verdict.disposition;
    let doubt = record.breaker.ended(Showing {
        contact: record.contact(),
        disposition,
        dialed_at,
        told_at: verdict.answered_at.unwrap_or(ended_at),
        alive,
        answered: verdict.answered_at.is_some(),
        trial: record.trial,
    });
    let mut history = record.history;
    let happened = Happened {
        disposition,
        number: record.number,
        trunk: u8::try_from(record.trunk).unwrap_or(u8::MAX),
        doubt,
    };
    let campaign = &resources.campaign;
    let numbers = record.numbers().len().max(1);
    let decision = retry::decide(
        &mut history,
        happened,
        numbers,
        &campaign.retry,
        &campaign.call,
    );
    if decision.is_final && !doubt {
        record.breaker.is_final(record.contact(), disposition);
    }
    if may_have_rung(disposition, decision.counted) {
        let at = resources.clock.millis_at(dialed_at);
        resources.limits.called(record.contact(), at);
    }
    let due = decision.again_after.map(|delay| {
        let due = resources.clock.millis_at(ended_at + delay);
        let due = resources.limits.earliest(record.contact(), due);
        resources.gate.earliest(record.zone(), due)
    });
    let time = |at: Instant| resources.clock.at(at);
    let is_trouble = matches!(disposition, Disposition::Congestion | Disposition::Failed);
    let trouble = Some(&verdict.note)
        .filter(|note| is_trouble && !note.is_empty())
        .cloned();
    let note = if doubt && trouble.is_none() {
        join(
            &verdict.note,
            "many calls in a row ended so on this trunk: called again",
        )
    } else {
        verdict.note
    };
    let row = ResultsRow {
        attempt: history.attempts,
        counted: decision.counted,
        is_final: decision.is_final,
        disposition: Some(disposition),
        cause: verdict.cause,
        sip_code: verdict.sip_code,
        trunk: match &record.who {
            Who::Contact(_) => campaign.trunks[record.trunk].name.clone(),
            Who::Adopted(entry) => entry.trunk.clone(),
        },
        dialed_at: Some(time(dialed_at)),
        answered_at: verdict.answered_at.map(time),
        ended_at: Some(time(ended_at)),
        next_attempt_at: due.map(|due| resources.clock.time(due)),
        call_id: record.id.to_string(),
        note: resources.note(&note),
        ..row
    };
    let attempted = Attempted {
        history,
        disposition,
        decision,
        due,
        trouble,
        opt_out_unwritten: None,
    };
    Outcome::Over(attempted, Box::new(row))
}

impl Resources {
    /// The note of a row, with what is remarked on every row of a rehearsal.
    pub(super) fn note(&self, note: &str) -> String {
        if self.rehearsal {
            join(SIMULATED, note)
        } else {
            note.to_owned()
        }
    }

    /// What a number is known by, also one that was written differently in an earlier run.
    pub(super) fn key_of(&self, number: &str) -> u64 {
        let number = self.numbering.read(number);
        number.map_or(0, |number| number.key())
    }

    /// What is kept of a contact's row.
    pub(super) fn own_columns(&self, contact: &Contact) -> Vec<String> {
        self.list.kept(contact)
    }

    /// Never calls these numbers again, in this run and in the next.
    ///
    /// # Errors
    /// The file cannot be written: they are not called in this run, but the next one would not know.
    async fn opt_out(&self, record: &Record) -> Result<(), WriteError> {
        let numbers: Vec<String> = record.numbers().into_iter().map(str::to_owned).collect();
        for number in &numbers {
            self.suppress.insert(self.key_of(number));
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
                "contact {} asked never to be called again, and that cannot be written down: add its numbers to {file} by hand",
                record.contact(),
            );
            WriteError::new(&file, error)
        })
    }
}

/// Two remarks as one.
fn join(first: &str, second: &str) -> String {
    match (first, second) {
        (remark, "") | ("", remark) => remark.to_owned(),
        (first, second) => format!("{first}: {second}"),
    }
}
