//! What the operator sees of a run: a line every few seconds, and a summary at its end.

use std::fmt::Write as _;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tracing::info;

use crate::campaign::tally::Tally;
use crate::disposition::Disposition;

/// How often the line appears.
const EVERY: Duration = Duration::from_secs(5);

/// Logs the counts every few seconds for as long as somebody sends them.
pub async fn report(mut tally: watch::Receiver<Tally>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    loop {
        ticks.tick().await;
        if tally.has_changed().is_err() {
            return;
        }
        info!("{}", line(&tally.borrow_and_update()));
    }
}

/// The counts in one line.
fn line(tally: &Tally) -> String {
    let mut line = format!(
        "{} pending, {} finished, {} failed, {} of {} ports free, {} dispatched",
        tally.pending(),
        tally.finished,
        tally.failed,
        tally.free_ports(),
        tally.ports,
        tally.dispatched,
    );
    if tally.retrying > 0 {
        let _ = write!(line, ", {} waiting for a retry", tally.retrying);
    }
    line
}

/// The table at the end of a run, one disposition a line.
pub fn summary(tally: &Tally) -> String {
    let mut table = format!("{:<16}{:>10}{:>10}\n", "", "contacts", "attempts");
    for disposition in Disposition::ALL {
        let (finals, attempts) = (tally.finals(disposition), tally.attempts(disposition));
        if finals > 0 || attempts > 0 {
            let _ = writeln!(table, "{disposition:<16}{finals:>10}{attempts:>10}");
        }
    }
    if tally.pending() > 0 {
        let _ = writeln!(table, "{:<16}{:>10}", "not finished", tally.pending());
    }
    let _ = write!(
        table,
        "{:<16}{:>10}{:>10}",
        "total", tally.contacts, tally.dispatched
    );
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_and_the_table_say_what_was_counted() {
        let mut tally = Tally::new(4, 2);
        tally.dispatched = 3;
        tally.in_flight = 1;
        tally.retrying = 1;
        tally.attempted(Disposition::Answered, true);
        tally.attempted(Disposition::Busy, false);
        tally.finished(Disposition::InvalidNumber);
        assert_eq!(
            line(&tally),
            "2 pending, 2 finished, 1 failed, 1 of 2 ports free, 3 dispatched, 1 waiting for a retry"
        );
        assert_eq!(
            summary(&tally),
            "                  contacts  attempts\n\
             ANSWERED                 1         1\n\
             BUSY                     0         1\n\
             INVALID NUMBER           1         0\n\
             not finished             2\n\
             total                    4         3"
        );
    }
}
