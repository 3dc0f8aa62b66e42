//! `[ami]`: how to reach Asterisk, and the secret for it.

use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv6Addr};
use std::os::unix::fs::MetadataExt as _;

use super::{Ami, DAY, MINUTE, SECOND, Secret, YEAR};
use crate::ami::action::check_header;
use crate::ami::login::Auth;
use crate::ami::tls::TlsOptions;
use crate::config::section::Section;

/// What a rehearsal logs in to the simulated Asterisk with where the campaign has no secret.
const SIMULATED_SECRET: &str = "simulated";

/// With stand-ins for what cannot be read.
pub(super) fn ami(section: &Section<'_, '_>, env_secret: Option<&str>, simulate: bool) -> Ami {
    let host = section.text("host").map_or("127.0.0.1", |host| host.text);
    if !is_host(host) {
        section.error_at(
            "host",
            "`host` must be a name or an address alone: write `host = \"127.0.0.1\"`, and the port as `port = 5038`",
        );
    }
    let tls = tls(section);
    let auth = section.choice("auth", &[("md5", Auth::Md5), ("plain", Auth::Plain)]);
    if auth == Auth::Plain && tls.is_none() && !is_this_machine(host) {
        section.warn_at(
            "auth",
            "the secret goes over the network as it is: leave `auth` out, or write `tls = true`",
        );
    }
    let port = section.integer("port", 1..=u16::MAX.into());
    let username = section.required_line("username");
    let secret = secret(section, env_secret, simulate);
    let connect_timeout = section.duration("connect_timeout", "100ms"..=DAY);
    let reconnect_for = section.duration("reconnect_for", "0s"..=YEAR);
    Ami {
        host: host.to_owned(),
        port: port.unwrap_or(if tls.is_some() { 5039 } else { 5038 }),
        tls,
        username: username.unwrap_or_default(),
        secret: Secret::new(secret.unwrap_or_default()),
        secret_file: section
            .text("secret_file")
            .map(|file| section.resolve(file)),
        auth,
        connect_timeout: connect_timeout.unwrap_or(5 * SECOND),
        reconnect_for: reconnect_for.unwrap_or(10 * MINUTE),
    }
}

fn tls(section: &Section<'_, '_>) -> Option<TlsOptions> {
    let tls = section.flag("tls").unwrap_or(false);
    let [ca_file, server_name] = ["ca_file", "server_name"].map(|key| {
        let text = section.text(key);
        if let Some(text) = text.filter(|_| !tls) {
            let message = format!("`{key}` has a meaning with `tls = true` only");
            section.error(text.at, message);
        }
        text
    });
    tls.then(|| TlsOptions {
        ca_file: ca_file.map(|file| section.resolve(file)),
        server_name: server_name.map(|name| name.text.to_owned()),
    })
}

fn secret(section: &Section<'_, '_>, env_secret: Option<&str>, simulate: bool) -> Option<String> {
    let without_newline = |text: &str| text.trim_end_matches(['\r', '\n']).to_owned();
    let simulated = || (SIMULATED_SECRET.to_owned(), section.at, "");
    let from_env = || {
        let secret = env_secret.map(without_newline)?;
        (!secret.is_empty()).then_some((secret, section.at, " in the environment"))
    };
    let (secret, at, from) = match (section.text("secret"), section.text("secret_file")) {
        (Some(_), Some(file)) => {
            let message = "both `secret` and `secret_file` are given: leave one of them out";
            return section.refuse(file.at, message);
        }
        (Some(secret), None) => (secret.text.to_owned(), secret.at, ""),
        (None, Some(file)) => {
            let path = section.resolve(file);
            match fs::read_to_string(&path) {
                Ok(text) => {
                    if fs::metadata(&path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0) {
                        let message = "every user of this machine can read the secret: chmod 600";
                        section.warn_at("secret_file", format!("{message} {}", file.text));
                    }
                    // Some editors begin a file with a byte order mark.
                    let text = text.trim_start_matches('\u{feff}');
                    (without_newline(text), file.at, "")
                }
                Err(_) if simulate => from_env().unwrap_or_else(simulated),
                Err(error) => {
                    let mut message =
                        format!("`secret_file` {} cannot be read: {error}", file.text);
                    if error.kind() == ErrorKind::NotFound {
                        message +=
                            "; it holds the secret of `username` in manager.conf and nothing else";
                    }
                    return section.refuse(file.at, message);
                }
            }
        }
        (None, None) => match from_env() {
            Some(from_env) => from_env,
            None if simulate => simulated(),
            None => {
                section.missing("secret_file");
                return None;
            }
        },
    };
    if secret.is_empty() || check_header("Secret", secret.as_bytes()).is_err() {
        let message = format!("the secret{from} must be one line that is not empty");
        return section.refuse(at, message);
    }
    Some(secret)
}

/// Whether what is sent there stays on this machine.
fn is_this_machine(host: &str) -> bool {
    let loopback = |address: IpAddr| address.is_loopback();
    host == "localhost" || host.parse().is_ok_and(loopback)
}

/// Whether a host is a name or an address and nothing more.
fn is_host(host: &str) -> bool {
    let is_ipv6 = host.parse::<Ipv6Addr>().is_ok();
    !host.is_empty() && (is_ipv6 || !host.contains([':', '/', '[', ' ']))
}
