//! One attempt of a contact, from its row of the list to the row of the results.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::retry::{Decision, History};
use super::{Resources, Stop};
use crate::ami::action::{Action, ActionError};
use crate::ami::client::SessionClosed;
use crate::call::id::CallId;
use crate::call::pace::TrunkLog;
use crate::call::signals::Signals;
use crate::call::verdict::{self, Circumstances, Verdict};
use crate::call::{self, Attempt, Ended};
use crate::config::{Call, Target};
use crate::contacts::{Contact, Position, Rendered};
use crate::disposition::Disposition;
use crate::results::journal::Entry;
use crate::results::row::Row;
use crate::results::writer::WriteError;

/// How long before its Originate a sign of life on the trunk still speaks for it.
const LATELY: Duration = Duration::from_secs(60);

/// A line in use: who is called on it, and as what. Owned by the dispatcher, borrowed by the call's task.
#[derive(Debug)]
pub struct Record {
    /// The attempt's id.
    pub id: CallId,
    /// Which trunk, by its place in the campaign.
    pub trunk: usize,
    /// What is noted of that trunk.
    pub log: TrunkLog,
    /// When the line was taken.
    pub begun_at: Instant,
    /// Its slot of the journal.
    pub slot: usize,
    /// Who is called.
    pub who: Who,
    /// What happened to the contact before.
    pub history: History,
}

/// Who is called.
#[derive(Debug)]
pub enum Who {
    /// A contact of the list.
    Contact(Contact),
    /// Somebody whom an earlier run called; the list has changed since, perhaps.
    Adopted(Entry),
}

impl Record {
    /// The contact's id.
    pub fn contact(&self) -> &str {
        match &self.who {
            Who::Contact(contact) => &contact.id,
            Who::Adopted(entry) => &entry.contact,
        }
    }

    fn number(&self) -> &str {
        match &self.who {
            Who::Contact(contact) => &contact.number,
            Who::Adopted(entry) => &entry.number,
        }
    }

    fn at(&self) -> Option<Position> {
        match &self.who {
            Who::Contact(contact) => Some(contact.at),
            Who::Adopted(_) => None,
        }
    }
}

/// What the dispatcher needs to know of an attempt that is over.
#[derive(Debug)]
pub struct Attempted {
    /// The contact's place in the list; `None` for a call of an earlier run.
    pub at: Option<Position>,
    /// What has happened to it, this attempt included.
    pub history: History,
    /// How it ended.
    pub disposition: Disposition,
    /// What follows.
    pub decision: Decision,
    /// When the contact is due again.
    pub due: Option<Instant>,
    /// What an operator should know at once: why the trunk or Asterisk did not do what it was asked.
    pub trouble: Option<String>,
}

/// What came of an attempt.
#[derive(Debug)]
pub enum Outcome {
    /// It is over, and this is its row.
    Over(Attempted, Box<Row>),
    /// There was no session, or no new call is wanted any more: nothing was dialed.
    NotDialed,
    /// It could not be noted in the journal: nothing was dialed.
    NotNoted(WriteError),
}

/// Calls the contact and tells how that ended.
pub async fn run(
    resources: &Resources,
    record: &Record,
    contact: &Contact,
    stop: &Stop,
) -> Outcome {
    let campaign = &resources.campaign;
    let rendered = match resources.list.render(contact, record.trunk) {
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
        let entry = Entry {
            call_id: record.id.to_string(),
            contact: contact.id.clone(),
            number: contact.number.to_string(),
            trunk: campaign.trunks[record.trunk].name.clone(),
            caller_id: caller_id.clone(),
            attempts: record.history.attempts,
            counted: record.history.counted,
            congested: record.history.congested,
            begun_at: resources.clock.now().timestamp().as_millisecond(),
        };
        if let Err(error) = journal.begin(record.slot, &entry).await {
            return Outcome::NotNoted(error);
        }
        if stop.drain.is_cancelled() {
            return Outcome::NotDialed;
        }
    }
    let attempt = Attempt {
        id: record.id,
        originate,
        call_timeout: campaign.call.call_timeout,
        trunk: record.log.clone(),
        hang_up: stop.hang_up.clone(),
    };
    match call::place(&resources.link, attempt).await {
        Ok(ended) => over(resources, record, caller_id, &ended, false),
        Err(SessionClosed) => Outcome::NotDialed,
    }
}

/// Follows a call of an earlier run to its end.
pub async fn adopted(
    resources: &Resources,
    record: &Record,
    entry: &Entry,
    ended: oneshot::Receiver<Signals>,
    stop: &Stop,
) -> Outcome {
    let watchdog = record.begun_at + resources.campaign.call.call_timeout;
    let followed = call::follow(&resources.link, record.id, ended, watchdog, &stop.hang_up).await;
    let ended = followed.unwrap_or_else(|SessionClosed| {
        let mut signals = Signals::new(record.begun_at);
        signals.ended_at = Instant::now();
        Ended { signals, cut: None }
    });
    over(resources, record, entry.caller_id.clone(), &ended, true)
}

fn over(
    resources: &Resources,
    record: &Record,
    caller_id: String,
    ended: &Ended,
    adopted: bool,
) -> Outcome {
    let signals = &ended.signals;
    let lately = signals.written_at.checked_sub(LATELY);
    let circumstances = Circumstances {
        cut: ended.cut,
        trunk_alive: lately.is_some_and(|lately| record.log.alive_since(lately)),
        adopted,
        min_talk: Duration::ZERO,
        watched: None,
    };
    let verdict = verdict::decide(signals, &circumstances);

    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let channel = signals.channel.as_ref();
    let connected_at = verdict.answered_at.unwrap_or(signals.ended_at);
    let row = Row {
        caller_id,
        ring: channel.map(|_| connected_at - signals.written_at),
        talk: verdict.answered_at.map(|at| signals.ended_at - at),
        uniqueid: channel.map(|leg| text(&leg.uniqueid)).unwrap_or_default(),
        linkedid: signals.linkedid.as_deref().map(text).unwrap_or_default(),
        ..Row::default()
    };
    conclude(
        resources,
        record,
        row,
        verdict,
        signals.written_at,
        signals.ended_at,
    )
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
    conclude(
        resources,
        record,
        Row::default(),
        verdict,
        record.begun_at,
        now,
    )
}

/// A contact whose Originate cannot be put into words that Asterisk takes. The list is checked at the start, so this
/// is a second net.
fn unsendable(resources: &Resources, record: &Record, why: &str) -> Outcome {
    record.log.not_written();
    let mut history = record.history;
    let decision = history.attempted(Disposition::Failed, &resources.campaign.retry);
    let row = Row {
        campaign: resources.campaign.name.clone(),
        contact: record.contact().to_owned(),
        number: record.number().to_owned(),
        is_final: true,
        disposition: Some(Disposition::Failed),
        note: note(resources, why),
        ..Row::default()
    };
    let attempted = Attempted {
        at: record.at(),
        history,
        disposition: Disposition::Failed,
        decision,
        due: None,
        trouble: Some(why.to_owned()),
    };
    Outcome::Over(attempted, Box::new(row))
}

fn conclude(
    resources: &Resources,
    record: &Record,
    row: Row,
    verdict: Verdict,
    dialed_at: Instant,
    ended_at: Instant,
) -> Outcome {
    let mut history = record.history;
    let decision = history.attempted(verdict.disposition, &resources.campaign.retry);
    let due = decision.again_after.map(|delay| ended_at + delay);
    let time = |at: Instant| resources.clock.at(at);
    let is_trouble = matches!(
        verdict.disposition,
        Disposition::Congestion | Disposition::Failed
    );
    let trouble = Some(&verdict.note)
        .filter(|note| is_trouble && !note.is_empty())
        .cloned();
    let row = Row {
        campaign: resources.campaign.name.clone(),
        contact: record.contact().to_owned(),
        number: record.number().to_owned(),
        attempt: history.attempts,
        counted: decision.counted,
        is_final: decision.is_final,
        disposition: Some(verdict.disposition),
        cause: verdict.cause,
        sip_code: verdict.sip_code,
        trunk: match &record.who {
            Who::Contact(_) => resources.campaign.trunks[record.trunk].name.clone(),
            Who::Adopted(entry) => entry.trunk.clone(),
        },
        dialed_at: Some(time(dialed_at)),
        answered_at: verdict.answered_at.map(time),
        ended_at: Some(time(ended_at)),
        next_attempt_at: due.map(time),
        call_id: record.id.to_string(),
        note: note(resources, &verdict.note),
        ..row
    };
    let attempted = Attempted {
        at: record.at(),
        history,
        disposition: verdict.disposition,
        decision,
        due,
        trouble,
    };
    Outcome::Over(attempted, Box::new(row))
}

/// The note of a row, with what is remarked on every row of this run.
pub fn note(resources: &Resources, note: &str) -> String {
    match (resources.remark, note) {
        (None, note) => note.to_owned(),
        (Some(remark), "") => remark.to_owned(),
        (Some(remark), note) => format!("{remark}: {note}"),
    }
}

/// The Originate of an attempt.
///
/// `Async` always: a synchronous one holds up the whole session until the call is answered. `Timeout` is in
/// milliseconds and covers the ringing only. No `EarlyMedia`: it makes ringback an answer. There is always a place in
/// the dialplan or an application: without one, Asterisk rings the callee and has nothing to say.
fn originate(call: &Call, id: CallId, rendered: &Rendered) -> Result<Action, ActionError> {
    let mut action = Action::new("Originate", id.as_str())?
        .header("Channel", &rendered.channel)?
        .header("ChannelId", id.as_str())?
        .header("Async", "true")?
        .header("Timeout", call.ring_timeout.as_millis().to_string())?;
    action = match &call.target {
        Target::Exten {
            context,
            exten,
            priority,
        } => action
            .header("Context", context)?
            .header("Exten", exten)?
            .header("Priority", priority.to_string())?,
        Target::Application { application, data } => action
            .header("Application", application)?
            .header("Data", data)?,
    };
    if let Some(caller_id) = &rendered.caller_id {
        action = action.header("CallerID", caller_id)?;
    }
    action = action.variable("CALLID", id.as_str())?;
    for (name, value) in &rendered.variables {
        action = action.variable(name, value)?;
    }
    Ok(action)
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;

    fn encoded(target: Target) -> String {
        let call = Call {
            target,
            caller_id: None,
            ring_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(200),
            variables: Vec::new(),
        };
        let rendered = Rendered {
            channel: b"PJSIP/100@carrier".to_vec(),
            caller_id: Some(b"Desk <+5982>".to_vec()),
            variables: vec![("MESSAGE".into(), b"a,b".to_vec())],
        };
        let id = CallId::from_bytes(b"01k9qx3e7r8b2m5tv6w0c4d1fa").unwrap();
        let mut bytes = BytesMut::new();
        originate(&call, id, &rendered)
            .unwrap()
            .encode_into(&mut bytes);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn an_originate_never_blocks_the_session_nor_rings_with_nothing_to_say() {
        let exten = Target::Exten {
            context: "notify".to_owned(),
            exten: "s".to_owned(),
            priority: 1,
        };
        assert_eq!(
            encoded(exten),
            "Action: Originate\r\nActionID: 01k9qx3e7r8b2m5tv6w0c4d1fa\r\nChannel: PJSIP/100@carrier\r\n\
             ChannelId: 01k9qx3e7r8b2m5tv6w0c4d1fa\r\nAsync: true\r\nTimeout: 30000\r\nContext: notify\r\nExten: s\r\n\
             Priority: 1\r\nCallerID: Desk <+5982>\r\nVariable: CALLID=01k9qx3e7r8b2m5tv6w0c4d1fa\r\n\
             Variable: MESSAGE=a\\,b\r\n\r\n"
        );
        let application = encoded(Target::Application {
            application: "Playback".to_owned(),
            data: "storm".to_owned(),
        });
        assert!(application.contains("\r\nApplication: Playback\r\nData: storm\r\n"));
    }
}
