//! Looks at the files of numbers never to call while calls begin, and says whether they are known well enough.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::campaign::or_never;
use crate::suppression::Suppressions;

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(1);
/// A look that takes longer than this holds up new calls: a number that was added must be known.
const AT_MOST: Duration = Duration::from_secs(10);

/// When the lists were read, and whether they are being read now.
#[derive(Debug)]
pub(super) struct SuppressionRefresh {
    suppressions: Suppressions,
    /// A rehearsal reads them once.
    once: bool,
    read_at: Option<Instant>,
    reading: Option<JoinHandle<()>>,
}

impl SuppressionRefresh {
    pub(super) fn new(suppressions: &Suppressions, once: bool) -> Self {
        Self {
            suppressions: suppressions.clone(),
            once,
            read_at: None,
            reading: None,
        }
    }

    /// Looks at the files if that was not done lately; calls begin meanwhile. Whether they are known well enough for that.
    pub(super) fn refresh(&mut self) -> bool {
        let is_due = |read_at: Instant| !self.once && read_at.elapsed() >= EVERY;
        if self.read_at.is_none_or(is_due)
            && self.reading.is_none()
            && self.suppressions.has_files()
        {
            // After an idle while what is known is old: this look comes before the next call.
            self.read_at = self.read_at.filter(|read_at| read_at.elapsed() < 2 * EVERY);
            let suppressions = self.suppressions.clone();
            let read = move || suppressions.refresh();
            self.reading = Some(tokio::task::spawn_blocking(read));
        }
        self.are_known()
    }

    /// Whether the lists are known well enough to begin a call.
    pub(super) fn are_known(&self) -> bool {
        let is_recent = |read_at: Instant| self.once || read_at.elapsed() < AT_MOST;
        self.read_at.is_some_and(is_recent) || !self.suppressions.has_files()
    }

    /// Returns when the lists are read; never, if they are not being read. Cancel-safe.
    pub(super) async fn finished(&mut self) {
        // A panic there leaves what was known before.
        let _ = or_never(self.reading.as_mut()).await;
        self.reading = None;
        // However long that took: what was read is acted on before it is read again.
        self.read_at = Some(Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::phone_number::Numbering;

    #[tokio::test(start_paused = true)]
    async fn reading_that_takes_long_holds_up_the_calls_no_longer_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("dnc.txt");
        std::fs::write(&file, "").unwrap();
        let suppressions = Suppressions::load(&[file], None, Numbering(None)).unwrap();
        let mut refresh = SuppressionRefresh::new(&suppressions, false);
        let seconds = |seconds| tokio::time::advance(Duration::from_secs(seconds));
        for _ in 0..2 {
            assert!(!refresh.refresh(), "the files are looked at");
            seconds(20).await;
            assert!(!refresh.refresh(), "they still are");
            refresh.finished().await;
            assert!(refresh.refresh());
            // The next look does not hold up calls, unless it takes long.
            seconds(1).await;
            assert!(refresh.refresh() && refresh.reading.is_some());
            seconds(9).await;
            assert!(!refresh.refresh());
            refresh.finished().await;
            // Nor is what was read before an idle while good enough for the next call.
            seconds(5).await;
            assert!(!refresh.refresh());
            refresh.finished().await;
            assert!(refresh.refresh());
            seconds(11).await;
        }
    }
}
