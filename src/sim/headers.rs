//! How a message is put together: its headers, those of a channel, and the escapes of a value.

use std::borrow::Cow;
use std::io::Write as _;

use crate::sim::channel::{Channel, Party};

/// What Asterisk calls a party that it does not know.
pub(super) const UNKNOWN: &str = "<unknown>";

pub(super) fn or_unknown(value: &str) -> &str {
    if value.is_empty() { UNKNOWN } else { value }
}

/// One header line.
pub(super) fn header(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value.as_bytes());
    out.extend_from_slice(b"\r\n");
}

pub(super) fn number_header(out: &mut Vec<u8>, key: &str, value: u16) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b": ");
    decimal(out, value.into());
    out.extend_from_slice(b"\r\n");
}

fn decimal(out: &mut Vec<u8>, value: u32) {
    match u8::try_from(value) {
        // As most priorities are.
        Ok(digit) if digit < 10 => out.push(b'0' + digit),
        // Writing to a vector cannot fail.
        _ => drop(write!(out, "{value}")),
    }
}

/// The answer to an action.
pub(super) fn respond(out: &mut Vec<u8>, kind: &str, action_id: &str, headers: &[(&str, &str)]) {
    header(out, "Response", kind);
    action_id_header(out, action_id);
    end(out, headers);
}

pub(super) fn action_id_header(out: &mut Vec<u8>, action_id: &str) {
    if !action_id.is_empty() {
        header(out, "ActionID", action_id);
    }
}

/// The last headers of a message.
pub(super) fn end(out: &mut Vec<u8>, headers: &[(&str, &str)]) {
    for (key, value) in headers {
        header(out, key, value);
    }
    out.extend_from_slice(b"\r\n");
}

#[inline(always)]
#[expect(
    clippy::inline_always,
    reason = "the length of the key is then known, and its copy a few instructions"
)]
fn line(out: &mut Vec<u8>, key: &str, value: &str) {
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(value.as_bytes());
}

/// Writes the headers of a channel, each key with a prefix. The keys are put together at compile time: these lines are
/// most of what the simulator writes.
macro_rules! channel_headers {
    ($name:ident, $prefix:literal) => {
        pub(super) fn $name(out: &mut Vec<u8>, channel: &Channel) {
            let (state, description) = channel.state.number_and_name();
            line(out, concat!($prefix, "Channel: "), &channel.name);
            line(out, concat!("\r\n", $prefix, "ChannelState: "), state);
            line(
                out,
                concat!("\r\n", $prefix, "ChannelStateDesc: "),
                description,
            );
            let Party { number, name } = &channel.caller;
            line(
                out,
                concat!("\r\n", $prefix, "CallerIDNum: "),
                or_unknown(number),
            );
            line(
                out,
                concat!("\r\n", $prefix, "CallerIDName: "),
                or_unknown(name),
            );
            let Party { number, name } = &channel.connected;
            line(
                out,
                concat!("\r\n", $prefix, "ConnectedLineNum: "),
                or_unknown(number),
            );
            line(
                out,
                concat!("\r\n", $prefix, "ConnectedLineName: "),
                or_unknown(name),
            );
            line(out, concat!("\r\n", $prefix, "Language: en"), "");
            line(out, concat!("\r\n", $prefix, "AccountCode: "), "");
            line(out, concat!("\r\n", $prefix, "Context: "), &channel.context);
            line(out, concat!("\r\n", $prefix, "Exten: "), &channel.exten);
            line(out, concat!("\r\n", $prefix, "Priority: "), "");
            decimal(out, channel.priority);
            line(
                out,
                concat!("\r\n", $prefix, "Uniqueid: "),
                &channel.uniqueid,
            );
            line(
                out,
                concat!("\r\n", $prefix, "Linkedid: "),
                &channel.linkedid,
            );
            out.extend_from_slice(b"\r\n");
        }
    };
}

channel_headers!(channel_headers, "");
channel_headers!(dest_headers, "Dest");
channel_headers!(local_one_headers, "LocalOne");
channel_headers!(local_two_headers, "LocalTwo");

/// Puts in the C escapes that Asterisk puts into the `Value:` of a `VarSet`.
pub(super) fn escape_c(value: &str) -> Cow<'_, str> {
    let is_special = |byte| matches!(byte, 0x07..=0x0d | b'\\' | b'\'' | b'"' | b'?');
    // No early end: so it takes many bytes at once.
    if !value
        .bytes()
        .fold(false, |any, byte| any | is_special(byte))
    {
        return Cow::Borrowed(value);
    }
    let mut escaped = String::with_capacity(value.len());
    for character in value.chars() {
        let letter = match character {
            '\x07' => 'a',
            '\x08' => 'b',
            '\x0c' => 'f',
            '\n' => 'n',
            '\r' => 'r',
            '\t' => 't',
            '\x0b' => 'v',
            '\\' | '\'' | '"' | '?' => character,
            _ => {
                escaped.push(character);
                continue;
            }
        };
        escaped.extend(['\\', letter]);
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::unescape_c;

    #[test]
    fn a_value_comes_back_whole_from_a_varset() {
        let value = "say \"hi\", it's 5?\\n\x07\x08\t\x0b\x0c\u{ff}";
        let escaped = escape_c(value);
        assert!(escaped.starts_with(r#"say \"hi\", it\'s 5\?\\n\a\b\t\v\f"#));
        assert_eq!(*unescape_c(escaped.as_bytes()), *value.as_bytes());
    }
}
