//! One session: bytes in, bytes out, and the clock of the calls in between.
//!
//! Reading goes on while a write is pending, and everything that is due within a millisecond goes out in one write.

use std::io;
use std::pin::pin;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};
use tokio_util::codec::Decoder;

use crate::ami::{Codec, Frame};
use crate::sim::Simulator;
use crate::sim::action::{BANNER, Client};
use crate::sim::exchange::Close;

/// How much is read at once at least, if so much has come.
const READ: usize = 32 * 1024;

/// A write buffer larger than this is given back once it is empty.
const KEPT: usize = 4 * 1024 * 1024;

/// Lets go of its place in the exchange, however the session ends.
struct Seat<'a> {
    simulator: &'a Simulator,
    session: usize,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.simulator.lock().leave(self.session);
    }
}

/// What one session holds of its own.
struct Session<'a> {
    seat: Seat<'a>,
    client: Client,
    codec: Codec,
    input: BytesMut,
    /// What is being written, and how far it has come.
    writing: Vec<u8>,
    written: usize,
}

/// What to do after a turn.
struct Turn {
    deadline: Option<Instant>,
    close: Option<Close>,
}

pub(super) async fn serve<S: AsyncRead + AsyncWrite>(
    simulator: &Simulator,
    stream: S,
) -> io::Result<()> {
    let joined = simulator.lock().join(Instant::now());
    let Some((place, wake)) = joined else {
        return Ok(());
    };
    let mut session = Session {
        seat: Seat {
            simulator,
            session: place,
        },
        client: Client::default(),
        codec: Codec::without_banner(),
        input: BytesMut::with_capacity(2 * READ),
        writing: BANNER.to_vec(),
        written: 0,
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut sleep = pin!(sleep_until(Instant::now()));
    loop {
        let turn = session.turn(Instant::now())?;
        let idle = session.writing.is_empty();
        match turn.close {
            Some(Close::CutOff) => return Ok(()),
            Some(Close::Flushed) if idle => {
                // The client may be gone already; then nobody misses the end.
                let _ = writer.shutdown().await;
                return Ok(());
            }
            _ => {}
        }
        if let Some(deadline) = turn.deadline
            && sleep.deadline() != deadline
        {
            sleep.as_mut().reset(deadline);
        }
        session.input.reserve(READ);
        tokio::select! {
            read = reader.read_buf(&mut session.input), if turn.close.is_none() => {
                if read? == 0 {
                    return Ok(());
                }
            }
            written = writer.write(&session.writing[session.written..]), if !idle => {
                session.advance_write(written?)?;
            }
            () = &mut sleep, if turn.deadline.is_some() => {}
            () = wake.notified() => {}
        }
    }
}

impl Session<'_> {
    /// Does everything that can be done now.
    fn turn(&mut self, now: Instant) -> io::Result<Turn> {
        let session = self.seat.session;
        let mut exchange = self.seat.simulator.lock();
        exchange.serving = Some(session);
        exchange.advance(now);
        self.client.tick(&mut exchange, session, now);
        while self.client.listens()
            && exchange
                .outbox(session)
                .is_some_and(|outbox| outbox.close.is_none())
            && let Some(frame) = self.codec.decode(&mut self.input)?
        {
            if let Frame::Message(message) = frame {
                self.client.handle(&mut exchange, session, &message, now);
                if self.client.blocked.is_some() {
                    // What was answered before is not held back.
                    if let Some(outbox) = exchange.outbox(session) {
                        self.writing.append(&mut outbox.bytes);
                    }
                    self.client.tick(&mut exchange, session, now);
                }
            }
        }
        let due = exchange.next_due();
        let deadline = match (due, self.client.deadline()) {
            (Some(due), Some(own)) => Some(due.min(own)),
            (due, own) => due.or(own),
        };
        let mut close = Some(Close::CutOff);
        if let Some(outbox) = exchange.outbox(session) {
            close = outbox.close;
            if self.writing.is_empty() && self.client.blocked.is_none() {
                std::mem::swap(&mut self.writing, &mut outbox.bytes);
            }
        }
        exchange.serving = None;
        Ok(Turn { deadline, close })
    }

    fn advance_write(&mut self, written: usize) -> io::Result<()> {
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        self.written += written;
        if self.written == self.writing.len() {
            self.written = 0;
            self.writing.clear();
            if self.writing.capacity() > KEPT {
                self.writing = Vec::new();
            }
        }
        Ok(())
    }
}
