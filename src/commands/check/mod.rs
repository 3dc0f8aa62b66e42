//! `dialer check`: everything that is wrong with a campaign before it is dialed, and the first call as it would be asked
//! for. Nobody is called.
//!
//! `advice` warns of what is probably not meant, `pbx` asks the campaign's Asterisk, and `destination` finds which parts
//! of it the campaign calls.

mod advice;
mod destination;
mod pbx;

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;

use anyhow::Context as _;
use bytes::BytesMut;

use crate::ami::tls::Tls;
use crate::call::id::CallId;
use crate::call::originate::originate;
use crate::campaign::eligibility::hours_now;
use crate::cli::{CheckArgs, RunArgs};
use crate::clock::Clock;
use crate::commands::Failure;
use crate::commands::connect::{AmiThread, log_off};
use crate::commands::load;
use crate::commands::plan;
use crate::commands::run::result_files::ResultsTarget;
use crate::config::{Campaign, CampaignErrors, Diagnostic};
use crate::contacts::{Contact, List, ListEntry, ListSummary};
use crate::disposition::Disposition;
use crate::exit;
use crate::output::terminal::Screen;
use crate::phone_number::Number;
use crate::results::resume::PriorRun;
use crate::schedule::calling_window::WindowState;
use crate::suppression::Suppressions;
use destination::{Destinations, without_password};

/// The rows that are named one by one before the rest are only counted.
const ROWS_SHOWN: usize = 100;

/// Runs the command and returns the exit code of the process.
///
/// # Errors
/// Everything that is wrong.
pub(super) fn run(args: &CheckArgs, screen: &Screen) -> Result<u8, Failure> {
    let examined = load::examine(&args.campaign, false, None);
    for diagnostic in &examined.warnings {
        screen.caution(&warning(diagnostic));
    }
    let mut errors: Vec<String> = examined.errors.iter().map(ToString::to_string).collect();
    let Some(campaign) = examined.campaign else {
        return Err(Failure::Usage(errors.join("\n")));
    };
    let clock = Clock::system(campaign.zone());
    let (results, prior) = match prior_results(&campaign, &clock) {
        Err(Failure::Usage(sentences)) => {
            errors.push(sentences);
            Default::default()
        }
        read => read?,
    };
    if let Some(options) = &campaign.ami.tls
        && let Err(error) = Tls::new(options)
    {
        errors.push(error.to_string());
    }
    if errors.is_empty() {
        for diagnostic in advice::of(&campaign) {
            screen.caution(&warning(&diagnostic));
        }
    }
    let Some(list) = examined.list.map(Arc::new) else {
        return Err(Failure::Usage(errors.join("\n")));
    };
    let survey = ListSurvey::of(&list, &campaign, &prior, examined.suppress.as_ref())
        .context("the copy of the list")?;
    for diagnostic in survey.warnings(&campaign) {
        screen.caution(&warning(&diagnostic));
    }
    if !errors.is_empty() {
        return Err(Failure::Usage(errors.join("\n")));
    }
    if let Some(message) = plan::stops_before_it_opens(&campaign, list.zones(), &clock) {
        screen.caution(&warning(&Diagnostic::of_file(&campaign.path, message)));
    }
    let mut text = heading(&campaign, &survey, &results);
    text.push_str(&hours(&campaign, &list, &clock));
    if let Some((contact, number)) = &survey.first {
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
        let told = ask(&campaign, &survey.destinations)?;
        say(&format!("\n{}", told.text))?;
        for diagnostic in &told.warnings {
            screen.caution(&warning(diagnostic));
        }
        for failure in &told.failures {
            screen.fail(failure);
        }
        if !told.errors.is_empty() {
            return Err(Failure::Usage(CampaignErrors(told.errors).to_string()));
        }
        if !told.failures.is_empty() {
            return Ok(exit::NO_PBX);
        }
    }
    Ok(exit::DONE)
}

/// As compilers say it.
fn warning(diagnostic: &Diagnostic) -> String {
    let message = format!("warning: {}", diagnostic.message);
    let diagnostic = diagnostic.clone();
    Diagnostic {
        message,
        ..diagnostic
    }
    .to_string()
}

/// What the list holds.
#[derive(Debug)]
struct ListSurvey {
    summary: ListSummary,
    /// Contacts with their final outcome.
    done: u64,
    /// The first who would be called, and at which of the numbers.
    first: Option<(Contact, usize)>,
    /// Those all of whose numbers are never to be called.
    suppressed: u64,
    /// The first rows that cannot be called: their lines, and why.
    bad: Vec<(u64, String)>,
    destinations: Destinations,
}

impl ListSurvey {
    fn of(
        list: &Arc<List>,
        campaign: &Campaign,
        prior: &PriorRun,
        suppress: Option<&Suppressions>,
    ) -> io::Result<Self> {
        let is_done = |id: &str| prior.progress(id).is_some_and(|progress| progress.is_final);
        let mut survey = Self {
            summary: list.summary(),
            done: 0,
            first: None,
            suppressed: 0,
            bad: Vec::new(),
            destinations: Destinations::of(campaign),
        };
        let is_free = |number: &Number| suppress.is_none_or(|of| !of.contains(number.key()));
        for entry in list.rows(Vec::new()) {
            match entry? {
                ListEntry::Contact(contact) if is_done(&contact.id) => survey.done += 1,
                ListEntry::Contact(contact) => {
                    let Some(number) = contact.numbers.iter().position(is_free) else {
                        survey.suppressed += 1;
                        continue;
                    };
                    survey.destinations.add(list, &contact, number);
                    survey.first.get_or_insert((contact, number));
                }
                ListEntry::Skipped(skipped) if skipped.disposition == Disposition::Duplicate => {}
                ListEntry::Skipped(skipped) if survey.bad.len() < ROWS_SHOWN => {
                    survey.bad.push((skipped.line, skipped.why));
                }
                ListEntry::Skipped(_) => {}
            }
        }
        Ok(survey)
    }

    /// The rows that cannot be called, as far as they are named, and how many more there are.
    fn warnings(&self, campaign: &Campaign) -> Vec<Diagnostic> {
        let list = &campaign.contacts.file;
        let mut warnings: Vec<Diagnostic> = self
            .bad
            .iter()
            .map(|(line, why)| Diagnostic::of_line(list, *line, format!("not called: {why}")))
            .collect();
        let more = self.summary.bad - self.bad.len() as u64;
        if more > 0 {
            let message = format!("and {more} more rows that cannot be called");
            warnings.push(Diagnostic::of_file(list, message));
        }
        if self.first.is_none() {
            warnings.push(Diagnostic::of_file(list, "there is no contact to call"));
        }
        warnings
    }
}

/// The results that a run would continue: their name, and how far they are.
fn prior_results(campaign: &Campaign, clock: &Clock) -> Result<(String, PriorRun), Failure> {
    let as_run = RunArgs::default();
    let target = ResultsTarget::choose(campaign, &as_run, clock)?;
    let Some(path) = target.path() else {
        return Ok(("standard output".to_owned(), PriorRun::default()));
    };
    let prior = target.preview(&as_run)?;
    Ok((path.display().to_string(), prior))
}

fn heading(campaign: &Campaign, survey: &ListSurvey, results: &str) -> String {
    let ListSummary {
        contacts,
        bad,
        duplicates,
    } = survey.summary;
    let mut text = format!("campaign {}: no faults\n", campaign.name);
    let _ = write!(
        text,
        "list {}: {contacts} contacts",
        campaign.contacts.file.display()
    );
    for (count, what) in [
        (bad, "that cannot be called"),
        (duplicates, "whose number is in an earlier row"),
        (survey.suppressed, "on a list of numbers never to call"),
    ] {
        if count > 0 {
            let _ = write!(text, ", {count} {what}");
        }
    }
    text.push('\n');
    for trunk in &campaign.trunks {
        text += &plan::trunk_line(&trunk.name, trunk.ports, trunk.calls_per_second);
    }
    let done = match survey.done {
        0 => String::new(),
        done => format!(", where {done} contacts are done"),
    };
    let _ = writeln!(text, "results: {results}{done}");
    text
}

/// Whether calls may begin now, where the campaign has hours.
fn hours(campaign: &Campaign, list: &List, clock: &Clock) -> String {
    if campaign.window.is_none() {
        return String::new();
    }
    match hours_now(campaign, list.zones(), clock.timestamp()) {
        WindowState::Open => "calls may begin now\n".to_owned(),
        WindowState::Closed(Some(opens)) => format!(
            "outside the calling hours now, until {}\n",
            clock.zoned(opens).strftime(plan::OPENS)
        ),
        WindowState::Closed(None) => "no calling hours can be foreseen\n".to_owned(),
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
fn ask(campaign: &Campaign, destinations: &Destinations) -> Result<pbx::Answers, Failure> {
    let ami = AmiThread::open()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let pbx = ami.connect(campaign).await?;
        let answers = pbx::ask(&pbx, campaign, destinations).await;
        log_off(&pbx).await;
        answers.map_err(Failure::pbx)
    })
}
