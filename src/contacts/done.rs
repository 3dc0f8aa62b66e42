//! The rows of a list that are done already, a bit each, so that a run which goes on does not look at them again.

use crate::contacts::Position;

/// Which rows are done. The first ones that are take no room, and no reading.
#[derive(Debug, Default)]
pub struct Done {
    /// Where the first row stands that is not done; `None` while there is none.
    from: Option<Position>,
    /// The rows from there on, 64 in a word.
    words: Vec<u64>,
    /// How many of them there are.
    rows: u64,
}

impl Done {
    /// Notes the next row.
    pub(super) fn push(&mut self, at: Position, done: bool) {
        if self.from.is_none() {
            if done {
                return;
            }
            self.from = Some(at);
        }
        let bit = self.rows % u64::from(u64::BITS);
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(done) << bit;
        }
        self.rows += 1;
    }

    /// Where the first row stands that is not done; `None` if all are.
    pub(super) fn from(&self) -> Option<Position> {
        self.from
    }

    /// Whether a row is done, counted from the first that is not.
    pub(super) fn contains(&self, row: u64) -> bool {
        let bits = u64::from(u64::BITS);
        let word = usize::try_from(row / bits)
            .ok()
            .and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (row % bits) & 1 == 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_told_from_the_first_that_is_not_done() {
        let mut done = Done::default();
        let rows = [true, true, false, true, false];
        let many = rows.into_iter().chain((0..200).map(|row| row % 3 == 0));
        for (offset, is_done) in (0..).zip(many.clone()) {
            done.push(
                Position {
                    offset,
                    line: offset + 2,
                },
                is_done,
            );
        }
        assert_eq!(done.from(), Some(Position { offset: 2, line: 4 }));
        for (row, is_done) in (0..).zip(many.skip(2)) {
            assert_eq!(done.contains(row), is_done, "{row}");
        }
        assert!(
            !done.contains(1_000),
            "what was never looked at is not done"
        );
    }

    #[test]
    fn where_all_is_done_nothing_is_read() {
        let mut done = Done::default();
        done.push(Position { offset: 0, line: 2 }, true);
        assert_eq!(done.from(), None);
    }
}
