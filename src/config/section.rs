//! Reads typed values out of the tables of a campaign file, and notes everything that is wrong with them.

use std::borrow::Cow;
use std::cell::Cell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Column, LocatedTemplate, duration};
use crate::ami::action::{ActionError, MAX_LINE};
use crate::config::diagnostic::Location;
use crate::config::did_you_mean::nearest;
use crate::config::document::Document;
use crate::template::Template;

/// A value with its place, as the parser gives it.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One table of the document. Keys that are none of its own are reported by [`finish`](Self::finish).
#[derive(Debug)]
pub(super) struct Section<'r, 't> {
    document: &'r Document<'t>,
    /// `[ami]`, as messages name it; empty for the top of the document.
    name: Cow<'static, str>,
    at: usize,
    table: Option<&'r DeTable<'t>>,
    /// All that the table may hold, with spaces between them.
    keys: &'static str,
    /// It was said that the whole table is missing.
    missing: Cell<bool>,
}

/// A string with its place.
#[derive(Debug, Clone, Copy)]
pub(super) struct Text<'r> {
    pub(super) text: &'r str,
    pub(super) at: usize,
}

impl<'r, 't> Section<'r, 't> {
    pub(super) fn new(
        document: &'r Document<'t>,
        name: impl Into<Cow<'static, str>>,
        at: usize,
        table: Option<&'r DeTable<'t>>,
        keys: &'static str,
    ) -> Self {
        Self {
            document,
            name: name.into(),
            at,
            table,
            keys,
            missing: Cell::new(false),
        }
    }

    /// A table in an array of this one, or under a key that the operator chose.
    pub(super) fn within(
        &self,
        name: impl Into<Cow<'static, str>>,
        at: usize,
        table: &'r DeTable<'t>,
        keys: &'static str,
    ) -> Self {
        Self::new(self.document, name, at, Some(table), keys)
    }

    /// Notes what is wrong at a byte of the document.
    pub(super) fn error(&self, at: usize, message: impl Into<String>) {
        self.document.error(at, message);
    }

    /// Notes what is wrong at a byte of the document, and is no value.
    pub(super) fn refuse<T>(&self, at: usize, message: impl Into<String>) -> Option<T> {
        self.error(at, message);
        None
    }

    /// Notes what is wrong with the value of a key; nothing where the key is not there.
    pub(super) fn error_at(&self, key: &'static str, message: impl Into<String>) {
        if let Some(value) = self.value(key) {
            self.error(value.span().start, message);
        }
    }

    /// Notes what is probably not meant, at the value of a key; nothing where the key is not there.
    pub(super) fn warn_at(&self, key: &'static str, message: impl Into<String>) {
        if let Some(value) = self.value(key) {
            self.document.warn(value.span().start, message);
        }
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn error_here(&self, message: impl Into<String>) {
        self.error(self.at, message);
    }

    /// The byte of the document at which the table begins.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn location(&self, at: usize) -> Location {
        self.document.location(at)
    }

    /// Where the value of a key is, or else the table.
    pub(super) fn location_of(&self, key: &'static str) -> Location {
        self.location(self.value(key).map_or(self.at, |value| value.span().start))
    }

    fn knows(&self, key: &str) -> bool {
        self.keys.split(' ').any(|known| known == key)
    }

    /// The value of a key, or of an unknown one that is almost this one: what is under it is looked at as well.
    pub(super) fn value(&self, key: &'static str) -> Option<&'r Value<'t>> {
        debug_assert!(self.knows(key), "{key} is not declared");
        let table = self.table?;
        let is_meant = |written: &str| {
            !self.knows(written) && nearest(written, self.keys.split(' ')) == Some(key)
        };
        table.get(key).or_else(|| {
            let mut entries = table.iter();
            entries
                .find(|(written, _)| is_meant(written.get_ref()))
                .map(|(_, value)| value)
        })
    }

    pub(super) fn section(
        &self,
        key: &'static str,
        name: &'static str,
        keys: &'static str,
    ) -> Section<'r, 't> {
        let value = self.value(key);
        let table = value.and_then(|value| {
            let expected = || format!("a table (write {name} on a line of its own)");
            let table = value.get_ref().as_table();
            table.or_else(|| self.wrong_type(value, key, &expected()))
        });
        let at = value.map_or(self.at, |value| value.span().start);
        let section = Section::new(self.document, name, at, table, keys);
        // Another type under this name is one error: what the table would have to hold is not missed as well.
        section.missing.set(value.is_some() && table.is_none());
        section
    }

    /// A table that is written on one line, if it is there.
    pub(super) fn inline(
        &self,
        key: &'static str,
        example: &str,
        keys: &'static str,
    ) -> Option<Section<'r, 't>> {
        let value = self.value(key)?;
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong_type(value, key, &format!("a table, such as `{example}`"));
        };
        Some(self.within(format!("`{key}`"), value.span().start, table, keys))
    }

    /// Says that a key must be there.
    pub(super) fn missing(&self, key: &str, example: &str) {
        // Another type was reported already.
        if self.table.is_some_and(|table| table.contains_key(key)) {
            return;
        }
        // A table that is missing altogether is one error, however much it would have to hold.
        if self.table.is_none() && self.missing.replace(true) {
            return;
        }
        let what = if self.table.is_none() {
            format!("{} is missing, with at least `{example}`", self.name)
        } else if self.name.is_empty() {
            format!("`{key}` is missing: write `{example}`")
        } else {
            format!("`{key}` is missing in {}: write `{example}`", self.name)
        };
        self.error(self.at, what);
    }

    /// Notes that a value is of another type than it must be.
    pub(super) fn wrong_type<T>(&self, value: &Value<'t>, key: &str, expected: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        let message = format!("`{key}` must be {expected}, not {found}");
        self.refuse(value.span().start, message)
    }

    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<Text<'r>> {
        self.text_of(self.value(key)?, key, example)
    }

    pub(super) fn text_of(
        &self,
        value: &'r Value<'t>,
        key: &str,
        example: &str,
    ) -> Option<Text<'r>> {
        let at = value.span().start;
        match value.get_ref().as_str() {
            Some(text) => Some(Text { text, at }),
            None => self.wrong_type(value, key, &format!("a string, such as `{example}`")),
        }
    }

    /// The elements of a list; none where there is no list.
    pub(super) fn list(&self, key: &'static str, example: &str) -> Vec<&'r Value<'t>> {
        let list = self.value(key).and_then(|value| {
            let list = value.get_ref().as_array();
            list.or_else(|| self.wrong_type(value, key, &format!("a list, such as `{example}`")))
        });
        list.into_iter().flat_map(|list| list.iter()).collect()
    }

    /// The strings of a list; none where there is no list.
    pub(super) fn texts(&self, key: &'static str, example: &str) -> Vec<Text<'r>> {
        self.list(key, example)
            .into_iter()
            .filter_map(|value| self.text_of(value, key, example))
            .collect()
    }

    /// A string that must be there and not be empty.
    pub(super) fn required(&self, key: &'static str, example: &str) -> Option<Text<'r>> {
        let Some(value) = self.value(key) else {
            self.missing(key, example);
            return None;
        };
        let text = self.text_of(value, key, example)?;
        if text.text.trim().is_empty() {
            return self.refuse(text.at, format!("`{key}` is empty: write `{example}`"));
        }
        Some(text)
    }

    /// Whether a string holds nothing that would end its line on the wire.
    pub(super) fn one_line(&self, text: Text<'_>, key: &str) -> bool {
        let broken = text.text.contains(['\r', '\n', '\0']);
        if broken {
            self.error(
                text.at,
                format!("`{key}` holds a line break or a NUL character"),
            );
        }
        !broken
    }

    /// Whether a string makes a line that Asterisk reads whole.
    pub(super) fn fits_line(&self, text: Text<'_>, key: &str) -> bool {
        let bytes = key.len() + ": ".len() + text.text.len();
        if bytes > MAX_LINE {
            self.error(
                text.at,
                format!("`{key}` takes {bytes} bytes, and Asterisk reads {MAX_LINE} at most"),
            );
        }
        bytes <= MAX_LINE && self.one_line(text, key)
    }

    /// Whether a name can be a channel variable's. Anything else would be a function that is written to.
    pub(super) fn is_variable(&self, at: usize, name: &str) -> bool {
        let mut chars = name.chars();
        let is_variable = chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_');
        if !is_variable {
            self.error(
                at,
                format!("{name:?} cannot be a channel variable: letters, digits and _ only, and no digit first"),
            );
        }
        is_variable
    }

    /// `check` says whether Asterisk takes what does not come from the list.
    pub(super) fn field(
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
            at: self.location(text.at),
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
            at: self.location(text.at),
        })
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.value(key)?;
        let must_be = match value.get_ref().as_str().and_then(duration::parse) {
            Some(duration) if range.contains(&duration) => return Some(duration),
            Some(duration) if duration < *range.start() => {
                format!("at least {}", duration::show(*range.start()))
            }
            Some(_) => format!("at most {}", duration::show(*range.end())),
            None => "a duration, such as \"30s\", \"5m\" or \"1h30m\"".to_owned(),
        };
        self.refuse(value.span().start, format!("`{key}` must be {must_be}"))
    }

    pub(super) fn integer(&self, key: &'static str, range: RangeInclusive<u64>) -> Option<u64> {
        let value = self.value(key)?;
        let parsed = value
            .get_ref()
            .as_integer()
            .and_then(|integer| u64::from_str_radix(integer.as_str(), integer.radix()).ok())
            .filter(|integer| range.contains(integer));
        if parsed.is_none() {
            let (least, most) = range.into_inner();
            let message = if most == u64::MAX {
                format!("`{key}` must be a whole number, at least {least}: write `{key} = {least}`")
            } else {
                format!("`{key}` must be a whole number from {least} to {most}")
            };
            self.error(value.span().start, message + unquoted(value));
        }
        parsed
    }

    pub(super) fn float(
        &self,
        key: &'static str,
        fits: impl Fn(f64) -> bool,
        expected: impl Display,
    ) -> Option<f64> {
        let value = self.value(key)?;
        let digits = match value.get_ref() {
            DeValue::Float(float) => Some(float.as_str()),
            DeValue::Integer(integer) => Some(integer.as_str()),
            _ => None,
        };
        let parsed = digits
            .and_then(|digits| digits.parse::<f64>().ok())
            .filter(|&float| float.is_finite() && fits(float));
        if parsed.is_none() {
            let unquoted = unquoted(value);
            self.error(
                value.span().start,
                format!("`{key}` must be {expected}{unquoted}"),
            );
        }
        parsed
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        flag.or_else(|| self.wrong_type(value, key, "true or false"))
    }

    /// One of some words.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> Option<T> {
        let value = self.value(key)?;
        let chosen = value
            .get_ref()
            .as_str()
            .and_then(|text| choices.iter().find(|(word, _)| *word == text));
        if chosen.is_none() {
            let words: Vec<String> = choices
                .iter()
                .map(|(word, _)| format!("\"{word}\""))
                .collect();
            self.error(
                value.span().start,
                format!("`{key}` must be {}", words.join(" or ")),
            );
        }
        chosen.map(|&(_, choice)| choice)
    }

    /// The keys of this table with their values, in the order of the document.
    pub(super) fn entries(&self) -> Vec<(&'r str, usize, &'r Value<'t>)> {
        let mut entries: Vec<_> = self
            .table
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
            .collect();
        entries.sort_by_key(|&(_, at, _)| at);
        entries
    }

    /// Reports the unknown keys.
    pub(super) fn finish(&self) {
        for (key, at, value) in self.entries() {
            if self.knows(key) {
                continue;
            }
            let what = if value.get_ref().is_table() && self.name.is_empty() {
                format!("unknown table [{key}]")
            } else if self.name.is_empty() {
                format!("unknown key `{key}`")
            } else {
                format!("unknown key `{key}` in {}", self.name)
            };
            let instead = match nearest(key, self.keys.split(' ')) {
                Some(nearest) => format!("did you mean `{nearest}`?"),
                None => format!("known are {}", self.keys.replace(' ', ", ")),
            };
            self.error(at, format!("{what}; {instead}"));
        }
    }
}

/// What to add about a number that is written as a string.
fn unquoted(value: &Value<'_>) -> &'static str {
    if value.get_ref().is_str() {
        ", without quotation marks"
    } else {
        ""
    }
}
