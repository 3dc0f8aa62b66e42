//! Contacts told apart by twelve bytes each, so that a million of them fit in little memory.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};

/// A contact's id, hashed. Keys of different [`ContactKeys`] say nothing of each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContactKey([u32; 3]);

/// What is known of contacts, by their keys.
pub type ByKey<T> = HashMap<ContactKey, T, BuildHasherDefault<Hashed>>;

/// Makes keys: 96 bits never make two people one, and two secrets keep a list from being built to make them so.
#[derive(Debug, Default)]
pub struct ContactKeys(RandomState, RandomState);

impl ContactKeys {
    /// The key of a contact's id.
    pub fn of(&self, contact: &str) -> ContactKey {
        let (low, high) = (self.0.hash_one(contact), self.1.hash_one(contact));
        #[expect(clippy::cast_possible_truncation, reason = "96 of 128 bits are enough")]
        ContactKey([low as u32, (low >> 32) as u32, high as u32])
    }
}

impl Hash for ContactKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let [low, high, _] = self.0;
        state.write_u64(u64::from(high) << 32 | u64::from(low));
    }
}

/// What a [`ContactKey`] is already.
#[derive(Debug, Default)]
pub struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
