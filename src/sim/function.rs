//! `Getvar` without a channel: the dialplan functions that a client may ask what is there.

use crate::sim::SimulatorConfig;
use crate::sim::dialed::Dialed;

/// What `VERSION()` gives, and `CoreSettings`.
pub(super) const VERSION: &str = "22.10.1 (simulated)";

/// The value of a function; empty for one that this Asterisk has not, as from the real one.
pub(super) fn value(config: &SimulatorConfig, function: &[u8]) -> &'static str {
    let call = function.strip_suffix(b")").and_then(|call| {
        let open = call.iter().position(|&byte| byte == b'(')?;
        Some((&call[..open], &call[open + 1..]))
    });
    match call {
        Some((b"VERSION", b"")) => VERSION,
        Some((b"DEVICE_STATE", device)) => device_state(config, device),
        _ => "",
    }
}

/// Everything that is there is free.
fn device_state(config: &SimulatorConfig, device: &[u8]) -> &'static str {
    let dialed = Dialed::parse(device);
    let exists = if dialed.is_local() {
        config.has_extension(dialed.endpoint, dialed.number)
    } else {
        // Of a trunk, only its own name is a device's.
        dialed.technology_is_known()
            && config
                .endpoints
                .as_ref()
                .is_none_or(|known| known.iter().any(|name| name.as_bytes() == dialed.address))
    };
    if exists { "NOT_INUSE" } else { "INVALID" }
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
            assert_eq!(value(&config, function.as_bytes()), state, "{device}");
        }
        assert_eq!(value(&config, b"VERSION()"), VERSION);
        for none in ["", "CALLID", "CURL(x)", "VERSION("] {
            assert_eq!(value(&config, none.as_bytes()), "", "{none}");
        }
    }
}
