//! TLS to the manager interface: who is trusted, and what an operator is told when somebody is not.

use std::fs;
use std::sync::Arc;

use crate::common::{Folder, Pbx, list, stderr};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// An authority of our own.
fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A simulated Asterisk behind TLS, with a certificate for these names that the authority issued.
struct Secured {
    authority: CertifiedIssuer<'static, KeyPair>,
    pbx: Pbx,
    port: u16,
    _runtime: tokio::runtime::Runtime,
}

impl Secured {
    fn start(names: &[&str], change: impl FnOnce(&mut CertificateParams)) -> Self {
        let authority = authority();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &authority).unwrap();
        let config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
            )
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let pbx = Pbx::start(5, 20);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let inner = pbx.address;
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    let mut outside = acceptor.accept(stream).await?;
                    let mut inside = TcpStream::connect(inner).await?;
                    tokio::io::copy_bidirectional(&mut outside, &mut inside).await
                });
            }
        });
        Self {
            authority,
            pbx,
            port,
            _runtime: runtime,
        }
    }

    /// A campaign to it, with these lines in `[ami]`.
    fn campaign(&self, host: &str, ami: &str) -> Folder {
        let folder = Folder::new(
            self.pbx.address,
            "",
            "calls_per_second = 100.0",
            "",
            &list(["101", "110"]),
        );
        let path = folder.path("campaign.toml");
        let text = fs::read_to_string(&path)
            .unwrap()
            .replace(
                "host = \"127.0.0.1\"",
                &format!("host = \"{host}\"\ntls = true\n{ami}"),
            )
            .replace(
                &format!("port = {}", self.pbx.address.port()),
                &format!("port = {}", self.port),
            );
        fs::write(path, format!("{text}[retry]\nmax_attempts = 1\n")).unwrap();
        fs::write(folder.path("ca.pem"), self.authority.as_ref().pem()).unwrap();
        folder
    }
}

#[test]
fn a_campaign_is_dialed_over_tls() {
    let secured = Secured::start(&["localhost", "127.0.0.1"], |_| {});
    for host in ["localhost", "127.0.0.1"] {
        let folder = secured.campaign(host, "ca_file = \"ca.pem\"");
        folder.exits(0);
        assert_eq!(folder.rows().len(), 2);
    }
}

#[test]
fn the_name_in_the_certificate_can_be_another_than_the_hosts() {
    let secured = Secured::start(&["pbx.example.org"], |_| {});
    let folder = secured.campaign(
        "127.0.0.1",
        "ca_file = \"ca.pem\"\nserver_name = \"pbx.example.org\"",
    );
    assert_eq!(folder.run().status.code(), Some(0));
}

/// The run ends with exit code 4 and this on standard error, and nothing was dialed.
fn refused(secured: &Secured, ami: &str, says: &[&str]) {
    let folder = secured.campaign("127.0.0.1", ami);
    let output = folder.exits(4);
    for says in says {
        assert!(
            stderr(&output).contains(says),
            "{says:?} is not in: {}",
            stderr(&output)
        );
    }
    assert_eq!(secured.pbx.simulator.counters().originates, 0);
    assert!(!folder.results().exists());
}

const TRUSTED: &str = "ca_file = \"ca.pem\"";

#[test]
fn a_wrong_name_is_told_with_the_right_one() {
    let secured = Secured::start(&["pbx.example.org"], |_| {});
    refused(
        &secured,
        TRUSTED,
        &[
            "is for pbx.example.org, not for \"127.0.0.1\"",
            "server_name",
        ],
    );
}

#[test]
fn an_unknown_authority_is_told_as_that() {
    let secured = Secured::start(&["127.0.0.1"], |_| {});
    let other = authority().as_ref().pem();
    let folder = secured.campaign("127.0.0.1", TRUSTED);
    fs::write(folder.path("ca.pem"), other).unwrap();
    let output = folder.exits(4);
    assert!(
        stderr(&output).contains("from an unknown authority: set ca_file"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_certificate_out_of_its_time_is_told_with_the_day() {
    let expired = Secured::start(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 2, 3);
    });
    refused(&expired, TRUSTED, &["expired on 2021-02-03"]);
    let early = Secured::start(&["127.0.0.1"], |params| {
        params.not_before = date_time_ymd(2090, 1, 1);
        params.not_after = date_time_ymd(2091, 1, 1);
    });
    refused(&early, TRUSTED, &["not valid before 2090-01-01"]);
}

#[test]
fn a_port_without_tls_is_told_as_that() {
    let secured = Secured::start(&["127.0.0.1"], |_| {});
    let folder = secured.campaign("127.0.0.1", TRUSTED);
    let path = folder.path("campaign.toml");
    let text = fs::read_to_string(&path).unwrap();
    let plain = text.replace(
        &secured.port.to_string(),
        &secured.pbx.address.port().to_string(),
    );
    fs::write(&path, plain).unwrap();
    let output = folder.exits(4);
    assert!(
        stderr(&output).contains("does not speak TLS"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_file_of_authorities_that_holds_none_is_told() {
    let secured = Secured::start(&["127.0.0.1"], |_| {});
    for (content, says) in [
        ("", "holds no certificate"),
        ("not PEM", "holds no certificate"),
    ] {
        let folder = secured.campaign("127.0.0.1", TRUSTED);
        fs::write(folder.path("ca.pem"), content).unwrap();
        let output = folder.exits(2);
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
    }
    let folder = secured.campaign("127.0.0.1", "ca_file = \"nowhere.pem\"");
    let output = folder.exits(2);
    assert!(
        stderr(&output).contains("nowhere.pem: cannot be read as PEM"),
        "{}",
        stderr(&output)
    );
}
