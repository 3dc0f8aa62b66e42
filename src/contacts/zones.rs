//! The time zones that a list names, each once.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use crate::config::zone;

/// So many names that are no zone are remembered, so that a list with one typing error is not looked up for every row.
const UNKNOWN_KEPT: usize = 256;

/// The zones of a list by their names.
#[derive(Debug)]
pub(super) struct Zones {
    /// The campaign's own zone is the first.
    zones: Vec<TimeZone>,
    /// `None`: no zone is called so.
    by_name: HashMap<Box<[u8]>, Option<u16>>,
}

impl Zones {
    /// A list that has named no zone yet; `own` is that of contacts which have none.
    pub(super) fn new(own: TimeZone) -> Self {
        Self {
            zones: vec![own],
            by_name: HashMap::new(),
        }
    }

    /// The zones by their numbers.
    pub(super) fn all(&self) -> &[TimeZone] {
        &self.zones
    }

    /// Looks a name up that was not met before.
    pub(super) fn learn(&mut self, name: &[u8]) {
        if name.is_empty() || self.by_name.contains_key(name) {
            return;
        }
        let zone = std::str::from_utf8(name).ok().and_then(zone);
        let number = match zone {
            Some(zone) => self.number(zone),
            None if self.by_name.len() >= self.zones.len() + UNKNOWN_KEPT => return,
            None => None,
        };
        self.by_name.insert(name.into(), number);
    }

    /// The number of a zone by a name that was [learnt](Self::learn), 0 for none; `None`: no zone is called so.
    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        if name.is_empty() {
            return Some(0);
        }
        self.by_name.get(name).copied().flatten()
    }

    /// The number of a zone, which is a new one where it is.
    fn number(&mut self, zone: TimeZone) -> Option<u16> {
        let known = self.zones.iter().position(|known| *known == zone);
        let place = known.unwrap_or_else(|| {
            self.zones.push(zone);
            self.zones.len() - 1
        });
        u16::try_from(place).ok()
    }
}
