//! Where one AMI message ends and the next begins.
//!
//! The stream is a banner line, then messages of header lines that each end with an empty line. This module finds
//! the ends and survives whatever else may come; it does not know what a message means.

use std::io;
use std::ops::ControlFlow;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;
use tokio_util::codec::Decoder;

use crate::ami::line_ends::{LineEnds, each_line_feed};
use crate::ami::message::{Message, split_header};

/// The longest message that is kept, in bytes, its final empty line not counted. Asterisk's own are a few
/// kilobytes; only the output of a CLI command comes anywhere near.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// The longest banner, in bytes. Asterisk's is about 30.
pub const MAX_BANNER: usize = 1024;

/// How much of the first line of something skipped is kept for the log.
const MAX_HEAD: usize = 80;

/// A piece of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Frame {
    /// The first line of a session, without its end. A line longer than [`MAX_BANNER`] is cut there.
    Banner(Bytes),
    /// One message.
    Message(Message),
    /// Something that could not be used and was passed over.
    Skipped {
        /// How long it was, its final empty line included.
        bytes: usize,
        /// What was wrong with it.
        why: &'static str,
        /// The beginning of its first line.
        head: Bytes,
    },
}

/// A piece of the stream at the beginning of the buffer.
#[derive(Debug)]
pub(super) enum StreamPiece {
    /// A banner line of `content` bytes; the next piece begins at `total`.
    Banner { content: usize, total: usize },
    /// A message of `content` bytes; the next piece begins at `total`.
    Message { content: usize, total: usize },
    /// Something unusable, already taken out of the buffer.
    Skipped {
        bytes: usize,
        why: &'static str,
        head: Bytes,
    },
}

/// Cuts a byte stream into [`Frame`]s.
///
/// Lines end with `\r\n` or `\n`, and so does the empty line after a message, in any mixture: some versions of
/// Asterisk ended one list with `\r\n\n`. Empty lines between messages mean nothing. A message is passed over when
/// it is longer than [`MAX_MESSAGE`], or when its first line is no header. How the bytes were cut into reads never
/// changes the frames, and no byte is looked at for an end twice.
#[derive(Debug)]
pub struct Codec {
    state: CodecState,
    /// Up to here the buffer was looked at; 0 before anything was, and again when an end is found.
    scanned: usize,
    /// Where the line begins that `scanned` is in.
    line: usize,
    /// Where the lines end of the message that is looked at, or was found last.
    ends: LineEnds,
    limit: usize,
}

#[derive(Debug)]
enum CodecState {
    Banner,
    Messages,
    /// Inside a message that is too long: what of it was thrown away so far.
    TooLong {
        bytes: usize,
        head: Bytes,
    },
}

const TOO_LONG: &str = "a message is too long";
const NO_HEADER: &str = "the first line of a message is no header";
const CUT_OFF: &str = "the stream ended inside a message";

impl Codec {
    /// For what Asterisk sends: a banner, then messages.
    pub fn new() -> Self {
        Self {
            state: CodecState::Banner,
            scanned: 0,
            line: 0,
            ends: LineEnds::NONE,
            limit: MAX_MESSAGE,
        }
    }

    /// For what a client sends: messages from the first byte.
    pub fn without_banner() -> Self {
        Self {
            state: CodecState::Messages,
            ..Self::new()
        }
    }

    /// Looks for the next piece; `None` says that more bytes are needed.
    ///
    /// A banner or message found is left in the buffer, so that an unwanted one costs nothing. The caller takes
    /// its `total` bytes out before it asks again.
    pub(super) fn find(&mut self, buffer: &mut BytesMut) -> Option<StreamPiece> {
        match &self.state {
            CodecState::Banner => self.find_banner(buffer),
            CodecState::Messages => self.find_message(buffer),
            CodecState::TooLong { .. } => self.find_end_of_too_long(buffer),
        }
    }

    pub(super) fn ends(&self) -> &LineEnds {
        &self.ends
    }

    /// What is left when the stream has ended, if anything is.
    pub(super) fn find_at_end(&mut self, buffer: &mut BytesMut) -> Option<StreamPiece> {
        if let Some(piece) = self.find(buffer) {
            return Some(piece);
        }
        let (skipped, head) = match std::mem::replace(&mut self.state, CodecState::Messages) {
            CodecState::TooLong { bytes, head } => (bytes, head),
            CodecState::Banner | CodecState::Messages => (0, head_of(buffer)),
        };
        let bytes = skipped + buffer.len();
        buffer.clear();
        self.scanned = 0;
        (bytes > 0).then_some(StreamPiece::Skipped {
            bytes,
            why: CUT_OFF,
            head,
        })
    }

    /// Takes what was found last out of the buffer.
    pub(super) fn take(&self, piece: StreamPiece, buffer: &mut BytesMut) -> Frame {
        match piece {
            StreamPiece::Banner { content, total } => Frame::Banner(split(buffer, content, total)),
            StreamPiece::Message { content, total } => {
                Frame::Message(Message::indexed(split(buffer, content, total), self.ends))
            }
            StreamPiece::Skipped { bytes, why, head } => Frame::Skipped { bytes, why, head },
        }
    }

    fn find_banner(&mut self, buffer: &[u8]) -> Option<StreamPiece> {
        let line = &buffer[..buffer.len().min(MAX_BANNER)];
        let (content, total) = match memchr(b'\n', line) {
            Some(end) => (
                line[..end].strip_suffix(b"\r").map_or(end, <[u8]>::len),
                end + 1,
            ),
            None if line.len() == MAX_BANNER => (MAX_BANNER, MAX_BANNER),
            None => return None,
        };
        self.state = CodecState::Messages;
        Some(StreamPiece::Banner { content, total })
    }

    fn find_message(&mut self, buffer: &mut BytesMut) -> Option<StreamPiece> {
        if self.scanned == 0 {
            drop_empty_lines(buffer);
            if **buffer == *b"\r" {
                return None;
            }
        }
        let Some((content, total)) = self.find_end(buffer) else {
            // An end found from here on would come after more than the limit.
            let bytes = self.open(buffer);
            if bytes >= self.limit {
                let head = head_of(buffer);
                self.state = CodecState::TooLong { bytes, head };
                self.scanned = 0;
                buffer.advance(bytes);
            }
            return None;
        };
        let why = if content > self.limit {
            TOO_LONG
        } else if self.begins_with_header(&buffer[..content]) {
            return Some(StreamPiece::Message { content, total });
        } else {
            NO_HEADER
        };
        let head = head_of(buffer);
        buffer.advance(total);
        Some(StreamPiece::Skipped {
            bytes: total,
            why,
            head,
        })
    }

    fn find_end_of_too_long(&mut self, buffer: &mut BytesMut) -> Option<StreamPiece> {
        let end = self.find_end(buffer);
        let open = self.open(buffer);
        let CodecState::TooLong { bytes, head } = &mut self.state else {
            return None;
        };
        let Some((_, total)) = end else {
            self.scanned = 0;
            *bytes += open;
            buffer.advance(open);
            return None;
        };
        buffer.advance(total);
        let piece = StreamPiece::Skipped {
            bytes: *bytes + total,
            why: TOO_LONG,
            head: std::mem::take(head),
        };
        self.state = CodecState::Messages;
        Some(piece)
    }

    /// The length of the message at the beginning of the buffer, and where the next begins; `None` says that the end has
    /// not come. The first line is never taken for an empty one.
    fn find_end(&mut self, buffer: &[u8]) -> Option<(usize, usize)> {
        if self.scanned == 0 {
            self.line = 0;
            self.ends.clear();
        }
        let (line, ends) = (&mut self.line, &mut self.ends);
        let found = each_line_feed(buffer, self.scanned, |at| {
            let length = at - *line;
            if *line > 0 && (length == 0 || length == 1 && buffer[*line] == b'\r') {
                return ControlFlow::Break((*line, at + 1));
            }
            ends.push(at);
            *line = at + 1;
            ControlFlow::Continue(())
        });
        self.scanned = match found {
            ControlFlow::Break(_) => 0,
            ControlFlow::Continue(()) => buffer.len(),
        };
        found.break_value()
    }

    /// Where an empty line may begin of which not all has come: what lies before it holds no end for certain.
    fn open(&self, buffer: &[u8]) -> usize {
        match (self.line, &buffer[self.line..]) {
            // The line feed before it is a part of the end.
            (1.., [] | [b'\r']) => self.line - 1,
            _ => buffer.len(),
        }
    }

    fn begins_with_header(&self, frame: &[u8]) -> bool {
        let first = || self.ends.lines(frame).next();
        frame.starts_with(b"Event: ") || first().is_some_and(|line| split_header(line).is_some())
    }
}

impl Default for Codec {
    fn default() -> Self {
        Self::new()
    }
}

impl Decoder for Codec {
    type Item = Frame;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, io::Error> {
        Ok(self.find(buffer).map(|piece| self.take(piece, buffer)))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, io::Error> {
        let piece = self.find_at_end(buffer);
        Ok(piece.map(|piece| self.take(piece, buffer)))
    }
}

/// Takes `total` bytes out of the buffer and gives the first `content` of them, without copying.
pub(super) fn split(buffer: &mut BytesMut, content: usize, total: usize) -> Bytes {
    let mut frame = buffer.split_to(total);
    frame.truncate(content);
    frame.freeze()
}

fn drop_empty_lines(buffer: &mut BytesMut) {
    loop {
        match buffer[..] {
            [b'\n', ..] => buffer.advance(1),
            [b'\r', b'\n', ..] => buffer.advance(2),
            _ => return,
        }
    }
}

fn first_line(bytes: &[u8]) -> &[u8] {
    &bytes[..memchr(b'\n', bytes).unwrap_or(bytes.len())]
}

fn head_of(buffer: &[u8]) -> Bytes {
    let line = first_line(buffer);
    Bytes::copy_from_slice(&line[..line.len().min(MAX_HEAD)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn short(limit: usize) -> Codec {
        Codec {
            limit,
            ..Codec::without_banner()
        }
    }

    /// Feeds the chunks one after the other, then the end of the stream.
    fn frames<'a>(mut codec: Codec, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = codec.decode(&mut buffer).unwrap() {
                frames.push(frame);
            }
        }
        while let Some(frame) = codec.decode_eof(&mut buffer).unwrap() {
            frames.push(frame);
        }
        assert!(buffer.is_empty());
        frames
    }

    fn message(text: &'static str) -> Frame {
        Frame::Message(Message::from_bytes(text.as_bytes()))
    }

    #[test]
    fn the_first_line_is_the_banner_and_no_empty_line_follows_it() {
        let stream = b"Asterisk Call Manager/11.0.0\r\nResponse: Success\r\n\r\n";
        assert_eq!(
            frames(Codec::new(), [&stream[..]]),
            [
                Frame::Banner(Bytes::from_static(b"Asterisk Call Manager/11.0.0")),
                message("Response: Success\r\n"),
            ]
        );
    }

    #[test]
    fn an_endless_banner_is_cut() {
        let stream = vec![b'x'; MAX_BANNER + 1];
        let frames = frames(Codec::new(), stream.chunks(7));
        assert_eq!(
            frames[0],
            Frame::Banner(Bytes::from(vec![b'x'; MAX_BANNER]))
        );
    }

    #[test]
    fn every_kind_of_empty_line_ends_a_message() {
        let stream = b"A: 1\r\n\r\nB: 2\r\n\nC: 3\n\nD: 4\n\r\n\r\n\nE: \r\n\r\n";
        assert_eq!(
            frames(Codec::without_banner(), [&stream[..]]),
            [
                message("A: 1\r\n"),
                message("B: 2\r\n"),
                message("C: 3\n"),
                message("D: 4\n"),
                message("E: \r\n"),
            ]
        );
    }

    #[test]
    fn a_message_without_a_header_at_its_head_is_passed_over_and_the_next_is_read() {
        let stream =
            b"HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\nEvent: A\r\nnonsense\r\nX: y\r\n\r\n";
        let frames = frames(Codec::without_banner(), [&stream[..]]);
        assert_eq!(
            frames[0],
            Frame::Skipped {
                bytes: 39,
                why: NO_HEADER,
                head: Bytes::from_static(b"HTTP/1.1 400 Bad Request\r"),
            }
        );
        let Frame::Message(message) = &frames[1] else {
            panic!("{frames:?}")
        };
        assert_eq!(message.get("X"), Some(&b"y"[..]));
    }

    #[test]
    fn a_message_of_the_greatest_length_is_kept_and_a_longer_one_is_reported_once() {
        for chunk in [1, 3, 64] {
            let kept = b"A: 345678\r\n\r\n";
            let stream = [&kept[..], b"B: 3456789\r\nC: 1\r\n\r\n", b"D: 1\n\n"].concat();
            assert_eq!(
                frames(short(11), stream.chunks(chunk)),
                [
                    message("A: 345678\r\n"),
                    Frame::Skipped {
                        bytes: 20,
                        why: TOO_LONG,
                        head: Bytes::from_static(b"B: 3456789\r"),
                    },
                    message("D: 1\n"),
                ]
            );
        }
    }

    #[test]
    fn a_message_that_never_ends_takes_no_more_memory_than_the_limit() {
        let mut codec = Codec::without_banner();
        let mut buffer = BytesMut::new();
        for _ in 0..(3 * MAX_MESSAGE / 4096) {
            buffer.extend_from_slice(&[b'x'; 4096]);
            assert_eq!(codec.decode(&mut buffer).unwrap(), None);
            assert!(buffer.len() <= MAX_MESSAGE + 4096);
        }
        buffer.extend_from_slice(b"\r\n\r\n");
        assert!(matches!(
            codec.decode(&mut buffer).unwrap(),
            Some(Frame::Skipped { bytes, .. }) if bytes == 3 * MAX_MESSAGE + 4
        ));
    }

    #[test]
    fn a_message_cut_off_by_the_end_of_the_stream_is_reported() {
        assert_eq!(
            frames(Codec::without_banner(), [&b"Event: Hangup\r\nCau"[..]]),
            [Frame::Skipped {
                bytes: 18,
                why: CUT_OFF,
                head: Bytes::from_static(b"Event: Hangup\r"),
            }]
        );
    }

    #[test]
    fn an_end_is_found_at_every_distance_from_the_beginning() {
        for end in ["\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"] {
            for length in 0..24 {
                let stream = format!("A: {}{end}B: 1\n\n", "x".repeat(length));
                let frames = frames(Codec::without_banner(), [stream.as_bytes()]);
                assert_eq!(frames.len(), 2, "{end:?} {length}");
                assert_eq!(frames[1], message("B: 1\n"));
            }
        }
    }

    #[test]
    fn bytes_that_come_one_at_a_time_are_not_searched_again() {
        let mut codec = Codec::without_banner();
        let mut buffer = BytesMut::new();
        for _ in 0..1000 {
            buffer.extend_from_slice(b"x");
            codec.decode(&mut buffer).unwrap();
            assert_eq!(codec.scanned, buffer.len());
        }
    }

    /// Bytes that look a little like AMI, so that ends, colons and returns meet in every way.
    fn nearly_ami() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop_oneof![
            4 => Just(b"\r\n".to_vec()),
            2 => Just(b"\n".to_vec()),
            1 => Just(b"\r".to_vec()),
            2 => Just(b"K: v".to_vec()),
            1 => Just(b":".to_vec()),
            1 => proptest::collection::vec(any::<u8>(), 0..12),
        ];
        proptest::collection::vec(piece, 0..200).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn reads_of_any_size_give_the_same_frames(
            stream in nearly_ami(),
            sizes in proptest::collection::vec(1..9_usize, 1..8),
            limit in MAX_HEAD..120_usize,
            banner: bool,
        ) {
            let codec = || Codec {
                state: if banner { CodecState::Banner } else { CodecState::Messages },
                ..short(limit)
            };
            let mut chunks = Vec::new();
            let mut rest = &stream[..];
            for size in sizes.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (chunk, after) = rest.split_at((*size).min(rest.len()));
                chunks.push(chunk);
                rest = after;
            }
            prop_assert_eq!(frames(codec(), chunks), frames(codec(), [&stream[..]]));
        }

        #[test]
        fn any_bytes_at_all_are_survived(stream: Vec<u8>) {
            for frame in frames(Codec::new(), [&stream[..]]) {
                if let Frame::Message(message) = frame {
                    let _ = (message.event(), message.is_response(), message.headers().count());
                    let _ = format!("{message:?}");
                }
            }
        }
    }
}
