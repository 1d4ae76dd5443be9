//! Do state and record agree? Replays every event from nothing and compares the result with the rows, columns and leases.
//! Also compiled into `examples/worker.rs`, so it uses nothing but the library.

use std::collections::{BTreeMap, BTreeSet};

use phasegate::domain::approval::Approval;
use phasegate::domain::approver::Approver;
use phasegate::domain::bypass::Bypass;
use phasegate::domain::call::Call;
use phasegate::domain::event::Event;
use phasegate::domain::evidence::Evidence;
use phasegate::domain::ids::{AgentName, Time};
use phasegate::domain::route::{Decision, Tried};
use phasegate::domain::session::{SeenCall, Session};
use phasegate::domain::state::{self, Stamp, State, Trust};
use phasegate::domain::task::{Status, Task, TaskState};
use phasegate::store::{Backend, StoreError, Tx, routing, snapshot};
use serde::Deserialize;

#[derive(Clone, Debug, Deserialize)]
pub struct Record {
    pub at: Time,
    pub agent: AgentName,
    pub tool: String,
    pub event: Event,
}

/// The whole log, oldest first.
pub fn records(backend: &dyn Backend) -> Result<Vec<Record>, StoreError> {
    snapshot(backend, |tx| {
        let mut records = Vec::new();
        tx.query("SELECT body FROM events ORDER BY seq", &[], &mut |row| {
            records.push(json(row.text(0)?)?);
            Ok(())
        })?;
        Ok(records)
    })
}

/// Everything in which the record and the rows differ; empty when they agree.
pub fn disagreements(backend: &dyn Backend) -> Result<Vec<String>, StoreError> {
    let (records, rows, mut found) = snapshot(backend, |tx| {
        let mut records: Vec<Record> = Vec::new();
        let mut found = Vec::new();
        let mut last = 0;
        tx.query("SELECT seq, body FROM events ORDER BY seq", &[], &mut |row| {
            let seq = row.int(0)?.unwrap_or(0);
            if seq != last + 1 {
                found.push(format!("record {seq} follows {last}"));
            }
            last = seq;
            records.push(json(row.text(1)?)?);
            Ok(())
        })?;
        let rows = rows(tx)?;
        columns(tx, &rows, &mut found)?;
        Ok((records, rows, found))
    })?;
    let mut replayed = State::default();
    for record in &records {
        let stamp = Stamp { by: &record.agent, at: record.at };
        if let Err(error) = state::apply(&mut replayed, &record.event, stamp) {
            found.push(format!("the record cannot be replayed at {}: {error}", record.event.kind()));
            return Ok(found);
        }
    }
    differing("task", &replayed.tasks, &rows.tasks, &mut found);
    differing("approval", &replayed.approvals, &rows.approvals, &mut found);
    differing("trust", &replayed.trusts, &rows.trusts, &mut found);
    differing("approver", &replayed.approvers, &rows.approvers, &mut found);
    differing("call", &replayed.calls, &rows.calls, &mut found);
    differing("bypass", &replayed.bypasses, &rows.bypasses, &mut found);
    differing("session", &replayed.sessions, &rows.sessions, &mut found);
    differing("seen call", &replayed.seen_calls, &rows.seen_calls, &mut found);
    differing("decision", &replayed.decisions, &rows.decisions, &mut found);
    differing("try", &tries(&replayed), &tries(&rows), &mut found);
    used_once(&records, &rows, &mut found);
    waits(&rows, &mut found);
    Ok(found)
}

fn json<T: for<'de> Deserialize<'de>>(text: Option<&str>) -> Result<T, StoreError> {
    serde_json::from_str(text.unwrap_or_default())
        .map_err(|error| StoreError::BadRow { table: "replay", why: error.to_string() })
}

/// The rows as they stand.
pub fn rows(tx: &mut dyn Tx) -> Result<State, StoreError> {
    let mut state = State::default();
    tx.query("SELECT body FROM tasks", &[], &mut |row| {
        let task: Task = json(row.text(0)?)?;
        state.tasks.insert(task.id, task);
        Ok(())
    })?;
    tx.query("SELECT body FROM approvals", &[], &mut |row| {
        let approval: Approval = json(row.text(0)?)?;
        state.approvals.insert(approval.id, approval);
        Ok(())
    })?;
    tx.query("SELECT name, body FROM trusts", &[], &mut |row| {
        let trust: Trust = json(row.text(1)?)?;
        state.trusts.insert(row.text(0)?.unwrap_or_default().to_owned(), trust);
        Ok(())
    })?;
    tx.query("SELECT body FROM approvers", &[], &mut |row| {
        let approver: Approver = json(row.text(0)?)?;
        state.approvers.insert(approver.name.clone(), approver);
        Ok(())
    })?;
    tx.query("SELECT body FROM calls", &[], &mut |row| {
        let call: Call = json(row.text(0)?)?;
        state.calls.insert(call.id, call);
        Ok(())
    })?;
    tx.query("SELECT body FROM bypasses", &[], &mut |row| {
        let bypass: Bypass = json(row.text(0)?)?;
        state.bypasses.insert(bypass.id, bypass);
        Ok(())
    })?;
    tx.query("SELECT body FROM sessions", &[], &mut |row| {
        let session: Session = json(row.text(0)?)?;
        state.sessions.insert(session.id.clone(), session);
        Ok(())
    })?;
    tx.query("SELECT body FROM seen_calls", &[], &mut |row| {
        let seen: SeenCall = json(row.text(0)?)?;
        // Calls of our own tools are noted without a record: the server records them.
        if !seen.digest.is_empty() {
            state.seen_calls.insert(seen.call.clone(), seen);
        }
        Ok(())
    })?;
    tx.query("SELECT body FROM decisions", &[], &mut |row| {
        let decision: Decision = json(row.text(0)?)?;
        state.decisions.insert(decision.id.clone(), decision);
        Ok(())
    })?;
    state.tries = routing::tries_after(tx, 0, usize::MAX)?.into_iter().map(|known| known.tried).collect();
    Ok(state)
}

/// What each try was, and how often. What a row says of its cost is measured, and in no record.
fn tries(state: &State) -> BTreeMap<String, usize> {
    let mut counted = BTreeMap::new();
    for tried in &state.tries {
        let Tried { task, phase, decision, tier, success, judge, after, at, .. } = tried;
        *counted
            .entry(format!("{at} {task:?} {phase} {decision:?} {tier:?} {success} {judge:?} {after:?}"))
            .or_default() += 1;
    }
    counted
}

/// An approval is used up at most once, and one used for an act that takes time has the record of its start beside it.
fn used_once(records: &[Record], rows: &State, found: &mut Vec<String>) {
    let mut used = BTreeSet::new();
    for (index, record) in records.iter().enumerate() {
        let Event::ApprovalConsumed { approval, call, .. } = &record.event else { continue };
        if !used.insert(*approval) {
            found.push(format!("{approval} was used twice"));
        }
        let next = records.get(index + 1).map(|next| &next.event);
        let started = matches!(next, Some(Event::CallStarted { approval: of, .. }) if of == approval);
        if call.is_some() != started {
            found.push(format!("{approval} was used for {call:?}, and then came {next:?}"));
        }
    }
    for call in rows.calls.values() {
        let state = rows.approvals.get(&call.approval).map(|approval| approval.state.word());
        if state != Some("consumed") {
            found.push(format!("{} carries out {}, which is {state:?}", call.id, call.approval));
        }
    }
}

fn differing<K: Ord + std::fmt::Debug, V: PartialEq + std::fmt::Debug>(
    what: &str,
    replayed: &BTreeMap<K, V>,
    rows: &BTreeMap<K, V>,
    found: &mut Vec<String>,
) {
    let keys: BTreeSet<&K> = replayed.keys().chain(rows.keys()).collect();
    for key in keys {
        let (said, is) = (replayed.get(key), rows.get(key));
        if said != is {
            found.push(format!("{what} {key:?}: the record says {said:?}, the row says {is:?}"));
        }
    }
}

/// What is searched by must say the same as the row it stands beside.
fn columns(tx: &mut dyn Tx, rows: &State, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut wanted = Vec::new();
    let mut leases = Vec::new();
    for task in rows.tasks.values() {
        let runs = task.evidence.values().filter_map(|evidence| match evidence {
            Evidence::Running { until, .. } => Some(until.0),
            Evidence::Passed(_) | Evidence::Refused(_) => None,
        });
        let agent = task.claim().map(|claim| claim.agent.0.clone());
        wanted.push((task.id.0, task.status().word().to_owned(), task.spec.priority.rank(), agent, runs.min()));
        leases.extend(task.claim().map(|claim| (task.id.0, claim.agent.0.clone(), claim.fence.0)));
    }
    let id = |int: Option<i64>| int.and_then(|int| u64::try_from(int).ok()).unwrap_or(0);
    let mut is = Vec::new();
    tx.query("SELECT id, status, urgency, agent, run_until FROM tasks ORDER BY id", &[], &mut |row| {
        let (status, agent) = (row.text(1)?.unwrap_or_default().to_owned(), row.text(3)?.map(str::to_owned));
        is.push((id(row.int(0)?), status, row.int(2)?.unwrap_or(0), agent, row.int(4)?));
        Ok(())
    })?;
    if is != wanted {
        found.push(format!("columns of tasks: {is:?}, the bodies say {wanted:?}"));
    }
    let mut held = Vec::new();
    tx.query("SELECT task, agent, fence FROM leases ORDER BY task", &[], &mut |row| {
        held.push((id(row.int(0)?), row.text(1)?.unwrap_or_default().to_owned(), id(row.int(2)?)));
        Ok(())
    })?;
    if held != leases {
        found.push(format!("leases: {held:?}, the claims say {leases:?}"));
    }
    let mut links = Vec::new();
    tx.query("SELECT task, needs FROM task_links ORDER BY task, needs", &[], &mut |row| {
        links.push((id(row.int(0)?), id(row.int(1)?)));
        Ok(())
    })?;
    let edges = rows.tasks.values().flat_map(|task| task.spec.depends_on.iter().map(|on| (task.id.0, on.0)));
    if links != edges.collect::<Vec<_>>() {
        found.push(format!("links: {links:?}"));
    }
    counts(tx, rows, found)
}

/// How many tasks stand in each place is kept beside the tasks.
fn counts(tx: &mut dyn Tx, rows: &State, found: &mut Vec<String>) -> Result<(), StoreError> {
    let mut wanted: BTreeMap<(String, String, String), i64> = BTreeMap::new();
    let mut phases = Vec::new();
    for task in rows.tasks.values() {
        let place = (task.spec.workflow.clone(), task.phase.clone(), task.status().word().to_owned());
        *wanted.entry(place).or_default() += 1;
        phases.push(task.phase.clone());
    }
    let mut is = BTreeMap::new();
    let sql = "SELECT workflow, phase, status, sum(tasks) FROM task_counts GROUP BY workflow, phase, status \
               HAVING sum(tasks) <> 0";
    tx.query(sql, &[], &mut |row| {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        is.insert((text(0)?, text(1)?, text(2)?), row.int(3)?.unwrap_or(0));
        Ok(())
    })?;
    if is != wanted {
        found.push(format!("counts: {is:?}, the tasks say {wanted:?}"));
    }
    let mut columns = Vec::new();
    tx.query("SELECT phase FROM tasks ORDER BY id", &[], &mut |row| {
        columns.push(row.text(0)?.unwrap_or_default().to_owned());
        Ok(())
    })?;
    if columns != phases {
        found.push(format!("phases: {columns:?}, the bodies say {phases:?}"));
    }
    Ok(())
}

/// Nobody waits for what is done, and nobody who waits for nothing is waiting.
fn waits(rows: &State, found: &mut Vec<String>) {
    for task in rows.tasks.values() {
        let TaskState::Waiting { on } = &task.state else { continue };
        let done = |id| rows.tasks.get(id).is_none_or(|other| other.status() == Status::Done);
        if on.is_empty() || on.iter().any(done) {
            found.push(format!("{} waits for {on:?}, which is done or nothing", task.id));
        }
    }
}
