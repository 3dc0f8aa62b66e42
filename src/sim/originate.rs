//! What an `Originate` asks for, and why Asterisk refuses it.

use std::sync::Arc;
use std::time::Duration;

use crate::ami::Message;
use crate::sim::channel::Party;

/// The longest `ChannelId` that Asterisk takes.
const MAX_CHANNEL_ID: usize = 149;

/// How long Asterisk lets a call ring without a `Timeout`, in milliseconds.
const DEFAULT_TIMEOUT: i64 = 30_000;

/// Sessions are numbered in the order in which they begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct SessionNumber(pub(super) u64);

/// A well-formed `Originate`.
#[derive(Debug)]
pub(super) struct Originate {
    pub(super) action_id: String,
    /// As given, such as `PJSIP/100@carrier`.
    pub(super) dial_string: String,
    pub(super) channel_id: Option<Arc<str>>,
    /// The extension that an answered call runs, unless there is an application.
    pub(super) context: String,
    pub(super) exten: String,
    pub(super) priority: u32,
    /// Empty, or what an answered call runs instead.
    pub(super) application: String,
    pub(super) data: String,
    pub(super) caller: Party,
    /// How long it may ring; `None`: for ever.
    pub(super) timeout: Option<Duration>,
    /// Each `NAME=value`.
    pub(super) variables: Vec<String>,
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
        let get = |key| message.get_str(key).unwrap_or_default();
        let (dial_string, channel_id) = (get("Channel"), get("ChannelId"));
        let (context, exten) = (get("Context"), get("Exten"));
        let number = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some),
        };
        if dial_string.is_empty() {
            return Err("Channel not specified");
        }
        let priority = number(&get("Priority"))
            .ok()
            .and_then(|number| number.map(u32::try_from).transpose().ok())
            .ok_or("Invalid priority")?;
        // Zero and less never give up.
        let millis = number(&get("Timeout")).map_err(|_| "Invalid timeout")?;
        let timeout = u64::try_from(millis.unwrap_or(DEFAULT_TIMEOUT))
            .ok()
            .filter(|millis| *millis > 0)
            .map(Duration::from_millis);
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
        let mut variables = Vec::new();
        for header in message.get_all("Variable").map(String::from_utf8_lossy) {
            if header.contains(SPECIAL) {
                // Asterisk prepends each pair of one header to its list.
                variables.extend(split_arguments(&header).into_iter().rev());
            } else {
                variables.push(header.into_owned());
            }
        }
        variables.retain(|pair| pair.contains('='));
        let asynchronous = get("Async");
        let yes = ["true", "yes", "y", "t", "1", "on"];
        let is_async = yes.iter().any(|yes| asynchronous.eq_ignore_ascii_case(yes));
        Ok(Self {
            action_id: get("ActionID").into_owned(),
            dial_string: dial_string.into_owned(),
            channel_id: (!channel_id.is_empty()).then(|| channel_id.into()),
            context: context.into_owned(),
            exten: exten.into_owned(),
            priority: priority.unwrap_or(1),
            application: get("Application").into_owned(),
            data: get("Data").into_owned(),
            caller: Party::parse(&get("CallerID")),
            timeout,
            variables,
            waiting: (!is_async).then_some(session),
        })
    }

    /// The variables, each with its value.
    pub(super) fn variables(&self) -> impl DoubleEndedIterator<Item = (&str, &str)> {
        self.variables
            .iter()
            .filter_map(|pair| pair.split_once('='))
    }

    /// The value of a variable, whatever its inheritance.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        let mut variables = self.variables();
        let (_, value) = variables.find(|(set, _)| without_inheritance(set) == name)?;
        Some(value)
    }
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
        assert_eq!(originate.variables, ["B=y", "A=x"]);
    }
}
