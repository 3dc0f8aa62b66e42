//! The strings of a campaign file: what Asterisk takes of them, and the templates and columns that they name.

use super::{Column, LocatedTemplate};
use crate::ami::action::{ActionError, MAX_LINE, check_header};
use crate::config::document::Text;
use crate::config::section::Section;
use crate::template::Template;

impl Section<'_, '_> {
    /// Whether a string holds nothing that would end its line on the wire.
    pub(super) fn one_line(&self, text: Text<'_>, key: &str) -> bool {
        let broken = text.text.contains(['\r', '\n', '\0']);
        if broken {
            let message = format!("`{key}` holds a line break or a NUL character");
            self.error(text.at, message);
        }
        !broken
    }

    /// Whether a string makes a line that Asterisk reads whole.
    pub(super) fn fits_line(&self, text: Text<'_>, key: &str) -> bool {
        let bytes = key.len() + ": ".len() + text.text.len();
        if bytes > MAX_LINE {
            let most = format!("and Asterisk reads {MAX_LINE} at most");
            self.error(text.at, format!("`{key}` takes {bytes} bytes, {most}"));
        }
        bytes <= MAX_LINE && self.one_line(text, key)
    }

    /// A string that must be there, and makes a line that Asterisk reads whole.
    pub(super) fn required_line(&self, key: &'static str) -> Option<String> {
        let text = self.required(key)?;
        self.fits_line(text, key).then(|| text.text.to_owned())
    }

    /// Whether a name can be a channel variable's. Anything else would be a function that is written to.
    pub(super) fn is_variable(&self, at: usize, name: &str) -> bool {
        let is_variable = !name.is_empty()
            && !name.starts_with(|first: char| first.is_ascii_digit())
            && name
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !is_variable {
            let allowed = "letters, digits and _ only, and no digit first";
            let message = format!("{name:?} cannot be a channel variable: {allowed}");
            self.error(at, message);
        }
        is_variable
    }

    /// A template for a header of the Originate.
    pub(super) fn header(&self, key: &'static str, header: &str) -> Option<LocatedTemplate> {
        self.template(self.text(key)?, key, |bytes| check_header(header, bytes))
    }

    /// `check` says whether Asterisk takes what does not come from the list.
    pub(super) fn template(
        &self,
        text: Text<'_>,
        key: &str,
        check: impl Fn(&[u8]) -> Result<(), ActionError>,
    ) -> Option<LocatedTemplate> {
        if !self.one_line(text, key) {
            return None;
        }
        let template = match Template::parse(text.text) {
            Ok(template) => template,
            Err(error) => {
                let at = self.document.inside(text, error.at);
                return self.refuse(at, format!("`{key}`: {error}"));
            }
        };
        if let Err(error) = check(template.text().as_bytes()) {
            return self.refuse(text.at, format!("`{key}`: {error}"));
        }
        Some(LocatedTemplate {
            template,
            at: self.document.location(text.at),
        })
    }

    /// The name of a column of the list.
    pub(super) fn column(&self, text: Text<'_>, key: &str) -> Option<Column> {
        let name = text.text.trim();
        if name.is_empty() {
            let message = format!("`{key}` names no column: write the column's name");
            return self.refuse(text.at, message);
        }
        Some(Column {
            name: name.to_owned(),
            at: self.document.location(text.at),
        })
    }
}
