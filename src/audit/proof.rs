//! Proofs that a record is in a tree, and that one tree goes on from another (RFC 6962). Each reads a few tiles a level.

use super::hash::{self, Hash};
use super::tree::{HEIGHT, WIDTH, subtree};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    #[error("the proof is of another length than a tree of this size needs")]
    Length,
    #[error("the proof does not lead to the root of the head")]
    Root,
    #[error("the proof does not lead to the root of the older head")]
    OldRoot,
    #[error("there is no such place in a tree of this size")]
    Place,
}

/// Where tiles come from. `tile` gives at least the hashes that a tree of the asked size has there.
pub trait Tiles {
    type Error;
    fn tile(&mut self, level: u8, position: u64) -> Result<Vec<Hash>, Self::Error>;
    fn missing(level: u8, position: u64) -> Self::Error;
}

/// The largest power of two below `size`.
fn half(size: u64) -> u64 {
    1 << (63 - size.saturating_sub(1).max(1).leading_zeros())
}

/// A complete subtree: `1 << level` leaves from `index << level` on.
fn complete<T: Tiles>(tiles: &mut T, level: u32, index: u64) -> Result<Hash, T::Error> {
    let (row, inside) = (level / HEIGHT, level % HEIGHT);
    let row = u8::try_from(row).unwrap_or(u8::MAX);
    let first = index << inside;
    let position = first / WIDTH as u64;
    let from = usize::try_from(first % WIDTH as u64).unwrap_or(usize::MAX);
    let hashes = tiles.tile(row, position)?;
    let part = hashes.get(from..from.saturating_add(1 << inside)).ok_or_else(|| T::missing(row, position))?;
    Ok(subtree(part))
}

/// The root of the leaves from `from` to before `to`; `from` is a place where the tree splits.
pub fn range<T: Tiles>(tiles: &mut T, from: u64, to: u64) -> Result<Hash, T::Error> {
    let (mut parts, mut at) = (Vec::new(), from);
    while at < to {
        let aligned = if at == 0 { 63 } else { at.trailing_zeros() };
        let level = aligned.min(63 - (to - at).leading_zeros());
        parts.push(complete(tiles, level, at >> level)?);
        at += 1 << level;
    }
    let whole = parts.into_iter().rev().reduce(|right, left| hash::node(&left, &right));
    Ok(whole.unwrap_or_else(hash::empty))
}

pub fn inclusion<T: Tiles>(tiles: &mut T, index: u64, size: u64) -> Result<Vec<Hash>, T::Error> {
    let (mut path, mut from, mut to) = (Vec::new(), 0, size);
    while to.saturating_sub(from) > 1 {
        let middle = from + half(to - from);
        if index < middle {
            path.push(range(tiles, middle, to)?);
            to = middle;
        } else {
            path.push(range(tiles, from, middle)?);
            from = middle;
        }
    }
    path.reverse();
    Ok(path)
}

pub fn consistency<T: Tiles>(tiles: &mut T, old: u64, new: u64) -> Result<Vec<Hash>, T::Error> {
    if old == 0 || old >= new {
        return Ok(Vec::new());
    }
    let (mut path, mut from, mut to, mut whole) = (Vec::new(), 0, new, true);
    while to > old {
        let middle = from + half(to - from);
        if old <= middle {
            path.push(range(tiles, middle, to)?);
            to = middle;
        } else {
            path.push(range(tiles, from, middle)?);
            from = middle;
            whole = false;
        }
    }
    if !whole {
        path.push(range(tiles, from, to)?);
    }
    path.reverse();
    Ok(path)
}

/// Every hash of the proof is used, and none more is needed.
pub fn check_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash], root: Hash) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Place);
    }
    let (mut at, mut last, mut found) = (index, size - 1, leaf);
    for step in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at % 2 == 1 || at == last {
            found = hash::node(step, &found);
            while at.is_multiple_of(2) && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            found = hash::node(&found, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    match (last, found == root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

pub fn check_consistency(old: (u64, Hash), new: (u64, Hash), proof: &[Hash]) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::Place);
    }
    if old_size == new_size || old_size == 0 {
        let same = if old_size == 0 { old_root == hash::empty() } else { old_root == new_root };
        return match (same, proof.is_empty()) {
            (true, true) => Ok(()),
            (true, false) => Err(ProofError::Length),
            (false, _) => Err(ProofError::OldRoot),
        };
    }
    let mut steps = proof.iter();
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at % 2 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    // A whole left subtree is known from the old root itself.
    let first = if old_size.is_power_of_two() { old_root } else { *steps.next().ok_or(ProofError::Length)? };
    let (mut found_old, mut found_new) = (first, first);
    for step in steps {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at % 2 == 1 || at == last {
            found_old = hash::node(step, &found_old);
            found_new = hash::node(step, &found_new);
            while at.is_multiple_of(2) && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            found_new = hash::node(&found_new, step);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last != 0 {
        Err(ProofError::Length)
    } else if found_old != old_root {
        Err(ProofError::OldRoot)
    } else if found_new != new_root {
        Err(ProofError::Root)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::audit::tree::tests::{leaves, naive_root, tiles};

    struct Stored {
        tiles: BTreeMap<(u8, u64), Vec<Hash>>,
        read: usize,
    }

    impl Tiles for Stored {
        type Error = (u8, u64);

        fn tile(&mut self, level: u8, position: u64) -> Result<Vec<Hash>, Self::Error> {
            self.read += 1;
            self.tiles.get(&(level, position)).cloned().ok_or((level, position))
        }

        fn missing(level: u8, position: u64) -> Self::Error {
            (level, position)
        }
    }

    fn stored(leaves: &[Hash]) -> Stored {
        Stored { tiles: tiles(leaves), read: 0 }
    }

    /// What a proof turns into when somebody meddles with it: an element changed, one left out, one more.
    fn meddled(proof: &[Hash]) -> Vec<Vec<Hash>> {
        let other = hash::leaf(b"other");
        let mut all = Vec::new();
        for place in 0..proof.len() {
            let mut changed = proof.to_vec();
            changed[place] = other;
            all.push(changed);
            let mut shorter = proof.to_vec();
            shorter.remove(place);
            all.push(shorter);
        }
        all.push([proof, &[other]].concat());
        all.push([&[other], proof].concat());
        all
    }

    #[test]
    fn every_record_of_every_tree_can_be_shown_and_no_other_proof_shows_it() {
        let leaves = leaves(130);
        let mut tiles = stored(&leaves);
        for size in 1..=130u64 {
            let root = naive_root(&leaves[..size as usize]);
            for index in 0..size {
                let leaf = leaves[index as usize];
                let proof = inclusion(&mut tiles, index, size).unwrap();
                assert_eq!(check_inclusion(leaf, index, size, &proof, root), Ok(()), "{index} of {size}");
                for wrong in meddled(&proof) {
                    assert!(check_inclusion(leaf, index, size, &wrong, root).is_err(), "{index} of {size}");
                }
                assert!(check_inclusion(hash::leaf(b"x"), index, size, &proof, root).is_err());
                assert!(check_inclusion(leaf, size, size, &proof, root).is_err());
            }
        }
    }

    #[test]
    fn every_tree_goes_on_from_every_older_one_and_no_other_proof_says_so() {
        let leaves = leaves(130);
        let mut tiles = stored(&leaves);
        let roots: Vec<Hash> = (0..=130).map(|size| naive_root(&leaves[..size])).collect();
        for new in 1..=130u64 {
            for old in 0..=new {
                let proof = consistency(&mut tiles, old, new).unwrap();
                let (from, to) = ((old, roots[old as usize]), (new, roots[new as usize]));
                assert_eq!(check_consistency(from, to, &proof), Ok(()), "{old} to {new}");
                for wrong in meddled(&proof) {
                    assert!(check_consistency(from, to, &wrong).is_err(), "{old} to {new}");
                }
                let rewritten = hash::leaf(b"rewritten");
                assert!(check_consistency((old, rewritten), to, &proof).is_err());
                assert!(old == 0 || check_consistency(from, (new, rewritten), &proof).is_err());
            }
        }
    }

    #[test]
    fn a_proof_in_a_large_tree_reads_few_tiles() {
        let leaves = leaves(70_001);
        let mut tiles = stored(&leaves);
        let root = naive_root(&leaves);
        for index in [0, 255, 256, 65_535, 65_536, 70_000] {
            tiles.read = 0;
            let proof = inclusion(&mut tiles, index, 70_001).unwrap();
            assert_eq!(check_inclusion(leaves[index as usize], index, 70_001, &proof, root), Ok(()));
            assert!(tiles.read < 40, "{index}: {} tiles", tiles.read);
        }
        for old in [1, 255, 256, 65_536, 70_000] {
            let proof = consistency(&mut tiles, old, 70_001).unwrap();
            let from = (old, naive_root(&leaves[..old as usize]));
            assert_eq!(check_consistency(from, (70_001, root), &proof), Ok(()), "{old}");
        }
    }
}
