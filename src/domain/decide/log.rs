//! What a person may do to the log itself: have another key sign it, take content out of it. Everything else only adds.

use serde_json::{Value, json};

use crate::domain::approver::{Approver, Proof};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::record::ErasedRecord;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::state::State;

use super::{proof, require};

/// Erased in one act; a person still reads what they erase.
pub const ERASE_MAX: usize = 1000;
/// Without these the log could not be checked any more.
const KEPT: [&str; 3] = ["LogKeyChanged", "RecordErased", "StoreRestored"];

/// What an approver signs before the log goes on with another key.
pub fn key_statement(workspace: &str, reason: &str) -> Value {
    json!({ "act": "log.key", "workspace": workspace, "reason": reason })
}

pub fn erasure_statement(workspace: &str, records: &[u64], reason: &str) -> Value {
    json!({ "act": "log.erase", "workspace": workspace, "records": records, "reason": reason })
}

pub fn restore_statement(workspace: &str, sha256: &str) -> Value {
    json!({ "act": "store.restore", "workspace": workspace, "sha256": sha256 })
}

pub fn change_key(
    facts: &Facts,
    old: Option<&str>,
    new: &str,
    reason: &str,
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let what = "changing the key of the log";
    require(context, &[Role::Operator, Role::Approver], what)?;
    proof::person(facts, proof, &key_statement(&facts.workspace, reason), context, what)?;
    if reason.trim().is_empty() {
        let message = "another key needs a reason: it stays in the log";
        return Err(Refusal::new(Code::BadArguments, message, "say why with `--reason`"));
    }
    if old == Some(new) {
        return Ok(Vec::new());
    }
    let (old, new) = (old.map(str::to_owned), new.to_owned());
    Ok(vec![Event::LogKeyChanged { old, new, reason: reason.to_owned(), signed: proof.signed.clone() }])
}

/// A backup brings back what has been used up and revoked since, so it is not for agents. The first approver whom this
/// machine remembers may always: rows that were tampered with are a reason to restore, and must not stand in its way.
pub fn restored(
    facts: &Facts,
    sha256: &str,
    bytes: u64,
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let what = "restoring a backup";
    require(context, &[Role::Operator, Role::Approver], what)?;
    let (statement, first) = (restore_statement(&facts.workspace, sha256), context.settings.first_approver.as_ref());
    if !proof.signed.as_ref().is_some_and(|signed| Some(&signed.key) == first && signed.holds(&statement)) {
        proof::person(facts, proof, &statement, context, what)?;
    }
    Ok(vec![Event::StoreRestored { sha256: sha256.to_owned(), bytes, signed: proof.signed.clone() }])
}

/// What a backup brings back and must not: answers that may have been used since, holes that were closed, and whoever stands
/// in it and was revoked since. `before` is what the store held until now; one that never knew them revokes nobody.
pub fn outdated(facts: &Facts, before: &State) -> Vec<Event> {
    let why = "the store was put back from a backup";
    let unused = facts.state.approvals.values().filter(|known| known.runs_out_at().is_some());
    let void =
        unused.map(|known| Event::ApprovalCancelled { approval: known.id, task: known.task, why: why.to_owned() });
    let open = facts.state.bypasses.values().filter(|known| known.closed.is_none());
    let closed = open.map(|known| Event::BypassClosed { bypass: known.id, why: why.to_owned() });
    void.chain(closed).chain(revoked_since(facts, before)).collect()
}

fn revoked_since<'f>(facts: &'f Facts, before: &'f State) -> impl Iterator<Item = Event> + 'f {
    let reason = "revoked after the backup was made that the store was put back from";
    let standing = facts.state.approvers.values().filter(|known| known.revoked.is_none());
    let approvers = standing.filter(|known| {
        before.approvers.get(&known.name).is_some_and(|now| now.revoked.is_some() && now.key == known.key)
    });
    let standing = facts.state.credentials.values().filter(|known| known.revoked.is_none());
    let credentials = standing.filter(|known| {
        before.credentials.get(&known.id).is_some_and(|now| now.revoked.is_some() && now.hash == known.hash)
    });
    let revoked =
        |known: &Approver| Event::ApproverRevoked { name: known.name.clone(), reason: reason.to_owned(), signed: None };
    approvers
        .map(revoked)
        .chain(credentials.map(|known| Event::CredentialRevoked { credential: known.id, reason: reason.to_owned() }))
}

pub fn erase(
    facts: &Facts,
    records: &[ErasedRecord],
    reason: &str,
    proof: &Proof,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let what = "erasing records";
    require(context, &[Role::Operator, Role::Approver], what)?;
    let numbers: Vec<u64> = records.iter().map(|record| record.seq).collect();
    proof::person(facts, proof, &erasure_statement(&facts.workspace, &numbers, reason), context, what)?;
    if reason.trim().is_empty() {
        let message = "erasing needs a reason: it stays in the log in place of what goes";
        return Err(Refusal::new(Code::BadArguments, message, "say why with `--reason`"));
    }
    if records.len() > ERASE_MAX {
        let message = format!("{} records are more than the {ERASE_MAX} that go at once", records.len());
        return Err(Refusal::new(Code::TooMany, message, "erase them in several acts"));
    }
    if let Some(kept) = records.iter().find(|record| KEPT.contains(&record.kind.as_str())) {
        let message = format!("record {} is a {}, without which the log could not be checked", kept.seq, kept.kind);
        return Err(Refusal::new(Code::WrongState, message, "leave it out"));
    }
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let (records, signed) = (records.to_vec(), proof.signed.clone());
    Ok(vec![Event::RecordErased { records, reason: reason.to_owned(), signed }])
}

#[cfg(test)]
mod tests {

    use std::sync::Arc;

    use super::*;
    use crate::domain::approver::Via;
    use crate::domain::facts::{Caller, Settings};
    use crate::domain::ids::Time;
    use crate::domain::route::NoRoutes;

    fn context(role: Role) -> Context {
        let caller = Caller::new("ana", role);
        Context { now: Time(0), caller, settings: Arc::new(Settings::default()), routes: Arc::new(NoRoutes) }
    }

    fn at_a_terminal() -> Proof {
        Proof::unsigned(1, Via::CommandLine)
    }

    fn record(kind: &str) -> ErasedRecord {
        ErasedRecord { seq: 3, kind: kind.to_owned(), at: Time(0), task: None }
    }

    #[test]
    fn only_an_operator_erases_and_never_what_the_log_is_checked_by() {
        let many = vec![record("TaskClaimed"); ERASE_MAX + 1];
        let table = [
            (Role::Operator, vec![record("TaskClaimed")], "asked to", "done"),
            (Role::Agent, vec![record("TaskClaimed")], "asked to", "role_required"),
            (Role::Auditor, vec![record("TaskClaimed")], "asked to", "role_required"),
            (Role::Operator, vec![record("TaskClaimed")], " ", "bad_arguments"),
            (Role::Operator, vec![record("RecordErased")], "asked to", "wrong_state"),
            (Role::Operator, vec![record("LogKeyChanged")], "asked to", "wrong_state"),
            (Role::Operator, many, "asked to", "too_many"),
            (Role::Operator, Vec::new(), "asked to", "nothing"),
        ];
        for (role, records, reason, wanted) in table {
            let told = match erase(&Facts::default(), &records, reason, &at_a_terminal(), &context(role)) {
                Ok(events) if events.is_empty() => "nothing",
                Ok(_) => "done",
                Err(refusal) => refusal.code.word(),
            };
            assert_eq!(told, wanted);
        }
    }

    #[test]
    fn a_key_is_changed_by_an_operator_and_only_for_another() {
        let change = |new, role, proof: Proof| {
            change_key(&Facts::default(), Some("a"), new, "lost", &proof, &context(role)).map(|events| events.len())
        };
        assert!(change("b", Role::Agent, at_a_terminal()).is_err());
        assert!(change("b", Role::Operator, Proof::unsigned(0, Via::CommandLine)).is_err());
        assert_eq!(change("b", Role::Operator, at_a_terminal()), Ok(1));
        assert_eq!(change("a", Role::Operator, at_a_terminal()), Ok(0));
    }
}
