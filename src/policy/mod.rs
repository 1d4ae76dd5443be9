//! PURE: may this call run? Rules as written, the reading of shell, paths and hosts, and the verdict.

pub mod backtest;
pub mod bash;
pub mod client_call;
pub mod commands;
pub mod effects;
pub mod fields;
pub mod glob;
pub mod hosts;
pub mod judge;
pub mod names;
pub mod observed;
pub mod parameters;
pub mod paths;
pub mod permit;
pub mod prompts;
pub mod results;
pub mod rule;
pub mod screening;
pub mod shell;
pub mod undecided;
pub mod wide;

#[cfg(test)]
mod tests;
