//! What real Asterisk 16 and 22 said of calls, and what the dialer makes of it: every recording in `tests/traces`,
//! as it was recorded and with its events in the other orders in which they can come.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::disposition::Disposition::{self, *};

/// One message of a recording, with its time since the connection in seconds.
#[derive(Debug, Clone)]
struct Recorded {
    at: f64,
    message: Message,
}

impl Recorded {
    fn header(&self, name: &str) -> &[u8] {
        self.message.get(name).unwrap_or_default()
    }

    /// The channel that the message is about: events of one channel keep their order.
    fn channel(&self) -> &[u8] {
        let own = self.header("DestUniqueid");
        if own.is_empty() {
            self.header("Uniqueid")
        } else {
            own
        }
    }

    fn is(&self, event: &str) -> bool {
        self.message.event() == Some(event.as_bytes())
    }
}

fn traces() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces")
}

/// Reads a recording. Those without a `ChannelId` name the call `o0` and `call-0`: it is given an id here.
fn read(name: &str) -> Vec<Recorded> {
    let path = traces().join(name);
    let text =
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut recorded = Vec::new();
    for block in text.split("# t=").skip(1) {
        let (at, lines) = block.split_once('\n').expect("a time on a line of its own");
        let mut frame = String::new();
        for line in lines.lines().filter(|line| !line.is_empty()) {
            let line = match line {
                "ActionID: o0" => format!("ActionID: {ID}"),
                "Value: call-0" => format!("Value: {ID}"),
                line => line.to_owned(),
            };
            frame.push_str(&line);
            frame.push_str("\r\n");
        }
        recorded.push(Recorded {
            at: at.trim().parse().expect("seconds"),
            message: Message::from_bytes(frame.into_bytes()),
        });
    }
    recorded
}

/// What the correlator makes of a recording, and when it knew: in seconds since the Originate was written.
fn follow(recorded: &[Recorded]) -> (Observations, f64) {
    let start = Instant::now();
    let at = |seconds: f64| start + Duration::from_secs_f64(seconds);
    let mut correlator = Correlator::default();
    let (done, mut ended) = oneshot::channel();
    let written = recorded
        .iter()
        .find(|one| one.header("ActionID") == ID.as_bytes())
        .map_or(0.0, |response| response.at);
    correlator.note(
        Note::Register {
            id: CallId::from_bytes(ID.as_bytes()).unwrap(),
            done,
            token: PaceToken::default(),
        },
        at(written),
    );
    let mut resolved = |now: f64| {
        ended
            .try_recv()
            .ok()
            .map(|signals| (signals, now - written))
    };
    for one in recorded {
        // What is due before the message comes, comes before it.
        while let Some(due) = correlator.deadline().filter(|&due| due <= at(one.at)) {
            correlator.tick(due);
            if let Some(result) = resolved((due - start).as_secs_f64()) {
                return result;
            }
        }
        match one.message.event() {
            Some(event) if correlator.wants(event) => correlator.event(&one.message, at(one.at)),
            Some(_) => {}
            None => correlator.response(one.header("ActionID"), &one.message, at(one.at)),
        }
        if let Some(result) = resolved(one.at) {
            return result;
        }
    }
    while let Some(due) = correlator.deadline() {
        correlator.tick(due);
        if let Some(result) = resolved((due - start).as_secs_f64()) {
            return result;
        }
    }
    panic!("the call never ended");
}

fn judge(signals: &Observations) -> Verdict {
    verdict::decide(signals, &Circumstances::default())
}

/// The recording, how the call ended, its cause and its SIP code.
type Expected = (&'static str, Disposition, Option<u16>, Option<u16>);

#[rustfmt::skip]
const EXPECTED: &[Expected] = &[
    ("22-one-id/answered-then-dialplan-dials-a-busy-operator.txt", Answered, Some(17), None),
    ("22-one-id/answered-variables-set-by-dialplan.txt", Answered, Some(16), None),
    ("22-one-id/freepbx-style-local-answer.txt", Answered, Some(16), None),
    ("22-one-id/freepbx-style-local-busy.txt", Busy, Some(17), Some(486)),
    ("22-one-id/freepbx-style-local-noanswer.txt", NoAnswer, Some(19), None),
    ("22-one-id/freepbx-style-local-notfound.txt", InvalidNumber, Some(1), Some(404)),
    ("22-one-id/freepbx-style-local-reject.txt", Rejected, Some(21), Some(603)),
    ("22-one-id/freepbx-style-local-unavail.txt", Congestion, Some(34), Some(503)),
    ("22-one-id/no-channel-unknown-endpoint.txt", Congestion, None, None),
    ("22-one-id/pjsip-183-then-busy.txt", Busy, Some(17), Some(486)),
    ("22-one-id/pjsip-503.txt", Congestion, Some(34), Some(503)),
    ("22-one-id/pjsip-answered-hung-up-by-callee.txt", Answered, Some(0), None),
    ("22-one-id/pjsip-answered-hung-up-by-dialplan.txt", Answered, Some(16), None),
    ("22-one-id/pjsip-busy.txt", Busy, Some(17), Some(486)),
    ("22-one-id/pjsip-dead-trunk.txt", Congestion, Some(19), None),
    ("22-one-id/pjsip-declined.txt", Rejected, Some(21), Some(603)),
    ("22-one-id/pjsip-not-found.txt", InvalidNumber, Some(1), Some(404)),
    ("22-one-id/pjsip-ring-timeout.txt", NoAnswer, Some(19), None),
    ("22-one-id/redirected-302.txt", Unknown, Some(23), Some(302)),
    ("22/answer-target-extension-missing.txt", Failed, None, None),
    ("22/core-stop-now-mid-call.txt", NoAnswer, Some(0), None),
    ("22/local-answer.txt", Answered, Some(16), None),
    ("22/local-busy-app.txt", Busy, Some(17), None),
    ("22/local-congestion-app.txt", Congestion, Some(34), None),
    ("22/local-hangup1.txt", InvalidNumber, Some(1), None),
    ("22/local-hangup17.txt", Busy, Some(17), None),
    ("22/local-hangup21.txt", Rejected, Some(21), None),
    ("22/local-no-such-extension.txt", Failed, Some(0), None),
    ("22/local-noanswer.txt", NoAnswer, Some(19), None),
    ("22/local-to-pjsip-answer.txt", Answered, Some(16), None),
    ("22/local-to-pjsip-busy.txt", Busy, Some(17), Some(486)),
    ("22/local-to-pjsip-noanswer.txt", NoAnswer, Some(19), None),
    ("22/local-to-pjsip-unavail.txt", Congestion, Some(34), Some(503)),
    ("22/pjsip-answer.txt", Answered, Some(16), None),
    ("22/pjsip-busy.txt", Busy, Some(17), Some(486)),
    ("22/pjsip-dead.txt", Congestion, Some(19), None),
    ("22/pjsip-early-media-answer-callee-hangs-up.txt", Answered, Some(0), None),
    ("22/pjsip-noanswer.txt", NoAnswer, Some(19), None),
    ("22/pjsip-notfound.txt", InvalidNumber, Some(1), Some(404)),
    ("22/pjsip-reject.txt", Rejected, Some(21), Some(603)),
    ("22/pjsip-unavail.txt", Congestion, Some(34), Some(503)),
    ("22/unknown-endpoint.txt", Congestion, None, None),
    ("22/unknown-technology.txt", Congestion, None, None),
    // 16 tells no SIP code.
    ("16/local-answer.txt", Answered, Some(16), None),
    ("16/local-busy-app.txt", Busy, Some(17), None),
    ("16/local-congestion-app.txt", Congestion, Some(34), None),
    ("16/local-hangup1.txt", InvalidNumber, Some(1), None),
    ("16/local-hangup17.txt", Busy, Some(17), None),
    ("16/local-hangup21.txt", Rejected, Some(21), None),
    ("16/local-no-such-extension.txt", Failed, Some(0), None),
    ("16/local-noanswer.txt", NoAnswer, Some(0), None),
    ("16/local-to-pjsip-answer.txt", Answered, Some(16), None),
    ("16/local-to-pjsip-busy.txt", Busy, Some(17), None),
    ("16/local-to-pjsip-noanswer.txt", NoAnswer, Some(16), None),
    ("16/local-to-pjsip-unavail.txt", Congestion, Some(34), None),
    ("16/pjsip-answer.txt", Answered, Some(16), None),
    ("16/pjsip-busy.txt", Busy, Some(17), None),
    ("16/pjsip-dead.txt", Congestion, Some(0), None),
    ("16/pjsip-noanswer.txt", NoAnswer, Some(0), None),
    ("16/pjsip-notfound.txt", InvalidNumber, Some(1), None),
    ("16/pjsip-reject.txt", Rejected, Some(21), None),
    ("16/pjsip-unavail.txt", Congestion, Some(34), None),
];

/// Recorded to show how a synchronous Originate holds up the session, which the dialer never sends.
const NOT_A_CALL_OF_OURS: &str = "22/synchronous-originate-blocks-session.txt";

#[test]
fn every_recording_has_its_verdict() {
    let mut wrong = Vec::new();
    for &(name, disposition, cause, sip_code) in EXPECTED {
        let (signals, _) = follow(&read(name));
        let verdict = judge(&signals);
        let told = (
            verdict.disposition,
            verdict.cause.as_ref().map(|cause| cause.code),
            verdict.sip_code,
        );
        if told != (disposition, cause, sip_code) {
            wrong.push(format!(
                "{name}: {told:?}, expected {:?}",
                (disposition, cause, sip_code)
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_recording_is_left_out() {
    for folder in ["16", "22", "22-one-id"] {
        for file in fs::read_dir(traces().join(folder)).unwrap() {
            let name = format!("{folder}/{}", file.unwrap().file_name().to_str().unwrap());
            assert!(
                name == NOT_A_CALL_OF_OURS || EXPECTED.iter().any(|(known, ..)| *known == name),
                "{name} has no expectation"
            );
        }
    }
}

#[test]
fn silence_on_a_trunk_that_showed_life_is_the_callees() {
    let (signals, _) = follow(&read("22-one-id/pjsip-dead-trunk.txt"));
    let alive = Circumstances {
        trunk_alive: true,
        ..Circumstances::default()
    };
    assert_eq!(verdict::decide(&signals, &alive).disposition, NoAnswer);
}

#[test]
fn a_line_is_given_back_as_soon_as_the_end_is_known() {
    // Without a channel there is no event to wait for: a second of grace, and it is over.
    let (_, after) = follow(&read("22-one-id/no-channel-unknown-endpoint.txt"));
    assert!((0.999..=1.001).contains(&after), "{after}");
    // Otherwise the last event of the call ends it, with no grace at all.
    for name in [
        "pjsip-busy",
        "pjsip-declined",
        "pjsip-ring-timeout",
        "freepbx-style-local-noanswer",
    ] {
        let recorded = read(&format!("22-one-id/{name}.txt"));
        let span = recorded.last().unwrap().at - 0.401;
        let (_, after) = follow(&recorded);
        assert!(
            (after - span).abs() < 0.002,
            "{name}: {after} and not {span}"
        );
    }
}

/// The same recording with its events in another order in which they could have come: each channel's own events keep
/// theirs, those of different channels pass each other by some milliseconds, a hangup of another leg lags, and
/// `OriginateResponse` comes whenever it likes. The response stays first.
fn reordered(recorded: &[Recorded], shifts: &[f64], response_shift: f64) -> Vec<Recorded> {
    let mut clocks: Vec<(Vec<u8>, f64)> = Vec::new();
    let mut moved: Vec<Recorded> = Vec::new();
    let first = recorded
        .iter()
        .position(|one| one.header("ActionID") == ID.as_bytes())
        .unwrap();
    let floor = recorded[first].at;
    for (place, one) in recorded.iter().enumerate().skip(first + 1) {
        let shift = shifts[place % shifts.len()];
        let mut at = if one.is("OriginateResponse") {
            one.at + response_shift
        } else if one.is("Hangup") && one.channel() != ID.as_bytes() {
            one.at + shift * 10.0
        } else {
            one.at + shift
        };
        if !one.is("OriginateResponse") {
            let channel = one.channel().to_vec();
            match clocks.iter_mut().find(|(of, _)| *of == channel) {
                Some((_, clock)) => {
                    at = at.max(*clock);
                    *clock = at;
                }
                None => clocks.push((channel, at)),
            }
        }
        moved.push(Recorded {
            at: at.max(floor),
            message: one.message.clone(),
        });
    }
    moved.sort_by(|a, b| a.at.total_cmp(&b.at));
    let mut all = recorded[..=first].to_vec();
    all.extend(moved);
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_events_never_matters(
        // Those have the id that the dialer chose on every channel; in the others VarSet must come before the rest.
        expected in prop::sample::select(
            EXPECTED.iter().filter(|(name, ..)| name.starts_with("22-one-id/")).collect::<Vec<_>>()
        ),
        shifts in prop::collection::vec(0.0..0.005_f64, 1..40),
        response_shift in -0.4..0.4_f64,
    ) {
        let &(name, disposition, cause, sip_code) = expected;
        let (signals, _) = follow(&reordered(&read(name), &shifts, response_shift));
        let verdict = judge(&signals);
        prop_assert_eq!(verdict.disposition, disposition, "{}", name);
        prop_assert_eq!(verdict.cause.map(|cause| cause.code), cause, "{}", name);
        prop_assert_eq!(verdict.sip_code, sip_code, "{}", name);
    }
}
