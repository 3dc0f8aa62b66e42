//! What a list of the channels that Asterisk carries says of the calls in flight, and how calls are given up.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::call_state::{CallState, ListedChannel};
use super::{Correlator, SPOOL_FAILED};
use crate::call::id::CallId;

/// Between two lists of channels that a call must be missing in to have ended. A written Originate was seen to appear
/// 25 ms late.
const BETWEEN_LISTS: Duration = Duration::from_millis(1_500);

impl Correlator {
    /// Learns what Asterisk carries: a call that is missing in two lists, the second a good second after the first, has
    /// ended unseen. The lists may be of two sessions. Gives when to ask again, if one was missing for the first time.
    pub(super) fn listed(
        &mut self,
        asked_at: Instant,
        channels: &[ListedChannel],
        now: Instant,
    ) -> Option<Instant> {
        for channel in channels {
            if let Some((call, state)) = self.of_listed(channel) {
                state.update_from_list(call, channel, now);
            }
        }
        self.capture_from_list(channels);
        let mut again = None;
        let mut gone = Vec::new();
        for (&call, state) in &mut self.calls {
            let Some(unaccounted) = &mut state.unaccounted else {
                continue;
            };
            let due = *unaccounted.missing_since.get_or_insert(now) + BETWEEN_LISTS;
            if asked_at >= due {
                gone.push(call);
            } else {
                again = again.max(Some(due));
            }
        }
        for call in gone {
            self.give_up(call, now);
        }
        again
    }

    /// Captures what was set while no session was up. Which of two channels got its value last is not known; a dialplan
    /// is most likely to run on the originated one, so that comes last here.
    fn capture_from_list(&mut self, channels: &[ListedChannel]) {
        let vars = Arc::clone(&self.captured_vars);
        for originated in [false, true] {
            for channel in channels {
                let Some((_, state)) = self.of_listed(channel) else {
                    continue;
                };
                if state.is_originated(&channel.uniqueid) == originated {
                    for (variable, value) in &channel.variables {
                        let tracker = &mut state.variables;
                        tracker.listed(&vars, &channel.uniqueid, *variable, value);
                    }
                }
            }
        }
    }

    /// The call of a channel in the list.
    fn of_listed(&mut self, channel: &ListedChannel) -> Option<(CallId, &mut CallState)> {
        if channel.channel.starts_with(SPOOL_FAILED) {
            return None;
        }
        let call = self
            .find(&channel.uniqueid, &channel.linkedid)
            .or_else(|| CallId::from_bytes(&channel.callid))?;
        Some((call, self.calls.get_mut(&call)?))
    }

    /// Resolves a call whose end will not be seen, or is not waited for any longer, with what was seen of it.
    pub fn give_up(&mut self, call: CallId, now: Instant) {
        let Some(state) = self.calls.get_mut(&call) else {
            return;
        };
        let end_seen = state.complete_after(false).is_some();
        if !end_seen {
            let lost_at = state.unaccounted.map_or(now, |call| call.lost_at);
            state.observations.ended_at = lost_at.max(state.observations.written_at);
        }
        self.resolve(call, end_seen);
    }

    /// There will be no further session.
    pub fn give_up_all(&mut self, now: Instant) {
        let calls: Vec<CallId> = self.calls.keys().copied().collect();
        for call in calls {
            self.give_up(call, now);
        }
    }
}
