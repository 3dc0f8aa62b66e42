//! Whole campaigns in virtual time, on a simulated Asterisk in this process.

mod captures;
pub(super) mod hours;
mod journal;
mod trunks;
pub(crate) mod views;
mod whom;

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use super::*;
use crate::ami::login::Login;
use crate::ami::transport::Transport;
use crate::call::captured::CapturedVars;
use crate::campaign::snapshot::Viewer;
use crate::config::{self, Simulate};
use crate::results::append_file::AppendFile;
use crate::results::writer::Sink;
use crate::sim::{Fates, Simulator, SimulatorConfig};
use crate::suppression::Suppressions;

/// A row of the results, by column.
type Row = HashMap<String, String>;

/// A campaign to be dialed. Fates are told by the last two digits of each number; a phone rings for a second, and an
/// answered call lasts for ten.
pub(super) struct Lab {
    pub(super) folder: tempfile::TempDir,
    pub(super) campaign: Campaign,
    /// When it begins.
    pub(super) start: Timestamp,
    pub(super) sim: SimulatorConfig,
    pub(super) limit: Option<u64>,
    /// Asterisk answers everything but `Status`.
    pub(super) no_status: bool,
    /// For how long the session is established again when it drops.
    pub(super) patience: Duration,
    /// The one that answers, as soon as there is one.
    pub(super) simulator: OnceCell<Simulator>,
}

/// What came of it.
pub(super) struct Dialed {
    pub(super) end: RunEnd,
    pub(super) rows: Vec<Row>,
    pub(super) tally: Tally,
}

impl Lab {
    /// A campaign with these trunks (as `[[trunk]]` tables) and this list.
    pub(super) fn new(trunks: &str, list: &str) -> Self {
        Self::with("", trunks, list)
    }

    /// The same, with more keys in `[contacts]`.
    pub(super) fn with(contacts: &str, trunks: &str, list: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("campaign.toml");
        let text = format!(
            "[ami]\nusername = \"dialer\"\nsecret = \"simulated\"\n[contacts]\nfile = \"list.csv\"\n{contacts}\n\
             [call]\ncontext = \"c\"\nexten = \"s\"\n{trunks}\n"
        );
        fs::write(&path, text).unwrap();
        fs::write(folder.path().join("list.csv"), list).unwrap();
        let campaign = config::load(&path, None, false).unwrap_or_else(|faults| panic!("{faults}"));
        let sim = SimulatorConfig {
            fates: Fates::ByNumber,
            ..SimulatorConfig::new(Simulate {
                ring: Duration::from_secs(1),
                talk: Duration::from_secs(10),
                ..Simulate::default()
            })
        };
        Self {
            folder,
            campaign,
            start: "2026-11-23T12:00:00Z".parse().unwrap(),
            sim,
            limit: None,
            no_status: false,
            patience: Duration::ZERO,
            simulator: OnceCell::new(),
        }
    }

    /// Dials it to its end.
    pub(super) async fn dial(&self) -> Dialed {
        let path = self.folder.path().join("results.csv");
        let _ = fs::remove_file(&path);
        let resources = self.resources(&path).await;
        let mut left = Leftover::default();
        let counts = beginning(&resources.list, self.limit, &mut left).unwrap();
        let (views, viewer) = snapshot::channel(counts, &self.campaign.trunks, &resources.clock);
        let stop = Stop::default();
        let end = Box::pin(run(resources, left, self.limit, stop, views)).await;
        let tally = viewer.latest().tally;
        let rows = rows(&path);
        Dialed { end, rows, tally }
    }

    /// Everything that the run needs.
    pub(super) async fn resources(&self, results: &Path) -> Resources {
        let campaign = self.campaign.clone();
        let simulator = Simulator::new(self.sim.clone());
        let _ = self.simulator.set(simulator.clone());
        let no_status = self.no_status;
        let transport = Transport::InProcess(Box::new(move || {
            let (mut ours, theirs) = tokio::io::duplex(1 << 16);
            let simulator = simulator.clone();
            tokio::spawn(async move { simulator.serve(theirs).await });
            if no_status {
                let (dialer, between) = tokio::io::duplex(1 << 16);
                tokio::spawn(without_status(between, ours));
                ours = dialer;
            }
            Box::new(ours)
        }));
        let auth = campaign.ami.auth;
        let login = Login::new("dialer", "simulated", auth, Duration::from_secs(5));
        let reconnector = Reconnector::connect(
            transport,
            login,
            self.patience,
            Arc::new(CapturedVars::of(&campaign.capture)),
        )
        .await
        .unwrap();
        let columns = ResultsColumns::new(&campaign.own_columns());
        let file = AppendFile::create(results, &columns.header()).unwrap();
        let list =
            Arc::new(List::open(&campaign, None).unwrap_or_else(|faults| panic!("{faults}")));
        let numbering = campaign.numbering();
        let opt_out = &campaign.capture.opt_out;
        let suppressions = Suppressions::load(
            &campaign.suppress,
            opt_out.as_ref().map(|opt_out| &*opt_out.file),
            numbering,
        )
        .unwrap();
        Resources {
            reconnector,
            writer: Writer::start(Sink::Unsynced(file), "results.csv"),
            columns,
            journal: None,
            clock: Clock::starting_at(TimeZone::UTC, self.start),
            rules: CallingRules::new(&campaign, list.zones(), suppressions, self.start),
            numbering,
            rehearsal: false,
            list,
            campaign,
        }
    }
}

impl Dialed {
    /// The rows of a contact.
    pub(super) fn of(&self, contact: &str) -> Vec<&Row> {
        let of_contact = |row: &&Row| row["contact"] == contact;
        self.rows.iter().filter(of_contact).collect()
    }

    /// One column of the rows of a contact.
    pub(super) fn column(&self, contact: &str, column: &str) -> Vec<&str> {
        let rows = self.of(contact).into_iter();
        rows.map(|row| row[column].as_str()).collect()
    }

    /// Every contact has one final row, and it is its last.
    #[track_caller]
    pub(super) fn assert_one_final_row_each(&self, contacts: usize) {
        assert!(matches!(self.end, RunEnd::Finished), "{:?}", self.end);
        let mut last = HashMap::new();
        for row in &self.rows {
            let before = last.insert(&row["contact"], &row["final"]);
            assert!(before.is_none_or(|is_final| is_final == "no"), "{row:?}");
        }
        assert_eq!(last.len(), contacts);
        assert!(last.values().all(|is_final| *is_final == "yes"));
    }
}

/// Passes on what both sides say, but for the dialer's `Status`.
async fn without_status(dialer: DuplexStream, asterisk: DuplexStream) {
    let (mut from_dialer, mut to_dialer) = tokio::io::split(dialer);
    let (mut from_asterisk, mut to_asterisk) = tokio::io::split(asterisk);
    tokio::spawn(async move { tokio::io::copy(&mut from_asterisk, &mut to_dialer).await });
    let mut said = Vec::new();
    while from_dialer
        .read_buf(&mut said)
        .await
        .is_ok_and(|read| read > 0)
    {
        while let Some(end) = said.windows(4).position(|end| end == b"\r\n\r\n") {
            let action: Vec<u8> = said.drain(..end + 4).collect();
            if !action.starts_with(b"Action: Status\r\n") {
                to_asterisk.write_all(&action).await.unwrap();
            }
        }
    }
}

/// A run of which nothing is known beforehand.
pub(super) fn views(resources: &Resources) -> (Views, Viewer) {
    let trunks = &resources.campaign.trunks;
    snapshot::channel(Tally::default(), trunks, &resources.clock)
}

pub(super) fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// A moment of a column.
pub(super) fn time(row: &Row, column: &str) -> Timestamp {
    row[column].parse().unwrap()
}

/// One trunk that carries everything.
pub(super) const CARRIER: &str = "[[trunk]]\nname = \"carrier\"\nchannel = \"PJSIP/{number}@carrier\"\nports = 10\ncalls_per_second = 100.0\n";
