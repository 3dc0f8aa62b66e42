//! What is there in an Asterisk that calls are to go through, found out without placing a call.
//!
//! Whether an extension exists, whether a trunk does and can be reached, and how many channels live: that takes no more
//! permissions than dialing does. What an Asterisk does not tell this user is told as that, and never guessed.

use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::ami::action::{Action, ActionError};
use crate::ami::client::{Client, ListError, SessionClosed, SessionError};
use crate::call::correlator::{Note, Probed};
use crate::call::id::CallId;
use crate::call::probe;
use crate::call::reconnect::Link;

/// Why nothing can be found out any more.
#[derive(Debug, thiserror::Error)]
pub enum SurveyError {
    /// The session ended meanwhile.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The session had ended before.
    #[error(transparent)]
    Closed(#[from] SessionClosed),
    /// A question could not be put into words.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// Whether an extension exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Extension {
    /// It does, or a pattern that fits.
    Exists,
    /// It does not.
    Missing,
    /// Asterisk says something else.
    Untold(String),
}

/// How a device is: an endpoint, a peer, a line, or an extension that a Local channel leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// There is one, and nothing keeps calls from it.
    There,
    /// There is one, and no contact of it can be reached.
    Unreachable,
    /// There is none, or no channel technology of that name.
    Missing,
    /// It cannot be told: the technology knows no states, or Asterisk has not loaded `func_devstate` and does not show
    /// this user its endpoints.
    Untold,
}

/// What a question of the settings is answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting<T> {
    /// The answer.
    Told(T),
    /// This user may not ask.
    Denied,
    /// There is no answer.
    Untold,
}

/// Asks one Asterisk.
#[derive(Debug)]
pub struct Surveyor {
    client: Client<Note>,
    asked: u32,
}

impl Surveyor {
    /// Asks on the session that there is.
    ///
    /// # Errors
    /// There is none.
    pub fn new(link: &Link) -> Result<Self, SurveyError> {
        let client = link.client().ok_or(SessionClosed)?;
        Ok(Self { client, asked: 0 })
    }

    /// Whether the dialplan has an extension, and a priority of it.
    ///
    /// An Originate that names an application *and* an extension is looked at for the extension, and then goes to the
    /// application (seen on 16 and 22). So Asterisk says whether there is one, and runs none, `failed` included.
    ///
    /// # Errors
    /// The session ended.
    pub async fn extension(
        &self,
        context: &str,
        exten: &str,
        priority: u32,
    ) -> Result<Extension, SurveyError> {
        let id = CallId::new();
        let originate = probe::originate(id)?
            .header("Context", context)?
            .header("Exten", exten)?
            .header("Priority", priority.to_string())?;
        let (done, probed) = oneshot::channel();
        self.client
            .submit(Some(Note::Probe { id, done }), Some(originate))?;
        match timeout(probe::PATIENCE, probed).await {
            Ok(Ok(Probed::Heard)) => Ok(Extension::Exists),
            Ok(Ok(Probed::Refused(message))) if message.contains("does not exist") => {
                Ok(Extension::Missing)
            }
            Ok(Ok(Probed::Refused(message))) => Ok(Extension::Untold(message)),
            Ok(Err(_)) => Err(SessionClosed.into()),
            Err(_) => Ok(Extension::Untold("no answer".to_owned())),
        }
    }

    /// How a device is, such as `PJSIP/carrier`.
    ///
    /// # Errors
    /// The session ended.
    pub async fn device(&mut self, device: &str) -> Result<Device, SurveyError> {
        // What could end the function's argument, or begin another.
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/@._+*#-".contains(&byte);
        if !device.bytes().all(is_plain) {
            return Ok(Device::Untold);
        }
        let state = self.function(&format!("DEVICE_STATE({device})")).await?;
        Ok(match (state.as_deref(), device.strip_prefix("PJSIP/")) {
            (Some("INVALID"), _) => Device::Missing,
            (Some("UNAVAILABLE"), _) => Device::Unreachable,
            (Some("" | "UNKNOWN") | None, Some(endpoint)) => self.endpoint(endpoint).await?,
            (Some("" | "UNKNOWN") | None, None) => Device::Untold,
            (Some(_), _) => Device::There,
        })
    }

    /// How a PJSIP endpoint is, where the function cannot be asked. This takes `write = system`.
    async fn endpoint(&mut self, endpoint: &str) -> Result<Device, SurveyError> {
        let action =
            Action::new("PJSIPShowEndpoint", &self.next_id())?.header("Endpoint", endpoint)?;
        match self.client.list(action).await {
            Ok(parts) => {
                let mut states = parts.iter().filter_map(|part| part.get("DeviceState"));
                Ok(match states.next() {
                    Some(b"Unavailable") => Device::Unreachable,
                    Some(_) => Device::There,
                    None => Device::Untold,
                })
            }
            Err(ListError::Refused(why)) if why.contains("Unable to retrieve endpoint") => {
                Ok(Device::Missing)
            }
            Err(ListError::Session(error)) => Err(error.into()),
            Err(_) => Ok(Device::Untold),
        }
    }

    /// The version of Asterisk, where it tells.
    ///
    /// # Errors
    /// The session ended.
    pub async fn version(&mut self) -> Result<Option<String>, SurveyError> {
        if let Some(version) = self.function("VERSION()").await?
            && !version.is_empty()
        {
            return Ok(Some(version));
        }
        Ok(match self.core_setting("AsteriskVersion").await? {
            Setting::Told(version) => Some(version),
            Setting::Denied | Setting::Untold => None,
        })
    }

    /// The most calls that Asterisk carries at once; 0 is no limit.
    ///
    /// # Errors
    /// The session ended.
    pub async fn max_calls(&mut self) -> Result<Setting<u32>, SurveyError> {
        Ok(match self.core_setting("CoreMaxCalls").await? {
            Setting::Told(most) => most.parse().map_or(Setting::Untold, Setting::Told),
            Setting::Denied => Setting::Denied,
            Setting::Untold => Setting::Untold,
        })
    }

    /// How many channels live now; `None` where Asterisk does not list them to this user.
    ///
    /// # Errors
    /// The session ended.
    pub async fn channels(&mut self) -> Result<Option<usize>, SurveyError> {
        let action = Action::new("Status", &self.next_id())?;
        match self.client.list(action).await {
            Ok(channels) => Ok(Some(channels.len())),
            Err(ListError::Session(error)) => Err(error.into()),
            Err(_) => Ok(None),
        }
    }

    /// The value of a dialplan function that is read without a channel; `None` where this user may not.
    async fn function(&mut self, function: &str) -> Result<Option<String>, SurveyError> {
        let action = Action::new("Getvar", &self.next_id())?.header("Variable", function)?;
        let response = self.client.request(action).await?;
        if response.is_error() {
            return Ok(None);
        }
        let value = response.get_str("Value").unwrap_or_default();
        Ok(Some(value.trim().to_owned()))
    }

    async fn core_setting(&mut self, name: &str) -> Result<Setting<String>, SurveyError> {
        let action = Action::new("CoreSettings", &self.next_id())?;
        let response = self.client.request(action).await?;
        if probe::denied(&response.get_str("Message").unwrap_or_default()) {
            return Ok(Setting::Denied);
        }
        Ok(match response.get_str(name) {
            Some(value) if !value.is_empty() => Setting::Told(value.into_owned()),
            _ => Setting::Untold,
        })
    }

    /// An id that no other question has.
    fn next_id(&mut self) -> String {
        self.asked += 1;
        format!("survey-{}", self.asked)
    }
}
