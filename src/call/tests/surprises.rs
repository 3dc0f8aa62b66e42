//! What surprises a dialer on a real Asterisk, each with the call that it would cost: what Asterisk says, in the order
//! in which it was seen to say it, and what must come of it.

use std::time::Duration;

use crate::ami::action::Action;
use crate::ami::connection::Handler as _;
use crate::ami::message::{Message, unescape_c};
use crate::call::correlator::{Correlator, Listed, Note};
use crate::call::id::CallId;
use crate::call::observations::{End, Signals};
use crate::call::verdict::{self, Circumstances, Cut, Verdict};
use crate::disposition::Disposition;
use crate::trunk::rate_limit::Turn;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// A correlator with one call, whose moments are milliseconds since its Originate was written.
struct Lab {
    correlator: Correlator,
    ended: oneshot::Receiver<Signals>,
    id: CallId,
    start: Instant,
}

impl Lab {
    fn new() -> Self {
        let (done, ended) = oneshot::channel();
        let mut lab = Self {
            correlator: Correlator::new(),
            ended,
            id: CallId::new(),
            start: Instant::now(),
        };
        let note = Note::Register {
            id: lab.id,
            done,
            turn: Turn::default(),
        };
        lab.correlator.note(note, lab.start);
        lab
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Sends one message; `ID` stands for the call's id.
    fn say(&mut self, millis: u64, lines: &str) {
        let frame = lines
            .trim()
            .replace("ID", self.id.as_str())
            .replace('\n', "\r\n");
        // `ActionID` and `CALLID` hold those letters too.
        let frame = frame
            .replace(&format!("Action{}", self.id), "ActionID")
            .replace(&format!("CALL{}", self.id), "CALLID");
        let message = Message::from_bytes(frame.into_bytes());
        let now = self.at(millis);
        match message.event() {
            Some(event) if self.correlator.wants(event) => self.correlator.event(&message, now),
            Some(_) => {}
            None => {
                let id = self.id;
                self.correlator
                    .response(id.as_str().as_bytes(), &message, now);
            }
        }
    }

    fn accepted(&mut self) {
        self.say(
            1,
            "Response: Success\nMessage: Originate successfully queued",
        );
    }

    fn originate_response(&mut self, millis: u64, response: &str, reason: u16) {
        self.say(
            millis,
            &format!("Event: OriginateResponse\nActionID: ID\nResponse: {response}\nReason: {reason}\nUniqueid: ID"),
        );
    }

    fn newchannel(&mut self, millis: u64, channel: &str, uniqueid: &str) {
        self.say(
            millis,
            &format!("Event: Newchannel\nChannel: {channel}\nUniqueid: {uniqueid}\nLinkedid: ID"),
        );
    }

    fn newstate(&mut self, millis: u64, uniqueid: &str, state: &str) {
        self.say(
            millis,
            &format!("Event: Newstate\nChannel: PJSIP/x-1\nChannelStateDesc: {state}\nUniqueid: {uniqueid}\nLinkedid: ID"),
        );
    }

    fn hangup(&mut self, millis: u64, channel: &str, uniqueid: &str, cause: u16) {
        self.say(
            millis,
            &format!("Event: Hangup\nChannel: {channel}\nUniqueid: {uniqueid}\nLinkedid: ID\nCause: {cause}\nCause-txt: text"),
        );
    }

    /// Lets time pass to a moment with nothing said.
    fn silence_until(&mut self, millis: u64) {
        while let Some(due) = self
            .correlator
            .deadline()
            .filter(|&due| due <= self.at(millis))
        {
            self.correlator.tick(due);
        }
    }

    fn over(&mut self) -> Option<Signals> {
        self.ended.try_recv().ok()
    }

    fn verdict(&mut self) -> Verdict {
        let signals = self.over().expect("the call is over");
        verdict::decide(&signals, &Circumstances::default())
    }
}

#[test]
fn surprise_1_an_originate_that_never_gets_a_channel_gives_its_line_back() {
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
fn surprise_2_the_hangup_cause_does_not_say_whether_the_call_was_answered() {
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
fn surprise_3_reason_0_leaves_the_verdict_to_the_cause() {
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
fn surprise_4_dial_status_noanswer_redials_nobody_who_declined() {
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
fn surprise_5_a_ring_timeout_has_no_dial_end_and_is_no_answer() {
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
fn surprise_6_originate_response_may_come_before_everything_and_after_the_hangup() {
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
fn surprise_7_a_local_call_is_its_first_half_and_ends_as_the_line_behind_it() {
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
fn surprise_9_the_extension_failed_runs_on_a_channel_that_is_not_the_call() {
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
fn surprise_14_an_event_with_a_response_header_is_an_event() {
    let message = Message::from_bytes(
        &b"Response: Failure\r\nEvent: OriginateResponse\r\nActionID: x\r\n"[..],
    );
    assert_eq!(message.event(), Some(&b"OriginateResponse"[..]));
    assert!(!message.is_response());
}

#[test]
fn surprise_16_no_line_break_of_a_contact_reaches_asterisk() {
    let attack = "x\r\n\r\nAction: Command\r\nCommand: core stop now";
    let action = || Action::new("Originate", "1").unwrap();
    assert!(action().header("Channel", attack).is_err());
    assert!(action().variable("MESSAGE", attack).is_err());
    assert!(action().variable("MESSAGE", "a\nb").is_err());
    assert!(action().variable("MESSAGE", "a\0b").is_err());
    assert!(Action::new("Originate", attack).is_err());
}

#[test]
fn surprise_18_early_media_and_silence_are_told_apart() {
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
fn surprise_19_legs_dialed_after_the_answer_say_nothing() {
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
fn surprise_20_a_redirected_call_is_not_told_as_answered() {
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
fn a_lost_session_leaves_nobody_waiting_and_nothing_made_up() {
    let mut lab = Lab::new();
    lab.accepted();
    lab.newchannel(2, "PJSIP/x-1", "ID");
    let now = lab.at(5_000);
    lab.correlator
        .closed(&crate::ami::client::SessionError::Closed, now);
    assert!(lab.over().is_none(), "the call may go on");
    lab.correlator.give_up_all(now);
    let signals = lab.over().expect("resolved");
    assert_eq!(signals.end, End::Lost);
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
    assert_eq!(signals.end, End::Lost);
}

#[test]
fn what_the_dialer_cut_is_told_as_that_unless_the_far_end_was_faster() {
    let cut = |cut| Circumstances {
        cut: Some(cut),
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
    let decide = |signals: &Signals, why| verdict::decide(signals, &cut(why)).disposition;
    assert_eq!(
        decide(&ringing(false), Cut::CallTimeout),
        Disposition::NoAnswer
    );
    assert_eq!(
        decide(&ringing(false), Cut::Cancelled),
        Disposition::Cancelled
    );
    assert_eq!(decide(&ringing(true), Cut::CallTimeout), Disposition::Busy);
    assert_eq!(decide(&ringing(true), Cut::Cancelled), Disposition::Busy);
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
    let verdict = verdict::decide(&answered(false), &cut(Cut::Cancelled));
    assert_eq!(verdict.disposition, Disposition::Cancelled);
    assert!(
        verdict.answered_at.is_some(),
        "somebody heard the beginning"
    );
    assert_eq!(
        decide(&answered(false), Cut::CallTimeout),
        Disposition::Answered
    );
    assert_eq!(
        decide(&answered(true), Cut::Cancelled),
        Disposition::Answered
    );
}

fn listed(lab: &Lab, up: bool) -> Listed {
    Listed {
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
fn tell(lab: &mut Lab, millis: u64, listed: Vec<Listed>) -> Option<u128> {
    let asked_at = lab.at(millis);
    let (again, mut answer) = oneshot::channel();
    let note = Note::Listed {
        asked_at,
        listed,
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
    lab.correlator
        .closed(&crate::ami::client::SessionError::Closed, now);
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
fn surprise_21_a_call_is_gone_only_when_two_lists_do_not_have_it() {
    let mut late = Lab::new();
    let now = late.at(5);
    late.correlator
        .closed(&crate::ami::client::SessionError::Closed, now);
    assert_eq!(tell(&mut late, 8, vec![]), Some(1_508));
    assert!(late.over().is_none(), "its channel may appear yet");
    let living = listed(&late, false);
    assert_eq!(tell(&mut late, 1_508, vec![living]), None);
    assert!(late.over().is_none(), "it has appeared");

    let mut gone = Lab::new();
    let now = gone.at(5);
    gone.correlator
        .closed(&crate::ami::client::SessionError::Closed, now);
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
        lab.correlator
            .closed(&crate::ami::client::SessionError::Closed, now);
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
    lab.correlator
        .closed(&crate::ami::client::SessionError::Closed, now);
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
    lab.correlator
        .closed(&crate::ami::client::SessionError::Closed, lost);
    lab.correlator.give_up_all(given_up);
    let signals = lab.over().expect("given up");
    let cut = Circumstances {
        cut: Some(Cut::CallTimeout),
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
    lab.correlator
        .closed(&crate::ami::client::SessionError::Closed, lost);
    lab.correlator.give_up_all(given_up);
    let signals = lab.over().expect("given up");
    assert_eq!(signals.answered_at, Some(lab.at(1_000)));
    assert_eq!(signals.ended_at, lost);
}
