//! Leases after the clock was set back: they would last longer by as much, whoever holds them or is gone.

use crate::domain::ids::{TaskId, Time};
use crate::domain::task::Task;

use super::load::parse;
use super::{Backend, Lock, Param, StoreError, Tx};

const AHEAD: &str = "SELECT leases.task, tasks.body FROM leases JOIN tasks ON tasks.id = leases.task \
                     WHERE leases.expires_at - leases.lease_ms > ?1 ORDER BY leases.task";

/// Those that begin later than now. Parked ones do, and are meant to. Reads all leases, so it is not asked at each step.
pub fn ahead(tx: &mut dyn Tx, now: Time) -> Result<Vec<TaskId>, StoreError> {
    let mut found = Vec::new();
    tx.query(AHEAD, &[Param::Int(now.0)], &mut |row| {
        let id = row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        let task: Task = parse("tasks", row.text(1)?.unwrap_or_default())?;
        found.extend(id.filter(|_| task.claim().is_some_and(|claim| claim.parked_until.is_none())));
        Ok(())
    })?;
    Ok(found)
}

/// They begin now, as if their holders had just shown themselves.
pub fn begin_now(backend: &dyn Backend, tasks: Vec<TaskId>, now: Time) -> Result<(), StoreError> {
    let sql = "UPDATE leases SET expires_at = ?2 + lease_ms WHERE task = ?1 AND expires_at - lease_ms > ?2";
    backend.write(
        Lock::Whole,
        Box::new(move |tx| {
            let mut tasks = tasks.iter();
            tasks.try_for_each(|task| tx.execute(sql, &[Param::id(task.0), Param::Int(now.0)]).map(drop))
        }),
    )
}
