//! A proof as a file that stands by itself: the head, what is shown of it, and the hashes between. Anyone who has the
//! verifier key can check it.

use serde::{Deserialize, Serialize};

use super::hash::{self, Hash};
use super::head::Head;
use super::key::VerifierKey;
use super::note::Note;
use super::proof;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "proof", rename_all = "lowercase", deny_unknown_fields)]
pub enum Shown {
    Inclusion {
        key: String,
        head: String,
        seq: u64,
        leaf: String,
        /// The record as it is stored; none once it was erased.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
        path: Vec<String>,
    },
    Consistency {
        key: String,
        old: OldHead,
        head: String,
        path: Vec<String>,
    },
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldHead {
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl OldHead {
    pub fn of_note(text: &str) -> Result<Self, String> {
        let note = Note::parse(text).map_err(|error| error.to_string())?;
        let head = Head::parse(&note.text).map_err(|error| error.to_string())?;
        Ok(Self { size: head.size, root: Some(head.root.hex()), note: Some(text.to_owned()) })
    }
}

impl Shown {
    /// What the proof shows, or why it shows nothing. Without keys the one in the file is taken, which only its reader can
    /// judge.
    pub fn check(&self, keys: &[VerifierKey]) -> Result<String, String> {
        match self {
            Self::Inclusion { key, head, seq, leaf, body, path } => {
                let keys = keys_of(keys, key)?;
                let head = signed(head, &keys)?;
                let leaf = Hash::from_hex(leaf).ok_or("its leaf is no hash")?;
                if body.as_ref().is_some_and(|body| hash::leaf(body.as_bytes()) != leaf) {
                    return Err("the record in it is not the one whose hash is in the tree".to_owned());
                }
                let index = seq.checked_sub(1).ok_or("records are numbered from 1")?;
                let path = hashes(path)?;
                proof::check_inclusion(leaf, index, head.size, &path, head.root).map_err(|error| error.to_string())?;
                let what =
                    if body.is_some() { "is, as it stands in the proof," } else { "(erased, known by its hash) is" };
                Ok(format!("record {seq} {what} in the log of {} records{}", head.size, when(&head)))
            }
            Self::Consistency { key, old, head, path } => {
                let keys = keys_of(keys, key)?;
                let head = signed(head, &keys)?;
                let root = old.root.as_deref().and_then(Hash::from_hex).ok_or("the older head has no root")?;
                let mut from = format!("a log of {} records", old.size);
                if let Some(note) = &old.note {
                    let kept = signed(note, &keys)?;
                    if (kept.size, kept.root) != (old.size, root) {
                        return Err("the older head says something else than its note".to_owned());
                    }
                    from = format!("the log of {} records{}", kept.size, when(&kept));
                }
                let path = hashes(path)?;
                proof::check_consistency((old.size, root), (head.size, head.root), &path)
                    .map_err(|error| error.to_string())?;
                Ok(format!(
                    "the log of {} records{} goes on from {from}: nothing before was changed",
                    head.size,
                    when(&head)
                ))
            }
        }
    }
}

fn keys_of(named: &[VerifierKey], inside: &str) -> Result<Vec<VerifierKey>, String> {
    if named.is_empty() {
        inside.parse().map(|key| vec![key]).map_err(|error: super::key::BadKey| error.to_string())
    } else {
        Ok(named.to_vec())
    }
}

fn signed(note: &str, keys: &[VerifierKey]) -> Result<Head, String> {
    let note = Note::parse(note).map_err(|error| format!("the head: {error}"))?;
    note.verify(keys).map_err(|error| format!("the head: {error}"))?;
    Head::parse(&note.text).map_err(|error| format!("the head: {error}"))
}

fn hashes(path: &[String]) -> Result<Vec<Hash>, String> {
    path.iter().map(|text| Hash::from_hex(text).ok_or_else(|| "a step of the proof is no hash".to_owned())).collect()
}

fn when(head: &Head) -> String {
    head.at().map(|at| format!(" (head of {at})")).unwrap_or_default()
}
