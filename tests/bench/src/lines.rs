//! The lines of a real Asterisk: how full the dialer keeps them, beside loops that do nothing else.
//!
//! The same calls by each in turn: the dialer, with its journal and results synced; a raw closed loop, which is the
//! ceiling; and the same loop looking for free lines every 100 ms, as home-made dialers do.

use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::campaign::{Campaign, rows};
use crate::cli::Options;
use crate::process::{self, Running};
use crate::raw::{Dial, Raw, Refill};
use crate::report::{Table, Unit};

/// The manager interface of the Asterisk that tests/asterisk/up starts.
const PORT: u16 = 15038;
const SECRET: &str = "s3cret";
/// How often a home-made dialer looks for free lines.
const POLL: Duration = Duration::from_millis(100);
/// How long a call lasts, in seconds: the party answers at once, and the dialplan hangs up.
const CALL: f64 = 0.3;

pub(crate) fn measure(options: &Options) -> anyhow::Result<Table> {
    let dialer = process::dialer()?;
    let asterisk = asterisk()?;
    let mut table = Table::new(
        "Lines of a real Asterisk 22",
        "SIP calls that are answered at once and last for 0.3 s; SIPp, Asterisk and who dials share the machine. Lines kept busy are the seconds of all calls ÷ (lines × time), as if setting up a call took none.",
        "lines, who dials",
        &[
            ("calls/s", Unit::PerSecond),
            ("lines busy", Unit::Share),
            ("CPU ÷ Asterisk's", Unit::Ratio),
        ],
    );
    for _ in 0..options.runs() {
        for ports in [20, 100] {
            let calls = ports * options.size(50, 5);
            let mut add = |who: &str, seconds: f64, cpu: Option<f64>| {
                let (count, lines) = (calls as f64, ports as f64);
                table.add(
                    format!("{ports}, {who}"),
                    &[
                        Some(count / seconds),
                        Some(count * CALL / (lines * seconds)),
                        cpu,
                    ],
                );
            };
            let trunk = format!(
                "[call]\ncontext = \"brief\"\nexten = \"s\"\n[[trunk]]\nname = \"t\"\nchannel = \"PJSIP/{{number}}@instant\"\nports = {ports}\ncalls_per_second = 100000\n"
            );
            let campaign = Campaign::new(PORT, SECRET, &trunk, calls)?;
            let before = process::cpu(asterisk)?;
            let took = Running::start(&mut campaign.run(&dialer))?.end()?;
            let theirs = process::cpu(asterisk)? - before;
            let written = rows(&campaign.results())?;
            ensure!(written == calls, "{written} rows of {calls} calls");
            add("dialer", took.wall.as_secs_f64(), Some(took.cpu / theirs));
            for (who, refill) in [
                ("raw closed loop", Refill::AtOnce),
                ("loop that polls every 100 ms", Refill::Every(POLL)),
            ] {
                let address = SocketAddr::from(([127, 0, 0, 1], PORT));
                let mut raw = Raw::log_in(address, "dialer", SECRET)?;
                let dials = (0..calls).map(|call| Dial {
                    channel: format!("PJSIP/5982{call:08}@instant"),
                    context: "brief",
                    timeout: 30_000,
                    no_channel: false,
                });
                let ran = raw.run(dials, ports, refill)?;
                ensure!(ran.calls == calls && ran.answered == calls, "{ran:?}");
                add(who, ran.took.as_secs_f64(), None);
            }
        }
    }
    Ok(table)
}

/// The process of Asterisk.
fn asterisk() -> anyhow::Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let is_it = command.starts_with(b"asterisk\0")
            && memchr::memmem::find(&command, b"/dialer/etc").is_some();
        if is_it && let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            return name.parse().context("a process id");
        }
    }
    anyhow::bail!("no test Asterisk is running: start it with tests/asterisk/up 22")
}
