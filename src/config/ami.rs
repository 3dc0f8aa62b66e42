//! `[ami]`: how to reach Asterisk, and the secret for it.

use std::fs;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use super::{Ami, DAY, MINUTE, SECOND, Secret, YEAR};
use crate::ami::action::check_header;
use crate::ami::login::Auth;
use crate::ami::tls::TlsOptions;
use crate::config::load::Loader;
use crate::config::section::Section;

/// What a rehearsal logs in to the simulated Asterisk with where the campaign has no secret.
const SIMULATED_SECRET: &str = "simulated";

pub(super) const KEYS: &str = "host port username secret secret_file auth tls ca_file server_name connect_timeout \
    reconnect_for";

impl Loader<'_> {
    pub(super) fn ami(&self, section: &Section<'_, '_>) -> Option<Ami> {
        let host = section.text("host", "host = \"127.0.0.1\"");
        if let Some(host) = host.filter(|host| !is_host(host.text)) {
            section.error(
                host.at,
                "`host` must be a name or an address alone: write `host = \"127.0.0.1\"`, and the port as `port = 5038`",
            );
        }
        let port = section.integer("port", 1..=u64::from(u16::MAX));
        let username = section
            .required("username", "username = \"dialer\"")
            .filter(|text| section.fits_line(*text, "username"));
        let secret = self.secret(section);
        let auth = section.choice("auth", &[("md5", Auth::Md5), ("plain", Auth::Plain)]);
        let tls = self.tls(section);
        let is_near = host.is_none_or(|host| is_this_machine(host.text));
        if auth == Some(Auth::Plain) && tls.is_none() && !is_near {
            section.warn_at(
                "auth",
                "the secret goes over the network as it is: leave `auth` out, or write `tls = true`",
            );
        }
        let connect_timeout = section.duration("connect_timeout", SECOND / 10..=DAY);
        let reconnect_for = section.duration("reconnect_for", Duration::ZERO..=YEAR);
        section.finish();
        Some(Ami {
            host: host.map_or("127.0.0.1", |host| host.text).to_owned(),
            port: port
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(if tls.is_some() { 5039 } else { 5038 }),
            tls,
            username: username?.text.to_owned(),
            secret: secret?,
            secret_file: section
                .text("secret_file", "secret_file = \"ami.secret\"")
                .map(|file| self.folder.join(file.text)),
            auth: auth.unwrap_or(Auth::Md5),
            connect_timeout: connect_timeout.unwrap_or(5 * SECOND),
            reconnect_for: reconnect_for.unwrap_or(10 * MINUTE),
        })
    }

    fn tls(&self, section: &Section<'_, '_>) -> Option<TlsOptions> {
        let tls = section.flag("tls").unwrap_or(false);
        let ca_file = section.text("ca_file", "ca_file = \"ca.pem\"");
        let server_name = section.text("server_name", "server_name = \"pbx.example.org\"");
        for (key, text) in [("ca_file", ca_file), ("server_name", server_name)] {
            if let Some(text) = text.filter(|_| !tls) {
                section.error(
                    text.at,
                    format!("`{key}` has a meaning with `tls = true` only"),
                );
            }
        }
        tls.then(|| TlsOptions {
            ca_file: ca_file.map(|text| self.folder.join(text.text)),
            server_name: server_name.map(|text| text.text.to_owned()),
        })
    }

    fn secret(&self, section: &Section<'_, '_>) -> Option<Secret> {
        let inline = section.text("secret", "secret_file = \"ami.secret\"");
        let file = section.text("secret_file", "secret_file = \"ami.secret\"");
        if let (Some(_), Some(file)) = (inline, file) {
            return section.refuse(
                file.at,
                "both `secret` and `secret_file` are given: leave one of them out",
            );
        }
        let given = match (inline, file) {
            (Some(inline), _) => Some((inline.text.to_owned(), inline.at)),
            (None, Some(file)) => match fs::read_to_string(self.folder.join(file.text)) {
                Ok(text) => {
                    if is_open_to_others(&self.folder.join(file.text)) {
                        section.warn_at(
                            "secret_file",
                            format!(
                                "every user of this machine can read the secret: chmod 600 {}",
                                file.text
                            ),
                        );
                    }
                    // Some editors begin a file with a byte order mark.
                    let secret = text.strip_prefix('\u{feff}').unwrap_or(&text);
                    Some((secret.trim_end_matches(['\r', '\n']).to_owned(), file.at))
                }
                Err(_) if self.simulate => None,
                Err(error) => {
                    let hint = match error.kind() {
                        ErrorKind::NotFound => {
                            "; it holds the secret of `username` in manager.conf and nothing else"
                        }
                        _ => "",
                    };
                    return section.refuse(
                        file.at,
                        format!("`secret_file` {} cannot be read: {error}{hint}", file.text),
                    );
                }
            },
            (None, None) => None,
        };
        let of_environment = || {
            let secret = self.env_secret?;
            let secret = secret.trim_end_matches(['\r', '\n']);
            (!secret.is_empty()).then(|| (secret.to_owned(), section.at()))
        };
        let Some((secret, at)) = given.or_else(of_environment) else {
            if self.simulate {
                return Some(Secret::new(SIMULATED_SECRET));
            }
            section.missing("secret_file", "secret_file = \"ami.secret\"");
            return None;
        };
        let fits = !secret.is_empty() && check_header("Secret", secret.as_bytes()).is_ok();
        if !fits {
            let of_environment = if inline.is_none() && file.is_none() {
                " in the environment"
            } else {
                ""
            };
            section.error(
                at,
                format!("the secret{of_environment} must be one line that is not empty"),
            );
        }
        fits.then(|| Secret::new(secret))
    }
}

impl Ami {
    /// In the place of a table that cannot be read.
    pub(super) fn stand_in() -> Self {
        Self {
            host: String::new(),
            port: 0,
            tls: None,
            username: String::new(),
            secret: Secret::new(""),
            secret_file: None,
            auth: Auth::Md5,
            connect_timeout: Duration::ZERO,
            reconnect_for: Duration::ZERO,
        }
    }
}

/// Whether what is sent there stays on this machine.
fn is_this_machine(host: &str) -> bool {
    let loopback = |address: IpAddr| address.is_loopback();
    host == "localhost" || host.parse().is_ok_and(loopback)
}

/// Whether others than its owner and its group can read a file.
fn is_open_to_others(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}

/// Whether a host is a name or an address and nothing more.
fn is_host(host: &str) -> bool {
    let is_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    !host.is_empty() && (is_ipv6 || !host.contains([':', '/', '[', ' ']))
}
