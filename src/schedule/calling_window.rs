//! Whether calls may begin at a moment, where the contact lives.
//!
//! The campaign's hours say it of a zone and a moment; here the answer is kept for each zone until it changes, so that
//! asking costs nothing, and closing comes a little early, since an Originate takes a moment from here to the wire.

use std::sync::{Mutex, PoisonError};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::schedule::hours::{Hours, HoursState};

/// A call that begins so shortly before closing time could be written after it.
const MARGIN: SignedDuration = SignedDuration::from_millis(250);

/// The hours of a campaign, if it has any, in the zones of its contacts, and its `stop_at`.
#[derive(Debug)]
pub(crate) struct CallingWindow {
    hours: Option<Hours>,
    zones: Vec<TimeZone>,
    /// What holds for each zone, and from when on.
    known: Mutex<Vec<Option<(Timestamp, HoursState)>>>,
    /// From then on no call begins, whatever the hours are.
    pub(crate) stop_at: Option<Timestamp>,
}

/// Whether calls may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WindowState {
    Open,
    /// Closed until then; `None`: for as long as can be foreseen.
    Closed(Option<Timestamp>),
}

impl From<HoursState> for WindowState {
    fn from(state: HoursState) -> Self {
        if state.is_open {
            Self::Open
        } else {
            Self::Closed(state.until)
        }
    }
}

impl CallingWindow {
    pub(crate) fn new(
        hours: Option<Hours>,
        zones: &[TimeZone],
        stop_at: Option<Timestamp>,
    ) -> Self {
        Self {
            hours,
            zones: zones.to_vec(),
            known: Mutex::new(vec![None; zones.len()]),
            stop_at: stop_at.map(|at| at.saturating_sub(MARGIN).unwrap_or(at)),
        }
    }

    pub(crate) fn has_stopped(&self, now: Timestamp) -> bool {
        self.stop_at.is_some_and(|stop_at| stop_at <= now)
    }

    /// Whether a call may begin now in a zone, by its index in the list's zones.
    pub(crate) fn state(&self, zone: u16, now: Timestamp) -> WindowState {
        let Some(hours) = &self.hours else {
            return WindowState::Open;
        };
        let index = usize::from(zone);
        let Some(zone) = self.zones.get(index) else {
            return WindowState::Closed(None);
        };
        let known = &mut self.known.lock().unwrap_or_else(PoisonError::into_inner)[index];
        let holds = |&(from, state): &(Timestamp, HoursState)| {
            from <= now && state.until.is_none_or(|until| now < until)
        };
        let (_, state) = match *known {
            Some(known) if holds(&known) => known,
            _ => *known.insert((now, hours.state(zone, now))),
        };
        match state.until {
            // It is about to close: what counts is when it opens again.
            Some(until) if state.is_open && now.duration_until(until) <= MARGIN => {
                hours.state(zone, until).into()
            }
            _ => state.into(),
        }
    }

    /// Whether a call may begin now in any zone; else the first moment at which one may.
    pub(crate) fn any(&self, now: Timestamp) -> WindowState {
        if self.hours.is_none() {
            return WindowState::Open;
        }
        let mut first: Option<Timestamp> = None;
        for zone in 0..self.zones.len() {
            match self.state(u16::try_from(zone).unwrap_or(u16::MAX), now) {
                WindowState::Open => return WindowState::Open,
                WindowState::Closed(until) => first = first.into_iter().chain(until).min(),
            }
        }
        WindowState::Closed(first)
    }

    /// When a contact of a zone that is due then may be called at the earliest.
    pub(crate) fn earliest(&self, zone: u16, due: Timestamp) -> Timestamp {
        let (Some(hours), Some(zone)) = (&self.hours, self.zones.get(usize::from(zone))) else {
            return due;
        };
        let state = hours.state(zone, due);
        state.until.filter(|_| !state.is_open).unwrap_or(due)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::civil::time;

    use super::*;
    use crate::schedule::hours::Opening;

    fn window(zones: &[&str]) -> CallingWindow {
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
        CallingWindow::new(Some(hours), &zones, None)
    }

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn without_hours_it_is_always_open() {
        let window = CallingWindow::new(None, &[], None);
        assert_eq!(window.any(Timestamp::UNIX_EPOCH), WindowState::Open);
        assert_eq!(window.state(0, Timestamp::UNIX_EPOCH), WindowState::Open);
    }

    #[test]
    fn each_zone_opens_in_its_own_morning() {
        let window = window(&["UTC", "America/Montevideo"]);
        let now = at("2026-11-23T10:00:00Z");
        assert_eq!(window.state(0, now), WindowState::Open);
        assert_eq!(
            window.state(1, now),
            WindowState::Closed(Some(at("2026-11-23T12:00:00Z")))
        );
        assert_eq!(window.any(now), WindowState::Open);
        let early = at("2026-11-23T08:00:00Z");
        assert_eq!(
            window.any(early),
            WindowState::Closed(Some(at("2026-11-23T09:00:00Z")))
        );
    }

    #[test]
    fn it_closes_a_moment_early_and_stays_closed_until_it_opens_again() {
        let window = window(&["UTC"]);
        let closing = at("2026-11-23T20:00:00Z");
        let opening = at("2026-11-24T09:00:00Z");
        let moment = SignedDuration::from_nanos(1);
        assert_eq!(
            window.state(0, closing - MARGIN - moment),
            WindowState::Open
        );
        for now in [
            closing - MARGIN,
            closing - moment,
            closing,
            opening - moment,
        ] {
            assert_eq!(
                window.state(0, now),
                WindowState::Closed(Some(opening)),
                "{now}"
            );
        }
        assert_eq!(window.state(0, opening), WindowState::Open);
    }

    #[test]
    fn a_clock_that_is_set_back_is_looked_at_again() {
        let window = window(&["UTC"]);
        assert_eq!(
            window.state(0, at("2026-11-23T10:00:00Z")),
            WindowState::Open
        );
        assert_ne!(
            window.state(0, at("2026-11-23T08:00:00Z")),
            WindowState::Open
        );
    }

    #[test]
    fn a_retry_that_falls_into_the_night_waits_for_the_morning() {
        let window = window(&["UTC"]);
        assert_eq!(
            window.earliest(0, at("2026-11-23T21:00:00Z")),
            at("2026-11-24T09:00:00Z")
        );
        let noon = at("2026-11-23T12:00:00Z");
        assert_eq!(window.earliest(0, noon), noon);
    }
}
