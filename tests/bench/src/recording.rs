//! The recorded AMI stream that decoding is measured with.
//!
//! It came from a real Asterisk 22, as `record` makes it, and is played whole: nothing in it is repeated or made up.

use std::collections::HashMap;
use std::io::Read as _;

use anyhow::Context as _;
use flate2::read::GzDecoder;
use memchr::memmem;

const COMPRESSED: &[u8] = include_bytes!("../asterisk-22.ami.gz");

/// The bytes that followed the login. They are never freed, so that a session's task may hold them.
pub(crate) fn stream() -> anyhow::Result<&'static [u8]> {
    let mut stream = Vec::new();
    GzDecoder::new(COMPRESSED)
        .read_to_end(&mut stream)
        .context("the recording is damaged")?;
    Ok(stream.leak())
}

/// What a recording is made of.
#[derive(Debug, Default)]
pub(crate) struct Mix {
    /// Events and responses.
    pub(crate) messages: usize,
    /// Those of them that the dialer keeps.
    pub(crate) kept: usize,
    /// Bytes of those.
    pub(crate) kept_bytes: usize,
    /// How many messages there are of each kind.
    pub(crate) kinds: HashMap<String, usize>,
    /// Calls that were answered.
    pub(crate) answered: usize,
    /// Calls that were not.
    pub(crate) failed: usize,
}

/// Counts by plain search, which knows neither codec.
pub(crate) fn mix(stream: &[u8], keeps: impl Fn(&[u8]) -> bool) -> Mix {
    let mut mix = Mix::default();
    let mut start = 0;
    for end in memmem::find_iter(stream, b"\r\n\r\n") {
        let message = &stream[start..end + 2];
        start = end + 4;
        mix.messages += 1;
        let event = message.strip_prefix(b"Event: ");
        let name = event.map_or(&b"responses"[..], |rest| {
            &rest[..memmem::find(rest, b"\r\n").unwrap_or(rest.len())]
        });
        let kind = String::from_utf8_lossy(name).into_owned();
        *mix.kinds.entry(kind).or_default() += 1;
        if event.is_none() || keeps(name) {
            mix.kept += 1;
            mix.kept_bytes += message.len() + 2;
        }
        if name == b"OriginateResponse" {
            let success = memmem::find(message, b"\r\nResponse: Success\r\n").is_some();
            *(if success {
                &mut mix.answered
            } else {
                &mut mix.failed
            }) += 1;
        }
    }
    mix
}
