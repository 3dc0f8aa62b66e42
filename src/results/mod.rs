//! The results: one row an attempt, and one for each contact that cannot be called.

pub mod journal;
pub mod keys;
pub mod lock;
pub mod read;
pub mod resume;
pub mod row;
pub mod spreadsheet;
pub mod writer;
