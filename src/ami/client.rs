//! The handle by which everyone else speaks to the one task that owns the session.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};

use crate::ami::action::Action;
use crate::ami::connection::Handler;
use crate::ami::login::LoginError;
use crate::ami::message::Message;

/// Why a session is over.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SessionError {
    /// The other side closed the connection.
    #[error("Asterisk closed the connection")]
    Closed,
    /// Asterisk said that it is going down, by `Event: Shutdown`.
    #[error("Asterisk was shut down or restarted")]
    Shutdown,
    /// Nothing was heard, not even an answer to a `Ping`.
    #[error("Asterisk went silent: it did not even answer a ping")]
    Silent,
    /// Bytes came, but no answer to anything that was asked.
    #[error("Asterisk still speaks but answers nothing: what is sent does not reach it")]
    Deaf,
    /// The task of the session panicked.
    #[error("the task that holds the session with Asterisk died; please report this")]
    Died,
    /// This side logged off.
    #[error("the session was logged off")]
    LoggedOff,
    /// The connection broke.
    #[error("the connection to Asterisk broke: {0}")]
    Io(#[source] Arc<io::Error>),
}

impl From<io::Error> for SessionError {
    fn from(error: io::Error) -> Self {
        Self::Io(Arc::new(error))
    }
}

/// Why a list did not come.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ListError {
    /// Asterisk answered `Response: Error`; the text is its own.
    #[error("Asterisk refused: {0}")]
    Refused(String),
    /// It did not come, or not all of it.
    #[error("Asterisk did not list them within {0:?}")]
    Unfinished(Duration),
    /// The session ended before the list did.
    #[error(transparent)]
    Session(#[from] SessionError),
}

/// The session is over; nothing was sent. [`Client::closed`] says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the session with Asterisk is over")]
pub struct SessionClosed;

/// A session that is logged in, to an Asterisk that is fully booted.
#[derive(Debug)]
pub struct Session<H: Handler> {
    /// The handle. When the last clone of it is dropped, the session logs off.
    pub client: Client<H::Note>,
    /// What Asterisk said at first, such as `Asterisk Call Manager/11.0.0`.
    pub banner: String,
    /// Gives the handler back when the session is over.
    pub handler: oneshot::Receiver<H>,
}

/// A session that did not come about, with the handler that it was for.
#[derive(Debug)]
pub struct Unopened<H> {
    /// Why not.
    pub error: LoginError,
    /// As it was.
    pub handler: H,
}

/// Sends actions on a session. Clones share the session; the order of one caller's submits is kept.
#[derive(Debug)]
pub struct Client<N> {
    commands: mpsc::UnboundedSender<Command<N>>,
    ended: Ended,
}

/// Why the session ended, once it has.
type Ended = watch::Receiver<Option<SessionError>>;

#[derive(Debug)]
pub(super) enum Command<N> {
    Submit {
        note: Option<N>,
        action: Option<Action>,
    },
    Request {
        action: Action,
        reply: oneshot::Sender<Message>,
    },
    List {
        action: Action,
        reply: oneshot::Sender<Result<Vec<Message>, ListError>>,
    },
    Logoff,
}

impl<N> Client<N> {
    pub(super) fn new(commands: mpsc::UnboundedSender<Command<N>>, ended: Ended) -> Self {
        Self { commands, ended }
    }

    /// Tells the handler something and writes an action, in that order. Never waits.
    ///
    /// A session that ends may drop what was submitted last: then the handler never gets the note, and of the action
    /// nothing was written.
    ///
    /// # Errors
    ///
    /// When the session is over.
    pub fn submit(&self, note: Option<N>, action: Option<Action>) -> Result<(), SessionClosed> {
        self.send(Command::Submit { note, action })
    }

    /// Writes an action and waits for the response with its `ActionID`, be it `Success` or `Error`.
    ///
    /// The id must be one that no other action in flight has.
    ///
    /// # Errors
    ///
    /// When the session ends before the response came.
    pub async fn request(&self, action: Action) -> Result<Message, SessionError> {
        let (reply, response) = oneshot::channel();
        if self.send(Command::Request { action, reply }).is_ok()
            && let Ok(message) = response.await
        {
            return Ok(message);
        }
        Err(self.closed().await)
    }

    /// Writes an action that is answered by a list, and waits for all of it.
    ///
    /// Gives the list's events, without the response before them and the `EventList: Complete` after them, whatever
    /// the handler wants of events with these names. The id must be one that no other action in flight has.
    ///
    /// # Errors
    ///
    /// When Asterisk refuses the action, or the session ends before the list did.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, ListError> {
        let (reply, list) = oneshot::channel();
        if self.send(Command::List { action, reply }).is_ok()
            && let Ok(list) = list.await
        {
            return list;
        }
        Err(self.closed().await.into())
    }

    /// Waits until the session is over, and says why.
    pub async fn closed(&self) -> SessionError {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            // The task died of a panic, and the connection with it.
            Ok(None) | Err(_) => SessionError::Died,
        }
    }

    /// Writes what was submitted before, logs off, and waits for the end, but not for long.
    pub async fn logoff(self) {
        if self.send(Command::Logoff).is_ok() {
            self.closed().await;
        }
    }

    fn send(&self, command: Command<N>) -> Result<(), SessionClosed> {
        self.commands.send(command).map_err(|_| SessionClosed)
    }
}

impl<N> Clone for Client<N> {
    fn clone(&self) -> Self {
        Self::new(self.commands.clone(), self.ended.clone())
    }
}
