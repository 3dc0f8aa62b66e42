//! What a row of the list comes to: somebody to call, or a row that is not called and why.

use std::fmt;
use std::sync::Arc;

use crate::ami::action::ActionError;
use crate::contacts::Position;
use crate::contacts::csv::Record;
use crate::disposition::Disposition;
use crate::phone_number::{Number, NumberError};

/// Somebody to call.
#[derive(Debug, Clone)]
pub struct Contact {
    /// What the results call the contact; unique in the list.
    pub id: String,
    /// The numbers that can be called for this row, in the order of their columns, each once; never empty.
    pub numbers: Vec<Number>,
    /// Numbers of this row that are called for an earlier one.
    #[cfg_attr(not(test), expect(dead_code, reason = "the tests look at it"))]
    pub passed_over: Vec<Number>,
    /// The contact's time zone, by its place in [`List::zones`](super::List::zones).
    pub zone: u16,
    /// Where to read it again.
    pub at: Position,
    pub(super) record: Record,
}

/// A row that is not called, and why.
#[derive(Debug, Clone)]
pub struct Skipped {
    /// What the results call the contact; unique in the list.
    pub id: String,
    /// The number as the list gives it.
    pub number: String,
    /// `INVALID NUMBER`, `FAILED` (it cannot be sent) or `DUPLICATE`.
    pub disposition: Disposition,
    /// Its line in the list.
    pub line: u64,
    /// What is wrong.
    pub why: String,
    /// The values of the columns that are copied into the results.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "nobody writes it to the results")
    )]
    pub kept: Vec<String>,
}

/// One row of the list.
#[derive(Debug)]
pub enum Entry {
    /// Somebody to call.
    Contact(Contact),
    /// A row that is not called.
    Skipped(Skipped),
}

/// What an Originate says of a contact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The dial string.
    pub channel: Vec<u8>,
    /// `Name <number>`.
    pub caller_id: Option<Vec<u8>>,
    /// The channel variables, unescaped.
    pub variables: Vec<(Arc<str>, Vec<u8>)>,
}

/// Why a contact's row cannot be sent to Asterisk.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// Another number of fields than the header has.
    #[error("{found} fields, where the header has {expected}")]
    Fields {
        /// In this row.
        found: usize,
        /// In the header.
        expected: usize,
    },
    /// Not UTF-8, so nobody knows which characters are meant.
    #[error("column `{0}` is not UTF-8: save the list as UTF-8")]
    Encoding(String),
    /// A time zone that nobody knows, so nobody knows when the contact may be called.
    #[error("column `{column}`: no time zone is called {name:?}; write it like America/Montevideo")]
    Zone {
        /// The column.
        column: String,
        /// What stands there.
        name: String,
    },
    /// A character in a dial string that could make it another one.
    #[error("column `{column}` holds {char:?}, which has no place in a dial string")]
    Undialable {
        /// The column.
        column: String,
        /// The first such character.
        char: char,
    },
    /// Asterisk would not take it, or take it as something else.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// Why a row is not called.
#[derive(Debug)]
pub(super) enum Why {
    Number(NumberError),
    Row {
        why: Unsendable,
        /// The line on which the row ends, where that is another one.
        goes_on_to: Option<u64>,
    },
}

impl Why {
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Number(_) => Disposition::InvalidNumber,
            Self::Row { .. } => Disposition::Failed,
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(error) => error.fmt(f),
            Self::Row { why, goes_on_to } => {
                why.fmt(f)?;
                // What a forgotten quotation mark does: the rows below become part of a field.
                goes_on_to.map_or(Ok(()), |line| {
                    write!(
                        f,
                        " (the row goes on to line {line}: check its quotation marks)"
                    )
                })
            }
        }
    }
}
