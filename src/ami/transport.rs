//! The byte streams on which AMI sessions run.

use std::fmt;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};

use crate::ami::connect::{ConnectError, connect_tcp};
use crate::ami::tls::Tls;

/// A byte stream of any kind.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// How to get a byte stream to the PBX, again and again.
pub enum Transport {
    /// TCP to a host.
    Tcp {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// How long connecting may take.
        within: Duration,
    },
    /// TLS over TCP to a host.
    Tls {
        /// A name or an address.
        host: String,
        /// The port.
        port: u16,
        /// How long connecting may take, and the handshake after it.
        within: Duration,
        /// What verifies the other side.
        tls: Tls,
    },
    /// Whatever this makes: a simulated PBX in this process, or a test's.
    Made(Box<dyn Fn() -> Box<dyn Stream> + Send + Sync>),
}

impl Transport {
    /// Makes one stream.
    ///
    /// # Errors
    /// Why there is none, and what to look at.
    pub async fn connect(&self) -> Result<Box<dyn Stream>, ConnectError> {
        match self {
            Self::Tcp { host, port, within } => {
                let stream = connect_tcp(host, *port, *within).await?;
                Ok(Box::new(stream))
            }
            Self::Tls {
                host,
                port,
                within,
                tls,
            } => {
                let stream = connect_tcp(host, *port, *within).await?;
                let stream = tls.handshake(stream, host, *port, *within).await?;
                Ok(Box::new(stream))
            }
            Self::Made(make) => Ok(make()),
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port, .. } => write!(f, "tcp to {host}:{port}"),
            Self::Tls { host, port, .. } => write!(f, "tls to {host}:{port}"),
            Self::Made(_) => f.write_str("made in this process"),
        }
    }
}
