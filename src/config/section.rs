//! Reads typed values out of a TOML document and gathers everything that is wrong with it, or hardly meant so, each with
//! its place.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Column, Field, duration};
use crate::ami::action::{ActionError, MAX_LINE};
use crate::config::diagnostic::Fault;
use crate::config::did_you_mean::{Words, nearest};
use crate::config::toml_errors::Slip;
use crate::template::Template;

/// A value with its place, as the parser gives it.
pub(super) type Value<'t> = Spanned<DeValue<'t>>;

/// The document as text, and what is wrong with it so far.
#[derive(Debug)]
pub(super) struct Reader<'t> {
    path: PathBuf,
    text: &'t str,
    faults: RefCell<Vec<(usize, Fault)>>,
    doubts: RefCell<Vec<(usize, Fault)>>,
    /// The keys that were asked for, by the names of the tables.
    asked: RefCell<Words>,
    /// Those of an earlier reading, by which a slip is known from another key.
    words: Words,
}

impl<'t> Reader<'t> {
    /// A first reading, or one that knows by an earlier reading which `words` there are: a key that is almost one of
    /// them is read as it, so that what stands under it is looked at as well.
    pub(super) fn new(path: PathBuf, text: &'t str, words: Words) -> Self {
        Self {
            path,
            text,
            faults: RefCell::default(),
            doubts: RefCell::default(),
            asked: RefCell::default(),
            words,
        }
    }

    /// The keys that were asked for.
    pub(super) fn words(&self) -> Words {
        self.asked.borrow().clone()
    }

    /// Notes what is wrong at a byte of the document.
    pub(super) fn fault(&self, at: usize, message: impl Into<String>) {
        let fault = self.at(at, message.into());
        self.faults.borrow_mut().push((at, fault));
    }

    /// Notes where the document is no TOML. What else was said of such a line comes of that.
    pub(super) fn add(&self, slips: Vec<Slip>) {
        let line = |at| self.place(at).0;
        self.faults
            .borrow_mut()
            .retain(|&(at, _)| slips.iter().all(|slip| line(slip.at) != line(at)));
        for slip in slips {
            self.fault(slip.at, slip.message);
        }
    }

    /// Notes what can be meant so at a byte of the document, and hardly is.
    fn doubt(&self, at: usize, message: String) {
        let doubt = self.at(at, message);
        self.doubts.borrow_mut().push((at, doubt));
    }

    fn at(&self, at: usize, message: String) -> Fault {
        let (line, column) = self.place(at);
        Fault {
            file: self.path.clone(),
            line: Some(line),
            column: Some(column),
            message,
        }
    }

    /// The line and the column of a byte of the document, both from 1.
    pub(super) fn place(&self, at: usize) -> (u64, u64) {
        let before = self.text.get(..at).unwrap_or(self.text);
        // Editors do not show a byte order mark.
        let before = before.strip_prefix('\u{feff}').unwrap_or(before);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let line = before.bytes().filter(|&byte| byte == b'\n').count() + 1;
        let column = before[line_start..].chars().count() + 1;
        (line as u64, column as u64)
    }

    /// Where a byte of a string stands in the document; where the string does, if it is written with escapes.
    fn inside(&self, text: Text<'_>, offset: usize) -> usize {
        let written = self.text.get(text.at..).unwrap_or_default();
        let unquoted = written.strip_prefix(['"', '\'']).unwrap_or_default();
        if unquoted.starts_with(text.text) {
            text.at + 1 + offset
        } else {
            text.at
        }
    }

    /// Everything that is wrong, and everything that is in doubt, each in the order of the document.
    pub(super) fn into_faults_and_doubts(self) -> (Vec<Fault>, Vec<Fault>) {
        let in_order = |notes: RefCell<Vec<(usize, Fault)>>| {
            let mut notes = notes.into_inner();
            notes.sort_by_key(|&(at, _)| at);
            notes.into_iter().map(|(_, fault)| fault).collect()
        };
        (in_order(self.faults), in_order(self.doubts))
    }
}

/// One table of the document. Every key that is asked for is known; the others are reported by
/// [`finish`](Self::finish).
#[derive(Debug)]
pub(super) struct Section<'r, 't> {
    reader: &'r Reader<'t>,
    /// `[ami]`, as messages name it; empty for the top of the document.
    name: Cow<'static, str>,
    at: usize,
    table: Option<&'r DeTable<'t>>,
    known: RefCell<Vec<&'static str>>,
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
        reader: &'r Reader<'t>,
        name: impl Into<Cow<'static, str>>,
        at: usize,
        table: Option<&'r DeTable<'t>>,
    ) -> Self {
        Self {
            reader,
            name: name.into(),
            at,
            table,
            known: RefCell::default(),
            missing: Cell::new(false),
        }
    }

    /// A table that this one holds in an array, or under a key that is no word of ours.
    pub(super) fn within(
        &self,
        name: impl Into<Cow<'static, str>>,
        at: usize,
        table: &'r DeTable<'t>,
    ) -> Self {
        Self::new(self.reader, name, at, Some(table))
    }

    /// Notes what is wrong at a byte of the document.
    pub(super) fn fault(&self, at: usize, message: impl Into<String>) {
        self.reader.fault(at, message);
    }

    /// Notes what is hardly meant so, where the value of a key stands; nothing where the key is not there.
    pub(super) fn doubt(&self, key: &'static str, message: impl Into<String>) {
        if let Some(value) = self.value(key) {
            self.reader.doubt(value.span().start, message.into());
        }
    }

    /// Where the table stands.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Notes what is wrong with the table as a whole.
    pub(super) fn fault_here(&self, message: impl Into<String>) {
        self.fault(self.at, message);
    }

    /// The value of a key, whatever it is.
    pub(super) fn value(&self, key: &'static str) -> Option<&'r Value<'t>> {
        let mut known = self.known.borrow_mut();
        if !known.contains(&key) {
            known.push(key);
            let mut asked = self.reader.asked.borrow_mut();
            let words = asked.entry(self.name.clone()).or_default();
            if !words.contains(&key) {
                words.push(key);
            }
        }
        let table = self.table?;
        table.get(key).or_else(|| self.slip(table, key))
    }

    /// The value of a key that is none, and is almost this one.
    fn slip(&self, table: &'r DeTable<'t>, key: &'static str) -> Option<&'r Value<'t>> {
        let words = self.reader.words.get(&self.name)?;
        let is_meant = |written: &str| {
            !words.contains(&written) && nearest(written, words.iter().copied()) == Some(key)
        };
        let mut slips = table
            .iter()
            .filter(|(written, _)| is_meant(written.get_ref()));
        slips.next().map(|(_, value)| value)
    }

    /// A table within this one.
    pub(super) fn section(&self, key: &'static str, name: &'static str) -> Section<'r, 't> {
        let value = self.value(key);
        let table = value.and_then(|value| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.wrong_type(
                    value,
                    key,
                    &format!("a table (write {name} on a line of its own)"),
                );
            }
            table
        });
        let at = value.map_or(self.at, |value| value.span().start);
        let section = Section::new(self.reader, name, at, table);
        // Something else with this name is one fault, and what it would have to hold is no other.
        section.missing.set(value.is_some() && table.is_none());
        section
    }

    /// A table that is written on one line, if it is there.
    pub(super) fn inline(&self, key: &'static str, example: &str) -> Option<Section<'r, 't>> {
        let value = self.value(key)?;
        let table = value.get_ref().as_table();
        if table.is_none() {
            self.wrong_type(value, key, &format!("a table, such as `{example}`"));
        }
        let name = format!("`{key}`");
        Some(self.within(name, value.span().start, table?))
    }

    /// Says that a key must be there.
    pub(super) fn missing(&self, key: &str, example: &str) {
        // What is there and of the wrong type is told already.
        if self.table.is_some_and(|table| table.contains_key(key)) {
            return;
        }
        // One table that is not there at all is one fault, however much it would have to hold.
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
        self.fault(self.at, what);
    }

    /// Says that a value is of another type than it must be.
    pub(super) fn wrong_type(&self, value: &Value<'t>, key: &str, expected: &str) {
        let found = value.get_ref().type_str();
        self.fault(
            value.span().start,
            format!("`{key}` must be {expected}, not {found}"),
        );
    }

    /// A string.
    pub(super) fn text(&self, key: &'static str, example: &str) -> Option<Text<'r>> {
        self.text_of(self.value(key)?, key, example)
    }

    /// A value as a string.
    pub(super) fn text_of(
        &self,
        value: &'r Value<'t>,
        key: &str,
        example: &str,
    ) -> Option<Text<'r>> {
        let text = value.get_ref().as_str();
        if text.is_none() {
            self.wrong_type(value, key, &format!("a string, such as `{example}`"));
        }
        let at = value.span().start;
        text.map(|text| Text { text, at })
    }

    /// The elements of a list; none where there is no list.
    pub(super) fn list(&self, key: &'static str, example: &str) -> Vec<&'r Value<'t>> {
        let Some(value) = self.value(key) else {
            return Vec::new();
        };
        let list = value.get_ref().as_array();
        if list.is_none() {
            self.wrong_type(value, key, &format!("a list, such as `{example}`"));
        }
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
            self.fault(text.at, format!("`{key}` is empty: write `{example}`"));
            return None;
        }
        Some(text)
    }

    /// Whether a string holds nothing that would end its line on the wire.
    pub(super) fn one_line(&self, text: Text<'_>, key: &str) -> bool {
        let broken = text.text.contains(['\r', '\n', '\0']);
        if broken {
            self.fault(
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
            self.fault(
                text.at,
                format!("`{key}` takes {bytes} bytes, and Asterisk reads {MAX_LINE} at most"),
            );
        }
        bytes <= MAX_LINE && self.one_line(text, key)
    }

    /// Says that a name cannot be a channel variable's.
    pub(super) fn no_variable(&self, at: usize, name: &str) {
        self.fault(
            at,
            format!("{name:?} cannot be a channel variable: letters, digits and _ only, and no digit first"),
        );
    }

    /// A template. `check` says whether Asterisk takes what does not come from the list.
    pub(super) fn field(
        &self,
        text: Text<'_>,
        key: &str,
        check: impl Fn(&[u8]) -> Result<(), ActionError>,
    ) -> Option<Field> {
        if !self.one_line(text, key) {
            return None;
        }
        let template = match Template::parse(text.text) {
            Ok(template) => template,
            Err(error) => {
                let at = self.reader.inside(text, error.at());
                self.fault(at, format!("`{key}`: {error}"));
                return None;
            }
        };
        if let Err(error) = check(template.text().as_bytes()) {
            self.fault(text.at, format!("`{key}`: {error}"));
            return None;
        }
        let (line, column) = self.reader.place(text.at);
        Some(Field {
            template,
            line,
            column,
        })
    }

    /// The name of a column of the list.
    pub(super) fn column(&self, text: Text<'_>, key: &str) -> Option<Column> {
        let name = text.text.trim();
        if name.is_empty() {
            self.fault(
                text.at,
                format!("`{key}` names no column: write the column's name"),
            );
            return None;
        }
        let (line, column) = self.reader.place(text.at);
        Some(Column {
            name: name.to_owned(),
            line,
            column,
        })
    }

    /// The line and the column of a byte of the document, both from 1.
    pub(super) fn place(&self, at: usize) -> (u64, u64) {
        self.reader.place(at)
    }

    /// A duration within a range.
    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Duration {
        self.optional_duration(key, range).unwrap_or(default)
    }

    /// A duration within a range, or nothing.
    pub(super) fn optional_duration(
        &self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        let value = self.value(key)?;
        let parsed = value.get_ref().as_str().and_then(duration::parse);
        match parsed {
            Some(duration) if range.contains(&duration) => return parsed,
            Some(duration) => {
                let (bound, limit) = if duration < *range.start() {
                    ("at least", range.start())
                } else {
                    ("at most", range.end())
                };
                let limit = duration::show(*limit);
                self.fault(
                    value.span().start,
                    format!("`{key}` must be {bound} {limit}"),
                );
            }
            None => self.fault(
                value.span().start,
                format!("`{key}` must be a duration, such as \"30s\", \"5m\" or \"1h30m\""),
            ),
        }
        None
    }

    /// A whole number.
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
            self.fault(value.span().start, message + unquoted(value));
        }
        parsed
    }

    /// A number that fits.
    pub(super) fn float(
        &self,
        key: &'static str,
        default: f64,
        fits: impl Fn(f64) -> bool,
        expected: impl Display,
    ) -> f64 {
        self.optional_float(key, fits, expected).unwrap_or(default)
    }

    /// A number that fits, or nothing.
    pub(super) fn optional_float(
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
            self.fault(
                value.span().start,
                format!("`{key}` must be {expected}{unquoted}"),
            );
        }
        parsed
    }

    /// `true` or `false`.
    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.optional_flag(key).unwrap_or(default)
    }

    /// `true`, `false` or nothing.
    pub(super) fn optional_flag(&self, key: &'static str) -> Option<bool> {
        let value = self.value(key)?;
        let flag = value.get_ref().as_bool();
        if flag.is_none() {
            self.wrong_type(value, key, "true or false");
        }
        flag
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
            self.fault(
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

    /// Reports the keys that nobody asked for.
    pub(super) fn finish(&self) {
        let known = self.known.borrow();
        for (key, at, value) in self.entries() {
            if known.contains(&key) {
                continue;
            }
            let what = if value.get_ref().is_table() && self.name.is_empty() {
                format!("unknown table [{key}]")
            } else if self.name.is_empty() {
                format!("unknown key `{key}`")
            } else {
                format!("unknown key `{key}` in {}", self.name)
            };
            let nearest = nearest(key, known.iter().copied());
            let message = match nearest {
                Some(nearest) => format!("{what}; did you mean `{nearest}`?"),
                None if known.is_empty() => what,
                None => format!("{what}; known are {}", known.join(", ")),
            };
            self.fault(at, message);
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
