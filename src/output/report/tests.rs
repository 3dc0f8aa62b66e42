use std::time::Duration;

use jiff::Zoned;

use super::*;
use crate::results::reader::{ResultsError, ResultsReader};
use crate::results::schema::{self, ResultsRow};

fn at(time: &str) -> Zoned {
    format!("2026-11-23T{time}[America/Montevideo]")
        .parse()
        .unwrap()
}

fn call(contact: &str, attempt: u16, is_final: bool, disposition: Disposition) -> ResultsRow {
    let picked_up = disposition.picked_up();
    ResultsRow {
        campaign: "storm".to_owned(),
        contact: contact.to_owned(),
        number: "+59829000101".to_owned(),
        attempt,
        counted: disposition != Disposition::Congestion,
        is_final,
        disposition: Some(disposition),
        trunk: "carrier".to_owned(),
        dialed_at: Some(at("09:30:00.250")),
        answered_at: Some(at("09:30:08")).filter(|_| picked_up),
        ended_at: Some(at("09:30:30")),
        ring: Some(Duration::from_millis(7_750)),
        talk: Some(Duration::from_secs(22)).filter(|_| picked_up),
        ..ResultsRow::default()
    }
}

fn without_call(contact: &str, disposition: Disposition) -> ResultsRow {
    ResultsRow {
        campaign: "storm".to_owned(),
        contact: contact.to_owned(),
        number: "+59829000102".to_owned(),
        is_final: true,
        disposition: Some(disposition),
        ..ResultsRow::default()
    }
}

/// One of everything that a campaign can hold.
fn campaign() -> Vec<ResultsRow> {
    use Disposition::{
        Answered, Busy, Congestion, Duplicate, InvalidNumber, Machine, NoAnswer, Short, Suppressed,
    };
    let mut late = call("e", 2, true, NoAnswer);
    late.dialed_at = Some(at("20:59:59"));
    late.trunk = "reserve".to_owned();
    vec![
        without_call("x", Duplicate),
        call("a", 1, true, Answered),
        call("b", 1, false, Busy),
        call("b", 2, true, Machine),
        call("c", 1, false, Congestion),
        call("d", 1, true, Short),
        call("e", 1, false, NoAnswer),
        late,
        without_call("y", InvalidNumber),
        // Opted out after a call: the row without a call is the final one.
        call("f", 1, false, Busy),
        ResultsRow {
            attempt: 1,
            ..without_call("f", Suppressed)
        },
    ]
}

fn of(rows: &[ResultsRow]) -> Figures {
    read_back(&csv(rows)).unwrap()
}

fn csv(rows: &[ResultsRow]) -> Vec<u8> {
    let columns = schema::ResultsColumns::new(&[]);
    let mut bytes = columns.header();
    for row in rows {
        bytes.extend(row.to_csv(&columns));
    }
    bytes
}

fn read_back(bytes: &[u8]) -> Result<Figures, ResultsError> {
    let mut reader = ResultsReader::new(bytes, "storm.csv").unwrap();
    let columns = ReportColumns::of(&reader)?;
    let mut report = CampaignReport::default();
    while let Some(record) = reader.next()? {
        report.add(&columns.read(&record)?);
    }
    Ok(report.figures(reader.is_torn()))
}

#[test]
fn the_funnel_counts_each_contact_once_however_often_it_was_called() {
    let figures = of(&campaign());
    let contacts = figures.contacts;
    assert_eq!(contacts.in_results, 8);
    assert_eq!((contacts.called, contacts.not_called), (6, 2));
    assert_eq!((contacts.reached, contacts.answered), (3, 1));
    assert_eq!((contacts.finished, contacts.pending), (7, 1));
    assert_eq!(figures.answer_rate, Some(0.5));
    let attempts = figures.attempts;
    assert_eq!(
        (attempts.total, attempts.counted, attempts.picked_up),
        (8, 7, 3)
    );
    let suppressed = figures.dispositions[Disposition::Suppressed];
    assert_eq!(
        (
            suppressed.contacts,
            suppressed.attempts,
            suppressed.not_called
        ),
        (1, 0, 0),
        "it was called before"
    );
    let duplicate = figures.dispositions[Disposition::Duplicate];
    assert_eq!(
        (duplicate.contacts, duplicate.attempts, duplicate.not_called),
        (1, 0, 1)
    );
    let busy = figures.dispositions[Disposition::Busy];
    assert_eq!((busy.contacts, busy.attempts), (0, 2));
}

#[test]
fn whoever_was_picked_up_once_was_reached_whatever_came_after() {
    let figures = of(&[
        call("a", 1, false, Disposition::Machine),
        call("a", 2, true, Disposition::Busy),
    ]);
    assert_eq!(figures.contacts.reached, 1);
    assert_eq!(figures.contacts.answered, 0);
    assert_eq!(figures.dispositions[Disposition::Busy].contacts, 1);
}

#[test]
fn after_a_redial_the_last_row_counts() {
    let figures = of(&[
        call("a", 1, true, Disposition::Unknown),
        call("a", 2, true, Disposition::Answered),
        call("b", 1, true, Disposition::Unknown),
        call("b", 2, false, Disposition::Busy),
    ]);
    assert_eq!(figures.dispositions[Disposition::Unknown].contacts, 0);
    assert_eq!(figures.dispositions[Disposition::Answered].contacts, 1);
    assert_eq!(figures.contacts.pending, 1);
}

#[test]
fn the_hour_is_that_of_the_clock_on_the_wall() {
    let hours = of(&campaign()).hours;
    assert_eq!(hours.len(), 24);
    let dialed: Vec<_> = hours
        .iter()
        .filter(|hour| hour.calls.total() > 0)
        .map(|hour| (hour.key.clone(), hour.calls.total(), hour.calls.picked_up()))
        .collect();
    assert_eq!(
        dialed,
        [(GroupKey::Hour(9), 7, 3), (GroupKey::Hour(20), 1, 0)]
    );
}

#[test]
fn a_file_that_lacks_columns_has_fewer_figures_and_no_wrong_ones() {
    let bytes =
        b"disposition,final,attempt,contact\nBUSY,no,1,a\nANSWERED,yes,2,a\nSUPPRESSED,yes,0,b\n";
    let figures = read_back(bytes).unwrap();
    assert_eq!((figures.contacts.called, figures.contacts.reached), (1, 1));
    assert_eq!(figures.attempts.total, 2);
    assert!(figures.hours.is_empty() && figures.durations.talk.calls == 0);
    assert_eq!(
        read_back(b"disposition,attempt,contact\n")
            .unwrap_err()
            .to_string(),
        "storm.csv holds no results: it has no column final"
    );
}

#[test]
fn a_row_that_makes_no_sense_is_said_and_not_counted() {
    for (row, says) in [
        ("a,x,yes,BUSY,,,", "attempt \"x\" is no number of calls"),
        (
            "a,1,perhaps,BUSY,,,",
            "final \"perhaps\" is neither yes nor no",
        ),
        ("a,1,yes,ENGAGED,,,", "\"ENGAGED\" is no disposition"),
        ("a,1,yes,BUSY,noon,,", "dialed_at \"noon\" is no time"),
        (
            "a,1,yes,BUSY,,-1,",
            "ring_seconds \"-1\" is no number of seconds",
        ),
        (
            "a,1,yes,BUSY,,,nan",
            "talk_seconds \"nan\" is no number of seconds",
        ),
    ] {
        let file = format!(
            "contact,attempt,final,disposition,dialed_at,ring_seconds,talk_seconds\n{row}\n"
        );
        let error = read_back(file.as_bytes()).unwrap_err().to_string();
        assert!(
            error.starts_with("storm.csv:2: ") && error.contains(says),
            "{error}"
        );
    }
}

#[test]
fn a_rehearsal_and_a_torn_row_are_said_in_every_form() {
    let mut row = call("a", 1, true, Disposition::Answered);
    row.note = "simulated: whatever".to_owned();
    let torn = [&csv(&[row])[..], b"torn"].concat();
    let figures = read_back(&torn).unwrap();
    assert!(
        figures
            .json()
            .unwrap()
            .contains(r#""simulated":true,"torn":true"#)
    );
    for said in [text(&figures), page(&figures)] {
        assert!(said.to_lowercase().contains("rehearsal"), "{said}");
        assert!(
            said.contains("the last row is not whole")
                || said.contains("The last row is not whole"),
            "{said}"
        );
    }
    let plain = of(&campaign());
    for said in [text(&plain), page(&plain)] {
        assert!(!said.to_lowercase().contains("rehearsal"), "{said}");
        assert!(!said.contains("not whole"), "{said}");
    }
}

#[test]
fn no_form_shows_a_number_or_a_contact() {
    let mut row = call("contact-7", 1, true, Disposition::Answered);
    row.caller_id = "Storm Desk <+59829000000>".to_owned();
    let figures = of(&[row]);
    for said in [text(&figures), page(&figures), figures.json().unwrap()] {
        assert!(!said.contains("59829000"), "{said}");
        assert!(!said.contains("contact-7"), "{said}");
    }
}

#[test]
fn no_line_of_the_text_is_wider_than_80_columns() {
    let mut rows = campaign();
    for number in 1..=12 {
        let mut row = call("z", number, false, Disposition::NoAnswer);
        row.trunk = format!("a-trunk-with-a-very-long-name-{number}");
        row.campaign = "campaign ".repeat(number.into());
        rows.push(row);
    }
    let mut figures = of(&rows);
    for trunk in &mut figures.trunks {
        for disposition in Disposition::ALL {
            trunk.calls[disposition] *= 1_000_000;
        }
    }
    figures.contacts.in_results = 100_000_000;
    let text = text(&figures);
    for line in text.lines() {
        assert!(line.chars().count() <= 80, "{line}");
        assert_eq!(line, line.trim_end());
    }
    assert!(text.contains("8 or more"), "{text}");
}

#[test]
fn nothing_from_the_results_is_markup() {
    let mut row = call("a", 1, true, Disposition::Answered);
    row.campaign = "<script>alert('1')</script>".to_owned();
    row.trunk = "\"><img src=x onerror=\"&".to_owned();
    let page = page(&of(&[row]));
    assert!(
        !page.contains("<script") && !page.contains("<img"),
        "{page}"
    );
    assert!(page.contains("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;"));
    assert!(page.contains("&quot;&gt;&lt;img src=x onerror=&quot;&amp;"));
}

/// No script, nothing to load, and every element closed again.
#[test]
fn the_page_stands_alone_and_is_well_formed() {
    for figures in [of(&campaign()), of(&[])] {
        let page = page(&figures);
        for word in [
            "http:", "https:", "src=", "href=", "url(", "@import", "<script",
        ] {
            assert!(!page.contains(word), "{word}");
        }
        let mut open = Vec::new();
        for tag in page.split('<').skip(1) {
            let name: String = tag
                .trim_start_matches('/')
                .chars()
                .take_while(char::is_ascii_alphanumeric)
                .collect();
            if tag.starts_with('/') {
                assert_eq!(open.pop(), Some(name), "<{tag}");
            } else if !tag.starts_with('!') && name != "meta" {
                open.push(name);
            }
        }
        assert_eq!(open, [""; 0]);
        assert!(page.contains("prefers-color-scheme: dark"));
        assert!(page.contains("name=\"viewport\""));
    }
}

/// A bar draws what the other cells of its row say.
#[test]
fn every_bar_is_hidden_from_those_who_hear_the_page() {
    let page = page(&of(&campaign()));
    assert!(page.matches("<table").count() >= 6);
    let bars = page.matches("<td class=\"bar\"").count();
    let hidden = page.matches("<td class=\"bar\" aria-hidden=\"true\">");
    assert!(bars > 3 && bars == hidden.count());
}

#[test]
fn a_length_of_time_knows_its_order_across_zones() {
    let earlier: Zoned = "2026-11-23T23:30:00[America/Montevideo]".parse().unwrap();
    let later: Zoned = "2026-11-24T02:31:00[UTC]".parse().unwrap();
    let mut first = call("a", 1, true, Disposition::Answered);
    first.dialed_at = Some(later.clone());
    first.ended_at = Some(earlier.clone());
    let mut second = first.clone();
    second.dialed_at = Some(earlier);
    second.ended_at = Some(later);
    let figures = of(&[first, second]);
    let json = figures.json().unwrap();
    assert!(
        json.contains(r#""first_dialed_at":"2026-11-23T23:30:00.000-03:00""#),
        "{json}"
    );
    assert!(
        json.contains(r#""last_ended_at":"2026-11-24T02:31:00.000+00:00""#),
        "{json}"
    );
    assert!(
        text(&figures).contains("2026-11-23 23:30:00 -03:00 to 2026-11-24 02:31:00 +00:00, 1m 00s")
    );
}
