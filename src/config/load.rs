//! campaign.toml, table by table.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use jiff::Zoned;
use toml::de::DeTable;

use super::reader::{Reader, Section, Text};
use super::trunk::trunks;
use super::{
    Ami, BadRows, Call, Campaign, Capture, Contacts, Duplicates, Fault, Faults, Field, Results,
    Retry, Secret, Simulate, Target,
};
use crate::ami::action::{MAX_HEADERS, check_header, check_variable};
use crate::ami::login::Auth;
use crate::ami::tls::TlsOptions;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// The longest call: Asterisk counts its milliseconds in 32 bits, and what is over 24 days would ring for ever.
const DAY: Duration = Duration::from_secs(86_400);
/// The longest wait.
const YEAR: Duration = Duration::from_secs(366 * 86_400);
/// Channel variables of a call. The other headers of its Originate need some room.
const MAX_VARIABLES: usize = MAX_HEADERS - 16;
/// What a rehearsal logs in to the simulated Asterisk with where the campaign has no secret.
const SIMULATED_SECRET: &str = "simulated";

/// Reads a campaign file. `env_secret` is the secret from the environment, used where the file gives none; a
/// rehearsal (`simulate`) needs none.
///
/// # Errors
/// Everything that is wrong with the file.
pub fn load(path: &Path, env_secret: Option<String>, simulate: bool) -> Result<Campaign, Faults> {
    let whole_file = |message: String| {
        let file = path.to_owned();
        Faults(vec![Fault {
            file,
            line: None,
            column: None,
            message,
        }])
    };
    let text = fs::read(path).map_err(|error| whole_file(format!("cannot be read: {error}")))?;
    let text = String::from_utf8(text).map_err(|_| whole_file("is not UTF-8".to_owned()))?;
    let reader = Reader::new(path.to_owned(), &text);
    let (document, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let at = error.span().map_or(0, |span| span.start);
        let message = match (
            error.message(),
            error.span().and_then(|span| text.get(span)),
        ) {
            ("duplicate key", Some(key)) => {
                format!("`{key}` stands above already: leave one of them out")
            }
            (message, _) => message.to_owned(),
        };
        reader.fault(at, message);
    }
    let loader = Loader {
        path,
        folder: path.parent().unwrap_or(Path::new("")),
        env_secret,
        simulate,
    };
    // After a syntax error, what is missing may be what could not be read: only the syntax is reported then.
    let campaign = if errors.is_empty() {
        loader.campaign(&Section::new(&reader, "", 0, Some(document.get_ref())))
    } else {
        None
    };
    match (reader.into_faults(), campaign) {
        (Some(faults), _) => Err(faults),
        (None, Some(campaign)) => Ok(campaign),
        (None, None) => Err(whole_file("cannot be understood".to_owned())),
    }
}

struct Loader<'l> {
    path: &'l Path,
    folder: &'l Path,
    env_secret: Option<String>,
    simulate: bool,
}

impl Loader<'_> {
    /// The whole document; `None` when something is wrong that was noted.
    fn campaign(&self, top: &Section<'_, '_>) -> Option<Campaign> {
        let name = self.name(top);
        let results = self.results(top, name.as_deref());
        let ami = self.ami(&top.section("ami", "[ami]"));
        let contacts = self.contacts(&top.section("contacts", "[contacts]"));
        let call = call(&top.section("call", "[call]"));
        let trunks = trunks(top);
        let retry = retry(&top.section("retry", "[retry]"));
        let simulate = simulate(&top.section("simulate", "[simulate]"));
        for table in ["window", "suppress", "capture"] {
            top.not_yet(table);
        }
        if let (Some(Results::File(results)), Some(contacts)) = (&results, &contacts)
            && let Some(value) = top.value("results")
            && (*results == contacts.file || results == self.path)
        {
            top.fault(
                value.span().start,
                "`results` is a file that this campaign reads: name another one",
            );
        }
        top.finish();
        Some(Campaign {
            path: self.path.to_owned(),
            name: name?,
            results: results?,
            ami: ami?,
            contacts: contacts?,
            call: call?,
            trunks: trunks?,
            retry,
            window: None,
            suppress: Vec::new(),
            capture: Capture::default(),
            simulate,
        })
    }

    fn name(&self, top: &Section<'_, '_>) -> Option<String> {
        let Some(text) = top.text("name", "name = \"storm-warning\"") else {
            let stem = self.path.file_stem().unwrap_or_default();
            return Some(stem.to_string_lossy().into_owned());
        };
        let name = text.text.trim();
        let fits = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with('.')
            && !name.contains(['/', '\\'])
            && !name.contains(char::is_control);
        if !fits {
            top.fault(text.at, "`name` becomes part of a file name: it must not be empty, long, begin with a dot or hold / \\ or a line break");
        }
        fits.then(|| name.to_owned())
    }

    fn results(&self, top: &Section<'_, '_>, name: Option<&str>) -> Option<Results> {
        let Some(text) = top.text("results", "results = \"storm-%Y-%m-%d.csv\"") else {
            // It is a pattern, too.
            let file = format!("{}.results.csv", name?.replace('%', "%%"));
            return Some(Results::File(self.folder.join(file)));
        };
        if text.text == "-" {
            return Some(Results::Stdout);
        }
        let path = self.folder.join(text.text);
        let Some(file) = path
            .file_name()
            .and_then(|file| file.to_str())
            .filter(|_| names_a_file(text.text))
        else {
            top.fault(
                text.at,
                "`results` must name a file, or be \"-\" for standard output",
            );
            return None;
        };
        if let Err(error) = jiff::fmt::strtime::format(file, &Zoned::now()) {
            top.fault(
                text.at,
                format!(
                    "`results` is no pattern for a date: {error} (write %% for a percent sign)"
                ),
            );
            return None;
        }
        Some(Results::File(path))
    }

    fn ami(&self, section: &Section<'_, '_>) -> Option<Ami> {
        let host = section.text("host", "host = \"127.0.0.1\"");
        if let Some(host) = host.filter(|host| !is_host(host.text)) {
            section.fault(
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
        let connect_timeout = section.duration("connect_timeout", 5 * SECOND, SECOND / 10..=DAY);
        let reconnect_for = section.duration("reconnect_for", 10 * MINUTE, Duration::ZERO..=YEAR);
        section.finish();
        Some(Ami {
            host: host.map_or("127.0.0.1", |host| host.text).to_owned(),
            port: port
                .and_then(|port| u16::try_from(port).ok())
                .unwrap_or(if tls.is_some() { 5039 } else { 5038 }),
            tls,
            username: username?.text.to_owned(),
            secret: secret?,
            auth: auth.unwrap_or(Auth::Md5),
            connect_timeout,
            reconnect_for,
        })
    }

    fn tls(&self, section: &Section<'_, '_>) -> Option<TlsOptions> {
        let tls = section.flag("tls", false);
        let ca_file = section.text("ca_file", "ca_file = \"ca.pem\"");
        let server_name = section.text("server_name", "server_name = \"pbx.example.org\"");
        for (key, text) in [("ca_file", ca_file), ("server_name", server_name)] {
            if let Some(text) = text.filter(|_| !tls) {
                section.fault(
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
            section.fault(
                file.at,
                "both `secret` and `secret_file` are given: leave one of them out",
            );
            return None;
        }
        let given = match (inline, file) {
            (Some(inline), _) => Some((inline.text.to_owned(), inline.at)),
            (None, Some(file)) => match fs::read_to_string(self.folder.join(file.text)) {
                Ok(text) => {
                    // Some editors begin a file with a byte order mark.
                    let secret = text.strip_prefix('\u{feff}').unwrap_or(&text);
                    Some((secret.trim_end_matches(['\r', '\n']).to_owned(), file.at))
                }
                Err(_) if self.simulate => None,
                Err(error) => {
                    section.fault(
                        file.at,
                        format!("`secret_file` {} cannot be read: {error}", file.text),
                    );
                    return None;
                }
            },
            (None, None) => None,
        };
        let of_environment = || {
            let secret = self.env_secret.as_ref()?;
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
            section.fault(
                at,
                format!("the secret{of_environment} must be one line that is not empty"),
            );
        }
        fits.then(|| Secret::new(secret))
    }

    fn contacts(&self, section: &Section<'_, '_>) -> Option<Contacts> {
        let file = section.required("file", "file = \"contacts.csv\"");
        let number = number_column(section);
        let id = section
            .text("id", "id = \"id\"")
            .map(|text| section.column(text, "id"));
        let delimiter = delimiter(section);
        let bad_rows = section.choice(
            "bad_rows",
            &[("skip", BadRows::Skip), ("stop", BadRows::Stop)],
        );
        if section.choice("duplicates", &[("skip", false), ("call", true)]) == Some(true)
            && let Some(value) = section.value("duplicates")
        {
            section.not_supported(value, "duplicates = \"call\"");
        }
        for key in ["timezone", "keep", "region"] {
            section.not_yet(key);
        }
        section.finish();
        let file = file?;
        Some(Contacts {
            file_at: section.place(file.at),
            file: self.folder.join(file.text),
            numbers: vec![number?],
            id: match id {
                Some(id) => Some(id?),
                None => None,
            },
            timezone: None,
            keep: Vec::new(),
            delimiter: delimiter?,
            region: None,
            bad_rows: bad_rows.unwrap_or(BadRows::Skip),
            duplicates: Duplicates::Skip,
        })
    }
}

/// Whether a path ends in a name, rather than in a folder.
fn names_a_file(path: &str) -> bool {
    let last = path.rsplit('/').next().unwrap_or(path);
    !matches!(last, "" | "." | "..") && !path.contains(char::is_control)
}

/// Whether a host is a name or an address and nothing more.
fn is_host(host: &str) -> bool {
    let is_ipv6 = host.parse::<std::net::Ipv6Addr>().is_ok();
    !host.is_empty() && (is_ipv6 || !host.contains([':', '/', '[', ' ']))
}

fn number_column(section: &Section<'_, '_>) -> Option<super::Column> {
    const EXAMPLE: &str = "number = \"phone\"";
    let Some(value) = section.value("number") else {
        let text = "number";
        let at = section.at();
        return section.column(Text { text, at }, "number");
    };
    let one = match value.get_ref().as_array() {
        Some(columns) => match columns.iter().collect::<Vec<_>>().as_slice() {
            [one] => one,
            [] => {
                section.fault(
                    value.span().start,
                    format!("`number` names no column: write `{EXAMPLE}`"),
                );
                return None;
            }
            _ => {
                section.not_supported(value, "number with several columns");
                return None;
            }
        },
        None => value,
    };
    let text = section.text_of(one, "number", EXAMPLE)?;
    section.column(text, "number")
}

fn delimiter(section: &Section<'_, '_>) -> Option<u8> {
    let Some(text) = section.text("delimiter", "delimiter = \";\"") else {
        return Some(b',');
    };
    match text.text.as_bytes() {
        [byte]
            if byte.is_ascii() && !byte.is_ascii_alphanumeric() && !b"\"\r\n\0 ".contains(byte) =>
        {
            Some(*byte)
        }
        _ => {
            section.fault(
                text.at,
                "`delimiter` must be one character, such as \",\" \";\" or \"\\t\"",
            );
            None
        }
    }
}

fn call(section: &Section<'_, '_>) -> Option<Call> {
    let target = target(section);
    let caller_id = section
        .text("caller_id", "caller_id = \"Storm Desk <+59829000000>\"")
        .map(|text| section.field(text, "caller_id", |bytes| check_header("CallerID", bytes)));
    // 0 would ring for ever, and less than a second is over before a phone rings.
    let ring_timeout = section.duration("ring_timeout", 30 * SECOND, SECOND..=DAY);
    let call_timeout = section.duration("call_timeout", 200 * SECOND, SECOND..=DAY);
    if section.duration("min_talk", Duration::ZERO, Duration::ZERO..=DAY) > Duration::ZERO
        && let Some(value) = section.value("min_talk")
    {
        section.not_supported(value, "min_talk");
    }
    let variables = variables(&section.section("variables", "[call.variables]"));
    section.finish();
    Some(Call {
        target: target?,
        caller_id: match caller_id {
            Some(field) => Some(field?),
            None => None,
        },
        ring_timeout,
        call_timeout,
        min_talk: Duration::ZERO,
        variables: variables?,
    })
}

fn target(section: &Section<'_, '_>) -> Option<Target> {
    let context = section.text("context", "context = \"notify\"");
    let exten = section.text("exten", "exten = \"s\"");
    let priority = section.integer("priority", 1..=u64::from(u32::MAX));
    let application = section.text("application", "application = \"Playback\"");
    let data = section
        .text("data", "data = \"storm-warning\"")
        .filter(|text| section.fits_line(*text, "data"));
    let beside = |key: &'static str, needed: &str| {
        if let Some(value) = section.value(key) {
            section.fault(
                value.span().start,
                format!("`{key}` has a meaning with `{needed}` only: leave it out"),
            );
        }
    };
    let line = |text: Text<'_>, key: &str| {
        let fits = section.fits_line(text, key);
        if text.text.is_empty() {
            section.fault(text.at, format!("`{key}` is empty"));
        }
        (fits && !text.text.is_empty()).then(|| text.text.to_owned())
    };
    match (context, exten, application) {
        (Some(context), Some(exten), None) => {
            beside("data", "application");
            let (context, exten) = (line(context, "context"), line(exten, "exten"));
            Some(Target::Exten {
                context: context?,
                exten: exten?,
                priority: priority
                    .and_then(|priority| u32::try_from(priority).ok())
                    .unwrap_or(1),
            })
        }
        (None, None, Some(application)) => {
            beside("priority", "exten");
            Some(Target::Application {
                application: line(application, "application")?,
                data: data.map_or("", |data| data.text).to_owned(),
            })
        }
        (_, _, Some(application)) => {
            section.fault(application.at, "`application` stands beside `context` or `exten`: an answered call goes to one of them, so leave the other out");
            None
        }
        (Some(_), None, None) => {
            section.missing("exten", "exten = \"s\"");
            None
        }
        (None, _, None) => {
            section.missing("context", "context = \"notify\"");
            None
        }
    }
}

/// Channel variables, in the order of the file.
fn variables(section: &Section<'_, '_>) -> Option<Vec<(String, Field)>> {
    let entries = section.entries();
    let mut variables = Vec::with_capacity(entries.len());
    let mut whole = true;
    for &(name, at, value) in &entries {
        let mut chars = name.chars();
        let fits = chars
            .next()
            .is_some_and(|first| first.is_ascii_alphabetic() || first == '_')
            && chars.all(|char| char.is_ascii_alphanumeric() || char == '_');
        if !fits {
            section.fault(at, format!("{name:?} cannot be a channel variable: letters, digits and _ only, and no digit first"));
        }
        let reserved = name.trim_start_matches('_') == "CALLID";
        if reserved {
            section.fault(
                at,
                "CALLID is the dialer's own variable: choose another name",
            );
        }
        let field = section
            .text_of(value, name, "MESSAGE = \"{message}\"")
            .and_then(|text| {
                // Other faults of the name are told above.
                let name = if fits { name } else { "_" };
                section.field(text, name, |bytes| check_variable(name, bytes))
            });
        match field {
            Some(field) if fits && !reserved => variables.push((name.to_owned(), field)),
            _ => whole = false,
        }
    }
    if entries.len() > MAX_VARIABLES {
        section.fault_here(format!(
            "[call.variables] holds {} variables: Asterisk takes {MAX_VARIABLES} of a call at most",
            entries.len()
        ));
    }
    whole.then_some(variables)
}

fn retry(section: &Section<'_, '_>) -> Retry {
    let max_attempts = section.integer("max_attempts", 1..=u64::from(u16::MAX));
    let delay = section.duration("delay", 5 * MINUTE, Duration::ZERO..=YEAR);
    let backoff = section.float(
        "backoff",
        1.0,
        |backoff| backoff >= 1.0,
        "a number, at least 1.0",
    );
    let max_delay = section.duration("max_delay", 360 * MINUTE, Duration::ZERO..=YEAR);
    for key in ["max_per_day", "max_per_week", "next_number_delay", "rules"] {
        section.not_yet(key);
    }
    section.finish();
    Retry {
        max_attempts: max_attempts
            .and_then(|most| u32::try_from(most).ok())
            .unwrap_or(3),
        max_per_day: None,
        max_per_week: None,
        delay,
        next_number_delay: None,
        backoff,
        max_delay,
        rules: BTreeMap::new(),
    }
}

fn simulate(section: &Section<'_, '_>) -> Simulate {
    let share = |key, default| {
        section.float(
            key,
            default,
            |share| (0.0..=1.0).contains(&share),
            "a share between 0 and 1",
        )
    };
    let default = Simulate::default();
    let simulate = Simulate {
        seed: section
            .integer("seed", 0..=u64::MAX)
            .unwrap_or(default.seed),
        answered: share("answered", default.answered),
        busy: share("busy", default.busy),
        declined: share("declined", default.declined),
        congestion: share("congestion", default.congestion),
        invalid: share("invalid", default.invalid),
        no_channel: share("no_channel", default.no_channel),
        talk: section.duration("talk", default.talk, Duration::ZERO..=DAY),
        ring: section.duration("ring", default.ring, Duration::ZERO..=DAY),
    };
    let sum = simulate.answered
        + simulate.busy
        + simulate.declined
        + simulate.congestion
        + simulate.invalid
        + simulate.no_channel;
    if sum > 1.0 + 1e-9 {
        section.fault_here(format!(
            "the shares of [simulate] add up to {sum:.2}: they must not be more than 1"
        ));
    }
    section.finish();
    simulate
}
