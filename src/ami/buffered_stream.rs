//! A byte stream with its two buffers, and the steps of reading and writing it.

use std::io;

use bytes::BytesMut;
use memchr::memchr;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::ami::action::Action;
use crate::ami::codec::Codec;
use crate::ami::message::Message;

/// Both directions of a stream, each with its buffer.
#[derive(Debug)]
pub(super) struct BufferedStream<S> {
    pub(super) reader: ReadHalf<S>,
    pub(super) writer: WriteHalf<S>,
    pub(super) codec: Codec,
    pub(super) input: BytesMut,
    /// What waits to be written.
    pub(super) output: BytesMut,
}

/// The longest banner, in bytes. Asterisk's is about 30.
const MAX_BANNER: usize = 1024;

/// How much is read at once at least, if so much has come.
const READ: usize = 32 * 1024;

impl<S: AsyncRead + AsyncWrite> BufferedStream<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            codec: Codec::default(),
            input: BytesMut::with_capacity(2 * READ),
            output: BytesMut::new(),
        }
    }

    /// Reads what has come; 0 at the end of the stream. Cancel safe.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        read(&mut self.reader, &mut self.input).await
    }

    /// The first line of a session, with its end; a longer one is cut at [`MAX_BANNER`]. `None` at the end of the stream.
    pub(super) async fn banner(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            let line = &self.input[..self.input.len().min(MAX_BANNER)];
            let length = memchr(b'\n', line).map_or(line.len(), |end| end + 1);
            let is_whole = length == MAX_BANNER || line[..length].ends_with(b"\n");
            if is_whole || self.read().await? == 0 {
                return Ok((length > 0).then(|| self.input.split_to(length)));
            }
        }
    }

    /// Writes the action and waits for its response; `None` at the end of the stream. Only for the login: nothing is
    /// read while it writes, and the peer has nothing to say until it has read all.
    pub(super) async fn ask(&mut self, action: &Action) -> io::Result<Option<Message>> {
        action.encode_into(&mut self.output);
        while !self.output.is_empty() {
            write(&mut self.writer, &mut self.output).await?;
        }
        loop {
            while let Some(frame) = self.codec.next(&mut self.input) {
                if let Ok(message) = frame
                    && message.is_response()
                {
                    return Ok(Some(message));
                }
            }
            if self.read().await? == 0 {
                return Ok(None);
            }
        }
    }
}

/// Reads into the buffer what has come; 0 at the end of the stream. Cancel safe.
pub(super) async fn read(
    reader: &mut (impl AsyncRead + Unpin),
    input: &mut BytesMut,
) -> io::Result<usize> {
    // The buffer grows once, then its space is used again: messages are seldom kept.
    input.reserve(READ);
    match reader.read_buf(input).await {
        // So a TLS stream says that the other side closed the connection without a word, as a process that ends does.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(0),
        came => came,
    }
}

/// Writes some of what waits, and flushes the stream behind the last of it. Cancel safe; a flush that was cancelled
/// is made up for by calling this again, with nothing left to write.
pub(super) async fn write(
    writer: &mut (impl AsyncWrite + Unpin),
    output: &mut BytesMut,
) -> io::Result<()> {
    if !output.is_empty() && writer.write_buf(output).await? == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    if output.is_empty() {
        writer.flush().await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::duplex;

    #[tokio::test]
    async fn the_first_line_is_the_banner_and_no_empty_line_follows_it() {
        let (ours, mut theirs) = duplex(4096);
        theirs
            .write_all(b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n")
            .await
            .unwrap();
        let mut stream = BufferedStream::new(ours);
        let banner = stream.banner().await.unwrap().unwrap();
        assert_eq!(banner, "Asterisk Call Manager/11.0.0\r\n");
        let message = stream.codec.next(&mut stream.input).unwrap().unwrap();
        assert!(message.is_response());
    }

    #[tokio::test]
    async fn an_endless_banner_is_cut_and_one_that_the_stream_cuts_off_is_given() {
        for (sent, expected) in [(MAX_BANNER + 1, Some(MAX_BANNER)), (7, Some(7)), (0, None)] {
            let (ours, mut theirs) = duplex(4096);
            theirs.write_all(&vec![b'x'; sent]).await.unwrap();
            drop(theirs);
            let banner = BufferedStream::new(ours).banner().await.unwrap();
            assert_eq!(banner.map(|line| line.len()), expected);
        }
    }
}
