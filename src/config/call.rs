//! `[call]`: what each call is.

use std::time::Duration;

use super::{CallConfig, CallTarget, DAY, LocatedTemplate, SECOND};
use crate::ami::action::{MAX_HEADERS, check_header, check_variable};
use crate::config::section::{Section, Text};

pub(super) const KEYS: &str = "context exten priority application data caller_id ring_timeout call_timeout min_talk \
    variables";

/// Channel variables of a call. The other headers of its Originate need some room.
const MAX_VARIABLES: usize = MAX_HEADERS - 16;

pub(super) fn call(section: &Section<'_, '_>) -> CallConfig {
    let target = target(section);
    let caller_id = section
        .text("caller_id", "caller_id = \"Storm Desk <+59829000000>\"")
        .and_then(|text| section.field(text, "caller_id", |bytes| check_header("CallerID", bytes)));
    // 0 would ring for ever, and less than a second is over before a phone rings.
    let ring_timeout = section.duration("ring_timeout", SECOND..=DAY);
    let ring_timeout_key = ring_timeout.map_or("call_timeout", |_| "ring_timeout");
    let ring_timeout = ring_timeout.unwrap_or(30 * SECOND);
    let call_timeout = section.duration("call_timeout", SECOND..=DAY);
    let call_timeout = call_timeout.unwrap_or(200 * SECOND);
    if ring_timeout > call_timeout {
        section.warn_at(
            ring_timeout_key,
            "`ring_timeout` is longer than `call_timeout`: an unanswered call is hung up at `call_timeout` already",
        );
    }
    let min_talk = section.duration("min_talk", Duration::ZERO..=DAY);
    let min_talk = min_talk.unwrap_or_default();
    if min_talk >= call_timeout {
        section.error_at(
            "min_talk",
            "`min_talk` is not shorter than `call_timeout`: every answered call would be SHORT",
        );
    }
    let variables = variables(&section.section("variables", "[call.variables]", ""));
    section.finish();
    let target_key = ["exten", "context", "application"]
        .into_iter()
        .find(|key| section.value(key).is_some());
    CallConfig {
        // An error was noted where there is none.
        target: target.unwrap_or(CallTarget::Application {
            application: String::new(),
            data: String::new(),
        }),
        target_at: section.location_of(target_key.unwrap_or("context")),
        caller_id,
        ring_timeout,
        call_timeout,
        min_talk,
        variables,
    }
}

fn target(section: &Section<'_, '_>) -> Option<CallTarget> {
    let context = section.text("context", "context = \"notify\"");
    let exten = section.text("exten", "exten = \"s\"");
    let priority = section.integer("priority", 1..=u64::from(u32::MAX));
    let application = section.text("application", "application = \"Playback\"");
    let data = section
        .text("data", "data = \"storm-warning\"")
        .filter(|text| section.fits_line(*text, "data"));
    let only_with = |key: &'static str, needed: &str| {
        let message = format!("`{key}` has a meaning with `{needed}` only: leave it out");
        section.error_at(key, message);
    };
    let line = |text: Text<'_>, key: &str| {
        let fits = section.fits_line(text, key);
        if text.text.is_empty() {
            section.error(text.at, format!("`{key}` is empty: write its name"));
        }
        (fits && !text.text.is_empty()).then(|| text.text.to_owned())
    };
    match (context, exten, application) {
        (Some(context), Some(exten), None) => {
            only_with("data", "application");
            let (context, exten) = (line(context, "context"), line(exten, "exten"));
            Some(CallTarget::Exten {
                context: context?,
                exten: exten?,
                priority: priority
                    .and_then(|priority| u32::try_from(priority).ok())
                    .unwrap_or(1),
            })
        }
        (None, None, Some(application)) => {
            only_with("priority", "exten");
            Some(CallTarget::Application {
                application: line(application, "application")?,
                data: data.map_or("", |data| data.text).to_owned(),
            })
        }
        (_, _, Some(application)) => {
            section.refuse(application.at, "`application` is given together with `context` or `exten`: an answered call goes to one of them, so leave the other out")
        }
        (Some(_), None, None) => {
            section.missing("exten", "exten = \"s\"");
            None
        }
        (None, _, None) => {
            section.missing("context", "context = \"notify\"");
            None
        }
    }
}

/// Channel variables, in the order of the file.
fn variables(section: &Section<'_, '_>) -> Vec<(String, LocatedTemplate)> {
    let entries = section.entries();
    let mut variables = Vec::with_capacity(entries.len());
    for &(name, at, value) in &entries {
        let fits = section.is_variable(at, name);
        let is_ours = name.trim_start_matches('_') == "CALLID";
        if is_ours {
            section.error(
                at,
                "CALLID is the dialer's own variable: choose another name",
            );
        }
        let field = section
            .text_of(value, name, "MESSAGE = \"{message}\"")
            .and_then(|text| {
                // Other errors of the name are reported above.
                let name = if fits { name } else { "_" };
                section.field(text, name, |bytes| check_variable(name, bytes))
            });
        if fits && !is_ours {
            variables.extend(field.map(|field| (name.to_owned(), field)));
        }
    }
    if entries.len() > MAX_VARIABLES {
        section.error_here(format!(
            "[call.variables] holds {} variables: Asterisk takes {MAX_VARIABLES} of a call at most",
            entries.len()
        ));
    }
    variables
}
