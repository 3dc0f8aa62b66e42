//! What has happened to a contact so far, and how each further attempt adds to it. Pure.
//!
//! A history is small and has no clock: whether and when somebody is called again is `campaign::retry`'s, and the rows
//! of the results give a history back in the next run. Of a million waiting contacts most share a few histories, so
//! they are kept once, in [`Histories`].

use std::collections::HashMap;

use crate::disposition::Disposition;
use crate::trunk::TrunkIndex;

/// So many congested attempts of a contact are the trunk's fault alone and use up none of `max_attempts`.
pub const UNCOUNTED_CONGESTION: u8 = 5;

/// The most alternative numbers of a contact.
pub const MAX_NUMBERS: usize = 16;

/// What has happened to a contact so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct History {
    /// Calls made.
    pub attempts: u16,
    /// Those of them that count against `max_attempts`.
    pub counted: u16,
    /// Congested ones that did not count.
    pub congested: u8,
    /// Which of its numbers is next in turn, from 0.
    pub next_number: u8,
    /// The trunk of its last attempt, where that was congested: another one is to be preferred.
    pub avoid: Option<TrunkIndex>,
    /// Its numbers that turned out not to exist, a bit each.
    dead: u16,
    /// Counted calls by how they ended.
    of: [u16; Disposition::ALL.len()],
}

/// An attempt that ended, as far as the contact's history is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttemptOutcome {
    /// How it ended.
    pub disposition: Disposition,
    /// Which of the contact's numbers was called, from 0.
    pub number: u8,
    pub trunk: TrunkIndex,
    /// The trunk is in doubt: the outcome says nothing of the contact.
    pub doubt: bool,
}

impl History {
    /// Notes an attempt, and tells whether it used one of `max_attempts`.
    pub fn note(&mut self, outcome: AttemptOutcome) -> bool {
        let (disposition, number, doubt) = (outcome.disposition, outcome.number, outcome.doubt);
        let congested = disposition == Disposition::Congestion;
        let counted = match disposition {
            Disposition::Cancelled => false,
            _ if doubt => false,
            Disposition::Congestion => self.congested >= UNCOUNTED_CONGESTION,
            _ => true,
        };
        self.put(disposition, counted);
        self.avoid = (congested || doubt).then_some(outcome.trunk);
        if disposition == Disposition::InvalidNumber && !doubt {
            self.dead |= bit(number);
        }
        // A call that was the trunk's fault, or that the operator cut, never was the number's turn.
        self.next_number = if counted && !congested {
            number.saturating_add(1)
        } else {
            number
        };
        counted
    }

    /// Counts an attempt that a row of the results tells of.
    pub fn put(&mut self, disposition: Disposition, counted: bool) {
        self.attempts = self.attempts.saturating_add(1);
        if counted {
            self.counted = self.counted.saturating_add(1);
            let of = &mut self.of[disposition as usize];
            *of = of.saturating_add(1);
        } else if disposition == Disposition::Congestion {
            self.congested = self.congested.saturating_add(1);
        }
    }

    /// The history of a contact that gets all its attempts once more: only how often it was called is kept.
    #[must_use]
    pub fn afresh(self) -> Self {
        Self {
            attempts: self.attempts,
            ..Self::default()
        }
    }

    /// Counted calls that ended like this.
    pub fn of(&self, disposition: Disposition) -> u16 {
        self.of[disposition as usize]
    }

    /// Notes that a number does not exist.
    pub fn number_is_dead(&mut self, number: u8) {
        self.dead |= bit(number);
    }

    /// The numbers that may still be called, of so many, the next in turn first.
    pub fn numbers(&self, of: usize) -> impl Iterator<Item = u8> {
        let of = u8::try_from(of.min(MAX_NUMBERS)).unwrap_or(0);
        let (first, dead) = (self.next_number, self.dead);
        (0..of)
            .map(move |step| (first % of + step) % of)
            .filter(move |&number| dead & bit(number) == 0)
    }
}

/// Whether an attempt may have rung a phone: one that only the trunk had to do with has not.
pub fn may_have_rung(disposition: Disposition, counted: bool) -> bool {
    counted || disposition != Disposition::Congestion
}

fn bit(number: u8) -> u16 {
    1_u16.checked_shl(u32::from(number)).unwrap_or(0)
}

/// Histories, each kept once.
#[derive(Debug, Default)]
pub struct Histories {
    all: Vec<History>,
    indices: HashMap<History, u32>,
    /// The index of what was kept last.
    latest: u32,
}

impl Histories {
    /// Keeps a history, and returns its index.
    pub fn keep(&mut self, history: History) -> u32 {
        // Many in a row have the same, and it is found sooner so.
        if self.get(self.latest) == history {
            return self.latest;
        }
        self.latest = *self.indices.entry(history).or_insert_with(|| {
            self.all.push(history);
            // Four thousand million different ones take more attempts than a run can make.
            u32::try_from(self.all.len()).unwrap_or(u32::MAX)
        });
        self.latest
    }

    /// The history at an index; at 0 that of a contact to whom nothing has happened.
    pub fn get(&self, index: u32) -> History {
        let kept = (index as usize).checked_sub(1);
        kept.and_then(|kept| self.all.get(kept))
            .copied()
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(disposition: Disposition, number: u8) -> AttemptOutcome {
        AttemptOutcome {
            disposition,
            number,
            trunk: TrunkIndex(1),
            doubt: false,
        }
    }

    #[test]
    fn five_congested_attempts_are_the_trunks_fault_and_the_sixth_counts() {
        let mut history = History::default();
        for _ in 0..5 {
            assert!(!history.note(outcome(Disposition::Congestion, 0)));
        }
        assert!(history.note(outcome(Disposition::Congestion, 0)));
        assert_eq!((history.attempts, history.counted), (6, 1));
        assert_eq!(history.of(Disposition::Congestion), 1);
    }

    #[test]
    fn an_attempt_on_a_trunk_in_doubt_counts_nothing_and_condemns_no_number() {
        let mut history = History::default();
        let doubtful = AttemptOutcome {
            doubt: true,
            ..outcome(Disposition::InvalidNumber, 0)
        };
        assert!(!history.note(doubtful));
        assert_eq!(history.numbers(2).collect::<Vec<_>>(), [0, 1]);
        assert_eq!((history.attempts, history.counted), (1, 0));
        assert_eq!(history.avoid, Some(TrunkIndex(1)));
    }

    #[test]
    fn numbers_take_turns_and_those_that_do_not_exist_are_passed_over() {
        let mut history = History::default();
        let numbers = |history: &History| history.numbers(3).collect::<Vec<_>>();
        assert_eq!(numbers(&history), [0, 1, 2]);
        history.note(outcome(Disposition::Busy, 0));
        assert_eq!(numbers(&history), [1, 2, 0]);
        history.note(outcome(Disposition::InvalidNumber, 1));
        assert_eq!(numbers(&history), [2, 0]);
        history.note(outcome(Disposition::Congestion, 2));
        assert_eq!(numbers(&history), [2, 0], "it was not the number's fault");
        history.note(outcome(Disposition::Busy, 2));
        assert_eq!(numbers(&history), [0, 2]);
    }

    #[test]
    fn the_same_history_is_kept_once() {
        let mut histories = Histories::default();
        let mut busy = History::default();
        busy.note(outcome(Disposition::Busy, 0));
        let first = histories.keep(busy);
        assert_ne!(histories.keep(History::default()), first);
        assert_eq!(histories.keep(busy), first);
        assert_eq!(histories.get(first), busy);
    }
}
