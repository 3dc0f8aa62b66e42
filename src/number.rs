//! What a number in a list of contacts is, and what it is cleaned to. Pure.

use std::fmt;
use std::ops::Deref;

/// The most digits of a number. E.164 allows 15; what a trunk needs in front of them is within the rest.
pub const MAX_LEN: usize = 32;

/// So many digits on both sides of a slash are two numbers.
const WHOLE: usize = 6;

/// A number as it is dialed: digits, `*` and `#`, and a leading `+` if the list gives one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Number(Box<str>);

/// Why a field is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// Nothing is there.
    #[error("the number is empty")]
    Empty,
    /// A spreadsheet took the number for a quantity and rounded it.
    #[error(
        "not a number any more: a spreadsheet rounded it (format the column as text there, and export it again)"
    )]
    Rounded,
    /// A spreadsheet or a program took the number for a quantity and gave it decimals.
    #[error(
        "not a number any more: it ends in decimals (format the column as text, and export it again)"
    )]
    Decimals,
    /// Letters, or signs that no number has.
    #[error("not a number")]
    NotANumber,
    /// Longer than any number.
    #[error("not a number: more than {MAX_LEN} digits")]
    TooLong,
}

impl Number {
    /// Cleans a field: spaces and the punctuation that people write between digits are dropped, a leading `+` is kept.
    ///
    /// # Errors
    /// Why the field is no number.
    pub fn clean(field: &str) -> Result<Self, NumberError> {
        // Spreadsheets show an apostrophe in front of what they keep as text.
        let field = field.trim();
        let field = field.strip_prefix('\'').unwrap_or(field).trim();
        if field.is_empty() {
            return Err(NumberError::Empty);
        }
        if was_rounded(field) {
            return Err(NumberError::Rounded);
        }
        if has_decimals(field) {
            return Err(NumberError::Decimals);
        }
        // 030/123456 is one number, 099123456/099654321 are two.
        let is_whole = |part: &str| part.bytes().filter(u8::is_ascii_digit).count() >= WHOLE;
        if field.split('/').filter(|part| is_whole(part)).count() > 1 {
            return Err(NumberError::NotANumber);
        }
        let mut cleaned = String::with_capacity(field.len());
        for char in field.chars() {
            match char {
                '0'..='9' | '*' | '#' => cleaned.push(char),
                '+' if cleaned.is_empty() => cleaned.push(char),
                // An en dash and a non-breaking hyphen are what word processors make of a hyphen.
                '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2013}' => {}
                // Two lines in one field are two numbers.
                '\r' | '\n' => return Err(NumberError::NotANumber),
                char if char.is_whitespace() || is_invisible(char) => {}
                _ => return Err(NumberError::NotANumber),
            }
        }
        let digits = cleaned.strip_prefix('+').unwrap_or(&cleaned).len();
        match digits {
            0 => Err(NumberError::NotANumber),
            1..=MAX_LEN => Ok(Self(cleaned.into())),
            _ => Err(NumberError::TooLong),
        }
    }
}

/// `1.4E+10` and `1,4E+10`: what a spreadsheet makes of 14 000 000 123.
fn was_rounded(field: &str) -> bool {
    let Some((mantissa, exponent)) = field.split_once(['e', 'E']) else {
        return false;
    };
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
        && mantissa.split(['.', ',']).all(all_digits)
        && mantissa.split(['.', ',']).count() <= 2
}

/// `59829000000.0`: what some programs make of 59829000000. Without the point it would be somebody else's number.
fn has_decimals(field: &str) -> bool {
    let Some((whole, "0" | "00")) = field.split_once(['.', ',']) else {
        return false;
    };
    let whole = whole.strip_prefix('+').unwrap_or(whole);
    whole.len() > 4 && whole.bytes().all(|byte| byte.is_ascii_digit())
}

/// Zero-width characters and directional marks, which come along when a number is copied from a page or a chat.
fn is_invisible(char: char) -> bool {
    matches!(char, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

impl Deref for Number {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_write_between_digits_is_dropped() {
        for (field, number) in [
            ("+598 2 900-00-00", "+598290000".to_owned() + "00"),
            (" (0294) 15.445/566 ", "029415445566".to_owned()),
            ("'0099123456", "0099123456".to_owned()),
            (
                "\u{202a}+1\u{a0}555\u{2011}0100\u{202c}",
                "+15550100".to_owned(),
            ),
            ("*86#", "*86#".to_owned()),
        ] {
            assert_eq!(
                Number::clean(field).as_deref(),
                Ok(number.as_str()),
                "{field:?}"
            );
        }
    }

    #[test]
    fn what_a_spreadsheet_rounded_is_told_apart() {
        for field in ["1.4E+10", "1,4E+10", "5.9829E10", "4e+08"] {
            assert_eq!(Number::clean(field), Err(NumberError::Rounded), "{field}");
        }
    }

    #[test]
    fn decimals_do_not_become_digits_of_somebody_elses_number() {
        for field in ["59829000000.0", "+59829000000.00", "'099123456,0"] {
            assert_eq!(Number::clean(field), Err(NumberError::Decimals), "{field}");
        }
        for (field, number) in [
            ("099.123.00", "09912300"),
            ("02.900.00.00", "029000000"),
            ("0800.0", "08000"),
        ] {
            assert_eq!(Number::clean(field).as_deref(), Ok(number), "{field}");
        }
    }

    #[test]
    fn nothing_that_could_mean_more_than_a_number_is_one() {
        for field in [
            "ask",
            "099123456/099654321",
            "0800-STORM",
            "100&SIP/other",
            "100@carrier",
            "100,200",
            "100;200",
            "1+2",
            "+",
            "--",
            "E5",
            "١٢٣",
            "099 123 456\n099 654 321",
            "100\r200",
            "=1+1",
        ] {
            assert_eq!(
                Number::clean(field),
                Err(NumberError::NotANumber),
                "{field:?}"
            );
        }
        assert_eq!(Number::clean("  "), Err(NumberError::Empty));
        assert_eq!(Number::clean("'"), Err(NumberError::Empty));
        assert_eq!(Number::clean(&"1".repeat(33)), Err(NumberError::TooLong));
    }
}
