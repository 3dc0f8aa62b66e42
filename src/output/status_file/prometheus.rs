//! The status in Prometheus' text format, version 0.0.4, as a node exporter reads it from a folder.
//!
//! Such a folder has the files of several runs, which become one page: each sample says whose it is. A name is only ever
//! used with one help text, and no sample has a time of its own, which that collector refuses.

use std::fmt::{Display, Write as _};

use super::{About, Stage, TRUNK_STATES, trunk_state};
use crate::campaign::RunEnd;
use crate::campaign::snapshot::{Condition, View, Waits};
use crate::disposition::Disposition;
use crate::output::format::rounded;
use crate::output::progress::Seen;

/// Samples of one run.
struct Samples {
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
    let mut page = Samples {
        text: String::new(),
        run,
    };
    let simulated = if about.simulated { "true" } else { "false" };
    let version = env!("CARGO_PKG_VERSION");
    page.gauge("info", "The run, and which dialer it is.");
    let labels = [("simulated", simulated), ("version", version)];
    page.sample("info", &labels, 1);
    page.gauge(
        "state",
        "How far the run is: 1 for the state that it is in.",
    );
    page.one_of("state", &[], "state", &Stage::WORDS, Some(stage.word()));
    let started = about.started_at.timestamp().as_millisecond();
    page.moment("started", "When the run was started.", started);
    let at = stage.at(about).timestamp().as_millisecond();
    let help = "When these figures were true; in a rehearsal by its own clock.";
    page.moment("updated", help, at);
    if let Some(seen) = stage.seen {
        page.contacts(&seen.view);
        page.calls(seen);
        page.trunks(&seen.view);
        page.waits(&seen.view);
    }
    if let Some(ended) = stage.outcome {
        page.moment("ended", "When the run was over.", at);
        page.value("exit_code", "The exit code of the run.", ended.exit_code);
        page.gauge("stopped", "Why the run stopped: 1 for what was the case.");
        let words: Vec<_> = RunEnd::WORDS.into_iter().chain(["aborted"]).collect();
        page.one_of("stopped", &[], "reason", &words, ended.stopped);
    }
    page.text
}

impl Samples {
    fn contacts(&mut self, view: &View) {
        let tally = &view.tally;
        self.value("contacts", "Contacts of the list.", tally.contacts);
        let help = "Contacts that this run calls.";
        self.value("contacts_to_call", help, tally.to_call);
        let help = "Contacts without a final outcome.";
        self.value("contacts_pending", help, tally.pending());
        let help = "Contacts whose call was picked up.";
        self.value("contacts_reached", help, tally.reached());
        let name = "contacts_finished";
        let help = "Contacts whose final outcome this is, in this run or an earlier one.";
        self.gauge(name, help);
        self.by_disposition(name, |disposition| tally.finals(disposition));
        let help = "Contacts that wait to be called again.";
        self.value("contacts_waiting", help, view.retrying);
        if let Some(due) = view.next_due {
            self.moment("next_retry", "When the next of them is due.", due);
        }
    }

    fn calls(&mut self, Seen { view, left }: &Seen) {
        let name = "calls_ended_total";
        let help = "Calls that ended in this run, by how they did.";
        self.head(name, "counter", help);
        self.by_disposition(name, |disposition| view.tally.attempts(disposition));
        self.value("calls_running", "Calls that are running.", view.running);
        if let Some(speed) = view.calls_per_second {
            let help = "Calls begun in a second, over the last ten.";
            self.value("calls_per_second", help, rounded(speed));
        }
        if let Some(rate) = view.tally.answer_rate() {
            let help = "Calls that were picked up, of those that ended in this run.";
            self.value("answer_ratio", help, rate);
        }
        if let Some(left) = left {
            let help = "How long the rest takes if it goes on as it did lately.";
            self.value("left_seconds", help, left.as_secs());
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
        let help = "Whether the trunk works: 1 for the state that it is in.";
        self.gauge("trunk_state", help);
        for trunk in &view.trunks {
            let labels = [("trunk", &*trunk.name)];
            let state = Some(trunk_state(trunk.condition));
            self.one_of("trunk_state", &labels, "state", &TRUNK_STATES, state);
        }
        let name = "trunk_rests_until_timestamp_seconds";
        let mut first = true;
        for trunk in &view.trunks {
            if let Condition::Rests { until, .. } = trunk.condition {
                if std::mem::take(&mut first) {
                    self.gauge(name, "When the trunk, which rests, is tried again.");
                }
                self.sample(name, &[("trunk", &trunk.name)], Seconds(until));
            }
        }
    }

    fn waits(&mut self, view: &View) {
        let help = "Whether there is a connection to Asterisk.";
        self.value("connected", help, u8::from(view.connected));
        self.gauge(
            "waiting",
            "Why no further call is begun: 1 for what is the case.",
        );
        let words: Vec<_> = Waits::WORDS.into_iter().chain(RunEnd::WORDS).collect();
        self.one_of("waiting", &[], "for", &words, Some(view.waits.word()));
        if let Some(until) = view.waits.until() {
            self.moment(
                "waiting_until",
                "Until when no further call is begun.",
                until,
            );
        }
        if let Some(since) = view.waits.since() {
            self.moment(
                "waiting_since",
                "Since when no further call is begun.",
                since,
            );
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

    fn value(&mut self, name: &str, help: &str, value: impl Display) {
        self.gauge(name, help);
        self.sample(name, &[], value);
    }

    fn moment(&mut self, name: &str, help: &str, millis: i64) {
        self.value(&format!("{name}_timestamp_seconds"), help, Seconds(millis));
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = write!(self.text, "dialer_{name}{{{}", self.run);
        for (label, text) in labels {
            let _ = write!(self.text, ",{label}=\"{}\"", escaped(text));
        }
        let _ = writeln!(self.text, "}} {value}");
    }

    fn by_disposition(&mut self, name: &str, count: impl Fn(Disposition) -> u64) {
        for disposition in Disposition::ALL {
            let label = [("disposition", disposition.as_str())];
            self.sample(name, &label, count(disposition));
        }
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
