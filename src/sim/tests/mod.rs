//! The simulator as its clients see it, in virtual time over an in-process pipe.

mod calls;
mod recorded;
mod sessions;

use std::collections::VecDeque;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::{Fates, Simulate, Simulator, SimulatorConfig};
use crate::ami::Message;

/// Everybody answers after 1 s of ringing and talks for 2 s.
fn simulate() -> Simulate {
    Simulate {
        seed: 1,
        answered: 1.0,
        busy: 0.0,
        declined: 0.0,
        congestion: 0.0,
        invalid: 0.0,
        no_channel: 0.0,
        talk: Duration::from_secs(2),
        ring: Duration::from_secs(1),
    }
}

/// An Asterisk whose calls go as their numbers say.
fn by_number() -> SimulatorConfig {
    SimulatorConfig {
        fates: Fates::ByNumber,
        ..SimulatorConfig::new(simulate())
    }
}

/// A client that speaks bytes, so that nothing of the dialer's own is in the way.
struct Peer {
    stream: DuplexStream,
    /// What came and is not a whole message yet.
    text: String,
    /// What was not taken yet.
    messages: VecDeque<Message>,
    served: JoinHandle<std::io::Result<()>>,
}

impl Peer {
    fn connect(simulator: &Simulator) -> Self {
        let (stream, theirs) = duplex(64 * 1024);
        let simulator = simulator.clone();
        let served = tokio::spawn(async move { simulator.serve(theirs).await });
        Self {
            stream,
            text: String::new(),
            messages: VecDeque::new(),
            served,
        }
    }

    /// A logged-in client that has taken everything up to `FullyBooted`.
    async fn log_in(simulator: &Simulator) -> Self {
        let mut peer = Self::connect(simulator);
        peer.send("Action: Login\nActionID: login\nUsername: dialer\nSecret: simulated")
            .await;
        peer.until("FullyBooted").await;
        peer
    }

    /// Sends an action, given with plain line ends.
    async fn send(&mut self, action: &str) {
        let bytes = format!("{}\r\n\r\n", action.trim().replace('\n', "\r\n"));
        self.stream.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// Reads for that long; whether the stream is still open.
    async fn read(&mut self, how_long: Duration) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        match timeout(how_long, self.stream.read(&mut buffer)).await {
            Ok(Ok(0)) => false,
            Ok(Ok(read)) => {
                self.text
                    .push_str(std::str::from_utf8(&buffer[..read]).unwrap());
                self.frame();
                true
            }
            Ok(Err(error)) => panic!("{error}"),
            Err(_) => true,
        }
    }

    /// Takes whole messages out of the text, and the banner away.
    fn frame(&mut self) {
        let end = self.text.rfind("\r\n\r\n").map_or(0, |at| at + 4);
        let rest = self.text.split_off(end);
        let text = std::mem::replace(&mut self.text, rest);
        let text = text
            .strip_prefix("Asterisk Call Manager/11.0.0\r\n")
            .unwrap_or(&text);
        self.messages.extend(
            text.split("\r\n\r\n")
                .filter(|message| !message.trim().is_empty())
                .map(|message| Message::from_bytes(message.trim_start().as_bytes().to_vec())),
        );
    }

    /// Everything up to and with the first event of that name, or the answer to the action of that id.
    async fn until(&mut self, name_or_id: &str) -> Vec<Message> {
        let mut taken = Vec::new();
        loop {
            while let Some(message) = self.messages.pop_front() {
                let found = message.event() == Some(name_or_id.as_bytes())
                    || message.event().is_none()
                        && message.get("ActionID") == Some(name_or_id.as_bytes());
                taken.push(message);
                if found {
                    return taken;
                }
            }
            let hour = Duration::from_secs(3600);
            let began = tokio::time::Instant::now();
            assert!(
                self.read(hour).await && began.elapsed() < hour,
                "no {name_or_id} came: {taken:?}"
            );
        }
    }

    /// The answer to an action.
    async fn ask(&mut self, action: &str) -> Message {
        self.send(&format!("{action}\nActionID: asked")).await;
        self.until("asked").await.pop().unwrap()
    }

    /// Everything that comes within that long.
    async fn during(&mut self, how_long: Duration) -> Vec<Message> {
        let end = tokio::time::Instant::now() + how_long;
        while tokio::time::Instant::now() < end {
            let left = end - tokio::time::Instant::now();
            if !self.read(left).await {
                break;
            }
        }
        self.messages.drain(..).collect()
    }

    /// Whether the simulator closed the stream within a virtual minute; what came before stays to be taken.
    async fn is_closed(&mut self) -> bool {
        let end = tokio::time::Instant::now() + Duration::from_secs(60);
        while tokio::time::Instant::now() < end {
            if !self.read(end - tokio::time::Instant::now()).await {
                return true;
            }
        }
        false
    }
}

/// The originate of the recordings.
fn originate(channel: &str, id: &str, more: &str) -> String {
    let action = format!(
        "Action: Originate\nActionID: {id}\nChannelId: {id}\nChannel: {channel}\nContext: notify\nExten: s\nPriority: 1\n\
         CallerID: Test <100>\nTimeout: 3000\nAsync: true\n{more}\nVariable: CALLID={id}"
    );
    action.replace("\n\n", "\n")
}

fn text(message: &Message, key: &str) -> String {
    message
        .get_str(key)
        .map_or_else(String::new, std::borrow::Cow::into_owned)
}

fn events<'a>(messages: &'a [Message], name: &'a str) -> impl Iterator<Item = &'a Message> {
    messages
        .iter()
        .filter(move |message| message.event() == Some(name.as_bytes()))
}

/// A recorded transcript, without what other modules of Asterisk say beside the call.
fn recording(name: &str) -> Vec<Message> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/traces")
        .join(name);
    let transcript = std::fs::read_to_string(&path).unwrap();
    let mut messages: Vec<String> = Vec::new();
    for line in transcript.lines() {
        if line.starts_with("# t=") {
            messages.push(String::new());
        } else if !line.is_empty()
            && let Some(message) = messages.last_mut()
        {
            message.push_str(line);
            message.push_str("\r\n");
        }
    }
    let beside = ["TestEvent", "Cdr", "SuccessfulAuth", "ContactStatus"];
    messages
        .into_iter()
        .map(|message| Message::from_bytes(message.into_bytes()))
        .filter(|message| {
            let event = text(message, "Event");
            !beside.contains(&event.as_str())
        })
        .collect()
}
