//! What a person or another program sees of a run: the terminal, the log, the bar, the summary, the status file and the
//! report.

pub(crate) mod format;
pub mod logging;
pub mod progress;
pub mod report;
pub mod status_file;
pub mod stderr_thread;
pub mod summary;
pub mod terminal;
