//! Where a campaign's calls go in Asterisk, as far as it can be asked about: the endpoint of a dial string, a peer, or
//! the extension that a Local channel leads to. Pure.

use std::collections::BTreeSet;

use crate::config::Campaign;
use crate::contacts::{Contact, List};

/// Of so many contacts is it looked where they go; a trunk leads to the same for all of them, mostly.
const CONTACTS: u64 = 1000;
/// So many destinations of a trunk are asked about.
const MOST: usize = 20;

/// What a dial string leads to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Destination {
    /// Something whose state Asterisk knows, such as `PJSIP/carrier`.
    Device {
        name: String,
        /// Whether calls go to a contact of its own, and not to an address that the dial string names.
        by_contact: bool,
    },
    /// An extension of the dialplan.
    Extension { context: String, exten: String },
}

/// The destinations of the first contacts, by trunk.
#[derive(Debug)]
pub(super) struct Destinations {
    pub(super) of_trunks: Vec<BTreeSet<Destination>>,
    contacts: u64,
}

impl Destinations {
    pub(super) fn of(campaign: &Campaign) -> Self {
        Self {
            of_trunks: vec![BTreeSet::new(); campaign.trunks.len()],
            contacts: 0,
        }
    }

    /// Looks where the calls to a contact go, at this of its numbers.
    pub(super) fn add(&mut self, list: &List, contact: &Contact, number: usize) {
        if self.contacts == CONTACTS {
            return;
        }
        self.contacts += 1;
        for (trunk, known) in self.of_trunks.iter_mut().enumerate() {
            if known.len() < MOST
                && let Ok(rendered) = list.render(contact, number, trunk)
                && let Ok(channel) = std::str::from_utf8(&rendered.channel)
                && let Some(destination) = Destination::of(channel)
            {
                known.insert(destination);
            }
        }
    }
}

impl Destination {
    /// What a dial string leads to; `None` where Asterisk cannot be asked: a group of lines, say, is no device.
    pub(super) fn of(channel: &str) -> Option<Self> {
        let (technology, address) = channel.split_once('/')?;
        let first = address
            .split('/')
            .next()
            .filter(|first| !first.is_empty())?;
        let device = |name: &str, by_contact: bool| {
            Some(Self::Device {
                name: format!("{technology}/{name}"),
                by_contact,
            })
        };
        match technology.to_ascii_uppercase().as_str() {
            "LOCAL" => {
                let (exten, context) = first.split_once('@').unwrap_or((first, "default"));
                let [context, exten] = [context, exten].map(str::to_owned);
                Some(Self::Extension { context, exten })
            }
            // Number@endpoint, endpoint, or endpoint/uri.
            "PJSIP" => {
                let has_uri = first.len() < address.len() && !first.contains('@');
                device(after_at(first), !has_uri)
            }
            // Or number@host, which Asterisk does not know; for IAX2 user:secret@peer, whose secret must not be shown.
            "SIP" | "IAX2" => {
                let peer = after_at(first);
                let is_peer = !peer.contains(['.', ':']);
                is_peer.then(|| device(peer, true)).flatten()
            }
            // A group is no device, but Asterisk can say whether it has the technology at all.
            "DAHDI" => device(first, true),
            _ => None,
        }
    }
}

/// What follows the last `@`.
fn after_at(text: &str) -> &str {
    text.rsplit_once('@').map_or(text, |(_, name)| name)
}

/// A dial string without the password that one may hold: `IAX2/user:password@peer/100`.
pub(super) fn without_password(channel: &str) -> String {
    let masked = || {
        let (technology, address) = channel.split_once('/')?;
        let knows_passwords = ["SIP", "IAX2"]
            .into_iter()
            .any(|known| known.eq_ignore_ascii_case(technology));
        let first = address.split('/').next()?;
        let (login, _) = first.rsplit_once('@')?;
        let (user, _) = login.split_once(':')?;
        let rest = &address[login.len()..];
        knows_passwords.then(|| format!("{technology}/{user}:***{rest}"))
    };
    masked().unwrap_or_else(|| channel.to_owned())
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Device { name, .. } => f.write_str(name),
            Self::Extension { context, exten } => write!(f, "{exten}@{context}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dial_string_leads_to_its_endpoint_its_peer_or_its_extension() {
        let told = |channel: &str| {
            Destination::of(channel).map_or("-".to_owned(), |destination| destination.to_string())
        };
        for (channel, destination) in [
            ("PJSIP/100@carrier", "PJSIP/carrier"),
            ("PJSIP/carrier/sip:100@192.0.2.1", "PJSIP/carrier"),
            ("PJSIP/phone-7", "PJSIP/phone-7"),
            ("SIP/carrier/100", "SIP/carrier"),
            ("SIP/100@carrier", "SIP/carrier"),
            ("SIP/100@192.0.2.1:5080", "-"),
            ("IAX2/user:secret@peer/100", "IAX2/peer"),
            ("IAX2/peer/100", "IAX2/peer"),
            ("DAHDI/g1/100", "DAHDI/g1"),
            ("Local/100@from-internal/n", "100@from-internal"),
            ("Local/100/n", "100@default"),
            ("Dongle/g1/100", "-"),
            ("PJSIP", "-"),
        ] {
            assert_eq!(told(channel), destination, "{channel}");
        }
    }

    #[test]
    fn an_address_of_the_dial_strings_own_needs_no_contact() {
        for (channel, needs) in [
            ("PJSIP/100@carrier", true),
            ("PJSIP/phone-7", true),
            ("PJSIP/carrier/sip:100@192.0.2.1", false),
        ] {
            let Some(Destination::Device { by_contact, .. }) = Destination::of(channel) else {
                panic!("{channel}");
            };
            assert_eq!(by_contact, needs, "{channel}");
        }
    }

    #[test]
    fn a_password_in_a_dial_string_is_not_shown() {
        for (channel, shown) in [
            ("IAX2/user:secret@peer/100", "IAX2/user:***@peer/100"),
            ("SIP/user:a@b:c@192.0.2.1", "SIP/user:***@192.0.2.1"),
            ("IAX2/user@peer/100", "IAX2/user@peer/100"),
            ("SIP/100@192.0.2.1:5080", "SIP/100@192.0.2.1:5080"),
            (
                "PJSIP/carrier/sip:100@192.0.2.1",
                "PJSIP/carrier/sip:100@192.0.2.1",
            ),
            ("Local/100@from-internal/n", "Local/100@from-internal/n"),
        ] {
            assert_eq!(without_password(channel), shown);
        }
    }
}
