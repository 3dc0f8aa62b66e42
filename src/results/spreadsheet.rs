//! Results as a spreadsheet should take them: what is text stays text, and nothing runs.
//!
//! Excel and LibreOffice look at each field of a CSV and decide for themselves what it is: a number loses its `+` and its
//! leading zeros, `1763894050.10` its last digit, `3/4` becomes a day, `=…` a formula that may fetch or run something.
//! Quotes do not keep them from it. What the dialer counts is left to them as numbers and times; everything else is
//! text, and what they would take for more gets one character in front of it:
//!
//! - a tab, where it would be taken for a number or a day. Both show nothing of it and keep the cell as text. It is
//!   there when a cell is copied; the dialer itself, and whatever else trims what it reads, drops it again. The usual
//!   `="…"` is a formula, and an apostrophe is shown by both when it comes from a file.
//! - an apostrophe, where it would be a formula: that one is meant to be seen, because nothing the dialer writes
//!   begins so.

use crate::results::schema::{push_field, push_quoted};
use jiff::civil::DateTime;
use jiff::fmt::temporal::DateTimeParser;

static PARSER: DateTimeParser = DateTimeParser::new();

/// What a spreadsheet needs to see at the beginning of a file to read it as UTF-8.
pub const MARK: &str = "\u{feff}";

/// With these, if nothing but spaces is before them, a formula begins; the wide ones are typed on Asian keyboards.
const FORMULA: &str = "=+-@\t\r\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}";

/// What nobody sees in front of a field.
const INVISIBLE: &str = " \u{a0}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\u{2060}\u{feff}";

/// The beginnings of months; with a digit behind them they are days to a spreadsheet.
const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];

/// What a column of the results holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A number of something.
    Quantity,
    /// Seconds, shown as whole ones.
    Seconds,
    /// A time, shown as the clock on the wall showed it.
    Time,
    /// Anything else, whatever it looks like.
    Text,
}

impl Kind {
    /// What the column of this name holds.
    pub fn of(column: &str) -> Self {
        match column {
            "attempt" | "cause" | "sip_code" => Self::Quantity,
            "ring_seconds" | "talk_seconds" => Self::Seconds,
            "dialed_at" | "answered_at" | "ended_at" | "next_attempt_at" => Self::Time,
            _ => Self::Text,
        }
    }
}

/// Appends a field and the delimiter behind it. What does not look like its column is text.
pub fn push_cell(row: &mut String, kind: Kind, field: &str, delimiter: char) {
    let value = match kind {
        Kind::Quantity => field.parse().ok().map(|number: u32| number.to_string()),
        Kind::Seconds => whole_seconds(field),
        Kind::Time => time_of_day(field),
        Kind::Text => None,
    };
    match (value, front(field)) {
        (Some(value), _) => push_field(row, &value, delimiter),
        (None, None) => push_field(row, field, delimiter),
        (None, Some(mark)) => push_quoted(row, &format!("{mark}{field}"), delimiter),
    }
}

fn whole_seconds(field: &str) -> Option<String> {
    let seconds: f64 = field.parse().ok()?;
    (0.0..1e9)
        .contains(&seconds)
        .then(|| format!("{:.0}", seconds.round()))
}

/// `2026-11-23 09:30:00`: a spreadsheet knows no offsets, so it is the time of day where the dialer ran.
fn time_of_day(field: &str) -> Option<String> {
    let pieces = PARSER.parse_pieces(field).ok()?;
    let clock = DateTime::from_parts(pieces.date(), pieces.time()?);
    Some(clock.strftime("%Y-%m-%d %H:%M:%S").to_string())
}

/// What keeps a field as text; nothing where it is text anyway.
fn front(field: &str) -> Option<char> {
    let begin = field.trim_start_matches(|char| INVISIBLE.contains(char));
    let first = begin.chars().next()?;
    if begin.starts_with(['+', '-']) && is_number(&begin[1..]) {
        return Some('\t');
    }
    if FORMULA.contains(first) {
        return Some('\'');
    }
    let has_digit = begin.bytes().any(|byte| byte.is_ascii_digit());
    let is_month = begin
        .get(..3)
        .is_some_and(|begin| MONTHS.iter().any(|month| begin.eq_ignore_ascii_case(month)));
    // Letters in front make a text of it, unless they are a month's; a currency, a point or a parenthesis does not.
    (has_digit && (is_month || !first.is_alphabetic())).then_some('\t')
}

/// Digits, and what people write between those of a telephone number.
fn is_number(text: &str) -> bool {
    text.starts_with(|char: char| char.is_ascii_digit() || matches!(char, '(' | ' '))
        && text.bytes().any(|byte| byte.is_ascii_digit())
        && text
            .chars()
            .all(|char| char.is_ascii_digit() || " .,:/()-*#".contains(char))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(column: &str, field: &str) -> String {
        let mut row = String::new();
        push_cell(&mut row, Kind::of(column), field, ',');
        row.pop();
        row
    }

    #[test]
    fn numbers_that_name_something_stay_text_to_the_last_sign() {
        for number in [
            "+59829000101",
            "0099123456",
            "59829000101",
            "+598 2900-00 00",
            "(02) 900",
            "*86#1",
            "1763894050.10",
            "1e5",
            "-1",
        ] {
            for column in ["number", "contact", "uniqueid", "zip"] {
                assert_eq!(cell(column, number), format!("\"\t{number}\""), "{column}");
            }
        }
    }

    #[test]
    fn what_looks_like_a_day_or_money_stays_text() {
        for field in [
            "3/4",
            "2026-11-23",
            "MAR1",
            "sept 2",
            "1-MAR-26",
            "9:30",
            "$5",
            "50%",
        ] {
            assert_eq!(cell("name", field), format!("\"\t{field}\""));
        }
    }

    #[test]
    fn no_formula_is_left_of_anything() {
        for field in [
            "=1+1",
            "+1+cmd|' /C calc'!A0",
            "-2+3",
            "@SUM(1)",
            "\t=1+1",
            "\r=1+1",
            "  =1+1",
            "\u{a0}=1+1",
            "\u{200b}=1+1",
            "=HYPERLINK(\"http://x\",\"y\")",
            "\u{ff1d}1+1",
            "-",
        ] {
            for column in [
                "note",
                "number",
                "contact",
                "attempt",
                "dialed_at",
                "talk_seconds",
            ] {
                let expected = format!("\"'{}\"", field.replace('"', "\"\""));
                assert_eq!(cell(column, field), expected, "{column} {field:?}");
            }
        }
    }

    #[test]
    fn what_is_text_anyway_is_left_as_it_is() {
        for field in [
            "",
            "Peña",
            "H0001",
            "User busy",
            "carrier-2",
            "m4rta",
            "*86",
            "ANSWERED",
        ] {
            let expected = if field == "*86" { "\"\t*86\"" } else { field };
            assert_eq!(cell("contact", field), expected);
        }
        assert_eq!(cell("note", "a, b"), "\"a, b\"");
        assert_eq!(cell("note", "two\nlines"), "\"two\nlines\"");
    }

    #[test]
    fn what_the_dialer_counts_are_numbers_and_times() {
        assert_eq!(cell("attempt", "2"), "2");
        assert_eq!(cell("cause", "17"), "17");
        assert_eq!(cell("sip_code", "486"), "486");
        for (seconds, whole) in [
            ("30.004", "30"),
            ("0.499", "0"),
            ("0.500", "1"),
            ("2.500", "3"),
            ("199.999", "200"),
        ] {
            assert_eq!(cell("talk_seconds", seconds), whole);
        }
        assert_eq!(cell("talk_seconds", ""), "");
        assert_eq!(
            cell("dialed_at", "2026-11-23T09:30:00.950-03:00"),
            "2026-11-23 09:30:00"
        );
        assert_eq!(
            cell("dialed_at", "2026-11-23T09:30:00Z"),
            "2026-11-23 09:30:00"
        );
    }

    #[test]
    fn what_does_not_look_like_its_column_is_text() {
        assert_eq!(cell("attempt", "-2"), "\"\t-2\"");
        assert_eq!(cell("talk_seconds", "1e99"), "\"\t1e99\"");
        assert_eq!(cell("ended_at", "9:30"), "\"\t9:30\"");
    }
}
