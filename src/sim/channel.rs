//! A channel as events and lists show it, and the parties on it.

use std::borrow::Cow;
use std::sync::Arc;

/// The state of a channel, as `ChannelState` numbers it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum ChannelState {
    #[default]
    Down,
    Ring,
    Ringing,
    Up,
    Busy,
}

impl ChannelState {
    /// `ChannelState` and `ChannelStateDesc`.
    pub(super) const fn number_and_name(self) -> (&'static str, &'static str) {
        match self {
            Self::Down => ("0", "Down"),
            Self::Ring => ("4", "Ring"),
            Self::Ringing => ("5", "Ringing"),
            Self::Up => ("6", "Up"),
            Self::Busy => ("7", "Busy"),
        }
    }
}

/// A party's number and name; empty is unknown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Party {
    pub(super) number: Arc<str>,
    pub(super) name: Arc<str>,
}

impl Party {
    /// Reads `"Name" <number>`, `Name <number>`, `number` or `Name`.
    pub(super) fn parse(text: &str) -> Self {
        if let Some((name, rest)) = text.rsplit_once('<')
            && let Some((number, _)) = rest.split_once('>')
        {
            let name = name.trim();
            let quoted = name.strip_prefix('"');
            let unquoted = quoted.and_then(|name| name.strip_suffix('"'));
            return Self {
                number: number.trim().into(),
                name: unquoted.unwrap_or(name).into(),
            };
        }
        let is_name = |c: char| !c.is_ascii_digit() && !"+*#-() ".contains(c);
        let (number, name) = if text.contains(is_name) {
            ("", text)
        } else {
            (text, "")
        };
        Self {
            number: number.into(),
            name: name.into(),
        }
    }
}

/// The endpoint's context, where a channel waits until it is answered, and the extension that a redirect leads to.
pub(super) const INBOUND: &str = "from-trunk";
pub(super) const FORWARD: &str = "777";

/// A channel. It follows its own events: each changes it before it is written.
#[derive(Debug, Default)]
pub(super) struct Channel {
    pub(super) name: String,
    pub(super) uniqueid: Arc<str>,
    pub(super) linkedid: Arc<str>,
    pub(super) state: ChannelState,
    pub(super) caller: Party,
    pub(super) connected: Party,
    pub(super) context: Cow<'static, str>,
    pub(super) exten: Cow<'static, str>,
    pub(super) priority: u32,
    /// What it runs now, for the lists of channels.
    pub(super) application: Cow<'static, str>,
    pub(super) data: Cow<'static, str>,
    /// From its `Newchannel` to its `Hangup`.
    pub(super) lives: bool,
}

impl Channel {
    /// Whether a client means this channel by that name or unique id.
    pub(super) fn is(&self, name: &str) -> bool {
        self.lives && (self.name == name || *self.uniqueid == *name)
    }
}

/// Counters from which channels and unique ids get their names.
#[derive(Debug, Default)]
pub(super) struct ChannelNumbers {
    /// Seconds since 1970 at which the simulated Asterisk started.
    epoch: i64,
    channel: u32,
    local: u32,
    unique: u64,
}

impl ChannelNumbers {
    pub(super) fn since(epoch: i64) -> Self {
        Self {
            epoch,
            ..Self::default()
        }
    }

    pub(super) fn unique_id(&mut self) -> Arc<str> {
        self.unique += 1;
        format!("{}.{}", self.epoch, self.unique).into()
    }

    /// A channel that has not appeared yet, in the endpoint's context.
    pub(super) fn leg(
        &mut self,
        technology: &str,
        endpoint: &str,
        id: Option<&Arc<str>>,
        linkedid: &Arc<str>,
    ) -> Channel {
        self.channel = self.channel.wrapping_add(1);
        Channel {
            name: format!("{technology}/{endpoint}-{:08x}", self.channel),
            uniqueid: id.cloned().unwrap_or_else(|| self.unique_id()),
            linkedid: Arc::clone(linkedid),
            context: INBOUND.into(),
            exten: "s".into(),
            priority: 1,
            ..Channel::default()
        }
    }

    /// Both halves of a Local channel, of which the second runs the dialplan that it leads to.
    pub(super) fn local_halves(
        &mut self,
        exten: &str,
        context: &str,
        ids: [Arc<str>; 2],
    ) -> (Channel, Channel) {
        self.local = self.local.wrapping_add(1);
        let linkedid = ids[0].clone();
        let half = |number: u8, uniqueid, state| Channel {
            name: format!("Local/{exten}@{context}-{:08x};{number}", self.local),
            uniqueid,
            linkedid: linkedid.clone(),
            state,
            context: context.to_owned().into(),
            exten: exten.to_owned().into(),
            priority: 1,
            ..Channel::default()
        };
        let [one, two] = ids;
        (
            half(1, one, ChannelState::Down),
            half(2, two, ChannelState::Ring),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_caller_is_a_name_a_number_or_both() {
        let party = |text| {
            let Party { number, name } = Party::parse(text);
            (number, name)
        };
        let pair = |number: &str, name: &str| (number.into(), name.into());
        assert_eq!(party("\"A B\" <123>"), pair("123", "A B"));
        assert_eq!(party("Test <+100>"), pair("+100", "Test"));
        assert_eq!(party("100"), pair("100", ""));
        assert_eq!(party("Bob"), pair("", "Bob"));
        assert_eq!(party(""), pair("", ""));
    }

    #[test]
    fn channel_names_end_with_eight_hexadecimal_digits() {
        let mut numbers = ChannelNumbers {
            channel: 0x2_ba7d,
            ..ChannelNumbers::default()
        };
        let leg = numbers.leg("PJSIP", "a", None, &"x".into());
        assert_eq!(leg.name, "PJSIP/a-0002ba7e");
        let (one, two) = numbers.local_halves("1", "a", ["x".into(), "y".into()]);
        assert_eq!(one.name, "Local/1@a-00000001;1");
        assert_eq!(two.name, "Local/1@a-00000001;2");
    }
}
