//! Rows that say who may do what: approvals, approvers, credentials, bypasses. Most commands need none of them.

use std::collections::BTreeSet;

use crate::domain::approval::Approval;
use crate::domain::approver::Approver;
use crate::domain::bypass::Bypass;
use crate::domain::credential::Credential;
use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, ApprovalId, BypassId, CredentialId, TaskId};

use super::super::{Missing, Param, StoreError, Tx, meta};
use super::{body, counter, parse, task};

/// Approvals by id, what they were asked together with, what they are about, and who may answer them.
pub fn approvals(tx: &mut dyn Tx, facts: &mut Facts, ids: &[ApprovalId]) -> Result<(), StoreError> {
    for id in ids {
        let sql = "SELECT body FROM approvals WHERE id = ?1 \
                   OR batch IN (SELECT batch FROM approvals WHERE id = ?1 AND batch IS NOT NULL) ORDER BY id";
        some_approvals(tx, facts, sql, &[Param::id(id.0)])?;
    }
    approvers(tx, facts)?;
    let about: BTreeSet<TaskId> = facts.state.approvals.values().filter_map(|known| known.task).collect();
    for id in about {
        task(tx, facts, id)?;
    }
    Ok(())
}

pub fn some_approvals(tx: &mut dyn Tx, facts: &mut Facts, sql: &str, params: &[Param<'_>]) -> Result<(), StoreError> {
    tx.query(sql, params, &mut |row| {
        let approval: Approval = parse("approvals", row.text(0)?.unwrap_or_default())?;
        facts.state.approvals.insert(approval.id, approval);
        Ok(())
    })
}

/// Those of a task, and the approvers, where there is anything that they could have signed.
pub fn approvals_of(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    if !facts.approvals_of.insert(id) {
        return Ok(());
    }
    let sql = "SELECT body FROM approvals WHERE task = ?1 ORDER BY id DESC LIMIT 500";
    some_approvals(tx, facts, sql, &[Param::id(id.0)])?;
    if facts.state.approvals.is_empty() { Ok(()) } else { approvers(tx, facts) }
}

pub fn missing(tx: &mut dyn Tx, facts: &mut Facts, missing: Missing) -> Result<(), StoreError> {
    match missing {
        Missing::Approvals(task) => approvals_of(tx, facts, task),
        Missing::Bypasses => bypasses(tx, facts),
        Missing::Gates(task) => super::gates(tx, facts, task),
    }
}

pub fn approvers(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    if facts.workspace.is_empty() {
        facts.workspace = meta(tx, "workspace")?.unwrap_or_default();
    }
    tx.query("SELECT body FROM approvers", &[], &mut |row| {
        let approver: Approver = parse("approvers", row.text(0)?.unwrap_or_default())?;
        facts.state.approvers.insert(approver.name.clone(), approver);
        Ok(())
    })
}

/// Open ones; they are few, and looked at only where a rule would refuse a call.
pub fn bypasses(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    facts.bypasses_loaded = true;
    tx.query("SELECT body FROM bypasses WHERE open_until IS NOT NULL ORDER BY id", &[], &mut |row| {
        let bypass: Bypass = parse("bypasses", row.text(0)?.unwrap_or_default())?;
        facts.state.bypasses.insert(bypass.id, bypass);
        Ok(())
    })
}

/// One by its id, or those that go by a name.
pub fn credentials(
    tx: &mut dyn Tx,
    facts: &mut Facts,
    id: Option<CredentialId>,
    name: Option<&AgentName>,
) -> Result<(), StoreError> {
    let params = [Param::maybe_id(id.map(|id| id.0)), Param::maybe_text(name.map(|name| name.0.as_str()))];
    some_credentials(tx, facts, "SELECT body FROM credentials WHERE id = ?1 OR name = ?2", &params)?;
    facts.next.credential = counter(tx, "credential")?;
    Ok(())
}

/// Whatever lets anybody do anything, but for workflows in force.
pub fn all(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    some_approvals(tx, facts, "SELECT body FROM approvals WHERE expires_at IS NOT NULL", &[])?;
    bypasses(tx, facts)?;
    approvers(tx, facts)?;
    some_credentials(tx, facts, "SELECT body FROM credentials", &[])
}

fn some_credentials(tx: &mut dyn Tx, facts: &mut Facts, sql: &str, params: &[Param<'_>]) -> Result<(), StoreError> {
    tx.query(sql, params, &mut |row| {
        let known: Credential = parse("credentials", row.text(0)?.unwrap_or_default())?;
        facts.state.credentials.insert(known.id, known);
        Ok(())
    })
}

/// One, and the number of the next.
pub fn bypass(tx: &mut dyn Tx, facts: &mut Facts, id: Option<BypassId>) -> Result<(), StoreError> {
    if let Some(id) = id {
        let sql = "SELECT body FROM bypasses WHERE id = ?1";
        let found: Option<Bypass> = body(tx, "bypasses", sql, &[Param::id(id.0)])?;
        facts.state.bypasses.extend(found.map(|known| (id, known)));
    }
    facts.next.bypass = counter(tx, "bypass")?;
    Ok(())
}
