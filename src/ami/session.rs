//! The one task that owns a session: it reads, writes, and hands on what came, and never waits for anyone.
//!
//! Asterisk cuts off a client that reads too slowly, in the middle of an event. So this task reads while a write is
//! pending, drops what is not wanted after a look at the event's name, and calls its [`Handler`] in place instead of
//! sending into a channel that could fill.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until, timeout};

use crate::ami::buffered_stream::{BufferedStream, read, write};
use crate::ami::client::{AmiSession, Client, SessionCommand};
use crate::ami::errors::SessionError;
use crate::ami::handler::{Handler, SharedHandler};
use crate::ami::inbox::Inbox;
use crate::ami::login::{Login, LoginError, authenticate, came_or_ended};

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

/// Logs in over any byte stream, waits until Asterisk is fully booted, then spawns the task that owns the stream.
///
/// Calls originated before `FullyBooted` fail when they are answered.
pub async fn open<S, H>(
    stream: S,
    login: &Login,
    handler: SharedHandler<H>,
) -> Result<AmiSession<H::Note>, LoginError>
where
    S: AsyncRead + AsyncWrite + Send + 'static,
    H: Handler,
{
    let mut stream = BufferedStream::new(stream);
    let banner = authenticate(&mut stream, login).await?;
    let mut inbox = Inbox::default();
    let booted = fully_booted(&mut stream, &mut inbox, &handler);
    let booted = timeout(BOOT_TIMEOUT, booted).await;
    let booted = booted.map_err(|_| LoginError::NotBooted {
        username: login.username.clone(),
        after: BOOT_TIMEOUT,
    })?;
    came_or_ended(booted, "FullyBooted event")?;
    let (sender, commands) = mpsc::unbounded_channel();
    let (end, ended) = watch::channel(None);
    let task = SessionTask {
        stream,
        inbox,
        handler,
        commands,
        last_read: Instant::now(),
        pinged: None,
        asked: None,
        unflushed: false,
        ending: None,
    };
    tokio::spawn(async move {
        let why = task.run().await;
        end.send_replace(Some(why));
    });
    Ok(AmiSession {
        client: Client::new(sender, ended),
        banner,
    })
}

/// `None` at the end of the stream.
async fn fully_booted<S: AsyncRead + AsyncWrite, H: Handler>(
    stream: &mut BufferedStream<S>,
    inbox: &mut Inbox,
    handler: &SharedHandler<H>,
) -> io::Result<Option<()>> {
    loop {
        inbox.take_all(stream, &mut *handler.lock(), Instant::now());
        if inbox.booted {
            return Ok(Some(()));
        }
        if stream.read().await? == 0 {
            return Ok(None);
        }
    }
}

struct SessionTask<S, H: Handler> {
    stream: BufferedStream<S>,
    inbox: Inbox,
    handler: SharedHandler<H>,
    commands: mpsc::UnboundedReceiver<SessionCommand<H::Note>>,
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

impl<S: AsyncRead + AsyncWrite, H: Handler> SessionTask<S, H> {
    async fn run(mut self) -> SessionError {
        let seen = self.serve().await;
        let why = match self.ending.take().map_or(seen, |ending| ending.why) {
            SessionError::LoggedOff => SessionError::LoggedOff,
            // A broken connection is how a shutdown looks from here.
            _ if self.inbox.shutdown => SessionError::Shutdown,
            why => why,
        };
        self.inbox.complaints.report_held_back();
        let over_since = match why {
            SessionError::Silent => self.last_read,
            _ => Instant::now(),
        };
        self.handler.lock().closed(&why, over_since);
        why
    }

    async fn serve(&mut self) -> SessionError {
        let mut timer = std::pin::pin!(sleep_until(self.last_read + KEEPALIVE));
        loop {
            let deadline = match self.advance(Instant::now()) {
                Ok(deadline) => deadline,
                Err(why) => return why,
            };
            // Deadlines move at every read and with every call: a timer that is early is cheaper than one that is right.
            if timer.is_elapsed() || deadline < timer.deadline() {
                timer.as_mut().reset(deadline);
            }
            let BufferedStream {
                reader,
                writer,
                codec,
                input,
                output,
            } = &mut self.stream;
            self.unflushed |= !output.is_empty();
            // Writing first: it ends, while a busy Asterisk always has something to read.
            tokio::select! {
                biased;
                written = write(writer, output), if self.unflushed => {
                    self.unflushed = false;
                    let now = Instant::now();
                    match written {
                        Ok(()) if output.is_empty() => self.handler.lock().flushed(now),
                        Ok(()) => {}
                        Err(error) => {
                            // What the other side said before it broke off is still to be read.
                            output.clear();
                            self.end(error.into(), now);
                        }
                    }
                }
                read = read(reader, input) => {
                    self.last_read = Instant::now();
                    self.pinged = None;
                    match read {
                        Ok(0) => {
                            if let Some(skipped) = codec.take_rest(input) {
                                self.inbox.skip(&skipped, self.last_read);
                            }
                            return SessionError::Closed;
                        }
                        Ok(_) => {}
                        Err(error) => return error.into(),
                    }
                }
                command = self.commands.recv(), if self.ending.is_none() => {
                    let handler = self.handler.clone();
                    self.command(command.unwrap_or(SessionCommand::Logoff), &mut *handler.lock(), Instant::now());
                }
                () = &mut timer => {}
            }
        }
    }

    /// Does all that can be done without waiting, and gives the moment at which there is more to do.
    fn advance(&mut self, now: Instant) -> Result<Instant, SessionError> {
        let handler = self.handler.clone();
        let handler = &mut *handler.lock();
        self.inbox.take_all(&mut self.stream, handler, now);
        if std::mem::take(&mut self.inbox.answered) {
            self.asked = None;
        }
        if self.inbox.shutdown {
            self.end(SessionError::Shutdown, now);
        }
        self.take_commands(handler, now);
        if handler.deadline().is_some_and(|at| at <= now) {
            handler.tick(now);
        }
        let own = match &self.ending {
            Some(ending) if ending.until <= now => return Err(ending.why.clone()),
            Some(ending) => ending.until,
            None => self.keep_alive(now)?,
        };
        Ok(handler.deadline().map_or(own, |handler| handler.min(own)))
    }

    /// Everything that waits is encoded before anything is written: one write for many calls.
    fn take_commands(&mut self, handler: &mut H, now: Instant) {
        while self.ending.is_none() {
            match self.commands.try_recv() {
                Ok(command) => self.command(command, handler, now),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => {
                    self.command(SessionCommand::Logoff, handler, now);
                }
            }
        }
    }

    fn command(&mut self, command: SessionCommand<H::Note>, handler: &mut H, now: Instant) {
        if !matches!(command, SessionCommand::Submit { action: None, .. }) {
            self.asked.get_or_insert(now);
        }
        let output = &mut self.stream.output;
        match command {
            SessionCommand::Submit { note, action } => {
                if let Some(note) = note {
                    handler.note(note, now);
                }
                if let Some(action) = action {
                    action.encode_into(output);
                }
            }
            SessionCommand::Ask(action, reply) => {
                action.encode_into(output);
                self.inbox.expect(&action, reply);
            }
            SessionCommand::Logoff => {
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

    /// Asks for a sign of life when none came for a while, and gives the moment at which to look again; or the reason why
    /// the session is over.
    fn keep_alive(&mut self, now: Instant) -> Result<Instant, SessionError> {
        if now >= self.keepalive_deadline() {
            if self.asked.is_some_and(|asked| asked + ANSWER <= now) {
                return Err(SessionError::Deaf);
            }
            if self.pinged.is_some() {
                return Err(SessionError::Silent);
            }
            self.pinged = Some(now);
            self.asked.get_or_insert(now);
            self.stream.output.extend_from_slice(PING);
        }
        Ok(self.keepalive_deadline())
    }

    fn keepalive_deadline(&self) -> Instant {
        let silent = self.pinged.unwrap_or(self.last_read) + KEEPALIVE;
        self.asked
            .map_or(silent, |asked| silent.min(asked + ANSWER))
    }
}
