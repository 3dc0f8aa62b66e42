//! The status in Prometheus' text format, version 0.0.4, as a node exporter reads it from a folder.
//!
//! Such a folder has the files of several runs, which become one page: each sample says whose it is. A name is only ever
//! used with one help text, and no sample has a time of its own, which that collector refuses.

use std::fmt::{Display, Write as _};

use super::{About, Stage};
use crate::campaign::Over;
use crate::campaign::snapshot::{Condition, View, Waits};
use crate::disposition::Disposition;
use crate::output::format::rounded;
use crate::output::progress::Seen;

/// Samples of one run.
struct Page {
    text: String,
    /// The labels that every sample has.
    run: String,
}

/// The page.
pub(super) fn text(about: &About, stage: &Stage<'_>) -> String {
    let mut run = format!("campaign=\"{}\"", escaped(&about.campaign));
    if let Some(shard) = about.shard {
        let _ = write!(run, ",shard=\"{shard}\"");
    }
    let mut page = Page {
        text: String::new(),
        run,
    };
    let simulated = if about.simulated { "true" } else { "false" };
    page.gauge("info", "The run, and which dialer it is.");
    let version = env!("CARGO_PKG_VERSION");
    page.sample(
        "info",
        &[("simulated", simulated), ("version", version)],
        1_u8,
    );
    page.gauge(
        "state",
        "How far the run is: 1 for the state that it is in.",
    );
    page.one_of("state", &[], "state", &Stage::WORDS, Some(stage.word()));
    page.gauge("started_timestamp_seconds", "When the run was started.");
    page.moment(
        "started_timestamp_seconds",
        about.started_at.timestamp().as_millisecond(),
    );
    page.gauge(
        "updated_timestamp_seconds",
        "When the run was as it is told here; in a rehearsal by its own clock.",
    );
    let at = stage.at(about).timestamp().as_millisecond();
    page.moment("updated_timestamp_seconds", at);
    if let Some(seen) = stage.seen() {
        page.contacts(&seen.view);
        page.calls(seen);
        page.trunks(&seen.view);
        page.waits(&seen.view);
    }
    if let Some(ended) = stage.ended() {
        page.gauge("ended_timestamp_seconds", "When the run was over.");
        page.moment("ended_timestamp_seconds", at);
        page.gauge("exit_code", "The exit code of the run.");
        page.sample("exit_code", &[], ended.exit_code);
        page.gauge("stopped", "Why the run stopped: 1 for what was the case.");
        let words: Vec<_> = Over::WORDS.into_iter().chain(["aborted"]).collect();
        page.one_of("stopped", &[], "reason", &words, ended.stopped);
    }
    page.text
}

impl Page {
    fn contacts(&mut self, view: &View) {
        let tally = &view.tally;
        let counts = [
            ("contacts", "Contacts of the list.", tally.contacts),
            (
                "contacts_to_call",
                "Contacts that this run calls.",
                tally.to_call,
            ),
            (
                "contacts_pending",
                "Contacts without a final outcome.",
                tally.pending(),
            ),
            (
                "contacts_reached",
                "Contacts whose call was picked up.",
                tally.reached(),
            ),
        ];
        for (name, help, count) in counts {
            self.gauge(name, help);
            self.sample(name, &[], count);
        }
        let name = "contacts_finished";
        self.gauge(
            name,
            "Contacts whose final outcome this is, in this run or an earlier one.",
        );
        for disposition in Disposition::ALL {
            let label = [("disposition", disposition.as_str())];
            self.sample(name, &label, tally.finals(disposition));
        }
        self.gauge("contacts_waiting", "Contacts whose turn is to come again.");
        self.sample("contacts_waiting", &[], view.retrying);
        if let Some(due) = view.next_due {
            let name = "next_retry_timestamp_seconds";
            self.gauge(name, "When the next of them is due.");
            self.moment(name, due);
        }
    }

    fn calls(&mut self, Seen { view, left }: &Seen) {
        let name = "calls_ended_total";
        self.head(
            name,
            "counter",
            "Calls that ended in this run, by how they did.",
        );
        for disposition in Disposition::ALL {
            let label = [("disposition", disposition.as_str())];
            self.sample(name, &label, view.tally.attempts(disposition));
        }
        self.gauge("calls_running", "Calls that are running.");
        self.sample("calls_running", &[], view.running);
        if let Some(speed) = view.calls_per_second {
            let name = "calls_per_second";
            self.gauge(name, "Calls begun in a second, over the last ten.");
            self.sample(name, &[], rounded(speed));
        }
        if let Some(rate) = view.tally.answer_rate() {
            let name = "answer_ratio";
            self.gauge(
                name,
                "Calls that were picked up, of those that ended in this run.",
            );
            self.sample(name, &[], rate);
        }
        if let Some(left) = left {
            let name = "left_seconds";
            self.gauge(
                name,
                "How long the rest takes if it goes on as it did lately.",
            );
            self.sample(name, &[], left.as_secs());
        }
    }

    fn trunks(&mut self, view: &View) {
        self.gauge("trunk_lines", "Lines of the trunk.");
        for trunk in &view.trunks {
            self.sample("trunk_lines", &[("trunk", &trunk.name)], trunk.ports);
        }
        self.gauge("trunk_lines_busy", "Lines of the trunk that carry a call.");
        for trunk in &view.trunks {
            self.sample("trunk_lines_busy", &[("trunk", &trunk.name)], trunk.busy);
        }
        let name = "trunk_state";
        self.gauge(
            name,
            "Whether the trunk works: 1 for the state that it is in.",
        );
        for trunk in &view.trunks {
            let state = match trunk.condition {
                Condition::Works => "working",
                Condition::Rests { .. } => "resting",
                Condition::Tried(_) => "trying",
            };
            let all = ["working", "resting", "trying"];
            self.one_of(name, &[("trunk", &trunk.name)], "state", &all, Some(state));
        }
        let rests = view
            .trunks
            .iter()
            .filter_map(|trunk| match trunk.condition {
                Condition::Rests { until, .. } => Some((&trunk.name, until)),
                _ => None,
            });
        let name = "trunk_rests_until_timestamp_seconds";
        for (n, (trunk, until)) in rests.enumerate() {
            if n == 0 {
                self.gauge(name, "When the trunk, which rests, is tried again.");
            }
            self.sample(name, &[("trunk", trunk)], Seconds(until));
        }
    }

    fn waits(&mut self, view: &View) {
        self.gauge("connected", "Whether there is a connection to Asterisk.");
        self.sample("connected", &[], u8::from(view.connected));
        let name = "waiting";
        self.gauge(
            name,
            "Why no further call is begun: 1 for what is the case.",
        );
        let words: Vec<_> = Waits::WORDS.into_iter().chain(Over::WORDS).collect();
        self.one_of(name, &[], "for", &words, Some(view.waits.word()));
        if let Some(until) = view.waits.until() {
            let name = "waiting_until_timestamp_seconds";
            self.gauge(name, "Until when no further call is begun.");
            self.moment(name, until);
        }
        if let Some(since) = view.waits.since() {
            let name = "waiting_since_timestamp_seconds";
            self.gauge(name, "Since when no further call is begun.");
            self.moment(name, since);
        }
    }

    fn gauge(&mut self, name: &str, help: &str) {
        self.head(name, "gauge", help);
    }

    fn head(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string cannot fail.
        let _ = write!(
            self.text,
            "# HELP dialer_{name} {help}\n# TYPE dialer_{name} {kind}\n"
        );
    }

    fn moment(&mut self, name: &str, millis: i64) {
        self.sample(name, &[], Seconds(millis));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "dialer_{name}{{{}", self.run);
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    /// A sample for each of these words, 1 for the one that it is.
    fn one_of(
        &mut self,
        name: &str,
        labels: &[(&str, &str)],
        label: &str,
        words: &[&str],
        is: Option<&str>,
    ) {
        for word in words {
            let labels: Vec<_> = labels.iter().copied().chain([(label, *word)]).collect();
            self.sample(name, &labels, u8::from(is == Some(word)));
        }
    }
}

/// Milliseconds since 1970 as seconds.
struct Seconds(i64);

impl Display for Seconds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, millis) = (self.0.div_euclid(1_000), self.0.rem_euclid(1_000));
        write!(f, "{seconds}.{millis:03}")
    }
}

/// A label's value.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
