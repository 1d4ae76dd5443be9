//! Putting a backup in place of the store: whoever may do it could bring back a time in which other people decided.
//! Copying files is not here, and nothing here stops somebody who copies them without asking.

use serde_json::{Value, json};

use crate::domain::approver::Proof;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::refusal::Refusal;

use super::{proof, require};

/// What an approver signs to bring this file back.
pub fn statement(workspace: &str, sha256: &str) -> Value {
    json!({ "act": "store.restore", "workspace": workspace, "sha256": sha256 })
}

/// Asked of the store that is about to be replaced. The first approver whom this machine remembers may always: rows that
/// were tampered with are a reason to restore, and must not stand in the way of it.
pub fn allowed(facts: &Facts, sha256: &str, proof: &Proof, context: &Context) -> Result<(), Refusal> {
    require(context, &[Role::Operator, Role::Approver], "restoring a backup")?;
    let statement = statement(&facts.workspace, sha256);
    let remembered = context.settings.first_approver.as_ref();
    if proof.signed.as_ref().is_some_and(|signed| Some(&signed.key) == remembered && signed.holds(&statement)) {
        return Ok(());
    }
    proof::entitled(facts, proof, &statement, context, "restoring a backup")
}
