//! What the campaign's Asterisk says of the campaign, without a call.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use crate::call::reconnect::Established;
use crate::call::survey::{Device, Extension, Setting, SurveyError, Surveyor};
use crate::commands::check::destination::{Destination, Destinations};
use crate::config::{Campaign, Diagnostic, Location, Target, Trunk};

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is well, and what cannot be told: a line each.
    pub(super) text: String,
    /// What should be looked at.
    pub(super) warnings: Vec<Diagnostic>,
    /// What the campaign names and Asterisk has not.
    pub(super) errors: Vec<Diagnostic>,
    /// What is there, and no call could go over it now.
    pub(super) failures: Vec<String>,
}

impl Told {
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// Asks.
pub(super) async fn ask(
    established: &Established,
    campaign: &Campaign,
    destinations: &Destinations,
) -> Result<Told, SurveyError> {
    let mut surveyor = Surveyor::new(&established.link)?;
    let mut told = Told::default();
    let version = match surveyor.version().await? {
        Some(version) => format!("Asterisk {version}"),
        None => by_banner(&established.banner),
    };
    told.say(&version);
    told.say(&format!(
        "user {} may dial, hang up, and hear how calls end; whether it hears of variables (`dialplan` in `read =`) is seen at the first call",
        campaign.ami.username
    ));
    target(&surveyor, campaign, &mut told).await?;
    trunks(&mut surveyor, campaign, destinations, &mut told).await?;
    capacity(&mut surveyor, campaign, &mut told).await?;
    Ok(told)
}

/// Which Asterisk it is, by the version of its manager: that is in what it says first.
fn by_banner(banner: &str) -> String {
    let interface = banner.rsplit('/').next().unwrap_or_default();
    let major = interface
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        // 16 says 5 and 23 says 12.
        Some(major @ 5..=12) => format!("Asterisk {} (its manager is {interface})", major + 11),
        _ => format!("{banner} (it does not tell the version of Asterisk)"),
    }
}

/// What an answered call gets to hear.
async fn target(
    surveyor: &Surveyor,
    campaign: &Campaign,
    told: &mut Told,
) -> Result<(), SurveyError> {
    let (context, exten, priority) = match &campaign.call.target {
        Target::Exten {
            context,
            exten,
            priority,
        } => (context, exten, *priority),
        Target::Application { application, .. } => {
            told.say(&format!(
                "whether it has the application {application} cannot be told without a call"
            ));
            return Ok(());
        }
    };
    match surveyor.extension(context, exten, priority).await? {
        Extension::Exists => told.say(&format!(
            "extension {exten} of context {context}, priority {priority}, is there"
        )),
        Extension::Missing => {
            let message = format!(
                "Asterisk has no extension {exten} with a priority {priority} in a context {context}: `dialplan show {context}` in its console shows what there is"
            );
            told.errors
                .push(diagnostic(campaign, campaign.call.target_at, message));
        }
        Extension::Untold(why) => told.say(&format!(
            "whether there is an extension {exten} in context {context} cannot be told: {why}"
        )),
    }
    if surveyor.extension(context, "failed", 1).await? == Extension::Exists {
        let message = format!(
            "context {context} has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails"
        );
        told.warnings
            .push(diagnostic(campaign, campaign.call.target_at, message));
    }
    Ok(())
}

fn diagnostic(campaign: &Campaign, at: Location, message: String) -> Diagnostic {
    Diagnostic::at(&campaign.path, at, message)
}

/// How a destination is.
enum Reached {
    Yes,
    /// Nothing of that name is there.
    Missing(String),
    /// Not now.
    Unreachable(String),
    Untold,
}

/// Where the calls of a trunk go, by how that is.
#[derive(Default)]
struct Leads {
    there: Vec<String>,
    missing: Vec<String>,
    unreachable: Vec<String>,
    untold: Vec<String>,
}

/// Whether the calls of the trunks can go where they are to go. A trunk none of whose destinations is there is a fault,
/// and trunks none of which can be reached are no trunks; of several phones, some may be off.
async fn trunks(
    surveyor: &mut Surveyor,
    campaign: &Campaign,
    destinations: &Destinations,
    told: &mut Told,
) -> Result<(), SurveyError> {
    let (mut down, mut works) = (Vec::new(), false);
    for (trunk, destinations) in campaign.trunks.iter().zip(&destinations.of_trunks) {
        let leads = look_at_all(surveyor, destinations).await?;
        let name = &trunk.name;
        if let Some(line) = leads.found() {
            told.say(&format!("trunk {name}: {line}"));
        }
        let at = trunk.channel.at;
        let of_trunk = |why: String| diagnostic(campaign, at, format!("trunk {name}: {why}"));
        let can_work = !leads.there.is_empty() || !leads.untold.is_empty();
        let missing = leads.missing.into_iter().map(of_trunk);
        if can_work || !leads.unreachable.is_empty() {
            told.warnings.extend(missing);
        } else {
            told.errors.extend(missing);
        }
        works = works || can_work || destinations.is_empty();
        down.extend(leads.unreachable.into_iter().map(of_trunk));
    }
    if works {
        told.warnings.extend(down);
    } else {
        told.failures.extend(down.iter().map(ToString::to_string));
    }
    Ok(())
}

async fn look_at_all(
    surveyor: &mut Surveyor,
    destinations: &BTreeSet<Destination>,
) -> Result<Leads, SurveyError> {
    let mut leads = Leads::default();
    for destination in destinations {
        match look(surveyor, destination).await? {
            Reached::Yes => leads.there.push(destination.to_string()),
            Reached::Missing(why) => leads.missing.push(why),
            Reached::Unreachable(why) => leads.unreachable.push(why),
            Reached::Untold => leads.untold.push(destination.to_string()),
        }
    }
    Ok(leads)
}

impl Leads {
    /// What is well, or cannot be told.
    fn found(&self) -> Option<String> {
        let nothing = self.missing.is_empty() && self.unreachable.is_empty();
        match (self.there.as_slice(), self.untold.first()) {
            ([], Some(untold)) => Some(format!(
                "Asterisk does not tell whether {untold} can be called"
            )),
            ([], None) => nothing.then(|| "Asterisk cannot be asked where it leads to".to_owned()),
            (there @ ([_] | [_, _] | [_, _, _]), _) => {
                Some(format!("{} can be called", there.join(", ")))
            }
            ([first, more @ ..], _) => {
                Some(format!("{first} and {} more can be called", more.len()))
            }
        }
    }
}

async fn look(surveyor: &mut Surveyor, destination: &Destination) -> Result<Reached, SurveyError> {
    Ok(match destination {
        Destination::Extension { context, exten } => {
            match surveyor.extension(context, exten, 1).await? {
                Extension::Exists => Reached::Yes,
                Extension::Missing => Reached::Missing(format!(
                    "Asterisk has no extension that takes {exten} in a context {context}"
                )),
                Extension::Untold(_) => Reached::Untold,
            }
        }
        Destination::Device { name, by_contact } => match surveyor.device(name).await? {
            Device::There => Reached::Yes,
            Device::Unreachable if !by_contact => Reached::Yes,
            Device::Missing => Reached::Missing(format!(
                "Asterisk knows no {name}: look for its name in the configuration there, and whether that was loaded"
            )),
            Device::Unreachable => Reached::Unreachable(format!(
                "{name} cannot be reached now: it is not registered, or does not answer when it is qualified"
            )),
            Device::Untold => Reached::Untold,
        },
    })
}

/// How many calls the lines are for Asterisk. With a Local channel, each of its halves runs in the dialplan and is
/// counted once it is answered (seen on 22).
fn counted(campaign: &Campaign) -> usize {
    let of = |trunk: &Trunk| {
        let dialed = trunk.channel.template.text();
        let technology = dialed.split('/').next().unwrap_or_default();
        let is_local = technology.eq_ignore_ascii_case("Local");
        if is_local {
            2 * trunk.ports
        } else {
            trunk.ports
        }
    };
    campaign.trunks.iter().map(of).sum()
}

/// Whether Asterisk carries as many calls as there are lines.
async fn capacity(
    surveyor: &mut Surveyor,
    campaign: &Campaign,
    told: &mut Told,
) -> Result<(), SurveyError> {
    let channels = surveyor.channels().await?;
    if let Some(channels) = channels {
        told.say(&format!("{channels} channels live there now"));
    }
    let lines: usize = campaign.trunks.iter().map(|trunk| trunk.ports).sum();
    let counted = counted(campaign);
    let count_for = if counted == lines {
        format!("{lines} lines")
    } else {
        format!("{lines} lines, which count for {counted} since a Local channel counts twice")
    };
    match surveyor.max_calls().await? {
        Setting::Told(0) => told.say("it carries any number of calls"),
        Setting::Told(most) => {
            let most = usize::try_from(most).unwrap_or(usize::MAX);
            let there = channels.unwrap_or_default();
            if counted > most {
                told.warnings.push(Diagnostic {
                    file: campaign.path.clone(),
                    line: None,
                    column: None,
                    message: format!(
                        "there are {count_for}, and Asterisk carries {most} calls at most (`maxcalls` in asterisk.conf): beyond them it lets phones ring, and drops whoever answers"
                    ),
                });
            } else if counted + there > most {
                told.say(&format!("it carries {most} calls at most: there is no room for {count_for}, beside what lives there now"));
            } else {
                told.say(&format!("it carries {most} calls at most, and there are {count_for}"));
            }
        }
        Setting::Denied => told.say(&format!(
            "how many calls it carries it does not tell user {}: keep `maxcalls` in asterisk.conf at {counted} or more, or add `reporting` to `write =` in manager.conf to have it checked",
            campaign.ami.username
        )),
        Setting::Untold => told.say("how many calls it carries it does not tell"),
    }
    Ok(())
}
