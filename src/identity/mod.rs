//! PURE: what shows who calls: tokens of an issuer, phase tokens, passkeys. Read strictly, checked, and never made up for. No
//! key is fetched here and no clock is read.

pub mod claims;
pub mod cookie;
pub mod jwks;
pub mod jwt;
pub mod phase_token;
#[cfg(test)]
mod tests;

/// Levels of objects and arrays in what a stranger sends.
const DEPTH_MAX: usize = 8;
