//! Actions: what is written to Asterisk, and why nothing in a value can be read as anything but that value.
//!
//! A line break in a value would begin a header or an action of its own, and a comma in a variable's value would
//! end it. Every value is checked or escaped here, at the one place where bytes for Asterisk are made. Where a value
//! must be judged before there is an action, [`check_header`] and [`check_variable`] say the same.

use std::fmt;

use bytes::{BufMut, BytesMut};
use memchr::memchr3;

use crate::ami::line_ends::{LineEnds, lines};
use crate::ami::message::{header, shown_line};

/// The longest line that Asterisk reads, in bytes without its line end. It refuses the message of a longer one.
pub const MAX_LINE: usize = 1022;

/// The most headers that Asterisk reads of one action; it ignores the rest.
pub const MAX_HEADERS: usize = 128;

/// Headers whose values Asterisk cuts or refuses when they are longer than this, in bytes.
const SHORT_HEADERS: [(&str, usize); 4] = [
    ("Channel", 255),
    ("CallerID", 255),
    ("ChannelId", 149),
    ("OtherChannelId", 149),
];

/// Why something cannot be sent to Asterisk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// CR or LF would end the header and begin another. Of a header, or `Variable NAME`.
    #[error("{0} holds a line break")]
    LineBreak(String),
    /// Asterisk would cut the value there. Of a header, or `Variable NAME`.
    #[error("{0} holds a NUL character")]
    Nul(String),
    /// Asterisk would cut or refuse it. Escapes count.
    #[error("{header} takes {bytes} bytes, and Asterisk reads {limit} at most")]
    TooLong {
        /// Or `Variable NAME`.
        header: String,
        bytes: usize,
        limit: usize,
    },
    #[error("an action has {MAX_HEADERS} headers at most, variables included")]
    TooManyHeaders,
    /// It is empty or holds something else than visible ASCII without a colon.
    #[error("{0:?} cannot be the name of a header")]
    BadHeaderName(String),
    /// It is not `[A-Za-z_][A-Za-z0-9_]*`. Anything else could be a function that Asterisk would call, such as
    /// `GLOBAL(x)`.
    #[error("{0:?} cannot be the name of a channel variable: use letters, digits and _")]
    BadVariableName(String),
}

/// An action, encoded as it grows.
///
/// ```
/// # use dialer::ami::Action;
/// # fn main() -> anyhow::Result<()> {
/// let action = Action::new("Originate", "call-1")?
///     .header("Channel", "PJSIP/100")?
///     .header("Async", "true")?
///     .variable("MESSAGE", "storm, tonight")?;
/// let mut bytes = bytes::BytesMut::new();
/// action.encode_into(&mut bytes);
/// assert_eq!(
///     bytes,
///     "Action: Originate\r\nActionID: call-1\r\nChannel: PJSIP/100\r\nAsync: true\r\n\
///      Variable: MESSAGE=storm\\, tonight\r\n\r\n"
/// );
/// # Ok(())
/// # }
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Action {
    lines: Vec<u8>,
    headers: usize,
    /// The value of `ActionID` in `lines`.
    id: std::ops::Range<usize>,
}

impl Action {
    /// An action of that name; `action_id` comes back in the response.
    ///
    /// # Errors
    ///
    /// As [`check_header`] says.
    pub fn new(name: &str, action_id: &str) -> Result<Self, ActionError> {
        let action = Self {
            lines: Vec::with_capacity(512),
            headers: 0,
            id: 0..0,
        };
        let mut action = action
            .header("Action", name)?
            .header("ActionID", action_id)?;
        let end = action.lines.len() - LINE_END.len();
        action.id = end - action_id.len()..end;
        Ok(action)
    }

    /// The id that the response will carry.
    pub fn action_id(&self) -> &[u8] {
        &self.lines[self.id.clone()]
    }

    /// The name, for errors.
    pub(super) fn name(&self) -> String {
        let name = header(&self.lines, &LineEnds::NONE, "Action").unwrap_or_default();
        String::from_utf8_lossy(name).into_owned()
    }

    /// Adds a header.
    ///
    /// # Errors
    ///
    /// As [`check_header`] says, or when there are [`MAX_HEADERS`] already.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ActionError> {
        let value = value.as_ref();
        check_header(name, value)?;
        self.count()?;
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b": ");
        self.lines.extend_from_slice(value);
        self.lines.extend_from_slice(LINE_END);
        Ok(self)
    }

    /// Adds a channel variable, in a `Variable:` header of its own. The value may hold anything but CR, LF and NUL.
    ///
    /// # Errors
    ///
    /// As [`check_variable`] says, or when there are [`MAX_HEADERS`] already.
    pub fn variable(mut self, name: &str, value: impl AsRef<[u8]>) -> Result<Self, ActionError> {
        let value = value.as_ref();
        check_variable(name, value)?;
        self.count()?;
        self.lines.extend_from_slice(VARIABLE);
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.push(b'=');
        // Asterisk's splitting of the header at commas is to give back exactly this value.
        for &byte in value {
            if is_special(byte) {
                self.lines.push(b'\\');
            }
            self.lines.push(byte);
        }
        self.lines.extend_from_slice(LINE_END);
        Ok(self)
    }

    /// Appends the bytes to send, the final empty line included.
    pub fn encode_into(&self, out: &mut BytesMut) {
        out.reserve(self.lines.len() + LINE_END.len());
        out.put_slice(&self.lines);
        out.put_slice(LINE_END);
    }

    fn count(&mut self) -> Result<(), ActionError> {
        if self.headers == MAX_HEADERS {
            return Err(ActionError::TooManyHeaders);
        }
        self.headers += 1;
        Ok(())
    }
}

const LINE_END: &[u8] = b"\r\n";
const VARIABLE: &[u8] = b"Variable: ";

/// Shows the lines, but never the value of one that carries a secret.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(lines(&self.lines).map(shown_line))
            .finish()
    }
}

/// Whether a header can be sent.
///
/// # Errors
///
/// When the name is none, when the value holds CR, LF or NUL, or when Asterisk would refuse or cut the line.
pub fn check_header(name: &str, value: &[u8]) -> Result<(), ActionError> {
    if name.is_empty() || !name.bytes().all(|b| b.is_ascii_graphic() && b != b':') {
        return Err(ActionError::BadHeaderName(name.to_owned()));
    }
    let header = || name.to_owned();
    check_bytes(value, header)?;
    check_length(name.len() + ": ".len() + value.len(), MAX_LINE, header)?;
    let is_cut = |(cut, _): &&(&str, usize)| name.eq_ignore_ascii_case(cut);
    match SHORT_HEADERS.iter().find(is_cut) {
        Some(&(_, limit)) => check_length(value.len(), limit, header),
        None => Ok(()),
    }
}

/// Whether a channel variable can be sent.
///
/// # Errors
///
/// When the name is not `[A-Za-z_][A-Za-z0-9_]*` (leading underscores make a variable be inherited), when the value
/// holds CR, LF or NUL, or when the line would be longer than [`MAX_LINE`] with the value escaped.
pub fn check_variable(name: &str, value: &[u8]) -> Result<(), ActionError> {
    let starts = |b: u8| b.is_ascii_alphabetic() || b == b'_';
    if !name.bytes().next().is_some_and(starts)
        || !name.bytes().all(|b| starts(b) || b.is_ascii_digit())
    {
        return Err(ActionError::BadVariableName(name.to_owned()));
    }
    let what = || format!("Variable {name}");
    check_bytes(value, what)?;
    let escapes = value.iter().filter(|&&b| is_special(b)).count();
    let bytes = VARIABLE.len() + name.len() + "=".len() + value.len() + escapes;
    check_length(bytes, MAX_LINE, what)
}

fn check_bytes(value: &[u8], header: impl FnOnce() -> String) -> Result<(), ActionError> {
    match memchr3(b'\r', b'\n', 0, value) {
        None => Ok(()),
        Some(at) if value[at] == 0 => Err(ActionError::Nul(header())),
        Some(_) => Err(ActionError::LineBreak(header())),
    }
}

fn check_length(
    bytes: usize,
    limit: usize,
    header: impl FnOnce() -> String,
) -> Result<(), ActionError> {
    if bytes <= limit {
        return Ok(());
    }
    Err(ActionError::TooLong {
        header: header(),
        bytes,
        limit,
    })
}

/// What means something to the splitting: a comma ends the value, a quote swallows commas and is dropped. Parentheses
/// and brackets swallow commas, too, but none that is escaped.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'\\' | b'"' | b',')
}

#[cfg(test)]
mod tests {
    use super::super::message::Message;
    use super::*;
    use proptest::prelude::*;

    fn originate() -> Action {
        Action::new("Originate", "id-1").unwrap()
    }

    fn encoded(action: &Action) -> Vec<u8> {
        let mut bytes = BytesMut::new();
        action.encode_into(&mut bytes);
        bytes.to_vec()
    }

    #[test]
    fn the_action_id_is_the_second_line() {
        let action = originate().header("Exten", "").unwrap();
        assert_eq!(action.action_id(), b"id-1");
        assert_eq!(
            encoded(&action),
            b"Action: Originate\r\nActionID: id-1\r\nExten: \r\n\r\n"
        );
    }

    #[test]
    fn a_line_break_or_nul_is_refused_everywhere() {
        for value in ["a\r\n\r\nAction: Command", "a\r", "\nb"] {
            let refused = |header: &str| Err(ActionError::LineBreak(header.to_owned()));
            assert_eq!(originate().header("Data", value), refused("Data"));
            assert_eq!(originate().variable("X", value), refused("Variable X"));
            assert_eq!(Action::new("Ping", value), refused("ActionID"));
            assert_eq!(Action::new(value, "1"), refused("Action"));
        }
        assert_eq!(
            originate().variable("X", "a\0b"),
            Err(ActionError::Nul("Variable X".to_owned()))
        );
    }

    #[test]
    fn a_header_name_cannot_smuggle_anything() {
        for name in ["", "A: b\r\nC", "A:", "A b", "Ä"] {
            assert!(
                matches!(
                    originate().header(name, "x"),
                    Err(ActionError::BadHeaderName(_))
                ),
                "{name:?}"
            );
        }
    }

    #[test]
    fn a_variable_name_cannot_be_a_function() {
        for name in ["", "1A", "GLOBAL(x)", "A=B", "A,B", "A-B", "Ä", "A\r"] {
            assert!(
                matches!(
                    originate().variable(name, "x"),
                    Err(ActionError::BadVariableName(_))
                ),
                "{name:?}"
            );
        }
        for name in ["A", "_a1", "__CALLID"] {
            originate().variable(name, "x").unwrap();
        }
    }

    #[test]
    fn lines_go_up_to_what_asterisk_reads() {
        let fits = MAX_LINE - "Data: ".len();
        originate().header("Data", "x".repeat(fits)).unwrap();
        assert_eq!(
            originate().header("Data", "x".repeat(fits + 1)),
            Err(ActionError::TooLong {
                header: "Data".to_owned(),
                bytes: 1023,
                limit: 1022
            })
        );
        let fits = MAX_LINE - "Variable: X=".len();
        originate().variable("X", "x".repeat(fits)).unwrap();
        let with_escape = "x".repeat(fits - 1) + ",";
        assert!(matches!(
            originate().variable("X", with_escape),
            Err(ActionError::TooLong { bytes: 1023, .. })
        ));
    }

    #[test]
    fn what_asterisk_would_cut_is_refused() {
        for (name, limit) in [
            ("Channel", 255),
            ("callerid", 255),
            ("ChannelId", 149),
            ("OtherChannelId", 149),
        ] {
            originate().header(name, "x".repeat(limit)).unwrap();
            assert!(
                originate().header(name, "x".repeat(limit + 1)).is_err(),
                "{name}"
            );
        }
    }

    #[test]
    fn an_action_has_at_most_128_headers() {
        let mut action = originate();
        for _ in 0..MAX_HEADERS - 2 {
            action = action.variable("X", "1").unwrap();
        }
        assert_eq!(
            action.clone().variable("X", "1"),
            Err(ActionError::TooManyHeaders)
        );
        assert_eq!(action.header("X", "1"), Err(ActionError::TooManyHeaders));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let action = Action::new("Login", "1")
            .unwrap()
            .header("Username", "dialer")
            .unwrap()
            .header("Secret", "hunter2")
            .unwrap()
            .header("Key", "0123abcd")
            .unwrap();
        let text = format!("{action:?}");
        assert!(text.contains("Username: dialer"), "{text}");
        assert!(
            !text.contains("hunter2") && !text.contains("0123abcd"),
            "{text}"
        );
    }

    /// How Asterisk reads one `Variable:` header (`AST_STANDARD_APP_ARGS`): at commas, unless they are escaped or
    /// inside quotes, parentheses or brackets; quotes and the backslashes of escapes are dropped.
    fn read_by_asterisk(header: &[u8]) -> Vec<Vec<u8>> {
        let (mut parts, mut part) = (Vec::new(), Vec::new());
        let (mut quoted, mut depth) = (false, 0_i32);
        let mut bytes = header.iter().copied();
        while let Some(byte) = bytes.next() {
            match byte {
                b'\\' => part.extend(bytes.next()),
                b'"' => quoted = !quoted,
                b'(' | b'[' => {
                    depth += 1;
                    part.push(byte);
                }
                b')' | b']' => {
                    depth -= i32::from(depth > 0);
                    part.push(byte);
                }
                b',' if !quoted && depth == 0 => parts.push(std::mem::take(&mut part)),
                _ => part.push(byte),
            }
        }
        parts.push(part);
        parts
    }

    proptest! {
        #[test]
        fn a_variable_arrives_as_it_was_given(value in "[ -~é]{0,60}") {
            let action = originate().variable("X", &value).unwrap();
            let message = Message::from_bytes(encoded(&action));
            let read = read_by_asterisk(message.get("Variable").unwrap());
            prop_assert_eq!(read, [format!("X={value}").into_bytes()]);
        }

        #[test]
        fn whatever_is_accepted_adds_exactly_one_header(name in ".{0,8}", value: Vec<u8>) {
            let before = Message::from_bytes(encoded(&originate())).headers().count();
            for action in [originate().header(&name, &value), originate().variable(&name, &value)] {
                let Ok(action) = action else { continue };
                let bytes = encoded(&action);
                prop_assert_eq!(memchr::memmem::find_iter(&bytes, b"\r\n\r\n").count(), 1);
                prop_assert_eq!(Message::from_bytes(bytes).headers().count(), before + 1);
            }
        }
    }
}
