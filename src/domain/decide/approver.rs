//! Enrolling and revoking approvers. The first is taken on the operator's word; from then on approvers decide.

use std::collections::BTreeSet;

use crate::domain::approver::{Approver, Proof, PublicKey, enrolment, revocation};
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
    if let Some(known) = facts.state.approvers.get(name) {
        return Err(taken(known));
    }
    if !key.is_sound() || facts.state.approvers.values().any(|known| known.key == *key) {
        let message = "this key cannot be used: it is weak, or enrolled already";
        return Err(Refusal::new(Code::NotAnApprover, message, "make a new key"));
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

/// Nobody is enrolled under the name of another. Groups are part of what was signed, so they stay as well.
pub fn taken(known: &Approver) -> Refusal {
    let name = &known.name;
    let (message, hint) = match known.revoked {
        Some(at) => (
            format!("`{name}` was revoked at {at}, and a name never gets another key"),
            "choose another name".to_owned(),
        ),
        None if known.groups.is_empty() => (
            format!("`{name}` is an approver already, of no group, and that stays so"),
            format!("for a group enrol another name: `phasegate approver add {name}-2 --group GROUP`"),
        ),
        None => {
            let groups: Vec<&str> = known.groups.iter().map(String::as_str).collect();
            (
                format!("`{name}` is an approver already, of {}, and that stays so", groups.join(", ")),
                format!("for another group enrol another name: `phasegate approver add {name}-2 --group GROUP`"),
            )
        }
    };
    Refusal::new(Code::NotAnApprover, message, hint)
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
