use super::*;

use std::io;

/// Logs in against a peer that plays the script; gives what came of it and what the peer made of it.
async fn against<T>(
    login: &Login,
    script: impl AsyncFnOnce(&mut Peer) -> T,
) -> (Result<client::AmiSession<u32>, LoginError>, T) {
    let (stream, mut peer) = Peer::pair(4096);
    let played = async {
        let value = script(&mut peer).await;
        // A script that is over is a peer that keeps silent, not one that hangs up.
        (peer, value)
    };
    let (session, (_, value)) = tokio::join!(
        open(stream, login, SharedHandler::new(Recorder::new().0)),
        played
    );
    (session, value)
}

async fn refusal(login: &Login, script: impl AsyncFnOnce(&mut Peer)) -> LoginError {
    let (session, ()) = against(login, script).await;
    let error = session.unwrap_err();
    for text in [error.to_string(), format!("{error:?}")] {
        assert!(!text.contains("hunter2"), "the secret is shown: {text}");
    }
    error
}

#[tokio::test(start_paused = true)]
async fn an_md5_login_sends_the_sum_of_challenge_and_secret_and_never_the_secret() {
    let login = Login::new("dialer", "s3cret", Auth::Md5, Duration::from_secs(5));
    let (session, asked) = against(&login, async |peer| {
        peer.say(BANNER).await;
        let challenge = peer.hear_action("Challenge").await;
        assert_eq!(challenge.get("AuthType"), Some(&b"MD5"[..]));
        peer.say("Response: Success\r\nChallenge: 477266546\r\n\r\n")
            .await;
        let asked = peer.hear_action("Login").await;
        peer.say([ACCEPTED, BOOTED].concat()).await;
        asked
    })
    .await;
    assert_eq!(session.unwrap().banner, "Asterisk Call Manager/11.0.0");
    let headers: Vec<_> = asked
        .headers()
        .map(|(key, value)| [key, value].map(|text| String::from_utf8_lossy(text).into_owned()))
        .map(|[key, value]| format!("{key}: {value}"))
        .collect();
    assert_eq!(
        headers,
        [
            "Action: Login",
            "ActionID: login",
            "Username: dialer",
            "Events: system,call,dialplan",
            "AuthType: MD5",
            // md5 of "477266546s3cret"
            "Key: 33e7a124ab7d49e0d2925dfbf7532304",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_before_the_banner_nor_after_the_login_before_it_is_accepted() {
    let (session, ()) = against(&plain(), async |peer| {
        let mut byte = [0];
        let second = Duration::from_secs(1);
        let early = tokio::time::timeout(second, peer.stream.read(&mut byte)).await;
        assert!(early.is_err(), "{byte:?}");
        peer.say(BANNER).await;
        let login = peer.hear_action("Login").await;
        assert_eq!(login.get("Secret"), Some(&b"hunter2"[..]));
        let early = tokio::time::timeout(second, peer.stream.read(&mut byte)).await;
        assert!(early.is_err(), "{byte:?}");
        peer.say(ACCEPTED).await;
        peer.say(BOOTED).await;
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_sends_byte_by_byte_is_understood() {
    let (session, ()) = against(&plain(), async |peer| {
        for byte in BANNER.bytes() {
            peer.say([byte]).await;
            tokio::task::yield_now().await;
        }
        peer.hear_action("Login").await;
        for byte in [ACCEPTED, BOOTED].concat().bytes() {
            peer.say([byte]).await;
            tokio::task::yield_now().await;
        }
    })
    .await;
    session.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_refused_login_names_the_user_and_what_to_look_at() {
    let error = refusal(&plain(), async |peer| {
        peer.say(BANNER).await;
        peer.hear_action("Login").await;
        peer.say("Response: Error\r\nActionID: login\r\nMessage: Authentication failed\r\n\r\n")
            .await;
    })
    .await;
    assert!(!error.may_pass());
    let text = error.to_string();
    for part in [
        "\"dialer\"",
        "(Authentication failed)",
        "[dialer]",
        "manager.conf",
        "manager reload",
        "permit and deny",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_challenge_is_a_refused_login() {
    let login = Login::new("dialer", "hunter2", Auth::Md5, Duration::from_secs(5));
    let error = refusal(&login, async |peer| {
        peer.say(BANNER).await;
        peer.hear_action("Challenge").await;
        peer.say("Response: Error\r\nMessage: Must specify AuthType\r\n\r\n")
            .await;
    })
    .await;
    assert!(error.to_string().contains("Must specify AuthType"));
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_echoes_the_secret_does_not_bring_it_into_the_error() {
    let error = refusal(&plain(), async |peer| {
        peer.say(BANNER).await;
        peer.hear_action("Login").await;
        peer.say("Response: Error\r\nMessage: wrong secret hunter2\x1b[2J\r\n\r\n")
            .await;
    })
    .await;
    assert!(error.to_string().contains("wrong secret [secret]\\u{1b}"));
}

#[tokio::test(start_paused = true)]
async fn something_else_than_asterisk_is_shown() {
    let error = refusal(&plain(), async |peer| {
        peer.say("SSH-2.0-OpenSSH_9.6\r\n").await;
    })
    .await;
    assert!(!error.may_pass());
    assert!(
        error.to_string().contains("\"SSH-2.0-OpenSSH_9.6\""),
        "{error}"
    );

    let error = refusal(&plain(), async |peer| {
        peer.say([0x15, 3, 1, 0, 2, 2, 70].repeat(500)).await;
    })
    .await;
    assert!(matches!(error, LoginError::NotAmi { .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_peer_is_given_up_after_the_timeout_whatever_was_waited_for() {
    let start = Instant::now();
    let error = refusal(&plain(), async |_| {}).await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(error.may_pass());
    assert!(
        error
            .to_string()
            .contains("no banner came from Asterisk within 5s")
    );

    let start = Instant::now();
    let error = refusal(&plain(), async |peer| {
        tokio::time::sleep(Duration::from_secs(3)).await;
        peer.say(BANNER).await;
    })
    .await;
    assert_eq!(start.elapsed(), Duration::from_secs(5));
    assert!(
        error.to_string().contains("no answer to the login"),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_login_that_is_never_followed_by_fully_booted_names_the_permission() {
    let start = Instant::now();
    let error = refusal(&plain(), async |peer| {
        peer.say(BANNER).await;
        peer.hear_action("Login").await;
        peer.say(ACCEPTED).await;
    })
    .await;
    assert_eq!(start.elapsed(), BOOT_TIMEOUT);
    assert!(error.may_pass());
    assert!(error.to_string().contains("`read` of [dialer]"), "{error}");
    assert!(error.to_string().contains("`system`"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_closed_at_any_step_says_which() {
    let steps: [(&[&str], &str); 3] = [
        (&[], "banner"),
        (&[BANNER], "answer to the login"),
        (&[BANNER, ACCEPTED], "FullyBooted"),
    ];
    for (said, waiting_for) in steps {
        let (stream, mut peer) = Peer::pair(4096);
        for text in said {
            peer.say(text).await;
        }
        peer.stream.shutdown().await.unwrap();
        let error = open(stream, &plain(), SharedHandler::new(Recorder::new().0))
            .await
            .unwrap_err();
        assert!(matches!(error, LoginError::Closed { .. }), "{error}");
        assert!(error.to_string().contains(waiting_for), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_name_cannot_smuggle_an_action() {
    let login = Login::new(
        "x\r\n\r\nAction: Command",
        "hunter2",
        Auth::Plain,
        Duration::from_secs(5),
    );
    let error = refusal(&login, async |peer| peer.say(BANNER).await).await;
    assert!(matches!(error, LoginError::Unsendable(_)), "{error}");
}

#[tokio::test]
async fn a_refused_connection_names_the_address_and_what_to_look_at() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let error = connect_tcp("127.0.0.1", port, Duration::from_secs(5))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("refused the connection"),
        "{error}"
    );
    for part in [
        &format!("127.0.0.1:{port}")[..],
        "enabled = yes",
        "bindaddr",
    ] {
        assert!(
            error.to_string().contains(part),
            "{part} is not in: {error}"
        );
    }
}

#[tokio::test]
async fn a_host_that_does_not_exist_is_named() {
    let error = connect_tcp("no..such..host", 5038, Duration::from_secs(30))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("cannot find the address"),
        "{error}"
    );
    assert!(error.to_string().contains("no..such..host"));
}

#[tokio::test]
async fn a_connection_writes_without_delay() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let stream = connect_tcp("127.0.0.1", port, Duration::from_secs(5))
        .await
        .unwrap();
    assert!(stream.nodelay().unwrap());
}

#[test]
fn no_error_says_the_same_thing_twice() {
    let broken = || io::Error::other("no route");
    let errors: [anyhow::Error; 2] = [
        LoginError::Io {
            waiting_for: "banner",
            source: broken(),
        }
        .into(),
        SessionError::from(broken()).into(),
    ];
    for error in errors {
        let text = format!("{error:#}");
        assert_eq!(text.matches("no route").count(), 1, "{text}");
    }
}
