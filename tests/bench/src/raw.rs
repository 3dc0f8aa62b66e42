//! The ceiling: one thread, one socket, nothing written down.
//!
//! A closed loop that keeps a number of calls in flight over AMI and does nothing else: no files, no outcomes, no
//! retries. It sends the same Originate as the dialer, header by header, asks for the same events, filters none of them,
//! and sends without delay as the dialer does. What it reaches is what the other side can do; the dialer is held against
//! that. The same loop, looking for free lines at intervals only, shows what polling costs.

use std::collections::HashMap;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use dialer::call::id::CallId;
use memchr::memmem;

/// A call to be placed.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    /// The dial string.
    pub(crate) channel: String,
    /// Where an answered call goes.
    pub(crate) context: &'static str,
    /// How long it may ring, in milliseconds.
    pub(crate) timeout: u32,
    /// What the variable `NAME` holds.
    pub(crate) name: String,
    /// It will not get a channel, so that no hangup is to be waited for.
    pub(crate) no_channel: bool,
}

/// When a line that came free is dialed on.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Refill {
    /// In the same moment.
    AtOnce,
    /// When it is looked at next.
    Every(Duration),
}

/// What a loop has done.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Calls that ended.
    pub(crate) calls: usize,
    /// Those of them that were answered.
    pub(crate) answered: usize,
    /// From the first Originate to the last end.
    pub(crate) took: Duration,
}

/// A session of the loop.
pub(crate) struct Raw {
    stream: TcpStream,
    input: Vec<u8>,
    chunk: Box<[u8]>,
    /// Everything that came after the login, if it is kept.
    recorded: Option<Vec<u8>>,
}

/// A call that is in flight, or over but not told of in full: `OriginateResponse` and `Hangup` come in any order.
#[derive(Debug, Clone, Copy)]
struct Call {
    no_channel: bool,
    /// Its `OriginateResponse` came.
    heard: bool,
    /// Its line is free.
    over: bool,
}

/// The classes of events that the dialer asks for.
const EVENTS: &str = "system,call,dialplan";

/// How long nothing may come before the loop gives up.
pub(crate) const SILENCE: Duration = Duration::from_secs(30);

impl Raw {
    /// Connects and logs in, asking for the events that the dialer asks for.
    pub(crate) fn log_in(address: SocketAddr, user: &str, secret: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)
            .with_context(|| format!("nobody answers at {address}: start tests/asterisk/up"))?;
        stream.set_nodelay(true)?;
        let mut raw = Self {
            stream,
            input: Vec::new(),
            chunk: vec![0; 1 << 16].into_boxed_slice(),
            recorded: None,
        };
        raw.send(&format!(
            "Action: Login\r\nUsername: {user}\r\nSecret: {secret}\r\nEvents: {EVENTS}\r\n\r\n"
        ))?;
        raw.stream.set_read_timeout(Some(SILENCE))?;
        while memmem::find(&raw.input, b"Event: FullyBooted").is_none() {
            raw.read()?;
        }
        let end = memmem::rfind(&raw.input, b"\r\n\r\n").map_or(0, |at| at + 4);
        raw.input.drain(..end);
        Ok(raw)
    }

    /// Keeps what comes from now on.
    pub(crate) fn record(&mut self) {
        self.recorded = Some(self.input.clone());
    }

    /// What was kept.
    pub(crate) fn recorded(self) -> Vec<u8> {
        self.recorded.unwrap_or_default()
    }

    /// Places the calls, at most `ports` at once, and returns when the last has ended.
    pub(crate) fn run(
        &mut self,
        dials: impl IntoIterator<Item = Dial>,
        ports: usize,
        refill: Refill,
    ) -> anyhow::Result<Ran> {
        let mut dials = dials.into_iter();
        let mut calls: HashMap<CallId, Call> = HashMap::new();
        let (mut in_flight, mut ended, mut answered) = (0, 0, 0);
        let began = Instant::now();
        let mut last_end = began;
        let mut turn = began;
        let mut output = String::new();
        let mut more = true;
        loop {
            let now = Instant::now();
            if now >= turn {
                while more && in_flight < ports {
                    let Some(dial) = dials.next() else {
                        more = false;
                        break;
                    };
                    let id = CallId::new();
                    originate(&mut output, id, &dial);
                    calls.insert(
                        id,
                        Call {
                            no_channel: dial.no_channel,
                            heard: false,
                            over: false,
                        },
                    );
                    in_flight += 1;
                }
                if let Refill::Every(interval) = refill {
                    turn = now + interval;
                }
                self.send(&output)?;
                output.clear();
            }
            if calls.is_empty() && !more {
                break;
            }
            self.wait_until(match refill {
                Refill::AtOnce => None,
                Refill::Every(_) => Some(turn),
            })?;
            let mut start = 0;
            while let Some(end) = memmem::find(&self.input[start..], b"\r\n\r\n") {
                let message = &self.input[start..start + end + 2];
                start += end + 4;
                let said = hear(message, &mut calls);
                answered += usize::from(said.answered);
                if said.over {
                    in_flight -= 1;
                    ended += 1;
                    last_end = Instant::now();
                }
            }
            self.input.drain(..start);
        }
        Ok(Ran {
            calls: ended,
            answered,
            took: last_end - began,
        })
    }

    fn send(&mut self, text: &str) -> anyhow::Result<()> {
        self.stream
            .write_all(text.as_bytes())
            .context("the session broke")
    }

    /// Reads, but not beyond that moment.
    fn wait_until(&mut self, moment: Option<Instant>) -> anyhow::Result<()> {
        let Some(moment) = moment else {
            self.stream.set_read_timeout(Some(SILENCE))?;
            return self.read();
        };
        while let Some(left) = moment.checked_duration_since(Instant::now()) {
            if left.is_zero() {
                break;
            }
            self.stream.set_read_timeout(Some(left))?;
            match self.read() {
                Err(error) if is_timeout(&error) => break,
                read => read?,
            }
        }
        Ok(())
    }

    fn read(&mut self) -> anyhow::Result<()> {
        let count = match self.stream.read(&mut self.chunk) {
            Err(error) if error.kind() == ErrorKind::Interrupted => return Ok(()),
            read => read?,
        };
        ensure!(count > 0, "Asterisk closed the session");
        let chunk = &self.chunk[..count];
        self.input.extend_from_slice(chunk);
        if let Some(recorded) = &mut self.recorded {
            recorded.extend_from_slice(chunk);
        }
        Ok(())
    }
}

fn is_timeout(error: &anyhow::Error) -> bool {
    let kind = error
        .downcast_ref::<std::io::Error>()
        .map(std::io::Error::kind);
    matches!(kind, Some(ErrorKind::WouldBlock | ErrorKind::TimedOut))
}

/// The Originate that the dialer would send, in its order, one variable of the campaign in it.
fn originate(output: &mut String, id: CallId, dial: &Dial) {
    use std::fmt::Write as _;
    let Dial {
        channel,
        context,
        timeout,
        name,
        ..
    } = dial;
    // Writing to a string cannot fail.
    let _ = write!(
        output,
        "Action: Originate\r\nActionID: {id}\r\nChannel: {channel}\r\nChannelId: {id}\r\n\
         Async: true\r\nTimeout: {timeout}\r\nContext: {context}\r\nExten: s\r\nPriority: 1\r\n\
         Variable: CALLID={id}\r\nVariable: NAME={name}\r\n\r\n"
    );
}

/// What a message says of the calls.
#[derive(Debug, Default)]
struct Said {
    /// One was answered.
    answered: bool,
    /// A line is free: the originated channel hung up, or no channel came of it.
    over: bool,
}

fn hear(message: &[u8], calls: &mut HashMap<CallId, Call>) -> Said {
    let (about, header): (_, &[u8]) = if message.starts_with(b"Event: Hangup\r\n") {
        (About::End, b"\r\nUniqueid: ")
    } else if message.starts_with(b"Event: OriginateResponse\r\n") {
        (About::Outcome, b"\r\nActionID: ")
    } else if message.starts_with(b"Response: Error\r\n") {
        (About::Refusal, b"\r\nActionID: ")
    } else {
        return Said::default();
    };
    let Some(id) = value(message, header).and_then(CallId::from_bytes) else {
        return Said::default();
    };
    let Some(call) = calls.get_mut(&id) else {
        return Said::default();
    };
    let before = *call;
    call.heard |= matches!(about, About::Outcome | About::Refusal);
    call.over |= matches!(about, About::End | About::Refusal) || (call.no_channel && call.heard);
    let after = *call;
    if after.heard && after.over {
        calls.remove(&id);
    }
    Said {
        answered: matches!(about, About::Outcome)
            && value(message, b"\r\nResponse: ") == Some(b"Success"),
        over: after.over && !before.over,
    }
}

/// What a message is about.
enum About {
    Outcome,
    End,
    Refusal,
}

fn value<'a>(message: &'a [u8], header: &[u8]) -> Option<&'a [u8]> {
    let start = memmem::find(message, header)? + header.len();
    let end = memmem::find(&message[start..], b"\r\n")?;
    Some(&message[start..start + end])
}
