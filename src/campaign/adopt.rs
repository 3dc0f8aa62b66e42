//! The calls that an earlier run had in flight when it was cut off: those that Asterisk still carries are followed to
//! their end, the others become UNKNOWN.

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::warn;

use crate::ami::errors::SessionClosed;
use crate::call::reconcile::reconcile;
use crate::call::reconnect::Reconnector;
use crate::call::verdict::HangupReason;
use crate::call::{self, FinishedCall};
use crate::campaign::conclude::{self, TaskResult};
use crate::campaign::lines::ActiveCall;
use crate::campaign::{Resources, Stop};
use crate::error_chain::error_chain;

/// Follows such a call to its end. `registered` is dropped when the session knows it, or will not.
pub(super) async fn follow(
    resources: Arc<Resources>,
    call: Arc<ActiveCall>,
    registered: mpsc::Sender<Infallible>,
    stop: Stop,
) -> TaskResult {
    let reconnector = &resources.reconnector;
    let unobserved = |own_hangup| FinishedCall {
        observations: call.unobserved(),
        own_hangup,
    };
    let ended = tokio::select! {
        biased;
        ended = call::adopt(reconnector, call.id, call.begun_at) => {
            drop(registered);
            let watchdog = call.begun_at + resources.campaign.call.call_timeout;
            call::follow(reconnector, call.id, ended, watchdog, &stop.hang_up)
                .await
                .unwrap_or_else(|SessionClosed| unobserved(None))
        }
        () = stop.hang_up.cancelled() => unobserved(Some(HangupReason::Stopped)),
    };
    conclude::ended(&resources, &call, call.entry(&resources), &ended).await
}

/// Looks for the calls in Asterisk when all of them are `registered`.
pub(super) async fn look_for_calls(
    reconnector: Reconnector,
    mut registered: mpsc::Receiver<Infallible>,
) {
    while registered.recv().await.is_some() {}
    // A session that drops meanwhile is reconciled by the task that connects again.
    if let Some(client) = reconnector.client()
        && let Err(error) = reconcile(&client, &reconnector.captured_vars).await
    {
        warn!("{}", error_chain(&error));
    }
}
