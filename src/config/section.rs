//! Reads typed values out of the tables of a campaign file, and notes everything that is wrong with them.

use std::cell::Cell;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::duration;
use crate::config::diagnostic::Location;
use crate::config::did_you_mean::nearest;
use crate::config::document::{Document, Text};
use crate::config::schema::{KnownKey, known_keys};

/// A value with its place, as the parser gives it.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// One table of the document.
#[derive(Debug)]
pub(super) struct Section<'r, 't> {
    pub(super) document: &'r Document<'t>,
    /// `[ami]`, as messages name it; empty for the top of the document.
    name: String,
    /// The byte of the document at which the table begins.
    pub(super) at: usize,
    table: Option<&'r DeTable<'t>>,
    /// All that the table may hold; empty where the operator chooses the keys.
    keys: Vec<KnownKey>,
    /// It was said that the whole table is missing.
    missing: Cell<bool>,
}

impl<'r, 't> Section<'r, 't> {
    /// The document as a whole.
    pub(super) fn top(document: &'r Document<'t>, table: &'r DeTable<'t>) -> Self {
        Self::new(document, String::new(), 0, Some(table), known_keys(""))
    }

    /// Unknown keys are reported at once.
    pub(super) fn new(
        document: &'r Document<'t>,
        name: String,
        at: usize,
        table: Option<&'r DeTable<'t>>,
        keys: Vec<KnownKey>,
    ) -> Self {
        let section = Self {
            document,
            name,
            at,
            table,
            keys,
            missing: Cell::new(false),
        };
        for (key, at, value) in section.entries() {
            if !section.keys.is_empty() && !section.knows(key) {
                section.error(at, section.unknown(key, value));
            }
        }
        section
    }

    fn unknown(&self, key: &str, value: &Value<'_>) -> String {
        let what = if self.name.is_empty() && value.get_ref().is_table() {
            format!("unknown table [{key}]")
        } else {
            format!("unknown key `{key}`{}", self.in_table())
        };
        let known: Vec<_> = self.known().collect();
        match nearest(key, self.known()) {
            Some(nearest) => format!("{what}; did you mean `{nearest}`?"),
            None => format!("{what}; known are {}", known.join(", ")),
        }
    }

    fn in_table(&self) -> String {
        match self.name.as_str() {
            "" => String::new(),
            name => format!(" in {name}"),
        }
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

    /// Where the value of a key is, or else the table.
    pub(super) fn location_of(&self, key: &'static str) -> Location {
        self.document.location(self.at_of(key))
    }

    pub(super) fn at_of(&self, key: &'static str) -> usize {
        self.value(key).map_or(self.at, |value| value.span().start)
    }

    /// A path of the document.
    pub(super) fn resolve(&self, path: Text<'_>) -> PathBuf {
        self.document.resolve(path.text)
    }

    fn known(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|&(key, _)| key)
    }

    fn knows(&self, key: &str) -> bool {
        self.known().any(|known| known == key)
    }

    /// A line that sets a key.
    fn example(&self, key: &str) -> &'static str {
        let known = self.keys.iter().find(|(known, _)| *known == key);
        known.map_or("", |&(_, example)| example)
    }

    /// The value of a key, or of an unknown one that is almost this one: what is under it is looked at as well.
    pub(super) fn value(&self, key: &'static str) -> Option<&'r Value<'t>> {
        debug_assert!(self.knows(key), "{key} is not in the example");
        let table = self.table?;
        let is_meant =
            |written: &str| !self.knows(written) && nearest(written, self.known()) == Some(key);
        let mut like = table
            .iter()
            .filter(|(written, _)| is_meant(written.get_ref()));
        table.get(key).or_else(|| Some(like.next()?.1))
    }

    /// The header of a table in this one, without its brackets.
    fn path(&self, key: &str) -> String {
        match self.name.trim_matches(['[', ']']) {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }

    pub(super) fn section(&self, key: &'static str) -> Section<'r, 't> {
        let path = self.path(key);
        let name = format!("[{path}]");
        let value = self.value(key);
        let table = value.and_then(|value| {
            let expected = || format!("a table (write {name} on a line of its own)");
            let table = value.get_ref().as_table();
            table.or_else(|| self.wrong_type(value, key, &expected()))
        });
        let at = value.map_or(self.at, |value| value.span().start);
        let section = Section::new(self.document, name, at, table, known_keys(&path));
        // Another type under this name is one error: what the table would have to hold is not missed as well.
        section.missing.set(value.is_some() && table.is_none());
        section
    }

    /// The tables with this header in two brackets, of which there must be one. `are` begins the sentence that says
    /// how they are written; each needs `with`.
    pub(super) fn tables(&self, key: &'static str, are: &str, with: &str) -> Vec<Section<'r, 't>> {
        let path = self.path(key);
        let name = format!("[[{path}]]");
        let Some(value) = self.value(key) else {
            self.missing_as(key, &format!("{name}` with {with}"));
            return Vec::new();
        };
        let array = value.get_ref().as_array().into_iter();
        let tables: Option<Vec<_>> = array
            .flat_map(|array| array.iter())
            .map(|value| Some((value.span().start, value.get_ref().as_table()?)))
            .collect();
        let tables = tables.unwrap_or_default();
        if tables.is_empty() {
            let message = format!("{are} written as {name}, with two brackets");
            self.error(value.span().start, message);
        }
        let section = |(at, table)| {
            let keys = known_keys(&path);
            Self::new(self.document, name.clone(), at, Some(table), keys)
        };
        tables.into_iter().map(section).collect()
    }

    /// A table that is written on one line, if it is there.
    pub(super) fn inline(&self, key: &'static str, keys: Vec<KnownKey>) -> Option<Section<'r, 't>> {
        let value = self.value(key)?;
        let (name, at) = (format!("`{key}`"), value.span().start);
        let table = value.get_ref().as_table();
        let expected = || format!("a table, such as `{}`", self.example(key));
        let table = table.or_else(|| self.wrong_type(value, key, &expected()))?;
        Some(Self::new(self.document, name, at, Some(table), keys))
    }

    /// Says that a key must be there.
    pub(super) fn missing(&self, key: &str) {
        self.missing_as(key, self.example(key));
    }

    fn missing_as(&self, key: &str, example: &str) {
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
        } else {
            format!("`{key}` is missing{}: write `{example}`", self.in_table())
        };
        self.error(self.at, what);
    }

    /// Notes that a value is of another type than it must be.
    pub(super) fn wrong_type<T>(&self, value: &Value<'t>, key: &str, expected: &str) -> Option<T> {
        let found = value.get_ref().type_str();
        let message = format!("`{key}` must be {expected}, not {found}");
        self.refuse(value.span().start, message)
    }

    pub(super) fn text(&self, key: &'static str) -> Option<Text<'r>> {
        self.text_of(self.value(key)?, key, self.example(key))
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
    pub(super) fn list(&self, key: &'static str) -> Vec<&'r Value<'t>> {
        let list = self.value(key).and_then(|value| {
            let expected = || format!("a list, such as `{}`", self.example(key));
            let list = value.get_ref().as_array();
            list.or_else(|| self.wrong_type(value, key, &expected()))
        });
        list.into_iter().flat_map(|list| list.iter()).collect()
    }

    /// The strings of a list; none where there is no list.
    pub(super) fn texts(&self, key: &'static str) -> Vec<Text<'r>> {
        self.list(key)
            .into_iter()
            .filter_map(|value| self.text_of(value, key, self.example(key)))
            .collect()
    }

    /// A string that must be there and not be empty.
    pub(super) fn required(&self, key: &'static str) -> Option<Text<'r>> {
        if self.value(key).is_none() {
            self.missing(key);
        }
        let text = self.text(key)?;
        if text.text.trim().is_empty() {
            let message = format!("`{key}` is empty: write `{}`", self.example(key));
            return self.refuse(text.at, message);
        }
        Some(text)
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        range: RangeInclusive<&str>,
    ) -> Option<Duration> {
        let value = self.value(key)?;
        let duration = value.get_ref().as_str().and_then(duration::parse);
        let (least, most) = range.into_inner();
        let must_be = if duration.is_none() {
            "a duration, such as \"30s\", \"5m\" or \"1h30m\"".to_owned()
        } else if duration < duration::parse(least) {
            format!("at least {least}")
        } else if duration > duration::parse(most) {
            format!("at most {most}")
        } else {
            return duration;
        };
        self.refuse(value.span().start, format!("`{key}` must be {must_be}"))
    }

    pub(super) fn integer<N: TryFrom<u64>>(
        &self,
        key: &'static str,
        range: RangeInclusive<u64>,
    ) -> Option<N> {
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
        parsed.and_then(|integer| N::try_from(integer).ok())
    }

    pub(super) fn float(
        &self,
        key: &'static str,
        range: RangeInclusive<f64>,
        expected: impl Display,
    ) -> Option<f64> {
        let value = self.value(key)?;
        let digits = match value.get_ref() {
            DeValue::Float(float) => float.as_str(),
            DeValue::Integer(integer) => integer.as_str(),
            _ => "",
        };
        let parsed = digits.parse().ok().filter(|float| range.contains(float));
        parsed.or_else(|| {
            let unquoted = unquoted(value);
            let message = format!("`{key}` must be {expected}{unquoted}");
            self.refuse(value.span().start, message)
        })
    }

    pub(super) fn flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        flag.or_else(|| self.wrong_type(value, key, "true or false"))
    }

    /// One of some words; the first where the key is not there.
    pub(super) fn choice<T: Copy>(&self, key: &'static str, choices: &[(&str, T)]) -> T {
        let Some(value) = self.value(key) else {
            return choices[0].1;
        };
        let text = value.get_ref().as_str();
        let chosen = choices.iter().find(|(word, _)| Some(*word) == text);
        if chosen.is_none() {
            let words = choices.iter().map(|(word, _)| format!("\"{word}\""));
            let words: Vec<String> = words.collect();
            let message = format!("`{key}` must be {}", words.join(" or "));
            self.error(value.span().start, message);
        }
        chosen.unwrap_or(&choices[0]).1
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
}

/// What to add about a number that is written as a string.
fn unquoted(value: &Value<'_>) -> &'static str {
    if value.get_ref().is_str() {
        ", without quotation marks"
    } else {
        ""
    }
}
