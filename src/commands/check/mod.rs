//! `dialer check`: everything that is wrong with a campaign before it is dialed, and the first call as it would be asked
//! for. Nobody is called.
//!
//! `advice` warns of what is probably not meant, `pbx` asks the campaign's Asterisk, and `destination` finds which parts
//! of it the campaign calls.

mod advice;
mod destination;
mod pbx;

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
use crate::plural::counted;
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
    let warn = |mut diagnostic: Diagnostic| {
        diagnostic.message.insert_str(0, "warning: ");
        screen.caution(&diagnostic.to_string());
    };
    let examined = load::examine(&args.campaign, false, None);
    examined.warnings.into_iter().for_each(warn);
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
        advice::of(&campaign).into_iter().for_each(warn);
    }
    let Some(list) = examined.list.map(Arc::new) else {
        return Err(Failure::Usage(errors.join("\n")));
    };
    let mut survey = ListSurvey::of(&list, &campaign, &prior, examined.suppress.as_ref())
        .context("the copy of the list")?;
    survey.warnings.drain(..).for_each(warn);
    if !errors.is_empty() {
        return Err(Failure::Usage(errors.join("\n")));
    }
    if let Some(message) = plan::stops_before_it_opens(&campaign, list.zones(), &clock) {
        warn(Diagnostic::of_file(&campaign.path, message));
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
        let answers = ask(&campaign, &survey.destinations)?;
        say(&format!("\n{}", answers.text))?;
        answers.warnings.into_iter().for_each(warn);
        for failure in &answers.failures {
            screen.fail(failure);
        }
        if !answers.errors.is_empty() {
            return Err(Failure::Usage(CampaignErrors(answers.errors).to_string()));
        }
        if !answers.failures.is_empty() {
            return Ok(exit::NO_PBX);
        }
    }
    Ok(exit::DONE)
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
    /// Of the first rows that cannot be called, and of a list with no contact to call.
    warnings: Vec<Diagnostic>,
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
            summary: list.summary,
            done: 0,
            first: None,
            suppressed: 0,
            warnings: Vec::new(),
            destinations: Destinations::of(campaign),
        };
        let file = &campaign.contacts.file;
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
                ListEntry::Skipped(skipped) if survey.warnings.len() < ROWS_SHOWN => {
                    let message = format!("not called: {}", skipped.why);
                    let warning = Diagnostic::of_line(file, skipped.line, message);
                    survey.warnings.push(warning);
                }
                ListEntry::Skipped(_) => {}
            }
        }
        let more = survey.summary.bad - survey.warnings.len() as u64;
        if more > 0 {
            let message = format!("and {} that cannot be called", counted(more, "more row"));
            survey.warnings.push(Diagnostic::of_file(file, message));
        }
        if survey.first.is_none() {
            let message = "there is no contact to call";
            survey.warnings.push(Diagnostic::of_file(file, message));
        }
        Ok(survey)
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
    let summary = survey.summary;
    let mut text = format!(
        "campaign {}: no faults\nlist {}: {}",
        campaign.name,
        campaign.contacts.file.display(),
        counted(summary.contacts, "contact"),
    );
    for (count, what) in [
        (summary.bad, "that cannot be called"),
        (summary.duplicates, "whose number is in an earlier row"),
        (survey.suppressed, "on a list of numbers never to call"),
    ] {
        if count > 0 {
            text += &format!(", {count} {what}");
        }
    }
    text.push('\n');
    for trunk in &campaign.trunks {
        text += &plan::trunk_line(&trunk.name, trunk.ports, trunk.calls_per_second);
    }
    let done = match survey.done {
        0 => String::new(),
        done => format!(
            ", which have the final outcome of {}",
            counted(done, "contact")
        ),
    };
    text + &format!("results: {results}{done}\n")
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
        text += &match line.strip_prefix("Channel: ") {
            Some(channel) => format!("  Channel: {}\n", without_password(channel)),
            None => format!("  {line}\n"),
        };
    }
    Ok(text)
}

/// Connects, and asks what can be asked without a call.
fn ask(campaign: &Campaign, destinations: &Destinations) -> Result<pbx::Answers, Failure> {
    let ami = AmiThread::open()?;
    ami.block_on(async {
        let pbx = ami.connect(campaign).await?;
        let answers = pbx::ask(&pbx, campaign, destinations).await;
        log_off(&pbx).await;
        answers.map_err(Failure::pbx)
    })?
}
