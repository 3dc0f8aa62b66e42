//! What came, and where it goes: to whoever waits for it, to the handler, or nowhere.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Buf;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ami::action::Action;
use crate::ami::client::ListError;
use crate::ami::codec::{Found, split};
use crate::ami::connection::Handler;
use crate::ami::message::{Message, View, shown, shown_line};
use crate::ami::wire::Wire;

/// The `ActionID`s of what the session itself sends, whose answers concern nobody.
const OWN_IDS: [&[u8]; 2] = [b"keepalive", b"logoff"];

/// At most one warning about malformed input in this time.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// Who waits for the response to an action.
pub(super) enum Pending {
    Response(oneshot::Sender<Message>),
    List {
        reply: oneshot::Sender<Result<Vec<Message>, ListError>>,
        items: Vec<Message>,
    },
}

pub(super) struct Inbox<H> {
    pub(super) handler: H,
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

impl<H: Handler> Inbox<H> {
    pub(super) fn new(handler: H) -> Self {
        Self {
            handler,
            pending: HashMap::new(),
            booted: false,
            shutdown: false,
            answered: false,
            complaints: Complaints::default(),
        }
    }

    /// From now on the answer to this action goes there.
    pub(super) fn expect(&mut self, action: &Action, pending: Pending) {
        self.pending.insert(action.action_id().to_vec(), pending);
    }

    /// Hands on everything that has come whole.
    pub(super) fn take_all<S>(&mut self, wire: &mut Wire<S>, now: Instant) {
        while let Some(found) = wire.codec.find(&mut wire.input) {
            self.take(found, wire, now);
        }
    }

    /// Reports what was cut off by the end of the stream.
    pub(super) fn take_rest<S>(&mut self, wire: &mut Wire<S>, now: Instant) {
        while let Some(found) = wire.codec.find_at_end(&mut wire.input) {
            self.take(found, wire, now);
        }
    }

    fn take<S>(&mut self, found: Found, wire: &mut Wire<S>, now: Instant) {
        match found {
            Found::Message { content, total } => self.message(wire, content, total, now),
            Found::Skipped { bytes, why, head } => self.complaints.add(why, bytes, &head, now),
            // The login has taken the only one.
            Found::Banner { total, .. } => wire.input.advance(total),
        }
    }

    fn message<S>(&mut self, wire: &mut Wire<S>, content: usize, total: usize, now: Instant) {
        let Wire { codec, input, .. } = wire;
        let whole = |input| Message::indexed(split(input, content, total), *codec.ends());
        let view = View::new(&input[..content], codec.ends());
        let Some(name) = view.event() else {
            self.response(&whole(input), now);
            return;
        };
        match name {
            b"FullyBooted" => self.booted = true,
            b"Shutdown" => self.shutdown = true,
            _ => {}
        }
        // Mostly nobody waits, and then no event's id is looked for.
        if !self.pending.is_empty() && self.list_event(view) {
            input.advance(total);
        } else if self.handler.wants(name) {
            self.handler.event(&whole(input), now);
        } else {
            input.advance(total);
        }
    }

    fn response(&mut self, message: &Message, now: Instant) {
        if message.get("Response").is_none() {
            let why = "a message is neither an event nor a response";
            let bytes = message.as_bytes();
            self.complaints.add(why, bytes.len(), bytes, now);
            return;
        }
        self.answered = true;
        let id = message.get("ActionID").unwrap_or_default();
        match self.pending.remove(id) {
            // A reply that nobody waits for any more is dropped.
            Some(Pending::Response(reply)) => {
                let _ = reply.send(message.kept());
            }
            Some(Pending::List { reply, items }) => {
                let starts = message
                    .get("EventList")
                    .is_some_and(|list| is(list, "start"));
                if starts && !message.is_error() {
                    let id = id.to_vec();
                    self.pending.insert(id, Pending::List { reply, items });
                    return;
                }
                let _ = reply.send(if message.is_error() {
                    let refusal = message.get("Message").unwrap_or(b"no reason given");
                    Err(ListError::Refused(shown(refusal)))
                } else {
                    Ok(items)
                });
            }
            None if OWN_IDS.contains(&id) => {}
            None => self.handler.response(id, message, now),
        }
    }

    /// Whether the event belongs to a list that somebody waits for; if so it has been seen to.
    fn list_event(&mut self, event: View<'_>) -> bool {
        let Some(id) = event.get("ActionID") else {
            return false;
        };
        let Some(Pending::List { items, .. }) = self.pending.get_mut(id) else {
            return false;
        };
        let ends = event
            .get("EventList")
            .is_some_and(|list| !is(list, "start"));
        if !ends {
            items.push(event.kept());
            return true;
        }
        if let Some(Pending::List { reply, items }) = self.pending.remove(id) {
            let _ = reply.send(Ok(items));
        }
        true
    }
}

fn is(value: &[u8], word: &str) -> bool {
    value.eq_ignore_ascii_case(word.as_bytes())
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
            let line = memchr::memchr(b'\n', head).map_or(head, |end| &head[..end]);
            let began = shown_line(line.strip_suffix(b"\r").unwrap_or(line));
            tracing::warn!(bytes, began, more, "from Asterisk: {why}; passed over");
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
    pub(super) fn last_words(&mut self) {
        if self.held_back > 0 {
            let more = std::mem::take(&mut self.held_back);
            tracing::warn!(more, "from Asterisk: malformed messages; passed over");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_input_is_spoken_of_once_a_second_and_counted() {
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
