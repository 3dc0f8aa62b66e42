//! What is read back of a journal, whatever happened to it.

use jiff::tz::TimeZone;

use super::*;

fn entry(contact: &str) -> JournalEntry {
    JournalEntry {
        call_id: CallId::new().to_string(),
        contact: contact.to_owned(),
        number: "+59829000000".to_owned(),
        place: 0,
        numbers: Vec::new(),
        kept: Vec::new(),
        trunk: "carrier".to_owned(),
        caller_id: String::new(),
        begun_at: Timestamp::from_millisecond(1_795_410_050_304).unwrap(),
    }
}

fn opened(path: &Path) -> Journal {
    Journal::open(path, "a digest", &Clock::system(TimeZone::UTC)).unwrap()
}

fn entries(path: &Path) -> Vec<(usize, JournalEntry)> {
    read(path).unwrap().unwrap().entries
}

#[tokio::test]
async fn what_was_begun_last_on_each_line_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = path_of(&folder.path().join("storm.csv"));
    assert_eq!(read(&path).unwrap(), None);
    let journal = opened(&path);
    let (first, second, third) = (entry("a"), entry("b\n\"ü\""), entry("c"));
    let begun = tokio::join!(journal.begin(0, &first), journal.begin(3, &second));
    assert!(begun.0.is_ok() && begun.1.is_ok());
    assert_eq!(entries(&path), [(0, first), (3, second.clone())]);
    // Continued, it keeps what it holds.
    let journal = opened(&path);
    journal.begin(0, &third).await.unwrap();
    assert_eq!(entries(&path), [(0, third), (3, second)]);
    remove(&path).unwrap();
    assert!(!path.exists());
}

#[tokio::test(start_paused = true)]
async fn it_says_which_list_it_is_and_when_the_run_was_alive_at_last() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let clock = Clock::following_tokio(TimeZone::UTC);
    let begun = clock.timestamp();
    let _journal = Journal::open(&path, "a digest", &clock).unwrap();
    let hours = Duration::from_secs(5 * 3600);
    tokio::time::sleep(hours).await;
    let head = read(&path).unwrap().unwrap().head.unwrap();
    assert_eq!(head.list, "a digest");
    let lived = head.alive_at.duration_since(begun);
    assert!(lived > jiff::SignedDuration::try_from(hours.saturating_sub(2 * HEARTBEAT)).unwrap());

    // A head that is torn says nothing, and the rest is read all the same.
    let file = File::options().write(true).open(&path).unwrap();
    file.write_all_at(b"torn", HEAD_AT as u64 + 20).unwrap();
    assert_eq!(read(&path).unwrap().unwrap().head, None);
}

#[tokio::test]
async fn calls_that_could_not_be_noted_for_sure_are_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = opened(&path);
    journal.begin(1, &entry("settled")).await.unwrap();
    let aside = folder.path().join("aside");
    fs::rename(&path, &aside).unwrap();
    let (first, second) = (entry("a"), entry("b"));
    let begun = tokio::join!(journal.begin(0, &first), journal.begin(1, &second));
    assert!(begun.0.is_err() && begun.1.is_err());
    assert_eq!(entries(&aside), []);
}

#[tokio::test]
async fn a_torn_slot_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = opened(&path);
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
        let read = entries(&path);
        assert_eq!(read[0], (0, whole.clone()));
        assert!(read.len() <= 2);
    }
    assert_eq!(entries(&path).len(), 1);
}

#[test]
fn a_call_that_cannot_be_synced_is_not_noted() {
    // It takes every write and refuses every sync.
    let path: Arc<Path> = Path::new("/dev/null").into();
    let journal = JournalFile {
        file: File::options().write(true).open(&path).unwrap(),
        path,
        list: String::new(),
        clock: Clock::system(TimeZone::UTC),
    };
    let (done, _) = oneshot::channel();
    let bytes = NOTHING.to_vec();
    let batch = [SlotWrite {
        slot: 0,
        bytes,
        done,
    }];
    assert!(journal.write(&batch).is_err());
}

#[tokio::test]
async fn calls_that_are_settled_are_dropped_and_the_head_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    opened(&path).begin(1, &entry("a")).await.unwrap();
    let before = read(&path).unwrap().unwrap();
    drop_calls(&path).unwrap();
    let after = read(&path).unwrap().unwrap();
    assert_eq!((after.head, after.entries.len()), (before.head, 0));
    drop_calls(&path).unwrap();
}

#[tokio::test]
async fn a_call_is_not_noted_in_a_removed_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let journal = opened(&path);
    fs::remove_file(&path).unwrap();
    assert!(journal.begin(0, &entry("a")).await.is_err());
}

#[test]
fn a_file_that_is_no_journal_is_not_taken_for_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    fs::write(&path, "campaign,contact\n").unwrap();
    assert!(read(&path).is_err());
}

#[tokio::test]
async fn an_id_that_has_no_room_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let journal = opened(&folder.path().join("journal"));
    let begin = async |id: &str| journal.begin(0, &entry(id)).await;
    assert!(begin(&"\u{1}".repeat(512)).await.is_ok());
    let long = "x".repeat(5_000);
    assert!(matches!(begin(&long).await, Err(JournalError::TooLong)));
    let kept = vec!["x".repeat(5_000)];
    let entry = JournalEntry { kept, ..entry("a") };
    let slot = encode_entry(&entry).unwrap();
    assert_eq!(
        decode::<JournalEntry>(&slot).unwrap().kept,
        Vec::<String>::new()
    );
}
