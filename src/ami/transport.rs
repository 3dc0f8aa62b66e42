//! The byte streams on which AMI sessions run, and what to look at when there is none.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::ami::tls::Tls;

/// A byte stream of any kind.
pub trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// How to get a byte stream to the PBX, again and again.
pub enum Transport {
    Tcp {
        /// A name or an address.
        host: String,
        port: u16,
        /// For the name service and the connection together, and again for the TLS handshake.
        connect_timeout: Duration,
        tls: Option<Tls>,
    },
    /// A simulated PBX in this process, or a test's.
    InProcess(Box<dyn Fn() -> Box<dyn ByteStream> + Send + Sync>),
}

impl Transport {
    /// Makes one stream.
    pub async fn connect(&self) -> anyhow::Result<Box<dyn ByteStream>> {
        match self {
            Self::InProcess(make) => Ok(make()),
            Self::Tcp {
                host,
                port,
                connect_timeout,
                tls,
            } => {
                let stream = connect_tcp(host, *port, *connect_timeout).await?;
                let Some(tls) = tls else {
                    return Ok(Box::new(stream));
                };
                let address = address(host, *port);
                let stream = tls.handshake(stream, host, &address, *connect_timeout);
                Ok(Box::new(stream.await?))
            }
        }
    }
}

fn address(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// Connects to the manager interface within the timeout, the name service included. Small writes leave at once
/// (`TCP_NODELAY`): an action is a small write.
pub async fn connect_tcp(host: &str, port: u16, within: Duration) -> anyhow::Result<TcpStream> {
    let address = address(host, port);
    let connecting = resolve_and_connect(host, port, &address);
    timeout(within, connecting).await.unwrap_or_else(|_| {
        bail!("{address} did not answer within {within:?}: check host and port in [ami], and firewalls on the way")
    })
}

async fn resolve_and_connect(host: &str, port: u16, address: &str) -> anyhow::Result<TcpStream> {
    let resolved = tokio::net::lookup_host((host, port)).await;
    let addresses: Vec<_> = resolved
        .with_context(|| {
            format!("cannot find the address of {host:?}: check host in [ami] and the name service")
        })?
        .collect();
    match connect_without_delay(&addresses).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => bail!(
            "{address} refused the connection: check that Asterisk is running there, and that [general] in manager.conf \
             has `enabled = yes` and this port and a bindaddr that can be reached from here"
        ),
        stream => stream.with_context(|| format!("cannot connect to {address}")),
    }
}

async fn connect_without_delay(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(addresses).await?;
    stream.set_nodelay(true)?;
    // The system is to drop the connection when what was sent stays unacknowledged for as long as a silent session is
    // waited for. By default it goes on sending for minutes, also after the session was given up, and an Originate whose
    // call was recorded as `UNKNOWN` could ring a phone when the network is back.
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(&stream)
        .set_tcp_user_timeout(Some(crate::ami::session::KEEPALIVE * 2))?;
    Ok(stream)
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
