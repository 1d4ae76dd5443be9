//! Putting workflow versions in force. Reading and checking the file is not here.

use serde_json::{Value, json};

use crate::domain::approver::Proof;
use crate::domain::command::NewTrust;
use crate::domain::event::{Event, Origin};
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::refusal::Refusal;

use super::{proof, require};

/// What an approver signs.
pub fn statement(workspace: &str, versions: &[NewTrust]) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|version| json!({ "name": version.name, "hash": version.hash, "default": version.default }))
        .collect();
    json!({ "act": "workflow.trust", "workspace": workspace, "versions": versions })
}

pub fn workflows(
    facts: &Facts,
    versions: &[NewTrust],
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    if versions.iter().any(|version| version.origin == Origin::Person) {
        require(context, &[Role::Operator, Role::Approver], "trusting a workflow")?;
        let statement = statement(&facts.workspace, versions);
        proof::entitled(facts, proof, &statement, context, "trusting a workflow")?;
    } else {
        require(context, &[Role::System], "putting the starters in force")?;
    }
    let news = versions.iter().filter(|version| {
        facts.state.trusts.get(&version.name).is_none_or(|known| {
            known.hash != version.hash || known.origin != version.origin || (version.default && !known.default)
        })
    });
    Ok(news
        .map(|version| Event::WorkflowTrusted {
            name: version.name.clone(),
            hash: version.hash.clone(),
            origin: version.origin,
            default: version.default,
            signed: proof.signed.clone(),
        })
        .collect())
}
