//! What became of a run: a table for people, an object for programs.

use std::time::Duration;

use jiff::Zoned;
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::campaign::stats::Tally;
use crate::clock;
use crate::disposition::Disposition;
use crate::output::format::{cut, exact, percent, rounded, seconds};
use crate::plural::counted;

/// Characters of a trunk's name in the table.
const NAME: usize = 16;

/// A run that is over.
#[derive(Debug)]
pub struct RunSummary {
    pub campaign: String,
    /// Where the results are.
    pub results: String,
    pub tally: Tally,
    /// The trunks, in the order of the campaign: names and lines.
    pub trunks: Vec<(String, usize)>,
    pub started_at: Zoned,
    pub ended_at: Zoned,
    /// How long that took.
    pub took: Duration,
    /// It was a rehearsal: these are the times that a run begun now would have.
    pub simulated: bool,
    /// The operator cut it short, so it foretells nothing of its end.
    pub drained: bool,
}

impl RunSummary {
    /// The table, readable in 80 columns.
    pub fn table(&self) -> String {
        let tally = &self.tally;
        let mut table = format!(
            "{:<16}{:>10}{:>10}{:>10}\n",
            "", "contacts", "share", "attempts"
        );
        for disposition in Disposition::ALL {
            let (finals, attempts) = (tally.finals(disposition), tally.attempts(disposition));
            if finals > 0 || attempts > 0 {
                let share = percent(finals, tally.contacts);
                table += &format!("{disposition:<16}{finals:>10}{share:>10}{attempts:>10}\n");
            }
        }
        let pending = tally.pending();
        if pending > 0 {
            let share = percent(pending, tally.contacts);
            table += &format!("{:<16}{pending:>10}{share:>10}\n", "not finished");
        }
        table += &format!(
            "{:<16}{:>10}{:>20}\n\n",
            "total", tally.contacts, tally.dispatched
        );
        if !tally.line_times.dialing.is_zero() {
            table += &format!("{:<16}{:>10}{:>10}\n", "trunk", "lines", "busy");
            for (place, (name, lines)) in self.trunks.iter().enumerate() {
                let name = cut(name, NAME);
                let busy = tally.line_times.share(place, *lines).unwrap_or_default() * 100.0;
                table += &format!("{name:<NAME$} {lines:>9}{busy:>9.1}%\n");
            }
            let dialing = exact(tally.line_times.dialing);
            table += &format!("busy: of the {dialing} in which there were calls\n\n");
        }
        let reached = tally.reached();
        table += &format!(
            "{}: {reached} of {} reached ({}) in {}\n",
            self.campaign,
            counted(tally.contacts, "contact"),
            percent(reached, tally.contacts),
            exact(self.took),
        );
        let unreached = tally.unreached();
        if unreached > 0 {
            table += &format!("unreached in the end: {unreached}\n");
        }
        if self.simulated && !self.drained {
            let at = self.ended_at.strftime(clock::SHOWN);
            table += &match pending {
                0 => format!("a run begun now would finish at {at}\n"),
                _ => format!(
                    "a run begun now would stop at {at} with {} left\n",
                    counted(pending, "contact")
                ),
            };
        }
        table + &format!("results: {}\n", self.results)
    }

    /// The same for programs, in one line.
    ///
    /// # Errors
    /// None that the data could cause.
    pub fn json(&self, exit_code: u8, stopped: &str) -> serde_json::Result<String> {
        serde_json::to_string(&SummaryObject {
            run: self,
            exit_code,
            stopped,
        })
    }
}

/// Scripts depend on its keys: none is ever renamed, and each disposition is always there.
struct SummaryObject<'a> {
    run: &'a RunSummary,
    exit_code: u8,
    stopped: &'a str,
}

impl Serialize for SummaryObject<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (run, tally) = (self.run, &self.run.tally);
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("campaign", &run.campaign)?;
        map.serialize_entry("results", &run.results)?;
        map.serialize_entry("contacts", &tally.contacts)?;
        map.serialize_entry("finished", &tally.finished)?;
        map.serialize_entry("pending", &tally.pending())?;
        map.serialize_entry("dispatched", &tally.dispatched)?;
        map.serialize_entry("dispositions", &TallyByDisposition(tally))?;
        map.serialize_entry("started_at", &clock::rfc3339(&run.started_at))?;
        map.serialize_entry("ended_at", &clock::rfc3339(&run.ended_at))?;
        map.serialize_entry("seconds", &seconds(run.took))?;
        map.serialize_entry("exit_code", &self.exit_code)?;
        map.serialize_entry("stopped", self.stopped)?;
        map.serialize_entry("simulated", &run.simulated)?;
        map.serialize_entry("unreached", &tally.unreached())?;
        let dialing = seconds(tally.line_times.dialing);
        map.serialize_entry("dialing_seconds", &dialing)?;
        let trunks = run.trunks.iter().enumerate();
        let trunks = trunks.map(|(place, (trunk, lines))| TrunkSummary {
            trunk,
            lines: *lines,
            busy_seconds: seconds(tally.line_times.carried(place)),
            busy: tally.line_times.share(place, *lines).map(rounded),
        });
        map.serialize_entry("trunks", &trunks.collect::<Vec<_>>())?;
        map.end()
    }
}

/// `busy` is what `busy_seconds` are of `lines` times `dialing_seconds`; nothing where there was no call.
#[derive(Serialize)]
struct TrunkSummary<'a> {
    trunk: &'a str,
    lines: usize,
    busy_seconds: f64,
    busy: Option<f64>,
}

pub(crate) struct TallyByDisposition<'a>(pub(crate) &'a Tally);

#[derive(Serialize)]
struct DispositionCounts {
    contacts: u64,
    attempts: u64,
}

impl Serialize for TallyByDisposition<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(Disposition::ALL.map(|disposition| {
            let counts = DispositionCounts {
                contacts: self.0.finals(disposition),
                attempts: self.0.attempts(disposition),
            };
            (disposition.as_str(), counts)
        }))
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    fn summary() -> RunSummary {
        let mut tally = Tally::new(4, 3);
        tally.dispatched = 3;
        tally.attempted(Disposition::Answered, true);
        tally.attempted(Disposition::Busy, false);
        tally.finish(Disposition::InvalidNumber, 1);
        let started_at = "2026-11-23T09:30:00[America/Montevideo]".parse::<Zoned>();
        let started_at = started_at.unwrap();
        let took = Duration::from_millis(252_345);
        RunSummary {
            campaign: "storm".to_owned(),
            results: "storm.results.csv".to_owned(),
            tally,
            trunks: vec![("carrier".to_owned(), 2)],
            ended_at: started_at.saturating_add(took),
            started_at,
            took,
            simulated: false,
            drained: false,
        }
    }

    /// The same, with so many seconds of calls.
    fn with_calls(seconds: u64) -> RunSummary {
        let mut summary = summary();
        let times = &mut summary.tally.line_times;
        times.dialing = Duration::from_secs(seconds);
        times.trunks = vec![(0, times.dialing)];
        summary
    }

    #[test]
    fn the_table_says_what_was_counted_and_where_it_is() {
        assert_eq!(
            summary().table(),
            "                  contacts     share  attempts\n\
             ANSWERED                 1     25.0%         1\n\
             BUSY                     0      0.0%         1\n\
             INVALID NUMBER           1     25.0%         0\n\
             not finished             2     50.0%\n\
             total                    4                   3\n\
             \n\
             storm: 1 of 4 contacts reached (25.0%) in 4m 12s\n\
             unreached in the end: 1\n\
             results: storm.results.csv\n"
        );
    }

    #[test]
    fn where_there_were_calls_it_says_how_busy_the_lines_were() {
        let table = with_calls(90).table();
        assert!(
            table.contains(
                "trunk                lines      busy\n\
                 carrier                  2     50.0%\n\
                 busy: of the 1m 30s in which there were calls\n"
            ),
            "{table}"
        );
    }

    #[test]
    fn a_rehearsal_says_when_a_run_would_finish_or_stop() {
        let mut summary = with_calls(90);
        summary.simulated = true;
        let stops = summary.table();
        assert!(
            stops.contains(
                "a run begun now would stop at 2026-11-23 09:34:12 with 2 contacts left\n"
            ),
            "{stops}"
        );
        summary.tally.finish(Disposition::NoAnswer, 1);
        summary.tally.finish(Disposition::Busy, 1);
        let finishes = summary.table();
        assert!(
            finishes.contains("a run begun now would finish at 2026-11-23 09:34:12\n"),
            "{finishes}"
        );
        assert!(finishes.contains("unreached in the end: 3\n"), "{finishes}");
    }

    #[test]
    fn the_object_has_every_key_and_every_disposition() {
        let json = summary().json(3, "drained").unwrap();
        assert!(
            json.starts_with(
                r#"{"campaign":"storm","results":"storm.results.csv","contacts":4,"finished":2,"pending":2,"dispatched":3,"dispositions":{"ANSWERED":{"contacts":1,"attempts":1},"SHORT":{"contacts":0,"attempts":0},"#
            ),
            "{json}"
        );
        assert!(
            json.ends_with(
                r#""DUPLICATE":{"contacts":0,"attempts":0}},"started_at":"2026-11-23T09:30:00.000-03:00","ended_at":"2026-11-23T09:34:12.345-03:00","seconds":252.345,"exit_code":3,"stopped":"drained","simulated":false,"unreached":1,"dialing_seconds":0.0,"trunks":[{"trunk":"carrier","lines":2,"busy_seconds":0.0,"busy":null}]}"#
            ),
            "{json}"
        );
        let json = with_calls(90).json(3, "drained").unwrap();
        assert!(
            json.ends_with(
                r#""dialing_seconds":90.0,"trunks":[{"trunk":"carrier","lines":2,"busy_seconds":90.0,"busy":0.5}]}"#
            ),
            "{json}"
        );
    }

    #[test]
    fn an_empty_list_has_no_share() {
        let mut summary = summary();
        summary.tally = Tally::new(0, 0);
        assert!(summary.table().contains("0 of 0 contacts reached (–)"));
    }

    #[test]
    fn no_line_of_the_table_is_wider_than_80_columns() {
        let mut summary = with_calls(360_000);
        summary.simulated = true;
        summary.trunks[0].0 = "a-trunk-of-a-long-name-".repeat(9);
        summary.tally.contacts = 10_000_000;
        summary.tally.dispatched = 100_000_000;
        summary.took = Duration::from_secs(360_000);
        let table = summary.table();
        assert!(
            table.lines().all(|line| line.chars().count() <= 80),
            "{table}"
        );
    }
}
