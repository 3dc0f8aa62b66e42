//! What an `Originate` asks for, and why Asterisk refuses it.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::ami::Message;
use crate::sim::channel::Party;

/// The longest `ChannelId` that Asterisk takes.
const MAX_CHANNEL_ID: usize = 149;

/// How long Asterisk lets a call ring without a `Timeout`.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// Sessions are numbered in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionNumber(pub(super) u64);

/// Where an answered call goes.
#[derive(Debug)]
pub(super) enum CallTarget {
    Exten {
        context: String,
        exten: String,
        priority: u32,
    },
    Application {
        application: String,
        data: String,
    },
}

/// A well-formed `Originate`.
#[derive(Debug)]
pub(super) struct Originate {
    pub(super) action_id: String,
    /// As given, such as `PJSIP/100@carrier`.
    pub(super) dial_string: String,
    pub(super) channel_id: Option<Arc<str>>,
    pub(super) target: CallTarget,
    pub(super) caller: Party,
    /// How long it may ring; `None`: for ever.
    pub(super) timeout: Option<Duration>,
    pub(super) variables: Vec<(String, String)>,
    /// The session that the answer waits for, unless the originate is asynchronous.
    pub(super) waiting: Option<SessionNumber>,
}

impl Originate {
    /// Reads the action; the error is the `Message:` of the answer.
    ///
    /// `exists` says whether the dialplan has that context and extension.
    pub(super) fn parse(
        message: &Message,
        session: SessionNumber,
        exists: impl Fn(&str, &str) -> bool,
    ) -> Result<Self, &'static str> {
        let [dial_string, channel_id, context, exten, application, data] = headers(
            message,
            [
                "Channel",
                "ChannelId",
                "Context",
                "Exten",
                "Application",
                "Data",
            ],
        );
        let [action_id, priority, timeout, caller, asynchronous] = headers(
            message,
            ["ActionID", "Priority", "Timeout", "CallerID", "Async"],
        );
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some),
        };
        if dial_string.is_empty() {
            return Err("Channel not specified");
        }
        let priority = number(&priority)
            .ok()
            .and_then(|number| number.map(u32::try_from).transpose().ok())
            .ok_or("Invalid priority")?;
        let timeout = match number(&timeout).map_err(|_| "Invalid timeout")? {
            None => Some(DEFAULT_TIMEOUT),
            // Zero and less never give up.
            Some(millis) => u64::try_from(millis)
                .ok()
                .filter(|millis| *millis > 0)
                .map(Duration::from_millis),
        };
        if !dial_string.contains('/') {
            return Err("Invalid channel");
        }
        if channel_id.len() > MAX_CHANNEL_ID {
            return Err("Uniqueid length exceeds maximum of 149\n");
        }
        // Also where it is not used, because there is an application.
        let has_exten = priority.is_some() && !context.is_empty() && !exten.is_empty();
        if has_exten && !exists(&context, &exten) {
            return Err("Extension does not exist.");
        }
        let target = if application.is_empty() {
            CallTarget::Exten {
                context: context.into_owned(),
                exten: exten.into_owned(),
                priority: priority.unwrap_or(1),
            }
        } else {
            CallTarget::Application {
                application: application.into_owned(),
                data: data.into_owned(),
            }
        };
        let mut variables = Vec::new();
        let mut set = |pair: &str| {
            let pair = pair.split_once('=');
            variables.extend(pair.map(|(name, value)| (name.to_owned(), value.to_owned())));
        };
        for header in message.get_all("Variable") {
            let header = String::from_utf8_lossy(header);
            if header.contains(SPECIAL) {
                // Asterisk prepends each pair of one header to its list.
                split_arguments(&header)
                    .iter()
                    .rev()
                    .for_each(|pair| set(pair));
            } else {
                set(&header);
            }
        }
        let yes = ["true", "yes", "y", "t", "1", "on"];
        let is_async = yes.iter().any(|yes| asynchronous.eq_ignore_ascii_case(yes));
        Ok(Self {
            action_id: action_id.into_owned(),
            dial_string: dial_string.into_owned(),
            channel_id: (!channel_id.is_empty()).then(|| channel_id.into()),
            target,
            caller: Party::parse(&caller),
            timeout,
            variables,
            waiting: (!is_async).then_some(session),
        })
    }

    /// The variables, each with its value.
    pub(super) fn variables(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        let pairs = self.variables.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The value of a variable, whatever its inheritance.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.variables();
        let (_, value) = variables.find(|(set, _)| without_inheritance(set) == name)?;
        Some(value)
    }
}

/// The values of some headers, in one pass over the message; empty where there is none.
fn headers<'a, const N: usize>(message: &'a Message, keys: [&str; N]) -> [Cow<'a, str>; N] {
    let mut values = [const { Cow::Borrowed("") }; N];
    for (key, value) in message.headers() {
        let is_it = |wanted: &&str| wanted.as_bytes().eq_ignore_ascii_case(key);
        if let Some(at) = keys.iter().position(is_it) {
            values[at] = String::from_utf8_lossy(value);
        }
    }
    values
}

/// A variable's name without the underscores that say how it is inherited.
fn without_inheritance(name: &str) -> &str {
    let stripped = name.strip_prefix("__").or_else(|| name.strip_prefix('_'));
    stripped.unwrap_or(name)
}

/// What makes a list more than one part, or a part differ from how it is written.
const SPECIAL: [char; 5] = ['\\', '"', ',', '(', '['];

/// Takes a list apart as Asterisk does: its parts end at a comma that no quote, parenthesis, bracket or backslash
/// protects; quotes and backslashes go away.
pub(super) fn split_arguments(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut part = String::with_capacity(text.len());
    let (mut quoted, mut depth) = (false, 0_u32);
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => part.extend(characters.next()),
            '"' => quoted = !quoted,
            ',' if !quoted && depth == 0 => parts.push(std::mem::take(&mut part)),
            _ => {
                match character {
                    '(' | '[' => depth += 1,
                    ')' | ']' => depth = depth.saturating_sub(1),
                    _ => {}
                }
                part.push(character);
            }
        }
    }
    parts.push(part);
    parts
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::ami::Action;

    #[test]
    fn a_list_is_taken_apart_as_asterisk_does() {
        assert_eq!(split_arguments("A=plain"), ["A=plain"]);
        assert_eq!(
            split_arguments(r#"A=x,B="y,z",C=(1,2),D"#),
            ["A=x", "B=y,z", "C=(1,2)", "D"]
        );
        assert_eq!(split_arguments(r#"A="swallows, B=1"#), ["A=swallows, B=1"]);
        let functions = ["CALLID", "CDR(answer,u)", "X"];
        assert_eq!(split_arguments("CALLID,CDR(answer,u),X"), functions);
        assert_eq!(split_arguments(r"CALLID,CDR(answer\,u),X"), functions);
    }

    #[test]
    fn what_the_dialer_escapes_arrives_as_it_was() {
        let value = "a\\b \"c\", (d] [e) 'f' = ünï";
        let action = Action::new("Originate", "1")
            .and_then(|action| action.header("Channel", "PJSIP/1@a"))
            .and_then(|action| action.variable("_X", value))
            .unwrap();
        let mut bytes = BytesMut::new();
        action.encode_into(&mut bytes);
        let message = Message::from_bytes(bytes.freeze());
        let originate = Originate::parse(&message, SessionNumber(0), |_, _| true).unwrap();
        assert_eq!(originate.variable("X"), Some(value));
    }

    #[test]
    fn the_last_pair_of_a_header_with_several_variables_is_set_first() {
        let message = Message::from_bytes("Channel: PJSIP/1@a\r\nVariable: A=x,B=y,D\r\n");
        let originate = Originate::parse(&message, SessionNumber(0), |_, _| true).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(originate.variables, [pair("B", "y"), pair("A", "x")]);
    }
}
