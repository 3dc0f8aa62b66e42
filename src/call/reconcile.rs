//! Asks Asterisk which channels it carries, so that calls whose end may have been missed are followed on or given up.
//!
//! A call that is in the list is followed to its end, and one that is in neither of two lists, the second a good second
//! after the first, has ended unseen: an Originate that was written last may not be in the first list yet.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use crate::ami::action::{Action, ActionError, MAX_LINE};
use crate::ami::client::Client;
use crate::ami::errors::RequestError;
use crate::ami::message::Message;
use crate::call::captured::CapturedVars;
use crate::call::correlator::{ListedChannel, Note};
use crate::call::id::CallId;

/// Why the calls in flight are not accounted for.
#[derive(Debug, thiserror::Error)]
#[error("the running calls cannot be looked up")]
pub struct ReconcileError {
    pub source: RequestError,
    /// A list came before that.
    pub was_listed: bool,
}

/// Accounts for the calls in flight by what Asterisk carries, and captures the variables that were set unseen.
pub async fn reconcile(client: &Client<Note>, vars: &CapturedVars) -> Result<(), ReconcileError> {
    let mut was_listed = false;
    loop {
        match list_once(client, vars).await {
            Ok(None) => return Ok(()),
            Ok(Some(at)) => {
                was_listed = true;
                // A session that ends meanwhile refuses the next request.
                tokio::select! {
                    () = sleep_until(at) => {}
                    _ = client.closed() => {}
                }
            }
            Err(source) => return Err(ReconcileError { source, was_listed }),
        }
    }
}

/// Gives when to ask again, if that is needed.
async fn list_once(
    client: &Client<Note>,
    vars: &CapturedVars,
) -> Result<Option<Instant>, RequestError> {
    let asked_at = Instant::now();
    let action = status(vars).map_err(|error| RequestError::Refused(error.to_string()))?;
    let channels = client.list(action).await?;
    let channels = channels
        .iter()
        .filter_map(|channel| read(channel, vars))
        .collect();
    let (reply, again) = oneshot::channel();
    let note = Note::Listed {
        asked_at,
        channels,
        again: reply,
    };
    if client.submit(Some(note), None).is_ok()
        && let Ok(again) = again.await
    {
        return Ok(again);
    }
    Err(client.closed().await.into())
}

/// Asks for all channels. The time since the answer is Asterisk's own, so that its clock may differ from ours.
fn status(vars: &CapturedVars) -> Result<Action, ActionError> {
    let mut variables = "CALLID,CDR(billsec,f)".to_owned();
    for name in &vars.names {
        // There is only one such header, and Asterisk refuses a longer one. What has no room is not asked for.
        if "Variables: ".len() + variables.len() + 1 + name.len() <= MAX_LINE {
            variables.push(',');
            variables.push_str(name);
        }
    }
    Action::new("Status", &format!("channels-{}", CallId::new()))?.header("Variables", variables)
}

/// One channel of the list.
fn read(message: &Message, vars: &CapturedVars) -> Option<ListedChannel> {
    let variable = |name: &str| {
        message
            .get_all("Variable")
            .find_map(|variable| variable.strip_prefix(name.as_bytes())?.strip_prefix(b"="))
    };
    let answered = variable("CDR(billsec,f)").and_then(|seconds| str::from_utf8(seconds).ok());
    let set = vars.names.iter().enumerate().filter_map(|(index, name)| {
        // That is what the C library makes of no value.
        let value = variable(name).filter(|&value| value != b"(null)")?;
        Some((index, value.into()))
    });
    Some(ListedChannel {
        uniqueid: message.get("Uniqueid")?.into(),
        linkedid: message.get("Linkedid").unwrap_or_default().into(),
        channel: message.get("Channel").unwrap_or_default().into(),
        up: message.get("ChannelStateDesc") == Some(b"Up"),
        ringing: message.get("ChannelStateDesc") == Some(b"Ringing"),
        callid: variable("CALLID").unwrap_or_default().into(),
        answered_ago: answered.and_then(seconds),
        variables: set.collect(),
    })
}

/// How long ago a call was answered; `None` where it was not (0), or nothing records it (`(null)`, empty).
fn seconds(text: &str) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse().ok()?)
        .ok()
        .filter(|ago| !ago.is_zero())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_since_the_answer_is_read_where_there_was_one() {
        assert_eq!(seconds("2.595793"), Some(Duration::from_micros(2_595_793)));
        for none in ["", "(null)", "0.000000", "-1.000000", "nan"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }

    fn vars(names: impl IntoIterator<Item = String>) -> CapturedVars {
        CapturedVars {
            names: names.into_iter().map(String::into_boxed_str).collect(),
            ..CapturedVars::default()
        }
    }

    #[test]
    fn a_channel_of_the_list_has_the_variables_that_are_set() {
        let names = ["CHOICE", "CHO", "UNSET", "EMPTY"];
        let vars = vars(names.map(str::to_owned));
        let message = Message::from_bytes(
            &b"Event: Status\r\nUniqueid: a\r\nVariable: CALLID=x\r\nVariable: CHOICE=\xffa\\n=b\r\nVariable: CHO=1\r\nVariable: UNSET=(null)\r\nVariable: EMPTY=\r\n"[..],
        );
        let listed = read(&message, &vars).unwrap();
        assert_eq!(*listed.callid, *b"x");
        let variables: Vec<_> = listed
            .variables
            .iter()
            .map(|(index, value)| (*index, &**value))
            .collect();
        // Here, unlike in a `VarSet`, nothing is escaped.
        assert_eq!(variables, [(0, &b"\xffa\\n=b"[..]), (1, b"1"), (3, b"")]);
    }

    #[test]
    fn more_variables_than_asterisk_reads_in_a_line_do_not_keep_the_session_down() {
        let many = vars((0..200).map(|n| format!("VARIABLE_{n:03}")));
        let mut bytes = bytes::BytesMut::new();
        status(&many).unwrap().encode_into(&mut bytes);
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let line = text
            .lines()
            .find(|line| line.starts_with("Variables: "))
            .unwrap();
        assert!(line.starts_with("Variables: CALLID,CDR(billsec,f),VARIABLE_000,VARIABLE_001,"));
        assert!(
            (MAX_LINE - 13..=MAX_LINE).contains(&line.len()),
            "{}",
            line.len()
        );
    }
}
