//! The status as one object. Programs depend on its keys: none is ever renamed, and each is always there.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{RunIdentity, RunState};
use crate::campaign::snapshot::View;
use crate::campaign::stats::Tally;
use crate::clock::rfc3339;
use crate::output::format::rounded;
use crate::output::summary::TallyByDisposition;
use crate::trunk::breaker::Condition;

/// The object, in one line.
pub(super) fn text(run: &RunIdentity, state: &RunState<'_>) -> String {
    // No key is anything but text, and nothing else could fail.
    serde_json::to_string(&StatusObject { run, state }).unwrap_or_default() + "\n"
}

struct StatusObject<'s> {
    run: &'s RunIdentity,
    state: &'s RunState<'s>,
}

impl Serialize for StatusObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { run, state } = self;
        let (at, end, seen) = (rfc3339(&state.at(run)), state.end, state.seen);
        let view = seen.map(|seen| &seen.view);
        let tally = view.map(|view| &view.tally);
        let time = |moment: fn(&View) -> Option<i64>| {
            view.and_then(|view| moment(view).map(|moment| rfc3339(&view.time(moment))))
        };
        let mut map = serializer.serialize_map(None)?;
        // A status file is known by this key.
        map.serialize_entry("dialer", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("state", state.word())?;
        map.serialize_entry("campaign", &run.campaign)?;
        map.serialize_entry("results", &run.results)?;
        map.serialize_entry("simulated", &run.simulated)?;
        map.serialize_entry("shard", &run.shard.map(|shard| shard.to_string()))?;
        map.serialize_entry("pid", &std::process::id())?;
        map.serialize_entry("started_at", &rfc3339(&run.started_at))?;
        map.serialize_entry("updated_at", &at)?;
        map.serialize_entry("ended_at", &end.map(|_| &at))?;
        map.serialize_entry("exit_code", &end.map(|end| end.exit_code))?;
        map.serialize_entry("stopped", &end.and_then(|end| end.stopped))?;
        map.serialize_entry("contacts", &tally.map(|tally| tally.contacts))?;
        map.serialize_entry("to_call", &tally.map(|tally| tally.to_call))?;
        map.serialize_entry("finished", &tally.map(|tally| tally.finished))?;
        map.serialize_entry("pending", &tally.map(Tally::pending))?;
        map.serialize_entry("reached", &tally.map(Tally::reached))?;
        map.serialize_entry("dispatched", &tally.map(|tally| tally.dispatched))?;
        map.serialize_entry("ended", &tally.map(Tally::ended))?;
        map.serialize_entry("picked_up", &tally.map(Tally::picked_up))?;
        let rate = tally.and_then(Tally::answer_rate);
        map.serialize_entry("answer_rate", &rate.map(rounded))?;
        let speed = view.and_then(|view| view.calls_per_second);
        map.serialize_entry("calls_per_second", &speed.map(rounded))?;
        let left = seen.and_then(|seen| seen.left);
        map.serialize_entry("seconds_left", &left.map(|left| left.as_secs()))?;
        map.serialize_entry("running", &view.map(|view| view.running))?;
        map.serialize_entry("ports", &view.map(View::ports))?;
        map.serialize_entry("trunks", &view.map(trunks))?;
        map.serialize_entry("retrying", &view.map(|view| view.retrying))?;
        map.serialize_entry("next_retry_at", &time(|view| view.next_due))?;
        map.serialize_entry("connected", &view.map(|view| view.connected))?;
        map.serialize_entry("waits_for", &view.map(|view| view.waits.word()))?;
        map.serialize_entry("waits_until", &time(|view| view.waits.until()))?;
        map.serialize_entry("waits_since", &time(|view| view.waits.since()))?;
        map.serialize_entry("why", &view.map(View::why))?;
        map.serialize_entry("dispositions", &tally.map(TallyByDisposition))?;
        map.end()
    }
}

#[derive(Serialize)]
struct TrunkStatus<'v> {
    trunk: &'v str,
    ports: usize,
    busy: usize,
    state: &'static str,
    until: Option<String>,
    streak: Option<usize>,
    last: Option<&'static str>,
}

fn trunks(view: &View) -> Vec<TrunkStatus<'_>> {
    let trunks = view.trunks.iter().map(|trunk| {
        let (until, trouble) = match trunk.condition {
            Condition::Works => (None, None),
            Condition::Rests { until, trouble } => (Some(until), Some(trouble)),
            Condition::Tried(trouble) => (None, Some(trouble)),
        };
        TrunkStatus {
            trunk: &trunk.name,
            ports: trunk.ports,
            busy: trunk.busy,
            state: super::trunk_state(trunk.condition),
            until: until.map(|until| rfc3339(&view.time(until))),
            streak: trouble.map(|trouble| trouble.streak),
            last: trouble.map(|trouble| trouble.last.as_str()),
        }
    });
    trunks.collect()
}
