//! Settings only.

pub mod settings;
