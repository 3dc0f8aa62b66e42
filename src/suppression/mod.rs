//! Numbers that are never called: those of the files of `[suppress]`, and those of people who opted out.
//!
//! A number is known here by a key of 64 bits that whoever reads the contacts makes of it, so that the same number is
//! the same however it is written. Each file is a sorted array of keys: 8 bytes a number, and a look-up takes a few
//! microseconds among ten million, which is nothing to a call. A hash table would take twice as much, for a speed that
//! nobody waits for. What came later stands in a small tree beside it.
//!
//! Files are read here and in nothing that waits for a socket: [`Suppressions::load`] and [`Suppressions::refresh`]
//! belong on a thread that may block. How a file is read is in `source`, how one is added to in `opt_out`.

mod opt_out;
mod watched_file;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tracing::{info, warn};

pub use opt_out::opt_out;
use watched_file::{News, Source};

/// What a number is known by; `None` for what is no number.
type Key = dyn Fn(&str) -> Option<u64> + Send + Sync;

/// The numbers that are never called. A clone is the same list.
#[derive(Clone)]
pub struct Suppressions(Arc<Shared>);

/// A file of suppressed numbers that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{}: {source}", file.display())]
pub struct SuppressError {
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it.
    pub source: io::Error,
}

struct Shared {
    key: Box<Key>,
    /// Held while files are read, which may take long.
    sources: Mutex<Vec<Source>>,
    /// Held for moments only.
    numbers: RwLock<Numbers>,
}

#[derive(Default)]
struct Numbers {
    /// One for each file.
    lists: Vec<List>,
    inserted: BTreeSet<u64>,
}

/// What a file says.
#[derive(Default)]
struct List {
    now: Content,
    /// What it said before, as long as it may be in the middle of being rewritten.
    before: Option<Content>,
}

#[derive(Default)]
struct Content {
    sorted: Box<[u64]>,
    /// What was added at its end since.
    appended: BTreeSet<u64>,
    /// The last line, as long as no line end follows: it may be the beginning of another number.
    unfinished: Option<u64>,
}

impl Suppressions {
    /// Reads the files. `key` says what a number is known by, and is `None` for what is no number.
    ///
    /// The file of `opt_out`, to which runs add, is one of them whether or not it is named among `files`, and need not
    /// exist yet.
    ///
    /// # Errors
    /// A file cannot be read, or has lines and none of them is a number.
    pub fn load(
        files: &[PathBuf],
        opt_out: Option<&Path>,
        key: impl Fn(&str) -> Option<u64> + Send + Sync + 'static,
    ) -> Result<Self, SuppressError> {
        let named = files.iter().map(PathBuf::as_path);
        let unnamed = opt_out.filter(|file| !named.clone().any(|named| named == *file));
        let mut sources = Vec::new();
        let mut numbers = Numbers::default();
        for file in named.chain(unnamed) {
            let mut source = Source::new(file.to_owned(), opt_out == Some(file));
            let news = source.look(&key).map_err(|error| SuppressError {
                file: file.to_owned(),
                source: error,
            })?;
            let mut list = List::default();
            if let Some(news) = news {
                list.take(news);
                list.before = None;
            }
            let known = list.now.sorted.len() + usize::from(list.now.unfinished.is_some());
            info!("{}: {known} numbers that are never called", file.display());
            source.warn_of_lines();
            sources.push(source);
            numbers.lists.push(list);
        }
        Ok(Self(Arc::new(Shared {
            key: Box::new(key),
            sources: Mutex::new(sources),
            numbers: RwLock::new(numbers),
        })))
    }

    /// Whether there are files that may change.
    pub fn has_files(&self) -> bool {
        let sources = self.0.sources.lock();
        !sources.unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Whether this number is never called.
    pub fn contains(&self, key: u64) -> bool {
        let numbers = self.0.numbers.read();
        let numbers = numbers.unwrap_or_else(PoisonError::into_inner);
        numbers.inserted.contains(&key) || numbers.lists.iter().any(|list| list.contains(key))
    }

    /// Adds a number from now on, whatever the files say.
    pub fn insert(&self, key: u64) {
        self.write(|numbers| {
            numbers.inserted.insert(key);
        });
    }

    /// Reads what has changed in the files. Cheap if nothing has; blocks while it reads.
    ///
    /// A file that is gone or cannot be used any more keeps the numbers that it had, and is warned of once. A number
    /// that a file no longer has is let go when the file says the same at two looks, so that nobody is called because a
    /// file was looked at while it was being written.
    pub fn refresh(&self) {
        let sources = self.0.sources.lock();
        let mut sources = sources.unwrap_or_else(PoisonError::into_inner);
        for (place, source) in sources.iter_mut().enumerate() {
            let file = source.path().display().to_string();
            match source.look(&self.0.key) {
                Ok(news) => {
                    if source.recovered() {
                        info!("{file} can be read again");
                    }
                    let read = news.is_some();
                    let old = self.write(|numbers| {
                        let list = numbers.lists.get_mut(place)?;
                        match news {
                            Some(news) => list.take(news),
                            None => list.before.take(),
                        }
                    });
                    drop(old);
                    if read {
                        source.warn_of_lines();
                    }
                }
                Err(error) if source.failed() => {
                    warn!("{file}: {error}; the numbers it had are still not called");
                }
                Err(_) => {}
            }
        }
    }

    fn write<R>(&self, change: impl FnOnce(&mut Numbers) -> R) -> R {
        let numbers = self.0.numbers.write();
        change(&mut numbers.unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Suppressions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suppressions").finish_non_exhaustive()
    }
}

impl List {
    fn contains(&self, key: u64) -> bool {
        self.now.contains(key) || self.before.as_ref().is_some_and(|old| old.contains(key))
    }

    /// Takes what was read of the file, and gives what is to be dropped, which may take a while.
    fn take(&mut self, news: News) -> Option<Content> {
        match news {
            News::Added {
                numbers,
                unfinished,
            } => {
                self.now.appended.extend(numbers);
                self.now.unfinished = unfinished;
                None
            }
            News::Replaced {
                numbers,
                unfinished,
            } => {
                let now = Content {
                    sorted: numbers,
                    appended: BTreeSet::new(),
                    unfinished,
                };
                let old = std::mem::replace(&mut self.now, now);
                if self.before.is_some() {
                    return Some(old);
                }
                self.before = Some(old);
                None
            }
        }
    }
}

impl Content {
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

    use crate::phone_number::Numbering;

    fn key(field: &str) -> Option<u64> {
        Numbering::new(None).read(field).ok()?.as_str().parse().ok()
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
        Suppressions::load(files, None, key).unwrap()
    }

    fn known(list: &Suppressions, numbers: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let numbers = numbers.into_iter();
        numbers.filter(|&number| list.contains(number)).collect()
    }

    #[test]
    fn a_number_is_found_in_whatever_file_and_however_it_is_written() {
        let folder = Folder::new();
        let files = [
            folder.write("dnc.txt", 1, "099 123-456\n099123457"),
            folder.write("more.csv", 1, "phone;name\n\"(099) 123 458\";Ana\n"),
        ];
        let list = load(&files);
        assert_eq!(
            known(&list, 99_123_455..99_123_460),
            [99_123_456, 99_123_457, 99_123_458]
        );
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
                "no line of it begins with a number",
            ),
            (
                folder.write("utf16.txt", 1, b"\xff\xfe1\x002\x00\n\x00"),
                "UTF-16",
            ),
        ] {
            let error = Suppressions::load(std::slice::from_ref(&file), None, key).unwrap_err();
            let text = error.to_string();
            assert!(text.starts_with(&format!("{}: ", file.display())), "{text}");
            assert!(text.contains(why), "{text}");
        }
        let list = Suppressions::load(std::slice::from_ref(&missing), Some(&missing), key).unwrap();
        list.refresh();
        opt_out(&missing, &["100"]).unwrap();
        assert!(!list.contains(100));
        list.refresh();
        assert!(list.contains(100));
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
        assert!(list.contains(300));
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
        assert!(list.contains(100));
        folder.write("dnc.txt", 2, "<html>502 Bad Gateway</html>\n<p>\n");
        list.refresh();
        list.refresh();
        assert!(list.contains(100));
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
        clone.insert(200);
        folder.write("dnc.txt", 2, "101\n");
        list.refresh();
        list.refresh();
        assert_eq!(known(&list, 0..1000), [101, 200]);
    }
}
