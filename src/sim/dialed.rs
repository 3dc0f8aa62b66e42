//! Dial strings: which technology, which trunk, which number.

/// A dial string taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dialed<'a> {
    pub(super) technology: &'a [u8],
    /// What follows the technology.
    pub(super) address: &'a [u8],
    /// The trunk, or the context of a Local channel.
    pub(super) endpoint: &'a [u8],
    pub(super) number: &'a [u8],
}

impl<'a> Dialed<'a> {
    pub(super) fn parse(dial: &'a [u8]) -> Self {
        let (technology, address) = split_at_byte(dial, b'/').unwrap_or((dial, b""));
        let (endpoint, number) = match split_at_byte(address, b'/') {
            // SIP/trunk/100, DAHDI/g1/100
            Some((first, rest)) if !first.contains(&b'@') => {
                let number = split_at_byte(rest, b'@').map_or(rest, |(number, _)| number);
                (first, number)
            }
            // PJSIP/100@trunk, Local/100@context/n
            _ => match split_at_byte(address, b'@') {
                Some((number, endpoint)) => {
                    let end = split_at_byte(endpoint, b'/').map_or(endpoint, |(name, _)| name);
                    (end, number)
                }
                None => (address, address),
            },
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
        const KNOWN: [&[u8]; 6] = [b"PJSIP", b"SIP", b"IAX2", b"DAHDI", b"Local", b"Dongle"];
        KNOWN
            .iter()
            .any(|known| known.eq_ignore_ascii_case(self.technology))
    }

    /// Whether it leads into the dialplan instead of to a trunk.
    pub(super) fn is_local(&self) -> bool {
        self.technology.eq_ignore_ascii_case(b"Local")
    }

    /// The last two digits of the number.
    pub(super) fn last_digits(&self) -> Option<u8> {
        let [.., tens, ones] = *self.number else {
            return None;
        };
        let digit = |byte: u8| byte.is_ascii_digit().then(|| byte - b'0');
        Some(digit(tens)? * 10 + digit(ones)?)
    }
}

fn split_at_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let at = text.iter().position(|&candidate| candidate == byte)?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dial_strings_name_a_technology_a_trunk_and_a_number() {
        let parts = |dial: &'static str| {
            let dialed = Dialed::parse(dial.as_bytes());
            [dialed.technology, dialed.endpoint, dialed.number]
                .map(|part| std::str::from_utf8(part).unwrap())
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
        assert_eq!(Dialed::parse(b"PJSIP/59891042@a").last_digits(), Some(42));
        assert_eq!(Dialed::parse(b"PJSIP/phone").last_digits(), None);
        assert!(!Dialed::parse(b"Dialer/check").technology_is_known());
    }
}
