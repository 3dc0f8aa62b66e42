//! What `campaign.toml` may say, and what an operator is told where it says something else.
//!
//! The file is long because each table of the campaign has its tests here.

mod faults;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::ami::login::Auth;
use crate::config::schema::{EXAMPLE, known_keys};
use crate::config::{
    self, BadRows, CallTarget, Campaign, CampaignErrors, Capture, CaptureCondition, Duplicates,
    Outside, Rule,
};
use crate::disposition::Disposition;
use crate::phone_number::DialAs;
use crate::schedule::hours::StopAt;
use faults::{BROKEN, LEAST, SHUT, WINDOW};

fn load_with(
    text: &str,
    env_secret: Option<&str>,
    simulate: bool,
) -> Result<Campaign, CampaignErrors> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    fs::write(&path, text).unwrap();
    config::load(&path, env_secret, simulate)
}

fn load(text: &str) -> Result<Campaign, CampaignErrors> {
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
    assert_eq!(campaign.results, Some(folder.join("campaign.results.csv")));
    assert_eq!(
        (campaign.ami.host.as_str(), campaign.ami.port),
        ("127.0.0.1", 5038)
    );
    assert_eq!(campaign.ami.auth, Auth::Md5);
    assert_eq!(campaign.ami.connect_timeout, Duration::from_secs(5));
    assert_eq!(campaign.ami.reconnect_for, Duration::from_secs(600));
    assert_eq!(campaign.contacts.file, folder.join("contacts.csv"));
    assert_eq!(campaign.contacts.numbers[0].name, "number");
    assert_eq!(campaign.contacts.delimiter, b',');
    assert_eq!(campaign.contacts.bad_rows, BadRows::Skip);
    assert_eq!(campaign.contacts.duplicates, Duplicates::Skip);
    assert_eq!(campaign.contacts.numbers.len(), 1);
    assert!(campaign.contacts.keep.is_empty() && campaign.contacts.region.is_none());
    assert_eq!(campaign.call.min_talk, Duration::ZERO);
    assert_eq!(campaign.trunks[0].dial_as, DialAs::Given);
    assert_eq!(
        (campaign.retry.max_per_day, campaign.retry.max_per_week),
        (None, None)
    );
    assert!(campaign.retry.next_number_delay.is_none() && campaign.retry.rules.is_empty());
    assert!(campaign.window.is_none() && campaign.suppress.is_empty());
    assert_eq!(campaign.capture, Capture::default());
    let CallTarget::Exten { priority, .. } = campaign.call.target else {
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

/// The lines of the example with their tables, and with what the comment behind each says.
fn example_lines() -> impl Iterator<Item = (&'static str, &'static str, &'static str)> {
    let mut table = "";
    EXAMPLE.lines().filter_map(move |line| {
        let (text, comment) = line.split_once("  #").unwrap_or((line, ""));
        let text = text.trim();
        if text.starts_with('[') {
            table = text;
        }
        let is_key = text.contains(" = ") && !text.starts_with("# A campaign");
        is_key.then_some((table, text, comment.trim()))
    })
}

#[test]
fn the_example_is_read_without_a_fault_and_each_of_its_keys_is_looked_at() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    config::load(&example, None, true).unwrap_or_else(|faults| panic!("{faults}"));
    let mut checked = 0;
    for (place, line) in EXAMPLE.lines().enumerate() {
        let key = line.trim_start_matches("# ").split_once(" = ");
        let Some((key, _)) = key.filter(|(key, _)| !key.contains(' ')) else {
            continue;
        };
        let mut lines: Vec<&str> = EXAMPLE.lines().collect();
        let wrong = format!("{key} = [[1]]");
        lines[place] = &wrong;
        let told = load_with(&lines.join("\n"), None, true).expect_err(key);
        let at = Some(place as u64 + 1);
        assert!(told.0.iter().any(|fault| fault.line == at), "{key}: {told}");
        checked += 1;
    }
    assert!(checked >= 70, "{checked} keys are known");
}

#[test]
fn the_keys_of_a_table_are_those_of_the_example() {
    let known = |table: &str| {
        let keys: Vec<&str> = known_keys(table).iter().map(|&(key, _)| key).collect();
        keys.join(" ")
    };
    assert_eq!(known("window"), "timezone holidays outside stop_at open");
    assert_eq!(known("window.open"), "days from to");
    assert_eq!(
        known(""),
        "name results ami contacts call trunk retry window suppress capture simulate"
    );
    assert!(known("ami").contains("secret_file secret tls ca_file"));
    assert!(known("call").ends_with("min_talk variables"));
    assert_eq!(
        (known("call.variables"), known("retry.rules")),
        (String::new(), String::new())
    );
    assert!(known_keys("ami").contains(&("ca_file", "ca_file = \"ca.pem\"")));
}

#[test]
fn what_the_example_has_as_a_default_is_the_default() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    let read = |table: &str, line: &str| {
        let text = if LEAST.contains(table) {
            LEAST.replace(table, &format!("{table}\n{line}"))
        } else {
            format!("{LEAST}{table}\n{line}\n")
        };
        fs::write(&path, text).unwrap();
        let campaign = config::load(&path, None, false);
        format!("{:?}", campaign.unwrap_or_else(|faults| panic!("{faults}")))
    };
    let mut checked = 0;
    for (table, line, comment) in example_lines() {
        let is_default = ["[ami]", "[contacts]", "[call]", "[[trunk]]", "[retry]", "[simulate]"]
            .contains(&table)
            && !line.starts_with("# ")
            && !comment.starts_with("required")
            && !comment.starts_with("optional")
            // Where the column is named is remembered as well.
            && !line.starts_with("number")
            && !LEAST.contains(line);
        if is_default {
            assert_eq!(read(table, line), read(table, "#"), "{table} {line}");
            checked += 1;
        }
    }
    assert!(checked > 25, "{checked} defaults are compared");
}

/// Whatever is commented out can be used as it stands there.
#[test]
fn what_the_example_has_in_comments_is_read_as_well() {
    let text = EXAMPLE
        .replace("secret_file = ", "# ")
        .replace("tls = false", "tls = true")
        .replace("context = ", "# ")
        .replace("exten = ", "# ")
        .replace("priority = ", "# ");
    let lines: Vec<&str> = text
        .lines()
        .map(|line| {
            line.strip_prefix("# ")
                .filter(|key| {
                    [
                        "secret = ",
                        "ca_file = ",
                        "server_name = ",
                        "application = ",
                        "data = ",
                    ]
                    .iter()
                    .any(|known| key.starts_with(known))
                })
                .unwrap_or(line)
        })
        .collect();
    let campaign = load(&lines.join("\n")).unwrap_or_else(|faults| panic!("{faults}"));
    assert_eq!(campaign.ami.secret.expose(), "a-long-random-word");
    assert!(campaign.ami.tls.unwrap().server_name.is_some());
    assert!(
        matches!(campaign.call.target, CallTarget::Application { data, .. } if data == "storm-warning")
    );
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
    assert_eq!(told.len(), 3, "{told:#?}");
    assert!(
        told[0].starts_with("7:1 unknown key `contest` in [call]; did you mean `context`?"),
        "{told:#?}"
    );
    assert!(
        told[1].starts_with("10:8 `name` must be a string"),
        "{told:#?}"
    );
    assert!(
        told[2].starts_with("11:9 `ports` must be a whole number"),
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
        Some(folder.path().join("100%%.results.csv"))
    );
}

#[test]
fn there_can_be_several_trunks_each_with_a_name_of_its_own() {
    let second = "[[trunk]]\nname = \"b\"\nchannel = \"DAHDI/g1/{number}\"\ndial_as = \"digits\"\nports = 2\n";
    let campaign = load(&format!("{LEAST}{second}")).unwrap();
    let trunks: Vec<_> = campaign
        .trunks
        .iter()
        .map(|trunk| (trunk.name.as_str(), trunk.dial_as, trunk.ports))
        .collect();
    assert_eq!(
        trunks,
        [("carrier", DialAs::Given, 10), ("b", DialAs::Digits, 2)]
    );
    assert_eq!(
        faults(&format!(
            "{LEAST}{}",
            second.replace("\"b\"", "\"carrier\"")
        )),
        ["13:8 a trunk named \"carrier\" is above already"]
    );
}

#[test]
fn numbers_of_a_country_can_be_dialed_in_each_of_its_forms() {
    for (word, dial_as) in [("e164", DialAs::E164), ("national", DialAs::National)] {
        let text = with(
            "name = \"carrier\"",
            &format!("name = \"carrier\"\ndial_as = \"{word}\""),
        )
        .replace("[call]", "region = \"UY\"\n[call]");
        let campaign = load(&text).unwrap();
        assert_eq!(campaign.trunks[0].dial_as, dial_as);
        assert_eq!(campaign.contacts.region.unwrap().to_string(), "UY");
    }
    // A region that is none is one fault, not one for each trunk that needs it.
    let text = with(
        "name = \"carrier\"",
        "name = \"carrier\"\ndial_as = \"e164\"",
    )
    .replace("[call]", "region = \"Uruguay\"\n[call]");
    assert_eq!(faults(&text).len(), 1);
}

#[test]
fn a_list_may_have_several_numbers_and_more_to_keep() {
    let text = with(
        "file = \"contacts.csv\"",
        "file = \"contacts.csv\"\nnumber = [\"mobile\", \"home\"]\ntimezone = \"tz\"\nkeep = [\"name\", \"city\"]\nduplicates = \"call\"",
    );
    let contacts = load(&text).unwrap().contacts;
    let names = |columns: &[config::Column]| {
        let names: Vec<String> = columns.iter().map(|column| column.name.clone()).collect();
        names.join(" ")
    };
    assert_eq!(
        (names(&contacts.numbers), names(&contacts.keep)),
        ("mobile home".to_owned(), "name city".to_owned())
    );
    assert_eq!(contacts.timezone.unwrap().name, "tz");
    assert_eq!(contacts.duplicates, Duplicates::Call);
    let second = &contacts.numbers[1];
    assert_eq!((second.at.line, second.at.column), (6, 21));
}

#[test]
fn each_disposition_can_have_a_rule_of_its_own() {
    let rules = "[retry]\nmax_per_day = 2\nmax_per_week = 5\nnext_number_delay = \"0s\"\n\
        [retry.rules.\"NO ANSWER\"]\ndelay = \"30m\"\nbackoff = 2\nmax_attempts = 2\n\
        [retry.rules.UNKNOWN]\nretry = true\ndelay = \"1h\"\n[retry.rules.BUSY]\nretry = false\n[retry.rules.SHORT]\n";
    let retry = load(&format!("{LEAST}{rules}")).unwrap().retry;
    assert_eq!((retry.max_per_day, retry.max_per_week), (Some(2), Some(5)));
    assert_eq!(retry.next_number_delay, Some(Duration::ZERO));
    let hour = Duration::from_secs(3600);
    let expected = [
        (Disposition::Short, Rule::default()),
        (
            Disposition::Busy,
            Rule {
                retry: Some(false),
                ..Rule::default()
            },
        ),
        (
            Disposition::NoAnswer,
            Rule {
                delay: Some(hour / 2),
                backoff: Some(2.0),
                max_attempts: Some(2),
                retry: None,
            },
        ),
        (
            Disposition::Unknown,
            Rule {
                delay: Some(hour),
                retry: Some(true),
                ..Rule::default()
            },
        ),
    ];
    assert_eq!(retry.rules.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn a_window_is_read_as_it_is_written() {
    let window = |window: &str| {
        let read = load(&format!("{LEAST}{window}"));
        read.unwrap_or_else(|faults| panic!("{faults}"))
            .window
            .unwrap()
    };
    let whole = window(WINDOW);
    assert_eq!(whole.hours.zone.iana_name(), Some("America/Montevideo"));
    assert_eq!(whole.outside, Outside::Wait);
    let date = |year, month, day| jiff::civil::date(year, month, day);
    assert_eq!(
        whole.hours.holidays.into_iter().collect::<Vec<_>>(),
        [date(2026, 12, 25)]
    );
    let time = |hour, minute| jiff::civil::time(hour, minute, 0, 0);
    assert_eq!(whole.stop_at, Some(StopAt::Daily(time(20, 30))));
    let opening = &whole.hours.openings[0];
    assert_eq!(
        opening.days,
        [true, false, false, false, false, false, true]
    );
    assert_eq!((opening.from, opening.to), (time(9, 0), time(20, 0)));

    // TOML has dates and times of its own.
    let own = WINDOW
        .replace("\"2026-12-25\"", "2026-12-25, \"2027-01-01\"")
        .replace("\"20:30\"", "2026-11-25T20:30:00-03:00")
        .replace("\"wait\"", "\"stop\"")
        .replace("\"09:00\"", "09:00:00");
    let own = window(&own);
    assert_eq!(
        own.hours.holidays.into_iter().collect::<Vec<_>>(),
        [date(2026, 12, 25), date(2027, 1, 1)]
    );
    let moment = |text: &str| StopAt::Moment(text.parse().unwrap());
    assert_eq!(own.stop_at, Some(moment("2026-11-25T23:30:00Z")));
    assert_eq!(
        (own.outside, own.hours.openings[0].from),
        (Outside::Stop, time(9, 0))
    );
    let text = window(&WINDOW.replace("20:30", "2026-11-25T23:30:00Z"));
    assert_eq!(text.stop_at, own.stop_at);

    // Over midnight, until it, and the whole day.
    for (from, to) in [
        ("20:00", "02:00"),
        ("18:00", "24:00"),
        ("18:00", "00:00"),
        ("00:00", "24:00"),
    ] {
        let hours = window(
            &WINDOW
                .replace("\"20:00\"", &format!("\"{to}\""))
                .replace("09:00", from),
        )
        .hours;
        let opening = &hours.openings[0];
        let end = if to == "02:00" {
            time(2, 0)
        } else {
            time(0, 0)
        };
        assert_eq!(
            (opening.from.to_string().get(..5), opening.to),
            (Some(from), end)
        );
    }
    let never = WINDOW
        .replace("09:00", "00:00")
        .replace("\"20:00\"", "\"00:00\"");
    assert!(faults(&format!("{LEAST}{never}"))[0].contains("it never opens"));
}

#[test]
fn a_window_that_cannot_be_is_told_where_it_stands() {
    let lines = LEAST.lines().count();
    let mut wrong = Vec::new();
    for &(part, by, expected) in SHUT {
        assert!(WINDOW.contains(part), "{part}");
        let text = format!("{LEAST}{}", WINDOW.replacen(part, by, 1));
        let (line, rest) = expected.split_once(':').unwrap();
        let expected = format!("{}:{rest}", lines + line.parse::<usize>().unwrap());
        let told = faults(&text);
        if told.len() != 1 || !told[0].starts_with(&expected) {
            wrong.push(format!(
                "{by:?}\n  told     {told:?}\n  expected {expected:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_dialplan_says_is_captured() {
    let capture = "[capture]\nvariables = [\"AMDSTATUS\", \"CHOICE\"]\nmachine = \" AMDSTATUS = MACHINE \"\n\
        disposition = \"OUTCOME\"\nopt_out = { when = \"CHOICE=9\", file = \"dnc.txt\" }\n";
    let campaign = load(&format!("{LEAST}{capture}")).unwrap();
    let condition = |variable: &str, value: &str| CaptureCondition {
        variable: variable.to_owned(),
        value: value.to_owned(),
    };
    assert_eq!(campaign.capture.variables, ["AMDSTATUS", "CHOICE"]);
    assert_eq!(
        campaign.capture.machine,
        Some(condition("AMDSTATUS", "MACHINE"))
    );
    assert_eq!(campaign.capture.disposition.as_deref(), Some("OUTCOME"));
    let opt_out = campaign.capture.opt_out.unwrap();
    assert_eq!(opt_out.when, condition("CHOICE", "9"));
    // Who opted out is not called by the next run, either, whether or not [suppress] names the file.
    assert_eq!(campaign.suppress, [opt_out.file]);
}

#[test]
fn a_list_of_numbers_never_to_call_must_be_there_but_for_the_one_that_the_run_begins() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("campaign.toml");
    let suppress = "[suppress]\nfiles = [\"dnc.txt\", \"national.csv\"]\n";
    let opt_out = "[capture]\nopt_out = { when = \"CHOICE=9\", file = \"dnc.txt\" }\n";
    let load = |text: String| {
        fs::write(&path, text).unwrap();
        config::load(&path, None, false)
    };
    let told = load(format!("{LEAST}{suppress}")).unwrap_err();
    assert_eq!(told.0.len(), 2);
    assert!(
        told.0[0]
            .message
            .ends_with("if there are no numbers yet, make an empty file"),
        "{told}"
    );
    let told = load(format!("{LEAST}{suppress}{opt_out}")).unwrap_err();
    assert_eq!(told.0.len(), 1);
    fs::write(folder.path().join("national.csv"), "").unwrap();
    let campaign = load(format!("{LEAST}{suppress}{opt_out}")).unwrap();
    let names = ["dnc.txt", "national.csv"].map(|name| folder.path().join(name));
    assert_eq!(campaign.suppress, names);
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
