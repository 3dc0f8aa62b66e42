//! Whoever looks at a run is told why no further call begins, as the dispatcher decided it.

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::*;
use crate::campaign::snapshot::{TrunkView, View, Waits};
use crate::config::{Outside, Window};
use crate::disposition::Disposition;
use crate::schedule::hours::{Hours, Opening};
use crate::trunk::breaker::{Condition, Trouble};

/// A run that goes on.
struct Going {
    viewer: Viewer,
    start: Instant,
    stop: Stop,
    over: JoinHandle<RunEnd>,
}

impl Going {
    /// How it is when so much time has passed since its start.
    async fn after(&self, millis: u64) -> View {
        sleep_until(self.start + Duration::from_millis(millis)).await;
        let viewer = self.viewer.clone();
        // Meanwhile the clock stands still.
        let look = move || viewer.look(Duration::from_secs(60));
        tokio::task::spawn_blocking(look).await.unwrap()
    }
}

impl Lab {
    /// Dials it while somebody looks.
    async fn begin(&self) -> Going {
        let path = self.folder.path().join("results.csv");
        let resources = self.resources(&path).await;
        self.begin_with(resources)
    }

    fn begin_with(&self, resources: Resources) -> Going {
        let counts = beginning(&resources.list, self.limit, &mut Leftover::default()).unwrap();
        let (views, viewer) = snapshot::channel(counts, &self.campaign.trunks, &resources.clock);
        let stop = Stop::default();
        let run = run(
            resources,
            Leftover::default(),
            self.limit,
            stop.clone(),
            views,
        );
        Going {
            viewer,
            start: Instant::now(),
            stop,
            over: tokio::spawn(run),
        }
    }

    /// The time of day so long after the start, in milliseconds since 1970.
    fn time(&self, millis: i64) -> i64 {
        self.start.as_millisecond() + millis
    }
}

/// So many people of one fate.
fn people(count: usize, fate: &str) -> String {
    let numbers = (0..count).map(|contact| format!("1{contact:03}{fate}\n"));
    "number\n".to_owned() + &numbers.collect::<String>()
}

fn trunk(name: &str, fate: &str, ports: usize, calls_per_second: f64) -> String {
    format!(
        "[[trunk]]\nname = \"{name}\"\nchannel = \"PJSIP/{{number}}{fate}@{name}\"\nports = {ports}\ncalls_per_second = {calls_per_second:?}\n"
    )
}

#[tokio::test(start_paused = true)]
async fn all_lines_are_busy() {
    let lab = Lab::new(&trunk("only", "", 2, 100.0), "number\n101\n201\n301\n");
    let going = lab.begin().await;
    let view = going.after(5_000).await;
    assert_eq!(view.waits, Waits::Lines);
    assert_eq!((view.running, view.ports(), view.free_ports()), (2, 2, 0));
    assert_eq!((view.trunks[0].busy, view.trunks[0].ports), (2, 2));
    assert_eq!(view.at, lab.time(5_000));
    assert_eq!((view.tally.dispatched, view.tally.answer_rate()), (2, None));
    assert_eq!(view.calls_per_second, Some(0.4));
    let view = going.after(20_000).await;
    assert_eq!(view.waits, Waits::LastCalls);
    assert_eq!(view.tally.answer_rate(), Some(1.0));
    assert!(matches!(going.over.await.unwrap(), RunEnd::Finished));
    assert_eq!(going.viewer.latest().waits, Waits::Ending("finished"));
}

#[tokio::test(start_paused = true)]
async fn the_pace_holds_the_next_call_back() {
    let lab = Lab::new(&trunk("only", "", 10, 0.1), "number\n101\n201\n301\n");
    let view = lab.begin().await.after(5_000).await;
    let Waits::Pace(until) = view.waits else {
        panic!("{:?}", view.waits);
    };
    // The first call was written some milliseconds after the start.
    assert!((0..100).contains(&(until - lab.time(10_000))), "{until}");
    assert_eq!((view.running, view.connected), (1, true));
}

#[tokio::test(start_paused = true)]
async fn it_is_outside_the_hours() {
    let mut lab = Lab::new(CARRIER, "number\n101\n");
    lab.campaign.window = Some(Window {
        hours: Hours {
            zone: TimeZone::UTC,
            holidays: std::collections::BTreeSet::new(),
            openings: vec![Opening {
                days: [true; 7],
                from: jiff::civil::time(18, 0, 0, 0),
                to: jiff::civil::time(20, 0, 0, 0),
            }],
        },
        outside: Outside::Wait,
        stop_at: None,
    });
    let view = lab.begin().await.after(60_000).await;
    assert_eq!(view.waits, Waits::Window(Some(lab.time(6 * 3_600_000))));
    assert_eq!(view.why(), "outside the calling hours until 18:00:00");
    assert_eq!((view.running, view.tally.pending()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_trunk_that_does_not_work_rests_and_is_tried_with_one_call() {
    // Nobody says anything there, so that each trial takes its time.
    let list = people(20, "21");
    let mut lab = Lab::new(&trunk("only", "", 10, 100.0), &list);
    lab.campaign.call.ring_timeout = Duration::from_secs(10);
    let going = lab.begin().await;
    let (mut rested, mut tried) = (0, 0);
    for second in 1..60 {
        let view = going.after(second * 1_000).await;
        match view.trunks[0].condition {
            Condition::Works => assert_eq!(view.waits, Waits::Lines, "{second}"),
            Condition::Rests { until, trouble } if view.running == 0 => {
                assert_eq!(view.waits, Waits::Trunks(Some(until)));
                assert!(view.at < until && until <= view.at + 60_000);
                assert!(trouble.streak >= 5);
                assert_eq!(trouble.last, Disposition::Congestion);
                rested += 1;
            }
            Condition::Rests { .. } => {}
            Condition::Tried(trouble) => {
                assert_eq!(view.waits, Waits::Trunks(None));
                assert_eq!(trouble.last, Disposition::Congestion);
                tried += 1;
            }
        }
    }
    assert!(rested > 5 && tried > 5, "{rested} {tried}");
}

#[tokio::test(start_paused = true)]
async fn where_one_trunk_rests_the_lines_of_the_other_are_what_is_waited_for() {
    let trunks = trunk("bad", "50", 5, 100.0) + &trunk("good", "", 5, 100.0);
    let list = people(40, "01");
    let view = Lab::new(&trunks, &list).begin().await.after(4_000).await;
    assert!(matches!(view.trunks[0].condition, Condition::Rests { .. }));
    assert_eq!(view.trunks[1].condition, Condition::Works);
    assert_eq!(view.trunks[1].busy, 5);
    assert_eq!(view.waits, Waits::Lines);
}

#[tokio::test(start_paused = true)]
async fn the_connection_is_away() {
    let mut lab = Lab::new(&trunk("only", "", 1, 100.0), "number\n101\n201\n");
    lab.patience = Duration::from_secs(600);
    let going = lab.begin().await;
    let view = going.after(3_000).await;
    assert!(view.connected);
    // It is back at once the first time, and lets itself be waited for the second.
    let simulator = lab.simulator.get().unwrap();
    simulator.drop_sessions();
    going.after(3_010).await;
    simulator.drop_sessions();
    let view = going.after(3_050).await;
    let Waits::Connection(since) = view.waits else {
        panic!("{:?}", view.waits);
    };
    assert!((lab.time(3_000)..=lab.time(3_050)).contains(&since));
    assert!(!view.connected);
    assert_eq!(view.running, 1, "in Asterisk it goes on");
    let view = going.after(9_000).await;
    assert_eq!((view.connected, view.waits), (true, Waits::Lines));
}

#[tokio::test(start_paused = true)]
async fn everybody_who_is_left_waits_to_be_called_again() {
    let mut lab = Lab::new(CARRIER, "number\n110\n");
    lab.campaign.retry.max_attempts = 2;
    let going = lab.begin().await;
    let view = going.after(60_000).await;
    let row = &rows(&lab.folder.path().join("results.csv"))[0];
    let due = time(row, "next_attempt_at").as_millisecond();
    assert_eq!(view.waits, Waits::Retries(due));
    assert_eq!((view.retrying, view.next_due), (1, Some(due)));
    assert_eq!((view.running, view.tally.answer_rate()), (0, Some(0.0)));
    assert_eq!(view.calls_per_second, Some(0.0));
}

#[tokio::test(start_paused = true)]
async fn the_same_number_is_not_called_twice_at_once() {
    let list = "number\n101\n101\n";
    let lab = Lab::with("duplicates = \"call\"", CARRIER, list);
    let view = lab.begin().await.after(5_000).await;
    assert_eq!(view.waits, Waits::Calls);
    assert_eq!((view.running, view.retrying, view.next_due), (1, 1, None));
}

#[tokio::test(start_paused = true)]
async fn the_operator_has_stopped_it() {
    let lab = Lab::new(&trunk("only", "", 1, 100.0), "number\n101\n201\n");
    let going = lab.begin().await;
    going.after(3_000).await;
    going.stop.drain.cancel();
    let view = going.after(3_001).await;
    assert_eq!(view.waits, Waits::Ending("drained"));
    assert_eq!((view.running, view.is_ending()), (1, true));
    assert!(matches!(going.over.await.unwrap(), RunEnd::Drained));
    let view = going.viewer.latest();
    assert_eq!((view.running, view.waits), (0, Waits::Ending("drained")));
}

#[tokio::test(start_paused = true)]
async fn the_results_cannot_be_written() {
    // One is busy at once; the other talks, and is waited for.
    let lab = Lab::new(&trunk("only", "", 2, 100.0), "number\n110\n201\n301\n");
    let path = lab.folder.path().join("results.csv");
    let mut resources = lab.resources(&path).await;
    let full = AppendFile::open(Path::new("/dev/full")).unwrap();
    resources.writer = Writer::start(Sink::Unsynced(full), "results.csv");
    let view = lab.begin_with(resources).after(6_000).await;
    assert_eq!(view.waits, Waits::Ending("results unwritable"));
    assert_eq!(view.why(), "stopping: results unwritable");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_nobody_looks_at_shows_its_end_only() {
    let list = people(500, "01");
    let lab = Lab::new(CARRIER, &list);
    let path = lab.folder.path().join("results.csv");
    let resources = lab.resources(&path).await;
    let (views, viewer) = views(&resources);
    let over = run(resources, Leftover::default(), None, Stop::default(), views).await;
    assert!(matches!(over, RunEnd::Finished));
    assert_eq!(viewer.count(), 1);
    assert_eq!(viewer.latest().tally.ended(), 500);
}

/// A run on two trunks, one of which rests: something of everything has happened. It is ten in the morning.
pub(crate) fn example() -> View {
    let mut tally = Tally::new(310, 300);
    for _ in 0..80 {
        tally.attempted(Disposition::Answered, true);
    }
    for _ in 0..40 {
        tally.attempted(Disposition::Rejected, true);
    }
    tally.finish(Disposition::InvalidNumber, 10);
    tally.dispatched = 150;
    let at = "2026-11-23T10:00:00Z".parse::<Timestamp>().unwrap();
    let at = at.as_millisecond();
    let trunk = |name: &str, busy, condition| TrunkView {
        name: name.into(),
        ports: 10,
        busy,
        condition,
    };
    let rests = Condition::Rests {
        until: at + 5_000,
        trouble: Trouble {
            streak: 5,
            last: Disposition::Congestion,
        },
    };
    View {
        at,
        tally,
        running: 10,
        trunks: vec![
            trunk("carrier", 10, Condition::Works),
            trunk("backup", 0, rests),
        ],
        retrying: 12,
        next_due: Some(at + 120_000),
        calls_per_second: Some(2.5),
        connected: true,
        waits: Waits::Lines,
        clock: Clock::system(TimeZone::UTC),
    }
}
