//! A TLS stream cut into records as Asterisk reads them.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use memchr::memrchr;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client;

/// What Asterisk reads of the manager's connection at once.
const INPUT: usize = 1024;

/// A TLS connection to Asterisk's manager interface.
///
/// Asterisk waits for bytes on the socket, then reads once: at most 1024 bytes, behind the unfinished line it
/// still has, of one record. What else is in the record stays in its TLS library, where it does not look before
/// more bytes come on the socket; an action there is not done until then. So no record holds more than it reads at
/// once, and each ends with a line.
#[derive(Debug)]
pub struct TlsStream<S = TcpStream>(pub(super) client::TlsStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    /// Takes as much as goes into one record.
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // What is written becomes a record of its own, unless the buffer before the socket takes only a part of it.
        // That buffer has room for a whole one when it is empty.
        ready!(Pin::new(&mut self.0).poll_flush(cx))?;
        Pin::new(&mut self.0).poll_write(cx, record(bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

/// The beginning that goes into one record: whole lines, as many as fit.
fn record(bytes: &[u8]) -> &[u8] {
    let Some(head) = bytes.get(..INPUT) else {
        return bytes;
    };
    match memrchr(b'\n', head) {
        Some(end) => &head[..=end],
        // A line that is too long is lost in Asterisk however it is cut.
        None => head,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_record_is_longer_than_what_asterisk_reads_at_once_and_each_ends_with_a_line() {
        let action = b"Action: Ping\r\nActionID: 01k9qx3e7r8b2m5tv6w0c4d1fa\r\n\r\n";
        let bytes = action.repeat(100);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let record = record(rest);
            assert!((1..=INPUT).contains(&record.len()));
            assert!(record.ends_with(b"\n"));
            rest = &rest[record.len()..];
        }
        assert_eq!(
            record(&[b'x'; 3000]).len(),
            INPUT,
            "a line without an end is cut"
        );
        assert_eq!(record(b"short"), b"short");
    }
}
