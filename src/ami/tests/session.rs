//! A session over a byte stream in memory, with a peer that the test plays.
//!
//! The file is long because each fault of the peer is a scene of its own.

use super::*;

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

struct Live {
    client: Client<u32>,
    peer: Peer,
    seen: mpsc::UnboundedReceiver<Seen>,
    start: Instant,
}

/// A session that is logged in, over a stream that holds so many bytes in each direction.
async fn live(capacity: usize) -> Live {
    let (stream, mut peer) = Peer::pair(capacity);
    let (recorder, seen) = Recorder::new();
    let login = plain();
    let (session, ()) = tokio::join!(
        open(stream, &login, SharedHandler::new(recorder)),
        peer.accept()
    );
    Live {
        client: session.unwrap().client,
        peer,
        seen,
        start: Instant::now(),
    }
}

impl Live {
    async fn next(&mut self) -> Seen {
        self.seen.recv().await.expect("the handler is gone")
    }

    /// What is seen after this, until the handler is dropped.
    async fn rest(mut self) -> Vec<Seen> {
        let mut rest = Vec::new();
        while let Some(seen) = self.seen.recv().await {
            rest.push(seen);
        }
        rest
    }
}

#[tokio::test(start_paused = true)]
async fn only_wanted_events_reach_the_handler_in_order() {
    let mut live = live(4096).await;
    live.peer
        .say(
            "Event: Newchannel\r\nUniqueid: a\r\n\r\n\
             Event: Hangup\r\nUniqueid: b\r\n\r\n\
             Event: OriginateResponse\r\nActionID: x\r\nResponse: Failure\r\nUniqueid: c\r\n\r\n\
             Response: Success\r\nActionID: x\r\n\r\n\
             Response: Error\r\n\r\n",
        )
        .await;
    assert_eq!(live.next().await, event("Hangup b"));
    assert_eq!(live.next().await, event("OriginateResponse c"));
    assert_eq!(live.next().await, response("x", "Success"));
    assert_eq!(live.next().await, response("", "Error"));
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_told_when_what_it_noted_was_taken_and_not_before() {
    let (stream, mut peer) = Peer::pair(512);
    let (mut recorder, seen) = Recorder::new();
    recorder.flushes = true;
    let start = recorder.start;
    let login = plain();
    let (session, ()) = tokio::join!(
        open(stream, &login, SharedHandler::new(recorder)),
        peer.accept()
    );
    let mut live = Live {
        client: session.unwrap().client,
        peer,
        seen,
        start,
    };
    let long = action("Ping", &"x".repeat(900));
    live.client.submit(Some(7), Some(long)).unwrap();
    assert_eq!(live.next().await, Seen::Note(7));
    // The other side takes its time, and only half of it fits on the way.
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(live.seen.try_recv().ok(), None, "not all of it was taken");
    live.peer.hear_action("Ping").await;
    assert_eq!(live.next().await, Seen::Flushed(Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn events_between_the_login_and_fully_booted_are_not_lost() {
    let (stream, mut peer) = Peer::pair(4096);
    let (recorder, mut seen) = Recorder::new();
    let login = plain();
    let script = async {
        peer.say(BANNER).await;
        peer.hear_action("Login").await;
        peer.say([ACCEPTED, "Event: Hangup\r\nUniqueid: a\r\n\r\n", BOOTED].concat())
            .await;
        peer.say("Event: Hangup\r\nUniqueid: b\r\n\r\n").await;
    };
    let (session, ()) = tokio::join!(open(stream, &login, SharedHandler::new(recorder)), script);
    let _session = session.unwrap();
    assert_eq!(seen.recv().await, Some(event("Hangup a")));
    assert_eq!(seen.recv().await, Some(event("Hangup b")));
}

#[tokio::test(start_paused = true)]
async fn the_handler_has_the_note_before_the_action_is_written_and_order_is_kept() {
    let mut live = live(64 * 1024).await;
    for n in 100..150_u32 {
        let action = action("Originate", &n.to_string());
        live.client.submit(Some(n), Some(action)).unwrap();
    }
    for n in 100..150_u32 {
        let heard = live.peer.hear_action("Originate").await;
        assert_eq!(heard.get_str("ActionID").unwrap(), n.to_string());
        // No waiting: it must be there already.
        assert_eq!(live.seen.try_recv(), Ok(Seen::Note(n)));
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_submitted_together_is_written_together() {
    let mut live = live(64 * 1024).await;
    for n in 0..50 {
        let action = action("Originate", &n.to_string());
        live.client.submit(None, Some(action)).unwrap();
    }
    live.peer.hear().await.unwrap();
    let mut rest = 0;
    while let Some(Ok(_)) = live.peer.codec.next(&mut live.peer.input) {
        rest += 1;
    }
    assert_eq!(rest, 49, "the first read did not bring them all");
}

#[tokio::test(start_paused = true)]
async fn reading_goes_on_while_a_write_is_stuck() {
    let mut live = live(256).await;
    let long = action("Originate", "long")
        .header("Data", "x".repeat(1000))
        .unwrap();
    for _ in 0..20 {
        live.client.submit(None, Some(long.clone())).unwrap();
    }
    // The peer writes far more than the stream holds before it reads a byte.
    for n in 0..500 {
        let hangup = format!("Event: Hangup\r\nUniqueid: {n}\r\n\r\n");
        live.peer.say(hangup).await;
    }
    for n in 0..500 {
        assert_eq!(live.next().await, event(&format!("Hangup {n}")));
    }
    for _ in 0..20 {
        let heard = live.peer.hear_action("Originate").await;
        assert_eq!(heard.get("Data").unwrap().len(), 1000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_gets_the_response_with_its_id_and_the_handler_does_not() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    let asked = tokio::spawn(async move {
        tokio::join!(
            client.request(action("CoreSettings", "one")),
            client.request(action("Hangup", "two")),
        )
    });
    live.peer.hear_action("CoreSettings").await;
    live.peer.hear_action("Hangup").await;
    live.peer
        .say(
            "Response: Error\r\nActionID: two\r\nMessage: No such channel\r\n\r\n\
             Response: Success\r\nActionID: three\r\n\r\n\
             Response: Success\r\nActionID: one\r\nCoreMaxCalls: 5000\r\n\r\n",
        )
        .await;
    let (one, two) = asked.await.unwrap();
    assert_eq!(one.unwrap().get("CoreMaxCalls"), Some(&b"5000"[..]));
    let two = two.unwrap();
    assert!(two.is_error());
    assert_eq!(two.get("Message"), Some(&b"No such channel"[..]));
    assert_eq!(live.next().await, response("three", "Success"));
    assert!(live.seen.is_empty());
}

#[tokio::test(start_paused = true)]
async fn two_lists_at_once_each_get_their_events_whatever_the_handler_wants() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    let asked = tokio::spawn(async move {
        tokio::join!(
            client.list(action("Status", "s")),
            client.list(action("CoreShowChannels", "c")),
        )
    });
    live.peer.hear_action("Status").await;
    live.peer.hear_action("CoreShowChannels").await;
    live.peer
        .say(
            "Response: Success\r\nActionID: s\r\nEventList: start\r\n\r\n\
             Event: Status\r\nActionID: s\r\nUniqueid: 1\r\n\r\n\
             Response: Success\r\nActionID: c\r\nEventList: start\r\n\r\n\
             Event: CoreShowChannel\r\nActionID: c\r\nUniqueid: 2\r\n\r\n\
             Event: Hangup\r\nUniqueid: 4\r\n\r\n\
             Event: Hangup\r\nActionID: other\r\nUniqueid: 5\r\n\r\n\
             Event: Status\r\nActionID: s\r\nUniqueid: 3\r\n\r\n\
             Event: StatusComplete\r\nActionID: s\r\nEventList: Complete\r\nListItems: 2\r\n\r\n\
             Event: CoreShowChannelsComplete\r\nActionID: c\r\nEventList: Complete\r\n\r\n\
             Event: Status\r\nActionID: s\r\nUniqueid: 6\r\n\r\n",
        )
        .await;
    let (status, channels) = asked.await.unwrap();
    let ids = |list: Result<Vec<Message>, RequestError>| -> Vec<String> {
        let list = list.unwrap();
        list.iter()
            .map(|item| item.get_str("Uniqueid").unwrap().into_owned())
            .collect()
    };
    assert_eq!(ids(status), ["1", "3"]);
    assert_eq!(ids(channels), ["2"]);
    assert_eq!(live.next().await, event("Hangup 4"));
    assert_eq!(live.next().await, event("Hangup 5"));
    assert!(live.seen.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_refused_or_none_ends_at_its_response() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    let asked = tokio::spawn(async move {
        tokio::join!(
            client.list(action("Status", "s")),
            client.list(action("Ping", "p")),
        )
    });
    live.peer.hear_action("Status").await;
    live.peer.hear_action("Ping").await;
    live.peer
        .say(
            "Response: Error\r\nActionID: s\r\nMessage: Permission denied\r\n\r\n\
             Response: Success\r\nActionID: p\r\nPing: Pong\r\n\r\n",
        )
        .await;
    let (status, ping) = asked.await.unwrap();
    assert!(matches!(status, Err(RequestError::Refused(text)) if text == "Permission denied"));
    assert_eq!(ping.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn the_handler_is_called_at_its_deadline_and_not_before() {
    let mut live = live(4096).await;
    // The session's own timer is set to later by then, and to earlier for the second.
    for seconds in [3, 40] {
        live.client.submit(Some(seconds), None).unwrap();
        assert_eq!(live.next().await, Seen::Note(seconds));
        let pongs = async {
            while let Some(ping) = live.peer.hear().await {
                assert_eq!(ping.get_str("Action").unwrap(), "Ping");
                live.peer
                    .say("Response: Success\r\nActionID: keepalive\r\nPing: Pong\r\n\r\n")
                    .await;
            }
        };
        tokio::select! {
            () = pongs => panic!("the session ended"),
            tick = live.seen.recv() => {
                assert_eq!(tick, Some(Seen::Tick(Duration::from_secs(seconds.into()))));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_peer_is_pinged_and_a_silent_one_given_up() {
    let mut live = live(4096).await;
    let keepalive = KEEPALIVE;
    live.peer.hear_action("Ping").await;
    assert_eq!(live.start.elapsed(), keepalive);

    // Any byte is a sign of life, be it the beginning of a message only.
    tokio::time::sleep(keepalive / 2).await;
    live.peer.say("Event: ").await;
    let sign = Instant::now();
    live.peer.hear_action("Ping").await;
    assert_eq!(sign.elapsed(), keepalive);

    assert!(matches!(live.client.closed().await, SessionError::Silent));
    assert_eq!(sign.elapsed(), 2 * keepalive);
    assert_eq!(live.rest().await, [closed("Silent")]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_speaks_and_answers_nothing_is_given_up() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    // An event a second, and one answer, half-way.
    let speaks = async {
        for second in 0_u64.. {
            if 2 * second == ANSWER.as_secs() {
                live.peer
                    .say("Response: Success\r\nActionID: 1\r\n\r\n")
                    .await;
            }
            live.peer
                .say("Event: Newexten\r\nUniqueid: a\r\n\r\n")
                .await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let asks = async {
        client.submit(None, Some(action("Originate", "1"))).unwrap();
        // The answer to the first shows that what is sent arrives; nobody waits for anything then.
        tokio::time::sleep(ANSWER * 2).await;
        client.submit(None, Some(action("Originate", "2"))).unwrap();
        let asked = Instant::now();
        let why = client.closed().await;
        assert!(matches!(why, SessionError::Deaf), "{why}");
        assert_eq!(asked.elapsed(), ANSWER);
    };
    tokio::select! {
        () = speaks => {}
        () = asks => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_without_an_answer_ends_although_pings_are_answered() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    let pongs = async {
        while let Some(action) = live.peer.hear().await {
            if action.get_str("Action").unwrap() == "Ping" {
                live.peer
                    .say("Response: Success\r\nActionID: keepalive\r\nPing: Pong\r\n\r\n")
                    .await;
            }
        }
    };
    let asked = async {
        tokio::join!(
            client.request(action("CoreSettings", "one")),
            client.list(action("Status", "two")),
        )
    };
    let patient = tokio::time::timeout(Duration::from_secs(120), asked);
    tokio::select! {
        () = pongs => panic!("the session ended"),
        answers = patient => {
            let (one, two) = answers.expect("both end");
            assert!(one.is_err() && two.is_err(), "{one:?} {two:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_to_a_ping_concerns_nobody_and_keeps_the_session() {
    let mut live = live(4096).await;
    for _ in 0..5 {
        live.peer.hear_action("Ping").await;
        // What every action is answered with while Asterisk waits for its calls to end.
        live.peer
            .say("Response: Error\r\nActionID: keepalive\r\nMessage: Asterisk is shutting down\r\n\r\n")
            .await;
    }
    assert_eq!(live.start.elapsed(), 5 * KEEPALIVE);
    assert!(live.seen.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_the_session_after_the_last_events_were_heard() {
    let mut live = live(4096).await;
    live.peer
        .say(
            "Event: Hangup\r\nUniqueid: a\r\n\r\n\
             Event: Shutdown\r\nShutdown: Cleanly\r\nRestart: False\r\n\r\n\
             Event: Hangup\r\nUniqueid: b\r\n\r\n",
        )
        .await;
    assert_eq!(live.next().await, event("Hangup a"));
    assert_eq!(live.next().await, event("Hangup b"));
    // Nothing more is sent to an Asterisk that is going down.
    assert_eq!(
        live.client.submit(None, Some(action("Originate", "1"))),
        Err(SessionClosed)
    );
    live.peer.stream.shutdown().await.unwrap();
    assert!(matches!(live.client.closed().await, SessionError::Shutdown));
    assert_eq!(live.start.elapsed(), Duration::ZERO);
    assert_eq!(live.peer.hear().await, None);
    assert_eq!(live.rest().await, [closed("Shutdown")]);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_that_never_closes_the_connection_ends_the_session_all_the_same() {
    let mut live = live(4096).await;
    live.peer.say("Event: Shutdown\r\n\r\n").await;
    assert!(matches!(live.client.closed().await, SessionError::Shutdown));
    assert_eq!(live.start.elapsed(), GOODBYE);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ends_tells_everyone_who_waits_and_the_handler_once() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    let asked = tokio::spawn(async move {
        tokio::join!(
            client.request(action("Ping", "1")),
            client.list(action("Status", "2")),
        )
    });
    live.peer.hear_action("Ping").await;
    live.peer.hear_action("Status").await;
    live.peer
        .say("Response: Success\r\nActionID: 2\r\nEventList: start\r\n\r\nEvent: Hang")
        .await;
    live.peer.stream.shutdown().await.unwrap();
    let (request, list) = asked.await.unwrap();
    assert!(matches!(
        request,
        Err(RequestError::Session(SessionError::Closed))
    ));
    assert!(matches!(
        list,
        Err(RequestError::Session(SessionError::Closed))
    ));
    assert!(matches!(live.client.closed().await, SessionError::Closed));
    // Later callers learn it too.
    let late = live.client.request(action("Ping", "3")).await;
    assert!(matches!(
        late,
        Err(RequestError::Session(SessionError::Closed))
    ));
    assert_eq!(live.client.submit(Some(1), None), Err(SessionClosed));
    assert_eq!(live.rest().await, [closed("Closed")]);
}

/// A stream that can be read but, once broken, not written to.
struct Breaking {
    stream: DuplexStream,
    broken: Arc<AtomicBool>,
}

impl AsyncRead for Breaking {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Breaking {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.broken.load(Ordering::Relaxed) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
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

#[tokio::test(start_paused = true)]
async fn a_broken_write_still_lets_the_last_words_be_read() {
    let hangup = "Event: Hangup\r\nUniqueid: a\r\n\r\n";
    let seen = after_a_broken_write(hangup).await;
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert_eq!(seen[0], event("Hangup a"));
    assert!(matches!(&seen[1], Seen::Closed(why) if why.starts_with("Io")));

    let seen = after_a_broken_write("Event: Shutdown\r\n\r\n").await;
    assert_eq!(seen, [closed("Shutdown")]);
}

/// What the handler sees when writing has broken, and the peer says this and hangs up.
async fn after_a_broken_write(words: &str) -> Vec<Seen> {
    let (stream, mut peer) = Peer::pair(64 * 1024);
    let (recorder, mut seen) = Recorder::new();
    let breaks = Arc::new(AtomicBool::new(false));
    let stream = Breaking {
        stream,
        broken: Arc::clone(&breaks),
    };
    let login = plain();
    let (session, ()) = tokio::join!(
        open(stream, &login, SharedHandler::new(recorder)),
        peer.accept()
    );
    let client = session.unwrap().client;
    breaks.store(true, Ordering::Relaxed);
    client.submit(None, Some(action("Originate", "1"))).unwrap();
    tokio::task::yield_now().await;
    peer.say(words).await;
    drop(peer);
    client.closed().await;
    let mut all = Vec::new();
    while let Some(one) = seen.recv().await {
        all.push(one);
    }
    all
}

#[tokio::test(start_paused = true)]
async fn logging_off_writes_what_was_submitted_before_and_waits_for_the_end() {
    let mut live = live(4096).await;
    let client = live.client.clone();
    client.submit(Some(7), Some(action("Hangup", "1"))).unwrap();
    let logoff = tokio::spawn(client.logoff());
    live.peer.hear_action("Hangup").await;
    live.peer.hear_action("Logoff").await;
    assert!(!logoff.is_finished());
    live.peer
        .say("Response: Goodbye\r\nActionID: logoff\r\nMessage: Thanks for all the fish.\r\n\r\n")
        .await;
    live.peer.stream.shutdown().await.unwrap();
    logoff.await.unwrap();
    assert!(matches!(
        live.client.closed().await,
        SessionError::LoggedOff
    ));
    assert_eq!(live.start.elapsed(), Duration::ZERO);
    assert_eq!(live.rest().await, [Seen::Note(7), closed("LoggedOff")]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_does_not_close_after_the_logoff_is_not_waited_for_long() {
    let live = live(4096).await;
    live.client.clone().logoff().await;
    assert_eq!(live.start.elapsed(), GOODBYE);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_client_logs_off() {
    let Live {
        client,
        mut peer,
        mut seen,
        ..
    } = live(4096).await;
    let other = client.clone();
    drop(client);
    other.submit(None, Some(action("Hangup", "1"))).unwrap();
    drop(other);
    peer.hear_action("Hangup").await;
    peer.hear_action("Logoff").await;
    drop(peer);
    assert_eq!(seen.recv().await, Some(closed("LoggedOff")));
}

#[tokio::test(start_paused = true)]
async fn malformed_input_is_passed_over_and_the_session_goes_on() {
    let mut live = live(4096).await;
    live.peer
        .say(
            b"\0\xff\xfe garbage\r\n\r\n\
              Neither: this\r\nNor: that\r\n\r\n\
              Event\r\n: Hangup\r\n\r\n\
              Event: Hangup\r\nno header\r\nUniqueid: a\r\n\r\n",
        )
        .await;
    let skipped = vec![b'x'; MAX_MESSAGE * 2];
    live.peer.say(skipped).await;
    live.peer
        .say("\r\n\r\nEvent: Hangup\r\nUniqueid: b\r\n\r\n")
        .await;
    assert_eq!(live.next().await, event("Hangup a"));
    assert_eq!(live.next().await, event("Hangup b"));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_holds_back_what_is_written_is_flushed() {
    let (stream, mut peer) = Peer::pair(4096);
    let login = plain();
    let stream = tokio::io::BufStream::new(stream);
    let (session, ()) = tokio::join!(
        open(stream, &login, SharedHandler::new(Recorder::new().0)),
        peer.accept()
    );
    let client = session.unwrap().client;
    for n in 0..5 {
        client
            .submit(None, Some(action("Ping", &n.to_string())))
            .unwrap();
        peer.hear_action("Ping").await;
    }
}
