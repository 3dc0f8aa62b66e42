//! Sets of rows of a list, a bit each.

use super::csv::Position;

/// Rows by their indices.
#[derive(Debug, Default)]
pub(super) struct RowSet {
    /// 64 rows each.
    words: Vec<u64>,
    rows: u64,
}

impl RowSet {
    /// Notes whether the next row belongs to the set.
    pub(super) fn push(&mut self, belongs: bool) {
        let bit = self.rows % u64::from(u64::BITS);
        if bit == 0 {
            self.words.push(0);
        }
        if let Some(word) = self.words.last_mut() {
            *word |= u64::from(belongs) << bit;
        }
        self.rows += 1;
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        let bits = u64::from(u64::BITS);
        let word = usize::try_from(row / bits)
            .ok()
            .and_then(|word| self.words.get(word));
        word.is_some_and(|word| word >> (row % bits) & 1 == 1)
    }
}

/// Rows that are done, so that a run which goes on does not read them again.
#[derive(Debug, Default)]
pub struct Done {
    rows: RowSet,
    /// The place and the index of the first row that is not done; `None` while there is none.
    pub(super) first_open: Option<(Position, u64)>,
}

impl Done {
    /// No row of a list that begins here.
    pub(super) fn nothing(first: Position) -> Self {
        Self {
            first_open: Some((first, 0)),
            rows: RowSet::default(),
        }
    }

    /// Notes the next row.
    pub(super) fn push(&mut self, at: Position, done: bool) {
        if !done && self.first_open.is_none() {
            self.first_open = Some((at, self.rows.rows));
        }
        self.rows.push(done);
    }

    pub(super) fn contains(&self, row: u64) -> bool {
        self.rows.contains(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_told_by_its_index() {
        let mut done = Done::default();
        let rows = [true, true, false, true, false];
        let many = rows.into_iter().chain((0..200).map(|row| row % 3 == 0));
        for (offset, is_done) in (0..).zip(many.clone()) {
            let line = offset + 2;
            done.push(Position { offset, line }, is_done);
        }
        let first_open = Position { offset: 2, line: 4 };
        assert_eq!(done.first_open, Some((first_open, 2)));
        for (row, is_done) in (0..).zip(many) {
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
        assert_eq!(done.first_open, None);
    }
}
