//! The header of a list, and the campaign's templates bound to its columns.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use csv::{ByteRecord, ReaderBuilder};

use super::{At, Position, Unsendable};
use crate::config::{Campaign, Fault, Faults, Field};
use crate::number::Number;
use crate::template;

/// What UTF-8 files from some editors and spreadsheets begin with.
const BOM: &[u8] = b"\xef\xbb\xbf";
/// What a template calls the number that is being dialed.
const NUMBER: &str = "number";

/// A piece of a template, bound to the list.
#[derive(Debug)]
pub(super) enum Piece {
    /// As it stands.
    Text(Vec<u8>),
    /// The number that is being dialed.
    Number,
    /// A column's value, by its place.
    Column(usize),
}

/// The templates of one trunk.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) channel: Vec<Piece>,
    pub(super) caller_id: Option<Vec<Piece>>,
}

/// What is known of the list's columns.
#[derive(Debug)]
pub(super) struct Columns {
    /// The list's file name, for notes.
    pub(super) file_name: String,
    /// The header.
    pub(super) names: Vec<String>,
    pub(super) trunks: Vec<Templates>,
    pub(super) variables: Vec<(Arc<str>, Vec<Piece>)>,
    /// Where the rows begin in the copy, in bytes.
    pub(super) body: u64,
    /// The line on which they begin.
    body_line: u64,
    number: usize,
    id: Option<usize>,
    delimiter: u8,
}

impl Columns {
    /// Reads the header and finds every column that the campaign names.
    pub(super) fn bind(campaign: &Campaign, copy: &File) -> Result<Self, Faults> {
        let contacts = &campaign.contacts;
        let of_list = |message: String| Fault {
            file: contacts.file.clone(),
            line: Some(1),
            column: None,
            message,
        };
        let unreadable = |error: &dyn std::fmt::Display| {
            Faults(vec![of_list(format!("cannot be read: {error}"))])
        };
        let file = copy.try_clone().map_err(|error| unreadable(&error))?;
        let mut start = [0; BOM.len()];
        let offset = {
            use std::os::unix::fs::FileExt as _;
            let read = copy
                .read_at(&mut start, 0)
                .map_err(|error| unreadable(&error))?;
            if &start[..read] == BOM {
                BOM.len() as u64
            } else {
                0
            }
        };
        let mut reader = format(contacts.delimiter).from_reader(At { file, offset });
        let mut header = ByteRecord::new();
        let found = reader
            .read_byte_record(&mut header)
            .map_err(|error| unreadable(&error))?;
        if !found {
            return Err(Faults(vec![of_list(
                "is empty: its first line must name the columns".to_owned(),
            )]));
        }
        let mut faults = Vec::new();
        let mut names: Vec<String> = Vec::new();
        for (place, name) in header.iter().enumerate() {
            if std::str::from_utf8(name).is_err() {
                let column = place + 1;
                faults.push(of_list(format!(
                    "the name of column {column} is not UTF-8: save the list as UTF-8"
                )));
            }
            let name = String::from_utf8_lossy(name).trim().to_owned();
            if !name.is_empty() && names.contains(&name) {
                faults.push(of_list(format!("the header names `{name}` twice")));
            }
            names.push(name);
        }
        let mut binder = Binder {
            campaign,
            names: &names,
            faults: &mut faults,
        };
        let number = binder.column(
            &contacts.number.name,
            contacts.number.line,
            contacts.number.column,
        );
        let id = contacts
            .id
            .as_ref()
            .map(|id| binder.column(&id.name, id.line, id.column));
        let trunks = campaign
            .trunks
            .iter()
            .map(|trunk| Templates {
                channel: binder.field(&trunk.channel),
                caller_id: trunk
                    .caller_id
                    .as_ref()
                    .or(campaign.call.caller_id.as_ref())
                    .map(|field| binder.field(field)),
            })
            .collect();
        let variables = campaign
            .call
            .variables
            .iter()
            .map(|(name, field)| (name.as_str().into(), binder.field(field)))
            .collect();
        if !faults.is_empty() {
            faults.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
            return Err(Faults(faults));
        }
        Ok(Self {
            file_name: file_name(&contacts.file),
            body: offset + reader.position().byte(),
            body_line: reader.position().line(),
            delimiter: contacts.delimiter,
            names,
            trunks,
            variables,
            number,
            id,
        })
    }

    /// How the list is read.
    pub(super) fn format(&self) -> ReaderBuilder {
        format(self.delimiter)
    }

    /// Where a record stands that was read from the beginning of the rows.
    pub(super) fn position_of(&self, record: &ByteRecord) -> Option<Position> {
        record.position().map(|position| Position {
            offset: self.body + position.byte(),
            line: self.body_line + position.line() - 1,
        })
    }

    /// The number as the list gives it; empty where the row is too short to have one.
    pub(super) fn number_field<'r>(&self, record: &'r ByteRecord) -> &'r [u8] {
        record.get(self.number).unwrap_or_default()
    }

    /// The id as the row gives it, however often it stands in the list.
    pub(super) fn own_id(&self, record: &ByteRecord, at: Position) -> String {
        let field = record
            .get(self.id.unwrap_or(self.number))
            .unwrap_or_default();
        if field.is_empty() {
            format!("line {}", at.line)
        } else {
            String::from_utf8_lossy(field).into_owned()
        }
    }

    /// What a piece stands for in a row.
    pub(super) fn value<'v>(
        &self,
        piece: &'v Piece,
        record: &'v ByteRecord,
        number: &'v Number,
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

fn format(delimiter: u8) -> ReaderBuilder {
    let mut format = ReaderBuilder::new();
    format
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter);
    format
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
    faults: &'b mut Vec<Fault>,
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
                template::Piece::Column(name) => {
                    Piece::Column(self.column(name, field.line, field.column))
                }
            })
            .collect()
    }

    /// The place of a column, or 0 and a fault where the campaign names it.
    fn column(&mut self, name: &str, line: u64, column: u64) -> usize {
        if let Some(place) = self.names.iter().position(|known| known == name) {
            return place;
        }
        let list = file_name(&self.campaign.contacts.file);
        let message = if let [only] = self.names
            && let Some(delimiter) = [";", "\t", "|", ","]
                .into_iter()
                .find(|delimiter| only.contains(delimiter))
        {
            format!(
                "{list} has one column only, `{only}`: is delimiter = {delimiter:?} missing in [contacts]?"
            )
        } else {
            let nearest = self
                .names
                .iter()
                .map(|known| {
                    (
                        strsim::damerau_levenshtein(&known.to_lowercase(), &name.to_lowercase()),
                        known,
                    )
                })
                .filter(|&(distance, _)| distance <= 2)
                .min();
            match nearest {
                Some((_, nearest)) => {
                    format!("{list} has no column `{name}`; did you mean `{nearest}`?")
                }
                None => format!(
                    "{list} has no column `{name}`; its columns are {}",
                    self.names.join(", ")
                ),
            }
        };
        self.faults.push(Fault {
            file: self.campaign.path.clone(),
            line: Some(line),
            column: Some(column),
            message,
        });
        0
    }
}
