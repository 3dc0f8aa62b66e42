//! The exit codes. Scripts depend on them.

/// Every contact has its final outcome, or the limit is reached.
pub const DONE: u8 = 0;
/// An unexpected failure, such as a full disk.
pub const FAILURE: u8 = 1;
/// Wrong usage, configuration or input; nothing was dialed.
pub const USAGE: u8 = 2;
/// Stopped with contacts left: drained by the operator, or the PBX was lost.
pub const CONTACTS_LEFT: u8 = 3;
/// The PBX could not be reached, or refused the login or a permission; nothing was dialed.
pub const NO_PBX: u8 = 4;
/// Another run holds these results or this campaign file (`EX_TEMPFAIL` of sysexits.h).
pub const HELD: u8 = 75;
/// What is added to the number of the signal that aborted a run.
pub const SIGNAL: u8 = 128;
