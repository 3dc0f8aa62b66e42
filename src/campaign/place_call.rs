//! The task of a call: from the contact's row, over the journal and the Originate, to the end of the call.

use std::sync::Arc;

use crate::call::originate::originate;
use crate::call::{self, Attempt};
use crate::campaign::conclude::{self, TaskResult};
use crate::campaign::lines::ActiveCall;
use crate::campaign::{Resources, Stop};
use crate::contacts::Contact;
use crate::results::journal::JournalError;
use crate::trunk::rate_limit::PaceToken;

/// Calls a contact of the list, and returns when that is over and its row is written.
pub(super) async fn place_call(
    resources: Arc<Resources>,
    call: Arc<ActiveCall>,
    contact: Arc<Contact>,
    token: PaceToken,
    stop: Stop,
) -> TaskResult {
    let campaign = &resources.campaign;
    let mut entry = call.entry(&resources);
    let (number, trunk) = (usize::from(call.number), call.line.trunk.get());
    let rendered = match resources.list.render(&contact, number, trunk) {
        Ok(rendered) => rendered,
        Err(why) => return conclude::unsendable(&resources, &call, entry, &why).await,
    };
    let originate = match originate(&campaign.call, call.id, &rendered) {
        Ok(originate) => originate,
        Err(why) => return conclude::unsendable(&resources, &call, entry, &why).await,
    };
    let caller_id = rendered.caller_id.unwrap_or_default();
    entry.caller_id = String::from_utf8_lossy(&caller_id).into_owned();
    if let Some(journal) = &resources.journal {
        match journal.begin(call.line.slot, &entry).await {
            Ok(()) => {}
            Err(error @ JournalError::TooLong) => {
                return conclude::unsendable(&resources, &call, entry, &error).await;
            }
            Err(JournalError::Write(error)) => return TaskResult::NotJournaled(error),
        }
    }
    // The disk may have taken its time.
    let now = resources.clock.timestamp();
    let may_begin = resources.rules.may_begin(contact.zone, now) && !stop.drain.is_cancelled();
    if may_begin {
        let attempt = Attempt {
            id: call.id,
            originate,
            call_timeout: campaign.call.call_timeout,
            token,
            hang_up: stop.hang_up.clone(),
        };
        if let Ok(ended) = call::place(&resources.reconnector, attempt).await {
            return conclude::ended(&resources, &call, entry, &ended).await;
        }
    }
    // What stays in the journal without a row is taken for a call by the next run.
    if let Some(journal) = &resources.journal
        && let Err(error) = journal.clear(call.line.slot).await
    {
        return TaskResult::NotJournaled(error);
    }
    TaskResult::NotDialed
}

/// The end of a call whose task died: hangs its channel up, and writes a row that says so.
pub(super) async fn bury(resources: Arc<Resources>, call: Arc<ActiveCall>) -> TaskResult {
    call::hang_up_for_good(&resources.reconnector, call.id).await;
    conclude::buried(&resources, &call).await
}
