//! campaign.toml as a whole; its tables are read by the modules that are named like them.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use toml::de::DeTable;

use super::{Ami, Campaign, Fault, Faults, Results};
use crate::config::call::call;
use crate::config::did_you_mean::Words;
use crate::config::retry::retry;
use crate::config::section::{Reader, Section};
use crate::config::simulate::simulate;
use crate::config::toml_errors::slips;
use crate::config::trunk::trunks;
use crate::config::window::window;

/// What there is to say of a campaign file.
#[derive(Debug)]
pub struct Examined {
    /// Everything that is wrong with it.
    pub faults: Vec<Fault>,
    /// What can be meant so, and hardly is.
    pub doubts: Vec<Fault>,
    /// The campaign, if the list that it names can be looked at. Where there are faults, what is missing is filled with
    /// stand-ins: nothing but its list may be asked of it then.
    pub campaign: Option<Campaign>,
}

/// Reads a campaign file. `env_secret` is the secret from the environment, used where the file gives none; a
/// rehearsal (`simulate`) needs none.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path, env_secret: Option<&str>, simulate: bool) -> Result<Campaign, Faults> {
    let examined = examine(path, env_secret, simulate);
    match examined.campaign {
        Some(campaign) if examined.faults.is_empty() => Ok(campaign),
        _ => Err(Faults(examined.faults)),
    }
}

/// Reads a campaign file as [`load`] does, and as far as it can be read also where something is wrong.
pub fn examine(path: &Path, env_secret: Option<&str>, simulate: bool) -> Examined {
    let whole_file = |message: String| Fault {
        file: path.to_owned(),
        line: None,
        column: None,
        message,
    };
    let only = |message: String| Examined {
        faults: vec![whole_file(message)],
        doubts: Vec::new(),
        campaign: None,
    };
    let text = match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => text,
        Ok(Err(_)) => return only("is not UTF-8".to_owned()),
        Err(error) => return only(format!("cannot be read: {error}")),
    };
    let (document, errors) = DeTable::parse_recoverable(&text);
    let slips = slips(&text, &errors);
    let read = |words: Words| {
        let reader = Reader::new(path.to_owned(), &text, words);
        let loader = Loader {
            path,
            folder: path.parent().unwrap_or(Path::new("")),
            env_secret,
            simulate,
            list: OnceCell::new(),
        };
        let campaign = loader.campaign(&Section::new(&reader, "", 0, Some(document.get_ref())));
        (reader, campaign)
    };
    // Where the parser lost its way, what is missing may be what could not be read: only that is told then.
    let can_be_read = slips.iter().all(|slip| slip.is_local);
    let (reader, (campaign, is_whole)) = if can_be_read {
        // Which keys there are is known when all were asked for, and under a slip there may be tables with more.
        let mut words = Words::default();
        loop {
            let (reader, read) = read(words.clone());
            let asked = reader.words();
            if asked
                .values()
                .map(Vec::len)
                .eq(words.values().map(Vec::len))
            {
                break (reader, read);
            }
            words = asked;
        }
    } else {
        let reader = Reader::new(path.to_owned(), &text, Words::default());
        (reader, (None, false))
    };
    reader.add(slips);
    let (mut faults, doubts) = reader.into_faults_and_doubts();
    if faults.is_empty() && !is_whole {
        faults.push(whole_file("cannot be understood".to_owned()));
    }
    Examined {
        faults,
        doubts,
        campaign,
    }
}

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
    /// The document, and whether that is all of it. What is wrong was noted, and has a stand-in; without a list there is
    /// nothing.
    fn campaign(&self, top: &Section<'_, '_>) -> (Option<Campaign>, bool) {
        let name = self.name(top);
        let results = self.results(top, name.as_deref());
        let ami = self.ami(&top.section("ami", "[ami]"));
        let list = top.section("contacts", "[contacts]");
        let contacts = self.contacts(&list);
        if let Some(contacts) = &contacts {
            let _ = self.list.set(contacts.file.clone());
        }
        let (call, has_call) = call(&top.section("call", "[call]"));
        let (trunks, has_trunks) = trunks(top, list.value("region").is_some());
        let retry = retry(&top.section("retry", "[retry]"));
        let window = top
            .value("window")
            .map(|_| window(&top.section("window", "[window]")));
        let keep = contacts.as_ref().map_or(&[][..], |contacts| &contacts.keep);
        let capture = self.capture(&top.section("capture", "[capture]"), keep);
        let opt_out = capture.opt_out.as_ref();
        let suppress = self.suppress(&top.section("suppress", "[suppress]"), opt_out);
        let simulate = simulate(&top.section("simulate", "[simulate]"));
        let results = results.filter(|results| {
            let Results::File(results) = results else {
                return true;
            };
            let is_read = self.reads(results) || suppress.contains(results);
            if is_read {
                let at = top
                    .value("results")
                    .map_or(top.at(), |value| value.span().start);
                top.fault(
                    at,
                    "`results` is a file that this campaign reads: name another one",
                );
            }
            !is_read
        });
        top.finish();
        let is_whole = name.is_some()
            && results.is_some()
            && ami.is_some()
            && has_call
            && has_trunks
            && !matches!(window, Some(None));
        let Some(contacts) = contacts else {
            return (None, false);
        };
        let campaign = Campaign {
            path: self.path.to_owned(),
            name: name.unwrap_or_default(),
            results: results.unwrap_or(Results::Stdout),
            results_at: top
                .value("results")
                .map_or((1, 1), |value| top.place(value.span().start)),
            ami: ami.unwrap_or_else(Ami::stand_in),
            contacts,
            call,
            trunks,
            retry,
            window: window.flatten(),
            suppress,
            capture,
            simulate,
        };
        (Some(campaign), is_whole)
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
            top.fault(text.at, "`name` becomes part of a file name: it must not be empty, long, begin with a dot or hold / \\ or a line break");
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
            top.fault(
                text.at,
                "`results` must name a file, or be \"-\" for standard output",
            );
            return None;
        };
        if let Err(error) = jiff::fmt::strtime::format(file, &Zoned::now()) {
            top.fault(
                text.at,
                format!(
                    "`results` is no pattern for a date: {error} (write %% for a percent sign)"
                ),
            );
            return None;
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
