//! The one thread that writes to standard error.
//!
//! Log lines, the bar and the final table all pass through it, in order, so that a line never tears the bar. A terminal
//! that was stopped with Ctrl-S holds up this thread and not the calls: logging never waits. If too much piles up
//! meanwhile, log lines are dropped, and a warning says how many.

use std::io::{self, Write as _};
use std::iter;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use tracing::{error, warn};
use tracing_subscriber::fmt::MakeWriter;

use crate::campaign::snapshot::Viewer;
use crate::cli::LogFormat;
use crate::output::progress::{self, RunWatch};
use crate::output::terminal::{ProgressForm, Settings};
use crate::plural::counted;

/// How often the bar is drawn.
const DRAW: Duration = Duration::from_millis(200);
/// How often the plain line appears.
const LINE: Duration = Duration::from_secs(5);
/// How long a run may take to answer how it is, to be drawn,
const PATIENCE_TO_DRAW: Duration = Duration::from_millis(50);
/// and when a person asks.
const PATIENCE_TO_REPORT: Duration = Duration::from_secs(1);
/// How many log lines may wait for a terminal that takes none.
const WAITING: usize = 16 * 1024;
/// How many bytes of them are written at once.
const AT_ONCE: usize = 64 * 1024;

enum ScreenMessage {
    Text(Vec<u8>),
    /// Shows this run, and no other any more.
    Watch(Option<(ProgressForm, Viewer)>),
    /// Answers when everything before is written.
    Settle(SyncSender<()>),
    /// Logs how the run is.
    Report,
}

/// The owner of standard error. When it is dropped, everything that was said has been written.
#[derive(Debug)]
pub struct Screen {
    settings: Settings,
    log: LogWriter,
}

impl Screen {
    pub fn open(settings: Settings) -> Self {
        let (orders, taken) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let painter = Painter {
            lost: Arc::clone(&lost),
            json: settings.log_format == LogFormat::Json,
            shown: None,
            footer: String::new(),
        };
        // Without the thread there is nowhere to say that it is missing.
        let _ = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || painter.run(&taken));
        Self {
            settings,
            log: LogWriter { orders, lost },
        }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where log lines go.
    pub fn log(&self) -> LogWriter {
        self.log.clone()
    }

    /// Writes text after everything that was logged before.
    pub fn say(&self, text: &str) {
        self.order(ScreenMessage::Text(text.as_bytes().to_vec()));
    }

    /// Says what went wrong: plain sentences, or where the log is JSON, an object each.
    pub fn fail(&self, sentences: &str) {
        self.say_each(sentences, |sentence| error!("{sentence}"));
    }

    /// Says what should be looked at, in the same forms.
    pub fn caution(&self, sentences: &str) {
        self.say_each(sentences, |sentence| warn!("{sentence}"));
    }

    fn say_each(&self, sentences: &str, log: impl Fn(String)) {
        for sentence in sentences.lines() {
            // It may quote a file: a terminal obeys nothing in it.
            let sentence = sentence.replace(char::is_control, "\u{fffd}");
            match self.settings.log_format {
                LogFormat::Text => self.say(&format!("{sentence}\n")),
                LogFormat::Json => log(sentence),
            }
        }
    }

    /// Shows this run. `results_on_stdout`: a bar would be torn by rows on the same terminal.
    pub fn watch(&self, viewer: Viewer, results_on_stdout: bool) {
        let shared = results_on_stdout && self.settings.stdout_terminal;
        let form = match self.settings.progress {
            ProgressForm::Bar if shared => ProgressForm::Plain,
            form => form,
        };
        self.order(ScreenMessage::Watch(Some((form, viewer))));
    }

    pub fn unwatch(&self) {
        self.order(ScreenMessage::Watch(None));
    }

    /// Waits until everything is written, before something else writes to standard output: on a terminal both are one
    /// text.
    pub fn settle(&self) {
        let (settled, done) = sync_channel(1);
        self.order(ScreenMessage::Settle(settled));
        // Where the thread is gone there is nothing to wait for.
        let _ = done.recv();
    }

    fn order(&self, order: ScreenMessage) {
        // It fails only when the thread is gone; then there is nowhere to say so.
        let _ = self.log.orders.send(order);
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.unwatch();
        self.settle();
    }
}

/// Takes log lines, and never waits.
#[derive(Debug, Clone)]
pub struct LogWriter {
    orders: SyncSender<ScreenMessage>,
    lost: Arc<AtomicU64>,
}

impl LogWriter {
    /// Logs how the run is that is being shown.
    pub fn report(&self) {
        // Where so much waits to be written, one line more would not be read.
        self.offer(ScreenMessage::Report);
    }

    fn offer(&self, message: ScreenMessage) {
        if self.orders.try_send(message).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.offer(ScreenMessage::Text(line.to_vec()));
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for LogWriter {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// The thread's side.
struct Painter {
    lost: Arc<AtomicU64>,
    json: bool,
    shown: Option<ShownRun>,
    /// The lines at the foot of the terminal. The cursor stays behind the last of them.
    footer: String,
}

struct ShownRun {
    progress: RunWatch,
    form: ProgressForm,
    /// When it is shown next; `None`: when a person asks.
    next: Option<Instant>,
}

impl Painter {
    fn run(mut self, orders: &Receiver<ScreenMessage>) {
        loop {
            let next = self.shown.as_ref().and_then(|shown| shown.next);
            let left = next.map(|next| next.saturating_duration_since(Instant::now()));
            let message = match left {
                // Also while the log never pauses.
                Some(Duration::ZERO) => Err(RecvTimeoutError::Timeout),
                Some(left) => orders.recv_timeout(left),
                None => orders.recv().map_err(RecvTimeoutError::from),
            };
            match message {
                Ok(first) => self.obey(iter::once(first).chain(orders.try_iter())),
                Err(RecvTimeoutError::Timeout) => self.show(),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Texts that wait behind each other are written together, so that the bar is drawn once for them.
    fn obey(&mut self, messages: impl Iterator<Item = ScreenMessage>) {
        let mut text = Vec::new();
        for message in messages {
            if !matches!(message, ScreenMessage::Text(_)) {
                self.write(&std::mem::take(&mut text));
            }
            match message {
                ScreenMessage::Text(more) => text.extend(more),
                ScreenMessage::Watch(run) => self.watch(run),
                ScreenMessage::Report => self.report(),
                // The one that asked may have gone.
                ScreenMessage::Settle(settled) => drop(settled.send(())),
            }
            if text.len() >= AT_ONCE {
                break;
            }
        }
        self.write(&text);
    }

    fn report(&mut self) {
        match &mut self.shown {
            Some(shown) => progress::log(&shown.progress.look(PATIENCE_TO_REPORT), self.json),
            None => progress::log_that_nothing_runs(),
        }
    }

    fn watch(&mut self, run: Option<(ProgressForm, Viewer)>) {
        self.draw(String::new());
        self.shown = run.map(|(form, viewer)| ShownRun {
            progress: RunWatch::of(viewer),
            form,
            next: match form {
                ProgressForm::Bar => Some(Instant::now()),
                ProgressForm::Plain => Some(Instant::now() + LINE),
                ProgressForm::None => None,
            },
        });
    }

    /// Draws the bar, or logs the line.
    fn show(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        let seen = shown.progress.look(PATIENCE_TO_DRAW);
        if shown.form == ProgressForm::Bar {
            shown.next = Some(Instant::now() + DRAW);
            let (columns, rows) = size();
            // The last column is left free: some terminals wrap as soon as it is filled.
            self.draw(progress::bar(&seen, columns.saturating_sub(1), rows));
        } else {
            shown.next = Some(Instant::now() + LINE);
            progress::log(&seen, self.json);
        }
    }

    /// Writes whole lines, and the footer below them.
    fn write(&self, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        put(&[self.erase().as_bytes(), text, self.footer.as_bytes()].concat());
        if lost > 0 {
            warn!(
                "this log lacks {} here: what wrote to it was faster than the terminal",
                counted(lost, "line")
            );
        }
    }

    /// Draws other lines at the foot; none erases them.
    fn draw(&mut self, footer: String) {
        let erase = self.erase();
        self.footer = footer;
        put((erase + &self.footer).as_bytes());
    }

    /// What takes the footer off the screen. A terminal that became narrower has broken it into more lines.
    fn erase(&self) -> String {
        let (columns, _) = size();
        let rows = |line: &str| line.chars().count().div_ceil(columns.max(1)).max(1);
        match self.footer.lines().map(rows).sum::<usize>() {
            0 => String::new(),
            1 => "\r\x1b[J".to_owned(),
            rows => format!("\r\x1b[{}A\x1b[J", rows - 1),
        }
    }
}

/// Columns and rows of the terminal.
fn size() -> (usize, usize) {
    let size = terminal_size::terminal_size_of(io::stderr());
    size.map_or((80, 24), |(width, height)| {
        (width.0.into(), height.0.into())
    })
}

/// Standard error may be closed or full: the campaign goes on without it.
fn put(text: &[u8]) {
    let _ = io::stderr().write_all(text);
}
