//! What results of earlier runs tell, whatever was done to them.

use super::*;
use crate::phone_number::Numbering;
use crate::results::schema::{ResultsColumns, ResultsRow};

fn row(
    contact: &str,
    attempt: u16,
    counted: bool,
    is_final: bool,
    disposition: Disposition,
) -> ResultsRow {
    ResultsRow {
        contact: contact.to_owned(),
        attempt,
        counted,
        is_final,
        disposition: Some(disposition),
        call_id: CallId::new().to_string(),
        ..ResultsRow::default()
    }
}

fn file(rows: &[ResultsRow]) -> Vec<u8> {
    let columns = ResultsColumns::new(&[]);
    let mut bytes = columns.header();
    for row in rows {
        bytes.extend(row.to_csv(&columns));
    }
    bytes
}

fn read_bytes(bytes: &[u8], redial: &[Disposition]) -> Result<PriorRun, ResultsError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storm.csv");
    fs::write(&path, bytes).unwrap();
    let asked = Asked {
        redial,
        ..Asked::default()
    };
    read(&path, asked)
}

/// The calls of these rows, as a journal has them that was left by a crash.
fn calls(rows: &[ResultsRow]) -> BTreeSet<CallId> {
    rows.iter()
        .filter_map(|row| CallId::from_bytes(row.call_id.as_bytes()))
        .collect()
}

#[test]
fn each_contact_stands_where_its_rows_left_it() {
    let mut again = row("b", 2, true, false, Disposition::Busy);
    again.next_attempt_at = Some(
        "2026-11-23T09:30:00.250-03:00[America/Montevideo]"
            .parse()
            .unwrap(),
    );
    let rows = [
        row("a", 1, true, true, Disposition::Answered),
        row("b", 1, false, false, Disposition::Congestion),
        again,
        row("c", 1, false, false, Disposition::Cancelled),
        row("d", 0, false, true, Disposition::InvalidNumber),
    ];
    let earlier = read_bytes(&file(&rows), &[]).unwrap();
    assert!(earlier.progress("a").unwrap().is_final);
    let busy = earlier.progress("b").unwrap();
    let history = earlier.history("b", &[]);
    assert_eq!(
        (history.attempts, history.counted, history.congested),
        (2, 1, 1)
    );
    assert_eq!(busy.next().as_millisecond(), 1_795_437_000_250);
    let cancelled = earlier.progress("c").unwrap();
    assert!(!cancelled.is_final && cancelled.next() == Timestamp::UNIX_EPOCH);
    assert!(earlier.progress("d").unwrap().is_final);
    assert!(earlier.progress("e").is_none());
}

#[test]
fn a_final_row_can_be_redialed_and_the_last_one_counts() {
    let rows = [
        row("a", 3, true, true, Disposition::Unknown),
        row("b", 1, true, true, Disposition::Unknown),
        row("b", 2, true, true, Disposition::Answered),
    ];
    let earlier = read_bytes(&file(&rows), &[Disposition::Unknown]).unwrap();
    assert!(!earlier.progress("a").unwrap().is_final);
    let redialed = earlier.history("a", &[]);
    assert_eq!((redialed.attempts, redialed.counted), (3, 0));
    assert!(earlier.progress("b").unwrap().is_final);
}

#[test]
fn a_cut_anywhere_loses_no_whole_row_and_invents_none() {
    let mut multiline = row(
        "two\nlines, \"quoted\"",
        1,
        true,
        true,
        Disposition::Answered,
    );
    multiline.note = "a\r\nb".to_owned();
    let rows = [
        row("a", 1, true, true, Disposition::Busy),
        multiline,
        row("z", 1, true, true, Disposition::Failed),
    ];
    let bytes = file(&rows);
    let journal = calls(&rows);
    let asked = Asked {
        journal: Some(&journal),
        ..Asked::default()
    };
    let ends: Vec<usize> = (0..=rows.len())
        .map(|rows_before| file(&rows[..rows_before]).len())
        .collect();
    for cut in 0..=bytes.len() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("storm.csv");
        fs::write(&path, &bytes[..cut]).unwrap();
        let earlier = read(&path, asked).unwrap();
        let whole = ends.iter().filter(|&&end| end <= cut).count();
        let done = rows
            .iter()
            .filter(|row| earlier.progress(&row.contact).is_some());
        assert_eq!(done.count(), whole.saturating_sub(1), "cut at {cut}");
        let aside = earlier.repair(&path).unwrap();
        let mut kept = fs::read(&path).unwrap();
        if let Some(aside) = aside {
            kept.extend(fs::read(aside).unwrap());
        }
        assert_eq!(kept, &bytes[..cut], "nothing is lost");
    }
}

#[test]
fn who_is_being_called_once_more_is_not_done_whatever_the_last_row_says() {
    let rows = [row("a", 1, true, true, Disposition::Busy)];
    let mut earlier = read_bytes(&file(&rows), &[]).unwrap();
    for _ in 0..2 {
        earlier.note_in_flight("a");
        let progress = earlier.progress("a").unwrap();
        assert!(progress.in_flight && !progress.is_final);
        let history = earlier.history("a", &[]);
        assert_eq!((history.attempts, history.counted), (1, 0));
    }
    assert_eq!(earlier.finals(), 0);
}

#[test]
fn a_redial_that_was_cut_off_keeps_all_the_attempts_it_gave() {
    let rows = [
        row("a", 1, true, false, Disposition::Busy),
        row("a", 2, true, true, Disposition::Unknown),
        row("a", 3, false, false, Disposition::Congestion),
        row("a", 4, true, false, Disposition::Busy),
    ];
    let redialed = read_bytes(&file(&rows), &[]).unwrap();
    let history = redialed.history("a", &[]);
    let counts = (history.attempts, history.counted, history.congested);
    assert_eq!(counts, (4, 1, 1), "those from before it count no more");
    // Asked for once more, nothing changes: its last row is not a final one.
    let again = read_bytes(&file(&rows), &[Disposition::Unknown]).unwrap();
    assert_eq!(again.history("a", &[]), history);
    assert_eq!(again.progress("a"), redialed.progress("a"));
}

#[test]
fn who_was_called_lately_is_told_where_that_is_asked_for() {
    let at = |text: &str| Some(text.parse().unwrap());
    let mut rows = [
        row("a", 1, true, false, Disposition::Busy),
        row("a", 2, true, false, Disposition::Busy),
        row("b", 1, false, false, Disposition::Congestion),
    ];
    rows[0].dialed_at = at("2026-11-20T12:00:00Z[UTC]");
    rows[1].dialed_at = at("2026-11-23T12:00:00Z[UTC]");
    rows[2].dialed_at = at("2026-11-23T12:00:00Z[UTC]");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storm.csv");
    fs::write(&path, file(&rows)).unwrap();
    let noon: Timestamp = "2026-11-23T12:00:00Z".parse().unwrap();
    let calls = |since| {
        let asked = Asked {
            since,
            ..Asked::default()
        };
        read(&path, asked).unwrap().calls
    };
    assert_eq!(
        calls(Some(noon - jiff::SignedDuration::from_hours(24))),
        [("a".to_owned(), noon)]
    );
    assert_eq!(calls(None), []);
}

#[test]
fn a_number_that_does_not_exist_is_called_again_only_when_the_contact_is_redialed() {
    let invalid = ResultsRow {
        number: "100".to_owned(),
        ..row("a", 1, true, true, Disposition::InvalidNumber)
    };
    let numbers = ["100", "200"].map(|number| Numbering(None).read(number).unwrap());
    let left = |redial: &[Disposition]| {
        let earlier = read_bytes(&file(std::slice::from_ref(&invalid)), redial).unwrap();
        let history = earlier.history("a", &numbers);
        history.numbers(2).collect::<Vec<_>>()
    };
    assert_eq!(left(&[]), [1]);
    assert_eq!(left(&[Disposition::InvalidNumber]), [0, 1]);
}

#[test]
fn after_a_restart_the_next_number_is_called_and_not_the_same() {
    let numbers = ["100", "200", "300"].map(|number| Numbering(None).read(number).unwrap());
    let order = |number: &str, disposition: Disposition| {
        let called = ResultsRow {
            number: number.to_owned(),
            ..row(
                "a",
                1,
                disposition != Disposition::Cancelled,
                false,
                disposition,
            )
        };
        let earlier = read_bytes(&file(&[called]), &[]).unwrap();
        let history = earlier.history("a", &numbers);
        history.numbers(3).collect::<Vec<_>>()
    };
    assert_eq!(order("100", Disposition::Busy), [1, 2, 0]);
    assert_eq!(order("200", Disposition::NoAnswer), [2, 0, 1]);
    assert_eq!(order("300", Disposition::Busy), [0, 1, 2]);
    // The trunk's fault, or the operator's: it is that number's turn again.
    assert_eq!(order("200", Disposition::Congestion), [1, 2, 0]);
    assert_eq!(order("200", Disposition::Cancelled), [1, 2, 0]);
}

/// What is read of a file, and the file after its repair.
fn read_from(
    bytes: &[u8],
    journal: Option<&BTreeSet<CallId>>,
) -> (Result<PriorRun, ResultsError>, Vec<u8>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("storm.csv");
    fs::write(&path, bytes).unwrap();
    let asked = Asked {
        journal,
        ..Asked::default()
    };
    let earlier = read(&path, asked);
    if let Ok(earlier) = &earlier {
        earlier.repair(&path).unwrap();
    }
    (earlier, fs::read(&path).unwrap())
}

#[test]
fn a_last_row_without_its_line_end_is_torn_only_if_its_call_is_in_the_journal() {
    let mut last = row("two\nlines", 1, true, true, Disposition::Answered);
    last.note = "a, b".to_owned();
    let rows = [row("a", 1, true, true, Disposition::Busy), last];
    let bytes = file(&rows);
    let cut = &bytes[..bytes.len() - 1];
    // An editor took it: without a crash there is no journal, and after one it knows the calls that were running.
    for journal in [None, Some(&calls(&rows[..1]))] {
        let (earlier, after) = read_from(cut, journal);
        let earlier = earlier.unwrap();
        assert_eq!(earlier.tail, Tail::WholeRow);
        assert!(earlier.progress("two\nlines").unwrap().is_final);
        assert_eq!(after, bytes);
    }
    let (earlier, after) = read_from(cut, Some(&calls(&rows)));
    let earlier = earlier.unwrap();
    assert!(matches!(earlier.tail, Tail::Torn(_)));
    assert!(earlier.progress("two\nlines").is_none());
    assert_eq!(after, file(&rows[..1]));
}

#[test]
fn what_no_crash_cut_off_is_not_set_aside() {
    let mut last = row("two\nlines", 1, true, true, Disposition::Answered);
    last.note = "a, b".to_owned();
    let rows = [row("a", 1, true, true, Disposition::Busy), last];
    let bytes = file(&rows);
    let before = file(&rows[..1]).len();
    let at_line_break = before + memchr::memchr(b'\n', &bytes[before..]).unwrap() + 1;
    let two_in_one = [&bytes[..before - 1], &bytes[..before - 1]].concat();
    for (cut, journal, says) in [
        // Its call is whole and has its row, so that row was durable.
        (&bytes[..bytes.len() - 3], Some(&calls(&rows[..1])), ":3: "),
        // A line end within a field is where a mark was lost, and hardly where a crash cuts.
        (&bytes[..at_line_break], None, ":3: "),
        (&two_in_one[..], None, ":2: "),
    ] {
        let (earlier, after) = read_from(cut, journal);
        let error = earlier.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(after, cut);
    }
}

#[test]
fn a_lost_quotation_mark_takes_nobody_s_outcome_away() {
    let mut quoted = row("a, b", 1, true, true, Disposition::Answered);
    quoted.note = "one, two".to_owned();
    let plain = |contact| row(contact, 1, true, true, Disposition::Busy);
    let rows = [plain("x"), quoted.clone(), plain("y"), quoted, plain("z")];
    let bytes = file(&rows);
    let journal = calls(&rows);
    let marks = memchr::memchr_iter(b'"', &bytes).collect::<Vec<_>>();
    assert_eq!(marks.len(), 8);
    for mark in marks {
        let mut lost = bytes.clone();
        lost.remove(mark);
        let line = bytes[..mark].split(|&byte| byte == b'\n').count();
        for journal in [None, Some(&journal)] {
            let (earlier, after) = read_from(&lost, journal);
            let error = earlier.unwrap_err().to_string();
            assert!(error.contains(&format!("storm.csv:{line}: ")), "{error}");
            assert_eq!(after, lost, "it is left as it is");
        }
    }
}

#[test]
fn what_cannot_be_continued_is_left_as_it_is() {
    for (bytes, says) in [
        (&b"a,b\n1,2\n"[..], "it has no column contact"),
        (&b"contact,attempt,final,disposition\n"[..], "it has no column counted"),
        (&b"contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1\n"[..], "2: the row cannot be read (2 fields"),
        (&b"contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\na,1,yes,yes,NOPE,,,\n"[..], "2: the row cannot be read (\"NOPE\" is no disposition"),
    ] {
        let error = read_bytes(bytes, &[]).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn a_rehearsal_is_told_apart_and_calls_of_the_journal_are_found() {
    let mut rehearsed = row("a", 1, true, true, Disposition::Busy);
    rehearsed.note = "simulated".to_owned();
    let bytes = file(&[rehearsed.clone()]);
    assert!(read_bytes(&bytes, &[]).unwrap().simulated);
    let known = CallId::from_bytes(rehearsed.call_id.as_bytes()).unwrap();
    let journal = BTreeSet::from([known, CallId::new()]);
    let (earlier, _) = read_from(&bytes, Some(&journal));
    assert_eq!(earlier.unwrap().settled, BTreeSet::from([known]));
}
