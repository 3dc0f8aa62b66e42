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
    Device(String),
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

    /// Looks where the calls to a contact go.
    pub(super) fn add(&mut self, list: &List, contact: &Contact) {
        if self.contacts == CONTACTS {
            return;
        }
        self.contacts += 1;
        for (trunk, known) in self.of_trunks.iter_mut().enumerate() {
            if known.len() < MOST
                && let Ok(rendered) = list.render(contact, 0, trunk)
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
        let after_at = |text: &str| text.split_once('@').map(|(_, name)| name.to_owned());
        match technology.to_ascii_uppercase().as_str() {
            "LOCAL" => {
                let (exten, context) = first.split_once('@').unwrap_or((first, "default"));
                Some(Self::Extension {
                    context: context.to_owned(),
                    exten: exten.to_owned(),
                })
            }
            // Number@endpoint, endpoint/uri, endpoint; and for IAX2 user:secret@peer, which is no one's to read.
            "PJSIP" | "SIP" | "IAX2" => {
                let name = after_at(first).unwrap_or_else(|| first.to_owned());
                let name = name.split(':').next().unwrap_or_default();
                Some(Self::Device(format!("{technology}/{name}")))
            }
            // A group is none; but whether there is such a technology at all is told all the same.
            "DAHDI" => Some(Self::Device(format!("{technology}/{first}"))),
            _ => None,
        }
    }
}

impl std::fmt::Display for Destination {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Device(device) => f.write_str(device),
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
            ("SIP/100@192.0.2.1:5080", "SIP/192.0.2.1"),
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
}
