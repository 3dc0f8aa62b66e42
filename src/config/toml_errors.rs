//! Syntax errors of a campaign file in the words of a person who writes one. The parser says what it expected instead,
//! down to `nan` where a word is not quoted.

use toml::de::Error;

/// One place where the file is not TOML.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SyntaxError {
    /// The byte at which it is reported.
    pub(super) at: usize,
    pub(super) message: String,
    /// It spoils one value and nothing else, so that all the rest can be read.
    pub(super) is_local: bool,
}

/// The errors, at most one for each line: one mistake makes the parser fail several times.
pub(super) fn syntax_errors(text: &str, errors: &[Error]) -> Vec<SyntaxError> {
    let mut syntax_errors: Vec<SyntaxError> = Vec::new();
    let mut last_line = None;
    for error in errors {
        let span = error.span().unwrap_or_default();
        if let Some(at) = open_list(text, error.message(), span.start) {
            // What follows is read as if it belonged to the list.
            let message = "the list that begins here is never closed: write ] at its end";
            syntax_errors.push(SyntaxError {
                at,
                message: message.to_owned(),
                is_local: false,
            });
            break;
        }
        let line = SourceLine::around(text, span.start);
        if last_line.replace(line.start) == Some(line.start) {
            continue;
        }
        let quoted = text.get(span.clone());
        let (message, is_local) = match (error.message(), quoted) {
            ("duplicate key", Some(key)) => {
                let message = format!("`{key}` is above already: leave one of them out");
                (message, false)
            }
            (said, _) => line
                .advice(said)
                .unwrap_or_else(|| (format!("this is not TOML: {said}"), false)),
        };
        syntax_errors.push(SyntaxError {
            at: span.start,
            message,
            is_local,
        });
    }
    syntax_errors
}

/// Where the list begins that the parser is still in.
fn open_list(text: &str, said: &str, at: usize) -> Option<usize> {
    let before = text.get(..at)?;
    let opened = before.rfind('[')?;
    let line = SourceLine::around(text, opened);
    let is_value = text[line.start..opened].trim_end().ends_with('=');
    let is_open = !before[opened..].contains(']') && before[opened..].contains('\n');
    (said.contains("array") && !said.contains("array table") && is_value && is_open)
        .then_some(opened)
}

/// A line of the file.
struct SourceLine<'t> {
    text: &'t str,
    start: usize,
}

impl<'t> SourceLine<'t> {
    fn around(text: &'t str, at: usize) -> Self {
        let (before, after) = text.split_at_checked(at).unwrap_or((text, ""));
        let start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let end = at + after.find('\n').unwrap_or(after.len());
        Self {
            text: text.get(start..end).unwrap_or_default().trim(),
            start,
        }
    }

    /// What to write instead, and whether that is about one value alone.
    fn advice(&self, said: &str) -> Option<(String, bool)> {
        let line = self.text;
        if line.starts_with([';', '/']) {
            return Some(("a comment begins with #".to_owned(), false));
        }
        if let Some((key, value)) = line.split_once('=')
            && !line.starts_with('[')
        {
            let (key, value) = (key.trim(), value.trim());
            if is_key(key) {
                return of_value(key, value, said);
            }
            let message = format!(
                "`{key}` cannot be a key: letters, digits, _ and - only; write anything else in quotation marks"
            );
            return Some((message, false));
        }
        let name = line.trim_matches(['[', ']']).trim();
        if line.starts_with('[') || line.ends_with(']') {
            let header = match name {
                "trunk" | "window.open" => format!("[[{name}]]"),
                _ => format!("[{name}]"),
            };
            return Some((
                format!("a table begins with a line such as `{header}`"),
                false,
            ));
        }
        let (key, value) = line.split_once([':', ' ', '\t'])?;
        let (key, value) = (key.trim(), value.trim_start_matches([':', ' ']).trim());
        is_key(key).then(|| {
            let instead = written(key, value);
            (
                format!("an = belongs between a key and its value: write `{instead}`"),
                false,
            )
        })
    }
}

/// What `yes` means here, and `True`.
fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && (key.starts_with('"')
            || key
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte)))
}

/// What is wrong with a value.
fn of_value(key: &str, value: &str, said: &str) -> Option<(String, bool)> {
    let quotes = value.matches('"').count();
    let whole = |message: String| Some((message, true));
    if value.is_empty() {
        return whole(format!("`{key}` has no value"));
    }
    if value.starts_with(['[', '{']) {
        // A list or a table on one line, with words in it.
        let is_closed = value.ends_with([']', '}']);
        return (is_closed && said.contains("quoted") || said.contains("invalid")).then(|| {
            let message = format!("write every text in `{key}` in quotation marks (\")");
            (message, is_closed)
        });
    }
    if value.starts_with("\"\"\"") || value.starts_with("'''") {
        return None;
    }
    if said.contains("escape") {
        return whole(format!(
            "in the text of `{key}` a backslash is written twice (\\\\)"
        ));
    }
    if value.starts_with('"') && value.trim_end_matches(',').ends_with('"') && quotes > 2 {
        return whole(format!(
            "a quotation mark within the text of `{key}` is written \\\""
        ));
    }
    if let Some(before) = value.strip_suffix(',') {
        let instead = written(key, before);
        return whole(format!("a line does not end in a comma: write `{instead}`"));
    }
    if quotes % 2 == 1 || value.starts_with('\'') {
        let instead = written(key, value);
        return whole(format!("a quotation mark is missing: write `{instead}`"));
    }
    if value.starts_with(|first: char| first.is_ascii_digit()) && said.contains("zero") {
        let digits = value.trim_start_matches('0');
        return whole(format!(
            "write `{key} = {digits}`, without the zero in front"
        ));
    }
    if let Some(flag) = flag(value) {
        return whole(format!("write `{key} = {flag}`"));
    }
    let with_point = value.replacen(',', ".", 1);
    if with_point != value && with_point.parse::<f64>().is_ok() {
        return whole(format!("write `{key} = {with_point}`, with a point"));
    }
    if said.contains("unexpected") {
        return None;
    }
    let instead = written(key, value);
    whole(format!("a text needs quotation marks: write `{instead}`"))
}

/// A key with its value as a text. A secret is not repeated, and neither is a comment.
fn written(key: &str, value: &str) -> String {
    let value = value.split(" #").next().unwrap_or(value);
    let is_mark =
        |c: char| matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’') || c.is_whitespace();
    let value = value.trim_matches(is_mark);
    if key.contains("secret") {
        return format!("{key} = \"…\"");
    }
    if value.parse::<f64>().is_ok() {
        return format!("{key} = {value}");
    }
    format!("{key} = \"{value}\"")
}
