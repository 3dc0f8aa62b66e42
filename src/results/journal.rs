//! What is in flight, on disk before its Originate is written.
//!
//! One slot a line, of fixed size and with a checksum: the next call of the line overwrites it, which it may once the
//! earlier call's row is durable. Nothing is ever cleared; the row with a slot's call id settles it. So the journal is
//! small and bounded, whatever the length of the list, and a torn slot is one whose Originate was never written.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::writer::{self, WriteError};
use crate::call::id::CallId;

/// Bytes of a slot. An id of 512 bytes in JSON fits, whatever it is made of.
const SLOT: usize = 4096;
/// Bytes in front of the content: its length and its checksum.
const HEAD: usize = 12;
/// What the first slot begins with; the others are the lines'.
const MAGIC: &[u8] = b"dialer journal 1\n";

/// A call that is about to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its id, in 26 characters.
    pub call_id: String,
    /// The contact's id.
    pub contact: String,
    /// The number.
    pub number: String,
    /// Which of the contact's numbers that is, from 0.
    #[serde(default)]
    pub place: u8,
    /// All of the contact's numbers.
    #[serde(default)]
    pub numbers: Vec<String>,
    /// What the results keep of the contact's row; empty where that had no room.
    #[serde(default)]
    pub kept: Vec<String>,
    /// The trunk's name.
    pub trunk: String,
    /// The caller id.
    pub caller_id: String,
    /// When it was about to be placed, in milliseconds since 1970.
    pub begun_at: i64,
}

impl Entry {
    /// The id of the call.
    pub fn id(&self) -> Option<CallId> {
        CallId::from_bytes(self.call_id.as_bytes())
    }

    /// When it was about to be placed.
    pub fn begun(&self) -> Timestamp {
        Timestamp::from_millisecond(self.begun_at).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// A handle to the journal. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::UnboundedSender<Request>,
    path: Arc<Path>,
}

#[derive(Debug)]
struct Request {
    slot: usize,
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

/// The journal of some results: `storm.csv.journal` beside `storm.csv`.
pub fn path_of(results: &Path) -> PathBuf {
    let mut name = results.file_name().unwrap_or_default().to_owned();
    name.push(".journal");
    results.with_file_name(name)
}

/// What an earlier run had in flight at its end, with its slots; empty where there is no journal. Slots that are torn or were never
/// used are passed over.
///
/// # Errors
/// It cannot be read, or is no journal.
pub fn read(path: &Path) -> io::Result<Vec<(usize, Entry)>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    // An empty one was made by a run that was cut off before it dialed anything.
    if !bytes.is_empty() && !bytes.starts_with(MAGIC) {
        return Err(io::Error::other("it is no journal of this dialer"));
    }
    let slots = bytes.chunks(SLOT).skip(1).enumerate();
    Ok(slots
        .filter_map(|(slot, bytes)| Some((slot, decode(bytes)?)))
        .collect())
}

impl Journal {
    /// Opens the journal, or begins one, and starts the task that writes it. What stands in its slots stays there until
    /// another call is noted in them.
    ///
    /// # Errors
    /// The file cannot be made durable.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let mut first = vec![0; SLOT];
        first[..MAGIC.len()].copy_from_slice(MAGIC);
        file.write_all_at(&first, 0)?;
        file.sync_all()?;
        writer::sync_folder(path)?;
        let (queue, requests) = mpsc::unbounded_channel();
        let path: Arc<Path> = path.into();
        tokio::spawn(write(file, requests, Arc::clone(&path)));
        Ok(Self { queue, path })
    }

    /// Notes a call in the slot of its line, and returns when that is durable. The slot's earlier call must be settled.
    ///
    /// # Errors
    /// It is not on disk: the call must not be placed.
    pub async fn begin(&self, slot: usize, entry: &Entry) -> Result<(), WriteError> {
        let failed = |error| WriteError::new(&self.path.display().to_string(), error);
        let bytes = encode(entry).map_err(failed)?;
        let (done, written) = oneshot::channel();
        let request = Request { slot, bytes, done };
        let gone = || failed(io::Error::other("its writer has stopped"));
        self.queue.send(request).map_err(|_| gone())?;
        written.await.unwrap_or_else(|_| Err(gone()))
    }

    /// Removes the journal: everything that it held is settled.
    ///
    /// # Errors
    /// It cannot be removed; the next run finds it settled, and removes it then.
    pub fn remove(self) -> io::Result<()> {
        fs::remove_file(&self.path)?;
        writer::sync_folder(&self.path)
    }
}

/// Writes what waits, then syncs once for all of it.
async fn write(file: File, mut requests: mpsc::UnboundedReceiver<Request>, path: Arc<Path>) {
    let file = Arc::new(file);
    let mut waiting = Vec::new();
    while requests.recv_many(&mut waiting, usize::MAX).await > 0 {
        let batch = std::mem::take(&mut waiting);
        let file = Arc::clone(&file);
        let written = tokio::task::spawn_blocking(move || {
            let result = batch
                .iter()
                .try_for_each(|request| {
                    let offset = (request.slot as u64 + 1) * SLOT as u64;
                    file.write_all_at(&request.bytes, offset)
                })
                .and_then(|()| file.sync_data());
            (batch, result)
        })
        .await;
        // Only a panic or the end of the runtime gets here; the requests' senders are dropped, which says so.
        let Ok((batch, result)) = written else { return };
        let result = result.map_err(|error| WriteError::new(&path.display().to_string(), error));
        for request in batch {
            let _ = request.done.send(result.clone());
        }
    }
}

fn encode(entry: &Entry) -> io::Result<Vec<u8>> {
    let mut content = serde_json::to_vec(entry)?;
    if content.len() > SLOT - HEAD {
        // Everything that tells whose call it is, but nothing that is only copied.
        content = serde_json::to_vec(&Entry {
            kept: Vec::new(),
            ..entry.clone()
        })?;
    }
    if content.len() > SLOT - HEAD {
        return Err(io::Error::other(
            "the contact's id is too long for the journal",
        ));
    }
    let mut slot = Vec::with_capacity(SLOT);
    slot.extend_from_slice(
        &u32::try_from(content.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    slot.extend_from_slice(&checksum(&content).to_le_bytes());
    slot.extend_from_slice(&content);
    slot.resize(SLOT, 0);
    Ok(slot)
}

fn decode(slot: &[u8]) -> Option<Entry> {
    let (length, rest) = slot.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let content = rest.get(..u32::from_le_bytes(*length) as usize)?;
    if content.is_empty() || checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    serde_json::from_slice(content).ok()
}

/// FNV-1a in 64 bits: tells a torn slot from a whole one.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(contact: &str) -> Entry {
        Entry {
            call_id: CallId::new().to_string(),
            contact: contact.to_owned(),
            number: "+59829000000".to_owned(),
            place: 0,
            numbers: Vec::new(),
            kept: Vec::new(),
            trunk: "carrier".to_owned(),
            caller_id: String::new(),
            begun_at: 1_795_410_050_304,
        }
    }

    #[tokio::test]
    async fn what_was_begun_last_on_each_line_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = path_of(&folder.path().join("storm.csv"));
        assert_eq!(read(&path).unwrap(), []);
        let journal = Journal::open(&path).unwrap();
        let (first, second, third) = (entry("a"), entry("b\n\"ü\""), entry("c"));
        let begun = tokio::join!(journal.begin(0, &first), journal.begin(3, &second));
        assert!(begun.0.is_ok() && begun.1.is_ok());
        assert_eq!(read(&path).unwrap(), [(0, first), (3, second.clone())]);
        journal.begin(0, &third).await.unwrap();
        assert_eq!(read(&path).unwrap(), [(0, third), (3, second)]);
        journal.remove().unwrap();
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_torn_slot_is_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        let journal = Journal::open(&path).unwrap();
        let whole = entry("whole");
        journal.begin(0, &whole).await.unwrap();
        journal.begin(1, &entry("torn")).await.unwrap();
        let length = fs::metadata(&path).unwrap().len();
        for cut in 1..=4000 {
            File::options()
                .write(true)
                .open(&path)
                .unwrap()
                .set_len(length - cut)
                .unwrap();
            let read = read(&path).unwrap();
            assert_eq!(read[0], (0, whole.clone()));
            assert!(read.len() <= 2);
        }
        assert_eq!(read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_file_that_is_no_journal_is_not_taken_for_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "campaign,contact\n").unwrap();
        assert!(read(&path).is_err());
    }

    #[test]
    fn an_id_that_has_no_room_is_an_error_and_not_a_torn_slot() {
        assert!(encode(&entry(&"\u{1}".repeat(512))).is_ok());
        assert!(encode(&entry(&"x".repeat(5_000))).is_err());
        let kept = vec!["x".repeat(5_000)];
        let slot = encode(&Entry { kept, ..entry("a") }).unwrap();
        assert_eq!(decode(&slot).unwrap().kept, Vec::<String>::new());
    }
}
