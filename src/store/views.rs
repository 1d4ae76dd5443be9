//! What boards and lists for people are made of, each found by an index on one snapshot. How it is put together is not here
//! (`engine::views`).

use std::collections::HashMap;

use crate::domain::approval::Approval;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::query::TaskRow;
use crate::domain::spending::{Account, Spent};
use crate::domain::task::{Status, Task};

use super::load::parse;
use super::read::task_row;
use super::{Param, Row, StoreError, Tx};

/// A task with what is kept beside it.
#[derive(Clone, Debug)]
pub struct Standing {
    pub task: Task,
    pub lease: Option<Time>,
    /// When its holder last renewed the lease, or the task last changed.
    pub active: Time,
    pub account: Account,
}

impl Standing {
    pub fn row(&self) -> TaskRow {
        task_row(&self.task, self.lease)
    }
}

/// How many tasks stand in one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub workflow: String,
    pub phase: String,
    pub status: Status,
    pub tasks: u64,
}

const STANDING: &str = "SELECT t.body, l.expires_at, l.expires_at - l.lease_ms, t.touched_at, a.micro_usd, a.tokens, \
                        a.calls, a.reserved_micro_usd, a.reserved_tokens, a.reserved_calls FROM tasks t \
                        LEFT JOIN leases l ON l.task = t.id LEFT JOIN accounts a ON a.task = t.id ";

fn standing(tx: &mut dyn Tx, rest: &str, params: &[Param<'_>]) -> Result<Vec<Standing>, StoreError> {
    let mut found = Vec::new();
    tx.query(&format!("{STANDING}{rest}"), params, &mut |row| {
        let task: Task = parse("tasks", row.text(0)?.unwrap_or_default())?;
        let renewed = row.int(2)?.filter(|_| task.claim().is_some_and(|claim| claim.parked_until.is_none()));
        let active = Time(row.int(3)?.unwrap_or(0).max(renewed.unwrap_or(0)));
        let account = Account {
            spent: Spent { micro_usd: whole(row, 4)?, tokens: whole(row, 5)?, calls: whole(row, 6)? },
            reserved: Spent { micro_usd: whole(row, 7)?, tokens: whole(row, 8)?, calls: whole(row, 9)? },
        };
        found.push(Standing { task, lease: row.int(1)?.map(Time), active, account });
        Ok(())
    })?;
    Ok(found)
}

/// Those that came last, first.
pub fn standing_in(
    tx: &mut dyn Tx,
    workflow: &str,
    phase: &str,
    status: Status,
    limit: usize,
) -> Result<Vec<Standing>, StoreError> {
    let place = [Param::Text(workflow), Param::Text(phase), Param::Text(status.word()), most(limit)];
    let rest =
        "WHERE t.workflow = ?1 AND t.phase = ?2 AND t.status = ?3 ORDER BY t.entered_at DESC, t.id DESC LIMIT ?4";
    standing(tx, rest, &place)
}

/// The oldest first.
pub fn standing_with(tx: &mut dyn Tx, status: Status, limit: usize) -> Result<Vec<Standing>, StoreError> {
    standing(tx, "WHERE t.status = ?1 ORDER BY t.id LIMIT ?2", &[Param::Text(status.word()), most(limit)])
}

pub fn standing_one(tx: &mut dyn Tx, id: TaskId) -> Result<Option<Standing>, StoreError> {
    Ok(standing(tx, "WHERE t.id = ?1", &[Param::id(id.0)])?.pop())
}

pub fn counts(tx: &mut dyn Tx) -> Result<Vec<Count>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT workflow, phase, status, sum(tasks) FROM task_counts GROUP BY workflow, phase, status \
               HAVING sum(tasks) > 0 ORDER BY workflow, phase, status";
    tx.query(sql, &[], &mut |row| {
        let word = row.text(2)?.unwrap_or_default();
        let status = Status::ALL.into_iter().find(|status| status.word() == word);
        if let Some(status) = status {
            found.push(Count { workflow: text(row, 0)?, phase: text(row, 1)?, status, tasks: whole(row, 3)? });
        }
        Ok(())
    })?;
    Ok(found)
}

/// Who holds what.
pub fn holders(tx: &mut dyn Tx, limit: usize) -> Result<Vec<(AgentName, TaskId)>, StoreError> {
    let mut found = Vec::new();
    tx.query("SELECT agent, task FROM leases ORDER BY task LIMIT ?1", &[most(limit)], &mut |row| {
        found.push((AgentName(text(row, 0)?), TaskId(whole(row, 1)?)));
        Ok(())
    })?;
    Ok(found)
}

/// Approvals that wait, the oldest first, each with its task.
pub fn waiting(tx: &mut dyn Tx, limit: usize) -> Result<Vec<(ApprovalId, Option<TaskId>)>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT id, task FROM approvals WHERE state = 'pending' ORDER BY id LIMIT ?1";
    tx.query(sql, &[most(limit)], &mut |row| {
        found.push((ApprovalId(whole(row, 0)?), Some(TaskId(whole(row, 1)?)).filter(|task| task.0 > 0)));
        Ok(())
    })?;
    Ok(found)
}

/// The same, whole.
pub fn oldest_waiting(tx: &mut dyn Tx, limit: usize) -> Result<Vec<Approval>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT body FROM approvals WHERE state = 'pending' ORDER BY id LIMIT ?1";
    tx.query(sql, &[most(limit)], &mut |row| {
        found.push(parse("approvals", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

/// Since when open tasks stand in a place, the one that stands there longest first.
pub fn entered(
    tx: &mut dyn Tx,
    workflow: &str,
    phase: &str,
    status: Status,
    limit: usize,
) -> Result<Vec<Time>, StoreError> {
    let mut found = Vec::new();
    let sql =
        "SELECT entered_at FROM tasks WHERE workflow = ?1 AND phase = ?2 AND status = ?3 ORDER BY entered_at LIMIT ?4";
    let place = [Param::Text(workflow), Param::Text(phase), Param::Text(status.word()), most(limit)];
    tx.query(sql, &place, &mut |row| {
        found.push(Time(row.int(0)?.unwrap_or(0)));
        Ok(())
    })?;
    Ok(found)
}

/// Sets of capabilities that ready tasks ask for, but for none at all: one seek of the index for each.
pub fn needs_of_ready(tx: &mut dyn Tx, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut found: Vec<String> = Vec::new();
    while found.len() < limit {
        let last = found.last().cloned().unwrap_or_default();
        let mut next = None;
        let sql = "SELECT needs FROM tasks WHERE status = 'ready' AND needs > ?1 ORDER BY needs LIMIT 1";
        tx.query(sql, &[Param::Text(&last)], &mut |row| {
            next = Some(text(row, 0)?);
            Ok(())
        })?;
        let Some(next) = next else { break };
        found.push(next);
    }
    Ok(found)
}

/// The most urgent ready tasks that ask for just this.
pub fn ready_with(tx: &mut dyn Tx, needs: &str, limit: usize) -> Result<Vec<Standing>, StoreError> {
    let rest = "WHERE t.status = 'ready' AND t.needs = ?1 ORDER BY t.urgency DESC, t.id LIMIT ?2";
    standing(tx, rest, &[Param::Text(needs), most(limit)])
}

pub fn children(tx: &mut dyn Tx, of: TaskId, limit: usize) -> Result<Vec<Standing>, StoreError> {
    standing(tx, "WHERE t.parent = ?1 ORDER BY t.id LIMIT ?2", &[Param::id(of.0), most(limit)])
}

/// Tasks that a dependency leads to, from what it is on.
pub fn dependents(tx: &mut dyn Tx, of: TaskId, limit: usize) -> Result<Vec<Standing>, StoreError> {
    let rest = "JOIN task_links k ON k.task = t.id WHERE k.needs = ?1 ORDER BY t.id LIMIT ?2";
    standing(tx, rest, &[Param::id(of.0), most(limit)])
}

/// One kind of turn that work took, in one hour and for one agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turns {
    pub kind: &'static str,
    pub hour: Time,
    pub agent: AgentName,
    pub count: u64,
}

const HOUR_MS: i64 = 3_600_000;
const TURNS: [&str; 4] = ["TaskClaimed", "TaskCompleted", "TaskFailed", "CommandRefused"];
/// A fleet that takes more turns in a day is counted in part.
const TURNS_MAX: usize = 500_000;

pub fn turns(tx: &mut dyn Tx, since: Time) -> Result<Vec<Turns>, StoreError> {
    let mut found: HashMap<(i64, String), [u64; TURNS.len()]> = HashMap::new();
    // In the words of the index, so that it is used. Counted here, since sorting them by agent takes longer than reading.
    let sql = "SELECT kind, at, agent FROM events \
               WHERE (kind = 'TaskClaimed' OR kind = 'TaskCompleted' OR kind = 'TaskFailed' OR kind = 'CommandRefused') \
               AND at >= ?1 LIMIT ?2";
    tx.query(sql, &[Param::Int(since.0), most(TURNS_MAX)], &mut |row| {
        let kind = row.text(0)?.unwrap_or_default();
        let Some(place) = TURNS.iter().position(|known| *known == kind) else { return Ok(()) };
        let hour = row.int(1)?.unwrap_or(0) / HOUR_MS;
        let counts = found.entry((hour, text(row, 2)?)).or_default();
        if let Some(count) = counts.get_mut(place) {
            *count += 1;
        }
        Ok(())
    })?;
    let turns = found.into_iter().flat_map(|((hour, agent), counts)| {
        let hour = Time(hour.saturating_mul(HOUR_MS));
        let some = TURNS.into_iter().zip(counts).filter(|(_, count)| *count > 0);
        some.map(move |(kind, count)| Turns { kind, hour, agent: AgentName(agent.clone()), count })
    });
    Ok(turns.collect())
}

/// The bodies of a task's newest records of one kind, the newest first.
pub fn bodies(tx: &mut dyn Tx, task: TaskId, kind: &str, limit: usize) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT body FROM events WHERE task = ?1 AND kind = ?2 ORDER BY seq DESC LIMIT ?3";
    tx.query(sql, &[Param::id(task.0), Param::Text(kind), most(limit)], &mut |row| {
        found.push(text(row, 0)?);
        Ok(())
    })?;
    Ok(found)
}

fn most(limit: usize) -> Param<'static> {
    Param::Int(i64::try_from(limit).unwrap_or(i64::MAX))
}

fn text(row: &dyn Row, column: usize) -> Result<String, StoreError> {
    Ok(row.text(column)?.unwrap_or_default().to_owned())
}

fn whole(row: &dyn Row, column: usize) -> Result<u64, StoreError> {
    Ok(row.int(column)?.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
}
