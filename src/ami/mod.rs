//! The Asterisk Manager Interface: bytes in, bytes out, one session.
//!
//! [`codec`] finds where a message ends, [`message`] reads its headers, [`action`] encodes what is sent. A [`transport`]
//! gives the byte stream, [`login`] opens it, [`session`] is the task that owns it, and [`client`] the handle to that.
//! What came goes to a [`handler`]. What a call is, and what its events mean, is not known here.

pub(crate) mod action;
mod buffered_stream;
pub(crate) mod client;
pub(crate) mod codec;
pub(crate) mod errors;
pub(crate) mod handler;
mod inbox;
mod line_ends;
pub(crate) mod login;
pub(crate) mod message;
pub(crate) mod session;
#[cfg(test)]
mod tests;
pub(crate) mod tls;
mod tls_stream;
pub(crate) mod transport;

pub use action::Action;
pub use errors::SessionError;
pub use handler::{Handler, SharedHandler};
pub use login::{Auth, Login};
pub use message::Message;
pub use session::open;
