//! One row of the results, and the columns it stands in.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Zoned;

use crate::call::observations::Cause;
use crate::clock::push_rfc3339;
use crate::disposition::Disposition;

/// The columns of the results in their order. Scripts depend on them: none is renamed or moved.
pub const COLUMNS: [&str; 22] = [
    "campaign",
    "contact",
    "number",
    "attempt",
    "counted",
    "final",
    "disposition",
    "cause",
    "cause_text",
    "sip_code",
    "trunk",
    "caller_id",
    "dialed_at",
    "answered_at",
    "ended_at",
    "ring_seconds",
    "talk_seconds",
    "next_attempt_at",
    "call_id",
    "uniqueid",
    "linkedid",
    "note",
];

/// One attempt, or a contact that will not be called. A value that does not exist is `None` or empty.
#[derive(Debug, Clone, Default)]
pub struct ResultsRow {
    /// The campaign's name.
    pub campaign: String,
    /// The contact's id.
    pub contact: String,
    /// The number as it was dialed, or as the list gives it where it is none.
    pub number: String,
    /// The contact's calls, this one included; 0 where none was made.
    pub attempt: u16,
    /// It used one of `max_attempts`.
    pub counted: bool,
    /// The contact will not be called again.
    pub is_final: bool,
    /// The outcome.
    pub disposition: Option<Disposition>,
    /// The Q.850 cause of the leg that decided.
    pub cause: Option<Cause>,
    /// The SIP code that the far end sent.
    pub sip_code: Option<u16>,
    /// The trunk's name.
    pub trunk: String,
    /// The caller id that was sent.
    pub caller_id: String,
    /// When the Originate was written.
    pub dialed_at: Option<Zoned>,
    /// When it was answered.
    pub answered_at: Option<Zoned>,
    /// When it ended.
    pub ended_at: Option<Zoned>,
    /// From the Originate to the answer, or to the end where there was none.
    pub ring: Option<Duration>,
    /// From the answer to the end.
    pub talk: Option<Duration>,
    /// When the contact is called again at the earliest.
    pub next_attempt_at: Option<Zoned>,
    /// The attempt's own id.
    pub call_id: String,
    /// Asterisk's Uniqueid of the channel.
    pub uniqueid: String,
    /// Asterisk's Linkedid.
    pub linkedid: String,
    /// What a reader should know, in words.
    pub note: String,
    /// The values of the campaign's own columns, in their order: what is kept of the list, then what was captured.
    pub own: Vec<String>,
}

/// The columns of a file, in its order: those of [`COLUMNS`], then the campaign's own, or those that an earlier run had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsColumns {
    names: Vec<String>,
    fields: Vec<Field>,
}

/// What stands in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    /// One of [`COLUMNS`], by its place.
    Known(usize),
    /// One of [`ResultsRow::own`], by its place.
    Own(usize),
    /// Nothing that this campaign knows.
    Unknown,
}

impl ResultsColumns {
    /// The columns of new results; `own` are the campaign's.
    pub fn new(own: &[String]) -> Self {
        let names = COLUMNS.iter().map(|name| (*name).to_owned());
        Self::of_file(names.chain(own.iter().cloned()).collect(), own)
    }

    /// The columns of results that are continued. A column of theirs that is not known is left empty.
    pub fn of_file(names: Vec<String>, own: &[String]) -> Self {
        let fields = names
            .iter()
            .map(|name| {
                let known = COLUMNS.iter().position(|column| column == name);
                let own = || own.iter().position(|column| column == name);
                known
                    .map(Field::Known)
                    .or_else(|| own().map(Field::Own))
                    .unwrap_or(Field::Unknown)
            })
            .collect();
        Self { names, fields }
    }

    /// Their names.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The header line.
    pub fn header(&self) -> Vec<u8> {
        let mut line = String::new();
        for name in &self.names {
            push_field(&mut line, name, ',');
        }
        end(line)
    }
}

impl ResultsRow {
    /// The row as one line of CSV (RFC 4180 quoting, ended by `\n`), in the columns of a file.
    pub fn to_csv(&self, columns: &ResultsColumns) -> Vec<u8> {
        let mut line = String::with_capacity(384);
        for field in &columns.fields {
            match *field {
                Field::Known(place) => self.push(&mut line, COLUMNS[place]),
                Field::Own(place) => {
                    let field = self.own.get(place).map_or("", String::as_str);
                    push_field(&mut line, field, ',');
                }
                Field::Unknown => line.push(','),
            }
        }
        end(line)
    }

    /// Appends one of [`COLUMNS`] and a comma. What is not text needs no quoting.
    fn push(&self, line: &mut String, column: &str) {
        let text = match column {
            "campaign" => &self.campaign,
            "contact" => &self.contact,
            "number" => &self.number,
            "disposition" => self.disposition.map_or("", Disposition::as_str),
            "cause_text" => self.cause.as_ref().map_or("", |cause| &cause.text),
            "trunk" => &self.trunk,
            "caller_id" => &self.caller_id,
            "call_id" => &self.call_id,
            "uniqueid" => &self.uniqueid,
            "linkedid" => &self.linkedid,
            "note" => &self.note,
            "counted" => yes_no(self.counted),
            "final" => yes_no(self.is_final),
            _ => {
                self.push_figure(line, column);
                line.push(',');
                return;
            }
        };
        push_field(line, text, ',');
    }

    fn push_figure(&self, line: &mut String, column: &str) {
        let time = match column {
            "dialed_at" => &self.dialed_at,
            "answered_at" => &self.answered_at,
            "ended_at" => &self.ended_at,
            "next_attempt_at" => &self.next_attempt_at,
            _ => &None,
        };
        if let Some(time) = time {
            push_rfc3339(line, time);
            return;
        }
        let number = match column {
            "attempt" => Some(self.attempt),
            "cause" => self.cause.as_ref().map(|cause| cause.code),
            "sip_code" => self.sip_code,
            _ => None,
        };
        let seconds = match column {
            "ring_seconds" => self.ring,
            "talk_seconds" => self.talk,
            _ => None,
        };
        // Writing to a string cannot fail.
        let _ = match (number, seconds) {
            (Some(number), _) => write!(line, "{number}"),
            (None, Some(seconds)) => {
                write!(line, "{}.{:03}", seconds.as_secs(), seconds.subsec_millis())
            }
            (None, None) => Ok(()),
        };
    }
}

fn yes_no(of: bool) -> &'static str {
    if of { "yes" } else { "no" }
}

/// Appends a field and what stands behind it.
pub(crate) fn push_field(line: &mut String, field: &str, delimiter: char) {
    let quote = field
        .chars()
        .any(|char| char == delimiter || matches!(char, '"' | '\n' | '\r'))
        // A reader that trims must not change a value.
        || field.starts_with(' ')
        || field.ends_with(' ');
    if quote {
        push_quoted(line, field, delimiter);
    } else {
        line.push_str(field);
        line.push(delimiter);
    }
}

/// Appends a field in quotes and what stands behind it.
pub(crate) fn push_quoted(line: &mut String, field: &str, delimiter: char) {
    line.push('"');
    for (place, part) in field.split('"').enumerate() {
        if place > 0 {
            line.push_str("\"\"");
        }
        line.push_str(part);
    }
    line.push('"');
    line.push(delimiter);
}

/// The line end, in the place of the last comma.
fn end(mut line: String) -> Vec<u8> {
    line.pop();
    line.push('\n');
    line.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_field_by_field_whatever_it_holds() {
        let row = ResultsRow {
            campaign: "storm, \"north\"".into(),
            contact: "Peña\r\n2".into(),
            number: "+59829000000".into(),
            attempt: 2,
            counted: true,
            disposition: Some(Disposition::NoAnswer),
            cause: Some(Cause {
                code: 19,
                text: "User alerting, no answer".into(),
            }),
            ring: Some(Duration::from_millis(30_004)),
            note: " =1+1".into(),
            own: vec!["a \"b\"".into(), "9".into()],
            ..ResultsRow::default()
        };
        let columns = ResultsColumns::new(&["name".to_owned(), "CHOICE".to_owned()]);
        let mut bytes = columns.header();
        bytes.extend(row.to_csv(&columns));
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            columns.names()
        );
        let read = reader.records().next().unwrap().unwrap();
        let column = |name: &str| {
            &read[columns
                .names()
                .iter()
                .position(|column| column == name)
                .unwrap()]
        };
        assert_eq!(column("campaign"), "storm, \"north\"");
        assert_eq!(column("contact"), "Peña\r\n2");
        assert_eq!(column("number"), "+59829000000");
        assert_eq!(column("attempt"), "2");
        assert_eq!((column("counted"), column("final")), ("yes", "no"));
        assert_eq!(column("disposition"), "NO ANSWER");
        assert_eq!(
            (column("cause"), column("cause_text")),
            ("19", "User alerting, no answer")
        );
        assert_eq!(column("ring_seconds"), "30.004");
        assert_eq!((column("talk_seconds"), column("sip_code")), ("", ""));
        assert_eq!(column("note"), " =1+1");
        assert_eq!((column("name"), column("CHOICE")), ("a \"b\"", "9"));
    }
}
