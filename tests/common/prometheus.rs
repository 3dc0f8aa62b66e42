//! A strict reader of Prometheus' text format, version 0.0.4: it takes what a node exporter takes from a folder and
//! `promtool check metrics` has nothing to say about.

use std::collections::{BTreeMap, BTreeSet};

/// The samples by their names and labels, the latter in the order of their names.
pub(crate) type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// Reads a page.
pub(crate) fn read(text: &str) -> Result<Samples, String> {
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let mut lines = text
        .strip_suffix('\n')
        .ok_or("the last line has no end")?
        .split('\n')
        .peekable();
    while let Some(line) = lines.next() {
        let wrong = |what: &str| format!("{what}: {line}");
        let help = line.strip_prefix("# HELP ").ok_or(wrong("no HELP"))?;
        let (family, help) = help.split_once(' ').ok_or(wrong("no help text"))?;
        if help.is_empty() || help.contains('\\') {
            return Err(wrong("help text"));
        }
        if !is_name(family) || !families.insert(family.to_owned()) {
            return Err(wrong("no name, or one that was there before"));
        }
        let kind = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
        let kind = kind.ok_or(wrong("no TYPE"))?;
        let total = family.ends_with("_total");
        match kind.strip_prefix(family).map(str::trim_start) {
            Some("counter") if total => {}
            Some("gauge") if !total => {}
            _ => return Err(format!("type: {kind}")),
        }
        let ends = ["_count", "_sum", "_bucket", "_info_total"];
        let units = ["milliseconds", "minutes", "hours", "days", "percent"];
        if ends.iter().any(|end| family.ends_with(end))
            || units.iter().any(|unit| family.contains(unit))
            || family.contains("gauge")
            || family.contains("counter")
        {
            return Err(wrong("name"));
        }
        let mut some = false;
        while let Some(line) = lines.next_if(|line| !line.starts_with('#')) {
            let (name, labels, value) = sample(line)?;
            if name != family {
                return Err(format!("a sample of another family than {family}: {line}"));
            }
            if total && value < 0.0 {
                return Err(format!("a counter below zero: {line}"));
            }
            if samples.insert((name, labels), value).is_some() {
                return Err(format!("twice: {line}"));
            }
            some = true;
        }
        if !some {
            return Err(format!("no sample of {family}"));
        }
    }
    Ok(samples)
}

fn is_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `name{label="value",…} 1.5`
fn sample(line: &str) -> Result<(String, BTreeMap<String, String>, f64), String> {
    let wrong = |what: &str| format!("{what}: {line}");
    let (name, mut rest) = line.split_once('{').ok_or(wrong("no labels"))?;
    if !is_name(name) {
        return Err(wrong("name"));
    }
    let mut labels = BTreeMap::new();
    loop {
        let (label, more) = rest.split_once("=\"").ok_or(wrong("label"))?;
        if !is_name(label) || label.starts_with("__") {
            return Err(wrong("name of a label"));
        }
        let mut value = String::new();
        let mut chars = more.char_indices();
        let end = loop {
            match chars.next() {
                Some((place, '"')) => break place,
                Some((_, '\\')) => match chars.next() {
                    Some((_, c @ ('\\' | '"'))) => value.push(c),
                    Some((_, 'n')) => value.push('\n'),
                    _ => return Err(wrong("escape")),
                },
                Some((_, c)) => value.push(c),
                None => return Err(wrong("a value without an end")),
            }
        };
        if labels.insert(label.to_owned(), value).is_some() {
            return Err(wrong("a label twice"));
        }
        rest = &more[end + 1..];
        if let Some(more) = rest.strip_prefix(',') {
            rest = more;
            continue;
        }
        // A time behind the value is refused by the collector.
        let value = rest.strip_prefix("} ").ok_or(wrong("end of the labels"))?;
        let value = value.parse().map_err(|_| wrong("value"))?;
        return Ok((name.to_owned(), labels, value));
    }
}
