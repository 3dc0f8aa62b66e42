//! One AMI message: its bytes, and the headers found in them when somebody asks.
//!
//! Nothing is parsed ahead but where the lines end, which framing learns anyway: most events are looked at once, for a
//! name or an id, and dropped. Framing lives in the codec; what an event means lives with those who receive it.

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use memchr::memchr;

use crate::ami::line_ends::LineEnds;

/// One message of the Asterisk Manager Interface, without the empty line that ends it.
///
/// Values are bytes: Asterisk passes on what it got from the network, which need not be UTF-8. A clone shares the
/// bytes, and keeps the whole read buffer that they came from alive.
#[derive(Clone)]
pub struct Message {
    frame: Bytes,
    ends: LineEnds,
}

impl Message {
    /// A message from its lines, each `Key: Value` and ended by `\r\n` or `\n`.
    ///
    /// Every sequence of bytes is accepted; a line that is no header is never found.
    pub fn from_bytes(frame: impl Into<Bytes>) -> Self {
        let frame = frame.into();
        let ends = LineEnds::of(&frame);
        Self { frame, ends }
    }

    /// A message of which it is known already where its lines end.
    pub(super) fn indexed(frame: Bytes, ends: LineEnds) -> Self {
        Self { frame, ends }
    }

    /// A copy that does not keep the read buffer alive, for those who keep messages.
    pub(super) fn detached(&self) -> Self {
        Self::indexed(Bytes::copy_from_slice(&self.frame), self.ends)
    }

    fn lines(&self) -> impl Iterator<Item = &[u8]> {
        self.ends.lines(&self.frame)
    }

    /// The bytes as they came, without the empty line at the end.
    pub fn as_bytes(&self) -> &[u8] {
        &self.frame
    }

    /// The name of the event, if this is one.
    ///
    /// `OriginateResponse` is an event that has a `Response:` header too, so ask this before [`is_response`].
    ///
    /// [`is_response`]: Self::is_response
    pub fn event(&self) -> Option<&[u8]> {
        event_name(&self.frame, &self.ends)
    }

    /// Whether this answers an action: it has a `Response:` header and is no event.
    pub fn is_response(&self) -> bool {
        self.get("Response").is_some() && self.event().is_none()
    }

    /// Whether this is a response that says `Error`.
    pub fn is_error(&self) -> bool {
        self.get("Response")
            .is_some_and(|response| response.eq_ignore_ascii_case(b"Error"))
            && self.event().is_none()
    }

    /// The first value of a header, whose name is compared without regard to ASCII case.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        header(&self.frame, &self.ends, key)
    }

    /// The first value of a header as text; bytes that are not UTF-8 become U+FFFD.
    pub fn get_str(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key).map(String::from_utf8_lossy)
    }

    /// Every value of a header that may repeat (`Output`, `Variable`, `ChanVariable`), in order.
    pub fn get_all<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a [u8]> {
        self.lines().filter_map(move |line| value_of(line, key))
    }

    /// Every header with its value, in order. Lines that are no headers are left out.
    pub fn headers(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().filter_map(split_header)
    }
}

/// The bytes make the message.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        self.frame == other.frame
    }
}

impl Eq for Message {}

/// Shows the headers, but never the value of one that carries a secret.
impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.lines().map(shown_line))
            .finish()
    }
}

/// The name of the event, if a message is one. Asterisk writes it first, which makes this a glance.
pub(super) fn event_name<'a>(frame: &'a [u8], ends: &'a LineEnds) -> Option<&'a [u8]> {
    if frame.starts_with(b"Event: ") {
        return ends.lines(frame).next()?.get(b"Event: ".len()..);
    }
    header(frame, ends, "Event")
}

/// The first value of a header.
pub(super) fn header<'a>(frame: &'a [u8], ends: &'a LineEnds, key: &str) -> Option<&'a [u8]> {
    ends.lines(frame).find_map(|line| value_of(line, key))
}

/// Splits a line at its first colon; `None` where there is none, or nothing before it.
pub(super) fn split_header(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = memchr(b':', line)?;
    (colon > 0).then(|| (&line[..colon], without_space(&line[colon + 1..])))
}

fn value_of<'a>(line: &'a [u8], key: &str) -> Option<&'a [u8]> {
    let (name, rest) = line.split_at_checked(key.len())?;
    let value = rest.strip_prefix(b":")?;
    // An empty key would find the lines that begin with a colon, which are no headers.
    (!key.is_empty() && name.eq_ignore_ascii_case(key.as_bytes())).then(|| without_space(value))
}

fn without_space(value: &[u8]) -> &[u8] {
    value.strip_prefix(b" ").unwrap_or(value)
}

/// A line for a log or an error, its value hidden where it is a secret: `Secret:` of a plain login, `Key:` of an MD5 one.
pub(super) fn shown_line(line: &[u8]) -> String {
    let is_secret =
        |key: &[u8]| key.eq_ignore_ascii_case(b"Secret") || key.eq_ignore_ascii_case(b"Key");
    match split_header(line) {
        Some((key, _)) if is_secret(key) => format!("{}: [secret]", shown(key)),
        _ => shown(line),
    }
}

/// How many bytes of a stranger's text are shown.
const SHOWN: usize = 80;

/// Bytes from the network for a log or an error: control characters escaped, not much of it.
pub(super) fn shown(bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(SHOWN)];
    let mut text = String::with_capacity(head.len() + 3);
    for character in String::from_utf8_lossy(head).chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    if bytes.len() > SHOWN {
        text.push('…');
    }
    text
}

/// Undoes the C escapes that Asterisk puts into the `Value:` of a `VarSet` event.
///
/// Asterisk writes `\a \b \f \n \r \t \v \\ \' \" \?`. A backslash before anything else, or at the end, stays.
pub fn unescape_c(value: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr(b'\\', value) else {
        return Cow::Borrowed(value);
    };
    let mut plain = Vec::with_capacity(value.len());
    plain.extend_from_slice(&value[..first]);
    let mut rest = &value[first..];
    while let Some(&byte) = rest.first() {
        let escaped = match rest {
            [b'\\', letter, ..] => unescaped(*letter),
            _ => None,
        };
        plain.push(escaped.unwrap_or(byte));
        rest = &rest[1 + usize::from(escaped.is_some())..];
    }
    Cow::Owned(plain)
}

fn unescaped(letter: u8) -> Option<u8> {
    Some(match letter {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'\\' | b'\'' | b'"' | b'?' => letter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message::from_bytes(text.as_bytes().to_vec())
    }

    #[test]
    fn headers_are_found_whatever_their_case_and_line_ends() {
        let message =
            message("Event: Hangup\r\nUniqueid: a.1\nCause-txt:  two spaces\r\nEmpty:\r\nTight:x");
        assert_eq!(message.event(), Some(&b"Hangup"[..]));
        assert_eq!(message.get("uniqueID"), Some(&b"a.1"[..]));
        assert_eq!(message.get("Cause-txt"), Some(&b" two spaces"[..]));
        assert_eq!(message.get("Empty"), Some(&b""[..]));
        assert_eq!(message.get("Tight"), Some(&b"x"[..]));
        assert_eq!(message.get("Cause"), None);
        assert_eq!(message.get(""), None);
    }

    #[test]
    fn a_value_may_hold_a_colon_and_a_key_may_repeat() {
        let message = message(
            "Response: Success\r\nOutput: a: b: c\r\nOutput: \r\nno header\r\n: nameless\r\nOutput: d\r\n",
        );
        let output: Vec<_> = message.get_all("output").collect();
        assert_eq!(output, [&b"a: b: c"[..], b"", b"d"]);
        assert_eq!(message.get("Output"), Some(&b"a: b: c"[..]));
        let keys: Vec<_> = message.headers().map(|(key, _)| key).collect();
        assert_eq!(keys, [&b"Response"[..], b"Output", b"Output", b"Output"]);
    }

    #[test]
    fn an_originate_response_is_an_event_wherever_its_event_header_stands() {
        let usual = message("Event: OriginateResponse\r\nResponse: Failure\r\n");
        let turned = message("Response: Error\r\nEvent: OriginateResponse\r\n");
        for message in [usual, turned] {
            assert_eq!(message.event(), Some(&b"OriginateResponse"[..]));
            assert!(!message.is_response());
            assert!(!message.is_error());
        }
        assert!(message("Response: Success\r\nActionID: 1\r\n").is_response());
        assert!(message("Response: Error\r\n").is_error());
    }

    #[test]
    fn a_header_whose_name_begins_alike_is_another_header() {
        let message = message("EventList: start\r\nEvent : odd\r\n");
        assert_eq!(message.event(), None);
    }

    #[test]
    fn values_that_are_not_utf8_are_kept() {
        let message = Message::from_bytes(&b"Event: VarSet\r\nValue: \xff\xfe\r\n"[..]);
        assert_eq!(message.get("Value"), Some(&b"\xff\xfe"[..]));
        assert_eq!(message.get_str("Value").unwrap(), "\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_secret_is_not_shown() {
        let text = format!(
            "{:?}",
            message("Action: Login\r\nsecret: hunter2\r\nKey:0123abcd\r\n")
        );
        assert!(
            !text.contains("hunter2") && !text.contains("0123abcd"),
            "{text}"
        );
        assert!(text.contains("Action: Login"));
    }

    #[test]
    fn what_is_shown_is_short_and_cannot_steer_a_terminal() {
        assert_eq!(shown(b"\x1b[31mred\r\n\0"), "\\u{1b}[31mred\\r\\n\\u{0}");
        assert!(shown(&[b'x'; 500]).len() < 100);
    }

    #[test]
    fn every_escape_that_asterisk_writes_is_undone() {
        // As a real Asterisk 22 sent it back.
        assert_eq!(
            *unescape_c(br#"\"\\x,y()[]\a\b\t\v\f\'\?;|%{}$"#),
            *b"\"\\x,y()[]\x07\x08\t\x0b\x0c'?;|%{}$"
        );
        assert_eq!(*unescape_c(br"\r\n"), *b"\r\n");
    }

    #[test]
    fn what_is_no_escape_stays() {
        assert!(matches!(unescape_c(b"plain"), Cow::Borrowed(b"plain")));
        assert_eq!(*unescape_c(br"a\x\"), *br"a\x\");
        assert_eq!(*unescape_c(br"\\n"), *br"\n");
    }
}
