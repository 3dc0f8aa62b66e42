//! campaign.toml as a whole; its tables are read by the modules that are named like them.

use std::cell::OnceCell;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::Zoned;
use toml::de::DeTable;

use super::call::call;
use super::reader::{Reader, Section};
use super::retry::retry;
use super::simulate::simulate;
use super::trunk::trunks;
use super::window::window;
use super::{Campaign, Fault, Faults, Results};

/// Reads a campaign file. `env_secret` is the secret from the environment, used where the file gives none; a
/// rehearsal (`simulate`) needs none.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path, env_secret: Option<String>, simulate: bool) -> Result<Campaign, Faults> {
    let whole_file = |message: String| {
        let file = path.to_owned();
        Faults(vec![Fault {
            file,
            line: None,
            column: None,
            message,
        }])
    };
    let text = fs::read(path).map_err(|error| whole_file(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(text).map_err(|_| whole_file("is not UTF-8".to_owned()))?;
    let reader = Reader::new(path.to_owned(), &text);
    let (document, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let message = match (
            error.message(),
            error.span().and_then(|span| text.get(span)),
        ) {
            ("duplicate key", Some(key)) => {
                format!("`{key}` stands above already: leave one of them out")
            }
            (message, _) => message.to_owned(),
        };
        reader.fault(at, message);
    }
    let loader = Loader {
        path,
        folder: path.parent().unwrap_or(Path::new("")),
        env_secret,
        simulate,
        list: OnceCell::new(),
    };
    // After a syntax error, what is missing may be what could not be read: only the syntax is reported then.
    let campaign = if errors.is_empty() {
        loader.campaign(&Section::new(&reader, "", 0, Some(document.get_ref())))
    } else {
        None
    };
    match (reader.into_faults(), campaign) {
        (Some(faults), _) => Err(faults),
        (None, Some(campaign)) => Ok(campaign),
        (None, None) => Err(whole_file("cannot be understood".to_owned())),
    }
}

/// What the tables are read with.
pub(super) struct Loader<'l> {
    path: &'l Path,
    /// The campaign's folder, which its paths are relative to.
    pub(super) folder: &'l Path,
    pub(super) env_secret: Option<String>,
    pub(super) simulate: bool,
    /// The list of contacts, once it is known.
    list: OnceCell<PathBuf>,
}

impl Loader<'_> {
    /// The whole document; `None` when something is wrong that was noted.
    fn campaign(&self, top: &Section<'_, '_>) -> Option<Campaign> {
        let name = self.name(top);
        let results = self.results(top, name.as_deref());
        let ami = self.ami(&top.section("ami", "[ami]"));
        let list = top.section("contacts", "[contacts]");
        let contacts = self.contacts(&list);
        if let Some(contacts) = &contacts {
            let _ = self.list.set(contacts.file.clone());
        }
        let call = call(&top.section("call", "[call]"));
        let trunks = trunks(top, list.value("region").is_some());
        let retry = retry(&top.section("retry", "[retry]"));
        let window = top
            .value("window")
            .map(|_| window(&top.section("window", "[window]")));
        let keep = contacts.as_ref().map_or(&[][..], |contacts| &contacts.keep);
        let capture = self.capture(&top.section("capture", "[capture]"), keep);
        let opt_out = capture.opt_out.as_ref();
        let suppress = self.suppress(&top.section("suppress", "[suppress]"), opt_out);
        let simulate = simulate(&top.section("simulate", "[simulate]"));
        if let (Some(Results::File(results)), Some(value)) = (&results, top.value("results"))
            && (self.reads(results) || suppress.contains(results))
        {
            top.fault(
                value.span().start,
                "`results` is a file that this campaign reads: name another one",
            );
        }
        top.finish();
        Some(Campaign {
            path: self.path.to_owned(),
            name: name?,
            results: results?,
            ami: ami?,
            contacts: contacts?,
            call: call?,
            trunks: trunks?,
            retry,
            window: match window {
                Some(window) => Some(window?),
                None => None,
            },
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
