//! What came, and where it goes: to the request that waits for it, to the handler, or nowhere.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::time::Instant;

use crate::ami::action::Action;
use crate::ami::buffered_stream::BufferedStream;
use crate::ami::client::Reply;
use crate::ami::codec::{StreamPiece, split};
use crate::ami::errors::RequestError;
use crate::ami::handler::Handler;
use crate::ami::line_ends::{LineEnds, lines};
use crate::ami::message::{Message, event_name, header, shown, shown_line};

/// The `ActionID`s of what the session itself sends, whose answers are dropped.
const OWN_IDS: [&[u8]; 2] = [b"keepalive", b"logoff"];

/// At most one warning about malformed input in this time.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// Who waits for the answer to an action.
pub(super) enum Pending {
    Response(Reply<Message>),
    List(Reply<Vec<Message>>, Vec<Message>),
}

impl Pending {
    /// Whether the one who asked has given up waiting.
    fn is_abandoned(&self) -> bool {
        match self {
            Self::Response(reply) => reply.is_closed(),
            Self::List(reply, _) => reply.is_closed(),
        }
    }
}

#[derive(Default)]
pub(super) struct Inbox {
    /// By `ActionID`.
    pending: HashMap<Vec<u8>, Pending>,
    /// `FullyBooted` has come.
    pub(super) booted: bool,
    /// `Shutdown` has come.
    pub(super) shutdown: bool,
    /// A response has come since this was last set to false.
    pub(super) answered: bool,
    pub(super) complaints: Complaints,
}

impl Inbox {
    /// From now on the answer to this action goes there.
    pub(super) fn expect(&mut self, action: &Action, pending: Pending) {
        self.pending.retain(|_, pending| !pending.is_abandoned());
        self.pending.insert(action.action_id().to_vec(), pending);
    }

    /// Hands on everything that has come whole.
    pub(super) fn take_all<S, H: Handler>(
        &mut self,
        stream: &mut BufferedStream<S>,
        handler: &mut H,
        now: Instant,
    ) {
        while let Some(piece) = stream.codec.find(&mut stream.input) {
            self.take(piece, stream, handler, now);
        }
    }

    /// Reports what was cut off by the end of the stream.
    pub(super) fn take_rest<S, H: Handler>(
        &mut self,
        stream: &mut BufferedStream<S>,
        handler: &mut H,
        now: Instant,
    ) {
        while let Some(piece) = stream.codec.find_at_end(&mut stream.input) {
            self.take(piece, stream, handler, now);
        }
    }

    fn take<S, H: Handler>(
        &mut self,
        piece: StreamPiece,
        stream: &mut BufferedStream<S>,
        handler: &mut H,
        now: Instant,
    ) {
        let BufferedStream { codec, input, .. } = stream;
        let ends = codec.ends();
        let (content, total) = match piece {
            StreamPiece::Message { content, total } => (content, total),
            StreamPiece::Skipped { bytes, why, head } => {
                self.complaints.add(why, bytes, &head, now);
                return;
            }
            // The login has taken the only one.
            StreamPiece::Banner { total, .. } => {
                input.advance(total);
                return;
            }
        };
        let frame = &input[..content];
        let Some(name) = event_name(frame, ends) else {
            self.response(
                &Message::indexed(split(input, content, total), *ends),
                handler,
                now,
            );
            return;
        };
        match name {
            b"FullyBooted" => self.booted = true,
            b"Shutdown" => self.shutdown = true,
            _ => {}
        }
        // Mostly no list is awaited, and then no event's id is looked for.
        let is_listed = !self.pending.is_empty() && self.list_event(frame, ends);
        if !is_listed && handler.wants(name) {
            handler.event(&Message::indexed(split(input, content, total), *ends), now);
        } else {
            input.advance(total);
        }
    }

    fn response<H: Handler>(&mut self, message: &Message, handler: &mut H, now: Instant) {
        if message.get("Response").is_none() {
            let why = "a message is neither an event nor a response";
            let bytes = message.as_bytes();
            self.complaints.add(why, bytes.len(), bytes, now);
            return;
        }
        self.answered = true;
        let id = message.get("ActionID").unwrap_or_default();
        match self.pending.remove(id) {
            // The one who asked may have given up; then the reply is dropped.
            Some(Pending::Response(reply)) => {
                let _ = reply.send(Ok(message.detached()));
            }
            Some(Pending::List(reply, items)) => {
                let starts = message
                    .get("EventList")
                    .is_some_and(|list| list.eq_ignore_ascii_case(b"start"));
                if message.is_error() {
                    let refusal = message.get("Message").unwrap_or(b"no reason given");
                    let _ = reply.send(Err(RequestError::Refused(shown(refusal))));
                } else if starts {
                    self.pending
                        .insert(id.to_vec(), Pending::List(reply, items));
                } else {
                    let _ = reply.send(Ok(items));
                }
            }
            None if OWN_IDS.contains(&id) => {}
            None => handler.response(id, message, now),
        }
    }

    /// Whether the event belongs to a list that somebody waits for; if so it has been seen to.
    fn list_event(&mut self, event: &[u8], ends: &LineEnds) -> bool {
        let Some(id) = header(event, ends, "ActionID") else {
            return false;
        };
        let Some(Pending::List(reply, items)) = self.pending.get_mut(id) else {
            return false;
        };
        let is_last = header(event, ends, "EventList")
            .is_some_and(|list| !list.eq_ignore_ascii_case(b"start"));
        if reply.is_closed() {
            self.pending.remove(id);
        } else if !is_last {
            items.push(Message::indexed(Bytes::copy_from_slice(event), *ends));
        } else if let Some(Pending::List(reply, items)) = self.pending.remove(id) {
            let _ = reply.send(Ok(items));
        }
        true
    }
}

/// Warnings about malformed input, few of them: a peer that sends nothing else must not fill the log.
#[derive(Default)]
pub(super) struct Complaints {
    last: Option<Instant>,
    held_back: u64,
}

impl Complaints {
    fn add(&mut self, why: &'static str, bytes: usize, head: &[u8], now: Instant) {
        if let Some(more) = self.due(now) {
            let began = shown_line(lines(head).next().unwrap_or_default());
            tracing::warn!(bytes, began, more, "from Asterisk: {why}; skipped");
        }
    }

    /// Whether to speak now, and of how many others that were held back.
    fn due(&mut self, now: Instant) -> Option<u64> {
        if self
            .last
            .is_some_and(|last| now < last + COMPLAINT_INTERVAL)
        {
            self.held_back += 1;
            return None;
        }
        self.last = Some(now);
        Some(std::mem::take(&mut self.held_back))
    }

    /// Counts those held back, at the end.
    pub(super) fn report_held_back(&mut self) {
        if self.held_back > 0 {
            let more = std::mem::take(&mut self.held_back);
            tracing::warn!(more, "from Asterisk: malformed messages; skipped");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_input_is_reported_once_a_second_and_counted() {
        let mut complaints = Complaints::default();
        let start = Instant::now();
        assert_eq!(complaints.due(start), Some(0));
        for _ in 0..5 {
            assert_eq!(complaints.due(start + COMPLAINT_INTERVAL / 2), None);
        }
        assert_eq!(complaints.due(start + COMPLAINT_INTERVAL), Some(5));
        assert_eq!(complaints.due(start + COMPLAINT_INTERVAL * 2), Some(0));
    }
}
