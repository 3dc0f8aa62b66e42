use super::*;

fn read(field: &str) -> Result<Number, NumberError> {
    Numbering(None).read(field)
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
    Numbering(Some(self::region(region).unwrap())).read(field)
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
            Numbering(None).read(field)
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
