//! The link to the PBX: one AMI session after another, and one correlator that outlives them.
//!
//! When a session drops, calls and their channels go on in Asterisk, and events are missed. The link connects again,
//! with growing pauses, and then asks for the list of living channels: a call that is in it is followed to its end, and
//! one that is in neither of two lists, the second a good second after the first, has ended while nobody looked. An
//! Originate that was written last may not be in the first list yet. Only then is the link up again.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::capture::Watched;
use super::correlator::{Correlator, Listed, Note, Pass};
use crate::ami::action::{Action, ActionError, MAX_LINE};
use crate::ami::client::{Client, ListError, Session, SessionError};
use crate::ami::connect::ConnectError;
use crate::ami::connection;
use crate::ami::login::{Login, LoginError};
use crate::ami::message::Message;
use crate::ami::transport::Transport;

/// The first pause between two tries to connect; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// Between two lists of living channels. A written Originate was seen to appear 25 ms late.
const BETWEEN_LISTS: Duration = Duration::from_millis(1_500);

/// Why the link cannot be established.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// There is no connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// There is one, and Asterisk is not ready or does not let us in.
    #[error(transparent)]
    Login(#[from] LoginError),
    /// Asterisk does not say which channels it carries.
    #[error("the calls in flight cannot be looked up: {0}")]
    List(#[from] ListError),
}

/// How the link is.
#[derive(Debug, Clone)]
pub enum State {
    /// There is a session, and every call in flight is known to it.
    Up(Client<Note>),
    /// There is none; it is being established again.
    Down(Arc<str>),
    /// There will be none: what was said at last.
    Lost(Arc<str>),
}

/// A handle to the link. Clones share it.
#[derive(Debug, Clone)]
pub struct Link {
    state: watch::Receiver<State>,
}

/// What the link was established with.
#[derive(Debug)]
pub struct Established {
    /// The link.
    pub link: Link,
    /// How Asterisk introduced itself.
    pub banner: String,
}

impl Link {
    /// Connects, logs in, and keeps the session up from then on; the link is given up when it cannot be established again
    /// for `patience`. The variables that are `watched` are caught of every call.
    ///
    /// # Errors
    /// What an operator must change so that it can be.
    pub async fn establish(
        transport: Transport,
        login: Login,
        patience: Duration,
        watched: Arc<Watched>,
    ) -> Result<Established, LinkError> {
        let stream = transport.connect().await?;
        let correlator = Correlator::watching(Arc::clone(&watched));
        let session = connection::open(stream, &login, correlator)
            .await
            .map_err(|unopened| unopened.error)?;
        let banner = session.banner.clone();
        let (publish, state) = watch::channel(State::Up(session.client.clone()));
        let keeper = Keeper {
            transport,
            login,
            patience,
            watched,
            publish,
        };
        tokio::spawn(keeper.keep(session));
        let link = Self { state };
        Ok(Established { link, banner })
    }

    /// The session that there is now.
    pub fn client(&self) -> Option<Client<Note>> {
        match &*self.state.borrow() {
            State::Up(client) => Some(client.clone()),
            State::Down(_) | State::Lost(_) => None,
        }
    }

    /// The session, as soon as there is one; `None` when there will be none any more.
    pub async fn client_when_up(&self) -> Option<Client<Note>> {
        let mut state = self.state.clone();
        match state
            .wait_for(|state| !matches!(state, State::Down(_)))
            .await
        {
            Ok(state) => match &*state {
                State::Up(client) => Some(client.clone()),
                State::Down(_) | State::Lost(_) => None,
            },
            Err(_) => None,
        }
    }

    /// Follows how the link is.
    pub fn watch(&self) -> watch::Receiver<State> {
        self.state.clone()
    }
}

/// The task that keeps the link.
struct Keeper {
    transport: Transport,
    login: Login,
    patience: Duration,
    watched: Arc<Watched>,
    publish: watch::Sender<State>,
}

impl Keeper {
    async fn keep(self, mut session: Session<Correlator>) {
        loop {
            let why = session.client.closed().await;
            let Ok(correlator) = session.handler.await else {
                // The task of the session died; what it knew of the calls went with it.
                self.lose(&why);
                return;
            };
            if matches!(why, SessionError::LoggedOff) {
                return;
            }
            self.publish
                .send_replace(State::Down(why.to_string().into()));
            warn!(
                "{why}: no new calls until the connection is back; trying for {:?}",
                self.patience
            );
            session = match self.again(correlator).await {
                Ok(session) => session,
                Err((error, mut correlator)) => {
                    correlator.give_up(Instant::now());
                    self.lose(&error);
                    return;
                }
            };
        }
    }

    fn lose(&self, why: &dyn fmt::Display) {
        self.publish
            .send_replace(State::Lost(why.to_string().into()));
    }

    /// Establishes the session again, until patience ends or Asterisk refuses in a way that will not pass.
    async fn again(
        &self,
        mut correlator: Correlator,
    ) -> Result<Session<Correlator>, (LinkError, Correlator)> {
        let until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.transport.connect().await {
                Err(error) => error.into(),
                Ok(stream) => match connection::open(stream, &self.login, correlator).await {
                    Ok(session) => {
                        let error = match reconcile(&session.client, &self.watched).await {
                            Ok(()) => {
                                info!("the connection to Asterisk is back: dialing on");
                                self.publish.send_replace(State::Up(session.client.clone()));
                                return Ok(session);
                            }
                            Err(error) => error,
                        };
                        // It dropped again, or does not tell what it carries (as during a graceful stop): without
                        // that list nobody may be called, and the patience goes on to run out.
                        session.client.logoff().await;
                        correlator = session
                            .handler
                            .await
                            .unwrap_or_else(|_| Correlator::watching(Arc::clone(&self.watched)));
                        error.into()
                    }
                    Err(unopened) => {
                        correlator = unopened.handler;
                        if !unopened.error.may_pass() {
                            return Err((unopened.error.into(), correlator));
                        }
                        unopened.error.into()
                    }
                },
            };
            if Instant::now() + pause >= until {
                return Err((error, correlator));
            }
            info!("not connected yet, trying again: {error}");
            sleep(pause.mul_f64(jitter())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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

/// Settles what is in flight with what Asterisk carries, and catches what was set of the variables that are `watched`.
///
/// # Errors
/// The session ended meanwhile, or Asterisk does not list its channels to this user.
pub async fn reconcile(client: &Client<Note>, watched: &Watched) -> Result<(), ListError> {
    for pass in [Pass::First, Pass::Second] {
        if pass == Pass::Second {
            sleep(BETWEEN_LISTS).await;
        }
        let action =
            status(pass, watched).map_err(|error| ListError::Refused(error.to_string()))?;
        let channels = client.list(action).await?;
        let listed = channels
            .iter()
            .filter_map(|channel| read(channel, watched))
            .collect();
        let note = Note::Listed { pass, listed };
        if client.submit(Some(note), None).is_err() {
            return Err(client.closed().await.into());
        }
    }
    Ok(())
}

fn status(pass: Pass, watched: &Watched) -> Result<Action, ActionError> {
    let mut variables = "CALLID,CDR(answer,u)".to_owned();
    for name in &watched.names {
        // There is only one such header, and Asterisk refuses a longer one. What has no room is not asked for.
        if "Variables: ".len() + variables.len() + 1 + name.len() <= MAX_LINE {
            variables.push(',');
            variables.push_str(name);
        }
    }
    Action::new("Status", &format!("living-{pass:?}"))?.header("Variables", variables)
}

/// One channel of the list.
fn read(message: &Message, watched: &Watched) -> Option<Listed> {
    let variable = |name: &str| {
        message
            .get_all("Variable")
            .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let answered = variable("CDR(answer,u)").and_then(|moment| str::from_utf8(moment).ok());
    let set = watched
        .names
        .iter()
        .enumerate()
        .filter_map(|(place, name)| {
            // That is what the C library makes of no value.
            let value = variable(name).filter(|&value| value != b"(null)")?;
            Some((place, value.into()))
        });
    Some(Listed {
        uniqueid: message.get("Uniqueid")?.into(),
        linkedid: message.get("Linkedid").unwrap_or_default().into(),
        channel: message.get("Channel").unwrap_or_default().into(),
        up: message.get("ChannelStateDesc") == Some(b"Up"),
        ringing: message.get("ChannelStateDesc") == Some(b"Ringing"),
        callid: variable("CALLID").unwrap_or_default().into(),
        answered_ago: answered.and_then(ago),
        variables: set.collect(),
    })
}

/// How long ago a moment was that Asterisk gives in seconds since 1970; `None` for none (0, empty, `(null)`) and for
/// one that lies ahead, as when its clock differs from ours.
fn ago(moment: &str) -> Option<Duration> {
    let moment: f64 = moment.parse().ok()?;
    let moment = Duration::try_from_secs_f64(moment)
        .ok()
        .filter(|moment| !moment.is_zero())?;
    let now = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()?;
    now.checked_sub(moment)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_of_asterisk_is_so_long_ago() {
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap();
        let ten = ago(&format!("{:.6}", now.as_secs_f64() - 10.0)).unwrap();
        assert!((9.9..=10.5).contains(&ten.as_secs_f64()), "{ten:?}");
        for none in ["", "(null)", "0.000000", "9999999999.0"] {
            assert_eq!(ago(none), None, "{none}");
        }
    }

    fn watched(names: impl IntoIterator<Item = String>) -> Watched {
        Watched {
            names: names.into_iter().map(String::into_boxed_str).collect(),
            ..Watched::default()
        }
    }

    #[test]
    fn a_channel_of_the_list_has_the_variables_that_are_set() {
        let names = ["CHOICE", "CHO", "UNSET", "EMPTY"];
        let watched = watched(names.map(str::to_owned));
        let message = Message::from_bytes(
            &b"Event: Status\r\nUniqueid: a\r\nVariable: CALLID=x\r\nVariable: CHOICE=\xffa\\n=b\r\nVariable: CHO=1\r\nVariable: UNSET=(null)\r\nVariable: EMPTY=\r\n"[..],
        );
        let listed = read(&message, &watched).unwrap();
        assert_eq!(*listed.callid, *b"x");
        let variables: Vec<_> = listed
            .variables
            .iter()
            .map(|(place, value)| (*place, &**value))
            .collect();
        // Here, unlike in a `VarSet`, nothing is escaped.
        assert_eq!(variables, [(0, &b"\xffa\\n=b"[..]), (1, b"1"), (3, b"")]);
    }

    #[test]
    fn more_variables_than_asterisk_reads_in_a_line_do_not_keep_the_link_down() {
        let many = watched((0..200).map(|n| format!("VARIABLE_{n:03}")));
        let mut bytes = bytes::BytesMut::new();
        status(Pass::First, &many).unwrap().encode_into(&mut bytes);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("Variables: "))
            .unwrap();
        assert!(line.starts_with("Variables: CALLID,CDR(answer,u),VARIABLE_000,VARIABLE_001,"));
        assert!(
            (MAX_LINE - 13..=MAX_LINE).contains(&line.len()),
            "{}",
            line.len()
        );
    }

    #[test]
    fn pauses_are_spread() {
        for _ in 0..100 {
            let jitter = jitter();
            assert!((0.5..=1.0).contains(&jitter), "{jitter}");
        }
    }
}
