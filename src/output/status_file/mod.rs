//! The status file: how a run is, for programs that look at it, replaced as a whole each second.
//!
//! It is written by a thread of its own, by the wall clock, also in a rehearsal: a folder that is slow, gone or on
//! a server that does not answer holds up neither a call nor, for longer than a moment, the end. A failed write is
//! logged once.

mod json;
mod prometheus;
mod target;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Zoned;
use tracing::warn;

use crate::campaign::snapshot::Viewer;
use crate::contacts::Shard;
use crate::output::progress::{RunWatch, Seen};
use crate::shutdown;
use crate::trunk::breaker::Condition;
use target::{StatusFormat, StatusTarget};

const INTERVAL: Duration = Duration::from_secs(1);
/// How long a run may take to answer how it is.
const ANSWER: Duration = Duration::from_millis(500);
/// How long the folder may take to answer what is there, before the first call.
const FIRST: Duration = Duration::from_secs(5);

#[derive(Debug, Clone)]
pub(crate) struct RunIdentity {
    pub(crate) campaign: String,
    pub(crate) results: String,
    pub(crate) simulated: bool,
    pub(crate) shard: Option<Shard>,
    pub(crate) started_at: Zoned,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunOutcome {
    pub(crate) exit_code: u8,
    /// Why it stopped, in the word of the machine-readable summary; `None` where it ended before dialing.
    pub(crate) stopped: Option<&'static str>,
}

/// How far a run is.
#[derive(Debug, Default)]
struct RunState<'s> {
    /// `None` until it dials.
    seen: Option<&'s Seen>,
    end: Option<RunOutcome>,
}

impl RunState<'_> {
    const WORDS: [&'static str; 3] = ["starting", "running", "ended"];

    fn word(&self) -> &'static str {
        let [starting, running, ended] = Self::WORDS;
        match (self.seen, self.end) {
            (_, Some(_)) => ended,
            (Some(_), None) => running,
            (None, None) => starting,
        }
    }

    /// When this was so, by the run's clock, which in a rehearsal is not the wall's. Where the run does not answer
    /// any more, that is not now.
    fn at(&self, run: &RunIdentity) -> Zoned {
        match self.seen {
            Some(Seen { view, .. }) => view.time(view.at),
            None => Zoned::now().with_time_zone(run.started_at.time_zone().clone()),
        }
    }
}

const TRUNK_STATES: [&str; 3] = ["working", "resting", "trying"];

fn trunk_state(condition: Condition) -> &'static str {
    let [working, resting, trying] = TRUNK_STATES;
    match condition {
        Condition::Works => working,
        Condition::Rests { .. } => resting,
        Condition::Tried(_) => trying,
    }
}

enum StatusOrder {
    Watch(Viewer),
    End(RunOutcome),
}

/// A status file that is being written.
#[derive(Debug)]
pub(crate) struct StatusFile {
    path: PathBuf,
    orders: Sender<StatusOrder>,
    /// Whether the file may be written comes first; it is closed after the last write.
    answers: Receiver<anyhow::Result<()>>,
}

impl StatusFile {
    /// Starts to write it. `taken` are the files of the run, each with what it is.
    ///
    /// # Errors
    /// Another file is there, or will be.
    pub(crate) fn open(
        path: &Path,
        run: RunIdentity,
        taken: Vec<(PathBuf, &'static str)>,
    ) -> anyhow::Result<Self> {
        let (orders, received) = channel();
        let (answer, answers) = channel();
        let status = Self {
            path: path.to_owned(),
            orders,
            answers,
        };
        let path = path.to_owned();
        let writer = move || match StatusTarget::choose(&path, &taken) {
            Ok(place) => {
                let _ = answer.send(Ok(()));
                let write = |text: &str| place.replace(text.as_bytes());
                StatusWriter::new(&path, run, place.format, write).run(&received);
            }
            Err(error) => {
                let _ = answer.send(Err(error));
            }
        };
        let thread = thread::Builder::new().name("status".to_owned());
        thread
            .spawn(writer)
            .context("the thread of the status file cannot be started")?;
        match status.answers.recv_timeout(FIRST) {
            Ok(answer) => answer?,
            Err(_) => warn!(
                "the folder of the status file {} does not answer: the run begins without waiting for it",
                status.path.display()
            ),
        }
        Ok(status)
    }

    /// From now on the run dials, and its viewer shows how it is.
    pub(crate) fn watch(&self, viewer: Viewer) {
        // Without its thread there is no file, and an error says so.
        let _ = self.orders.send(StatusOrder::Watch(viewer));
    }

    /// Writes how the run ended.
    pub(crate) fn end(self, end: RunOutcome) {
        let _ = self.orders.send(StatusOrder::End(end));
        let path = self.path.display();
        loop {
            match self.answers.recv_timeout(shutdown::STATUS_FILE) {
                Ok(Ok(())) => {}
                Ok(Err(error)) => warn!("{error}"),
                Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {
                    warn!(
                        "the status file {path} cannot be written: it does not say that the run is over"
                    );
                    return;
                }
            }
        }
    }
}

/// What the thread does.
struct StatusWriter<'w, W> {
    path: &'w Path,
    run: RunIdentity,
    format: StatusFormat,
    write: W,
    progress: Option<RunWatch>,
    /// A failed write was logged.
    warned: bool,
}

impl<'w, W: FnMut(&str) -> std::io::Result<()>> StatusWriter<'w, W> {
    fn new(path: &'w Path, run: RunIdentity, format: StatusFormat, write: W) -> Self {
        Self {
            path,
            run,
            format,
            write,
            progress: None,
            warned: false,
        }
    }

    fn run(mut self, orders: &Receiver<StatusOrder>) {
        loop {
            let seen = self.progress.as_mut().map(|run| run.look(ANSWER));
            self.put(seen.as_ref(), None);
            match orders.recv_timeout(INTERVAL) {
                Ok(StatusOrder::Watch(viewer)) => self.progress = Some(RunWatch::of(viewer)),
                Ok(StatusOrder::End(end)) => {
                    let seen = self.progress.as_mut().map(RunWatch::latest);
                    return self.put(seen.as_ref(), Some(end));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    fn put(&mut self, seen: Option<&Seen>, end: Option<RunOutcome>) {
        let state = RunState { seen, end };
        let text = match self.format {
            StatusFormat::Json => json::text(&self.run, &state),
            StatusFormat::Prometheus => prometheus::text(&self.run, &state),
        };
        if let Err(error) = (self.write)(&text)
            && !std::mem::replace(&mut self.warned, true)
        {
            warn!(
                "the status file {} cannot be written (said once, the run goes on): {error}",
                self.path.display()
            );
        }
    }
}
