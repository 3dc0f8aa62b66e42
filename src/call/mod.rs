//! One attempt: the Originate, the wait for its end, and what is made of it.
//!
//! [`place`] is the body of the one task that a call has. It registers the call with the [`correlator`], writes the
//! Originate, and waits on a oneshot that the correlator resolves; it looks at the clock only to hang up a call that
//! lasts too long. Who is called, when, and what becomes of the outcome is the campaign's.

pub(crate) mod captured;
pub mod correlator;
pub mod id;
pub(crate) mod observations;
pub(crate) mod originate;
pub(crate) mod preflight;
pub(crate) mod reconcile;
pub(crate) mod reconnect;
#[cfg(test)]
mod tests;
pub(crate) mod verdict;

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::ami::action::Action;
use crate::ami::client::Client;
use crate::ami::errors::SessionClosed;
use crate::shutdown;
use crate::trunk::rate_limit::PaceToken;
use correlator::Note;
use id::CallId;
use observations::Observations;
use reconnect::Reconnector;
use verdict::HangupReason;

/// How long a channel that was hung up may take to be gone before it is hung up again.
const HANGUP_AGAIN: Duration = Duration::from_secs(5);
/// How long a channel that Asterisk does not know may take to come into being before it is hung up again.
const CHANNEL_PENDING: Duration = Duration::from_millis(100);

/// One call to be placed.
#[derive(Debug)]
pub struct Attempt {
    /// `ActionID`, `CALLID` and `ChannelId` of its Originate.
    pub id: CallId,
    /// With `Async: true`.
    pub originate: Action,
    /// From the Originate to the moment at which the dialer hangs it up.
    pub call_timeout: Duration,
    /// Its place in the rate of its trunk, where signs of life are noted, too.
    pub token: PaceToken,
    /// Cancelled when running calls are to be hung up at once.
    pub hang_up: CancellationToken,
}

#[derive(Debug)]
pub struct FinishedCall {
    pub observations: Observations,
    /// Why the dialer hung it up, if it did.
    pub own_hangup: Option<HangupReason>,
}

impl FinishedCall {
    /// A call whose channel was gone before our hangup was not hung up by us: only what comes after that was waited for.
    fn new(observations: Observations, own_hangup: Option<(HangupReason, Instant)>) -> Self {
        let was_gone = |at| observations.hung_up() && observations.ended_at < at;
        let own_hangup = own_hangup
            .filter(|&(_, at)| !was_gone(at))
            .map(|(why, _)| why);
        Self {
            observations,
            own_hangup,
        }
    }
}

/// Places one call and returns when it is over.
///
/// It always ends: by what Asterisk says, by the watchdog of `call_timeout`, whose hangup is repeated until the channel
/// is gone or Asterisk says that it knows no such channel, or by the end of all sessions.
///
/// # Errors
/// There was no session, or it ended before the Originate was written: nothing was dialed.
pub async fn place(pbx: &Reconnector, attempt: Attempt) -> Result<FinishedCall, SessionClosed> {
    let (done, ended) = oneshot::channel();
    let register = Note::Register {
        id: attempt.id,
        done,
        token: attempt.token,
    };
    let client = pbx.client().ok_or(SessionClosed)?;
    client.submit(Some(register), Some(attempt.originate))?;
    let watchdog = Instant::now() + attempt.call_timeout;
    follow(pbx, attempt.id, ended, watchdog, &attempt.hang_up).await
}

/// A call that an earlier run placed: what resolves when it is over, at once if there will be no session. Nothing is
/// written; when all of them are registered, they are to be [reconciled](reconcile::reconcile).
pub async fn adopt(
    pbx: &Reconnector,
    id: CallId,
    begun_at: Instant,
) -> oneshot::Receiver<Observations> {
    loop {
        let (done, ended) = oneshot::channel();
        let Some(client) = pbx.client_when_up().await else {
            return ended;
        };
        let note = Note::Adopt { id, done, begun_at };
        if client.submit(Some(note), None).is_ok() {
            return ended;
        }
        // The session has just ended; the reconnector says so in a moment.
        client.closed().await;
        tokio::task::yield_now().await;
    }
}

/// Follows a call that was placed to its end, and hangs it up when that is due.
///
/// # Errors
/// The session ended before the call was known to it.
pub async fn follow(
    pbx: &Reconnector,
    id: CallId,
    mut ended: oneshot::Receiver<Observations>,
    watchdog: Instant,
    hang_up_now: &CancellationToken,
) -> Result<FinishedCall, SessionClosed> {
    let mut own_hangup = None;
    let observations = tokio::select! {
        biased;
        observations = &mut ended => observations,
        () = hang_up_when_due(pbx, id, watchdog, hang_up_now, &mut own_hangup) => {
            // The operator does not wait for a PBX that is silent, or away.
            pbx.give_up(id);
            ended.await
        }
    };
    let observations = observations.map_err(|_| SessionClosed)?;
    Ok(FinishedCall::new(observations, own_hangup))
}

/// Hangs a call up at its watchdog or when the run is stopped, and notes why and when first. Returns when a stopped run has
/// waited for it long enough.
async fn hang_up_when_due(
    pbx: &Reconnector,
    id: CallId,
    watchdog: Instant,
    hang_up_now: &CancellationToken,
    own_hangup: &mut Option<(HangupReason, Instant)>,
) {
    let cut = async {
        sleep_until(watchdog).await;
        *own_hangup = Some((HangupReason::CallTimeout, Instant::now()));
        hang_up_until_gone(pbx, id).await;
    };
    tokio::select! {
        biased;
        // Also while a hangup waits for a session that is away.
        () = hang_up_now.cancelled() => {}
        () = cut => {}
    }
    own_hangup.get_or_insert((HangupReason::Stopped, Instant::now()));
    let _ = timeout(shutdown::HANGUP, hang_up_until_gone(pbx, id)).await;
}

/// Hangs a call up again and again; the one who follows it sees when its channel is gone.
async fn hang_up_until_gone(pbx: &Reconnector, id: CallId) {
    loop {
        let mut again = Instant::now() + HANGUP_AGAIN;
        match hang_up(pbx, id).await {
            Ok(HungUp::Underway) => {}
            // Its end is on its way, or was missed: the correlator gives it a moment and then resolves. Or its channel
            // does not exist yet, milliseconds after the Originate.
            Ok(HungUp::NoSuchChannel(client)) => {
                again = Instant::now() + CHANNEL_PENDING;
                let _ = client.submit(Some(Note::Abandon(id)), None);
            }
            Err(error) => warn!(%id, "the call could not be hung up, trying again: {error:#}"),
        }
        sleep_until(again).await;
    }
}

/// Hangs up the channel of a call that is not followed any more, best effort: it may be gone already.
pub async fn hang_up_for_good(pbx: &Reconnector, id: CallId) {
    if let Err(error) = hang_up(pbx, id).await {
        warn!(%id, "the call could not be hung up: {error:#}");
    }
}

enum HungUp {
    Underway,
    NoSuchChannel(Client<Note>),
}

/// Hangs up a call's channel by the Uniqueid that was chosen for it, as soon as there is a session.
async fn hang_up(pbx: &Reconnector, id: CallId) -> anyhow::Result<HungUp> {
    // Its own ActionID, each time: the call's one belongs to the Originate.
    let action = Action::new("Hangup", &format!("hangup-{}", CallId::new()))?
        .header("Channel", id.as_str())?;
    let client = pbx.client_when_up().await.ok_or(SessionClosed)?;
    let response = client.request(action).await?;
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
