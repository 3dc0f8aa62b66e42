//! What the campaign's Asterisk says of the campaign, without a call.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::destination::{Destination, Destinations};
use crate::call::link::Link;
use crate::call::survey::{Device, Extension, Setting, SurveyError, Surveyor};
use crate::config::{Campaign, Target};

/// What was found out.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// What is well, and what cannot be told: a line each.
    pub(super) text: String,
    /// What should be looked at.
    pub(super) doubts: Vec<String>,
    /// What no call could come of.
    pub(super) failures: Vec<String>,
}

impl Told {
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

/// Asks.
pub(super) async fn ask(
    link: &Link,
    campaign: &Campaign,
    destinations: &Destinations,
) -> Result<Told, SurveyError> {
    let mut surveyor = Surveyor::new(link)?;
    let mut told = Told::default();
    let version = surveyor.version().await?;
    told.say(&format!(
        "Asterisk {}",
        version.as_deref().unwrap_or("does not tell its version")
    ));
    told.say(&format!(
        "user {} may dial, hang up, and hear how calls end; whether it hears of variables (`dialplan` in `read =`) is seen at the first call",
        campaign.ami.username
    ));
    target(&surveyor, campaign, &mut told).await?;
    for (trunk, destinations) in campaign.trunks.iter().zip(&destinations.of_trunks) {
        reach(&mut surveyor, &trunk.name, destinations, &mut told).await?;
    }
    capacity(&mut surveyor, campaign, &mut told).await?;
    Ok(told)
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
        Extension::Missing => told.failures.push(format!(
            "{}: there is no extension {exten} in context {context} with a priority {priority}: see `dialplan show {context}` in Asterisk's console",
            campaign.path.display()
        )),
        Extension::Untold(why) => told.say(&format!(
            "whether there is an extension {exten} in context {context} cannot be told: {why}"
        )),
    }
    if surveyor.extension(context, "failed", 1).await? == Extension::Exists {
        told.doubts.push(format!(
            "context {context} has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails"
        ));
    }
    Ok(())
}

/// How a destination is.
enum Reached {
    Yes,
    No(String),
    Untold,
}

/// Whether the calls of a trunk can go where they are to go. A trunk none of whose destinations is there is a failure;
/// of several phones, some may be off.
async fn reach(
    surveyor: &mut Surveyor,
    trunk: &str,
    destinations: &BTreeSet<Destination>,
    told: &mut Told,
) -> Result<(), SurveyError> {
    let (mut there, mut untold, mut missing) = (Vec::new(), Vec::new(), Vec::new());
    for destination in destinations {
        match look(surveyor, destination).await? {
            Reached::Yes => there.push(destination.to_string()),
            Reached::No(why) => missing.push(why),
            Reached::Untold => untold.push(destination.to_string()),
        }
    }
    if there.is_empty() && untold.is_empty() {
        told.failures.extend(
            missing
                .into_iter()
                .map(|why| format!("trunk {trunk}: {why}")),
        );
    } else {
        told.doubts.extend(
            missing
                .into_iter()
                .map(|why| format!("trunk {trunk}: {why}")),
        );
    }
    match there.len() {
        0 => {}
        1..=3 => told.say(&format!(
            "trunk {trunk}: {} can be called",
            there.join(", ")
        )),
        many => told.say(&format!(
            "trunk {trunk}: {} and {} more can be called",
            there[0],
            many - 1
        )),
    }
    if !untold.is_empty() || destinations.is_empty() {
        let what = untold.first().map_or("where it leads to", String::as_str);
        told.say(&format!(
            "trunk {trunk}: Asterisk cannot tell whether {what} can be called"
        ));
    }
    Ok(())
}

async fn look(surveyor: &mut Surveyor, destination: &Destination) -> Result<Reached, SurveyError> {
    Ok(match destination {
        Destination::Extension { context, exten } => {
            match surveyor.extension(context, exten, 1).await? {
                Extension::Exists => Reached::Yes,
                Extension::Missing => Reached::No(format!(
                    "context {context} has no extension that takes {exten}"
                )),
                Extension::Untold(_) => Reached::Untold,
            }
        }
        Destination::Device(device) => match surveyor.device(device).await? {
            Device::There => Reached::Yes,
            Device::Missing => Reached::No(format!(
                "Asterisk knows no {device}: look for its name in the configuration, and whether that was loaded"
            )),
            Device::Unreachable => Reached::No(format!(
                "{device} cannot be reached now: it is not registered, or does not answer when it is qualified"
            )),
            Device::Untold => Reached::Untold,
        },
    })
}

/// Whether Asterisk carries as many calls as there are lines.
async fn capacity(
    surveyor: &mut Surveyor,
    campaign: &Campaign,
    told: &mut Told,
) -> Result<(), SurveyError> {
    if let Some(channels) = surveyor.channels().await? {
        told.say(&format!("{channels} channels live there now"));
    }
    let lines: usize = campaign.trunks.iter().map(|trunk| trunk.ports).sum();
    match surveyor.max_calls().await? {
        Setting::Told(0) => told.say("it carries any number of calls"),
        Setting::Told(most) if lines > usize::try_from(most).unwrap_or(usize::MAX) => {
            told.doubts.push(format!(
                "there are {lines} lines, and Asterisk carries {most} calls at most (`maxcalls` in asterisk.conf): beyond them it lets phones ring, and drops whoever answers"
            ));
        }
        Setting::Told(most) => told.say(&format!(
            "it carries {most} calls at most, and there are {lines} lines"
        )),
        Setting::Denied => told.say(&format!(
            "how many calls it carries it does not tell user {}: keep `maxcalls` in asterisk.conf above {lines}, or add `reporting` to `write =` in manager.conf to have it checked",
            campaign.ami.username
        )),
        Setting::Untold => told.say("how many calls it carries it does not tell"),
    }
    Ok(())
}
