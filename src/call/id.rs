//! The id of one attempt.

use std::fmt;

use uuid::Uuid;

/// Crockford's base 32 in lower case: no letter that is taken for another when it is read out.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// The id of one attempt: a uuid of version 7 (RFC 9562) as 26 characters of base 32.
///
/// It is the attempt's `ActionID`, its channel variable `CALLID` and its `ChannelId` at once, so that any one of the
/// three ties an event to its call. Ids of later attempts sort after earlier ones. With the `;2` that Asterisk appends
/// for the second half of a Local channel it still fits the 32 characters that many CDR tables keep for a uniqueid.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId([u8; Self::LEN]);

impl CallId {
    /// Characters in an id.
    pub const LEN: usize = 26;

    /// A new id that no other attempt has.
    pub fn new() -> Self {
        Self::from_uuid(Uuid::now_v7())
    }

    /// This uuid as an id.
    pub fn from_uuid(uuid: Uuid) -> Self {
        let mut bits = uuid.as_u128();
        let mut text = [0; Self::LEN];
        for slot in text.iter_mut().rev() {
            *slot = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(text)
    }

    /// Reads an id as Asterisk sends it; `None` for anything that this dialer cannot have made.
    pub fn from_bytes(text: &[u8]) -> Option<Self> {
        let text: [u8; Self::LEN] = text.try_into().ok()?;
        text.iter()
            .all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
            .then_some(Self(text))
    }

    /// The 26 characters.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl Default for CallId {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_26_characters_that_read_back() {
        let id = CallId::new();
        assert_eq!(id.as_str().len(), 26);
        assert_eq!(CallId::from_bytes(id.as_str().as_bytes()), Some(id));
        assert_eq!(CallId::from_bytes(b"1795381477.178823"), None);
    }

    #[test]
    fn no_two_uuids_share_an_id_and_order_is_kept() {
        let low = CallId::from_uuid(Uuid::from_u128(1));
        let high = CallId::from_uuid(Uuid::from_u128(u128::MAX));
        assert_eq!(low.as_str(), "00000000000000000000000001");
        assert_eq!(high.as_str(), "7zzzzzzzzzzzzzzzzzzzzzzzzz");
        assert!(low < high);
    }
}
