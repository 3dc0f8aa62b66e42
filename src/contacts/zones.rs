//! The time zones that a list names, each once.

use std::collections::HashMap;

use jiff::tz::TimeZone;

use crate::config::zone;

/// So many names that are no zone are remembered, so that a list with one typing error is not looked up for every row.
const UNKNOWN_KEPT: usize = 256;

/// The zones of a list by their names.
#[derive(Debug)]
pub(super) struct Zones {
    /// By their numbers. The campaign's own zone is the first.
    pub(super) all: Vec<TimeZone>,
    /// `None`: no zone is called so.
    by_name: HashMap<Box<[u8]>, Option<u16>>,
}

impl Zones {
    /// A list that has named no zone yet; `own` is that of contacts which have none.
    pub(super) fn new(own: TimeZone) -> Self {
        Self {
            all: vec![own],
            by_name: HashMap::from([(Box::default(), Some(0))]),
        }
    }

    /// Looks a name up that was not met before.
    pub(super) fn learn(&mut self, name: &[u8]) {
        if self.by_name.contains_key(name) {
            return;
        }
        let zone = str::from_utf8(name).ok().and_then(zone);
        if zone.is_none() && self.by_name.len() > self.all.len() + UNKNOWN_KEPT {
            return;
        }
        let number = zone.and_then(|zone| {
            let known = self.all.iter().position(|known| *known == zone);
            if known.is_none() {
                self.all.push(zone);
            }
            u16::try_from(known.unwrap_or(self.all.len() - 1)).ok()
        });
        self.by_name.insert(name.into(), number);
    }

    /// The number of a zone by a name that was [learnt](Self::learn), 0 for an empty one; `None`: no zone is called so.
    pub(super) fn find(&self, name: &[u8]) -> Option<u16> {
        self.by_name.get(name).copied().flatten()
    }
}
