//! What a client may ask of the simulated Asterisk, and how it answers.

use std::fmt::Write;

use md5::{Digest, Md5};
use tokio::time::Instant;

use super::{fate, function, status};
use crate::ami::Message;
use crate::sim::calls::Calls;
use crate::sim::event::{header, number_header};
use crate::sim::exchange::{Close, Exchange, Outbox};
use crate::sim::originate::Originate;

/// What a session has come to.
#[derive(Debug, Default)]
pub(super) struct Client {
    login: Login,
    /// The challenge that was sent last.
    challenge: Option<u64>,
    /// Set while an originate that is not asynchronous blocks the session: its `ActionID`.
    pub(super) blocked: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
enum Login {
    #[default]
    No,
    /// The answer and the end come at that moment.
    Refused {
        at: Instant,
        action_id: Vec<u8>,
    },
    Yes,
}

/// How long a wrong login waits for its answer.
const REFUSAL: std::time::Duration = std::time::Duration::from_secs(1);

/// The banner of 22.
pub(super) const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

/// The actions that are known, for `ListCommands`.
const COMMANDS: &[u8] = b"Challenge: Generate Challenge for MD5 Auth.  (Priv: <none>)\r\n\
CoreSettings: Show PBX core settings (version etc).  (Priv: system,reporting,all)\r\n\
CoreShowChannels: List currently active channels.  (Priv: system,reporting,all)\r\n\
CoreStatus: Show PBX core status variables.  (Priv: system,reporting,all)\r\n\
Events: Control Event Flow.  (Priv: <none>)\r\n\
Getvar: Gets a channel variable or function value.  (Priv: call,reporting,all)\r\n\
Hangup: Hangup channel.  (Priv: system,call,all)\r\n\
ListCommands: List available manager commands.  (Priv: <none>)\r\n\
Login: Login Manager.  (Priv: <none>)\r\n\
Logoff: Logoff Manager.  (Priv: <none>)\r\n\
Originate: Originate a call.  (Priv: originate,all)\r\n\
Ping: Keepalive command.  (Priv: <none>)\r\n\
Status: List channel status.  (Priv: system,call,reporting,all)\r\n";

impl Client {
    /// When [`Self::tick`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.login {
            Login::Refused { at, .. } => Some(*at),
            Login::No | Login::Yes => None,
        }
    }

    /// Whether what it sends is looked at now.
    pub(super) fn listens(&self) -> bool {
        self.blocked.is_none() && !matches!(self.login, Login::Refused { .. })
    }

    /// Does what was put off.
    pub(super) fn tick(&mut self, exchange: &mut Exchange, session: usize, now: Instant) {
        let Some(outbox) = exchange.outbox(session) else {
            return;
        };
        if let Login::Refused { at, action_id } = &self.login
            && *at <= now
        {
            respond(
                &mut outbox.bytes,
                "Error",
                action_id,
                "Authentication failed",
            );
            outbox.close = Some(Close::Flushed);
            self.login = Login::No;
        }
        if self.blocked.is_some()
            && let Some(answered) = outbox.outcome.take()
            && let Some(action_id) = self.blocked.take()
        {
            // The events of the call were held back, and follow the response.
            let events = std::mem::take(&mut outbox.bytes);
            if answered {
                queued(&mut outbox.bytes, &action_id);
            } else {
                respond(&mut outbox.bytes, "Error", &action_id, "Originate failed");
            }
            outbox.bytes.extend_from_slice(&events);
        }
    }

    /// Answers one action.
    pub(super) fn handle(
        &mut self,
        exchange: &mut Exchange,
        session: usize,
        message: &Message,
        now: Instant,
    ) {
        let action_id = message.get("ActionID").unwrap_or(b"");
        let action = message.get("Action").unwrap_or(b"");
        if action.eq_ignore_ascii_case(b"Originate") && self.may(exchange, action) {
            self.originate(exchange, session, message, action_id, now);
            return;
        }
        if action.eq_ignore_ascii_case(b"Hangup") && self.may(exchange, action) {
            hang_up(exchange, session, message, action_id);
            return;
        }
        let stopping = exchange.is_stopping();
        let may = self.may(exchange, action);
        let Some((calls, outbox)) = exchange.calls_and_outbox(session) else {
            return;
        };
        let out = &mut outbox.bytes;
        if action.is_empty() {
            respond(out, "Error", action_id, "Missing action in request");
        } else if stopping {
            respond(out, "Error", action_id, "Asterisk is shutting down");
        } else if action.eq_ignore_ascii_case(b"Challenge") {
            self.send_challenge(message, action_id, session, out);
        } else if action.eq_ignore_ascii_case(b"Login") {
            self.log_in(calls, outbox, message, action_id, now);
        } else if action.eq_ignore_ascii_case(b"Logoff") {
            response(out, "Goodbye", action_id);
            header(out, "Message", b"Thanks for all the fish.");
            out.extend_from_slice(b"\r\n");
            outbox.close = Some(Close::Flushed);
        } else if !may {
            respond(out, "Error", action_id, "Permission denied");
        } else {
            answer(calls, outbox, action, message, action_id, now);
        }
    }

    fn log_in(
        &mut self,
        calls: &Calls,
        outbox: &mut Outbox,
        message: &Message,
        action_id: &[u8],
        now: Instant,
    ) {
        let out = &mut outbox.bytes;
        if matches!(self.login, Login::Yes) {
            respond(out, "Success", action_id, "Already authenticated");
        } else if self.is_right(message, &calls.config.username, &calls.config.secret) {
            self.login = Login::Yes;
            outbox.logged_in = true;
            let events = message.get("Events").unwrap_or(b"on");
            outbox.events = !events.eq_ignore_ascii_case(b"off");
            respond(out, "Success", action_id, "Authentication accepted");
            let uptime = now.saturating_duration_since(calls.started).as_secs();
            fully_booted(out, uptime);
        } else {
            self.login = Login::Refused {
                at: now + REFUSAL,
                action_id: action_id.to_vec(),
            };
        }
    }

    /// Whether the client is logged in and allowed to; while Asterisk stops, nothing is allowed.
    fn may(&self, exchange: &Exchange, action: &[u8]) -> bool {
        let mut denied = exchange.calls().config.denied_actions.iter();
        matches!(self.login, Login::Yes)
            && !exchange.is_stopping()
            && !denied.any(|name| name.as_bytes().eq_ignore_ascii_case(action))
    }

    fn send_challenge(
        &mut self,
        message: &Message,
        action_id: &[u8],
        session: usize,
        out: &mut Vec<u8>,
    ) {
        let wanted = message.get("AuthType").unwrap_or(b"");
        if !wanted.eq_ignore_ascii_case(b"MD5") {
            respond(out, "Error", action_id, "Must specify AuthType");
            return;
        }
        let before = self.challenge.unwrap_or(session as u64);
        let challenge = fate::mix(before) % 1_000_000_000;
        self.challenge = Some(challenge);
        response(out, "Success", action_id);
        number_header(out, "Challenge", challenge);
        out.extend_from_slice(b"\r\n");
    }

    /// Whether a login names the right user and secret.
    fn is_right(&self, message: &Message, username: &str, secret: &str) -> bool {
        if message.get("Username") != Some(username.as_bytes()) {
            return false;
        }
        let md5 = message
            .get("AuthType")
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"MD5"));
        if !md5 {
            return message.get("Secret") == Some(secret.as_bytes());
        }
        let Some(challenge) = self.challenge else {
            return false;
        };
        let mut digest = Md5::new();
        digest.update(challenge.to_string());
        digest.update(secret);
        let mut key = String::with_capacity(32);
        for byte in digest.finalize() {
            // Writing to a string cannot fail.
            let _ = write!(key, "{byte:02x}");
        }
        message.get("Key") == Some(key.as_bytes())
    }

    fn originate(
        &mut self,
        exchange: &mut Exchange,
        session: usize,
        message: &Message,
        action_id: &[u8],
        now: Instant,
    ) {
        let Some((calls, outbox)) = exchange.calls_and_outbox(session) else {
            return;
        };
        let config = &calls.config;
        let exists = |context: &[u8], exten: &[u8]| config.has_extension(context, exten);
        match Originate::parse(message, action_id, exists) {
            Err(why) => respond(&mut outbox.bytes, "Error", action_id, why),
            Ok(originate) if originate.asynchronous => {
                queued(&mut outbox.bytes, action_id);
                exchange.originate(&originate, None, now);
            }
            Ok(originate) => {
                self.blocked = Some(action_id.to_vec());
                outbox.outcome = None;
                exchange.originate(&originate, Some(session), now);
            }
        }
    }
}

/// Answers a question of a client that may ask it.
fn answer(
    calls: &Calls,
    outbox: &mut Outbox,
    action: &[u8],
    message: &Message,
    action_id: &[u8],
    now: Instant,
) {
    let out = &mut outbox.bytes;
    match action.to_ascii_lowercase().as_slice() {
        b"ping" => {
            let micros = calls.wall_micros(now);
            response(out, "Success", action_id);
            header(out, "Ping", b"Pong");
            let timestamp = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
            header(out, "Timestamp", timestamp.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        b"coresettings" => core_settings(calls, action_id, out),
        b"corestatus" => core_status(calls, action_id, out),
        b"coreshowchannels" => status::core_show_channels(calls, action_id, now, out),
        b"getvar" => {
            let variable = message.get("Variable").unwrap_or(b"");
            response(out, "Success", action_id);
            header(out, "Variable", variable);
            let value = function::value(&calls.config, variable);
            header(out, "Value", value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        b"status" => {
            let variables = message.get("Variables").unwrap_or(b"");
            let name = message.get("Channel").unwrap_or(b"");
            if name.is_empty() {
                status::status(calls, None, variables, action_id, now, out);
            } else if let Some(call) = calls.find(name).and_then(|place| calls.get(place)) {
                status::status(calls, Some((call, name)), variables, action_id, now, out);
            } else {
                respond(out, "Error", action_id, "No such channel");
            }
        }
        b"events" => {
            let mask = message.get("EventMask").unwrap_or(b"on");
            outbox.events = !mask.eq_ignore_ascii_case(b"off");
            response(out, "Success", action_id);
            let set: &[u8] = if outbox.events { b"On" } else { b"Off" };
            header(out, "Events", set);
            out.extend_from_slice(b"\r\n");
        }
        b"listcommands" => {
            response(out, "Success", action_id);
            out.extend_from_slice(COMMANDS);
            out.extend_from_slice(b"\r\n");
        }
        _ => {
            let action = String::from_utf8_lossy(action);
            let text = format!(
                "Invalid/unknown command: {action}. Use Action: ListCommands to show available commands."
            );
            respond(out, "Error", action_id, &text);
        }
    }
}

fn core_settings(calls: &Calls, action_id: &[u8], out: &mut Vec<u8>) {
    response(out, "Success", action_id);
    header(out, "AMIversion", b"11.0.0");
    header(out, "AsteriskVersion", function::VERSION.as_bytes());
    header(out, "SystemName", b"");
    number_header(out, "CoreMaxCalls", u64::from(calls.config.max_calls));
    out.extend_from_slice(
        b"CoreMaxLoadAvg: 0.000000\r\nCoreRunUser: \r\nCoreRunGroup: \r\nCoreMaxFilehandles: 0\r\nCoreRealTimeEnabled: No\r\nCoreCDRenabled: Yes\r\nCoreHTTPenabled: No\r\nSoundsSearchCustomDir: No\r\n\r\n",
    );
}

fn core_status(calls: &Calls, action_id: &[u8], out: &mut Vec<u8>) {
    response(out, "Success", action_id);
    out.extend_from_slice(
        b"CoreStartupDate: 2026-01-01\r\nCoreStartupTime: 00:00:00\r\nCoreReloadDate: 2026-01-01\r\nCoreReloadTime: 00:00:00\r\n",
    );
    number_header(out, "CoreCurrentCalls", calls.live() as u64);
    number_header(out, "CoreProcessedCalls", calls.originates());
    out.extend_from_slice(b"\r\n");
}

fn hang_up(exchange: &mut Exchange, session: usize, message: &Message, action_id: &[u8]) {
    let Some((calls, outbox)) = exchange.calls_and_outbox(session) else {
        return;
    };
    let out = &mut outbox.bytes;
    let name = message.get("Channel").unwrap_or(b"");
    if name.is_empty() {
        respond(out, "Error", action_id, "No channel specified");
        return;
    }
    let Some(place) = calls.find(name) else {
        respond(out, "Error", action_id, "No such channel");
        return;
    };
    let cause = message
        .get("Cause")
        .and_then(|cause| std::str::from_utf8(cause).ok()?.parse().ok());
    respond(out, "Success", action_id, "Channel Hungup");
    exchange.hang_up(place, cause);
}

/// The first lines of a response.
fn response(out: &mut Vec<u8>, kind: &str, action_id: &[u8]) {
    header(out, "Response", kind.as_bytes());
    if !action_id.is_empty() {
        header(out, "ActionID", action_id);
    }
}

/// A response that only has a message.
fn respond(out: &mut Vec<u8>, kind: &str, action_id: &[u8], message: &str) {
    response(out, kind, action_id);
    header(out, "Message", message.as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn queued(out: &mut Vec<u8>, action_id: &[u8]) {
    respond(out, "Success", action_id, "Originate successfully queued");
}

fn fully_booted(out: &mut Vec<u8>, uptime: u64) {
    header(out, "Event", b"FullyBooted");
    header(out, "Privilege", b"system,all");
    number_header(out, "Uptime", uptime);
    number_header(out, "LastReload", uptime);
    header(out, "Status", b"Fully Booted");
    out.extend_from_slice(b"\r\n");
}
