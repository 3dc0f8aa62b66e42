//! Whether this login may do what dialing needs, found out without placing a call.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ami::action::{Action, ActionError};
use crate::ami::client::{SessionClosed, SessionError};
use crate::call::correlator::{Note, Probed};
use crate::call::id::CallId;
use crate::call::reconnect::Link;

/// A technology that no Asterisk has: the Originate is accepted and fails at once, without a channel, in about 1 ms.
const NO_SUCH_TECHNOLOGY: &str = "Dialer/permission-check";
/// How long the events of that may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Why dialing cannot begin. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// `write = originate` is missing.
    #[error(
        "Asterisk lets this user log in but not dial ({0}): add `originate` to `write =` of [{1}] in manager.conf, then `manager reload`"
    )]
    Originate(String, String),
    /// `write = call` is missing.
    #[error(
        "Asterisk does not let this user hang up calls ({0}): add `call` to `write =` of [{1}] in manager.conf, then `manager reload`"
    )]
    Hangup(String, String),
    /// `read = call` is missing.
    #[error(
        "Asterisk does not tell this user how calls end: add `call` to `read =` of [{0}] in manager.conf (and look for `disabledevents` or `eventfilter` there), then `manager reload`"
    )]
    Events(String),
    /// The session ended meanwhile.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The session had ended before.
    #[error(transparent)]
    Closed(#[from] SessionClosed),
    /// The probe could not be put into words; a defect.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// Checks `write = originate,call` and `read = call` of the user that is logged in.
///
/// # Errors
/// What is missing, as a sentence that says where to add it.
pub async fn permissions(link: &Link, username: &str) -> Result<(), ProbeError> {
    let client = link.client().ok_or(SessionClosed)?;
    let user = || username.to_owned();
    let id = CallId::new();
    let hangup =
        Action::new("Hangup", &format!("probe-{id}"))?.header("Channel", NO_SUCH_TECHNOLOGY)?;
    let response = client.request(hangup).await?;
    let message = response.get_str("Message").unwrap_or_default();
    if denied(&message) {
        return Err(ProbeError::Hangup(message.into_owned(), user()));
    }

    let originate = originate(id)?;
    let (done, probed) = oneshot::channel();
    client.submit(Some(Note::Probe { id, done }), Some(originate))?;
    match timeout(PATIENCE, probed).await {
        Ok(Ok(Probed::Refused(message))) if denied(&message) => {
            Err(ProbeError::Originate(message, user()))
        }
        // Refused for another reason: allowed to dial, which is what was asked.
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) => Err(ProbeError::Closed(SessionClosed)),
        Err(_) => Err(ProbeError::Events(user())),
    }
}

/// An Originate that comes to nothing: no channel can be made for it, and what it is for is an application and not an
/// extension, since a context with an extension `failed` would run that.
pub(super) fn originate(id: CallId) -> Result<Action, ActionError> {
    Action::new("Originate", id.as_str())?
        .header("Channel", NO_SUCH_TECHNOLOGY)?
        .header("Async", "true")?
        .header("Timeout", "1000")?
        .header("Application", "NoOp")
}

/// Whether Asterisk refused because this user may not.
pub(super) fn denied(message: &str) -> bool {
    message.to_ascii_lowercase().contains("permission")
}
