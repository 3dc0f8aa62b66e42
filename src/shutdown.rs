//! How long the parts of a run may take to end after the second signal. They follow one another, and together they must
//! keep the promise that the run ends within five seconds, even if Asterisk says nothing any more and no disk answers.

use std::time::Duration;

/// For Asterisk to confirm that the running calls are hung up.
pub(crate) const HANGUP: Duration = Duration::from_secs(2);
/// For the last tries to write rows that could not be written.
pub(crate) const ROWS: Duration = Duration::from_millis(750);
/// For the last write of the status file.
pub(crate) const STATUS_FILE: Duration = Duration::from_secs(1);
/// For Asterisk to close the session that was logged off.
pub(crate) const LOGOFF: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_signal_ends_the_run_within_five_seconds() {
        assert!(HANGUP + ROWS + STATUS_FILE + LOGOFF < Duration::from_secs(5));
    }
}
