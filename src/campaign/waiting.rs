//! Contacts that wait to be called again, packed: there may be millions.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use jiff::Timestamp;

use crate::contact_history::{Histories, History};
use crate::contacts::Position;
use crate::trunk::TrunkIndex;

/// Contacts that wait for a time, and those that are due and avoid a trunk: their last call was congested on it.
#[derive(Debug)]
pub(super) struct WaitingContacts {
    timed: BinaryHeap<Reverse<Waiting>>,
    pub(super) avoiders: Vec<VecDeque<Waiting>>,
    histories: Histories,
}

/// A contact that waits. Ordered by when it is due, then by its position in the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    /// In milliseconds since 1970.
    due: i64,
    offset: u64,
    line: u32,
    history: u32,
}

const _: () = assert!(size_of::<Waiting>() == 24, "there may be millions");

impl WaitingContacts {
    pub(super) fn new(trunks: usize) -> Self {
        Self {
            timed: BinaryHeap::new(),
            avoiders: (0..trunks).map(|_| VecDeque::new()).collect(),
            histories: Histories::default(),
        }
    }

    /// Adds a contact that is due at a time.
    pub(super) fn push(&mut self, at: Position, history: History, due: Timestamp) {
        self.timed.push(Reverse(Waiting {
            due: due.as_millisecond() + i64::from(due.subsec_nanosecond() % 1_000_000 != 0),
            offset: at.offset,
            // It is for people alone, and nobody has a list of four thousand million lines.
            line: u32::try_from(at.line).unwrap_or(u32::MAX),
            history: self.histories.keep(history),
        }));
    }

    pub(super) fn len(&self) -> usize {
        self.timed.len() + self.avoiders.iter().map(VecDeque::len).sum::<usize>()
    }

    /// When the first contact is due, as far as they wait for a time.
    pub(super) fn first_due(&self) -> Option<Timestamp> {
        let Reverse(first) = self.timed.peek()?;
        Timestamp::from_millisecond(first.due).ok()
    }

    /// Which trunk a contact avoids.
    pub(super) fn avoids(&self, history: History) -> Option<usize> {
        let trunk = history.avoid.map(TrunkIndex::get)?;
        (trunk < self.avoiders.len()).then_some(trunk)
    }

    /// Takes contacts that are due: at most `room`, and of those that avoid a trunk as many as it has room for. The
    /// others stay packed.
    pub(super) fn take_due(
        &mut self,
        now: Timestamp,
        room: usize,
        room_to_avoid: impl Iterator<Item = usize>,
    ) -> Vec<(Position, History)> {
        let mut due = Vec::new();
        while due.len() < room
            && let Some(&Reverse(waiting)) = self.timed.peek()
            && waiting.due <= now.as_millisecond()
        {
            self.timed.pop();
            match self.avoids(self.histories.get(waiting.history)) {
                Some(trunk) => self.avoiders[trunk].push_back(waiting),
                None => due.push(waiting),
            }
        }
        for (avoiders, room) in self.avoiders.iter_mut().zip(room_to_avoid) {
            let taken = avoiders.len().min(room);
            due.extend(avoiders.drain(..taken));
        }
        let unpack = |waiting: Waiting| {
            let at = Position {
                offset: waiting.offset,
                line: waiting.line.into(),
            };
            (at, self.histories.get(waiting.history))
        };
        due.into_iter().map(unpack).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::contact_history::AttemptOutcome;
    use crate::disposition::Disposition;

    #[test]
    fn contacts_that_avoid_a_trunk_stay_packed_but_for_a_few_and_hold_up_no_others() {
        let mut waiting = WaitingContacts::new(2);
        let mut congested = History::default();
        congested.note(AttemptOutcome {
            disposition: Disposition::Congestion,
            number: 0,
            trunk: TrunkIndex(1),
            doubt: false,
        });
        let now = Timestamp::UNIX_EPOCH;
        let at = |offset| Position { offset, line: 1 };
        for contact in 0..10_000 {
            waiting.push(at(contact), congested, now);
        }
        let later = now + SignedDuration::from_nanos(1);
        waiting.push(at(10_000), History::default(), later);
        assert_eq!(waiting.first_due(), Some(now));
        let rooms = || [32, 32].into_iter();
        let due = waiting.take_due(now, 128, rooms());
        assert_eq!(due.len(), 32);
        assert!(due.iter().all(|(_, history)| *history == congested));
        assert_eq!(waiting.avoiders[1].len(), 10_000 - 32);
        assert_eq!(waiting.len(), 10_001 - 32);
        let next = now + SignedDuration::from_millis(1);
        assert_eq!(
            waiting.first_due(),
            Some(next),
            "in whole milliseconds, and not too early"
        );
        let due = waiting.take_due(next, 128, [0, 0].into_iter());
        assert_eq!(due, [(at(10_000), History::default())]);
    }
}
