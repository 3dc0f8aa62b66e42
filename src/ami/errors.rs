//! Why a session ended, and why a request got no answer.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Why a session is over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    #[error("Asterisk closed the connection")]
    Closed,
    /// `Event: Shutdown` came.
    #[error("Asterisk was shut down or restarted")]
    Shutdown,
    #[error("Asterisk went silent: it did not even answer a ping")]
    Silent,
    #[error("Asterisk still sends events but answers nothing: what is sent does not reach it")]
    Deaf,
    #[error("the task of the AMI session panicked; please report this")]
    Panicked,
    #[error("the session was logged off")]
    LoggedOff,
    #[error("the connection to Asterisk broke")]
    Io(#[source] Arc<io::Error>),
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Why an action got no answer that can be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum RequestError {
    /// `Response: Error` instead of a list, with Asterisk's message.
    #[error("Asterisk refused: {0}")]
    Refused(String),
    /// No answer, or not all of a list.
    #[error("Asterisk did not answer {action} within {within:?}")]
    Unanswered { action: String, within: Duration },
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The session is over; nothing was sent. [`Client::closed`](super::client::Client::closed) says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session with Asterisk is over")]
pub struct SessionClosed;
