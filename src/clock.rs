//! The one wall clock.
//!
//! Waiting is done by tokio's clock alone. This one only says what time of day a moment of tokio's was, so that a
//! rehearsal in virtual time writes the times of a real one.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use tokio::time::Instant;

/// How a moment is shown to people, in the run's zone.
pub const SHOWN: &str = "%Y-%m-%d %H:%M:%S";

/// Tells the time of day of a moment.
#[derive(Debug, Clone)]
pub struct Clock {
    zone: TimeZone,
    /// In virtual time the wall clock runs with tokio's: this is one moment on both.
    pinned: Option<(Instant, Timestamp)>,
}

impl Clock {
    /// The system's clock, in a time zone.
    pub fn system(zone: TimeZone) -> Self {
        Self { zone, pinned: None }
    }

    /// A clock that is right now and then runs as tokio's clock does, also where that is paused.
    pub fn following_tokio(zone: TimeZone) -> Self {
        Self::starting_at(zone, Timestamp::now())
    }

    /// A clock that is now at a given time, and then runs as tokio's clock does.
    pub fn starting_at(zone: TimeZone, time: Timestamp) -> Self {
        Self {
            zone,
            pinned: Some((Instant::now(), time)),
        }
    }

    /// Whether this is no clock on any wall, so that nothing can set it.
    pub fn is_virtual(&self) -> bool {
        self.pinned.is_some()
    }

    /// The time of day now, in milliseconds since 1970.
    pub fn millis(&self) -> i64 {
        self.millis_at(Instant::now())
    }

    /// The time of day of a moment, in milliseconds since 1970.
    pub fn millis_at(&self, moment: Instant) -> i64 {
        self.timestamp_at(moment).as_millisecond()
    }

    /// The time of day that so many milliseconds since 1970 are.
    pub fn time(&self, millis: i64) -> Zoned {
        self.zoned(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX))
    }

    pub(crate) fn timestamp(&self) -> Timestamp {
        self.timestamp_at(Instant::now())
    }

    /// A time in the run's zone.
    pub(crate) fn zoned(&self, time: Timestamp) -> Zoned {
        time.to_zoned(self.zone.clone())
    }

    /// The moment that a time of day is, as far as the clock is not set meanwhile.
    pub fn moment(&self, time: Timestamp) -> Instant {
        let now = Instant::now();
        let ahead = time.duration_since(self.timestamp_at(now));
        match Duration::try_from(ahead) {
            Ok(ahead) => now + ahead,
            Err(_) => now.checked_sub(ahead.unsigned_abs()).unwrap_or(now),
        }
    }

    /// A path whose file name is a strftime pattern, such as `storm-%Y-%m-%d.csv`, as of now in a zone.
    ///
    /// # Errors
    /// The name is no such pattern.
    pub fn dated(&self, pattern: &Path, zone: &TimeZone) -> Result<PathBuf, jiff::Error> {
        let Some(name) = pattern.file_name().and_then(OsStr::to_str) else {
            return Ok(pattern.to_owned());
        };
        let now = self.timestamp().to_zoned(zone.clone());
        let name = jiff::fmt::strtime::format(name, &now)?;
        Ok(pattern.with_file_name(name))
    }

    /// The time of day that a moment was, or will be if no clock is set meanwhile.
    pub fn at(&self, moment: Instant) -> Zoned {
        self.zoned(self.timestamp_at(moment))
    }

    /// The time that a moment was, or will be if no clock is set meanwhile.
    pub(crate) fn timestamp_at(&self, moment: Instant) -> Timestamp {
        let (anchor, timestamp) = self
            .pinned
            .unwrap_or_else(|| (Instant::now(), Timestamp::now()));
        let timestamp = if moment >= anchor {
            timestamp.saturating_add(moment - anchor)
        } else {
            timestamp.saturating_sub(anchor - moment)
        };
        timestamp.unwrap_or(Timestamp::MAX)
    }
}

/// A time as the results have it: RFC 3339 with milliseconds and the offset, `2026-11-23T09:30:00.250-03:00`.
pub fn rfc3339(time: &Zoned) -> String {
    let mut text = String::with_capacity(29);
    push_rfc3339(&mut text, time);
    text
}

/// Appends a time as the results have it.
pub fn push_rfc3339(text: &mut String, time: &Zoned) {
    // Writing to a string cannot fail.
    let _ = write!(text, "{}", time.strftime("%Y-%m-%dT%H:%M:%S%.3f%:z"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_clock_that_follows_tokio_runs_in_virtual_time() {
        let clock = Clock::following_tokio(TimeZone::UTC);
        let before = clock.timestamp();
        tokio::time::sleep(Duration::from_secs(86_400)).await;
        assert_eq!(clock.timestamp().as_second() - before.as_second(), 86_400);
    }

    #[test]
    fn times_have_milliseconds_and_an_offset() {
        let time = "2026-11-23T09:30:00.2504[America/Montevideo]"
            .parse::<Zoned>()
            .unwrap();
        assert_eq!(rfc3339(&time), "2026-11-23T09:30:00.250-03:00");
    }
}
