//! What a number in a list of contacts is, what it is cleaned to, and how it is dialed. Pure.
//!
//! Without a region a number is what the list gives, without the spaces and punctuation between its digits. With one it
//! must be valid by the numbering plans that libphonenumber knows, and is E.164. Short codes and internal extensions
//! are no numbers of a region: a campaign that calls them has none.

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

/// How a campaign reads numbers.
#[derive(Debug, Clone, Copy, Default)]
pub struct Numbering {
    region: Option<Region>,
}

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
    /// Numbers of a region, or as they are given.
    pub fn new(region: Option<Region>) -> Self {
        Self { region }
    }

    /// Reads a field: spaces and the punctuation that people write between digits are dropped, a leading `+` is kept;
    /// with a region, what is left must be a valid number there or, written internationally, elsewhere.
    ///
    /// # Errors
    /// Why the field is no number.
    pub fn read(&self, field: &str) -> Result<Number, NumberError> {
        let given = clean(field)?;
        let read = match self.region {
            Some(region) => Some((region, e164(given.as_str(), region)?)),
            None => None,
        };
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
        let slot = self.bytes.get_mut(usize::from(self.len));
        let fits = slot.is_some();
        if let Some(slot) = slot {
            *slot = byte;
            self.len += 1;
        }
        fits
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
    if was_rounded(field) {
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

/// `1.4E+10` and `1,4E+10`: what a spreadsheet makes of 14 000 000 123.
fn was_rounded(field: &str) -> bool {
    field.contains(['e', 'E']) && field.replace(',', ".").parse::<f64>().is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(field: &str) -> Result<Number, NumberError> {
        Numbering::default().read(field)
    }

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
                read(field).map(|number| number.as_str().to_owned()),
                Ok(number),
                "{field:?}"
            );
        }
    }

    #[test]
    fn what_a_spreadsheet_rounded_is_told_apart() {
        for field in ["1.4E+10", "1,4E+10", "5.9829E10", "4e+08"] {
            assert_eq!(read(field), Err(ROUNDED), "{field}");
        }
    }

    #[test]
    fn decimals_do_not_become_digits_of_somebody_elses_number() {
        for field in ["59829000000.0", "+59829000000.00", "'099123456,0"] {
            assert_eq!(read(field), Err(DECIMALS), "{field}");
        }
        for (field, number) in [
            ("099.123.00", "09912300"),
            ("02.900.00.00", "029000000"),
            ("0800.0", "08000"),
        ] {
            assert_eq!(
                read(field).map(|number| number.as_str().to_owned()),
                Ok(number.to_owned()),
                "{field}"
            );
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
            assert_eq!(read(field), Err(NOT_A_NUMBER), "{field:?}");
        }
        assert_eq!(read("  "), Err(NumberError::Empty));
        assert_eq!(read("'"), Err(NumberError::Empty));
        assert_eq!(read(&"1".repeat(33)), Err(TOO_MANY_DIGITS));
    }

    fn of(region: &str, field: &str) -> Result<Number, NumberError> {
        Numbering::new(Some(self::region(region).unwrap())).read(field)
    }

    #[test]
    fn numbers_of_a_region_are_e164_however_they_are_written() {
        for (region, field, e164) in [
            ("UY", "2900 0100", "+59829000100"),
            ("UY", "+598 2900-0100", "+59829000100"),
            ("UY", "00598 2900 0100", "+59829000100"),
            ("UY", "59829000100", "+59829000100"),
            ("UY", "099 123 456", "+59899123456"),
            ("UY", "+54 11 4321-0000", "+541143210000"),
            ("AR", "011 15-2345-6789", "+5491123456789"),
            ("DE", "+49 (0)30 12345678", "+493012345678"),
            // Italy keeps the zero, the United States have none.
            ("IT", "06 1234 5678", "+390612345678"),
            ("US", "(201) 555-0123", "+12015550123"),
            ("us", "1-201-555-0123", "+12015550123"),
            // Other ports of libphonenumber drop a digit of these.
            ("US", "+33 1 42 76 49 78", "+33142764978"),
            ("RU", "+7 800 555-35-35", "+78005553535"),
        ] {
            let number = of(region, field).map(|number| number.as_str().to_owned());
            assert_eq!(number, Ok(e164.to_owned()), "{region} {field}");
        }
    }

    #[test]
    fn what_is_no_number_of_any_plan_is_told_by_what_is_wrong_with_it() {
        let uy = region("UY").unwrap();
        for (field, error) in [
            ("112", NumberError::Invalid(uy, SHORT)),
            ("101", NumberError::Invalid(uy, SHORT)),
            // Seven digits are a number's length there, and none begins like this.
            ("2900 010", NumberError::Invalid(uy, UNASSIGNED)),
            ("2900 0100 5000 00", NumberError::Invalid(uy, LONG)),
            ("7900 0100", NumberError::Invalid(uy, UNASSIGNED)),
            ("*86#", NumberError::Invalid(uy, CODE)),
            ("+999 123 456", NO_COUNTRY),
            ("+972 33142764978", NumberError::Invalid(uy, UNASSIGNED)),
            ("0800-STORM", NOT_A_NUMBER),
            ("29000100 ext 5", NOT_A_NUMBER),
            ("1.4E+10", ROUNDED),
        ] {
            assert_eq!(of("UY", field).map(|_| ()), Err(error), "{field}");
        }
        assert_eq!(
            NumberError::Invalid(uy, SHORT).to_string(),
            "not a valid number for UY: it is too short"
        );
    }

    #[test]
    fn each_trunk_gets_a_number_in_its_own_form() {
        use DialAs::{Digits, E164, Given, National};
        for (field, dial_as, dialed) in [
            ("02 900-0100 ", Given, "029000100"),
            ("+598 2900-0100", Given, "+59829000100"),
            ("2900 0100", Digits, "59829000100"),
            ("2900 0100", E164, "+59829000100"),
            ("+598 2900 0100", National, "29000100"),
            ("+598 99 123 456", National, "099123456"),
            // Abroad, as one dials from here: the national form would be somebody else's number.
            ("+54 11 4321-0000", National, "00541143210000"),
        ] {
            let number = if dial_as == Given {
                Numbering::default().read(field)
            } else {
                of("UY", field)
            };
            assert_eq!(number.unwrap().dialed(dial_as), dialed, "{field}");
        }
        let given = |field| of("UY", field).unwrap();
        assert_eq!(given("(598) 2900.0100").dialed(Given), "59829000100");
        let without = read("+598 2900").unwrap();
        assert_eq!(without.dialed(Digits), "5982900");
        let russian = of("RU", "+598 2900 0100").unwrap();
        assert_eq!(russian.dialed(National), "81059829000100");
        let american = of("US", "+1 201 555 0123").unwrap();
        assert_eq!(american.dialed(National), "2015550123");
    }

    #[test]
    fn a_subscriber_has_one_key_however_written_and_shares_it_with_nobody() {
        let key = |field: &str| read(field).unwrap().key();
        for same in ["0059829000100", "598 2900 0100", "(598) 29000100"] {
            assert_eq!(key(same), key("+59829000100"), "{same}");
        }
        assert_eq!(of("UY", "2900 0100").unwrap().key(), key("+59829000100"));
        // What is no international number is not made one.
        assert_ne!(key("000"), key("0"));
        assert_ne!(key("001234"), key("1234"));
        let mut keys: Vec<u64> = (0..100_000)
            .map(|number| key(&number.to_string()))
            .collect();
        keys.extend(["0", "00", "000", "*1", "#1", "1*", "1#", "01"].map(key));
        keys.extend([15, 16, 17, 32].map(|digits| key(&"1".repeat(digits))));
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        // 0 stands there twice.
        assert_eq!(keys.len(), all - 1);
        // Parts of a list are told by it on every machine.
        assert_eq!(key("123"), 0x234);
        assert_eq!(
            key(&"1".repeat(16)),
            1 << 63 | xxhash_rust::xxh3::xxh3_64(&[b'1'; 16])
        );
    }

    #[test]
    fn a_region_is_the_two_letters_of_a_country() {
        assert_eq!(region("uy").unwrap().to_string(), "UY");
        for name in ["", "UK", "001", "ZZ", "Uruguay", "+598"] {
            assert!(region(name).is_none(), "{name}");
        }
    }
}
