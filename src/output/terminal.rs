//! What is shown, where and how: the resolved switches of the command line, and the one owner of standard error.

use std::env;
use std::io::{self, IsTerminal as _};

use crate::cli::{LogFormat, Output, ProgressKind, When};
pub use crate::output::stderr_thread::{LogWriter, Screen};

/// What the process finds around itself.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy)]
pub struct Surroundings {
    /// Standard error is a terminal.
    pub terminal: bool,
    /// Standard output is a terminal.
    pub stdout_terminal: bool,
    /// `NO_COLOR` is set, and not empty.
    pub no_color: bool,
    /// `TERM` is `dumb`, empty or not set: no colours, and no cursor to move.
    pub dumb: bool,
}

impl Surroundings {
    /// Looks.
    pub fn look() -> Self {
        let filled = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        Self {
            terminal: io::stderr().is_terminal(),
            stdout_terminal: io::stdout().is_terminal(),
            no_color: filled("NO_COLOR").is_some(),
            dumb: filled("TERM").is_none_or(|term| term == "dumb"),
        }
    }
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressForm {
    /// A bar on the last line of the terminal.
    Bar,
    /// A line in the log every few seconds.
    Plain,
    /// Not at all.
    None,
}

/// The switches, with everything that is automatic decided.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Only warnings and errors.
    pub quiet: bool,
    /// How often `-v` was given.
    pub verbose: u8,
    /// Colours in the log.
    pub color: bool,
    /// The form of the log.
    pub log_format: LogFormat,
    /// How progress is shown.
    pub progress: ProgressForm,
    /// Standard error is a terminal.
    pub terminal: bool,
    /// Standard output is one.
    pub stdout_terminal: bool,
}

impl Settings {
    /// Decides.
    pub fn resolve(output: Output, around: Surroundings) -> Self {
        let able = around.terminal && !around.dumb;
        let progress = match output.progress {
            kind if output.quiet || kind == ProgressKind::None => ProgressForm::None,
            ProgressKind::Auto if able && output.log_format == LogFormat::Text => ProgressForm::Bar,
            ProgressKind::Bar if able => ProgressForm::Bar,
            _ => ProgressForm::Plain,
        };
        Self {
            quiet: output.quiet,
            verbose: output.verbose,
            color: match output.color {
                When::Always => true,
                When::Never => false,
                When::Auto => able && !around.no_color,
            },
            log_format: output.log_format,
            progress,
            terminal: around.terminal,
            stdout_terminal: around.stdout_terminal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMINAL: Surroundings = Surroundings {
        terminal: true,
        stdout_terminal: true,
        no_color: false,
        dumb: false,
    };

    fn output() -> Output {
        Output {
            quiet: false,
            verbose: 0,
            color: When::Auto,
            log_format: LogFormat::Text,
            progress: ProgressKind::Auto,
        }
    }

    #[test]
    fn a_terminal_gets_a_bar_and_colours() {
        let settings = Settings::resolve(output(), TERMINAL);
        assert!(settings.color);
        assert_eq!(settings.progress, ProgressForm::Bar);
    }

    #[test]
    fn no_color_takes_the_colours_and_leaves_the_bar() {
        let around = Surroundings {
            no_color: true,
            ..TERMINAL
        };
        let settings = Settings::resolve(output(), around);
        assert!(!settings.color);
        assert_eq!(settings.progress, ProgressForm::Bar);
    }

    #[test]
    fn a_dumb_terminal_and_a_file_get_plain_lines_without_colours_even_where_a_bar_is_asked_for() {
        let dumb = Surroundings {
            dumb: true,
            ..TERMINAL
        };
        let file = Surroundings {
            terminal: false,
            ..TERMINAL
        };
        for around in [dumb, file] {
            for progress in [ProgressKind::Auto, ProgressKind::Bar] {
                let output = Output {
                    progress,
                    ..output()
                };
                let settings = Settings::resolve(output, around);
                assert!(!settings.color);
                assert_eq!(settings.progress, ProgressForm::Plain);
            }
        }
    }

    #[test]
    fn who_asks_for_colours_or_none_gets_that() {
        let around = Surroundings {
            terminal: false,
            no_color: true,
            dumb: true,
            ..TERMINAL
        };
        let always = Output {
            color: When::Always,
            ..output()
        };
        let never = Output {
            color: When::Never,
            ..output()
        };
        assert!(Settings::resolve(always, around).color);
        assert!(!Settings::resolve(never, TERMINAL).color);
    }

    #[test]
    fn quiet_has_no_progress_of_any_kind_and_json_is_not_drawn_over() {
        for progress in [
            ProgressKind::Auto,
            ProgressKind::Bar,
            ProgressKind::Plain,
            ProgressKind::None,
        ] {
            let quiet = Output {
                quiet: true,
                progress,
                ..output()
            };
            assert_eq!(
                Settings::resolve(quiet, TERMINAL).progress,
                ProgressForm::None
            );
        }
        let json = Output {
            log_format: LogFormat::Json,
            ..output()
        };
        assert_eq!(
            Settings::resolve(json, TERMINAL).progress,
            ProgressForm::Plain
        );
    }
}
