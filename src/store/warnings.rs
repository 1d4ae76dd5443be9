//! What was warned of, beside the accounts: remembered in the transaction that counts, so that several servers warn once.
//! When a cap is in danger is decided in `domain`; telling people is not here (`engine::notices`).

use crate::domain::decide::warn::Noted;
use crate::domain::facts::Facts;
use crate::domain::forecast::{DONE_MAX, Done};
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::spending::Spent;
use crate::domain::task::Task;
use crate::domain::warning::{Warned, Warning};

use super::spending::{book, whole};
use super::{By, Param, StoreError, Tx, load, put};

/// Decides for a task and those it is a part of.
pub type Due = fn(&Facts, TaskId, Time) -> Result<Vec<Noted>, Refusal>;

/// Under the name `spending::COUNTED`, whose holder alone changes these rows.
pub fn watch(tx: &mut dyn Tx, tasks: &[TaskId], by: &By, due: Due) -> Result<Vec<Warning>, StoreError> {
    let mut new = Vec::new();
    for task in tasks {
        let facts = counted(tx, *task)?;
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
