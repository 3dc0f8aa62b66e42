//! `[call]`: what each call is.

use std::time::Duration;

use super::{Call, DAY, Field, SECOND, Target};
use crate::ami::action::{MAX_HEADERS, check_header, check_variable};
use crate::config::did_you_mean::is_variable;
use crate::config::section::{Section, Text};

/// Channel variables of a call. The other headers of its Originate need some room.
const MAX_VARIABLES: usize = MAX_HEADERS - 16;

/// The table, and whether that is all of it. What is wrong was noted, and is left out or has a stand-in.
pub(super) fn call(section: &Section<'_, '_>) -> (Call, bool) {
    let target = target(section);
    let caller_id = section
        .text("caller_id", "caller_id = \"Storm Desk <+59829000000>\"")
        .map(|text| section.field(text, "caller_id", |bytes| check_header("CallerID", bytes)));
    // 0 would ring for ever, and less than a second is over before a phone rings.
    let ring_timeout = section.duration("ring_timeout", 30 * SECOND, SECOND..=DAY);
    let call_timeout = section.duration("call_timeout", 200 * SECOND, SECOND..=DAY);
    if ring_timeout > call_timeout {
        let key = if section.value("ring_timeout").is_some() {
            "ring_timeout"
        } else {
            "call_timeout"
        };
        section.doubt(
            key,
            "`ring_timeout` is longer than `call_timeout`: who does not answer is hung up at `call_timeout` already",
        );
    }
    let min_talk = section.duration("min_talk", Duration::ZERO, Duration::ZERO..=DAY);
    if min_talk >= call_timeout
        && let Some(value) = section.value("min_talk")
    {
        section.fault(
            value.span().start,
            "`min_talk` is not shorter than `call_timeout`: every answered call would be SHORT",
        );
    }
    let (variables, has_all) = variables(&section.section("variables", "[call.variables]"));
    section.finish();
    let is_whole = target.is_some() && !matches!(caller_id, Some(None)) && has_all;
    let target_at = ["exten", "context", "application"]
        .into_iter()
        .find_map(|key| section.value(key));
    let nowhere = || Target::Application {
        application: String::new(),
        data: String::new(),
    };
    let call = Call {
        target: target.unwrap_or_else(nowhere),
        target_at: section.place(target_at.map_or(section.at(), |value| value.span().start)),
        caller_id: caller_id.flatten(),
        ring_timeout,
        call_timeout,
        min_talk,
        variables,
    };
    (call, is_whole)
}

fn target(section: &Section<'_, '_>) -> Option<Target> {
    let context = section.text("context", "context = \"notify\"");
    let exten = section.text("exten", "exten = \"s\"");
    let priority = section.integer("priority", 1..=u64::from(u32::MAX));
    let application = section.text("application", "application = \"Playback\"");
    let data = section
        .text("data", "data = \"storm-warning\"")
        .filter(|text| section.fits_line(*text, "data"));
    let beside = |key: &'static str, needed: &str| {
        if let Some(value) = section.value(key) {
            section.fault(
                value.span().start,
                format!("`{key}` has a meaning with `{needed}` only: leave it out"),
            );
        }
    };
    let line = |text: Text<'_>, key: &str| {
        let fits = section.fits_line(text, key);
        if text.text.is_empty() {
            section.fault(text.at, format!("`{key}` is empty: write its name"));
        }
        (fits && !text.text.is_empty()).then(|| text.text.to_owned())
    };
    match (context, exten, application) {
        (Some(context), Some(exten), None) => {
            beside("data", "application");
            let (context, exten) = (line(context, "context"), line(exten, "exten"));
            Some(Target::Exten {
                context: context?,
                exten: exten?,
                priority: priority
                    .and_then(|priority| u32::try_from(priority).ok())
                    .unwrap_or(1),
            })
        }
        (None, None, Some(application)) => {
            beside("priority", "exten");
            Some(Target::Application {
                application: line(application, "application")?,
                data: data.map_or("", |data| data.text).to_owned(),
            })
        }
        (_, _, Some(application)) => {
            section.fault(application.at, "`application` stands beside `context` or `exten`: an answered call goes to one of them, so leave the other out");
            None
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

/// Channel variables, in the order of the file, and whether that are all of them.
fn variables(section: &Section<'_, '_>) -> (Vec<(String, Field)>, bool) {
    let entries = section.entries();
    let mut variables = Vec::with_capacity(entries.len());
    let mut whole = true;
    for &(name, at, value) in &entries {
        let fits = is_variable(name);
        if !fits {
            section.no_variable(at, name);
        }
        let reserved = name.trim_start_matches('_') == "CALLID";
        if reserved {
            section.fault(
                at,
                "CALLID is the dialer's own variable: choose another name",
            );
        }
        let field = section
            .text_of(value, name, "MESSAGE = \"{message}\"")
            .and_then(|text| {
                // Other faults of the name are told above.
                let name = if fits { name } else { "_" };
                section.field(text, name, |bytes| check_variable(name, bytes))
            });
        match field {
            Some(field) if fits && !reserved => variables.push((name.to_owned(), field)),
            _ => whole = false,
        }
    }
    if entries.len() > MAX_VARIABLES {
        section.fault_here(format!(
            "[call.variables] holds {} variables: Asterisk takes {MAX_VARIABLES} of a call at most",
            entries.len()
        ));
    }
    (variables, whole)
}
