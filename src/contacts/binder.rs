//! Finds the columns that a campaign names in the header of its list.

use std::path::Path;

use crate::config::{Campaign, Column, Diagnostic, Location, nearest};

/// Finds columns by name, and gathers what is not there.
pub(super) struct Binder<'b> {
    pub(super) campaign: &'b Campaign,
    pub(super) names: &'b [String],
    pub(super) errors: &'b mut Vec<Diagnostic>,
}

impl Binder<'_> {
    pub(super) fn columns(&mut self, columns: &[Column]) -> Vec<usize> {
        let columns = columns.iter();
        columns
            .map(|column| self.column(&column.name, column.at))
            .collect()
    }

    /// The index of a column, or 0 and an error where the campaign names it.
    pub(super) fn column(&mut self, name: &str, at: Location) -> usize {
        if let Some(index) = self.names.iter().position(|known| known == name) {
            return index;
        }
        let list = file_name(&self.campaign.contacts.file);
        let mut names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        names.retain(|name| !name.is_empty());
        let instead = match nearest(name, names.iter().copied()) {
            Some(nearest) => format!("did you mean `{nearest}`?"),
            None => format!("its columns are {}", names.join(", ")),
        };
        let message = format!("{list} has no column `{name}`; {instead}");
        self.errors
            .push(Diagnostic::at(&self.campaign.path, at, message));
        0
    }
}

/// The list as its messages and notes name it.
pub(super) fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str());
    name.to_string_lossy().into_owned()
}
