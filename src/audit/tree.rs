//! The tree in tiles of 256 hashes (C2SP tlog-tiles). `Edge` is its right edge, which is all that appending and roots need.

use super::hash::{self, Hash};

/// Hashes in a full tile, and how far one level of tiles stands above the other.
pub const WIDTH: usize = 256;
pub const HEIGHT: u32 = 8;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    pub level: u8,
    pub position: u64,
    pub hashes: Vec<Hash>,
}

/// How many hashes a level of tiles holds in a tree of this size.
pub fn entries(size: u64, level: u8) -> u64 {
    size.checked_shr(u32::from(level) * HEIGHT).unwrap_or(0)
}

/// Levels that a tree of this size has tiles on.
pub fn levels(size: u64) -> impl Iterator<Item = u8> {
    (0..8).take_while(move |level| entries(size, *level) > 0)
}

/// How many hashes the tile at this place holds in a tree of this size.
pub fn width(size: u64, level: u8, position: u64) -> usize {
    let before = position.saturating_mul(WIDTH as u64);
    usize::try_from(entries(size, level).saturating_sub(before)).unwrap_or(WIDTH).min(WIDTH)
}

/// The unfinished tile of each level.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the tile {position} of level {level} holds {found} hashes where {wanted} belong")]
pub struct WrongTile {
    pub level: u8,
    pub position: u64,
    pub found: usize,
    pub wanted: usize,
}

impl Edge {
    /// From the tiles of a tree; `tile` gives none where there is none.
    pub fn restore<E: From<WrongTile>>(
        size: u64,
        mut tile: impl FnMut(u8, u64) -> Result<Option<Vec<Hash>>, E>,
    ) -> Result<Self, E> {
        let mut edge = Self { size, levels: Vec::new() };
        for level in levels(size) {
            let position = entries(size, level) / WIDTH as u64;
            let wanted = width(size, level, position);
            let hashes = if wanted == 0 { Vec::new() } else { tile(level, position)?.unwrap_or_default() };
            if hashes.len() != wanted {
                return Err(WrongTile { level, position, found: hashes.len(), wanted }.into());
            }
            edge.levels.push(hashes);
        }
        Ok(edge)
    }

    pub fn size(&self) -> u64 {
        self.size
    }

    /// Takes one more leaf; tiles that it finishes go to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<Tile>) {
        self.size += 1;
        let mut up = leaf;
        for level in 0..8u8 {
            let Some(hashes) = self.levels.get_mut(usize::from(level)) else {
                self.levels.push(vec![up]);
                return;
            };
            hashes.push(up);
            if hashes.len() < WIDTH {
                return;
            }
            let hashes = std::mem::replace(hashes, Vec::with_capacity(WIDTH));
            up = subtree(&hashes);
            let position = entries(self.size, level) / WIDTH as u64;
            full.push(Tile { level, position: position.saturating_sub(1), hashes });
        }
    }

    /// The tiles that are begun and not finished.
    pub fn partial(&self) -> impl Iterator<Item = Tile> {
        let begun = (0u8..).zip(&self.levels).filter(|(_, hashes)| !hashes.is_empty());
        begun.map(|(level, hashes)| Tile {
            level,
            position: entries(self.size, level) / WIDTH as u64,
            hashes: hashes.clone(),
        })
    }

    pub fn root(&self) -> Hash {
        let mut root: Option<Hash> = None;
        for hashes in &self.levels {
            let mut end = hashes.len();
            // The smallest complete subtree stands at the right.
            while end > 0 {
                let length = 1 << end.trailing_zeros();
                let Some(part) = hashes.get(end - length..end) else { break };
                let left = subtree(part);
                root = Some(root.map_or(left, |right| hash::node(&left, &right)));
                end -= length;
            }
        }
        root.unwrap_or_else(hash::empty)
    }
}

/// Of a power of two of neighbours.
pub fn subtree(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        let (pairs, _) = row.as_chunks::<2>();
        row = pairs.iter().map(|[left, right]| hash::node(left, right)).collect();
    }
    row.first().copied().unwrap_or_else(hash::empty)
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// The definition in RFC 6962, word by word.
    pub fn naive_root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => hash::empty(),
            [one] => *one,
            _ => {
                let half = leaves.len().next_power_of_two() / 2;
                hash::node(&naive_root(&leaves[..half]), &naive_root(&leaves[half..]))
            }
        }
    }

    pub fn leaves(count: u64) -> Vec<Hash> {
        (0..count).map(|index| hash::leaf(&index.to_be_bytes())).collect()
    }

    /// All tiles of a tree, as a store would hold them.
    pub fn tiles(leaves: &[Hash]) -> BTreeMap<(u8, u64), Vec<Hash>> {
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for leaf in leaves {
            edge.push(*leaf, &mut full);
        }
        full.extend(edge.partial());
        full.into_iter().map(|tile| ((tile.level, tile.position), tile.hashes)).collect()
    }

    #[test]
    fn roots_are_those_of_the_definition_and_an_edge_is_the_same_after_a_restart() {
        let leaves = leaves(700);
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for (index, leaf) in leaves.iter().enumerate() {
            assert_eq!(edge.root(), naive_root(&leaves[..index]), "size {index}");
            let stored = tiles(&leaves[..index]);
            let restored =
                Edge::restore(edge.size(), |level, at| Ok::<_, WrongTile>(stored.get(&(level, at)).cloned())).unwrap();
            assert_eq!(restored.root(), edge.root(), "size {index}");
            edge.push(*leaf, &mut full);
        }
    }

    #[test]
    fn tiles_hold_the_hashes_that_their_place_says() {
        let size = 70_000u64;
        let leaves = leaves(size);
        let tiles = tiles(&leaves);
        for ((level, position), hashes) in &tiles {
            assert_eq!(hashes.len(), width(size, *level, *position), "{level} {position}");
        }
        let counted: u64 = levels(size).map(|level| entries(size, level).div_ceil(WIDTH as u64)).sum();
        assert_eq!(tiles.len() as u64, counted);
        assert_eq!(tiles[&(1, 0)][1], naive_root(&leaves[256..512]));
        assert_eq!(tiles[&(2, 0)], [naive_root(&leaves[..65_536])]);
    }

    #[test]
    fn an_edge_is_not_made_of_tiles_that_do_not_fit() {
        let stored = tiles(&leaves(300));
        let wrong = Edge::restore(301, |level, at| Ok::<_, WrongTile>(stored.get(&(level, at)).cloned())).unwrap_err();
        assert_eq!((wrong.level, wrong.found, wrong.wanted), (0, 44, 45));
    }
}
