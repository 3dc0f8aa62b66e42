//! One session: bytes in, bytes out, and the clock of the calls in between.
//!
//! Reading goes on while a write is pending, and everything that is due within a millisecond goes out in one write.

use std::io::{self, Cursor};
use std::pin::pin;
use std::sync::Mutex;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep_until};

use crate::ami::codec::Codec;
use crate::sim::action::{self, BANNER};
use crate::sim::client::Close;
use crate::sim::exchange::{Exchange, lock};
use crate::sim::originate::SessionNumber;

/// How much is read at once at least, if so much has come.
const READ: usize = 32 * 1024;

/// A write buffer larger than this is given back once it is empty.
const KEPT: usize = 4 * 1024 * 1024;

/// What one session holds of its own. It leaves the exchange however it ends.
struct ManagerSession<'a> {
    exchange: &'a Mutex<Exchange>,
    number: SessionNumber,
    codec: Codec,
    input: BytesMut,
    /// What is being written.
    writing: Cursor<Vec<u8>>,
}

impl Drop for ManagerSession<'_> {
    fn drop(&mut self) {
        lock(self.exchange).leave(self.number);
    }
}

pub(super) async fn serve<S: AsyncRead + AsyncWrite>(
    exchange: &Mutex<Exchange>,
    stream: S,
) -> io::Result<()> {
    let joined = lock(exchange).join(Instant::now());
    let Some((number, wake)) = joined else {
        return Ok(());
    };
    let mut session = ManagerSession {
        exchange,
        number,
        codec: Codec::default(),
        input: BytesMut::with_capacity(2 * READ),
        writing: Cursor::new(BANNER.to_vec()),
    };
    let (mut reader, mut writer) = tokio::io::split(stream);
    let mut sleep = pin!(sleep_until(Instant::now()));
    loop {
        let (deadline, close) = session.turn(Instant::now());
        let idle = !session.writing.has_remaining();
        match close {
            Some(Close::CutOff) => return Ok(()),
            Some(Close::Flushed) if idle => {
                // The client may be gone already, and then does not miss the end.
                let _ = writer.shutdown().await;
                return Ok(());
            }
            _ => {}
        }
        if let Some(deadline) = deadline
            && sleep.deadline() != deadline
        {
            sleep.as_mut().reset(deadline);
        }
        session.input.reserve(READ);
        tokio::select! {
            read = reader.read_buf(&mut session.input), if close.is_none() => {
                if read? == 0 {
                    return Ok(());
                }
            }
            written = writer.write_buf(&mut session.writing), if !idle => {
                if written? == 0 {
                    return Err(io::ErrorKind::WriteZero.into());
                }
            }
            () = &mut sleep, if deadline.is_some() => {}
            () = wake.notified() => {}
        }
    }
}

impl ManagerSession<'_> {
    /// Does everything that can be done now.
    fn turn(&mut self, now: Instant) -> (Option<Instant>, Option<Close>) {
        let mut exchange = lock(self.exchange);
        exchange.begin_turn(self.number, now);
        while exchange.hears(self.number)
            && let Some(frame) = self.codec.next(&mut self.input)
        {
            if let Ok(message) = frame {
                action::handle(&mut exchange, self.number, &message, now);
            }
        }
        if !self.writing.has_remaining() {
            self.writing.set_position(0);
            self.writing.get_mut().clear();
            self.writing.get_mut().shrink_to(KEPT);
        }
        exchange.end_turn(self.number, self.writing.get_mut())
    }
}
