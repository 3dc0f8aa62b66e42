//! One row of the results, and the columns it stands in.

use std::time::Duration;

use jiff::Zoned;

use crate::call::signals::Cause;
use crate::clock::rfc3339;
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
pub struct Row {
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
}

impl Row {
    /// The row as one line of CSV (RFC 4180 quoting, ended by `\n`), in the columns of a file. A column that is not known
    /// is left empty.
    pub fn to_csv(&self, columns: &[String]) -> Vec<u8> {
        let fields: Vec<String> = columns.iter().map(|column| self.field(column)).collect();
        line(&fields)
    }

    fn field(&self, column: &str) -> String {
        let time = |at: &Option<Zoned>| at.as_ref().map(rfc3339).unwrap_or_default();
        let seconds = |of: Option<Duration>| {
            of.map(|of| format!("{:.3}", of.as_secs_f64()))
                .unwrap_or_default()
        };
        let number = |of: Option<u16>| of.map(|of| of.to_string()).unwrap_or_default();
        let yes_no = |of: bool| if of { "yes" } else { "no" }.to_owned();
        match column {
            "campaign" => self.campaign.clone(),
            "contact" => self.contact.clone(),
            "number" => self.number.clone(),
            "attempt" => self.attempt.to_string(),
            "counted" => yes_no(self.counted),
            "final" => yes_no(self.is_final),
            "disposition" => self.disposition.map_or("", Disposition::as_str).to_owned(),
            "cause" => number(self.cause.as_ref().map(|cause| cause.code)),
            "cause_text" => self
                .cause
                .as_ref()
                .map_or("", |cause| &cause.text)
                .to_owned(),
            "sip_code" => number(self.sip_code),
            "trunk" => self.trunk.clone(),
            "caller_id" => self.caller_id.clone(),
            "dialed_at" => time(&self.dialed_at),
            "answered_at" => time(&self.answered_at),
            "ended_at" => time(&self.ended_at),
            "ring_seconds" => seconds(self.ring),
            "talk_seconds" => seconds(self.talk),
            "next_attempt_at" => time(&self.next_attempt_at),
            "call_id" => self.call_id.clone(),
            "uniqueid" => self.uniqueid.clone(),
            "linkedid" => self.linkedid.clone(),
            "note" => self.note.clone(),
            _ => String::new(),
        }
    }
}

/// The columns of new results.
pub fn columns() -> Vec<String> {
    COLUMNS.map(str::to_owned).to_vec()
}

/// The header line.
pub fn header() -> Vec<u8> {
    line(&COLUMNS)
}

fn line<T: AsRef<str>>(fields: &[T]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(256);
    for (place, field) in fields.iter().enumerate() {
        if place > 0 {
            bytes.push(b',');
        }
        push_field(&mut bytes, field.as_ref(), b',');
    }
    bytes.push(b'\n');
    bytes
}

/// Adds a field as it stands in a row whose fields are told apart by `delimiter`.
pub(crate) fn push_field(bytes: &mut Vec<u8>, field: &str, delimiter: u8) {
    let quote = field
        .bytes()
        .any(|byte| byte == delimiter || matches!(byte, b'"' | b'\n' | b'\r'))
        // A reader that trims must not change a value.
        || field.starts_with(' ')
        || field.ends_with(' ');
    if quote {
        push_quoted(bytes, field);
    } else {
        bytes.extend_from_slice(field.as_bytes());
    }
}

/// Adds a field in quotes.
pub(crate) fn push_quoted(bytes: &mut Vec<u8>, field: &str) {
    bytes.push(b'"');
    for byte in field.bytes() {
        if byte == b'"' {
            bytes.push(b'"');
        }
        bytes.push(byte);
    }
    bytes.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_back_field_by_field_whatever_it_holds() {
        let row = Row {
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
            ..Row::default()
        };
        let mut bytes = header();
        bytes.extend(row.to_csv(&columns()));
        let mut reader = csv::Reader::from_reader(&bytes[..]);
        assert_eq!(
            reader.headers().unwrap().iter().collect::<Vec<_>>(),
            COLUMNS
        );
        let read = reader.records().next().unwrap().unwrap();
        let column = |name: &str| &read[COLUMNS.iter().position(|column| *column == name).unwrap()];
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
    }
}
