//! The one task that owns a session: it reads, writes, and hands on what came, and never waits for anyone.
//!
//! Asterisk cuts off a client that reads too slowly, in the middle of an event. So this task reads while a write is
//! pending, drops what nobody wants after a look at the event's name, and calls its [`Handler`] in place instead of
//! sending into a channel that could fill.

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::ami::client::{Client, Command, Session, SessionError, Unopened};
use crate::ami::inbox::{Inbox, Pending};
use crate::ami::login::{Login, LoginError, authenticate};
use crate::ami::message::Message;
use crate::ami::wire::{Wire, read, write};

/// How long nothing may come before a `Ping` is sent, and how long after that before the session is given up. Any
/// byte counts as life.
pub const KEEPALIVE: Duration = Duration::from_secs(15);

/// How long an action may stay without an answer while none comes to any other either, however much else is heard: then
/// what is sent does not arrive. Asterisk answers within milliseconds, behind the events that it sent before.
pub const ANSWER: Duration = Duration::from_secs(60);

/// How long an accepted login may wait for `FullyBooted`. An Asterisk that is up sends it at once.
pub const BOOT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the other side gets to close a session that is over.
pub const GOODBYE: Duration = Duration::from_secs(1);

const PING: &[u8] = b"Action: Ping\r\nActionID: keepalive\r\n\r\n";
const LOGOFF: &[u8] = b"Action: Logoff\r\nActionID: logoff\r\n\r\n";

/// What the owner of a session wants of it.
///
/// Called inside the one task that owns the socket, so nothing here may block. Time is tokio's, so that it can be
/// paused.
pub trait Handler: Send + 'static {
    /// What a [`Client`] tells the handler, in order with the actions it writes.
    type Note: Send + 'static;

    /// Whether an event of this name is wanted; asked before anything is allocated for it.
    fn wants(&self, event: &[u8]) -> bool;

    /// An event that is wanted. Those between the accepted login and the end of [`open`] come too.
    fn event(&mut self, message: &Message, now: Instant);

    /// A response that is not one of [`Client::request`] or [`Client::list`]. The id is empty if it had none.
    fn response(&mut self, action_id: &[u8], message: &Message, now: Instant);

    /// A note of [`Client::submit`], before the bytes of its action are written.
    fn note(&mut self, note: Self::Note, now: Instant);

    /// All that was to be written was given to the system: the actions of all [notes](Self::note) before this.
    fn flushed(&mut self, now: Instant);

    /// When [`tick`](Self::tick) wants to be called next; asked again after everything that happens.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline has come. A deadline that is not moved by this is called for again at once.
    fn tick(&mut self, now: Instant);

    /// The session is over, and was so at that moment: one that went silent, since it was last heard. The last call, and
    /// made exactly once for a session that [`open`] gave.
    fn closed(&mut self, why: &SessionError, now: Instant);
}

/// Logs in over any byte stream, waits until Asterisk is fully booted, then spawns the task that owns the stream.
///
/// Calls originated before `FullyBooted` fail when they are answered.
///
/// The handler outlives the session: it comes back when the session is over, or with the error, so that the next
/// session goes on with what it knows.
///
/// # Errors
///
/// When Asterisk cannot be spoken with, refuses the login, or is not ready.
pub async fn open<S, H>(stream: S, login: &Login, handler: H) -> Result<Session<H>, Unopened<H>>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    H: Handler,
{
    let mut wire = Wire::new(stream);
    let banner = match authenticate(&mut wire, login).await {
        Ok(banner) => banner,
        Err(error) => return Err(Unopened { error, handler }),
    };
    let mut inbox = Inbox::new(handler);
    let booted = timeout_at(
        Instant::now() + BOOT_TIMEOUT,
        fully_booted(&mut wire, &mut inbox),
    )
    .await
    .unwrap_or_else(|_| {
        Err(LoginError::NotBooted {
            username: login.username.clone(),
            after: BOOT_TIMEOUT,
        })
    });
    if let Err(error) = booted {
        let handler = inbox.handler;
        return Err(Unopened { error, handler });
    }
    let (sender, commands) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let (give_back, handler) = oneshot::channel();
    let connection = Connection {
        wire,
        inbox,
        commands,
        end,
        last_read: Instant::now(),
        pinged: None,
        asked: None,
        unflushed: false,
        ending: None,
    };
    tokio::spawn(connection.run(give_back));
    Ok(Session {
        client: Client::new(sender, ended),
        banner,
        handler,
    })
}

async fn fully_booted<S: AsyncRead + AsyncWrite, H: Handler>(
    wire: &mut Wire<S>,
    inbox: &mut Inbox<H>,
) -> Result<(), LoginError> {
    let waiting_for = "FullyBooted event";
    loop {
        inbox.take_all(wire, Instant::now());
        if inbox.booted {
            return Ok(());
        }
        match wire.read().await {
            Ok(0) => return Err(LoginError::Closed { waiting_for }),
            Ok(_) => {}
            Err(source) => {
                return Err(LoginError::Io {
                    waiting_for,
                    source,
                });
            }
        }
    }
}

struct Connection<S, H: Handler> {
    wire: Wire<S>,
    inbox: Inbox<H>,
    commands: mpsc::UnboundedReceiver<Command<H::Note>>,
    end: watch::Sender<Option<SessionError>>,
    last_read: Instant,
    /// When the `Ping` was sent that nothing has come after.
    pinged: Option<Instant>,
    /// When the first action was given to the stream that no answer to any action has come after.
    asked: Option<Instant>,
    /// Something was given to the stream, and no flush has come back since.
    unflushed: bool,
    ending: Option<Ending>,
}

/// The session is over on this side; what the other side still says until it closes is heard.
struct Ending {
    why: SessionError,
    until: Instant,
}

impl<S: AsyncRead + AsyncWrite, H: Handler> Connection<S, H> {
    async fn run(mut self, give_back: oneshot::Sender<H>) {
        let found = self.serve().await;
        let why = match self.ending.take().map_or(found, |ending| ending.why) {
            SessionError::LoggedOff => SessionError::LoggedOff,
            // A broken connection is how a shutdown looks from here; this is the better word for it.
            _ if self.inbox.shutdown => SessionError::Shutdown,
            why => why,
        };
        self.inbox.complaints.last_words();
        let over_since = match why {
            SessionError::Silent => self.last_read,
            _ => Instant::now(),
        };
        self.inbox.handler.closed(&why, over_since);
        self.end.send_replace(Some(why));
        // Whoever opened the session need not want it back.
        let _ = give_back.send(self.inbox.handler);
    }

    async fn serve(&mut self) -> SessionError {
        let mut timer = std::pin::pin!(sleep_until(self.last_read + KEEPALIVE));
        loop {
            let now = Instant::now();
            self.inbox.take_all(&mut self.wire, now);
            if std::mem::take(&mut self.inbox.answered) {
                self.asked = None;
            }
            if self.inbox.shutdown {
                self.end(SessionError::Shutdown, now);
            }
            self.take_commands(now);
            if let Some(why) = self.tick(now) {
                return why;
            }
            // Deadlines move at every read and with every call: a timer that is early is cheaper than one that is right.
            let deadline = self.deadline();
            if timer.is_elapsed() || deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            let Wire {
                reader,
                writer,
                input,
                output,
                ..
            } = &mut self.wire;
            self.unflushed |= !output.is_empty();
            // Writing first: it ends, while a busy Asterisk always has something to read.
            tokio::select! {
                biased;
                written = write(writer, output), if self.unflushed => {
                    self.unflushed = false;
                    let now = Instant::now();
                    match written {
                        Ok(()) if output.is_empty() => self.inbox.handler.flushed(now),
                        Ok(()) => {}
                        Err(error) => {
                            // What the other side said before it broke off is still to be read.
                            output.clear();
                            self.end(error.into(), now);
                        }
                    }
                }
                came = read(reader, input) => {
                    self.last_read = Instant::now();
                    self.pinged = None;
                    match came {
                        Ok(0) => {
                            self.inbox.take_rest(&mut self.wire, self.last_read);
                            return SessionError::Closed;
                        }
                        Ok(_) => {}
                        Err(error) => return error.into(),
                    }
                }
                command = self.commands.recv(), if self.ending.is_none() => {
                    self.command(command.unwrap_or(Command::Logoff), Instant::now());
                }
                () = &mut timer => {}
            }
        }
    }

    /// Everything that waits is encoded before anything is written: one write for many calls.
    fn take_commands(&mut self, now: Instant) {
        while self.ending.is_none() {
            match self.commands.try_recv() {
                Ok(command) => self.command(command, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => self.command(Command::Logoff, now),
            }
        }
    }

    fn command(&mut self, command: Command<H::Note>, now: Instant) {
        if !matches!(command, Command::Submit { action: None, .. }) {
            self.asked.get_or_insert(now);
        }
        let output = &mut self.wire.output;
        match command {
            Command::Submit { note, action } => {
                if let Some(note) = note {
                    self.inbox.handler.note(note, now);
                }
                if let Some(action) = action {
                    action.encode_into(output);
                }
            }
            Command::Request { action, reply } => {
                action.encode_into(output);
                self.inbox.expect(&action, Pending::Response(reply));
            }
            Command::List { action, reply } => {
                action.encode_into(output);
                self.inbox.expect(
                    &action,
                    Pending::List {
                        reply,
                        items: Vec::new(),
                    },
                );
            }
            Command::Logoff => {
                output.extend_from_slice(LOGOFF);
                self.end(SessionError::LoggedOff, now);
            }
        }
    }

    /// Takes no more commands, and waits a little for the other side to close.
    fn end(&mut self, why: SessionError, now: Instant) {
        if self.ending.is_none() {
            self.commands.close();
            self.ending = Some(Ending {
                why,
                until: now + GOODBYE,
            });
        }
    }

    /// Does what is due; gives the reason if the session is over by that.
    fn tick(&mut self, now: Instant) -> Option<SessionError> {
        if self.inbox.handler.deadline().is_some_and(|at| at <= now) {
            self.inbox.handler.tick(now);
        }
        if let Some(ending) = &self.ending {
            return (ending.until <= now).then(|| ending.why.clone());
        }
        if now < self.keepalive_deadline() {
            return None;
        }
        if self.asked.is_some_and(|asked| asked + ANSWER <= now) {
            return Some(SessionError::Deaf);
        }
        if self.pinged.is_some() {
            return Some(SessionError::Silent);
        }
        self.pinged = Some(now);
        self.asked.get_or_insert(now);
        self.wire.output.extend_from_slice(PING);
        None
    }

    fn keepalive_deadline(&self) -> Instant {
        let silent = self.pinged.unwrap_or(self.last_read) + KEEPALIVE;
        self.asked
            .map_or(silent, |asked| silent.min(asked + ANSWER))
    }

    fn deadline(&self) -> Instant {
        let own = match &self.ending {
            Some(ending) => ending.until,
            None => self.keepalive_deadline(),
        };
        let handler = self.inbox.handler.deadline();
        handler.map_or(own, |handler| handler.min(own))
    }
}
