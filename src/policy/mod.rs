//! PURE: may this call run? Rules as written, the reading of shell, paths and hosts, and the verdict.

pub mod client_call;
pub mod judge;
pub mod observed;
pub mod paths;
pub mod permit;
pub mod rule;
pub mod screening;
pub mod shell;
