//! `dialer run --dry-run`: the plan. Nothing is connected to, locked, repaired or written.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::Serialize;
use tracing::warn;

use crate::campaign::eligibility::{
    CallingRules, Candidate, Eligibility, Never, RunMoment, Wait, hours_now,
};
use crate::cli::RunArgs;
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::load::Input;
use crate::commands::rehearsal::{self, Extent, Forecast};
use crate::commands::run::result_files::ResultsTarget;
use crate::config::{Campaign, Outside};
use crate::contacts::{Contact, ListEntry};
use crate::disposition::Disposition;
use crate::exit;
use crate::output::format::rough;
use crate::plural::counted;
use crate::schedule::calling_window::WindowState;

/// When a window opens, as it is shown.
pub(super) const OPENS: &str = "%Y-%m-%d %H:%M %:z";
/// How many calls are shown.
const SHOWN: usize = 5;

/// The plan, for people as text and for programs as an object, whose keys scripts depend on.
#[derive(Debug, Default, Serialize)]
struct RunPlan {
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
    trunks: Vec<PlannedTrunk>,
    /// Calls in all, retries included, as a rehearsal makes them.
    expected_calls: u64,
    /// Time with calls, in seconds.
    expected_seconds: u64,
    /// When a run begun now would be over, waits included; nothing where only a sample was rehearsed.
    expected_end_at: Option<String>,
    assumptions: Vec<String>,
    first_calls: Vec<FirstCall>,
}

#[derive(Debug, Serialize)]
struct PlannedTrunk {
    name: String,
    lines: usize,
    calls_per_second: f64,
}

#[derive(Debug, Serialize)]
struct FirstCall {
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
    results: &ResultsTarget,
    clock: &Clock,
    args: &RunArgs,
) -> Result<u8, Failure> {
    let plan = RunPlan::of(input, results, clock, args)?;
    let text = if args.json {
        let json = serde_json::to_string(&plan).context("the plan")?;
        format!("{json}\n")
    } else {
        plan.text()
    };
    crate::commands::print(|stdout| stdout.write_all(text.as_bytes()))?;
    Ok(exit::DONE)
}

impl RunPlan {
    fn of(
        input: Input,
        results: &ResultsTarget,
        clock: &Clock,
        args: &RunArgs,
    ) -> Result<Self, Failure> {
        let Input {
            campaign,
            list,
            suppress,
        } = input;
        let prior = results.preview(args)?;
        let is_done = |id: &str| prior.progress(id).is_some_and(|progress| progress.is_final);
        let now = clock.timestamp();
        let rules = CallingRules::new(&campaign, list.zones(), suppress, now);
        let numbers_in_use = HashSet::new();
        if let Some(warning) = stops_before_it_opens(&campaign, list.zones(), clock) {
            warn!("{warning}");
        }
        let list = Arc::new(list);
        let trunks = campaign.trunks.iter().map(|trunk| PlannedTrunk {
            name: trunk.name.clone(),
            lines: trunk.ports,
            calls_per_second: trunk.calls_per_second,
        });
        let mut opens: Option<Timestamp> = None;
        let mut plan = Self {
            campaign: campaign.name.clone(),
            results: results.path().map(Path::to_owned),
            contacts: list.summary.contacts,
            trunks: trunks.collect(),
            ..Self::default()
        };
        for entry in list.rows(Vec::new()) {
            let contact = match entry.context("the copy of the list")? {
                ListEntry::Contact(contact) if !is_done(&contact.id) => contact,
                ListEntry::Skipped(skipped) if !is_done(&skipped.id) => {
                    match skipped.disposition {
                        Disposition::Duplicate => plan.duplicates += 1,
                        _ => plan.bad_rows += 1,
                    }
                    continue;
                }
                _ => {
                    plan.done += 1;
                    continue;
                }
            };
            let history = prior.history(&contact.id, &contact.numbers);
            let candidate = Candidate {
                contact,
                history,
                due: None,
                counted: false,
            };
            let moment = RunMoment {
                now,
                numbers_in_use: &numbers_in_use,
                limit_left: args.limit.map_or(u64::MAX, |most| most - plan.to_call),
            };
            let (waits, opening) = match rules.judge(&candidate, &moment) {
                Eligibility::Never(Never::Suppressed | Never::NoSuchNumber) => {
                    plan.suppressed += 1;
                    continue;
                }
                Eligibility::Never(Never::BeyondLimit) => {
                    plan.beyond_the_limit += 1;
                    continue;
                }
                Eligibility::Now(_) | Eligibility::Wait(Wait::NumberInUse(_)) => (false, None),
                Eligibility::Wait(Wait::Retry(at) | Wait::Limits(at) | Wait::Window(at)) => {
                    (true, Some(at))
                }
                Eligibility::Never(Never::Closed(opening)) => (true, opening),
                Eligibility::Never(Never::StopAt) => (true, None),
            };
            opens = opens.into_iter().chain(opening).min();
            let contact = &candidate.contact;
            if let Ok(number) = rules.next_number(contact, &candidate.history) {
                plan.call(contact, usize::from(number), waits);
            }
        }
        plan.window_opens_at = opens.map(|at| clock.zoned(at).strftime(OPENS).to_string());
        if plan.to_call > 0 {
            let suppress = &rules.suppressions;
            let to_call = plan.to_call;
            let forecast =
                rehearsal::forecast(&campaign, &list, suppress, prior, args.limit, to_call)?;
            plan.expect(&campaign, &forecast);
        }
        Ok(plan)
    }

    fn call(&mut self, contact: &Contact, number: usize, waits: bool) {
        self.to_call += 1;
        self.outside_the_window_now += u64::from(waits);
        let place = self.first_calls.len();
        if place < SHOWN {
            // The first calls fill the lines of the first trunk, then those of the next.
            let mut names = self
                .trunks
                .iter()
                .flat_map(|trunk| std::iter::repeat_n(&trunk.name, trunk.lines));
            let trunk = names.nth(place).unwrap_or(&self.trunks[0].name);
            self.first_calls.push(FirstCall {
                contact: contact.id.clone(),
                number: contact.numbers[number].to_string(),
                trunk: trunk.clone(),
                waits,
            });
        }
    }

    fn expect(&mut self, campaign: &Campaign, forecast: &Forecast) {
        self.expected_calls = forecast.calls;
        let rounded_up = forecast.dialing.saturating_add(Duration::from_millis(999));
        self.expected_seconds = rounded_up.as_secs();
        let simulate = campaign.simulate;
        let percent = |share: f64| format!("{:.0}%", share * 100.0);
        let busy = campaign.trunks.iter().zip(&forecast.busy);
        let busy: Vec<_> = busy
            .map(|(trunk, busy)| format!("{} on {}", percent(*busy), trunk.name))
            .collect();
        self.assumptions = vec![
            format!(
                "{} answer after {:.0} s and talk for {:.0} s",
                percent(simulate.answered),
                simulate.ring.as_secs_f64(),
                simulate.talk.as_secs_f64(),
            ),
            format!(
                "{} are busy, {} do not answer within {:.0} s",
                percent(simulate.busy),
                percent(simulate.unanswered()),
                campaign.call.ring_timeout.as_secs_f64(),
            ),
            format!("lines that are busy in that time: {}", busy.join(", ")),
        ];
        match &forecast.extent {
            Extent::Whole { end, left } => {
                self.expected_end_at = Some(end.strftime(OPENS).to_string());
                if *left > 0 {
                    let left = counted(left, "contact");
                    self.assumptions
                        .push(format!("it is stopped with {left} left"));
                }
            }
            Extent::Sample(contacts) => self.assumptions.push(format!(
                "scaled from a rehearsal of the first {contacts} contacts"
            )),
        }
    }

    fn text(&self) -> String {
        let mut text = format!("campaign {}\n\n", self.campaign);
        let mut line = |count: u64, what: &str| text += &format!("{count:>10}  {what}\n");
        line(self.contacts, "in the list");
        for (count, what) in [
            (self.done, "done already"),
            (self.suppressed, "on a list of numbers never to call"),
            (self.duplicates, "whose number is in an earlier row"),
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
            text += &trunk_line(&trunk.name, trunk.lines, trunk.calls_per_second);
        }
        if self.to_call > 0 {
            text += &format!(
                "\nabout {} in {}, if it goes as [simulate] says:\n",
                counted(self.expected_calls, "call"),
                rough(Duration::from_secs(self.expected_seconds)),
            );
            for assumption in &self.assumptions {
                text += &format!("  {assumption}\n");
            }
            if let Some(end) = &self.expected_end_at {
                text += &format!("a run begun now would end at {end}\n");
            }
        }
        if !self.first_calls.is_empty() {
            text += "\nfirst:\n";
        }
        for FirstCall {
            contact,
            number,
            trunk,
            waits,
        } in &self.first_calls
        {
            let waits = if *waits {
                ", when the window opens"
            } else {
                ""
            };
            text += &format!("  {contact} at {number} on {trunk}{waits}\n");
        }
        let results = match &self.results {
            Some(results) => results.display().to_string(),
            None => "standard output".to_owned(),
        };
        text + &format!("\nresults: {results}\n")
    }
}

/// The lines and the pace of a trunk, as plan and check show them.
pub(super) fn trunk_line(name: &str, lines: usize, calls_per_second: f64) -> String {
    let (lines, calls) = (counted(lines, "line"), counted(calls_per_second, "call"));
    format!("trunk {name}: {lines}, {calls} a second at most\n")
}

/// What there is to say of a `stop_at` that comes before the hours open: the run would wait for it, and call nobody.
pub(super) fn stops_before_it_opens(
    campaign: &Campaign,
    zones: &[TimeZone],
    clock: &Clock,
) -> Option<String> {
    let window = campaign.window.as_ref()?;
    let now = clock.timestamp();
    let stop_at = window.stop_at?.next(&window.hours.zone, now);
    let WindowState::Closed(Some(opens)) = hours_now(campaign, zones, now) else {
        return None;
    };
    let comes_first = now < stop_at && stop_at <= opens;
    (comes_first && window.outside == Outside::Wait).then(|| {
        format!(
            "`stop_at` comes on {}, before the calling hours open on {}: a run that begins now calls nobody",
            clock.zoned(stop_at).strftime(OPENS),
            clock.zoned(opens).strftime(OPENS)
        )
    })
}
