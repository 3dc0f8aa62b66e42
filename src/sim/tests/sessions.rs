//! Logging in, asking, and the ends that a session can come to.

use tokio::time::Instant;

use super::*;
use crate::ami;

/// A handler that wants nothing.
#[derive(Debug)]
struct Deaf;

impl ami::Handler for Deaf {
    type Note = ();

    fn wants(&self, _: &[u8]) -> bool {
        false
    }
    fn event(&mut self, _: &Message, _: Instant) {}
    fn response(&mut self, _: &[u8], _: &Message, _: Instant) {}
    fn note(&mut self, (): (), _: Instant) {}
    fn flushed(&mut self, _: Instant) {}
    fn deadline(&self) -> Option<Instant> {
        None
    }
    fn tick(&mut self, _: Instant) {}
    fn closed(&mut self, _: &ami::SessionError, _: Instant) {}
}

#[tokio::test(start_paused = true)]
async fn a_login_is_accepted_in_the_words_of_the_real_one() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::connect(&simulator);
    peer.send("Action: Login\nActionID: login\nUsername: dialer\nSecret: simulated")
        .await;
    let messages = peer.until("FullyBooted").await;
    let recorded = recording("22-one-id/pjsip-busy.txt");
    for (ours, theirs) in messages.iter().zip(&recorded) {
        let keys = |message: &Message| {
            message
                .headers()
                .map(|(key, _)| key.to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(keys(ours), keys(theirs));
        assert_eq!(text(ours, "Message"), text(theirs, "Message"));
        assert_eq!(text(ours, "Status"), text(theirs, "Status"));
    }
    let again = peer
        .ask("Action: Login\nUsername: dialer\nSecret: simulated")
        .await;
    assert_eq!(text(&again, "Message"), "Already authenticated");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_login_is_answered_after_a_second_and_closed() {
    let simulator = Simulator::new(by_number());
    for login in [
        "Username: dialer\nSecret: wrong",
        "Username: nobody\nSecret: simulated",
        "Username: dialer",
        "Username: dialer\nAuthType: MD5\nKey: 0123",
    ] {
        let mut peer = Peer::connect(&simulator);
        let began = Instant::now();
        peer.send(&format!("Action: Login\nActionID: login\n{login}"))
            .await;
        let answer = peer.until("login").await.pop().unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(1), "{login}");
        assert_eq!(text(&answer, "Response"), "Error");
        assert_eq!(text(&answer, "Message"), "Authentication failed");
        assert!(peer.is_closed().await);
        assert!(peer.served.await.unwrap().is_ok());
    }
    assert_eq!(simulator.counters().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn the_dialers_own_client_logs_in_with_md5_and_is_answered() {
    let simulator = Simulator::new(by_number());
    let (ours, theirs) = duplex(64 * 1024);
    let served = tokio::spawn(async move { simulator.serve(theirs).await });
    let login = ami::Login::new(
        "dialer",
        "simulated",
        ami::Auth::Md5,
        Duration::from_secs(5),
    );
    let session = ami::open(ours, &login, ami::SharedHandler::new(Deaf))
        .await
        .unwrap();
    let ping = ami::Action::new("Ping", "p").unwrap();
    let answer = session.client.request(ping).await.unwrap();
    assert_eq!(text(&answer, "Ping"), "Pong");
    let status = ami::Action::new("Status", "s").unwrap();
    assert_eq!(session.client.list(status).await.unwrap().len(), 0);
    session.client.logoff().await;
    assert!(served.await.unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn nothing_is_done_before_the_login() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::connect(&simulator);
    for action in ["Ping", "Nonsuch", "Originate", "Hangup", "Status"] {
        let answer = peer.ask(&format!("Action: {action}")).await;
        assert_eq!(text(&answer, "Message"), "Permission denied", "{action}");
    }
    let answer = peer.ask("Action: Challenge\nAuthType: SHA1").await;
    assert_eq!(text(&answer, "Message"), "Must specify AuthType");
    assert_eq!(simulator.counters().originates, 0);
}

#[tokio::test(start_paused = true)]
async fn small_questions_are_answered() {
    let simulator = Simulator::new(SimulatorConfig {
        max_calls: 50,
        denied_actions: vec!["originate".to_owned()],
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let answer = peer.ask("Action: CoreSettings").await;
    assert_eq!(text(&answer, "CoreMaxCalls"), "50");
    assert_eq!(text(&answer, "CoreCDRenabled"), "Yes");
    let answer = peer.ask("Action: CoreStatus").await;
    assert_eq!(text(&answer, "CoreCurrentCalls"), "0");
    let answer = peer.ask("Action: ListCommands").await;
    assert!(text(&answer, "Originate").ends_with("(Priv: originate,all)"));
    let answer = peer.ask("Action: Nonsuch").await;
    assert_eq!(
        text(&answer, "Message"),
        "Invalid/unknown command: Nonsuch. Use Action: ListCommands to show available commands."
    );
    let answer = peer.ask("Foo: bar").await;
    assert_eq!(text(&answer, "Message"), "Missing action in request");
    let answer = peer.ask("Action: Hangup").await;
    assert_eq!(text(&answer, "Message"), "No channel specified");
    let answer = peer.ask("Action: Originate").await;
    assert_eq!(text(&answer, "Message"), "Permission denied");
    let answer = peer.ask("Action: Logoff").await;
    assert_eq!(text(&answer, "Response"), "Goodbye");
    assert!(peer.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_bad_originate_is_refused_in_the_words_of_the_real_one() {
    let simulator = Simulator::new(SimulatorConfig {
        extensions: Some(vec![("notify".to_owned(), "s".to_owned())]),
        ..by_number()
    });
    let mut peer = Peer::log_in(&simulator).await;
    let target = "Context: notify\nExten: s\nPriority: 1";
    let long = format!(
        "Channel: PJSIP/1@a\nChannelId: {}\n{target}",
        "x".repeat(150)
    );
    for (headers, why) in [
        (target, "Channel not specified"),
        (
            "Channel: PJSIP/1@a\nContext: notify\nExten: t\nPriority: 1",
            "Extension does not exist.",
        ),
        (
            "Channel: PJSIP/1@a\nContext: other\nExten: s\nPriority: 1",
            "Extension does not exist.",
        ),
        (
            "Channel: PJSIP/1@a\nContext: notify\nExten: s\nPriority: x",
            "Invalid priority",
        ),
        (
            "Channel: PJSIP/1@a\nApplication: NoOp\nTimeout: soon",
            "Invalid timeout",
        ),
        ("Channel: phone\nApplication: NoOp", "Invalid channel"),
        (&long, "Uniqueid length exceeds maximum of 149"),
    ] {
        let answer = peer
            .ask(&format!("Action: Originate\nAsync: true\n{headers}"))
            .await;
        assert_eq!(text(&answer, "Response"), "Error");
        assert_eq!(text(&answer, "Message"), why);
    }
    assert_eq!(simulator.counters().originates, 0);
}

#[tokio::test(start_paused = true)]
async fn live_calls_are_listed_with_their_variables() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate(
        "PJSIP/101@carrier",
        "up",
        "Variable: _KEPT=a\\,b",
    ))
    .await;
    peer.send(&originate("PJSIP/120@carrier", "ringing", ""))
        .await;
    peer.until("OriginateResponse").await;
    tokio::time::sleep(Duration::from_millis(250)).await;
    peer.send("Action: Status\nActionID: s\nVariables: CALLID,KEPT,CDR(answer,u),CDR(billsec,f)")
        .await;
    let list = peer.until("StatusComplete").await;
    let listed: Vec<_> = events(&list, "Status").collect();
    assert_eq!(listed.len(), 2);
    assert_eq!(text(listed[0], "ChannelStateDesc"), "Up");
    assert_eq!(text(listed[0], "Seconds"), "1");
    let variables: Vec<_> = listed[0].get_all("Variable").collect();
    assert_eq!(variables[..2], [&b"CALLID=up"[..], b"KEPT=a,b"]);
    assert!(!variables[2].starts_with(b"CDR(answer,u)=0."));
    assert_eq!(variables[3], b"CDR(billsec,f)=0.250000");
    let variables: Vec<_> = listed[1].get_all("Variable").collect();
    assert_eq!(
        variables,
        [
            &b"CALLID=ringing"[..],
            b"KEPT=(null)",
            b"CDR(answer,u)=0.000000",
            b"CDR(billsec,f)=0.000000"
        ]
    );
    let keys: Vec<_> = listed[0]
        .headers()
        .map(|(key, _)| String::from_utf8_lossy(key).into_owned())
        .collect();
    // As a real Asterisk 22 answered.
    assert_eq!(
        keys.join(" "),
        "Event Privilege Channel ChannelState ChannelStateDesc CallerIDNum CallerIDName ConnectedLineNum \
         ConnectedLineName Language AccountCode Context Exten Priority Uniqueid Linkedid Type DNID \
         EffectiveConnectedLineNum EffectiveConnectedLineName TimeToHangup BridgeID Application Data Nativeformats \
         Readformat Readtrans Writeformat Writetrans Callgroup Pickupgroup Seconds Variable Variable Variable Variable ActionID"
    );
    assert_eq!(text(list.last().unwrap(), "ListItems"), "2");

    let answer = peer.ask("Action: Status\nChannel: ringing").await;
    assert_eq!(text(&answer, "Response"), "Success");
    let list = peer.until("StatusComplete").await;
    assert_eq!(events(&list, "Status").count(), 1);
    let answer = peer.ask("Action: Status\nChannel: nobody").await;
    assert_eq!(text(&answer, "Message"), "No such channel");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_just_dialed_is_not_in_the_list_yet() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    let answer = peer.ask("Action: Hangup\nChannel: id").await;
    assert_eq!(text(&answer, "Message"), "No such channel");
    peer.until("Newchannel").await;
    let answer = peer.ask("Action: Hangup\nChannel: id").await;
    assert_eq!(text(&answer, "Message"), "Channel Hungup");
}

#[tokio::test(start_paused = true)]
async fn an_originate_that_is_not_asynchronous_blocks_its_session_until_the_outcome() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    for (channel, answer) in [
        ("PJSIP/101@carrier", "Originate successfully queued"),
        ("PJSIP/110@carrier", "Originate failed"),
        ("PJSIP/160@carrier", "Originate failed"),
    ] {
        let action = originate(channel, "id", "").replace("Async: true\n", "");
        peer.send(&action).await;
        peer.send("Action: Ping\nActionID: ping").await;
        let messages = peer.during(Duration::from_secs(60)).await;
        assert_eq!(text(&messages[0], "Message"), answer);
        assert_eq!(events(&messages, "OriginateResponse").count(), 0);
        assert!(
            messages
                .iter()
                .any(|message| text(message, "ActionID") == "ping")
        );
    }
}

#[tokio::test(start_paused = true)]
async fn all_sessions_see_all_calls_and_each_its_own_answers() {
    let simulator = Simulator::new(by_number());
    let mut dialing = Peer::log_in(&simulator).await;
    let mut watching = Peer::log_in(&simulator).await;
    let mut deaf = Peer::connect(&simulator);
    deaf.send("Action: Login\nActionID: login\nUsername: dialer\nSecret: simulated\nEvents: off")
        .await;
    deaf.until("FullyBooted").await;
    dialing
        .send(&originate("PJSIP/101@carrier", "id", ""))
        .await;
    let dialed = dialing.during(Duration::from_secs(60)).await;
    let watched = watching.during(Duration::ZERO).await;
    let watched = [watched, watching.during(Duration::from_secs(1)).await].concat();
    assert_eq!(dialed[1..], watched);
    assert_eq!(deaf.during(Duration::from_secs(1)).await, []);
}

#[tokio::test(start_paused = true)]
async fn calls_go_on_when_the_session_drops() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    peer.until("Newchannel").await;
    simulator.drop_sessions();
    assert!(peer.is_closed().await);
    // It ends while no session is open.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut peer = Peer::log_in(&simulator).await;
    peer.send("Action: Status\nActionID: s").await;
    let list = peer.until("StatusComplete").await;
    assert_eq!(events(&list, "Status").count(), 0);
    peer.send(&originate("PJSIP/120@carrier", "id", "")).await;
    peer.until("DialState").await;
    drop(peer);
    let mut peer = Peer::log_in(&simulator).await;
    peer.send("Action: Status\nActionID: s").await;
    let list = peer.until("StatusComplete").await;
    assert_eq!(events(&list, "Status").count(), 1);
    peer.until("Hangup").await;
}

#[tokio::test(start_paused = true)]
async fn stop_now_hangs_up_says_shutdown_and_closes() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/101@carrier", "up", "")).await;
    peer.send(&originate("PJSIP/120@carrier", "ringing", ""))
        .await;
    peer.until("OriginateResponse").await;
    simulator.stop_now();
    assert!(peer.is_closed().await);
    let messages = peer.during(Duration::ZERO).await;
    assert_eq!(simulator.counters().calls, 0);
    let causes: Vec<_> = events(&messages, "Hangup")
        .map(|hangup| text(hangup, "Cause"))
        .collect();
    assert_eq!(causes, ["0", "0"]);
    let requests: Vec<_> = events(&messages, "SoftHangupRequest")
        .map(|request| text(request, "Cause"))
        .collect();
    assert_eq!(requests.iter().filter(|cause| *cause == "4").count(), 2);
    let last = messages.last().unwrap();
    assert_eq!(text(last, "Event"), "Shutdown");
    assert_eq!(text(last, "Shutdown"), "Cleanly");
    let mut late = Peer::connect(&simulator);
    assert!(late.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn an_asterisk_that_stops_refuses_everything() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    simulator.stop_now();
    for action in ["Ping", "Status", "Hangup\nChannel: id", "Nonsuch"] {
        let answer = peer.ask(&format!("Action: {action}")).await;
        assert_eq!(text(&answer, "Message"), "Asterisk is shutting down");
    }
    peer.send(&originate("PJSIP/101@carrier", "late", "")).await;
    let answer = peer.until("late").await.pop().unwrap();
    assert_eq!(text(&answer, "Message"), "Asterisk is shutting down");
    let messages = peer.until("Shutdown").await;
    assert_eq!(messages.len(), 1);
    assert!(peer.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn after_a_crash_nothing_is_left_and_it_serves_again() {
    let simulator = Simulator::new(by_number());
    let mut peer = Peer::log_in(&simulator).await;
    peer.send(&originate("PJSIP/101@carrier", "id", "")).await;
    peer.until("Newchannel").await;
    simulator.crash();
    assert_eq!(simulator.counters().calls, 0);
    assert!(peer.is_closed().await);
    assert_eq!(peer.during(Duration::ZERO).await.len(), 5);
    let mut peer = Peer::log_in(&simulator).await;
    peer.send("Action: Status\nActionID: s").await;
    let list = peer.until("StatusComplete").await;
    assert_eq!(events(&list, "Status").count(), 0);
}
