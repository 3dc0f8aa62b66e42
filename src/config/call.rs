//! `[call]`: what each call is.

use super::{CallConfig, CallTarget, DAY, LocatedTemplate, SECOND};
use crate::ami::action::{MAX_HEADERS, check_variable};
use crate::config::section::Section;

/// Channel variables of a call. The other headers of its Originate need some room.
const MAX_VARIABLES: usize = MAX_HEADERS - 16;

pub(super) fn call(section: &Section<'_, '_>) -> CallConfig {
    let target = target(section);
    // 0 would ring for ever, and less than a second is over before a phone rings.
    let ring_timeout = section.duration("ring_timeout", "1s"..=DAY);
    let ring_timeout_key = ring_timeout.map_or("call_timeout", |_| "ring_timeout");
    let ring_timeout = ring_timeout.unwrap_or(30 * SECOND);
    let call_timeout = section.duration("call_timeout", "1s"..=DAY);
    let call_timeout = call_timeout.unwrap_or(200 * SECOND);
    if ring_timeout > call_timeout {
        section.warn_at(
            ring_timeout_key,
            "`ring_timeout` is longer than `call_timeout`: an unanswered call is hung up at `call_timeout` already",
        );
    }
    let min_talk = section.duration("min_talk", "0s"..=DAY);
    let min_talk = min_talk.unwrap_or_default();
    if min_talk >= call_timeout {
        section.error_at(
            "min_talk",
            "`min_talk` is not shorter than `call_timeout`: every answered call would be SHORT",
        );
    }
    let application = section.value("application");
    let target_key = application.map_or("exten", |_| "application");
    CallConfig {
        // An error was noted where there is none.
        target: target.unwrap_or(CallTarget::Application {
            application: String::new(),
            data: String::new(),
        }),
        target_at: section.location_of(target_key),
        caller_id: section.header("caller_id", "CallerID"),
        ring_timeout,
        call_timeout,
        min_talk,
        variables: variables(&section.section("variables")),
    }
}

fn target(section: &Section<'_, '_>) -> Option<CallTarget> {
    let priority = section.integer("priority", 1..=u32::MAX.into());
    let data = section.text("data");
    let data = data.filter(|text| section.fits_line(*text, "data"));
    let only_with = |key: &'static str, needed: &str| {
        let message = format!("`{key}` has a meaning with `{needed}` only: leave it out");
        section.error_at(key, message);
    };
    if section.value("application").is_none() {
        only_with("data", "application");
        let context = section.required_line("context");
        let exten = section
            .value("context")
            .and_then(|_| section.required_line("exten"));
        return Some(CallTarget::Exten {
            context: context?,
            exten: exten?,
            priority: priority.unwrap_or(1),
        });
    }
    let extension = section.value("context").or(section.value("exten"));
    if extension.is_some() {
        section.error_at("application", "`application` is given together with `context` or `exten`: an answered call goes to one of them, so leave the other out");
        return None;
    }
    only_with("priority", "exten");
    Some(CallTarget::Application {
        application: section.required_line("application")?,
        data: data.map_or("", |data| data.text).to_owned(),
    })
}

/// Channel variables, in the order of the file.
fn variables(section: &Section<'_, '_>) -> Vec<(String, LocatedTemplate)> {
    let entries = section.entries();
    if entries.len() > MAX_VARIABLES {
        let message = format!(
            "[call.variables] holds {} variables: Asterisk takes {MAX_VARIABLES} of a call at most",
            entries.len()
        );
        section.error(section.at, message);
    }
    let read = entries.into_iter().filter_map(|(name, at, value)| {
        let is_variable = section.is_variable(at, name);
        let is_ours = name.trim_start_matches('_') == "CALLID";
        if is_ours {
            let message = "CALLID is the dialer's own variable: choose another name";
            section.error(at, message);
        }
        let text = section.text_of(value, name, "MESSAGE = \"{message}\"")?;
        // Other errors of the name are reported above.
        let checked = if is_variable { name } else { "_" };
        let template = section.template(text, checked, |bytes| check_variable(checked, bytes))?;
        (is_variable && !is_ours).then(|| (name.to_owned(), template))
    });
    read.collect()
}
