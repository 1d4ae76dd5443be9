//! PURE: what shows who calls: tokens of an issuer, phase tokens, passkeys. Read strictly, checked, and never made up for. No
//! key is fetched here and no clock is read.

pub mod claims;
pub mod cookie;
pub mod jwks;
pub mod jwt;
pub mod phase_token;
mod strict;
#[cfg(test)]
mod tests;
