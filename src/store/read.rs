//! Queries: lists in pages, each by an index, on one snapshot. They change nothing and need no decision.

use std::collections::BTreeMap;

use crate::domain::approval::Approval;
use crate::domain::approver::{Approver, Approvers};
use crate::domain::bypass::Bypass;
use crate::domain::call::Call;
use crate::domain::credential::Credential;
use crate::domain::ids::{AgentName, ApprovalId, CredentialId, TaskId, Time};
use crate::domain::query::{ApprovalFilter, TaskFilter, TaskPage, TaskRow, WorkflowRow};
use crate::domain::state::Trust;
use crate::domain::task::{Status, Task, TaskState};

use super::load::parse;
use super::{Param, StoreError, Tx};

/// A statement put together from a start and the conditions that apply; values only ever travel as parameters.
struct Sql<'a> {
    text: String,
    params: Vec<Param<'a>>,
}

impl<'a> Sql<'a> {
    fn new(start: &str) -> Self {
        Self { text: start.to_owned(), params: Vec::new() }
    }

    fn and(&mut self, clause: &str, param: Param<'a>) {
        self.params.push(param);
        self.text.push_str(" AND ");
        self.text.push_str(&clause.replace("??", &format!("?{}", self.params.len())));
    }

    fn end(&mut self, tail: &str, limit: usize) {
        self.params.push(Param::Int(i64::try_from(limit).unwrap_or(i64::MAX)));
        self.text.push_str(&format!(" {tail} LIMIT ?{}", self.params.len()));
    }
}

pub fn tasks(tx: &mut dyn Tx, filter: &TaskFilter) -> Result<TaskPage, StoreError> {
    let mut page = TaskPage::default();
    // Each status is a range of its own in the index, so a page costs its rows however many tasks there are.
    let chosen: Vec<Option<Status>> =
        if filter.status.is_empty() { vec![None] } else { filter.status.iter().copied().map(Some).collect() };
    let mut rows: BTreeMap<TaskId, TaskRow> = BTreeMap::new();
    for status in chosen {
        let mut sql = Sql::new(
            "SELECT tasks.body, leases.expires_at FROM tasks LEFT JOIN leases ON leases.task = tasks.id WHERE 1 = 1",
        );
        if let Some(status) = status {
            sql.and("tasks.status = ??", Param::Text(status.word()));
        }
        task_conditions(&mut sql, filter);
        sql.end("ORDER BY tasks.id", filter.limit + 1);
        tx.query(&sql.text, &sql.params, &mut |row| {
            let task: Task = parse("tasks", row.text(0)?.unwrap_or_default())?;
            rows.insert(task.id, task_row(&task, row.int(1)?.map(Time)));
            Ok(())
        })?;
    }
    page.tasks = rows.into_values().take(filter.limit + 1).collect();
    if page.tasks.len() > filter.limit {
        page.tasks.truncate(filter.limit);
        page.next = page.tasks.last().map(|row| row.id);
    }
    Ok(page)
}

fn task_conditions<'a>(sql: &mut Sql<'a>, filter: &'a TaskFilter) {
    if let Some(after) = filter.after {
        sql.and("tasks.id > ??", Param::id(after.0));
    }
    if let Some(parent) = filter.parent {
        sql.and("tasks.parent = ??", Param::id(parent.0));
    }
    if let Some(kind) = &filter.kind {
        sql.and("tasks.kind = ??", Param::Text(kind));
    }
    if let Some(workflow) = &filter.workflow {
        sql.and("tasks.workflow = ??", Param::Text(workflow));
    }
    if let Some(agent) = &filter.agent {
        sql.and("tasks.id IN (SELECT task FROM leases WHERE agent = ??)", Param::Text(agent));
    }
    for label in &filter.labels {
        sql.and("EXISTS (SELECT 1 FROM task_labels WHERE label = ?? AND task = tasks.id)", Param::Text(label));
    }
}

pub(super) fn task_row(task: &Task, lease: Option<Time>) -> TaskRow {
    let (waiting_on, blocked_by) = match &task.state {
        TaskState::Waiting { on } => (on.clone(), Vec::new()),
        TaskState::Blocked { blockers } => {
            (Default::default(), blockers.iter().map(|blocker| format!("{}: {}", blocker.id, blocker.reason)).collect())
        }
        TaskState::Ready
        | TaskState::Claimed(_)
        | TaskState::Done { .. }
        | TaskState::Failed { .. }
        | TaskState::Cancelled { .. } => Default::default(),
    };
    TaskRow {
        id: task.id,
        title: task.spec.title.clone(),
        status: task.status(),
        priority: task.spec.priority,
        workflow: task.spec.workflow.clone(),
        phase: task.phase.clone(),
        kind: task.spec.kind.clone(),
        agent: task.claim().map(|claim| claim.agent.clone()),
        lease_until: lease.filter(|_| task.claim().is_some()),
        waiting_on,
        blocked_by,
        labels: task.spec.labels.clone(),
        parent: task.spec.parent,
        progress: task.progress.as_ref().map(|progress| progress.note.clone()),
    }
}

pub fn approvals(tx: &mut dyn Tx, filter: &ApprovalFilter) -> Result<Vec<Approval>, StoreError> {
    let mut found = Vec::new();
    let mut sql = Sql::new("SELECT body FROM approvals WHERE 1 = 1");
    if filter.pending_only {
        sql.and("state = ??", Param::Text("pending"));
    }
    if let Some(id) = filter.id {
        sql.and("id = ??", Param::id(id.0));
    }
    sql.end("ORDER BY id DESC", filter.limit);
    tx.query(&sql.text, &sql.params, &mut |row| {
        found.push(parse("approvals", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

/// The newest first, before one of them.
pub fn approvals_before(
    tx: &mut dyn Tx,
    pending_only: bool,
    before: Option<ApprovalId>,
    limit: usize,
) -> Result<Vec<Approval>, StoreError> {
    let mut found = Vec::new();
    let mut sql = Sql::new("SELECT body FROM approvals WHERE 1 = 1");
    if pending_only {
        sql.and("state = ??", Param::Text("pending"));
    }
    if let Some(before) = before {
        sql.and("id < ??", Param::id(before.0));
    }
    sql.end("ORDER BY id DESC", limit);
    tx.query(&sql.text, &sql.params, &mut |row| {
        found.push(parse("approvals", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn approval(tx: &mut dyn Tx, id: ApprovalId) -> Result<Option<Approval>, StoreError> {
    Ok(approvals(tx, &ApprovalFilter { id: Some(id), limit: 1, ..ApprovalFilter::default() })?.pop())
}

/// The approvals that were asked together with this one, itself included.
pub fn batch(tx: &mut dyn Tx, id: ApprovalId) -> Result<Vec<Approval>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT body FROM approvals WHERE id = ?1 \
               OR batch IN (SELECT batch FROM approvals WHERE id = ?1 AND batch IS NOT NULL) ORDER BY id";
    tx.query(sql, &[Param::id(id.0)], &mut |row| {
        found.push(parse("approvals", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn approvers(tx: &mut dyn Tx) -> Result<Approvers, StoreError> {
    let mut found = Approvers::new();
    tx.query("SELECT body FROM approvers ORDER BY name", &[], &mut |row| {
        let approver: Approver = parse("approvers", row.text(0)?.unwrap_or_default())?;
        found.insert(approver.name.clone(), approver);
        Ok(())
    })?;
    Ok(found)
}

/// The one whose secret has this hash, whether or not it still counts.
pub fn credential(tx: &mut dyn Tx, hash: &str) -> Result<Option<Credential>, StoreError> {
    let mut found = None;
    tx.query("SELECT body FROM credentials WHERE hash = ?1", &[Param::Text(hash)], &mut |row| {
        found = Some(parse("credentials", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

/// Those that go by this name, whether or not they still count.
pub fn credentials_of(tx: &mut dyn Tx, name: &AgentName) -> Result<Vec<Credential>, StoreError> {
    let mut found = Vec::new();
    tx.query("SELECT body FROM credentials WHERE name = ?1", &[Param::Text(&name.0)], &mut |row| {
        found.push(parse("credentials", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn credential_of(tx: &mut dyn Tx, id: CredentialId) -> Result<Option<Credential>, StoreError> {
    let mut found = None;
    tx.query("SELECT body FROM credentials WHERE id = ?1", &[Param::id(id.0)], &mut |row| {
        found = Some(parse("credentials", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn credentials(tx: &mut dyn Tx) -> Result<Vec<Credential>, StoreError> {
    let mut found = Vec::new();
    tx.query("SELECT body FROM credentials ORDER BY id", &[], &mut |row| {
        found.push(parse("credentials", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn open_bypasses(tx: &mut dyn Tx, now: Time) -> Result<Vec<Bypass>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT body FROM bypasses WHERE open_until > ?1 ORDER BY id";
    tx.query(sql, &[Param::Int(now.0)], &mut |row| {
        found.push(parse("bypasses", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

/// The act that an approval was used up for, where it was one that takes time.
pub fn call_of(tx: &mut dyn Tx, id: ApprovalId) -> Result<Option<Call>, StoreError> {
    let mut found = None;
    tx.query("SELECT body FROM calls WHERE approval = ?1", &[Param::id(id.0)], &mut |row| {
        found = Some(parse("calls", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

pub fn task(tx: &mut dyn Tx, id: TaskId) -> Result<Option<(Task, Option<Time>)>, StoreError> {
    let mut found = None;
    let sql = "SELECT tasks.body, leases.expires_at FROM tasks LEFT JOIN leases ON leases.task = tasks.id \
               WHERE tasks.id = ?1";
    tx.query(sql, &[Param::id(id.0)], &mut |row| {
        found = Some((parse("tasks", row.text(0)?.unwrap_or_default())?, row.int(1)?.map(Time)));
        Ok(())
    })?;
    Ok(found)
}

pub fn blob(tx: &mut dyn Tx, sha256: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let mut found = None;
    tx.query("SELECT content FROM blobs WHERE sha256 = ?1", &[Param::Text(sha256)], &mut |row| {
        found = row.blob(0)?.map(<[u8]>::to_vec);
        Ok(())
    })?;
    Ok(found)
}

/// Every version a person or the installation has put in force, with how many open tasks stand under it.
pub fn workflows(tx: &mut dyn Tx) -> Result<Vec<WorkflowRow>, StoreError> {
    let mut rows: Vec<(String, Trust)> = Vec::new();
    let mut open: BTreeMap<String, u64> = BTreeMap::new();
    tx.query("SELECT name, body FROM trusts ORDER BY name", &[], &mut |row| {
        let name = row.text(0)?.unwrap_or_default().to_owned();
        rows.push((name, parse("trusts", row.text(1)?.unwrap_or_default())?));
        Ok(())
    })?;
    let sql = "SELECT version, count(*) FROM tasks WHERE status IN ('waiting', 'ready', 'claimed', 'blocked') GROUP BY version";
    tx.query(sql, &[], &mut |row| {
        let count = row.int(1)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
        open.insert(row.text(0)?.unwrap_or_default().to_owned(), count);
        Ok(())
    })?;
    let persons = rows.iter().any(|(_, trust)| trust.by_person());
    Ok(rows
        .into_iter()
        .map(|(name, trust)| WorkflowRow {
            name,
            in_force: trust.in_force(persons),
            open_tasks: open.get(&trust.hash.0).copied().unwrap_or(0),
            hash: trust.hash,
            origin: trust.origin,
            default: trust.default,
            trusted_by: trust.by,
            trusted_at: trust.at,
        })
        .collect())
}

pub fn workflow_body(tx: &mut dyn Tx, hash: &str) -> Result<Option<(String, String)>, StoreError> {
    let mut found = None;
    tx.query("SELECT body, source FROM workflows WHERE hash = ?1", &[Param::Text(hash)], &mut |row| {
        found = Some((row.text(0)?.unwrap_or_default().to_owned(), row.text(1)?.unwrap_or_default().to_owned()));
        Ok(())
    })?;
    Ok(found)
}

pub fn status_counts(tx: &mut dyn Tx) -> Result<BTreeMap<Status, u64>, StoreError> {
    let mut counts = BTreeMap::new();
    tx.query("SELECT status, sum(tasks) FROM task_counts GROUP BY status HAVING sum(tasks) > 0", &[], &mut |row| {
        let word = row.text(0)?.unwrap_or_default();
        if let Some(status) = Status::ALL.into_iter().find(|status| status.word() == word) {
            counts.insert(status, row.int(1)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0));
        }
        Ok(())
    })?;
    Ok(counts)
}

/// Whether an activity of this agent should renew a lease; asked before the write that would.
pub fn lease_is_due(tx: &mut dyn Tx, agent: &str, now: Time) -> Result<bool, StoreError> {
    let mut due = false;
    let sql = "SELECT 1 FROM leases WHERE agent = ?1 AND expires_at - ?2 < lease_ms * 2 / 3 LIMIT 1";
    tx.query(sql, &[Param::Text(agent), Param::Int(now.0)], &mut |_| {
        due = true;
        Ok(())
    })?;
    Ok(due)
}

/// Whether this claim of a task still stands.
pub fn is_held(tx: &mut dyn Tx, task: TaskId, fence: u64) -> Result<bool, StoreError> {
    let mut held = false;
    tx.query(
        "SELECT 1 FROM leases WHERE task = ?1 AND fence = ?2",
        &[Param::id(task.0), Param::id(fence)],
        &mut |_| {
            held = true;
            Ok(())
        },
    )?;
    Ok(held)
}

/// Whether the sweeper has anything to do.
pub fn something_is_due(tx: &mut dyn Tx, now: Time) -> Result<bool, StoreError> {
    let mut due = false;
    let minute_ago = Param::Int(now.0 - 60_000);
    for (sql, at) in [
        ("SELECT 1 FROM leases WHERE expires_at <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM tasks WHERE run_until <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM approvals WHERE expires_at <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM calls WHERE running_until <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM bypasses WHERE open_until <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM reservations WHERE until <= ?1 LIMIT 1", Param::Int(now.0)),
        ("SELECT 1 FROM refusals WHERE since <= ?1 LIMIT 1", minute_ago),
    ] {
        tx.query(sql, &[at], &mut |_| {
            due = true;
            Ok(())
        })?;
    }
    Ok(due)
}
