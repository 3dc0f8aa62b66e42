//! Dial strings: which technology, which trunk, which number.

/// A dial string taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DialString<'a> {
    pub(super) technology: &'a str,
    /// What follows the technology.
    pub(super) address: &'a str,
    /// The trunk, or the context of a Local channel.
    pub(super) endpoint: &'a str,
    pub(super) number: &'a str,
}

impl<'a> DialString<'a> {
    pub(super) fn parse(dial: &'a str) -> Self {
        let (technology, address) = dial.split_once('/').unwrap_or((dial, ""));
        let before = |text: &'a str, end| text.split_once(end).map_or(text, |(head, _)| head);
        let (endpoint, number) = match (address.split_once('/'), address.split_once('@')) {
            // SIP/trunk/100, DAHDI/g1/100
            (Some((first, rest)), _) if !first.contains('@') => (first, before(rest, '@')),
            // PJSIP/100@trunk, Local/100@context/n
            (_, Some((number, endpoint))) => (before(endpoint, '/'), number),
            _ => (address, address),
        };
        Self {
            technology,
            address,
            endpoint,
            number,
        }
    }

    /// Whether Asterisk has a channel driver of that name.
    pub(super) fn technology_is_known(&self) -> bool {
        ["PJSIP", "SIP", "IAX2", "DAHDI", "Local", "Dongle"]
            .iter()
            .any(|known| known.eq_ignore_ascii_case(self.technology))
    }

    /// Whether it leads into the dialplan instead of to a trunk.
    pub(super) fn is_local(&self) -> bool {
        self.technology.eq_ignore_ascii_case("Local")
    }

    /// The last two digits of the number.
    pub(super) fn last_digits(&self) -> Option<u8> {
        let [.., tens, ones] = *self.number.as_bytes() else {
            return None;
        };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
        Some(digit(tens)? * 10 + digit(ones)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dial_strings_name_a_technology_a_trunk_and_a_number() {
        let parts = |dial: &'static str| {
            let dialed = DialString::parse(dial);
            [dialed.technology, dialed.endpoint, dialed.number]
        };
        assert_eq!(parts("PJSIP/100@carrier"), ["PJSIP", "carrier", "100"]);
        assert_eq!(parts("PJSIP/phone"), ["PJSIP", "phone", "phone"]);
        assert_eq!(parts("SIP/carrier/100"), ["SIP", "carrier", "100"]);
        assert_eq!(parts("DAHDI/g1/100"), ["DAHDI", "g1", "100"]);
        assert_eq!(parts("Local/100@fpbx/n"), ["Local", "fpbx", "100"]);
        assert_eq!(parts("Local/100@fpbx"), ["Local", "fpbx", "100"]);
        assert_eq!(
            parts("PJSIP/carrier/sip:100@192.0.2.1"),
            ["PJSIP", "carrier", "sip:100"]
        );
        let digits = |dial| DialString::parse(dial).last_digits();
        assert_eq!(digits("PJSIP/59891042@a"), Some(42));
        assert_eq!(digits("PJSIP/phone"), None);
        assert!(!DialString::parse("Dialer/check").technology_is_known());
    }
}
