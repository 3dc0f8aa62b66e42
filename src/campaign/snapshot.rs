//! How a run is at a moment, for whoever looks at it.
//!
//! A view is made by the dispatcher, which knows why it begins no further call: nobody guesses that from outside. It is
//! made when somebody asks, and not as things change, so that it costs a call nothing. How it is shown is the affair of
//! `progress` and `status`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Zoned;
use tokio::sync::Notify;

use crate::campaign::stats::Tally;
use crate::clock::{self, Clock};
use crate::config::TrunkConfig;
use crate::trunk::breaker::Condition;

/// How a run is. Times of day are milliseconds since 1970, in a rehearsal those of its own clock.
#[derive(Debug, Clone)]
pub(crate) struct View {
    /// When this was so.
    pub(crate) at: i64,
    /// What has happened so far.
    pub(crate) tally: Tally,
    /// Calls running now.
    pub(crate) running: usize,
    /// The trunks, in the order of the campaign.
    pub(crate) trunks: Vec<TrunkView>,
    /// Contacts that wait for their turn to come again.
    pub(crate) retrying: usize,
    /// When the first of them is due, as far as they wait for a time.
    pub(crate) next_due: Option<i64>,
    /// Calls begun in a second, over the last ten; `None` in the first second.
    pub(crate) calls_per_second: Option<f64>,
    /// There is a connection to Asterisk.
    pub(crate) connected: bool,
    /// Why no further call is begun.
    pub(crate) waits: Waits,
    pub(super) clock: Clock,
}

/// How a trunk is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrunkView {
    /// Its name.
    pub(crate) name: Arc<str>,
    /// Its lines.
    pub(crate) ports: usize,
    /// Those of them that carry a call.
    pub(crate) busy: usize,
    /// Whether it works.
    pub(crate) condition: Condition,
}

/// Why no further call is begun: what the dispatcher found when it last looked for one to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Waits {
    /// The run has only begun.
    Beginning,
    /// Every line that works carries a call.
    Lines,
    /// A line is free and somebody is to be called: `calls_per_second` allows that then.
    Pace(i64),
    /// No trunk works. The first is tried again then; `None`: it is being tried.
    Trunks(Option<i64>),
    /// It is outside the calling hours until then; `None`: no others can be foreseen.
    Window(Option<i64>),
    /// There has been no connection to Asterisk since then.
    Connection(i64),
    /// Everybody who is left waits to be called again, the next until then.
    Retries(i64),
    /// Everybody who is left waits for the end of a call that is running.
    Calls,
    /// The list is being read.
    List,
    /// The lists of numbers never to call are being read.
    Suppressions,
    /// The rows of contacts who are not called are being written.
    Rows,
    /// Everybody was called, and the last calls are running.
    LastCalls,
    /// No call is begun any more; the word for why.
    Ending(&'static str),
}

impl Waits {
    /// All words that [`word`](Self::word) knows, but for those of an ending.
    pub(crate) const WORDS: [&'static str; 12] = [
        "beginning",
        "lines",
        "pace",
        "trunks",
        "window",
        "connection",
        "retries",
        "calls",
        "list",
        "suppressions",
        "rows",
        "last calls",
    ];

    /// A word for it, for programs. None is ever renamed.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Lines => "lines",
            Self::Pace(_) => "pace",
            Self::Trunks(_) => "trunks",
            Self::Window(_) => "window",
            Self::Connection(_) => "connection",
            Self::Retries(_) => "retries",
            Self::Calls => "calls",
            Self::List => "list",
            Self::Suppressions => "suppressions",
            Self::Rows => "rows",
            Self::LastCalls => "last calls",
            Self::Ending(word) => word,
        }
    }

    /// Until when, where that is known.
    pub(crate) const fn until(self) -> Option<i64> {
        match self {
            Self::Pace(until) | Self::Retries(until) => Some(until),
            Self::Trunks(until) | Self::Window(until) => until,
            _ => None,
        }
    }

    /// Since when, where that matters.
    pub(crate) const fn since(self) -> Option<i64> {
        match self {
            Self::Connection(since) => Some(since),
            _ => None,
        }
    }
}

impl View {
    /// Lines in all.
    pub(crate) fn ports(&self) -> usize {
        self.trunks.iter().map(|trunk| trunk.ports).sum()
    }

    /// Lines without a call.
    pub(crate) fn free_ports(&self) -> usize {
        self.ports().saturating_sub(self.running)
    }

    /// No new call is begun any more.
    pub(crate) fn is_ending(&self) -> bool {
        matches!(self.waits, Waits::Ending(_))
    }

    /// A time of day in the run's zone.
    pub(crate) fn time(&self, millis: i64) -> Zoned {
        self.clock.time(millis)
    }

    /// The same for people: without the date where it is today's.
    pub(crate) fn when(&self, millis: i64) -> String {
        let (time, now) = (self.time(millis), self.time(self.at));
        let form = if time.date() == now.date() {
            "%H:%M:%S"
        } else {
            clock::SHOWN
        };
        time.strftime(form).to_string()
    }

    /// Why no further call is begun, as a part of a sentence.
    pub(crate) fn why(&self) -> String {
        match self.waits {
            Waits::Beginning => "the run begins".to_owned(),
            Waits::Lines => "all lines are busy".to_owned(),
            Waits::Pace(until) if until >= self.at + 1_000 => {
                format!("the pace allows the next call at {}", self.when(until))
            }
            Waits::Pace(_) => "the pace is kept".to_owned(),
            Waits::Trunks(Some(until)) if until > self.at => format!(
                "no trunk works, the first is tried again at {}",
                self.when(until)
            ),
            Waits::Trunks(_) => "no trunk works, it is being tried with one call".to_owned(),
            Waits::Window(Some(until)) => {
                format!("outside the calling hours until {}", self.when(until))
            }
            Waits::Window(None) => "no calling hours can be foreseen".to_owned(),
            Waits::Connection(since) => format!(
                "there is no connection to Asterisk since {}",
                self.when(since)
            ),
            Waits::Retries(due) => format!(
                "everybody who is left waits to be called again, the next at {}",
                self.when(due)
            ),
            Waits::Calls => "everybody who is left waits for the end of a running call".to_owned(),
            Waits::List => "the list is being read".to_owned(),
            Waits::Suppressions => "the numbers never to call are being looked at".to_owned(),
            Waits::Rows => "rows of contacts who are not called are being written".to_owned(),
            Waits::LastCalls => "everybody was called, the last calls are running".to_owned(),
            Waits::Ending("finished") => "everybody was called".to_owned(),
            Waits::Ending("drained") => "stopping: no new calls".to_owned(),
            Waits::Ending(word) => format!("stopping: {word}"),
        }
    }
}

/// A run that can be looked at, before anything has happened: its side, and that of whoever looks.
pub(crate) fn channel(tally: Tally, trunks: &[TrunkConfig], clock: &Clock) -> (Views, Viewer) {
    let trunks = trunks.iter().map(|trunk| TrunkView {
        name: trunk.name.as_str().into(),
        ports: trunk.ports,
        busy: 0,
        condition: Condition::Works,
    });
    let view = View {
        at: clock.millis(),
        tally,
        running: 0,
        trunks: trunks.collect(),
        retrying: 0,
        next_due: None,
        calls_per_second: None,
        connected: true,
        waits: Waits::Beginning,
        clock: clock.clone(),
    };
    let board = Arc::new(Board {
        latest: Mutex::new(Latest {
            count: 0,
            is_last: false,
            view,
        }),
        newer: Condvar::new(),
        asked: AtomicBool::new(false),
        wake: Arc::default(),
    });
    (Views(Arc::clone(&board)), Viewer(board))
}

#[derive(Debug)]
struct Board {
    latest: Mutex<Latest>,
    newer: Condvar,
    asked: AtomicBool,
    /// Wakes the dispatcher, which sleeps where there is nothing to do.
    wake: Arc<Notify>,
}

#[derive(Debug)]
struct Latest {
    /// How many views there were before.
    count: u64,
    /// There will be no other.
    is_last: bool,
    view: View,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The run's side.
#[derive(Debug)]
pub(crate) struct Views(Arc<Board>);

impl Views {
    /// Whether somebody waits for a view.
    pub(super) fn are_asked_for(&self) -> bool {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// What tells the run that somebody does.
    pub(super) fn wake(&self) -> Arc<Notify> {
        Arc::clone(&self.0.wake)
    }

    /// Changes the latest view, for whoever waits for one.
    pub(super) fn show(&self, change: impl FnOnce(&mut View)) {
        self.0.asked.store(false, Ordering::Relaxed);
        let mut latest = self.0.lock();
        latest.count += 1;
        change(&mut latest.view);
        drop(latest);
        self.0.newer.notify_all();
    }

    /// The latest view.
    pub(crate) fn latest(&self) -> View {
        self.0.lock().view.clone()
    }
}

/// Nobody waits for a run that is gone.
impl Drop for Views {
    fn drop(&mut self) {
        self.0.lock().is_last = true;
        self.0.newer.notify_all();
    }
}

/// Looks at a run, from any thread. Clones look at the same one.
#[derive(Debug, Clone)]
pub(crate) struct Viewer(Arc<Board>);

impl Viewer {
    /// Asks for a view, which is the [latest](Self::latest) shortly after.
    pub(crate) fn ask(&self) {
        self.0.asked.store(true, Ordering::Relaxed);
        self.0.wake.notify_one();
    }

    /// The latest view, however old.
    pub(crate) fn latest(&self) -> View {
        self.0.lock().view.clone()
    }

    /// How the run is now. Blocks for as long as that takes, but no longer than `patience`: then it is how the run was.
    /// When it is over, that is how it ended.
    pub(crate) fn look(&self, patience: Duration) -> View {
        let latest = self.0.lock();
        let seen = latest.count;
        // Under the lock: what is made from now on is newer.
        self.ask();
        let waited = self.0.newer.wait_timeout_while(latest, patience, |latest| {
            latest.count == seen && !latest.is_last
        });
        let (latest, _) = waited.unwrap_or_else(PoisonError::into_inner);
        latest.view.clone()
    }

    /// How many views were made.
    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        self.0.lock().count
    }
}
