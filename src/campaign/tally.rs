//! The counts of a run: what the progress line and the summary show.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::clock::{self, Clock};
use crate::disposition::Disposition;

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Contacts of the list, callable or not.
    pub contacts: u64,
    /// Contacts that this run calls: those that can be called, and no more than the limit.
    pub to_call: u64,
    /// Those of them with their final outcome.
    pub called: u64,
    /// Contacts with their final outcome.
    pub finished: u64,
    /// Those of them that nobody reached.
    pub failed: u64,
    /// Originates handed out.
    pub dispatched: u64,
    /// Calls running now.
    pub in_flight: usize,
    /// Contacts that wait for a retry.
    pub retrying: usize,
    /// Lines in all.
    pub ports: usize,
    /// No new call is begun any more.
    pub stopping: bool,
    /// The trunks, in the order of the campaign.
    pub trunks: Vec<OfTrunk>,
    /// Why nobody is being called, if nobody is.
    pub idle: Option<Idle>,
    /// How long at least one line carried a call.
    pub dialing: Duration,
    /// When this was counted; in a rehearsal that is not the time of the wall.
    pub at: Option<Instant>,
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

/// How a trunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfTrunk {
    /// Its name.
    pub name: Arc<str>,
    /// Its lines.
    pub ports: usize,
    /// Those of them that carry a call.
    pub busy: usize,
    /// How long its lines carried calls, all together.
    pub carried: Duration,
    /// It does not work, and rests or is being tried.
    pub resting: bool,
}

/// Why nobody is being called. Times of day are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Idle {
    /// There is no connection to Asterisk.
    NoSession,
    /// It is outside the calling hours until then.
    Outside(i64),
    /// No trunk works: they rest and are tried in turn.
    TrunksRest,
    /// Everybody who is left waits, the next until then.
    UntilDue(i64),
}

impl OfTrunk {
    /// How much of its lines calls took up, between 0 and 1, of a time in which there were calls.
    pub fn share(&self, dialing: Duration) -> Option<f64> {
        let lines = dialing.saturating_mul(u32::try_from(self.ports).unwrap_or(u32::MAX));
        (!lines.is_zero()).then(|| self.carried.div_duration_f64(lines))
    }
}

impl Idle {
    /// The reason in words.
    pub fn say(self, clock: &Clock) -> String {
        let time = |millis| clock.time(millis).strftime(clock::SHOWN).to_string();
        match self {
            Self::NoSession => "there is no connection to Asterisk".to_owned(),
            Self::Outside(opens) => format!("outside the calling hours until {}", time(opens)),
            Self::TrunksRest => "no trunk works, they rest before they are tried again".to_owned(),
            Self::UntilDue(due) => format!(
                "everybody who is left waits to be called again, the next at {}",
                time(due)
            ),
        }
    }
}

impl Tally {
    /// Nothing has happened yet to so many contacts, so many of them to be called, on trunks with so many lines.
    pub fn new<'t>(
        contacts: u64,
        to_call: u64,
        trunks: impl IntoIterator<Item = (&'t str, usize)>,
    ) -> Self {
        let trunks: Vec<OfTrunk> = trunks
            .into_iter()
            .map(|(name, ports)| OfTrunk {
                name: name.into(),
                ports,
                busy: 0,
                carried: Duration::ZERO,
                resting: false,
            })
            .collect();
        Self {
            contacts,
            to_call,
            ports: trunks.iter().map(|trunk| trunk.ports).sum(),
            trunks,
            ..Self::default()
        }
    }

    /// Notes that it is this late, before what has changed since the last time is counted.
    pub fn passed(&mut self, now: Instant) {
        let passed = self.at.map_or(Duration::ZERO, |at| now.duration_since(at));
        self.at = Some(now);
        if self.in_flight > 0 {
            self.dialing += passed;
        }
        for trunk in &mut self.trunks {
            let busy = u32::try_from(trunk.busy).unwrap_or(u32::MAX);
            trunk.carried = trunk.carried.saturating_add(passed.saturating_mul(busy));
        }
    }

    /// Notes an attempt that ended.
    pub fn attempted(&mut self, disposition: Disposition, is_final: bool) {
        self.attempts[disposition as usize] += 1;
        if is_final {
            self.called += 1;
            self.finished(disposition);
        }
    }

    /// Notes a contact that has its final outcome, called or not.
    pub fn finished(&mut self, disposition: Disposition) {
        self.were_finished(disposition, 1);
    }

    /// Notes so many contacts that have their final outcome.
    pub fn were_finished(&mut self, disposition: Disposition, contacts: u64) {
        self.finals[disposition as usize] += contacts;
        self.finished += contacts;
        if !disposition.picked_up() {
            self.failed += contacts;
        }
    }

    /// Calls that ended like this.
    pub fn attempts(&self, disposition: Disposition) -> u64 {
        self.attempts[disposition as usize]
    }

    /// Contacts whose final outcome this is.
    pub fn finals(&self, disposition: Disposition) -> u64 {
        self.finals[disposition as usize]
    }

    /// Contacts whose call was picked up.
    pub fn reached(&self) -> u64 {
        self.finished - self.failed
    }

    /// Contacts with their final outcome who were to be reached, and whom nobody reached.
    pub fn unreached(&self) -> u64 {
        let on_purpose = [Disposition::Suppressed, Disposition::Duplicate];
        self.failed - on_purpose.map(|kind| self.finals(kind)).iter().sum::<u64>()
    }

    /// Contacts that have no final outcome yet.
    pub fn pending(&self) -> u64 {
        self.contacts.saturating_sub(self.finished)
    }

    /// Lines without a call.
    pub fn free_ports(&self) -> usize {
        self.ports.saturating_sub(self.in_flight)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_busy_by_how_long_each_carried_a_call_while_there_were_calls() {
        let mut tally = Tally::new(9, 9, [("carrier", 4), ("reserve", 2)]);
        let begin = Instant::now();
        let mut since_begin = 0;
        // So many seconds, with so many lines of each busy.
        for (seconds, carrier, reserve) in [(10, 4, 0), (20, 2, 1), (3_600, 0, 0), (10, 0, 1)] {
            tally.passed(begin + Duration::from_secs(since_begin));
            (tally.trunks[0].busy, tally.trunks[1].busy) = (carrier, reserve);
            tally.in_flight = carrier + reserve;
            since_begin += seconds;
        }
        tally.passed(begin + Duration::from_secs(since_begin));
        assert_eq!(tally.dialing, Duration::from_secs(40));
        assert_eq!(tally.trunks[0].carried, Duration::from_secs(80));
        assert_eq!(tally.trunks[1].carried, Duration::from_secs(30));
        let shares = tally.trunks.iter().map(|trunk| trunk.share(tally.dialing));
        assert_eq!(shares.collect::<Vec<_>>(), [Some(0.5), Some(0.375)]);
        assert_eq!(tally.trunks[0].share(Duration::ZERO), None);
    }

    #[test]
    fn who_was_not_to_be_reached_is_not_unreached() {
        let mut tally = Tally::new(5, 3, [("carrier", 1)]);
        for kind in [
            Disposition::Answered,
            Disposition::NoAnswer,
            Disposition::InvalidNumber,
            Disposition::Suppressed,
            Disposition::Duplicate,
        ] {
            tally.finished(kind);
        }
        assert_eq!((tally.reached(), tally.unreached()), (1, 2));
    }
}
