//! What follows the last whole row of results: a row that a crash tore, one whose line end an editor dropped, or a
//! fault that only a person can mend.
//!
//! A row that was being written when the run was cut off is nobody's loss: its call is in the journal and is settled
//! from there, or it tells of a contact that is not called and is told again. So it is set aside. Anything else there
//! is somebody's outcome, and whoever took it for torn would have that contact called again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use jiff::Zoned;
use memchr::memchr;

use crate::call::id::CallId;
use crate::results::fs::{sibling, sync_folder};
use crate::results::rows::Misquoted;

/// What follows the last whole row.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tail {
    /// Nothing.
    Nothing,
    /// A row that lacks nothing but its line end.
    Whole,
    /// A row that a crash tore.
    Torn,
    /// What nobody but a person can mend: on which line, and what it is.
    Fault(u64, String),
}

/// What was made of the tail by whoever knows what a row means.
#[derive(Debug)]
pub(super) struct Parsed {
    /// It would be a row if it had its line end.
    pub(super) is_row: bool,
    /// How many fields it has, or why that cannot be told.
    pub(super) fields: Result<usize, Misquoted>,
    /// Its call's id, where that is whole: another field follows it.
    pub(super) call: Option<CallId>,
}

/// Judges what follows the last whole row, which begins on `line`. `parse` looks at some bytes as a row of `columns`
/// fields; `journal` has the calls of the journal, or is `None` where there is none.
pub(super) fn judge(
    tail: &[u8],
    line: u64,
    columns: usize,
    journal: Option<&BTreeSet<CallId>>,
    parse: impl Fn(&[u8]) -> Parsed,
) -> Tail {
    if tail.is_empty() {
        return Tail::Nothing;
    }
    let unclosed = || Tail::Fault(line, Misquoted::Open.to_string());
    // There are line ends in it, so a quotation mark is open. Other rows behind it are not what a crash leaves.
    let mut lines = tail.split(|&byte| byte == b'\n').skip(1);
    if lines.any(|line| parse(line.strip_suffix(b"\r").unwrap_or(line)).is_row) {
        return unclosed();
    }
    let parsed = parse(tail);
    // The call of a torn row is in the journal: its place there is used again only when the row is durable.
    let is_durable = match (journal, parsed.call) {
        (Some(journal), Some(call)) => !journal.contains(&call),
        (Some(_), None) => false,
        (None, _) => parsed.is_row,
    };
    match parsed.fields {
        _ if is_durable && parsed.is_row => Tail::Whole,
        Ok(fields) if fields > columns => {
            let what = format!("{fields} fields, the header has {columns}, and no line end");
            Tail::Fault(line, what)
        }
        Ok(_) if is_durable => Tail::Fault(line, "it is cut off, and no crash did that".to_owned()),
        Err(_) if is_durable => unclosed(),
        // The end of a line is where an editor loses a mark, and hardly where a crash tears.
        Err(Misquoted::Open) if journal.is_none() && tail.ends_with(b"\n") => unclosed(),
        _ => Tail::Torn,
    }
}

/// The same where there is not even a whole header.
pub(super) fn judge_header(tail: &[u8]) -> Tail {
    match memchr(b'\n', tail) {
        _ if tail.is_empty() => Tail::Nothing,
        None => Tail::Torn,
        Some(_) => Tail::Fault(1, Misquoted::Open.to_string()),
    }
}

/// Gives the last row its line end, durably.
pub(super) fn complete(path: &Path) -> io::Result<()> {
    let mut results = File::options().append(true).open(path)?;
    results.write_all(b"\n")?;
    results.sync_all()
}

/// Cuts off what follows the whole rows, and keeps it in a file of its own, which is durable before the cut.
pub(super) fn set_aside(path: &Path, tail: &[u8], whole: u64) -> io::Result<PathBuf> {
    let stamp = Zoned::now().strftime(".torn-%Y%m%dT%H%M%S%3f").to_string();
    let aside = sibling(path, &stamp);
    let mut file = File::options().write(true).create_new(true).open(&aside)?;
    file.write_all(tail)?;
    file.sync_all()?;
    sync_folder(&aside)?;
    let results = File::options().write(true).open(path)?;
    results.set_len(whole)?;
    results.sync_all()?;
    Ok(aside)
}
