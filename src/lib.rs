//! A batch dialer for Asterisk.
pub mod disposition;
