//! TLS around the manager interface. The certificate is always verified.
//!
//! Asterisk speaks TLS on a port of its own (5039 by default); there is no upgrade within a session. Every way in which
//! verification fails has its own sentence, since each is mended elsewhere: in the campaign file, in Asterisk's
//! configuration, or by the issuer of the certificate.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{anyhow, bail, ensure};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject as _};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
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

/// A client that is ready to verify.
#[derive(Clone)]
pub struct Tls {
    connector: TlsConnector,
    server_name: Option<String>,
}

impl Tls {
    /// Reads the authorities to trust.
    pub fn new(options: &TlsOptions) -> anyhow::Result<Self> {
        let authorities = match &options.ca_file {
            Some(path) => from_file(path)
                .map_err(|problem| anyhow!("ca_file {}: {problem}", path.display()))?,
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
        address: &str,
        within: Duration,
    ) -> anyhow::Result<TlsStream<S>> {
        let expected = self.server_name.as_deref().unwrap_or(host);
        let name = ServerName::try_from(expected.to_owned()).map_err(|_| {
            anyhow!("{expected:?} is neither a host name nor an address: set server_name in [ami] to the name in the certificate")
        })?;
        match timeout(within, self.connector.connect(name, stream)).await {
            Ok(Ok(stream)) => Ok(TlsStream(stream)),
            Ok(Err(error)) => Err(explain(error, address, expected)),
            Err(_) => bail!(
                "{address} did not answer the TLS handshake within {within:?}: is this the port for TLS?"
            ),
        }
    }
}

/// The authorities in a PEM file, or what is wrong with it.
fn from_file(path: &Path) -> Result<RootCertStore, String> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, pem::Error>>)
        .map_err(|error| format!("cannot be read as PEM: {error}"))?;
    let mut authorities = RootCertStore::empty();
    for certificate in certificates {
        authorities
            .add(certificate)
            .map_err(|error| format!("holds a certificate that cannot be used: {error}"))?;
    }
    if authorities.is_empty() {
        return Err("holds no certificate".to_owned());
    }
    Ok(authorities)
}

fn of_this_machine() -> anyhow::Result<RootCertStore> {
    let mut authorities = RootCertStore::empty();
    // Some machines carry certificates that no longer parse: the others are enough.
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    ensure!(
        !authorities.is_empty(),
        "this machine trusts no certificate authority: install its ca-certificates, or set ca_file in [ami] to the \
         authority that issued Asterisk's certificate"
    );
    Ok(authorities)
}

/// What a failed handshake means for the operator, and what to change.
fn explain(error: io::Error, address: &str, expected: &str) -> anyhow::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let certificate = match inner {
        Some(rustls::Error::InvalidCertificate(certificate)) => certificate,
        Some(rustls::Error::InvalidMessage(_)) => {
            return anyhow!(
                "{address} does not speak TLS: use Asterisk's tlsbindaddr port (5039 by default), or set tls = false"
            );
        }
        _ => return anyhow!(error).context(format!("the TLS handshake with {address} failed")),
    };
    let problem = match certificate {
        CertificateError::NotValidForNameContext { presented, .. } => format!(
            "is for {}, not for {expected:?}: set host or server_name in [ami] to a name that it is for",
            names(presented)
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "is from an unknown authority: set ca_file in [ami] to the certificate of the authority that issued it".to_owned()
        }
        CertificateError::ExpiredContext { not_after, .. } => format!(
            "expired on {}: renew tlscertfile in Asterisk's manager.conf (and look at this machine's clock)",
            day(*not_after)
        ),
        CertificateError::NotValidYetContext { not_before, .. } => format!(
            "is not valid before {}: look at this machine's clock",
            day(*not_before)
        ),
        other => format!(
            "cannot be used for a server ({other}): one that signs itself must not be marked as an authority; have it \
             issued by a private authority and set ca_file to that"
        ),
    };
    anyhow!("the certificate of {address} {problem}")
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
