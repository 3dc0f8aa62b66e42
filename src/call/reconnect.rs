//! The link to the PBX: one AMI session after another, and one correlator that outlives them.
//!
//! When a session drops, calls and their channels go on in Asterisk, and events are missed. The link connects again,
//! with growing pauses, and then asks for the list of living channels: a call that is in it is followed to its end, and
//! one that is in neither of two lists, the second a good second after the first, has ended while nobody looked. An
//! Originate that was written last may not be in the first list yet. Only then is the link up again.
//!
//! Patience is counted from the last list that came: a session that came so far and then dropped is a new drop, while an
//! Asterisk that lets us in and never tells what it carries is waited for no longer than one that is away. This ends,
//! since two lists settle every call that was missing, whatever session they came on.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tracing::{error, info, warn};

use crate::ami::action::{Action, ActionError, MAX_LINE};
use crate::ami::client::{Client, ListError, Session, SessionError};
use crate::ami::connect::ConnectError;
use crate::ami::connection::{self, Handler};
use crate::ami::login::{Login, LoginError};
use crate::ami::message::Message;
use crate::ami::transport::Transport;
use crate::call::capture::Watched;
use crate::call::correlator::{Correlator, Listed, Note};
use crate::call::id::CallId;

/// The first pause between two tries to connect; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// How long a list of living channels may take to come, all of it.
const LIST: Duration = Duration::from_secs(30);

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

impl LinkError {
    /// Whether another try may end better, without anyone changing a file first.
    fn may_pass(&self) -> bool {
        match self {
            Self::Login(error) => error.may_pass(),
            Self::List(ListError::Session(SessionError::Died)) => false,
            Self::Connect(_) | Self::List(_) => true,
        }
    }
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
    watched: Arc<Watched>,
    calls: Calls,
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
        let calls = Calls::watching(&watched);
        let session = connection::open(stream, &login, calls.clone())
            .await
            .map_err(|unopened| unopened.error)?;
        let banner = session.banner.clone();
        let (publish, state) = watch::channel(State::Up(session.client.clone()));
        let keeper = Keeper {
            transport,
            login,
            patience,
            watched: Arc::clone(&watched),
            publish,
            calls: calls.clone(),
        };
        tokio::spawn(keeper.keep(session));
        let link = Self {
            state,
            watched,
            calls,
        };
        Ok(Established { link, banner })
    }

    /// The variables that are caught of every call.
    pub fn watched(&self) -> &Watched {
        &self.watched
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

    /// Waits for the end of a call no longer, also where there is no session: it is resolved with what was seen of it.
    pub fn give_up(&self, call: CallId) {
        self.calls.lock().give_up(call, Instant::now());
    }
}

/// The correlator, as each session has it in turn. Between sessions, and if the task of one dies, what was seen of the
/// calls is still here; nobody but that task holds the lock for longer than it takes to resolve a call.
#[derive(Debug, Clone, Default)]
struct Calls(Arc<Mutex<Correlator>>);

impl Calls {
    fn watching(watched: &Arc<Watched>) -> Self {
        let correlator = Correlator::watching(Arc::clone(watched));
        Self(Arc::new(Mutex::new(correlator)))
    }

    fn lock(&self) -> MutexGuard<'_, Correlator> {
        // What a panic left half done is one signal of one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Handler for Calls {
    type Note = Note;

    fn wants(&self, event: &[u8]) -> bool {
        self.lock().wants(event)
    }

    fn event(&mut self, message: &Message, now: Instant) {
        self.lock().event(message, now);
    }

    fn response(&mut self, action_id: &[u8], message: &Message, now: Instant) {
        self.lock().response(action_id, message, now);
    }

    fn note(&mut self, note: Note, now: Instant) {
        self.lock().note(note, now);
    }

    fn flushed(&mut self, now: Instant) {
        self.lock().flushed(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.lock().deadline()
    }

    fn tick(&mut self, now: Instant) {
        self.lock().tick(now);
    }

    fn closed(&mut self, why: &SessionError, now: Instant) {
        self.lock().closed(why, now);
    }
}

/// The task that keeps the link.
struct Keeper {
    transport: Transport,
    login: Login,
    patience: Duration,
    watched: Arc<Watched>,
    publish: watch::Sender<State>,
    calls: Calls,
}

impl Keeper {
    async fn keep(self, mut session: Session<Calls>) {
        let mut died = false;
        loop {
            let up_since = Instant::now();
            let why = self.over(&session.client).await;
            match why {
                SessionError::LoggedOff => return,
                // One death may be chance. A second would go on to cost call after call.
                SessionError::Died if std::mem::replace(&mut died, true) => {
                    self.lose(&why);
                    return;
                }
                SessionError::Died => error!("{why}"),
                _ => {}
            }
            self.down(&why);
            if up_since.elapsed() < FIRST_PAUSE {
                sleep(FIRST_PAUSE.mul_f64(jitter())).await;
            }
            session = match self.again().await {
                Ok(session) => session,
                Err(error) => {
                    self.lose(&error);
                    return;
                }
            };
        }
    }

    /// Waits until the session is over. One whose task died could not say so to the correlator.
    async fn over(&self, client: &Client<Note>) -> SessionError {
        let why = client.closed().await;
        self.calls.lock().closed(&why, Instant::now());
        why
    }

    fn down(&self, why: &dyn fmt::Display) {
        self.publish
            .send_replace(State::Down(why.to_string().into()));
        warn!(
            "{why}: no new calls until the connection is back; trying for {:?}",
            self.patience
        );
    }

    fn lose(&self, why: &dyn fmt::Display) {
        self.calls.lock().give_up_all(Instant::now());
        self.publish
            .send_replace(State::Lost(why.to_string().into()));
    }

    /// Establishes the session again, until patience ends or Asterisk refuses in a way that will not pass.
    async fn again(&self) -> Result<Session<Calls>, LinkError> {
        let mut until = Instant::now() + self.patience;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.session().await {
                Ok(session) => {
                    let mut told = false;
                    let error = match look_up(&session.client, &self.watched, &mut told).await {
                        Ok(()) => {
                            info!("the connection to Asterisk is back: dialing on");
                            self.publish.send_replace(State::Up(session.client.clone()));
                            return Ok(session);
                        }
                        Err(error) => error,
                    };
                    session.client.clone().logoff().await;
                    self.over(&session.client).await;
                    if told {
                        self.down(&error);
                        until = Instant::now() + self.patience;
                        pause = FIRST_PAUSE;
                        sleep(pause.mul_f64(jitter())).await;
                        continue;
                    }
                    // Without that list nobody may be called.
                    LinkError::from(error)
                }
                Err(error) => error,
            };
            let left = until.saturating_duration_since(Instant::now());
            if !error.may_pass() || left.is_zero() {
                return Err(error);
            }
            info!("not connected yet, trying again: {error}");
            // The last try comes when patience ends, not before.
            sleep(pause.mul_f64(jitter()).min(left)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn session(&self) -> Result<Session<Calls>, LinkError> {
        let stream = self.transport.connect().await?;
        connection::open(stream, &self.login, self.calls.clone())
            .await
            .map_err(|unopened| unopened.error.into())
    }
}

/// Whoever waits for the end of a call learns that nobody keeps the link any more, also if the task died.
impl Drop for Keeper {
    fn drop(&mut self) {
        self.calls.lock().give_up_all(Instant::now());
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
    look_up(client, watched, &mut false).await
}

/// The same; `told` is set when a list has come.
async fn look_up(
    client: &Client<Note>,
    watched: &Watched,
    told: &mut bool,
) -> Result<(), ListError> {
    loop {
        let asked_at = Instant::now();
        let action = status(watched).map_err(|error| ListError::Refused(error.to_string()))?;
        let channels = timeout(LIST, client.list(action))
            .await
            .unwrap_or(Err(ListError::Unfinished(LIST)))?;
        let listed = channels
            .iter()
            .filter_map(|channel| read(channel, watched))
            .collect();
        let (reply, again) = oneshot::channel();
        let note = Note::Listed {
            asked_at,
            listed,
            again: reply,
        };
        let again = match client.submit(Some(note), None) {
            Ok(()) => again.await.ok(),
            Err(_) => None,
        };
        *told |= again.is_some();
        match again {
            Some(Some(at)) => tokio::select! {
                () = sleep_until(at) => {}
                why = client.closed() => return Err(why.into()),
            },
            Some(None) => return Ok(()),
            None => return Err(client.closed().await.into()),
        }
    }
}

/// Asks for all channels. The time since the answer is Asterisk's own, so that its clock may differ from ours.
fn status(watched: &Watched) -> Result<Action, ActionError> {
    let mut variables = "CALLID,CDR(billsec,f)".to_owned();
    for name in &watched.names {
        // There is only one such header, and Asterisk refuses a longer one. What has no room is not asked for.
        if "Variables: ".len() + variables.len() + 1 + name.len() <= MAX_LINE {
            variables.push(',');
            variables.push_str(name);
        }
    }
    Action::new("Status", &format!("living-{}", CallId::new()))?.header("Variables", variables)
}

/// One channel of the list.
fn read(message: &Message, watched: &Watched) -> Option<Listed> {
    let variable = |name: &str| {
        message
            .get_all("Variable")
            .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let answered = variable("CDR(billsec,f)").and_then(|moment| str::from_utf8(moment).ok());
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
        answered_ago: answered.and_then(seconds),
        variables: set.collect(),
    })
}

/// How long ago a call was answered; `None` where it was not (0), or nothing records it (`(null)`, empty).
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?)
        .ok()
        .filter(|ago| !ago.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_was_answered_so_long_ago_as_asterisk_says() {
        assert_eq!(seconds("2.595793"), Some(Duration::from_micros(2_595_793)));
        for none in ["", "(null)", "0.000000", "-1.000000", "nan"] {
            assert_eq!(seconds(none), None, "{none}");
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
        status(&many).unwrap().encode_into(&mut bytes);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("Variables: "))
            .unwrap();
        assert!(line.starts_with("Variables: CALLID,CDR(billsec,f),VARIABLE_000,VARIABLE_001,"));
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
