//! What an Originate says of a contact: the campaign's templates with the values of a row.

use std::sync::Arc;

use super::columns::Binder;
use super::csv::CsvRow;
use super::row::{Rendered, RowError};
use crate::ami::action::{check_header, check_variable};
use crate::config::{Campaign, LocatedTemplate};
use crate::phone_number::{DialAs, Number};
use crate::template::{Piece, Template};

/// What a template calls the number that is dialed.
const NUMBER: &str = "number";
/// What a contact's value may hold in a dial string, besides letters and digits. `&` would dial a second channel, `/` and
/// `@` another trunk, `,` and `(` would set options.
const DIALABLE: &[u8] = b"+*#._-";

/// What stands for a name in a template.
#[derive(Debug)]
enum Value {
    /// The number that is dialed.
    Number,
    Column {
        index: usize,
        name: String,
    },
}

/// The templates of a campaign, bound to the columns of its list.
#[derive(Debug)]
pub(super) struct Templates {
    trunks: Vec<TrunkTemplates>,
    variables: Vec<(Arc<str>, Template<Value>)>,
}

#[derive(Debug)]
struct TrunkTemplates {
    dial_as: DialAs,
    channel: Template<Value>,
    caller_id: Option<Template<Value>>,
}

impl Templates {
    pub(super) fn bind(campaign: &Campaign, binder: &mut Binder<'_>) -> Self {
        let mut bind = |field: &LocatedTemplate| {
            field.template.bind(|name| match name {
                NUMBER => Value::Number,
                name => Value::Column {
                    index: binder.column(name, field.at),
                    name: name.to_owned(),
                },
            })
        };
        let trunks = campaign.trunks.iter().map(|trunk| TrunkTemplates {
            dial_as: trunk.dial_as,
            channel: bind(&trunk.channel),
            caller_id: {
                let caller_id = trunk.caller_id.as_ref();
                caller_id
                    .or(campaign.call.caller_id.as_ref())
                    .map(&mut bind)
            },
        });
        let trunks = trunks.collect();
        let variables = campaign.call.variables.iter();
        Self {
            trunks,
            variables: variables
                .map(|(name, field)| (name.as_str().into(), bind(field)))
                .collect(),
        }
    }

    /// What an Originate says when this number of a row is called on this trunk.
    pub(super) fn render(
        &self,
        row: &CsvRow,
        number: &Number,
        trunk: usize,
    ) -> Result<Rendered, RowError> {
        let trunk = &self.trunks[trunk];
        let (mut channel, mut caller_id) = (Vec::new(), Vec::new());
        trunk.channel(row, number, &mut channel)?;
        let has_caller_id = trunk.caller_id(row, number, &mut caller_id)?;
        let variables = self.variables.iter().map(|(name, template)| {
            let mut value = Vec::new();
            variable(name, template, row, number, &mut value)?;
            Ok((Arc::clone(name), value))
        });
        Ok(Rendered {
            channel,
            caller_id: has_caller_id.then_some(caller_id),
            variables: variables.collect::<Result<_, RowError>>()?,
        })
    }

    /// Whether everything can be sent when this number of a row is called, on whatever trunk. `scratch` is for it.
    pub(super) fn check(
        &self,
        row: &CsvRow,
        number: &Number,
        scratch: &mut Vec<u8>,
    ) -> Result<(), RowError> {
        for trunk in &self.trunks {
            scratch.clear();
            trunk.channel(row, number, scratch)?;
            scratch.clear();
            trunk.caller_id(row, number, scratch)?;
        }
        for (name, template) in &self.variables {
            scratch.clear();
            variable(name, template, row, number, scratch)?;
        }
        Ok(())
    }
}

impl TrunkTemplates {
    /// Appends the dial string.
    fn channel(&self, row: &CsvRow, number: &Number, out: &mut Vec<u8>) -> Result<(), RowError> {
        let dialed = number.dialed(self.dial_as);
        for piece in self.channel.pieces() {
            let value = value(piece, row, &dialed)?;
            if let Piece::Column(Value::Column { name, .. }) = piece
                && let Some(char) = undialable(value)
            {
                let column = name.clone();
                return Err(RowError::Undialable { column, char });
            }
            out.extend_from_slice(value);
        }
        Ok(check_header("Channel", out)?)
    }

    /// Appends the caller id; `false` where the campaign has none.
    fn caller_id(
        &self,
        row: &CsvRow,
        number: &Number,
        out: &mut Vec<u8>,
    ) -> Result<bool, RowError> {
        let Some(template) = &self.caller_id else {
            return Ok(false);
        };
        for piece in template.pieces() {
            let value = value(piece, row, number.as_str())?;
            match piece {
                Piece::Text(_) => out.extend_from_slice(value),
                // In a caller id these have a meaning.
                Piece::Column(_) => out.extend(value.iter().filter(|&&byte| {
                    !byte.is_ascii_control() && !matches!(byte, b'"' | b'<' | b'>' | b',')
                })),
            }
        }
        check_header("CallerID", out)?;
        Ok(true)
    }
}

/// Appends the value of a channel variable, unescaped.
fn variable(
    name: &str,
    template: &Template<Value>,
    row: &CsvRow,
    number: &Number,
    out: &mut Vec<u8>,
) -> Result<(), RowError> {
    for piece in template.pieces() {
        out.extend_from_slice(value(piece, row, number.as_str())?);
    }
    Ok(check_variable(name, out)?)
}

/// What a piece stands for in a row.
fn value<'v>(
    piece: &'v Piece<Value>,
    row: &'v CsvRow,
    number: &'v str,
) -> Result<&'v [u8], RowError> {
    Ok(match piece {
        Piece::Text(text) => text.as_bytes(),
        Piece::Column(Value::Number) => number.as_bytes(),
        Piece::Column(Value::Column { index, name }) => {
            let value = row.get(*index).unwrap_or_default();
            if std::str::from_utf8(value).is_err() {
                return Err(RowError::Encoding(name.clone()));
            }
            value
        }
    })
}

/// The first character of a value that has no place in a dial string.
fn undialable(value: &[u8]) -> Option<char> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || DIALABLE.contains(&byte);
    let index = value.iter().position(|&byte| !fits(byte))?;
    String::from_utf8_lossy(&value[index..]).chars().next()
}
