//! campaign.toml as a whole; its tables are read by the modules that are named like them.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use toml::de::DeTable;

use super::{Ami, Campaign, CampaignErrors, Diagnostic, Results};
use super::{ami, call, capture, contacts, retry, simulate, trunk, window};
use crate::config::document::Document;
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
    let document = Document::new(path.to_owned(), &text);
    // Where the parser lost its way, a key may only seem to be missing: nothing but the syntax is reported then.
    let campaign = if syntax_errors.iter().all(|error| error.is_local) {
        let loader = Loader {
            path,
            folder: path.parent().unwrap_or(Path::new("")),
            env_secret,
            simulate,
            list: OnceCell::new(),
        };
        loader.campaign(&Section::new(&document, "", 0, Some(table.get_ref()), KEYS))
    } else {
        None
    };
    document.add_syntax_errors(syntax_errors);
    let (mut errors, warnings) = document.into_diagnostics();
    if errors.is_empty() && campaign.is_none() {
        errors.push(Diagnostic::of_file(path, "cannot be understood"));
    }
    ExaminedFile {
        errors,
        warnings,
        campaign,
    }
}

const KEYS: &str = "name results ami contacts call trunk retry window capture suppress simulate";

/// What the tables are read with.
pub(super) struct Loader<'l> {
    path: &'l Path,
    /// The campaign's folder, which its paths are relative to.
    pub(super) folder: &'l Path,
    pub(super) env_secret: Option<&'l str>,
    pub(super) simulate: bool,
    /// The list of contacts, once it is known.
    list: OnceCell<PathBuf>,
}

impl Loader<'_> {
    /// What cannot be read has a stand-in, and an error was noted for it. Without a list there is no campaign.
    fn campaign(&self, top: &Section<'_, '_>) -> Option<Campaign> {
        let name = self.name(top);
        let results = self.results(top, name.as_deref());
        let ami = self.ami(&top.section("ami", "[ami]", ami::KEYS));
        let list = top.section("contacts", "[contacts]", contacts::KEYS);
        let contacts = self.contacts(&list);
        if let Some(contacts) = &contacts {
            let _ = self.list.set(contacts.file.clone());
        }
        let call = call::call(&top.section("call", "[call]", call::KEYS));
        let trunks = trunk::trunks(top, list.value("region").is_some());
        let retry = retry::retry(&top.section("retry", "[retry]", retry::KEYS));
        let window = top
            .value("window")
            .and_then(|_| window::window(&top.section("window", "[window]", window::KEYS)));
        let keep = contacts.as_ref().map_or(&[][..], |contacts| &contacts.keep);
        let capture = self.capture(&top.section("capture", "[capture]", capture::KEYS), keep);
        let suppress = top.section("suppress", "[suppress]", "files");
        let suppress = self.suppress(&suppress, capture.opt_out.as_ref());
        let simulate = simulate::simulate(&top.section("simulate", "[simulate]", simulate::KEYS));
        let results = results.filter(|results| {
            let is_read = |file: &PathBuf| self.reads(file) || suppress.contains(file);
            let is_wrong = matches!(results, Results::File(file) if is_read(file));
            if is_wrong {
                let at = top
                    .value("results")
                    .map_or(top.at(), |value| value.span().start);
                top.error(
                    at,
                    "`results` is a file that this campaign reads: name another one",
                );
            }
            !is_wrong
        });
        top.finish();
        Some(Campaign {
            path: self.path.to_owned(),
            name: name.unwrap_or_default(),
            results: results.unwrap_or(Results::Stdout),
            results_at: top.location_of("results"),
            ami: ami.unwrap_or_else(Ami::stand_in),
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

    fn name(&self, top: &Section<'_, '_>) -> Option<String> {
        let Some(text) = top.text("name", "name = \"storm-warning\"") else {
            let stem = self.path.file_stem().unwrap_or_default();
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

    fn results(&self, top: &Section<'_, '_>, name: Option<&str>) -> Option<Results> {
        let Some(text) = top.text("results", "results = \"storm-%Y-%m-%d.csv\"") else {
            // It is a pattern, too.
            let file = format!("{}.results.csv", name?.replace('%', "%%"));
            return Some(Results::File(self.folder.join(file)));
        };
        if text.text == "-" {
            return Some(Results::Stdout);
        }
        let path = self.folder.join(text.text);
        let Some(file) = path
            .file_name()
            .and_then(|file| file.to_str())
            .filter(|_| names_a_file(text.text))
        else {
            return top.refuse(
                text.at,
                "`results` must name a file, or be \"-\" for standard output",
            );
        };
        if let Err(error) = jiff::fmt::strtime::format(file, &Zoned::now()) {
            return top.refuse(
                text.at,
                format!(
                    "`results` is no pattern for a date: {error} (write %% for a percent sign)"
                ),
            );
        }
        Some(Results::File(path))
    }

    /// Whether this is a file that the campaign reads and must not write.
    pub(super) fn reads(&self, file: &Path) -> bool {
        file == self.path || self.list.get().is_some_and(|list| list == file)
    }
}

/// Whether a path ends in a name, rather than in a folder.
fn names_a_file(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path);
    !matches!(last, "" | "." | "..") && !path.contains(char::is_control)
}
