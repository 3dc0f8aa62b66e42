//! A campaign file as text, and the errors and warnings found in it so far.

use std::cell::RefCell;
use std::path::{Path, PathBuf};

use crate::config::diagnostic::{Diagnostic, Location};
use crate::config::toml_errors::SyntaxError;

/// A string with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'r> {
    pub(super) text: &'r str,
    pub(super) at: usize,
}

/// Everything in it is noted at a byte of the text.
#[derive(Debug)]
pub(super) struct Document<'t> {
    path: &'t Path,
    text: &'t str,
    errors: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
}

impl<'t> Document<'t> {
    pub(super) fn new(path: &'t Path, text: &'t str) -> Self {
        Self {
            path,
            text,
            errors: RefCell::default(),
            warnings: RefCell::default(),
        }
    }

    pub(super) fn error(&self, at: usize, message: impl Into<String>) {
        let error = Diagnostic::at(self.path, self.location(at), message);
        self.errors.borrow_mut().push(error);
    }

    pub(super) fn warn(&self, at: usize, message: impl Into<String>) {
        let warning = Diagnostic::at(self.path, self.location(at), message);
        self.warnings.borrow_mut().push(warning);
    }

    /// Notes where the document is not TOML. Other errors of such a line only follow from that.
    pub(super) fn add_syntax_errors(&self, syntax_errors: Vec<SyntaxError>) {
        for error in &syntax_errors {
            let line = Some(self.location(error.at).line);
            self.errors.borrow_mut().retain(|known| known.line != line);
        }
        for error in syntax_errors {
            self.error(error.at, error.message);
        }
    }

    /// Paths in the document are relative to its folder.
    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.path.with_file_name("").join(path)
    }

    pub(super) fn location(&self, at: usize) -> Location {
        let before = self.text.get(..at).unwrap_or(self.text);
        // Editors do not show a byte order mark.
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Location {
            line: before.matches('\n').count() as u64 + 1,
            column: before[line_start..].chars().count() as u64 + 1,
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
    pub(super) fn into_diagnostics(self) -> [Vec<Diagnostic>; 2] {
        [self.errors, self.warnings].map(|noted| {
            let mut noted = noted.into_inner();
            noted.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
            noted
        })
    }
}
