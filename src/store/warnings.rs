//! What was warned of, beside the accounts: remembered in the transaction that counts, so that several servers warn once.
//! When a cap is in danger is decided in `domain`; telling people is not here (`engine::notices`).

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::decide::warn::Noted;
use crate::domain::facts::Facts;
use crate::domain::forecast::{DONE_MAX, Done};
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::spending::{Account, Spent, Unit};
use crate::domain::task::Task;
use crate::domain::warning::{Sent, Warned, Warning, WarningKey};

use super::spending::{book, own_aside, whole};
use super::{By, Param, StoreError, Tx, load, put};

/// Of more caps that are nearly used up, those of the newest tasks are told first.
const NEAR_MAX: i64 = 200;
/// Who was told what is kept for a week.
const KEPT_MS: i64 = 7 * 24 * 60 * 60 * 1000;
const UNITS: [Unit; 4] = [Unit::MicroUsd, Unit::Tokens, Unit::Calls, Unit::Minutes];

/// Decides for a task and those it is a part of.
pub type Due = fn(&Facts, TaskId, Time) -> Result<Vec<Noted>, Refusal>;

/// Under the name `spending::COUNTED`, whose holder alone changes these rows. Of agents whose answers were `read` just now,
/// what they had set aside for them does not count once more.
pub fn watch(
    tx: &mut dyn Tx,
    tasks: &[TaskId],
    by: &By,
    read: &BTreeSet<AgentName>,
    due: Due,
) -> Result<Vec<Warning>, StoreError> {
    let mut new = Vec::new();
    for task in tasks {
        let mut facts = counted(tx, *task)?;
        for agent in read.iter().filter(|_| !facts.accounts.is_empty()) {
            facts.aside.extend(own_aside(tx, agent, None)?);
        }
        // A task whose workflow cannot be read is warned of nothing; `doctor` tells of it.
        for noted in due(&facts, *task, by.at).unwrap_or_default() {
            remember(tx, noted.task, &noted.warned)?;
            for warning in noted.new {
                put::event(tx, &warning.event(), by)?;
                new.push(warning);
            }
        }
    }
    Ok(new)
}

/// What is known of a task and of those it is a part of, as it stands in this transaction.
pub fn counted(tx: &mut dyn Tx, task: TaskId) -> Result<Facts, StoreError> {
    let mut facts = Facts::default();
    load::counted(tx, &mut facts, task)?;
    Ok(facts)
}

/// Notes that this agent is told of what stands there; gives whether any of it is new to it.
pub fn tell(tx: &mut dyn Tx, tasks: impl Iterator<Item = TaskId>, agent: &AgentName) -> Result<bool, StoreError> {
    let mut is_new = false;
    for task in tasks {
        let mut warned = book(tx, task)?.1.warned;
        // Each is noted, so no `any`, which stops at the first.
        let told = warned.iter_mut().fold(false, |told, known| known.tell(agent) | told);
        if told {
            remember(tx, task, &warned)?;
            is_new = true;
        }
    }
    Ok(is_new)
}

fn remember(tx: &mut dyn Tx, task: TaskId, warned: &[Warned]) -> Result<(), StoreError> {
    let body = if warned.is_empty() { String::new() } else { put::json("accounts", &warned)? };
    let sql =
        "INSERT INTO accounts(task, warned) VALUES (?1, ?2) ON CONFLICT(task) DO UPDATE SET warned = excluded.warned";
    tx.execute(sql, &[Param::id(task.0), Param::Text(&body)]).map(drop)
}

/// Done tasks that are looked through for those of one kind.
const DONE_LOOKED_AT: i64 = 5000;

/// What done tasks of the same type and workflow came to, the newest first, where what they spent is known.
pub fn done_like(tx: &mut dyn Tx, task: &Task) -> Result<Vec<Done>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT d.body, a.micro_usd, a.tokens, a.calls FROM \
               (SELECT id, kind, workflow, body FROM tasks WHERE status = 'done' ORDER BY id DESC LIMIT ?1) d \
               JOIN accounts a ON a.task = d.id \
               WHERE d.workflow = ?2 AND d.kind = ?3 AND d.id <> ?4 AND a.calls > 0 ORDER BY d.id DESC LIMIT ?5";
    let most = Param::id(u64::try_from(DONE_MAX).unwrap_or(0));
    let (workflow, kind) = (Param::Text(&task.spec.workflow), Param::Text(&task.spec.kind));
    tx.query(sql, &[Param::Int(DONE_LOOKED_AT), workflow, kind, Param::id(task.id.0), most], &mut |row| {
        let done: Task = load::parse("tasks", row.text(0)?.unwrap_or_default())?;
        let [micro_usd, tokens, calls] = [whole(row, 1)?, whole(row, 2)?, whole(row, 3)?];
        found.push(Done { spent: Spent { micro_usd, tokens, calls }, minutes: done.worked_minutes(Time(0)) });
        Ok(())
    })?;
    Ok(found)
}

/// A cap that was warned of.
#[derive(Clone, Debug)]
pub struct Near {
    pub task: Task,
    pub account: Account,
    pub warned: Warned,
}

impl Near {
    pub fn key(&self) -> WarningKey {
        WarningKey { task: self.task.id, unit: self.warned.unit, at: self.warned.at }
    }
}

/// Caps of open tasks that were warned of.
pub fn near(tx: &mut dyn Tx) -> Result<Vec<Near>, StoreError> {
    let mut tasks: Vec<Task> = Vec::new();
    let sql = "SELECT t.body FROM accounts a JOIN tasks t ON t.id = a.task WHERE a.warned <> '' ORDER BY a.task DESC LIMIT ?1";
    tx.query(sql, &[Param::Int(NEAR_MAX)], &mut |row| {
        let task: Task = load::parse("tasks", row.text(0)?.unwrap_or_default())?;
        tasks.extend(Some(task).filter(|task| task.status().is_open()));
        Ok(())
    })?;
    let mut found = Vec::new();
    for task in tasks {
        let (account, watch) = book(tx, task.id)?;
        found.extend(watch.warned.into_iter().map(|warned| Near { task: task.clone(), account, warned }));
    }
    Ok(found)
}

pub fn sent(tx: &mut dyn Tx) -> Result<BTreeMap<(WarningKey, String), Sent>, StoreError> {
    let mut found = BTreeMap::new();
    tx.query("SELECT task, unit, at, channel, attempts, due FROM warning_notices", &[], &mut |row| {
        let unit = row.text(1)?.and_then(|word| UNITS.into_iter().find(|unit| unit.word() == word));
        let Some(unit) = unit else { return Ok(()) };
        let key = WarningKey { task: TaskId(whole(row, 0)?), unit, at: Time(row.int(2)?.unwrap_or(0)) };
        let attempts = u32::try_from(whole(row, 4)?).unwrap_or(u32::MAX);
        found.insert((key, row.text(3)?.unwrap_or_default().to_owned()), Sent { attempts, due: row.int(5)?.map(Time) });
        Ok(())
    })?;
    Ok(found)
}

/// Takes the right to tell a channel of it, until a time; what is long over goes.
pub fn lease(tx: &mut dyn Tx, key: WarningKey, channel: &str, attempt: u32, until: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO warning_notices(task, unit, at, channel, attempts, due) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT(task, unit, at, channel) DO UPDATE SET attempts = excluded.attempts, due = excluded.due";
    let (task, unit) = (Param::id(key.task.0), Param::Text(key.unit.word()));
    let (attempt, due) = (Param::Int(i64::from(attempt)), Param::Int(until.0));
    tx.execute(sql, &[task, unit, Param::Int(key.at.0), Param::Text(channel), attempt, due])?;
    let old = Param::Int(until.0.saturating_sub(KEPT_MS));
    tx.execute("DELETE FROM warning_notices WHERE at < ?1", &[old]).map(drop)
}

/// What came of it: nothing is written where another process has taken it meanwhile.
pub fn finish(
    tx: &mut dyn Tx,
    key: WarningKey,
    channel: &str,
    attempt: u32,
    again: Option<Time>,
) -> Result<(), StoreError> {
    let sql = "UPDATE warning_notices SET due = ?6 \
               WHERE task = ?1 AND unit = ?2 AND at = ?3 AND channel = ?4 AND attempts = ?5";
    let (task, unit) = (Param::id(key.task.0), Param::Text(key.unit.word()));
    let (attempt, due) = (Param::Int(i64::from(attempt)), again.map_or(Param::Null, |again| Param::Int(again.0)));
    tx.execute(sql, &[task, unit, Param::Int(key.at.0), Param::Text(channel), attempt, due]).map(drop)
}
