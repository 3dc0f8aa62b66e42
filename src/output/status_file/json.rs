//! The status as one object. Programs depend on its keys: none is ever renamed, and each is always there.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use super::{About, Stage, trunk_state};
use crate::campaign::snapshot::{Condition, TrunkView, View};
use crate::campaign::stats::Tally;
use crate::clock::rfc3339;
use crate::output::format::rounded;
use crate::output::summary::TallyByDisposition;

/// The object, in one line.
pub(super) fn text(about: &About, stage: &Stage<'_>) -> String {
    // It has no key that is no text, and nothing else could fail.
    serde_json::to_string(&Object(about, stage)).unwrap_or_default() + "\n"
}

struct Object<'a>(&'a About, &'a Stage<'a>);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(about, stage) = self;
        let seen = stage.seen;
        let view = seen.map(|seen| &seen.view);
        let tally = view.map(|view| &view.tally);
        let ended = stage.outcome;
        let count = |figure: fn(&Tally) -> u64| tally.map(figure);
        let time = |millis: fn(&View) -> Option<i64>| {
            view.and_then(|view| millis(view).map(|millis| rfc3339(&view.time(millis))))
        };
        let at = rfc3339(&stage.at(about));
        let trunks = view.map(|view| -> Vec<_> {
            let trunks = view.trunks.iter();
            trunks.map(|trunk| of(trunk, view)).collect()
        });
        let mut map = serializer.serialize_map(None)?;
        // The version comes first: by this a status file is known.
        map.serialize_entry("dialer", env!("CARGO_PKG_VERSION"))?;
        map.serialize_entry("state", stage.word())?;
        map.serialize_entry("campaign", &about.campaign)?;
        map.serialize_entry("results", &about.results)?;
        map.serialize_entry("simulated", &about.simulated)?;
        map.serialize_entry("shard", &about.shard.map(|shard| shard.to_string()))?;
        map.serialize_entry("pid", &std::process::id())?;
        map.serialize_entry("started_at", &rfc3339(&about.started_at))?;
        map.serialize_entry("updated_at", &at)?;
        map.serialize_entry("ended_at", &ended.map(|_| &at))?;
        map.serialize_entry("exit_code", &ended.map(|ended| ended.exit_code))?;
        map.serialize_entry("stopped", &ended.and_then(|ended| ended.stopped))?;
        map.serialize_entry("contacts", &count(|tally| tally.contacts))?;
        map.serialize_entry("to_call", &count(|tally| tally.to_call))?;
        map.serialize_entry("finished", &count(|tally| tally.finished))?;
        map.serialize_entry("pending", &count(Tally::pending))?;
        map.serialize_entry("reached", &count(Tally::reached))?;
        map.serialize_entry("dispatched", &count(|tally| tally.dispatched))?;
        map.serialize_entry("ended", &count(Tally::ended))?;
        map.serialize_entry("picked_up", &count(Tally::picked_up))?;
        let rate = tally.and_then(Tally::answer_rate);
        map.serialize_entry("answer_rate", &rate.map(rounded))?;
        let speed = view.and_then(|view| view.calls_per_second);
        map.serialize_entry("calls_per_second", &speed.map(rounded))?;
        let left = seen.and_then(|seen| seen.left);
        map.serialize_entry("seconds_left", &left.map(|left| left.as_secs()))?;
        map.serialize_entry("running", &view.map(|view| view.running))?;
        map.serialize_entry("ports", &view.map(View::ports))?;
        map.serialize_entry("trunks", &trunks)?;
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

fn of<'v>(trunk: &'v TrunkView, view: &View) -> TrunkStatus<'v> {
    let (until, trouble) = match trunk.condition {
        Condition::Works => (None, None),
        Condition::Rests { until, trouble } => (Some(until), Some(trouble)),
        Condition::Tried(trouble) => (None, Some(trouble)),
    };
    TrunkStatus {
        trunk: &trunk.name,
        ports: trunk.ports,
        busy: trunk.busy,
        state: trunk_state(trunk.condition),
        until: until.map(|until| rfc3339(&view.time(until))),
        streak: trouble.map(|trouble| trouble.streak),
        last: trouble.map(|trouble| trouble.last.as_str()),
    }
}

#[derive(Serialize)]
struct TrunkStatus<'a> {
    trunk: &'a str,
    ports: usize,
    busy: usize,
    state: &'static str,
    until: Option<String>,
    streak: Option<usize>,
    last: Option<&'static str>,
}
