//! The manual page: one page, every command a part of it.

use std::fmt::Write as _;
use std::io::{self, Write};

use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};

use crate::cli::{Cli, VERSION};

const HEAD: &str = include_str!("head.roff");
const TAIL: &str = include_str!("tail.roff");

/// Writes the page, for man(1).
pub(super) fn write(out: &mut dyn Write) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let commands: Vec<Command> = command
        .get_subcommands()
        .filter(|command| command.get_name() != "help")
        .cloned()
        .collect();
    // Without a date, what follows it would be in its place.
    let day = VERSION
        .rsplit_once(' ')
        .map_or(env!("CARGO_PKG_VERSION"), |(_, day)| {
            day.trim_end_matches(')')
        });
    let man = Man::new(command).date(day).manual("User Commands");
    man.render_title(out)?;
    out.write_all(rendered(|part| man.render_name_section(part))?.as_bytes())?;
    out.write_all(HEAD.as_bytes())?;
    for command in &commands {
        out.write_all(section(command)?.as_bytes())?;
    }
    // Those of every command.
    out.write_all(rendered(|part| man.render_options_section(part))?.as_bytes())?;
    out.write_all(TAIL.as_bytes())
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
