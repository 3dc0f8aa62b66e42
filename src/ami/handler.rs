//! What a session tells its owner.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use crate::ami::errors::SessionError;
use crate::ami::message::Message;

/// What the owner of a session wants of it.
///
/// Called inside the one task that owns the socket, so nothing here may block. Time is tokio's, so that it can be
/// paused.
pub trait Handler: Send + 'static {
    /// What a [`Client`](super::client::Client) tells the handler, in order with the actions it writes.
    type Note: Send + 'static;

    /// Whether an event of this name is wanted; asked before anything is allocated for it.
    fn wants(&self, event: &[u8]) -> bool;

    /// An event that is wanted. Those between the accepted login and the end of [`open`](super::session::open) come too.
    fn event(&mut self, message: &Message, now: Instant);

    /// A response to an action that was submitted, not requested. The id is empty if it had none.
    fn response(&mut self, action_id: &[u8], message: &Message, now: Instant);

    /// A note, before the bytes of its action are written.
    fn note(&mut self, note: Self::Note, now: Instant);

    /// All that was to be written was given to the system: the actions of all [notes](Self::note) before this.
    fn flushed(&mut self, now: Instant);

    /// When [`tick`](Self::tick) is to be called next; asked again after everything that happens.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has come. A deadline that is not moved by this is called for again at once.
    fn tick(&mut self, now: Instant);

    /// The session is over, and was so at that moment: one that went silent, since it was last heard. The last call, and
    /// made exactly once for a session that [`open`](super::session::open) gave.
    fn closed(&mut self, why: &SessionError, now: Instant);
}

/// A handler that outlives its sessions. A session locks it once for all that came with a read; its owner must not
/// hold the lock for longer than it takes to resolve a call.
#[derive(Debug)]
pub struct SharedHandler<H>(Arc<Mutex<H>>);

impl<H> SharedHandler<H> {
    pub fn new(handler: H) -> Self {
        Self(Arc::new(Mutex::new(handler)))
    }

    pub fn lock(&self) -> MutexGuard<'_, H> {
        // What a panic left half done is one event of one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H> Clone for SharedHandler<H> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
