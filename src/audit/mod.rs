//! The log as a Merkle tree (RFC 6962) under signed heads (C2SP), and what a reader can check of it. Where the bytes lie
//! is not here (`store`), when it is sealed is not here (`engine`).

pub mod approvals;
pub mod batch;
pub mod check;
pub mod export;
pub mod hash;
pub mod head;
pub mod header;
pub mod judged;
pub mod key;
pub mod lines;
pub mod note;
pub mod otel;
pub mod proof;
pub mod report;
pub mod shown;
pub mod sieve;
pub mod tally;
pub mod tree;
pub mod witness;
