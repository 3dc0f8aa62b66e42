//! The command line as clap reads it. What it means is the commands'.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser, Subcommand};

/// A batch dialer for Asterisk.
#[derive(Debug, Parser)]
#[command(name = "dialer", version, about, long_about = None, propagate_version = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// How much is logged on standard error.
#[derive(Debug, Clone, Copy, Args)]
pub struct Verbosity {
    /// Say nothing unless something is wrong
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more; twice for every event of every call
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Dial a campaign
    Run(RunArgs),
}

/// `dialer run`
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the command line"
)]
#[derive(Debug, Args)]
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
    /// Call only the first N contacts
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
    /// The I-th of N parts of the list (not supported yet)
    #[arg(long, value_name = "I/N")]
    pub shard: Option<String>,
    /// Make contacts with this final disposition callable again (not supported yet)
    #[arg(long, value_name = "DISPOSITION", value_delimiter = ',')]
    pub redial: Vec<String>,
    /// Set the old results aside and start over (not supported yet)
    #[arg(long)]
    pub fresh: bool,
    /// Print the plan and dial nothing (not supported yet)
    #[arg(long)]
    pub dry_run: bool,
    /// Print a machine-readable summary at the end (not supported yet)
    #[arg(long)]
    pub json: bool,
}
