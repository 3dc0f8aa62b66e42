//! What becomes of the calls when the session with Asterisk breaks, in every way in which it can: against the simulated
//! Asterisk, in this process and in virtual time.
//!
//! The file is long because each way of breaking is a scene of its own on the same laboratory.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::ami::action::Action;
use crate::ami::errors::SessionClosed;
use crate::ami::login::{Auth, Login};
use crate::ami::session::KEEPALIVE;
use crate::ami::transport::Transport;
use crate::call::id::CallId;
use crate::call::preflight::Preflight;
use crate::call::reconnect::{Reconnector, SessionState};
use crate::call::verdict::{self, Circumstances, Verdict};
use crate::call::{self, Attempt, FinishedCall};
use crate::disposition::Disposition;
use crate::sim::{Fates, Simulate, Simulator, SimulatorConfig};
use crate::trunk::rate_limit::PaceToken;
use memchr::memmem;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

/// What happens on the pbx to Asterisk.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault of its own")]
struct Faults {
    /// Nothing passes in either direction, and nobody is told.
    silent: bool,
    /// Whoever reads next finds the connection closed.
    cut: bool,
    /// Every connection is closed at once.
    away: bool,
    /// Whoever reads next panics: a fault of the dialer itself.
    panic_on_read: bool,
    /// Whoever writes this panics, with nothing of it written.
    panic_on_writing: Option<&'static [u8]>,
    /// The connection is closed when this is to be read; what comes before it passes.
    cut_before: Option<&'static [u8]>,
    /// This never arrives, nor what came with it.
    swallowed: Option<&'static [u8]>,
    /// Who waits for something to read.
    reader: Option<Waker>,
}

/// The pbx, and the Asterisk at its end.
#[derive(Clone)]
struct FaultyPbx {
    faults: Arc<Mutex<Faults>>,
    simulator: Simulator,
}

impl FaultyPbx {
    /// Everybody rings for 100 ms and talks for 60 s, unless the number says otherwise.
    fn new(change: impl FnOnce(&mut SimulatorConfig)) -> Self {
        let mut config = SimulatorConfig {
            fates: Fates::ByNumber,
            record_dialed: true,
            ..SimulatorConfig::new(Simulate {
                talk: Duration::from_secs(60),
                ring: Duration::from_millis(100),
                ..Simulate::default()
            })
        };
        change(&mut config);
        Self {
            faults: Arc::default(),
            simulator: Simulator::new(config),
        }
    }

    /// Makes something go wrong from now on.
    fn fault(&self, change: impl FnOnce(&mut Faults)) {
        let mut faults = self.faults.lock().unwrap();
        change(&mut faults);
        if let Some(reader) = faults.reader.take() {
            reader.wake();
        }
    }

    async fn session(&self, patience: Duration) -> Reconnector {
        let pbx = self.clone();
        let transport = Transport::InProcess(Box::new(move || {
            let (ours, theirs) = duplex(1 << 16);
            let simulator = pbx.simulator.clone();
            tokio::spawn(async move { simulator.serve(theirs).await });
            Box::new(FaultyStream {
                stream: ours,
                faults: Arc::clone(&pbx.faults),
            })
        }));
        let login = Login::new("dialer", "simulated", Auth::Md5, Duration::from_secs(5));
        Reconnector::connect(transport, login, patience, Arc::default())
            .await
            .unwrap()
    }

    /// How many Originates Asterisk took, whether it made a call of them or not.
    fn dialed(&self) -> usize {
        self.simulator.dialed().len()
    }
}

/// One connection.
struct FaultyStream {
    stream: DuplexStream,
    faults: Arc<Mutex<Faults>>,
}

impl AsyncRead for FaultyStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let faults = Arc::clone(&self.faults);
        let mut faults = faults.lock().unwrap();
        faults.reader = Some(context.waker().clone());
        if std::mem::take(&mut faults.panic_on_read) {
            drop(faults);
            panic!("a fault of the dialer");
        }
        if faults.away || std::mem::take(&mut faults.cut) {
            return Poll::Ready(Ok(()));
        }
        if faults.silent {
            return Poll::Pending;
        }
        let filled = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if let Some(word) = faults.swallowed
            && let Some(at) = memmem::find(&buffer.filled()[filled..], word)
        {
            buffer.set_filled(filled + at);
            if at == 0 {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        if let Some(until) = faults.cut_before
            && let Some(at) = memmem::find(&buffer.filled()[filled..], until)
        {
            faults.cut_before = None;
            faults.cut = true;
            buffer.set_filled(filled + at);
            if at > 0 {
                return read;
            }
            faults.cut = false;
        }
        read
    }
}

impl AsyncWrite for FaultyStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let faults = Arc::clone(&self.faults);
        let mut faults = faults.lock().unwrap();
        if let Some(word) = faults.panic_on_writing
            && memmem::find(bytes, word).is_some()
        {
            faults.panic_on_writing = None;
            drop(faults);
            panic!("a fault of the dialer");
        }
        if faults.silent {
            // A network that swallows everything looks like this for a while.
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A call to a number, whose last two digits tell its fate.
struct Call {
    ended: JoinHandle<Result<FinishedCall, SessionClosed>>,
    hang_up: CancellationToken,
}

impl Call {
    fn to(session: &Reconnector, number: &str) -> Self {
        let id = CallId::new();
        let originate = Action::new("Originate", id.as_str())
            .and_then(|action| action.header("Channel", format!("PJSIP/{number}@carrier")))
            .and_then(|action| action.header("ChannelId", id.as_str()))
            .and_then(|action| action.header("Async", "true"))
            .and_then(|action| action.header("Timeout", "30000"))
            .and_then(|action| action.header("Application", "Wait"))
            .and_then(|action| action.variable("CALLID", id.as_str()))
            .unwrap();
        let hang_up = CancellationToken::new();
        let attempt = Attempt {
            id,
            originate,
            call_timeout: Duration::from_secs(200),
            token: PaceToken::default(),
            hang_up: hang_up.clone(),
        };
        let session = session.clone();
        Self {
            ended: tokio::spawn(async move { call::place(&session, attempt).await }),
            hang_up,
        }
    }

    async fn end(self) -> FinishedCall {
        self.ended.await.unwrap().expect("it was dialed")
    }

    async fn verdict(self) -> Verdict {
        told(&self.end().await)
    }
}

fn told(ended: &FinishedCall) -> Verdict {
    let circumstances = Circumstances {
        own_hangup: ended.own_hangup,
        ..Circumstances::default()
    };
    verdict::decide(&ended.observations, &circumstances)
}

async fn until(session: &Reconnector, state: impl Fn(&SessionState) -> bool) {
    let mut watch = session.state.clone();
    let reached = timeout(Duration::from_secs(3_600), watch.wait_for(state)).await;
    reached
        .expect("it comes in an hour")
        .expect("the session is kept");
}

/// Makes something go wrong that ends the session, and waits for the next one.
async fn over_and_up_again(
    pbx: &FaultyPbx,
    session: &Reconnector,
    change: impl FnOnce(&mut Faults),
) {
    let client = session.client().expect("it is up");
    pbx.fault(change);
    client.closed().await;
    // Its end is noticed by then, if the next is not up already.
    sleep(Duration::from_millis(1)).await;
    until(session, up).await;
}

fn up(state: &SessionState) -> bool {
    matches!(state, SessionState::Up(_))
}

fn down(state: &SessionState) -> bool {
    matches!(state, SessionState::Down)
}

fn lost(state: &SessionState) -> bool {
    matches!(state, SessionState::Lost(_))
}

/// Long enough for an answer, far from the end of the talk.
const ANSWERED: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::test(start_paused = true)]
async fn a_call_that_lives_through_a_drop_is_told_as_if_there_had_been_none() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let call = Call::to(&session, "101");
    sleep(ANSWERED).await;
    let began = Instant::now();
    over_and_up_again(&pbx, &session, |faults| faults.cut = true).await;
    assert!(
        began.elapsed() < Duration::from_secs(1),
        "nobody was missing, so nothing was waited for: {:?}",
        began.elapsed()
    );
    let ended = call.end().await;
    let talk = ended.observations.ended_at - ended.observations.answered_at.unwrap();
    assert_eq!(talk.as_secs(), 60);
    let verdict = told(&ended);
    assert_eq!(
        (verdict.disposition, verdict.note.as_str()),
        (Disposition::Answered, "")
    );
}

#[tokio::test(start_paused = true)]
async fn a_line_that_goes_silent_is_noticed_within_thirty_seconds_and_no_talk_is_made_up() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let call = Call::to(&session, "101");
    sleep(ANSWERED).await;
    let silent_since = Instant::now();
    pbx.fault(|faults| faults.silent = true);
    until(&session, down).await;
    let noticed = silent_since.elapsed();
    assert!(noticed <= 2 * KEEPALIVE, "{noticed:?}");
    // It ends while nobody hears it.
    sleep(Duration::from_secs(30)).await;
    pbx.simulator.crash();
    pbx.fault(|faults| faults.silent = false);
    let ended = call.end().await;
    assert!(!ended.observations.end_seen);
    assert!(ended.observations.ended_at <= silent_since);
    let verdict = told(&ended);
    assert_eq!(verdict.disposition, Disposition::Answered);
    assert!(
        verdict.note.contains("lost before its end"),
        "{}",
        verdict.note
    );
}

#[tokio::test(start_paused = true)]
async fn each_drop_has_its_own_patience_also_while_calls_are_looked_for() {
    let outage = Duration::from_secs(15);
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(Duration::from_secs(25)).await;
    // A call that ends unseen is what is looked for with two lists.
    let call = Call::to(&session, "101");
    sleep(ANSWERED).await;
    pbx.fault(|faults| faults.away = true);
    until(&session, down).await;
    pbx.simulator.crash();
    let nobody = Call::to(&session, "201");
    assert!(nobody.ended.await.unwrap().is_err(), "nobody is dialed now");
    sleep(outage).await;
    // It comes back, lists what it carries, and is away again before it is asked for the second time.
    pbx.fault(|faults| faults.away = false);
    while pbx.simulator.counters().sessions == 0 {
        assert!(!lost(&session.state.borrow()));
        sleep(Duration::from_millis(1)).await;
    }
    sleep(Duration::from_millis(100)).await;
    pbx.fault(|faults| faults.away = true);
    sleep(outage).await;
    pbx.fault(|faults| faults.away = false);
    until(&session, |state| !down(state)).await;
    assert!(up(&session.state.borrow()));
    assert_eq!(call.verdict().await.disposition, Disposition::Answered);
    let _after = Call::to(&session, "301");
    sleep(ANSWERED).await;
    assert_eq!(pbx.simulator.counters().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn an_asterisk_that_lets_us_in_and_never_lists_its_calls_ends_the_link_after_its_patience() {
    for case in ["refused", "cut off", "never complete"] {
        let pbx = FaultyPbx::new(|config| {
            if case == "refused" {
                config.denied_actions = vec!["Status".to_owned()];
            }
        });
        let session = pbx.session(PATIENCE).await;
        let call = Call::to(&session, "101");
        sleep(ANSWERED).await;
        if case == "cut off" {
            // As by a `writetimeout` that is too short for the list.
            let pbx = pbx.clone();
            tokio::spawn(async move {
                loop {
                    pbx.fault(|faults| faults.cut_before = Some(b"EventList: Complete"));
                    sleep(Duration::from_millis(10)).await;
                }
            });
        } else if case == "never complete" {
            pbx.fault(|faults| faults.swallowed = Some(b"Event: StatusComplete"));
        }
        let began = Instant::now();
        pbx.fault(|faults| faults.cut = true);
        until(&session, down).await;
        until(&session, lost).await;
        let waited = began.elapsed();
        assert!(
            waited >= PATIENCE && waited <= PATIENCE * 2,
            "{case}: {waited:?}"
        );
        let verdict = call.verdict().await;
        assert_eq!(verdict.disposition, Disposition::Answered);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_of_a_call_is_told_also_if_the_run_is_stopped_while_the_line_is_away() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(Duration::from_secs(600)).await;
    let (answered, ringing) = (Call::to(&session, "101"), Call::to(&session, "120"));
    sleep(ANSWERED).await;
    pbx.fault(|faults| {
        faults.silent = true;
        faults.cut = true;
    });
    until(&session, down).await;
    sleep(Duration::from_secs(20)).await;
    let stopped = Instant::now();
    answered.hang_up.cancel();
    ringing.hang_up.cancel();
    let (answered, ringing) = (answered.end().await, ringing.end().await);
    assert!(
        stopped.elapsed() <= Duration::from_secs(4),
        "{:?}",
        stopped.elapsed()
    );
    let verdict = told(&answered);
    assert_eq!(verdict.disposition, Disposition::Answered);
    assert!(verdict.note.contains("did not confirm"), "{}", verdict.note);
    let talk = answered.observations.ended_at - answered.observations.answered_at.unwrap();
    assert!(talk <= ANSWERED, "no longer than it was heard of: {talk:?}");
    let verdict = told(&ringing);
    assert_eq!(verdict.disposition, Disposition::Unknown);
    assert!(ringing.observations.rang(), "what was heard of it is kept");
}

#[tokio::test(start_paused = true)]
async fn an_originate_that_may_have_been_written_is_never_taken_for_one_that_was_not() {
    // The task of the session dies when it is about to write: the call is noted, and nobody knows how much was sent.
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    pbx.fault(|faults| faults.panic_on_writing = Some(b"Action: Originate"));
    let call = Call::to(&session, "101");
    let verdict = call.verdict().await;
    assert_eq!(verdict.disposition, Disposition::Unknown);
    assert_eq!(pbx.dialed(), 0);

    // It dies with a call in its queue that it never took: that one was not dialed, and may be.
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let client = session.client().unwrap();
    let call = Call::to(&session, "101");
    pbx.fault(|faults| faults.panic_on_read = true);
    assert!(
        client
            .closed()
            .await
            .to_string()
            .contains("please report this")
    );
    assert!(call.ended.await.unwrap().is_err());
    assert_eq!(pbx.dialed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_task_dies_costs_no_call_and_a_second_death_ends_the_run() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let call = Call::to(&session, "101");
    sleep(ANSWERED).await;
    over_and_up_again(&pbx, &session, |faults| faults.panic_on_read = true).await;
    let verdict = call.verdict().await;
    assert_eq!(
        (verdict.disposition, verdict.note.as_str()),
        (Disposition::Answered, "")
    );

    let (answered, ringing) = (Call::to(&session, "201"), Call::to(&session, "120"));
    sleep(ANSWERED).await;
    pbx.fault(|faults| faults.panic_on_read = true);
    until(&session, lost).await;
    let verdict = answered.verdict().await;
    assert_eq!(verdict.disposition, Disposition::Answered, "that was seen");
    let verdict = ringing.verdict().await;
    assert_eq!(verdict.disposition, Disposition::Unknown);
    assert_eq!(pbx.dialed(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_ends_while_the_task_of_the_session_is_dead_is_missed_like_any_other() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let call = Call::to(&session, "101");
    sleep(ANSWERED).await;
    let died = Instant::now();
    pbx.fault(|faults| {
        faults.panic_on_read = true;
        faults.away = true;
    });
    until(&session, down).await;
    pbx.simulator.crash();
    pbx.fault(|faults| faults.away = false);
    let verdict = call.verdict().await;
    assert_eq!(verdict.disposition, Disposition::Answered);
    let waited = died.elapsed();
    assert!(waited < Duration::from_secs(10), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_drop_in_the_middle_of_an_event_is_no_event() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    let call = Call::to(&session, "110");
    // The end of a call that says BUSY, cut off before it says so.
    pbx.fault(|faults| faults.cut_before = Some(b"Cause: 17"));
    let verdict = call.verdict().await;
    assert_eq!(verdict.disposition, Disposition::Unknown);
    assert_eq!(pbx.dialed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_permission_check_without_an_answer_ends_although_pings_are_answered() {
    let pbx = FaultyPbx::new(|_| {});
    let session = pbx.session(PATIENCE).await;
    pbx.fault(|faults| faults.swallowed = Some(b"preflight-Hangup"));
    let began = Instant::now();
    let check = timeout(
        Duration::from_secs(120),
        Preflight::begin(&session, "dialer"),
    );
    let error = check.await.expect("it ends").expect_err("no answer");
    assert_eq!(
        error.to_string(),
        "Asterisk did not answer Hangup within 5s"
    );
    assert_eq!(began.elapsed(), Duration::from_secs(5));
    assert!(session.client().is_some(), "the session goes on");
}
