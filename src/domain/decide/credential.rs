//! Making and revoking credentials. Who may answer or operate is given like an approver's say: signed, once there are any.

use serde_json::{Value, json};

use crate::domain::command::NewCredential;
use crate::domain::credential::{OWN_NAME, SOMEBODY, answers_elsewhere};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{AgentName, CredentialHash, CredentialId};
use crate::domain::refusal::{Code, Refusal};

use super::{proof, require};

/// What is signed when a credential is made that speaks for a person.
pub fn statement(workspace: &str, name: &AgentName, role: Role, hash: &CredentialHash) -> Value {
    json!({ "act": "credential.create", "workspace": workspace, "name": name, "role": role, "hash": hash })
}

pub fn create(facts: &Facts, new: &NewCredential, context: &Context) -> Result<Vec<Event>, Refusal> {
    let NewCredential { name, role, hash, grant, expires_at, proof } = new;
    require(context, &[Role::Operator, Role::Approver], "making a credential")?;
    let taken = |message: String| {
        Err(Refusal::new(Code::NameTaken, message, "choose another name; `phasegate token list` shows those in use"))
    };
    if let Some((issuer, _)) = name.0.split_once(':').filter(|(first, _)| context.settings.issuers.contains(*first)) {
        return taken(format!("`{name}` is a name of a subject of the issuer `{issuer}`"));
    }
    if name.0 == OWN_NAME {
        return taken(format!("`{name}` is how phasegate itself goes by in the log"));
    }
    if answers_elsewhere(&name.0) || (name.0 == SOMEBODY && *role == Role::Agent) {
        return taken(format!("`{name}` is how somebody else goes by in the log"));
    }
    let known = facts.state.credentials.values().find(|known| known.name == *name && known.counts(context.now));
    if let Some(known) = known.filter(|known| known.role != *role) {
        return taken(format!("`{name}` is the name of {} with the role {}", known.id, known.role.word()));
    }
    match role {
        Role::Agent | Role::Auditor => {
            if facts.state.approvers.contains_key(name) {
                return taken(format!("`{name}` is an approver, and no credential of another role goes by that name"));
            }
            if proof.signed.is_some() {
                let statement = statement(&facts.workspace, name, *role, hash);
                proof::entitled(facts, proof, &statement, context, "making a credential")?;
            }
            proof::at_hand(proof, "making a credential")?;
        }
        Role::Approver | Role::Operator => {
            let statement = statement(&facts.workspace, name, *role, hash);
            proof::person(facts, proof, &statement, context, "making a credential that speaks for a person")?;
        }
        Role::System => {
            let message = "phasegate itself has no credential";
            return Err(Refusal::new(Code::RoleRequired, message, "choose agent, approver, operator or auditor"));
        }
    }
    let credential = CredentialId(facts.next.credential);
    Ok(vec![Event::CredentialCreated {
        credential,
        name: name.clone(),
        role: *role,
        hash: hash.clone(),
        grant: grant.clone(),
        expires_at: *expires_at,
        signed: proof.signed.clone(),
    }])
}

pub fn revoke(facts: &Facts, id: CredentialId, reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "revoking a credential")?;
    match facts.state.credentials.get(&id) {
        Some(known) if known.revoked.is_none() => {
            Ok(vec![Event::CredentialRevoked { credential: id, reason: reason.to_owned() }])
        }
        Some(_) => Ok(Vec::new()),
        None => {
            let message = format!("there is no credential {id}");
            Err(Refusal::new(Code::UnknownCredential, message, "`phasegate token list` shows all"))
        }
    }
}
