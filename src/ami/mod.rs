//! The Asterisk Manager Interface: bytes in, bytes out, one session.
//!
//! [`message`] reads headers, [`codec`] finds where a message ends, [`action`] encodes what is sent. [`connection`]
//! is the task that owns the stream, [`client`] the handle to it; [`connect`] and [`login`] come before. What a call
//! is, and what its events mean, is not known here.

pub mod action;
pub mod client;
pub mod codec;
pub mod connect;
pub mod connection;
mod inbox;
mod lines;
pub mod login;
pub mod message;
#[cfg(test)]
mod tests;
pub mod tls;
mod tls_stream;
pub mod transport;
mod wire;

pub use action::{Action, ActionError, check_header, check_variable, escape_variable};
pub use client::{Client, ListError, Session, SessionClosed, SessionError};
pub use codec::{Codec, Frame, MAX_MESSAGE};
pub use connect::{ConnectError, connect_tcp};
pub use connection::{Handler, open};
pub use login::{Auth, Login, LoginError};
pub use message::{Message, unescape_c};
