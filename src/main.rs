//! The `dialer` command: parse, run, exit code.
fn main() {}
