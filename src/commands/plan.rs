//! `dialer run --dry-run`: the plan. Nothing is connected to, locked, repaired or written.

use std::fmt::Write as _;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use serde::Serialize;
use tracing::warn;

use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::estimate::Expected;
use crate::commands::load::Input;
use crate::commands::run::result_files::{holds_a_rehearsal, of_rehearsal};
use crate::config::{self, Campaign, Outside};
use crate::contacts::{Contact, Entry};
use crate::disposition::Disposition;
use crate::exit;
use crate::results::keys::{ByKey, ContactKeys};
use crate::results::read::{ReadError, Reader, Record};
use crate::results::resume::is_simulated;
use crate::schedule::calling_window::{Gate, Gated};

/// When a window opens, as it is shown.
pub(super) const OPENS: &str = "%Y-%m-%d %H:%M %:z";
/// How many calls are shown.
const SHOWN: usize = 5;

/// The plan, for people as text and for programs as an object.
#[derive(Debug, Serialize)]
struct Plan {
    campaign: String,
    results: Option<PathBuf>,
    contacts: u64,
    /// Contacts whom this run would call.
    to_call: u64,
    done: u64,
    suppressed: u64,
    duplicates: u64,
    bad_rows: u64,
    /// Those of the ones to call who may not be called at this time of day.
    outside_the_window_now: u64,
    /// When the first of those may be called, if that is ever.
    window_opens_at: Option<String>,
    /// Beyond `--limit`.
    beyond_the_limit: u64,
    trunks: Vec<Trunk>,
    /// Calls in all, retries included, as [simulate] has the fates.
    expected_calls: u64,
    /// Time with calls, in seconds.
    expected_seconds: u64,
    assumptions: Vec<String>,
    first_calls: Vec<First>,
}

#[derive(Debug, Serialize)]
struct Trunk {
    name: String,
    lines: usize,
    calls_per_second: f64,
}

#[derive(Debug, Serialize)]
struct First {
    contact: String,
    number: String,
    trunk: String,
    /// It has to wait for the window.
    waits: bool,
}

/// Prints the plan.
///
/// # Errors
/// The results that would be continued cannot be read.
pub(super) fn print(
    input: Input,
    results: Option<&Path>,
    clock: &Clock,
    args: &RunArgs,
) -> Result<u8, Failure> {
    let plan = Plan::of(input, results, clock, args)?;
    let text = if args.json {
        let json = serde_json::to_string(&plan).context("the plan")?;
        format!("{json}\n")
    } else {
        plan.text()
    };
    match io::stdout().write_all(text.as_bytes()) {
        // Who closed the pipe does not want it.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Unexpected(
            anyhow::Error::new(error).context("standard output"),
        )),
        _ => Ok(exit::DONE),
    }
}

/// How far the results that would be continued are with each contact: whether its last row is final.
pub(super) fn earlier(
    results: Option<&Path>,
    args: &RunArgs,
    keys: &ContactKeys,
) -> Result<ByKey<bool>, Failure> {
    let mut finals = ByKey::default();
    let Some(path) = results.filter(|path| !args.fresh && path.exists()) else {
        return Ok(finals);
    };
    if args.simulate {
        // It begins anew.
        of_rehearsal(path)?;
        return Ok(finals);
    }
    let usage = |error: ReadError| Failure::Usage(error.to_string());
    let file = std::fs::File::open(path).with_context(|| path.display().to_string())?;
    let mut rows = match Reader::new(file, &path.display().to_string()) {
        Ok(rows) => rows,
        Err(ReadError::Empty { .. }) => return Ok(finals),
        Err(error) => return Err(usage(error)),
    };
    let contact = rows.needed("contact").map_err(usage)?;
    let is_final = rows.needed("final").map_err(usage)?;
    let disposition = rows.needed("disposition").map_err(usage)?;
    let note = rows.column("note");
    let mut record = Record::default();
    while rows.read(&mut record).map_err(usage)? {
        if is_simulated(record.get(note)) {
            return Err(holds_a_rehearsal(path));
        }
        let redialed = record
            .get(Some(disposition))
            .parse::<Disposition>()
            .is_ok_and(|disposition| args.redial.contains(&disposition));
        let done = record.get(Some(is_final)) == "yes" && !redialed;
        finals.insert(keys.of(record.get(Some(contact))), done);
    }
    Ok(finals)
}

impl Plan {
    fn of(
        input: Input,
        results: Option<&Path>,
        clock: &Clock,
        args: &RunArgs,
    ) -> Result<Self, Failure> {
        let Input {
            campaign,
            list,
            suppress,
        } = input;
        let keys = ContactKeys::default();
        let earlier = earlier(results, args, &keys)?;
        let is_done = |id: &str| earlier.get(&keys.of(id)).copied().unwrap_or(false);
        let hours = campaign.window.as_ref().map(|window| window.hours.clone());
        let gate = Gate::new(hours, list.zones());
        if let Some(doubt) = stops_before_it_opens(&campaign, list.zones(), clock) {
            warn!("{doubt}");
        }
        let now = clock.millis();
        let (list, mut opens) = (Arc::new(list), None);
        let mut plan = Self {
            campaign: campaign.name.clone(),
            results: results.map(Path::to_owned),
            contacts: list.summary().contacts,
            to_call: 0,
            done: 0,
            suppressed: 0,
            duplicates: 0,
            bad_rows: 0,
            outside_the_window_now: 0,
            window_opens_at: None,
            beyond_the_limit: 0,
            trunks: campaign
                .trunks
                .iter()
                .map(|trunk| Trunk {
                    name: trunk.name.clone(),
                    lines: trunk.ports,
                    calls_per_second: trunk.calls_per_second,
                })
                .collect(),
            expected_calls: 0,
            expected_seconds: 0,
            assumptions: Vec::new(),
            first_calls: Vec::new(),
        };
        for entry in list.rows().context("the copy of the list")? {
            match entry.context("the copy of the list")? {
                Entry::Skipped(skipped) if is_done(&skipped.id) => plan.done += 1,
                Entry::Skipped(skipped) if skipped.disposition == Disposition::Duplicate => {
                    plan.duplicates += 1;
                }
                Entry::Skipped(_) => plan.bad_rows += 1,
                Entry::Contact(contact) if is_done(&contact.id) => plan.done += 1,
                Entry::Contact(contact) => {
                    let number = contact
                        .numbers
                        .iter()
                        .find(|number| !suppress.contains(number.key()));
                    match number.map(ToString::to_string) {
                        None => plan.suppressed += 1,
                        Some(_) if args.limit.is_some_and(|limit| plan.to_call >= limit) => {
                            plan.beyond_the_limit += 1;
                        }
                        Some(number) => {
                            let gated = gate.state(contact.zone, now);
                            if let Gated::Closed(Some(at)) = gated {
                                opens = Some(opens.map_or(at, |earlier: i64| earlier.min(at)));
                            }
                            plan.call(&contact, number, gated != Gated::Open);
                        }
                    }
                }
            }
        }
        plan.window_opens_at = opens.map(|at| clock.time(at).strftime(OPENS).to_string());
        plan.expect(&campaign);
        Ok(plan)
    }

    fn call(&mut self, contact: &Contact, number: String, waits: bool) {
        self.to_call += 1;
        self.outside_the_window_now += u64::from(waits);
        if self.first_calls.len() < SHOWN {
            // The first calls fill the lines of the first trunk, then those of the next.
            let mut place = self.first_calls.len();
            let trunk = self.trunks.iter().find(|trunk| {
                let fits = place < trunk.lines;
                place = place.saturating_sub(trunk.lines);
                fits
            });
            let trunk = trunk.or(self.trunks.first());
            self.first_calls.push(First {
                contact: contact.id.clone(),
                number,
                trunk: trunk.map(|trunk| trunk.name.clone()).unwrap_or_default(),
                waits,
            });
        }
    }

    /// How many calls that makes and how long they take.
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate, and none of it is negative"
    )]
    fn expect(&mut self, campaign: &Campaign) {
        let expected = Expected::of(campaign);
        let calls = self.to_call as f64 * expected.calls;
        let rate: f64 = campaign
            .trunks
            .iter()
            .map(|trunk| expected.rate(trunk).0)
            .sum();
        self.expected_calls = calls.round() as u64;
        // However many lines there are, a call takes its time.
        let least = if self.to_call > 0 { expected.call } else { 0.0 };
        self.expected_seconds = (calls / rate).max(least).ceil() as u64;
        self.assumptions = expected.fates().to_vec();
        let call = expected.call;
        self.assumptions
            .push(format!("a call takes {call:.1} s on average"));
        self.assumptions.push(limit(campaign, &expected));
        let on_top: Vec<String> = [
            campaign
                .window
                .is_some()
                .then(|| "waits for the window".to_owned()),
            (expected.waits > Duration::ZERO)
                .then(|| format!("up to {} for retries at the end", rough(expected.waits))),
        ]
        .into_iter()
        .flatten()
        .collect();
        if !on_top.is_empty() {
            self.assumptions
                .push(format!("{} come on top", on_top.join(" and ")));
        }
    }

    fn text(&self) -> String {
        let mut text = format!("campaign {}\n\n", self.campaign);
        // Writing to a string cannot fail.
        let mut line = |count: u64, what: &str| {
            let _ = writeln!(text, "{count:>10}  {what}");
        };
        line(self.contacts, "contacts");
        for (count, what) in [
            (self.done, "done already"),
            (self.suppressed, "on a list of numbers never to call"),
            (self.duplicates, "whose number stands in the list before"),
            (self.bad_rows, "whose row cannot be called"),
            (self.beyond_the_limit, "beyond --limit"),
        ] {
            if count > 0 {
                line(count, what);
            }
        }
        line(self.to_call, "to call");
        if self.outside_the_window_now > 0 {
            let until = self.window_opens_at.as_ref();
            let until = until.map_or(String::new(), |at| format!(", until {at}"));
            let what = format!("of them outside the calling hours now{until}");
            line(self.outside_the_window_now, &what);
        }
        text.push('\n');
        for trunk in &self.trunks {
            let _ = writeln!(
                text,
                "trunk {}: {} lines, {} calls a second at most",
                trunk.name, trunk.lines, trunk.calls_per_second
            );
        }
        if self.to_call > 0 {
            let _ = writeln!(
                text,
                "\nabout {} calls in {}, if it goes as [simulate] says:",
                self.expected_calls,
                rough(Duration::from_secs(self.expected_seconds)),
            );
            for assumption in &self.assumptions {
                let _ = writeln!(text, "  {assumption}");
            }
        }
        if !self.first_calls.is_empty() {
            text.push_str("\nfirst:\n");
        }
        for first in &self.first_calls {
            let waits = if first.waits {
                ", when the window opens"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "  {} at {} on {}{waits}",
                first.contact, first.number, first.trunk
            );
        }
        match &self.results {
            Some(results) => {
                let _ = writeln!(text, "\nresults: {}", results.display());
            }
            None => text.push_str("\nresults: standard output\n"),
        }
        text
    }
}

/// What there is to say of a `stop_at` that comes before the hours open: the run would wait for it, and call nobody.
pub(super) fn stops_before_it_opens(
    campaign: &Campaign,
    zones: &[TimeZone],
    clock: &Clock,
) -> Option<String> {
    let window = campaign.window.as_ref()?;
    let gate = Gate::new(Some(window.hours.clone()), zones);
    let now = clock.now().timestamp();
    let stop_at = window.stop_at?.next(&window.hours.zone, now);
    let Gated::Closed(Some(opens)) = gate.any(now.as_millisecond()) else {
        return None;
    };
    let comes_first = now < stop_at && stop_at.as_millisecond() <= opens;
    (comes_first && window.outside == Outside::Wait).then(|| {
        format!(
            "`stop_at` comes on {}, before the calling hours open on {}: a run that begins now calls nobody",
            clock.time(stop_at.as_millisecond()).strftime(OPENS),
            clock.time(opens).strftime(OPENS)
        )
    })
}

/// What keeps the calls from going faster.
fn limit(campaign: &Campaign, expected: &Expected) -> String {
    let (lines, pace): (Vec<_>, Vec<_>) = campaign
        .trunks
        .iter()
        .partition(|trunk| expected.rate(trunk).1);
    let names = |trunks: Vec<&config::Trunk>| {
        let names: Vec<&str> = trunks.iter().map(|trunk| trunk.name.as_str()).collect();
        names.join(", ")
    };
    match (lines.is_empty(), pace.is_empty()) {
        (_, true) => "the lines are the limit".to_owned(),
        (true, _) => "the pace is the limit".to_owned(),
        _ => format!(
            "the lines of {} and the pace of {} are the limit",
            names(lines),
            names(pace)
        ),
    }
}

/// `45s`, `12m`, `3h 20m`.
fn rough(time: Duration) -> String {
    let seconds = time.as_secs();
    let minutes = seconds.div_ceil(60);
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7_200 => format!("{minutes}m"),
        _ => format!("{}h {:02}m", minutes / 60, minutes % 60),
    }
}
