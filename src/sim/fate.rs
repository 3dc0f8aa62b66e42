//! What becomes of a call, decided before its first event.
//!
//! A fate is a pure function of the seed, the dial string and how often that string was dialed: neither the order in
//! which calls arrive nor the clock changes it. Tests that need an exact outcome ask for it with the number itself.
//! How a fate looks in events is not known here.

use std::time::Duration;

use crate::sim::Simulate;

use CallFate::{Answered, CalleeHangsUp, NoChannel, OperatorBusy, Redirected, Refused, Unanswered};
use RingSignal::{Nothing, Progress, Ringing};

/// Where the fates of the simulated calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fates {
    /// Drawn by the shares of `[simulate]`. Ring and talk time are uniform from 0.3 to 1.7 times their mean.
    #[default]
    Drawn,
    /// Asked for by the last two digits of the number dialed. Ring and talk time are exactly their means.
    ///
    /// | Digits | Fate |
    /// |---|---|
    /// | 01 | rings, answered, the dialplan hangs up (also every number not in this table) |
    /// | 02 | rings, answered, the callee hangs up |
    /// | 03 | early media, answered, the callee hangs up |
    /// | 04 | answered without any ringing, the dialplan hangs up |
    /// | 05 | rings, answered, then the dialplan dials an operator who is busy |
    /// | 06 | redirected with a 302, and answered there |
    /// | 10, 11, 12 | busy: 486 at once; early media, then 486; 486 after ringing |
    /// | 20, 21, 22, 23 | rings, no answer; a dead trunk that says nothing; 480; early media, no answer |
    /// | 30, 31 | declined with 603: after ringing; at once |
    /// | 40, 41, 42 | no such number: 404; 410; 484 |
    /// | 50, 51, 52, 53 | trouble of the trunk: 503; 500; 403; 503 within the same millisecond |
    /// | 60 | no channel |
    /// | 80 | as 10 the first time, as 01 from then on |
    /// | 81 | as 20 the first two times, as 02 from then on |
    /// | 82 | as 50 the first time, as 01 from then on |
    ByNumber,
}

/// How a call goes on after the first sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallFate {
    /// Answered; the dialplan hangs up.
    Answered,
    /// Answered; the callee hangs up.
    CalleeHangsUp,
    /// Answered; the dialplan then dials an operator who is busy, and passes that cause on.
    OperatorBusy,
    /// A 302 that Asterisk follows.
    Redirected,
    /// Refused with this SIP code.
    Refused(u16),
    /// Nothing more happens until the originate times out.
    Unanswered,
    /// No channel is made at all.
    NoChannel,
}

/// What is heard of the far end before the outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RingSignal {
    Nothing,
    /// 180: ringing.
    Ringing,
    /// 183: early media, such as ringback from the network.
    Progress,
}

/// A call's whole course. Times run from the originate, `talk` from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CallPlan {
    pub(super) fate: CallFate,
    pub(super) signal: RingSignal,
    pub(super) signal_at: Duration,
    /// `None`: never.
    pub(super) outcome_at: Option<Duration>,
    pub(super) talk: Duration,
    /// Random bits that choose among the orders in which Asterisk may send simultaneous events.
    pub(super) order: u64,
}

/// How long the channel takes to appear after the originate.
pub(super) const SETUP: Duration = Duration::from_millis(1);

/// How long a switch takes to refuse a call, in milliseconds, where the fate is asked for by the number.
const REFUSAL: u64 = 200;

impl CallPlan {
    /// The fate of the `nth` dialing (from 1) of a dial string, given its hash, drawn by the shares of `[simulate]`.
    pub(super) fn drawn(simulate: &Simulate, dialed: u64, nth: u32) -> Self {
        let mut random = Random(mix(dialed ^ u64::from(nth).wrapping_mul(GOLDEN)));
        let share = random.share();
        let ring = random.around(simulate.ring);
        let talk = random.around(simulate.talk);
        let quick = 1 + random.around(simulate.ring) / 8;
        let order = random.next();
        let detail = random.next();
        let (early_media, detail) = (detail.is_multiple_of(8), detail >> 3);
        // Some trunks refuse at once: then the events of the whole call come in one go, in any order.
        let at_once = detail % 2 == 0;
        let congested = if at_once { 1 } else { quick };
        let answered = if detail % 10 < 7 {
            Answered
        } else {
            CalleeHangsUp
        };
        let heard = if early_media { Progress } else { Ringing };
        let mut below = 0.0;
        let drawn = [
            (simulate.answered, answered, heard, ring),
            (simulate.busy, Refused(486), Nothing, quick),
            (simulate.declined, Refused(603), heard, ring),
            (simulate.congestion, Refused(503), Nothing, congested),
            (simulate.invalid, Refused(404), Nothing, quick),
            (simulate.no_channel, NoChannel, Nothing, 0),
        ]
        .into_iter()
        .find(|(of_all, ..)| {
            below += of_all;
            share < below
        });
        let (fate, signal, outcome_at) = match drawn {
            Some((_, fate, signal, at)) => (fate, signal, Some(at.max(1))),
            None => (Unanswered, heard, None),
        };
        let signal_at = outcome_at.map_or(quick, |at| quick.min(at / 2)).max(1);
        Self::of(fate, signal, [signal_at, talk], outcome_at, order)
    }

    /// The fate of the `nth` dialing of a number that ends in these digits.
    pub(super) fn by_number(
        simulate: &Simulate,
        dialed: u64,
        digits: Option<u8>,
        nth: u32,
    ) -> Self {
        let ring = millis(simulate.ring).max(1);
        let refusal = REFUSAL.min(ring);
        let digits = match (digits, nth) {
            (Some(80), 1) => Some(10),
            (Some(81), 1 | 2) => Some(20),
            (Some(81), _) => Some(2),
            (Some(82), 1) => Some(50),
            (other, _) => other,
        };
        let (fate, signal, outcome_at) = match digits.unwrap_or(1) {
            2 => (CalleeHangsUp, Ringing, ring),
            3 => (CalleeHangsUp, Progress, ring),
            4 => (Answered, Nothing, ring),
            5 => (OperatorBusy, Ringing, ring),
            6 => (Redirected, Nothing, refusal),
            10 => (Refused(486), Nothing, refusal),
            11 => (Refused(486), Progress, ring),
            12 => (Refused(486), Ringing, ring),
            20 => (Unanswered, Ringing, 0),
            21 => (Unanswered, Nothing, 0),
            22 => (Refused(480), Nothing, refusal),
            23 => (Unanswered, Progress, 0),
            30 => (Refused(603), Ringing, ring),
            31 => (Refused(603), Nothing, refusal),
            40 => (Refused(404), Nothing, refusal),
            41 => (Refused(410), Nothing, refusal),
            42 => (Refused(484), Nothing, refusal),
            50 => (Refused(503), Nothing, refusal),
            51 => (Refused(500), Nothing, refusal),
            52 => (Refused(403), Nothing, refusal),
            53 => (Refused(503), Nothing, 1),
            60 => (NoChannel, Nothing, 0),
            _ => (Answered, Ringing, ring),
        };
        let outcome_at = Some(outcome_at).filter(|_| fate != Unanswered);
        let times = [(ring / 2).clamp(1, 100), millis(simulate.talk)];
        let order = mix(dialed ^ u64::from(nth));
        Self::of(fate, signal, times, outcome_at, order)
    }

    /// With times in milliseconds.
    fn of(
        fate: CallFate,
        signal: RingSignal,
        [signal_at, talk]: [u64; 2],
        outcome_at: Option<u64>,
        order: u64,
    ) -> Self {
        Self {
            fate,
            signal,
            signal_at: Duration::from_millis(signal_at),
            outcome_at: outcome_at.map(Duration::from_millis),
            talk: Duration::from_millis(talk),
            order,
        }
    }

    /// The same course where the originate gives up after `timeout`, if it is not over by then.
    pub(super) fn within(self, timeout: Option<Duration>) -> Self {
        match timeout {
            Some(timeout) if self.outcome_at.is_none_or(|at| timeout <= at) => Self {
                fate: CallFate::Unanswered,
                outcome_at: Some(timeout),
                ..self
            },
            _ => self,
        }
    }

    /// Whether anything is heard before the outcome.
    pub(super) fn has_signal(&self) -> bool {
        self.signal != RingSignal::Nothing && self.outcome_at.is_none_or(|at| self.signal_at < at)
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;

/// The output function of splitmix64 (Steele, Lea, Flood 2014): every bit of the input reaches every bit of the
/// output, and it is the same on every platform.
pub(super) fn mix(input: u64) -> u64 {
    let mut z = input.wrapping_add(GOLDEN);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A hash of bytes, made of [`mix`] over words of eight bytes, little-endian.
pub(super) fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let mut state = mix(seed ^ (bytes.len() as u64).rotate_left(32));
    for chunk in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        state = mix(state ^ u64::from_le_bytes(word));
    }
    state
}

/// splitmix64.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        let value = mix(self.0);
        self.0 = self.0.wrapping_add(GOLDEN);
        value
    }

    /// Uniform in [0, 1), of 53 bits.
    #[expect(
        clippy::cast_precision_loss,
        reason = "53 bits are what an f64 holds exactly"
    )]
    fn share(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform from 0.3 to 1.7 times the mean, in milliseconds.
    fn around(&mut self, mean: Duration) -> u64 {
        let factor = 300 + self.next() % 1401;
        millis(mean).saturating_mul(factor) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn simulate() -> Simulate {
        Simulate {
            seed: 1,
            answered: 0.55,
            busy: 0.10,
            declined: 0.02,
            congestion: 0.02,
            invalid: 0.03,
            no_channel: 0.01,
            talk: Duration::from_secs(20),
            ring: Duration::from_secs(8),
        }
    }

    #[test]
    fn splitmix_gives_the_published_numbers() {
        let mut random = Random(1_234_567);
        let first: Vec<u64> = (0..3).map(|_| random.next()).collect();
        assert_eq!(
            first,
            [
                6_457_827_717_110_365_317,
                3_203_168_211_198_807_973,
                9_817_491_932_198_370_423
            ]
        );
    }

    #[test]
    fn a_fate_depends_on_seed_number_and_how_often_it_was_dialed() {
        let plan = |seed, number: &[u8], nth| CallPlan::drawn(&simulate(), hash(seed, number), nth);
        assert_eq!(plan(1, b"PJSIP/1@a", 1), plan(1, b"PJSIP/1@a", 1));
        assert_ne!(plan(1, b"PJSIP/1@a", 1), plan(1, b"PJSIP/1@a", 2));
        assert_ne!(plan(1, b"PJSIP/1@a", 1), plan(2, b"PJSIP/1@a", 1));
        assert_ne!(plan(1, b"PJSIP/1@a", 1), plan(1, b"PJSIP/1@b", 1));
    }

    #[test]
    fn fates_come_in_the_shares_asked_for_and_last_around_their_means() {
        let simulate = simulate();
        let (mut answered, mut busy, mut unanswered, mut no_channel) = (0, 0, 0, 0);
        let (mut ring, mut talk) = (0_u64, 0_u64);
        for number in 0..100_000_u32 {
            let plan = CallPlan::drawn(&simulate, hash(7, &number.to_le_bytes()), 1);
            match plan.fate {
                CallFate::Answered | CallFate::CalleeHangsUp => {
                    answered += 1;
                    let answered_at = plan.outcome_at.unwrap();
                    ring += millis(answered_at);
                    talk += millis(plan.talk);
                    assert!((2_400..=13_600).contains(&millis(answered_at)), "{plan:?}");
                    assert!(plan.signal_at <= answered_at);
                }
                CallFate::Refused(486) => busy += 1,
                CallFate::Unanswered => unanswered += 1,
                CallFate::NoChannel => no_channel += 1,
                _ => {}
            }
        }
        assert!((54_000..56_000).contains(&answered), "{answered}");
        assert!((9_500..10_500).contains(&busy), "{busy}");
        assert!((26_000..28_000).contains(&unanswered), "{unanswered}");
        assert!((850..1_150).contains(&no_channel), "{no_channel}");
        assert!((7_900..8_100).contains(&(ring / answered)));
        assert!((19_800..20_200).contains(&(talk / answered)));
    }

    #[test]
    fn a_share_of_one_is_everybody() {
        let all = Simulate {
            answered: 1.0,
            ..simulate()
        };
        for number in 0..10_000_u32 {
            let plan = CallPlan::drawn(&all, hash(1, &number.to_le_bytes()), 1);
            assert!(matches!(
                plan.fate,
                CallFate::Answered | CallFate::CalleeHangsUp
            ));
        }
    }

    #[test]
    fn a_number_can_ask_for_a_fate_that_changes_when_it_is_dialed_again() {
        let plan = |digits, nth| CallPlan::by_number(&simulate(), 1, Some(digits), nth).fate;
        assert_eq!(plan(80, 1), CallFate::Refused(486));
        assert_eq!(plan(80, 2), CallFate::Answered);
        assert_eq!(plan(81, 2), CallFate::Unanswered);
        assert_eq!(plan(81, 3), CallFate::CalleeHangsUp);
        assert_eq!(plan(99, 1), CallFate::Answered);
    }
}
