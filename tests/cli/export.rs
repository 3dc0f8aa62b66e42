//! `dialer export`: what stands in the results, for other programs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::common::process::Start as _;
use crate::common::{dialer, stderr};
use dialer::HEADER;

type Row = Vec<String>;

/// Rows that a spreadsheet would spoil: three contacts, one of them called twice, one not at all.
fn rows() -> Vec<Row> {
    const CALLED: [(&str, &str); 9] = [
        ("campaign", "storm"),
        ("counted", "yes"),
        ("trunk", "=1+1"),
        ("caller_id", "+59829000000"),
        ("dialed_at", "2026-11-23T09:30:00.950-03:00"),
        ("ended_at", "2026-11-23T09:30:29.100-03:00"),
        ("ring_seconds", "28.150"),
        ("uniqueid", "1763894050.10"),
        ("note", ""),
    ];
    let row = |contact, number, attempt, is_final, disposition, rest: &[(&str, &str)]| {
        let own = [
            ("contact", contact),
            ("number", number),
            ("attempt", attempt),
            ("final", is_final),
            ("disposition", disposition),
        ];
        let value = |column| {
            let mut all = own.iter().chain(rest);
            let value = all.find(|(name, _)| *name == column);
            value.map_or("", |(_, value)| value).to_owned()
        };
        HEADER.split(',').map(value).collect()
    };
    let note = "Peña, \"north\"\ncontacts.csv line 3: not a number";
    let uncalled = [("counted", "no"), ("note", note)];
    vec![
        row("0099123456", "+59829000101", "1", "no", "BUSY", &CALLED),
        row("@SUM(1)", "-", "0", "yes", "INVALID NUMBER", &uncalled),
        row(
            "12345678901234567890",
            "0099123457",
            "1",
            "yes",
            "ANSWERED",
            &CALLED,
        ),
        row(
            "0099123456",
            "+59829000101",
            "2",
            "yes",
            "NO ANSWER",
            &CALLED,
        ),
    ]
}

fn file(rows: &[Row]) -> Vec<u8> {
    let mut file = csv::Writer::from_writer(Vec::new());
    file.write_record(HEADER.split(',')).unwrap();
    for row in rows {
        file.write_record(row).unwrap();
    }
    file.into_inner().unwrap()
}

fn export(folder: &Path, options: &[&str]) -> Output {
    dialer()
        .arg("export")
        .arg(folder.join("storm.csv"))
        .args(options)
        .output()
        .unwrap()
}

/// What is on standard output, in silence.
fn exported(bytes: &[u8], options: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("storm.csv"), bytes).unwrap();
    let output = export(folder.path(), options);
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
    output.stdout
}

/// The fields of every row, the header's included.
fn fields(bytes: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .from_reader(bytes)
        .records()
        .map(|record| record.unwrap().iter().map(str::to_owned).collect())
        .collect()
}

#[test]
fn without_options_it_is_the_file_byte_for_byte() {
    let bytes = file(&rows());
    assert_eq!(exported(&bytes, &[]), bytes);
}

#[test]
fn fields_can_be_told_apart_by_something_else() {
    let bytes = file(&rows());
    for (given, delimiter) in [(";", b';'), ("tab", b'\t'), ("\\t", b'\t'), ("|", b'|')] {
        let exported = exported(&bytes, &["--delimiter", given]);
        assert_eq!(
            fields(&exported, delimiter),
            fields(&bytes, b','),
            "{given}"
        );
    }
    for wrong in ["", "ab", "\"", "a", "7", "ñ", "\n"] {
        let folder = tempfile::tempdir().unwrap();
        let output = export(folder.path(), &["--delimiter", wrong]);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(
            stderr(&output).contains("one character such as"),
            "{}",
            stderr(&output)
        );
    }
}

#[test]
fn a_spreadsheet_gets_its_mark_and_nothing_that_it_would_run_or_round() {
    for delimiter in [",", ";", "tab"] {
        let bytes = exported(&file(&rows()), &["--spreadsheet", "--delimiter", delimiter]);
        let Some(bytes) = bytes.strip_prefix(b"\xef\xbb\xbf") else {
            panic!("no mark");
        };
        let delimiter = if delimiter == "tab" {
            b'\t'
        } else {
            delimiter.as_bytes()[0]
        };
        let rows = fields(bytes, delimiter);
        assert!(rows[0].iter().eq(HEADER.split(',')));
        let column = |row: usize, name: &str| {
            rows[row][HEADER.split(',').position(|column| column == name).unwrap()].as_str()
        };
        assert_eq!(column(1, "number"), "\t+59829000101");
        assert_eq!(column(1, "contact"), "\t0099123456");
        assert_eq!(column(1, "uniqueid"), "\t1763894050.10");
        assert_eq!(column(1, "caller_id"), "\t+59829000000");
        assert_eq!(column(1, "trunk"), "'=1+1");
        assert_eq!(column(1, "dialed_at"), "2026-11-23 09:30:00");
        assert_eq!(column(1, "ended_at"), "2026-11-23 09:30:29");
        assert_eq!(
            (column(1, "ring_seconds"), column(1, "talk_seconds")),
            ("28", "")
        );
        assert_eq!(
            (column(1, "attempt"), column(1, "disposition")),
            ("1", "BUSY")
        );
        assert_eq!(column(2, "contact"), "'@SUM(1)");
        assert_eq!(column(2, "number"), "'-");
        assert_eq!(
            column(2, "note"),
            "Peña, \"north\"\ncontacts.csv line 3: not a number"
        );
        assert_eq!(column(3, "contact"), "\t12345678901234567890");
    }
}

#[test]
fn a_columns_name_is_no_formula_either() {
    let bytes = b"contact,disposition,=1+1,0099\na,BUSY,x,y\n";
    let bytes = exported(bytes, &["--spreadsheet"]);
    assert!(bytes.starts_with(b"\xef\xbb\xbfcontact,disposition,\"'=1+1\",\"\t0099\"\n"));
}

#[test]
fn final_is_one_row_a_contact_its_last_one_and_also_those_never_called() {
    let all = rows();
    let expected = file(&all[1..]);
    assert_eq!(exported(&file(&all), &["--final"]), expected);
    // Who has no final row yet has its last one.
    let unfinished = file(&all[..3]);
    assert_eq!(exported(&unfinished, &["--final"]), unfinished);
}

#[test]
fn results_come_through_a_pipe_as_well() {
    let bytes = file(&rows());
    for options in [&["-"][..], &["-", "--final"]] {
        let mut child = dialer()
            .arg("export")
            .args(options)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .start();
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let output = child.output();
        let expected = exported(&bytes, &options[1..]);
        assert_eq!(output.stdout, expected);
    }
}

#[test]
fn a_file_that_is_still_written_is_exported_up_to_its_last_whole_row() {
    let bytes = file(&rows());
    let whole = file(&rows()[..3]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("storm.csv"), &bytes[..bytes.len() - 9]).unwrap();
    let output = export(folder.path(), &[]);
    assert_eq!(output.stdout, whole);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("the last row is not whole and is left out"));
}

#[test]
fn what_is_no_results_is_refused_with_its_line() {
    for (bytes, says) in [
        (
            &b"name,phone\nAna,1\n"[..],
            "storm.csv holds no results: it has no column contact",
        ),
        (
            &b"contact,disposition\na,BUSY\nb\n"[..],
            "storm.csv:3: the row cannot be read (1 fields, the header has 2)",
        ),
        (
            &b""[..],
            "storm.csv holds no results: it has no header line",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("storm.csv"), bytes).unwrap();
        for options in [&[][..], &["--final"]] {
            let output = export(folder.path(), options);
            assert_eq!(output.status.code(), Some(2));
            assert!(stderr(&output).contains(says), "{}", stderr(&output));
        }
    }
    let output = export(Path::new("/nonexistent"), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nonexistent/storm.csv cannot be read: "));
}

#[test]
fn whoever_closes_the_pipe_has_enough() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storm.csv");
    let mut bytes = file(&rows());
    for _ in 0..14 {
        let rows = bytes[file(&[]).len()..].to_vec();
        bytes.extend(rows);
    }
    fs::write(&path, &bytes).unwrap();
    let mut child = dialer()
        .arg("export")
        .arg(&path)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .start();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line.as_bytes(), file(&[]));
    let status = child.wait().unwrap();
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!((status.code(), said.as_str()), (Some(0), ""));
}

#[test]
fn a_full_disk_is_said() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("storm.csv"), file(&rows())).unwrap();
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    let output = dialer()
        .arg("export")
        .arg(folder.path().join("storm.csv"))
        .stdout(full)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("standard output cannot be written"));
}

/// Opens a file as LibreOffice does, and writes it out again: text in quotes, numbers without, of a formula what
/// it comes to.
fn through_libreoffice(csv: &[u8]) -> Vec<Vec<(bool, String)>> {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("out")).unwrap();
    fs::write(path("storm.csv"), csv).unwrap();
    let output = Command::new("soffice")
        .arg(format!(
            "-env:UserInstallation=file://{}",
            path("profile").display()
        ))
        .args(["--headless", "--infilter=CSV:44,34,76,1"])
        .args([
            "--convert-to",
            "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,true,false,true",
        ])
        .arg("--outdir")
        .arg(path("out"))
        .arg(path("storm.csv"))
        .output()
        .unwrap();
    let written = fs::read_to_string(path("out/storm.csv"))
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    // No field of these tests holds a comma, a quote or a line break.
    written
        .lines()
        .map(|line| {
            line.split(',')
                .map(|cell| (cell.starts_with('"'), cell.trim_matches('"').to_owned()))
                .collect()
        })
        .collect()
}

#[test]
#[ignore = "needs LibreOffice"]
fn libreoffice_keeps_numbers_and_runs_nothing() {
    let text = |cell: &str| (true, cell.to_owned());
    let number = |cell: &str| (false, cell.to_owned());
    // What it makes of a file that nobody made safe: this test could see it.
    let unsafe_file = through_libreoffice(b"number,note\n+59829000101,=1+1\n");
    assert_eq!(unsafe_file[1], [number("59829000101"), number("2")]);

    let mut bytes =
        b"contact,number,attempt,disposition,dialed_at,talk_seconds,uniqueid,note,zip\n".to_vec();
    bytes.extend(b"0099,+59829000101,2,ANSWERED,2026-11-23T09:30:00.950-03:00,20.600,1763894050.10,=1+1,00123\n");
    bytes.extend(b"12345678901234567890,0099123456,1,BUSY,,,@SUM(1),-2+3,3/4\n");
    let rows = through_libreoffice(&exported(&bytes, &["--spreadsheet"]));
    assert_eq!(
        rows[0][0],
        text("contact"),
        "the mark is no part of the name"
    );
    assert_eq!(
        rows[1],
        [
            text("\t0099"),
            text("\t+59829000101"),
            number("2"),
            text("ANSWERED"),
            number("2026-11-23 09:30:00"), // a time, which can be sorted and subtracted
            number("21"),
            text("\t1763894050.10"),
            text("'=1+1"),
            text("\t00123"),
        ]
    );
    assert_eq!(
        [&rows[2][0], &rows[2][6], &rows[2][7], &rows[2][8]],
        [
            &text("\t12345678901234567890"),
            &text("'@SUM(1)"),
            &text("'-2+3"),
            &text("\t3/4"),
        ]
    );
}
