//! `[[trunk]]`: the lines, and the dial strings of what is called on them.

use super::{LocatedTemplate, TrunkConfig};
use crate::config::document::Text;
use crate::config::section::Section;
use crate::phone_number::DialAs;
use crate::template::TemplatePiece;

/// The trunks in their order. `has_region`: `[contacts]` says whose numbers are called.
pub(super) fn trunks(top: &Section<'_, '_>, has_region: bool) -> Vec<TrunkConfig> {
    let mut trunks: Vec<TrunkConfig> = Vec::new();
    for section in top.tables("trunk", "a trunk is", "`name`, `channel` and `ports") {
        let Some(trunk) = trunk(&section, has_region) else {
            continue;
        };
        if !trunk.name.is_empty() && trunks.iter().any(|known| known.name == trunk.name) {
            let message = format!("a trunk named {:?} is above already", trunk.name);
            section.error_at("name", message);
        }
        trunks.push(trunk);
    }
    trunks
}

/// A trunk; without a name, which is an error, it still shows what it takes from the list.
fn trunk(section: &Section<'_, '_>, has_region: bool) -> Option<TrunkConfig> {
    let name = section.required("name");
    let name = name.filter(|text| section.one_line(*text, "name"));
    let channel = section
        .required("channel")
        .and_then(|text| channel(section, text));
    let dial_as = dial_as(section, has_region);
    let ports: Option<u16> = section.integer("ports", 1..=u16::MAX.into());
    let pace = "a number of calls from 0.001 to 100000";
    let calls_per_second = section.float("calls_per_second", 0.001..=100_000.0, pace);
    let caller_id = section.header("caller_id", "CallerID");
    Some(TrunkConfig {
        name: name.map_or("", |name| name.text.trim()).to_owned(),
        channel: channel?,
        dial_as,
        ports: ports.map_or(10, usize::from),
        calls_per_second: calls_per_second.unwrap_or(1.0),
        caller_id,
    })
}

fn dial_as(section: &Section<'_, '_>, has_region: bool) -> DialAs {
    let choices = [
        ("given", DialAs::Given),
        ("digits", DialAs::Digits),
        ("e164", DialAs::E164),
        ("national", DialAs::National),
    ];
    let dial_as = section.choice("dial_as", &choices);
    if matches!(dial_as, DialAs::E164 | DialAs::National) && !has_region {
        section.error_at(
            "dial_as",
            "`dial_as` needs to know whose numbers these are: write `region = \"UY\"` in [contacts]",
        );
    }
    dial_as
}

/// A dial string that calls each contact somewhere else, and stays in the call.
fn channel(section: &Section<'_, '_>, text: Text<'_>) -> Option<LocatedTemplate> {
    let field = section.header("channel", "Channel")?;
    let technology = match field.template.pieces.first() {
        Some(TemplatePiece::Text(first)) => first.split_once('/').map(|(technology, _)| technology),
        _ => None,
    };
    let is_one = |name: &str| {
        !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    let Some(technology) = technology.filter(|name| is_one(name)) else {
        let message = "`channel` must begin with a technology: write `PJSIP/{number}@carrier`";
        return section.refuse(text.at, message);
    };
    if !field.template.names_a_column() {
        section.error(
            text.at,
            "`channel` calls everyone at the same address: write {number} where the number belongs",
        );
    }
    if technology.eq_ignore_ascii_case("Local")
        && let Some(instead) = local_that_stays(text.text)
    {
        section.error(
            text.at,
            format!("a Local channel needs the option n, or Asterisk takes it out of the call while that goes on: write `{instead}`"),
        );
    }
    // Where it leads to is wrong then, and what it takes from the list is looked at all the same.
    Some(field)
}

/// What to write instead of a Local channel without the option `n` (no optimisation). The options are what follows
/// the second slash.
fn local_that_stays(channel: &str) -> Option<String> {
    let Some((_, options)) = channel
        .split_once('/')
        .and_then(|(_, rest)| rest.split_once('/'))
    else {
        return Some(format!("{channel}/n"));
    };
    // A column's name is no option, whatever letters it has.
    let options = options.split('{').next().unwrap_or(options);
    (!options.contains('n')).then(|| format!("{channel}n"))
}
