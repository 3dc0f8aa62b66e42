//! One attempt: the Originate, the wait for its end, and what is made of it.
//!
//! [`place`] is the body of the one task that a call has. It registers the call with the [`correlator`], writes the
//! Originate, and waits on a oneshot that the correlator resolves; it looks at the clock only to hang up a call that
//! lasts too long. Who is called, when, and what becomes of the outcome is the campaign's.

pub mod correlator;
pub mod id;
pub mod pace;
pub mod probe;
pub mod signals;
pub mod verdict;

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ami::action::{Action, ActionError};
use crate::ami::client::{Client, SessionClosed};
use correlator::Note;
use id::CallId;
use pace::TrunkLog;
use signals::Signals;
use verdict::Cut;

/// How long a channel that was hung up may take to be gone before it is hung up again.
const HANGUP_AGAIN: Duration = Duration::from_secs(5);

/// One call to be placed.
#[derive(Debug)]
pub struct Attempt {
    /// Its id: `ActionID`, `CALLID` and `ChannelId` of its Originate.
    pub id: CallId,
    /// The Originate, with `Async: true`.
    pub originate: Action,
    /// From the Originate to the moment at which the dialer hangs it up.
    pub call_timeout: Duration,
    /// Where the moment of writing and signs of life are noted.
    pub trunk: TrunkLog,
    /// Cancelled when running calls are to be hung up at once.
    pub hang_up: CancellationToken,
}

/// An attempt that is over.
#[derive(Debug)]
pub struct Ended {
    /// What was seen of it.
    pub signals: Signals,
    /// Why the dialer hung it up, if it did.
    pub cut: Option<Cut>,
}

/// Places one call and returns when it is over.
///
/// It always ends: by what Asterisk says, by the watchdog of `call_timeout`, whose hangup is repeated until the channel
/// is gone or Asterisk says that it knows no such channel, or by the end of the session.
///
/// # Errors
/// The session was over before the Originate was written: nothing was dialed.
pub async fn place(client: &Client<Note>, attempt: Attempt) -> Result<Ended, SessionClosed> {
    let id = attempt.id;
    let (done, mut ended) = oneshot::channel();
    let register = Note::Register {
        id,
        done,
        trunk: attempt.trunk,
    };
    client.submit(Some(register), Some(attempt.originate))?;

    let mut watchdog = Instant::now() + attempt.call_timeout;
    let mut cut = None;
    loop {
        tokio::select! {
            biased;
            signals = &mut ended => {
                let signals = signals.map_err(|_| SessionClosed)?;
                return Ok(Ended { signals, cut });
            }
            () = attempt.hang_up.cancelled(), if cut != Some(Cut::Cancelled) => {
                cut = Some(Cut::Cancelled);
            }
            () = sleep_until(watchdog) => {
                cut.get_or_insert(Cut::CallTimeout);
            }
        }
        watchdog = Instant::now() + HANGUP_AGAIN;
        let hangup = tokio::select! {
            biased;
            signals = &mut ended => {
                let signals = signals.map_err(|_| SessionClosed)?;
                return Ok(Ended { signals, cut });
            }
            result = hang_up(client, id) => result,
        };
        match hangup {
            Ok(HungUp::Underway) => {}
            Ok(HungUp::NoSuchChannel) => {
                // Either its end is on its way, or it was missed: the correlator gives it a moment and then resolves.
                let _ = client.submit(Some(Note::Abandon(id)), None);
            }
            Err(error) => warn!(%id, "the call could not be hung up, trying again: {error}"),
        }
    }
}

/// Hangs up the channel of a call that nobody follows any more, best effort: it may be gone already.
pub async fn hang_up_for_good(client: &Client<Note>, id: CallId) {
    if let Err(error) = hang_up(client, id).await {
        warn!(%id, "the call could not be hung up: {error}");
    }
}

enum HungUp {
    Underway,
    NoSuchChannel,
}

/// Hangs up a call's channel by the Uniqueid that was chosen for it.
async fn hang_up(client: &Client<Note>, id: CallId) -> anyhow::Result<HungUp> {
    let action = hangup_action(id)?;
    let response = client.request(action).await?;
    if response.get("Response") == Some(b"Success") {
        return Ok(HungUp::Underway);
    }
    let message = response.get_str("Message").unwrap_or_default();
    if message.to_ascii_lowercase().contains("no such channel") {
        Ok(HungUp::NoSuchChannel)
    } else {
        anyhow::bail!("Asterisk says: {message}")
    }
}

fn hangup_action(id: CallId) -> Result<Action, ActionError> {
    // Its own ActionID: the call's one belongs to the Originate.
    Action::new("Hangup", &format!("hangup-{id}"))?.header("Channel", id.as_str())
}
