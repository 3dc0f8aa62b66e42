//! campaign.toml as a whole; its tables are read by the modules that are named like them.

use std::fs;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use toml::de::DeTable;

use super::{Campaign, CampaignErrors, Diagnostic};
use super::{ami, call, capture, contacts, retry, simulate, trunk, window};
use crate::config::document::{Document, Text};
use crate::config::section::Section;
use crate::config::toml_errors::syntax_errors;

/// A campaign file as far as it can be read.
#[derive(Debug)]
pub struct ExaminedFile {
    pub errors: Vec<Diagnostic>,
    pub warnings: Vec<Diagnostic>,
    /// Where there are errors, stand-ins are in the place of what is wrong: only its list may be looked at then.
    pub campaign: Option<Campaign>,
}

/// Reads a campaign file. `env_secret` is the secret from the environment, used where the file gives none; a
/// rehearsal (`simulate`) needs none.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(
    path: &Path,
    env_secret: Option<&str>,
    simulate: bool,
) -> Result<Campaign, CampaignErrors> {
    let examined = examine(path, env_secret, simulate);
    match examined.campaign {
        Some(campaign) if examined.errors.is_empty() => Ok(campaign),
        _ => Err(CampaignErrors(examined.errors)),
    }
}

/// Reads a campaign file as [`load`] does, and as far as it can be read also where something is wrong.
pub fn examine(path: &Path, env_secret: Option<&str>, simulate: bool) -> ExaminedFile {
    let only = |message: String| ExaminedFile {
        errors: vec![Diagnostic::of_file(path, message)],
        warnings: Vec::new(),
        campaign: None,
    };
    let text = match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return only("is not UTF-8".to_owned()),
        Err(error) => return only(format!("cannot be read: {error}")),
    };
    let (table, parse_errors) = DeTable::parse_recoverable(&text);
    let syntax_errors = syntax_errors(&text, &parse_errors);
    let document = Document::new(path, &text);
    // Where the parser lost its way, a key may only seem to be missing: nothing but the syntax is reported then.
    let campaign = if syntax_errors.iter().all(|error| error.is_local) {
        let top = Section::top(&document, table.get_ref());
        campaign(path, &top, env_secret, simulate)
    } else {
        None
    };
    document.add_syntax_errors(syntax_errors);
    let [errors, warnings] = document.into_diagnostics();
    if errors.is_empty() && campaign.is_none() {
        return only("cannot be understood".to_owned());
    }
    ExaminedFile {
        errors,
        warnings,
        campaign,
    }
}

/// What cannot be read has a stand-in, and an error was noted for it. Without a list there is no campaign.
fn campaign(
    path: &Path,
    top: &Section<'_, '_>,
    env_secret: Option<&str>,
    simulate: bool,
) -> Option<Campaign> {
    let name = name(path, top);
    let results = results(top, name.as_deref());
    let ami = ami::ami(&top.section("ami"), env_secret, simulate);
    let list = top.section("contacts");
    let contacts = contacts::contacts(&list);
    let call = call::call(&top.section("call"));
    let trunks = trunk::trunks(top, list.value("region").is_some());
    let retry = retry::retry(&top.section("retry"));
    let window = top
        .value("window")
        .and_then(|_| window::window(&top.section("window")));
    let mut inputs = vec![path];
    inputs.extend(contacts.iter().map(|contacts| contacts.file.as_path()));
    let keep = contacts.as_ref().map_or(&[][..], |contacts| &contacts.keep);
    let capture = capture::capture(&top.section("capture"), &inputs, keep);
    let suppress = top.section("suppress");
    let suppress = capture::suppress(&suppress, &inputs, capture.opt_out.as_ref());
    let simulate = simulate::simulate(&top.section("simulate"));
    inputs.extend(suppress.iter().map(PathBuf::as_path));
    let results = match results {
        Some(file) if inputs.contains(&file.as_path()) => top.refuse(
            top.at_of("results"),
            "`results` is a file that this campaign reads: name another one",
        ),
        results => results,
    };
    Some(Campaign {
        path: path.to_owned(),
        name: name.unwrap_or_default(),
        results,
        results_at: top.location_of("results"),
        ami,
        contacts: contacts?,
        call,
        trunks,
        retry,
        window,
        suppress,
        capture,
        simulate,
    })
}

fn name(path: &Path, top: &Section<'_, '_>) -> Option<String> {
    let Some(text) = top.text("name") else {
        let stem = path.file_stem().unwrap_or_default();
        return Some(stem.to_string_lossy().into_owned());
    };
    let name = text.text.trim();
    let fits = !name.is_empty()
        && name.len() <= 200
        && !name.starts_with('.')
        && !name.contains(['/', '\\'])
        && !name.contains(char::is_control);
    if !fits {
        top.error(text.at, "`name` becomes part of a file name: it must not be empty, long, begin with a dot or hold / \\ or a line break");
    }
    fits.then(|| name.to_owned())
}

/// The file of the results; `None`: standard output, which is also the stand-in.
fn results(top: &Section<'_, '_>, name: Option<&str>) -> Option<PathBuf> {
    // It is a pattern, too.
    let default = name.map(|name| format!("{}.results.csv", name.replace('%', "%%")));
    let default = default.as_deref().map(|text| Text { text, at: top.at });
    let text = top.text("results").or(default)?;
    if text.text == "-" {
        return None;
    }
    let file = text.text.rsplit('/').next().unwrap_or_default();
    let message = if matches!(file, "" | "." | "..") || text.text.contains(char::is_control) {
        "`results` must name a file, or be \"-\" for standard output".to_owned()
    } else if let Err(error) = jiff::fmt::strtime::format(file, &Zoned::now()) {
        format!("`results` is no pattern for a date: {error} (write %% for a percent sign)")
    } else {
        return Some(top.resolve(text));
    };
    top.refuse(text.at, message)
}
