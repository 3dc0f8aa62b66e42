//! Keeps a session with the PBX up: one AMI session after another, and one correlator that outlives them.
//!
//! When a session drops, calls and their channels go on in Asterisk, and events are missed. The [`Reconnector`] connects
//! again, with growing pauses, and has the calls in flight [reconciled](super::reconcile) before the session is up again.
//!
//! Patience is counted from the last list of channels: a session that came so far and then dropped is a new drop, while
//! an Asterisk that accepts the login and never lists its channels is waited for no longer than one that is away. This
//! ends, since two lists account for every call that was missing, whatever session they came on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{error, info, warn};

use crate::ami::client::{AmiSession, Client};
use crate::ami::errors::{RequestError, SessionError};
use crate::ami::handler::{Handler as _, SharedHandler};
use crate::ami::login::{Login, LoginError};
use crate::ami::session;
use crate::ami::transport::Transport;
use crate::call::captured::CapturedVars;
use crate::call::correlator::{Correlator, Note};
use crate::call::id::CallId;
use crate::call::reconcile::{ReconcileError, reconcile};

/// The first pause between two tries to connect; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// Why there is no session, or none on which calls may begin.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error(transparent)]
    Connect(#[from] anyhow::Error),
    #[error(transparent)]
    Login(#[from] LoginError),
    #[error(transparent)]
    Reconcile(#[from] ReconcileError),
}

impl OpenError {
    /// Whether another try may end better, without anyone changing a file first.
    fn may_pass(&self) -> bool {
        match self {
            Self::Login(error) => error.may_pass(),
            Self::Reconcile(error) => {
                !matches!(error.source, RequestError::Session(SessionError::Panicked))
            }
            Self::Connect(_) => true,
        }
    }
}

#[derive(Debug, Clone)]
pub enum SessionState {
    /// Every call in flight is known to the session.
    Up(Client<Note>),
    /// It is being opened again.
    Down,
    /// There will be none: the last error.
    Lost(Arc<str>),
}

impl SessionState {
    fn client(&self) -> Option<Client<Note>> {
        match self {
            Self::Up(client) => Some(client.clone()),
            Self::Down | Self::Lost(_) => None,
        }
    }
}

/// A handle to the sessions, present and to come. Clones share them.
#[derive(Debug, Clone)]
pub struct Reconnector {
    pub(crate) state: watch::Receiver<SessionState>,
    /// How Asterisk introduced itself at first.
    pub(crate) banner: Arc<str>,
    pub(crate) captured_vars: Arc<CapturedVars>,
    correlator: SharedHandler<Correlator>,
}

impl Reconnector {
    /// Connects, logs in, and keeps a session up from then on; it is given up when none can be opened again for
    /// `patience`.
    pub async fn connect(
        transport: Transport,
        login: Login,
        patience: Duration,
        captured_vars: Arc<CapturedVars>,
    ) -> Result<Self, OpenError> {
        let keeper = Keeper {
            transport,
            login,
            patience,
            correlator: SharedHandler::new(Correlator::new(Arc::clone(&captured_vars))),
            captured_vars,
            publish: watch::Sender::new(SessionState::Down),
        };
        let session = keeper.connect().await?;
        let up = SessionState::Up(session.client.clone());
        keeper.publish.send_replace(up);
        let reconnector = Self {
            state: keeper.publish.subscribe(),
            banner: session.banner.as_str().into(),
            captured_vars: Arc::clone(&keeper.captured_vars),
            correlator: keeper.correlator.clone(),
        };
        tokio::spawn(keeper.keep(session));
        Ok(reconnector)
    }

    /// The session that there is now.
    pub fn client(&self) -> Option<Client<Note>> {
        self.state.borrow().client()
    }

    /// The session, as soon as there is one; `None` when there will be none any more.
    pub async fn client_when_up(&self) -> Option<Client<Note>> {
        let mut state = self.state.clone();
        let is_known = |state: &SessionState| !matches!(state, SessionState::Down);
        state.wait_for(is_known).await.ok()?.client()
    }

    /// Waits for the end of a call no longer, also where there is no session: it is resolved with what was seen of it.
    pub fn give_up(&self, call: CallId) {
        self.correlator.lock().give_up(call, Instant::now());
    }
}

/// The task that opens session after session.
struct Keeper {
    transport: Transport,
    login: Login,
    patience: Duration,
    captured_vars: Arc<CapturedVars>,
    publish: watch::Sender<SessionState>,
    correlator: SharedHandler<Correlator>,
}

impl Keeper {
    async fn keep(self, mut session: AmiSession<Note>) {
        let mut panicked = false;
        loop {
            let up_since = Instant::now();
            let why = self.closed(&session.client).await;
            match why {
                SessionError::LoggedOff => return,
                // One panic may be chance. A second would go on to cost call after call.
                SessionError::Panicked if std::mem::replace(&mut panicked, true) => {
                    self.lose(why);
                    return;
                }
                SessionError::Panicked => error!("{why}"),
                _ => {}
            }
            self.down(why);
            if up_since.elapsed() < FIRST_PAUSE {
                sleep(FIRST_PAUSE.mul_f64(jitter())).await;
            }
            session = match self.reopen().await {
                Ok(session) => session,
                Err(error) => {
                    self.lose(error);
                    return;
                }
            };
        }
    }

    /// Waits until the session is over. One whose task panicked could not say so to the correlator.
    async fn closed(&self, client: &Client<Note>) -> SessionError {
        let why = client.closed().await;
        self.correlator.lock().closed(&why, Instant::now());
        why
    }

    fn down(&self, why: impl Into<anyhow::Error>) {
        self.publish.send_replace(SessionState::Down);
        warn!(
            "{:#}: no new calls until the connection is back; trying for {:?}",
            why.into(),
            self.patience
        );
    }

    fn lose(&self, why: impl Into<anyhow::Error>) {
        self.correlator.lock().give_up_all(Instant::now());
        let why = format!("{:#}", why.into());
        self.publish.send_replace(SessionState::Lost(why.into()));
    }

    /// Opens a session again, until patience ends or Asterisk refuses in a way that will not pass.
    async fn reopen(&self) -> Result<AmiSession<Note>, OpenError> {
        let mut until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.open().await {
                Ok(session) => {
                    info!("the connection to Asterisk is back: dialing on");
                    self.publish
                        .send_replace(SessionState::Up(session.client.clone()));
                    return Ok(session);
                }
                Err(OpenError::Reconcile(error)) if error.was_listed => {
                    self.down(error.source);
                    until = Instant::now() + self.patience;
                    pause = FIRST_PAUSE;
                    sleep(pause.mul_f64(jitter())).await;
                    continue;
                }
                Err(error) => error,
            };
            let left = until.saturating_duration_since(Instant::now());
            if !error.may_pass() || left.is_zero() {
                return Err(error);
            }
            info!(
                "not connected yet, trying again: {:#}",
                anyhow::Error::from(error)
            );
            // The last try comes when patience ends, not before.
            sleep(pause.mul_f64(jitter()).min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn connect(&self) -> Result<AmiSession<Note>, OpenError> {
        let stream = self.transport.connect().await?;
        Ok(session::open(stream, &self.login, self.correlator.clone()).await?)
    }

    /// Opens a session on which calls may begin: without a list of channels, lines would be used twice.
    async fn open(&self) -> Result<AmiSession<Note>, OpenError> {
        let session = self.connect().await?;
        if let Err(error) = reconcile(&session.client, &self.captured_vars).await {
            session.client.clone().logoff().await;
            self.closed(&session.client).await;
            return Err(error.into());
        }
        Ok(session)
    }
}

/// Resolves every call, also if the task panicked.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.correlator.lock().give_up_all(Instant::now());
    }
}

/// Between a half and the whole, so that many dialers do not come back in step.
fn jitter() -> f64 {
    // The low bits of a uuid of version 7 are random.
    let bits = uuid::Uuid::now_v7().as_u128() & 0xffff;
    #[expect(clippy::cast_precision_loss, reason = "sixteen bits")]
    let share = bits as f64 / f64::from(u16::MAX);
    0.5 + share / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_are_spread() {
        for _ in 0..100 {
            let jitter = jitter();
            assert!((0.5..=1.0).contains(&jitter), "{jitter}");
        }
    }
}
