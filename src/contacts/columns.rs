//! The header of a list, and the columns that the campaign names.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::path::Path;

use super::csv::{CsvReader, CsvRow, ONE_ROW, Position, diagnostic};
use super::render::Templates;
use crate::config::{Campaign, CampaignErrors, Column, Contacts, Diagnostic, Location, nearest};
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
    copy: &File,
) -> Result<(ListColumns, Templates), CampaignErrors> {
    let contacts = &campaign.contacts;
    let errors_of_list = |message: &str| {
        let error = Diagnostic::of_line(&contacts.file, 1, message);
        CampaignErrors(vec![error])
    };
    let unreadable = |error: io::Error| CampaignErrors(vec![diagnostic(&contacts.file, error)]);
    let file = copy.try_clone().map_err(unreadable)?;
    let mut reader = CsvReader::open(file, &[contacts.delimiter], ONE_ROW).map_err(unreadable)?;
    let mut header = CsvRow::default();
    if !reader.read(&mut header).map_err(unreadable)? {
        return Err(errors_of_list(
            "is empty: its first line must name the columns",
        ));
    }
    if let Some(message) = not_a_header(&header, contacts) {
        return Err(errors_of_list(&message));
    }
    let mut errors = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (index, name) in header.fields().enumerate() {
        let at = reader.location(&header, index);
        let at = at.map_err(unreadable)?;
        let mut error = |message| errors.push(Diagnostic::at(&contacts.file, at, message));
        if std::str::from_utf8(name).is_err() {
            let column = index + 1;
            error(format!(
                "the name of column {column} is not UTF-8: save the list as UTF-8"
            ));
        }
        let name = String::from_utf8_lossy(name).into_owned();
        if !name.is_empty() && names.contains(&name) {
            error(format!("the header names `{name}` twice"));
        }
        names.push(name);
    }
    let mut binder = Binder {
        campaign,
        names: &names,
        errors: &mut errors,
    };
    let numbers = binder.columns(&contacts.numbers);
    let id = contacts.id.as_ref().map(|id| binder.column_of(id));
    let zone = contacts.timezone.as_ref();
    let zone = zone.map(|zone| binder.column_of(zone));
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
        numbering: Numbering::new(contacts.region),
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
        for read in self.read_numbers(row) {
            match read {
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

    /// The first field of a row that is a number.
    pub(super) fn first_number(&self, row: &CsvRow) -> Option<Number> {
        self.read_numbers(row).find_map(Result::ok)
    }

    fn read_numbers(&self, row: &CsvRow) -> impl Iterator<Item = Result<Number, NumberError>> {
        self.numbers.iter().map(|&column| {
            let field = String::from_utf8_lossy(row.get(column).unwrap_or_default());
            self.numbering.read(&field)
        })
    }

    /// The first number of a row as the list gives it, whatever it is; empty where there is none.
    pub(super) fn first_number_field<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let mut fields = self.numbers.iter().filter_map(|&column| row.get(column));
        String::from_utf8_lossy(fields.find(|field| !field.is_empty()).unwrap_or_default())
    }

    /// The name of the column of the time zone, and what a row has there.
    pub(super) fn zone_field<'r>(&self, row: &'r CsvRow) -> Option<(&str, &'r [u8])> {
        let zone = self.zone?;
        Some((&self.names[zone], row.get(zone).unwrap_or_default()))
    }

    /// The values of the columns that are copied into the results.
    pub(super) fn kept(&self, row: &CsvRow) -> Vec<String> {
        let field = |&column: &usize| row.get(column).unwrap_or_default();
        let fields = self.keep.iter().map(field);
        fields
            .map(|field| String::from_utf8_lossy(field).into_owned())
            .collect()
    }

    /// The id as the row gives it, however often the list has it.
    pub(super) fn own_id<'r>(&self, row: &'r CsvRow) -> Cow<'r, str> {
        let id = match self.id {
            Some(id) => String::from_utf8_lossy(row.get(id).unwrap_or_default()),
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
    let first = header.get(0).unwrap_or_default();
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
        String::from_utf8_lossy(first),
        char::from(delimiter).to_string()
    ))
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Finds columns by name, and gathers what is not there.
pub(super) struct Binder<'b> {
    campaign: &'b Campaign,
    names: &'b [String],
    errors: &'b mut Vec<Diagnostic>,
}

impl Binder<'_> {
    fn column_of(&mut self, column: &Column) -> usize {
        self.column(&column.name, column.at)
    }

    fn columns(&mut self, columns: &[Column]) -> Vec<usize> {
        let columns = columns.iter();
        columns.map(|column| self.column_of(column)).collect()
    }

    /// The index of a column, or 0 and an error where the campaign names it.
    pub(super) fn column(&mut self, name: &str, at: Location) -> usize {
        if let Some(index) = self.names.iter().position(|known| known == name) {
            return index;
        }
        let list = file_name(&self.campaign.contacts.file);
        let names = self.names.iter().map(String::as_str);
        let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
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
