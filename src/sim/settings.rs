//! What a simulated Asterisk is like, and what it has seen.

use std::time::Duration;

use crate::config::Simulate;
use crate::sim::fate::Fates;

/// What a simulated Asterisk is like. [`SimulatorConfig::new`] gives one on which everything works.
#[derive(Clone)]
pub struct SimulatorConfig {
    /// The shares of fates, their seed, and the means of ring and talk time.
    pub simulate: Simulate,
    /// Whether fates are drawn, or asked for by the number.
    pub fates: Fates,
    /// Who may log in.
    pub username: String,
    /// With which secret.
    pub secret: String,
    /// The contexts and extensions that exist; `None`: all of them but `failed`.
    pub extensions: Option<Vec<(String, String)>>,
    /// The trunks that exist, as in the dial string; `None`: all of them. Dialing another one gets no channel.
    pub endpoints: Option<Vec<String>>,
    /// What `CoreSettings` gives as `CoreMaxCalls`; 0 is no limit. It is not enforced.
    pub max_calls: u32,
    /// Whether every event of a call is sent. Otherwise only what an event filter for a dialer lets through:
    /// `Newchannel`, `VarSet` of the variables that were asked for, `Newstate`, the `Dial` events, `Hangup` and
    /// `OriginateResponse`. That is a third of the bytes.
    pub all_events: bool,
    /// Variables that the dialplan sets as soon as a call is answered.
    pub dialplan_variables: Vec<(String, String)>,
    /// Actions that this user may not use, by name, such as `Originate`.
    pub denied_actions: Vec<String>,
    /// Everything happens at multiples of this after the start; later than drawn, never earlier. A coarse grid makes
    /// a rehearsal faster, since what happens at the same time is sent with one write. Below a millisecond it means a millisecond.
    pub step: Duration,
    /// Whether every dial string is kept for `Simulator::dialed`. Memory grows with it.
    pub record_dialed: bool,
}

impl SimulatorConfig {
    /// An Asterisk with the user `dialer`, secret `simulated`, on which every extension exists.
    pub fn new(simulate: Simulate) -> Self {
        Self {
            simulate,
            fates: Fates::Drawn,
            username: "dialer".to_owned(),
            secret: "simulated".to_owned(),
            extensions: None,
            endpoints: None,
            max_calls: 0,
            all_events: true,
            dialplan_variables: Vec::new(),
            denied_actions: Vec::new(),
            step: Duration::from_millis(1),
            record_dialed: false,
        }
    }

    /// Whether the dialplan has an extension. Where none are configured, it has all but the one that is run for calls
    /// that fail.
    pub(super) fn has_extension(&self, context: &str, exten: &str) -> bool {
        let Some(known) = &self.extensions else {
            return exten != "failed";
        };
        let mut known = known.iter();
        known.any(|(in_context, known)| in_context == context && known == exten)
    }

    /// Whether there is a trunk of that name.
    pub(super) fn has_endpoint(&self, name: &str) -> bool {
        let known = self.endpoints.as_ref();
        known.is_none_or(|known| known.iter().any(|known| known == name))
    }
}

/// What a simulated Asterisk has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Originates that were accepted, with or without a channel.
    pub originates: u64,
    /// Originated calls that live now.
    pub calls: usize,
    /// The most originated calls that ever lived at once.
    pub most_calls: usize,
    /// Sessions that are logged in.
    pub sessions: usize,
}
