//! `phasegate audit erase`: content that must go, such as personal data, taken out of the log by a person.

use std::collections::BTreeSet;

use serde_json::json;

use crate::domain::decide::log::erasure_statement;
use crate::engine::erase::EraseError;

use super::super::signing::SignArgs;
use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Numbers of records.
    #[arg(required = true, value_name = "SEQ")]
    records: Vec<u64>,
    /// Why they go; it stays in the log.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// What is erased cannot be brought back, but from a backup.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    let wanted: Vec<u64> = args.records.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    let records = engine.erasable(&wanted)?;
    if !args.yes {
        for record in &records {
            out.aside(&format!("record {}: {} at {}", record.seq, record.kind, record.at));
        }
        if !out.asks("Erase the content of these records for good?")? {
            out.aside("Nothing was changed.");
            return Err(Ended::No);
        }
    }
    let signer = args.signing.signer(place, &engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(&engine, &erasure_statement(&engine.workspace_id()?, &wanted, &args.reason));
    engine.erase(&signer.caller, records, &args.reason, proof)?;
    engine.seal()?;
    let text = "erased; the records count on, and their hashes keep the log checkable. Backups made before still hold the \
                content";
    out.answer(&json!({ "erased": wanted }), text);
    Ok(())
}

impl From<EraseError> for Ended {
    fn from(error: EraseError) -> Self {
        match error {
            EraseError::Seal(error) => error.into(),
            EraseError::Failure(error) => error.into(),
        }
    }
}
