//! PURE: what shows who calls: tokens of an issuer, phase tokens, passkeys. Read strictly, checked, and never made up for. No
//! key is fetched here and no clock is read.

pub mod cookie;
