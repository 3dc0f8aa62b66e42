//! The results: one row an attempt, and one for each contact that cannot be called.

pub mod append_file;
pub mod dated;
mod fields;
pub mod fs;
mod group_commit;
pub mod journal;
pub mod keys;
pub mod lock;
pub mod reader;
pub mod resume;
pub mod schema;
pub mod spreadsheet;
pub mod tail;
pub mod writer;
