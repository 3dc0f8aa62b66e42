//! A batch dialer for Asterisk.
//!
//! A call walks through the modules once, from left to right, and nothing walks back: campaign file, contacts, queue,
//! a free line, the call's task, AMI, Asterisk; then events, correlator, verdict, the row of the results, and, for the
//! busy and the absent, the queue again.

pub mod ami;
pub mod call;
pub mod campaign;
pub mod cli;
pub mod clock;
pub mod commands;
pub mod config;
pub mod contact_history;
pub mod contacts;
pub mod disposition;
pub mod exit;
pub mod output;
pub mod phone_number;
pub mod results;
pub mod schedule;
pub mod signals;
pub mod sim;
pub mod suppression;
pub mod template;
pub mod trunk;
