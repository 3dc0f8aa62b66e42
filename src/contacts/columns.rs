//! The header of a list, and the campaign's templates bound to its columns.

use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

use super::{Position, Unsendable};
use crate::ami::action::{check_header, check_variable};
use crate::config::{
    Campaign, CampaignErrors, Column, Contacts, Diagnostic, Field, Location, nearest,
};
use crate::contacts::csv::{ONE_ROW, Record, ScanError, Scanner};
use crate::phone_number::{DialAs, Number, NumberError, Numbering};
use crate::template;

/// What UTF-8 files from some editors and spreadsheets begin with.
const UTF8_MARK: &[u8] = b"\xef\xbb\xbf";
/// What files begin with that a spreadsheet calls Unicode text.
const UTF16_MARKS: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];
/// How a ZIP archive begins, which an .xlsx or .ods is.
const ZIP_MARK: [u8; 4] = *b"PK\x03\x04";
/// What spreadsheets write between two fields.
const DELIMITERS: [u8; 4] = *b";\t|,";
/// What may stand in a dial string from a contact's column, besides letters and digits.
const DIALABLE: &[u8] = b"+*#._-";
/// What a template calls the number that is being dialed.
const NUMBER: &str = "number";

/// A piece of a template, bound to the list.
#[derive(Debug)]
enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// The number that is being dialed.
    Number,
    /// A column's value, by its place.
    Column(usize),
}

/// The templates of one trunk.
#[derive(Debug)]
struct Templates {
    dial_as: DialAs,
    channel: Vec<Piece>,
    caller_id: Option<Vec<Piece>>,
}

/// Trunks, by their places.
#[derive(Debug)]
struct Strictest {
    channel: Vec<usize>,
    caller_id: Vec<usize>,
}

impl Strictest {
    /// Of trunks that put the same columns into the same places, the one with the most text around them.
    fn of(trunks: &[Templates]) -> Self {
        let forms = |form: &dyn Fn(&Templates) -> Option<Form>| {
            let mut strictest: Vec<(Form, usize)> = Vec::new();
            for (place, form) in trunks.iter().map(form).enumerate() {
                let Some(form) = form else { continue };
                match strictest.iter_mut().find(|(other, _)| other.is_like(&form)) {
                    Some(other) if other.0.text.len() < form.text.len() => *other = (form, place),
                    Some(_) => {}
                    None => strictest.push((form, place)),
                }
            }
            strictest.into_iter().map(|(_, place)| place).collect()
        };
        Self {
            channel: forms(&|trunk| Some(Form::of("Channel", Some(trunk.dial_as), &trunk.channel))),
            caller_id: forms(&|trunk| {
                let pieces = trunk.caller_id.as_ref()?;
                Some(Form::of("CallerID", None, pieces))
            }),
        }
    }
}

/// What a template makes of a row, but for its own text.
struct Form {
    dial_as: Option<DialAs>,
    /// The columns in their order; `None` is the number.
    columns: Vec<Option<usize>>,
    text: Vec<u8>,
    /// Its own text can be sent.
    fine: bool,
}

impl Form {
    fn of(header: &str, dial_as: Option<DialAs>, pieces: &[Piece]) -> Self {
        let (mut columns, mut text) = (Vec::new(), Vec::new());
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.extend_from_slice(piece),
                Piece::Number => columns.push(None),
                Piece::Column(column) => columns.push(Some(*column)),
            }
        }
        let fine = check_header(header, &text).is_ok();
        Self {
            dial_as,
            columns,
            text,
            fine,
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        (self.fine && other.fine)
            && (self.dial_as, &self.columns) == (other.dial_as, &other.columns)
    }
}

/// What is known of the list's columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// The list's file name, for notes.
    pub(super) file_name: String,
    /// The header.
    pub(super) names: Vec<String>,
    trunks: Vec<Templates>,
    /// The trunks whose dial strings are looked at in every row, and those whose caller ids are: what can be sent on them
    /// can be sent on all.
    strictest: Strictest,
    variables: Vec<(Arc<str>, Vec<Piece>)>,
    /// Where the rows begin in the copy.
    pub(super) body: Position,
    /// The columns of the numbers, in the order in which they are tried; never empty.
    numbers: Vec<usize>,
    numbering: Numbering,
    id: Option<usize>,
    zone: Option<usize>,
    keep: Vec<usize>,
    pub(super) delimiter: u8,
}

/// A row, and which of its numbers is called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) record: &'r Record,
    pub(super) number: &'r Number,
}

impl Columns {
    /// Reads the header and finds every column that the campaign names.
    pub(super) fn bind(campaign: &Campaign, copy: &File) -> Result<Self, CampaignErrors> {
        let contacts = &campaign.contacts;
        let of_list = |message: String| Diagnostic::of_line(&contacts.file, 1, message);
        let only = |message: &str| CampaignErrors(vec![of_list(message.to_owned())]);
        let unreadable = |error: ScanError| only(&error.to_string());
        let offset = beginning(copy)
            .map_err(|error| unreadable(error.into()))?
            .map_err(only)?;
        let file = copy.try_clone().map_err(|error| unreadable(error.into()))?;
        let start = Position { offset, line: 1 };
        let mut scanner = Scanner::new(file, start, contacts.delimiter, ONE_ROW);
        let mut header = Record::default();
        if scanner.read(&mut header).map_err(unreadable)?.is_none() {
            return Err(only("is empty: its first line must name the columns"));
        }
        let body = scanner
            .next_line()
            .map_err(|error| unreadable(error.into()))?;
        if let Some(error) = not_a_header(&header, contacts) {
            return Err(only(&error));
        }
        let mut errors = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (place, name) in header.fields().enumerate() {
            if std::str::from_utf8(name).is_err() {
                let column = place + 1;
                errors.push(of_list(format!(
                    "the name of column {column} is not UTF-8: save the list as UTF-8"
                )));
            }
            let name = String::from_utf8_lossy(name).into_owned();
            if !name.is_empty() && names.contains(&name) {
                errors.push(of_list(format!("the header names `{name}` twice")));
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
        let zone = contacts
            .timezone
            .as_ref()
            .map(|zone| binder.column_of(zone));
        let keep = binder.columns(&contacts.keep);
        let trunks = campaign
            .trunks
            .iter()
            .map(|trunk| Templates {
                dial_as: trunk.dial_as,
                channel: binder.field(&trunk.channel),
                caller_id: trunk
                    .caller_id
                    .as_ref()
                    .or(campaign.call.caller_id.as_ref())
                    .map(|field| binder.field(field)),
            })
            .collect::<Vec<_>>();
        let variables = campaign
            .call
            .variables
            .iter()
            .map(|(name, field)| (name.as_str().into(), binder.field(field)))
            .collect();
        if !errors.is_empty() {
            errors.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            return Err(CampaignErrors(errors));
        }
        Ok(Self {
            file_name: file_name(&contacts.file),
            body,
            delimiter: contacts.delimiter,
            names,
            strictest: Strictest::of(&trunks),
            trunks,
            variables,
            numbers,
            numbering: Numbering::new(contacts.region),
            id,
            zone,
            keep,
        })
    }

    /// Reads the numbers of a row, with the places of their columns. One that is none is passed over while there is
    /// another, one that stands twice is there once.
    pub(super) fn numbers(
        &self,
        record: &Record,
        numbers: &mut Vec<(u16, Number)>,
    ) -> Result<(), NumberError> {
        numbers.clear();
        let mut first_error = NumberError::Empty;
        for (&place, column) in self.numbers.iter().zip(0..) {
            let field = String::from_utf8_lossy(record.get(place).unwrap_or_default());
            match self.numbering.read(&field) {
                Ok(number) => {
                    if numbers.iter().all(|(_, known)| *known != number) {
                        numbers.push((column, number));
                    }
                }
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
    pub(super) fn first_number(&self, record: &Record) -> Option<Number> {
        let fields = self.numbers.iter().filter_map(|&place| record.get(place));
        fields
            .map(String::from_utf8_lossy)
            .find_map(|field| self.numbering.read(&field).ok())
    }

    /// The first number of a row as the list gives it, whatever it is; empty where there is none.
    pub(super) fn first_number_field<'r>(&self, record: &'r Record) -> Cow<'r, str> {
        let mut fields = self.numbers.iter().filter_map(|&place| record.get(place));
        String::from_utf8_lossy(fields.find(|field| !field.is_empty()).unwrap_or_default())
    }

    /// The name of the column of the time zone, and what a row has there.
    pub(super) fn zone_field<'r>(&self, record: &'r Record) -> Option<(&str, &'r [u8])> {
        let zone = self.zone?;
        Some((&self.names[zone], record.get(zone).unwrap_or_default()))
    }

    /// The values of the columns that are copied into the results.
    pub(super) fn kept(&self, record: &Record) -> Vec<String> {
        let field = |&place: &usize| record.get(place).unwrap_or_default();
        let fields = self.keep.iter().map(field);
        fields
            .map(|field| String::from_utf8_lossy(field).into_owned())
            .collect()
    }

    /// The id as the row gives it, however often it stands in the list.
    pub(super) fn own_id<'r>(&self, record: &'r Record, at: Position) -> Cow<'r, str> {
        let id = match self.id {
            Some(id) => String::from_utf8_lossy(record.get(id).unwrap_or_default()),
            None => self.first_number_field(record),
        };
        if id.is_empty() {
            return format!("line {}", at.line).into();
        }
        id
    }

    /// Whether every dial string and caller id of a row can be sent, on whatever trunk. `scratch` is for them.
    pub(super) fn check(&self, row: Row<'_>, scratch: &mut Vec<u8>) -> Result<(), Unsendable> {
        for &trunk in &self.strictest.channel {
            scratch.clear();
            self.channel(row, trunk, scratch)?;
        }
        for &trunk in &self.strictest.caller_id {
            scratch.clear();
            self.caller_id(row, trunk, scratch)?;
        }
        Ok(())
    }

    /// Appends the dial string of a row.
    pub(super) fn channel(
        &self,
        row: Row<'_>,
        trunk: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsendable> {
        let templates = &self.trunks[trunk];
        let dialed = row.number.dialed(templates.dial_as);
        for piece in &templates.channel {
            let value = self.value(piece, row.record, &dialed)?;
            if let Piece::Column(column) = piece
                && let Some(char) = undialable(value)
            {
                let column = self.names[*column].clone();
                return Err(Unsendable::Undialable { column, char });
            }
            out.extend_from_slice(value);
        }
        Ok(check_header("Channel", out)?)
    }

    /// Appends the caller id of a row; `false` where the campaign has none.
    pub(super) fn caller_id(
        &self,
        row: Row<'_>,
        trunk: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, Unsendable> {
        let Some(pieces) = &self.trunks[trunk].caller_id else {
            return Ok(false);
        };
        for piece in pieces {
            let value = self.value(piece, row.record, row.number.as_str())?;
            match piece {
                Piece::Text(_) => out.extend_from_slice(value),
                _ => out.extend(value.iter().filter(|&&byte| fits_caller_id(byte))),
            }
        }
        check_header("CallerID", out)?;
        Ok(true)
    }

    /// The names of the channel variables, in the order of the campaign.
    pub(super) fn variables(&self) -> impl ExactSizeIterator<Item = &Arc<str>> {
        self.variables.iter().map(|(name, _)| name)
    }

    /// Appends the value of a channel variable (its place in [`variables`](Self::variables)), unescaped.
    pub(super) fn variable(
        &self,
        row: Row<'_>,
        variable: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), Unsendable> {
        let (name, pieces) = &self.variables[variable];
        for piece in pieces {
            out.extend_from_slice(self.value(piece, row.record, row.number.as_str())?);
        }
        Ok(check_variable(name, out)?)
    }

    /// What a piece stands for in a row.
    fn value<'v>(
        &self,
        piece: &'v Piece,
        record: &'v Record,
        number: &'v str,
    ) -> Result<&'v [u8], Unsendable> {
        Ok(match piece {
            Piece::Text(text) => text,
            Piece::Number => number.as_bytes(),
            Piece::Column(column) => {
                let value = record.get(*column).unwrap_or_default();
                if std::str::from_utf8(value).is_err() {
                    return Err(Unsendable::Encoding(self.names[*column].clone()));
                }
                value
            }
        })
    }
}

/// Where the header begins, behind a byte order mark; or what is wrong with the whole file.
fn beginning(copy: &File) -> io::Result<Result<u64, &'static str>> {
    let mut start = [0; ZIP_MARK.len()];
    let read = copy.read_at(&mut start, 0)?;
    let start = &start[..read];
    Ok(if UTF16_MARKS.iter().any(|mark| start.starts_with(mark)) {
        Err("is UTF-16: save it as \"CSV UTF-8\"")
    } else if start == ZIP_MARK {
        Err("is a spreadsheet's own file: save it as \"CSV UTF-8\"")
    } else if start.starts_with(UTF8_MARK) {
        Ok(UTF8_MARK.len() as u64)
    } else {
        Ok(0)
    })
}

/// What is wrong with a header that does not name columns one by one.
fn not_a_header(header: &Record, contacts: &Contacts) -> Option<String> {
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

/// The first character of a value that has no place in a dial string: `&` would dial a second channel, `/` and `@`
/// another trunk, `,` and `(` would set options.
fn undialable(value: &[u8]) -> Option<char> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || DIALABLE.contains(&byte);
    let place = value.iter().position(|&byte| !fits(byte))?;
    String::from_utf8_lossy(&value[place..]).chars().next()
}

/// Whether a byte of a contact's value may stand in a caller id, where `"` and `<` have a meaning.
fn fits_caller_id(byte: u8) -> bool {
    !byte.is_ascii_control() && !matches!(byte, b'"' | b'<' | b'>' | b',')
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(
        || path.display().to_string(),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Finds columns by name, and gathers what is not there.
struct Binder<'b> {
    campaign: &'b Campaign,
    names: &'b [String],
    errors: &'b mut Vec<Diagnostic>,
}

impl Binder<'_> {
    fn field(&mut self, field: &Field) -> Vec<Piece> {
        field
            .template
            .pieces()
            .iter()
            .map(|piece| match piece {
                template::Piece::Text(text) => Piece::Text(text.as_bytes().to_vec()),
                template::Piece::Column(name) if name == NUMBER => Piece::Number,
                template::Piece::Column(name) => Piece::Column(self.column(name, field.at)),
            })
            .collect()
    }

    fn column_of(&mut self, column: &Column) -> usize {
        self.column(&column.name, column.at)
    }

    fn columns(&mut self, columns: &[Column]) -> Vec<usize> {
        columns
            .iter()
            .map(|column| self.column_of(column))
            .collect()
    }

    /// The place of a column, or 0 and an error where the campaign names it.
    fn column(&mut self, name: &str, at: Location) -> usize {
        if let Some(place) = self.names.iter().position(|known| known == name) {
            return place;
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
