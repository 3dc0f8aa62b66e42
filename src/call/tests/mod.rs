mod captured;
mod events;
mod lost_sessions;
mod recordings;
mod session_breaks;

use super::correlator::Correlator;
use super::observations::{Cause, Leg};
use super::verdict::{Circumstances, Verdict};
use super::*;
use crate::ami::handler::Handler as _;
use crate::ami::message::Message;

/// The id of the call in the recordings whose call has one id.
const ID: &str = "01k9qx3e7r8b2m5tv6w0c4d1fa";

/// A correlator with one call, whose moments are milliseconds since its Originate was written.
struct Lab {
    correlator: Correlator,
    ended: oneshot::Receiver<Observations>,
    id: CallId,
    start: Instant,
}

impl Lab {
    fn new() -> Self {
        Self::with(Correlator::default())
    }

    fn with(correlator: Correlator) -> Self {
        let (done, ended) = oneshot::channel();
        let mut lab = Self {
            correlator,
            ended,
            id: CallId::from_bytes(ID.as_bytes()).unwrap(),
            start: Instant::now(),
        };
        let note = Note::Register {
            id: lab.id,
            done,
            token: PaceToken::default(),
        };
        lab.correlator.note(note, lab.start);
        lab
    }

    fn at(&self, millis: u64) -> Instant {
        self.start + Duration::from_millis(millis)
    }

    /// Sends one message, in which `ID` as a value stands for the call's id.
    fn say(&mut self, millis: u64, lines: &str) {
        let frame = lines.trim().replace(": ID", &format!(": {ID}"));
        let message = Message::from_bytes(frame.replace('\n', "\r\n").into_bytes());
        let now = self.at(millis);
        match message.event() {
            Some(event) if self.correlator.wants(event) => self.correlator.event(&message, now),
            Some(_) => {}
            None => self.correlator.response(ID.as_bytes(), &message, now),
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

    fn over(&mut self) -> Option<Observations> {
        self.ended.try_recv().ok()
    }

    fn verdict(&mut self) -> Verdict {
        let signals = self.over().expect("the call is over");
        verdict::decide(&signals, &Circumstances::default())
    }
}

#[test]
fn a_call_that_was_gone_before_our_hangup_was_not_hung_up_by_us() {
    let ended_at = Instant::now();
    let mut signals = Observations::new(ended_at);
    let mut leg = Leg::new(b"1.1", b"PJSIP/carrier-1");
    leg.cause = Some(Cause {
        code: 16,
        text: String::new(),
    });
    signals.channel = Some(leg);
    let cut_at =
        |at| FinishedCall::new(signals.clone(), Some((HangupReason::Stopped, at))).own_hangup;
    assert_eq!(cut_at(ended_at + Duration::from_millis(1)), None);
    assert_eq!(
        cut_at(ended_at - Duration::from_millis(1)),
        Some(HangupReason::Stopped)
    );
}
