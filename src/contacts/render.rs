//! What an Originate says of a contact: the campaign's templates with the values of a row.

use std::sync::Arc;

use super::binder::Binder;
use super::csv::CsvRow;
use super::row::{ContactError, Rendered};
use crate::ami::action::{check_header, check_variable};
use crate::config::{Campaign, LocatedTemplate};
use crate::phone_number::{DialAs, Number};
use crate::template::TemplatePiece;

/// What a template calls the number that is dialed.
const NUMBER: &str = "number";
/// What a contact's value may hold in a dial string, besides letters and digits. `&` would dial a second channel, `/` and
/// `@` another trunk, `,` and `(` would set options.
const DIALABLE: &str = "+*#._-";

/// What is done with a contact's values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ValueRule {
    /// They may hold only what cannot make another dial string of it.
    DialString,
    /// What has a meaning in a caller id is dropped.
    CallerId,
    Any,
}

/// A template, bound to the columns of the list.
#[derive(Debug)]
struct BoundTemplate {
    pieces: Vec<BoundPiece>,
    rule: ValueRule,
}

#[derive(Debug)]
enum BoundPiece {
    Text(String),
    /// The number that is dialed.
    Number,
    Column {
        index: usize,
        name: String,
    },
}

/// The templates of a campaign.
#[derive(Debug)]
pub(super) struct Templates {
    pub(super) trunks: Vec<TrunkTemplates>,
    variables: Vec<(Arc<str>, BoundTemplate)>,
}

#[derive(Debug)]
pub(super) struct TrunkTemplates {
    dial_as: DialAs,
    channel: BoundTemplate,
    caller_id: Option<BoundTemplate>,
}

impl Templates {
    pub(super) fn bind(campaign: &Campaign, binder: &mut Binder<'_>) -> Self {
        let mut bind = |field: &LocatedTemplate, rule| {
            let pieces = field.template.pieces.iter().map(|piece| match piece {
                TemplatePiece::Text(text) => BoundPiece::Text(text.clone()),
                TemplatePiece::Column(name) if name == NUMBER => BoundPiece::Number,
                TemplatePiece::Column(name) => BoundPiece::Column {
                    index: binder.column(name, field.at),
                    name: name.clone(),
                },
            });
            BoundTemplate {
                pieces: pieces.collect(),
                rule,
            }
        };
        let mut trunks = Vec::new();
        for trunk in &campaign.trunks {
            let caller_id = trunk.caller_id.as_ref();
            let caller_id = caller_id.or(campaign.call.caller_id.as_ref());
            trunks.push(TrunkTemplates {
                dial_as: trunk.dial_as,
                channel: bind(&trunk.channel, ValueRule::DialString),
                caller_id: caller_id.map(|field| bind(field, ValueRule::CallerId)),
            });
        }
        let variables = campaign.call.variables.iter();
        let variables =
            variables.map(|(name, field)| (name.as_str().into(), bind(field, ValueRule::Any)));
        Self {
            variables: variables.collect(),
            trunks,
        }
    }

    /// Makes `out` what an Originate says when this number of a row is called on this trunk.
    pub(super) fn render(
        &self,
        row: &CsvRow,
        number: &Number,
        trunk: &TrunkTemplates,
        out: &mut Rendered,
    ) -> Result<(), ContactError> {
        let dialed = number.dialed(trunk.dial_as);
        trunk.channel.fill(row, &dialed, &mut out.channel)?;
        check_header("Channel", &out.channel)?;
        if let Some(template) = &trunk.caller_id {
            let caller_id = out.caller_id.get_or_insert_default();
            template.fill(row, number.as_str(), caller_id)?;
            check_header("CallerID", caller_id)?;
        }
        out.variables
            .resize_with(self.variables.len(), Default::default);
        for ((name, template), (out_name, value)) in self.variables.iter().zip(&mut out.variables) {
            out_name.clone_from(name);
            template.fill(row, number.as_str(), value)?;
            check_variable(name, value)?;
        }
        Ok(())
    }
}

impl BoundTemplate {
    /// Makes `out` what the template is for a row.
    fn fill(&self, row: &CsvRow, number: &str, out: &mut Vec<u8>) -> Result<(), ContactError> {
        out.clear();
        for piece in &self.pieces {
            let (index, name) = match piece {
                BoundPiece::Text(text) => {
                    out.extend_from_slice(text.as_bytes());
                    continue;
                }
                BoundPiece::Number => {
                    out.extend_from_slice(number.as_bytes());
                    continue;
                }
                BoundPiece::Column { index, name } => (*index, name),
            };
            let Ok(value) = str::from_utf8(row.get(index)) else {
                let message = format!("column `{name}` is not UTF-8: save the list as UTF-8");
                return Err(ContactError::Unsendable(message));
            };
            if self.rule == ValueRule::CallerId {
                let fits = |byte: &u8| !byte.is_ascii_control() && !b"\"<>,".contains(byte);
                out.extend(value.bytes().filter(fits));
                continue;
            }
            let fits = |char: char| char.is_ascii_alphanumeric() || DIALABLE.contains(char);
            if self.rule == ValueRule::DialString
                && let Some(char) = value.chars().find(|&char| !fits(char))
            {
                return Err(ContactError::Unsendable(format!(
                    "column `{name}` holds {char:?}, which has no place in a dial string"
                )));
            }
            out.extend_from_slice(value.as_bytes());
        }
        Ok(())
    }
}
