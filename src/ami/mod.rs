//! The Asterisk Manager Interface: bytes in, bytes out, one session.
//!
//! [`message`] reads headers, [`codec`] finds where a message ends, [`action`] encodes what is sent. What a call is,
//! and what its events mean, is not known here.

pub mod action;
pub mod codec;
pub mod message;

pub use action::{Action, ActionError, check_header, check_variable, escape_variable};
pub use codec::{Codec, Frame, MAX_MESSAGE};
pub use message::{Message, unescape_c};
