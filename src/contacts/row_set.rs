//! Sets of rows of a list, a bit each.

/// Rows by their indices.
#[derive(Debug, Default)]
pub struct RowSet {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_row_is_told_by_its_index() {
        let mut set = RowSet::default();
        let rows = [true, true, false, true, false];
        let many = rows.into_iter().chain((0..200).map(|row| row % 3 == 0));
        many.clone().for_each(|belongs| set.push(belongs));
        for (row, belongs) in (0..).zip(many) {
            assert_eq!(set.contains(row), belongs, "{row}");
        }
        assert!(!set.contains(1_000), "what was never noted is not in it");
    }
}
