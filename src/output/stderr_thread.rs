//! The one thread that writes to standard error.
//!
//! Log lines, the bar and the final table all pass through it, in order, so that a line never tears the bar. A terminal
//! that was stopped with Ctrl-S holds up this thread and not the calls: logging never waits. If too much piles up
//! meanwhile, log lines are dropped, and a warning says how many.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tracing::{error, warn};
use tracing_subscriber::fmt::MakeWriter;

use crate::campaign::snapshot::Viewer;
use crate::cli::LogFormat;
use crate::output::progress;
use crate::output::terminal::{ProgressForm, Settings};

/// How often the bar is drawn.
const DRAW: Duration = Duration::from_millis(200);
/// How often the plain line appears.
const LINE: Duration = Duration::from_secs(5);
/// How long a run may take to say how it is, to be drawn,
const AT_A_GLANCE: Duration = Duration::from_millis(50);
/// and when a person asks.
const IN_EARNEST: Duration = Duration::from_secs(1);
/// How many log lines may wait for a terminal that takes none.
const WAITING: usize = 16 * 1024;
/// How many bytes of them are written at once.
const AT_ONCE: usize = 64 * 1024;

enum ScreenMessage {
    Text(Vec<u8>),
    Watch(ProgressForm, Viewer),
    Unwatch,
    Settle(SyncSender<()>),
    /// Somebody wants to know how the run is.
    Report,
    Close,
}

/// The owner of standard error. When it is dropped, everything that was said has been written.
#[derive(Debug)]
pub struct Screen {
    settings: Settings,
    log: LogWriter,
    thread: Option<JoinHandle<()>>,
}

impl Screen {
    /// Starts writing.
    pub fn open(settings: Settings) -> Self {
        let (orders, taken) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let log = LogWriter {
            orders,
            lost: Arc::clone(&lost),
        };
        let painter = Painter {
            orders: taken,
            lost,
            json: settings.log_format == LogFormat::Json,
            shown: None,
            behind: None,
        };
        let thread = thread::Builder::new()
            .name("stderr".to_owned())
            .spawn(move || painter.run());
        Self {
            settings,
            log,
            thread: thread.ok(),
        }
    }

    /// The resolved switches.
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
        for sentence in sentences.lines().map(printable) {
            match self.settings.log_format {
                LogFormat::Text => self.say(&format!("{sentence}\n")),
                LogFormat::Json => log(sentence),
            }
        }
    }

    /// Shows this run until the answer is dropped. `results_on_stdout`: a bar would be torn by rows on the same
    /// terminal.
    pub fn watch(&self, viewer: Viewer, results_on_stdout: bool) -> Watching<'_> {
        let shared = results_on_stdout && self.settings.stdout_terminal;
        let progress = match self.settings.progress {
            ProgressForm::Bar if shared => ProgressForm::Plain,
            progress => progress,
        };
        self.order(ScreenMessage::Watch(progress, viewer));
        Watching(self)
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

/// A sentence without what a terminal would obey: it may quote a file.
fn printable(sentence: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    sentence.chars().map(printable).collect()
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.order(ScreenMessage::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Progress is shown as long as this lives.
#[derive(Debug)]
pub struct Watching<'a>(&'a Screen);

impl Drop for Watching<'_> {
    fn drop(&mut self) {
        self.0.order(ScreenMessage::Unwatch);
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
        if self.orders.try_send(ScreenMessage::Report).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl io::Write for LogWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self
            .orders
            .try_send(ScreenMessage::Text(line.to_vec()))
            .is_err()
        {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
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
    orders: Receiver<ScreenMessage>,
    lost: Arc<AtomicU64>,
    json: bool,
    shown: Option<ShownRun>,
    /// What came behind the text that is being written.
    behind: Option<ScreenMessage>,
}

struct ShownRun {
    progress: progress::RunWatch,
    /// Without one there are lines.
    bar: Option<Footer>,
    /// When it is shown next; `None`: when a person asks.
    next: Option<Instant>,
}

impl Painter {
    fn run(mut self) {
        loop {
            match self.next() {
                Ok(ScreenMessage::Text(text)) => self.write(text),
                Ok(ScreenMessage::Close) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(message) => self.obey(message),
                Err(RecvTimeoutError::Timeout) => self.show(),
            }
        }
    }

    /// The next message; a timeout when something is to be shown, also while the log never pauses.
    fn next(&mut self) -> Result<ScreenMessage, RecvTimeoutError> {
        if let Some(message) = self.behind.take() {
            return Ok(message);
        }
        let Some(next) = self.shown.as_ref().and_then(|shown| shown.next) else {
            return self.orders.recv().map_err(RecvTimeoutError::from);
        };
        let until_next = next.checked_duration_since(Instant::now());
        let until_next = until_next.ok_or(RecvTimeoutError::Timeout)?;
        self.orders.recv_timeout(until_next)
    }

    /// Writes a text and all that wait behind it, so that the bar is drawn once for them.
    fn write(&mut self, mut text: Vec<u8>) {
        while text.len() < AT_ONCE
            && let Ok(message) = self.orders.try_recv()
        {
            let ScreenMessage::Text(more) = message else {
                self.behind = Some(message);
                break;
            };
            text.extend_from_slice(&more);
        }
        let lost = self.lost.swap(0, Ordering::Relaxed);
        match self.shown.as_mut().and_then(|shown| shown.bar.as_mut()) {
            Some(bar) => bar.write_above(&text),
            None => put(&text),
        }
        if lost > 0 {
            tracing::warn!(
                "{lost} lines of this log are missing here: they could not be written in time"
            );
        }
    }

    fn obey(&mut self, message: ScreenMessage) {
        if let ScreenMessage::Settle(settled) = message {
            // Who asked may have gone.
            let _ = settled.send(());
            return;
        }
        if let ScreenMessage::Report = message {
            match &mut self.shown {
                Some(shown) => progress::log(&shown.progress.look(IN_EARNEST), self.json),
                None => progress::log_that_nothing_runs(),
            }
            return;
        }
        if let Some(mut bar) = self.shown.take().and_then(|shown| shown.bar) {
            bar.draw(String::new());
        }
        let ScreenMessage::Watch(progress, viewer) = message else {
            return;
        };
        let (bar, next) = match progress {
            ProgressForm::None => (None, None),
            ProgressForm::Bar => (Some(Footer::default()), Some(Instant::now())),
            ProgressForm::Plain => (None, Some(Instant::now() + LINE)),
        };
        self.shown = Some(ShownRun {
            progress: progress::RunWatch::of(viewer),
            bar,
            next,
        });
    }

    /// Draws the bar, or logs the line.
    fn show(&mut self) {
        let Some(shown) = &mut self.shown else { return };
        let seen = shown.progress.look(AT_A_GLANCE);
        let now = Instant::now();
        if let Some(bar) = &mut shown.bar {
            let (columns, rows) = size();
            // The last column is left free: some terminals wrap as soon as it is filled.
            bar.draw(progress::bar(&seen, columns.saturating_sub(1), rows));
            shown.next = Some(now + DRAW);
            return;
        }
        shown.next = Some(now + LINE);
        progress::log(&seen, self.json);
    }
}

/// The lines at the foot of the terminal. The cursor stays behind the last of them.
#[derive(Debug, Default)]
struct Footer(String);

impl Footer {
    /// Draws other lines in their place; none erases them.
    fn draw(&mut self, lines: String) {
        let mut drawing = self.erasing();
        drawing.push_str(&lines);
        self.0 = lines;
        put(drawing.as_bytes());
    }

    /// Writes whole lines, and draws the footer below them.
    fn write_above(&mut self, text: &[u8]) {
        let erasing = self.erasing();
        put(&[erasing.as_bytes(), text, self.0.as_bytes()].concat());
    }

    /// What takes the lines off the screen. A terminal that became narrower has broken them into more.
    fn erasing(&self) -> String {
        let (columns, _) = size();
        let rows = |line: &str| line.chars().count().div_ceil(columns.max(1)).max(1);
        match self.0.lines().map(rows).sum::<usize>() {
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
