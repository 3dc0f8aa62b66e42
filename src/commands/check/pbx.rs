//! What the campaign's Asterisk says of the campaign, without a call.

use std::fmt::Write as _;

use crate::call::preflight::{CoreSetting, DeviceState, ExtensionState, Preflight, PreflightError};
use crate::call::reconnect::Reconnector;
use crate::commands::check::destination::{Destination, Destinations};
use crate::config::{CallTarget, Campaign, Diagnostic, Location, TrunkConfig};
use crate::plural::counted;

#[derive(Debug, Default)]
pub(super) struct Answers {
    /// What is well, and what Asterisk does not say: a line each.
    pub(super) text: String,
    pub(super) warnings: Vec<Diagnostic>,
    /// What the campaign names and Asterisk does not have.
    pub(super) errors: Vec<Diagnostic>,
    /// What exists, and no call could go over it now.
    pub(super) failures: Vec<String>,
}

impl Answers {
    fn say(&mut self, line: &str) {
        let _ = writeln!(self.text, "{line}");
    }
}

pub(super) async fn ask(
    pbx: &Reconnector,
    campaign: &Campaign,
    destinations: &Destinations,
) -> Result<Answers, PreflightError> {
    let mut preflight = Preflight::begin(pbx, &campaign.ami.username).await?;
    let mut answers = Answers::default();
    let version = match preflight.version().await? {
        Some(version) => format!("Asterisk {version}"),
        None => by_banner(pbx.banner()),
    };
    answers.say(&version);
    answers.say(&format!(
        "user {} may dial, hang up, and hear how calls end; whether it hears of variables (`dialplan` in `read =`) is seen at the first call",
        campaign.ami.username
    ));
    target(&preflight, campaign, &mut answers).await?;
    trunks(&mut preflight, campaign, destinations, &mut answers).await?;
    capacity(&mut preflight, campaign, &mut answers).await?;
    Ok(answers)
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
    preflight: &Preflight,
    campaign: &Campaign,
    answers: &mut Answers,
) -> Result<(), PreflightError> {
    let (context, exten, priority) = match &campaign.call.target {
        CallTarget::Exten {
            context,
            exten,
            priority,
        } => (context, exten, *priority),
        CallTarget::Application { application, .. } => {
            answers.say(&format!(
                "whether it has the application {application} cannot be told without a call"
            ));
            return Ok(());
        }
    };
    match preflight.extension(context, exten, priority).await? {
        ExtensionState::Exists => answers.say(&format!(
            "extension {exten} of context {context}, priority {priority}, is there"
        )),
        ExtensionState::Missing => {
            let message = format!(
                "Asterisk has no extension {exten} with a priority {priority} in a context {context}: `dialplan show {context}` in its console shows what there is"
            );
            answers
                .errors
                .push(diagnostic(campaign, campaign.call.target_at, message));
        }
        ExtensionState::Unclear(why) => answers.say(&format!(
            "whether there is an extension {exten} in context {context} cannot be told: {why}"
        )),
    }
    if preflight.extension(context, "failed", 1).await? == ExtensionState::Exists {
        let message = format!(
            "context {context} has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails"
        );
        answers
            .warnings
            .push(diagnostic(campaign, campaign.call.target_at, message));
    }
    Ok(())
}

fn diagnostic(campaign: &Campaign, at: Location, message: String) -> Diagnostic {
    Diagnostic::at(&campaign.path, at, message)
}

/// The destinations of a trunk, by how they are; where one is not well, why.
#[derive(Default)]
struct Reachability {
    reachable: Vec<String>,
    missing: Vec<String>,
    unreachable: Vec<String>,
    unclear: Vec<String>,
}

/// Whether the calls of the trunks can go where they are to go. A trunk none of whose destinations exists is a fault,
/// and trunks none of which can be reached are no trunks; of several phones, some may be off.
async fn trunks(
    preflight: &mut Preflight,
    campaign: &Campaign,
    destinations: &Destinations,
    answers: &mut Answers,
) -> Result<(), PreflightError> {
    let (mut down, mut works) = (Vec::new(), false);
    for (trunk, destinations) in campaign.trunks.iter().zip(&destinations.of_trunks) {
        let mut found = Reachability::default();
        for destination in destinations {
            found.add(preflight, destination).await?;
        }
        let name = &trunk.name;
        if let Some(line) = found.summary() {
            answers.say(&format!("trunk {name}: {line}"));
        }
        let at = trunk.channel.at;
        let of_trunk = |why: String| diagnostic(campaign, at, format!("trunk {name}: {why}"));
        let can_work = !found.reachable.is_empty() || !found.unclear.is_empty();
        let missing = found.missing.into_iter().map(of_trunk);
        if can_work || !found.unreachable.is_empty() {
            answers.warnings.extend(missing);
        } else {
            answers.errors.extend(missing);
        }
        works = works || can_work || destinations.is_empty();
        down.extend(found.unreachable.into_iter().map(of_trunk));
    }
    if works {
        answers.warnings.extend(down);
    } else {
        answers
            .failures
            .extend(down.iter().map(ToString::to_string));
    }
    Ok(())
}

impl Reachability {
    async fn add(
        &mut self,
        preflight: &mut Preflight,
        destination: &Destination,
    ) -> Result<(), PreflightError> {
        match destination {
            Destination::Extension { context, exten } => {
                match preflight.extension(context, exten, 1).await? {
                    ExtensionState::Exists => self.reachable.push(destination.to_string()),
                    ExtensionState::Missing => self.missing.push(format!(
                        "Asterisk has no extension that takes {exten} in a context {context}"
                    )),
                    ExtensionState::Unclear(_) => self.unclear.push(destination.to_string()),
                }
            }
            Destination::Device { name, by_contact } => match preflight.device(name).await? {
                DeviceState::Unreachable if *by_contact => self.unreachable.push(format!(
                    "{name} cannot be reached now: it is not registered, or does not answer when it is qualified"
                )),
                DeviceState::Reachable | DeviceState::Unreachable => {
                    self.reachable.push(destination.to_string());
                }
                DeviceState::Missing => self.missing.push(format!(
                    "Asterisk knows no {name}: look for its name in the configuration there, and whether that was loaded"
                )),
                DeviceState::Unclear => self.unclear.push(destination.to_string()),
            },
        }
        Ok(())
    }

    /// What is well, or what Asterisk does not say.
    fn summary(&self) -> Option<String> {
        let nothing = self.missing.is_empty() && self.unreachable.is_empty();
        match (self.reachable.as_slice(), self.unclear.first()) {
            ([], Some(unclear)) => Some(format!(
                "Asterisk does not tell whether {unclear} can be called"
            )),
            ([], None) => nothing.then(|| "Asterisk cannot be asked where it leads to".to_owned()),
            (reachable @ ([_] | [_, _] | [_, _, _]), _) => {
                Some(format!("{} can be called", reachable.join(", ")))
            }
            ([first, more @ ..], _) => {
                Some(format!("{first} and {} more can be called", more.len()))
            }
        }
    }
}

/// How many calls the lines are for Asterisk. With a Local channel, each of its halves runs in the dialplan and is
/// counted once it is answered (seen on 22).
fn channels_of_lines(campaign: &Campaign) -> usize {
    let of = |trunk: &TrunkConfig| {
        let dialed = trunk.channel.template.text();
        let technology = dialed.split('/').next().unwrap_or_default();
        let is_local = technology.eq_ignore_ascii_case("Local");
        trunk.ports * if is_local { 2 } else { 1 }
    };
    campaign.trunks.iter().map(of).sum()
}

/// Whether Asterisk carries as many calls as there are lines.
async fn capacity(
    preflight: &mut Preflight,
    campaign: &Campaign,
    answers: &mut Answers,
) -> Result<(), PreflightError> {
    let channels = preflight.channels().await?;
    if let Some(channels) = channels {
        let channels = counted(channels, "channel");
        answers.say(&format!("{channels} in use now"));
    }
    let lines = campaign.ports();
    let lines_in_words = counted(lines, "line");
    let weight = channels_of_lines(campaign);
    let count_for = if weight == lines {
        lines_in_words
    } else {
        format!("{lines_in_words}, which count for {weight} since a Local channel counts twice")
    };
    match preflight.max_calls().await? {
        CoreSetting::Value(0) => answers.say("it carries any number of calls"),
        CoreSetting::Value(most) => {
            let living = channels.unwrap_or_default();
            if weight > most {
                let message = format!(
                    "there are {count_for}, and Asterisk carries {most} calls at most (`maxcalls` in asterisk.conf): beyond them it lets phones ring, and drops whoever answers"
                );
                answers.warnings.push(Diagnostic::of_file(&campaign.path, message));
            } else if weight + living > most {
                answers.say(&format!("it carries {most} calls at most: there is no room for {count_for}, beside what lives there now"));
            } else {
                answers.say(&format!("it carries {most} calls at most, and there are {count_for}"));
            }
        }
        CoreSetting::Denied => answers.say(&format!(
            "how many calls it carries it does not tell user {}: keep `maxcalls` in asterisk.conf at {weight} or more, or add `reporting` to `write =` in manager.conf to have it checked",
            campaign.ami.username
        )),
        CoreSetting::Unclear => answers.say("how many calls it carries it does not tell"),
    }
    Ok(())
}
