//! Runs the binary against a real Asterisk, which `tests/asterisk/up 22` starts:
//! `cargo test --test real -- --ignored --test-threads=1`.

#[path = "../common/mod.rs"]
mod common;

mod asterisk;
mod calls;
mod capture;
mod check;
mod cuts;
mod trunks;
