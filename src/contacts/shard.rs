//! Parts of a list that are dialed by runs of their own, each on its own machine.

use std::fmt;
use std::str::FromStr;

use xxhash_rust::xxh3::xxh3_64;

const NOT_A_PART: &str = "write the part and how many there are, such as 0/4 for the first of four";

/// One of several disjoint parts that make up the list together.
///
/// Which part a row belongs to depends on its first number alone (on its id where it has none), not on its place, so
/// that a contact stays in its part while the list grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// Which part, from 0.
    pub index: u32,
    /// How many there are.
    pub of: u32,
}

impl FromStr for Shard {
    /// What to write instead.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            digits.then(|| text.parse().ok()).flatten()
        };
        let parts = text.split_once('/');
        match parts.and_then(|(index, of)| Some((number(index)?, number(of)?))) {
            None => Err(NOT_A_PART.to_owned()),
            Some((_, 0)) => {
                Err("there must be at least one part: 0/1 is the whole list".to_owned())
            }
            Some((index, of)) if index >= of => {
                Err(format!("the parts of {of} are 0/{of} to {}/{of}", of - 1))
            }
            Some((index, of)) => Ok(Self { index, of }),
        }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

impl Shard {
    /// Whether what has this key is in this part. XXH3 is the same everywhere and does not change.
    pub(super) fn holds(self, key: u64) -> bool {
        xxh3_64(&key.to_le_bytes()) % u64::from(self.of) == u64::from(self.index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_written_as_two_numbers() {
        assert_eq!("0/4".parse(), Ok(Shard { index: 0, of: 4 }));
        assert_eq!("3/4".parse::<Shard>().unwrap().to_string(), "3/4");
        for (text, error) in [
            ("", NOT_A_PART),
            ("1", NOT_A_PART),
            ("1/", NOT_A_PART),
            ("+1/2", NOT_A_PART),
            ("1/2/3", NOT_A_PART),
            ("1/99999999999", NOT_A_PART),
            (
                "0/0",
                "there must be at least one part: 0/1 is the whole list",
            ),
            ("4/4", "the parts of 4 are 0/4 to 3/4"),
        ] {
            assert_eq!(text.parse::<Shard>(), Err(error.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_contact_is_in_one_part_and_stays_there() {
        for key in 0..1000 {
            let holding: Vec<u32> = (0..7)
                .filter(|&index| Shard { index, of: 7 }.holds(key))
                .collect();
            assert_eq!(holding.len(), 1, "{key}");
        }
    }

    #[test]
    fn a_key_is_in_the_same_part_in_every_version_and_on_every_machine() {
        let part = |key: u64| {
            let holds = |&index: &u32| Shard { index, of: 1_000 }.holds(key);
            (0..1_000).find(holds)
        };
        let parts: Vec<_> = [0, 1, 0x234, u64::MAX]
            .map(part)
            .into_iter()
            .flatten()
            .collect();
        assert_eq!(parts, [897, 78, 634, 627]);
    }
}
