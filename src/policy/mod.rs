//! PURE: may this call run? Rules as written; the reading of shell, paths and hosts has its place here and is not built yet.

pub mod permit;
pub mod rule;
pub mod screening;
