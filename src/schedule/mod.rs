//! Times of day: when calls may begin.

pub(crate) mod calling_window;
pub(crate) mod hours;
