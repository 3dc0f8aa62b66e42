//! What `dialer check --connect` says of a real Asterisk, and that it calls nobody to find out.

use std::fmt::Write as _;
use std::thread;

use crate::asterisk::{
    Campaign, Crowd, Pbx, Records, TOO_LITTLE, Watch, crowd_is_registered, list,
};

/// `[call]`, and trunks by their names, channels and ports.
fn campaign(call: &str, trunks: &[(&str, &str, usize)]) -> Campaign {
    let mut tables = String::new();
    for (name, channel, ports) in trunks {
        let _ = writeln!(
            tables,
            "[[trunk]]\nname = \"{name}\"\nchannel = \"{channel}\"\nports = {ports}\ncalls_per_second = 100"
        );
    }
    let rest = format!("[contacts]\nfile = \"contacts.csv\"\n[call]\n{call}\n{tables}");
    Campaign::new(&rest, list("number", ["100", "900"])).with(&["--connect"])
}

/// What an operator sees of Asterisk.
struct Seen {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Seen {
    #[track_caller]
    fn assert_says(&self, words: &str) {
        let said = self.stdout.contains(words) || self.stderr.contains(words);
        assert!(
            said,
            "{words:?} is not in\n{}\n{}",
            self.stdout, self.stderr
        );
    }
}

/// Checks campaigns side by side. Meanwhile Asterisk has no channel, for whatever it may be, records no call, and nobody
/// whose phone could ring is called.
#[track_caller]
fn check_all(campaigns: &[Campaign]) -> Vec<Seen> {
    let (watch, records, crowd) = (Watch::channels(""), Records::gather(), Crowd::gather());
    let seen = thread::scope(|scope| {
        let check = |campaign| scope.spawn(move || check_one(campaign));
        let checks: Vec<_> = campaigns.iter().map(check).collect();
        let ended = checks.into_iter().map(|check| check.join().unwrap());
        ended.collect()
    });
    assert_eq!(watch.end().created, Vec::<String>::new());
    assert_eq!(records.end().len(), 0);
    assert_eq!(crowd.disperse(), 0);
    seen
}

#[track_caller]
fn check(campaign: Campaign) -> Seen {
    check_all(&[campaign]).remove(0)
}

fn check_one(campaign: &Campaign) -> Seen {
    let output = campaign.check();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let seen = Seen {
        code: output.status.code(),
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
    };
    assert!(!(seen.stdout.clone() + &seen.stderr).contains("s3cret"));
    seen
}

const NOTIFY: &str = "context = \"notify\"\nexten = \"s\"";

fn version() -> &'static str {
    if Pbx::under_test().port == 15138 {
        "Asterisk 16."
    } else {
        "Asterisk 22."
    }
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn what_is_there_is_told_by_the_permissions_of_the_readme_and_nobody_is_called() {
    let trunks = [
        ("people", "PJSIP/{number}@crowd", 20),
        ("phone", "PJSIP/crowd/sip:{number}@127.0.0.1", 1),
        ("inside", "Local/{number}@inbound/n", 10),
    ];
    let seen = check(campaign(NOTIFY, &trunks));
    assert_eq!(seen.code, Some(0), "{}", seen.stderr);
    for line in [
        version(),
        "user dialer may dial, hang up, and hear how calls end",
        "extension s of context notify, priority 1, is there\n",
        "trunk people: PJSIP/crowd can be called\n",
        "trunk phone: PJSIP/crowd can be called\n",
        "trunk inside: 100@inbound, 900@inbound can be called\n",
        "0 channels in use now\n",
        "keep `maxcalls` in asterisk.conf at 41 or more",
    ] {
        seen.assert_says(line);
    }
    assert!(!seen.stderr.contains("warning"), "{}", seen.stderr);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn what_the_campaign_names_and_asterisk_has_not_is_a_fault_with_its_place() {
    let trunks = [
        ("people", "PJSIP/{number}@crowd", 5),
        ("nobody", "PJSIP/{number}@nobody", 5),
        ("inside", "Local/{number}@local/n", 5),
        ("nowhere", "Local/{number}@nowhere/n", 5),
        ("lines", "DAHDI/g1/{number}", 5),
    ];
    let seen = check(campaign("context = \"notify\"\nexten = \"t\"", &trunks));
    assert_eq!(seen.code, Some(2), "{}", seen.stderr);
    for line in [
        "campaign.toml:13:9: Asterisk has no extension t with a priority 1 in a context notify: ",
        "campaign.toml:21:11: trunk nobody: Asterisk knows no PJSIP/nobody: ",
        "campaign.toml:26:11: warning: trunk inside: Asterisk has no extension that takes 900 in a context local\n",
        "campaign.toml:31:11: trunk nowhere: Asterisk has no extension that takes 100 in a context nowhere\n",
        "campaign.toml:31:11: trunk nowhere: Asterisk has no extension that takes 900 in a context nowhere\n",
        "campaign.toml:36:11: trunk lines: Asterisk knows no DAHDI/g1: ",
        "trunk people: PJSIP/crowd can be called\n",
        "trunk inside: 100@local can be called\n",
    ] {
        seen.assert_says(line);
    }
    let priority = "context = \"notify\"\nexten = \"s\"\npriority = 4";
    let seen = check(campaign(priority, &trunks[..1]));
    assert_eq!(seen.code, Some(2), "{}", seen.stderr);
    seen.assert_says("no extension s with a priority 4 in a context notify");
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn an_extension_that_every_failed_call_would_run_is_warned_of_and_not_run() {
    for context in ["with-failed", "catch-all"] {
        let call = format!("context = \"{context}\"\nexten = \"s\"");
        let seen = check(campaign(&call, &[("people", "PJSIP/{number}@crowd", 5)]));
        assert_eq!(seen.code, Some(0), "{}", seen.stderr);
        seen.assert_says(&format!(
            "campaign.toml:13:9: warning: context {context} has an extension `failed`, or a pattern that takes it"
        ));
    }
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn more_lines_than_maxcalls_are_warned_of_and_a_local_channel_counts_twice() {
    for (channel, ports, says) in [
        (
            "PJSIP/{number}@crowd",
            500,
            "it carries 500 calls at most, and there are 500 lines\n",
        ),
        (
            "PJSIP/{number}@crowd",
            501,
            "warning: there are 501 lines, and Asterisk carries 500 calls at most",
        ),
        (
            "Local/{number}@inbound/n",
            251,
            "warning: there are 251 lines, which count for 502 since",
        ),
    ] {
        let campaign =
            campaign(NOTIFY, &[("people", channel, ports)]).ami("\"dialer\"", "\"admin\"");
        let seen = check(campaign);
        assert_eq!(seen.code, Some(0), "{}", seen.stderr);
        seen.assert_says(says);
    }
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_trunk_that_cannot_be_reached_is_a_warning_beside_another_and_alone_exit_code_4() {
    let trunks = [
        ("people", "PJSIP/{number}@crowd", 5),
        ("others", "PJSIP/{number}@answer", 5),
    ];
    crowd_is_registered(false);
    let alone = check(campaign(NOTIFY, &trunks[..1]));
    let beside = check(campaign(NOTIFY, &trunks));
    let by_address = ("people", "PJSIP/crowd/sip:{number}@127.0.0.1", 5);
    let by_address = check(campaign(NOTIFY, &[by_address]));
    crowd_is_registered(true);
    assert_eq!(alone.code, Some(4), "{}", alone.stderr);
    alone.assert_says("campaign.toml:16:11: trunk people: PJSIP/crowd cannot be reached now: ");
    assert_eq!(beside.code, Some(0), "{}", beside.stderr);
    beside.assert_says(
        "campaign.toml:16:11: warning: trunk people: PJSIP/crowd cannot be reached now: ",
    );
    beside.assert_says("trunk others: PJSIP/answer can be called\n");
    assert_eq!(by_address.code, Some(0), "{}", by_address.stderr);
}

#[test]
#[ignore = "needs a real Asterisk: tests/asterisk/up 22"]
fn a_user_that_may_do_too_little_is_exit_code_4_and_says_what_to_add() {
    let campaigns = TOO_LITTLE.map(|(user, ..)| {
        campaign(NOTIFY, &[("people", "PJSIP/{number}@crowd", 5)])
            .ami("\"dialer\"", &format!("\"{user}\""))
            .ami("connect_timeout = \"30s\"", "connect_timeout = \"5s\"")
    });
    for ((user, access, class), seen) in TOO_LITTLE.into_iter().zip(check_all(&campaigns)) {
        assert_eq!(seen.code, Some(4), "{}", seen.stderr);
        for words in [&format!("[{user}]"), access, class, "manager.conf"] {
            seen.assert_says(words);
        }
    }
}
