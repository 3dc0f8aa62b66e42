//! What a list of contacts may look like, who is called from it, and what is said of the rows that nobody is called for.

use std::fs;
use std::sync::Arc;

use dialer::config::{self, Campaign, Faults};
use dialer::contacts::{Contact, Entry, List, Skipped, Summary};
use dialer::disposition::Disposition;

/// A campaign over a list, in a folder of its own.
struct Setup {
    folder: tempfile::TempDir,
    contacts: &'static str,
    channel: &'static str,
    call: &'static str,
}

impl Setup {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            contacts: "id = \"id\"",
            channel: "PJSIP/{number}@carrier",
            call: "",
        }
    }

    fn campaign(&self) -> Campaign {
        let text = format!(
            "[ami]\nusername = \"u\"\nsecret = \"s\"\n[contacts]\nfile = \"list.csv\"\n{}\n\
             [call]\ncontext = \"c\"\nexten = \"s\"\n{}\n[[trunk]]\nname = \"t\"\nchannel = \"{}\"\n",
            self.contacts, self.call, self.channel
        );
        let path = self.folder.path().join("campaign.toml");
        fs::write(&path, text).unwrap();
        config::load(&path, None, false).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn open(&self, list: impl AsRef<[u8]>) -> Result<Arc<List>, Faults> {
        fs::write(self.folder.path().join("list.csv"), list).unwrap();
        List::open(&self.campaign(), None).map(Arc::new)
    }

    fn list(&self, list: impl AsRef<[u8]>) -> Arc<List> {
        self.open(list).unwrap_or_else(|faults| panic!("{faults}"))
    }

    fn faults(&self, list: impl AsRef<[u8]>) -> Vec<String> {
        let faults = self.open(list).expect_err("the list is wrong");
        faults
            .0
            .iter()
            .map(|fault| {
                let file = fault.file.file_name().unwrap().to_str().unwrap();
                let line = fault.line.map_or("-".to_owned(), |line| line.to_string());
                format!("{file}:{line} {}", fault.message)
            })
            .collect()
    }
}

fn entries(list: &Arc<List>) -> Vec<Entry> {
    list.rows().unwrap().map(Result::unwrap).collect()
}

fn contacts(list: &Arc<List>) -> Vec<Contact> {
    entries(list)
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Contact(contact) => Some(contact),
            Entry::Skipped(_) => None,
        })
        .collect()
}

fn skipped(list: &Arc<List>) -> Vec<Skipped> {
    entries(list)
        .into_iter()
        .filter_map(|entry| match entry {
            Entry::Contact(_) => None,
            Entry::Skipped(skipped) => Some(skipped),
        })
        .collect()
}

fn called(list: &Arc<List>) -> Vec<(String, String)> {
    contacts(list)
        .into_iter()
        .map(|contact| (contact.id, contact.numbers[0].to_string()))
        .collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected
        .iter()
        .map(|&(id, number)| (id.to_owned(), number.to_owned()))
        .collect()
}

#[test]
fn lists_from_every_spreadsheet_read_alike() {
    let plain = "id,number\na,+598 2 900\nb,099-123\n";
    let expected = pairs(&[("a", "+5982900"), ("b", "099123")]);
    for list in [
        plain.to_owned(),
        format!("\u{feff}{plain}"),
        plain.replace('\n', "\r\n"),
        plain.trim_end().to_owned(),
        "\"id\",\"number\"\n\"a\",\" +598 2 900 \"\n\"b\",\"099-123\"\n".to_owned(),
        format!("{plain}\n,\n , \n"),
        " id , number \na,+598 2 900\nb,099-123".to_owned(),
    ] {
        assert_eq!(called(&Setup::new().list(&list)), expected, "{list:?}");
    }
    let semicolons = Setup {
        contacts: "id = \"id\"\ndelimiter = \";\"",
        ..Setup::new()
    };
    assert_eq!(called(&semicolons.list(plain.replace(',', ";"))), expected);
}

#[test]
fn each_contact_has_an_id_of_its_own() {
    let list = Setup::new().list("id,number\nx,1\n,2\nx,3\nx#2,4\nx,5\n");
    let ids: Vec<String> = contacts(&list)
        .into_iter()
        .map(|contact| contact.id)
        .collect();
    assert_eq!(ids, ["x", "line 3", "x#2", "x#2#2", "x#3"]);

    let without = Setup {
        contacts: "",
        ..Setup::new()
    };
    let list = without.list("number,n\n+598 2,x\n");
    assert_eq!(called(&list), pairs(&[("+598 2", "+5982")]));
}

#[test]
fn a_number_that_stands_twice_is_called_for_its_first_row() {
    let list = Setup::new().list("id,number\na,099 123\nb,ask\nc,099-123\nd,+099123\n");
    assert_eq!(called(&list), pairs(&[("a", "099123"), ("d", "+099123")]));
    let skipped = skipped(&list);
    assert_eq!(skipped[1].disposition, Disposition::Duplicate);
    assert_eq!((skipped[1].id.as_str(), skipped[1].line), ("c", 4));
    assert_eq!(skipped[1].why, "the number stands on line 2 already");
    assert_eq!(
        list.summary(),
        Summary {
            contacts: 4,
            bad: 1,
            duplicates: 1
        }
    );
}

#[test]
fn a_row_that_cannot_be_called_takes_its_number_from_nobody() {
    let list = Setup::new().list("id,number\na,1,too many\nb,1\nc,1\n");
    assert_eq!(called(&list), pairs(&[("b", "1")]));
    assert_eq!(skipped(&list)[1].why, "the number stands on line 3 already");
}

#[test]
fn bad_rows_are_told_by_line_and_the_others_are_called() {
    let setup = Setup {
        call: "[call.variables]\nMESSAGE = \"{message}\"",
        ..Setup::new()
    };
    let overlong = "x".repeat(1100);
    let mut list = Vec::new();
    list.extend_from_slice(b"id,number,message\n");
    list.extend_from_slice(b"a,1.4E+10,x\n");
    list.extend_from_slice(b"b,,x\n");
    list.extend_from_slice(b"c,0800-STORM,x\n");
    list.extend_from_slice(b"d,101,\"two\nlines\"\n");
    list.extend_from_slice(b"e,102,\xff\n");
    list.extend_from_slice(b"f,103\n");
    list.extend_from_slice(b"g,104,x,y\n");
    list.extend_from_slice(b"h,105,nul\0\n");
    list.extend_from_slice(format!("i,106,{overlong}\n").as_bytes());
    list.extend_from_slice(b"j,107,fine\n");
    let list = setup.list(&list);
    assert_eq!(called(&list), pairs(&[("j", "107")]));
    let told: Vec<String> = skipped(&list)
        .iter()
        .map(|row| format!("{} {} {}: {}", row.id, row.disposition, row.line, row.why))
        .collect();
    let expected = [
        "a INVALID NUMBER 2: not a number any more: a spreadsheet rounded it",
        "b INVALID NUMBER 3: the number is empty",
        "c INVALID NUMBER 4: not a number",
        "d FAILED 5: Variable MESSAGE holds a line break",
        "e FAILED 7: column `message` is not UTF-8",
        "f FAILED 8: 2 fields, where the header has 3",
        "g FAILED 9: 4 fields, where the header has 3",
        "h FAILED 10: Variable MESSAGE holds a NUL character",
        "i FAILED 11: Variable MESSAGE takes",
    ];
    assert_eq!(told.len(), expected.len(), "{told:#?}");
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.starts_with(expected),
            "{told:?}, expected {expected:?}"
        );
    }
}

#[test]
fn bad_rows_can_stop_everything() {
    let setup = Setup {
        contacts: "bad_rows = \"stop\"",
        ..Setup::new()
    };
    let told = setup.faults("number\n1\nask\n\n2\n2\nNone\n");
    assert_eq!(told, ["list.csv:3 not a number", "list.csv:7 not a number"]);
    let many = format!("number\n{}", "x\n".repeat(150));
    let told = setup.faults(many);
    assert_eq!(told.len(), 101);
    assert!(told[100].ends_with("and 50 more rows that cannot be called"));
}

#[test]
fn a_contact_says_what_its_templates_say() {
    let setup = Setup {
        channel: "PJSIP/{number}@{trunk}",
        call: "caller_id = \"{name} <+5982>\"\n[call.variables]\nMESSAGE = \"Dear {name}: {{{message}}}\"\n__TO = \"{number}\"",
        ..Setup::new()
    };
    let list = setup.list("id,number,trunk,name,message\na,+1 (5),carrier-1,\"Zoë \"\"<Z>\"\", \",\"a,b;c\\d[e]${X}\"\n");
    let contact = &contacts(&list)[0];
    let rendered = list.render(contact, 0, 0).unwrap();
    assert_eq!(rendered.channel, b"PJSIP/+15@carrier-1");
    assert_eq!(rendered.caller_id.unwrap(), "Zoë Z <+5982>".as_bytes());
    let variables: Vec<(&str, &str)> = rendered
        .variables
        .iter()
        .map(|(name, value)| (&**name, std::str::from_utf8(value).unwrap()))
        .collect();
    assert_eq!(
        variables,
        [
            ("MESSAGE", "Dear Zoë \"<Z>\",: {a,b;c\\d[e]${X}}"),
            ("__TO", "+15")
        ]
    );
}

#[test]
fn no_column_can_turn_a_dial_string_into_another_one() {
    let setup = Setup {
        channel: "PJSIP/{number}@{trunk}",
        ..Setup::new()
    };
    for (trunk, char) in [
        ("a&SIP/other", '&'),
        ("a/n", '/'),
        ("b@c", '@'),
        ("a b", ' '),
        ("\"a,b\"", ','),
        ("a(x)", '('),
        ("ä", 'ä'),
        ("${X}", '$'),
    ] {
        let list = setup.list(format!("id,number,trunk\na,1,{trunk}\n"));
        let skipped = skipped(&list);
        assert_eq!(skipped[0].disposition, Disposition::Failed, "{trunk}");
        assert!(
            skipped[0]
                .why
                .contains(&format!("{char:?}, which has no place in a dial string")),
            "{}",
            skipped[0].why
        );
    }
}

#[test]
fn a_contact_can_be_read_again_by_its_place() {
    // A second byte order mark is a part of the id: nothing but the beginning of the file is special.
    let list =
        Setup::new().list("\u{feff}id,number\r\n\"a\nb\",1\r\n\r\nx,2\r\nx,3\r\n\u{feff}y,4\r\n");
    assert_eq!(contacts(&list).len(), 4);
    for contact in contacts(&list) {
        let again = list.reread(contact.at).unwrap();
        assert_eq!((&again.id, &again.numbers), (&contact.id, &contact.numbers));
    }
}

#[test]
fn the_list_is_dialed_as_it_was_at_the_start() {
    let setup = Setup::new();
    let list = setup.list("id,number\na,1\nb,2\n");
    fs::write(setup.folder.path().join("list.csv"), "id,number\nc,3\n").unwrap();
    assert_eq!(called(&list), pairs(&[("a", "1"), ("b", "2")]));
}

#[test]
fn everything_that_is_wrong_with_a_header_is_told_at_once() {
    let setup = Setup {
        contacts: "number = \"phone\"\nid = \"id\"",
        channel: "PJSIP/{number}@{trunk}",
        call: "[call.variables]\nMESSAGE = \"{mesage}\"",
        ..Setup::new()
    };
    let told = setup.faults("id,id,message,Phone\n");
    assert_eq!(
        told,
        [
            "campaign.toml:6 list.csv has no column `phone`; did you mean `Phone`?",
            "campaign.toml:12 list.csv has no column `mesage`; did you mean `message`?",
            "campaign.toml:15 list.csv has no column `trunk`; its columns are id, id, message, Phone",
            "list.csv:1 the header names `id` twice",
        ]
    );
    assert_eq!(
        setup.faults(""),
        ["list.csv:1 is empty: its first line must name the columns"]
    );
}

#[test]
fn a_file_that_is_no_list_is_told_once_and_what_to_do() {
    let utf16: Vec<u8> = "\u{feff}id,number\n"
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    let cases: [(&[u8], &str); 5] = [
        (
            b"id;number\na;1\n",
            "list.csv:1 has one column only, `id;number`: write `delimiter = \";\"` in [contacts]",
        ),
        (
            b"id\tnumber\na\t1\n",
            "list.csv:1 has one column only, `id\tnumber`: write `delimiter = \"\\t\"` in [contacts]",
        ),
        (
            b"sep=,\nid,number\n",
            "list.csv:1 the first line, `sep=`, is for a spreadsheet alone: delete it",
        ),
        (&utf16, "list.csv:1 is UTF-16: save it as \"CSV UTF-8\""),
        (
            b"\"id,number\na,1\n",
            "list.csv:1 a quotation mark (\") is opened in the row on line 1 and never closed",
        ),
    ];
    for (list, fault) in cases {
        assert_eq!(Setup::new().faults(list), [fault]);
    }
}

#[test]
fn a_row_is_named_by_the_line_that_an_editor_shows() {
    // `ask` is on each of these lines.
    for (list, lines) in [
        ("number\nask\n1\nask", [2, 4]),
        ("number\r\nask\r\n1\r\nask\r\n", [2, 4]),
        ("number\rask\r1\rask\r", [2, 4]),
        ("\n\nnumber\n\nask\n\n\nask\n", [5, 8]),
        ("\r\nnumber\r\n\r\nask\r\n,\r\n\r\nask\r\n", [4, 7]),
        (
            "\u{feff}number,\"x\r\ny\"\r\nask,\r\n1,\"\n\r\"\r\nask,",
            [3, 7],
        ),
    ] {
        let without = Setup {
            contacts: "",
            ..Setup::new()
        };
        let skipped = skipped(&without.list(list));
        let told: Vec<u64> = skipped
            .iter()
            .filter(|row| row.number == "ask")
            .map(|row| row.line)
            .collect();
        assert_eq!(told, lines, "{list:?}");
    }
    let list = Setup::new().list("id,number\r\n,1\r\n\r\n,2\r\n");
    assert_eq!(called(&list), pairs(&[("line 2", "1"), ("line 4", "2")]));
}

#[test]
fn nobody_disappears_behind_an_open_quotation_mark() {
    for list in [
        "id,number,name\na,1,\"Ann\nb,2,Bob\nc,3,Cem\n",
        "id,number,name\na,1,\"Ann",
        "id,number,name\na,1,\"Ann\"\"",
        "id,number,name\na,1,\"\n",
    ] {
        assert_eq!(
            Setup::new().faults(list),
            ["list.csv:2 a quotation mark (\") is opened in the row on line 2 and never closed"],
            "{list:?}"
        );
    }
    let closed_later = "id,number,name\na,1,\"Ann\nb,2,Bob\nc,3,\"Cem\",x\nd,4,Dan\n";
    let list = Setup::new().list(closed_later);
    assert_eq!(
        skipped(&list)[0].why,
        "4 fields, where the header has 3 (the row goes on to line 4: check its quotation marks)"
    );
    assert_eq!(called(&list), pairs(&[("d", "4")]));
}

#[test]
fn rows_that_repeat_both_id_and_number_are_told_apart_in_every_pass() {
    let rows: Vec<String> = (0..400)
        .map(|row| format!("x{},{}\n", row % 100, row % 150))
        .collect();
    let list = Setup::new().list(format!("id,number\n{}", rows.concat()));
    let (contacts, skipped) = (contacts(&list), skipped(&list));
    let ids: std::collections::HashSet<&str> = contacts
        .iter()
        .map(|contact| contact.id.as_str())
        .chain(skipped.iter().map(|row| row.id.as_str()))
        .collect();
    assert_eq!((contacts.len(), skipped.len(), ids.len()), (150, 250, 400));
    assert_eq!((skipped[0].id.as_str(), skipped[0].line), ("x50#2", 152));
    assert_eq!(skipped[0].why, "the number stands on line 2 already");
    for contact in &contacts {
        assert_eq!(list.reread(contact.at).unwrap().id, contact.id);
    }
}

#[test]
fn a_list_that_is_not_there_is_told_where_the_campaign_names_it() {
    let setup = Setup::new();
    let error = List::open(&setup.campaign(), None).unwrap_err();
    let fault = &error.0[0];
    assert_eq!((fault.line, fault.column), (Some(5), Some(8)));
    assert!(
        fault.message.contains("list.csv cannot be read: "),
        "{}",
        fault.message
    );
}
