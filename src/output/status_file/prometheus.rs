//! The status in Prometheus' text format, version 0.0.4, as a node exporter reads it from a folder.
//!
//! Such a folder has the files of several runs, which become one page: each sample names its run. A name is only ever
//! used with one help text, and no sample has a time of its own, which that collector refuses.

use std::fmt::Display;

use jiff::Zoned;

use super::{RunIdentity, RunState, TRUNK_STATES, trunk_state};
use crate::campaign::RunEnd;
use crate::campaign::snapshot::Waits;
use crate::disposition::Disposition;
use crate::output::format::rounded;
use crate::output::progress::Seen;
use crate::trunk::breaker::Condition;

/// Every metric and its help text. Those that end in `_total` are counters, the others gauges.
const HELP: &str = "\
info The run, and which dialer it is.
state How far the run is: 1 for the state that it is in.
started_timestamp_seconds When the run was started.
updated_timestamp_seconds When these figures were true; in a rehearsal by its own clock.
contacts Contacts of the list.
contacts_to_call Contacts that this run calls.
contacts_pending Contacts without a final outcome.
contacts_reached Contacts whose call was picked up.
contacts_finished Contacts whose final outcome this is, in this run or an earlier one.
contacts_waiting Contacts that wait to be called again.
next_retry_timestamp_seconds When the next of them is due.
calls_ended_total Calls that ended in this run, by how they did.
calls_running Calls that are running.
calls_per_second Calls begun in a second, over the last ten.
answer_ratio Calls that were picked up, of those that ended in this run.
left_seconds How long the rest takes if it goes on as it did lately.
trunk_lines Lines of the trunk.
trunk_lines_busy Lines of the trunk that carry a call.
trunk_state Whether the trunk works: 1 for the state that it is in.
trunk_rests_until_timestamp_seconds When the trunk, which rests, is tried again.
connected Whether there is a connection to Asterisk.
waiting Why no further call is begun: 1 for what is the case.
waiting_until_timestamp_seconds Until when no further call is begun.
waiting_since_timestamp_seconds Since when no further call is begun.
ended_timestamp_seconds When the run was over.
exit_code The exit code of the run.
stopped Why the run stopped: 1 for what was the case.
";

/// The samples of one run.
struct MetricsPage {
    text: String,
    /// The labels that every sample has.
    run: String,
    /// The metric of the last sample.
    metric: &'static str,
}

pub(super) fn text(run: &RunIdentity, state: &RunState<'_>) -> String {
    let mut labels = format!("campaign=\"{}\"", escaped(&run.campaign));
    if let Some(shard) = run.shard {
        labels += &format!(",shard=\"{shard}\"");
    }
    let mut page = MetricsPage {
        text: String::new(),
        run: labels,
        metric: "",
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
    page.text
}

impl MetricsPage {
    /// All samples of a metric come one after another.
    fn run(&mut self, Seen { view, left }: &Seen) {
        let tally = &view.tally;
        self.sample("contacts", &[], tally.contacts);
        self.sample("contacts_to_call", &[], tally.to_call);
        self.sample("contacts_pending", &[], tally.pending());
        self.sample("contacts_reached", &[], tally.reached());
        for how in Disposition::ALL {
            let label = [("disposition", how.as_str())];
            self.sample("contacts_finished", &label, tally.finals(how));
        }
        self.sample("contacts_waiting", &[], view.retrying);
        if let Some(due) = view.next_due {
            self.time("next_retry_timestamp_seconds", &view.time(due));
        }
        for how in Disposition::ALL {
            let label = [("disposition", how.as_str())];
            self.sample("calls_ended_total", &label, tally.attempts(how));
        }
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
        let trunks = || {
            view.trunks
                .iter()
                .map(|trunk| ([("trunk", &*trunk.name)], trunk))
        };
        for (label, trunk) in trunks() {
            self.sample("trunk_lines", &label, trunk.ports);
        }
        for (label, trunk) in trunks() {
            self.sample("trunk_lines_busy", &label, trunk.busy);
        }
        for (label, trunk) in trunks() {
            let state = trunk_state(trunk.condition);
            self.one_of("trunk_state", &label, "state", &TRUNK_STATES, state);
        }
        for (label, trunk) in trunks() {
            if let Condition::Rests { until, .. } = trunk.condition {
                let until = seconds(&view.time(until));
                self.sample("trunk_rests_until_timestamp_seconds", &label, until);
            }
        }
        self.sample("connected", &[], u8::from(view.connected));
        let words: Vec<_> = Waits::WORDS.into_iter().chain(RunEnd::WORDS).collect();
        self.one_of("waiting", &[], "for", &words, view.waits.word());
        if let Some(until) = view.waits.until() {
            self.time("waiting_until_timestamp_seconds", &view.time(until));
        }
        if let Some(since) = view.waits.since() {
            self.time("waiting_since_timestamp_seconds", &view.time(since));
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
        if std::mem::replace(&mut self.metric, metric) != metric {
            let help = HELP
                .lines()
                .find(|line| line.split(' ').next() == Some(metric));
            let help = help.unwrap_or(metric);
            let kind = match metric.strip_suffix("_total") {
                Some(_) => "counter",
                None => "gauge",
            };
            self.text += &format!("# HELP dialer_{help}\n# TYPE dialer_{metric} {kind}\n");
        }
        self.text += &format!("dialer_{metric}{{{}", self.run);
        for (label, text) in labels {
            self.text += &format!(",{label}=\"{}\"", escaped(text));
        }
        self.text += &format!("}} {value}\n");
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
