//! What is in flight, on disk before its Originate is written.
//!
//! One slot a line, of fixed size and with a checksum: the next call of the line overwrites it, once the earlier call's
//! row is durable. The row with a slot's call id settles it; only a call that was not placed after all, and so gets no
//! row, is cleared. So the journal is small and bounded, and a torn slot is one whose Originate was never written.
//!
//! The slot before those of the lines says which list is dialed, and when the run was last alive: every minute, also
//! while it waits for hours. A journal exists while its run does; one without a run belongs to a run that was cut off.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::serde::timestamp::millisecond;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::call::id::CallId;
use crate::clock::Clock;
use crate::phone_number;
use crate::results::fs::{check_name, sibling, sync_folder};
use crate::results::group_commit::GroupCommit;
use crate::results::writer::WriteError;

/// Bytes of a slot. An id of 512 bytes in JSON fits, whatever it is made of.
const SLOT: usize = 4096;
/// Bytes in front of the content: its length and its checksum.
const PREFIX: usize = 12;
/// An id of so many bytes has room, whatever it is made of.
pub(crate) const ALWAYS_FITS: usize = 512;
/// Bytes of JSON that a contact's id and numbers may take in a slot: trunk, caller id and the call's own data take less
/// than the rest.
const CONTACT_ROOM: usize = SLOT - PREFIX - 960;
/// Bytes of JSON that a number takes, with its quotation marks and comma.
const NUMBER_ROOM: usize = phone_number::MAX_LEN + 4;
/// What a slot without a call begins with.
const NOTHING: [u8; PREFIX] = [0; PREFIX];
/// Its name is that of the results and this.
const ENDING: &str = ".journal";
/// What the first slot begins with; the others are the lines'.
const MAGIC: &[u8] = b"dialer journal 1\n";
/// Where in the first slot its [`JournalHead`] stands, and how long that is: a sector, which disks write whole or not at all.
const HEAD_AT: usize = 512;
/// How often the run writes that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalHead {
    /// A digest of the list that is dialed; empty under an undated name, where it does not matter.
    pub list: String,
    /// When the run was last alive.
    #[serde(with = "millisecond::required")]
    pub alive_at: Timestamp,
}

#[derive(Debug, PartialEq, Eq)]
pub struct JournalContent {
    /// `None` where it was never written or is torn.
    pub head: Option<JournalHead>,
    /// What was in flight, with its slots, but for slots that are torn or were never used.
    pub entries: Vec<(usize, JournalEntry)>,
}

/// A call that is about to be placed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalEntry {
    pub call_id: String,
    pub contact: String,
    pub number: String,
    /// Which of the contact's numbers that is, from 0.
    #[serde(default)]
    pub place: u8,
    #[serde(default)]
    pub numbers: Vec<String>,
    /// The kept columns of the contact's row; empty where they had no room.
    #[serde(default)]
    pub kept: Vec<String>,
    pub trunk: String,
    pub caller_id: String,
    /// When it was about to be placed.
    #[serde(with = "millisecond::required")]
    pub begun_at: Timestamp,
}

impl JournalEntry {
    pub fn id(&self) -> Option<CallId> {
        CallId::from_bytes(self.call_id.as_bytes())
    }
}

/// Why a call is not in the journal, and so must not be placed.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the contact's id and numbers are too long for the journal")]
    TooLong,
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// A handle to the journal. Clones share it.
#[derive(Debug, Clone)]
pub struct Journal {
    queue: mpsc::UnboundedSender<SlotWrite>,
    path: Arc<Path>,
}

#[derive(Debug)]
struct SlotWrite {
    slot: usize,
    bytes: Vec<u8>,
    done: oneshot::Sender<Result<(), WriteError>>,
}

impl SlotWrite {
    fn offset(&self) -> u64 {
        (self.slot as u64 + 1) * SLOT as u64
    }
}

/// The journal of some results: `storm.csv.journal` beside `storm.csv`.
pub fn path_of(results: &Path) -> PathBuf {
    sibling(results, ENDING)
}

/// The results of a journal; `None` where the name is not that of a journal.
pub fn results_of(journal: &Path) -> Option<PathBuf> {
    let name = journal.file_name()?.to_str()?.strip_suffix(ENDING)?;
    Some(journal.with_file_name(name))
}

/// Whether a call of a contact with this id, and so many numbers, can be noted.
pub(crate) fn has_room(id: &str, numbers: usize) -> bool {
    let room = CONTACT_ROOM.saturating_sub(numbers * NUMBER_ROOM);
    // A byte takes six at most.
    6 * id.len() <= room || serde_json::to_string(id).is_ok_and(|json| json.len() <= room)
}

/// What an earlier run noted; `None` where there is no journal, because the run ended cleanly.
pub fn read(path: &Path) -> io::Result<Option<JournalContent>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(mut file) => file.read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    // An empty one was made by a run that was cut off before it dialed anything.
    if !bytes.is_empty() && !bytes.starts_with(MAGIC) {
        return Err(io::Error::other("it is not a journal of dialer"));
    }
    let slots = bytes.chunks(SLOT).skip(1).enumerate();
    Ok(Some(JournalContent {
        head: bytes.get(HEAD_AT..2 * HEAD_AT).and_then(decode),
        entries: slots
            .filter_map(|(slot, bytes)| Some((slot, decode(bytes)?)))
            .collect(),
    }))
}

/// Removes a journal: everything in it is settled.
pub fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)?;
    sync_folder(path)
}

/// Drops the calls of a journal, all of which are settled: without their rows, once somebody removes those, they would
/// look as if they were in flight. The head stays, because the run is still one that was cut off.
pub fn drop_calls(path: &Path) -> io::Result<()> {
    let file = File::options().write(true).open(path)?;
    if file.metadata()?.len() > SLOT as u64 {
        file.set_len(SLOT as u64)?;
        file.sync_all()?;
    }
    Ok(())
}

impl Journal {
    /// Opens or creates the journal, durably, and starts the task that writes it. Calls in it stay until another call is
    /// noted in their slot. `list` is a digest of the list that is dialed.
    pub fn open(path: &Path, list: &str, clock: &Clock) -> io::Result<Self> {
        let file = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        let (queue, requests) = mpsc::unbounded_channel();
        let path: Arc<Path> = path.into();
        let journal = JournalFile {
            file,
            path: Arc::clone(&path),
            list: list.to_owned(),
            clock: clock.clone(),
        };
        let mut first = padded(MAGIC.to_vec(), HEAD_AT);
        first.extend(journal.head()?);
        journal.file.write_all_at(&padded(first, SLOT), 0)?;
        journal.file.sync_all()?;
        sync_folder(&path)?;
        tokio::spawn(write(Arc::new(journal), requests));
        Ok(Self { queue, path })
    }

    /// Notes a call in the slot of its line, and returns when that is durable. The slot's earlier call must be settled.
    ///
    /// # Errors
    /// The call is not on disk and must not be placed.
    pub async fn begin(&self, slot: usize, entry: &JournalEntry) -> Result<(), JournalError> {
        let bytes = encode_entry(entry).ok_or(JournalError::TooLong)?;
        Ok(self.put(slot, bytes).await?)
    }

    /// Clears a slot whose call was not placed after all.
    ///
    /// # Errors
    /// That is not on disk: the next run will take the call for one that was placed.
    pub async fn clear(&self, slot: usize) -> Result<(), WriteError> {
        self.put(slot, NOTHING.to_vec()).await
    }

    async fn put(&self, slot: usize, bytes: Vec<u8>) -> Result<(), WriteError> {
        let (done, written) = oneshot::channel();
        let request = SlotWrite { slot, bytes, done };
        // If the task has stopped, the request is dropped and so answered.
        let _ = self.queue.send(request);
        written.await.unwrap_or_else(|_| {
            let gone = io::Error::other("its writer has stopped");
            Err(WriteError::new(&self.path.display().to_string(), gone))
        })
    }
}

#[derive(Debug)]
struct JournalFile {
    file: File,
    path: Arc<Path>,
    list: String,
    clock: Clock,
}

impl JournalFile {
    /// The head as of now.
    fn head(&self) -> io::Result<Vec<u8>> {
        let head = JournalHead {
            list: self.list.clone(),
            alive_at: self.clock.timestamp(),
        };
        encode(&head, HEAD_AT).ok_or_else(|| io::Error::other("the digest of the list is too long"))
    }

    fn write_head(&self) -> io::Result<()> {
        self.file.write_all_at(&self.head()?, HEAD_AT as u64)
    }

    /// Writes all of it, durably, or, as far as the disk allows it, nothing: calls that are not noted are not placed, so
    /// none of them may be found here.
    fn write(&self, batch: &[SlotWrite]) -> io::Result<()> {
        let written = batch
            .iter()
            .try_for_each(|request| self.file.write_all_at(&request.bytes, request.offset()))
            .and_then(|()| self.file.sync_data())
            .and_then(|()| check_name(&self.path, &self.file));
        if written.is_err() {
            for request in batch {
                let _ = self.file.write_all_at(&NOTHING, request.offset());
            }
        }
        written
    }
}

/// Writes what waits, then syncs once for all of it; and, in between, that the run is alive.
async fn write(journal: Arc<JournalFile>, mut requests: mpsc::UnboundedReceiver<SlotWrite>) {
    let mut waiting = Vec::new();
    let mut commit = GroupCommit::new();
    let mut minutes = interval_at(Instant::now() + HEARTBEAT, HEARTBEAT);
    minutes.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let file = Arc::clone(&journal);
        tokio::select! {
            count = requests.recv_many(&mut waiting, usize::MAX) => if count == 0 {
                return;
            },
            _ = minutes.tick() => {
                // If this fails, so does the next call. It needs no sync: a minute more or less does not matter.
                let _ = tokio::task::spawn_blocking(move || file.write_head()).await;
                continue;
            }
        }
        commit.wait(&mut waiting, &mut requests).await;
        let batch = std::mem::take(&mut waiting);
        let written = tokio::task::spawn_blocking(move || {
            let result = file.write(&batch);
            (batch, result)
        })
        .await;
        // Only a panic or the end of the runtime gets here; the requests' senders are dropped, which says so.
        let Ok((batch, result)) = written else { return };
        let path = journal.path.display().to_string();
        let result = result.map_err(|error| WriteError::new(&path, error));
        for request in batch {
            let _ = request.done.send(result.clone());
        }
    }
}

/// A slot: the kept columns are left out where they have no room.
fn encode_entry(entry: &JournalEntry) -> Option<Vec<u8>> {
    encode(entry, SLOT).or_else(|| {
        let bare = JournalEntry {
            kept: Vec::new(),
            ..entry.clone()
        };
        encode(&bare, SLOT)
    })
}

/// The content with its length and its checksum, filled up to `size`; `None` if it has no room.
fn encode<T: Serialize>(content: &T, size: usize) -> Option<Vec<u8>> {
    let content = serde_json::to_vec(content).ok()?;
    let mut bytes = u32::try_from(content.len()).ok()?.to_le_bytes().to_vec();
    bytes.extend_from_slice(&checksum(&content).to_le_bytes());
    bytes.extend_from_slice(&content);
    (bytes.len() <= size).then(|| padded(bytes, size))
}

fn padded(mut bytes: Vec<u8>, size: usize) -> Vec<u8> {
    bytes.resize(size, 0);
    bytes
}

fn decode<T: DeserializeOwned>(slot: &[u8]) -> Option<T> {
    let (length, rest) = slot.split_first_chunk::<4>()?;
    let (sum, rest) = rest.split_first_chunk::<8>()?;
    let content = rest.get(..u32::from_le_bytes(*length) as usize)?;
    if content.is_empty() || checksum(content) != u64::from_le_bytes(*sum) {
        return None;
    }
    serde_json::from_slice(content).ok()
}

/// FNV-1a in 64 bits, to tell a torn slot from a whole one. It is part of the file format: a run has to read the journal
/// that an older version left.
fn checksum(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, &byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests;
