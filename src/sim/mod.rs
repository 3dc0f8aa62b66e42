//! A simulated Asterisk 22 that speaks the manager interface over any byte stream.
//!
//! It serves rehearsals (in virtual time, over an in-process pipe), demonstrations (over TCP), and tests. It words
//! everything as the real one does, and is measured against recordings of it. It knows tokio's clock only, and uses
//! no task or thread of its own: whoever serves a session advances the calls of all of them.
//!
//! `fate` decides what becomes of a call; `course`, with `local`, sends what Asterisk sends of it, and
//! `event` and `headers` word that; `calls` keeps the calls and what is due, `exchange` passes events on to the sessions, `session`
//! and `action` speak to one client. Of the rest of the crate it shares the messages, framing and escaping of `ami`,
//! and `[simulate]` of the campaign file; nothing that the dialer thinks about calls.

mod action;
mod call;
mod calls;
mod cause;
mod channel;
mod client;
mod course;
mod dial_string;
mod event;
mod exchange;
mod fate;
mod headers;
mod local;
mod originate;
mod session;
mod settings;
mod status;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub use crate::config::Simulate;
pub use fate::Fates;
pub use settings::{Counters, SimulatorConfig};

use exchange::{Exchange, lock};

/// A simulated Asterisk. A clone is a handle to the same one.
#[derive(Clone)]
pub struct Simulator {
    exchange: Arc<Mutex<Exchange>>,
}

impl Simulator {
    /// Starts one. It must be inside a tokio runtime with a clock.
    pub fn new(config: SimulatorConfig) -> Self {
        Self {
            exchange: Arc::new(Mutex::new(Exchange::new(config, Instant::now()))),
        }
    }

    /// Speaks to one client until it logs off, is cut off, or goes away. Several may be served at once; all see the
    /// same calls.
    ///
    /// # Errors
    ///
    /// The stream failed. Its end is no error.
    pub async fn serve<S: AsyncRead + AsyncWrite>(&self, stream: S) -> io::Result<()> {
        session::serve(&self.exchange, stream).await
    }

    /// What has been seen so far.
    pub fn counters(&self) -> Counters {
        lock(&self.exchange).counters()
    }

    /// The most calls that ever lived at once on a trunk: what follows `@` in the dial string, or the first part of
    /// `SIP/trunk/number`. Only the first thousand names are counted.
    pub fn most_calls_on(&self, trunk: &str) -> usize {
        lock(&self.exchange).calls.most_calls_on(trunk)
    }

    /// Every dial string in the order of arrival, if they are recorded.
    pub fn dialed(&self) -> Vec<String> {
        lock(&self.exchange).calls.dial_strings.clone()
    }

    /// `core stop now`: all calls are hung up, `Shutdown` follows a second later, then every session is closed and
    /// none is served any more.
    pub fn stop_now(&self) {
        lock(&self.exchange).stop_now(Instant::now());
    }

    /// Closes every session without a word. The calls go on, and new sessions are served.
    pub fn drop_sessions(&self) {
        lock(&self.exchange).drop_sessions(Instant::now());
    }

    /// Loses every call and every session without a word, and is back at once.
    pub fn crash(&self) {
        lock(&self.exchange).crash(Instant::now());
    }
}
