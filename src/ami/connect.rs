//! From host and port to a TCP connection, and what to look at when there is none.

use std::io;
use std::time::Duration;

use crate::ami::tls::TlsError;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name leads nowhere.
    #[error(
        "cannot find the address of {host:?}: {source}: check host in [ami] and the name service"
    )]
    Unresolved {
        /// The host.
        host: String,
        /// What the resolver said.
        source: io::Error,
    },
    /// Nothing listens there.
    #[error(
        "{address} refused the connection: check that Asterisk is running there, and that [general] in manager.conf \
         has `enabled = yes` and this port and a bindaddr that can be reached from here"
    )]
    Refused {
        /// Host and port.
        address: String,
    },
    /// No answer at all.
    #[error(
        "{address} did not answer within {after:?}: check host and port in [ami], and firewalls on the way"
    )]
    Timeout {
        /// Host and port.
        address: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// Connected, but not securely.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Anything else.
    #[error("cannot connect to {address}: {source}")]
    Io {
        /// Host and port.
        address: String,
        /// What happened.
        source: io::Error,
    },
}

/// Connects to the manager interface. Small writes leave at once (`TCP_NODELAY`): an action is a small write.
///
/// On Linux, what stays unacknowledged for half a minute is never delivered (`TCP_USER_TIMEOUT`).
///
/// # Errors
///
/// Each names host and port and says what to look at. The timeout is for all of it, the name service included.
pub async fn connect_tcp(
    host: &str,
    port: u16,
    within: Duration,
) -> Result<TcpStream, ConnectError> {
    let address = if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    };
    let connected = timeout(within, connect(host, port, &address)).await;
    connected.unwrap_or(Err(ConnectError::Timeout {
        address,
        after: within,
    }))
}

async fn connect(host: &str, port: u16, address: &str) -> Result<TcpStream, ConnectError> {
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = found
        .map_err(|source| ConnectError::Unresolved {
            host: host.to_owned(),
            source,
        })?
        .collect();
    let failed = |source: io::Error| {
        let address = address.to_owned();
        match source.kind() {
            io::ErrorKind::ConnectionRefused => ConnectError::Refused { address },
            _ => ConnectError::Io { address, source },
        }
    };
    let stream = TcpStream::connect(&addresses[..]).await.map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    deliver_soon_or_never(&stream).map_err(failed)?;
    Ok(stream)
}

/// Has the system drop the connection when what was sent stays unacknowledged for as long as a silent session is waited
/// for. By default it goes on sending for minutes, also after the session was given up, and an Originate whose call was
/// told as `UNKNOWN` could ring a phone when the network is back.
#[cfg(target_os = "linux")]
fn deliver_soon_or_never(stream: &TcpStream) -> io::Result<()> {
    let silence = crate::ami::connection::KEEPALIVE * 2;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(silence))
}

#[cfg(not(target_os = "linux"))]
fn deliver_soon_or_never(_: &TcpStream) -> io::Result<()> {
    Ok(())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_sent_is_not_delivered_long_after_its_session_was_given_up() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stream = connect_tcp("127.0.0.1", port, Duration::from_secs(5)).await;
        let limit = socket2::SockRef::from(&stream.unwrap())
            .tcp_user_timeout()
            .unwrap();
        assert_eq!(limit, Some(Duration::from_secs(30)));
    }
}
