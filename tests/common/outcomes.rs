//! One table of outcomes, held against every PBX alike: the simulated Asterisk, a real 22 and a real 16.
//!
//! The same people are called three ways: directly, through a Local channel whose dialplan dials them, and through one
//! that goes where `DIALSTATUS` says, as PBX distributions do. What an operator reads must not depend on the way.

use std::collections::HashMap;
use std::fmt::Write as _;

/// Somebody to call, and what must be told of it.
pub(crate) struct Case {
    /// The endpoint on a real Asterisk, and the contact's id.
    pub(crate) party: &'static str,
    /// The number; its last two digits are what a simulated Asterisk goes by.
    pub(crate) number: &'static str,
    /// The outcome.
    pub(crate) disposition: &'static str,
    /// The Q.850 causes that it may come with. Versions differ in the cause of an end that nobody sent.
    pub(crate) causes: &'static [&'static str],
    /// The SIP code that the far end sent; versions before 20.17 and 22.7 do not tell.
    pub(crate) sip_code: &'static str,
}

const fn case(
    party: &'static str,
    number: &'static str,
    disposition: &'static str,
    causes: &'static [&'static str],
    sip_code: &'static str,
) -> Case {
    Case {
        party,
        number,
        disposition,
        causes,
        sip_code,
    }
}

/// Everybody who is called the three ways.
#[rustfmt::skip]
pub(crate) const CASES: &[Case] = &[
    // Answered, and hung up by the dialplan; through Local the far half leaves with it.
    case("answer",       "55501", "ANSWERED",       &["16", "0"],       ""),
    case("leaves",       "55502", "ANSWERED",       &["16", "0"],       ""),
    case("early-answer", "55503", "ANSWERED",       &["16", "0"],       ""),
    case("busy",         "55510", "BUSY",           &["17"],            "486"),
    case("early-busy",   "55511", "BUSY",           &["17"],            "486"),
    case("noanswer",     "55520", "NO ANSWER",      &["19", "0", "16"], ""),
    case("absent",       "55522", "NO ANSWER",      &["19"],            "480"),
    case("reject",       "55530", "REJECTED",       &["21"],            "603"),
    case("notfound",     "55540", "INVALID NUMBER", &["1"],             "404"),
    case("gone",         "55541", "INVALID NUMBER", &["22"],            "410"),
    case("broken",       "55551", "CONGESTION",     &["38"],            "500"),
    case("unavail",      "55550", "CONGESTION",     &["34"],            "503"),
    // No such endpoint: no channel, or one that the dialplan could not get.
    case("nonesuch",     "55560", "CONGESTION",     &["", "0", "3", "20", "34"], ""),
];

/// Refused by the trunk. Without the SIP code nobody can tell this from a person who declines.
pub(crate) const FORBIDDEN: Case = case("forbidden", "55552", "CONGESTION", &["21"], "403");

/// A trunk that answers nothing at all. In a campaign of its own: where other calls get through, silence is the callee's.
pub(crate) const DEAD: Case = case("dead", "55521", "CONGESTION", &["19", "0", "16"], "");

/// The way to a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Direct,
    Through,
    Distribution,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Direct, Self::Through, Self::Distribution];

    /// The trunk's dial string.
    pub(crate) const fn channel(self) -> &'static str {
        match self {
            Self::Direct => "PJSIP/{number}@{party}",
            Self::Through => "Local/{number}@through/n",
            Self::Distribution => "Local/{number}@distribution/n",
        }
    }
}

/// The rest of the campaign file after `[ami]`, and its list.
pub(crate) fn campaign(way: Way, cases: &[&Case]) -> (String, String) {
    let rest = format!(
        r#"
[contacts]
file = "contacts.csv"
id = "party"

[call]
context = "brief"
exten = "s"
ring_timeout = "4s"
call_timeout = "60s"

[call.variables]
__PARTY = "{{party}}"

[[trunk]]
name = "parties"
channel = "{}"
ports = 20
calls_per_second = 100

[retry]
max_attempts = 1
delay = "0s"
"#,
        way.channel()
    );
    let mut list = "party,number\n".to_owned();
    for case in cases {
        let _ = writeln!(list, "{},{}", case.party, case.number);
    }
    (rest, list)
}

/// Holds the rows of a campaign against the table.
#[track_caller]
pub(crate) fn assert_as_expected(
    way: Way,
    cases: &[&Case],
    rows: &[HashMap<String, String>],
    tells_sip_codes: bool,
) {
    let mut wrong = Vec::new();
    for case in cases {
        let of_case: Vec<_> = rows
            .iter()
            .filter(|row| row["contact"] == case.party)
            .collect();
        let Some(last) = of_case.last() else {
            wrong.push(format!("{way:?} {}: no row", case.party));
            continue;
        };
        let mut complain = |what: &str, told: &str, expected: &str| {
            wrong.push(format!(
                "{way:?} {}: {what} is {told:?}, expected {expected:?} ({})",
                case.party, last["note"]
            ));
        };
        // Without the SIP code a trunk that refuses us looks like a person who declines.
        let disposition = if case.sip_code == "403" && !tells_sip_codes {
            "REJECTED"
        } else {
            case.disposition
        };
        if last["disposition"] != disposition {
            complain("disposition", &last["disposition"], disposition);
        }
        if !case.causes.contains(&last["cause"].as_str()) {
            complain("cause", &last["cause"], &case.causes.join(" or "));
        }
        let sip_code = if tells_sip_codes { case.sip_code } else { "" };
        if last["sip_code"] != sip_code {
            complain("sip_code", &last["sip_code"], sip_code);
        }
        let answered = disposition == "ANSWERED";
        if last["answered_at"].is_empty() == answered {
            complain(
                "answered_at",
                &last["answered_at"],
                if answered { "a time" } else { "" },
            );
        }
        let attempts = if disposition == "CONGESTION" { 6 } else { 1 };
        if of_case.len() != attempts {
            complain(
                "the number of attempts",
                &of_case.len().to_string(),
                &attempts.to_string(),
            );
        }
        if last["final"] != "yes" {
            complain("final", &last["final"], "yes");
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
