//! `[window]`: when calls may start.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{TimeZone, TimeZoneName};
use toml::de::DeValue;

use super::{Outside, Window, nearest};
use crate::config::section::{Section, Value};
use crate::schedule::hours::{Hours, Opening, StopAt};

/// The days of a week as they are written.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The zone with an IANA name.
pub(crate) fn zone(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).ok().filter(|zone| !zone.is_unknown())
}

/// A table that is there; `None` where something is wrong that was noted.
pub(super) fn window(section: &Section<'_, '_>) -> Option<Window> {
    let zone = timezone(section);
    let holidays = holidays(section);
    let outside = [("wait", Outside::Wait), ("stop", Outside::Stop)];
    let stop_at = stop_at(section, zone.as_ref());
    let openings = section.tables("open", "opening hours are", "`days`, `from` and `to");
    let openings = openings.iter().filter_map(opening).collect();
    Some(Window {
        hours: Hours {
            zone: zone?,
            holidays,
            openings,
        },
        outside: section.choice("outside", &outside),
        stop_at,
    })
}

fn timezone(section: &Section<'_, '_>) -> Option<TimeZone> {
    let text = section.required("timezone")?;
    let name = text.text.trim();
    zone(name).or_else(|| {
        let instead = match like(name) {
            Some(like) => format!("; did you mean {like:?}?"),
            None => ": write its IANA name, such as \"America/Montevideo\"".to_owned(),
        };
        section.refuse(text.at, format!("no time zone is called {name:?}{instead}"))
    })
}

/// A zone with a name like this one, whole or without its continent.
fn like(name: &str) -> Option<String> {
    // A distance from Greenwich, such as `UTC-3`, is no place's name, and would know of no summer time.
    if name.contains(|char: char| char.is_ascii_digit()) {
        return None;
    }
    let names: Vec<_> = jiff::tz::db().available().collect();
    let names = || names.iter().map(TimeZoneName::as_str);
    let name = name.to_lowercase().replace(' ', "_");
    let is_city = |full: &&str| full.to_lowercase().ends_with(&format!("/{name}"));
    let like = names().find(is_city).or_else(|| nearest(&name, names()));
    like.map(str::to_owned)
}

fn holidays(section: &Section<'_, '_>) -> BTreeSet<Date> {
    let holiday = |value: &Value<'_>| {
        let must_be = "dates, such as `holidays = [\"2026-12-25\"]`";
        let Some(written) = written(value) else {
            return section.wrong_type(value, "holidays", must_be);
        };
        // Nothing but a date: a time of day would not mean anything.
        let is_date = written.len() == "2026-12-25".len();
        let date = written.parse().ok().filter(|_| is_date);
        let message = || format!("`holidays` must be {must_be}");
        date.or_else(|| section.refuse(value.span().start, message()))
    };
    let days = section.list("holidays");
    days.into_iter().filter_map(holiday).collect()
}

/// A string, or one of TOML's own dates and times as it would be one.
fn written(value: &Value<'_>) -> Option<String> {
    match value.get_ref() {
        DeValue::String(text) => Some(text.trim().to_owned()),
        DeValue::Datetime(time) => Some(time.to_string()),
        _ => None,
    }
}

fn stop_at(section: &Section<'_, '_>, zone: Option<&TimeZone>) -> Option<StopAt> {
    let value = section.value("stop_at")?;
    let written = written(value).unwrap_or_default();
    if let Some(time) = time_of_day(&written) {
        return Some(StopAt::Daily(time));
    }
    // A date with a time of day alone would be a moment as well, but `2026-11-25` would be its midnight.
    let has_time = written.contains(':');
    if let Some(moment) = written.parse::<Timestamp>().ok().filter(|_| has_time) {
        if moment <= Timestamp::now() {
            section.warn_at(
                "stop_at",
                "`stop_at` has passed: no contact would be called; write a time of day, such as \"20:30\", for every day",
            );
        }
        return Some(StopAt::Moment(moment));
    }
    let local = written.parse::<DateTime>().ok().filter(|_| has_time);
    let zoned = zone.and_then(|zone| local?.to_zoned(zone.clone()).ok());
    let message = match zoned {
        Some(zoned) => {
            let moment = zoned.strftime("%Y-%m-%dT%H:%M:%S%:z");
            format!("`stop_at` lacks its offset: write `stop_at = \"{moment}\"`")
        }
        None => "`stop_at` must be a time of day, such as \"20:30\", or a whole time, such as \"2026-11-25T20:30:00-03:00\"".to_owned(),
    };
    section.refuse(value.span().start, message)
}

fn opening(section: &Section<'_, '_>) -> Option<Opening> {
    let days = days(section);
    let from = time(section, "from").map(|(time, _)| time);
    let to = time(section, "to");
    let (from, (to, is_end_of_day)) = (from?, to?);
    if from == to && !is_end_of_day {
        section.error(
            section.at,
            "`from` and `to` are the same: it never opens; write `from = \"00:00\"` and `to = \"24:00\"` for the whole day",
        );
    }
    Some(Opening { days, from, to })
}

fn days(section: &Section<'_, '_>) -> [bool; 7] {
    let mut days = [false; 7];
    if section.value("days").is_none() {
        section.missing("days");
    }
    let list = section
        .value("days")
        .and_then(|value| value.get_ref().as_array());
    if list.is_some_and(|list| list.is_empty()) {
        let message = "`days` names no day: it never opens; write `days = [\"mon\", \"tue\"]`";
        section.error_at("days", message);
    }
    for text in section.texts("days") {
        let name = text.text.trim();
        match DAYS.iter().position(|day| *day == name) {
            Some(day) => days[day] = true,
            None => section.error(text.at, no_day(name)),
        }
    }
    days
}

fn no_day(name: &str) -> String {
    let written = name.to_lowercase();
    let like = DAYS.iter().find(|day| written.starts_with(*day));
    match like {
        Some(day) => format!("{name:?} is no day; did you mean {day:?}?"),
        None => format!("{name:?} is no day: the days are {}", DAYS.join(", ")),
    }
}

/// A time of day, and whether that is the end of a day.
fn time(section: &Section<'_, '_>, key: &'static str) -> Option<(Time, bool)> {
    let Some(value) = section.value(key) else {
        section.missing(key);
        return None;
    };
    let written = written(value).unwrap_or_default();
    if key == "to" && written == "24:00" {
        return Some((Time::midnight(), true));
    }
    let time = time_of_day(&written);
    if time.is_none() {
        let message = format!("`{key}` must be a time of day, such as `{key} = \"09:00\"`");
        section.error_at(key, message);
    }
    Some((time?, false))
}

/// `9:00`, `09:00` and `09:00:00`.
fn time_of_day(written: &str) -> Option<Time> {
    let is_plain = |byte: u8| byte.is_ascii_digit() || byte == b':';
    let zero = if written.find(':')? == 1 { "0" } else { "" };
    let time = format!("{zero}{written}").parse().ok();
    time.filter(|_| written.bytes().all(is_plain))
}
