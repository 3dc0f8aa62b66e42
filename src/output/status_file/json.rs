//! The status as one object. Programs depend on its keys: none is ever renamed, and each is always there.

use serde::Serialize;

use super::{About, Stage, trunk_state};
use crate::campaign::snapshot::{Condition, TrunkView, View};
use crate::campaign::stats::Tally;
use crate::clock::rfc3339;
use crate::output::format::rounded;
use crate::output::summary::TallyByDisposition;

/// The object, in one line.
pub(super) fn text(about: &About, stage: &Stage<'_>) -> String {
    let seen = stage.seen();
    let view = seen.map(|seen| &seen.view);
    let tally = view.map(|view| &view.tally);
    let ended = stage.ended();
    let time = |millis: fn(&View) -> Option<i64>| {
        view.and_then(|view| millis(view).map(|millis| rfc3339(&view.time(millis))))
    };
    let at = stage.at(about);
    let object = Object {
        dialer: env!("CARGO_PKG_VERSION"),
        state: stage.word(),
        campaign: &about.campaign,
        results: &about.results,
        simulated: about.simulated,
        shard: about.shard.map(|shard| shard.to_string()),
        pid: std::process::id(),
        started_at: rfc3339(&about.started_at),
        updated_at: rfc3339(&at),
        ended_at: ended.map(|_| rfc3339(&at)),
        exit_code: ended.map(|ended| ended.exit_code),
        stopped: ended.and_then(|ended| ended.stopped),
        contacts: tally.map(|tally| tally.contacts),
        to_call: tally.map(|tally| tally.to_call),
        finished: tally.map(|tally| tally.finished),
        pending: tally.map(Tally::pending),
        reached: tally.map(Tally::reached),
        dispatched: tally.map(|tally| tally.dispatched),
        ended: tally.map(Tally::ended),
        picked_up: tally.map(Tally::picked_up),
        answer_rate: tally.and_then(|tally| tally.answer_rate().map(rounded)),
        calls_per_second: view.and_then(|view| view.calls_per_second.map(rounded)),
        seconds_left: seen.and_then(|seen| seen.left.map(|left| left.as_secs())),
        running: view.map(|view| view.running),
        ports: view.map(View::ports),
        trunks: view.map(|view| view.trunks.iter().map(|trunk| of(trunk, view)).collect()),
        retrying: view.map(|view| view.retrying),
        next_retry_at: time(|view| view.next_due),
        connected: view.map(|view| view.connected),
        waits_for: view.map(|view| view.waits.word()),
        waits_until: time(|view| view.waits.until()),
        waits_since: time(|view| view.waits.since()),
        why: view.map(View::why),
        dispositions: tally.map(TallyByDisposition),
    };
    // It has no key that is no text, and nothing else could fail.
    serde_json::to_string(&object).unwrap_or_default() + "\n"
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
struct Object<'a> {
    /// The version; a status file is told by this.
    dialer: &'static str,
    state: &'static str,
    campaign: &'a str,
    results: &'a str,
    simulated: bool,
    shard: Option<String>,
    pid: u32,
    started_at: String,
    updated_at: String,
    ended_at: Option<String>,
    exit_code: Option<u8>,
    stopped: Option<&'static str>,
    contacts: Option<u64>,
    to_call: Option<u64>,
    finished: Option<u64>,
    pending: Option<u64>,
    reached: Option<u64>,
    dispatched: Option<u64>,
    ended: Option<u64>,
    picked_up: Option<u64>,
    answer_rate: Option<f64>,
    calls_per_second: Option<f64>,
    seconds_left: Option<u64>,
    running: Option<usize>,
    ports: Option<usize>,
    trunks: Option<Vec<TrunkStatus<'a>>>,
    retrying: Option<usize>,
    next_retry_at: Option<String>,
    connected: Option<bool>,
    waits_for: Option<&'static str>,
    waits_until: Option<String>,
    waits_since: Option<String>,
    why: Option<String>,
    dispositions: Option<TallyByDisposition<'a>>,
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
