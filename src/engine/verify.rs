//! Checking the whole log: one thread reads, one hashes. It only looks; nothing is sealed or mended on the way.

use std::io::BufRead;
use std::sync::mpsc::sync_channel;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::audit::batch::{Batch, Content, Record};
use crate::audit::check::{Check, KeptHead, Setup};
use crate::audit::hash::Hash;
use crate::audit::key::VerifierKey;
use crate::audit::report::Report;
use crate::domain::ids::Time;
use crate::store::{Backend, StoreError, snapshot, tree};

use super::Engine;
use super::log_key::name_of;

const BATCH_ROWS: usize = 8192;
/// Batches that wait to be hashed.
const AHEAD: usize = 4;

impl Engine {
    /// Against heads that were kept elsewhere, and only by the keys that a person named, where they named some.
    pub fn verify(&self, kept: Vec<KeptHead>, keys: Vec<VerifierKey>) -> Result<Report, StoreError> {
        let only_these_keys = !keys.is_empty();
        let keys = if only_these_keys { keys } else { self.own_keys()? };
        let mut check = Check::new(setup(self.backend(), kept, keys, only_these_keys)?);
        feed(self.backend(), &mut check)?;
        Ok(check.finish(self.now()))
    }

    /// The file is believed before the store; a copy of a store has no file beside it.
    pub fn own_keys(&self) -> Result<Vec<VerifierKey>, StoreError> {
        match self.key_in_file() {
            Ok(Some(signer)) => Ok(vec![signer.verifier().clone()]),
            _ => Ok(self.verifier_key()?.into_iter().collect()),
        }
    }
}

/// What a store says of its log, to be compared with the records.
pub(super) fn setup(
    backend: &dyn Backend,
    kept: Vec<KeptHead>,
    keys: Vec<VerifierKey>,
    only_these_keys: bool,
) -> Result<Setup, StoreError> {
    snapshot(backend, |tx| {
        Ok(Setup {
            origin: Some(name_of(tx)?),
            keys: keys.clone(),
            only_these_keys,
            heads: tree::heads(tx)?,
            kept: kept.clone(),
            upper: tree::upper_tiles(tx)?,
            leaves: tree::leaves(tx)?,
            anchors: tree::anchors(tx)?,
        })
    })
}

pub(super) fn feed(backend: &dyn Backend, check: &mut Check) -> Result<(), StoreError> {
    let (hand_over, batches) = sync_channel::<Batch>(AHEAD);
    std::thread::scope(|scope| {
        let reading = scope.spawn(move || {
            let mut after = i64::MIN;
            loop {
                let batch = snapshot(backend, |tx| {
                    let mut batch = Batch::default();
                    tree::rows(tx, after, BATCH_ROWS, &mut batch)?;
                    Ok(batch)
                })?;
                let Some(last) = batch.last() else { return Ok(()) };
                after = last;
                if hand_over.send(batch).is_err() {
                    return Ok(());
                }
            }
        });
        batches.iter().for_each(|batch| check.feed(&batch));
        reading.join().unwrap_or(Err(StoreError::Closed))
    })
}

#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error("line {line} cannot be read: {source}")]
    Line {
        line: u64,
        #[source]
        source: std::io::Error,
    },
    #[error("line {line} is not a record of an export: {why}")]
    Form { line: u64, why: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ExportLine<'a> {
    seq: i64,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
    #[serde(default)]
    erased: Option<String>,
}

/// An export has neither heads nor tiles, so it proves something only against heads that were kept.
pub fn verify_export(lines: impl BufRead, setup: Setup, now: Time) -> Result<Report, ExportError> {
    let mut check = Check::new(setup);
    for (line, text) in (1..).zip(lines.lines()) {
        let text = text.map_err(|source| ExportError::Line { line, source })?;
        let form = |why: &str| ExportError::Form { line, why: why.to_owned() };
        let read: ExportLine<'_> = serde_json::from_str(&text).map_err(|error| form(&error.to_string()))?;
        let content = match (read.body, read.erased) {
            (Some(body), None) => Content::Kept(body.get().as_bytes()),
            (None, Some(leaf)) => {
                Content::Erased(Some(Hash::from_hex(&leaf).ok_or_else(|| form("its leaf is no hash"))?))
            }
            _ => return Err(form("it has neither or both of `body` and `erased`")),
        };
        check.record(Record { seq: read.seq, content, columns: None }, |_| None);
    }
    Ok(check.finish(now))
}
