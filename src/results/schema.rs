//! One row of the results, and the columns it stands in.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Zoned;

use crate::call::observations::Cause;
use crate::clock::push_rfc3339;
use crate::disposition::Disposition;

/// The header line of the results without a campaign's own columns. Scripts depend on it: no column is renamed or moved.
pub const HEADER: &str = "campaign,contact,number,attempt,counted,final,disposition,cause,cause_text,sip_code,trunk,\
    caller_id,dialed_at,answered_at,ended_at,ring_seconds,talk_seconds,next_attempt_at,call_id,uniqueid,linkedid,note";

/// The columns of [`HEADER`].
pub fn columns() -> impl Iterator<Item = &'static str> {
    HEADER.split(',')
}

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

/// The columns of a file, in its order: those of [`HEADER`], then the campaign's own, or those that an earlier run had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultsColumns {
    pub names: Vec<String>,
    /// Of each column, which one of [`ResultsRow::own`] it is; `None` for those of [`HEADER`], and where this campaign
    /// does not know it.
    own: Vec<Option<usize>>,
}

impl ResultsColumns {
    /// The columns of new results; `own` are the campaign's.
    pub fn new(own: &[String]) -> Self {
        let names = columns().map(str::to_owned);
        Self::of_file(names.chain(own.iter().cloned()).collect(), own)
    }

    /// The columns of results that are continued. A column of theirs that is not known is left empty.
    pub fn of_file(names: Vec<String>, own: &[String]) -> Self {
        let own = names
            .iter()
            .map(|name| own.iter().position(|column| column == name))
            .collect();
        Self { names, own }
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
        for (name, &own) in columns.names.iter().zip(&columns.own) {
            self.push(&mut line, name, own);
        }
        end(line)
    }

    /// Appends a field and a comma.
    fn push(&self, line: &mut String, column: &str, own: Option<usize>) {
        let text = match column {
            "campaign" => &self.campaign,
            "contact" => &self.contact,
            "number" => &self.number,
            "attempt" => return push_number(line, Some(self.attempt)),
            "counted" => yes_no(self.counted),
            "final" => yes_no(self.is_final),
            "disposition" => self.disposition.map_or("", Disposition::as_str),
            "cause" => return push_number(line, self.cause.as_ref().map(|cause| cause.code)),
            "cause_text" => self.cause.as_ref().map_or("", |cause| &cause.text),
            "sip_code" => return push_number(line, self.sip_code),
            "trunk" => &self.trunk,
            "caller_id" => &self.caller_id,
            "dialed_at" => return push_time(line, self.dialed_at.as_ref()),
            "answered_at" => return push_time(line, self.answered_at.as_ref()),
            "ended_at" => return push_time(line, self.ended_at.as_ref()),
            "ring_seconds" => return push_seconds(line, self.ring),
            "talk_seconds" => return push_seconds(line, self.talk),
            "next_attempt_at" => return push_time(line, self.next_attempt_at.as_ref()),
            "call_id" => &self.call_id,
            "uniqueid" => &self.uniqueid,
            "linkedid" => &self.linkedid,
            "note" => &self.note,
            _ => own
                .and_then(|own| self.own.get(own))
                .map_or("", String::as_str),
        };
        push_field(line, text, ',');
    }
}

// What follows needs no quoting, and writing to a string cannot fail.

fn push_number(line: &mut String, number: Option<u16>) {
    if let Some(number) = number {
        let _ = write!(line, "{number}");
    }
    line.push(',');
}

fn push_seconds(line: &mut String, duration: Option<Duration>) {
    if let Some(duration) = duration {
        let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
        let _ = write!(line, "{seconds}.{millis:03}");
    }
    line.push(',');
}

fn push_time(line: &mut String, time: Option<&Zoned>) {
    if let Some(time) = time {
        push_rfc3339(line, time);
    }
    line.push(',');
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
    line.push_str(&field.replace('"', "\"\""));
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
            columns.names
        );
        let read = reader.records().next().unwrap().unwrap();
        let column = |name: &str| {
            &read[columns
                .names
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
