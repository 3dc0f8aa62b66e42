//! A simulated Asterisk 22 that speaks the manager interface over any byte stream.
//!
//! It serves rehearsals (in virtual time, over an in-process pipe), demonstrations (over TCP), and tests. It words
//! everything as the real one does, and is measured against recordings of it. It knows tokio's clock only, and uses
//! no task or thread of its own: whoever serves a session advances the calls of all of them.
//!
//! `fate` decides what becomes of a call, `direct` and `local` tell it, `event` words it, `calls` keeps the calls and
//! what is due, `exchange` passes it on to the sessions, `session` and `action` speak to one client. Of the rest of the crate it shares the messages,
//! framing and escaping of `ami`, and `[simulate]` of the campaign file; nothing that the dialer thinks about calls.

mod action;
mod call;
mod calls;
mod dialed;
mod direct;
mod event;
mod exchange;
mod fate;
mod function;
mod local;
mod originate;
mod session;
mod status;
#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;

pub use crate::config::Simulate;
pub use fate::Fates;

use exchange::Exchange;

/// What a simulated Asterisk is like. [`SimulatorConfig::new`] gives one on which everything works.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The shares of fates, their seed, and the means of ring and talk time.
    pub simulate: Simulate,
    /// Whether fates are drawn, or told by the number.
    pub fates: Fates,
    /// Who may log in.
    pub username: String,
    /// With which secret.
    pub secret: String,
    /// The contexts and extensions that exist; `None`: all of them but `failed`.
    pub extensions: Option<Vec<(String, String)>>,
    /// The trunks that exist, as in the dial string; `None`: all of them but `failed`. Dialing another one gets no channel.
    pub endpoints: Option<Vec<String>>,
    /// What `CoreSettings` gives as `CoreMaxCalls`; 0 is no limit. It is not enforced.
    pub max_calls: u32,
    /// Whether every event of a call is sent. Otherwise only what an event filter for a dialer lets through:
    /// `Newchannel`, `VarSet` of the variables that were asked for, `Newstate`, the `Dial` events, `Hangup` and
    /// `OriginateResponse`. That is a third of the bytes.
    pub all_events: bool,
    /// Variables that the dialplan sets as soon as a call is answered.
    pub dialplan_variables: Vec<(String, String)>,
    /// Actions that this user may not use, by name, such as `Originate`.
    pub denied_actions: Vec<String>,
    /// Everything happens at multiples of this after the start; later than drawn, never earlier. A coarse grid makes
    /// a rehearsal faster, since what happens at once is told at once. Below a millisecond it means a millisecond.
    pub step: Duration,
    /// Whether every dial string is kept for [`Simulator::dialed`]. Memory grows with it.
    pub record_dialed: bool,
}

impl SimulatorConfig {
    /// An Asterisk with the user `dialer`, secret `simulated`, on which every extension exists.
    pub fn new(simulate: Simulate) -> Self {
        Self {
            simulate,
            fates: Fates::Drawn,
            username: "dialer".to_owned(),
            secret: "simulated".to_owned(),
            extensions: None,
            endpoints: None,
            max_calls: 0,
            all_events: true,
            dialplan_variables: Vec::new(),
            denied_actions: Vec::new(),
            step: Duration::from_millis(1),
            record_dialed: false,
        }
    }

    /// Whether the dialplan has an extension. Where it is not told which there are, it has all but the one that is run
    /// for calls that fail.
    fn has_extension(&self, context: &[u8], exten: &[u8]) -> bool {
        let Some(known) = &self.extensions else {
            return exten != b"failed";
        };
        known.iter().any(|(in_context, known)| {
            in_context.as_bytes() == context && known.as_bytes() == exten
        })
    }
}

/// What a simulated Asterisk has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Originates that were accepted, with or without a channel.
    pub originates: u64,
    /// Originated calls that live now.
    pub calls: usize,
    /// The most originated calls that ever lived at once.
    pub most_calls: usize,
    /// Sessions that are logged in.
    pub sessions: usize,
}

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
        session::serve(self, stream).await
    }

    /// What has been seen so far.
    pub fn counters(&self) -> Counters {
        self.lock().counters()
    }

    /// The most calls that ever lived at once on a trunk: what follows `@` in the dial string, or the first part of
    /// `SIP/trunk/number`. Only the first thousand names are counted.
    pub fn most_calls_on(&self, trunk: &str) -> usize {
        self.lock().calls().most_calls_on(trunk.as_bytes())
    }

    /// Every dial string in the order of arrival, if they are recorded.
    pub fn dialed(&self) -> Vec<String> {
        self.lock().calls().dialed().to_vec()
    }

    /// `core stop now`: all calls are hung up, `Shutdown` follows a second later, then every session is closed and
    /// none is served any more.
    pub fn stop_now(&self) {
        self.lock().stop_now(Instant::now());
    }

    /// `core stop gracefully`: every action is refused while the calls that live run on; then as [`Self::stop_now`].
    pub fn stop_gracefully(&self) {
        self.lock().stop_gracefully(Instant::now());
    }

    /// Closes every session without a word. The calls go on, and new sessions are served.
    pub fn drop_sessions(&self) {
        self.lock().drop_sessions(Instant::now());
    }

    /// Loses every call and every session without a word, and is back at once.
    pub fn crash(&self) {
        self.lock().crash(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        // What a panic left half done is at worst a call too many or too few.
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
