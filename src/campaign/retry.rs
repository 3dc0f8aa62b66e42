//! Whether and when a contact is called again: a pure function of the campaign's `[retry]` and of what has happened.

use std::time::Duration;

use crate::config::Retry;
use crate::disposition::Disposition;

/// So many congested attempts of a contact are the trunk's fault alone and use up none of `max_attempts`.
pub const UNCOUNTED_CONGESTION: u8 = 5;

/// What has happened to a contact so far. Small, since one is kept for every contact that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Calls made.
    pub attempts: u16,
    /// Those of them that count against `max_attempts`.
    pub counted: u16,
    /// Congested ones that did not count.
    pub congested: u8,
}

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// Whether the attempt used one of `max_attempts`.
    pub counted: bool,
    /// How long after its end the contact is called again; `None` when this outcome is final, or, for `CANCELLED`,
    /// when only a further run calls it again.
    pub again_after: Option<Duration>,
    /// Whether the contact will not be called again.
    pub is_final: bool,
}

impl History {
    /// Notes one more attempt with this outcome and decides what follows.
    pub fn attempted(&mut self, disposition: Disposition, policy: &Retry) -> Decision {
        self.attempts = self.attempts.saturating_add(1);
        let counted = match disposition {
            Disposition::Cancelled => false,
            Disposition::Congestion if self.congested < UNCOUNTED_CONGESTION => {
                self.congested += 1;
                false
            }
            _ => true,
        };
        if counted {
            self.counted = self.counted.saturating_add(1);
        }
        if disposition == Disposition::Cancelled {
            return Decision {
                counted,
                again_after: None,
                is_final: false,
            };
        }
        let again =
            disposition.retried_by_default() && u32::from(self.counted) < policy.max_attempts;
        Decision {
            counted,
            again_after: again.then(|| delay(policy, self.attempts)),
            is_final: !again,
        }
    }
}

/// The wait after the `attempts`-th call: `delay`, multiplied by `backoff` for each call before it, at most `max_delay`.
fn delay(policy: &Retry, attempts: u16) -> Duration {
    let exponent = i32::from(attempts.saturating_sub(1));
    let seconds = policy.delay.as_secs_f64() * policy.backoff.powi(exponent);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(policy.max_delay)
        .min(policy.max_delay)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn policy(max_attempts: u32, backoff: f64) -> Retry {
        Retry {
            max_attempts,
            max_per_day: None,
            max_per_week: None,
            delay: Duration::from_secs(300),
            next_number_delay: None,
            backoff,
            max_delay: Duration::from_secs(1000),
            rules: BTreeMap::new(),
        }
    }

    #[test]
    fn the_busy_are_called_until_their_attempts_are_used_up() {
        let mut history = History::default();
        let policy = policy(3, 2.0);
        let waits: Vec<_> = (0..3)
            .map(|_| history.attempted(Disposition::Busy, &policy).again_after)
            .collect();
        assert_eq!(
            waits,
            [
                Some(Duration::from_secs(300)),
                Some(Duration::from_secs(600)),
                None
            ]
        );
    }

    #[test]
    fn the_wait_never_grows_over_max_delay() {
        let mut history = History {
            attempts: 4000,
            ..History::default()
        };
        let decision = history.attempted(Disposition::NoAnswer, &policy(10_000, 3.0));
        assert_eq!(decision.again_after, Some(Duration::from_secs(1000)));
    }

    #[test]
    fn five_congested_attempts_are_the_trunks_fault_and_the_sixth_counts() {
        let mut history = History::default();
        let policy = policy(1, 1.0);
        for _ in 0..5 {
            let decision = history.attempted(Disposition::Congestion, &policy);
            assert!(!decision.counted && !decision.is_final);
        }
        let sixth = history.attempted(Disposition::Congestion, &policy);
        assert!(sixth.counted && sixth.is_final);
        assert_eq!(history.attempts, 6);
    }

    #[test]
    fn an_answer_or_a_number_that_does_not_exist_is_final() {
        for disposition in [
            Disposition::Answered,
            Disposition::Rejected,
            Disposition::InvalidNumber,
            Disposition::Failed,
            Disposition::Unknown,
        ] {
            let decision = History::default().attempted(disposition, &policy(3, 1.0));
            assert!(decision.is_final && decision.counted, "{disposition}");
        }
    }

    #[test]
    fn a_cancelled_call_is_left_to_the_next_run() {
        let decision = History::default().attempted(Disposition::Cancelled, &policy(3, 1.0));
        assert!(!decision.counted && !decision.is_final && decision.again_after.is_none());
    }
}
