//! `dialer check`: what an operator is told of a campaign before anybody is called.

mod common;
#[expect(
    dead_code,
    reason = "what can be wrong with the hours is told apart elsewhere"
)]
mod faults;

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Output;

use common::{Folder, Pbx, dialer, list, stderr};
use faults::BROKEN;
use tempfile::TempDir;

/// The least that a campaign holds.
const LEAST: &str = "\
[ami]
username = \"dialer\"
secret = \"word\"
[contacts]
file = \"contacts.csv\"
[call]
context = \"notify\"
exten = \"s\"
[[trunk]]
name = \"carrier\"
channel = \"PJSIP/{number}@carrier\"
";
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

#[test]
fn each_of_many_kinds_of_fault_has_its_file_its_place_and_what_to_write_instead() {
    assert!(BROKEN.len() > 40);
    let mut wrong = Vec::new();
    for &(line, by, expected) in BROKEN {
        let output = check(&with(line, by), LIST);
        let told = stderr(&output);
        let expected = format!("campaign.toml:{}", expected.replacen(' ', ": ", 1));
        let is_told = told.lines().any(|line| line.starts_with(&expected));
        if !is_told || output.status.code() != Some(2) || !output.stdout.is_empty() {
            wrong.push(format!(
                "{by:?}: {:?}\n{told}  expected {expected}",
                output.status
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A list, lines for `[contacts]`, and all that is said of them.
const LISTS: &[(&str, &str, &[&str])] = &[
    (
        "",
        "",
        &["contacts.csv:1: is empty: its first line must name the columns"],
    ),
    (
        "phone\n100\n",
        "",
        &["campaign.toml:4:1: contacts.csv has no column `number`; its columns are phone"],
    ),
    (
        "phone\n100\n",
        "number = \"phnoe\"",
        &["campaign.toml:6:10: contacts.csv has no column `phnoe`; did you mean `phone`?"],
    ),
    (
        "number\n100\n",
        "id = \"household\"",
        &["campaign.toml:6:6: contacts.csv has no column `household`; its columns are number"],
    ),
    (
        "number\n100\n",
        "keep = [\"name\", \"zip\"]",
        &[
            "campaign.toml:6:9: contacts.csv has no column `name`; its columns are number",
            "campaign.toml:6:17: contacts.csv has no column `zip`; its columns are number",
        ],
    ),
    (
        "number;name\n100;Ana\n",
        "",
        &[
            "contacts.csv:1: has one column only, `number;name`: write `delimiter = \";\"` in [contacts]",
        ],
    ),
    (
        "number,number\n100,101\n",
        "",
        &["contacts.csv:1: the header names `number` twice"],
    ),
    (
        "number,name\n100,\"Ana\n",
        "",
        &["contacts.csv:2: a quotation mark (\") is opened in the row on line 2 and never closed"],
    ),
    (
        "sep=;\nnumber;name\n",
        "",
        &["contacts.csv:1: the first line, `sep=`, is for a spreadsheet alone: delete it"],
    ),
    (
        "\u{fffe}",
        "",
        &["campaign.toml:4:1: contacts.csv has no column `number`; its columns are \u{fffe}"],
    ),
    (
        "number,name\n100,Ana\nnobody,Luis\n,Eva\n101,x,y\n",
        "bad_rows = \"stop\"",
        &[
            "contacts.csv:3: not a number",
            "contacts.csv:4: the number is empty",
            "contacts.csv:5: 3 fields, where the header has 2",
        ],
    ),
    (
        "number,tz\n100,Mars/Olympus\n",
        "timezone = \"tz\"\nbad_rows = \"stop\"",
        &[
            "contacts.csv:2: column `tz`: no time zone is called \"Mars/Olympus\"; write it like America/Montevideo",
        ],
    ),
    (
        "number\n29000100\n12\n",
        "region = \"UY\"\nbad_rows = \"stop\"",
        &["contacts.csv:3: not a valid number for UY: it is too short"],
    ),
];

#[test]
fn what_is_wrong_with_a_list_is_told_by_its_line() {
    let mut wrong = Vec::new();
    for &(list, lines, expected) in LISTS {
        let campaign = with(
            "file = \"contacts.csv\"",
            &format!("file = \"contacts.csv\"\n{lines}"),
        );
        let output = check(&campaign, list);
        let told = stderr(&output);
        if told.lines().collect::<Vec<_>>() != expected || output.status.code() != Some(2) {
            wrong.push(format!("{list:?} {lines:?}\n{told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
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
        "campaign.toml:1:1: `username` is missing in [ami]: write `username = \"dialer\"`\n\
         campaign.toml:2:1: unknown key `usrname` in [ami]; did you mean `username`?\n\
         campaign.toml:8:1: `context` is missing in [call]: write `context = \"notify\"`\n\
         campaign.toml:12:11: `channel` must begin with a technology: write `PJSIP/{number}@carrier`\n\
         campaign.toml:7:9: contacts.csv has no column `nmae`; did you mean `name`?\n"
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
        ("nowhere/storm.csv", "there is no folder nowhere"),
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

/// What may be meant so and hardly is: a line of the least campaign, what stands there instead, and what is said.
const DOUBTFUL: &[(&str, &str, &str)] = &[
    (
        "exten = \"s\"",
        "exten = \"s\"\nring_timeout = \"5m\"",
        "9:16: warning: `ring_timeout` is longer than `call_timeout`: who does not answer is hung up at `call_timeout` already",
    ),
    (
        "exten = \"s\"",
        "exten = \"s\"\ncall_timeout = \"20s\"",
        "9:16: warning: `ring_timeout` is longer than `call_timeout`: ",
    ),
    (
        "[[trunk]]",
        "[retry]\ndelay = \"8h\"\n[[trunk]]",
        "10:9: warning: `delay` is longer than `max_delay`: contacts are called again after `max_delay` already",
    ),
    (
        "[[trunk]]",
        "[window]\ntimezone = \"UTC\"\nstop_at = \"2020-01-01T20:00:00Z\"\n[[window.open]]\ndays = [\"mon\"]\nfrom = \"00:00\"\nto = \"24:00\"\n[[trunk]]",
        "11:11: warning: `stop_at` has passed: nobody would be called; write a time of day, such as \"20:30\", for every day",
    ),
    (
        "secret = \"word\"",
        "secret = \"word\"\nhost = \"pbx.example.org\"\nauth = \"plain\"",
        "5:8: warning: the secret goes over the network as it is: leave `auth` out, or write `tls = true`",
    ),
    (
        "\"PJSIP/{number}@carrier\"",
        "\"PJSIP/{number}@carrier\"\nports = 100",
        "11:11: warning: trunk carrier: at 1 calls a second no more than about 25 of its 100 lines are ever in use at once; `calls_per_second = 4.2` would fill them (by [simulate], 55% answer after 8 s and talk for 20 s, 10% are busy, 28% do not answer within 30 s, and a call takes 24.1 s on average)",
    ),
    (
        "\"PJSIP/{number}@carrier\"",
        "\"DAHDI/g1/{number}\"",
        "11:11: warning: trunk carrier: on an analog line every call counts as ANSWERED as soon as it is dialed, ",
    ),
];

#[test]
fn what_is_hardly_meant_so_is_a_warning_and_no_fault() {
    for &(line, by, expected) in DOUBTFUL {
        let output = check(&with(line, by), LIST);
        assert_eq!(output.status.code(), Some(0), "{by}");
        let told = stderr(&output);
        assert_eq!(told.lines().count(), 1, "{by}: {told}");
        assert!(
            told.starts_with(&format!("campaign.toml:{expected}")),
            "{by}: {told}"
        );
    }
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
            "campaign.toml:3:15: warning: everybody on this machine can read the secret: chmod 600 ami.secret\n",
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
        "contacts.csv: warning: there is nobody to call\n"
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
         trunk carrier: 10 lines, 1 calls a second at most\n\
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

/// `dialer check --connect` on a PBX.
fn connect(folder: &Folder) -> Output {
    dialer()
        .arg("check")
        .arg(folder.path("campaign.toml"))
        .args(["--connect", "-v"])
        .output()
        .unwrap()
}

fn campaign_on(address: SocketAddr, trunk: &str, rest: &str) -> Folder {
    Folder::new(address, "", trunk, rest, &list(["100", "101"]))
}

/// What it said of Asterisk on standard output.
fn of_asterisk(output: &Output) -> String {
    let shown = stdout(output);
    let at = shown
        .find("\nAsterisk ")
        .unwrap_or_else(|| panic!("{shown}\n{}", stderr(output)));
    shown[at + 1..].to_owned()
}

fn extensions(of: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let own = |&(context, exten): &(&str, &str)| (context.to_owned(), exten.to_owned());
    Some(of.iter().map(own).collect())
}

#[test]
fn asterisk_says_that_all_is_there_and_nobody_is_called() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = extensions(&[("notify", "s")]);
        config.endpoints = Some(vec!["carrier".to_owned()]);
        config.max_calls = 100;
    });
    let folder = campaign_on(pbx.address, "ports = 20", "");
    let output = connect(&folder);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(
        of_asterisk(&output),
        "Asterisk 22.10.1 (simulated)\n\
         user dialer may dial, hang up, and hear how calls end; whether it hears of variables (`dialplan` in `read =`) is seen at the first call\n\
         extension s of context notify, priority 1, is there\n\
         trunk carrier: PJSIP/carrier can be called\n\
         0 channels live there now\n\
         it carries 100 calls at most, and there are 20 lines\n"
    );
    let dialed = pbx.simulator.dialed();
    assert!(
        dialed.iter().all(|dialed| dialed.starts_with("Dialer/")),
        "{dialed:?}"
    );
    assert_eq!(pbx.simulator.counters().most_calls, 0);
    assert!(!folder.results().exists());
}

#[test]
fn everything_that_no_call_could_come_of_is_told_at_once() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = extensions(&[("notify", "t"), ("internal", "100")]);
        config.endpoints = Some(vec!["backup".to_owned()]);
    });
    let folder = campaign_on(
        pbx.address,
        "",
        "[[trunk]]\nname = \"second\"\nchannel = \"PJSIP/{number}@backup\"\n\
         [[trunk]]\nname = \"third\"\nchannel = \"Local/{number}@internal/n\"\n\
         [[trunk]]\nname = \"fourth\"\nchannel = \"Local/{number}@nowhere/n\"\n",
    );
    let output = connect(&folder);
    assert_eq!(output.status.code(), Some(4));
    let told = stderr(&output);
    let campaign = folder.path("campaign.toml").display().to_string();
    for said in [
        "\nwarning: trunk third: context internal has no extension that takes 101\n",
        &format!(
            "\n{campaign}: there is no extension s in context notify with a priority 1: see `dialplan show notify` in Asterisk's console\n"
        ),
        "\ntrunk carrier: Asterisk knows no PJSIP/carrier: look for its name in the configuration, and whether that was loaded\n",
        "\ntrunk fourth: context nowhere has no extension that takes 100\n",
    ] {
        assert!(told.contains(said), "{said}{told}");
    }
    let of_asterisk = of_asterisk(&output);
    for said in [
        "\ntrunk second: PJSIP/backup can be called\n",
        "\ntrunk third: 100@internal can be called\n",
    ] {
        assert!(of_asterisk.contains(said), "{of_asterisk}");
    }
}

#[test]
fn an_extension_that_runs_for_every_failed_call_is_warned_of_and_not_run() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = extensions(&[("notify", "s"), ("notify", "failed")]);
    });
    let output = connect(&campaign_on(pbx.address, "", ""));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains(
            "\nwarning: context notify has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails\n"
        ),
        "{}",
        stderr(&output)
    );
}

/// The eleventh of what surprises a dialer: beyond `maxcalls` nothing is refused, phones ring, and who answers is
/// dropped.
#[test]
fn more_lines_than_asterisk_carries_calls_are_warned_of() {
    for (most, ports, warned) in [(15, 16, true), (16, 16, false), (0, 16, false)] {
        let pbx = Pbx::with(50, 50, |config| config.max_calls = most);
        let output = connect(&campaign_on(
            pbx.address,
            &format!("ports = {}", ports - 6),
            "[[trunk]]\nname = \"second\"\nchannel = \"PJSIP/{number}@backup\"\nports = 6\n",
        ));
        assert_eq!(output.status.code(), Some(0));
        let told = stderr(&output);
        assert_eq!(
            told.contains(&format!(
                "warning: there are {ports} lines, and Asterisk carries {most} calls at most (`maxcalls` in asterisk.conf)"
            )),
            warned,
            "{told}"
        );
        assert_eq!(
            of_asterisk(&output).contains("it carries any number of calls\n"),
            most == 0
        );
    }
}

#[test]
fn what_a_user_may_not_ask_is_said_and_not_guessed() {
    let pbx = Pbx::with(50, 50, |config| {
        config.denied_actions = ["CoreSettings", "Getvar", "Status"]
            .map(str::to_owned)
            .to_vec();
    });
    let output = connect(&campaign_on(pbx.address, "", ""));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = of_asterisk(&output);
    for said in [
        "Asterisk does not tell its version\n",
        "trunk carrier: Asterisk cannot tell whether PJSIP/carrier can be called\n",
        "how many calls it carries it does not tell user dialer: keep `maxcalls` in asterisk.conf above 10, or add `reporting` to `write =` in manager.conf to have it checked\n",
    ] {
        assert!(told.contains(said), "{told}");
    }
    assert!(!told.contains("channels live"), "{told}");
}

#[test]
fn an_application_is_not_called_to_see_whether_it_is_there() {
    let pbx = Pbx::start(50, 50);
    let folder = campaign_on(pbx.address, "", "");
    let campaign = folder.path("campaign.toml");
    let text = fs::read_to_string(&campaign).unwrap().replace(
        "context = \"notify\"\nexten = \"s\"",
        "application = \"Playback\"\ndata = \"storm\"",
    );
    fs::write(&campaign, text).unwrap();
    let output = connect(&folder);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        of_asterisk(&output)
            .contains("whether it has the application Playback cannot be told without a call\n")
    );
}

#[test]
fn an_asterisk_that_cannot_be_reached_or_lets_nobody_dial_is_exit_code_4() {
    let nobody = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let output = connect(&campaign_on(nobody, "", ""));
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("refused the connection"));

    let pbx = Pbx::with(50, 50, |config| config.secret = "another".to_owned());
    let output = connect(&campaign_on(pbx.address, "", ""));
    assert_eq!(output.status.code(), Some(4));
    assert!(stderr(&output).contains("refused the login"));

    for (denied, told) in [("Originate", "`originate`"), ("Hangup", "`call`")] {
        let pbx = Pbx::with(50, 50, |config| {
            config.denied_actions = vec![denied.to_owned()];
        });
        let output = connect(&campaign_on(pbx.address, "", ""));
        assert_eq!(output.status.code(), Some(4));
        assert!(stderr(&output).contains(&format!("add {told} to `write =`")));
    }
}

#[test]
fn a_campaign_with_a_fault_is_not_connected_for() {
    let pbx = Pbx::start(50, 50);
    let output = connect(&campaign_on(pbx.address, "ports = 0", ""));
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(pbx.simulator.dialed().len(), 0);
}
