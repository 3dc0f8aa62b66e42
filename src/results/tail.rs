//! What follows the last line end of results: a row that a crash tore, one whose line end an editor dropped, or an error
//! that only a person can correct.
//!
//! A row that was being written when the run was cut off is no loss: its call is in the journal and is settled from
//! there, or it is of a contact that is not called and gets its row again. So it is set aside. Anything else is a
//! contact's outcome: to set it aside would call that contact again.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use jiff::Zoned;

use crate::call::id::CallId;
use crate::results::fields::Misquoted;
use crate::results::fs::{sibling, sync_folder};

#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum Tail {
    #[default]
    Nothing,
    /// A row that only lacks its line end.
    WholeRow,
    /// A row that a crash tore, and where in the file it begins.
    Torn(u64),
}

/// An error that only a person can correct, and its line.
pub(super) type TailError = (u64, String);

/// What a tail is when it is read as a row.
#[derive(Debug)]
pub(super) struct TailRow {
    /// It would be a row if it had its line end.
    pub(super) is_row: bool,
    /// How many fields it has.
    pub(super) fields: Result<usize, Misquoted>,
    /// The id of its call, where that is whole: another field follows it.
    pub(super) call: Option<CallId>,
}

/// Judges a tail that begins on `line` and at a byte of the file. `parse` reads some bytes as a row of `columns` fields;
/// `journal` has the calls of the journal, and is `None` where there is none.
pub(super) fn judge(
    tail: &[u8],
    (line, at): (u64, u64),
    columns: usize,
    journal: Option<&BTreeSet<CallId>>,
    mut parse: impl FnMut(&[u8]) -> TailRow,
) -> Result<Tail, TailError> {
    if tail.is_empty() {
        return Ok(Tail::Nothing);
    }
    let unclosed = || (line, Misquoted::Open.to_string());
    // A line end within the tail is in an open quotation mark. A crash leaves no whole rows behind that.
    let mut lines = tail.split(|&byte| byte == b'\n').skip(1);
    if lines.any(|line| parse(line.strip_suffix(b"\r").unwrap_or(line)).is_row) {
        return Err(unclosed());
    }
    let row = parse(tail);
    // The call of a torn row is in the journal: its slot is used again only when the row is durable.
    let is_durable = match (journal, row.call) {
        (Some(journal), Some(call)) => !journal.contains(&call),
        (Some(_), None) => false,
        (None, _) => row.is_row,
    };
    match row.fields {
        _ if is_durable && row.is_row => Ok(Tail::WholeRow),
        Ok(fields) if fields > columns => {
            let what = format!("{fields} fields, the header has {columns}, and no line end");
            Err((line, what))
        }
        Ok(_) if is_durable => Err((line, "it is cut off, and no crash did that".to_owned())),
        Err(_) if is_durable => Err(unclosed()),
        // An editor loses a mark at the end of a line, where a crash hardly tears.
        Err(Misquoted::Open) if journal.is_none() && tail.ends_with(b"\n") => Err(unclosed()),
        _ => Ok(Tail::Torn(at)),
    }
}

/// The same where not even the header is whole.
pub(super) fn judge_header(tail: &[u8]) -> Result<Tail, TailError> {
    match tail {
        [] => Ok(Tail::Nothing),
        _ if tail.contains(&b'\n') => Err((1, Misquoted::Open.to_string())),
        _ => Ok(Tail::Torn(0)),
    }
}

/// Gives the last row its line end, durably.
pub(super) fn complete(path: &Path) -> io::Result<()> {
    let mut results = File::options().append(true).open(path)?;
    results.write_all(b"\n")?;
    results.sync_all()
}

/// Cuts a tail off and keeps it in a file of its own, which is durable before the cut.
pub(super) fn set_aside(path: &Path, at: u64) -> io::Result<PathBuf> {
    let stamp = Zoned::now().strftime(".torn-%Y%m%dT%H%M%S%3f").to_string();
    let aside = sibling(path, &stamp);
    let mut results = File::options().read(true).write(true).open(path)?;
    results.seek(SeekFrom::Start(at))?;
    let mut file = File::options().write(true).create_new(true).open(&aside)?;
    io::copy(&mut results, &mut file)?;
    file.sync_all()?;
    sync_folder(&aside)?;
    results.set_len(at)?;
    results.sync_all()?;
    Ok(aside)
}
