//! The dialogue at the beginning of a session: banner, challenge, login.

use std::io;
use std::time::Duration;

use md5::{Digest, Md5};
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, timeout_at};

use crate::ami::action::{Action, ActionError};
use crate::ami::buffered_stream::BufferedStream;
use crate::ami::message::{Message, shown};

/// The events asked for at the login, as classes of manager.conf. `call` and `dialplan` carry the calls, `system`
/// carries `FullyBooted` and `Shutdown`. Asterisk sends of them what the user's `read` line allows.
const EVENTS: &str = "system,call,dialplan";

/// How the secret is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// By the MD5 sum of a challenge and the secret, which does not cross the network.
    Md5,
    /// By the secret itself.
    Plain,
}

/// Who logs in, and how long that may take. It has no `Debug`, which would show the secret.
#[derive(Clone)]
pub struct Login {
    /// The user, a section of manager.conf.
    pub username: String,
    secret: String,
    /// How the secret is proven.
    pub auth: Auth,
    /// From the connection to the accepted login. Asterisk takes a second to refuse one.
    pub timeout: Duration,
}

impl Login {
    /// A login; `timeout` is for all of it, banner and answers.
    pub fn new(
        username: impl Into<String>,
        secret: impl Into<String>,
        auth: Auth,
        timeout: Duration,
    ) -> Self {
        Self {
            username: username.into(),
            secret: secret.into(),
            auth,
            timeout,
        }
    }

    async fn wait<T>(
        &self,
        until: Instant,
        waiting_for: &'static str,
        step: impl Future<Output = io::Result<Option<T>>>,
    ) -> Result<T, LoginError> {
        match timeout_at(until, step).await {
            Ok(came) => came_or_ended(came, waiting_for),
            Err(_) => Err(LoginError::Timeout {
                waiting_for,
                after: self.timeout,
            }),
        }
    }

    fn action(&self) -> Result<Action, ActionError> {
        Action::new("Login", "login")?
            .header("Username", &self.username)?
            .header("Events", EVENTS)
    }

    fn refused(&self, response: &Message) -> LoginError {
        let message = response.get("Message").unwrap_or(b"no reason given");
        LoginError::Refused {
            username: self.username.clone(),
            message: self.quoted(message),
        }
    }

    /// What the other side said, fit to be shown: a peer that echoes the secret must not bring it into a log.
    fn quoted(&self, text: &[u8]) -> String {
        let text = shown(text);
        if self.secret.is_empty() {
            text
        } else {
            text.replace(&self.secret, "[secret]")
        }
    }
}

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    #[error(
        "no {waiting_for} came from Asterisk within {after:?}: check that host and port are those of the manager \
         interface (a port for TLS says nothing to a client without TLS) and that Asterisk is not stuck"
    )]
    Timeout {
        waiting_for: &'static str,
        after: Duration,
    },
    #[error(
        "this is not Asterisk's manager interface, it began with {began:?}: check host and port, the manager's port \
         is 5038 unless manager.conf says otherwise"
    )]
    NotAmi { began: String },
    #[error(
        "Asterisk refused the login of user {username:?} ({message}): check [{username}] and its secret in \
         manager.conf, and that its permit and deny lines let this machine in; then run `manager reload` in \
         Asterisk's console"
    )]
    Refused { username: String, message: String },
    #[error(
        "Asterisk accepted the login but sent no FullyBooted event within {after:?}: either it is still starting, or \
         `read` of [{username}] in manager.conf lacks `system`"
    )]
    NotBooted { username: String, after: Duration },
    #[error(
        "Asterisk closed the connection before any {waiting_for} came: it may be stopping, or authlimit and \
         authtimeout in manager.conf are too low"
    )]
    Closed { waiting_for: &'static str },
    #[error("the connection broke before any {waiting_for} came")]
    Io {
        waiting_for: &'static str,
        source: io::Error,
    },
    #[error("this user or secret cannot be sent to Asterisk")]
    Unsendable(#[from] ActionError),
}

impl LoginError {
    /// Whether another try may end better, without anyone changing a file first.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Timeout { .. }
            | Self::NotBooted { .. }
            | Self::Closed { .. }
            | Self::Io { .. } => true,
            // During a graceful stop every action is refused, a login too.
            Self::Refused { message, .. } => message.contains("shutting down"),
            Self::NotAmi { .. } | Self::Unsendable(_) => false,
        }
    }
}

/// Reads the banner and logs in; gives the banner. Nothing else is sent, as Asterisk asks for it.
pub(super) async fn authenticate<S: AsyncRead + AsyncWrite>(
    stream: &mut BufferedStream<S>,
    login: &Login,
) -> Result<String, LoginError> {
    let until = Instant::now() + login.timeout;
    let banner = login.wait(until, "banner", stream.banner()).await?;
    let banner = banner.trim_ascii_end();
    // The version behind the words is not looked at: a new Asterisk is no reason to fail.
    if memmem::find(banner, b"Call Manager").is_none() {
        let began = login.quoted(banner);
        return Err(LoginError::NotAmi { began });
    }
    let action = match login.auth {
        Auth::Plain => login.action()?.header("Secret", &login.secret)?,
        Auth::Md5 => {
            let challenge = Action::new("Challenge", "challenge")?.header("AuthType", "MD5")?;
            let response = stream.ask(&challenge);
            let response = login
                .wait(until, "answer to the challenge", response)
                .await?;
            let Some(challenge) = response.get("Challenge").filter(|_| !response.is_error()) else {
                return Err(login.refused(&response));
            };
            login
                .action()?
                .header("AuthType", "MD5")?
                .header("Key", md5_key(challenge, &login.secret))?
        }
    };
    let response = stream.ask(&action);
    let response = login.wait(until, "answer to the login", response).await?;
    if response.get("Response").is_some_and(|r| r == b"Success") {
        Ok(shown(banner))
    } else {
        Err(login.refused(&response))
    }
}

/// What came, or how the stream ended before.
pub(super) fn came_or_ended<T>(
    came: io::Result<Option<T>>,
    waiting_for: &'static str,
) -> Result<T, LoginError> {
    match came {
        Ok(came) => came.ok_or(LoginError::Closed { waiting_for }),
        Err(source) => Err(LoginError::Io {
            waiting_for,
            source,
        }),
    }
}

/// The `Key:` of an MD5 login, in lower-case hexadecimal as Asterisk compares it.
fn md5_key(challenge: &[u8], secret: &str) -> String {
    let digest = Md5::new().chain_update(challenge).chain_update(secret);
    format!("{:032x}", u128::from_be_bytes(digest.finalize().into()))
}
