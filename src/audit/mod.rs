//! The log as a Merkle tree (RFC 6962) under signed heads (C2SP), and what a reader can check of it. Where the bytes lie
//! is not here (`store`), when it is sealed is not here (`engine`).

pub mod export;
pub mod lines;
pub mod otel;
pub mod sieve;
pub mod tally;
