//! Sessions against a scripted peer, over an in-process stream and in paused time.

mod login;
mod session;

use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::client::Client;
use super::codec::Codec;
use super::codec::MAX_MESSAGE;
use super::errors::{RequestError, SessionClosed};
use super::login::LoginError;
use super::session::{ANSWER, BOOT_TIMEOUT, GOODBYE, KEEPALIVE};
use super::transport::connect_tcp;
use super::*;

const BANNER: &str = "Asterisk Call Manager/11.0.0\r\n";
const ACCEPTED: &str =
    "Response: Success\r\nActionID: login\r\nMessage: Authentication accepted\r\n\r\n";
const BOOTED: &str = "Event: FullyBooted\r\nPrivilege: system,all\r\nStatus: Fully Booted\r\n\r\n";

/// The other end of the stream: Asterisk, as the test says.
struct Peer {
    stream: DuplexStream,
    codec: Codec,
    input: BytesMut,
}

impl Peer {
    /// A stream that holds so many bytes in each direction, and its other end.
    fn pair(capacity: usize) -> (DuplexStream, Self) {
        let (ours, stream) = tokio::io::duplex(capacity);
        let peer = Self {
            stream,
            codec: Codec::default(),
            input: BytesMut::new(),
        };
        (ours, peer)
    }

    async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    /// The next action; `None` when the stream has ended.
    async fn hear(&mut self) -> Option<Message> {
        loop {
            if let Some(frame) = self.codec.next(&mut self.input) {
                return Some(frame.unwrap());
            }
            self.input.reserve(64 * 1024);
            if self.stream.read_buf(&mut self.input).await.unwrap() == 0 {
                assert!(self.input.is_empty(), "{:?}", self.input);
                return None;
            }
        }
    }

    /// The next action, which must be of that name.
    async fn hear_action(&mut self, name: &str) -> Message {
        let message = self.hear().await.expect("an action");
        assert_eq!(message.get_str("Action").unwrap(), name);
        message
    }

    async fn accept(&mut self) {
        self.say(BANNER).await;
        self.hear_action("Login").await;
        self.say(ACCEPTED).await;
        self.say(BOOTED).await;
    }
}

fn plain() -> Login {
    Login::new("dialer", "hunter2", Auth::Plain, Duration::from_secs(5))
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Event(String),
    Response(String, String),
    Note(u32),
    /// When, after the start.
    Flushed(Duration),
    Tick(Duration),
    Closed(String),
}

/// Passes on to a channel what it is told.
#[derive(Debug)]
struct Recorder {
    seen: mpsc::UnboundedSender<Seen>,
    start: Instant,
    deadline: Option<Instant>,
    /// Whether it tells of flushes, too.
    flushes: bool,
}

impl Recorder {
    fn new() -> (Self, mpsc::UnboundedReceiver<Seen>) {
        let (seen, receiver) = mpsc::unbounded_channel();
        let recorder = Self {
            seen,
            start: Instant::now(),
            deadline: None,
            flushes: false,
        };
        (recorder, receiver)
    }

    fn see(&self, seen: Seen) {
        // A test that has seen enough drops its end.
        let _ = self.seen.send(seen);
    }
}

impl Handler for Recorder {
    type Note = u32;

    fn wants(&self, event: &[u8]) -> bool {
        event == b"Hangup" || event == b"OriginateResponse"
    }

    fn event(&mut self, message: &Message, _now: Instant) {
        let name = message.get_str("Event").unwrap();
        let id = message.get_str("Uniqueid").unwrap_or_default();
        self.see(Seen::Event(format!("{name} {id}")));
    }

    fn response(&mut self, action_id: &[u8], message: &Message, _now: Instant) {
        self.see(Seen::Response(
            String::from_utf8_lossy(action_id).into_owned(),
            message.get_str("Response").unwrap().into_owned(),
        ));
    }

    /// A note is also the deadline: so many seconds after the start.
    fn note(&mut self, note: u32, _now: Instant) {
        self.deadline = Some(self.start + Duration::from_secs(note.into()));
        self.see(Seen::Note(note));
    }

    fn flushed(&mut self, now: Instant) {
        if self.flushes {
            self.see(Seen::Flushed(now - self.start));
        }
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn tick(&mut self, now: Instant) {
        self.deadline = None;
        self.see(Seen::Tick(now - self.start));
    }

    fn closed(&mut self, why: &SessionError, _now: Instant) {
        self.see(Seen::Closed(format!("{why:?}")));
    }
}

fn event(text: &str) -> Seen {
    Seen::Event(text.to_owned())
}

fn response(id: &str, text: &str) -> Seen {
    Seen::Response(id.to_owned(), text.to_owned())
}

fn closed(why: &str) -> Seen {
    Seen::Closed(why.to_owned())
}

fn action(name: &str, id: &str) -> Action {
    Action::new(name, id).unwrap()
}
