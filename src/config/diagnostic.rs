//! What is wrong with the files that an operator wrote, or probably not meant so: all of it, each with its place.

use std::fmt;
use std::path::{Path, PathBuf};

/// A place in the campaign file. Both count from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Location {
    pub line: u64,
    pub column: u64,
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// As the operator named it.
    pub file: PathBuf,
    pub line: Option<u64>,
    pub column: Option<u64>,
    /// What is wrong and what to write instead.
    pub message: String,
}

impl Diagnostic {
    pub(crate) fn of_file(file: &Path, message: impl Into<String>) -> Self {
        Self {
            file: file.to_owned(),
            line: None,
            column: None,
            message: message.into(),
        }
    }

    pub(crate) fn of_line(file: &Path, line: u64, message: impl Into<String>) -> Self {
        Self {
            line: Some(line),
            ..Self::of_file(file, message)
        }
    }

    pub(crate) fn at(file: &Path, location: Location, message: impl Into<String>) -> Self {
        Self {
            column: Some(location.column),
            ..Self::of_line(file, location.line, message)
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        for number in [self.line, self.column].into_iter().flatten() {
            write!(f, "{number}:")?;
        }
        write!(f, " {}", self.message)
    }
}

/// Everything that is wrong, one line each; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CampaignErrors(pub Vec<Diagnostic>);

impl fmt::Display for CampaignErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for CampaignErrors {}
