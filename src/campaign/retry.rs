//! Whether and when a contact is called again: a pure function of the campaign's `[retry]` and of what has happened.

use std::time::Duration;

use crate::config::{CallConfig, Retry};
use crate::contact_history::{AttemptOutcome, History};
use crate::disposition::Disposition;

/// What follows from an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Decision {
    /// Whether the attempt used one of `max_attempts`.
    pub(crate) counted: bool,
    /// How long after its end the contact is called again; `None` when this outcome is final, or, for `CANCELLED`,
    /// when only a further run calls it again.
    pub(crate) again_after: Option<Duration>,
    /// Whether the contact will not be called again.
    pub(crate) is_final: bool,
}

/// Notes an attempt of a contact with so many numbers, and decides what follows.
pub(crate) fn decide(
    history: &mut History,
    outcome: AttemptOutcome,
    numbers: usize,
    policy: &Retry,
    call: &CallConfig,
) -> Decision {
    let counted = history.note(outcome);
    let (disposition, doubt) = (outcome.disposition, outcome.doubt);
    let next = history.numbers(numbers).next();
    let is_cancelled = disposition == Disposition::Cancelled;
    let again = !is_cancelled
        && next.is_some()
        && (doubt || may_be_called_again(history, disposition, policy));
    let again_after = again.then(|| {
        if disposition == Disposition::InvalidNumber && !doubt {
            return Duration::ZERO;
        }
        // The turn goes on to a number further down the row, and not back to the first.
        let further = next.is_some_and(|next| next > outcome.number);
        let wait = policy
            .next_number_delay
            .filter(|_| further)
            .unwrap_or_else(|| delay(policy, disposition, history.attempts));
        match disposition {
            // Whoever cannot be told may still be on the phone.
            Disposition::Unknown => wait.max(call.ring_timeout + call.call_timeout),
            _ => wait,
        }
    });
    Decision {
        counted,
        again_after,
        is_final: !again && !is_cancelled,
    }
}

fn may_be_called_again(history: &History, disposition: Disposition, policy: &Retry) -> bool {
    if u32::from(history.counted) >= policy.max_attempts {
        return false;
    }
    if disposition == Disposition::InvalidNumber {
        // Of another number.
        return true;
    }
    let rule = policy.rules.get(&disposition);
    let retry = rule.and_then(|rule| rule.retry);
    let most = rule.and_then(|rule| rule.max_attempts);
    retry.unwrap_or(disposition.retried_by_default())
        && most.is_none_or(|most| u32::from(history.of(disposition)) < most)
}

/// The wait after the `attempts`-th call: `delay`, multiplied by `backoff` for each call before it, at most `max_delay`.
fn delay(policy: &Retry, disposition: Disposition, attempts: u16) -> Duration {
    let rule = policy.rules.get(&disposition);
    let delay = rule.and_then(|rule| rule.delay).unwrap_or(policy.delay);
    let backoff = rule.and_then(|rule| rule.backoff).unwrap_or(policy.backoff);
    let exponent = i32::from(attempts.saturating_sub(1));
    // Of no delay, no backoff makes one: 0 times infinity is no number.
    if delay.is_zero() {
        return delay;
    }
    let seconds = delay.as_secs_f64() * backoff.powi(exponent);
    Duration::try_from_secs_f64(seconds)
        .unwrap_or(policy.max_delay)
        .min(policy.max_delay)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{CallTarget, Rule};
    use crate::trunk::TrunkIndex;

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

    fn with_rule(disposition: Disposition, rule: Rule) -> Retry {
        Retry {
            rules: BTreeMap::from([(disposition, rule)]),
            ..policy(3, 1.0)
        }
    }

    const NOTHING: Rule = Rule {
        delay: None,
        backoff: None,
        max_attempts: None,
        retry: None,
    };

    fn call() -> CallConfig {
        CallConfig {
            target: CallTarget::Application {
                application: "Playback".to_owned(),
                data: String::new(),
            },
            target_at: crate::config::Location { line: 1, column: 1 },
            caller_id: None,
            ring_timeout: Duration::from_secs(30),
            call_timeout: Duration::from_secs(200),
            min_talk: Duration::ZERO,
            variables: Vec::new(),
        }
    }

    fn ended(disposition: Disposition, number: u8) -> AttemptOutcome {
        AttemptOutcome {
            disposition,
            number,
            trunk: TrunkIndex(0),
            doubt: false,
        }
    }

    fn after(history: &mut History, disposition: Disposition, policy: &Retry) -> Decision {
        decide(history, ended(disposition, 0), 1, policy, &call())
    }

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn the_busy_are_called_until_their_attempts_are_used_up() {
        let mut history = History::default();
        let policy = policy(3, 2.0);
        let waits = [0; 3].map(|_| after(&mut history, Disposition::Busy, &policy).again_after);
        assert_eq!(waits, [Some(seconds(300)), Some(seconds(600)), None]);
    }

    #[test]
    fn the_wait_never_grows_over_max_delay() {
        let mut history = History::default();
        let policy = policy(10_000, 3.0);
        for _ in 0..4_000 {
            after(&mut history, Disposition::NoAnswer, &policy);
        }
        let decision = after(&mut history, Disposition::NoAnswer, &policy);
        assert_eq!(decision.again_after, Some(seconds(1000)));
    }

    #[test]
    fn no_delay_stays_none_whatever_the_backoff() {
        let policy = Retry {
            delay: Duration::ZERO,
            ..policy(10_000, 2.0)
        };
        let mut history = History::default();
        for _ in 0..2_000 {
            let decision = after(&mut history, Disposition::Busy, &policy);
            assert_eq!(decision.again_after, Some(Duration::ZERO), "{history:?}");
        }
    }

    #[test]
    fn congestion_is_final_only_when_it_counts() {
        let mut history = History::default();
        let policy = policy(1, 1.0);
        for _ in 0..5 {
            let decision = after(&mut history, Disposition::Congestion, &policy);
            assert!(!decision.counted && !decision.is_final);
        }
        let sixth = after(&mut history, Disposition::Congestion, &policy);
        assert!(sixth.counted && sixth.is_final);
    }

    #[test]
    fn nothing_is_final_on_a_trunk_in_doubt() {
        for disposition in Disposition::ALL {
            let doubtful = AttemptOutcome {
                doubt: true,
                ..ended(disposition, 0)
            };
            let decision = decide(
                &mut History::default(),
                doubtful,
                1,
                &policy(1, 1.0),
                &call(),
            );
            assert!(!decision.counted && !decision.is_final, "{disposition}");
        }
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
            let decision = after(&mut History::default(), disposition, &policy(3, 1.0));
            assert!(decision.is_final && decision.counted, "{disposition}");
        }
    }

    #[test]
    fn a_cancelled_call_is_left_to_the_next_run() {
        let decision = after(
            &mut History::default(),
            Disposition::Cancelled,
            &policy(3, 1.0),
        );
        assert!(!decision.counted && !decision.is_final && decision.again_after.is_none());
    }

    #[test]
    fn a_rule_has_its_own_delay_and_its_own_number_of_attempts() {
        let policy = with_rule(
            Disposition::NoAnswer,
            Rule {
                delay: Some(seconds(600)),
                max_attempts: Some(2),
                ..NOTHING
            },
        );
        let mut history = History::default();
        assert_eq!(
            after(&mut history, Disposition::NoAnswer, &policy).again_after,
            Some(seconds(600))
        );
        let mut busy_between = history;
        assert_eq!(
            after(&mut busy_between, Disposition::Busy, &policy).again_after,
            Some(seconds(300))
        );
        assert!(after(&mut history, Disposition::NoAnswer, &policy).is_final);
    }

    #[test]
    fn a_rule_can_forbid_a_retry_and_allow_one() {
        let retry = |retry| Rule {
            retry: Some(retry),
            ..NOTHING
        };
        let never_busy = with_rule(Disposition::Busy, retry(false));
        assert!(after(&mut History::default(), Disposition::Busy, &never_busy).is_final);
        let machines = with_rule(Disposition::Machine, retry(true));
        let decision = after(&mut History::default(), Disposition::Machine, &machines);
        assert_eq!(decision.again_after, Some(seconds(300)));
    }

    #[test]
    fn nobody_is_called_again_who_may_still_be_on_the_phone() {
        let unknown = with_rule(
            Disposition::Unknown,
            Rule {
                delay: Some(seconds(1)),
                retry: Some(true),
                ..NOTHING
            },
        );
        let decision = after(&mut History::default(), Disposition::Unknown, &unknown);
        assert_eq!(decision.again_after, Some(seconds(230)));
    }

    #[test]
    fn the_next_number_has_its_own_delay_and_the_way_back_to_the_first_has_not() {
        let policy = Retry {
            next_number_delay: Some(Duration::from_secs(10)),
            ..policy(5, 1.0)
        };
        let mut history = History::default();
        let mut wait = |number| {
            decide(
                &mut history,
                ended(Disposition::Busy, number),
                2,
                &policy,
                &call(),
            )
            .again_after
        };
        assert_eq!(
            [wait(0), wait(1), wait(0)],
            [Some(seconds(10)), Some(seconds(300)), Some(seconds(10))]
        );
    }

    #[test]
    fn a_number_that_does_not_exist_is_passed_over_at_once() {
        let mut history = History::default();
        let invalid = |history: &mut History, number| {
            decide(
                history,
                ended(Disposition::InvalidNumber, number),
                2,
                &policy(3, 1.0),
                &call(),
            )
        };
        assert_eq!(invalid(&mut history, 0).again_after, Some(Duration::ZERO));
        let last = invalid(&mut history, 1);
        assert!(last.is_final, "there is no other number");
    }
}
