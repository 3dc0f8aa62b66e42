//! How a message is put together: its headers, those of a channel, and the escapes of a value.

use std::io::Write as _;

use crate::sim::channel::Channel;

/// What Asterisk calls a party that it does not know.
pub(super) const UNKNOWN: &str = "<unknown>";

pub(super) fn or_unknown(value: &str) -> &str {
    if value.is_empty() { UNKNOWN } else { value }
}

/// One header line.
pub(super) fn header(out: &mut Vec<u8>, key: &str, value: &str) {
    for piece in [key, ": ", value, "\r\n"] {
        out.extend_from_slice(piece.as_bytes());
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

/// The keys of a channel's headers, each with the line end before it.
pub(super) type ChannelKeys = [&'static str; 14];

/// The keys are put together at compile time: these lines are most of what the simulator writes.
macro_rules! channel_keys {
    ($prefix:literal) => {
        [
            concat!($prefix, "Channel: "),
            concat!("\r\n", $prefix, "ChannelState: "),
            concat!("\r\n", $prefix, "ChannelStateDesc: "),
            concat!("\r\n", $prefix, "CallerIDNum: "),
            concat!("\r\n", $prefix, "CallerIDName: "),
            concat!("\r\n", $prefix, "ConnectedLineNum: "),
            concat!("\r\n", $prefix, "ConnectedLineName: "),
            concat!("\r\n", $prefix, "Language: "),
            concat!("\r\n", $prefix, "AccountCode: "),
            concat!("\r\n", $prefix, "Context: "),
            concat!("\r\n", $prefix, "Exten: "),
            concat!("\r\n", $prefix, "Priority: "),
            concat!("\r\n", $prefix, "Uniqueid: "),
            concat!("\r\n", $prefix, "Linkedid: "),
        ]
    };
}

pub(super) const PLAIN: ChannelKeys = channel_keys!("");
pub(super) const DEST: ChannelKeys = channel_keys!("Dest");
pub(super) const LOCAL_ONE: ChannelKeys = channel_keys!("LocalOne");
pub(super) const LOCAL_TWO: ChannelKeys = channel_keys!("LocalTwo");

/// The headers of a channel, each key with a prefix.
pub(super) fn prefixed_headers(out: &mut Vec<u8>, keys: &ChannelKeys, channel: &Channel) {
    let (state, description) = channel.state.number_and_name();
    let mut digits = [0; 10];
    let mut rest = &mut digits[..];
    // Ten digits hold every `u32`.
    let _ = write!(rest, "{}", channel.priority);
    let unused = rest.len();
    let values = [
        channel.name.as_bytes(),
        state.as_bytes(),
        description.as_bytes(),
        or_unknown(&channel.caller.number).as_bytes(),
        or_unknown(&channel.caller.name).as_bytes(),
        or_unknown(&channel.connected.number).as_bytes(),
        or_unknown(&channel.connected.name).as_bytes(),
        b"en",
        b"",
        channel.context.as_bytes(),
        channel.exten.as_bytes(),
        &digits[..digits.len() - unused],
        channel.uniqueid.as_bytes(),
        channel.linkedid.as_bytes(),
    ];
    for (key, value) in keys.iter().zip(values) {
        out.extend_from_slice(key.as_bytes());
        out.extend_from_slice(value);
    }
    out.extend_from_slice(b"\r\n");
}

/// The headers of a channel, as lists show them too.
pub(super) fn channel_headers(out: &mut Vec<u8>, channel: &Channel) {
    prefixed_headers(out, &PLAIN, channel);
}

/// Puts in the C escapes that Asterisk puts into the `Value:` of a `VarSet`.
pub(super) fn escape_c(value: &str) -> String {
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
    escaped
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
