//! A batch dialer for Asterisk.
//!
//! A contact passes the modules in this order: `contacts` reads it, the `campaign`'s queue holds it, eligibility says
//! whether it may be called now, a `trunk` has a free line, `call` places it through `ami`; the correlator gathers the
//! events, the verdict names the end, and `results` has the row. It comes back to the queue only to be called again.
//!
//! Which promise lives where:
//!
//! | Promise | File |
//! |---|---|
//! | how a call ended | `call/observations.rs`, `call/verdict.rs` |
//! | every call ends | `call/mod.rs` (time limits), `call/reconcile.rs` (after a lost session) |
//! | who may be called, when, and why not | `campaign/eligibility.rs`, asked by the run and by the plan |
//! | a number is called once at a time | `campaign/lines.rs`, `results/journal.rs` |
//! | a contact is done once | `results/resume.rs`, `contacts/validate.rs` (duplicates) |
//! | never more lines, never a faster pace | `trunk/mod.rs`, `trunk/rate_limit.rs` |
//! | a broken trunk does not use up a list | `trunk/breaker.rs` |
//! | a row is whole and stays | `results/append_file.rs`, `results/writer.rs` |
//! | numbers never to call | `suppression/mod.rs`, `campaign/conclude.rs` (opt-out before the row) |
//! | a value of the list is nothing but a value | `ami/action.rs`, `contacts/render.rs` |
//! | the second signal ends a run within five seconds | `shutdown.rs` |
//! | exit codes | `exit.rs`, `commands/run/ending.rs` |
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
mod plural;
mod results;
mod schedule;
mod shutdown;
mod signals;
pub mod sim;
mod suppression;
mod template;
mod trunk;

pub use commands::main;
pub use results::schema::HEADER;
pub use results::spreadsheet::Kind;
