//! What a row of the list comes to: a contact, or a row that is not called and why.

use std::sync::Arc;

use super::csv::{CsvRow, Position};
use crate::ami::action::ActionError;
use crate::disposition::Disposition;
use crate::phone_number::{Number, NumberError};

/// A person to call.
#[derive(Debug, Clone)]
pub struct Contact {
    /// What the results call the contact; unique in the list.
    pub id: String,
    /// The numbers that can be called for this row, in the order of their columns, each once; never empty.
    pub numbers: Vec<Number>,
    /// Numbers of this row that are called for an earlier one.
    pub passed_over: Vec<Number>,
    /// The contact's time zone, by its index in [`List::zones`](super::List::zones).
    pub zone: u16,
    /// Where to read it again.
    pub at: Position,
    pub(super) row: CsvRow,
}

impl Contact {
    /// Every number of the row, also those that are called for an earlier one.
    pub(crate) fn all_numbers(&self) -> impl Iterator<Item = &Number> {
        self.numbers.iter().chain(&self.passed_over)
    }
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
    pub kept: Vec<String>,
}

#[derive(Debug)]
pub enum ListEntry {
    Contact(Contact),
    Skipped(Skipped),
}

/// What an Originate says of a contact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The dial string.
    pub channel: Vec<u8>,
    /// `Name <number>`.
    pub caller_id: Option<Vec<u8>>,
    /// The channel variables, unescaped.
    pub variables: Vec<(Arc<str>, Vec<u8>)>,
}

/// Why a row cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ContactError {
    #[error(transparent)]
    Number(#[from] NumberError),
    /// Asterisk would not take a value, or take it as something else.
    #[error(transparent)]
    Action(#[from] ActionError),
    #[error("{0}")]
    Unsendable(String),
}

impl ContactError {
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Number(_) => Disposition::InvalidNumber,
            _ => Disposition::Failed,
        }
    }

    /// The same, with what a forgotten quotation mark may have to do with it: the rows below become part of a field.
    pub(super) fn in_row(&self, row: &CsvRow) -> String {
        if matches!(self, Self::Number(_)) || row.last_line == row.at.line {
            return self.to_string();
        }
        let line = row.last_line;
        format!("{self} (the row goes on to line {line}: check its quotation marks)")
    }
}
