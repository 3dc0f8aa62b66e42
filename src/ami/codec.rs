//! Where one AMI message ends and the next begins.
//!
//! The stream is messages of header lines that each end with an empty line. This module finds the ends and survives
//! whatever else may come; it does not know what a message means.

use std::ops::ControlFlow;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr;

use crate::ami::line_ends::{LineEnds, each_line_feed};
use crate::ami::message::{Message, split_header};

/// The longest message that is kept, in bytes, its final empty line not counted. Asterisk's own are a few
/// kilobytes; only the output of a CLI command comes anywhere near.
pub const MAX_MESSAGE: usize = 1024 * 1024;

/// How much of the first line of something skipped is kept for the log.
const MAX_HEAD: usize = 80;

/// Something that could not be used and was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedBytes {
    /// How long it was, its final empty line included.
    pub bytes: usize,
    /// What was wrong with it.
    pub why: &'static str,
    /// The beginning of its first line.
    pub head: Bytes,
}

/// The message at the beginning of the buffer: `content` bytes, and the next begins at `total`.
#[derive(Debug, Clone, Copy)]
pub(super) struct MessageSpan {
    pub(super) content: usize,
    pub(super) total: usize,
}

/// Cuts a byte stream into [`Message`]s.
///
/// Lines end with `\r\n` or `\n`, and so does the empty line after a message, in any mixture: some versions of
/// Asterisk ended one list with `\r\n\n`. Empty lines between messages mean nothing. A message is passed over when
/// it is longer than [`MAX_MESSAGE`], or when its first line is no header. How the bytes were cut into reads never
/// changes the messages, and no byte is looked at for an end twice.
#[derive(Debug)]
pub struct Codec {
    /// The message that the buffer is inside of, if that is too long: what was thrown away of it so far.
    too_long: Option<SkippedBytes>,
    /// Up to here the buffer was looked at; 0 before anything was, and again when an end is found.
    scanned: usize,
    /// Where the line begins that `scanned` is in.
    line: usize,
    /// Where the lines end of the message that is looked at, or was found last.
    pub(super) ends: LineEnds,
    limit: usize,
}

const TOO_LONG: &str = "a message is too long";
const NO_HEADER: &str = "the first line of a message is no header";
const CUT_OFF: &str = "the stream ended inside a message";

impl Default for Codec {
    fn default() -> Self {
        Self {
            too_long: None,
            scanned: 0,
            line: 0,
            ends: LineEnds::NONE,
            limit: MAX_MESSAGE,
        }
    }
}

impl Codec {
    /// Takes the next message out of the buffer; `None` says that more bytes are needed.
    pub fn next(&mut self, buffer: &mut BytesMut) -> Option<Result<Message, SkippedBytes>> {
        let found = self.find(buffer)?;
        Some(found.map(|span| self.take(span, buffer)))
    }

    /// Looks for the next message; `None` says that more bytes are needed.
    ///
    /// What is found is left in the buffer, so that an unwanted message costs nothing. The caller takes its `total` bytes
    /// out before it asks again. What is skipped is taken out already.
    pub(super) fn find(
        &mut self,
        buffer: &mut BytesMut,
    ) -> Option<Result<MessageSpan, SkippedBytes>> {
        if self.scanned == 0 && self.too_long.is_none() {
            drop_empty_lines(buffer);
            if **buffer == *b"\r" {
                return None;
            }
        }
        let Some(span) = self.find_end(buffer) else {
            // An end found from here on would come after more than the limit.
            let bytes = self.open(buffer);
            if self.too_long.is_some() || bytes >= self.limit {
                let skipped = self.too_long.get_or_insert_with(|| skip(TOO_LONG, buffer));
                skipped.bytes += bytes;
                self.scanned = 0;
                buffer.advance(bytes);
            }
            return None;
        };
        let mut skipped = match self.too_long.take() {
            Some(skipped) => skipped,
            None if span.content > self.limit => skip(TOO_LONG, buffer),
            None if self.begins_with_header(&buffer[..span.content]) => return Some(Ok(span)),
            None => skip(NO_HEADER, buffer),
        };
        skipped.bytes += span.total;
        buffer.advance(span.total);
        Some(Err(skipped))
    }

    /// Takes the message that was found last out of the buffer, without copying.
    pub(super) fn take(&self, span: MessageSpan, buffer: &mut BytesMut) -> Message {
        let mut frame = buffer.split_to(span.total);
        frame.truncate(span.content);
        Message::indexed(frame.freeze(), self.ends)
    }

    /// What is left of a message when the stream has ended and nothing more is found.
    pub(super) fn take_rest(&mut self, buffer: &mut BytesMut) -> Option<SkippedBytes> {
        let too_long = self.too_long.take();
        let mut skipped = too_long.unwrap_or_else(|| skip(CUT_OFF, buffer));
        skipped.why = CUT_OFF;
        skipped.bytes += buffer.len();
        buffer.clear();
        self.scanned = 0;
        (skipped.bytes > 0).then_some(skipped)
    }

    /// The message at the beginning of the buffer; `None` says that its end has not come. The first line is never taken for
    /// an empty one.
    fn find_end(&mut self, buffer: &[u8]) -> Option<MessageSpan> {
        if self.scanned == 0 {
            self.line = 0;
            self.ends.clear();
        }
        let (line, ends) = (&mut self.line, &mut self.ends);
        let found = each_line_feed(buffer, self.scanned, |at| {
            let length = at - *line;
            if *line > 0 && (length == 0 || length == 1 && buffer[*line] == b'\r') {
                return ControlFlow::Break(MessageSpan {
                    content: *line,
                    total: at + 1,
                });
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

fn drop_empty_lines(buffer: &mut BytesMut) {
    loop {
        match buffer[..] {
            [b'\n', ..] => buffer.advance(1),
            [b'\r', b'\n', ..] => buffer.advance(2),
            _ => return,
        }
    }
}

/// Begins to skip what is in the buffer.
fn skip(why: &'static str, buffer: &[u8]) -> SkippedBytes {
    let line = &buffer[..memchr(b'\n', buffer).unwrap_or(buffer.len())];
    SkippedBytes {
        bytes: 0,
        why,
        head: Bytes::copy_from_slice(&line[..line.len().min(MAX_HEAD)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Frame = Result<Message, SkippedBytes>;

    fn short(limit: usize) -> Codec {
        Codec {
            limit,
            ..Codec::default()
        }
    }

    /// Feeds the chunks one after the other, then the end of the stream.
    fn frames<'a>(mut codec: Codec, chunks: impl IntoIterator<Item = &'a [u8]>) -> Vec<Frame> {
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for chunk in chunks {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = codec.next(&mut buffer) {
                frames.push(frame);
            }
        }
        frames.extend(codec.take_rest(&mut buffer).map(Err));
        assert!(buffer.is_empty());
        frames
    }

    #[expect(clippy::unnecessary_wraps, reason = "as the codec's frames are")]
    fn message(text: &'static str) -> Frame {
        Ok(Message::from_bytes(text.as_bytes()))
    }

    #[test]
    fn every_kind_of_empty_line_ends_a_message() {
        let stream = b"A: 1\r\n\r\nB: 2\r\n\nC: 3\n\nD: 4\n\r\n\r\n\nE: \r\n\r\n";
        assert_eq!(
            frames(Codec::default(), [&stream[..]]),
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
        let frames = frames(Codec::default(), [&stream[..]]);
        assert_eq!(
            frames[0],
            Err(SkippedBytes {
                bytes: 39,
                why: NO_HEADER,
                head: Bytes::from_static(b"HTTP/1.1 400 Bad Request\r"),
            })
        );
        let Ok(message) = &frames[1] else {
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
                    Err(SkippedBytes {
                        bytes: 20,
                        why: TOO_LONG,
                        head: Bytes::from_static(b"B: 3456789\r"),
                    }),
                    message("D: 1\n"),
                ]
            );
        }
    }

    #[test]
    fn a_message_that_never_ends_takes_no_more_memory_than_the_limit() {
        let mut codec = Codec::default();
        let mut buffer = BytesMut::new();
        for _ in 0..(3 * MAX_MESSAGE / 4096) {
            buffer.extend_from_slice(&[b'x'; 4096]);
            assert_eq!(codec.next(&mut buffer), None);
            assert!(buffer.len() <= MAX_MESSAGE + 4096);
        }
        buffer.extend_from_slice(b"\r\n\r\n");
        assert!(matches!(
            codec.next(&mut buffer),
            Some(Err(SkippedBytes { bytes, .. })) if bytes == 3 * MAX_MESSAGE + 4
        ));
    }

    #[test]
    fn a_message_cut_off_by_the_end_of_the_stream_is_reported() {
        assert_eq!(
            frames(Codec::default(), [&b"Event: Hangup\r\nCau"[..]]),
            [Err(SkippedBytes {
                bytes: 18,
                why: CUT_OFF,
                head: Bytes::from_static(b"Event: Hangup\r"),
            })]
        );
    }

    #[test]
    fn an_end_is_found_at_every_distance_from_the_beginning() {
        for end in ["\r\n\r\n", "\n\n", "\r\n\n", "\n\r\n"] {
            for length in 0..24 {
                let stream = format!("A: {}{end}B: 1\n\n", "x".repeat(length));
                let frames = frames(Codec::default(), [stream.as_bytes()]);
                assert_eq!(frames.len(), 2, "{end:?} {length}");
                assert_eq!(frames[1], message("B: 1\n"));
            }
        }
    }

    #[test]
    fn bytes_that_come_one_at_a_time_are_not_searched_again() {
        let mut codec = Codec::default();
        let mut buffer = BytesMut::new();
        for _ in 0..1000 {
            buffer.extend_from_slice(b"x");
            codec.next(&mut buffer);
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
        ) {
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
            prop_assert_eq!(frames(short(limit), chunks), frames(short(limit), [&stream[..]]));
        }

        #[test]
        fn any_bytes_at_all_are_survived(stream: Vec<u8>) {
            for message in frames(Codec::default(), [&stream[..]]).into_iter().flatten() {
                let _ = (message.event(), message.is_response(), message.headers().count());
                let _ = format!("{message:?}");
            }
        }
    }
}
