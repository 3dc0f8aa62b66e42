//! `dialer check`: everything that is wrong with a campaign before it is dialed, and the first call as it would be asked
//! for. Nobody is called.
//!
//! What is hardly meant so is in `advice`, what can be asked of the campaign's Asterisk in `pbx`, and which parts of it
//! the campaign leads to in `destination`.

mod advice;
mod destination;
mod pbx;

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::BytesMut;

use crate::ami::tls::Tls;
use crate::call::id::CallId;
use crate::call::originate::originate;
use crate::call::probe;
use crate::cli::{CheckArgs, RunArgs};
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::connect::Line;
use crate::commands::load;
use crate::commands::plan;
use crate::commands::run::result_files::{Target, of_results};
use crate::config::{Campaign, Fault, Faults};
use crate::contacts::{Contact, Entry, List, Summary};
use crate::disposition::Disposition;
use crate::exit;
use crate::output::terminal::Screen;
use crate::phone_number::Number;
use crate::results::keys::{ContactKey, ContactKeys};
use crate::schedule::calling_window::{Gate, Gated};
use crate::suppression::Suppressions;
use destination::{Destinations, without_password};

/// The rows that are named one by one before the rest are only counted.
const ROWS_SHOWN: usize = 100;

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Everything that is wrong.
pub fn run(args: &CheckArgs, screen: &Screen) -> Result<u8, Failure> {
    let examined = load::examine(&args.campaign, false, None);
    for doubt in &examined.doubts {
        screen.caution(&warning(doubt));
    }
    let mut faults: Vec<String> = examined.faults.iter().map(ToString::to_string).collect();
    let Some(campaign) = examined.campaign else {
        return Err(Failure::Usage(faults.join("\n")));
    };
    let clock = Clock::system(campaign.zone());
    let results = match Earlier::of(&campaign, &clock) {
        Err(Failure::Usage(sentences)) => {
            faults.push(sentences);
            Earlier::default()
        }
        told => told?,
    };
    if let Some(options) = &campaign.ami.tls
        && let Err(error) = Tls::new(options)
    {
        faults.push(error.to_string());
    }
    if faults.is_empty() {
        for doubt in advice::of(&campaign) {
            screen.caution(&warning(&doubt));
        }
    }
    let Some(list) = examined.list.map(Arc::new) else {
        return Err(Failure::Usage(faults.join("\n")));
    };
    let found = Found::in_list(&list, &campaign, &results, examined.suppress.as_ref())
        .context("the copy of the list")?;
    for doubt in found.doubts(&campaign) {
        screen.caution(&warning(&doubt));
    }
    if !faults.is_empty() {
        return Err(Failure::Usage(faults.join("\n")));
    }
    if let Some(message) = plan::stops_before_it_opens(&campaign, list.zones(), &clock) {
        screen.caution(&warning(&Fault {
            file: campaign.path.clone(),
            line: None,
            column: None,
            message,
        }));
    }
    let mut text = heading(&campaign, &found, &results.name);
    text.push_str(&hours(&campaign, &list, &clock));
    if let Some((contact, number)) = &found.first {
        text.push_str(&preview(&campaign, &list, contact, *number)?);
    }
    let say = |text: &str| {
        if screen.settings().quiet {
            return Ok(());
        }
        screen.settle();
        crate::commands::print(|stdout| stdout.write_all(text.as_bytes()))
    };
    say(&text)?;
    if args.connect {
        let told = ask(&campaign, &found.destinations)?;
        say(&format!("\n{}", told.text))?;
        for doubt in &told.doubts {
            screen.caution(&warning(doubt));
        }
        for failure in &told.failures {
            screen.fail(failure);
        }
        if !told.faults.is_empty() {
            return Err(Failure::Usage(Faults(told.faults).to_string()));
        }
        if !told.failures.is_empty() {
            return Ok(exit::NO_PBX);
        }
    }
    Ok(exit::DONE)
}

/// As compilers say it.
fn warning(doubt: &Fault) -> String {
    let message = format!("warning: {}", doubt.message);
    let doubt = doubt.clone();
    Fault { message, ..doubt }.to_string()
}

/// What the list holds.
#[derive(Debug)]
struct Found {
    summary: Summary,
    /// The first who would be called, and at which of the numbers.
    first: Option<(Contact, usize)>,
    /// Those all of whose numbers are never to be called.
    suppressed: u64,
    /// The first rows that cannot be called: their lines, and why.
    bad: Vec<(u64, String)>,
    destinations: Destinations,
}

impl Found {
    fn in_list(
        list: &Arc<List>,
        campaign: &Campaign,
        earlier: &Earlier,
        suppress: Option<&Suppressions>,
    ) -> io::Result<Self> {
        let mut found = Self {
            summary: list.summary(),
            first: None,
            suppressed: 0,
            bad: Vec::new(),
            destinations: Destinations::of(campaign),
        };
        let is_free = |number: &Number| suppress.is_none_or(|of| !of.contains(number.key()));
        for entry in list.rows()? {
            match entry? {
                Entry::Contact(contact) if earlier.is_done(&contact.id) => {}
                Entry::Contact(contact) => {
                    let Some(number) = contact.numbers.iter().position(is_free) else {
                        found.suppressed += 1;
                        continue;
                    };
                    found.destinations.add(list, &contact, number);
                    found.first.get_or_insert((contact, number));
                }
                Entry::Skipped(skipped) if skipped.disposition == Disposition::Duplicate => {}
                Entry::Skipped(skipped) if found.bad.len() < ROWS_SHOWN => {
                    found.bad.push((skipped.line, skipped.why));
                }
                Entry::Skipped(_) => {}
            }
        }
        Ok(found)
    }

    /// The rows that cannot be called, as far as they are named, and how many more there are.
    fn doubts(&self, campaign: &Campaign) -> Vec<Fault> {
        let doubt = |line, message| Fault {
            file: campaign.contacts.file.clone(),
            line,
            column: None,
            message,
        };
        let mut doubts: Vec<Fault> = self
            .bad
            .iter()
            .map(|(line, why)| doubt(Some(*line), format!("not called: {why}")))
            .collect();
        let more = self.summary.bad - self.bad.len() as u64;
        if more > 0 {
            let message = format!("and {more} more rows that cannot be called");
            doubts.push(doubt(None, message));
        }
        if self.first.is_none() {
            doubts.push(doubt(None, "there is nobody to call".to_owned()));
        }
        doubts
    }
}

/// The results that a run would go on with.
#[derive(Debug, Default)]
struct Earlier {
    /// Where they are, and how far.
    name: String,
    keys: ContactKeys,
    done: HashSet<ContactKey>,
}

impl Earlier {
    fn of(campaign: &Campaign, clock: &Clock) -> Result<Self, Failure> {
        let as_run = RunArgs::default();
        let target = Target::choose(campaign, &as_run, clock)?;
        let mut earlier = Self::default();
        let Some(path) = target.path() else {
            "standard output".clone_into(&mut earlier.name);
            return Ok(earlier);
        };
        let folder = path.parent().filter(|folder| *folder != Path::new(""));
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            let message = format!("`results`: there is no folder {}", folder.display());
            return Err(Failure::Usage(of_results(campaign, message).to_string()));
        }
        let known = plan::earlier(Some(path), &as_run, &earlier.keys)?.into_iter();
        earlier.done = known
            .filter_map(|(key, is_done)| is_done.then_some(key))
            .collect();
        earlier.name = match earlier.done.len() {
            0 => path.display().to_string(),
            done => format!("{}, where {done} contacts are done", path.display()),
        };
        Ok(earlier)
    }

    fn is_done(&self, contact: &str) -> bool {
        self.done.contains(&self.keys.of(contact))
    }
}

fn heading(campaign: &Campaign, found: &Found, results: &str) -> String {
    let Summary {
        contacts,
        bad,
        duplicates,
    } = found.summary;
    let mut text = format!("campaign {}: no faults\n", campaign.name);
    let _ = write!(
        text,
        "list {}: {contacts} contacts",
        campaign.contacts.file.display()
    );
    for (count, what) in [
        (bad, "that cannot be called"),
        (duplicates, "whose number stands in the list before"),
        (found.suppressed, "on a list of numbers never to call"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text.push('\n');
    for trunk in &campaign.trunks {
        let _ = writeln!(
            text,
            "trunk {}: {} lines, {} calls a second at most",
            trunk.name, trunk.ports, trunk.calls_per_second
        );
    }
    let _ = writeln!(text, "results: {results}");
    text
}

/// Whether calls may begin now, where the campaign has hours.
fn hours(campaign: &Campaign, list: &List, clock: &Clock) -> String {
    let Some(window) = &campaign.window else {
        return String::new();
    };
    let gate = Gate::new(Some(window.hours.clone()), list.zones());
    match gate.any(clock.millis()) {
        Gated::Open => "calls may begin now\n".to_owned(),
        Gated::Closed(Some(opens)) => format!(
            "outside the calling hours now, until {}\n",
            clock.time(opens).strftime(plan::OPENS)
        ),
        Gated::Closed(None) => "the calling hours never come\n".to_owned(),
    }
}

/// The first Originate, line for line as Asterisk would read it.
fn preview(
    campaign: &Campaign,
    list: &List,
    contact: &Contact,
    number: usize,
) -> Result<String, Failure> {
    let rendered = list
        .render(contact, number, 0)
        .context("the first contact")?;
    let originate =
        originate(&campaign.call, CallId::new(), &rendered).context("the first contact")?;
    let mut bytes = BytesMut::new();
    originate.encode_into(&mut bytes);
    let lines = String::from_utf8_lossy(&bytes);
    let number = contact.numbers[number].to_string();
    let whom = if contact.id == number {
        number
    } else {
        format!("{} at {number}", contact.id)
    };
    let mut text = format!("\nthe first call, to {whom}, is asked for as\n\n");
    for line in lines.lines().filter(|line| !line.is_empty()) {
        let _ = match line.strip_prefix("Channel: ") {
            Some(channel) => writeln!(text, "  Channel: {}", without_password(channel)),
            None => writeln!(text, "  {line}"),
        };
    }
    Ok(text)
}

/// Connects, and asks what can be asked without a call.
fn ask(campaign: &Campaign, destinations: &Destinations) -> Result<pbx::Told, Failure> {
    let ami = Line::open()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let established = ami.connect(campaign).await?;
        let link = &established.link;
        let failed = |error: &dyn std::fmt::Display| Failure::Pbx(error.to_string());
        probe::permissions(link, &campaign.ami.username)
            .await
            .map_err(|error| failed(&error))?;
        let told = pbx::ask(&established, campaign, destinations)
            .await
            .map_err(|error| failed(&error));
        crate::commands::connect::goodbye(link).await;
        told
    })
}
