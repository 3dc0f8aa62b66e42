//! Whether a contact may be called at this time of day, where it lives.
//!
//! The campaign's hours say it of a zone and a moment; here it is kept per zone until it changes, so that asking costs
//! nothing, and told a little early, since an Originate takes a moment from here to the wire.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::schedule::hours::{Hours, State};

/// A call that begins so shortly before closing time, in milliseconds, could be written after it.
const MARGIN: i64 = 250;

/// Times of day are milliseconds since 1970 here.
#[derive(Debug)]
pub struct Gate {
    hours: Option<Hours>,
    zones: Vec<TimeZone>,
    known: Mutex<Vec<Known>>,
    /// From when on no call begins, whatever the hours are.
    over: Option<i64>,
}

/// What holds for a zone from one moment to another.
#[derive(Debug, Clone, Copy)]
struct Known {
    open: bool,
    from: i64,
    until: i64,
}

const NOTHING: Known = Known {
    open: false,
    from: i64::MAX,
    until: i64::MIN,
};

/// Whether a zone is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// Calls may begin.
    Open,
    /// None until then; `None`: in no time that can be foreseen.
    Closed(Option<i64>),
}

impl Gate {
    /// The hours of a campaign, if it has any, in the zones of its contacts.
    pub fn new(hours: Option<Hours>, zones: &[TimeZone]) -> Self {
        Self {
            hours,
            zones: zones.to_vec(),
            known: Mutex::new(vec![NOTHING; zones.len()]),
            over: None,
        }
    }

    /// Lets no call begin from that moment on.
    pub fn stop_at(&mut self, moment: i64) {
        self.over = Some(moment.saturating_sub(MARGIN));
    }

    /// From when on no call begins, whatever the hours are.
    pub fn over(&self) -> Option<i64> {
        self.over
    }

    /// Whether that moment has come.
    pub fn is_over(&self, now: i64) -> bool {
        self.over.is_some_and(|over| over <= now)
    }

    /// Whether a call may begin now in a zone, by its place in the list's zones.
    pub fn state(&self, zone: u16, now: i64) -> Gated {
        let Some(hours) = &self.hours else {
            return Gated::Open;
        };
        let mut known = self.lock();
        let Some(known) = known.get_mut(usize::from(zone)) else {
            return Gated::Closed(None);
        };
        if !(known.from..known.until).contains(&now) {
            *known = look(hours, &self.zones[usize::from(zone)], now);
        }
        match *known {
            Known {
                open: true, until, ..
            } if now.saturating_add(MARGIN) < until => Gated::Open,
            // It is about to close: what counts is when it opens again.
            Known {
                open: true, until, ..
            } => match look(hours, &self.zones[usize::from(zone)], until) {
                Known { open: true, .. } => Gated::Open,
                closed => Gated::Closed(foreseen(closed.until)),
            },
            Known { until, .. } => Gated::Closed(foreseen(until)),
        }
    }

    /// Whether a call may begin now in any zone; else the first moment at which one may.
    pub fn any(&self, now: i64) -> Gated {
        if self.hours.is_none() {
            return Gated::Open;
        }
        let mut first = None;
        for zone in 0..self.zones.len() {
            match self.state(u16::try_from(zone).unwrap_or(u16::MAX), now) {
                Gated::Open => return Gated::Open,
                Gated::Closed(until) => {
                    first = match (first, until) {
                        (Some(first), Some(until)) => Some(i64::min(first, until)),
                        (first, until) => first.or(until),
                    }
                }
            }
        }
        Gated::Closed(first)
    }

    /// When a contact of a zone that is due then may be called at the earliest.
    pub fn earliest(&self, zone: u16, due: i64) -> i64 {
        match (&self.hours, self.zones.get(usize::from(zone))) {
            (Some(hours), Some(zone)) => match look(hours, zone, due) {
                Known { open: true, .. } => due,
                closed => foreseen(closed.until).unwrap_or(due),
            },
            _ => due,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn look(hours: &Hours, zone: &TimeZone, now: i64) -> Known {
    let at = Timestamp::from_millisecond(now).unwrap_or(Timestamp::MAX);
    // Rounded up: what opens within a millisecond is open in the next.
    let millis = |until: Option<Timestamp>| {
        until.map_or(i64::MAX, |until| {
            until.as_millisecond() + i64::from(until.subsec_nanosecond() % 1_000_000 != 0)
        })
    };
    match hours.state(zone, at) {
        State::Open { until } => Known {
            open: true,
            from: now,
            until: millis(until),
        },
        State::Closed { until } => Known {
            open: false,
            from: now,
            until: millis(until),
        },
    }
}

fn foreseen(until: i64) -> Option<i64> {
    (until != i64::MAX).then_some(until)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::time;

    use super::*;
    use crate::schedule::hours::Opening;

    fn gate(zones: &[&str]) -> Gate {
        let zones: Vec<TimeZone> = zones
            .iter()
            .map(|zone| TimeZone::get(zone).unwrap())
            .collect();
        let hours = Hours {
            zone: TimeZone::UTC,
            holidays: BTreeSet::new(),
            openings: vec![Opening {
                days: [true; 7],
                from: time(9, 0, 0, 0),
                to: time(20, 0, 0, 0),
            }],
        };
        Gate::new(Some(hours), &zones)
    }

    fn at(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_millisecond()
    }

    #[test]
    fn without_hours_it_is_always_open() {
        assert_eq!(Gate::new(None, &[]).any(0), Gated::Open);
        assert_eq!(Gate::new(None, &[]).state(0, 0), Gated::Open);
    }

    #[test]
    fn each_zone_opens_in_its_own_morning() {
        let gate = gate(&["UTC", "America/Montevideo"]);
        let now = at("2026-11-23T10:00:00Z");
        assert_eq!(gate.state(0, now), Gated::Open);
        assert_eq!(
            gate.state(1, now),
            Gated::Closed(Some(at("2026-11-23T12:00:00Z")))
        );
        assert_eq!(gate.any(now), Gated::Open);
        let early = at("2026-11-23T08:00:00Z");
        assert_eq!(
            gate.any(early),
            Gated::Closed(Some(at("2026-11-23T09:00:00Z")))
        );
    }

    #[test]
    fn it_closes_a_moment_early_and_stays_closed_until_it_opens_again() {
        let gate = gate(&["UTC"]);
        let closing = at("2026-11-23T20:00:00Z");
        let opening = at("2026-11-24T09:00:00Z");
        assert_eq!(gate.state(0, closing - MARGIN - 1), Gated::Open);
        for now in [closing - MARGIN, closing - 1, closing, opening - 1] {
            assert_eq!(gate.state(0, now), Gated::Closed(Some(opening)), "{now}");
        }
        assert_eq!(gate.state(0, opening), Gated::Open);
    }

    #[test]
    fn a_clock_that_is_set_back_is_looked_at_again() {
        let gate = gate(&["UTC"]);
        assert_eq!(gate.state(0, at("2026-11-23T10:00:00Z")), Gated::Open);
        assert_ne!(gate.state(0, at("2026-11-23T08:00:00Z")), Gated::Open);
    }

    #[test]
    fn a_retry_that_falls_into_the_night_waits_for_the_morning() {
        let gate = gate(&["UTC"]);
        assert_eq!(
            gate.earliest(0, at("2026-11-23T21:00:00Z")),
            at("2026-11-24T09:00:00Z")
        );
        let noon = at("2026-11-23T12:00:00Z");
        assert_eq!(gate.earliest(0, noon), noon);
    }
}
