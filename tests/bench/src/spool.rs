//! Asterisk's own call files, as an operator with a number of lines would feed them.
//!
//! `pbx_spool` dials every file that it finds, all of them at once. So whoever has lines to keep to puts in as many
//! files as there are lines, and the next one when one is gone: a file stays in the folder for as long as its call
//! lasts. Here the kernel says at once when a file has gone, which is kinder than the usual script that looks every
//! second. `Archive: yes` keeps the files with a word of how each call ended; nothing else of an outcome is to be had.

use std::fs;
use std::mem::MaybeUninit;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use dialer::call::id::CallId;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;

use crate::raw::{Dial, Ran, SILENCE};

/// The spool of a running Asterisk.
#[derive(Debug)]
pub(crate) struct Spool {
    folder: PathBuf,
}

impl Spool {
    /// The spool of the test Asterisk, in its own root.
    pub(crate) fn of(asterisk: u32) -> anyhow::Result<Self> {
        let folder = PathBuf::from(format!("/proc/{asterisk}/root/dialer/spool"));
        for name in ["outgoing", "outgoing_done", "written"] {
            fs::create_dir_all(folder.join(name)).context("the spool of Asterisk")?;
        }
        Ok(Self { folder })
    }

    /// Places the calls, at most `ports` at once, and returns when the last has ended.
    pub(crate) fn run(
        &self,
        dials: impl IntoIterator<Item = Dial>,
        ports: usize,
    ) -> anyhow::Result<Ran> {
        let outgoing = self.folder.join("outgoing");
        let left = fs::read_dir(&outgoing)?.count();
        ensure!(left == 0, "{left} files are left in {}", outgoing.display());
        let watch = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        inotify::add_watch(&watch, &outgoing, WatchFlags::MOVED_FROM)?;
        let mut buffer = [MaybeUninit::uninit(); 1 << 14];
        let mut gone = inotify::Reader::new(&watch, &mut buffer);

        // Nothing is removed here: a file system that looks for room among what was just removed would be measured instead.
        let batch = CallId::new();
        let mut dials = dials.into_iter();
        let (mut placed, mut ended) = (0, 0);
        let began = Instant::now();
        let mut last_end = began;
        loop {
            while placed - ended < ports
                && let Some(dial) = dials.next()
            {
                self.place(&format!("{batch}-{placed}.call"), &dial)?;
                placed += 1;
            }
            if ended == placed {
                break;
            }
            let silence = Timespec::try_from(SILENCE)?;
            let mut waited = [PollFd::new(&watch, PollFlags::IN)];
            match poll(&mut waited, Some(&silence)) {
                Err(Errno::INTR) => continue,
                Ok(0) => anyhow::bail!("no file leaves {}", outgoing.display()),
                happened => happened?,
            };
            loop {
                match gone.next() {
                    Ok(event) => {
                        let lost = event.events().contains(ReadFlags::QUEUE_OVERFLOW);
                        ensure!(!lost, "the kernel lost files that went");
                    }
                    Err(Errno::AGAIN) => break,
                    Err(error) => return Err(error.into()),
                }
                ended += 1;
                last_end = Instant::now();
            }
        }
        Ok(Ran {
            calls: ended,
            answered: self.answered(batch)?,
            took: last_end - began,
        })
    }

    /// Writes a call file where Asterisk does not look, then moves it in, as its documentation asks for.
    fn place(&self, file: &str, dial: &Dial) -> anyhow::Result<()> {
        let Dial {
            channel,
            context,
            timeout,
            name,
            ..
        } = dial;
        let wait = timeout / 1000;
        let written = self.folder.join("written").join(file);
        fs::write(
            &written,
            format!(
                "Channel: {channel}\nWaitTime: {wait}\nMaxRetries: 0\nContext: {context}\nExtension: s\nPriority: 1\nSetvar: NAME={name}\nArchive: yes\n"
            ),
        )?;
        fs::rename(&written, self.folder.join("outgoing").join(file))
            .context("a call file cannot be moved in")
    }

    /// How many of the files that are done say that their call was answered. They stay until Asterisk is started anew.
    fn answered(&self, batch: CallId) -> anyhow::Result<usize> {
        let mut answered = 0;
        for entry in fs::read_dir(self.folder.join("outgoing_done"))? {
            let entry = entry?;
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(batch.as_str())
            {
                answered += usize::from(says_completed(&entry.path())?);
            }
        }
        Ok(answered)
    }
}

/// Asterisk moves a file first and writes its word into it then.
fn says_completed(path: &Path) -> anyhow::Result<bool> {
    let give_up = Instant::now() + SILENCE;
    loop {
        let text = fs::read_to_string(path)?;
        let word = text.lines().find_map(|line| line.strip_prefix("Status: "));
        if let Some(word) = word.filter(|_| text.ends_with('\n')) {
            return Ok(word == "Completed");
        }
        ensure!(Instant::now() < give_up, "{} says nothing", path.display());
        thread::sleep(Duration::from_millis(1));
    }
}
