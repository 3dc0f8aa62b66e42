use std::io::Write as _;

use proptest::prelude::*;

use super::*;

type FieldsAt = (u64, Vec<Vec<u8>>);

fn file(text: &[u8]) -> Arc<File> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(text).unwrap();
    Arc::new(file)
}

/// The rows with the offset of each, or why they cannot be read.
fn scan(text: &[u8], buffer: usize) -> Result<Vec<FieldsAt>, (String, u64, u64)> {
    let start = Position { offset: 0, line: 1 };
    let mut reader = CsvReader::new(file(text), start, b",", buffer);
    let (mut row, mut rows) = (CsvRow::default(), Vec::new());
    loop {
        match reader.read(&mut row) {
            Ok(false) => return Ok(rows),
            Ok(true) => {
                let before = &text[..usize::try_from(row.at.offset).unwrap()];
                assert_eq!(row.at.line, lines(before), "{:?}", before.escape_ascii());
                let fields = row.fields().map(<[u8]>::to_vec).collect();
                rows.push((row.at.offset, fields));
            }
            Err(error) => {
                let InvalidCsv { at, message } = error.downcast().unwrap();
                return Err((message, at.line, at.column));
            }
        }
    }
}

/// The line of what follows this text, in the plainest way.
fn lines(before: &[u8]) -> u64 {
    let text = String::from_utf8_lossy(before)
        .replace("\r\n", "\n")
        .replace('\r', "\n");
    1 + text.matches('\n').count() as u64
}

/// The same rows by the `csv` crate.
fn reference(text: &[u8]) -> Vec<Vec<Vec<u8>>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .trim(csv::Trim::All)
        .from_reader(text)
        .byte_records()
        .map(|record| record.unwrap().iter().map(<[u8]>::to_vec).collect())
        .filter(|fields: &Vec<Vec<u8>>| !fields.iter().all(Vec::is_empty))
        .collect()
}

proptest! {
    #[test]
    fn rows_are_those_of_the_csv_crate_whatever_the_buffer(text in "[ab ,\"\r\n]{0,40}", buffer in 1..9_usize) {
        let text = text.as_bytes();
        let rows = scan(text, buffer);
        prop_assert_eq!(&rows, &scan(text, STREAM));
        if let Ok(rows) = rows {
            let fields: Vec<_> = rows.iter().map(|(_, fields)| fields.clone()).collect();
            prop_assert_eq!(fields, reference(text));
            // Each row reads the same from its own place.
            for (offset, fields) in rows {
                let rest = &text[usize::try_from(offset).unwrap()..];
                prop_assert_eq!(&scan(rest, ONE_ROW).unwrap()[0].1, &fields);
            }
        }
    }

    #[test]
    fn what_is_written_by_the_rules_is_read_as_it_was_meant(
        rows in prop::collection::vec(prop::collection::vec("[ab ,\"\r\né]{0,6}", 2..4), 1..5),
        end in "\n|\r\n|\r",
        buffer in 1..9_usize,
    ) {
        let mut text = String::new();
        for row in &rows {
            let fields: Vec<String> =
                row.iter().map(|field| format!("\"{}\"", field.replace('"', "\"\""))).collect();
            text.push_str(&fields.join(","));
            text.push_str(&end);
        }
        let trimmed = |row: &Vec<String>| -> Vec<Vec<u8>> {
            row.iter().map(|field| field.as_bytes().trim_ascii().to_vec()).collect()
        };
        let expected: Vec<_> =
            rows.iter().map(trimmed).filter(|row| !row.iter().all(Vec::is_empty)).collect();
        let read = scan(text.as_bytes(), buffer).unwrap();
        prop_assert_eq!(read.into_iter().map(|(_, fields)| fields).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn rows_longer_than_every_buffer_are_read_whole() {
    let text = format!("{},{}\n1,2\n", "x".repeat(5000), ",".repeat(300));
    let rows = scan(text.as_bytes(), 64).unwrap();
    assert_eq!((rows[0].1[0].len(), rows[0].1.len()), (5000, 302));
    assert_eq!(rows[1].1, [b"1", b"2"]);
}

#[test]
fn a_quotation_mark_out_of_place_is_told_with_line_and_column() {
    for (text, message, line, column) in [
        ("n,x\n1,\"A\n2,\"B\n", "the field begins on line 2", 3, 4),
        ("1,\"a\r\nb\" ,\"é\"x", "the field begins on line 2", 2, 8),
        ("1,\"A\"\" \"x\n", "the field begins on line 1", 1, 9),
        ("é,\"a\"\r\nü,\"b\rc", "never closed", 2, 3),
        ("a\n\"", "never closed", 2, 1),
    ] {
        for buffer in [1, 3, STREAM] {
            let fault = scan(text.as_bytes(), buffer).unwrap_err();
            assert!(fault.0.contains(message), "{text:?}: {fault:?}");
            assert_eq!((fault.1, fault.2), (line, column), "{text:?}");
        }
    }
    // Within a field that does not begin with one, it is a sign like any other.
    let rows = scan(b"1,7\" pipe,\"b\" \t\n", STREAM).unwrap();
    assert_eq!(rows[0].1, [&b"1"[..], b"7\" pipe", b"b"]);
}

#[test]
fn a_row_that_never_ends_takes_no_memory() {
    for text in ["x".repeat(2 * MAX_ROW), ",".repeat(2 * MAX_ROW)] {
        for quote in ["", "\""] {
            let text = format!("a\n{quote}{text}");
            let fault = scan(text.as_bytes(), STREAM).unwrap_err();
            assert!(fault.0.contains("longer than") && fault.1 == 2, "{fault:?}");
        }
    }
}

#[test]
fn a_field_is_found_again_by_line_and_column() {
    let mut reader =
        CsvReader::open(file("\u{feff}\nä,\"b\r\n\",é,x\n".as_bytes()), b",", STREAM).unwrap();
    let mut row = CsvRow::default();
    assert!(reader.read(&mut row).unwrap());
    let places: Vec<_> = (0..4)
        .map(|field| reader.location(&row, field).unwrap())
        .collect();
    let places: Vec<_> = places.iter().map(|at| (at.line, at.column)).collect();
    assert_eq!(places, [(2, 1), (2, 3), (3, 3), (3, 5)]);
    assert!((row.at.line, row.last_line, row.is_complete) == (2, 3, true));
}
