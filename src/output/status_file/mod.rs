//! The status file: how a run is, for programs that look at it, replaced as a whole each second.
//!
//! It is written by a thread of its own, by the clock on the wall, also in a rehearsal: a folder that is slow, gone or on
//! a server that does not answer holds up neither a call nor, for longer than a moment, the end. What cannot be written
//! is said once.

mod json;
mod place;
mod prometheus;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use jiff::Zoned;
use tracing::warn;

use crate::campaign::snapshot::{Condition, Viewer};
use crate::contacts::Shard;
use crate::output::progress::{RunWatch, Seen};
use crate::shutdown;
pub use place::Refused;
use place::{StatusForm, StatusTarget};

/// How often it is written.
const EACH: Duration = Duration::from_secs(1);
/// How long a run may take to say how it is.
const ANSWER: Duration = Duration::from_millis(500);
/// How long the file's folder may take to tell what is there, before anybody is called.
const FIRST: Duration = Duration::from_secs(5);

/// Which run it is.
#[derive(Debug, Clone)]
pub struct About {
    /// The campaign's name.
    pub campaign: String,
    /// Where the results go.
    pub results: String,
    /// Nothing is dialed.
    pub simulated: bool,
    /// Which part of the list it calls.
    pub shard: Option<Shard>,
    /// When it was started.
    pub started_at: Zoned,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunOutcome {
    /// The exit code of the process.
    pub exit_code: u8,
    /// Why it stopped, in the word of the machine-readable summary; `None` where it did not come to dialing.
    pub stopped: Option<&'static str>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default)]
struct Stage<'s> {
    /// Nothing before it dials: it connects, or settles what an earlier one left.
    seen: Option<&'s Seen>,
    outcome: Option<RunOutcome>,
}

impl<'s> Stage<'s> {
    const WORDS: [&'static str; 3] = ["starting", "running", "ended"];

    fn word(&self) -> &'static str {
        match self {
            Self {
                outcome: Some(_), ..
            } => "ended",
            Self { seen: Some(_), .. } => "running",
            _ => "starting",
        }
    }

    /// When these figures were true, by the run's clock, which in a rehearsal is not the wall's. Where the run does not
    /// answer any more, that is not now.
    fn at(&self, about: &About) -> Zoned {
        match self.seen {
            Some(Seen { view, .. }) => view.time(view.at),
            None => Zoned::now().with_time_zone(about.started_at.time_zone().clone()),
        }
    }
}

const TRUNK_STATES: [&str; 3] = ["working", "resting", "trying"];

/// One of [`TRUNK_STATES`].
fn trunk_state(condition: Condition) -> &'static str {
    match condition {
        Condition::Works => TRUNK_STATES[0],
        Condition::Rests { .. } => TRUNK_STATES[1],
        Condition::Tried(_) => TRUNK_STATES[2],
    }
}

enum StatusOrder {
    Watch(Viewer),
    End(RunOutcome),
}

/// A status file that is being written.
#[derive(Debug)]
pub struct Status {
    path: PathBuf,
    orders: Sender<StatusOrder>,
    /// Nothing comes: it is closed when the last write is over.
    done: Receiver<()>,
}

impl Status {
    /// Begins to write it. `taken` are files that the run writes, or will, and what they are.
    ///
    /// # Errors
    /// Something else is there, or will be.
    pub fn open(path: &Path, about: About, taken: Vec<(PathBuf, String)>) -> Result<Self, Refused> {
        let (orders, taking) = channel();
        let (finish, done) = channel();
        let (tell, told) = channel();
        let writer = {
            let path = path.to_owned();
            move || {
                // Dropped when everything is written.
                let _finish = finish;
                let place = StatusTarget::choose(&path, &taken);
                let refused = place.as_ref().err().cloned();
                let nobody_waits = tell.send(refused.clone()).is_err();
                match place {
                    Ok(place) => {
                        let write = |text: &str| place.replace(text.as_bytes());
                        StatusWriter::new(&path, about, place.form, write).run(&taking);
                    }
                    Err(refused) if nobody_waits => warn!("{refused}"),
                    Err(_) => {}
                }
            }
        };
        let status = Self {
            path: path.to_owned(),
            orders,
            done,
        };
        if let Err(error) = thread::Builder::new()
            .name("status".to_owned())
            .spawn(writer)
        {
            warn!(
                "the status file {} is not written: its thread cannot be started: {error}",
                path.display()
            );
            return Ok(status);
        }
        match told.recv_timeout(FIRST) {
            Ok(Some(refused)) => Err(refused),
            Ok(None) | Err(RecvTimeoutError::Disconnected) => Ok(status),
            Err(RecvTimeoutError::Timeout) => {
                warn!(
                    "the folder of the status file {} does not answer: the run begins without waiting for it",
                    path.display()
                );
                Ok(status)
            }
        }
    }

    /// The run dials, and this is where to look at it.
    pub fn watch(&self, viewer: Viewer) {
        // Without its thread there is no file, which was said.
        let _ = self.orders.send(StatusOrder::Watch(viewer));
    }

    /// Writes how the run ended.
    pub fn end(self, ended: RunOutcome) {
        let _ = self.orders.send(StatusOrder::End(ended));
        if let Err(RecvTimeoutError::Timeout) = self.done.recv_timeout(shutdown::STATUS_FILE) {
            warn!(
                "the status file {} cannot be written: it does not say that the run is over",
                self.path.display()
            );
        }
    }
}

/// The thread's side, which writes texts somewhere.
struct StatusWriter<'w, W> {
    path: &'w Path,
    about: About,
    form: StatusForm,
    write: W,
    progress: Option<RunWatch>,
    /// It was said that it cannot be written.
    told: bool,
}

impl<'w, W: FnMut(&str) -> std::io::Result<()>> StatusWriter<'w, W> {
    fn new(path: &'w Path, about: About, form: StatusForm, write: W) -> Self {
        Self {
            path,
            about,
            form,
            write,
            progress: None,
            told: false,
        }
    }

    fn run(mut self, orders: &Receiver<StatusOrder>) {
        loop {
            let seen = self.progress.as_mut().map(|run| run.look(ANSWER));
            self.put(&Stage {
                seen: seen.as_ref(),
                outcome: None,
            });
            match orders.recv_timeout(EACH) {
                Ok(StatusOrder::Watch(viewer)) => self.progress = Some(RunWatch::of(viewer)),
                Ok(StatusOrder::End(ended)) => {
                    let seen = self.progress.as_mut().map(RunWatch::latest);
                    self.put(&Stage {
                        seen: seen.as_ref(),
                        outcome: Some(ended),
                    });
                    return;
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn put(&mut self, stage: &Stage<'_>) {
        let text = match self.form {
            StatusForm::Json => json::text(&self.about, stage),
            StatusForm::Prometheus => prometheus::text(&self.about, stage),
        };
        if let Err(error) = (self.write)(&text)
            && !std::mem::replace(&mut self.told, true)
        {
            warn!(
                "the status file {} cannot be written (said once, the run goes on): {error}",
                self.path.display()
            );
        }
    }
}
