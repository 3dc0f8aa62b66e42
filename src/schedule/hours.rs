//! When calls may begin: the hours of `[window]`, its holidays, and the moment after which nothing new begins. Pure.
//!
//! An instant is open if and only if the clock on the wall, in the zone of the person called, stands within one of the
//! openings. That one sentence decides everything at a change to or from summer time: an hour that is skipped opens
//! nothing, and one that comes twice is open twice. Who waits for an opening, and what becomes of a call that is still
//! running when the hours end, is decided elsewhere.

use std::collections::BTreeSet;

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

/// How far ahead an opening, or the end of one, is looked for.
const HORIZON: SignedDuration = SignedDuration::from_hours(400 * 24);

/// The hours in which calls may begin.
#[derive(Debug, Clone)]
pub struct Hours {
    /// Where a contact without a zone of its own is.
    pub zone: TimeZone,
    /// Dates on which nobody is called, as the calendar of the person called has them.
    pub holidays: BTreeSet<Date>,
    /// The hours of the other dates. They may overlap.
    pub openings: Vec<Opening>,
}

/// Hours that are the same on some days of every week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The days on which it begins, Monday first.
    pub days: [bool; 7],
    /// When it begins.
    pub from: Time,
    /// When it is over; this moment is not in it. Midnight is that at the end of the day. A time before `from` is one
    /// of the next day, and all of the opening belongs to the day on which it begins. The same time as `from` (midnight
    /// apart) leaves nothing between.
    pub to: Time,
}

/// Whether calls may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoursState {
    pub is_open: bool,
    /// The first instant at which that changes; `None` if there is none in more than a year.
    pub until: Option<Timestamp>,
}

/// When a run begins its last call at the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopAt {
    /// The next time that the clock says so.
    Daily(Time),
    /// This very moment.
    Moment(Timestamp),
}

impl Hours {
    /// Whether calls to people in `zone` may begin at this instant, and when that changes.
    ///
    /// A holiday is closed from its midnight to the next, also to an opening that began on the evening before. An
    /// opening that would begin on a holiday does not exist, nor does what of it would be after midnight.
    pub fn state(&self, zone: &TimeZone, at: Timestamp) -> HoursState {
        let is_open = self.is_open(zone.to_datetime(at));
        HoursState {
            is_open,
            until: self.change(zone, at, is_open),
        }
    }

    /// The first instant after `at` at which it is no longer `open`, or no longer closed.
    fn change(&self, zone: &TimeZone, at: Timestamp, open: bool) -> Option<Timestamp> {
        let limit = at.saturating_add(HORIZON).ok()?;
        let mut transitions = zone.following(at);
        let mut from = at;
        // From one transition of the zone to the next, the clock on the wall runs evenly.
        while from < limit {
            let transition = transitions.next().map(|transition| transition.timestamp());
            let to = transition.map_or(limit, |transition| transition.min(limit));
            let offset = zone.to_offset(from);
            let on_the_wall =
                self.change_on_the_wall(offset.to_datetime(from), offset.to_datetime(to), open);
            if let Some(change) = on_the_wall {
                return offset.to_timestamp(change).ok();
            }
            // At a transition the clock jumps, perhaps across an edge.
            if self.is_open(zone.to_datetime(to)) != open {
                return Some(to);
            }
            from = to;
        }
        None
    }

    /// The first time after `from` and before `to` at which it is no longer `open`, or no longer closed.
    fn change_on_the_wall(&self, from: DateTime, to: DateTime, open: bool) -> Option<DateTime> {
        let mut change = from;
        if open {
            while let Some(span) = self.spans(change.date()).find(|span| span.holds(change)) {
                change = span.to;
                if change >= to {
                    return None;
                }
            }
            return Some(change);
        }
        let mut date = from.date();
        while date <= to.date() {
            let begins = self.spans(date).map(|span| span.from);
            if let Some(next) = begins.filter(|&begin| begin > from).min() {
                return (next < to).then_some(next);
            }
            date = date.tomorrow().ok()?;
        }
        None
    }

    fn is_open(&self, time: DateTime) -> bool {
        self.spans(time.date()).any(|span| span.holds(time))
    }

    /// What of the openings lies on this date.
    fn spans(&self, date: Date) -> impl Iterator<Item = Span> {
        let is_closed = |date| self.holidays.contains(&date);
        let openings = if is_closed(date) {
            &[][..]
        } else {
            &self.openings[..]
        };
        let yesterday = date.yesterday().ok().filter(|&day| !is_closed(day));
        let midnight = date.to_datetime(Time::midnight());
        // On the last day of the calendar, the day has no end.
        let next_midnight = date
            .tomorrow()
            .map_or(DateTime::MAX, |next| next.to_datetime(Time::midnight()));
        openings
            .iter()
            .flat_map(move |opening| {
                let crosses = opening.crosses_midnight();
                let to = date.to_datetime(opening.to);
                let of_yesterday = yesterday
                    .filter(|&day| crosses && opening.begins_on(day))
                    .map(|_| Span { from: midnight, to });
                let of_today = opening.begins_on(date).then(|| Span {
                    from: date.to_datetime(opening.from),
                    to: if crosses { next_midnight } else { to },
                });
                of_yesterday.into_iter().chain(of_today)
            })
            .filter(|span| span.from < span.to)
    }
}

impl Opening {
    fn begins_on(&self, date: Date) -> bool {
        let day = date.weekday().to_monday_zero_offset();
        usize::try_from(day).is_ok_and(|day| self.days[day])
    }

    /// Whether it goes on up to midnight at least.
    fn crosses_midnight(&self) -> bool {
        self.to < self.from || self.to == Time::midnight()
    }
}

/// Part of a day, its end exclusive.
struct Span {
    from: DateTime,
    to: DateTime,
}

impl Span {
    fn holds(&self, time: DateTime) -> bool {
        self.from <= time && time < self.to
    }
}

impl StopAt {
    /// The moment that this is for a run that began at `start`.
    ///
    /// A time of day is that of the clock on the wall in `zone`: the first instant after `start` at which it says so,
    /// or at which it jumps across, as it does in spring. What was given as a moment may be in the past.
    pub fn next(&self, zone: &TimeZone, start: Timestamp) -> Timestamp {
        let time = match *self {
            Self::Moment(moment) => return moment,
            Self::Daily(time) => time,
        };
        // Yesterday's may be still to come where the clock is set back across midnight. Where a date is left out, its
        // times are jumped across at the end of the one before, so that the day after tomorrow is never the first.
        let today = zone.to_datetime(start).date();
        [today.yesterday(), Ok(today), today.tomorrow()]
            .into_iter()
            .flatten()
            .flat_map(|date| instants(zone, date.to_datetime(time)))
            .flatten()
            .filter(|&instant| instant > start)
            .min()
            .unwrap_or(Timestamp::MAX)
    }
}

/// The instants at which the clock on the wall says this time, or jumps across it.
fn instants(zone: &TimeZone, time: DateTime) -> [Option<Timestamp>; 2] {
    match zone.to_ambiguous_timestamp(time).offset() {
        AmbiguousOffset::Unambiguous { offset } => [offset.to_timestamp(time).ok(), None],
        AmbiguousOffset::Fold { before, after } => {
            [before, after].map(|offset| offset.to_timestamp(time).ok())
        }
        AmbiguousOffset::Gap { after, .. } => {
            // By the later offset, the time is one before the jump.
            let jump = after.to_timestamp(time).ok().and_then(|before| {
                let next = zone.following(before).next();
                next.map(|transition| transition.timestamp())
            });
            [jump, None]
        }
    }
}

#[cfg(test)]
mod tests;
