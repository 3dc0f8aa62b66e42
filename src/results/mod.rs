//! The results: one row an attempt, and one for each contact that cannot be called.

pub mod journal;
pub mod lock;
pub mod read;
pub mod resume;
pub mod row;
pub mod writer;
