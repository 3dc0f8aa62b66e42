//! Where lines end: found eight bytes at a time, and remembered for one message.
//!
//! The search for the end of a message has to look at every byte once. What it learns on the way, where each line
//! ends, is kept beside the message in a small array, so that looking up a header is a walk over the keys and not
//! over the bytes. What a line means is not known here.

use std::ops::ControlFlow;

use memchr::memchr;

/// Lines that are remembered of one message. The longest events of Asterisk have about 45.
const ROOM: usize = 64;

/// Where the first lines of a message end, counted from its beginning.
///
/// Of a message with more lines than there is room for, or with lines beyond 64 KiB, the others are found by search:
/// no peer can make this grow.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    count: u8,
    at: [u16; ROOM],
}

impl Ends {
    /// Nothing is known.
    pub(super) const NONE: Self = Self {
        count: 0,
        at: [0; ROOM],
    };

    /// Looks through a whole message.
    pub(super) fn of(frame: &[u8]) -> Self {
        let mut ends = Self::NONE;
        let _ = each_line_feed(frame, 0, |at| {
            if ends.push(at) {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        ends
    }

    /// Remembers the next line feed; says whether there was room.
    fn push(&mut self, at: usize) -> bool {
        let (Some(slot), Ok(at)) = (self.at.get_mut(usize::from(self.count)), u16::try_from(at))
        else {
            return false;
        };
        *slot = at;
        self.count += 1;
        true
    }

    fn known(&self) -> &[u16] {
        &self.at[..usize::from(self.count)]
    }
}

/// The lines of a message without their ends.
pub(super) struct Lines<'a> {
    frame: &'a [u8],
    start: usize,
    known: std::slice::Iter<'a, u16>,
}

impl<'a> Lines<'a> {
    /// Of a message of which it is not known where they end.
    pub(super) fn new(frame: &'a [u8]) -> Self {
        Self::with(frame, &Ends::NONE)
    }

    pub(super) fn with(frame: &'a [u8], ends: &'a Ends) -> Self {
        Self {
            frame,
            start: 0,
            known: ends.known().iter(),
        }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.frame.get(self.start..)?;
        let length = match self.known.next() {
            Some(&end) => usize::from(end) - self.start,
            None if rest.is_empty() => return None,
            None => memchr(b'\n', rest).unwrap_or(rest.len()),
        };
        self.start += length + 1;
        Some(without_return(&rest[..length]))
    }
}

pub(super) fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// The end of a message: its length, and where the next begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct End {
    pub(super) content: usize,
    pub(super) total: usize,
}

/// The search for the empty line that ends a message, over a buffer that grows. No byte is looked at twice.
#[derive(Debug)]
pub(super) struct Search {
    /// Up to here the buffer was looked at; 0 before anything was, and again when an end is found.
    scanned: usize,
    /// Where the line begins that `scanned` stands in.
    line: usize,
    ends: Ends,
}

impl Search {
    pub(super) const fn new() -> Self {
        Self {
            scanned: 0,
            line: 0,
            ends: Ends::NONE,
        }
    }

    /// Begins anew at the beginning of the buffer.
    pub(super) fn reset(&mut self) {
        self.scanned = 0;
    }

    /// How far the buffer was looked at.
    pub(super) fn scanned(&self) -> usize {
        self.scanned
    }

    /// Where the lines end of the message that is being looked at, or was found last.
    pub(super) fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Where an empty line may begin of which not all has come: what lies before it holds no end for certain.
    pub(super) fn open(&self, buffer: &[u8]) -> usize {
        match (self.line, &buffer[self.line..]) {
            // The line feed before it is a part of the end.
            (1.., [] | [b'\r']) => self.line - 1,
            _ => buffer.len(),
        }
    }

    /// Looks on; `None` says that the end has not come. The first line is never taken for an empty one.
    pub(super) fn find(&mut self, buffer: &[u8]) -> Option<End> {
        let Self {
            scanned,
            line,
            ends,
        } = self;
        if *scanned == 0 {
            *line = 0;
            ends.count = 0;
        }
        let found = each_line_feed(buffer, *scanned, |at| {
            let length = at - *line;
            if *line > 0 && (length == 0 || length == 1 && buffer[*line] == b'\r') {
                return ControlFlow::Break(End {
                    content: *line,
                    total: at + 1,
                });
            }
            ends.push(at);
            *line = at + 1;
            ControlFlow::Continue(())
        });
        *scanned = match found {
            ControlFlow::Break(_) => 0,
            ControlFlow::Continue(()) => buffer.len(),
        };
        found.break_value()
    }
}

/// Calls for every line feed from a place on.
#[inline]
fn each_line_feed<B>(
    buffer: &[u8],
    from: usize,
    mut call: impl FnMut(usize) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let (words, tail) = buffer[from..].as_chunks::<8>();
    let mut base = from;
    for word in words {
        let mut hits = line_feeds(u64::from_le_bytes(*word));
        while hits != 0 {
            // One byte in eight bits, the first in the lowest.
            call(base + hits.trailing_zeros() as usize / 8)?;
            hits &= hits - 1;
        }
        base += 8;
    }
    for (place, &byte) in tail.iter().enumerate() {
        if byte == b'\n' {
            call(base + place)?;
        }
    }
    ControlFlow::Continue(())
}

/// The highest bit of each byte that is a line feed, and no other bit.
const fn line_feeds(word: u64) -> u64 {
    const EACH: u64 = u64::from_le_bytes([1; 8]);
    const LOW: u64 = 0x7f * EACH;
    let zero_where = word ^ (b'\n' as u64 * EACH);
    // No carry crosses a byte, so there is no false hit beside a true one.
    !(((zero_where & LOW) + LOW) | zero_where | LOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_feed_is_found_among_any_neighbours() {
        for place in 0..8 {
            for other in 0..=255_u8 {
                let mut bytes = [other; 8];
                bytes[place] = b'\n';
                let hits = line_feeds(u64::from_le_bytes(bytes));
                let expected = if other == b'\n' {
                    0x8080_8080_8080_8080
                } else {
                    0x80 << (8 * place)
                };
                assert_eq!(hits, expected, "{other} around place {place}");
            }
        }
    }

    #[test]
    fn a_message_of_more_lines_than_are_remembered_is_read_whole() {
        let lines: Vec<String> = (0..3 * ROOM).map(|n| format!("K{n}: {n}")).collect();
        let frame = lines.join("\r\n");
        let ends = Ends::of(frame.as_bytes());
        assert_eq!(usize::from(ends.count), ROOM);
        let found: Vec<_> = Lines::with(frame.as_bytes(), &ends).collect();
        let expected: Vec<_> = lines.iter().map(String::as_bytes).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_beyond_64_kib_is_found_by_search() {
        let frame = [&b"A: 1\n"[..], &b"x".repeat(70_000), b"\nB: 2\nC: 3\n"].concat();
        let ends = Ends::of(&frame);
        assert_eq!(ends.known(), [4]);
        let found: Vec<_> = Lines::with(&frame, &ends).collect();
        assert_eq!(found.len(), 4);
        assert_eq!(found[2..], [b"B: 2", b"C: 3"]);
    }

    proptest! {
        #[test]
        fn lines_are_the_same_whether_their_ends_are_known_or_not(frame in "[a\r\n]{0,60}") {
            let frame = frame.as_bytes();
            let ends = Ends::of(frame);
            prop_assert!(Lines::new(frame).eq(Lines::with(frame, &ends)));
        }
    }
}
