//! The command line as clap reads it. What it means is the commands'.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::nearest;
use crate::contacts::Shard;
use crate::disposition::Disposition;
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// The version, and the commit that it was built from, where that is known.
pub const VERSION: &str = env!("DIALER_VERSION");

/// A batch dialer for Asterisk.
#[derive(Debug, Parser)]
#[command(name = "dialer", version = VERSION, about, long_about = None, propagate_version = true)]
#[command(max_term_width = 80)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How it shows what it does.
    #[command(flatten)]
    pub output: Output,
}

/// How much is said on standard error, and in which form.
#[derive(Debug, Clone, Copy, Args)]
pub struct Output {
    /// Say nothing unless something is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for every event of every call
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Colours in the log
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Form of the log: sentences, or one JSON object a line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Progress: a bar, a line every few seconds, or none; auto is a bar on a terminal, lines elsewhere
    #[arg(long, global = true, value_name = "KIND", default_value = "auto")]
    pub progress: ProgressKind,
}

/// `--color`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal that has them, unless `NO_COLOR` is set.
    Auto,
    /// Also into a file.
    Always,
    /// Nowhere.
    Never,
}

/// `--log-format`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Sentences.
    Text,
    /// One object a line.
    Json,
}

/// `--progress`
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ProgressKind {
    /// A bar on a terminal, lines elsewhere.
    Auto,
    /// A bar, wherever there can be one.
    Bar,
    /// A line every few seconds.
    Plain,
    /// None.
    None,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dial a campaign
    Run(RunArgs),
    /// Say what is wrong with a campaign, and call nobody
    Check(CheckArgs),
    /// Serve a simulated Asterisk that any AMI client can log in to, in real time
    Sim(SimArgs),
    /// Say what became of a campaign, as text, JSON or a page
    Report(ReportArgs),
    /// Print results for other programs, such as a spreadsheet
    Export(ExportArgs),
    /// Write a campaign file and a sample list of contacts to begin with
    Init {
        /// Where: a folder, or a file whose name ends in .toml
        #[arg(value_name = "PATH", default_value = "campaign.toml")]
        path: PathBuf,
    },
    /// Print the manual page, or what a shell needs to complete commands
    Generate {
        /// What
        #[arg(value_name = "WHAT")]
        what: Generated,
    },
}

/// `dialer run`
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[derive(Debug, Default, Args)]
pub struct RunArgs {
    /// The campaign file
    #[arg(value_name = "CAMPAIGN.TOML")]
    pub campaign: PathBuf,
    /// Dial on the built-in simulated Asterisk: nothing is dialed, the real results are not touched
    #[arg(long)]
    pub simulate: bool,
    /// With --simulate: at the pace of real time, to be watched
    #[arg(long, requires = "simulate")]
    pub real_time: bool,
    /// Write the results here instead; - is standard output
    #[arg(long, value_name = "PATH")]
    pub results: Option<PathBuf>,
    /// Call only the first N contacts of those still to call
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// Call only the I-th of N disjoint parts of the list, counted from 0
    #[arg(long, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Make contacts whose final row has this disposition callable again
    #[arg(long, value_name = "DISPOSITION", value_delimiter = ',', value_parser = disposition)]
    pub redial: Vec<Disposition>,
    /// Set the old results aside, kept under a dated name, and start over
    #[arg(long, conflicts_with = "redial")]
    pub fresh: bool,
    /// Print the plan on standard output, and dial nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Print a machine-readable summary on standard output at the end; not together with --results -
    #[arg(long)]
    pub json: bool,
    /// Replace this file each second by how the run is, as JSON, or in Prometheus' text format if its name ends in .prom
    #[arg(long, value_name = "PATH")]
    pub status: Option<PathBuf>,
}

/// `dialer check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The campaign file
    #[arg(value_name = "CAMPAIGN.TOML")]
    pub campaign: PathBuf,
    /// Log in to Asterisk, too, and see whether calls could come of it
    #[arg(long)]
    pub connect: bool,
}

/// `dialer sim`
#[derive(Debug, Args)]
pub struct SimArgs {
    /// The address to listen on, such as 127.0.0.1:5038
    #[arg(long, value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Take the fates, the user and the secret of this campaign
    #[arg(long, value_name = "CAMPAIGN.TOML")]
    pub campaign: Option<PathBuf>,
}

/// `dialer report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The results, as far as they are written; - is standard input
    #[arg(value_name = "RESULTS.CSV")]
    pub results: PathBuf,
    /// Print the figures as one JSON object
    #[arg(long)]
    pub json: bool,
    /// Write a page that needs nothing but itself, instead of the text; - is standard output
    #[arg(long, value_name = "PATH")]
    pub html: Option<PathBuf>,
}

/// `dialer export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// The results, as far as they are written; - is standard input
    #[arg(value_name = "RESULTS.CSV")]
    pub results: PathBuf,
    /// Make it safe for Excel and LibreOffice: numbers stay text, no formula runs, local times in whole seconds
    #[arg(long)]
    pub spreadsheet: bool,
    /// One row a contact: its last one
    #[arg(long = "final")]
    pub last: bool,
    /// What stands between two fields; "tab" or \t for a tab
    #[arg(long, value_name = "C", default_value = ",", value_parser = delimiter)]
    pub delimiter: char,
}

/// What `dialer generate` prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// The manual page, for man(1)
    Man,
    /// Completions for bash
    Bash,
    /// Completions for zsh
    Zsh,
    /// Completions for fish
    Fish,
    /// Completions for PowerShell
    Powershell,
}

/// A disposition, however it is written.
fn disposition(given: &str) -> Result<Disposition, String> {
    Disposition::from_words(given).ok_or_else(|| {
        let names = Disposition::ALL.map(Disposition::as_str);
        match nearest(given, names) {
            Some(nearest) => format!("it is no disposition; did you mean {nearest:?}?"),
            None => format!("it is no disposition: write one of {}", names.join(", ")),
        }
    })
}

/// A character that can stand between fields.
fn delimiter(given: &str) -> Result<char, String> {
    match (given, given.as_bytes()) {
        ("tab" | "\\t", _) => Ok('\t'),
        (_, [byte @ (b'\t' | b' '..=b'~')]) if !byte.is_ascii_alphanumeric() && *byte != b'"' => {
            Ok(char::from(*byte))
        }
        _ => Err("one character such as , ; | or tab".to_owned()),
    }
}
