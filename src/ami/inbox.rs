//! What came, and where it goes: to the request that waits for it, to the handler, or nowhere.

use std::collections::HashMap;
use std::time::Duration;

use bytes::{Buf, Bytes};
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ami::action::Action;
use crate::ami::buffered_stream::BufferedStream;
use crate::ami::client::Answer;
use crate::ami::codec::{MessageSpan, SkippedBytes};
use crate::ami::handler::Handler;
use crate::ami::line_ends::{LineEnds, lines};
use crate::ami::message::{Message, event_name, header, shown_line};

/// The `ActionID`s of what the session itself sends, whose answers are dropped.
const OWN_IDS: [&[u8]; 2] = [b"keepalive", b"logoff"];

/// At most one warning about malformed input in this time.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// An action whose answer is awaited.
struct Pending {
    reply: oneshot::Sender<Answer>,
    /// What has come of a list.
    list: Option<Answer>,
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
    pub(super) fn expect(&mut self, action: &Action, reply: oneshot::Sender<Answer>) {
        // Those who asked may have given up waiting.
        self.pending.retain(|_, pending| !pending.reply.is_closed());
        let pending = Pending { reply, list: None };
        self.pending.insert(action.action_id().to_vec(), pending);
    }

    /// Hands on everything that has come whole.
    pub(super) fn take_all<S, H: Handler>(
        &mut self,
        stream: &mut BufferedStream<S>,
        handler: &mut H,
        now: Instant,
    ) {
        while let Some(found) = stream.codec.find(&mut stream.input) {
            match found {
                Ok(span) => self.take(span, stream, handler, now),
                Err(skipped) => self.skip(&skipped, now),
            }
        }
    }

    /// Reports what could not be used.
    pub(super) fn skip(&mut self, skipped: &SkippedBytes, now: Instant) {
        let SkippedBytes { bytes, why, head } = skipped;
        self.complaints.add(why, *bytes, head, now);
    }

    fn take<S, H: Handler>(
        &mut self,
        span: MessageSpan,
        stream: &mut BufferedStream<S>,
        handler: &mut H,
        now: Instant,
    ) {
        let BufferedStream { codec, input, .. } = stream;
        let ends = &codec.ends;
        let frame = &input[..span.content];
        let Some(name) = event_name(frame, ends) else {
            self.response(&codec.take(span, input), handler, now);
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
            handler.event(&codec.take(span, input), now);
        } else {
            input.advance(span.total);
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
        let Some(pending) = self.pending.remove(id) else {
            if !OWN_IDS.contains(&id) {
                handler.response(id, message, now);
            }
            return;
        };
        let answer = Answer {
            response: message.detached(),
            events: Vec::new(),
        };
        if message.get("EventList").is_some_and(is_start) {
            let list = Some(answer);
            self.pending
                .insert(id.to_vec(), Pending { list, ..pending });
        } else {
            // The one who asked may have given up; then the answer is dropped.
            let _ = pending.reply.send(answer);
        }
    }

    /// Whether the event belongs to a list that somebody waits for; if so it has been seen to.
    fn list_event(&mut self, event: &[u8], ends: &LineEnds) -> bool {
        let id = header(event, ends, "ActionID").unwrap_or_default();
        let Some(Pending {
            reply,
            list: Some(list),
        }) = self.pending.get_mut(id)
        else {
            return false;
        };
        let is_last = header(event, ends, "EventList").is_some_and(|list| !is_start(list));
        if !is_last && !reply.is_closed() {
            let event = Message::indexed(Bytes::copy_from_slice(event), *ends);
            list.events.push(event);
        } else if let Some(Pending {
            reply,
            list: Some(list),
        }) = self.pending.remove(id)
        {
            let _ = reply.send(list);
        }
        true
    }
}

fn is_start(event_list: &[u8]) -> bool {
    event_list.eq_ignore_ascii_case(b"start")
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
