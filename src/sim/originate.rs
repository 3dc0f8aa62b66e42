//! What an `Originate` asks for, and why Asterisk refuses it.

use std::borrow::Cow;
use std::time::Duration;

use crate::ami::Message;
use crate::sim::event::{Party, Target};

/// The longest `ChannelId` that Asterisk takes.
const MAX_CHANNEL_ID: usize = 149;

/// How long Asterisk lets a call ring when nobody says how long.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// A variable's name and value.
type Pair<'a> = (Cow<'a, [u8]>, Cow<'a, [u8]>);

/// A well-formed `Originate`.
#[derive(Debug)]
pub(super) struct Originate<'a> {
    pub(super) action_id: &'a [u8],
    /// The dial string as given, such as `PJSIP/100@carrier`.
    pub(super) channel: &'a [u8],
    /// Empty where none was given.
    pub(super) channel_id: &'a [u8],
    pub(super) target: Target<'a>,
    pub(super) caller: Party<'a>,
    /// How long it may ring; `None`: for ever.
    pub(super) timeout: Option<Duration>,
    pub(super) variables: Vec<Pair<'a>>,
    pub(super) asynchronous: bool,
}

impl<'a> Originate<'a> {
    /// Reads the action; the error is what stands in `Message:`.
    ///
    /// `exists` tells whether the dialplan has that context, extension and priority.
    pub(super) fn parse(
        message: &'a Message,
        action_id: &'a [u8],
        exists: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Result<Self, &'static str> {
        let mut channel: &[u8] = b"";
        let mut channel_id: &[u8] = b"";
        let mut context: &[u8] = b"";
        let mut exten: &[u8] = b"";
        let mut priority: &[u8] = b"";
        let mut application: &[u8] = b"";
        let mut data: &[u8] = b"";
        let mut caller_id: &[u8] = b"";
        let mut timeout: &[u8] = b"";
        let mut asynchronous: &[u8] = b"";
        let mut variables = Vec::new();
        for (key, value) in message.headers() {
            let place = match key.len() {
                4 if key.eq_ignore_ascii_case(b"Data") => &mut data,
                5 if key.eq_ignore_ascii_case(b"Exten") => &mut exten,
                5 if key.eq_ignore_ascii_case(b"Async") => &mut asynchronous,
                7 if key.eq_ignore_ascii_case(b"Channel") => &mut channel,
                7 if key.eq_ignore_ascii_case(b"Context") => &mut context,
                7 if key.eq_ignore_ascii_case(b"Timeout") => &mut timeout,
                8 if key.eq_ignore_ascii_case(b"Priority") => &mut priority,
                8 if key.eq_ignore_ascii_case(b"CallerID") => &mut caller_id,
                8 if key.eq_ignore_ascii_case(b"Variable") => {
                    split_variables(value, &mut variables);
                    continue;
                }
                9 if key.eq_ignore_ascii_case(b"ChannelId") => &mut channel_id,
                11 if key.eq_ignore_ascii_case(b"Application") => &mut application,
                _ => continue,
            };
            *place = value;
        }
        if channel.is_empty() {
            return Err("Channel not specified");
        }
        let priority = if priority.is_empty() {
            None
        } else {
            let number = integer(priority).and_then(|number| u32::try_from(number).ok());
            Some(number.ok_or("Invalid priority")?)
        };
        let timeout = if timeout.is_empty() {
            Some(DEFAULT_TIMEOUT)
        } else {
            let millis = integer(timeout).ok_or("Invalid timeout")?;
            // Zero and less never give up.
            u64::try_from(millis)
                .ok()
                .filter(|millis| *millis > 0)
                .map(Duration::from_millis)
        };
        if !channel.contains(&b'/') {
            return Err("Invalid channel");
        }
        if channel_id.len() > MAX_CHANNEL_ID {
            return Err("Uniqueid length exceeds maximum of 149\n");
        }
        // Also where it is not used, because there is an application.
        if priority.is_some() && !context.is_empty() && !exten.is_empty() && !exists(context, exten)
        {
            return Err("Extension does not exist.");
        }
        let target = if application.is_empty() {
            Target::Exten {
                context,
                exten,
                priority: priority.unwrap_or(1),
            }
        } else {
            Target::Application { application, data }
        };
        Ok(Self {
            action_id,
            channel,
            channel_id,
            target,
            caller: caller(caller_id),
            timeout,
            variables,
            asynchronous: is_true(asynchronous),
        })
    }
}

/// What Asterisk takes for yes.
fn is_true(value: &[u8]) -> bool {
    [&b"true"[..], b"yes", b"y", b"t", b"1", b"on"]
        .iter()
        .any(|yes| value.eq_ignore_ascii_case(yes))
}

fn integer(value: &[u8]) -> Option<i64> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

/// `"Name" <num>`, `Name <num>`, `num` or `Name`.
fn caller(text: &[u8]) -> Party<'_> {
    if let Some(open) = text.iter().rposition(|&byte| byte == b'<')
        && let Some(close) = text[open..].iter().position(|&byte| byte == b'>')
    {
        let name = text[..open].trim_ascii();
        let name = name
            .strip_prefix(b"\"")
            .and_then(|name| name.strip_suffix(b"\""))
            .unwrap_or(name);
        return Party {
            num: text[open + 1..open + close].trim_ascii(),
            name,
        };
    }
    let number = |byte: &u8| byte.is_ascii_digit() || b"+*#-() ".contains(byte);
    if text.iter().all(number) {
        Party {
            num: text,
            name: b"",
        }
    } else {
        Party {
            num: b"",
            name: text,
        }
    }
}

/// Takes a `Variable:` header apart as Asterisk does: pairs end at a comma that no quote, parenthesis, bracket or
/// backslash protects; quotes and backslashes go away.
fn split_variables<'a>(text: &'a [u8], into: &mut Vec<Pair<'a>>) {
    let special = |byte: &u8| b"\\\",([".contains(byte);
    if !text.iter().any(special) {
        push_pair(Cow::Borrowed(text), into);
        return;
    }
    let mut pair = Vec::new();
    let mut pairs = Vec::new();
    let (mut quoted, mut depth) = (false, 0_u32);
    let mut bytes = text.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => pair.extend(bytes.next()),
            b'"' => quoted = !quoted,
            b',' if !quoted && depth == 0 => pairs.push(std::mem::take(&mut pair)),
            _ => {
                match byte {
                    b'(' | b'[' => depth += 1,
                    b')' | b']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                pair.push(byte);
            }
        }
    }
    pairs.push(pair);
    // Asterisk prepends each pair of one header to its list.
    for pair in pairs.into_iter().rev() {
        push_pair(Cow::Owned(pair), into);
    }
}

fn push_pair<'a>(pair: Cow<'a, [u8]>, into: &mut Vec<Pair<'a>>) {
    let Some(equals) = pair.iter().position(|&byte| byte == b'=') else {
        return;
    };
    into.push(match pair {
        Cow::Borrowed(pair) => (
            Cow::Borrowed(&pair[..equals]),
            Cow::Borrowed(&pair[equals + 1..]),
        ),
        Cow::Owned(mut pair) => {
            let value = pair.split_off(equals + 1);
            pair.pop();
            (Cow::Owned(pair), Cow::Owned(value))
        }
    });
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::ami::Action;

    fn pairs(text: &[u8]) -> Vec<(String, String)> {
        let mut pairs = Vec::new();
        split_variables(text, &mut pairs);
        let string = |bytes: Cow<[u8]>| String::from_utf8(bytes.into_owned()).unwrap();
        pairs
            .into_iter()
            .map(|(name, value)| (string(name), string(value)))
            .collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn variables_are_taken_apart_as_asterisk_does() {
        assert_eq!(pairs(b"A=plain"), [pair("A", "plain")]);
        assert_eq!(
            pairs(br#"A=x,B="y,z",C=(1,2),D"#),
            [pair("C", "(1,2)"), pair("B", "y,z"), pair("A", "x")]
        );
        assert_eq!(pairs(br#"A="swallows, B=1"#), [pair("A", "swallows, B=1")]);
    }

    #[test]
    fn what_the_dialer_escapes_arrives_as_it_was() {
        let value = "a\\b \"c\", (d] [e) 'f' = ünï";
        let action = Action::new("Originate", "1")
            .unwrap()
            .variable("X", value)
            .unwrap();
        let mut bytes = BytesMut::new();
        action.encode_into(&mut bytes);
        let message = Message::from_bytes(bytes.freeze());
        assert_eq!(pairs(message.get("Variable").unwrap()), [pair("X", value)]);
    }

    #[test]
    fn a_caller_is_a_name_a_number_or_both() {
        let party = |text: &'static str| {
            let party = caller(text.as_bytes());
            (
                std::str::from_utf8(party.num).unwrap(),
                std::str::from_utf8(party.name).unwrap(),
            )
        };
        assert_eq!(party("\"A B\" <123>"), ("123", "A B"));
        assert_eq!(party("Test <+100>"), ("+100", "Test"));
        assert_eq!(party("100"), ("100", ""));
        assert_eq!(party("Bob"), ("", "Bob"));
        assert_eq!(party(""), ("", ""));
    }
}
