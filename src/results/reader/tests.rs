//! What is read of results, and what is an error.

use proptest::prelude::*;

use super::*;
use crate::results::schema::ResultsColumns;

/// The fields of all rows with their lines, and the bytes behind them.
fn rows(bytes: &[u8]) -> (Vec<(u64, Vec<String>)>, Vec<u8>) {
    let mut reader = ResultsReader::new(bytes, "storm.csv").unwrap();
    let mut rows = vec![(1, reader.columns.clone())];
    while let Some(record) = reader.next().unwrap() {
        let fields = record.fields().map(str::to_owned).collect();
        rows.push((record.position.line, fields));
    }
    assert_eq!(
        reader.whole + reader.tail().len() as u64,
        bytes.len() as u64
    );
    (rows, reader.tail().to_vec())
}

fn error(bytes: &[u8]) -> String {
    let error = ResultsReader::new(bytes, "storm.csv").and_then(|mut reader| {
        OutcomeColumns::of(&reader)?;
        while reader.next()?.is_some() {}
        Ok(())
    });
    error.unwrap_err().to_string()
}

proptest! {
    #[test]
    fn what_is_written_is_read_field_by_field(written in prop::collection::vec(
        prop::collection::vec("[ab ,\"\r\nü]{0,6}", 3), 1..6))
    {
        let mut bytes = b"a,b,c\n".to_vec();
        bytes.extend(written.iter().flat_map(|fields| ResultsColumns::of_file(fields.clone(), &[]).header()));
        let (rows, tail) = rows(&bytes);
        prop_assert!(tail.is_empty());
        let read: Vec<_> = rows.into_iter().skip(1).map(|(_, fields)| fields).collect();
        prop_assert_eq!(read, written);
    }
}

#[test]
fn rows_have_their_lines_whatever_ends_them() {
    let (rows, tail) = rows(b"a,b\r\n\"two\nlines\",\n\n1,2\ntor");
    let lines: Vec<_> = rows.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, [1, 2, 5]);
    assert_eq!(rows[0].1, ["a", "b"]);
    assert_eq!(tail, b"tor");
}

#[test]
fn columns_are_found_by_name_and_a_missing_one_is_empty() {
    let bytes = &b"\xef\xbb\xbfb, a\n1, x \n"[..];
    let mut reader = ResultsReader::new(bytes, "storm.csv").unwrap();
    assert_eq!(reader.columns, ["b", "a"]);
    let (a, none) = (reader.required("a").unwrap(), reader.column("none"));
    let record = reader.next().unwrap().unwrap();
    assert_eq!((record.get(a), record.get(none)), ("x", ""));
    assert!(reader.next().unwrap().is_none());
}

#[test]
fn a_cut_anywhere_leaves_out_the_torn_row_and_no_other() {
    let whole = b"a,b\n1,x\n2,\"two\nlines, \"\"quoted\"\"\"\n3,z\n";
    let ends = [4, 8, 34, 38];
    assert_eq!(whole.len(), ends[3]);
    for cut in ends[0]..=whole.len() {
        let (rows, tail) = rows(&whole[..cut]);
        let expected = ends.iter().filter(|&&end| end <= cut).count();
        assert_eq!(rows.len(), expected, "cut at {cut}");
        assert_eq!(tail.is_empty(), ends.contains(&cut), "cut at {cut}");
    }
}

#[test]
fn what_is_no_results_is_an_error_with_its_line() {
    let columns = "contact,attempt,final,disposition\n";
    let no_header = "storm.csv holds no results: it has no header line";
    for (bytes, says) in [
        (String::new(), no_header),
        ("contact,disp".to_owned(), no_header),
        (
            "a,b\n".to_owned(),
            "storm.csv holds no results: it has no column contact",
        ),
        (
            format!("{columns}\"two\nlines\",1,no,BUSY\n1\n2,1,no,BUSY\n"),
            "storm.csv:4: the row cannot be read (1 fields, the header has 4)",
        ),
    ] {
        assert_eq!(error(bytes.as_bytes()), says);
    }
    let bytes = [columns.as_bytes(), b"1,1,no,\xff\n2,1,no,BUSY\n"].concat();
    assert!(error(&bytes).starts_with("storm.csv:2: the row cannot be read"));
}
