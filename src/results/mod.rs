//! The results: one row an attempt, and one for each contact that cannot be called.

pub mod dated;
pub mod disk;
mod gather;
pub mod journal;
pub mod keys;
pub mod lock;
pub mod read;
pub mod resume;
pub mod row;
mod rows;
pub mod spreadsheet;
mod tail;
pub mod whole;
pub mod writer;
