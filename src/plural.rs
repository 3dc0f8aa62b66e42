//! A number and what it counts.

use std::fmt::Display;

/// `1 call`, `2 calls`.
pub(crate) fn counted(count: impl Display, noun: &str) -> String {
    let count = count.to_string();
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {noun}{plural}")
}
