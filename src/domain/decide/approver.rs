//! Enrolling and revoking approvers. The first is taken on the operator's word; from then on approvers decide.

use std::collections::BTreeSet;

use crate::domain::approver::{Proof, PublicKey, enrolment, revocation};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::AgentName;
use crate::domain::refusal::{Code, Refusal};

use super::{proof, require};

pub fn enrol(
    facts: &Facts,
    name: &AgentName,
    key: &PublicKey,
    groups: &BTreeSet<String>,
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "adding an approver")?;
    let taken = |message: String, hint: &str| Err(Refusal::new(Code::NotAnApprover, message, hint));
    if let Some(known) = facts.state.approvers.get(name) {
        let (message, hint) = match known.revoked {
            Some(at) => {
                (format!("`{name}` was revoked at {at}, and a name never gets another key"), "choose another name")
            }
            None => (format!("`{name}` is an approver already"), "`phasegate approver list` shows all"),
        };
        return taken(message, hint);
    }
    if !key.is_sound() || facts.state.approvers.values().any(|known| known.key == *key) {
        return taken("this key cannot be used: it is weak, or enrolled already".to_owned(), "make a new key");
    }
    if facts.state.approvers.is_empty()
        && let Some(first) = &context.settings.first_approver
    {
        // Whoever is remembered may begin again, and nobody else.
        if first != key || proof.level == 0 {
            return Err(proof::forgotten());
        }
        let (name, key, groups) = (name.clone(), key.clone(), groups.clone());
        return Ok(vec![Event::ApproverEnrolled { name, key, groups, signed: None }]);
    }
    let statement = enrolment(&facts.workspace, name, key, groups);
    proof::person(facts, proof, &statement, context, "adding an approver")?;
    let (name, key, groups) = (name.clone(), key.clone(), groups.clone());
    Ok(vec![Event::ApproverEnrolled { name, key, groups, signed: proof.signed.clone() }])
}

pub fn revoke(
    facts: &Facts,
    name: &AgentName,
    reason: &str,
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "revoking an approver")?;
    let known = facts.state.approvers.get(name).filter(|known| known.revoked.is_none());
    if known.is_none() {
        let message = format!("there is no approver `{name}`");
        return Err(Refusal::new(Code::UnknownApprover, message, "`phasegate approver list` shows who is enrolled"));
    }
    let standing = facts.approvers(context);
    if standing.len() == 1 && standing.iter().any(|only| only.name == *name) {
        let message = format!("`{name}` is the last approver, and nobody could add another");
        return Err(Refusal::new(Code::NotAnApprover, message, "add another approver first"));
    }
    proof::entitled(facts, proof, &revocation(&facts.workspace, name), context, "revoking an approver")?;
    Ok(vec![Event::ApproverRevoked { name: name.clone(), reason: reason.to_owned(), signed: proof.signed.clone() }])
}
