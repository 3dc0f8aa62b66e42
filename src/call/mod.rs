//! One attempt: the Originate, the wait for its end, and what is made of it.
//!
//! [`place`] is the body of the one task that a call has. It registers the call with the [`correlator`], writes the
//! Originate, and waits on a oneshot that the correlator resolves; it looks at the clock only to hang up a call that
//! lasts too long. Who is called, when, and what becomes of the outcome is the campaign's.

pub mod capture;
pub mod correlator;
pub mod id;
pub mod observations;
pub(crate) mod originate;
pub mod probe;
pub mod reconnect;
pub mod survey;
#[cfg(test)]
mod tests;
pub mod verdict;

use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ami::action::Action;
use crate::ami::client::{Client, SessionClosed};
use crate::trunk::rate_limit::Turn;
use correlator::Note;
use id::CallId;
use observations::Signals;
use reconnect::Link;
use verdict::Cut;

/// How long a channel that was hung up may take to be gone before it is hung up again.
const HANGUP_AGAIN: Duration = Duration::from_secs(5);

/// How long the end of a call is waited for that was hung up because the run was stopped.
const GIVE_UP: Duration = Duration::from_secs(3);
/// How long a channel that Asterisk does not know may take to come into being before it is hung up again.
const NOT_THERE_YET: Duration = Duration::from_millis(100);

/// One call to be placed.
#[derive(Debug)]
pub struct Attempt {
    /// Its id: `ActionID`, `CALLID` and `ChannelId` of its Originate.
    pub id: CallId,
    /// The Originate, with `Async: true`.
    pub originate: Action,
    /// From the Originate to the moment at which the dialer hangs it up.
    pub call_timeout: Duration,
    /// Its turn on its trunk, where signs of life are noted, too.
    pub turn: Turn,
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

impl Ended {
    /// A call whose channel had gone before it was to be cut was not cut: only what comes after that was waited for.
    fn of(signals: Signals, cut: Option<(Cut, Instant)>) -> Self {
        let had_gone = |at| signals.hung_up() && signals.ended_at < at;
        let cut = cut.filter(|&(_, at)| !had_gone(at)).map(|(why, _)| why);
        Self { signals, cut }
    }
}

/// Places one call and returns when it is over.
///
/// It always ends: by what Asterisk says, by the watchdog of `call_timeout`, whose hangup is repeated until the channel
/// is gone or Asterisk says that it knows no such channel, or by the end of the link.
///
/// # Errors
/// There was no session, or it ended before the Originate was written: nothing was dialed.
pub async fn place(link: &Link, attempt: Attempt) -> Result<Ended, SessionClosed> {
    let (done, ended) = oneshot::channel();
    let register = Note::Register {
        id: attempt.id,
        done,
        turn: attempt.turn,
    };
    let client = link.client().ok_or(SessionClosed)?;
    client.submit(Some(register), Some(attempt.originate))?;
    let watchdog = Instant::now() + attempt.call_timeout;
    follow(link, attempt.id, ended, watchdog, &attempt.hang_up).await
}

/// A call that an earlier run placed: what resolves when it is over, at once if there will be no session. Nothing is
/// written; the link is to be [reconciled](link::reconcile) when all of them are registered.
pub async fn adopt(link: &Link, id: CallId, begun_at: Instant) -> oneshot::Receiver<Signals> {
    loop {
        let (done, ended) = oneshot::channel();
        let Some(client) = link.client_when_up().await else {
            return ended;
        };
        let note = Note::Adopt { id, done, begun_at };
        if client.submit(Some(note), None).is_ok() {
            return ended;
        }
        // The session has just ended; the link says so in a moment.
        client.closed().await;
        tokio::task::yield_now().await;
    }
}

/// Follows a call that was placed to its end, and hangs it up when that is due.
///
/// # Errors
/// The session ended before the call was known to it.
pub async fn follow(
    link: &Link,
    id: CallId,
    mut ended: oneshot::Receiver<Signals>,
    mut watchdog: Instant,
    hang_up_now: &CancellationToken,
) -> Result<Ended, SessionClosed> {
    // Why, and when first.
    let mut cut: Option<(Cut, Instant)> = None;
    let mut give_up = None;
    loop {
        tokio::select! {
            biased;
            signals = &mut ended => {
                let signals = signals.map_err(|_| SessionClosed)?;
                return Ok(Ended::of(signals, cut));
            }
            () = hang_up_now.cancelled(), if give_up.is_none() => {
                let now = Instant::now();
                cut.get_or_insert((Cut::Cancelled, now));
                give_up = Some(now + GIVE_UP);
            }
            () = sleep_until(watchdog) => {
                cut.get_or_insert_with(|| (Cut::CallTimeout, Instant::now()));
            }
        }
        watchdog = Instant::now() + HANGUP_AGAIN;
        let hangup = tokio::select! {
            biased;
            signals = &mut ended => {
                let signals = signals.map_err(|_| SessionClosed)?;
                return Ok(Ended::of(signals, cut));
            }
            result = hang_up(link, id) => result,
            () = patience(give_up) => break,
            // Also while a hangup waits for a session that is away.
            () = hang_up_now.cancelled(), if give_up.is_none() => continue,
        };
        match hangup {
            Ok(HungUp::Underway) => {}
            // Its end is on its way, or was missed: the correlator gives it a moment and then resolves. Or its channel
            // is not there yet, milliseconds after the Originate.
            Ok(HungUp::NoSuchChannel(client)) => {
                watchdog = Instant::now() + NOT_THERE_YET;
                let _ = client.submit(Some(Note::Abandon(id)), None);
            }
            Err(error) => warn!(%id, "the call could not be hung up, trying again: {error}"),
        }
        if let Some(give_up) = give_up {
            watchdog = watchdog.min(give_up);
            if Instant::now() >= give_up {
                break;
            }
        }
    }
    // The operator does not wait for a PBX that is silent, or away.
    link.give_up(id);
    let signals = ended.await.map_err(|_| SessionClosed)?;
    Ok(Ended::of(signals, cut))
}

async fn patience(until: Option<Instant>) {
    match until {
        Some(until) => sleep_until(until).await,
        None => std::future::pending().await,
    }
}

/// Hangs up the channel of a call that nobody follows any more, best effort: it may be gone already.
pub async fn hang_up_for_good(link: &Link, id: CallId) {
    if let Err(error) = hang_up(link, id).await {
        warn!(%id, "the call could not be hung up: {error}");
    }
}

enum HungUp {
    Underway,
    NoSuchChannel(Client<Note>),
}

/// Hangs up a call's channel by the Uniqueid that was chosen for it, as soon as there is a session.
async fn hang_up(link: &Link, id: CallId) -> anyhow::Result<HungUp> {
    // Its own ActionID, each time: the call's one belongs to the Originate.
    let action = Action::new("Hangup", &format!("hangup-{}", CallId::new()))?
        .header("Channel", id.as_str())?;
    let client = link.client_when_up().await.ok_or(SessionClosed)?;
    let response = timeout(HANGUP_AGAIN, client.request(action))
        .await
        .context("Asterisk did not answer")??;
    if !response.is_error() {
        return Ok(HungUp::Underway);
    }
    let message = response.get_str("Message").unwrap_or_default();
    if message.to_ascii_lowercase().contains("no such channel") {
        Ok(HungUp::NoSuchChannel(client))
    } else {
        anyhow::bail!("Asterisk says: {message}")
    }
}
