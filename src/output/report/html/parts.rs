//! What the page is made of.

use std::fmt::{self, Display, Write as _};

use crate::disposition::Disposition;
use crate::output::format::percent;
use crate::output::report::figures::{Common, Group};

/// Text in which nothing is markup.
pub(super) struct Escaped<'t>(pub(super) &'t str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for char in self.0.chars() {
            match char {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                char if char.is_control() => f.write_char('\u{fffd}')?,
                char => f.write_char(char)?,
            }
        }
        Ok(())
    }
}

/// `1 234 567`, with narrow spaces that do not break, as every country reads it.
#[derive(Clone, Copy)]
pub(super) struct Count(pub(super) u64);

impl Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        for (place, digit) in digits.chars().enumerate() {
            // Four digits are read at a glance.
            if place > 0 && digits.len() > 4 && (digits.len() - place).is_multiple_of(3) {
                f.write_char('\u{202f}')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

/// `1 call`, `2 calls`.
pub(super) fn calls(count: u64) -> String {
    let s = if count == 1 { "" } else { "s" };
    format!("{} call{s}", Count(count))
}

/// A length or height in percent; nothing of nothing is no length.
pub(super) fn width(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0%".to_owned();
    }
    percent(part, whole)
}

/// The square that stands for a disposition.
pub(super) fn dot(kind: Disposition) -> String {
    format!(
        "<span class=\"dot\" style=\"--c:var(--d{})\"></span>",
        kind as usize
    )
}

/// A row of a table with a bar in it; `cells` is markup.
pub(super) fn bar_row(
    page: &mut String,
    name: &str,
    kind: Option<Disposition>,
    count: u64,
    most: u64,
    cells: &str,
) -> fmt::Result {
    let colour = kind.map_or_else(String::new, |kind| {
        format!("--c:var(--d{});", kind as usize)
    });
    let bar = if count > 0 {
        format!("<i style=\"{colour}--p:{}\"></i>", width(count, most))
    } else {
        String::new()
    };
    writeln!(
        page,
        "<tr><th scope=\"row\">{}</th><td class=\"bar\" aria-hidden=\"true\"><span>{bar}</span></td>{cells}</tr>",
        Escaped(name)
    )
}

/// The calls of a group as one bar, a piece for each disposition.
pub(super) fn stack(page: &mut String, what: &str, group: &Group) -> fmt::Result {
    let name = group.of.to_string();
    let shown = match &group.of {
        Common::Trunk(_) => name.clone(),
        Common::Attempt(_) => format!("{what} {name}"),
    };
    let pieces = || {
        Disposition::ALL
            .into_iter()
            .map(|kind| (kind, group.dispositions[kind as usize]))
            .filter(|(_, count)| *count > 0)
    };
    let said: Vec<String> = pieces()
        .map(|(kind, count)| format!("{kind} {}", percent(count, group.attempts)))
        .collect();
    write!(
        page,
        "<figure class=\"stack\"><figcaption><span>{}</span><span>{}, {} picked up</span></figcaption>\
         <div role=\"img\" aria-label=\"{what} {}: {}\">",
        Escaped(&shown),
        calls(group.attempts),
        percent(group.picked_up, group.attempts),
        Escaped(&name),
        said.join(", ")
    )?;
    for (kind, count) in pieces() {
        write!(
            page,
            "<i style=\"--c:var(--d{});--n:{count}\" title=\"{kind}: {count}, {}\"></i>",
            kind as usize,
            percent(count, group.attempts)
        )?;
    }
    writeln!(page, "</div></figure>")
}
