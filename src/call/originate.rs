//! The Originate: how one contact's call is asked of Asterisk.

use crate::ami::action::{Action, ActionError};
use crate::call::id::CallId;
use crate::config::{CallConfig, CallTarget};
use crate::contacts::Rendered;

/// Builds the Originate of a call.
///
/// `Async` always: a synchronous one holds up the whole session until the call is answered. `Timeout` is in
/// milliseconds and covers the ringing only. No `EarlyMedia`: it makes ringback an answer. There is always a place in
/// the dialplan or an application: without one, Asterisk rings the callee and plays nothing.
pub(crate) fn originate(
    call: &CallConfig,
    id: CallId,
    rendered: &Rendered,
) -> Result<Action, ActionError> {
    let mut action = Action::new("Originate", id.as_str())?
        .header("Channel", &rendered.channel)?
        .header("ChannelId", id.as_str())?
        .header("Async", "true")?
        .header("Timeout", call.ring_timeout.as_millis().to_string())?;
    action = match &call.target {
        CallTarget::Exten {
            context,
            exten,
            priority,
        } => action
            .header("Context", context)?
            .header("Exten", exten)?
            .header("Priority", priority.to_string())?,
        CallTarget::Application { application, data } => action
            .header("Application", application)?
            .header("Data", data)?,
    };
    if let Some(caller_id) = &rendered.caller_id {
        action = action.header("CallerID", caller_id)?;
    }
    action = action.variable("CALLID", id.as_str())?;
    for (name, value) in &rendered.variables {
        action = action.variable(name, value)?;
    }
    Ok(action)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::BytesMut;

    use super::*;

    fn encoded(target: CallTarget) -> String {
        let call = CallConfig {
            target,
            target_at: crate::config::Location { line: 1, column: 1 },
            caller_id: None,
            ring_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(200),
            min_talk: Duration::ZERO,
            variables: Vec::new(),
        };
        let rendered = Rendered {
            channel: b"PJSIP/100@carrier".to_vec(),
            caller_id: Some(b"Desk <+5982>".to_vec()),
            variables: vec![("MESSAGE".into(), b"a,b".to_vec())],
        };
        let id = CallId::from_bytes(b"01k9qx3e7r8b2m5tv6w0c4d1fa").unwrap();
        let mut bytes = BytesMut::new();
        originate(&call, id, &rendered)
            .unwrap()
            .encode_into(&mut bytes);
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[test]
    fn an_originate_never_blocks_the_session_nor_rings_with_nothing_to_say() {
        let exten = CallTarget::Exten {
            context: "notify".to_owned(),
            exten: "s".to_owned(),
            priority: 1,
        };
        assert_eq!(
            encoded(exten),
            "Action: Originate\r\nActionID: 01k9qx3e7r8b2m5tv6w0c4d1fa\r\nChannel: PJSIP/100@carrier\r\n\
             ChannelId: 01k9qx3e7r8b2m5tv6w0c4d1fa\r\nAsync: true\r\nTimeout: 30000\r\nContext: notify\r\nExten: s\r\n\
             Priority: 1\r\nCallerID: Desk <+5982>\r\nVariable: CALLID=01k9qx3e7r8b2m5tv6w0c4d1fa\r\n\
             Variable: MESSAGE=a\\,b\r\n\r\n"
        );
        let application = encoded(CallTarget::Application {
            application: "Playback".to_owned(),
            data: "storm".to_owned(),
        });
        assert!(application.contains("\r\nApplication: Playback\r\nData: storm\r\n"));
    }
}
