//! What a number in a list of contacts is, what it is cleaned to, and how it is dialed. Pure.
//!
//! Without a region a number is what the list gives, without the spaces and punctuation between its digits. With one it
//! must be valid by the numbering plans that libphonenumber knows, and is E.164. Short codes and internal extensions
//! are no numbers of a region: a campaign that calls them has none.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::fmt;

/// A country whose numbers are written without its code.
pub use rlibphonenumber::Region;
use rlibphonenumber::{PHONE_NUMBER_UTIL, ParseError, PhoneNumberFormat, ValidationError};

/// The most digits of a number. E.164 allows 15; what a trunk needs in front of them is within the rest.
pub const MAX_LEN: usize = 32;

/// So many digits on both sides of a slash are two numbers.
const WHOLE: usize = 6;

/// The least digits behind a leading `00` that make it the international prefix. Some emergency numbers begin so.
const INTERNATIONAL: usize = 7;

/// The country of an ISO 3166 name, such as `UY`; `None` where no country has it.
pub(crate) fn region(name: &str) -> Option<Region> {
    let region = name.parse().ok()?;
    let mut known = PHONE_NUMBER_UTIL.get_supported_regions();
    known.any(|known| known == region).then_some(region)
}

/// What `{number}` is in a trunk's dial string.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DialAs {
    /// As the list gives it, cleaned.
    #[default]
    Given,
    /// The same without a leading `+`; with a region, the digits of E.164.
    Digits,
    /// `+` and the digits of E.164; only with a region.
    E164,
    /// As it is dialed within the region, from there abroad if it belongs to another; only with a region.
    National,
}

/// How a campaign reads numbers: those of a region, or as they are given.
#[derive(Debug, Clone, Copy)]
pub struct Numbering(pub Option<Region>);

/// A number that can be called. Nothing of it is on the heap, so that a million of them are read without an allocation.
#[derive(Debug, Clone, Copy)]
pub struct Number {
    given: Digits,
    /// The region, and E.164 with its `+`.
    read: Option<(Region, Digits)>,
}

/// Digits, `*` and `#`, and perhaps a `+` before them.
#[derive(Debug, Clone, Copy)]
struct Digits {
    len: u8,
    bytes: [u8; MAX_LEN + 1],
}

/// Why a field is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    #[error("the number is empty")]
    Empty,
    #[error("not a number{0}")]
    NotANumber(&'static str),
    #[error("not a valid number for {0}: {1}")]
    Invalid(Region, &'static str),
}

/// A spreadsheet took the number for a quantity.
const ROUNDED: NumberError = NumberError::NotANumber(
    " any more: a spreadsheet rounded it (format the column as text there, and export it again)",
);
const DECIMALS: NumberError = NumberError::NotANumber(
    " any more: it ends in decimals (format the column as text, and export it again)",
);
const NOT_A_NUMBER: NumberError = NumberError::NotANumber("");
const TOO_MANY_DIGITS: NumberError = NumberError::NotANumber(": more than 32 digits");
const NO_COUNTRY: NumberError = NumberError::NotANumber(": no country has its code");
const CODE: &str = "it holds * or #";
const SHORT: &str = "it is too short";
const LONG: &str = "it is too long";
const UNASSIGNED: &str = "no number begins like this";

impl Numbering {
    /// Reads a field: spaces and the punctuation that people write between digits are dropped, a leading `+` is kept;
    /// with a region, what is left must be a valid number there or, written internationally, elsewhere.
    ///
    /// # Errors
    /// Why the field is no number.
    pub fn read(self, field: &str) -> Result<Number, NumberError> {
        let given = clean(field)?;
        let read = |region| Ok((region, e164(given.as_str(), region)?));
        let read = self.0.map(read).transpose()?;
        Ok(Number { given, read })
    }
}

impl Number {
    /// What the results call it: E.164 with a region, otherwise as given, cleaned.
    pub fn as_str(&self) -> &str {
        match &self.read {
            Some((_, e164)) => e164.as_str(),
            None => self.given.as_str(),
        }
    }

    /// What is the same for the same subscriber, however written: the digits of E.164 with a region, otherwise those
    /// given, without a leading `+` or international `00`.
    pub fn subscriber(&self) -> &str {
        let digits = self.as_str();
        if let Some(digits) = digits.strip_prefix('+') {
            return digits;
        }
        let international = |rest: &&str| rest.len() >= INTERNATIONAL && !rest.starts_with('0');
        digits
            .strip_prefix("00")
            .filter(international)
            .unwrap_or(digits)
    }

    /// The same for the same [`subscriber`](Self::subscriber), in every run and on every machine. Different for
    /// different ones of up to 15 digits, as many as E.164 has; longer ones can share a key, if hardly ever.
    pub fn key(&self) -> u64 {
        let subscriber = self.subscriber().as_bytes();
        let packed = |key: u64, &byte: &u8| {
            let symbol = match byte {
                b'*' => 11,
                b'#' => 12,
                digit => u64::from(digit - b'0') + 1,
            };
            key << 4 | symbol
        };
        if subscriber.len() <= 15 {
            subscriber.iter().fold(0, packed)
        } else {
            // What is packed leaves the highest bit clear.
            xxhash_rust::xxh3::xxh3_64(subscriber) | 1 << 63
        }
    }

    /// What stands for `{number}` in a trunk's dial string. Without a region, what needs one is as given.
    pub fn dialed(&self, dial_as: DialAs) -> Cow<'_, str> {
        match (dial_as, &self.read) {
            (DialAs::Given, _) | (DialAs::National, None) => self.given.as_str().into(),
            (DialAs::E164, _) => self.as_str().into(),
            (DialAs::Digits, _) => {
                let digits = self.as_str();
                digits.strip_prefix('+').unwrap_or(digits).into()
            }
            (DialAs::National, Some((region, e164))) => national(e164.as_str(), *region).into(),
        }
    }
}

impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.subscriber() == other.subscriber()
    }
}

impl Eq for Number {}

impl Digits {
    const NONE: Self = Self {
        len: 0,
        bytes: [0; MAX_LEN + 1],
    };

    /// Appends an ASCII character; `false` where there is no room.
    fn push(&mut self, byte: u8) -> bool {
        let Some(slot) = self.bytes.get_mut(usize::from(self.len)) else {
            return false;
        };
        *slot = byte;
        self.len += 1;
        true
    }

    fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).unwrap_or_default()
    }
}

/// Cleans a field of what is not dialed.
fn clean(field: &str) -> Result<Digits, NumberError> {
    // Spreadsheets show an apostrophe in front of what they keep as text.
    let field = field.trim();
    let field = field.strip_prefix('\'').unwrap_or(field).trim();
    if field.is_empty() {
        return Err(NumberError::Empty);
    }
    // `1.4E+10` and `1,4E+10` are what a spreadsheet makes of 14 000 000 123.
    if field.contains(['e', 'E']) && field.replace(',', ".").parse::<f64>().is_ok() {
        return Err(ROUNDED);
    }
    if has_decimals(field) {
        return Err(DECIMALS);
    }
    // 030/123456 is one number, 099123456/099654321 are two.
    let is_whole = |part: &str| part.bytes().filter(u8::is_ascii_digit).count() >= WHOLE;
    if field.split('/').filter(|part| is_whole(part)).count() > 1 {
        return Err(NOT_A_NUMBER);
    }
    let mut cleaned = Digits::NONE;
    let mut too_long = false;
    for char in field.chars() {
        match char {
            '0'..='9' | '*' | '#' => too_long |= !cleaned.push(char as u8),
            '+' if cleaned.len == 0 => _ = cleaned.push(b'+'),
            // An en dash and a non-breaking hyphen are what word processors make of a hyphen.
            '(' | ')' | '-' | '.' | '/' | '\u{2010}'..='\u{2013}' => {}
            // Two lines in one field are two numbers.
            '\r' | '\n' => return Err(NOT_A_NUMBER),
            char if char.is_whitespace() || is_invisible(char) => {}
            _ => return Err(NOT_A_NUMBER),
        }
    }
    let digits = cleaned.as_str();
    match digits.strip_prefix('+').unwrap_or(digits).len() {
        0 => Err(NOT_A_NUMBER),
        1..=MAX_LEN if !too_long => Ok(cleaned),
        _ => Err(TOO_MANY_DIGITS),
    }
}

/// A cleaned number of a region as E.164, with its `+`.
fn e164(cleaned: &str, region: Region) -> Result<Digits, NumberError> {
    let invalid = |why| NumberError::Invalid(region, why);
    if cleaned.contains(['*', '#']) {
        return Err(invalid(CODE));
    }
    let number = PHONE_NUMBER_UTIL.parse(cleaned, Some(region));
    let number = number.map_err(|error| match error {
        ParseError::InvalidCountryCode => NO_COUNTRY,
        ParseError::TooLongNsn => invalid(LONG),
        ParseError::NotANumber(_) | ParseError::TooShortAfterIdd | ParseError::TooShortNsn => {
            invalid(SHORT)
        }
    })?;
    if !PHONE_NUMBER_UTIL.is_valid_number(&number) {
        let why = match PHONE_NUMBER_UTIL.is_possible_number_with_reason(&number) {
            Err(ValidationError::TooShort) => SHORT,
            Err(ValidationError::TooLong) => LONG,
            _ => UNASSIGNED,
        };
        return Err(invalid(why));
    }
    let mut digits = Digits::NONE;
    let written = PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::E164);
    for byte in written.bytes() {
        digits.push(byte);
    }
    Ok(digits)
}

/// What is dialed within a region to reach a number of E.164.
fn national(e164: &str, region: Region) -> String {
    let Ok(number) = PHONE_NUMBER_UTIL.parse(e164, None) else {
        return e164.to_owned();
    };
    let own = PHONE_NUMBER_UTIL.get_country_code_for_region(region) == Some(number.country_code);
    let written = if own {
        PHONE_NUMBER_UTIL.format(&number, PhoneNumberFormat::National)
    } else {
        PHONE_NUMBER_UTIL.format_out_of_country_calling_number(&number, region)
    };
    let dialed = |char: &char| char.is_ascii_digit() || matches!(char, '+' | '*' | '#');
    written.chars().filter(dialed).collect()
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

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
