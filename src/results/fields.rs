//! The quoting of RFC 4180: where a row ends, and what its fields are.

use std::ops::Range;

use memchr::{memchr, memchr_iter, memchr2_iter};

/// How many bytes the first row takes, and how many lines: up to the first line end that is not within quotation marks.
pub(super) fn end_of_row(bytes: &[u8]) -> Option<(usize, u64)> {
    let line = memchr(b'\n', bytes)?;
    if memchr(b'"', &bytes[..line]).is_none() {
        return Some((line + 1, 1));
    }
    let (mut quoted, mut lines) = (false, 0);
    for index in memchr2_iter(b'"', b'\n', bytes) {
        if bytes[index] == b'"' {
            quoted = !quoted;
            continue;
        }
        lines += 1;
        if !quoted {
            return Some((index + 1, lines));
        }
    }
    None
}

/// What is wrong with the quotation marks of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Misquoted {
    #[error("a quotation mark (\") is opened and never closed")]
    Open,
    #[error("a quotation mark (\") stands where there can be none")]
    Stray,
}

/// Where the fields of a row are: in the row itself, or, where it has quotation marks, in a copy without them.
#[derive(Debug, Default)]
pub(super) struct Fields {
    copy: Vec<u8>,
    is_copied: bool,
    /// Where each field ends. The next one begins a byte later.
    ends: Vec<usize>,
}

impl Fields {
    /// Splits a row. The fields before an error can be read.
    pub(super) fn split(&mut self, row: &[u8]) -> Result<(), Misquoted> {
        self.ends.clear();
        self.is_copied = memchr(b'"', row).is_some();
        if !self.is_copied {
            self.ends.extend(memchr_iter(b',', row));
            self.ends.push(row.len());
            return Ok(());
        }
        self.copy.clear();
        let mut rest = row;
        loop {
            let length = self.copy_field(rest)?;
            self.ends.push(self.copy.len());
            self.copy.push(b',');
            match rest.get(length + 1..) {
                None => return Ok(()),
                Some(next) => rest = next,
            }
        }
    }

    /// Copies the first field, and returns how many bytes it takes up to the comma behind it or to the end.
    fn copy_field(&mut self, row: &[u8]) -> Result<usize, Misquoted> {
        let Some(quoted) = row.strip_prefix(b"\"") else {
            let end = memchr(b',', row).unwrap_or(row.len());
            self.copy.extend_from_slice(&row[..end]);
            return match memchr(b'"', &row[..end]) {
                Some(_) => Err(Misquoted::Stray),
                None => Ok(end),
            };
        };
        let mut start = 0;
        loop {
            let mark = start + memchr(b'"', &quoted[start..]).ok_or(Misquoted::Open)?;
            self.copy.extend_from_slice(&quoted[start..mark]);
            match quoted.get(mark + 1) {
                Some(b'"') => {
                    self.copy.push(b'"');
                    start = mark + 2;
                }
                None | Some(b',') => return Ok(mark + 2),
                Some(_) => return Err(Misquoted::Stray),
            }
        }
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn range(&self, column: usize) -> Option<Range<usize>> {
        let end = *self.ends.get(column)?;
        let start = column
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] + 1);
        Some(start..end)
    }

    pub(super) fn text<'t>(&'t self, row: &'t [u8]) -> &'t [u8] {
        if self.is_copied { &self.copy } else { row }
    }

    /// A field of the row that was split; empty where there is no such column.
    pub(super) fn get<'t>(&'t self, row: &'t [u8], column: usize) -> &'t [u8] {
        self.range(column)
            .and_then(|range| self.text(row).get(range))
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(row: &[u8]) -> Result<Vec<Vec<u8>>, Misquoted> {
        let mut fields = Fields::default();
        fields.split(row)?;
        let all = (0..fields.len()).map(|column| fields.get(row, column).to_vec());
        Ok(all.collect())
    }

    #[test]
    fn a_missing_mark_makes_no_row_of_two() {
        // The mark behind `one` is lost: read loosely, this would be a row of two fields.
        assert_eq!(split(b"\"one,\n\"two\" lines"), Err(Misquoted::Stray));
        assert_eq!(split(b"1,\"two"), Err(Misquoted::Open));
        assert_eq!(split(b"5\" pipe,2"), Err(Misquoted::Stray));
        assert_eq!(split(b"\"a\"\"b\",").unwrap(), [&b"a\"b"[..], b""]);
    }
}
