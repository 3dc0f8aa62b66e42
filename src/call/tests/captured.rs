//! What the dialplan says of a call in channel variables: which of them are caught, and what they make of its outcome.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use super::*;
use crate::ami::errors::SessionError;
use crate::call::captured::{CapturedValues, CapturedVars, VarCondition};
use crate::call::correlator::ListedChannel;
use crate::disposition::Disposition::{self, *};

const AMDSTATUS: usize = 0;
const CHOICE: usize = 1;
const OUTCOME: usize = 2;

fn watched() -> CapturedVars {
    let condition = |variable, value: &str| {
        Some(VarCondition {
            variable,
            value: value.as_bytes().into(),
        })
    };
    CapturedVars {
        names: vec!["AMDSTATUS".into(), "CHOICE".into(), "OUTCOME".into()],
        opt_out: condition(CHOICE, "9"),
        machine: condition(AMDSTATUS, "MACHINE"),
        disposition: Some(OUTCOME),
    }
}

impl Lab {
    fn watching(watched: CapturedVars) -> Self {
        Self::with(Correlator::new(Arc::new(watched)))
    }

    fn varset(&mut self, channel: &str, uniqueid: &str, linkedid: &str, variable: &str) {
        let (name, value) = variable.split_once('=').unwrap();
        self.say(
            100,
            &format!(
                "Event: VarSet\nChannel: {channel}\nUniqueid: {uniqueid}\nLinkedid: {linkedid}\nVariable: {name}\nValue: {value}"
            ),
        );
    }

    /// On the originated channel.
    fn set(&mut self, variable: &str) {
        self.varset("PJSIP/x-1", ID, ID, variable);
    }

    fn answer(&mut self, millis: u64) {
        self.originate_response(millis, "Success", 4);
        self.newstate(millis, ID, "Up");
    }

    /// What is caught by the time that the originated channel, the only one, is hung up.
    fn captured(mut self) -> CapturedValues {
        self.answer(1_000);
        self.hangup(5_000, "PJSIP/x-1", ID, 16);
        self.silence_until(7_000);
        self.over().expect("it is over").captured
    }
}

#[test]
fn what_a_real_dialplan_sets_is_caught_as_it_was_before_it_was_escaped() {
    let path = "tests/traces/22-one-id/answered-variables-set-by-dialplan.txt";
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let trace = fs::read_to_string(path).unwrap();
    let mut lab = Lab::watching(watched());
    for block in trace.split("# t=").skip(1) {
        let (_, lines) = block.split_once('\n').unwrap();
        if lines.contains("Event: ") {
            lab.say(100, lines);
        }
    }
    let captured = lab.over().expect("it is over").captured;
    assert_eq!(captured.value(CHOICE), b"a\"b");
    assert_eq!(captured.text(AMDSTATUS), "HUMAN");
    assert_eq!(captured.value(OUTCOME), b"");
    assert!(!captured.opted_out);
}

#[test]
fn a_variable_is_caught_on_whatever_channel_of_the_call_it_is_set() {
    let far_half = format!("{ID};2");
    for (channel, uniqueid, linkedid, name) in [
        ("PJSIP/x-1", ID, ID, "CHOICE"),
        ("Local/1@x-1;2", &*far_half, ID, "CHOICE"),
        ("PJSIP/line-1", "1763800000.7", ID, "CHOICE"),
        ("PJSIP/line-1", "1763800000.7", ID, "__CHOICE"),
        // Bridged with a call that is older, its Linkedid is that of the other.
        ("PJSIP/x-1", ID, "1763800000.1", "_CHOICE"),
    ] {
        let mut lab = Lab::watching(watched());
        lab.varset(channel, uniqueid, linkedid, &format!("{name}=1"));
        assert_eq!(lab.captured().value(CHOICE), b"1", "{channel} {name}");
    }
}

#[test]
fn a_variable_of_another_call_or_of_what_runs_after_a_failure_is_not_caught() {
    for (channel, uniqueid, linkedid) in [
        ("PJSIP/x-9", "1763800000.7", "1763800000.7"),
        ("OutgoingSpoolFailed", "1763800000.7", ID),
        ("", "", ""),
    ] {
        let mut lab = Lab::watching(watched());
        lab.varset(channel, uniqueid, linkedid, "CHOICE=9");
        assert_eq!(lab.captured(), CapturedValues::default(), "{channel}");
    }
}

#[test]
fn what_is_not_asked_for_is_not_kept() {
    let mut lab = Lab::watching(CapturedVars::default());
    lab.set("CHOICE=9");
    assert_eq!(lab.captured(), CapturedValues::default());
    let mut lab = Lab::watching(watched());
    lab.set("RTPAUDIOQOS=ssrc=1");
    assert_eq!(lab.captured(), CapturedValues::default());
}

#[test]
fn the_last_value_that_is_not_empty_counts_and_an_opt_out_that_ever_held_holds() {
    let mut lab = Lab::watching(watched());
    for variable in ["CHOICE=1", "CHOICE=9", "CHOICE=2", "CHOICE="] {
        lab.set(variable);
    }
    let captured = lab.captured();
    assert_eq!(captured.value(CHOICE), b"2");
    assert!(captured.opted_out);
}

#[test]
fn the_far_half_of_a_local_channel_is_heard_out_when_it_may_still_set_a_variable() {
    let far_half = format!("{ID};2");
    let answered = |watched| {
        let mut lab = Lab::watching(watched);
        lab.newchannel(2, "Local/1@x-1;1", ID);
        lab.newchannel(2, "Local/1@x-1;2", &far_half);
        lab.answer(1_000);
        lab.hangup(5_000, "Local/1@x-1;1", ID, 16);
        lab
    };
    let mut lab = answered(watched());
    assert!(lab.over().is_none(), "its `h` extension runs now");
    lab.varset("Local/1@x-1;2", &far_half, ID, "OUTCOME=BUSY");
    lab.hangup(5_003, "Local/1@x-1;2", &far_half, 16);
    let signals = lab.over().expect("over with its last leg");
    assert_eq!(signals.captured.value(OUTCOME), b"BUSY");
    assert_eq!(signals.ended_at, lab.at(5_000));
    assert!(signals.end_seen);

    // Somebody took the leg elsewhere.
    let mut lab = answered(watched());
    lab.silence_until(5_900);
    assert!(lab.over().is_none());
    lab.silence_until(6_100);
    assert_eq!(lab.over().expect("not for ever").ended_at, lab.at(5_000));

    let mut lab = answered(CapturedVars::default());
    assert!(lab.over().is_some(), "no line is held for nothing");
}

#[test]
fn what_was_set_while_the_session_was_away_is_caught_from_the_list_of_channels() {
    let listed = |uniqueid: &str, variables: &[(usize, &str)]| ListedChannel {
        uniqueid: uniqueid.as_bytes().into(),
        linkedid: ID.as_bytes().into(),
        channel: b"PJSIP/x-1"[..].into(),
        up: true,
        ringing: false,
        callid: ID.as_bytes().into(),
        answered_ago: None,
        variables: variables
            .iter()
            .map(|&(place, value)| (place, value.as_bytes().into()))
            .collect(),
    };
    let mut lab = Lab::watching(watched());
    lab.newchannel(2, "PJSIP/x-1", ID);
    lab.answer(1_000);
    lab.set("AMDSTATUS=HUMAN");
    // Two channels have it, and the second got it last.
    lab.set("OUTCOME=SHORT");
    lab.varset("PJSIP/line-1", "1763800000.7", ID, "OUTCOME=BUSY");
    let lost = lab.at(2_000);
    lab.correlator.closed(&SessionError::Closed, lost);
    let line = listed("1763800000.7", &[(CHOICE, "1"), (OUTCOME, "BUSY")]);
    let own = [(AMDSTATUS, "HUMAN"), (CHOICE, "9"), (OUTCOME, "SHORT")];
    let own = listed(ID, &own);
    let asked_at = lab.at(5_000);
    let (again, _) = oneshot::channel();
    let note = Note::Listed {
        asked_at,
        channels: vec![own, line],
        again,
    };
    lab.correlator.note(note, asked_at);
    // What is heard from then on goes on from there.
    lab.set("AMDSTATUS=MACHINE");
    lab.hangup(9_000, "PJSIP/line-1", "1763800000.7", 16);
    lab.hangup(9_000, "PJSIP/x-1", ID, 16);
    let captured = lab.over().expect("it is over").captured;
    assert_eq!(captured.text(AMDSTATUS), "MACHINE");
    assert_eq!(captured.text(CHOICE), "9");
    assert_eq!(captured.text(OUTCOME), "BUSY", "no news, so no change");
    assert!(captured.opted_out);
}

/// The verdict on a call that was answered, set these variables, and ended after two seconds.
fn decide(
    variables: &[&str],
    change: impl FnOnce(&mut Observations, &mut Circumstances),
) -> Verdict {
    let watched = watched();
    let mut lab = Lab::watching(watched.clone());
    lab.newchannel(2, "PJSIP/x-1", ID);
    lab.answer(1_000);
    for variable in variables {
        lab.set(variable);
    }
    lab.hangup(3_000, "PJSIP/x-1", ID, 16);
    let mut signals = lab.over().expect("it is over");
    let mut circumstances = Circumstances {
        captured_vars: Some(&watched),
        ..Circumstances::default()
    };
    change(&mut signals, &mut circumstances);
    verdict::decide(&signals, &circumstances)
}

#[test]
fn the_dialplans_word_goes_first_then_the_machine_then_the_length() {
    let no_word = "OUTCOME says \"maybe\", which names no outcome";
    let cases: &[(&[&str], Disposition, &str)] = &[
        (&[], Short, ""),
        (&["AMDSTATUS=HUMAN"], Short, ""),
        (&["AMDSTATUS=MACHINE"], Machine, ""),
        (&["AMDSTATUS=MACHINE", "AMDSTATUS=HUMAN"], Short, ""),
        (&["AMDSTATUS=HUMAN", "AMDSTATUS=MACHINE"], Machine, ""),
        (&["OUTCOME=ANSWERED"], Answered, "told by OUTCOME"),
        (&["OUTCOME=no_answer"], NoAnswer, "told by OUTCOME"),
        (
            &["OUTCOME=BUSY", "AMDSTATUS=MACHINE"],
            Busy,
            "told by OUTCOME",
        ),
        (
            &["OUTCOME=BUSY", "OUTCOME= Short "],
            Short,
            "told by OUTCOME",
        ),
        (&["OUTCOME=maybe"], Short, no_word),
        (&["OUTCOME=maybe", "AMDSTATUS=MACHINE"], Machine, no_word),
        (
            &["OUTCOME=CANCELLED"],
            Short,
            "OUTCOME says \"CANCELLED\", which names no outcome",
        ),
    ];
    for (variables, disposition, note) in cases {
        let verdict = decide(variables, |_, circumstances| {
            circumstances.min_talk = Duration::from_secs(10);
        });
        assert_eq!(verdict.disposition, *disposition, "{variables:?}");
        assert_eq!(verdict.note, *note, "{variables:?}");
        assert!(
            verdict.answered_at.is_some(),
            "it was picked up all the same"
        );
    }
    assert_eq!(decide(&[], |_, _| {}).disposition, Answered);
}

#[test]
fn a_word_of_the_dialplans_does_not_hide_how_the_call_was_cut() {
    let verdict = decide(&["OUTCOME=BUSY"], |_, circumstances| {
        circumstances.own_hangup = Some(HangupReason::CallTimeout);
    });
    assert_eq!(verdict.disposition, Busy);
    assert_eq!(verdict.note, "told by OUTCOME; cut at call_timeout");
}

#[test]
fn a_word_that_is_no_outcome_can_neither_fill_the_note_nor_break_its_line() {
    let long = format!("OUTCOME=a\\nb{}", "x".repeat(1_000));
    let verdict = decide(&[&long], |_, _| {});
    assert_eq!(verdict.disposition, Answered);
    assert!(verdict.note.len() < 100, "{}", verdict.note);
    assert!(
        verdict.note.starts_with("OUTCOME says \"a\\nb"),
        "{}",
        verdict.note
    );
}

#[test]
fn a_call_that_nobody_answered_is_not_for_the_dialplan_to_tell() {
    for answered in [false, true] {
        let verdict = decide(&["OUTCOME=SHORT", "AMDSTATUS=MACHINE"], |signals, _| {
            if answered {
                // A redirect: reported as answered, never up.
                signals.up = false;
            } else {
                signals.answered_at = None;
            }
        });
        assert!(
            ![Short, Machine].contains(&verdict.disposition),
            "{verdict:?}"
        );
    }
}
