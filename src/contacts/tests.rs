//! What a list of contacts may look like, who is called from it, and what is said of the rows that nobody is called for.
//!
//! The file is long because each kind of list is a small case of its own; they share the helpers at its top.

use std::fs;
use std::sync::Arc;

use crate::config::{self, Campaign, CampaignErrors};
use crate::contacts::{Contact, List, ListEntry, ListSummary, Shard, Skipped};
use crate::disposition::Disposition;
use crate::phone_number::Number;

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

    fn open(&self, list: impl AsRef<[u8]>) -> Result<Arc<List>, CampaignErrors> {
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

fn entries(list: &Arc<List>) -> Vec<ListEntry> {
    list.rows(Vec::new()).map(Result::unwrap).collect()
}

fn contacts(list: &Arc<List>) -> Vec<Contact> {
    entries(list)
        .into_iter()
        .filter_map(|entry| match entry {
            ListEntry::Contact(contact) => Some(contact),
            ListEntry::Skipped(_) => None,
        })
        .collect()
}

fn skipped(list: &Arc<List>) -> Vec<Skipped> {
    entries(list)
        .into_iter()
        .filter_map(|entry| match entry {
            ListEntry::Contact(_) => None,
            ListEntry::Skipped(skipped) => Some(skipped),
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
    let list = Setup::new().list("id,number\na,099 123\nb,ask\nc,099-123\nd,0991234\n");
    assert_eq!(called(&list), pairs(&[("a", "099123"), ("d", "0991234")]));
    let skipped = skipped(&list);
    assert_eq!(skipped[1].disposition, Disposition::Duplicate);
    assert_eq!((skipped[1].id.as_str(), skipped[1].line), ("c", 4));
    assert_eq!(skipped[1].why, "the number stands on line 2 already");
    assert_eq!(
        list.summary,
        ListSummary {
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
            "list.csv:1 a quotation mark (\") is opened here and never closed",
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
            ["list.csv:2 a quotation mark (\") is opened here and never closed"],
            "{list:?}"
        );
    }
    let closed_later = "id,number,name\na,1,\"Ann\nb,2,Bob\nc,3,\"Cem\"\nd,4,Dan\n";
    let faults = Setup::new().open(closed_later).unwrap_err();
    assert_eq!((faults.0[0].line, faults.0[0].column), (Some(4), Some(6)));
    assert_eq!(
        faults.0[0].message,
        "text follows the quotation mark that closes a field; the field begins on line 2 (a quotation mark within a field is written twice)"
    );
    let by_the_rules = "id,number,name\na,1,\"Ann\nb,2,Bob\nc,3\",x\nd,4,Dan\n";
    let list = Setup::new().list(by_the_rules);
    assert_eq!(
        skipped(&list)[0].why,
        "4 fields, where the header has 3 (the row goes on to line 4: check its quotation marks)"
    );
    assert_eq!(called(&list), pairs(&[("d", "4")]));
}

#[test]
fn an_id_that_has_no_room_in_the_journal_is_a_fault_of_its_row() {
    let long = "x".repeat(4_000);
    let list = Setup::new().list(format!(
        "id,number\na,1\n{long},2\n{},3\nc,4\n",
        "y".repeat(512)
    ));
    assert_eq!(called(&list).len(), 3);
    let skipped = skipped(&list);
    assert_eq!(
        (skipped[0].disposition, skipped[0].line),
        (Disposition::Failed, 3)
    );
    assert_eq!(
        skipped[0].why,
        "the contact's id is too long: 4000 bytes, and 512 always fit into the journal"
    );
    assert_eq!(list.summary.bad, 1);
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
fn a_row_must_be_right_for_every_trunk_however_alike_they_are() {
    // Alike but for the names behind the number, of which the second is long, and the third takes a column.
    let setup = Setup {
        contacts: "",
        channel: concat!(
            "PJSIP/{number}@a\"\n[[trunk]]\nname = \"long\"\nchannel = \"PJSIP/{number}@",
            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
            "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij",
            "\"\n[[trunk]]\nname = \"own\"\nchannel = \"PJSIP/{number}@{gate}"
        ),
        ..Setup::new()
    };
    let list = setup.list("number,gate\n101,g\n+598290000000,g\n102,a/b\n103,\n");
    assert_eq!(called(&list), pairs(&[("101", "101"), ("103", "103")]));
    let why: Vec<String> = skipped(&list).into_iter().map(|row| row.why).collect();
    assert_eq!(why.len(), 2, "{why:?}");
    assert!(
        why[0].contains("Channel") && why[1].contains("gate"),
        "{why:?}"
    );
}

#[test]
fn what_an_earlier_run_has_done_is_passed_over_and_all_else_is_as_it_was() {
    let setup = Setup {
        contacts: "",
        ..Setup::new()
    };
    // Blank rows, one without a number, a repeated id and a number that stands twice are told as ever.
    let list = setup.list("number\n101\n102\n\n103\nnone\n103\n104\n\n105\n");
    let (all, ids): (Vec<String>, Vec<String>) = entries(&list)
        .into_iter()
        .map(|entry| match &entry {
            ListEntry::Contact(contact) => (format!("{entry:?}"), contact.id.clone()),
            ListEntry::Skipped(skipped) => (format!("{entry:?}"), skipped.id.clone()),
        })
        .unzip();
    assert_eq!(ids.len(), 7, "{ids:?}");
    for mask in 0..1 << ids.len() {
        let is_done = |place: usize| mask >> place & 1 == 1;
        let mut asked = Vec::new();
        let done = list.done(|id| {
            asked.push(id.to_owned());
            is_done(ids.iter().position(|known| known == id).unwrap())
        });
        let rows = list.rows(done.unwrap());
        let left: Vec<String> = rows.map(|entry| format!("{:?}", entry.unwrap())).collect();
        let expected = all.iter().enumerate().filter(|&(place, _)| !is_done(place));
        assert_eq!(
            left,
            expected.map(|(_, entry)| entry.clone()).collect::<Vec<_>>()
        );
        assert_eq!(asked, ids);
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

/// `number = ["mobile", "home"]`, a time zone, and a column that is kept.
fn alternatives() -> Setup {
    Setup {
        contacts: "number = [\"mobile\", \"home\"]\ntimezone = \"tz\"\nkeep = [\"name\", \"tz\"]",
        ..Setup::new()
    }
}

fn numbers(contact: &Contact) -> Vec<&str> {
    contact.numbers.iter().map(Number::as_str).collect()
}

#[test]
fn a_contact_is_called_at_each_of_its_numbers_that_is_one() {
    let list = alternatives().list(
        "mobile,home,name,tz\n\
         099 1,2 900,both,\n\
         ask,2901,home,\n\
         0992,,mobile,\n\
         099-3,0993,twice,\n\
         ,,none,\n\
         ,ask,bad,\n",
    );
    let contacts = contacts(&list);
    let called: Vec<_> = contacts
        .iter()
        .map(|contact| (contact.id.as_str(), numbers(contact)))
        .collect();
    assert_eq!(
        called,
        [
            ("099 1", vec!["0991", "2900"]),
            ("ask", vec!["2901"]),
            ("0992", vec!["0992"]),
            ("099-3", vec!["0993"]),
        ]
    );
    let skipped = skipped(&list);
    let told: Vec<_> = skipped
        .iter()
        .map(|row| {
            (
                row.id.as_str(),
                row.number.as_str(),
                row.why.as_str(),
                row.kept[0].as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            ("line 6", "", "the number is empty", "none"),
            ("ask#2", "ask", "not a number", "bad")
        ]
    );
    assert!(
        skipped
            .iter()
            .all(|row| row.disposition == Disposition::InvalidNumber)
    );
    let rendered =
        |contact: usize, number: usize| list.render(&contacts[contact], number, 0).unwrap().channel;
    assert_eq!(rendered(0, 0), b"PJSIP/0991@carrier");
    assert_eq!(rendered(0, 1), b"PJSIP/2900@carrier");
    assert_eq!(list.kept(&contacts[1]), ["home", ""]);
}

#[test]
fn a_number_is_passed_over_where_an_earlier_row_has_it_in_whatever_column() {
    let rows = "mobile,home,name,tz\n1,2,,\n3,1,,\n2,+1,,\n4,3,,\n4,4,,\n";
    let list = alternatives().list(rows);
    let contacts = contacts(&list);
    let called: Vec<_> = contacts.iter().map(numbers).collect();
    assert_eq!(called, [vec!["1", "2"], vec!["3"], vec!["4"]]);
    // Who opts out opts out for all of them.
    assert_eq!(contacts[1].passed_over[0].as_str(), "1");
    let skipped = skipped(&list);
    let told: Vec<_> = skipped
        .iter()
        .map(|row| (row.line, row.disposition, row.why.as_str()))
        .collect();
    assert_eq!(
        told,
        [
            (
                4,
                Disposition::Duplicate,
                "the number stands on line 2 already"
            ),
            (
                6,
                Disposition::Duplicate,
                "the number stands on line 5 already"
            ),
        ]
    );
    let expected = ListSummary {
        contacts: 5,
        bad: 0,
        duplicates: 2,
    };
    assert_eq!(list.summary, expected);
    for contact in &contacts {
        assert_eq!(list.reread(contact.at).unwrap().numbers, contact.numbers);
    }

    let each = Setup {
        contacts: "number = [\"mobile\", \"home\"]\nduplicates = \"call\"",
        ..Setup::new()
    };
    let list = each.list(rows);
    let called: Vec<_> = self::contacts(&list)
        .iter()
        .map(|contact| contact.numbers.len())
        .collect();
    assert_eq!(called, [2, 2, 2, 2, 1]);
    assert_eq!(
        list.summary,
        ListSummary {
            contacts: 5,
            bad: 0,
            duplicates: 0
        }
    );
    // The same number is another contact's still.
    assert_eq!(self::contacts(&list)[4].id, "4#2");
}

#[test]
fn a_subscriber_is_the_same_however_the_list_writes_the_number() {
    let region = Setup {
        contacts: "id = \"id\"\nregion = \"UY\"",
        ..Setup::new()
    };
    let list = region.list("id,number\na,2900 0100\nb,+598 2900-0100\nc,00598 29000100\nd,099 123 456\ne,112\nf,2900 010\n");
    assert_eq!(
        called(&list),
        pairs(&[("a", "+59829000100"), ("d", "+59899123456")])
    );
    let told: Vec<_> = skipped(&list)
        .into_iter()
        .map(|row| (row.id, row.number, row.why))
        .collect();
    let row =
        |id: &str, number: &str, why: &str| (id.to_owned(), number.to_owned(), why.to_owned());
    assert_eq!(
        told,
        [
            row("b", "+598 2900-0100", "the number stands on line 2 already"),
            row("c", "00598 29000100", "the number stands on line 2 already"),
            row("e", "112", "not a valid number for UY: it is too short"),
            row(
                "f",
                "2900 010",
                "not a valid number for UY: no number begins like this"
            ),
        ]
    );
    // Without a region the international prefix alone is known.
    let list =
        Setup::new().list("id,number\na,2900 0100\nb,+598 2900-0100\nc,00598 29000100\nd,112\n");
    assert_eq!(
        called(&list),
        pairs(&[("a", "29000100"), ("b", "+59829000100"), ("d", "112")])
    );
}

#[test]
fn a_trunk_dials_its_own_form_of_a_number_and_everything_else_says_the_one_of_the_results() {
    let setup = Setup {
        contacts: "id = \"id\"\nregion = \"UY\"",
        channel: "PJSIP/{number}@carrier\"\ndial_as = \"national\"\n[[trunk]]\nname = \"second\"\nchannel = \"DAHDI/g1/{number}",
        call: "caller_id = \"{number}\"\n[call.variables]\nTO = \"{number}\"",
        ..Setup::new()
    };
    let list = setup.list("id,number\na,+598 99 123 456\n");
    let contact = &contacts(&list)[0];
    let rendered = list.render(contact, 0, 0).unwrap();
    assert_eq!(rendered.channel, b"PJSIP/099123456@carrier");
    assert_eq!(rendered.caller_id.unwrap(), b"+59899123456");
    assert_eq!(rendered.variables[0].1, b"+59899123456");
    assert_eq!(
        list.render(contact, 0, 1).unwrap().channel,
        b"DAHDI/g1/+59899123456"
    );
}

#[test]
fn a_contact_has_its_own_time_zone_or_the_windows_and_never_a_wrong_one() {
    let list = "mobile,home,name,tz\n1,,,America/Montevideo\n2,,,\n3,,,america/montevideo\n4,,,Europe/Madrid\n5,,,Montevideo\n6,,,UTC-3\n7,,,\u{fffd}\n";
    let setup = Setup {
        call: "[window]\ntimezone = \"America/New_York\"\n[[window.open]]\ndays = [\"mon\"]\nfrom = \"09:00\"\nto = \"10:00\"",
        ..alternatives()
    };
    let list = setup.list(list);
    let contacts = contacts(&list);
    let zone = |contact: &Contact| list.zones()[usize::from(contact.zone)].iana_name().unwrap();
    let zones: Vec<_> = contacts.iter().map(zone).collect();
    assert_eq!(
        zones,
        [
            "America/Montevideo",
            "America/New_York",
            "America/Montevideo",
            "Europe/Madrid"
        ]
    );
    assert_eq!(contacts[1].zone, 0);
    assert_eq!(list.zones().len(), 3);
    assert_eq!(list.reread(contacts[3].at).unwrap().zone, contacts[3].zone);
    let skipped = skipped(&list);
    assert_eq!(skipped.len(), 3);
    assert_eq!(skipped[0].disposition, Disposition::Failed);
    assert_eq!(
        skipped[0].why,
        "column `tz`: no time zone is called \"Montevideo\"; write it like America/Montevideo"
    );
    assert_eq!(
        alternatives()
            .list("mobile,home,name,tz\n1,,,\n")
            .zones()
            .len(),
        1
    );
}

#[test]
fn columns_that_the_campaign_names_in_a_list_must_be_there() {
    let told = alternatives().faults("mobile,work,nom,zone\n1,2,3,4\n");
    assert_eq!(
        told,
        [
            "campaign.toml:6 list.csv has no column `home`; did you mean `nom`?",
            "campaign.toml:7 list.csv has no column `tz`; its columns are mobile, work, nom, zone",
            "campaign.toml:8 list.csv has no column `name`; did you mean `nom`?",
            "campaign.toml:8 list.csv has no column `tz`; its columns are mobile, work, nom, zone",
        ]
    );
}

/// The rows of a part of a list, by id, and how many it says there are.
fn part(setup: &Setup, index: u32, of: u32) -> (Vec<String>, ListSummary) {
    let list = List::open(&setup.campaign(), Some(Shard { index, of })).map(Arc::new);
    let list = list.unwrap_or_else(|faults| panic!("{faults}"));
    let ids = entries(&list).into_iter().map(|entry| match entry {
        ListEntry::Contact(contact) => contact.id,
        ListEntry::Skipped(skipped) => skipped.id,
    });
    (ids.collect(), list.summary)
}

#[test]
fn parts_of_a_list_are_disjoint_complete_and_even() {
    const ROWS: usize = 100_000;
    let setup = Setup::new();
    let rows: Vec<String> = (0..ROWS)
        .map(|row| format!("C{row},+5982{row:07}\n"))
        .collect();
    fs::write(
        setup.folder.path().join("list.csv"),
        format!("id,number\n{}", rows.concat()),
    )
    .unwrap();
    let mut all = std::collections::HashSet::new();
    for index in 0..7 {
        let (ids, summary) = part(&setup, index, 7);
        assert_eq!(
            summary,
            ListSummary {
                contacts: ids.len() as u64,
                bad: 0,
                duplicates: 0
            }
        );
        let even = ROWS / 7;
        assert!(
            ids.len().abs_diff(even) <= even * 4 / 100,
            "{index}: {} of {even}",
            ids.len()
        );
        for id in ids {
            assert!(all.insert(id.clone()), "{id} is in two parts");
        }
    }
    assert_eq!(all.len(), ROWS);
}

#[test]
fn a_contact_is_in_the_same_part_in_every_version_and_on_every_machine() {
    let setup = Setup::new();
    let list = "id,number\na,+598 2900 0100\nb,099 123 456\nc,202-555-0123\nd,112\ne,ask\ng,12345678901234567890\n";
    fs::write(setup.folder.path().join("list.csv"), list).unwrap();
    let parts: Vec<String> = (0..5)
        .map(|index| part(&setup, index, 5).0.join(" "))
        .collect();
    assert_eq!(parts, ["c g", "a", "b", "", "d e"]);
}

#[test]
fn a_contact_stays_in_its_part_and_what_repeats_is_decided_by_the_whole_list() {
    let setup = Setup::new();
    let write = |list: &str| fs::write(setup.folder.path().join("list.csv"), list).unwrap();
    let parts = || -> Vec<Vec<String>> { (0..3).map(|index| part(&setup, index, 3).0).collect() };
    let rows: Vec<_> = (0..60)
        .map(|row| format!("C{row},{}\n", 1000 + row))
        .collect();
    let rows = rows.concat();
    write(&format!("id,number\n{rows}"));
    let before = parts();
    // Others come in, and numbers are written in another way.
    let new: Vec<_> = (0..40)
        .map(|row| format!("N{row},{}\n", 5000 + row))
        .collect();
    let new = new.concat();
    let rows = rows.replace(",1", ",+1");
    write(&format!(
        "id,number\n{new}{rows}x,ask\n,ask\nC7,1007\nC8,9000\n"
    ));
    let after = parts();
    for (before, after) in before.iter().zip(&after) {
        assert!(
            before.iter().all(|id| after.contains(id)),
            "{before:?} {after:?}"
        );
    }
    let all = after.concat();
    assert_eq!(all.len(), 104);
    // Made ids are those of the whole list, and a row is left out whichever part its number's first row is in.
    for id in ["C7#2", "C8#2", "line 103"] {
        assert!(all.iter().any(|known| known == id), "{id}");
    }
    let summaries: Vec<ListSummary> = (0..3).map(|index| part(&setup, index, 3).1).collect();
    assert_eq!(
        summaries
            .iter()
            .map(|summary| summary.duplicates)
            .sum::<u64>(),
        1
    );
    assert_eq!(summaries.iter().map(|summary| summary.bad).sum::<u64>(), 2);
}
