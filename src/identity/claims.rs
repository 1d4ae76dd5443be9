//! What the claims of a checked token make of its bearer here: a name of the issuer's own, a role by the user's mapping, grants.
//! A claim that cannot be read gives nothing, and never a wider right.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::domain::credential::Principal;
use crate::domain::facts::{Caller, Role};
use crate::domain::ids::AgentName;
use crate::domain::issuer::Issuer;

use super::jwt::Flaw;

const LISTED_MAX: usize = 100;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    Flawed(Flaw),
    /// A sound token that the settings give no role to.
    NoRole,
}

pub fn principal(issuer: &Issuer, claims: &Map<String, Value>) -> Result<Principal, Denied> {
    let flawed = |why| Denied::Flawed(Flaw(why));
    let subject = found(claims, &issuer.name_claim).and_then(Value::as_str);
    let subject = subject.ok_or(flawed("the token does not say whose it is"))?;
    // A slash parts an agent from its subagents.
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    let name = AgentName(format!("{}:{subject}", issuer.name));
    if subject.is_empty() || !subject.chars().all(plain) || !name.is_fit() {
        return Err(flawed("whose the token is cannot be an agent's name; another `name_claim` may do"));
    }
    let role = role(issuer, claims)?;
    let listed = |claim: &Option<String>, absent: &'static str| match claim {
        None => Ok(BTreeSet::new()),
        Some(claim) => found(claims, claim).map_or(Ok(BTreeSet::new()), |value| words(value).ok_or(flawed(absent))),
    };
    let capabilities = listed(&issuer.capabilities_claim, "the token's capabilities are not a list of words")?;
    let workflows = listed(&issuer.workflows_claim, "the token's workflows are not a list of words")?;
    // An empty list would mean any workflow.
    if issuer.workflows_claim.is_some() && workflows.is_empty() {
        return Err(flawed("the token names no workflow, and the settings ask for some"));
    }
    let caller = Caller { capabilities, workflows, claims: issuer.claims, ..Caller::new(name.0, role) };
    Ok(Principal { caller, credential: None, calls_per_minute: issuer.calls_per_minute })
}

/// One role. Where a token would have two, neither is taken: which one is meant is not ours to guess.
fn role(issuer: &Issuer, claims: &Map<String, Value>) -> Result<Role, Denied> {
    let given = found(claims, &issuer.role_claim).and_then(words).unwrap_or_default();
    let mut roles = given.iter().filter_map(|word| issuer.roles.get(word)).copied();
    let role = roles.next().ok_or(Denied::NoRole)?;
    if roles.any(|other| other != role) {
        return Err(Denied::Flawed(Flaw("the token's roles are several here, and a caller has one")));
    }
    Ok(role)
}

/// By its name, or by its place where that begins with a slash: `/realm_access/roles`.
fn found<'c>(claims: &'c Map<String, Value>, claim: &str) -> Option<&'c Value> {
    match claim.strip_prefix('/') {
        None => claims.get(claim),
        Some(path) => {
            let (first, deeper) = path.split_once('/').map_or((path, None), |(first, deeper)| (first, Some(deeper)));
            deeper
                .into_iter()
                .flat_map(|deeper| deeper.split('/'))
                .try_fold(claims.get(first)?, |value, part| value.get(part))
        }
    }
}

/// A list of words, or words with spaces between them.
fn words(value: &Value) -> Option<BTreeSet<String>> {
    let found: BTreeSet<String> = match value {
        Value::String(text) => text.split_ascii_whitespace().map(str::to_owned).collect(),
        Value::Array(items) => items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>()?,
        _ => return None,
    };
    (found.len() <= LISTED_MAX).then_some(found)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::domain::issuer::{Algorithm, KeySource};

    fn issuer() -> Issuer {
        Issuer {
            name: "corp".to_owned(),
            issuer: "https://idp.example".to_owned(),
            audience: "phasegate".to_owned(),
            keys: KeySource::Url("https://idp.example/jwks".to_owned()),
            algorithms: Algorithm::USUAL.to_vec(),
            role_claim: "roles".to_owned(),
            roles: [("pg-agent".to_owned(), Role::Agent), ("pg-auditor".to_owned(), Role::Auditor)].into(),
            name_claim: "sub".to_owned(),
            capabilities_claim: None,
            workflows_claim: None,
            leeway_seconds: 0,
            claims: 1,
            calls_per_minute: None,
        }
    }

    fn with(issuer: &Issuer, claims: Value) -> Result<Principal, Denied> {
        principal(issuer, claims.as_object().unwrap())
    }

    #[test]
    fn a_role_comes_from_the_mapping_and_from_nothing_else() {
        for (roles, expected) in [
            (json!(["pg-agent"]), Some(Role::Agent)),
            (json!("other pg-auditor"), Some(Role::Auditor)),
            (json!(["agent"]), None),
            (json!(["operator"]), None),
            (json!(["pg-agent", "pg-auditor"]), None),
            (json!(["pg-agent", 1]), None),
            (json!({"pg-agent": true}), None),
            (json!("PG-AGENT"), None),
            (json!(null), None),
        ] {
            let found = with(&issuer(), json!({"sub": "ana", "roles": roles}));
            assert_eq!(found.ok().map(|found| found.caller.role), expected, "{roles}");
        }
        assert_eq!(with(&issuer(), json!({"sub": "ana"})), Err(Denied::NoRole));
    }

    #[test]
    fn a_name_has_its_issuer_before_it_and_no_place_for_tricks() {
        let name = |subject: Value| {
            with(&issuer(), json!({"sub": subject, "roles": "pg-agent"})).ok().map(|found| found.caller.agent.0)
        };
        assert_eq!(name(json!("ana@corp.example")).as_deref(), Some("corp:ana@corp.example"));
        for bad in
            [json!(""), json!("a/b"), json!("a b"), json!("ä"), json!("a\u{202e}"), json!(7), json!("x".repeat(100))]
        {
            assert_eq!(name(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn a_claim_can_lie_deeper_and_workflows_that_are_asked_for_must_be_there() {
        let deep = Issuer { role_claim: "/realm_access/roles".to_owned(), ..issuer() };
        let claims = json!({"sub": "ana", "realm_access": {"roles": ["pg-agent"]}});
        assert_eq!(with(&deep, claims).unwrap().caller.role, Role::Agent);
        let narrow = Issuer { workflows_claim: Some("wf".to_owned()), ..issuer() };
        for (claims, fits) in [
            (json!({"sub": "ana", "roles": "pg-agent", "wf": ["quick"]}), true),
            (json!({"sub": "ana", "roles": "pg-agent", "wf": []}), false),
            (json!({"sub": "ana", "roles": "pg-agent", "wf": {"quick": 1}}), false),
            (json!({"sub": "ana", "roles": "pg-agent"}), false),
        ] {
            assert_eq!(with(&narrow, claims.clone()).is_ok(), fits, "{claims}");
        }
    }
}
