//! Which rows a command needs, and reading them. What they mean for the command is decided elsewhere.

mod budgets;
mod entitlements;
mod ready;
mod scope;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::domain::bypass::Bypass;
use crate::domain::call::Call;
use crate::domain::canonical;
use crate::domain::command::Target;
use crate::domain::facts::{Awaited, Facts, HandleRecord};
use crate::domain::ids::{AgentName, Fence, HandleHash, SessionId, TaskId, Time, WorkflowHash};
use crate::domain::task::{Task, TaskState};
use crate::domain::workflow::{GateKind, Workflow};

use super::{Ask, By, Lasts, Param, RowLock, StoreError, Tx, put};
use budgets::{asides, budgets};
use entitlements::{approvals, approvals_of, approvers, credentials, some_approvals};

pub use budgets::counted;
pub use entitlements::missing;
use ready::{Wanted, candidate};
pub use scope::{Scope, With};

const SWEEP_AT_ONCE: i64 = 64;
/// Of what keeps a gate closed; a list shows the rest.
const AWAITED_NAMED: usize = 5;
/// Of what was cancelled; with more, nobody sees through the plan anyway.
const CANCELLED_LOOKED_AT: usize = 500;
/// What an agent has claimed longer ago is no longer what its calls are about.
const LAST_CLAIM_MS: i64 = 24 * 3_600_000;

/// `renews`: the caller's leases are renewed by it, and the facts hold them so, that its own task does not seem lapsed.
pub fn facts(tx: &mut dyn Tx, scope: &Scope, by: &By, renews: bool) -> Result<Facts, StoreError> {
    let mut facts = Facts::default();
    ahead(tx, scope, by)?;
    held(tx, &mut facts, by, renews)?;
    if facts.held.is_empty() {
        ruling(tx, &mut facts)?;
    }
    match scope {
        Scope::Submit { refers_to } => {
            refers(tx, &mut facts, refers_to)?;
        }
        Scope::Claim { id, handle, next, refers_to, capabilities, workflows } => {
            claim(tx, &mut facts, *id, handle.as_ref())?;
            if let Some(filter) = next {
                candidate(tx, &mut facts, &Wanted { filter, capabilities, workflows }, by.at)?;
            }
            if let Some(refers_to) = refers_to {
                refers(tx, &mut facts, refers_to)?;
            }
            let loaded: Vec<TaskId> = facts.state.tasks.keys().copied().collect();
            for id in loaded {
                gates(tx, &mut facts, id)?;
            }
        }
        Scope::Standing => facts.subject = only(&facts.held),
        Scope::Task { target, with } => subject(tx, &mut facts, target, *with, by)?,
        Scope::Outcome { target, decision } => {
            subject(tx, &mut facts, target, With::Nothing, by)?;
            if let Some(id) = decision {
                super::routing::load_decision(tx, &mut facts, id)?;
            }
        }
        Scope::Learning => super::routing::load_learning(tx, &mut facts)?,
        Scope::Approvals(ids) => approvals(tx, &mut facts, ids)?,
        Scope::Trust => {
            trusts(tx, &mut facts)?;
            approvers(tx, &mut facts)?;
        }
        Scope::Credential { id, name } => {
            approvers(tx, &mut facts)?;
            credentials(tx, &mut facts, *id, name.as_ref())?;
        }
        Scope::Bypass { task: about, bypass } => {
            trusts(tx, &mut facts)?;
            approvers(tx, &mut facts)?;
            if let Some(id) = about {
                task(tx, &mut facts, *id)?;
            }
            entitlements::bypass(tx, &mut facts, *bypass)?;
        }
        Scope::Start(id) => {
            approvals(tx, &mut facts, std::slice::from_ref(id))?;
            facts.next.call = counter(tx, "call")?;
        }
        Scope::Restored => entitlements::all(tx, &mut facts)?,
        Scope::Call(id) => {
            let sql = "SELECT body FROM calls WHERE id = ?1";
            let found: Option<Call> = body(tx, "calls", sql, &[Param::id(id.0)])?;
            facts.state.calls.extend(found.map(|known| (*id, known)));
        }
        Scope::Hook { session, parent, call, gates } => {
            hook(tx, &mut facts, session, parent.as_ref(), call.as_deref(), *gates)?;
        }
        Scope::Budget(id) => {
            approvers(tx, &mut facts)?;
            task(tx, &mut facts, *id)?;
        }
        Scope::Sweep => sweep(tx, &mut facts, by.at)?,
    }
    workflows(tx, &mut facts)?;
    if scope.spends() {
        budgets(tx, &mut facts)?;
        if !facts.accounts.is_empty() {
            asides(tx, &mut facts, scope, by, renews)?;
        }
    }
    Ok(facts)
}

/// What is asked first, in one go.
fn ahead(tx: &mut dyn Tx, scope: &Scope, by: &By) -> Result<(), StoreError> {
    if let Scope::Claim { id: None, handle: None, next: Some(filter), capabilities, workflows, .. } = scope {
        return ready::ahead(tx, by, &Wanted { filter, capabilities, workflows });
    }
    tx.ahead(&[held_by(&[Param::Text(&by.agent.0)]), RULING])
}

fn hook(
    tx: &mut dyn Tx,
    facts: &mut Facts,
    session: &SessionId,
    parent: Option<&AgentName>,
    call: Option<&str>,
    with_gates: bool,
) -> Result<(), StoreError> {
    super::sessions::load(tx, facts, session)?;
    if let Some(parent) = parent {
        super::sessions::held_by(tx, facts, parent)?;
    }
    if let Some(call) = call {
        let seen = super::sessions::seen_call(tx, call)?;
        facts.state.seen_calls.extend(seen.map(|seen| (call.to_owned(), seen)));
    }
    let about: Vec<TaskId> = facts.held.iter().chain(&facts.lent).copied().collect();
    for id in about.into_iter().filter(|_| with_gates) {
        // Whether a person is waited for counts whatever the gates are.
        approvals_of(tx, facts, id)?;
        gates(tx, facts, id)?;
    }
    Ok(())
}

/// What a new task refers to, and its number.
fn refers(tx: &mut dyn Tx, facts: &mut Facts, to: &[TaskId]) -> Result<(), StoreError> {
    trusts(tx, facts)?;
    // In one order, so that no two wait for each other.
    for id in to.iter().copied().collect::<BTreeSet<TaskId>>() {
        task(tx, facts, id)?;
    }
    facts.next.task = own_counter(tx, "task")?;
    Ok(())
}

fn ids(tx: &mut dyn Tx, sql: &str, params: &[Param<'_>]) -> Result<Vec<TaskId>, StoreError> {
    let mut found = Vec::new();
    tx.query(sql, params, &mut |row| {
        found.extend(row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId));
        Ok(())
    })?;
    Ok(found)
}

/// Reads a JSON column of at most one row.
fn body<T: serde::de::DeserializeOwned>(
    tx: &mut dyn Tx,
    table: &'static str,
    sql: &str,
    params: &[Param<'_>],
) -> Result<Option<T>, StoreError> {
    let mut found = None;
    tx.query(sql, params, &mut |row| {
        found = row.text(0)?.map(|text| parse(table, text)).transpose()?;
        Ok(())
    })?;
    Ok(found)
}

pub fn parse<T: serde::de::DeserializeOwned>(table: &'static str, text: &str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| StoreError::BadRow { table, why: error.to_string() })
}

pub fn task(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    if facts.state.tasks.contains_key(&id) {
        return Ok(());
    }
    locked_task(tx, facts, id, RowLock::Wait)
}

fn locked_task(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId, lock: RowLock) -> Result<(), StoreError> {
    tx.query_locked("SELECT body FROM tasks WHERE id = ?1", &[Param::id(id.0)], lock, &mut |row| {
        facts.state.tasks.insert(id, parse("tasks", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })
}

/// One that is looked at and stays as it is: many commands look at the same parent, and must not wait for each other.
fn seen_task(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    if !facts.state.tasks.contains_key(&id) {
        let found: Option<Task> = body(tx, "tasks", "SELECT body FROM tasks WHERE id = ?1", &[Param::id(id.0)])?;
        facts.state.tasks.extend(found.map(|task| (id, task)));
    }
    Ok(())
}

fn lease(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    let sql = "SELECT expires_at FROM leases WHERE task = ?1";
    tx.query_locked(sql, &[Param::id(id.0)], RowLock::Wait, &mut |row| {
        facts.leases.insert(id, Time(row.int(0)?.unwrap_or(0)));
        Ok(())
    })
}

const HELD: &str = "SELECT leases.expires_at, leases.lease_ms, tasks.body FROM tasks JOIN leases ON leases.task = tasks.id \
                    WHERE leases.agent = ?1 ORDER BY leases.task LIMIT 100";
const HOLDERS: &str = "SELECT agent FROM leases WHERE agent";
const RULING: Ask<'static> = Ask {
    sql: "SELECT name, body FROM trusts WHERE is_default = 1",
    params: &[],
    lock: None,
    lasts: Lasts::Throughout,
};

fn held_by<'a>(agent: &'a [Param<'a>]) -> Ask<'a> {
    Ask { sql: HELD, params: agent, lock: Some(RowLock::Wait), lasts: Lasts::WhileNone(HOLDERS) }
}

/// The caller's own claims, with their tasks: every command needs to know where its caller stands.
fn held(tx: &mut dyn Tx, facts: &mut Facts, by: &By, renews: bool) -> Result<(), StoreError> {
    let mut due = false;
    tx.query_locked(HELD, &[Param::Text(&by.agent.0)], RowLock::Wait, &mut |row| {
        let task: Task = parse("tasks", row.text(2)?.unwrap_or_default())?;
        let (until, lease) = (Time(row.int(0)?.unwrap_or(0)), row.int(1)?.unwrap_or(0));
        let renewed = Some(Time(by.at.0.saturating_add(lease))).filter(|_| renews && put::is_due(until, lease, by.at));
        due |= renewed.is_some();
        facts.held.push(task.id);
        facts.leases.insert(task.id, renewed.unwrap_or(until));
        facts.state.tasks.insert(task.id, task);
        Ok(())
    })?;
    if due {
        put::renewed(tx, &by.agent, by.at)?;
    }
    Ok(())
}

fn handle(tx: &mut dyn Tx, facts: &mut Facts, hash: &HandleHash) -> Result<(), StoreError> {
    let sql = "SELECT task, fence, agent FROM leases WHERE handle = ?1 \
               UNION ALL SELECT task, fence, agent FROM handles WHERE hash = ?1";
    tx.query(sql, &[Param::Text(&hash.0)], &mut |row| {
        facts.handle = Some(HandleRecord {
            hash: hash.clone(),
            task: TaskId(row.int(0)?.and_then(|id| u64::try_from(id).ok()).unwrap_or(0)),
            fence: Fence(row.int(1)?.and_then(|fence| u64::try_from(fence).ok()).unwrap_or(0)),
            agent: AgentName(row.text(2)?.unwrap_or_default().to_owned()),
        });
        Ok(())
    })
}

const COUNTER: &str = "SELECT value FROM counters WHERE name = ?1";

/// A number that may not be needed: whoever is first with it has it, and the other finds out when it writes.
fn counter(tx: &mut dyn Tx, name: &'static str) -> Result<u64, StoreError> {
    let mut value = 0;
    tx.query(COUNTER, &[Param::Text(name)], &mut |row| {
        value = row.int(0)?.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        Ok(())
    })?;
    Ok(value + 1)
}

/// A number that will be needed, and is nobody else's.
fn own_counter(tx: &mut dyn Tx, name: &'static str) -> Result<u64, StoreError> {
    let mut value = 0;
    tx.query_locked(COUNTER, &[Param::Text(name)], RowLock::Wait, &mut |row| {
        value = row.int(0)?.and_then(|value| u64::try_from(value).ok()).unwrap_or(0);
        Ok(())
    })?;
    Ok(value + 1)
}

pub fn trusts(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    tx.query("SELECT name, body FROM trusts", &[], &mut |row| {
        let name = row.text(0)?.unwrap_or_default().to_owned();
        facts.state.trusts.insert(name, parse("trusts", row.text(1)?.unwrap_or_default())?);
        Ok(())
    })
}

/// The default workflow, whose rules hold for an agent without a task.
fn ruling(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    tx.query(RULING.sql, RULING.params, &mut |row| {
        let name = row.text(0)?.unwrap_or_default().to_owned();
        facts.state.trusts.insert(name, parse("trusts", row.text(1)?.unwrap_or_default())?);
        Ok(())
    })
}

fn claim(tx: &mut dyn Tx, facts: &mut Facts, id: Option<TaskId>, hash: Option<&HandleHash>) -> Result<(), StoreError> {
    if let Some(hash) = hash {
        handle(tx, facts, hash)?;
    }
    let by_handle = facts.handle.as_ref().map(|record| record.task);
    for id in id.into_iter().chain(by_handle) {
        task(tx, facts, id)?;
        lease(tx, facts, id)?;
        let holder = facts.state.tasks.get(&id).and_then(|task| task.claim()).map(|claim| claim.agent.clone());
        if let Some(holder) = holder
            && let Some(ended) = super::sessions::ended(tx, &holder)?
        {
            facts.left.insert(holder, ended);
        }
    }
    Ok(())
}

/// What a caller that holds nothing has claimed last, so that it can be told what became of that.
fn last(tx: &mut dyn Tx, facts: &mut Facts, by: &By) -> Result<(), StoreError> {
    let sql = "SELECT task FROM events WHERE kind = 'TaskClaimed' AND at >= ?1 AND agent = ?2 \
               ORDER BY at DESC, seq DESC LIMIT 1";
    let since = Param::Int(by.at.0.saturating_sub(LAST_CLAIM_MS));
    facts.last = ids(tx, sql, &[since, Param::Text(&by.agent.0)])?.first().copied();
    facts.last.map_or(Ok(()), |id| seen_task(tx, facts, id))
}

/// The one that is meant where none is named.
fn only(held: &[TaskId]) -> Option<TaskId> {
    match held {
        [only] => Some(*only),
        _ => None,
    }
}

fn subject(tx: &mut dyn Tx, facts: &mut Facts, target: &Target, with: With, by: &By) -> Result<(), StoreError> {
    if let Some(hash) = &target.handle {
        handle(tx, facts, hash)?;
    }
    let by_handle = facts.handle.as_ref().map(|record| record.task);
    let only = only(&facts.held).filter(|_| target.handle.is_none());
    facts.subject = match (target.task, by_handle) {
        // An id and a handle that do not belong together: neither is believed.
        (Some(id), Some(other)) if id != other => None,
        (Some(id), _) if target.handle.is_none() || by_handle.is_some() => Some(id),
        (_, by_handle) => by_handle.or(only),
    };
    if facts.held.is_empty() && target.task.is_none() && target.handle.is_none() {
        last(tx, facts, by)?;
    }
    let Some(id) = facts.subject else { return Ok(()) };
    task(tx, facts, id)?;
    if !facts.state.tasks.contains_key(&id) {
        return Ok(());
    }
    if !facts.leases.contains_key(&id) {
        lease(tx, facts, id)?;
    }
    workflows(tx, facts)?;
    match with {
        With::Nothing => {}
        With::Gates => all_gates(tx, facts, id)?,
        With::GatesAndApprovers => {
            all_gates(tx, facts, id)?;
            approvers(tx, facts)?;
        }
        With::GatesAndDependents => {
            approvals_of(tx, facts, id)?;
            gates(tx, facts, id)?;
            dependents(tx, facts, id)?;
        }
        With::AllDependents => {
            approvals_of(tx, facts, id)?;
            dependents(tx, facts, id)?;
            let mut seen = 0;
            while let Some(next) = facts.dependents.get(seen).copied() {
                dependents(tx, facts, next)?;
                seen += 1;
            }
        }
        With::Run => {
            tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'run'", &[])?;
            facts.next.run = counter(tx, "run")? - 1;
        }
    }
    Ok(())
}

fn dependents(tx: &mut dyn Tx, facts: &mut Facts, of: TaskId) -> Result<(), StoreError> {
    let sql = "SELECT l.task FROM task_links l JOIN tasks t ON t.id = l.task \
               WHERE l.needs = ?1 AND t.status = 'waiting' ORDER BY l.task";
    for id in ids(tx, sql, &[Param::id(of.0)])? {
        task(tx, facts, id)?;
        if !facts.dependents.contains(&id) {
            facts.dependents.push(id);
        }
    }
    Ok(())
}

/// Approvals of the task whatever its gates are, since leaving a phase voids them.
fn all_gates(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    facts.workspace = super::meta(tx, "workspace")?.unwrap_or_default();
    facts.next.approval = counter(tx, "approval")?;
    approvals_of(tx, facts, id)?;
    gates(tx, facts, id)
}

/// What the exit gates of a task's phase speak of; nothing is read that no gate asks for.
fn gates(tx: &mut dyn Tx, facts: &mut Facts, id: TaskId) -> Result<(), StoreError> {
    workflows(tx, facts)?;
    facts.gates_of.insert(id);
    let Some(task) = facts.state.tasks.get(&id) else { return Ok(()) };
    let Some(workflow) = facts.workflows.get(&task.workflow).cloned() else { return Ok(()) };
    let phase = task.phase.clone();
    for gate in workflow.phase(&phase).into_iter().flat_map(|phase| &phase.exit) {
        match &gate.kind {
            GateKind::Approval(_) => approvals_of(tx, facts, id)?,
            GateKind::Children => {
                let children = awaited(tx, "tasks WHERE parent = ?1", &[Param::id(id.0)])?;
                facts.children.insert(id, children);
            }
            GateKind::Tasks { labels } => {
                for label in labels {
                    let of = "task_labels JOIN tasks ON id = task WHERE label = ?1 AND id <> ?2";
                    let labelled = awaited(tx, of, &[Param::Text(label), Param::id(id.0)])?;
                    facts.labelled.insert((id, label.clone()), labelled);
                }
            }
            GateKind::Artifact { .. }
            | GateKind::Command { .. }
            | GateKind::Syntax { .. }
            | GateKind::Budget
            | GateKind::Hook { .. } => {}
        }
    }
    Ok(())
}

/// Of some tasks those that are neither done nor taken away by a person.
fn awaited(tx: &mut dyn Tx, of: &str, params: &[Param<'_>]) -> Result<Awaited, StoreError> {
    let mut found = Awaited::default();
    let sql = format!("SELECT status, count(*) FROM {of} AND status <> 'done' GROUP BY status");
    tx.query(&sql, params, &mut |row| {
        let count = row.int(1)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        match row.text(0)?.unwrap_or_default() {
            "failed" => found.failed += count,
            "cancelled" => found.cancelled += count,
            _ => found.open += count,
        }
        Ok(())
    })?;
    let mut given_up = Vec::new();
    if found.cancelled > 0 {
        let sql = format!("SELECT body FROM {of} AND status = 'cancelled' ORDER BY id LIMIT {CANCELLED_LOOKED_AT}");
        tx.query(&sql, params, &mut |row| {
            let task: Task = parse("tasks", row.text(0)?.unwrap_or_default())?;
            match task.state {
                TaskState::Cancelled { by_person: true, .. } => found.cancelled -= 1,
                _ => given_up.push(task.id),
            }
            Ok(())
        })?;
    }
    if found.open + found.failed > 0 {
        let wanted = "status NOT IN ('done', 'cancelled') ORDER BY id LIMIT";
        found.first = ids(tx, &format!("SELECT id FROM {of} AND {wanted} {AWAITED_NAMED}"), params)?;
    }
    found.first.extend(given_up);
    found.first.truncate(AWAITED_NAMED);
    Ok(found)
}

fn sweep(tx: &mut dyn Tx, facts: &mut Facts, now: Time) -> Result<(), StoreError> {
    let due = [Param::Int(now.0), Param::Int(SWEEP_AT_ONCE)];
    facts.expired = ids(tx, "SELECT task FROM leases WHERE expires_at <= ?1 ORDER BY expires_at, task LIMIT ?2", &due)?;
    for id in facts.expired.clone() {
        task(tx, facts, id)?;
        lease(tx, facts, id)?;
    }
    for id in ids(tx, "SELECT id FROM tasks WHERE run_until <= ?1 ORDER BY run_until, id LIMIT ?2", &due)? {
        task(tx, facts, id)?;
    }
    some_approvals(
        tx,
        facts,
        "SELECT body FROM approvals WHERE expires_at <= ?1 ORDER BY expires_at, id LIMIT ?2",
        &due,
    )?;
    let sql = "SELECT body FROM calls WHERE running_until <= ?1 ORDER BY running_until, id LIMIT ?2";
    tx.query(sql, &due, &mut |row| {
        let call: Call = parse("calls", row.text(0)?.unwrap_or_default())?;
        facts.state.calls.insert(call.id, call);
        Ok(())
    })?;
    let sql = "SELECT body FROM bypasses WHERE open_until <= ?1 ORDER BY open_until, id LIMIT ?2";
    tx.query(sql, &due, &mut |row| {
        let bypass: Bypass = parse("bypasses", row.text(0)?.unwrap_or_default())?;
        facts.state.bypasses.insert(bypass.id, bypass);
        Ok(())
    })
}

type Cache = Mutex<HashMap<WorkflowHash, Arc<Workflow>>>;

/// Versions never change under their hash, so each is read once a process.
pub fn workflow_cache() -> &'static Cache {
    static CACHE: OnceLock<Cache> = OnceLock::new();
    CACHE.get_or_init(Default::default)
}

/// Every workflow version that a loaded row names.
pub fn workflows(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    let tasks = facts.state.tasks.values().map(|task| &task.workflow);
    let trusted = facts.state.trusts.values().map(|trust| &trust.hash);
    let missing: BTreeSet<WorkflowHash> =
        tasks.chain(trusted).filter(|hash| !facts.workflows.contains_key(*hash)).cloned().collect();
    let mut found: BTreeMap<WorkflowHash, Arc<Workflow>> = BTreeMap::new();
    for hash in missing {
        let known = workflow_cache().lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned();
        let workflow = match known {
            Some(workflow) => Some(workflow),
            None => {
                let sql = "SELECT body FROM workflows WHERE hash = ?1";
                let found = body::<Workflow>(tx, "workflows", sql, &[Param::Text(&hash.0)])?;
                // The hash is what was trusted; a row that somebody changed is not it.
                if found.as_ref().is_some_and(|found| canonical::hash(found) != hash.0) {
                    let why = format!("the workflow under {hash} is not the one that was trusted");
                    return Err(StoreError::BadRow { table: "workflows", why });
                }
                found.map(Arc::new)
            }
        };
        if let Some(workflow) = workflow {
            let mut cache = workflow_cache().lock().unwrap_or_else(PoisonError::into_inner);
            cache.insert(hash.clone(), Arc::clone(&workflow));
            found.insert(hash, workflow);
        }
    }
    facts.workflows.extend(found);
    Ok(())
}
