//! How many calls a campaign makes and how long they take, if it goes as its `[simulate]` says. An estimate: a rehearsal
//! plays it call by call.

use std::time::Duration;

use crate::config::{Campaign, Retry, Simulate, Trunk};
use crate::contact_history::UNCOUNTED_CONGESTION;
use crate::disposition::Disposition;

/// A campaign with more attempts than this makes hardly any more calls for them.
const ATTEMPTS: usize = 30;

/// What is expected of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expected {
    /// Seconds that a call keeps its line, on average.
    pub(super) call: f64,
    /// Calls that a contact gets, on average.
    pub(super) calls: f64,
    /// The longest that retries keep a contact waiting in all, where each comes at the end of its delay.
    pub(super) waits: Duration,
    simulate: Simulate,
    unanswered: f64,
    ring_timeout: Duration,
}

impl Expected {
    pub(super) fn of(campaign: &Campaign) -> Self {
        let simulate = campaign.simulate;
        let Simulate {
            answered,
            busy,
            declined,
            congestion,
            invalid,
            no_channel,
            ..
        } = simulate;
        let told = answered + busy + declined + congestion + invalid + no_channel;
        let unanswered = (1.0 - told).max(0.0);
        let call_timeout = campaign.call.call_timeout.as_secs_f64();
        let ring_timeout = campaign.call.ring_timeout.as_secs_f64().min(call_timeout);
        let ring = simulate.ring.as_secs_f64().min(ring_timeout);
        let talk = simulate.talk.as_secs_f64().min(call_timeout - ring);
        // What the far end refuses at once takes about so long in a rehearsal.
        let quick = ring / 8.0;
        Self {
            call: answered * (ring + talk)
                + declined * ring
                + unanswered * ring_timeout
                + (busy + congestion + invalid) * quick,
            calls: calls(&campaign.retry, &simulate, unanswered),
            waits: waits(&campaign.retry),
            simulate,
            unanswered,
            ring_timeout: campaign.call.ring_timeout,
        }
    }

    /// What it rests on, in a sentence.
    pub(super) fn assumption(&self) -> String {
        let ([answered, others], call) = (self.fates(), self.call);
        format!("by [simulate], {answered}, {others}, and a call takes {call:.1} s on average")
    }

    /// How the calls end, by their shares: who answers, and who does not.
    pub(super) fn fates(&self) -> [String; 2] {
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        let answered = format!(
            "{} answer after {:.0} s and talk for {:.0} s",
            percent(self.simulate.answered),
            self.simulate.ring.as_secs_f64(),
            self.simulate.talk.as_secs_f64(),
        );
        let others = format!(
            "{} are busy, {} do not answer within {:.0} s",
            percent(self.simulate.busy),
            percent(self.unanswered),
            self.ring_timeout.as_secs_f64(),
        );
        [answered, others]
    }

    /// Calls a second that a trunk makes if there are always some to be made, and whether its lines are what keeps it
    /// from more, and not its pace.
    pub(super) fn rate(&self, trunk: &Trunk) -> (f64, bool) {
        #[expect(clippy::cast_precision_loss, reason = "no trunk has so many lines")]
        let by_lines = trunk.ports as f64 / self.call;
        let by_pace = trunk.calls_per_second;
        (by_lines.min(by_pace), by_lines <= by_pace)
    }
}

/// The calls that a contact gets on average: each outcome has its share, whether it is called again after it, and how
/// often at most.
fn calls(retry: &Retry, simulate: &Simulate, unanswered: f64) -> f64 {
    let most = usize::try_from(retry.max_attempts).map_or(ATTEMPTS, |most| most.min(ATTEMPTS));
    // The most calls that may end like this and be followed by another; 0: none.
    let retried = |disposition: Disposition| {
        let rule = retry.rules.get(&disposition);
        let is_retried = rule
            .and_then(|rule| rule.retry)
            .unwrap_or(disposition.retried_by_default());
        let of_rule = rule.and_then(|rule| rule.max_attempts);
        let of_rule = of_rule.map_or(most, |of_rule| usize::try_from(of_rule).unwrap_or(most));
        if is_retried { of_rule.min(most) } else { 0 }
    };
    let (busy_most, absent_most) = (retried(Disposition::Busy), retried(Disposition::NoAnswer));
    // Of the calls that are counted.
    let congested = simulate.congestion + simulate.no_channel;
    let counted = (1.0 - congested).max(f64::EPSILON);
    let others = [
        (Disposition::Answered, simulate.answered),
        (Disposition::Rejected, simulate.declined),
    ];
    let again: f64 = others
        .into_iter()
        .filter(|&(disposition, _)| retried(disposition) > 0)
        .map(|(_, share)| share / counted)
        .sum();
    // How likely it is that a contact is still called, by how often it was busy and absent.
    let mut standing = vec![vec![0.0; most + 1]; most + 1];
    standing[0][0] = 1.0;
    let mut calls = 0.0;
    for _ in 0..most {
        let mut next = vec![vec![0.0; most + 1]; most + 1];
        for (busy, row) in standing.iter().enumerate() {
            for (absent, &likely) in row.iter().enumerate() {
                calls += likely;
                next[busy][absent] += likely * again;
                if busy + 1 < busy_most {
                    next[busy + 1][absent] += likely * simulate.busy / counted;
                }
                if absent + 1 < absent_most {
                    next[busy][absent + 1] += likely * unanswered / counted;
                }
            }
        }
        standing = next;
    }
    // Congested calls are made once more without being counted, up to five times.
    let uncounted: f64 = (0..=UNCOUNTED_CONGESTION)
        .map(|times| congested.powi(i32::from(times)))
        .sum();
    calls * uncounted
}

/// What the delays of the attempts after the first add up to.
fn waits(retry: &Retry) -> Duration {
    let after = |attempt: u32| {
        let exponent = i32::try_from(attempt).unwrap_or(i32::MAX);
        let seconds = retry.delay.as_secs_f64() * retry.backoff.powi(exponent);
        Duration::try_from_secs_f64(seconds)
            .unwrap_or(retry.max_delay)
            .min(retry.max_delay)
    };
    (1..retry.max_attempts)
        .map(|attempt| after(attempt - 1))
        .fold(Duration::ZERO, Duration::saturating_add)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::Rule;

    fn retry(max_attempts: u32) -> Retry {
        Retry {
            max_attempts,
            max_per_day: None,
            max_per_week: None,
            delay: Duration::from_secs(300),
            next_number_delay: None,
            backoff: 2.0,
            max_delay: Duration::from_secs(1000),
            rules: BTreeMap::new(),
        }
    }

    fn half_busy() -> Simulate {
        Simulate {
            answered: 0.5,
            busy: 0.5,
            declined: 0.0,
            congestion: 0.0,
            invalid: 0.0,
            no_channel: 0.0,
            ..Simulate::default()
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-9, "{found} {expected}");
    }

    #[test]
    fn half_of_the_contacts_are_called_again_and_half_of_those_once_more() {
        near(calls(&retry(1), &half_busy(), 0.0), 1.0);
        near(calls(&retry(3), &half_busy(), 0.0), 1.75);
        near(
            calls(&retry(u32::MAX), &half_busy(), 0.0),
            2.0 - 0.5_f64.powi(29),
        );
    }

    #[test]
    fn a_rule_can_forbid_a_retry_allow_one_and_limit_them() {
        let mut ruled = retry(3);
        let mut with = |disposition, rule| {
            ruled.rules = BTreeMap::from([(disposition, rule)]);
            calls(&ruled, &half_busy(), 0.0)
        };
        let none = Rule {
            retry: Some(false),
            ..Rule::default()
        };
        near(with(Disposition::Busy, none), 1.0);
        let twice = Rule {
            max_attempts: Some(2),
            ..Rule::default()
        };
        near(with(Disposition::Busy, twice), 1.5);
        let everybody = Rule {
            retry: Some(true),
            ..Rule::default()
        };
        near(with(Disposition::Answered, everybody), 3.0);
    }

    #[test]
    fn congested_calls_come_on_top() {
        let congested = Simulate {
            answered: 0.5,
            busy: 0.0,
            congestion: 0.5,
            ..half_busy()
        };
        near(calls(&retry(1), &congested, 0.0), 2.0 - 0.5_f64.powi(5));
    }

    #[test]
    fn the_waits_grow_as_the_delays_do() {
        assert_eq!(waits(&retry(1)), Duration::ZERO);
        assert_eq!(waits(&retry(4)), Duration::from_secs(300 + 600 + 1000));
    }
}
