//! What the campaign's Asterisk says of the campaign, without a call.

use std::fmt::{Display, Write as _};

use crate::ami::message::Message;
use crate::call::preflight::{DeviceState, ExtensionState, Preflight};
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

pub(super) async fn ask(
    pbx: &Reconnector,
    campaign: &Campaign,
    destinations: &Destinations,
) -> anyhow::Result<Answers> {
    let mut survey = PbxSurvey {
        preflight: Preflight::begin(pbx, &campaign.ami.username).await?,
        campaign,
        answers: Answers::default(),
    };
    let settings = survey.preflight.core_settings().await?;
    let version = match survey.preflight.version().await? {
        Some(version) => Some(version),
        None => setting(settings.as_ref(), "AsteriskVersion"),
    };
    survey.say(version.map_or_else(
        || by_banner(&pbx.banner),
        |version| format!("Asterisk {version}"),
    ));
    survey.say(format!(
        "user {} may dial, hang up, and hear how calls end; whether it hears of variables (`dialplan` in `read =`) is seen at the first call",
        campaign.ami.username
    ));
    survey.target().await?;
    survey.trunks(destinations).await?;
    survey.capacity(settings.as_ref()).await?;
    Ok(survey.answers)
}

/// A setting of Asterisk's own that is not empty.
fn setting(settings: Option<&Message>, name: &str) -> Option<String> {
    let value = settings?.get_str(name)?;
    (!value.is_empty()).then(|| value.into_owned())
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

/// Asks step by step, and gathers the answers.
struct PbxSurvey<'c> {
    preflight: Preflight,
    campaign: &'c Campaign,
    answers: Answers,
}

impl PbxSurvey<'_> {
    fn say(&mut self, line: impl Display) {
        let _ = writeln!(self.answers.text, "{line}");
    }

    fn diagnostic(&self, at: Location, message: String) -> Diagnostic {
        Diagnostic::at(&self.campaign.path, at, message)
    }

    /// What an answered call gets to hear.
    async fn target(&mut self) -> anyhow::Result<()> {
        let call = &self.campaign.call;
        let (context, exten, priority) = match &call.target {
            CallTarget::Exten {
                context,
                exten,
                priority,
            } => (context, exten, *priority),
            CallTarget::Application { application, .. } => {
                self.say(format!(
                    "whether it has the application {application} cannot be told without a call"
                ));
                return Ok(());
            }
        };
        match self.preflight.extension(context, exten, priority).await? {
            ExtensionState::Exists => self.say(format!(
                "extension {exten} of context {context}, priority {priority}, is there"
            )),
            ExtensionState::Missing => {
                let message = format!(
                    "Asterisk has no extension {exten} with a priority {priority} in a context {context}: `dialplan show {context}` in its console shows what there is"
                );
                let error = self.diagnostic(call.target_at, message);
                self.answers.errors.push(error);
            }
            ExtensionState::Unclear(why) => self.say(format!(
                "whether there is an extension {exten} in context {context} cannot be told: {why}"
            )),
        }
        if self.preflight.extension(context, "failed", 1).await? == ExtensionState::Exists {
            let message = format!(
                "context {context} has an extension `failed`, or a pattern that takes it, such as `_.`: Asterisk runs it for every call that fails"
            );
            let warning = self.diagnostic(call.target_at, message);
            self.answers.warnings.push(warning);
        }
        Ok(())
    }

    /// Whether the calls of the trunks can go where they are to go. A trunk none of whose destinations exists is a fault,
    /// and trunks none of which can be reached are no trunks; of several phones, some may be off.
    async fn trunks(&mut self, destinations: &Destinations) -> anyhow::Result<()> {
        let (mut down, mut works) = (Vec::new(), false);
        for (trunk, destinations) in self.campaign.trunks.iter().zip(&destinations.of_trunks) {
            let mut states = Reachability::default();
            for destination in destinations {
                states.add(&self.preflight, destination).await?;
            }
            let name = &trunk.name;
            if let Some(line) = states.summary() {
                self.say(format!("trunk {name}: {line}"));
            }
            let of_trunk = |why| {
                let message = format!("trunk {name}: {why}");
                Diagnostic::at(&self.campaign.path, trunk.channel.at, message)
            };
            let can_work = !states.reachable.is_empty() || !states.unclear.is_empty();
            let missing = states.missing.iter().map(of_trunk);
            if can_work || !states.unreachable.is_empty() {
                self.answers.warnings.extend(missing);
            } else {
                self.answers.errors.extend(missing);
            }
            works = works || can_work || destinations.is_empty();
            down.extend(states.unreachable.iter().map(of_trunk));
        }
        if works {
            self.answers.warnings.extend(down);
        } else {
            self.answers.failures = down.iter().map(ToString::to_string).collect();
        }
        Ok(())
    }

    /// Whether Asterisk carries as many calls as there are lines.
    async fn capacity(&mut self, settings: Option<&Message>) -> anyhow::Result<()> {
        let channels = self.preflight.channels().await?;
        if let Some(channels) = channels {
            self.say(format!("{} in use now", counted(channels, "channel")));
        }
        let lines = self.campaign.ports();
        let weight = channels_of_lines(self.campaign);
        if settings.is_none() {
            self.say(format!(
                "how many calls it carries it does not tell user {}: keep `maxcalls` in asterisk.conf at {weight} or more, or add `reporting` to `write =` in manager.conf to have it checked",
                self.campaign.ami.username
            ));
            return Ok(());
        }
        let mut count_for = counted(lines, "line");
        if weight != lines {
            count_for += &format!(", which count for {weight} since a Local channel counts twice");
        }
        let most = setting(settings, "CoreMaxCalls").and_then(|most| most.parse::<usize>().ok());
        match most {
            Some(0) => self.say("it carries any number of calls"),
            Some(most) if weight > most => {
                let message = format!(
                    "there are {count_for}, and Asterisk carries {most} calls at most (`maxcalls` in asterisk.conf): beyond them it lets phones ring, and drops whoever answers"
                );
                let warning = Diagnostic::of_file(&self.campaign.path, message);
                self.answers.warnings.push(warning);
            }
            Some(most) if weight + channels.unwrap_or_default() > most => self.say(format!(
                "it carries {most} calls at most: there is no room for {count_for}, beside what lives there now"
            )),
            Some(most) => self.say(format!("it carries {most} calls at most, and there are {count_for}")),
            None => self.say("how many calls it carries it does not tell"),
        }
        Ok(())
    }
}

/// The destinations of a trunk, by how they are; where one is not well, why.
#[derive(Default)]
struct Reachability {
    reachable: Vec<String>,
    missing: Vec<String>,
    unreachable: Vec<String>,
    unclear: Vec<String>,
}

impl Reachability {
    async fn add(
        &mut self,
        preflight: &Preflight,
        destination: &Destination,
    ) -> anyhow::Result<()> {
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
