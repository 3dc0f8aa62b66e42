//! The counts of a run: what the summary shows, and whoever looks while it goes on.

use crate::campaign::busy::Busy;
use crate::disposition::Disposition;

/// So many contacts, in words.
pub fn contacts(count: u64) -> String {
    match count {
        1 => "1 contact".to_owned(),
        _ => format!("{count} contacts"),
    }
}

/// What has happened so far.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Contacts of the list, callable or not.
    pub contacts: u64,
    /// Contacts that this run calls: those that can be called, and no more than the limit.
    pub to_call: u64,
    /// Those of them that got their final outcome in this run.
    pub called: u64,
    /// Those of `called` that were reached.
    called_and_reached: u64,
    /// Contacts with their final outcome.
    pub finished: u64,
    /// Those of them that nobody reached.
    pub failed: u64,
    /// Originates handed out.
    pub dispatched: u64,
    /// How busy the lines were.
    pub busy: Busy,
    attempts: [u64; Disposition::ALL.len()],
    finals: [u64; Disposition::ALL.len()],
}

impl Tally {
    /// Nothing has happened yet to so many contacts, so many of them to be called.
    pub fn new(contacts: u64, to_call: u64) -> Self {
        Self {
            contacts,
            to_call,
            ..Self::default()
        }
    }

    /// Notes an attempt that ended.
    pub fn attempted(&mut self, disposition: Disposition, is_final: bool) {
        self.attempts[disposition as usize] += 1;
        if is_final {
            self.called += 1;
            self.called_and_reached += u64::from(disposition.picked_up());
            self.finished(disposition);
        }
    }

    /// Notes a contact that has its final outcome, called or not.
    pub fn finished(&mut self, disposition: Disposition) {
        self.were_finished(disposition, 1);
    }

    /// Notes so many contacts that have their final outcome.
    pub fn were_finished(&mut self, disposition: Disposition, contacts: u64) {
        self.finals[disposition as usize] += contacts;
        self.finished += contacts;
        if !disposition.picked_up() {
            self.failed += contacts;
        }
    }

    /// Calls that ended like this.
    pub fn attempts(&self, disposition: Disposition) -> u64 {
        self.attempts[disposition as usize]
    }

    /// Contacts whose final outcome this is.
    pub fn finals(&self, disposition: Disposition) -> u64 {
        self.finals[disposition as usize]
    }

    /// Contacts that this run called and reached.
    #[allow(dead_code, reason = "the progress is to show it")]
    pub fn reached_in_this_run(&self) -> u64 {
        self.called_and_reached
    }

    /// Contacts that got their final outcome in this run without being reached.
    #[allow(dead_code, reason = "the progress is to show it")]
    pub fn failed_in_this_run(&self) -> u64 {
        self.called.saturating_sub(self.called_and_reached)
    }

    /// Contacts whose call was picked up, in earlier runs too.
    pub fn reached(&self) -> u64 {
        self.finished - self.failed
    }

    /// Contacts with their final outcome who were to be reached, and whom nobody reached.
    pub fn unreached(&self) -> u64 {
        let on_purpose = [Disposition::Suppressed, Disposition::Duplicate];
        self.failed - on_purpose.map(|kind| self.finals(kind)).iter().sum::<u64>()
    }

    /// Contacts that have no final outcome yet.
    pub fn pending(&self) -> u64 {
        self.contacts.saturating_sub(self.finished)
    }

    /// Calls that ended in this run.
    pub fn ended(&self) -> u64 {
        self.attempts.iter().sum()
    }

    /// Those of them that were picked up.
    pub fn picked_up(&self) -> u64 {
        let picked_up = Disposition::ALL.into_iter().filter(|how| how.picked_up());
        picked_up.map(|how| self.attempts(how)).sum()
    }

    /// Calls that were picked up, of those that ended; `None` before the first did.
    pub fn answer_rate(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a share")]
        let share = |part: u64, whole: u64| part as f64 / whole as f64;
        let ended = self.ended();
        (ended > 0).then(|| share(self.picked_up(), ended))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_continued_run_counts_what_it_reached_apart_from_earlier_runs() {
        let mut tally = Tally::new(20, 8);
        tally.were_finished(Disposition::Answered, 12);
        assert_eq!((tally.reached(), tally.reached_in_this_run()), (12, 0));
        assert_eq!(tally.failed_in_this_run(), 0);
        tally.attempted(Disposition::Answered, true);
        tally.attempted(Disposition::Busy, false);
        tally.attempted(Disposition::Busy, true);
        assert_eq!((tally.reached(), tally.reached_in_this_run()), (13, 1));
        assert_eq!((tally.called, tally.failed_in_this_run()), (2, 1));
    }
}
