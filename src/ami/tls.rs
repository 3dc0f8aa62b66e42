//! TLS around the manager interface. The certificate is always verified.
//!
//! Asterisk speaks TLS on a port of its own (5039 by default); there is no upgrade within a session. Every way in which
//! verification fails has its own sentence, since each is mended elsewhere: in the campaign file, in Asterisk's
//! configuration, or by the issuer of the certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use tokio_rustls::rustls::{self, CertificateError, ClientConfig, RootCertStore};

pub use crate::ami::tls_stream::TlsStream;

/// Which certificates are accepted.
#[derive(Debug, Clone, Default)]
pub struct TlsOptions {
    /// The authorities to trust, as PEM, instead of those that this machine trusts.
    pub ca_file: Option<PathBuf>,
    /// The name that the certificate must be for, where it is not the host's.
    pub server_name: Option<String>,
}

/// Why there is no TLS session. Each says what to change.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("ca_file {}: {problem}", path.display())]
    CaFile { path: PathBuf, problem: String },
    #[error(
        "this machine trusts no certificate authority: install its ca-certificates, or set ca_file in [ami] to the \
         authority that issued Asterisk's certificate"
    )]
    NoAuthorities,
    #[error(
        "{name:?} is neither a host name nor an address: set server_name in [ami] to the name in the certificate"
    )]
    BadName { name: String },
    #[error(
        "the certificate of {address} is for {presented}, not for {expected:?}: set host or server_name in [ami] to a \
         name that it is for"
    )]
    WrongName {
        address: String,
        expected: String,
        presented: String,
    },
    #[error(
        "the certificate of {address} is from an unknown authority: set ca_file in [ami] to the certificate of the \
         authority that issued it"
    )]
    UnknownAuthority { address: String },
    #[error(
        "the certificate of {address} expired on {when}: renew tlscertfile in Asterisk's manager.conf (and look at this machine's clock)"
    )]
    Expired { address: String, when: String },
    #[error(
        "the certificate of {address} is not valid before {when}: look at this machine's clock"
    )]
    NotYetValid { address: String, when: String },
    #[error(
        "the certificate of {address} cannot be used for a server ({problem}): one that signs itself must not be \
         marked as an authority; have it issued by a private authority and set ca_file to that"
    )]
    Unusable { address: String, problem: String },
    #[error(
        "{address} does not speak TLS: use Asterisk's tlsbindaddr port (5039 by default), or set tls = false"
    )]
    NotTls { address: String },
    #[error(
        "{address} did not answer the TLS handshake within {after:?}: is this the port for TLS?"
    )]
    Timeout { address: String, after: Duration },
    #[error("the TLS handshake with {address} failed")]
    Handshake { address: String, source: io::Error },
}

/// A client that is ready to verify.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: Option<String>,
}

impl Tls {
    /// Reads the authorities to trust.
    pub fn new(options: &TlsOptions) -> Result<Self, TlsError> {
        let authorities = match &options.ca_file {
            Some(path) => from_file(path)?,
            None => of_this_machine()?,
        };
        let config = ClientConfig::builder()
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server_name: options.server_name.clone(),
        })
    }

    /// Does the handshake on a fresh stream to `host`.
    pub async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        host: &str,
        address: String,
        within: Duration,
    ) -> Result<TlsStream<S>, TlsError> {
        let expected = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(expected.to_owned()).map_err(|InvalidDnsNameError| {
            TlsError::BadName {
                name: expected.to_owned(),
            }
        })?;
        match timeout(within, self.connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(TlsStream::new(stream)),
            Ok(Err(error)) => Err(explain(error, address, expected)),
            Err(_) => Err(TlsError::Timeout {
                address,
                after: within,
            }),
        }
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls")
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

fn from_file(path: &Path) -> Result<RootCertStore, TlsError> {
    let problem = |problem: String| TlsError::CaFile {
        path: path.to_owned(),
        problem,
    };
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>)
        .map_err(|error| problem(format!("cannot be read as PEM: {error}")))?;
    let mut authorities = RootCertStore::empty();
    for certificate in certificates {
        authorities.add(certificate).map_err(|error| {
            problem(format!("holds a certificate that cannot be used: {error}"))
        })?;
    }
    if authorities.is_empty() {
        return Err(problem("holds no certificate".to_owned()));
    }
    Ok(authorities)
}

fn of_this_machine() -> Result<RootCertStore, TlsError> {
    let mut authorities = RootCertStore::empty();
    // Some machines carry certificates that no longer parse: the others are enough.
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if authorities.is_empty() {
        return Err(TlsError::NoAuthorities);
    }
    Ok(authorities)
}

/// What a failed handshake means for the operator.
fn explain(error: io::Error, address: String, expected: &str) -> TlsError {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => match certificate {
            CertificateError::NotValidForNameContext { presented, .. } => TlsError::WrongName {
                address,
                expected: expected.to_owned(),
                presented: names(presented),
            },
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                TlsError::UnknownAuthority { address }
            }
            CertificateError::ExpiredContext { not_after, .. } => TlsError::Expired {
                address,
                when: day(*not_after),
            },
            CertificateError::NotValidYetContext { not_before, .. } => TlsError::NotYetValid {
                address,
                when: day(*not_before),
            },
            other => TlsError::Unusable {
                address,
                problem: other.to_string(),
            },
        },
        Some(rustls::Error::InvalidMessage(_)) => TlsError::NotTls { address },
        _ => TlsError::Handshake {
            address,
            source: error,
        },
    }
}

/// The names of a certificate as rustls gives them: `DnsName("pbx.example")`.
fn names(presented: &[String]) -> String {
    if presented.is_empty() {
        return "no name at all (it has no subjectAltName)".to_owned();
    }
    let bare = |name: &String| {
        name.split_once('(')
            .map_or(name.as_str(), |(_, name)| name.trim_end_matches(')'))
            .trim_matches('"')
            .to_owned()
    };
    presented.iter().map(bare).collect::<Vec<_>>().join(", ")
}

fn day(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(
            || "a day beyond the calendar".to_owned(),
            |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        )
}
