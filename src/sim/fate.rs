//! What becomes of a call, decided before anything of it is told.
//!
//! A fate is a pure function of the seed, the dial string and how often that string was dialed: neither the order in
//! which calls arrive nor the clock changes it. Tests that need an exact outcome ask for it with the number itself.
//! How a fate looks in events is not known here.

use std::time::Duration;

use crate::sim::Simulate;

/// Where the fates of the simulated calls come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fates {
    /// Drawn by the shares of `[simulate]`. Ring and talk time are uniform from 0.3 to 1.7 times their mean.
    #[default]
    Drawn,
    /// Told by the last two digits of the number dialed. Ring and talk time are exactly their means.
    ///
    /// | Digits | Fate |
    /// |---|---|
    /// | 01 | rings, answered, the dialplan hangs up (also every number not in this table) |
    /// | 02 | rings, answered, the callee hangs up |
    /// | 03 | early media, answered, the callee hangs up |
    /// | 04 | answered without any ringing, the dialplan hangs up |
    /// | 05 | rings, answered, then the dialplan dials an operator who is busy |
    /// | 06 | redirected with a 302, and answered over there |
    /// | 10, 11, 12 | busy: 486 at once; early media, then 486; 486 after ringing |
    /// | 20, 21, 22, 23 | rings, nobody answers; a dead trunk that says nothing; 480; early media, nobody answers |
    /// | 30, 31 | declined with 603: after ringing; at once |
    /// | 40, 41, 42 | no such number: 404; 410; 484 |
    /// | 50, 51, 52, 53 | trouble of the trunk: 503; 500; 403; 503 within the same millisecond |
    /// | 60 | no channel |
    /// | 80 | as 10 the first time, as 01 from then on |
    /// | 81 | as 20 the first two times, as 02 from then on |
    /// | 82 | as 50 the first time, as 01 from then on |
    ByNumber,
}

/// Who ends an answered call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EndedBy {
    Dialplan,
    Callee,
}

/// How a call goes on after the first sign of life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Answered(EndedBy),
    /// Answered; the dialplan then dials somebody who is busy, and passes that cause on.
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
pub(super) enum Sign {
    Nothing,
    /// 180: ringing.
    Ringing,
    /// 183: early media, such as ringback from the network.
    Progress,
}

/// A call's whole course. Times are milliseconds from the originate, `talk` from the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) end: End,
    pub(super) sign: Sign,
    pub(super) sign_at: u32,
    pub(super) end_at: u32,
    pub(super) talk: u32,
    /// Random bits that choose among the orders in which Asterisk may tell simultaneous events.
    pub(super) order: u64,
}

/// How long the channel takes to appear after the originate, in milliseconds.
pub(super) const SETUP: u32 = 1;

/// How long a switch takes to refuse a call, in milliseconds, where the plan is told by the number.
const REFUSAL: u32 = 200;

impl Plan {
    /// The fate of the `nth` dialing (from 1) of a dial string.
    pub(super) fn new(
        simulate: &Simulate,
        fates: Fates,
        dialed: u64,
        digits: Option<u8>,
        nth: u32,
    ) -> Self {
        match fates {
            Fates::Drawn => Self::drawn(simulate, dialed, nth),
            Fates::ByNumber => Self::by_number(simulate, dialed, digits, nth),
        }
    }

    fn drawn(simulate: &Simulate, dialed: u64, nth: u32) -> Self {
        let mut random = Random(mix(dialed ^ u64::from(nth).wrapping_mul(GOLDEN)));
        let share = random.share();
        let ring = random.around(simulate.ring);
        let talk = random.around(simulate.talk);
        let quick = SETUP + random.around(simulate.ring) / 8;
        let order = random.next();
        let detail = random.next();
        let heard = if detail.is_multiple_of(8) {
            Sign::Progress
        } else {
            Sign::Ringing
        };
        let mut below = simulate.answered;
        let mut next = |share_of: f64| {
            below += share_of;
            below
        };
        let (end, sign, end_at) = if share < simulate.answered {
            let by = if (detail >> 3) % 10 < 7 {
                EndedBy::Dialplan
            } else {
                EndedBy::Callee
            };
            (End::Answered(by), heard, ring)
        } else if share < next(simulate.busy) {
            (End::Refused(486), Sign::Nothing, quick)
        } else if share < next(simulate.declined) {
            (End::Refused(603), heard, ring)
        } else if share < next(simulate.congestion) {
            // Some trunks refuse at once: then the events of the whole call come in one go, in any order.
            let at = if (detail >> 3).is_multiple_of(2) {
                SETUP
            } else {
                quick
            };
            (End::Refused(503), Sign::Nothing, at)
        } else if share < next(simulate.invalid) {
            (End::Refused(404), Sign::Nothing, quick)
        } else if share < next(simulate.no_channel) {
            (End::NoChannel, Sign::Nothing, 0)
        } else {
            (End::Unanswered, heard, u32::MAX)
        };
        let end_at = end_at.max(SETUP);
        Self {
            end,
            sign,
            sign_at: quick.min(end_at / 2).max(SETUP),
            end_at,
            talk,
            order,
        }
    }

    fn by_number(simulate: &Simulate, dialed: u64, digits: Option<u8>, nth: u32) -> Self {
        use End::{Answered, NoChannel, OperatorBusy, Redirected, Refused, Unanswered};
        use EndedBy::{Callee, Dialplan};
        use Sign::{Nothing, Progress, Ringing};
        let ring = millis(simulate.ring).max(SETUP);
        let refusal = REFUSAL.min(ring);
        let never = u32::MAX;
        let digits = match (digits, nth) {
            (Some(80), 1) => Some(10),
            (Some(81), 1 | 2) => Some(20),
            (Some(81), _) => Some(2),
            (Some(82), 1) => Some(50),
            (other, _) => other,
        };
        let (end, sign, end_at) = match digits.unwrap_or(1) {
            2 => (Answered(Callee), Ringing, ring),
            3 => (Answered(Callee), Progress, ring),
            4 => (Answered(Dialplan), Nothing, ring),
            5 => (OperatorBusy, Ringing, ring),
            6 => (Redirected, Nothing, refusal),
            10 => (Refused(486), Nothing, refusal),
            11 => (Refused(486), Progress, ring),
            12 => (Refused(486), Ringing, ring),
            20 => (Unanswered, Ringing, never),
            21 => (Unanswered, Nothing, never),
            22 => (Refused(480), Nothing, refusal),
            23 => (Unanswered, Progress, never),
            30 => (Refused(603), Ringing, ring),
            31 => (Refused(603), Nothing, refusal),
            40 => (Refused(404), Nothing, refusal),
            41 => (Refused(410), Nothing, refusal),
            42 => (Refused(484), Nothing, refusal),
            50 => (Refused(503), Nothing, refusal),
            51 => (Refused(500), Nothing, refusal),
            52 => (Refused(403), Nothing, refusal),
            53 => (Refused(503), Nothing, SETUP),
            60 => (NoChannel, Nothing, 0),
            _ => (Answered(Dialplan), Ringing, ring),
        };
        Self {
            end,
            sign,
            sign_at: (ring / 2).clamp(SETUP, 100),
            end_at,
            talk: millis(simulate.talk),
            order: mix(dialed ^ u64::from(nth)),
        }
    }
}

/// The Q.850 cause that Asterisk makes of a SIP code.
pub(super) fn cause_of_sip(code: u16) -> u16 {
    match code {
        404 | 485 | 604 => 1,
        408 => 18,
        410 => 22,
        420 => 3,
        480 | 483 => 19,
        484 => 28,
        486 | 600 => 17,
        401 | 403 | 407 | 603 => 21,
        409 => 41,
        488 | 606 => 58,
        500 => 38,
        502 => 27,
        503 => 34,
        504 => 102,
        505.. => 42,
        _ => 127,
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX / 2)
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
    fn around(&mut self, mean: Duration) -> u32 {
        let factor = 300 + self.next() % 1401;
        u32::try_from(u64::from(millis(mean)) * factor / 1000).unwrap_or(u32::MAX / 2)
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
        let plan = |seed, number: &[u8], nth| Plan::drawn(&simulate(), hash(seed, number), nth);
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
            let plan = Plan::drawn(&simulate, hash(7, &number.to_le_bytes()), 1);
            match plan.end {
                End::Answered(_) => {
                    answered += 1;
                    ring += u64::from(plan.end_at);
                    talk += u64::from(plan.talk);
                    assert!((2_400..=13_600).contains(&plan.end_at), "{plan:?}");
                    assert!(plan.sign_at <= plan.end_at);
                }
                End::Refused(486) => busy += 1,
                End::Unanswered => unanswered += 1,
                End::NoChannel => no_channel += 1,
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
            let plan = Plan::drawn(&all, hash(1, &number.to_le_bytes()), 1);
            assert!(matches!(plan.end, End::Answered(_)));
        }
    }

    #[test]
    fn a_number_can_ask_for_a_fate_that_changes_when_it_is_dialed_again() {
        let plan = |digits, nth| Plan::by_number(&simulate(), 1, Some(digits), nth).end;
        assert_eq!(plan(80, 1), End::Refused(486));
        assert_eq!(plan(80, 2), End::Answered(EndedBy::Dialplan));
        assert_eq!(plan(81, 2), End::Unanswered);
        assert_eq!(plan(81, 3), End::Answered(EndedBy::Callee));
        assert_eq!(plan(99, 1), End::Answered(EndedBy::Dialplan));
    }
}
