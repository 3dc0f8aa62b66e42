//! `[capture]` and `[suppress]`: what the dialplan says of a call, and who is never to be called.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Capture, CaptureCondition, Column, OptOut};
use crate::config::document::Text;
use crate::config::schema::KnownKey;
use crate::config::section::Section;
use crate::results::schema;

const OPT_OUT_KEYS: [KnownKey; 2] = [
    ("when", "when = \"CHOICE=9\""),
    ("file", "file = \"dnc.txt\""),
];

/// The files of numbers never to call. They must be there: a list that is silently missing would have people called
/// who must not be. `inputs` are the other files that the campaign reads.
pub(super) fn suppress(
    section: &Section<'_, '_>,
    inputs: &[&Path],
    opt_out: Option<&OptOut>,
) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = Vec::new();
    for text in section.texts("files") {
        let Some(file) = file(section, text, "files", inputs) else {
            continue;
        };
        let may_be_missing = opt_out.is_some_and(|opt_out| opt_out.file == file);
        if !may_be_missing && let Err(error) = file.metadata() {
            let mut message = format!("`files`: {} cannot be read: {error}", text.text);
            if error.kind() == ErrorKind::NotFound {
                message += "; if there are no numbers yet, make an empty file";
            }
            section.error(text.at, message);
        }
        if !files.contains(&file) {
            files.push(file);
        }
    }
    // Who opted out in one run must not be called in the next.
    if let Some(opt_out) = opt_out
        && !files.contains(&opt_out.file)
    {
        files.push(opt_out.file.clone());
    }
    files
}

/// What is captured. `keep` are the columns that the results have from the list.
pub(super) fn capture(section: &Section<'_, '_>, inputs: &[&Path], keep: &[Column]) -> Capture {
    let machine = section.text("machine");
    let disposition = section.text("disposition");
    let opt_out = section.inline("opt_out", OPT_OUT_KEYS.to_vec());
    Capture {
        variables: variables(section, keep),
        machine: machine.and_then(|text| condition(section, text, "machine")),
        disposition: disposition.and_then(|text| variable(section, text, "disposition")),
        opt_out: opt_out.and_then(|section| self::opt_out(&section, inputs)),
    }
}

fn opt_out(section: &Section<'_, '_>, inputs: &[&Path]) -> Option<OptOut> {
    let when = section
        .required("when")
        .and_then(|text| condition(section, text, "when"));
    let text = section.required("file")?;
    let file = file(section, text, "file", inputs)?;
    // That of a name alone is empty.
    let folder = file.parent().unwrap_or(&file);
    if !folder.as_os_str().is_empty() && !folder.is_dir() {
        let message = format!("`file`: there is no folder {}", folder.display());
        section.error(text.at, message);
    }
    Some(OptOut { when: when?, file })
}

/// A path that can be a file's, resolved.
fn file(section: &Section<'_, '_>, text: Text<'_>, key: &str, inputs: &[&Path]) -> Option<PathBuf> {
    let (file, written) = (section.resolve(text), text.text);
    let message = if written.trim().is_empty() || written.contains('\0') {
        format!("`{key}` names no file")
    } else if file.is_dir() {
        format!("`{key}`: {written} is a folder, not a file")
    } else if inputs.contains(&file.as_path()) {
        format!("`{key}`: {written} is a file that this campaign reads: name another one")
    } else {
        return Some(file);
    };
    section.refuse(text.at, message)
}

/// The variables that become columns of the results, none of which is there already.
fn variables(section: &Section<'_, '_>, keep: &[Column]) -> Vec<String> {
    let mut variables: Vec<String> = Vec::new();
    for text in section.texts("variables") {
        let Some(name) = variable(section, text, "variables") else {
            continue;
        };
        let rename = "choose another name in the dialplan";
        if variables.contains(&name) {
            section.error(text.at, format!("`variables` names {name} twice"));
        } else if schema::columns().any(|column| column == name) {
            let taken = format!("the results have a column `{name}` of their own");
            section.error(text.at, format!("`variables`: {taken}: {rename}"));
        } else if keep.iter().any(|column| column.name == name) {
            let taken = format!("`keep` makes a column `{name}` of the list");
            section.error(text.at, format!("`variables`: {taken}: {rename}"));
        }
        variables.push(name);
    }
    variables
}

/// The name of a channel variable that the dialplan sets.
fn variable(section: &Section<'_, '_>, text: Text<'_>, key: &str) -> Option<String> {
    let name = text.text.trim();
    if !section.is_variable(text.at, name) {
        return None;
    }
    if name.trim_start_matches('_') == "CALLID" {
        let message = "CALLID is the dialer's own variable, and the results have it as call_id";
        return section.refuse(text.at, format!("`{key}`: {message}"));
    }
    Some(name.to_owned())
}

/// `VARIABLE=value`
fn condition(section: &Section<'_, '_>, text: Text<'_>, key: &str) -> Option<CaptureCondition> {
    let Some((name, value)) = text.text.split_once('=') else {
        let example = format!("{key} = \"AMDSTATUS=MACHINE\"");
        let message = format!("`{key}` must be a variable and its value, such as `{example}`");
        return section.refuse(text.at, message);
    };
    let at = text.at;
    let variable = variable(section, Text { text: name, at }, key)?;
    let value = value.trim();
    if value.is_empty() {
        let message =
            format!("`{key}` has no value behind the =: write `{key} = \"{variable}=1\"`");
        return section.refuse(at, message);
    }
    Some(CaptureCondition {
        variable,
        value: value.to_owned(),
    })
}
