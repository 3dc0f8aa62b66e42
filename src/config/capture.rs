//! `[capture]` and `[suppress]`: what the dialplan says of a call, and who is never to be called.

use std::path::PathBuf;

use super::{Capture, CaptureCondition, Column, OptOut};
use crate::config::load::Loader;
use crate::config::section::{Section, Text};
use crate::results::schema::COLUMNS;

pub(super) const KEYS: &str = "machine disposition variables opt_out";

/// What a condition looks like.
const CONDITION: &str = "AMDSTATUS=MACHINE";

impl Loader<'_> {
    /// The files of numbers never to call. They must be there: a list that is silently missing would have people called
    /// who must not be.
    pub(super) fn suppress(
        &self,
        section: &Section<'_, '_>,
        opt_out: Option<&OptOut>,
    ) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = Vec::new();
        for text in section.texts("files", "files = [\"dnc.txt\"]") {
            let Some(file) = self.file(section, text, "files") else {
                continue;
            };
            let may_be_missing = opt_out.is_some_and(|opt_out| opt_out.file == file);
            if !may_be_missing && let Err(error) = file.metadata() {
                let empty = if error.kind() == std::io::ErrorKind::NotFound {
                    "; if there are no numbers yet, make an empty file"
                } else {
                    ""
                };
                section.error(
                    text.at,
                    format!("`files`: {} cannot be read: {error}{empty}", text.text),
                );
            }
            if !files.contains(&file) {
                files.push(file);
            }
        }
        section.finish();
        // Who opted out in one run must not be called in the next.
        if let Some(opt_out) = opt_out
            && !files.contains(&opt_out.file)
        {
            files.push(opt_out.file.clone());
        }
        files
    }

    /// What is captured. `keep` are the columns that the results have from the list.
    pub(super) fn capture(&self, section: &Section<'_, '_>, keep: &[Column]) -> Capture {
        let machine = section
            .text("machine", &format!("machine = \"{CONDITION}\""))
            .and_then(|text| condition(section, text, "machine"));
        let disposition = section
            .text("disposition", "disposition = \"OUTCOME\"")
            .and_then(|text| variable(section, text, "disposition"));
        let capture = Capture {
            variables: variables(section, keep),
            machine,
            disposition,
            opt_out: section
                .inline(
                    "opt_out",
                    "opt_out = { when = \"CHOICE=9\", file = \"dnc.txt\" }",
                    "when file",
                )
                .and_then(|section| self.opt_out(&section)),
        };
        section.finish();
        capture
    }

    fn opt_out(&self, section: &Section<'_, '_>) -> Option<OptOut> {
        let when = section
            .required("when", "when = \"CHOICE=9\"")
            .and_then(|text| condition(section, text, "when"));
        let file = section
            .required("file", "file = \"dnc.txt\"")
            .and_then(|text| {
                let file = self.file(section, text, "file")?;
                let folder = file
                    .parent()
                    .filter(|folder| !folder.as_os_str().is_empty());
                if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                    section.error(
                        text.at,
                        format!("`file`: there is no folder {}", folder.display()),
                    );
                }
                Some(file)
            });
        section.finish();
        Some(OptOut {
            when: when?,
            file: file?,
        })
    }

    /// A path that can be a file's, resolved.
    fn file(&self, section: &Section<'_, '_>, text: Text<'_>, key: &str) -> Option<PathBuf> {
        if text.text.trim().is_empty() || text.text.contains('\0') {
            return section.refuse(text.at, format!("`{key}` names no file"));
        }
        let file = self.folder.join(text.text);
        if file.is_dir() {
            return section.refuse(
                text.at,
                format!("`{key}`: {} is a folder, not a file", text.text),
            );
        }
        if self.reads(&file) {
            return section.refuse(
                text.at,
                format!(
                    "`{key}`: {} is a file that this campaign reads: name another one",
                    text.text
                ),
            );
        }
        Some(file)
    }
}

/// The variables that become columns of the results, none of which is there already.
fn variables(section: &Section<'_, '_>, keep: &[Column]) -> Vec<String> {
    let mut variables: Vec<String> = Vec::new();
    for text in section.texts("variables", "variables = [\"CHOICE\"]") {
        let Some(name) = variable(section, text, "variables") else {
            continue;
        };
        if variables.contains(&name) {
            section.error(text.at, format!("`variables` names {name} twice"));
        } else if COLUMNS.contains(&name.as_str()) {
            section.error(
                text.at,
                format!("`variables`: the results have a column `{name}` of their own: choose another name in the dialplan"),
            );
        } else if keep.iter().any(|column| column.name == name) {
            section.error(
                text.at,
                format!("`variables`: `keep` makes a column `{name}` of the list: choose another name in the dialplan"),
            );
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
        return section.refuse(
            text.at,
            format!(
                "`{key}`: CALLID is the dialer's own variable, and the results have it as call_id"
            ),
        );
    }
    Some(name.to_owned())
}

/// `VARIABLE=value`
fn condition(section: &Section<'_, '_>, text: Text<'_>, key: &str) -> Option<CaptureCondition> {
    let Some((name, value)) = text.text.split_once('=') else {
        return section.refuse(
            text.at,
            format!("`{key}` must be a variable and its value, such as `{key} = \"{CONDITION}\"`"),
        );
    };
    let at = text.at;
    let variable = variable(section, Text { text: name, at }, key)?;
    let value = value.trim();
    if value.is_empty() {
        return section.refuse(
            at,
            format!("`{key}` has no value behind the =: write `{key} = \"{variable}=1\"`"),
        );
    }
    Some(CaptureCondition {
        variable,
        value: value.to_owned(),
    })
}
