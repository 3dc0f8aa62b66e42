//! Makes the recording that decoding is measured with: a few hundred calls of every kind, over a real Asterisk.

use std::fs::File;
use std::io::Write as _;

use anyhow::Context as _;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::cli::RecordArgs;
use crate::raw::{Dial, Raw, Refill};

/// Calls at once.
const PORTS: usize = 40;

/// How many of each hundred calls go where: the answered ones over SIP prevail, as in a campaign that goes well.
const MIX: [(usize, &str, &str); 13] = [
    (30, "PJSIP/{number}@answer", "brief"),
    (16, "PJSIP/{number}@early-answer", "brief"),
    (8, "PJSIP/{number}@leaves", "patient"),
    (4, "PJSIP/{number}@answer", "survey"),
    (10, "PJSIP/{number}@busy", "brief"),
    (6, "PJSIP/{number}@noanswer", "brief"),
    (4, "PJSIP/{number}@early-busy", "brief"),
    (4, "PJSIP/{number}@reject", "brief"),
    (3, "PJSIP/{number}@notfound", "brief"),
    (2, "PJSIP/{number}@unavail", "brief"),
    (1, "PJSIP/{number}@nobody", "brief"),
    (6, "Local/1{number}@local/n", "brief"),
    (6, "Local/2{number}@local/n", "brief"),
];

/// How many calls are recorded.
const CALLS: usize = 500;

pub(crate) fn record(args: &RecordArgs) -> anyhow::Result<()> {
    let mut raw = Raw::log_in(args.ami, "dialer", "s3cret")?;
    raw.record();
    let ran = raw.run((0..CALLS).map(dial), PORTS, Refill::AtOnce)?;
    let recorded = raw.recorded();
    let file = File::create(&args.path)
        .with_context(|| format!("{} cannot be written", args.path.display()))?;
    let mut gz = GzEncoder::new(file, Compression::best());
    gz.write_all(&recorded)?;
    gz.finish()?.sync_all()?;
    println!(
        "{} calls, {} answered, {} bytes, in {}",
        ran.calls,
        ran.answered,
        recorded.len(),
        args.path.display()
    );
    Ok(())
}

/// The kinds are interleaved: the n-th call takes its kind from a place that walks through the hundred in steps of 37.
fn dial(n: usize) -> Dial {
    let mut place = n * 37 % 100;
    let mut kind = MIX[0];
    for candidate in MIX {
        kind = candidate;
        if place < candidate.0 {
            break;
        }
        place -= candidate.0;
    }
    let number = 555_000_000 + n;
    Dial {
        channel: kind.1.replace("{number}", &number.to_string()),
        context: kind.2,
        name: "Ana".to_owned(),
        timeout: if kind.1.ends_with("@noanswer") {
            1500
        } else {
            30_000
        },
        no_channel: kind.1.ends_with("@nobody"),
    }
}
