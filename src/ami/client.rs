//! The handle by which everyone else speaks to the one task that owns the session.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;

use crate::ami::action::Action;
use crate::ami::errors::{RequestError, SessionClosed, SessionError};
use crate::ami::message::{Message, shown};

/// How long a response may take. Asterisk answers within milliseconds.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// How long a list may take, all of it.
pub const LIST_TIMEOUT: Duration = Duration::from_secs(30);

/// A session that is logged in, to an Asterisk that is fully booted.
#[derive(Debug)]
pub struct AmiSession<N> {
    /// When the last clone of it is dropped, the session logs off.
    pub client: Client<N>,
    /// What Asterisk said at first, such as `Asterisk Call Manager/11.0.0`.
    pub banner: String,
}

/// Sends actions on a session. Clones share the session; the order of one caller's submits is kept.
#[derive(Debug)]
pub struct Client<N> {
    /// Not bounded here: a call submits one Originate and has one Hangup under way, so what waits is bounded by the
    /// ports. Room that must be waited for would put time between a call's turn and its Originate.
    commands: mpsc::UnboundedSender<SessionCommand<N>>,
    /// Why the session ended, once it has.
    ended: watch::Receiver<Option<SessionError>>,
}

/// The answer to an action.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) response: Message,
    /// Of the list that the response begins, if it does: without the `EventList: Complete` at its end.
    pub(super) events: Vec<Message>,
}

#[derive(Debug)]
pub(super) enum SessionCommand<N> {
    Submit {
        note: Option<N>,
        action: Option<Action>,
    },
    Ask(Action, oneshot::Sender<Answer>),
    Logoff,
}

impl<N> Client<N> {
    pub(super) fn new(
        commands: mpsc::UnboundedSender<SessionCommand<N>>,
        ended: watch::Receiver<Option<SessionError>>,
    ) -> Self {
        Self { commands, ended }
    }

    /// Tells the handler something and writes an action, in that order. Never waits.
    ///
    /// A session that ends may drop what was submitted last: then the handler never gets the note, and of the action
    /// nothing was written.
    pub fn submit(&self, note: Option<N>, action: Option<Action>) -> Result<(), SessionClosed> {
        self.send(SessionCommand::Submit { note, action })
    }

    /// Writes an action and waits for the response with its `ActionID`, be it `Success` or `Error`, for
    /// [`REQUEST_TIMEOUT`]. The id must be one that no other action in flight has.
    pub async fn request(&self, action: Action) -> Result<Message, RequestError> {
        Ok(self.ask(action, REQUEST_TIMEOUT).await?.response)
    }

    /// Writes an action that is answered by a list, and waits for all of it, for [`LIST_TIMEOUT`].
    ///
    /// Gives the list's events, without the response before them and the `EventList: Complete` after them, whatever
    /// the handler wants of events with these names. The id must be one that no other action in flight has.
    pub async fn list(&self, action: Action) -> Result<Vec<Message>, RequestError> {
        let Answer { response, events } = self.ask(action, LIST_TIMEOUT).await?;
        if response.is_error() {
            let refusal = response.get("Message").unwrap_or(b"no reason given");
            return Err(RequestError::Refused(shown(refusal)));
        }
        Ok(events)
    }

    async fn ask(&self, action: Action, within: Duration) -> Result<Answer, RequestError> {
        let name = action.name();
        let (reply, answer) = oneshot::channel();
        if self.send(SessionCommand::Ask(action, reply)).is_ok() {
            let answer = timeout(within, answer).await.map_err(|_| {
                let action = name;
                RequestError::Unanswered { action, within }
            })?;
            if let Ok(answer) = answer {
                return Ok(answer);
            }
        }
        Err(self.closed().await.into())
    }

    /// Waits until the session is over, and says why.
    pub async fn closed(&self) -> SessionError {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(why)) => why.clone(),
            Ok(None) | Err(_) => SessionError::Panicked,
        }
    }

    /// Writes what was submitted before, logs off, and waits for the end, but not for long.
    pub async fn logoff(self) {
        if self.send(SessionCommand::Logoff).is_ok() {
            self.closed().await;
        }
    }

    fn send(&self, command: SessionCommand<N>) -> Result<(), SessionClosed> {
        self.commands.send(command).map_err(|_| SessionClosed)
    }
}

impl<N> Clone for Client<N> {
    fn clone(&self) -> Self {
        Self::new(self.commands.clone(), self.ended.clone())
    }
}
