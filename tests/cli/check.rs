//! `dialer check`: what an operator is told of a campaign before anybody is called.
//!
//! The file is long because it quotes whole outputs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Output;

use crate::common::{dialer, list, stderr};
use crate::faults::{BROKEN, LEAST, SHUT, WINDOW};
use tempfile::TempDir;

const LIST: &str = "number,name\n+59829000100,Ana\n+59829000101,Luis\n";

fn folder(campaign: &str, list: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("campaign.toml"), campaign).unwrap();
    fs::write(folder.path().join("contacts.csv"), list).unwrap();
    folder
}

/// `dialer check campaign.toml`, as from a shell in that folder.
fn check_in(folder: &Path, args: &[&str]) -> Output {
    dialer()
        .current_dir(folder)
        .env("TZ", "UTC")
        .args(["check", "campaign.toml"])
        .args(args)
        .output()
        .unwrap()
}

fn check(campaign: &str, list: &str) -> Output {
    check_in(folder(campaign, list).path(), &[])
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Replaces a line of the least campaign.
fn with(line: &str, by: &str) -> String {
    assert!(LEAST.contains(line), "{line}");
    LEAST.replace(line, by)
}

/// What is said of each of these campaigns, each under what is wrong with it. All are refused.
fn said_of(campaigns: impl Iterator<Item = (String, String)>) -> String {
    let mut said = String::new();
    for (wrong, campaign) in campaigns {
        let output = check(&campaign, LIST);
        assert_eq!(output.status.code(), Some(2), "{wrong}");
        assert_eq!(stdout(&output), "", "{wrong}");
        let told = stderr(&output);
        assert!(told.starts_with("campaign.toml:"), "{wrong}: {told}");
        // The word of the least campaign that nobody else may see.
        assert!(!told.contains("word\""), "{wrong}: {told}");
        let _ = writeln!(said, "{}\n{told}", in_short(&wrong));
    }
    said
}

/// What stands in a campaign file, on one line.
fn in_short(text: &str) -> String {
    let text = text.trim_end().replace('\n', " ⏎ ");
    if text.is_empty() {
        "(nothing)".to_owned()
    } else {
        format!("> {text}")
    }
}

#[test]
fn each_of_many_kinds_of_fault_has_its_file_its_place_and_what_to_write_instead() {
    let campaigns = BROKEN.iter().map(|&(line, by, _)| {
        let wrong = if by.is_empty() {
            format!("(without) {line}")
        } else {
            by.to_owned()
        };
        (wrong, with(line, by))
    });
    insta::assert_snapshot!("faults", said_of(campaigns));
}

#[test]
fn hours_that_cannot_be_are_told_with_what_to_write_instead() {
    let campaigns = SHUT.iter().map(|&(part, by, _)| {
        let window = WINDOW.replacen(part, by, 1);
        let wrong = if by.is_empty() {
            format!("(without) {part}")
        } else {
            by.to_owned()
        };
        (wrong, format!("{LEAST}{window}"))
    });
    insta::assert_snapshot!("hours", said_of(campaigns));
}

/// A line of the least campaign, and what stands there instead that is no TOML.
const NO_TOML: &[(&str, &str)] = &[
    ("= \"notify\"", "= notify"),
    ("= \"notify\"", "= from-internal # the phones"),
    ("= \"notify\"", "= “notify”"),
    ("= \"notify\"", "= \"notify"),
    ("= \"notify\"", "= notify\""),
    ("= \"notify\"", "= 'notify"),
    ("= \"notify\"", "= \"notify\","),
    ("= \"notify\"", "= \"the \"big\" one\""),
    ("= \"notify\"", "= \"C:\\notify\""),
    ("= \"notify\"", "="),
    ("context = ", "context: "),
    ("context = ", "context "),
    ("context = ", "my context = "),
    ("[call]", "[call"),
    ("[call]", "call]"),
    ("[call]", "[[call]"),
    ("[[trunk]]", "[[trunk]"),
    ("[[trunk]]", "[[trunk]]\nports = 010"),
    ("[[trunk]]", "[[trunk]]\ncalls_per_second = 1,5"),
    (
        "[[trunk]]",
        "[capture]\nopt_out = { when = \"A=1\" file = \"dnc.txt\" }\n[[trunk]]",
    ),
    ("[call]", "[call]\nring_timeout = 30s"),
    ("[call]", "[call]\n; the desk"),
    ("[call]", "[call]\n// the desk"),
    ("[ami]", "[ami]\ntls = True"),
    ("[ami]", "[ami]\ntls = yes"),
    ("= \"word\"", "= word"),
    ("secret = ", "secret: "),
    ("[call]", "keep = [\"name\"\n[call]"),
    ("[call]", "keep = [name, address]\n[call]"),
    ("[call]", "[contacts]\nkeep = [\"name\"]\n[call]"),
];

#[test]
fn what_is_no_toml_is_told_in_the_words_of_who_wrote_it() {
    let campaigns = NO_TOML
        .iter()
        .map(|&(part, by)| (by.to_owned(), with(part, by)));
    insta::assert_snapshot!("no_toml", said_of(campaigns));
}

#[test]
fn the_readme_shows_what_is_said() {
    let campaign = "\
[ami]
username = \"dialer\"
secret = \"word\"

[contacts]
file = \"contacts.csv\"
kep = [\"name\"]

[call]
context = notify
exten = \"s\"

[call.variables]
NAME = \"{nmae}\"

[[trunk]]
name = \"carrier\"
channel = \"Local/{number}@from-internal\"
";
    let told = stderr(&check(campaign, LIST));
    assert_eq!(told.lines().count(), 4, "{told}");
    assert!(include_str!("../../README.md").contains(&told), "{told}");
}

/// The eighth of what surprises a dialer: without `/n`, Asterisk takes a Local channel out of its call, which goes on, and
/// the line seems free.
#[test]
fn surprise_8_a_local_channel_that_would_leave_its_call_is_a_fault() {
    for (channel, instead) in [
        ("Local/{number}@out", "Local/{number}@out/n"),
        ("Local/{number}@out/", "Local/{number}@out/n"),
        ("local/{number}@out/j", "local/{number}@out/jn"),
    ] {
        let output = check(&with("PJSIP/{number}@carrier", channel), LIST);
        assert_eq!(output.status.code(), Some(2), "{channel}");
        assert_eq!(
            stderr(&output),
            format!(
                "campaign.toml:11:11: a Local channel needs the option n, or Asterisk takes it out of the call while that goes on: write `{instead}`\n"
            )
        );
        let output = check(&with("PJSIP/{number}@carrier", instead), LIST);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
}

#[test]
fn a_slip_does_not_hide_what_else_is_wrong() {
    let campaign = "\
[ami]
usrname = \"dialer\"
port = \"5038\"
secret = word
[contact]
file = \"contacts.csv\"
number = \"phone\"
keep = [\"nmae\"]
[call]
context = notify
exten = \"s\"
[call.variables]
NAME = \"{nmae}\"
[[trunks]]
name = \"carrier\"
chanel = \"Local/{number}@out\"
";
    let output = check(campaign, LIST);
    assert_eq!(output.status.code(), Some(2));
    insta::assert_snapshot!("several", stderr(&output));
}

/// A list, and lines for `[contacts]`.
#[rustfmt::skip]
const LISTS: &[(&str, &str)] = &[
    ("", ""),
    ("phone\n100\n", ""),
    ("phone\n100\n", "number = \"phnoe\""),
    ("number\n100\n", "id = \"household\""),
    ("number\n100\n", "keep = [\"name\", \"zip\"]"),
    ("number;name\n100;Ana\n", ""),
    ("number,number\n100,101\n", ""),
    ("number,name\n100,\"Ana\n", ""),
    ("sep=;\nnumber;name\n", ""),
    ("\u{fffe}", ""),
    ("number,name\n100,Ana\nnobody,Luis\n,Eva\n101,x,y\n", "bad_rows = \"stop\""),
    ("number,tz\n100,Mars/Olympus\n", "timezone = \"tz\"\nbad_rows = \"stop\""),
    ("number\n29000100\n12\n", "region = \"UY\"\nbad_rows = \"stop\""),
    ("number,name\n100,Ana,\n", "bad_rows = \"stop\""),
    ("number,name\n100,\"Ana\nLuis\"\n1.0E+11,Eva\n59829000101.0,Eva\n", "bad_rows = \"stop\""),
    ("number,name\n100,Ana\n", "timezone = \"tz\""),
    ("number\n100\n", "number = [\"number\", \"home\"]"),
    ("Number\n100\n", ""),
    ("number\tname\n100\tAna\n", ""),
    ("number,tz\n100,Montevideo\n", "timezone = \"tz\"\nbad_rows = \"stop\""),
];

#[test]
fn what_is_wrong_with_a_list_is_told_by_its_line() {
    let mut said = String::new();
    for &(list, lines) in LISTS {
        let campaign = with(
            "file = \"contacts.csv\"",
            &format!("file = \"contacts.csv\"\n{lines}"),
        );
        let output = check(&campaign, list);
        assert_eq!(output.status.code(), Some(2), "{list} {lines}");
        let told = stderr(&output);
        let _ = writeln!(said, "{} {}\n{told}", in_short(list), in_short(lines));
    }
    insta::assert_snapshot!("lists", said);
}

#[test]
fn a_list_that_a_spreadsheet_saved_as_something_else_is_told_from_one_that_lacks_a_column() {
    let folder = folder(LEAST, LIST);
    for (bytes, told) in [
        (
            &b"\xff\xfen\0u\0m\0"[..],
            "contacts.csv:1:1: is UTF-16: save it as \"CSV UTF-8\"\n",
        ),
        (
            b"PK\x03\x04\x14\0\x06\0",
            "contacts.csv:1:1: is a spreadsheet's own file: save it as \"CSV UTF-8\"\n",
        ),
        (
            b"number,n\xe9\n100,Ana\n",
            "contacts.csv:1:8: the name of column 2 is not UTF-8: save the list as UTF-8\n",
        ),
    ] {
        fs::write(folder.path().join("contacts.csv"), bytes).unwrap();
        let output = check_in(folder.path(), &[]);
        assert_eq!(stderr(&output), told);
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn the_campaign_file_and_the_list_are_told_of_in_one_go() {
    let campaign = with("username = \"dialer\"", "usrname = \"dialer\"")
        .replace("context = \"notify\"\n", "")
        .replace(
            "channel = \"PJSIP/{number}@carrier\"",
            "channel = \"{number}\"",
        )
        .replace(
            "file = \"contacts.csv\"",
            "file = \"contacts.csv\"\nbad_rows = \"stop\"\nkeep = [\"nmae\"]",
        );
    let output = check(&campaign, "number,name\nnobody,Ana\n");
    assert_eq!(
        stderr(&output),
        "campaign.toml:2:1: unknown key `usrname` in [ami]; did you mean `username`?\n\
         campaign.toml:7:9: contacts.csv has no column `nmae`; did you mean `name`?\n\
         campaign.toml:8:1: `context` is missing in [call]: write `context = \"notify\"`\n\
         campaign.toml:12:11: `channel` must begin with a technology: write `PJSIP/{number}@carrier`\n"
    );
    let output = check(
        &campaign.replace("\nkeep = [\"nmae\"]", ""),
        "number,name\nnobody,Ana\n",
    );
    assert!(
        stderr(&output).ends_with("\ncontacts.csv:2: not a number\n"),
        "{}",
        stderr(&output)
    );
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn after_a_syntax_error_nothing_is_told_that_may_only_follow_from_it() {
    let output = check(&with("[contacts]", "[contacts"), "phone\n100\n");
    let told = stderr(&output);
    assert!(told.starts_with("campaign.toml:4:10: "), "{told}");
    assert!(!told.contains("missing"), "{told}");
}

#[test]
fn a_run_is_told_the_same() {
    let campaign = with("username = \"dialer\"\n", "");
    let folder = folder(&campaign, "phone\n100\n");
    let checked = check_in(folder.path(), &[]);
    let run = dialer()
        .current_dir(folder.path())
        .args(["run", "campaign.toml"])
        .output()
        .unwrap();
    assert_eq!(stderr(&checked).lines().count(), 2);
    assert_eq!(stderr(&run), stderr(&checked));
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn bad_rows_are_named_up_to_a_hundred_and_then_counted_and_are_no_fault() {
    let output = check(
        LEAST,
        &list((0..150).map(|row| if row == 140 { "100" } else { "nobody" })),
    );
    assert_eq!(output.status.code(), Some(0));
    let told = stderr(&output);
    let lines: Vec<&str> = told.lines().collect();
    assert_eq!(lines.len(), 101, "{told}");
    assert_eq!(
        lines[0],
        "contacts.csv:2: warning: not called: not a number"
    );
    assert_eq!(
        lines[100],
        "contacts.csv: warning: and 49 more rows that cannot be called"
    );
    assert!(stdout(&output).contains("150 contacts, 149 that cannot be called\n"));
}

#[test]
fn results_that_cannot_be_are_told_where_the_campaign_names_them() {
    for (results, told) in [
        (
            "nowhere/storm.csv",
            "there is no folder nowhere: mkdir -p nowhere",
        ),
        (
            "%Q.csv",
            "%Q.csv: the date cannot be told from such a name: use %Y-%m-%d, and %H%M%S for a time",
        ),
    ] {
        let campaign = format!("results = \"{results}\"\n{LEAST}");
        let output = check(&campaign, LIST);
        assert_eq!(output.status.code(), Some(2));
        assert_eq!(
            stderr(&output),
            format!("campaign.toml:1:11: `results`: {told}\n")
        );
    }
    let folder = folder(LEAST, LIST);
    fs::write(folder.path().join("campaign.results.csv"), "a,b\n1,2\n").unwrap();
    let output = check_in(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).starts_with("campaign.results.csv"),
        "{}",
        stderr(&output)
    );
}

/// A line of the least campaign, and what stands there instead that may be meant so and hardly is.
const DOUBTFUL: &[(&str, &str)] = &[
    ("exten = \"s\"", "exten = \"s\"\nring_timeout = \"5m\""),
    ("exten = \"s\"", "exten = \"s\"\ncall_timeout = \"20s\""),
    ("[[trunk]]", "[retry]\ndelay = \"8h\"\n[[trunk]]"),
    (
        "[[trunk]]",
        "[window]\ntimezone = \"UTC\"\nstop_at = \"2020-01-01T20:00:00Z\"\n[[window.open]]\ndays = [\"mon\"]\nfrom = \"00:00\"\nto = \"24:00\"\n[[trunk]]",
    ),
    (
        "secret = \"word\"",
        "secret = \"word\"\nhost = \"pbx.example.org\"\nauth = \"plain\"",
    ),
    (
        "\"PJSIP/{number}@carrier\"",
        "\"PJSIP/{number}@carrier\"\nports = 100",
    ),
    ("\"PJSIP/{number}@carrier\"", "\"DAHDI/g1/{number}\""),
];

#[test]
fn what_is_hardly_meant_so_is_a_warning_and_no_fault() {
    let mut said = String::new();
    for &(line, by) in DOUBTFUL {
        let output = check(&with(line, by), LIST);
        assert_eq!(output.status.code(), Some(0), "{by}");
        let told = stderr(&output);
        assert_eq!(told.lines().count(), 1, "{by}: {told}");
        assert!(told.contains(": warning: "), "{by}: {told}");
        let _ = writeln!(said, "{}\n{told}", in_short(by));
    }
    insta::assert_snapshot!("doubts", said);
    for harmless in [
        with(
            "\"PJSIP/{number}@carrier\"",
            "\"DAHDI/g1/{number}\"\n[capture]\ndisposition = \"OUTCOME\"",
        ),
        with("secret = \"word\"", "secret = \"word\"\nauth = \"plain\""),
        with(
            "\"PJSIP/{number}@carrier\"",
            "\"PJSIP/{number}@carrier\"\nports = 24",
        ),
    ] {
        assert_eq!(stderr(&check(&harmless, LIST)), "", "{harmless}");
    }
}

#[cfg(unix)]
#[test]
fn a_secret_that_everybody_can_read_is_warned_of() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = folder(
        &with("secret = \"word\"", "secret_file = \"ami.secret\""),
        LIST,
    );
    let secret = folder.path().join("ami.secret");
    fs::write(&secret, "word\n").unwrap();
    for (mode, told) in [
        (
            0o644,
            "campaign.toml:3:15: warning: every user of this machine can read the secret: chmod 600 ami.secret\n",
        ),
        (0o640, ""),
    ] {
        fs::set_permissions(&secret, fs::Permissions::from_mode(mode)).unwrap();
        let output = check_in(folder.path(), &[]);
        assert_eq!(stderr(&output), told);
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn nobody_to_call_is_warned_of_and_hours_are_told() {
    let output = check(LEAST, "number\n");
    assert_eq!(
        stderr(&output),
        "contacts.csv: warning: there is no contact to call\n"
    );
    let campaign = format!(
        "{LEAST}[window]\ntimezone = \"UTC\"\n[[window.open]]\ndays = [\"mon\", \"tue\", \"wed\", \"thu\", \"fri\", \"sat\", \"sun\"]\nfrom = \"00:00\"\nto = \"24:00\"\n"
    );
    let output = check(&campaign, LIST);
    assert!(stdout(&output).contains("\ncalls may begin now\n"));
}

#[test]
fn the_first_call_is_shown_as_asterisk_would_be_asked_for_it_and_the_secret_never() {
    let campaign = with(
        "exten = \"s\"",
        "exten = \"s\"\ncaller_id = \"Storm Desk <+59829000000>\"\n[call.variables]\nNAME = \"{name}, {number}\"",
    )
    .replace("secret = \"word\"", "secret = \"hunter2\"");
    let output = check(&campaign, "number,name\nnobody,X\n+598 2900-0100,Ana\n");
    let shown = stdout(&output);
    let (before, preview) = shown.split_once("\n\n").unwrap();
    assert_eq!(
        before,
        "campaign campaign: no faults\n\
         list contacts.csv: 2 contacts, 1 that cannot be called\n\
         trunk carrier: 10 lines, 1 call a second at most\n\
         results: campaign.results.csv"
    );
    let id = preview
        .lines()
        .find_map(|line| line.strip_prefix("  ActionID: "))
        .unwrap();
    assert_eq!(id.len(), 26);
    assert_eq!(
        preview.replace(id, "ID"),
        "the first call, to +598 2900-0100 at +59829000100, is asked for as\n\
         \n\
         \x20 Action: Originate\n\
         \x20 ActionID: ID\n\
         \x20 Channel: PJSIP/+59829000100@carrier\n\
         \x20 ChannelId: ID\n\
         \x20 Async: true\n\
         \x20 Timeout: 30000\n\
         \x20 Context: notify\n\
         \x20 Exten: s\n\
         \x20 Priority: 1\n\
         \x20 CallerID: Storm Desk <+59829000000>\n\
         \x20 Variable: CALLID=ID\n\
         \x20 Variable: NAME=Ana\\, +59829000100\n"
    );
    assert!(!(shown + &stderr(&output)).contains("hunter2"));
}

#[test]
fn the_first_call_is_to_whom_a_run_would_call_first() {
    let campaign = with(
        "file = \"contacts.csv\"",
        "file = \"contacts.csv\"\nnumber = [\"number\", \"other\"]\n[suppress]\nfiles = [\"dnc.txt\"]",
    );
    let folder = folder(&campaign, "number,other\n100,\n101,102\n101,103\n104,\n");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("dnc.txt", "101\n102\n");
    write(
        "campaign.results.csv",
        "contact,attempt,counted,final,disposition,next_attempt_at,call_id,note\n100,1,yes,yes,ANSWERED,,,\n",
    );
    let shown = stdout(&check_in(folder.path(), &[]));
    for said in [
        "4 contacts, 1 on a list of numbers never to call\n",
        "results: campaign.results.csv, which have the final outcome of 1 contact\n",
        "the first call, to 101#2 at 103, is asked for as\n",
        "  Channel: PJSIP/103@carrier\n",
    ] {
        assert!(shown.contains(said), "{said}{shown}");
    }
    write("dnc.txt", "101\n102\n103\n104\n");
    let output = check_in(folder.path(), &[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).ends_with("contacts.csv: warning: there is no contact to call\n"),
        "{}",
        stderr(&output)
    );
    assert!(!stdout(&output).contains("the first call"));
}

#[test]
fn a_password_within_a_dial_string_is_not_shown() {
    let campaign = with(
        "PJSIP/{number}@carrier",
        "IAX2/account:hunter2@carrier/{number}",
    );
    let output = check(&campaign, LIST);
    let shown = stdout(&output);
    assert!(
        shown.contains("\n  Channel: IAX2/account:***@carrier/+59829000100\n"),
        "{shown}"
    );
    assert!(!(shown + &stderr(&output)).contains("hunter2"));
}

#[test]
fn quiet_says_what_is_wrong_and_nothing_else() {
    let fine = folder(LEAST, LIST);
    let output = check_in(fine.path(), &["-q"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stdout.is_empty() && output.stderr.is_empty());
    let warned = folder(LEAST, "number\n100\nnobody\n");
    let output = check_in(warned.path(), &["-q"]);
    assert!(output.stdout.is_empty());
    assert!(stderr(&output).contains("contacts.csv:3: warning: "));
    let json = check_in(warned.path(), &["-q", "--log-format", "json"]);
    let object: serde_json::Value = serde_json::from_str(stderr(&json).trim()).unwrap();
    assert_eq!(object["level"], "WARN");
    assert_eq!(
        object["message"],
        "contacts.csv:3: warning: not called: not a number"
    );
}

#[test]
fn nothing_is_written() {
    let folder = folder(LEAST, LIST);
    check_in(folder.path(), &[]);
    let mut names: Vec<_> = fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["campaign.toml", "contacts.csv"]);
}
