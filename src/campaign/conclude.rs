//! From the end of a call to its row: the verdict, what it says of the trunk, whether the contact is called again.

use std::time::Duration;

use jiff::Timestamp;

use crate::call::FinishedCall;
use crate::call::observations::Observations;
use crate::call::verdict::{self, Circumstances, Verdict};
use crate::campaign::lines::{ActiveCall, Callee, Line};
use crate::campaign::{Resources, retry};
use crate::contact_history::{AttemptOutcome, History, may_have_rung};
use crate::disposition::Disposition;
use crate::results::journal::JournalEntry;
use crate::results::schema::ResultsRow;
use crate::results::writer::WriteError;
use crate::trunk::breaker::CallEnd;

/// How long before its Originate a sign of life on the trunk still speaks for it.
const LATELY: Duration = Duration::from_secs(60);
/// So many silent calls may be those of phones that are off; one more without a sign of life between them is the trunk's.
const SILENT: u32 = 3;

/// What came of a task of the dispatcher.
#[derive(Debug)]
pub(super) enum TaskResult {
    /// A call is over and its row is written.
    Concluded(Conclusion),
    /// The row of a contact that is not called is written.
    NotCalled(Disposition),
    /// The contact was not dialed: there was no session, or no call may begin any more.
    NotDialed,
    /// The contact was not dialed: its call could not be noted in the journal.
    NotJournaled(WriteError),
    /// This row could not be written.
    NotWritten(WriteError, Vec<u8>),
}

/// What the dispatcher needs to know of a call that is over.
#[derive(Debug)]
pub(super) struct Conclusion {
    /// What has happened to the contact, this call included.
    pub(super) history: History,
    pub(super) disposition: Disposition,
    pub(super) is_final: bool,
    /// When the contact is to be called again.
    pub(super) due: Option<Timestamp>,
    /// Why the trunk or Asterisk did not do what it was asked, for the operator.
    pub(super) trouble: Option<String>,
    /// Why it could not be written down that the contact is never to be called again.
    pub(super) opt_out_unwritten: Option<WriteError>,
}

/// Concludes a call that was followed to its end.
pub(super) async fn ended(
    resources: &Resources,
    call: &ActiveCall,
    entry: JournalEntry,
    ended: &FinishedCall,
) -> TaskResult {
    let observations = &ended.observations;
    let circumstances = Circumstances {
        own_hangup: ended.own_hangup,
        trunk_alive: is_trunk_alive(&call.line, observations),
        adopted: matches!(call.callee, Callee::Adopted(_)),
        min_talk: resources.campaign.call.min_talk,
        captured_vars: Some(&resources.reconnector.captured_vars),
    };
    let verdict = verdict::decide(observations, &circumstances);
    conclude(resources, call, entry, observations, verdict).await
}

/// Concludes a call whose task died.
pub(super) async fn buried(resources: &Resources, call: &ActiveCall) -> TaskResult {
    let verdict = Verdict {
        disposition: Disposition::Unknown,
        cause: None,
        sip_code: None,
        answered_at: None,
        note: "the dialer lost track of this call and hung it up".to_owned(),
    };
    let entry = call.entry(resources);
    conclude(resources, call, entry, &call.unobserved(), verdict).await
}

/// Concludes a call whose Originate Asterisk would not take. The list is checked at the start, so this is a second net.
pub(super) async fn unsendable(
    resources: &Resources,
    call: &ActiveCall,
    entry: JournalEntry,
    why: &impl ToString,
) -> TaskResult {
    if call.line.trial {
        call.line.breaker.not_tried();
    }
    let why = why.to_string();
    let row = ResultsRow {
        is_final: true,
        disposition: Some(Disposition::Failed),
        note: resources.note(&why),
        campaign: resources.campaign.name.clone(),
        contact: entry.contact,
        number: entry.number,
        own: entry.kept,
        ..ResultsRow::default()
    };
    let conclusion = Conclusion {
        history: call.history,
        disposition: Disposition::Failed,
        is_final: true,
        due: None,
        trouble: Some(why),
        opt_out_unwritten: None,
    };
    write(resources, row, TaskResult::Concluded(conclusion)).await
}

/// Writes a row, and returns this result if that can be done.
pub(super) async fn write(
    resources: &Resources,
    row: ResultsRow,
    result: TaskResult,
) -> TaskResult {
    let row = row.to_csv(&resources.columns);
    match resources.writer.append(row.clone()).await {
        Ok(()) => result,
        Err(error) => TaskResult::NotWritten(error, row),
    }
}

fn is_alive(observations: &Observations) -> bool {
    observations.alive() || observations.answered_at.is_some()
}

/// Whether the trunk showed life lately, so that silence is the callee's. What it showed before it was rested says
/// nothing, and a row of calls that were followed to a silent end counts against it.
fn is_trunk_alive(line: &Line, observations: &Observations) -> bool {
    let lately = observations.written_at.checked_sub(LATELY);
    let was_followed = observations.channel.is_some() && observations.end_seen;
    lately.is_some_and(|lately| line.breaker.activity.alive_since(lately))
        && !line.breaker.rests()
        && (is_alive(observations)
            || !was_followed
            || line.breaker.activity.note_silence() <= SILENT)
}

async fn conclude(
    resources: &Resources,
    call: &ActiveCall,
    entry: JournalEntry,
    observations: &Observations,
    verdict: Verdict,
) -> TaskResult {
    let (campaign, clock) = (&resources.campaign, &resources.clock);
    let (contact, breaker) = (&entry.contact, &call.line.breaker);
    let (dialed_at, ended_at) = (observations.written_at, observations.ended_at);
    let (disposition, answered_at) = (verdict.disposition, verdict.answered_at);
    // Before the row is written: a run that is cut off in between calls the contact again, but on no number that is
    // not to be called.
    let opt_out_unwritten = if observations.captured.opted_out {
        resources.opt_out(call, contact).await.err()
    } else {
        None
    };
    let doubt = breaker.ended(CallEnd {
        contact,
        disposition,
        dialed_at,
        told_at: answered_at.unwrap_or(ended_at),
        alive: is_alive(observations),
        answered: answered_at.is_some(),
        trial: call.line.trial,
    });
    let mut history = call.history;
    let outcome = AttemptOutcome {
        disposition,
        number: call.number,
        trunk: call.line.trunk,
        doubt,
    };
    let numbers = entry.numbers.len().max(1);
    let decision = retry::decide(
        &mut history,
        outcome,
        numbers,
        &campaign.retry,
        &campaign.call,
    );
    if decision.is_final && !doubt {
        breaker.is_final(contact, disposition);
    }
    if may_have_rung(disposition, decision.counted) {
        let at = clock.timestamp_at(dialed_at);
        resources.rules.note_call(contact, at);
    }
    let due = decision.again_after.map(|delay| {
        // The results have milliseconds.
        let due = clock.millis_at(ended_at + delay);
        let due = Timestamp::from_millisecond(due).unwrap_or(Timestamp::MAX);
        let zone = match &call.callee {
            Callee::Listed(contact) => contact.zone,
            Callee::Adopted(_) => 0,
        };
        resources.rules.earliest(contact, zone, due)
    });
    let is_trouble = matches!(disposition, Disposition::Congestion | Disposition::Failed);
    let trouble = (is_trouble && !verdict.note.is_empty()).then(|| verdict.note.clone());
    let note = if doubt && trouble.is_none() {
        let doubt = "many calls in a row ended so on this trunk: called again";
        join(&verdict.note, doubt)
    } else {
        verdict.note
    };
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let channel = observations.channel.as_ref();
    let linkedid = observations.linkedid.as_deref();
    let mut row = ResultsRow {
        attempt: history.attempts,
        counted: decision.counted,
        is_final: decision.is_final,
        disposition: Some(disposition),
        cause: verdict.cause,
        sip_code: verdict.sip_code,
        trunk: entry.trunk,
        caller_id: entry.caller_id,
        dialed_at: Some(clock.at(dialed_at)),
        answered_at: answered_at.map(|at| clock.at(at)),
        ended_at: Some(clock.at(ended_at)),
        ring: channel.map(|_| answered_at.unwrap_or(ended_at) - dialed_at),
        talk: answered_at.map(|at| ended_at - at),
        next_attempt_at: due.map(|due| clock.zoned(due)),
        call_id: entry.call_id,
        uniqueid: channel.map(|leg| text(&leg.uniqueid)).unwrap_or_default(),
        linkedid: linkedid.map(text).unwrap_or_default(),
        note: resources.note(&note),
        campaign: campaign.name.clone(),
        contact: entry.contact,
        number: entry.number,
        own: entry.kept,
    };
    let kept = campaign.contacts.keep.len();
    row.own.resize(kept, String::new());
    let captured = campaign.capture.variables.len();
    row.own.extend(observations.captured.columns(captured));
    let conclusion = Conclusion {
        history,
        disposition,
        is_final: decision.is_final,
        due,
        trouble,
        opt_out_unwritten,
    };
    write(resources, row, TaskResult::Concluded(conclusion)).await
}

/// Two remarks as one.
pub(super) fn join(first: &str, second: &str) -> String {
    match (first, second) {
        (remark, "") | ("", remark) => remark.to_owned(),
        (first, second) => format!("{first}: {second}"),
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::call::observations::Leg;
    use crate::trunk::TrunkIndex;
    use crate::trunk::activity::TrunkActivity;
    use crate::trunk::breaker::Breaker;
    use crate::trunk::line_use::LineMeter;

    fn line() -> Line {
        let activity = TrunkActivity::default();
        Line {
            trunk: TrunkIndex(0),
            breaker: Breaker::new(activity, Duration::from_secs(600), true),
            trial: false,
            slot: 0,
            usage: LineMeter::default().take(TrunkIndex(0)),
        }
    }

    /// A call that was followed to its end without a sign of life.
    fn silent(written_at: Instant) -> Observations {
        let mut observations = Observations::new(written_at);
        observations.channel = Some(Leg::new(b"1.1", b"PJSIP/carrier-1"));
        observations.end_seen = true;
        observations
    }

    /// The calls of so many contacts in a row found the trunk congested.
    fn congest(line: &Line, contacts: u32, at: Instant) {
        for contact in 0..contacts {
            line.breaker.ended(CallEnd {
                contact: &contact.to_string(),
                disposition: Disposition::Congestion,
                dialed_at: at,
                told_at: at,
                alive: false,
                answered: false,
                trial: false,
            });
        }
    }

    #[test]
    fn a_trunk_that_showed_life_lately_is_alive_until_too_many_calls_are_silent() {
        let line = line();
        let written_at = Instant::now() + LATELY * 2;
        line.breaker.activity.note_life(written_at - LATELY);
        for call in 1..=4 {
            let alive = is_trunk_alive(&line, &silent(written_at));
            assert_eq!(alive, call <= SILENT, "{call}");
        }
        let later = silent(written_at + Duration::from_secs(1));
        assert!(!is_trunk_alive(&line, &later), "that was too long ago");
    }

    #[test]
    fn life_of_a_trunk_from_before_its_rest_says_nothing() {
        let line = line();
        let written_at = Instant::now() + LATELY * 2;
        line.breaker.activity.note_life(written_at);
        assert!(is_trunk_alive(&line, &silent(written_at)));
        congest(&line, 5, written_at);
        assert!(line.breaker.rests());
        assert!(!is_trunk_alive(&line, &silent(written_at)));
    }
}
