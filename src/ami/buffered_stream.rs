//! A byte stream with its two buffers, and the steps of reading and writing it.

use std::io;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};

use crate::ami::action::Action;
use crate::ami::codec::{Codec, Frame};
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

/// How much is read at once at least, if so much has come.
const READ: usize = 32 * 1024;

impl<S: AsyncRead + AsyncWrite> BufferedStream<S> {
    pub(super) fn new(stream: S) -> Self {
        let (reader, writer) = tokio::io::split(stream);
        Self {
            reader,
            writer,
            codec: Codec::new(),
            input: BytesMut::with_capacity(2 * READ),
            output: BytesMut::new(),
        }
    }

    /// Reads what has come; 0 at the end of the stream. Cancel safe.
    pub(super) async fn read(&mut self) -> io::Result<usize> {
        read(&mut self.reader, &mut self.input).await
    }

    /// The next frame, or `None` at the end of the stream.
    pub(super) async fn frame(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(piece) = self.codec.find(&mut self.input) {
                return Ok(Some(self.codec.take(piece, &mut self.input)));
            }
            if self.read().await? == 0 {
                let piece = self.codec.find_at_end(&mut self.input);
                return Ok(piece.map(|piece| self.codec.take(piece, &mut self.input)));
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
        while let Some(frame) = self.frame().await? {
            if let Frame::Message(message) = frame
                && message.is_response()
            {
                return Ok(Some(message));
            }
        }
        Ok(None)
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
