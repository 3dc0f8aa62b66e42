//! What `campaign.toml` may say, and what an operator is told where it says something else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use dialer::ami::login::Auth;
use dialer::config::{self, BadRows, Campaign, Faults, Results, Target};

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

fn load_with(text: &str, env_secret: Option<&str>, simulate: bool) -> Result<Campaign, Faults> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    fs::write(&path, text).unwrap();
    config::load(&path, env_secret.map(str::to_owned), simulate)
}

fn load(text: &str) -> Result<Campaign, Faults> {
    load_with(text, None, false)
}

/// The faults as `line:column message`, without the file.
fn faults(text: &str) -> Vec<String> {
    let faults = load(text).expect_err("the campaign is wrong");
    faults
        .0
        .iter()
        .map(|fault| {
            let place =
                |number: Option<u64>| number.map_or("-".to_owned(), |number| number.to_string());
            format!(
                "{}:{} {}",
                place(fault.line),
                place(fault.column),
                fault.message
            )
        })
        .collect()
}

/// Replaces a line of the least campaign.
fn with(line: &str, by: &str) -> String {
    assert!(LEAST.contains(line), "{line}");
    LEAST.replace(line, by)
}

#[test]
fn the_least_campaign_gets_every_default() {
    let campaign = load(LEAST).unwrap();
    let folder = campaign.path.parent().unwrap();
    assert_eq!(campaign.name, "campaign");
    assert_eq!(
        campaign.results,
        Results::File(folder.join("campaign.results.csv"))
    );
    assert_eq!(
        (campaign.ami.host.as_str(), campaign.ami.port),
        ("127.0.0.1", 5038)
    );
    assert_eq!(campaign.ami.auth, Auth::Md5);
    assert_eq!(campaign.ami.connect_timeout, Duration::from_secs(5));
    assert_eq!(campaign.ami.reconnect_for, Duration::from_secs(600));
    assert_eq!(campaign.contacts.file, folder.join("contacts.csv"));
    assert_eq!(campaign.contacts.number.name, "number");
    assert_eq!(campaign.contacts.delimiter, b',');
    assert_eq!(campaign.contacts.bad_rows, BadRows::Skip);
    let Target::Exten { priority, .. } = campaign.call.target else {
        panic!("an extension was given");
    };
    assert_eq!(priority, 1);
    assert_eq!(campaign.call.ring_timeout, Duration::from_secs(30));
    assert_eq!(campaign.call.call_timeout, Duration::from_secs(200));
    assert_eq!(
        (
            campaign.trunks[0].ports,
            campaign.trunks[0].calls_per_second
        ),
        (10, 1.0)
    );
    assert_eq!(
        (campaign.retry.max_attempts, campaign.retry.backoff),
        (3, 1.0)
    );
    assert_eq!(campaign.retry.delay, Duration::from_secs(300));
    assert_eq!(campaign.retry.max_delay, Duration::from_secs(21_600));
    assert_eq!(
        (campaign.simulate.seed, campaign.simulate.answered),
        (1, 0.55)
    );
}

#[test]
fn the_example_is_read_without_a_fault_and_shows_every_key() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let campaign = config::load(&example, None, true).unwrap_or_else(|faults| panic!("{faults}"));
    // Everything that an unknown key is answered with is known: each table names its keys.
    let text = fs::read_to_string(&example).unwrap();
    for (table, line) in [
        ("", ""),
        ("[ami]", "[ami]"),
        ("[contacts]", "[contacts]"),
        ("[call]", "[call]"),
        ("[[trunk]]", "[[trunk]]"),
        ("[retry]", "[retry]"),
        ("[simulate]", "[simulate]"),
    ] {
        let broken = match text.split_once(&format!("\n{line}")) {
            Some((before, after)) if !line.is_empty() => format!(
                "{before}\n{line}\nqqqqqqqq = 1\n{}",
                after.split_once('\n').unwrap().1
            ),
            _ => format!("qqqqqqqq = 1\n{text}"),
        };
        let told = faults(&broken).join("\n");
        let known = told
            .lines()
            .find_map(|fault| {
                fault
                    .split_once("known are ")
                    .map(|(_, known)| known.to_owned())
            })
            .unwrap_or_else(|| panic!("{table}: {told}"));
        for key in known.split(", ") {
            let later = [
                "window",
                "suppress",
                "capture",
                "timezone",
                "keep",
                "region",
                "max_per_day",
                "max_per_week",
                "next_number_delay",
                "rules",
            ];
            let shown = text.contains(&format!("\n{key} = "))
                || text.contains(&format!("\n# {key} = ")) || text.contains(&format!("[{key}]")) || text.contains(&format!("[call.{key}]"))
                // Instead of what is shown.
                || ["secret", "application", "data"].contains(&key);
            assert!(
                shown || later.contains(&key),
                "{table} {key} is not in the example"
            );
        }
    }
    assert_eq!(campaign.trunks.len(), 1);
}

#[test]
fn the_secret_comes_from_one_place_and_is_shown_nowhere() {
    let secret = |campaign: &Campaign| campaign.ami.secret.expose().to_owned();
    assert_eq!(secret(&load(LEAST).unwrap()), "word");
    let without = with("secret = \"word\"\n", "");
    assert_eq!(
        secret(&load_with(&without, Some("from-env"), false).unwrap()),
        "from-env"
    );
    assert!(
        load_with(&without, None, true).is_ok(),
        "a rehearsal needs none"
    );

    let two_lines = load_with(&without, Some("one\ntwo"), false).unwrap_err();
    assert!(
        two_lines.0[0]
            .message
            .starts_with("the secret in the environment must be one line")
    );

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    fs::write(folder.path().join("ami.secret"), "\u{feff}from file\r\n").unwrap();
    fs::write(
        &path,
        with("secret = \"word\"", "secret_file = \"ami.secret\""),
    )
    .unwrap();
    assert_eq!(
        secret(&config::load(&path, None, false).unwrap()),
        "from file"
    );

    let shown = format!("{:?}", load(LEAST).unwrap());
    assert!(!shown.contains("word\""), "{shown}");
    let told = faults(&with("secret = \"word\"", "secret = \"hush\\nhush\""));
    assert!(!told.join("").contains("hush"), "{told:?}");
}

#[test]
fn every_fault_is_told_at_once_in_the_order_of_the_file() {
    let text = with(
        "[call]\ncontext = \"notify\"",
        "[call]\ncontest = \"notify\"",
    )
    .replace("name = \"carrier\"", "name = 7\nports = 0");
    let told = faults(&text);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(
        told[0].starts_with("6:1 `context` is missing in [call]"),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with("7:1 unknown key `contest` in [call]; did you mean `context`?"),
        "{told:#?}"
    );
    assert!(
        told[2].starts_with("10:8 `name` must be a string"),
        "{told:#?}"
    );
    assert!(
        told[3].starts_with("11:9 `ports` must be a whole number"),
        "{told:#?}"
    );
}

#[test]
fn a_fault_is_shown_with_its_file_as_the_operator_named_it() {
    let error = config::load(Path::new("no/such.toml"), None, false).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("no/such.toml: cannot be read: "),
        "{error}"
    );
    let folder = tempfile::tempdir().unwrap();
    let path: PathBuf = folder.path().join("campaign.toml");
    fs::write(&path, "[ami\n").unwrap();
    let error = config::load(&path, None, false).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with(&format!("{}:1:5: ", path.display())),
        "{error}"
    );
}

/// A line of the least campaign, what stands there instead, and the one fault that follows.
#[rustfmt::skip]
const BROKEN: &[(&str, &str, &str)] = &[
    ("[ami]\n", "nmae = \"x\"\n[ami]\n", "1:1 unknown key `nmae`; did you mean `name`?"),
    ("[ami]\n", "name = \"a/b\"\n[ami]\n", "1:8 `name` becomes part of a file name"),
    ("[ami]\n", "name = 1\n[ami]\n", "1:8 `name` must be a string, such as `name = \"storm-warning\"`, not integer"),
    ("[ami]\n", "results = \"x-%!.csv\"\n[ami]\n", "1:11 `results` is no pattern for a date"),
    ("[ami]\n", "results = \"out/\"\n[ami]\n", "1:11 `results` must name a file"),
    ("[ami]\n", "results = \"\"\n[ami]\n", "1:11 `results` must name a file"),
    ("[ami]\n", "results = \"out/.\"\n[ami]\n", "1:11 `results` must name a file"),
    ("[ami]\n", "results = \"..\"\n[ami]\n", "1:11 `results` must name a file"),
    ("[ami]\n", "results = \"a\\u0000b\"\n[ami]\n", "1:11 `results` must name a file"),
    ("[ami]\n", "results = \"contacts.csv\"\n[ami]\n", "1:11 `results` is a file that this campaign reads"),
    ("[ami]\n", "results = \"campaign.toml\"\n[ami]\n", "1:11 `results` is a file that this campaign reads"),
    ("[ami]\n", "\u{feff}nmae = 1\n[ami]\n", "1:1 unknown key `nmae`"),
    ("[ami]\n", "[ami]\nusername = \"x\"\n", "3:1 `username` stands above already"),
    ("[ami]\n", "[ami]\nhost = \"\"\n", "2:8 `host` must be a name or an address alone"),
    ("[ami]\n", "[ami]\nhost = \"pbx:5038\"\n", "2:8 `host` must be a name or an address alone"),
    ("[ami]\n", "[ami]\nhost = \"tcp://pbx\"\n", "2:8 `host` must be a name or an address alone"),
    ("[ami]\n", "[amii]\n[ami]\n", "1:2 unknown table [amii]; did you mean `ami`?"),
    ("[ami]\n", "[ami]\nport = 70000\n", "2:8 `port` must be a whole number from 1 to 65535"),
    ("[ami]\n", "[ami]\nport = \"5038\"\n", "2:8 `port` must be a whole number from 1 to 65535"),
    ("[ami]\n", "[ami]\nauth = \"md4\"\n", "2:8 `auth` must be \"md5\" or \"plain\""),
    ("[ami]\n", "[ami]\ntls = 1\n", "2:7 `tls` must be true or false, not integer"),
    ("[ami]\n", "[ami]\nserver_name = \"pbx\"\n", "2:15 `server_name` has a meaning with `tls = true` only"),
    ("[ami]\n", "[ami]\nca_file = \"ca.pem\"\n", "2:11 `ca_file` has a meaning with `tls = true` only"),
    ("[ami]\n", "[ami]\nconnect_timeout = 5\n", "2:19 `connect_timeout` must be a duration, such as \"30s\""),
    ("[ami]\n", "[ami]\nsecret_file = \"x\"\n", "2:15 both `secret` and `secret_file` are given"),
    ("secret = \"word\"\n", "", "1:1 `secret_file` is missing in [ami]: write `secret_file = \"ami.secret\"`"),
    ("secret = \"word\"", "secret_file = \"no.secret\"", "3:15 `secret_file` no.secret cannot be read"),
    ("secret = \"word\"", "secret = \"\"", "3:10 the secret must be one line that is not empty"),
    ("username = \"dialer\"\n", "", "1:1 `username` is missing in [ami]"),
    ("username = \"dialer\"", "username = \"\"", "2:12 `username` is empty"),
    ("username = \"dialer\"", "username = \"x\\r\\nAction: Logoff\"", "2:12 `username` holds a line break"),
    ("file = \"contacts.csv\"\n", "", "4:1 `file` is missing in [contacts]"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\ndelimiter = \"ab\"", "6:13 `delimiter` must be one character"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nbad_rows = \"keep\"", "6:12 `bad_rows` must be \"skip\" or \"stop\""),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nnumber = []", "6:10 `number` names no column"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nnumber = [\"a\", \"b\"]", "6:10 `number with several columns` is not supported yet"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nduplicates = \"call\"", "6:14 `duplicates = \"call\"` is not supported yet"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nkeep = [\"name\"]", "6:8 `keep` is not supported yet"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\ntimezone = \"tz\"", "6:12 `timezone` is not supported yet"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nregion = \"UY\"", "6:10 `region` is not supported yet"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nnumber = \"\"", "6:10 `number` names no column"),
    ("file = \"contacts.csv\"", "file = \"contacts.csv\"\nid = \" \"", "6:6 `id` names no column"),
    ("context = \"notify\"\nexten = \"s\"\n", "application = \"Playback\"\npriority = 2\n", "8:12 `priority` has a meaning with `exten` only"),
    ("exten = \"s\"", "exten = \"s\"\ndata = \"storm\"", "9:8 `data` has a meaning with `application` only"),
    ("exten = \"s\"", "exten = \"s\"\nring_timeout = \"25d\"", "9:16 `ring_timeout` must be at most 1d"),
    ("exten = \"s\"", "exten = \"s\"\ncall_timeout = \"999999999d\"", "9:16 `call_timeout` must be at most 1d"),
    ("context = \"notify\"\nexten = \"s\"\n", "", "6:1 `context` is missing in [call]"),
    ("exten = \"s\"\n", "", "6:1 `exten` is missing in [call]"),
    ("exten = \"s\"", "exten = \"s\"\napplication = \"Playback\"", "9:15 `application` stands beside `context` or `exten`"),
    ("exten = \"s\"", "exten = \"\"", "8:9 `exten` is empty"),
    ("exten = \"s\"", "exten = \"s\"\npriority = 0", "9:12 `priority` must be a whole number"),
    ("exten = \"s\"", "exten = \"s\"\nring_timeout = \"0s\"", "9:16 `ring_timeout` must be at least 1s"),
    ("exten = \"s\"", "exten = \"s\"\nring_timeout = \"half a minute\"", "9:16 `ring_timeout` must be a duration"),
    ("exten = \"s\"", "exten = \"s\"\nmin_talk = \"5s\"", "9:12 `min_talk` is not supported yet"),
    ("exten = \"s\"", "exten = \"s\"\ncaller_id = \"{name\"", "9:14 `caller_id`: `{` is never closed"),
    ("exten = \"s\"", "exten = \"s\"\ncaller_id = \"a\\nb\"", "9:13 `caller_id` holds a line break"),
    ("exten = \"s\"", "exten = \"s\"\n[call.variables]\nCALLID = \"1\"", "10:1 CALLID is the dialer's own variable"),
    ("exten = \"s\"", "exten = \"s\"\n[call.variables]\n\"GLOBAL(x)\" = \"1\"", "10:1 \"GLOBAL(x)\" cannot be a channel variable"),
    ("exten = \"s\"", "exten = \"s\"\n[call.variables]\nX = 1", "10:5 `X` must be a string"),
    ("exten = \"s\"", "exten = \"s\"\n[call.variables]\nX = \"}\"", "10:6 `X`: `}` was never opened"),
    ("[[trunk]]\n", "[trunk]\n", "9:1 a trunk is written as [[trunk]]"),
    ("name = \"carrier\"\n", "", "9:1 `name` is missing in [[trunk]]"),
    ("channel = \"PJSIP/{number}@carrier\"\n", "", "9:1 `channel` is missing in [[trunk]]"),
    ("PJSIP/{number}@carrier", "{number}@carrier", "11:11 `channel` must begin with a technology"),
    ("PJSIP/{number}@carrier", "PJSIP/100@carrier", "11:11 `channel` calls everyone at the same address"),
    ("PJSIP/{number}@carrier", "Local/{number}@out", "11:11 a Local channel needs the option n, or Asterisk takes it out of the call while that goes on: write `Local/{number}@out/n`"),
    ("PJSIP/{number}@carrier", "Local/{number}@out/j", "11:11 a Local channel needs the option n, or Asterisk takes it out of the call while that goes on: write `Local/{number}@out/jn`"),
    ("PJSIP/{number}@carrier", "Local/x@out/{number}", "11:11 a Local channel needs the option n"),
    ("PJSIP/{number}@carrier", " PJSIP/{number}", "11:11 `channel` must begin with a technology"),
    ("PJSIP/{number}@carrier", "PJSIP/é{number@carrier", "11:19 `channel`: `{` is never closed"),
    ("\"PJSIP/{number}@carrier\"", "\"PJSIP/\\u007Bnumber@carrier\"", "11:11 `channel`: `{` is never closed"),
    ("name = \"carrier\"", "name = \"carrier\"\nports = \"10\"", "11:9 `ports` must be a whole number from 1 to 65535, without quotation marks"),
    ("name = \"carrier\"", "name = \"carrier\"\ncalls_per_second = \"2\"", "11:20 `calls_per_second` must be a number of calls from 0.001 to 100000, without quotation marks"),
    ("name = \"carrier\"", "name = \"carrier\"\ncalls_per_second = 1e-300", "11:20 `calls_per_second` must be a number of calls from 0.001 to 100000"),
    ("name = \"carrier\"", "name = \"carrier\"\nPorts = 5", "11:1 unknown key `Ports` in [[trunk]]; did you mean `ports`?"),
    ("name = \"carrier\"", "name = \"carrier\"\nports = 0", "11:9 `ports` must be a whole number from 1 to 65535"),
    ("name = \"carrier\"", "name = \"carrier\"\ncalls_per_second = 0", "11:20 `calls_per_second` must be a number of calls from 0.001 to 100000"),
    ("name = \"carrier\"", "name = \"carrier\"\ncalls_per_second = inf", "11:20 `calls_per_second` must be a number of calls from 0.001 to 100000"),
    ("name = \"carrier\"", "name = \"carrier\"\ndial_as = \"e164\"", "11:11 `dial_as` is not supported yet"),
    ("name = \"carrier\"", "name = \"carrier\"\nprots = 5", "11:1 unknown key `prots` in [[trunk]]; did you mean `ports`?"),
    ("[[trunk]]\n", "[retry]\nmax_attempts = 0\n[[trunk]]\n", "10:16 `max_attempts` must be a whole number from 1 to 65535"),
    ("[[trunk]]\n", "[retry]\nbackoff = 0.5\n[[trunk]]\n", "10:11 `backoff` must be a number, at least 1.0"),
    ("[[trunk]]\n", "[retry]\nmax_per_day = 3\n[[trunk]]\n", "10:15 `max_per_day` is not supported yet"),
    ("[[trunk]]\n", "[retry.rules.BUSY]\ndelay = \"1m\"\n[[trunk]]\n", "9:8 `rules` is not supported yet"),
    ("[[trunk]]\n", "[window]\ntimezone = \"UTC\"\n[[trunk]]\n", "9:1 `window` is not supported yet"),
    ("[[trunk]]\n", "[suppress]\nfiles = []\n[[trunk]]\n", "9:1 `suppress` is not supported yet"),
    ("[[trunk]]\n", "[capture]\nvariables = []\n[[trunk]]\n", "9:1 `capture` is not supported yet"),
    ("[[trunk]]\n", "[simulate]\nanswered = 1.5\n[[trunk]]\n", "10:12 `answered` must be a share between 0 and 1"),
    ("[[trunk]]\n", "[simulate]\nanswered = 0.9\nbusy = 0.2\n[[trunk]]\n", "9:1 the shares of [simulate] add up to 1.17"),
    ("[[trunk]]\n", "[simulate]\nseed = -1\n[[trunk]]\n", "10:8 `seed` must be a whole number"),
];

#[test]
fn each_fault_has_its_place_and_says_what_to_write() {
    let mut wrong = Vec::new();
    for &(line, by, expected) in BROKEN {
        let told = faults(&with(line, by));
        if told.len() != 1 || !told[0].starts_with(expected) {
            wrong.push(format!(
                "{by:?}\n  told     {told:?}\n  expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_asterisk_would_cut_or_ignore_is_told_before_the_list_is_blamed() {
    let told = |line: &str, by: String| faults(&with(line, &by)).join("\n");
    let variables = |lines: String| {
        told(
            "exten = \"s\"",
            format!("exten = \"s\"\n[call.variables]\n{lines}"),
        )
    };
    let many = |count: usize| {
        (0..count)
            .map(|place| format!("X{place} = \"\"\n"))
            .collect::<Vec<_>>()
            .concat()
    };
    assert_eq!(
        variables(many(113)),
        "9:1 [call.variables] holds 113 variables: Asterisk takes 112 of a call at most"
    );
    assert!(
        load(&with(
            "exten = \"s\"",
            &format!("exten = \"s\"\n[call.variables]\n{}", many(112))
        ))
        .is_ok()
    );
    assert_eq!(
        variables(format!("X = \"{}{{number}}\"", ",".repeat(600))),
        "10:5 `X`: Variable X takes 1212 bytes, and Asterisk reads 1022 at most"
    );
    assert_eq!(
        told(
            "PJSIP/{number}@carrier",
            format!("PJSIP/{{number}}@{}", "x".repeat(255))
        ),
        "11:11 `channel`: Channel takes 262 bytes, and Asterisk reads 255 at most"
    );
    assert_eq!(
        told(
            "exten = \"s\"",
            format!("exten = \"s\"\ncaller_id = \"{}\"", "x".repeat(256))
        ),
        "9:13 `caller_id`: CallerID takes 256 bytes, and Asterisk reads 255 at most"
    );
    assert_eq!(
        told("exten = \"s\"", format!("exten = \"{}\"", "1".repeat(1016))),
        "8:9 `exten` takes 1023 bytes, and Asterisk reads 1022 at most"
    );
    // The names of columns are not sent.
    let columns = format!(
        "exten = \"s\"\n[call.variables]\nX = \"{{{}}}\"",
        "x".repeat(2000)
    );
    assert!(load(&with("exten = \"s\"", &columns)).is_ok());
}

#[test]
fn each_mistake_is_one_fault() {
    assert_eq!(
        faults(
            "ami = 5\ncontacts = []\n[call]\ncontext = 1\nexten = \"s\"\n[[trunk]]\nname = \"t\"\nchannel = \"PJSIP/{number}\"\n"
        ),
        [
            "1:7 `ami` must be a table (write [ami] on a line of its own), not integer",
            "2:12 `contacts` must be a table (write [contacts] on a line of its own), not array",
            "4:11 `context` must be a string, such as `context = \"notify\"`, not integer",
        ]
    );
}

#[test]
fn a_name_with_a_percent_sign_is_no_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("100%.toml");
    fs::write(&path, LEAST).unwrap();
    let campaign = config::load(&path, None, false).unwrap();
    assert_eq!(campaign.name, "100%");
    assert_eq!(
        campaign.results,
        Results::File(folder.path().join("100%%.results.csv"))
    );
}

#[test]
fn a_second_trunk_is_not_there_yet() {
    let second = "[[trunk]]\nname = \"b\"\nchannel = \"PJSIP/{number}@b\"\n";
    let told = faults(&format!("{LEAST}{second}"));
    assert!(
        told[0].starts_with("12:1 `more than one [[trunk]]` is not supported yet"),
        "{told:?}"
    );
    let told = faults(&format!(
        "{LEAST}{}",
        second.replace("\"b\"", "\"carrier\"")
    ));
    assert_eq!(
        told[1],
        "13:8 a trunk named \"carrier\" stands above already"
    );
}

#[test]
fn local_channels_with_their_option_are_fine() {
    for channel in [
        "Local/{number}@out/n",
        "Local/{number}@out/nj",
        "local/{number}@out/n",
    ] {
        assert!(
            load(&with("PJSIP/{number}@carrier", channel)).is_ok(),
            "{channel}"
        );
    }
}

#[test]
fn nothing_at_all_names_every_table_that_is_missing() {
    let told = faults("");
    for table in ["[ami]", "[contacts]", "[call]", "[[trunk]]"] {
        assert!(
            told.iter().any(|fault| fault.contains(table)),
            "{table}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}
