//! The manual page: one page, every command a part of it.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::cli::{Cli, VERSION};

const DESCRIPTION: &str = "dialer calls everybody on a list over the lines of an Asterisk, keeps every line busy and no \
    more than that, tries the busy and the absent again, and leaves a CSV that says what happened to each call. A \
    campaign file says whom to call, over which lines, and what they will hear; dialer init writes one to begin with. \
    A run that is stopped, or dies, is continued by the same command.";

const EXAMPLES: [(&str, &str); 6] = [
    ("dialer init", "Write a campaign file and a sample list."),
    (
        "dialer run campaign.toml --simulate",
        "Rehearse it: nothing is dialed.",
    ),
    (
        "dialer run campaign.toml --limit 1 --fresh --results first-call.csv",
        "Call the first of the list.",
    ),
    (
        "dialer -q run campaign.toml",
        "Call everybody, from cron: silent unless something is wrong.",
    ),
    (
        "dialer report campaign.results.csv --html report.html",
        "Say what became of it.",
    ),
    (
        "dialer export campaign.results.csv --spreadsheet --final > campaign.csv",
        "One row a contact, for a spreadsheet.",
    ),
];

const EXIT: [(&str, &str); 7] = [
    (
        "0",
        "Every contact has its final outcome, or the limit is reached; every other command: it is done.",
    ),
    ("1", "An unexpected failure, such as a full disk."),
    (
        "2",
        "Wrong usage, configuration or input; nothing was dialed.",
    ),
    (
        "3",
        "Stopped with contacts left: by the hours, by a signal, or because the PBX or every trunk was lost. The same command goes on.",
    ),
    (
        "4",
        "The PBX could not be reached, or refused the login or a permission; nothing was dialed.",
    ),
    (
        "75",
        "Another run holds these results or this campaign file.",
    ),
    ("129, 130, 143", "Aborted by a second signal."),
];

const DISPOSITIONS: [(&str, &str); 13] = [
    ("ANSWERED", "Picked up, and talked at least min_talk."),
    ("SHORT", "Picked up, and ended before that."),
    (
        "MACHINE",
        "Picked up by a machine, as the campaign's capture.machine tells.",
    ),
    ("BUSY", "Busy. Called again."),
    (
        "NO ANSWER",
        "Rang out, was temporarily unavailable, or ended after ringing. Called again.",
    ),
    ("REJECTED", "Declined by the person called."),
    (
        "CONGESTION",
        "The trunk or the network could not carry the call, refused us, or was silent. Called again, up to five times without being counted.",
    ),
    (
        "INVALID NUMBER",
        "The number does not exist, or the list holds none.",
    ),
    (
        "FAILED",
        "Asterisk refused the request, the row of the list cannot be sent, or nothing else describes the end.",
    ),
    ("UNKNOWN", "Dialed, and nobody can say how it ended."),
    (
        "CANCELLED",
        "Hung up because the run was stopped; called again by the next one.",
    ),
    (
        "SUPPRESSED",
        "Not called: on a list of numbers never to call.",
    ),
    (
        "DUPLICATE",
        "Not called: the number stands earlier in the list.",
    ),
];

const SIGNALS: [(&str, &str); 3] = [
    (
        "INT, TERM, HUP",
        "The first begins no new calls and lets the running ones finish.",
    ),
    (
        "again",
        "The second hangs them up, records them as CANCELLED, and ends within five seconds.",
    ),
    (
        "USR1",
        "Stops nothing: how the run is, is said in one line of the log, also with -q.",
    ),
];

const FILES: [(&str, &str); 5] = [
    (
        "campaign.toml",
        "The campaign. dialer init writes one that explains itself.",
    ),
    (
        "NAME.results.csv",
        "The results, one row an attempt; only appended to. Times are RFC 3339, seconds have three decimals.",
    ),
    (
        "NAME.results.simulated.csv",
        "The results of a rehearsal, begun anew each time.",
    ),
    (
        "*.journal",
        "Beside the results while a run goes on: what is in flight. Leave it where it is; the next run needs it.",
    ),
    (
        "*.lock",
        "Beside the results and the campaign while a run goes on: who holds them.",
    ),
];

const ENVIRONMENT: [(&str, &str); 3] = [
    (
        "DIALER_AMI_SECRET",
        "The secret of the manager user, where the campaign names neither a secret nor a file.",
    ),
    (
        "NO_COLOR",
        "If it is set and not empty, the log has no colours.",
    ),
    (
        "TERM",
        "If it is dumb, or not set, there are no colours and no bar.",
    ),
];

/// Writes the page, for man(1).
pub(super) fn write(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let commands: Vec<Command> = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .cloned()
        .collect();
    // Without a date, what follows it would stand in its place.
    let day = VERSION
        .rsplit_once(' ')
        .map_or(env!("CARGO_PKG_VERSION"), |(_, day)| {
            day.trim_end_matches(')')
        });
    let man = Man::new(command).date(day).manual("User Commands");
    man.render_title(out)?;
    out.write_all(rendered(|part| man.render_name_section(part))?.as_bytes())?;
    let mut page = Roff::new();
    page.control("SH", ["SYNOPSIS"]);
    page.text([
        bold("dialer"),
        roman(" [OPTIONS] "),
        italic("COMMAND"),
        roman(" ..."),
    ]);
    page.control("SH", ["DESCRIPTION"]);
    page.text([roman(DESCRIPTION)]);
    page.control("SH", ["COMMANDS"]);
    out.write_all(rendered(|part| page.to_writer(part))?.as_bytes())?;
    for command in &commands {
        out.write_all(section(command)?.as_bytes())?;
    }
    // Those of every command.
    out.write_all(rendered(|part| man.render_options_section(part))?.as_bytes())?;
    let mut page = Roff::new();
    list(&mut page, "DISPOSITIONS", &DISPOSITIONS, bold);
    list(&mut page, "SIGNALS", &SIGNALS, bold);
    list(&mut page, "EXIT STATUS", &EXIT, bold);
    list(&mut page, "FILES", &FILES, italic);
    list(&mut page, "ENVIRONMENT", &ENVIRONMENT, bold);
    list(&mut page, "EXAMPLES", &EXAMPLES, bold);
    page.control("SH", ["SEE ALSO"]);
    page.text([bold("asterisk"), roman("(8)")]);
    out.write_all(rendered(|part| page.to_writer(part))?.as_bytes())
}

/// A command as a part of the page: how it is called, what it does, and its own options.
fn section(command: &Command) -> io::Result<String> {
    let mut head = Roff::new();
    let mut called = format!("dialer {}", command.get_name());
    for argument in command.get_positionals() {
        let name = argument.get_value_names().and_then(|names| names.first());
        let name = name.map_or("", |name| name.as_str());
        // Writing to a string cannot fail.
        let _ = if argument.is_required_set() {
            write!(called, " {name}")
        } else {
            write!(called, " [{name}]")
        };
    }
    head.control("SS", [called.as_str()]);
    let about = command.get_about().map(ToString::to_string);
    head.text([roman(format!("{}.", about.unwrap_or_default()))]);
    let own = command.clone().mut_args(|argument| {
        let of_all =
            argument.is_global_set() || matches!(argument.get_id().as_str(), "help" | "version");
        argument.hide(of_all)
    });
    let options = rendered(|part| Man::new(own).render_options_section(part))?;
    let items = options
        .split_once('\n')
        .map_or("", |(_heading, items)| items);
    Ok(rendered(|part| head.to_writer(part))? + items)
}

fn list(
    page: &mut Roff,
    title: &str,
    items: &[(&'static str, &'static str)],
    name: fn(&'static str) -> Inline,
) {
    page.control("SH", [title]);
    for (item, means) in items {
        page.control("TP", []);
        page.text([name(item)]);
        page.text([roman(*means)]);
    }
}

/// What is written, without the preamble that every part of a page begins with: the page has it already.
fn rendered(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<String> {
    let mut part = Vec::new();
    write(&mut part)?;
    let part = String::from_utf8_lossy(&part);
    let lines = part
        .lines()
        .filter(|line| !line.starts_with(".ie ") && !line.starts_with(".el "));
    Ok(lines.flat_map(|line| [line, "\n"]).collect())
}
