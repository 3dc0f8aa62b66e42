//! A campaign file as text, and the errors and warnings found in it so far.

use std::cell::RefCell;
use std::path::PathBuf;

use crate::config::diagnostic::{Diagnostic, Location};
use crate::config::section::Text;
use crate::config::toml_errors::SyntaxError;

/// Everything in it is noted at a byte of the text.
#[derive(Debug)]
pub(super) struct Document<'t> {
    path: PathBuf,
    text: &'t str,
    errors: RefCell<Vec<(usize, Diagnostic)>>,
    warnings: RefCell<Vec<(usize, Diagnostic)>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(path: PathBuf, text: &'t str) -> Self {
        Self {
            path,
            text,
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn error(&self, at: usize, message: impl Into<String>) {
        let error = Diagnostic::at(&self.path, self.location(at), message);
        self.errors.borrow_mut().push((at, error));
    }

    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        let warning = Diagnostic::at(&self.path, self.location(at), message);
        self.warnings.borrow_mut().push((at, warning));
    }

    /// Notes where the document is not TOML. Other errors of such a line only follow from that.
    pub(super) fn add_syntax_errors(&self, syntax_errors: Vec<SyntaxError>) {
        let line = |at| self.location(at).line;
        self.errors
            .borrow_mut()
            .retain(|&(at, _)| syntax_errors.iter().all(|error| line(error.at) != line(at)));
        for error in syntax_errors {
            self.error(error.at, error.message);
        }
    }

    pub(super) fn location(&self, at: usize) -> Location {
        let before = self.text.get(..at).unwrap_or(self.text);
        // Editors do not show a byte order mark.
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        Location {
            line: line as u64,
            column: column as u64,
        }
    }

    /// Where a byte of a string is in the document; where the string is, if it is written with escapes.
    pub(super) fn inside(&self, text: Text<'_>, offset: usize) -> usize {
        let written = self.text.get(text.at..).unwrap_or_default();
        let unquoted = written.strip_prefix(['"', '\'']).unwrap_or_default();
        if unquoted.starts_with(text.text) {
            text.at + 1 + offset
        } else {
            text.at
        }
    }

    /// The errors and the warnings, each in the order of the document.
    pub(super) fn into_diagnostics(self) -> (Vec<Diagnostic>, Vec<Diagnostic>) {
        let in_order = |noted: RefCell<Vec<(usize, Diagnostic)>>| {
            let mut noted = noted.into_inner();
            noted.sort_by_key(|&(at, _)| at);
            noted
                .into_iter()
                .map(|(_, diagnostic)| diagnostic)
                .collect()
        };
        (in_order(self.errors), in_order(self.warnings))
    }
}
