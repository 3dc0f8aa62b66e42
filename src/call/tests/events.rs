//! What Asterisk says of a call, in the orders in which it was seen to say it, and what must come of it.

use super::*;
use crate::ami::action::Action;
use crate::ami::message::unescape_c;
use crate::disposition::Disposition;

#[test]
fn an_originate_that_never_gets_a_channel_gives_its_line_back() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.originate_response(2, "Failure", 0);
    lab.silence_until(900);
    assert!(lab.over().is_none(), "a channel may still come");
    lab.silence_until(1_100);
    let verdict = lab.verdict();
    assert_eq!(verdict.disposition, Disposition::Congestion);
    assert!(
        verdict.note.starts_with("no channel was created"),
        "{}",
        verdict.note
    );
}

#[test]
fn the_hangup_cause_does_not_say_whether_the_call_was_answered() {
    for cause in [0, 16, 17, 19, 21, 34] {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.newstate(2_000, "ID", "Up");
        lab.originate_response(2_001, "Success", 4);
        lab.hangup(5_000, "PJSIP/x-1", "ID", cause);
        let signals = lab.over().expect("over at the hangup");
        assert_eq!(signals.answered_at, Some(lab.at(2_000)));
        assert_eq!(signals.ended_at, lab.at(5_000));
        let verdict = verdict::decide(&signals, &Circumstances::default());
        assert_eq!(verdict.disposition, Disposition::Answered, "cause {cause}");
    }
}

#[test]
fn reason_0_leaves_the_verdict_to_the_cause() {
    for (cause, disposition) in [
        (17, Disposition::Busy),
        (1, Disposition::InvalidNumber),
        (21, Disposition::Rejected),
        (34, Disposition::Congestion),
        (19, Disposition::NoAnswer),
    ] {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.originate_response(200, "Failure", 0);
        lab.hangup(201, "PJSIP/x-1", "ID", cause);
        assert_eq!(lab.verdict().disposition, disposition, "cause {cause}");
    }
}

#[test]
fn a_refusal_is_told_by_its_sip_code_although_dial_status_is_noanswer() {
    for (cause, code, disposition) in [
        (21, 603, Disposition::Rejected),
        (1, 404, Disposition::InvalidNumber),
        (21, 403, Disposition::Congestion),
        (38, 500, Disposition::Congestion),
    ] {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.newstate(100, "ID", "Ringing");
        lab.say(
            300,
            &format!("Event: HangupRequest\nChannel: PJSIP/x-1\nUniqueid: ID\nLinkedid: ID\nCause: {cause}\nTechCause: {code}"),
        );
        lab.say(301, "Event: DialEnd\nDestChannel: PJSIP/x-1\nDestUniqueid: ID\nDestLinkedid: ID\nDialStatus: NOANSWER");
        lab.originate_response(301, "Failure", 0);
        lab.hangup(302, "PJSIP/x-1", "ID", cause);
        let verdict = lab.verdict();
        assert_eq!(verdict.disposition, disposition, "SIP code {code}");
        assert_eq!(verdict.sip_code, Some(code));
    }
}

#[test]
fn a_ring_timeout_has_no_dial_end_and_is_no_answer() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.newstate(100, "ID", "Ringing");
    lab.originate_response(30_000, "Failure", 3);
    // 16 says cause 0 where 22 says 19.
    lab.hangup(30_001, "PJSIP/x-1", "ID", 0);
    assert_eq!(lab.verdict().disposition, Disposition::NoAnswer);
}

#[test]
fn originate_response_may_come_before_everything_and_after_the_hangup() {
    let mut early = Lab::new();
    early.accepted();
    early.originate_response(2, "Failure", 0);
    early.newchannel(3, "PJSIP/x-1", "ID");
    early.silence_until(20_000);
    assert!(
        early.over().is_none(),
        "it has a channel, so its hangup will come"
    );
    early.hangup(20_001, "PJSIP/x-1", "ID", 17);
    assert_eq!(early.verdict().disposition, Disposition::Busy);

    let mut late = Lab::new();
    late.accepted();
    late.newchannel(2, "PJSIP/x-1", "ID");
    late.newstate(3, "ID", "Ringing");
    late.hangup(4, "PJSIP/x-1", "ID", 16);
    assert!(late.over().is_none(), "it may still say why");
    late.originate_response(900, "Failure", 3);
    assert_eq!(late.verdict().disposition, Disposition::NoAnswer);
}

#[test]
fn a_local_call_is_its_first_half_and_ends_as_the_line_behind_it() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "Local/1@out-1;1", "ID");
    lab.newchannel(2, "Local/1@out-1;2", "ID;2");
    for (uniqueid, channel) in [("ID", "Local/1@out-1;1"), ("ID;2", "Local/1@out-1;2")] {
        lab.say(
            3,
            &format!("Event: VarSet\nChannel: {channel}\nUniqueid: {uniqueid}\nLinkedid: ID\nVariable: CALLID\nValue: ID"),
        );
    }
    lab.newchannel(4, "PJSIP/x-1", "179.1");
    lab.say(4, "Event: VarSet\nChannel: PJSIP/x-1\nUniqueid: 179.1\nLinkedid: ID\nVariable: __CALLID\nValue: ID");
    lab.hangup(200, "Local/1@out-1;2", "ID;2", 17);
    assert!(lab.over().is_none(), "the second half is not the call");
    lab.hangup(201, "Local/1@out-1;1", "ID", 0);
    lab.originate_response(202, "Failure", 5);
    assert!(lab.over().is_none(), "the line behind it knows more");
    lab.hangup(203, "PJSIP/x-1", "179.1", 17);
    let signals = lab.over().expect("over");
    assert_eq!(
        &*signals.channel.as_ref().unwrap().uniqueid,
        lab.id.as_str().as_bytes()
    );
    let verdict = verdict::decide(&signals, &Circumstances::default());
    assert_eq!(verdict.disposition, Disposition::Busy);
    assert_eq!(verdict.cause.unwrap().code, 17);
}

#[test]
fn the_extension_failed_runs_on_a_channel_that_is_not_the_call() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.originate_response(200, "Failure", 0);
    let spool = "Channel: OutgoingSpoolFailed\nUniqueid: 179.9\nLinkedid: 179.9";
    lab.say(201, &format!("Event: Newchannel\n{spool}"));
    lab.say(
        201,
        &format!("Event: VarSet\n{spool}\nVariable: CALLID\nValue: ID"),
    );
    lab.say(
        202,
        &format!("Event: Newstate\n{spool}\nChannelStateDesc: Up"),
    );
    lab.say(
        203,
        &format!("Event: Hangup\n{spool}\nCause: 16\nCause-txt: Normal Clearing"),
    );
    assert!(lab.over().is_none(), "the call itself has not ended");
    lab.hangup(204, "PJSIP/x-1", "ID", 17);
    let signals = lab.over().expect("over");
    assert_eq!(
        &*signals.channel.as_ref().unwrap().uniqueid,
        lab.id.as_str().as_bytes()
    );
    assert_eq!(
        verdict::decide(&signals, &Circumstances::default()).disposition,
        Disposition::Busy
    );
}

#[test]
fn an_event_with_a_response_header_is_an_event() {
    let message = Message::from_bytes(
        &b"Response: Failure\r\nEvent: OriginateResponse\r\nActionID: x\r\n"[..],
    );
    assert_eq!(message.event(), Some(&b"OriginateResponse"[..]));
    assert!(!message.is_response());
}

#[test]
fn no_line_break_of_a_contact_reaches_asterisk() {
    let attack = "x\r\n\r\nAction: Command\r\nCommand: core stop now";
    let action = || Action::new("Originate", "1").unwrap();
    assert!(action().header("Channel", attack).is_err());
    assert!(action().variable("MESSAGE", attack).is_err());
    assert!(action().variable("MESSAGE", "a\nb").is_err());
    assert!(action().variable("MESSAGE", "a\0b").is_err());
    assert!(Action::new("Originate", attack).is_err());
}

#[test]
fn early_media_and_silence_are_told_apart() {
    for (progress, disposition) in [
        (true, Disposition::NoAnswer),
        (false, Disposition::Congestion),
    ] {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        if progress {
            lab.say(9, "Event: DialState\nDestChannel: PJSIP/x-1\nDestUniqueid: ID\nDestLinkedid: ID\nDialStatus: PROGRESS");
        }
        lab.originate_response(30_000, "Failure", 3);
        lab.hangup(30_001, "PJSIP/x-1", "ID", 19);
        assert_eq!(lab.verdict().disposition, disposition);
    }
}

#[test]
fn legs_dialed_after_the_answer_say_nothing() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.newstate(100, "ID", "Up");
    lab.originate_response(101, "Success", 4);
    lab.newchannel(102, "PJSIP/operator-1", "179.2");
    lab.hangup(300, "PJSIP/operator-1", "179.2", 17);
    lab.hangup(301, "PJSIP/x-1", "ID", 17);
    assert_eq!(lab.verdict().disposition, Disposition::Answered);
}

#[test]
fn a_redirected_call_is_not_told_as_answered() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.originate_response(10, "Success", 4);
    lab.hangup(11, "PJSIP/x-1", "ID", 23);
    let verdict = lab.verdict();
    assert_eq!(verdict.disposition, Disposition::Unknown);
    assert_eq!(verdict.answered_at, None);
    assert!(verdict.note.contains("redirected"));
}

#[test]
fn varset_alone_ties_a_channel_whose_uniqueid_asterisk_chose() {
    let mut lab = Lab::new();
    lab.accepted();
    let channel = "Channel: PJSIP/x-1\nUniqueid: 179.1\nLinkedid: 179.1";
    lab.say(
        2,
        &format!("Event: VarSet\n{channel}\nVariable: CALLID\nValue: ID"),
    );
    lab.say(
        3,
        "Event: OriginateResponse\nActionID: ID\nResponse: Failure\nReason: 0\nUniqueid: <unknown>",
    );
    lab.say(
        4,
        &format!("Event: Hangup\n{channel}\nCause: 17\nCause-txt: User busy"),
    );
    assert_eq!(lab.verdict().disposition, Disposition::Busy);
}

#[test]
fn the_values_of_varset_are_unescaped() {
    assert_eq!(&*unescape_c(br#"a\"b\\c"#), br#"a"b\c"#);
}

#[test]
fn what_the_dialer_cut_is_told_as_that_unless_the_far_end_was_faster() {
    let cut = |cut| Circumstances {
        own_hangup: Some(cut),
        ..Circumstances::default()
    };
    let ringing = |far_end: bool| {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.newstate(3, "ID", "Ringing");
        if far_end {
            lab.say(4, "Event: HangupRequest\nChannel: PJSIP/x-1\nUniqueid: ID\nLinkedid: ID\nCause: 17\nTechCause: 486");
        }
        lab.originate_response(5, "Failure", 0);
        lab.hangup(6, "PJSIP/x-1", "ID", 17);
        lab.over().unwrap()
    };
    let decide = |signals: &Observations, why| verdict::decide(signals, &cut(why)).disposition;
    assert_eq!(
        decide(&ringing(false), HangupReason::CallTimeout),
        Disposition::NoAnswer
    );
    assert_eq!(
        decide(&ringing(false), HangupReason::Stopped),
        Disposition::Cancelled
    );
    assert_eq!(
        decide(&ringing(true), HangupReason::CallTimeout),
        Disposition::Busy
    );
    assert_eq!(
        decide(&ringing(true), HangupReason::Stopped),
        Disposition::Busy
    );
    let answered = |far_end: bool| {
        let mut lab = Lab::new();
        lab.accepted();
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.newstate(3, "ID", "Up");
        lab.originate_response(4, "Success", 4);
        if far_end {
            lab.say(
                5,
                "Event: HangupRequest\nChannel: PJSIP/x-1\nUniqueid: ID\nLinkedid: ID\nCause: 16",
            );
        }
        lab.hangup(6, "PJSIP/x-1", "ID", 16);
        lab.over().unwrap()
    };
    let verdict = verdict::decide(&answered(false), &cut(HangupReason::Stopped));
    assert_eq!(verdict.disposition, Disposition::Cancelled);
    assert!(
        verdict.answered_at.is_some(),
        "somebody heard the beginning"
    );
    assert_eq!(
        decide(&answered(false), HangupReason::CallTimeout),
        Disposition::Answered
    );
    assert_eq!(
        decide(&answered(true), HangupReason::Stopped),
        Disposition::Answered
    );
}

#[test]
fn the_extension_failed_of_a_call_without_a_channel_is_not_the_call() {
    let mut lab = Lab::new();
    lab.accepted();
    let spool = "Channel: OutgoingSpoolFailed\nUniqueid: 179.9\nLinkedid: 179.9";
    lab.say(
        2,
        &format!("Event: VarSet\n{spool}\nVariable: CALLID\nValue: ID"),
    );
    lab.say(
        3,
        &format!("Event: Hangup\n{spool}\nCause: 16\nCause-txt: Normal Clearing"),
    );
    // It comes only after that extension has run.
    lab.originate_response(4, "Failure", 0);
    lab.silence_until(1_100);
    let verdict = lab.verdict();
    assert_eq!(verdict.disposition, Disposition::Congestion);
    assert!(
        verdict.note.starts_with("no channel was created"),
        "{}",
        verdict.note
    );
}

#[test]
fn a_short_grace_does_not_wait_behind_a_long_one() {
    let mut lab = Lab::new();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    lab.hangup(3, "PJSIP/x-1", "ID", 17);
    assert_eq!(lab.correlator.deadline(), Some(lab.at(5_003)));
    let (done, mut other) = oneshot::channel();
    let id = CallId::new();
    let token = PaceToken::default();
    let now = lab.at(10);
    lab.correlator.note(Note::Register { id, done, token }, now);
    lab.say(
        20,
        &format!("Event: OriginateResponse\nActionID: {id}\nResponse: Failure\nReason: 0"),
    );
    assert_eq!(lab.correlator.deadline(), Some(lab.at(1_020)));
    lab.silence_until(1_020);
    assert!(other.try_recv().is_ok(), "its grace is over");
    assert!(lab.over().is_none(), "this one may still be told why");
    lab.silence_until(5_003);
    assert_eq!(lab.verdict().disposition, Disposition::Busy);
}

#[test]
fn a_refusal_by_the_trunk_is_no_sign_of_its_life() {
    for (cause, code, is_life) in [(21, 403, false), (34, 503, false), (17, 486, true)] {
        let (done, _ended) = oneshot::channel();
        let token = PaceToken::default();
        let trunk = token.activity();
        let mut lab = Lab::new();
        let (id, now) = (lab.id, lab.start);
        lab.correlator.note(Note::Register { id, done, token }, now);
        lab.newchannel(2, "PJSIP/x-1", "ID");
        lab.say(
            3,
            &format!("Event: HangupRequest\nChannel: PJSIP/x-1\nUniqueid: ID\nLinkedid: ID\nCause: {cause}\nTechCause: {code}"),
        );
        assert_eq!(trunk.alive_since(now), is_life, "{code}");
    }
}
