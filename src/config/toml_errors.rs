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
        let (before, after) = text.split_at_checked(span.start).unwrap_or((text, ""));
        if let Some(at) = open_list(before, error.message()) {
            // What follows is read as if it belonged to the list.
            syntax_errors.push(SyntaxError {
                at,
                message: "the list that begins here is never closed: write ] at its end".to_owned(),
                is_local: false,
            });
            break;
        }
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        if last_line.replace(line_start) == Some(line_start) {
            continue;
        }
        let line_end = span.start + after.find('\n').unwrap_or(after.len());
        let line = text.get(line_start..line_end).unwrap_or_default().trim();
        let (advice, is_local) = if error.message() == "duplicate key" {
            let key = text.get(span.clone()).unwrap_or_default();
            let advice = format!("`{key}` is above already: leave one of them out");
            (Some(advice), false)
        } else if let Some((key, value)) = line.split_once('=')
            && !line.starts_with(['[', ';', '/'])
        {
            advice_for_value(key.trim(), value.trim(), error.message())
        } else {
            (advice_for_line(line), false)
        };
        syntax_errors.push(SyntaxError {
            at: span.start,
            message: advice.unwrap_or_else(|| format!("this is not TOML: {}", error.message())),
            is_local,
        });
    }
    syntax_errors
}

/// Where the list begins that the parser is still in, some lines below.
fn open_list(before: &str, said: &str) -> Option<usize> {
    let at = before.rfind('[')?;
    let is_value = before[..at].trim_end().ends_with('=');
    let is_open = !before[at..].contains(']') && before[at..].contains('\n');
    (is_value && is_open && said.contains("array") && !said.contains("array table")).then_some(at)
}

fn is_key(key: &str) -> bool {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    !key.is_empty() && (key.starts_with('"') || key.bytes().all(is_bare))
}

/// What to write instead of a line without a key and its value.
fn advice_for_line(line: &str) -> Option<String> {
    if line.starts_with([';', '/']) {
        return Some("a comment begins with #".to_owned());
    }
    if line.starts_with('[') || line.ends_with(']') {
        let name = line.trim_matches(['[', ']']).trim();
        let header = match name {
            "trunk" | "window.open" => format!("[[{name}]]"),
            _ => format!("[{name}]"),
        };
        return Some(format!("a table begins with a line such as `{header}`"));
    }
    let (key, value) = line.split_once([':', ' ', '\t'])?;
    let instead = quoted(key, value.trim_start_matches([':', ' ']));
    is_key(key).then(|| format!("an = belongs between a key and its value: write `{instead}`"))
}

/// What to write instead of a key and its value, and whether that is about this value alone.
fn advice_for_value(key: &str, value: &str, said: &str) -> (Option<String>, bool) {
    let quotes = value.matches('"').count();
    let number = value.replacen(',', ".", 1).parse::<f64>();
    let instead = quoted(key, value.trim_end_matches(','));
    let advice = if !is_key(key) {
        let message = format!(
            "`{key}` cannot be a key: letters, digits, _ and - only; write anything else in quotation marks"
        );
        return (Some(message), false);
    } else if value.starts_with(['[', '{']) {
        // A list or a table, with words in it.
        let is_closed = value.ends_with([']', '}']);
        let message = format!("write every text in `{key}` in quotation marks (\")");
        let are_words = said.contains("quoted") || said.contains("invalid");
        return (are_words.then_some(message), is_closed && are_words);
    } else if value.starts_with("\"\"\"") || value.starts_with("'''") {
        return (None, false);
    } else if value.is_empty() {
        format!("`{key}` has no value")
    } else if let Some(flag) = flag(value) {
        format!("write `{key} = {flag}`")
    } else if let Ok(number) = number {
        format!("write `{key} = {number}`")
    } else if value.ends_with(',') {
        format!("a line does not end in a comma: write `{instead}`")
    } else if quotes > 2 {
        format!("a quotation mark within the text of `{key}` is written \\\"")
    } else if quotes == 1 || value.starts_with('\'') {
        format!("a quotation mark is missing: write `{instead}`")
    } else if quotes == 0 {
        format!("a text needs quotation marks: write `{instead}`")
    } else {
        return (None, true);
    };
    (Some(advice), true)
}

/// What `yes` means here, and `True`.
fn flag(value: &str) -> Option<bool> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" => Some(true),
        "false" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// A key with its value as a text. A secret is not repeated, and neither is a comment.
fn quoted(key: &str, value: &str) -> String {
    let value = value.split(" #").next().unwrap_or(value);
    let is_mark =
        |c: char| matches!(c, '"' | '\'' | '“' | '”' | '„' | '‘' | '’') || c.is_whitespace();
    let value = value.trim_matches(is_mark);
    if key.contains("secret") {
        format!("{key} = \"…\"")
    } else if value.parse::<f64>().is_ok() {
        format!("{key} = {value}")
    } else {
        format!("{key} = \"{value}\"")
    }
}
