//! A compiled workflow in words: what it says, what looks unwise in it, what a change would mean.
//! Nothing is decided or refused here.

pub mod diff;
pub mod explain;
pub mod lint;

#[cfg(test)]
mod tests;
