//! The whole dialer against the simulated Asterisk: how fast, with how much, from how long a list.

use std::fs::File;
use std::io::{BufWriter, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use memchr::memmem;

use crate::campaign::{AT_ONCE, Campaign, TRUNKS, trunks};
use crate::cli::Options;
use crate::process::Running;
use crate::report::{Table, Unit};
use crate::results;

const CALL: &str = "[call]\ncontext = \"c\"\nexten = \"s\"\n[call.variables]\nNAME = \"{name}\"\n";
const SECRET: &str = "simulated";
/// The lines of a rehearsal.
const REHEARSED: usize = 1_000;

/// A port that nobody listens on.
fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Waits until somebody listens.
fn until_it_listens(port: u16) -> anyhow::Result<()> {
    let give_up = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(("127.0.0.1", port)).is_err() {
        ensure!(Instant::now() < give_up, "nobody listens on port {port}");
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// Calls of no length at different numbers of lines, in real time over loopback, everything synced.
pub(crate) fn speed(options: &Options) -> anyhow::Result<Table> {
    let dialer = options.dialer()?;
    let most = options.size(200_000, 2_000);
    let mut table = Table::new(
        "Calls of no length against the simulated Asterisk",
        format!(
            "2,000 calls a line and no more than {most} a run, in real time over loopback, journal and results synced; the simulated Asterisk runs on the same machine. Below 1,000 lines the disk's syncs limit it, above that the processors."
        ),
        "lines",
        &[
            ("calls/s", Unit::PerSecond),
            ("CPU a call, µs", Unit::Microseconds),
            ("of the simulator, µs", Unit::Microseconds),
        ],
    );
    for _ in 0..options.runs() {
        for ports in options.size(&[10, 100, 1_000, 10_000][..], &[10, 100]) {
            let contacts = most.min(2_000 * ports);
            let port = free_port()?;
            let tables = format!("{CALL}{}{AT_ONCE}", trunks(*ports));
            let campaign = Campaign::new(port, SECRET, &tables, contacts)?;
            let simulator = Running::start(&mut campaign.simulator(&dialer, port))?;
            until_it_listens(port)?;
            let took = Running::start(&mut campaign.run(&dialer))?.end()?;
            let results = results::read(&campaign.results(), contacts)?;
            ensure!(results.answered == contacts, "{contacts}, {results:?}");
            ensure!(
                results.most_at_once <= ports / TRUNKS,
                "{ports} lines, {results:?}"
            );
            let calls = contacts as f64;
            table.add(
                ports.to_string(),
                &[
                    Some(calls / took.wall.as_secs_f64()),
                    Some(took.cpu * 1e6 / calls),
                    Some(simulator.cpu()? * 1e6 / calls),
                ],
            );
        }
    }
    Ok(table)
}

/// When the first call was dialed, and whom it went to: the place of the contact in the list.
type FirstCall = (Instant, usize);

/// The number that an Originate dials, of those that [`Campaign::new`] writes.
fn dialed(originate: &[u8]) -> Option<usize> {
    const BEFORE: &[u8] = b"/+5982";
    let at = memmem::find(originate, BEFORE)? + BEFORE.len();
    let digits = originate
        .get(at..)?
        .iter()
        .take_while(|byte| byte.is_ascii_digit());
    let number = String::from_utf8(digits.copied().collect()).ok()?;
    number.parse().ok()
}

/// Passes on what one connection says, and tells of the first call; the permission check comes before it.
fn tell_first_call(pbx: u16) -> anyhow::Result<(u16, mpsc::Receiver<FirstCall>)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let (mut dialer, _) = listener.accept().ok()?;
        let mut manager = TcpStream::connect(("127.0.0.1", pbx)).ok()?;
        let (mut from, mut to) = (manager.try_clone().ok()?, dialer.try_clone().ok()?);
        thread::spawn(move || {
            let _ = std::io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Both);
        });
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = match dialer.read(&mut buffer) {
                Ok(0) => return Some(()),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(_) => return None,
            };
            let now = Instant::now();
            let written = &buffer[..read];
            // What checks the permission dials nobody's number.
            let first = memmem::find_iter(written, b"Action: Originate")
                .find_map(|at| dialed(&written[at..]));
            if let Some(first) = first {
                // Whoever measures has seen enough.
                let _ = tell.send((now, first));
            }
            manager.write_all(&buffer[..read]).ok()?;
        }
    });
    Ok((port, told))
}

/// The lines of a campaign whose first call is waited for.
const LINES: usize = 100;

/// From the start of the process to its first call, and its memory a second after that.
fn first_call(dialer: &Path, contacts: usize, done: usize) -> anyhow::Result<(Duration, f64)> {
    let pbx = free_port()?;
    let server = Campaign::new(pbx, SECRET, &format!("{CALL}{}", trunks(10)), 1)?;
    let _simulator = Running::start(&mut server.simulator(dialer, pbx))?;
    until_it_listens(pbx)?;
    let (port, told) = tell_first_call(pbx)?;
    let campaign = Campaign::new(port, SECRET, &format!("{CALL}{}", trunks(LINES)), contacts)?;
    if done > 0 {
        write_results(&campaign.results(), done)?;
    }
    let running = Running::start(&mut campaign.run(dialer))?;
    let (at, first) = told
        .recv_timeout(Duration::from_secs(120))
        .context("no call was dialed")?;
    // Those who are done are not called again; of the others, the first ones are.
    ensure!(
        (done..done + LINES).contains(&first),
        "contact {first} is called behind {done} that are done"
    );
    thread::sleep(Duration::from_secs(1));
    Ok((running.since(at), running.peak()?))
}

/// Results of an earlier run in which the first contacts were answered.
fn write_results(path: &Path, done: usize) -> anyhow::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    writeln!(
        file,
        "campaign,contact,number,attempt,counted,final,disposition,cause,cause_text,sip_code,trunk,caller_id,dialed_at,answered_at,ended_at,ring_seconds,talk_seconds,next_attempt_at,call_id,uniqueid,linkedid,note"
    )?;
    for contact in 0..done {
        writeln!(
            file,
            "c,c{contact},+5982{contact:08},1,yes,yes,ANSWERED,16,Normal Clearing,,t0,,2026-11-23T09:30:00.000-03:00,2026-11-23T09:30:08.000-03:00,2026-11-23T09:30:28.000-03:00,8.000,20.000,,01m8a4n5x6e9m9cjwn{contact:08},01m8a4n5x6e9m9cjwn{contact:08},01m8a4n5x6e9m9cjwn{contact:08},"
        )?;
    }
    Ok(file.flush()?)
}

/// Long lists, and long results that are continued.
pub(crate) fn lists(options: &Options) -> anyhow::Result<Table> {
    let dialer = options.dialer()?;
    let mut table = Table::new(
        "Long lists",
        "From the start of the process to the first Originate on the wire, every row validated; peak memory a second later. Reading the list limits it, and with earlier results reading them.",
        "",
        &[
            ("to the first call, s", Unit::Seconds),
            ("peak memory, MiB", Unit::Mebibytes),
        ],
    );
    let sizes = options.size(&[1_000, 1_000_000, 10_000_000][..], &[1_000, 10_000]);
    let done = options.size(1_000_000, 10_000);
    for _ in 0..options.runs() {
        for &contacts in sizes {
            let (took, peak) = first_call(&dialer, contacts, 0)?;
            table.add(
                format!("{contacts} contacts"),
                &[Some(took.as_secs_f64()), Some(peak)],
            );
        }
        let (took, peak) = first_call(&dialer, done + 1_000, done)?;
        table.add(
            format!("continuing behind {done} rows"),
            &[Some(took.as_secs_f64()), Some(peak)],
        );
    }
    Ok(table)
}

/// A rehearsal with the default fates, in virtual time.
pub(crate) fn rehearsal(options: &Options) -> anyhow::Result<Table> {
    let dialer = options.dialer()?;
    let contacts = options.size(1_000_000, 5_000);
    let mut table = Table::new(
        "A rehearsal",
        format!(
            "{contacts} contacts on {REHEARSED} lines with the default [simulate] and retries, in virtual time. The events of the simulated calls limit it."
        ),
        "",
        &[
            ("s", Unit::Seconds),
            ("peak memory, MiB", Unit::Mebibytes),
            ("calls", Unit::Count),
        ],
    );
    for _ in 0..options.runs() {
        let campaign = Campaign::new(
            5038,
            SECRET,
            &format!("{CALL}{}", trunks(REHEARSED)),
            contacts,
        )?;
        let took = Running::start(campaign.run(&dialer).arg("--simulate"))?.end()?;
        let results = campaign.results().with_extension("simulated.csv");
        let results = results::read(&results, contacts)?;
        ensure!(
            results.most_at_once <= REHEARSED / TRUNKS,
            "{REHEARSED} lines, {results:?}"
        );
        let calls = results.rows as f64;
        table.add(
            "rehearsal",
            &[Some(took.wall.as_secs_f64()), Some(took.peak), Some(calls)],
        );
    }
    Ok(table)
}
