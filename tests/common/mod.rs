//! What the tests of the binary share: a campaign in a folder of its own, a simulated Asterisk behind a real port, and
//! the results read back.

#![allow(dead_code, reason = "each test target uses its part of this")]

pub(crate) mod outcomes;
pub(crate) mod process;
pub(crate) mod prometheus;
pub(crate) mod stalls;
pub(crate) mod terminal;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use std::time::{Duration, Instant};

use dialer::sim::{Fates, Simulate, Simulator, SimulatorConfig};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The binary under test.
pub(crate) fn dialer() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dialer"));
    command.env_remove("DIALER_AMI_SECRET");
    command
}

/// What a process said on standard error.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A simulated Asterisk on a port of this machine, in real time, for as long as this lives.
pub(crate) struct Pbx {
    pub(crate) simulator: Simulator,
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

impl Pbx {
    /// Everything works; fates are told by the number; ring and talk time are these milliseconds.
    pub(crate) fn start(ring: u64, talk: u64) -> Self {
        Self::with(ring, talk, |_| {})
    }

    /// The same, changed a little.
    pub(crate) fn with(ring: u64, talk: u64, change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut config = SimulatorConfig {
            fates: Fates::ByNumber,
            secret: "s3cret".to_owned(),
            record_dialed: true,
            ..SimulatorConfig::new(Simulate {
                talk: Duration::from_millis(talk),
                ring: Duration::from_millis(ring),
                ..Simulate::default()
            })
        };
        change(&mut config);
        let (simulator, listener) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            (Simulator::new(config), listener)
        });
        let address = listener.local_addr().unwrap();
        let serving = simulator.clone();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let simulator = serving.clone();
                tokio::spawn(async move { simulator.serve(stream).await });
            }
        });
        Self {
            simulator,
            address,
            _runtime: runtime,
        }
    }
}

/// Waits for a condition that must come. No run here takes nearly as long; one that hangs fails its test.
#[track_caller]
pub(crate) fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let give_up = Instant::now() + Duration::from_secs(120);
    while !condition() {
        assert!(Instant::now() < give_up, "{what} did not come");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Does something with each of these at once: most of what it takes is waiting.
pub(crate) fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, each: impl Fn(T) + Sync) {
    let each = &each;
    thread::scope(|scope| {
        for case in cases {
            scope.spawn(move || each(case));
        }
    });
}

/// A campaign in a folder of its own.
pub(crate) struct Folder {
    folder: tempfile::TempDir,
}

impl Folder {
    /// A campaign on a PBX, with more lines for its tables and a list.
    pub(crate) fn new(
        address: SocketAddr,
        call: &str,
        trunk: &str,
        rest: &str,
        list: &str,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[ami]\nhost = \"{}\"\nport = {}\nusername = \"dialer\"\nsecret = \"s3cret\"\nreconnect_for = \"5s\"\n\
             [contacts]\nfile = \"list.csv\"\n[call]\ncontext = \"notify\"\nexten = \"s\"\n{call}\n\
             [[trunk]]\nname = \"carrier\"\nchannel = \"PJSIP/{{number}}@carrier\"\n{trunk}\n{rest}\n",
            address.ip(),
            address.port(),
        );
        fs::write(folder.path().join("campaign.toml"), text).unwrap();
        fs::write(folder.path().join("list.csv"), list).unwrap();
        Self { folder }
    }

    /// A quick campaign to these numbers, with more lines for the table of its trunk.
    pub(crate) fn quick<T: std::fmt::Display>(
        pbx: &Pbx,
        trunk: &str,
        numbers: impl IntoIterator<Item = T>,
    ) -> Self {
        let trunk = format!("calls_per_second = 1000.0\n{trunk}");
        Self::new(pbx.address, "", &trunk, "", &list(numbers))
    }

    /// `dialer run`, which must end with this code.
    #[track_caller]
    pub(crate) fn exits(&self, code: i32) -> Output {
        let output = self.run();
        assert_eq!(output.status.code(), Some(code), "{}", stderr(&output));
        output
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn results(&self) -> PathBuf {
        self.path("campaign.results.csv")
    }

    /// `dialer run` on the campaign.
    pub(crate) fn command(&self) -> Command {
        let mut command = dialer();
        command.arg("run").arg(self.path("campaign.toml"));
        command
    }

    pub(crate) fn run(&self) -> Output {
        self.command().output().unwrap()
    }

    pub(crate) fn rows(&self) -> Vec<Row> {
        rows(&self.results())
    }
}

/// `storm.toml` in a folder of its own, whose contacts have ids: a rehearsal in which everybody answers. The trunk can
/// have more lines.
pub(crate) fn storm(trunk: &str, contacts: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!(
        "[ami]\nusername = \"dialer\"\nsecret = \"word\"\n\
         [contacts]\nfile = \"contacts.csv\"\nid = \"id\"\n[call]\ncontext = \"notify\"\nexten = \"s\"\n\
         [[trunk]]\nname = \"carrier\"\nchannel = \"PJSIP/{{number}}@carrier\"\nports = 2\n{trunk}\n\
         [simulate]\nanswered = 1.0\nbusy = 0.0\ndeclined = 0.0\ncongestion = 0.0\ninvalid = 0.0\n"
    );
    fs::write(folder.path().join("storm.toml"), text).unwrap();
    fs::write(folder.path().join("contacts.csv"), contacts).unwrap();
    folder
}

/// A list with these numbers.
pub(crate) fn list<T: std::fmt::Display>(numbers: impl IntoIterator<Item = T>) -> String {
    let mut list = "number\n".to_owned();
    for number in numbers {
        let _ = writeln!(list, "{number}");
    }
    list
}

/// A row of the results, by column.
pub(crate) type Row = HashMap<String, String>;

/// Reads results back, as a spreadsheet would.
pub(crate) fn rows(path: &Path) -> Vec<Row> {
    let mut reader =
        csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(Result::unwrap).collect()
}

/// The one row of a contact.
pub(crate) fn only<'r>(rows: &'r [Row], contact: &str) -> &'r Row {
    let of_contact: Vec<&Row> = rows
        .iter()
        .filter(|row| row["contact"] == contact)
        .collect();
    assert_eq!(of_contact.len(), 1, "rows of {contact}: {of_contact:#?}");
    of_contact[0]
}

/// Every contact has exactly one final row, and it is its last.
pub(crate) fn assert_one_final_row_each(rows: &[Row], contacts: usize) {
    let mut last: HashMap<&str, &Row> = HashMap::new();
    for row in rows {
        let earlier = last.insert(&row["contact"], row);
        assert!(
            earlier.is_none_or(|earlier| earlier["final"] == "no"),
            "a row after the final one: {row:#?}"
        );
    }
    assert_eq!(last.len(), contacts);
    for row in last.values() {
        assert_eq!(row["final"], "yes", "{row:#?}");
    }
}
