//! `phasegate audit key`: the verifier key of the log; a new one where the old is lost or no longer to be trusted.

use serde_json::json;

use crate::domain::decide::log::key_statement;

use super::super::signing::SignArgs;
use super::super::{Ended, Out, Place};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Go on with a new key; the log records the change. An old key file that is there is put aside.
    #[arg(long, requires = "reason")]
    new: bool,
    /// Why the key changes; it stays in the log.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Heads that were signed with the old key can then only be checked with it.
    #[arg(long)]
    yes: bool,
    #[command(flatten)]
    signing: SignArgs,
}

pub fn run(args: &Args, place: &Place, out: &Out) -> Result<(), Ended> {
    let engine = place.open_existing()?;
    if !args.new {
        let Some(key) = engine.verifier_key()? else {
            return Err(Ended::usage("the log has no key yet", "`phasegate audit key --new --reason …` makes one"));
        };
        out.answer(&json!({ "key": key.to_string() }), &key.to_string());
        return Ok(());
    }
    if !args.yes && !out.asks("Sign the log with a new key from here on?")? {
        out.aside("Nothing was changed.");
        return Err(Ended::No);
    }
    let reason = args.reason.as_deref().unwrap_or_default();
    let signer = args.signing.signer(place, &engine, engine.has_approvers()?, out)?;
    let proof = signer.proof(&engine, &key_statement(&engine.workspace_id()?, reason));
    let key = engine.change_log_key(&signer.caller, reason, proof)?.to_string();
    engine.seal()?;
    let text = format!("the log is signed with a new key from here on; keep it where heads are checked:\n{key}");
    out.answer(&json!({ "key": key }), &text);
    Ok(())
}
