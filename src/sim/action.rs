//! What a client may ask of the simulated Asterisk, and how it answers.

use md5::{Digest, Md5};
use tokio::time::Instant;

use crate::ami::Message;
use crate::sim::calls::SimulatedCalls;
use crate::sim::client::{Close, ManagerClient, QUEUED, REFUSAL};
use crate::sim::dial_string::DialString;
use crate::sim::exchange::Exchange;
use crate::sim::fate;
use crate::sim::headers::{end, header};
use crate::sim::originate::{Originate, SessionNumber};
use crate::sim::settings::SimulatorConfig;
use crate::sim::status;

/// The banner of 22.
pub(super) const BANNER: &[u8] = b"Asterisk Call Manager/11.0.0\r\n";

/// What `VERSION()` gives, and `CoreSettings`.
const VERSION: &str = "22.10.1 (simulated)";

/// What `ListCommands` lists, a header a line.
const COMMANDS: &str = include_str!("commands.txt");

/// What `CoreSettings` gives, a header a line.
const CORE_SETTINGS: &str = include_str!("core_settings.txt");

fn headers_of(text: &str) -> Vec<(&str, &str)> {
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    lines.map(|(key, value)| (key, value.trim())).collect()
}

/// Answers one action.
pub(super) fn handle(
    exchange: &mut Exchange,
    session: SessionNumber,
    message: &Message,
    now: Instant,
) {
    let stopping = exchange.is_stopping();
    let Some((calls, client)) = exchange.calls_and_client(session) else {
        return;
    };
    let get = |key| message.get_str(key).unwrap_or_default();
    let name = get("Action");
    client.action_id = get("ActionID").into_owned();
    let mut denied = calls.config.denied_actions.iter();
    let is_denied = !client.is_logged_in || denied.any(|denied| denied.eq_ignore_ascii_case(&name));
    let action = name.to_ascii_lowercase();
    let refusal = match action.as_str() {
        "" => Some("Missing action in request"),
        _ if stopping => Some("Asterisk is shutting down"),
        "challenge" | "login" | "logoff" => None,
        _ => is_denied.then_some("Permission denied"),
    };
    if let Some(why) = refusal {
        return client.refuse(why);
    }
    let mut succeed = |headers: &[(&str, &str)]| client.respond("Success", headers);
    match action.as_str() {
        "originate" => originate(exchange, session, message, now),
        "hangup" => hang_up(exchange, session, message),
        "challenge" => send_challenge(client, message, session),
        "login" => log_in(calls, client, message, now),
        "logoff" => {
            client.respond("Goodbye", &[("Message", "Thanks for all the fish.")]);
            client.close = Some(Close::Flushed);
        }
        "ping" => succeed(&[("Ping", "Pong"), ("Timestamp", &calls.wall_clock(now))]),
        "coresettings" => {
            let max_calls = calls.config.max_calls.to_string();
            let settings = CORE_SETTINGS.replace("{max_calls}", &max_calls);
            succeed(&headers_of(&settings.replace("{version}", VERSION)));
        }
        "corestatus" => succeed(&[
            ("CoreStartupDate", "2026-01-01"),
            ("CoreStartupTime", "00:00:00"),
            ("CoreReloadDate", "2026-01-01"),
            ("CoreReloadTime", "00:00:00"),
            ("CoreCurrentCalls", &calls.counters.calls.to_string()),
            ("CoreProcessedCalls", &calls.counters.originates.to_string()),
        ]),
        "coreshowchannels" => status::core_show_channels(calls, client, now),
        "getvar" => {
            let variable = get("Variable");
            let value = function_value(&calls.config, &variable);
            succeed(&[("Variable", &variable), ("Value", value)]);
        }
        "status" => {
            let channel = get("Channel");
            if channel.is_empty() || calls.find(&channel).is_some() {
                status::status(calls, client, &channel, &get("Variables"), now);
            } else {
                client.refuse("No such channel");
            }
        }
        "events" => {
            let on = !get("EventMask").eq_ignore_ascii_case("off");
            succeed(&[("Events", if on { "On" } else { "Off" })]);
            client.wants_events = on;
        }
        "listcommands" => succeed(&headers_of(COMMANDS)),
        _ => {
            let why = format!(
                "Invalid/unknown command: {name}. Use Action: ListCommands to show available commands."
            );
            client.refuse(&why);
        }
    }
}

fn log_in(calls: &SimulatedCalls, client: &mut ManagerClient, message: &Message, now: Instant) {
    if client.is_logged_in {
        return client.accept("Already authenticated");
    }
    if !is_right(message, &calls.config, client.challenge) {
        client.refused = Some(now + REFUSAL);
        return;
    }
    client.is_logged_in = true;
    let events = message.get_str("Events").unwrap_or_default();
    client.wants_events = !events.eq_ignore_ascii_case("off");
    client.accept("Authentication accepted");
    let uptime = now.saturating_duration_since(calls.started);
    let uptime = uptime.as_secs().to_string();
    header(&mut client.output, "Event", "FullyBooted");
    let headers = [
        ("Privilege", "system,all"),
        ("Uptime", uptime.as_str()),
        ("LastReload", &uptime),
        ("Status", "Fully Booted"),
    ];
    end(&mut client.output, &headers);
}

/// Whether a login names the right user and secret.
fn is_right(message: &Message, config: &SimulatorConfig, challenge: Option<u64>) -> bool {
    let is = |key, value: &str| message.get(key) == Some(value.as_bytes());
    if !is("Username", &config.username) {
        return false;
    }
    if !wants_md5(message) {
        return is("Secret", &config.secret);
    }
    let Some(challenge) = challenge else {
        return false;
    };
    let digest = Md5::new()
        .chain_update(challenge.to_string())
        .chain_update(&config.secret);
    let key = u128::from_be_bytes(digest.finalize().into());
    is("Key", &format!("{key:032x}"))
}

fn wants_md5(message: &Message) -> bool {
    let wanted = message.get("AuthType");
    wanted.is_some_and(|kind| kind.eq_ignore_ascii_case(b"MD5"))
}

fn send_challenge(client: &mut ManagerClient, message: &Message, session: SessionNumber) {
    if !wants_md5(message) {
        return client.refuse("Must specify AuthType");
    }
    let before = client.challenge.unwrap_or(session.0);
    let challenge = fate::mix(before) % 1_000_000_000;
    client.challenge = Some(challenge);
    let headers = [("Challenge", &*challenge.to_string())];
    client.respond("Success", &headers);
}

fn originate(exchange: &mut Exchange, session: SessionNumber, message: &Message, now: Instant) {
    let Some((calls, client)) = exchange.calls_and_client(session) else {
        return;
    };
    let exists = |context: &str, exten: &str| calls.config.has_extension(context, exten);
    match Originate::parse(message, session, exists) {
        Err(why) => client.refuse(why),
        Ok(originate) => {
            if originate.waiting.is_some() {
                client.block();
            } else {
                client.accept(QUEUED);
            }
            exchange.broadcast(|calls, events| calls.originate(originate, now, events));
        }
    }
}

fn hang_up(exchange: &mut Exchange, session: SessionNumber, message: &Message) {
    let Some((calls, client)) = exchange.calls_and_client(session) else {
        return;
    };
    let name = message.get_str("Channel").unwrap_or_default();
    if name.is_empty() {
        return client.refuse("No channel specified");
    }
    let Some(call) = calls.find(&name) else {
        return client.refuse("No such channel");
    };
    client.accept("Channel Hungup");
    let cause = message.get_str("Cause");
    let cause = cause.and_then(|cause| cause.parse().ok());
    exchange.broadcast(|calls, events| calls.hang_up(call, cause, events));
}

/// `Getvar` without a channel; empty for a function that this Asterisk has not, as from the real one.
fn function_value(config: &SimulatorConfig, function: &str) -> &'static str {
    let call = function.strip_suffix(')');
    match call.and_then(|call| call.split_once('(')) {
        Some(("VERSION", "")) => VERSION,
        Some(("DEVICE_STATE", device)) if device_exists(config, device) => "NOT_INUSE",
        Some(("DEVICE_STATE", _)) => "INVALID",
        _ => "",
    }
}

fn device_exists(config: &SimulatorConfig, device: &str) -> bool {
    let dialed = DialString::parse(device);
    if dialed.is_local() {
        return config.has_extension(dialed.endpoint, dialed.number);
    }
    // Of a trunk, only its own name is a device's.
    dialed.technology_is_known() && config.has_endpoint(dialed.address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Simulate;

    #[test]
    fn a_device_is_there_if_its_trunk_or_its_extension_is() {
        let config = SimulatorConfig {
            endpoints: Some(vec!["carrier".to_owned()]),
            extensions: Some(vec![("sim".to_owned(), "100".to_owned())]),
            ..SimulatorConfig::new(Simulate::default())
        };
        for (device, state) in [
            ("PJSIP/carrier", "NOT_INUSE"),
            ("PJSIP/nobody", "INVALID"),
            ("PJSIP/100@carrier", "INVALID"),
            ("Nothing/carrier", "INVALID"),
            ("Local/100@sim/n", "NOT_INUSE"),
            ("Local/101@sim/n", "INVALID"),
        ] {
            let function = format!("DEVICE_STATE({device})");
            assert_eq!(function_value(&config, &function), state, "{device}");
        }
        assert_eq!(function_value(&config, "VERSION()"), VERSION);
        for none in ["", "CALLID", "CURL(x)", "VERSION("] {
            assert_eq!(function_value(&config, none), "", "{none}");
        }
    }
}
