//! What the tests against a real Asterisk share: campaigns that run with the binary as a user would run it, a second
//! manager session that sees what happens, and a `SIPp` that counts.
//!
//! `tests/asterisk/up 22` starts Asterisk and the parties that its endpoints are named after.
//!
//! The file is long because all that the real suites share is here.

use std::collections::{HashMap, HashSet};
use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use tempfile::TempDir;

use crate::common::dialer;
use crate::common::process::{Process, Start as _, says};

/// The Asterisk under test: 22, unless `DIALER_TEST_ASTERISK` is the manager's address of the other.
pub(crate) struct Pbx {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Pbx {
    pub(crate) fn under_test() -> Self {
        let address =
            env::var("DIALER_TEST_ASTERISK").unwrap_or_else(|_| "127.0.0.1:15038".to_owned());
        let (host, port) = address
            .rsplit_once(':')
            .expect("DIALER_TEST_ASTERISK is host:port");
        Self {
            host: host.to_owned(),
            port: port.parse().expect("the port is a number"),
        }
    }

    /// Whether a hangup carries the SIP code: Asterisk does so from 20.17, 22.7 and 23.1 on.
    pub(crate) fn tells_sip_codes(&self) -> bool {
        self.port != 15138
    }

    /// Where the endpoint `crowd` leads; nothing listens there but what a test starts.
    pub(crate) fn crowd_port(&self) -> u16 {
        self.port + 32
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect((self.host.as_str(), self.port)).unwrap_or_else(|error| {
            panic!(
                "no Asterisk at {}:{} ({error}); tests/asterisk/up starts one",
                self.host, self.port
            )
        })
    }
}

/// What a channel variable holds, on every channel that has it, as a second manager session is told. `Status` lists the
/// channels, and cuts values at 511 bytes; `Getvar` gives them whole.
pub(crate) fn values_of(variable: &str) -> Vec<String> {
    let mut stream = Pbx::under_test().connect();
    let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
    let mut ask = |action: &str| stream.write_all(action.as_bytes()).expect("it is sent");
    ask(
        "Action: Login\r\nUsername: admin\r\nSecret: s3cret\r\nEvents: off\r\n\r\nAction: Status\r\n\r\n",
    );
    let mut channels = Vec::new();
    loop {
        let frame = read_frame(&mut reader).expect("the manager answers");
        match frame.get("Event").map(String::as_str) {
            Some("Status") => channels.push(frame["Channel"].clone()),
            Some("StatusComplete") => break,
            _ => {}
        }
    }
    channels
        .iter()
        .filter_map(|channel| {
            ask(&format!(
                "Action: Getvar\r\nChannel: {channel}\r\nVariable: {variable}\r\n\r\n"
            ));
            read_frame(&mut reader)?.remove("Value")
        })
        .filter(|value| !value.is_empty())
        .collect()
}

/// Stops the Asterisk under test and starts it again.
pub(crate) fn restart() {
    let version = if Pbx::under_test().port == 15138 {
        "16"
    } else {
        "22"
    };
    let up = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asterisk/up");
    let restarted = Command::new(up).arg(version).status().expect("it runs");
    assert!(restarted.success());
}

/// Takes the endpoint `crowd` its contact, as an unregistered one has none, or gives it back.
pub(crate) fn crowd_is_registered(registered: bool) {
    let pbx = Pbx::under_test();
    let version = if pbx.port == 15138 { "16" } else { "22" };
    let cache = env::var_os("XDG_CACHE_HOME").map_or_else(|| "/var/cache".into(), PathBuf::from);
    let cache = env::var_os("DIALER_ASTERISK_DIR")
        .map_or_else(|| cache.join("dialer-asterisk"), PathBuf::from);
    let path = cache.join(version).join("dialer/etc/pjsip.conf");
    let contact = format!("contact = sip:127.0.0.1:{}\n", pbx.crowd_port());
    let commented = format!(";{contact}");
    let text = fs::read_to_string(&path).expect("pjsip.conf is read");
    let text = text.replace(&commented, &contact);
    let text = if registered {
        text
    } else {
        text.replace(&contact, &commented)
    };
    fs::write(&path, text).expect("pjsip.conf is written");
    let mut stream = pbx.connect();
    let reload = "Action: Login\r\nUsername: admin\r\nSecret: s3cret\r\nEvents: off\r\n\r\n\
                  Action: Command\r\nCommand: module reload res_pjsip.so\r\n\r\nAction: Logoff\r\n\r\n";
    stream.write_all(reload.as_bytes()).expect("it is sent");
    let mut said = String::new();
    stream
        .read_to_string(&mut said)
        .expect("the manager answers");
    assert!(said.contains("reloaded successfully"), "{said}");
}

/// How a line from the manager to the dialer is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mood {
    Fine,
    /// Nothing comes any more, and nobody says so.
    Silent,
    /// What comes next is cut in the middle of an event.
    CutWithinEvent,
}

/// One connection through a relay.
struct Through {
    dialer: TcpStream,
    manager: TcpStream,
    mood: Arc<Mutex<Mood>>,
}

/// A line between the dialer and the manager that can be cut; a new connection gets through again.
pub(crate) struct Relay {
    pub(crate) port: u16,
    open: Arc<Mutex<Vec<Through>>>,
    byte_by_byte: Arc<AtomicBool>,
    /// When each Originate came from the dialer, in seconds since the relay began.
    originates: Arc<Mutex<Vec<f64>>>,
}

impl Relay {
    pub(crate) fn to_pbx() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let open = Arc::new(Mutex::new(Vec::new()));
        let byte_by_byte = Arc::new(AtomicBool::new(false));
        let originates = Arc::new(Mutex::new(Vec::new()));
        let began = Instant::now();
        thread::spawn({
            let originates = Arc::clone(&originates);
            let open = Arc::clone(&open);
            let byte_by_byte = Arc::clone(&byte_by_byte);
            move || {
                for dialer in listener.incoming().map_while(Result::ok) {
                    let manager = Pbx::under_test().connect();
                    let _ = dialer.set_nodelay(true);
                    let mood = Arc::new(Mutex::new(Mood::Fine));
                    let again = |stream: &TcpStream| stream.try_clone().expect("a second handle");
                    let (from, to) = (again(&dialer), again(&manager));
                    let noted = Arc::clone(&originates);
                    thread::spawn(move || {
                        let _ = note_originates(&from, &to, began, &noted);
                        let _ = to.shutdown(Shutdown::Both);
                    });
                    let (from, to) = (again(&manager), again(&dialer));
                    let (told, slowly) = (Arc::clone(&mood), Arc::clone(&byte_by_byte));
                    thread::spawn(move || {
                        let _ = carry(&from, &to, &told, &slowly);
                        let _ = to.shutdown(Shutdown::Both);
                        let _ = from.shutdown(Shutdown::Both);
                    });
                    open.lock().expect("nobody panicked").push(Through {
                        dialer,
                        manager,
                        mood,
                    });
                }
            }
        });
        Self {
            port,
            open,
            byte_by_byte,
            originates,
        }
    }

    /// When each Originate came from the dialer, in seconds.
    pub(crate) fn originates(&self) -> Vec<f64> {
        self.originates.lock().expect("nobody panicked").clone()
    }

    /// Cuts what is connected.
    #[track_caller]
    pub(crate) fn cut(&self) {
        assert!(self.cut_if_connected(), "the dialer is not connected");
    }

    /// Cuts what is connected, if anything is.
    pub(crate) fn cut_if_connected(&self) -> bool {
        let mut open = self.open.lock().expect("nobody panicked");
        let connected = !open.is_empty();
        for through in open.drain(..) {
            let _ = through.dialer.shutdown(Shutdown::Both);
            let _ = through.manager.shutdown(Shutdown::Both);
        }
        connected
    }

    /// Cuts what is connected in the middle of the next event, if anything is.
    pub(crate) fn cut_within_event(&self) -> bool {
        self.change(Mood::CutWithinEvent)
    }

    /// Lets nothing more through to the dialer of what is connected, if anything is, and keeps the connection.
    pub(crate) fn fall_silent(&self) -> bool {
        self.change(Mood::Silent)
    }

    fn change(&self, to: Mood) -> bool {
        let mut open = self.open.lock().expect("nobody panicked");
        let connected = !open.is_empty();
        for through in open.drain(..) {
            *through.mood.lock().expect("nobody panicked") = to;
        }
        connected
    }

    /// Whether what the manager says comes one byte at a time.
    pub(crate) fn byte_by_byte(&self, slowly: bool) {
        self.byte_by_byte.store(slowly, Ordering::Relaxed);
    }
}

/// Carries what the dialer says to the manager, and notes when each Originate came.
fn note_originates(
    mut from: &TcpStream,
    mut to: &TcpStream,
    began: Instant,
    noted: &Mutex<Vec<f64>>,
) -> io::Result<()> {
    const ORIGINATE: &[u8] = b"Action: Originate\r\n";
    let mut buffer = vec![0; 1 << 14];
    let mut last = Vec::new();
    loop {
        let read = from.read(&mut buffer)?;
        let at = began.elapsed().as_secs_f64();
        if read == 0 {
            return Ok(());
        }
        to.write_all(&buffer[..read])?;
        last.extend_from_slice(&buffer[..read]);
        let count = last
            .windows(ORIGINATE.len())
            .filter(|bytes| *bytes == ORIGINATE)
            .count();
        noted
            .lock()
            .expect("nobody panicked")
            .extend(vec![at; count]);
        // What may be the beginning of one.
        let kept = last.len().saturating_sub(ORIGINATE.len() - 1);
        last.drain(..kept);
    }
}

/// Carries what the manager says to the dialer.
fn carry(
    mut from: &TcpStream,
    mut to: &TcpStream,
    mood: &Mutex<Mood>,
    slowly: &AtomicBool,
) -> io::Result<()> {
    let mut buffer = vec![0; 1 << 14];
    loop {
        let read = from.read(&mut buffer)?;
        if read == 0 {
            return Ok(());
        }
        let bytes = &buffer[..read];
        let now = *mood.lock().expect("nobody panicked");
        match now {
            // The manager is read on, so that it notices nothing.
            Mood::Silent => {}
            Mood::CutWithinEvent => {
                let half = bytes.len() / 2;
                let end = if bytes[..half].ends_with(b"\r\n\r\n") {
                    half - 1
                } else {
                    half
                };
                return to.write_all(&bytes[..end]);
            }
            Mood::Fine if slowly.load(Ordering::Relaxed) => {
                for byte in bytes {
                    to.write_all(std::slice::from_ref(byte))?;
                }
            }
            Mood::Fine => to.write_all(bytes)?,
        }
    }
}

/// Every call that Asterisk recorded has its row, no row is doubled, and no contact was in two calls at once.
#[track_caller]
pub(crate) fn assert_recorded_once(run: &Run, records: &HashMap<String, Vec<Record>>) {
    let rows: HashMap<_, _> = run
        .rows
        .iter()
        .map(|row| (row.get("call_id"), row))
        .collect();
    assert_eq!(rows.len(), run.rows.len(), "no row is doubled");
    let mut calls: HashMap<&str, Vec<(&str, &str)>> = HashMap::new();
    for (uniqueid, of_call) in records {
        let row = rows.get(uniqueid.as_str());
        let row = row.unwrap_or_else(|| panic!("{uniqueid} has no row: {of_call:?}"));
        for record in of_call {
            let span = (record.start.as_str(), record.end.as_str());
            calls.entry(row.get("contact")).or_default().push(span);
        }
    }
    for (contact, mut spans) in calls {
        spans.sort_unstable();
        for pair in spans.windows(2) {
            assert!(
                pair[0].1 <= pair[1].0,
                "{contact} was called twice at once: {spans:?}"
            );
        }
    }
}

/// A call detail record.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) answered: bool,
    /// Seconds from the answer to the end.
    pub(crate) talked: f64,
    pub(crate) start: String,
    pub(crate) end: String,
}

/// A second manager session that gathers the call detail records.
pub(crate) struct Records {
    stream: TcpStream,
    reading: JoinHandle<HashMap<String, Vec<Record>>>,
}

impl Records {
    pub(crate) fn gather() -> Self {
        let mut stream = Pbx::under_test().connect();
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        stream
            .write_all(b"Action: Login\r\nUsername: admin\r\nSecret: s3cret\r\n\r\n")
            .expect("the login is sent");
        let reading = thread::spawn(move || {
            let mut records: HashMap<String, Vec<Record>> = HashMap::new();
            while let Some(mut frame) = read_frame(&mut reader) {
                if frame.get("Event").is_none_or(|event| event != "Cdr") {
                    continue;
                }
                let mut take = |key: &str| frame.remove(key).unwrap_or_default();
                let record = Record {
                    answered: take("Disposition") == "ANSWERED",
                    talked: take("BillableSeconds").parse().expect("seconds"),
                    start: take("StartTime"),
                    end: take("EndTime"),
                };
                records.entry(take("UniqueID")).or_default().push(record);
            }
            records
        });
        Self { stream, reading }
    }

    /// What came, by Uniqueid. To be called when every channel is gone.
    pub(crate) fn end(self) -> HashMap<String, Vec<Record>> {
        // A record is written with the hangup that it is about; the events of both come in one go.
        thread::sleep(Duration::from_millis(500));
        let _ = self.stream.shutdown(Shutdown::Both);
        self.reading.join().expect("nobody panicked")
    }
}

/// A campaign in a folder of its own.
pub(crate) struct Campaign {
    folder: TempDir,
    ami: String,
    rest: String,
    arguments: Vec<String>,
}

impl Campaign {
    /// A campaign on the Asterisk under test: what follows `[ami]` in its file, and its list.
    pub(crate) fn new(rest: &str, contacts: impl AsRef<[u8]>) -> Self {
        let pbx = Pbx::under_test();
        let folder = tempfile::tempdir().expect("a folder for the campaign");
        fs::write(folder.path().join("contacts.csv"), contacts).expect("the list is written");
        let ami = format!(
            "[ami]\nhost = \"{}\"\nport = {}\nusername = \"dialer\"\nsecret = \"s3cret\"\nconnect_timeout = \"30s\"\nreconnect_for = \"60s\"\n",
            pbx.host, pbx.port
        );
        Self {
            folder,
            ami,
            rest: rest.to_owned(),
            arguments: Vec::new(),
        }
    }

    /// Changes what stands in `[ami]`.
    pub(crate) fn ami(mut self, from: &str, to: &str) -> Self {
        assert!(self.ami.contains(from), "{from} is not in\n{}", self.ami);
        self.ami = self.ami.replace(from, to);
        self
    }

    /// Changes what follows it.
    pub(crate) fn rest(mut self, from: &str, to: &str) -> Self {
        assert!(self.rest.contains(from), "{from} is not in\n{}", self.rest);
        self.rest = self.rest.replace(from, to);
        self
    }

    /// Adds to the command line.
    pub(crate) fn with(mut self, arguments: &[&str]) -> Self {
        let owned = |argument: &&str| (*argument).to_owned();
        self.arguments.extend(arguments.iter().map(owned));
        self
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("campaign.toml")
    }

    /// Writes the campaign file, and gives a command of the dialer on it.
    fn command(&self, command: &str) -> Command {
        fs::write(self.path(), format!("{}\n{}", self.ami, self.rest)).expect("it is written");
        let mut dialer = dialer();
        dialer
            .args([command, "campaign.toml"])
            .args(&self.arguments)
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        dialer
    }

    /// `dialer run campaign.toml`, killed after a while.
    pub(crate) fn run_and_kill(&self, after: Duration) {
        let running = self.command("run").stderr(Stdio::null()).start();
        thread::sleep(after);
        running.kill();
    }

    /// `dialer run campaign.toml`, asked to stop with TERM as soon as it says something on standard error.
    pub(crate) fn run_until_it_says(&self, words: &str) -> Run {
        let mut running = self.command("run").start();
        let mut log = BufReader::new(running.stderr.take().expect("it is piped"));
        let mut stderr = says(&mut log, words);
        running.signal(Signal::TERM);
        log.read_to_string(&mut stderr).expect("it is text");
        Run {
            code: running.output().status.code(),
            stderr,
            rows: read_results(&self.folder.path().join("campaign.results.csv")),
        }
    }

    /// What stands in a file of the campaign's folder.
    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.path().join(file)).expect("the file is read")
    }

    /// Writes a file of the campaign's folder.
    pub(crate) fn write(&self, file: &str, text: &str) {
        fs::write(self.folder.path().join(file), text).expect("the file is written");
    }

    /// `dialer run campaign.toml`, to its end.
    pub(crate) fn run(&self) -> Run {
        self.run_to("campaign.results.csv")
    }

    /// The same, with the results in a file that the command line names.
    pub(crate) fn run_to(&self, results: &str) -> Run {
        let output = self.command("run").start().output();
        Run {
            code: output.status.code(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            rows: read_results(&self.folder.path().join(results)),
        }
    }

    /// `dialer check campaign.toml`.
    pub(crate) fn check(&self) -> Output {
        let mut command = self.command("check");
        command.stdout(Stdio::piped()).start().output()
    }
}

/// How a run ended and what it left.
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) rows: Vec<Row>,
}

impl Run {
    /// The run came to its end: every contact has exactly one final row, its last one.
    #[track_caller]
    pub(crate) fn assert_complete(&self) {
        assert_eq!(self.code, Some(0), "{self}");
        let mut last = HashMap::new();
        for row in &self.rows {
            let earlier = last.insert(row.get("contact"), row);
            assert!(!earlier.is_some_and(Row::is_final), "{self}");
        }
        assert!(last.values().all(|row| row.is_final()), "{self}");
    }

    /// The rows of a contact, in the order of its attempts.
    pub(crate) fn of(&self, contact: &str) -> Vec<&Row> {
        self.rows
            .iter()
            .filter(|row| row.get("contact") == contact)
            .collect()
    }

    /// The only row of a contact.
    #[track_caller]
    pub(crate) fn only(&self, contact: &str) -> &Row {
        let rows = self.of(contact);
        assert_eq!(rows.len(), 1, "rows of {contact}: {self}");
        rows[0]
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "exit code {:?}\n{}", self.code, self.stderr)?;
        for row in self.rows.iter().take(50) {
            writeln!(f, "{:?}", row.0)?;
        }
        Ok(())
    }
}

/// A row of the results, by the names of its columns.
pub(crate) struct Row(HashMap<String, String>);

impl Row {
    #[track_caller]
    pub(crate) fn get(&self, column: &str) -> &str {
        self.0
            .get(column)
            .unwrap_or_else(|| panic!("no column {column}"))
    }

    pub(crate) fn into_columns(self) -> HashMap<String, String> {
        self.0
    }

    pub(crate) fn is_final(&self) -> bool {
        self.get("final") == "yes"
    }

    /// A column of seconds, which must not be empty.
    #[track_caller]
    pub(crate) fn seconds(&self, column: &str) -> f64 {
        self.get(column)
            .parse()
            .unwrap_or_else(|_| panic!("{column} is no number: {:?}", self.0))
    }

    #[track_caller]
    pub(crate) fn assert_disposition(&self, disposition: &str) {
        assert_eq!(self.get("disposition"), disposition, "{:?}", self.0);
    }
}

fn read_results(path: &Path) -> Vec<Row> {
    if !path.exists() {
        return Vec::new();
    }
    csv::Reader::from_path(path)
        .expect("the results open")
        .deserialize()
        .map(|row| Row(row.expect("every row is whole")))
        .collect()
}

/// One frame of the manager interface.
type Frame = HashMap<String, String>;

fn read_frame(reader: &mut impl BufRead) -> Option<Frame> {
    let mut frame = Frame::new();
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line).ok()? == 0 {
            return None;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if let Some((key, value)) = text.split_once(": ") {
            frame.insert(key.to_owned(), value.to_owned());
        } else if text.is_empty() && !frame.is_empty() {
            return Some(frame);
        }
    }
}

/// What Asterisk's own channels did while somebody watched.
#[derive(Clone, Default, Debug)]
pub(crate) struct Seen {
    /// Channels that were created, by name.
    pub(crate) created: Vec<String>,
    /// When each of them was by Asterisk's own clock, in seconds since 1970.
    pub(crate) created_at: Vec<f64>,
    /// How many of them are gone.
    pub(crate) gone: usize,
    /// The most that lived at once.
    pub(crate) peak: usize,
}

/// A second manager session that sees every channel whose name begins with a prefix.
pub(crate) struct Watch {
    stream: TcpStream,
    seen: Arc<Mutex<Seen>>,
    reading: Option<JoinHandle<()>>,
}

impl Watch {
    pub(crate) fn channels(prefix: &'static str) -> Self {
        let mut stream = Pbx::under_test().connect();
        let mut reader = BufReader::new(stream.try_clone().expect("a second handle"));
        stream
            .write_all(b"Action: Login\r\nUsername: admin\r\nSecret: s3cret\r\n\r\n")
            .expect("the login is sent");
        let login = read_frame(&mut reader).expect("the manager answers");
        assert_eq!(login["Response"], "Success", "{login:?}");
        let seen = Arc::new(Mutex::new(Seen::default()));
        let reading = thread::spawn({
            let seen = Arc::clone(&seen);
            move || {
                while let Some(frame) = read_frame(&mut reader) {
                    let channel = frame.get("Channel").filter(|name| name.starts_with(prefix));
                    let (Some(event), Some(channel)) = (frame.get("Event"), channel) else {
                        continue;
                    };
                    let mut seen = seen.lock().expect("nobody panicked");
                    match event.as_str() {
                        "Newchannel" => {
                            seen.created.push(channel.clone());
                            let at = frame["Timestamp"].parse().expect("a time in seconds");
                            seen.created_at.push(at);
                            seen.peak = seen.peak.max(seen.created.len() - seen.gone);
                        }
                        "Hangup" => seen.gone += 1,
                        _ => {}
                    }
                }
            }
        });
        Self {
            stream,
            seen,
            reading: Some(reading),
        }
    }

    /// Waits until that many channels were created.
    #[track_caller]
    pub(crate) fn wait_for(&self, channels: usize) {
        let give_up = Instant::now() + Duration::from_secs(30);
        while self.seen.lock().expect("nobody panicked").created.len() < channels {
            assert!(Instant::now() < give_up, "no {channels} channels");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// What was seen until every channel was gone.
    #[track_caller]
    pub(crate) fn end(self) -> Seen {
        let give_up = Instant::now() + Duration::from_secs(30);
        loop {
            // Events are written in order, one batch after the other; a little later than the dialer's.
            thread::sleep(Duration::from_millis(200));
            let seen = self.seen.lock().expect("nobody panicked").clone();
            if seen.gone == seen.created.len() {
                return seen;
            }
            assert!(Instant::now() < give_up, "channels are left: {seen:?}");
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(reading) = self.reading.take() {
            let _ = reading.join();
        }
    }
}

/// Users that may do too little: what each lacks, by its access and its class.
pub(crate) const TOO_LITTLE: [(&str, &str, &str); 4] = [
    ("narrow", "`read`", "`system`"),
    ("deaf", "`read =`", "`call`"),
    ("mute", "`write =`", "`originate`"),
    ("lame", "`write =`", "`call`"),
];

/// A `SIPp` that answers everybody who calls the endpoint `crowd`, and counts them.
pub(crate) struct Crowd {
    sipp: Process,
    folder: TempDir,
}

impl Crowd {
    /// People who answer.
    pub(crate) fn gather() -> Self {
        Self::of(|_| ["-sn".to_owned(), "uas".to_owned()])
    }

    /// A switch that refuses every call with this response, such as `503 Service Unavailable`.
    pub(crate) fn refusing(with: &str) -> Self {
        let parties = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/asterisk/parties");
        let scenario = fs::read_to_string(parties.join("refuse.xml")).expect("the scenario");
        Self::of(|folder| {
            let path = folder.join("refuse.xml");
            let scenario = scenario
                .replace("@FIRST@", "100 Trying")
                .replace("@LAST@", with);
            fs::write(&path, scenario).expect("the scenario is written");
            ["-sf".to_owned(), path.display().to_string()]
        })
    }

    fn of(scenario: impl FnOnce(&Path) -> [String; 2]) -> Self {
        let folder = tempfile::tempdir().expect("a folder for SIPp");
        let port = Pbx::under_test().crowd_port();
        let sipp = Command::new("sipp")
            .args(scenario(folder.path()))
            .args(["-i", "127.0.0.1", "-mi", "127.0.0.1", "-d", "50"])
            .args(["-p", &port.to_string(), "-mp", &(port + 1000).to_string()])
            .args(["-l", "20000", "-nostdin", "-trace_shortmsg"])
            .args(["-shortmessage_file", "messages.log"])
            .current_dir(folder.path())
            .env("TERM", "dumb")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .start();
        let crowd = Self { sipp, folder };
        let give_up = Instant::now() + Duration::from_secs(10);
        // Trying to bind the port instead could take it away from SIPp.
        let socket = format!(" 0100007F:{port:04X} ");
        while !fs::read_to_string("/proc/net/udp").is_ok_and(|sockets| sockets.contains(&socket)) {
            assert!(Instant::now() < give_up, "SIPp does not listen on {port}");
            thread::sleep(Duration::from_millis(20));
        }
        crowd
    }

    /// How many calls came, once the last of them is over: the different Call-IDs of the INVITEs that `SIPp` logged.
    ///
    /// Its statistics count a repeated BYE that comes late as one more call.
    pub(crate) fn disperse(mut self) -> usize {
        self.sipp.signal(Signal::USR1);
        self.sipp.wait().expect("SIPp ends");
        let log = fs::read_to_string(self.folder.path().join("messages.log")).expect("SIPp's log");
        let calls: HashSet<_> = log
            .lines()
            .map(|line| line.split('\t').collect::<Vec<_>>())
            .filter_map(|fields| match fields[..] {
                [_, _, _, "R", call_id, _, request] if request.starts_with("INVITE ") => {
                    Some(call_id)
                }
                _ => None,
            })
            .collect();
        calls.len()
    }
}

/// A list of `columns` with one row a line of `rows`.
pub(crate) fn list<'a>(columns: &str, rows: impl IntoIterator<Item = &'a str>) -> String {
    rows.into_iter()
        .fold(format!("{columns}\n"), |mut list, row| {
            let _ = writeln!(list, "{row}");
            list
        })
}
