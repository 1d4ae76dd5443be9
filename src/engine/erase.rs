//! Taking content out of the log for a person: sealed first, so that its hash stays and the tree holds.

use std::collections::BTreeSet;

use crate::audit::hash;
use crate::domain::approver::Proof;
use crate::domain::command::Command;
use crate::domain::facts::Caller;
use crate::domain::record::ErasedRecord;
use crate::domain::refusal::{Code, Refusal};
use crate::store::{Attachment, Scope, StoreError, Tx, tree};

use super::sealer::SealError;
use super::{Engine, Failure};

#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Failure(#[from] Failure),
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> Self {
        Self::Failure(Failure::Broken(error))
    }
}

impl Engine {
    /// What is about to go, for the person to see; refuses what is not there, gone already, or not as it was sealed.
    pub fn erasable(&self, seqs: &[u64]) -> Result<Vec<ErasedRecord>, EraseError> {
        self.seal()?;
        let mut found = Vec::new();
        for seq in seqs.iter().collect::<BTreeSet<_>>() {
            found.push(self.view(|tx| erasable(tx, *seq))?.map_err(Failure::Refused)?);
        }
        Ok(found)
    }

    pub fn erase(
        &self,
        caller: &Caller,
        records: Vec<ErasedRecord>,
        reason: &str,
        proof: Proof,
    ) -> Result<(), EraseError> {
        let erasure = Attachment::Erasure { records: records.iter().map(|record| record.seq).collect() };
        let command = Command::EraseRecords { records, reason: reason.to_owned(), proof };
        self.command(caller, "audit erase", Scope::Trust, command, vec![erasure])?;
        Ok(())
    }
}

fn erasable(tx: &mut dyn Tx, seq: u64) -> Result<Result<ErasedRecord, Refusal>, StoreError> {
    let refuse = |message: String, hint: &str| Ok(Err(Refusal::new(Code::WrongState, message, hint)));
    let Some((record, body)) = tree::record(tx, seq)? else {
        return refuse(format!("there is no record {seq}"), "`phasegate audit query` shows what there is");
    };
    if body.is_empty() {
        return refuse(format!("record {seq} was erased before"), "leave it out");
    }
    if tree::leaf(tx, seq)? != Some(hash::leaf(body.as_bytes())) {
        let message = format!("record {seq} is not as it was sealed; erasing it would hide that");
        return refuse(message, "`phasegate audit verify` says more");
    }
    Ok(Ok(record))
}
