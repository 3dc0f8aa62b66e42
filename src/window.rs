//! When calls may start.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;

/// The opening hours of a campaign.
#[derive(Debug, Clone)]
pub struct Hours {
    /// The zone of contacts that have none of their own.
    pub zone: TimeZone,
    /// Days on which nobody is called.
    pub holidays: BTreeSet<Date>,
    /// When it is open; never empty.
    pub openings: Vec<Opening>,
}

/// Some days of the week, and the time of day at which calls may start on them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// On which days it opens, Monday first; at least one.
    pub days: [bool; 7],
    /// When it opens.
    pub from: Time,
    /// When it closes, exclusive: midnight is the end of the day; earlier than `from`, it is on the day after.
    pub to: Time,
}

/// When nothing new is begun any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopAt {
    /// The next such time of day.
    Daily(Time),
    /// That moment.
    Moment(Timestamp),
}
