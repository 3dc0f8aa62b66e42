//! What becomes of a call whose session with Asterisk is lost: it is looked for in two lists of channels.

use super::*;
use crate::ami::errors::SessionError;
use crate::call::correlator::ListedChannel;
use crate::disposition::Disposition;

#[test]
fn a_lost_session_leaves_nobody_waiting_and_nothing_made_up() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    let now = lab.at(5_000);
    lab.correlator.closed(&SessionError::Closed, now);
    assert!(lab.over().is_none(), "the call may go on");
    lab.correlator.give_up_all(now);
    let signals = lab.over().expect("resolved");
    assert!(!signals.end_seen);
    let verdict = verdict::decide(&signals, &Circumstances::default());
    assert_eq!(verdict.disposition, Disposition::Unknown);
}

#[test]
fn a_call_that_asterisk_does_not_know_is_not_waited_for() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    let id = lab.id;
    let now = lab.at(200_000);
    lab.correlator.note(Note::Abandon(id), now);
    lab.silence_until(201_000);
    assert!(lab.over().is_none(), "its hangup may be on its way");
    lab.silence_until(203_000);
    let signals = lab.over().expect("given up");
    assert!(!signals.end_seen);
}

fn listed(lab: &Lab, up: bool) -> ListedChannel {
    ListedChannel {
        uniqueid: lab.id.as_str().as_bytes().into(),
        linkedid: lab.id.as_str().as_bytes().into(),
        channel: b"PJSIP/x-1"[..].into(),
        up,
        ringing: false,
        callid: lab.id.as_str().as_bytes().into(),
        answered_ago: Some(Duration::from_secs(2)),
        variables: Vec::new(),
    }
}

/// Tells what a list holds that was asked for at that moment; gives when it says to ask again, in milliseconds.
fn tell(lab: &mut Lab, millis: u64, listed: Vec<ListedChannel>) -> Option<u128> {
    let asked_at = lab.at(millis);
    let (again, mut answer) = oneshot::channel();
    let note = Note::Listed {
        asked_at,
        channels: listed,
        again,
    };
    lab.correlator.note(note, asked_at);
    let answer = answer.try_recv().expect("an answer at once");
    answer.map(|at| (at - lab.start).as_millis())
}

#[test]
fn a_call_that_lives_through_a_lost_session_is_followed_to_its_end() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    let now = lab.at(1_000);
    lab.correlator.closed(&SessionError::Closed, now);
    let living = listed(&lab, true);
    // It is known to live: nothing need be asked again.
    assert_eq!(tell(&mut lab, 5_000, vec![living]), None);
    assert_eq!(tell(&mut lab, 6_500, vec![]), None);
    assert!(lab.over().is_none(), "this session will tell of its end");
    lab.hangup(9_000, "PJSIP/x-1", "ID", 16);
    let signals = lab.over().expect("over at its hangup");
    assert_eq!(signals.answered_at, Some(lab.at(3_000)));
    let verdict = verdict::decide(&signals, &Circumstances::default());
    assert_eq!(verdict.disposition, Disposition::Answered);
    assert_eq!(verdict.note, "");
}

#[test]
fn a_call_is_gone_only_when_two_lists_do_not_have_it() {
    let mut late = Lab::new();
    let now = late.at(5);
    late.correlator.closed(&SessionError::Closed, now);
    assert_eq!(tell(&mut late, 8, vec![]), Some(1_508));
    assert!(late.over().is_none(), "its channel may appear yet");
    let living = listed(&late, false);
    assert_eq!(tell(&mut late, 1_508, vec![living]), None);
    assert!(late.over().is_none(), "it has appeared");

    let mut gone = Lab::new();
    let now = gone.at(5);
    gone.correlator.closed(&SessionError::Closed, now);
    tell(&mut gone, 8, vec![]);
    assert_eq!(tell(&mut gone, 1_000, vec![]), Some(1_508), "too soon");
    assert!(gone.over().is_none());
    assert_eq!(tell(&mut gone, 1_508, vec![]), None);
    assert_eq!(gone.verdict().disposition, Disposition::Unknown);
}

#[test]
fn the_two_lists_may_be_of_two_sessions_and_each_forgets_what_the_other_heard() {
    let drop_at = |lab: &mut Lab, millis| {
        let now = lab.at(millis);
        lab.correlator.closed(&SessionError::Closed, now);
    };
    let mut gone = Lab::new();
    drop_at(&mut gone, 5);
    tell(&mut gone, 8, vec![]);
    drop_at(&mut gone, 500);
    assert_eq!(tell(&mut gone, 2_000, vec![]), None);
    let signals = gone.over().expect("gone");
    assert_eq!(signals.ended_at, gone.at(5), "it was last heard of then");

    let mut late = Lab::new();
    drop_at(&mut late, 5);
    tell(&mut late, 8, vec![]);
    // Its channel appears on the second session, which drops in turn: the first list counts no more.
    late.newchannel(600, "PJSIP/x-1", "ID");
    drop_at(&mut late, 700);
    assert_eq!(tell(&mut late, 2_000, vec![]), Some(3_500));
    assert!(late.over().is_none());
    assert_eq!(tell(&mut late, 3_500, vec![]), None);
    let signals = late.over().expect("gone");
    assert_eq!(signals.ended_at, late.at(700));
}

#[test]
fn a_call_that_is_dialed_while_others_are_looked_for_is_not_missed_in_a_list() {
    let mut lab = Lab::new();
    assert_eq!(tell(&mut lab, 1, vec![]), None);
    assert_eq!(tell(&mut lab, 5_000, vec![]), None);
    assert!(lab.over().is_none());
}

#[test]
fn the_legs_of_a_call_do_not_speak_for_it() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "Local/1@x-1;1", "ID");
    let now = lab.at(1_000);
    lab.correlator.closed(&SessionError::Closed, now);
    // Its own end was missed; that of its line is seen.
    lab.hangup(1_100, "PJSIP/x-1", "1.1", 16);
    assert_eq!(tell(&mut lab, 1_200, vec![]), Some(2_700));
    assert_eq!(tell(&mut lab, 2_700, vec![]), None);
    assert_eq!(lab.verdict().disposition, Disposition::Unknown);
}

#[test]
fn a_watchdog_that_fired_while_there_was_no_session_decides_nothing() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.newstate(3, "ID", "Ringing");
    let (lost, given_up) = (lab.at(1_000), lab.at(300_000));
    lab.correlator.closed(&SessionError::Closed, lost);
    lab.correlator.give_up_all(given_up);
    let signals = lab.over().expect("given up");
    let cut = Circumstances {
        own_hangup: Some(HangupReason::CallTimeout),
        ..Circumstances::default()
    };
    assert_eq!(
        verdict::decide(&signals, &cut).disposition,
        Disposition::Unknown
    );
}

#[test]
fn talk_ends_where_the_session_was_lost() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.newstate(1_000, "ID", "Up");
    let (lost, given_up) = (lab.at(6_000), lab.at(606_000));
    lab.correlator.closed(&SessionError::Closed, lost);
    lab.correlator.give_up_all(given_up);
    let signals = lab.over().expect("given up");
    assert_eq!(signals.answered_at, Some(lab.at(1_000)));
    assert_eq!(signals.ended_at, lost);
}

#[test]
fn the_extension_failed_in_a_list_is_not_the_call() {
    let mut lab = Lab::new();
    let now = lab.at(5);
    lab.correlator.closed(&SessionError::Closed, now);
    let spool = ListedChannel {
        uniqueid: b"179.9"[..].into(),
        linkedid: b"179.9"[..].into(),
        channel: b"OutgoingSpoolFailed"[..].into(),
        ..listed(&lab, true)
    };
    assert_eq!(tell(&mut lab, 8, vec![spool.clone()]), Some(1_508));
    assert_eq!(tell(&mut lab, 1_508, vec![spool]), None);
    assert_eq!(lab.verdict().disposition, Disposition::Unknown);
}
