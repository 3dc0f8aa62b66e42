//! Runs the binary as a user would: against the simulated Asterisk, on terminals, on files that others touched.

#[path = "../common/mod.rs"]
mod common;
#[path = "../../src/config/tests/faults.rs"]
mod faults;

mod bar;
mod check;
mod check_connect;
mod durable;
mod examples;
mod export;
mod help;
mod init;
mod outcomes_simulated;
mod plan;
mod readme;
mod rehearsal;
mod report;
mod resume;
mod run;
mod signals;
mod status;
mod terminal;
mod tls;
mod touched;
