//! Times of day: when calls may begin.

pub mod calling_window;
pub mod hours;
