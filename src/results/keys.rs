//! Contacts told apart by twelve bytes each, so that a million of them fit in little memory.

use std::hash::{BuildHasher as _, RandomState};

/// A contact's id, hashed. Keys of different [`Keys`] say nothing of each other.
pub type Key = [u32; 3];

/// Makes keys: 96 bits never make two people one, and two secrets keep a list from being built to make them so.
#[derive(Debug, Default)]
pub struct Keys(RandomState, RandomState);

impl Keys {
    /// The key of a contact's id.
    pub fn of(&self, contact: &str) -> Key {
        let (low, high) = (self.0.hash_one(contact), self.1.hash_one(contact));
        #[expect(clippy::cast_possible_truncation, reason = "96 of 128 bits are enough")]
        [low as u32, (low >> 32) as u32, high as u32]
    }
}
