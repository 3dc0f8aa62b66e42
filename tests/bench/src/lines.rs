//! The lines of a real Asterisk: how full the dialer keeps them, beside those who do nothing else.
//!
//! The same calls by each in turn: the dialer, with its journal and results synced; a raw closed loop, which is the
//! ceiling; the same loop looking for free lines every 100 ms, as home-made dialers do; and Asterisk's own call files.
//! The first two take turns at being first.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};

use crate::campaign::Campaign;
use crate::cli::Options;
use crate::process::{self, Running};
use crate::raw::{Dial, Raw, Refill};
use crate::report::{Table, Unit};
use crate::results;
use crate::spool::Spool;
use crate::watch::Watch;

/// The manager interface of the Asterisk that tests/asterisk/up starts.
const PORT: u16 = 15038;
const SECRET: &str = "s3cret";
/// How often a home-made dialer looks for free lines.
const POLL: Duration = Duration::from_millis(100);

/// Calls of one kind: the party answers at once, and the dialplan hangs up.
struct Scene {
    ports: usize,
    /// Where an answered call goes.
    context: &'static str,
    /// How long it stays there, in seconds.
    lasts: f64,
    /// How many calls each line makes.
    each: usize,
}

const SCENES: [Scene; 2] = [
    Scene {
        ports: 20,
        context: "brief",
        lasts: 0.3,
        each: 30,
    },
    Scene {
        ports: 100,
        context: "at-once",
        lasts: 0.0,
        each: 40,
    },
];

/// Who dials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Dialer,
    Raw,
    Poll,
    CallFiles,
}

impl Who {
    fn name(self) -> &'static str {
        match self {
            Self::Dialer => "dialer",
            Self::Raw => "raw closed loop",
            Self::Poll => "loop that polls every 100 ms",
            Self::CallFiles => "call files",
        }
    }
}

/// What it took to place the calls.
#[derive(Debug, Clone, Copy)]
struct Took {
    seconds: f64,
    /// Processor time of who dials, in seconds.
    own: f64,
    /// That of Asterisk.
    asterisk: f64,
}

pub(crate) fn measure(options: &Options) -> anyhow::Result<Table> {
    let stage = Stage {
        dialer: &options.dialer()?,
        asterisk: asterisk()?,
        watched: options.quick,
    };
    let mut table = Table::new(
        "Lines of a real Asterisk 22",
        "SIP calls that are answered at once; SIPp, Asterisk and who dials share the machine. Time runs from the first Originate to the end of the last call. Lines kept busy are the seconds for which the dialplan holds the calls ÷ (lines × time), as if setting up a call took none.",
        "lines, calls, who dials",
        &[
            ("calls/s", Unit::PerSecond),
            ("÷ raw", Unit::Fine),
            ("lines busy", Unit::Share),
            ("CPU a call, µs", Unit::Microseconds),
            ("of Asterisk, µs", Unit::Microseconds),
            ("CPU ÷ Asterisk's", Unit::Ratio),
        ],
    );
    for run in 0..options.runs() {
        for scene in &SCENES {
            let calls = scene.ports * options.size(scene.each, 5);
            let first = if run % 2 == 0 {
                [Who::Raw, Who::Dialer]
            } else {
                [Who::Dialer, Who::Raw]
            };
            let all = first.into_iter().chain([Who::Poll, Who::CallFiles]);
            let took: Vec<(Who, Took)> = all
                .map(|who| Ok((who, stage.play(scene, who, calls)?)))
                .collect::<anyhow::Result<_>>()?;
            let ceiling = took.iter().find(|(who, _)| *who == Who::Raw);
            let ceiling = ceiling.context("no raw loop")?.1.seconds;
            for who in [Who::Dialer, Who::Raw, Who::Poll, Who::CallFiles] {
                let (_, took) = took.iter().find(|took| took.0 == who).context("left out")?;
                let (count, lines) = (calls as f64, scene.ports as f64);
                table.add(
                    format!("{}, {} s, {}", scene.ports, scene.lasts, who.name()),
                    &[
                        Some(count / took.seconds),
                        Some(ceiling / took.seconds),
                        (scene.lasts > 0.0).then(|| count * scene.lasts / (lines * took.seconds)),
                        Some(took.own * 1e6 / count),
                        Some(took.asterisk * 1e6 / count),
                        Some(took.own / took.asterisk),
                    ],
                );
            }
        }
    }
    Ok(table)
}

struct Stage<'a> {
    dialer: &'a Path,
    asterisk: u32,
    /// A second session counts Asterisk's channels, which costs it time.
    watched: bool,
}

impl Stage<'_> {
    /// Has the calls placed.
    fn play(&self, scene: &Scene, who: Who, calls: usize) -> anyhow::Result<Took> {
        let address = SocketAddr::from(([127, 0, 0, 1], PORT));
        let watch = if self.watched {
            Some(Watch::channels(address, SECRET, "PJSIP/instant-")?)
        } else {
            None
        };
        let before = process::cpu(self.asterisk)?;
        let (seconds, own) = match who {
            Who::Dialer => self.dialer(scene, calls)?,
            who => {
                let before = process::cpu(std::process::id())?;
                let dials = (0..calls).map(|call| Dial {
                    channel: format!("PJSIP/+5982{call:08}@instant"),
                    context: scene.context,
                    timeout: 30_000,
                    name: format!("Name {call}"),
                    no_channel: false,
                });
                let raw = || Raw::log_in(address, "dialer", SECRET);
                let ran = match who {
                    Who::CallFiles => Spool::of(self.asterisk)?.run(dials, scene.ports)?,
                    Who::Poll => raw()?.run(dials, scene.ports, Refill::Every(POLL))?,
                    Who::Dialer | Who::Raw => raw()?.run(dials, scene.ports, Refill::AtOnce)?,
                };
                ensure!(ran.calls == calls && ran.answered == calls, "{ran:?}");
                let own = process::cpu(std::process::id())? - before;
                (ran.took.as_secs_f64(), own)
            }
        };
        let asterisk = process::cpu(self.asterisk)? - before;
        if let Some(watch) = watch {
            let seen = watch.end(calls)?;
            // A call file goes a moment before its channel does.
            ensure!(
                who == Who::CallFiles || seen.most_at_once <= scene.ports,
                "{who:?}: {seen:?} on {} lines",
                scene.ports
            );
        }
        Ok(Took {
            seconds,
            own,
            asterisk,
        })
    }

    /// Seconds from the first Originate to the end of the last call, and processor time of the whole process.
    fn dialer(&self, scene: &Scene, calls: usize) -> anyhow::Result<(f64, f64)> {
        let Scene { ports, context, .. } = scene;
        let tables = format!(
            "[call]\ncontext = \"{context}\"\nexten = \"s\"\n[call.variables]\nNAME = \"{{name}}\"\n[[trunk]]\nname = \"t\"\nchannel = \"PJSIP/{{number}}@instant\"\nports = {ports}\ncalls_per_second = 100000\n"
        );
        let campaign = Campaign::new(PORT, SECRET, &tables, calls)?;
        let took = Running::start(&mut campaign.run(self.dialer))?.end()?;
        let results = results::read(&campaign.results(), calls)?;
        ensure!(
            results.rows == calls && results.answered == calls,
            "{calls} calls, and {results:?}"
        );
        ensure!(results.most_at_once <= *ports, "{ports} lines, {results:?}");
        // Its own clock, against ours.
        ensure!(
            results.spent <= took.wall,
            "{results:?} within {:?}",
            took.wall
        );

        Ok((results.spent.as_secs_f64(), took.cpu))
    }
}

/// The process of Asterisk.
fn asterisk() -> anyhow::Result<u32> {
    for entry in fs::read_dir("/proc")? {
        let path = entry?.path();
        let command = fs::read(path.join("cmdline")).unwrap_or_default();
        let root = fs::read_link(path.join("root")).unwrap_or_default();
        let is_it = command.starts_with(b"asterisk\0")
            && memchr::memmem::find(&command, b"/dialer/etc").is_some()
            && root.ends_with("22");
        if is_it && let Some(name) = path.file_name().and_then(|name| name.to_str()) {
            return name.parse().context("a process id");
        }
    }
    anyhow::bail!("no test Asterisk is running: start it with tests/asterisk/up 22")
}
