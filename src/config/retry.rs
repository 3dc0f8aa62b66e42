//! `[retry]` and its rules: who is called again, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{MINUTE, Retry, Rule, YEAR, nearest};
use crate::config::schema::known_keys;
use crate::config::section::{Section, Value};
use crate::disposition::Disposition;

/// Attempts are counted in 16 bits.
const MOST: u64 = u16::MAX as u64;

pub(super) fn retry(section: &Section<'_, '_>) -> Retry {
    let retry = Retry {
        max_attempts: count(section, "max_attempts").unwrap_or(3),
        max_per_day: count(section, "max_per_day"),
        max_per_week: count(section, "max_per_week"),
        delay: delay(section, "delay").unwrap_or(5 * MINUTE),
        next_number_delay: delay(section, "next_number_delay"),
        backoff: backoff(section).unwrap_or(1.0),
        max_delay: delay(section, "max_delay").unwrap_or(360 * MINUTE),
        rules: rules(&section.section("rules")),
    };
    if retry.delay > retry.max_delay {
        let key = section.value("delay").map_or("max_delay", |_| "delay");
        section.warn_at(
            key,
            "`delay` is longer than `max_delay`: contacts are called again after `max_delay` already",
        );
    }
    retry
}

fn count(section: &Section<'_, '_>, key: &'static str) -> Option<u32> {
    section.integer(key, 1..=MOST)
}

fn delay(section: &Section<'_, '_>, key: &'static str) -> Option<Duration> {
    section.duration(key, "0s"..=YEAR)
}

fn backoff(section: &Section<'_, '_>) -> Option<f64> {
    section.float("backoff", 1.0..=f64::MAX, "a number, at least 1.0")
}

fn rules(section: &Section<'_, '_>) -> BTreeMap<Disposition, Rule> {
    let rules = section
        .entries()
        .into_iter()
        .filter_map(|(name, at, value)| {
            let Some(disposition) = Disposition::from_name(name) else {
                return section.refuse(at, unknown(name));
            };
            if let Some(why) = without_a_rule(disposition) {
                return section.refuse(at, format!("no rule can be made for {disposition}: {why}"));
            }
            Some((disposition, rule(section, disposition, value)?))
        });
    rules.collect()
}

fn unknown(name: &str) -> String {
    let known = Disposition::ALL
        .into_iter()
        .filter(|&disposition| without_a_rule(disposition).is_none())
        .map(Disposition::as_str);
    let written = name.to_uppercase().replace(['_', '-'], " ");
    match nearest(&written, known) {
        Some(nearest) => {
            format!("{name:?} is no disposition; did you mean [retry.rules.{nearest:?}]?")
        }
        None => format!(
            "{name:?} is no disposition: write one as the results do, such as [retry.rules.\"NO ANSWER\"]"
        ),
    }
}

/// Why nothing can be said of how a contact with this outcome is called again.
fn without_a_rule(disposition: Disposition) -> Option<&'static str> {
    match disposition {
        Disposition::InvalidNumber => {
            Some("a number that does not exist is never called again, but an alternative number is")
        }
        Disposition::Cancelled => Some("the next run always calls them again"),
        Disposition::Suppressed | Disposition::Duplicate => {
            Some("they are not called in the first place")
        }
        _ => None,
    }
}

fn rule(rules: &Section<'_, '_>, disposition: Disposition, value: &Value<'_>) -> Option<Rule> {
    let name = format!("[retry.rules.{:?}]", disposition.as_str());
    let at = value.span().start;
    let table = value.get_ref().as_table();
    if table.is_none() {
        let message = format!("a rule is written as {name}, with its keys on the lines below");
        rules.error(at, message);
    }
    let keys = known_keys("retry.rules.\"NO ANSWER\"");
    let section = Section::new(rules.document, name, at, Some(table?), keys);
    let rule = Rule {
        delay: delay(&section, "delay"),
        backoff: backoff(&section),
        max_attempts: count(&section, "max_attempts"),
        retry: section.flag("retry"),
    };
    if !rule.retry.unwrap_or(disposition.retried_by_default()) {
        let instead = match rule.retry {
            Some(_) => "`retry = false` is set",
            None => "it is final unless you add `retry = true`",
        };
        for key in ["delay", "backoff", "max_attempts"] {
            let message = format!("`{key}` has no effect on {disposition}: {instead}");
            section.error_at(key, message);
        }
    }
    Some(rule)
}
