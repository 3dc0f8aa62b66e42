//! `dialer check --connect`: what an operator is told of the campaign's Asterisk, without a call.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::process::Output;

use crate::common::{Folder, Pbx, dialer, list, stderr};

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

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// What it said of Asterisk on standard output.
fn of_asterisk(output: &Output) -> String {
    let shown = stdout(output);
    let at = shown
        .find("\nAsterisk ")
        .unwrap_or_else(|| panic!("{shown}\n{}", stderr(output)));
    shown[at + 1..].to_owned()
}

fn extensions(of: &[(&str, &str)]) -> Vec<(String, String)> {
    let own = |&(context, exten): &(&str, &str)| (context.to_owned(), exten.to_owned());
    of.iter().map(own).collect()
}

#[test]
fn asterisk_says_that_all_is_there_and_nobody_is_called() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = Some(extensions(&[("notify", "s")]));
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
         0 channels in use now\n\
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

/// Where the campaign file says what such a sentence is about: the channel of its trunk, or else the extension.
fn place_of(folder: &Folder, said: &str) -> String {
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    let trunk = said
        .trim_start_matches("warning: ")
        .strip_prefix("trunk ")
        .and_then(|rest| rest.split(':').next());
    let mut lines = text.lines().zip(1..);
    if let Some(trunk) = trunk {
        let name = format!("name = \"{trunk}\"");
        lines.find(|(line, _)| *line == name).unwrap();
    }
    let key = if trunk.is_some() {
        "channel = "
    } else {
        "exten = "
    };
    let (_, line) = lines.find(|(line, _)| line.starts_with(key)).unwrap();
    format!("{}:{line}:{}", path.display(), key.len() + 1)
}

#[test]
fn everything_that_no_call_could_come_of_is_told_at_once() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = Some(extensions(&[("notify", "t"), ("internal", "100")]));
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
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    for said in [
        "warning: trunk third: Asterisk has no extension that takes 101 in a context internal\n",
        "Asterisk has no extension s with a priority 1 in a context notify: `dialplan show notify` in its console shows what there is\n",
        "trunk carrier: Asterisk knows no PJSIP/carrier: look for its name in the configuration there, and whether that was loaded\n",
        "trunk fourth: Asterisk has no extension that takes 100 in a context nowhere\n",
    ] {
        let place = place_of(&folder, said);
        let said = format!("{place}: {said}");
        assert!(told.contains(&said), "{said}{told}");
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
        config.extensions = Some(extensions(&[("notify", "s"), ("notify", "failed")]));
    });
    let output = connect(&campaign_on(pbx.address, "", ""));
    assert_eq!(output.status.code(), Some(0));
    assert!(
        stderr(&output).contains(
            ": warning: context notify has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails\n"
        ),
        "{}",
        stderr(&output)
    );
}

/// The eleventh of what surprises a dialer: beyond `maxcalls` nothing is refused, phones ring, and who answers is
/// dropped.
#[test]
fn surprise_11_more_lines_than_asterisk_carries_calls_are_warned_of() {
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
        "Asterisk 22 (its manager is 11.0.0)\n",
        "trunk carrier: Asterisk does not tell whether PJSIP/carrier can be called\n",
        "how many calls it carries it does not tell user dialer: keep `maxcalls` in asterisk.conf at 10 or more, or add `reporting` to `write =` in manager.conf to have it checked\n",
    ] {
        assert!(told.contains(said), "{told}");
    }
    assert!(!told.contains("in use now"), "{told}");
}

#[test]
fn the_readme_shows_what_is_said() {
    let pbx = Pbx::with(50, 50, |config| {
        config.extensions = Some(extensions(&[("notify", "s")]));
        config.max_calls = 500;
    });
    let output = connect(&campaign_on(pbx.address, "ports = 10", ""));
    let told = of_asterisk(&output).replace(" (simulated)", "");
    assert!(include_str!("../../README.md").contains(&told), "{told}");
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
