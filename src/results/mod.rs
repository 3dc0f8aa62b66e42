//! The results: one row an attempt, and one for each contact that cannot be called.

pub mod dated;
pub mod disk;
pub mod journal;
pub mod lock;
pub mod resume;
pub mod row;
mod rows;
mod tail;
pub mod whole;
pub mod writer;
