//! A batch dialer for Asterisk.
//!
//! A call walks through the modules once, from left to right, and nothing walks back: campaign file, contacts, queue,
//! a free line, the call's task, AMI, Asterisk; then events, correlator, verdict, the row of the results, and, for the
//! busy and the absent, the queue again.
//!
//! This is a library for `main.rs`, the tests of the binary and the bench: only what they need is public.

pub mod ami;
pub mod call;
mod campaign;
pub mod cli;
mod clock;
mod commands;
pub mod config;
mod contact_history;
mod contacts;
pub mod disposition;
mod error_chain;
pub mod exit;
mod output;
mod phone_number;
mod results;
mod schedule;
mod shutdown;
mod signals;
pub mod sim;
mod suppression;
mod template;
mod trunk;

pub use commands::main;
pub use results::schema::COLUMNS;
pub use results::spreadsheet::Kind;
