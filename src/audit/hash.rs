//! Hashes of leaves and nodes, as RFC 6962 has them: the prefix keeps a leaf from passing for a node.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::domain::canonical;

pub const BYTES: usize = 32;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; BYTES]);

impl Hash {
    pub fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }

    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }

    pub fn hex(&self) -> String {
        canonical::hex(&self.0)
    }

    pub fn from_hex(text: &str) -> Option<Self> {
        canonical::from_hex(text).map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// Of the stored bytes, as they are.
pub fn leaf(content: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(content).finalize().into())
}

pub fn node(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update([1]).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of a log without records.
pub fn empty() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// Hashes that stand one after the other in a tile; none when a piece is left over.
pub fn split(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (whole, rest) = bytes.as_chunks::<BYTES>();
    rest.is_empty().then(|| whole.iter().copied().map(Hash).collect())
}

pub fn join(hashes: &[Hash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_nodes_and_the_empty_log_hash_as_the_rfc_says() {
        let empty_leaf = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
        let empty_log = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let two = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
        assert_eq!(leaf(b"").hex(), empty_leaf);
        assert_eq!(empty().hex(), empty_log);
        assert_eq!(node(&leaf(b""), &leaf(&[0])).hex(), two);
    }

    #[test]
    fn hashes_are_read_as_they_are_written_and_nothing_else_is() {
        let hash = leaf(b"x");
        assert_eq!(Hash::from_hex(&hash.hex()), Some(hash));
        assert_eq!(Hash::from_base64(&hash.base64()), Some(hash));
        assert_eq!(split(&join(&[hash, hash])), Some(vec![hash, hash]));
        for bad in ["", "00", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(Hash::from_hex(bad), None, "{bad}");
        }
        assert_eq!(split(&[0; 33]), None);
    }
}
