//! `[contacts]`: the list, and what its columns are.

use super::{BadRows, Column, Contacts, Duplicates};
use crate::config::document::Text;
use crate::config::section::Section;
use crate::phone_number::{self, Region};
use crate::results::schema;

/// Alternative numbers of a contact.
const MAX_NUMBERS: usize = 32;

/// Without a list there is nothing to look at.
pub(super) fn contacts(section: &Section<'_, '_>) -> Option<Contacts> {
    let file = section.required("file");
    let column = |key| section.column(section.text(key)?, key);
    let (numbers, delimiter) = (numbers(section), delimiter(section));
    let bad_rows = [("skip", BadRows::Skip), ("stop", BadRows::Stop)];
    let duplicates = [("skip", Duplicates::Skip), ("call", Duplicates::Call)];
    let contacts = Contacts {
        file_at: section.location_of("file"),
        file: file.map(|file| section.resolve(file)).unwrap_or_default(),
        numbers: numbers?,
        id: column("id"),
        timezone: column("timezone"),
        keep: columns(section, "keep"),
        delimiter: delimiter?,
        region: region(section),
        bad_rows: section.choice("bad_rows", &bad_rows),
        duplicates: section.choice("duplicates", &duplicates),
    };
    file.map(|_| contacts)
}

/// The columns of the numbers: one, or several to be tried in turn.
fn numbers(section: &Section<'_, '_>) -> Option<Vec<Column>> {
    let value = section.value("number");
    if value.is_none_or(|value| !value.get_ref().is_array()) {
        let (text, at) = ("number", section.at);
        let default = Text { text, at };
        let text = value.map_or(Some(default), |_| section.text("number"));
        return Some(vec![section.column(text?, "number")?]);
    }
    let columns = columns(section, "number");
    if columns.is_empty() {
        let message = "`number` names no column: write `number = \"number\"`";
        section.error_at("number", message);
    }
    if columns.len() > MAX_NUMBERS {
        let count = columns.len();
        let message = format!("`number` names {count} columns: {MAX_NUMBERS} are the most");
        section.error_at("number", message);
    }
    (!columns.is_empty()).then_some(columns)
}

/// The columns of a list, each once.
fn columns(section: &Section<'_, '_>, key: &'static str) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for text in section.texts(key) {
        let Some(column) = section.column(text, key) else {
            continue;
        };
        let name = &column.name;
        if columns.iter().any(|known| known.name == *name) {
            section.error(text.at, format!("`{key}` names `{name}` twice"));
        } else if key == "keep" && schema::columns().any(|column| column == name) {
            let message = format!("`keep`: the results have a column `{name}` of their own");
            section.error(text.at, message + ": give the list's another name");
        }
        columns.push(column);
    }
    columns
}

fn region(section: &Section<'_, '_>) -> Option<Region> {
    let text = section.text("region")?;
    let region = phone_number::region(text.text.trim());
    if region.is_none() {
        // Who writes a country's calling code, its name or what its people call it.
        let instead = match text.text.trim().to_uppercase().as_str() {
            "UK" => "GB",
            "USA" | "1" | "+1" => "US",
            _ => "UY",
        };
        let letters = "the two letters of a country (ISO 3166)";
        let message = format!("`region` must be {letters}, such as `region = \"{instead}\"`");
        section.error(text.at, message);
    }
    region
}

fn delimiter(section: &Section<'_, '_>) -> Option<u8> {
    let Some(text) = section.text("delimiter") else {
        return Some(b',');
    };
    match text.text.as_bytes() {
        [byte]
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n\0 ".contains(byte) =>
        {
            Some(*byte)
        }
        _ => section.refuse(
            text.at,
            "`delimiter` must be one character, such as \",\" \";\" or \"\\t\"",
        ),
    }
}
