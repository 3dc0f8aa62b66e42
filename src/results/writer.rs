//! Appends rows to the results: whole, and synced before the caller hears of it.
//!
//! Rows that come while a sync runs are written together and share the next one (group commit), so the number of syncs
//! follows the disk and not the number of calls. Files are touched on blocking threads only. A row that cannot be
//! written is kept and tried again, with growing pauses; that it waits is published at once, so that no more is dialed
//! meanwhile.

use std::fs::File;
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::results::append_file::AppendFile;
use crate::results::fs::is_lost;
use crate::results::group_commit::GroupCommit;
use crate::shutdown;

/// The first pause before rows that could not be written are tried again; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How often rows are tried again at the end of a run.
const LAST_TRIES: u32 = 2;
const _: () = assert!(
    FIRST_PAUSE.as_millis() * ((1 << LAST_TRIES) - 1) <= shutdown::ROWS.as_millis(),
    "the pauses of the last tries are longer than the end of a run may take"
);

/// Why something could not be written. Many may wait for the same write, so it can be cloned.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{file} cannot be written")]
pub struct WriteError {
    file: String,
    source: Arc<io::Error>,
}

impl WriteError {
    pub fn new(file: &str, error: io::Error) -> Self {
        Self {
            file: file.to_owned(),
            source: Arc::new(error),
        }
    }

    /// There is no room on the disk.
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
        )
    }

    /// Somebody moved, removed or replaced the file.
    pub fn is_lost(&self) -> bool {
        is_lost(&self.source)
    }
}

/// Where rows go.
#[derive(Debug)]
pub enum Sink {
    /// A file; each batch is synced.
    Synced(AppendFile),
    /// A file that need not survive a crash: a rehearsal's.
    Unsynced(AppendFile),
    Stdout(Stream),
    /// Rows that a plan does not keep.
    Nowhere,
}

#[derive(Debug)]
pub struct Stream {
    file: File,
    /// How many bytes of the rows that come next are written already.
    written: usize,
}

impl Stream {
    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        while let Some(rest) = rows.get(self.written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.written = 0;
        Ok(())
    }
}

impl Sink {
    /// Standard output, with the header written.
    pub fn stdout(header: &[u8]) -> io::Result<Self> {
        // Past the buffer of `std`, which does not tell how much of a row went out before an error.
        let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let mut stream = Stream { file, written: 0 };
        stream.append(header)?;
        Ok(Self::Stdout(stream))
    }

    /// Writes rows in their order and makes them durable; returns how many are, and why not all of them.
    fn write(&mut self, rows: &[RowWrite]) -> (usize, io::Result<()>) {
        if rows.len() > 1 && !matches!(self, Self::Stdout(_)) {
            let batch: Vec<_> = rows.iter().map(|request| &request.row[..]).collect();
            if self.append(&batch.concat()).is_ok() {
                return (rows.len(), Ok(()));
            }
            // There may be room for some of them.
        }
        for (written, request) in rows.iter().enumerate() {
            if let Err(error) = self.append(&request.row) {
                return (written, Err(error));
            }
        }
        (rows.len(), Ok(()))
    }

    fn append(&mut self, rows: &[u8]) -> io::Result<()> {
        match self {
            Self::Synced(file) => file.append(rows, true),
            Self::Unsynced(file) => file.append(rows, false),
            Self::Stdout(stream) => stream.append(rows),
            Self::Nowhere => Ok(()),
        }
    }
}

/// What cannot be written at the moment.
#[derive(Debug, Clone, Default)]
pub struct WriteTrouble {
    /// `None` when all is well.
    pub why: Option<WriteError>,
    /// How many rows wait.
    pub rows: usize,
}

/// A handle to the one task that appends to the results.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::UnboundedSender<WriterCommand>,
    pub trouble: watch::Receiver<WriteTrouble>,
    name: Arc<str>,
}

#[derive(Debug)]
enum WriterCommand {
    Append(RowWrite),
    LastTries,
}

#[derive(Debug)]
struct RowWrite {
    row: Vec<u8>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

impl Writer {
    /// Starts the task that appends to `sink`, which errors call `name`.
    pub fn start(sink: Sink, name: &str) -> Self {
        let (queue, orders) = mpsc::unbounded_channel();
        let (publish, trouble) = watch::channel(WriteTrouble::default());
        let name: Arc<str> = name.into();
        let appender = Appender {
            waiting: Vec::new(),
            pause: FIRST_PAUSE,
            tries_left: None,
            publish,
            name: Arc::clone(&name),
        };
        tokio::spawn(appender.run(sink, orders));
        Self {
            queue,
            trouble,
            name,
        }
    }

    /// Appends one row and returns when it is durable. Rows are in the file in the order of the calls. The queue is
    /// bounded by the callers, each of which waits for its row.
    ///
    /// # Errors
    /// The row is not in the file: it could not be written, not even in the [last tries](Self::last_tries).
    pub fn append(
        &self,
        row: Vec<u8>,
    ) -> impl Future<Output = Result<(), WriteError>> + Send + use<> {
        let (done, written) = oneshot::channel();
        let name = Arc::clone(&self.name);
        // If the task has stopped, the row is dropped and so answered.
        let _ = self
            .queue
            .send(WriterCommand::Append(RowWrite { row, done }));
        async move {
            written.await.unwrap_or_else(|_| {
                let gone = io::Error::other("its writer has stopped");
                Err(WriteError::new(&name, gone))
            })
        }
    }

    /// The run is over but for rows that wait: they are tried a few times more, then they fail.
    pub fn last_tries(&self) {
        // A writer that has stopped tries nothing, and its rows have failed.
        let _ = self.queue.send(WriterCommand::LastTries);
    }
}

struct Appender {
    /// Rows that are not written yet, in their order.
    waiting: Vec<RowWrite>,
    pause: Duration,
    tries_left: Option<u32>,
    publish: watch::Sender<WriteTrouble>,
    name: Arc<str>,
}

impl Appender {
    async fn run(mut self, mut sink: Sink, mut orders: mpsc::UnboundedReceiver<WriterCommand>) {
        let mut taken = Vec::new();
        let mut commit = GroupCommit::new();
        loop {
            let in_trouble = !self.waiting.is_empty();
            tokio::select! {
                biased;
                count = orders.recv_many(&mut taken, usize::MAX) => {
                    if count == 0 {
                        return;
                    }
                    if matches!(sink, Sink::Synced(_)) {
                        commit.wait(&mut taken, &mut orders).await;
                    }
                    for order in taken.drain(..) {
                        match order {
                            WriterCommand::Append(request) => self.waiting.push(request),
                            WriterCommand::LastTries => {
                                if self.tries_left.is_none() {
                                    self.tries_left = Some(LAST_TRIES);
                                    self.pause = FIRST_PAUSE;
                                }
                            }
                        }
                    }
                }
                () = sleep(self.pause), if in_trouble => {
                    self.pause = (2 * self.pause).min(LONGEST_PAUSE);
                    self.tries_left = self.tries_left.map(|tries| tries.saturating_sub(1));
                }
            }
            // A rehearsal waits for no thread: it ends the sooner.
            let on_this_thread = matches!(sink, Sink::Unsynced(_));
            let rows = std::mem::take(&mut self.waiting);
            let write = move || {
                let (written, result) = sink.write(&rows);
                (sink, rows, written, result)
            };
            let written = if on_this_thread {
                Ok(write())
            } else {
                tokio::task::spawn_blocking(write).await
            };
            // Only a panic or the end of the runtime gets here; the requests' senders are dropped, which says so.
            let Ok((same_sink, rows, written, result)) = written else {
                return;
            };
            (sink, self.waiting) = (same_sink, rows);
            self.answer(written, result);
        }
    }

    /// Answers those whose rows are written, or will not be, and publishes the trouble.
    fn answer(&mut self, written: usize, result: io::Result<()>) {
        let why = result.err().map(|error| WriteError::new(&self.name, error));
        // A pipe that was closed stays so.
        let is_broken = |why: &WriteError| why.source.kind() == ErrorKind::BrokenPipe;
        let is_final = |why: &&WriteError| self.tries_left == Some(0) || is_broken(why);
        let given_up = why.as_ref().filter(is_final);
        let rows = match given_up {
            Some(_) => 0,
            None => self.waiting.len() - written,
        };
        // Published before a row is answered, so that who hears of one knows of the other.
        self.publish.send_if_modified(|trouble| {
            let same = trouble.rows == rows && trouble.why.is_none() == why.is_none();
            *trouble = WriteTrouble {
                why: why.clone(),
                rows,
            };
            !same
        });
        for request in self.waiting.drain(..written) {
            let _ = request.done.send(Ok(()));
        }
        if let Some(why) = given_up {
            for request in self.waiting.drain(..) {
                let _ = request.done.send(Err(why.clone()));
            }
        }
        if why.is_none() {
            self.pause = FIRST_PAUSE;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn file(path: &Path) -> Sink {
        Sink::Synced(AppendFile::create(path, b"n\n").unwrap())
    }

    #[tokio::test]
    async fn rows_stand_in_the_order_of_their_calls_and_are_there_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let writer = Writer::start(file(&path), "results.csv");
        let appended: Vec<_> = (0..100)
            .map(|n| writer.append(format!("{n}\n").into_bytes()))
            .collect();
        for (n, appended) in appended.into_iter().enumerate() {
            appended.await.unwrap();
            let written = fs::read_to_string(&path).unwrap();
            assert!(
                written.contains(&format!("\n{n}\n")),
                "row {n} is not there"
            );
        }
        let expected: String = std::iter::once("n\n".to_owned())
            .chain((0..100).map(|n| format!("{n}\n")))
            .collect();
        assert_eq!(fs::read_to_string(&path).unwrap(), expected);
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_said_at_once_and_written_when_it_can_be() {
        let folder = tempfile::tempdir().unwrap();
        let (path, aside) = (folder.path().join("storm.csv"), folder.path().join("aside"));
        let writer = Writer::start(file(&path), "storm.csv");
        let mut trouble = writer.trouble.clone();
        fs::rename(&path, &aside).unwrap();
        let rows: Vec<_> = ["1\n", "2\n"].map(|row| writer.append(row.into())).into();
        while trouble.borrow_and_update().rows < 2 {
            trouble.changed().await.unwrap();
        }
        let why = trouble.borrow().why.clone().unwrap();
        assert!(why.is_lost() && !why.is_full());
        assert_eq!(why.to_string(), "storm.csv cannot be written");

        fs::rename(&aside, &path).unwrap();
        for row in rows {
            row.await.unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "n\n1\n2\n");
        assert!(trouble.borrow_and_update().why.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn tries_end_only_when_nothing_else_is_going_on() {
        let full = Sink::Unsynced(AppendFile::open(Path::new("/dev/full")).unwrap());
        let writer = Writer::start(full, "storm.csv");
        let mut row = Box::pin(writer.append(b"row\n".to_vec()));
        let hour = Duration::from_secs(3600);
        assert!(tokio::time::timeout(hour, &mut row).await.is_err());
        writer.last_tries();
        let begun = tokio::time::Instant::now();
        assert!(row.await.is_err());
        assert!(begun.elapsed() <= Duration::from_secs(2));
        assert!(writer.append(b"late\n".to_vec()).await.is_err());
    }

    #[test]
    fn a_stream_goes_on_where_it_stopped() {
        let (reader, pipe) = io::pipe().unwrap();
        let mut stream = Stream {
            file: File::from(std::os::fd::OwnedFd::from(pipe)),
            // As if the first byte had gone out before the error.
            written: 1,
        };
        stream.append(b"ab\n").unwrap();
        stream.append(b"cd\n").unwrap();
        drop(stream);
        assert_eq!(io::read_to_string(reader).unwrap(), "b\ncd\n");
    }
}
