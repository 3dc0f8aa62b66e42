//! What Asterisk's own channels do while somebody dials: a second session that is told by Asterisk, not by the dialer.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, ensure};

/// How many channels there were.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Seen {
    /// All of them.
    pub(crate) created: usize,
    /// The most at once.
    pub(crate) most_at_once: usize,
    gone: usize,
}

/// A session that counts the channels of one endpoint.
#[derive(Debug)]
pub(crate) struct Watch {
    stream: TcpStream,
    seen: mpsc::Receiver<Seen>,
    reading: Option<JoinHandle<()>>,
}

impl Watch {
    /// Looks on from now.
    pub(crate) fn channels(
        address: SocketAddr,
        secret: &str,
        prefix: &'static str,
    ) -> anyhow::Result<Self> {
        let mut stream = TcpStream::connect(address)?;
        let reader = BufReader::new(stream.try_clone()?);
        write!(
            stream,
            "Action: Login\r\nUsername: admin\r\nSecret: {secret}\r\nEvents: system,call\r\n\r\n"
        )?;
        let (tell, seen) = mpsc::channel();
        let reading = thread::spawn(move || count(reader, prefix, &tell));
        let watch = Self {
            stream,
            seen,
            reading: Some(reading),
        };
        // The first word is that it is logged in.
        watch.next()?;
        Ok(watch)
    }

    fn next(&self) -> anyhow::Result<Seen> {
        let seen = self.seen.recv_timeout(Duration::from_secs(10));
        seen.context("the second session hears nothing")
    }

    /// What was seen until so many channels were gone.
    pub(crate) fn end(self, channels: usize) -> anyhow::Result<Seen> {
        let mut seen = Seen::default();
        while seen.gone < channels {
            seen = self.next()?;
        }
        ensure!(
            seen.created == channels,
            "{seen:?}, and {channels} were dialed"
        );
        Ok(seen)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

/// Tells when it is logged in, and then of every channel that is gone.
fn count(reader: BufReader<TcpStream>, prefix: &str, tell: &mpsc::Sender<Seen>) {
    let mut seen = Seen::default();
    let mut event = String::new();
    for line in reader.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end();
        if let Some(name) = line.strip_prefix("Event: ") {
            name.clone_into(&mut event);
            if event != "FullyBooted" {
                continue;
            }
        } else if line
            .strip_prefix("Channel: ")
            .is_some_and(|channel| channel.starts_with(prefix))
        {
            match event.as_str() {
                "Newchannel" => {
                    seen.created += 1;
                    seen.most_at_once = seen.most_at_once.max(seen.created - seen.gone);
                    continue;
                }
                "Hangup" => seen.gone += 1,
                _ => continue,
            }
        } else {
            continue;
        }
        if tell.send(seen).is_err() {
            return;
        }
    }
}
