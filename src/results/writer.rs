//! Appends rows to the results: whole, with one write, synced before anyone is told that they are there.
//!
//! Rows that come while a sync runs are written together and share the next one (group commit), so the number of syncs
//! follows the disk and not the number of calls. Files are touched on blocking threads only.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

/// Why a row could not be written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{file} cannot be written: {error}")]
pub struct WriteError {
    file: String,
    error: Arc<io::Error>,
}

impl WriteError {
    /// What happened to a file.
    pub fn new(file: &str, error: io::Error) -> Self {
        Self {
            file: file.to_owned(),
            error: Arc::new(error),
        }
    }
}

/// Where rows go.
#[derive(Debug)]
pub enum Sink {
    /// A file that is appended to, each batch synced.
    Synced(Whole),
    /// A file whose rows nobody will miss after a crash: a rehearsal's.
    Unsynced(Whole),
    /// Standard output.
    Stdout,
}

/// A file that holds whole rows only: what a failed write left of one is cut off again before anything else is written.
#[derive(Debug)]
pub struct Whole {
    file: File,
    /// How long it is as far as its rows are whole.
    length: u64,
    /// It is longer than that.
    torn: bool,
}

impl Whole {
    /// A file whose rows are whole, open for appending.
    ///
    /// # Errors
    /// Its length cannot be told.
    pub fn new(file: File) -> io::Result<Self> {
        let length = file.metadata()?.len();
        Ok(Self {
            file,
            length,
            torn: false,
        })
    }

    fn append(&mut self, rows: &[u8], sync: bool) -> io::Result<()> {
        self.mend()?;
        // Rows whose sync failed may be lost by a crash, so they are taken back, and written once more by whoever asks.
        self.torn = true;
        let written = self
            .file
            .write_all(rows)
            .and_then(|()| if sync { self.file.sync_data() } else { Ok(()) });
        if let Err(error) = written {
            // If this fails, too, it is tried again before the next write.
            let _ = self.mend();
            return Err(error);
        }
        self.length += rows.len() as u64;
        self.torn = false;
        Ok(())
    }

    fn mend(&mut self) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        Ok(())
    }
}

impl Sink {
    /// Standard output, with the header written.
    ///
    /// # Errors
    /// It is closed or full.
    pub fn stdout(header: &[u8]) -> io::Result<Self> {
        let mut sink = Self::Stdout;
        sink.write(header)?;
        Ok(sink)
    }

    /// Writes whole rows and makes them durable.
    fn write(&mut self, rows: &[u8]) -> io::Result<()> {
        match self {
            Self::Synced(file) => file.append(rows, true),
            Self::Unsynced(file) => file.append(rows, false),
            Self::Stdout => {
                let mut stdout = io::stdout().lock();
                stdout.write_all(rows)?;
                stdout.flush()
            }
        }
    }
}

/// A handle to the one task that appends to the results.
#[derive(Debug, Clone)]
pub struct Writer {
    queue: mpsc::UnboundedSender<Request>,
    name: Arc<str>,
}

#[derive(Debug)]
struct Request {
    row: Vec<u8>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

impl Writer {
    /// Starts the task that appends to `sink`; `name` is what errors call it.
    pub fn start(sink: Sink, name: &str) -> Self {
        let (queue, requests) = mpsc::unbounded_channel();
        let name: Arc<str> = name.into();
        tokio::spawn(append(sink, requests, Arc::clone(&name)));
        Self { queue, name }
    }

    /// Appends one row and returns when it is durable. Rows stand in the file in the order in which this is called.
    ///
    /// The queue is bounded by the callers, each of which waits for its row.
    ///
    /// # Errors
    /// The row may then be missing or torn.
    pub fn append(
        &self,
        row: Vec<u8>,
    ) -> impl Future<Output = Result<(), WriteError>> + Send + use<> {
        let (done, written) = oneshot::channel();
        let gone = WriteError {
            file: self.name.to_string(),
            error: Arc::new(io::Error::other("its writer has stopped")),
        };
        let queued = self.queue.send(Request { row, done });
        async move {
            match queued {
                Ok(()) => written.await.unwrap_or(Err(gone)),
                Err(_) => Err(gone),
            }
        }
    }
}

async fn append(mut sink: Sink, mut requests: mpsc::UnboundedReceiver<Request>, name: Arc<str>) {
    let mut waiting = Vec::new();
    let mut batch = Vec::new();
    while requests.recv_many(&mut waiting, usize::MAX).await > 0 {
        for request in &waiting {
            batch.extend_from_slice(&request.row);
        }
        let written = tokio::task::spawn_blocking(move || {
            let result = sink.write(&batch);
            batch.clear();
            (sink, batch, result)
        })
        .await;
        let result = match written {
            Ok((same_sink, same_batch, result)) => {
                (sink, batch) = (same_sink, same_batch);
                result.map_err(|error| WriteError {
                    file: name.to_string(),
                    error: Arc::new(error),
                })
            }
            // Only a panic or the end of the runtime gets here; the requests' senders are dropped, which says so.
            Err(_) => return,
        };
        for request in waiting.drain(..) {
            let _ = request.done.send(result.clone());
        }
    }
}

/// Begins a file anew that nobody will miss after a crash: a rehearsal's results.
///
/// # Errors
/// Anything of the file system.
pub fn begin_anew(path: &Path, header: &[u8]) -> io::Result<Whole> {
    File::create(path)?;
    let mut file = File::options().append(true).open(path)?;
    file.write_all(header)?;
    Whole::new(file)
}

/// Begins results with their header, durable with their folder's entry. A file that is there must be empty.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] where there are results already; anything else of the file system.
pub fn begin(path: &Path, header: &[u8]) -> io::Result<Whole> {
    let mut file = File::options().append(true).create(true).open(path)?;
    if file.metadata()?.len() > 0 {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    file.write_all(header)?;
    file.sync_all()?;
    sync_folder(path)?;
    Whole::new(file)
}

/// Opens results that are continued.
///
/// # Errors
/// Anything of the file system.
pub fn go_on(path: &Path) -> io::Result<Whole> {
    Whole::new(File::options().append(true).open(path)?)
}

/// Makes it durable that a file is in its folder, or is there no more.
///
/// # Errors
/// Anything of the file system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_stand_in_the_order_of_their_calls_and_are_there_when_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        let writer = Writer::start(Sink::Synced(begin(&path, b"n\n").unwrap()), "results.csv");
        let appended: Vec<_> = (0..100)
            .map(|n| writer.append(format!("{n}\n").into_bytes()))
            .collect();
        for (n, appended) in appended.into_iter().enumerate() {
            appended.await.unwrap();
            let written = std::fs::read_to_string(&path).unwrap();
            assert!(
                written.contains(&format!("\n{n}\n")),
                "row {n} is not there"
            );
        }
        let expected: String = std::iter::once("n\n".to_owned())
            .chain((0..100).map(|n| format!("{n}\n")))
            .collect();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    }

    #[tokio::test]
    async fn a_row_that_cannot_be_written_says_which_file() {
        let full = File::options().append(true).open("/dev/full").unwrap();
        let writer = Writer::start(Sink::Unsynced(Whole::new(full).unwrap()), "storm.csv");
        let error = writer.append(b"row\n".to_vec()).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("storm.csv cannot be written: "),
            "{error}"
        );
    }

    #[test]
    fn results_that_exist_are_never_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.csv");
        std::fs::write(&path, "kept").unwrap();
        let error = begin(&path, b"n\n").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept");
    }
}
