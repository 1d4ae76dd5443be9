//! Proofs out of the tiles: that a record is under the newest head, and that one head goes on from another.

use schemars::JsonSchema;
use serde::Serialize;

use crate::audit::check::StoredHead;
use crate::audit::hash::{self, Hash};
use crate::audit::proof::{self, Tiles};
use crate::audit::shown::{OldHead, Shown};
use crate::domain::ids::Time;
use crate::store::{StoreError, Tx, tree};

use super::Engine;
use super::sealer::SealError;

/// The tiles in a store.
pub struct Stored<'t>(pub &'t mut dyn Tx);

impl Tiles for Stored<'_> {
    type Error = StoreError;

    fn tile(&mut self, level: u8, position: u64) -> Result<Vec<Hash>, StoreError> {
        tree::tile(self.0, level, position)?.ok_or_else(|| Self::missing(level, position))
    }

    fn missing(level: u8, position: u64) -> StoreError {
        let why =
            format!("tile {position} of level {level} is missing or too short; `phasegate audit verify` says more");
        StoreError::BadRow { table: "tiles", why }
    }
}

/// The newest signed head, as it is handed out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewestHead {
    /// How many records are under it.
    pub size: u64,
    pub root: String,
    pub at: Time,
    pub number: i64,
    /// The signed note: what `phasegate audit verify --from FILE` reads.
    pub note: String,
    /// The key that the note is checked by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

impl Engine {
    /// After sealing what is new; nothing where the log holds no record yet.
    pub fn newest_head(&self) -> Result<Option<NewestHead>, SealError> {
        let Some(head) = self.seal()? else { return Ok(None) };
        let root = <[u8; 32]>::try_from(head.root.as_slice()).map(|root| Hash(root).hex()).unwrap_or_default();
        let key = self.verifier_key()?.map(|key| key.to_string());
        Ok(Some(NewestHead { size: head.size, root, at: Time(head.at), number: head.number, note: head.note, key }))
    }

    /// A proof of consistency from a size alone.
    pub fn prove_growth(&self, from: u64, to: Option<u64>) -> Result<Option<Shown>, SealError> {
        self.prove_consistency(OldHead { size: from, ..OldHead::default() }, to)
    }

    /// None where there is no such record.
    pub fn prove_inclusion(&self, seq: u64) -> Result<Option<Shown>, SealError> {
        let newest = self.seal()?;
        let Some((head, index)) = newest.filter(|head| head.size >= seq).zip(seq.checked_sub(1)) else {
            return Ok(None);
        };
        let key = self.key_text()?;
        Ok(self.view(|tx| {
            let Some((_, body)) = tree::record(tx, seq)? else { return Ok(None) };
            let path = proof::inclusion(&mut Stored(tx), index, head.size)?;
            let leaf = if body.is_empty() {
                proof::range(&mut Stored(tx), index, index + 1)?
            } else {
                hash::leaf(body.as_bytes())
            };
            let body = Some(body).filter(|body| !body.is_empty());
            let (key, note) = (key.clone(), head.note.clone());
            Ok(Some(Shown::Inclusion { key, head: note, seq, leaf: leaf.hex(), body, path: hexes(&path) }))
        })?)
    }

    /// From a size, or from a head that was kept, to a stored head; the newest when none is named. None where a size is
    /// beyond the log, or no head has the newer one.
    pub fn prove_consistency(&self, old: OldHead, new: Option<u64>) -> Result<Option<Shown>, SealError> {
        let newest = self.seal()?;
        let key = self.key_text()?;
        Ok(self.view(|tx| {
            let head: Option<StoredHead> = match new {
                Some(size) => tree::head_of(tx, size)?,
                None => newest.clone(),
            };
            let Some(head) = head.filter(|head| head.size >= old.size && old.size > 0) else { return Ok(None) };
            let path = proof::consistency(&mut Stored(tx), old.size, head.size)?;
            let root = proof::range(&mut Stored(tx), 0, old.size)?.hex();
            let note = match &old.note {
                Some(note) => Some(note.clone()),
                None => tree::head_of(tx, old.size)?.map(|head| head.note),
            };
            // A kept head brings its own root: where the two differ, the proof must not hold.
            let root = old.root.clone().unwrap_or(root);
            let old = OldHead { size: old.size, root: Some(root), note };
            Ok(Some(Shown::Consistency { key: key.clone(), old, head: head.note, path: hexes(&path) }))
        })?)
    }

    /// Whether the log still goes on from a head of this size and root.
    pub fn goes_on_from(&self, size: u64, root: Hash) -> Result<bool, StoreError> {
        self.view(|tx| {
            if size > tree::sealed_size(tx)? {
                return Ok(false);
            }
            Ok(proof::range(&mut Stored(tx), 0, size)? == root)
        })
    }

    fn key_text(&self) -> Result<String, StoreError> {
        Ok(self.verifier_key()?.map(|key| key.to_string()).unwrap_or_default())
    }
}

pub fn hexes(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(Hash::hex).collect()
}
