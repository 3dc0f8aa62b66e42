//! The status in Prometheus' text format, version 0.0.4, as a node exporter reads it from a folder.
//!
//! Such a folder has the files of several runs, which become one page: each sample names its run. A name is only ever
//! used with one help text, and no sample has a time of its own, which that collector refuses.

use std::collections::BTreeMap;
use std::fmt::Display;

use jiff::Zoned;

use super::{RunIdentity, RunState, TRUNK_STATES, trunk_state};
use crate::campaign::RunEnd;
use crate::campaign::snapshot::Waits;
use crate::disposition::Disposition;
use crate::output::format::rounded;
use crate::output::progress::Seen;
use crate::trunk::breaker::Condition;

/// Every metric and its help text, in the order of the page. Those that end in `_total` are counters, the others gauges.
const METRICS: &str = include_str!("metrics.txt");

/// The samples of one run.
struct MetricsPage {
    /// The labels that every sample has.
    run: String,
    /// By metric.
    samples: BTreeMap<&'static str, String>,
}

pub(super) fn text(run: &RunIdentity, state: &RunState<'_>) -> String {
    let shard = run.shard.map(|shard| format!(",shard=\"{shard}\""));
    let mut page = MetricsPage {
        run: format!(
            "campaign=\"{}\"{}",
            escaped(&run.campaign),
            shard.unwrap_or_default()
        ),
        samples: BTreeMap::new(),
    };
    let simulated = if run.simulated { "true" } else { "false" };
    let version = env!("CARGO_PKG_VERSION");
    page.sample("info", &[("simulated", simulated), ("version", version)], 1);
    page.one_of("state", &[], "state", &RunState::WORDS, state.word());
    page.time("started_timestamp_seconds", &run.started_at);
    let at = state.at(run);
    page.time("updated_timestamp_seconds", &at);
    if let Some(seen) = state.seen {
        page.run(seen);
    }
    if let Some(end) = state.end {
        page.time("ended_timestamp_seconds", &at);
        page.sample("exit_code", &[], end.exit_code);
        let words: Vec<_> = RunEnd::WORDS.into_iter().chain(["aborted"]).collect();
        page.one_of("stopped", &[], "reason", &words, end.stopped.unwrap_or(""));
    }
    page.text()
}

impl MetricsPage {
    fn run(&mut self, Seen { view, left }: &Seen) {
        let tally = &view.tally;
        self.sample("contacts", &[], tally.contacts);
        self.sample("contacts_to_call", &[], tally.to_call);
        self.sample("contacts_pending", &[], tally.pending());
        self.sample("contacts_reached", &[], tally.reached());
        for how in Disposition::ALL {
            let label = [("disposition", how.as_str())];
            self.sample("contacts_finished", &label, tally.finals(how));
            self.sample("calls_ended_total", &label, tally.attempts(how));
        }
        self.sample("contacts_waiting", &[], view.retrying);
        self.sample("calls_running", &[], view.running);
        if let Some(speed) = view.calls_per_second {
            self.sample("calls_per_second", &[], rounded(speed));
        }
        if let Some(rate) = tally.answer_rate() {
            self.sample("answer_ratio", &[], rate);
        }
        if let Some(left) = left {
            self.sample("left_seconds", &[], left.as_secs());
        }
        for trunk in &view.trunks {
            let label = [("trunk", &*trunk.name)];
            self.sample("trunk_lines", &label, trunk.ports);
            self.sample("trunk_lines_busy", &label, trunk.busy);
            let state = trunk_state(trunk.condition);
            self.one_of("trunk_state", &label, "state", &TRUNK_STATES, state);
            if let Condition::Rests { until, .. } = trunk.condition {
                let until = seconds(&view.time(until));
                self.sample("trunk_rests_until_timestamp_seconds", &label, until);
            }
        }
        self.sample("connected", &[], u8::from(view.connected));
        let words: Vec<_> = Waits::WORDS.into_iter().chain(RunEnd::WORDS).collect();
        self.one_of("waiting", &[], "for", &words, view.waits.word());
        for (metric, time) in [
            ("next_retry_timestamp_seconds", view.next_due),
            ("waiting_until_timestamp_seconds", view.waits.until()),
            ("waiting_since_timestamp_seconds", view.waits.since()),
        ] {
            if let Some(time) = time {
                self.time(metric, &view.time(time));
            }
        }
    }

    fn time(&mut self, metric: &'static str, time: &Zoned) {
        self.sample(metric, &[], seconds(time));
    }

    /// A sample for each of these words, 1 for the one that it is.
    fn one_of(
        &mut self,
        metric: &'static str,
        labels: &[(&str, &str)],
        label: &str,
        words: &[&str],
        is: &str,
    ) {
        for word in words {
            let labels: Vec<_> = labels.iter().copied().chain([(label, *word)]).collect();
            self.sample(metric, &labels, u8::from(is == *word));
        }
    }

    fn sample(&mut self, metric: &'static str, labels: &[(&str, &str)], value: impl Display) {
        let samples = self.samples.entry(metric).or_default();
        *samples += &format!("dialer_{metric}{{{}", self.run);
        for (label, text) in labels {
            *samples += &format!(",{label}=\"{}\"", escaped(text));
        }
        *samples += &format!("}} {value}\n");
    }

    /// All samples of a metric come one after another.
    fn text(&self) -> String {
        let mut text = String::new();
        for help in METRICS.lines() {
            let (metric, _) = help.split_once(' ').unwrap_or((help, ""));
            if let Some(samples) = self.samples.get(metric) {
                let is_counter = metric.ends_with("_total");
                let kind = if is_counter { "counter" } else { "gauge" };
                text += &format!("# HELP dialer_{help}\n# TYPE dialer_{metric} {kind}\n{samples}");
            }
        }
        text
    }
}

/// Seconds since 1970, to the millisecond.
fn seconds(time: &Zoned) -> String {
    format!("{:.3}", time.timestamp().as_duration().as_secs_f64())
}

/// The value of a label.
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
