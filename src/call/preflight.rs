//! What is found out about an Asterisk before it is asked to call: whether this login may do what dialing needs, whether
//! an extension exists, whether a trunk does and can be reached, and how many channels live.
//!
//! That takes no more permissions than dialing does, and no call. What Asterisk does not say to this user is reported as
//! that, and never guessed.

use std::time::Duration;

use anyhow::{bail, ensure};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ami::action::{Action, ActionError};
use crate::ami::client::Client;
use crate::ami::errors::{RequestError, SessionClosed};
use crate::ami::message::Message;
use crate::call::correlator::Note;
use crate::call::id::CallId;
use crate::call::reconnect::Reconnector;

/// A technology that no Asterisk has: the Originate is accepted and fails at once, without a channel, in about 1 ms.
const NO_SUCH_TECHNOLOGY: &str = "Dialer/permission-check";
/// How long the events of that may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExtensionState {
    /// It exists, or a pattern that fits.
    Exists,
    Missing,
    /// Asterisk says something else.
    Unclear(String),
}

/// How a device is: an endpoint, a peer, a line, or an extension that a Local channel leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeviceState {
    /// It exists, and nothing keeps calls from it.
    Reachable,
    /// It exists, and none of its contacts can be reached.
    Unreachable,
    /// There is none, or no channel technology of that name.
    Missing,
    /// The technology knows no states, or Asterisk has not loaded `func_devstate` and does not show this user its
    /// endpoints.
    Unclear,
}

/// Asks one Asterisk.
#[derive(Debug)]
pub struct Preflight {
    client: Client<Note>,
}

impl Preflight {
    /// Checks `write = originate,call` and `read = call` of the user that is logged in.
    pub async fn begin(pbx: &Reconnector, username: &str) -> anyhow::Result<Self> {
        let client = pbx.client().ok_or(SessionClosed)?;
        let hangup = question("Hangup")?.header("Channel", NO_SUCH_TECHNOLOGY)?;
        let response = client.request(hangup).await?;
        let message = response.get_str("Message").unwrap_or_default();
        ensure!(
            !is_denied(&message),
            "Asterisk does not let this user hang up calls ({message}): add `call` to `write =` of [{username}] in manager.conf, then `manager reload`"
        );
        let preflight = Self { client };
        match preflight.probe(Ok).await? {
            Some(Err(message)) if is_denied(&message) => bail!(
                "Asterisk lets this user log in but not dial ({message}): add `originate` to `write =` of [{username}] in manager.conf, then `manager reload`"
            ),
            // Refused for another reason: allowed to dial, which is what was asked.
            Some(_) => Ok(preflight),
            None => bail!(
                "Asterisk does not tell this user how calls end: add `call` to `read =` of [{username}] in manager.conf (and look for `disabledevents` or `eventfilter` there), then `manager reload`"
            ),
        }
    }

    /// Whether the dialplan has an extension, and a priority of it.
    ///
    /// An Originate that names an application *and* an extension is looked at for the extension, and then goes to the
    /// application (seen on 16 and 22). So Asterisk says whether there is one, and runs none, `failed` included.
    pub async fn extension(
        &self,
        context: &str,
        exten: &str,
        priority: u32,
    ) -> anyhow::Result<ExtensionState> {
        let reply = self.probe(|originate| {
            originate
                .header("Context", context)?
                .header("Exten", exten)?
                .header("Priority", priority.to_string())
        });
        Ok(match reply.await? {
            Some(Ok(())) => ExtensionState::Exists,
            Some(Err(message)) if message.contains("does not exist") => ExtensionState::Missing,
            Some(Err(message)) => ExtensionState::Unclear(message),
            None => ExtensionState::Unclear("no answer".to_owned()),
        })
    }

    /// Writes an Originate that comes to nothing: no channel can be made for it, and what it is for is an application,
    /// since a context with an extension `failed` would run that. `None` says that nothing came of it.
    async fn probe(
        &self,
        complete: impl FnOnce(Action) -> Result<Action, ActionError>,
    ) -> anyhow::Result<Option<Result<(), String>>> {
        let id = CallId::new();
        let originate = Action::new("Originate", id.as_str())?
            .header("Channel", NO_SUCH_TECHNOLOGY)?
            .header("Async", "true")?
            .header("Timeout", "1000")?
            .header("Application", "NoOp")?;
        let originate = complete(originate)?;
        let (done, reply) = oneshot::channel();
        let note = Note::Probe { id, done };
        self.client.submit(Some(note), Some(originate))?;
        match timeout(PROBE_TIMEOUT, reply).await {
            Ok(Ok(reply)) => Ok(Some(reply)),
            Ok(Err(_)) => Err(SessionClosed.into()),
            Err(_) => Ok(None),
        }
    }

    /// How a device is, such as `PJSIP/carrier`.
    pub async fn device(&self, device: &str) -> anyhow::Result<DeviceState> {
        // What could end the function's argument, or begin another.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/@._+*#-".contains(&byte);
        if !device.bytes().all(is_plain) {
            return Ok(DeviceState::Unclear);
        }
        let state = self.function(&format!("DEVICE_STATE({device})")).await?;
        Ok(match (state.as_deref(), device.strip_prefix("PJSIP/")) {
            (Some("INVALID"), _) => DeviceState::Missing,
            (Some("UNAVAILABLE"), _) => DeviceState::Unreachable,
            (Some("" | "UNKNOWN") | None, Some(endpoint)) => self.endpoint(endpoint).await?,
            (Some("" | "UNKNOWN") | None, None) => DeviceState::Unclear,
            (Some(_), _) => DeviceState::Reachable,
        })
    }

    /// How a PJSIP endpoint is, where the function cannot be asked. This takes `write = system`.
    async fn endpoint(&self, endpoint: &str) -> anyhow::Result<DeviceState> {
        let action = question("PJSIPShowEndpoint")?.header("Endpoint", endpoint)?;
        match self.client.list(action).await {
            Ok(parts) => Ok(
                match parts.iter().find_map(|part| part.get("DeviceState")) {
                    Some(b"Unavailable") => DeviceState::Unreachable,
                    Some(_) => DeviceState::Reachable,
                    None => DeviceState::Unclear,
                },
            ),
            Err(RequestError::Refused(why)) if why.contains("Unable to retrieve endpoint") => {
                Ok(DeviceState::Missing)
            }
            Err(RequestError::Refused(_)) => Ok(DeviceState::Unclear),
            Err(error) => Err(error.into()),
        }
    }

    /// The version of Asterisk, where it says so to every user.
    pub async fn version(&self) -> anyhow::Result<Option<String>> {
        let version = self.function("VERSION()").await?;
        Ok(version.filter(|version| !version.is_empty()))
    }

    /// Asterisk's own settings; `None` where this user may not ask.
    pub async fn core_settings(&self) -> anyhow::Result<Option<Message>> {
        let response = self.client.request(question("CoreSettings")?).await?;
        let denied = is_denied(&response.get_str("Message").unwrap_or_default());
        Ok((!denied).then_some(response))
    }

    /// How many channels live now; `None` where Asterisk does not list them to this user.
    pub async fn channels(&self) -> anyhow::Result<Option<usize>> {
        match self.client.list(question("Status")?).await {
            Ok(channels) => Ok(Some(channels.len())),
            Err(RequestError::Refused(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The value of a dialplan function that is read without a channel; `None` where this user may not.
    async fn function(&self, function: &str) -> anyhow::Result<Option<String>> {
        let action = question("Getvar")?.header("Variable", function)?;
        let response = self.client.request(action).await?;
        if response.is_error() {
            return Ok(None);
        }
        let value = response.get_str("Value").unwrap_or_default();
        Ok(Some(value.trim().to_owned()))
    }
}

/// An action with an id that no other question in flight has: they are asked one after the other.
fn question(name: &str) -> Result<Action, ActionError> {
    Action::new(name, &format!("preflight-{name}"))
}

/// Whether Asterisk refused because this user may not.
fn is_denied(message: &str) -> bool {
    message.to_ascii_lowercase().contains("permission")
}
