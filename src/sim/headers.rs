//! How a message is put together: its headers, those of a channel, and the escapes of a value.

use std::borrow::Cow;

use crate::sim::channel::Channel;

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

pub(super) fn number_header(out: &mut Vec<u8>, key: &str, value: u32) {
    match u8::try_from(value) {
        // As most priorities are.
        Ok(digit) if digit < 10 => {
            out.extend_from_slice(key.as_bytes());
            out.extend_from_slice(&[b':', b' ', b'0' + digit, b'\r', b'\n']);
        }
        _ => header(out, key, &value.to_string()),
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

/// The headers of a channel, each key with a prefix.
pub(super) fn channel_headers(out: &mut Vec<u8>, prefix: &str, channel: &Channel) {
    let (state, description) = channel.state.number_and_name();
    let line = |out: &mut Vec<u8>, key: &str, value: &str| {
        out.extend_from_slice(prefix.as_bytes());
        header(out, key, value);
    };
    line(out, "Channel", &channel.name);
    line(out, "ChannelState", state);
    line(out, "ChannelStateDesc", description);
    line(out, "CallerIDNum", or_unknown(&channel.caller.number));
    line(out, "CallerIDName", or_unknown(&channel.caller.name));
    let connected = &channel.connected;
    line(out, "ConnectedLineNum", or_unknown(&connected.number));
    line(out, "ConnectedLineName", or_unknown(&connected.name));
    line(out, "Language", "en");
    line(out, "AccountCode", "");
    line(out, "Context", &channel.context);
    line(out, "Exten", &channel.exten);
    out.extend_from_slice(prefix.as_bytes());
    number_header(out, "Priority", channel.priority);
    line(out, "Uniqueid", &channel.uniqueid);
    line(out, "Linkedid", &channel.linkedid);
}

/// The characters that Asterisk escapes, and what it puts after the backslash of each.
const SPECIAL: &str = "\x07\x08\t\n\x0b\x0c\r\\'\"?";
const ESCAPES: &[u8] = b"abtnvfr\\'\"?";

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
    let mut escaped = String::with_capacity(2 * value.len());
    for character in value.chars() {
        match SPECIAL.find(character) {
            Some(at) => escaped.extend(['\\', char::from(ESCAPES[at])]),
            None => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ami::message::unescape_c;

    #[test]
    fn a_value_comes_back_whole_from_a_varset() {
        let value = "say \"hi\", it's 5?\\n\x07\x08\t\x0b\x0c\u{ff}";
        let escaped = escape_c(value);
        assert!(escaped.starts_with(r#"say \"hi\", it\'s 5\?\\n\a\b\t\v\f"#));
        assert_eq!(*unescape_c(escaped.as_bytes()), *value.as_bytes());
    }
}
