//! The campaign file: what an operator wrote, resolved to what the rest of the dialer needs.
//!
//! A [`Campaign`] is valid by construction: defaults are filled in, paths are joined to the campaign's folder, templates
//! are compiled. All errors of the file are reported at once, each with its line and column. What the
//! list of contacts holds is not known here.

mod ami;
mod call;
mod capture;
mod contacts;
mod diagnostic;
mod did_you_mean;
mod document;
mod duration;
mod load;
mod retry;
mod schema;
mod section;
mod simulate;
#[cfg(test)]
mod tests;
mod text;
mod toml_errors;
mod trunk;
mod window;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;

use crate::ami::login::Auth;
use crate::ami::tls::TlsOptions;
use crate::disposition::Disposition;
use crate::phone_number::{DialAs, Numbering, Region};
use crate::schedule::hours::{Hours, StopAt};
use crate::template::Template;

pub use diagnostic::{CampaignErrors, Diagnostic, Location};
pub(crate) use did_you_mean::nearest;
pub use load::{ExaminedFile, examine, load};
pub(crate) use window::zone;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest call: Asterisk counts its milliseconds in 32 bits, and what is over 24 days would ring for ever.
const DAY: &str = "1d";
/// The longest wait.
const YEAR: &str = "366d";

/// A campaign, ready to be dialed.
#[derive(Debug, Clone)]
pub struct Campaign {
    /// The file it was read from, as the operator named it.
    pub path: PathBuf,
    /// Its name, in every row of the results.
    pub name: String,
    /// The file of the results, whose name may be a strftime pattern; `None`: standard output.
    pub results: Option<PathBuf>,
    /// Where the campaign file says that; its beginning where it does not.
    pub results_at: Location,
    /// How to reach Asterisk.
    pub ami: Ami,
    /// Whom to call.
    pub contacts: Contacts,
    /// What each call is.
    pub call: CallConfig,
    /// The lines; never empty.
    pub trunks: Vec<TrunkConfig>,
    /// Who is called again, and when.
    pub retry: Retry,
    /// When calls may start; `None`: at any time.
    pub window: Option<Window>,
    /// Files with numbers never to call, the opt-out file among them; that one alone may not be there yet.
    pub suppress: Vec<PathBuf>,
    /// What is read from the channel variables that the dialplan sets.
    pub capture: Capture,
    /// What the simulated Asterisk does.
    pub simulate: Simulate,
}

impl Campaign {
    /// The columns of the results that are this campaign's own: what is kept of the list, then what is captured.
    pub fn own_columns(&self) -> Vec<String> {
        let kept = self.contacts.keep.iter().map(|column| &column.name);
        kept.chain(&self.capture.variables).cloned().collect()
    }

    /// The files that are read for it, and what they are.
    pub fn files_read(&self) -> impl Iterator<Item = (&Path, &'static str)> {
        let tls = self.ami.tls.as_ref();
        let files = [
            (Some(&self.path), "the campaign file"),
            (Some(&self.contacts.file), "the list of contacts"),
            (self.ami.secret_file.as_ref(), "the `secret_file`"),
            (tls.and_then(|tls| tls.ca_file.as_ref()), "the `ca_file`"),
        ];
        let suppress = self.suppress.iter();
        files
            .into_iter()
            .filter_map(|(file, what)| Some((file?.as_path(), what)))
            .chain(suppress.map(|file| (file.as_path(), "a list of numbers never to call")))
    }

    /// The lines of all trunks: calls at once, never more.
    pub fn ports(&self) -> usize {
        self.trunks.iter().map(|trunk| trunk.ports).sum()
    }

    /// How numbers are read.
    pub fn numbering(&self) -> Numbering {
        Numbering(self.contacts.region)
    }

    /// The zone of times, and of contacts that have none of their own: the window's, or the system's.
    pub fn zone(&self) -> TimeZone {
        match &self.window {
            Some(window) => window.hours.zone.clone(),
            None => TimeZone::system(),
        }
    }
}

/// `[ami]`
#[derive(Debug, Clone)]
pub struct Ami {
    /// A name or an address.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// How the other side is verified; `None`: no TLS.
    pub tls: Option<TlsOptions>,
    /// The user of manager.conf.
    pub username: String,
    /// Its secret.
    pub secret: Secret,
    /// The file that the secret is in, where the campaign names one; a rehearsal takes another secret if it is not there.
    pub secret_file: Option<PathBuf>,
    /// How the secret is shown to Asterisk.
    pub auth: Auth,
    /// How long connecting, and each step of the login, may take.
    pub connect_timeout: Duration,
    /// How long to keep trying when the session drops.
    pub reconnect_for: Duration,
}

/// A secret, which no log and no error shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps a secret.
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// The secret itself, for the login alone.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// A template, and where the campaign file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocatedTemplate {
    pub template: Template,
    pub at: Location,
}

/// A column of the list, and where the campaign file names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub at: Location,
}

/// `[contacts]`
#[derive(Debug, Clone)]
pub struct Contacts {
    /// The list.
    pub file: PathBuf,
    pub file_at: Location,
    /// The columns of the numbers, in the order in which they are tried; never empty.
    pub numbers: Vec<Column>,
    /// The column of the id.
    pub id: Option<Column>,
    /// The column of the contact's time zone.
    pub timezone: Option<Column>,
    /// The columns that are copied into the results.
    pub keep: Vec<Column>,
    /// Between two fields.
    pub delimiter: u8,
    /// The country whose numbers these are; `None`: they are dialed as given.
    pub region: Option<Region>,
    /// What becomes of rows that cannot be called.
    pub bad_rows: BadRows,
    /// What becomes of a repeated number.
    pub duplicates: Duplicates,
}

/// What becomes of rows that cannot be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadRows {
    /// Each gets its row in the results; the others are called.
    Skip,
    /// Nothing is dialed.
    Stop,
}

/// What becomes of a number that is in more than one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Duplicates {
    /// It is called for its first row.
    Skip,
    /// It is called for each.
    Call,
}

/// What an answered call gets to hear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallTarget {
    /// An extension of the dialplan.
    Exten {
        /// Its context.
        context: String,
        /// Its name.
        exten: String,
        /// The priority to begin at, from 1.
        priority: u32,
    },
    /// One application.
    Application {
        /// Its name, such as `Playback`.
        application: String,
        /// Its arguments.
        data: String,
    },
}

/// `[call]`
#[derive(Debug, Clone)]
pub struct CallConfig {
    /// What an answered call gets to hear.
    pub target: CallTarget,
    /// Where the campaign file says that.
    pub target_at: Location,
    /// Who seems to call, where the trunk does not say.
    pub caller_id: Option<LocatedTemplate>,
    /// From the Originate to the answer.
    pub ring_timeout: Duration,
    /// From the Originate to the hangup by the dialer.
    pub call_timeout: Duration,
    /// An answered call that is shorter is SHORT.
    pub min_talk: Duration,
    /// Channel variables in the file's order; the names may begin with the underscores of inheritance.
    pub variables: Vec<(String, LocatedTemplate)>,
}

/// `[[trunk]]`
#[derive(Debug, Clone)]
pub struct TrunkConfig {
    /// Its name, in the results.
    pub name: String,
    /// The dial string.
    pub channel: LocatedTemplate,
    /// What `{number}` is in the dial string.
    pub dial_as: DialAs,
    /// Its lines: calls at once, at least 1.
    pub ports: usize,
    /// New calls a second, more than 0.
    pub calls_per_second: f64,
    /// Who seems to call.
    pub caller_id: Option<LocatedTemplate>,
}

/// `[retry]`
#[derive(Debug, Clone, PartialEq)]
pub struct Retry {
    /// Counted calls of a contact, all its numbers together, at least 1.
    pub max_attempts: u32,
    /// Calls of a contact within any 24 hours, at least 1.
    pub max_per_day: Option<u32>,
    /// Calls of a contact within any 7 days, at least 1.
    pub max_per_week: Option<u32>,
    /// From the end of an attempt to the next.
    pub delay: Duration,
    /// Instead of that where the next attempt is on another number of the contact; `None`: as [`delay`](Self::delay).
    pub next_number_delay: Option<Duration>,
    /// What multiplies the delay at each further attempt, at least 1.
    pub backoff: f64,
    /// The longest that the delay becomes.
    pub max_delay: Duration,
    /// What is different after these outcomes; never INVALID NUMBER, CANCELLED, SUPPRESSED or DUPLICATE.
    pub rules: BTreeMap<Disposition, Rule>,
}

/// `[retry.rules.…]`: what is different after one outcome; `None`: as `[retry]` says.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Rule {
    /// From the end of the attempt to the next.
    pub delay: Option<Duration>,
    /// What multiplies that delay at each further attempt, at least 1.
    pub backoff: Option<f64>,
    /// So many attempts that end like this make the outcome final, at least 1.
    pub max_attempts: Option<u32>,
    /// Whether a contact with this outcome is called again; `None`: as the outcome says by default.
    pub retry: Option<bool>,
}

/// `[window]`
#[derive(Debug, Clone)]
pub struct Window {
    /// When it is open.
    pub hours: Hours,
    /// What a run does while it is closed.
    pub outside: Outside,
    /// After this nothing new is begun.
    pub stop_at: Option<StopAt>,
}

/// What a run does while the window is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outside {
    /// It waits until it opens.
    Wait,
    /// It ends.
    Stop,
}

/// `[capture]`: what is read from the channel variables that the dialplan sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// Variables that become columns of the results, in the file's order.
    pub variables: Vec<String>,
    /// An answered call for which this holds is MACHINE.
    pub machine: Option<CaptureCondition>,
    /// A variable that names the disposition of an answered call; it need not be one of [`variables`](Self::variables).
    pub disposition: Option<String>,
    /// Who is never to be called again.
    pub opt_out: Option<OptOut>,
}

/// `AMDSTATUS=MACHINE`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureCondition {
    /// The channel variable; it need not be one of [`Capture::variables`].
    pub variable: String,
    /// The value it has, exactly.
    pub value: String,
}

/// Who is never to be called again, and where that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OptOut {
    /// Once this held, whatever the variable became later.
    pub when: CaptureCondition,
    /// The numbers are appended to this file, which is one of [`Campaign::suppress`] and may not be there yet.
    pub file: PathBuf,
}

/// `[simulate]`: shares of fates between 0 and 1, together at most 1; what is left over is not answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simulate {
    /// What the fates are drawn from.
    pub seed: u64,
    /// Answered.
    pub answered: f64,
    /// Busy.
    pub busy: f64,
    /// Declined.
    pub declined: f64,
    /// No room on the trunk.
    pub congestion: f64,
    /// The number does not exist.
    pub invalid: f64,
    /// No channel is created.
    pub no_channel: f64,
    /// The mean of an answered call, from the answer.
    pub talk: Duration,
    /// The mean of the ringing before an answer.
    pub ring: Duration,
}

impl Simulate {
    /// The share of all calls that have another fate than NO ANSWER.
    pub(crate) fn fates(&self) -> f64 {
        self.answered + self.busy + self.declined + self.congestion + self.invalid + self.no_channel
    }

    /// The share that is left over.
    pub(crate) fn unanswered(&self) -> f64 {
        (1.0 - self.fates()).max(0.0)
    }
}

impl Default for Simulate {
    fn default() -> Self {
        Self {
            seed: 1,
            answered: 0.55,
            busy: 0.10,
            declined: 0.02,
            congestion: 0.02,
            invalid: 0.03,
            no_channel: 0.0,
            talk: Duration::from_secs(20),
            ring: Duration::from_secs(8),
        }
    }
}
