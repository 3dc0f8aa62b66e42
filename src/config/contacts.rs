//! `[contacts]`: the list, and what its columns are.

use super::{BadRows, Column, Contacts, Duplicates};
use crate::config::load::Loader;
use crate::config::section::{Section, Text};
use crate::phone_number::{self, Region};
use crate::results::schema::COLUMNS;

pub(super) const KEYS: &str = "file number id timezone keep delimiter region bad_rows duplicates";

/// The columns that are copied into the results, none of which may be there already.
const KEEP: &str = "keep";
/// Alternative numbers of a contact.
const MAX_NUMBERS: usize = 32;

impl Loader<'_> {
    pub(super) fn contacts(&self, section: &Section<'_, '_>) -> Option<Contacts> {
        let file = section.required("file", "file = \"contacts.csv\"");
        let numbers = numbers(section);
        let id = section
            .text("id", "id = \"id\"")
            .and_then(|text| section.column(text, "id"));
        let timezone = section
            .text("timezone", "timezone = \"tz\"")
            .and_then(|text| section.column(text, "timezone"));
        let keep = columns(section, KEEP, "keep = [\"name\"]");
        let delimiter = delimiter(section);
        let region = region(section);
        let bad_rows = section.choice(
            "bad_rows",
            &[("skip", BadRows::Skip), ("stop", BadRows::Stop)],
        );
        let duplicates = section.choice(
            "duplicates",
            &[("skip", Duplicates::Skip), ("call", Duplicates::Call)],
        );
        section.finish();
        let file = file?;
        Some(Contacts {
            file_at: section.location(file.at),
            file: self.folder.join(file.text),
            numbers: numbers?,
            id,
            timezone,
            keep,
            delimiter: delimiter?,
            region,
            bad_rows: bad_rows.unwrap_or(BadRows::Skip),
            duplicates: duplicates.unwrap_or(Duplicates::Skip),
        })
    }
}

/// The columns of the numbers: one, or several to be tried in turn.
fn numbers(section: &Section<'_, '_>) -> Option<Vec<Column>> {
    const EXAMPLE: &str = "number = \"phone\"";
    let Some(value) = section.value("number") else {
        let text = "number";
        let at = section.at();
        return Some(vec![section.column(Text { text, at }, "number")?]);
    };
    if value.get_ref().as_array().is_none() {
        let text = section.text_of(value, "number", EXAMPLE)?;
        return Some(vec![section.column(text, "number")?]);
    }
    let columns = columns(section, "number", "number = [\"mobile\", \"home\"]");
    if columns.is_empty() {
        section.error(
            value.span().start,
            format!("`number` names no column: write `{EXAMPLE}`"),
        );
    }
    if columns.len() > MAX_NUMBERS {
        section.error(
            value.span().start,
            format!(
                "`number` names {} columns: {MAX_NUMBERS} are the most",
                columns.len()
            ),
        );
    }
    (!columns.is_empty()).then_some(columns)
}

/// The columns of a list, each once.
fn columns(section: &Section<'_, '_>, key: &'static str, example: &str) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for text in section.texts(key, example) {
        let Some(column) = section.column(text, key) else {
            continue;
        };
        if columns.iter().any(|known| known.name == column.name) {
            section.error(text.at, format!("`{key}` names `{}` twice", column.name));
        } else if key == KEEP && COLUMNS.contains(&column.name.as_str()) {
            section.error(
                text.at,
                format!(
                    "`keep`: the results have a column `{}` of their own: give the list's another name",
                    column.name
                ),
            );
        }
        columns.push(column);
    }
    columns
}

fn region(section: &Section<'_, '_>) -> Option<Region> {
    let text = section.text("region", "region = \"UY\"")?;
    let region = phone_number::region(text.text.trim());
    if region.is_none() {
        // Who writes a country's calling code, its name or what its people call it.
        let instead = match text.text.trim().to_uppercase().as_str() {
            "UK" => "GB",
            "USA" | "1" | "+1" => "US",
            _ => "UY",
        };
        section.error(
            text.at,
            format!("`region` must be the two letters of a country (ISO 3166), such as `region = \"{instead}\"`"),
        );
    }
    region
}

fn delimiter(section: &Section<'_, '_>) -> Option<u8> {
    let Some(text) = section.text("delimiter", "delimiter = \";\"") else {
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
