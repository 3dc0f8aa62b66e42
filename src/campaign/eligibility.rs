//! Whether a contact may be called now, and else until when it waits or why it never is.
//!
//! The dispatcher and the plan ask here, and the hours of the campaign are asked nowhere else. Nothing here acts or
//! remembers what was asked.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::campaign::contact_limits::ContactLimits;
use crate::config::{Campaign, Outside};
use crate::contact_history::History;
use crate::contacts::Contact;
use crate::schedule::calling_window::{CallingWindow, WindowState};
use crate::suppression::Suppressions;

/// What a campaign allows: its hours, its limits, and the numbers never to call.
#[derive(Debug)]
pub(crate) struct CallingRules {
    window: CallingWindow,
    waits_for_opening: bool,
    limits: ContactLimits,
    pub(crate) suppressions: Suppressions,
}

/// A contact that may be next, with what has happened to it so far.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) contact: Contact,
    pub(crate) history: History,
    /// When an earlier run left it to be called again.
    pub(crate) due: Option<Timestamp>,
    /// It is one of the contacts that `--limit` allows already.
    pub(crate) counted: bool,
}

/// What else the answer depends on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RunMoment<'m> {
    pub(crate) now: Timestamp,
    /// The keys of the numbers that calls are running to.
    pub(crate) numbers_in_use: &'m HashSet<u64>,
    /// How many more contacts `--limit` allows.
    pub(crate) limit_left: u64,
}

/// Whether a contact may be called now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Eligibility {
    /// On which of its numbers, from 0.
    Now(u8),
    Wait(Wait),
    Never(Never),
}

/// Why a contact is not called yet, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Retry(Timestamp),
    /// The calling hours, where the contact is.
    Window(Timestamp),
    /// `max_per_day` or `max_per_week`.
    Limits(Timestamp),
    /// The end of the call to the number with this key.
    NumberInUse(u64),
}

/// Why a contact is not called by this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Never {
    /// An earlier call found that each of its numbers does not exist.
    NoSuchNumber,
    /// Every number that is left is on a list of numbers never to call.
    Suppressed,
    /// `--limit` is used up.
    BeyondLimit,
    /// `stop_at` has come.
    StopAt,
    /// The hours open then, if ever, and the campaign does not wait for that.
    Closed(Option<Timestamp>),
}

/// Whether calls to any of these zones may begin by the hours of a campaign.
pub(crate) fn hours_now(campaign: &Campaign, zones: &[TimeZone], now: Timestamp) -> WindowState {
    let window = campaign.window.as_ref();
    let hours = window.map(|window| window.hours.clone());
    CallingWindow::new(hours, zones, None).any(now)
}

impl CallingRules {
    /// The rules of a campaign for a run that starts then with a list of contacts in these zones.
    pub(crate) fn new(
        campaign: &Campaign,
        zones: &[TimeZone],
        suppressions: Suppressions,
        start: Timestamp,
    ) -> Self {
        let window = campaign.window.as_ref();
        let stop_at = window.and_then(|window| {
            let stop_at = window.stop_at?;
            Some(stop_at.next(&window.hours.zone, start))
        });
        let hours = window.map(|window| window.hours.clone());
        Self {
            window: CallingWindow::new(hours, zones, stop_at),
            waits_for_opening: window.is_none_or(|window| window.outside == Outside::Wait),
            limits: ContactLimits::new(&campaign.retry),
            suppressions,
        }
    }

    /// Whether a contact may be called.
    pub(crate) fn judge(&self, candidate: &Candidate, moment: &RunMoment<'_>) -> Eligibility {
        let (contact, now) = (&candidate.contact, moment.now);
        let number = match self.next_number(contact, &candidate.history) {
            Ok(number) => number,
            Err(why) => return Eligibility::Never(why),
        };
        if !candidate.counted && moment.limit_left == 0 {
            return Eligibility::Never(Never::BeyondLimit);
        }
        if self.window.has_stopped(now) {
            return Eligibility::Never(Never::StopAt);
        }
        if let Some(due) = candidate.due.filter(|&due| due > now) {
            return Eligibility::Wait(Wait::Retry(due));
        }
        if let Some(closed) = self.closed(self.window.state(contact.zone, now)) {
            return closed;
        }
        let earliest = self.limits.earliest(&contact.id, now);
        if earliest > now {
            return Eligibility::Wait(Wait::Limits(earliest));
        }
        let key = contact.numbers[usize::from(number)].key();
        if moment.numbers_in_use.contains(&key) {
            return Eligibility::Wait(Wait::NumberInUse(key));
        }
        Eligibility::Now(number)
    }

    /// Which of its numbers a contact is called on next.
    ///
    /// # Errors
    /// Why on none of them.
    pub(crate) fn next_number(&self, contact: &Contact, history: &History) -> Result<u8, Never> {
        let mut numbers = history.numbers(contact.numbers.len()).peekable();
        if numbers.peek().is_none() {
            return Err(Never::NoSuchNumber);
        }
        let key = |number: u8| contact.numbers[usize::from(number)].key();
        numbers
            .find(|&number| !self.suppressions.contains(key(number)))
            .ok_or(Never::Suppressed)
    }

    /// What holds for everybody now; `None` where a call to somebody may begin.
    pub(crate) fn for_everybody(&self, now: Timestamp) -> Option<Eligibility> {
        if self.window.has_stopped(now) {
            return Some(Eligibility::Never(Never::StopAt));
        }
        self.closed(self.window.any(now))
    }

    fn closed(&self, state: WindowState) -> Option<Eligibility> {
        match state {
            WindowState::Open => None,
            WindowState::Closed(Some(opens)) if self.waits_for_opening => {
                Some(Eligibility::Wait(Wait::Window(opens)))
            }
            WindowState::Closed(opens) => Some(Eligibility::Never(Never::Closed(opens))),
        }
    }

    /// When the answer [for everybody](Self::for_everybody) changes next without a call, as far as that wakes anybody.
    pub(crate) fn next_change(&self, now: Timestamp) -> Option<Timestamp> {
        let opens = match self.for_everybody(now) {
            Some(Eligibility::Wait(Wait::Window(opens))) => Some(opens),
            _ => None,
        };
        let stop_at = self.window.stop_at.filter(|&stop_at| stop_at > now);
        opens.into_iter().chain(stop_at).min()
    }

    /// Whether a call that was judged may still begin, some time later.
    pub(crate) fn may_begin(&self, zone: u16, now: Timestamp) -> bool {
        !self.window.has_stopped(now) && self.window.state(zone, now) == WindowState::Open
    }

    /// When a contact that is due then may be called at the earliest.
    pub(crate) fn earliest(&self, contact: &str, zone: u16, due: Timestamp) -> Timestamp {
        let due = self.limits.earliest(contact, due);
        self.window.earliest(zone, due)
    }

    /// Notes a call that counts in `max_per_day` and `max_per_week`.
    pub(crate) fn note_call(&self, contact: &str, at: Timestamp) {
        self.limits.note(contact, at);
    }
}

#[cfg(test)]
#[path = "tests/eligibility.rs"]
mod tests;
