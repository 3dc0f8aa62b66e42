//! A batch dialer for Asterisk.
pub mod ami;
pub mod disposition;
