//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use crate::process;

/// How fast dialer is, what it takes, and what limits it
#[derive(Debug, Parser)]
#[command(name = "dialer-bench")]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) what: What,
}

/// What holds for every sub-benchmark.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Small sizes, one run: checks that nothing is lost, and says nothing of speed
    #[arg(long, global = true)]
    pub(crate) quick: bool,
    /// How often everything is measured; the median is shown
    #[arg(long, global = true, default_value_t = 5, value_name = "N")]
    runs: usize,
    /// Also write every single figure there, as JSON
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) json: Option<PathBuf>,
    /// Print Markdown, as it stands in the README
    #[arg(long, global = true)]
    pub(crate) markdown: bool,
    /// Measure this dialer instead of building one as it is released
    #[arg(long, global = true, value_name = "PATH")]
    dialer: Option<PathBuf>,
}

impl Options {
    /// How often everything is measured.
    pub(crate) fn runs(&self) -> usize {
        if self.quick { 1 } else { self.runs.max(1) }
    }

    /// The dialer that is measured.
    pub(crate) fn dialer(&self) -> anyhow::Result<PathBuf> {
        match &self.dialer {
            Some(path) => path
                .canonicalize()
                .with_context(|| format!("{} is not there", path.display())),
            None => process::dialer(),
        }
    }

    /// One size or the other.
    pub(crate) fn size<T>(&self, full: T, quick: T) -> T {
        if self.quick { quick } else { full }
    }
}

/// The sub-benchmarks.
#[derive(Debug, Subcommand)]
pub(crate) enum What {
    /// All of these, the recording apart: about half an hour, and tests/asterisk/up 22 before it
    All,
    /// Decoding a recorded AMI stream, beside another codec and the scan that is the limit
    Decode,
    /// The whole dialer against the simulated Asterisk, at different numbers of lines
    Speed,
    /// Long lists and long results: time to the first call, and memory
    Lists,
    /// A rehearsal in virtual time
    Rehearsal,
    /// The whole dialer against the real Asterisk that tests/asterisk/up starts, beside loops that write nothing down
    Lines,
    /// Make the recording anew, from the test Asterisk that tests/asterisk/up starts
    Record(RecordArgs),
}

/// `record`
#[derive(Debug, Args)]
pub(crate) struct RecordArgs {
    /// The manager interface of the test Asterisk
    #[arg(long, default_value = "127.0.0.1:15038")]
    pub(crate) ami: SocketAddr,
    /// Where the recording goes
    #[arg(default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/asterisk-22.ami.gz"))]
    pub(crate) path: PathBuf,
}
