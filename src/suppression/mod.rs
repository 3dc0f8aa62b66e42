//! Numbers that are never called: those of the files of `[suppress]`, and those of people who opted out.
//!
//! A number is known here by its key, so that it is the same however it is written. Each file is a sorted array of keys:
//! 8 bytes a number, and a look-up takes a few microseconds among ten million, which is nothing to a call. What came
//! later is in a small tree beside it.
//!
//! Files are read here and in nothing that waits for a socket: [`Suppressions::load`] and [`Suppressions::refresh`]
//! belong on a thread that may block. How a file is read is in `watched_file`, how one is added to in `opt_out`.

mod opt_out;
mod watched_file;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tracing::{info, warn};

use crate::config::Diagnostic;
use crate::phone_number::Numbering;
use crate::plural::counted;
pub(crate) use opt_out::opt_out;
use watched_file::{FileChange, WatchedFile};

/// The numbers that are never called. A clone is the same list.
#[derive(Clone)]
pub(crate) struct Suppressions(Arc<Shared>);

struct Shared {
    numbering: Numbering,
    /// Held while files are read, which may take long.
    files: Mutex<Vec<WatchedFile>>,
    /// Held for moments only.
    numbers: RwLock<SuppressedNumbers>,
}

#[derive(Default)]
struct SuppressedNumbers {
    of_files: Vec<FileNumbers>,
    inserted: BTreeSet<u64>,
}

#[derive(Default)]
struct FileNumbers {
    now: FileContent,
    /// What the file had before, as long as it may be in the middle of being rewritten.
    before: Option<FileContent>,
}

#[derive(Default)]
struct FileContent {
    sorted: Vec<u64>,
    /// What was added at its end since.
    appended: BTreeSet<u64>,
    /// The last line, as long as no line end follows.
    unfinished: Option<u64>,
}

impl Suppressions {
    /// Reads the files.
    ///
    /// The file of `opt_out`, to which runs add, is one of them whether or not it is named among `files`, and need not
    /// exist yet.
    ///
    /// # Errors
    /// A file cannot be read, is no CSV, or has lines and none of them is a number.
    pub(crate) fn load(
        files: &[PathBuf],
        opt_out: Option<&Path>,
        numbering: Numbering,
    ) -> Result<Self, Diagnostic> {
        let named = files.iter().map(PathBuf::as_path);
        let unnamed = opt_out.filter(|file| !named.clone().any(|named| named == *file));
        let (mut files, mut numbers) = (Vec::new(), SuppressedNumbers::default());
        for path in named.chain(unnamed) {
            let mut file = WatchedFile::new(path, opt_out == Some(path));
            let mut of_file = FileNumbers::default();
            if let Some(change) = file.look(numbering)? {
                of_file.take(change);
                of_file.before = None;
            }
            let now = &of_file.now;
            let known = now.sorted.len() + usize::from(now.unfinished.is_some());
            info!(
                "{}: {} never to call",
                path.display(),
                counted(known, "number")
            );
            file.warn_of_lines();
            files.push(file);
            numbers.of_files.push(of_file);
        }
        Ok(Self(Arc::new(Shared {
            numbering,
            files: Mutex::new(files),
            numbers: RwLock::new(numbers),
        })))
    }

    /// Whether there are files that may change.
    pub(crate) fn has_files(&self) -> bool {
        !self.read().of_files.is_empty()
    }

    /// Whether this number is never called.
    pub(crate) fn contains(&self, key: u64) -> bool {
        let numbers = self.read();
        numbers.inserted.contains(&key) || numbers.of_files.iter().any(|file| file.contains(key))
    }

    /// Adds a number from now on, whatever the files say.
    pub(crate) fn insert(&self, key: u64) {
        self.write().inserted.insert(key);
    }

    /// Reads what has changed in the files. Cheap if nothing has; blocks while it reads.
    ///
    /// A file that is gone or cannot be used any more keeps the numbers that it had, and is warned of once. A number
    /// that a file no longer has is let go when the file says the same at two looks, so that nobody is called because a
    /// file was looked at while it was being written.
    pub(crate) fn refresh(&self) {
        let files = self.0.files.lock();
        let mut files = files.unwrap_or_else(PoisonError::into_inner);
        for (index, file) in files.iter_mut().enumerate() {
            let change = match file.look(self.0.numbering) {
                Ok(change) => change,
                Err(error) => {
                    if file.is_news(true) {
                        warn!("{error}; the numbers it had are still not called");
                    }
                    continue;
                }
            };
            if file.is_news(false) {
                info!("{} can be read again", file.path.display());
            }
            let mut numbers = self.write();
            let of_file = &mut numbers.of_files[index];
            let Some(change) = change else {
                of_file.before = None;
                continue;
            };
            of_file.take(change);
            drop(numbers);
            file.warn_of_lines();
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, SuppressedNumbers> {
        let numbers = self.0.numbers.read();
        numbers.unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, SuppressedNumbers> {
        let numbers = self.0.numbers.write();
        numbers.unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Suppressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suppressions").finish_non_exhaustive()
    }
}

/// What the number in a field is known by; `None` for what is no number.
fn key(numbering: Numbering, field: &str) -> Option<u64> {
    numbering.read(field).ok().map(|number| number.key())
}

impl FileNumbers {
    fn contains(&self, key: u64) -> bool {
        self.now.contains(key) || self.before.as_ref().is_some_and(|old| old.contains(key))
    }

    /// Takes what was read of the file.
    fn take(&mut self, change: FileChange) {
        if change.is_whole {
            let now = FileContent {
                sorted: change.numbers,
                appended: BTreeSet::new(),
                unfinished: change.unfinished,
            };
            let old = std::mem::replace(&mut self.now, now);
            self.before.get_or_insert(old);
        } else {
            self.now.appended.extend(change.numbers);
            self.now.unfinished = change.unfinished;
        }
    }
}

impl FileContent {
    fn contains(&self, key: u64) -> bool {
        self.unfinished == Some(key)
            || self.appended.contains(&key)
            || self.sorted.binary_search(&key).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, File};
    use std::time::{Duration, SystemTime};

    fn key_of(number: u64) -> u64 {
        key(Numbering(None), &number.to_string()).unwrap()
    }

    struct Folder(tempfile::TempDir);

    impl Folder {
        fn new() -> Self {
            Self(tempfile::tempdir().unwrap())
        }

        fn file(&self, name: &str) -> PathBuf {
            self.0.path().join(name)
        }

        /// Writes a file in place, at a time of its own: two writes within a tick of the clock have the same.
        fn write(&self, name: &str, seconds: u64, text: impl AsRef<[u8]>) -> PathBuf {
            let path = self.file(name);
            fs::write(&path, text).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
            let file = File::options().append(true).open(&path).unwrap();
            file.set_modified(time).unwrap();
            path
        }
    }

    fn load(files: &[PathBuf]) -> Suppressions {
        Suppressions::load(files, None, Numbering(None)).unwrap()
    }

    fn known(list: &Suppressions, numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let numbers = numbers.into_iter();
        numbers
            .filter(|&number| list.contains(key_of(number)))
            .collect()
    }

    #[test]
    fn a_number_is_found_in_whatever_file_and_however_it_is_written() {
        let folder = Folder::new();
        let files = [
            folder.write("dnc.txt", 1, "099 123-456\n099123457"),
            folder.write("more.csv", 1, "phone;name\n\"(099) 123 458\";Ana\n"),
        ];
        let list = load(&files);
        let numbers = [
            "099123455",
            "099123456",
            "099123457",
            "099123458",
            "99123456",
        ];
        let known = numbers.map(|number| list.contains(key(Numbering(None), number).unwrap()));
        assert_eq!(known, [false, true, true, true, false]);
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_and_the_one_of_opt_out_may_be_missing() {
        let folder = Folder::new();
        let missing = folder.file("missing.txt");
        for (file, why) in [
            (missing.clone(), "No such file"),
            (folder.0.path().to_owned(), "directory"),
            (
                folder.write("names.csv", 1, "name\nAna\nEva\n"),
                "no line of it begins with a number",
            ),
            (
                folder.write("name.csv", 1, "name\nAna"),
                "no line of it begins with a number",
            ),
            (
                folder.write("nobody.txt", 1, "nobody\n"),
                "no line of it begins with a number",
            ),
            (
                folder.write("book.csv", 1, b"PK\x03\x04\x14\0tel\xff\0"),
                "spreadsheet's own file",
            ),
            (
                folder.write("binary.csv", 1, b"\x7fELF\x04\x14\0tel\xff\0"),
                "no line of it begins with a number",
            ),
            (
                folder.write("quoted.csv", 1, "100\n\"101\n\"102\n"),
                ":3:2: text follows the quotation mark",
            ),
            (
                folder.write("utf16.txt", 1, b"\xff\xfe1\x002\x00\n\x00"),
                "UTF-16",
            ),
        ] {
            let error = Suppressions::load(std::slice::from_ref(&file), None, Numbering(None))
                .err()
                .unwrap();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{}:", file.display())), "{text}");
            assert!(text.contains(why), "{text}");
        }
        let list = Suppressions::load(
            std::slice::from_ref(&missing),
            Some(&missing),
            Numbering(None),
        )
        .unwrap();
        list.refresh();
        opt_out(&missing, &["100"]).unwrap();
        assert!(!list.contains(key_of(100)));
        list.refresh();
        assert!(list.contains(key_of(100)));
    }

    #[test]
    fn a_file_in_which_nobody_stands_suppresses_nobody() {
        let folder = Folder::new();
        let list = load(&[
            folder.write("empty.txt", 1, ""),
            folder.write("header.csv", 1, "number,name\n\n# nobody yet\n"),
            folder.write("torn.csv", 1, "Teléfono"),
        ]);
        assert_eq!(known(&list, 0..1000), [0; 0]);
    }

    #[test]
    fn lines_that_were_added_are_read_and_a_torn_one_is_no_other_number_once_it_is_whole() {
        let folder = Folder::new();
        let file = folder.write("dnc.txt", 1, "100\n101\n10");
        let list = load(&[file]);
        assert_eq!(known(&list, 0..1000), [10, 100, 101]);
        folder.write("dnc.txt", 2, "100\n101\n102\n103\n");
        list.refresh();
        assert_eq!(known(&list, 0..1000), [100, 101, 102, 103]);
    }

    #[test]
    fn a_change_in_the_middle_is_seen_however_the_file_grew() {
        let folder = Folder::new();
        let file = folder.write("dnc.txt", 1, "100\n101\n");
        let list = load(&[file]);
        folder.write("dnc.txt", 2, "200\n101\n102\n");
        list.refresh();
        assert_eq!(known(&list, [102, 200]), [102, 200]);
        folder.write("dnc.txt", 3, "300\n101\n102\n");
        list.refresh();
        assert!(list.contains(key_of(300)));
    }

    #[test]
    fn what_changed_far_in_front_of_the_end_is_seen_at_once_and_so_is_what_was_added() {
        let folder = Folder::new();
        let numbers: Vec<_> = (100_000..120_000)
            .map(|number| number.to_string())
            .collect();
        let mut text = numbers.join("\n") + "\n";
        let file = folder.write("dnc.txt", 1, &text);
        let list = load(std::slice::from_ref(&file));
        for (look, first) in [(2, "200001\n"), (3, "200002\n")] {
            text.replace_range(..7, first);
            text.push_str(&format!("30000{look}\n"));
            folder.write("dnc.txt", look, &text);
            list.refresh();
            assert!(list.contains(key_of(300_000 + look)));
            assert!(list.contains(key_of(first.trim().parse().unwrap())));
        }
    }

    #[test]
    fn lines_end_as_they_do_in_a_list_of_contacts() {
        let folder = Folder::new();
        let list = load(&[
            folder.write("cr.txt", 1, "phone,date\r100,x\r101,y\r"),
            folder.write("crlf.txt", 1, "102\r\n103"),
        ]);
        assert_eq!(known(&list, 0..1000), [100, 101, 102, 103]);
    }

    #[test]
    fn what_a_file_has_no_longer_is_let_go_once_it_stays_like_that() {
        let folder = Folder::new();
        let file = folder.write("dnc.txt", 1, "100\n101\n");
        let list = load(&[file]);
        // Somebody rewrites it.
        folder.write("dnc.txt", 2, "");
        list.refresh();
        assert_eq!(known(&list, 0..1000), [100, 101]);
        folder.write("dnc.txt", 3, "102\n");
        list.refresh();
        assert_eq!(known(&list, 0..1000), [100, 101, 102]);
        folder.write("dnc.txt", 4, "102\n101\n");
        list.refresh();
        assert_eq!(known(&list, 0..1000), [100, 101, 102]);
        list.refresh();
        assert_eq!(known(&list, 0..1000), [101, 102]);
    }

    #[test]
    fn a_file_that_is_gone_or_broken_keeps_its_numbers_until_it_is_back() {
        let folder = Folder::new();
        let file = folder.write("dnc.txt", 1, "100\n");
        let list = load(std::slice::from_ref(&file));
        fs::remove_file(&file).unwrap();
        list.refresh();
        list.refresh();
        assert!(list.contains(key_of(100)));
        folder.write("dnc.txt", 2, "<html>502 Bad Gateway</html>\n<p>\n");
        list.refresh();
        list.refresh();
        assert!(list.contains(key_of(100)));
        folder.write("dnc.txt", 3, "101\n");
        list.refresh();
        list.refresh();
        assert_eq!(known(&list, 0..1000), [101]);
    }

    #[test]
    fn who_opted_out_stays_out_in_every_clone_and_whatever_the_files_say() {
        let folder = Folder::new();
        let file = folder.write("dnc.txt", 1, "100\n");
        let list = load(&[file]);
        let clone = list.clone();
        clone.insert(key_of(200));
        folder.write("dnc.txt", 2, "101\n");
        list.refresh();
        list.refresh();
        assert_eq!(known(&list, 0..1000), [101, 200]);
    }
}
