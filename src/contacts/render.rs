//! What an Originate says of a contact: the campaign's templates with the values of a row.

use std::sync::Arc;

use super::columns::Binder;
use super::csv::CsvRow;
use super::row::{ContactError, Rendered};
use crate::ami::action::{check_header, check_variable};
use crate::config::{Campaign, LocatedTemplate};
use crate::phone_number::{DialAs, Number};
use crate::template::{Template, TemplatePiece};

/// What a template calls the number that is dialed.
const NUMBER: &str = "number";
/// What a contact's value may hold in a dial string, besides letters and digits. `&` would dial a second channel, `/` and
/// `@` another trunk, `,` and `(` would set options.
const DIALABLE: &str = "+*#._-";

/// What stands for a name in a template.
#[derive(Debug)]
enum Placeholder {
    /// The number that is dialed.
    Number,
    Column {
        index: usize,
        name: String,
    },
}

/// What is done with a contact's values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ValueRule {
    /// They may hold only what cannot make another dial string of it.
    DialString,
    /// What has a meaning in a caller id is dropped.
    CallerId,
    Any,
}

/// The templates of a campaign, bound to the columns of its list.
#[derive(Debug)]
pub(super) struct Templates {
    trunks: Vec<TrunkTemplates>,
    variables: Vec<(Arc<str>, Template<Placeholder>)>,
}

#[derive(Debug)]
struct TrunkTemplates {
    dial_as: DialAs,
    channel: Template<Placeholder>,
    caller_id: Option<Template<Placeholder>>,
}

impl Templates {
    pub(super) fn bind(campaign: &Campaign, binder: &mut Binder<'_>) -> Self {
        let mut bind = |field: &LocatedTemplate| {
            field.template.bind(|name| match name {
                NUMBER => Placeholder::Number,
                name => Placeholder::Column {
                    index: binder.column(name, field.at),
                    name: name.to_owned(),
                },
            })
        };
        let mut trunks = Vec::new();
        for trunk in &campaign.trunks {
            let caller_id = trunk.caller_id.as_ref();
            trunks.push(TrunkTemplates {
                dial_as: trunk.dial_as,
                channel: bind(&trunk.channel),
                caller_id: caller_id
                    .or(campaign.call.caller_id.as_ref())
                    .map(&mut bind),
            });
        }
        let variables = campaign.call.variables.iter();
        let variables = variables.map(|(name, field)| (name.as_str().into(), bind(field)));
        Self {
            variables: variables.collect(),
            trunks,
        }
    }

    /// What an Originate says when this number of a row is called on this trunk.
    pub(super) fn render(
        &self,
        row: &CsvRow,
        number: &Number,
        trunk: usize,
    ) -> Result<Rendered, ContactError> {
        let mut rendered = Rendered::default();
        self.render_into(row, number, &self.trunks[trunk], &mut rendered)?;
        Ok(rendered)
    }

    /// Whether everything can be sent when this number of a row is called, on whatever trunk. `scratch` is for it.
    pub(super) fn check(
        &self,
        row: &CsvRow,
        number: &Number,
        scratch: &mut Rendered,
    ) -> Result<(), ContactError> {
        let mut trunks = self.trunks.iter();
        trunks.try_for_each(|trunk| self.render_into(row, number, trunk, scratch))
    }

    fn render_into(
        &self,
        row: &CsvRow,
        number: &Number,
        trunk: &TrunkTemplates,
        out: &mut Rendered,
    ) -> Result<(), ContactError> {
        let dialed = number.dialed(trunk.dial_as);
        fill(
            &trunk.channel,
            row,
            &dialed,
            ValueRule::DialString,
            &mut out.channel,
        )?;
        check_header("Channel", &out.channel)?;
        if let Some(template) = &trunk.caller_id {
            let caller_id = out.caller_id.get_or_insert_default();
            fill(
                template,
                row,
                number.as_str(),
                ValueRule::CallerId,
                caller_id,
            )?;
            check_header("CallerID", caller_id)?;
        }
        out.variables
            .resize_with(self.variables.len(), Default::default);
        for ((name, template), (out_name, value)) in self.variables.iter().zip(&mut out.variables) {
            out_name.clone_from(name);
            fill(template, row, number.as_str(), ValueRule::Any, value)?;
            check_variable(name, value)?;
        }
        Ok(())
    }
}

/// Makes `out` what a template is for a row.
fn fill(
    template: &Template<Placeholder>,
    row: &CsvRow,
    number: &str,
    rule: ValueRule,
    out: &mut Vec<u8>,
) -> Result<(), ContactError> {
    out.clear();
    for piece in template.pieces() {
        let (index, name) = match piece {
            TemplatePiece::Text(text) => {
                out.extend_from_slice(text.as_bytes());
                continue;
            }
            TemplatePiece::Column(Placeholder::Number) => {
                out.extend_from_slice(number.as_bytes());
                continue;
            }
            TemplatePiece::Column(Placeholder::Column { index, name }) => (*index, name),
        };
        let value = std::str::from_utf8(row.get(index).unwrap_or_default())
            .map_err(|_| ContactError::Encoding(name.clone()))?;
        match rule {
            ValueRule::DialString => {
                let fits = |char: char| char.is_ascii_alphanumeric() || DIALABLE.contains(char);
                if let Some(char) = value.chars().find(|&char| !fits(char)) {
                    let column = name.clone();
                    return Err(ContactError::Undialable { column, char });
                }
                out.extend_from_slice(value.as_bytes());
            }
            ValueRule::CallerId => {
                let fits = |byte: &u8| !byte.is_ascii_control() && !b"\"<>,".contains(byte);
                out.extend(value.bytes().filter(fits));
            }
            ValueRule::Any => out.extend_from_slice(value.as_bytes()),
        }
    }
    Ok(())
}
