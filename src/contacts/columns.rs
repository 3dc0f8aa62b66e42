//! The header of a list, and the columns that the campaign names.

use std::borrow::Cow;
use std::fs::File;
use std::sync::Arc;

use super::binder::{Binder, file_name};
use super::csv::{CsvReader, CsvRow, ONE_ROW, Position, diagnostic};
use super::render::Templates;
use crate::config::{Campaign, CampaignErrors, Contacts, Diagnostic};
use crate::phone_number::{Number, NumberError, Numbering};

/// What spreadsheets write between two fields.
const DELIMITERS: [u8; 4] = *b";\t|,";

/// What is known of the list's columns.
#[derive(Debug)]
pub(super) struct ListColumns {
    /// The list's file name, for notes.
    pub(super) file_name: String,
    /// The header.
    pub(super) names: Vec<String>,
    /// Where the rows begin in the copy.
    pub(super) body: Position,
    pub(super) delimiter: u8,
    /// The columns of the numbers, in the order in which they are tried; never empty.
    numbers: Vec<usize>,
    numbering: Numbering,
    id: Option<usize>,
    zone: Option<usize>,
    keep: Vec<usize>,
}

/// Reads the header and finds every column that the campaign names.
pub(super) fn bind(
    campaign: &Campaign,
    copy: &Arc<File>,
) -> Result<(ListColumns, Templates), CampaignErrors> {
    let contacts = &campaign.contacts;
    let unreadable = |error| CampaignErrors(vec![diagnostic(&contacts.file, error)]);
    let unusable = |message: String| {
        let error = Diagnostic::of_line(&contacts.file, 1, message);
        Err(CampaignErrors(vec![error]))
    };
    let copy = Arc::clone(copy);
    let mut reader = CsvReader::open(copy, &[contacts.delimiter], ONE_ROW).map_err(unreadable)?;
    let mut header = CsvRow::default();
    if !reader.read(&mut header).map_err(unreadable)? {
        return unusable("is empty: its first line must name the columns".to_owned());
    }
    if let Some(message) = not_a_header(&header, contacts) {
        return unusable(message);
    }
    let mut errors = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, name) in header.fields().enumerate() {
        let fault = match str::from_utf8(name) {
            Err(_) => format!(
                "the name of column {} is not UTF-8: save the list as UTF-8",
                index + 1
            ),
            Ok(name) if !name.is_empty() && names.iter().any(|known| known == name) => {
                format!("the header names `{name}` twice")
            }
            Ok(_) => String::new(),
        };
        if !fault.is_empty() {
            let at = reader.location(&header, index).map_err(unreadable)?;
            errors.push(Diagnostic::at(&contacts.file, at, fault));
        }
        names.push(header.text(index).into_owned());
    }
    let mut binder = Binder {
        campaign,
        names: &names,
        errors: &mut errors,
    };
    let numbers = binder.columns(&contacts.numbers);
    let id = binder.columns(contacts.id.as_slice()).pop();
    let zone = binder.columns(contacts.timezone.as_slice()).pop();
    let keep = binder.columns(&contacts.keep);
    let templates = Templates::bind(campaign, &mut binder);
    if !errors.is_empty() {
        errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
        return Err(CampaignErrors(errors));
    }
    let columns = ListColumns {
        file_name: file_name(&contacts.file),
        body: reader.position(),
        delimiter: contacts.delimiter,
        names,
        numbers,
        numbering: Numbering(contacts.region),
        id,
        zone,
        keep,
    };
    Ok((columns, templates))
}

impl ListColumns {
    /// Reads the numbers of a row. One that is none is passed over while there is another, one that is there twice is
    /// called once.
    pub(super) fn numbers(
        &self,
        row: &CsvRow,
        numbers: &mut Vec<Number>,
    ) -> Result<(), NumberError> {
        numbers.clear();
        let mut first_error = NumberError::Empty;
        for &column in &self.numbers {
            match self.numbering.read(&row.text(column)) {
                Ok(number) if numbers.contains(&number) => {}
                Ok(number) => numbers.push(number),
                Err(error) if first_error == NumberError::Empty => first_error = error,
                Err(_) => {}
            }
        }
        if numbers.is_empty() {
            return Err(first_error);
        }
        Ok(())
    }

    /// The first number of a row as the list gives it, whatever it is; empty where there is none.
    pub(super) fn first_number_field<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let mut fields = self.numbers.iter().map(|&column| row.text(column));
        fields.find(|field| !field.is_empty()).unwrap_or_default()
    }

    /// The name of the column of the time zone, and what a row has there.
    pub(super) fn zone_field<'r>(&self, row: &'r CsvRow) -> Option<(&str, &'r [u8])> {
        let zone = self.zone?;
        Some((&self.names[zone], row.get(zone)))
    }

    /// The values of the columns that are copied into the results.
    pub(super) fn kept(&self, row: &CsvRow) -> Vec<String> {
        let columns = self.keep.iter();
        columns.map(|&column| row.text(column).into()).collect()
    }

    /// The id as the row gives it, however often the list has it.
    pub(super) fn own_id<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let id = match self.id {
            Some(id) => row.text(id),
            None => self.first_number_field(row),
        };
        if id.is_empty() {
            return format!("line {}", row.at.line).into();
        }
        id
    }
}

/// What is wrong with a header that does not name columns one by one.
fn not_a_header(header: &CsvRow, contacts: &Contacts) -> Option<String> {
    let first = header.get(0);
    if first.len() <= b"sep=;".len() && first.starts_with(b"sep=") {
        return Some("the first line, `sep=`, is for a spreadsheet alone: delete it".to_owned());
    }
    let mut wanted = contacts.numbers.iter();
    if header.len() > 1 || wanted.any(|column| column.name.as_bytes() == first) {
        return None;
    }
    let delimiter = DELIMITERS
        .into_iter()
        .find(|&delimiter| delimiter != contacts.delimiter && first.contains(&delimiter))?;
    Some(format!(
        "has one column only, `{}`: write `delimiter = {:?}` in [contacts]",
        header.text(0),
        char::from(delimiter).to_string()
    ))
}
