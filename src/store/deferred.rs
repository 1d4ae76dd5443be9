//! Deferred calls: ordinary rows, found by the hash of their handle. What is to be made of one is not said here.

use crate::domain::deferred::{Deferred, DeferredState};
use crate::domain::ids::{AgentName, ApprovalId, Time};

use super::load::parse;
use super::put::json;
use super::{Backend, Lock, Param, StoreError, Tx};

pub fn put(backend: &dyn Backend, hash: String, call: Deferred) -> Result<(), StoreError> {
    backend.write(Lock::ROWS, Box::new(move |tx| {
        tx.execute("DELETE FROM deferred WHERE until < ?1", &[Param::Int(call.created_at.0)])?;
        let approval = call.approval.map_or(Param::Null, |id| Param::id(id.0));
        let sql = "INSERT INTO deferred(hash, agent, tool, process, approval, created_at, updated_at, until, state) \
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8)";
        let params = [
            Param::Text(&hash),
            Param::Text(&call.agent.0),
            Param::Text(&call.tool),
            Param::Text(&call.process),
            approval,
            Param::Int(call.created_at.0),
            Param::Int(call.until.0),
            Param::Text(&json("deferred", &call.state)?),
        ];
        tx.execute(sql, &params).map(drop)
    }))
}

/// How many of an agent's are kept.
pub fn count(tx: &mut dyn Tx, agent: &AgentName, now: Time) -> Result<usize, StoreError> {
    let mut count = 0;
    let sql = "SELECT count(*) FROM deferred WHERE agent = ?1 AND until >= ?2";
    tx.query(sql, &[Param::Text(&agent.0), Param::Int(now.0)], &mut |row| {
        count = row.int(0)?.and_then(|count| usize::try_from(count).ok()).unwrap_or(0);
        Ok(())
    })?;
    Ok(count)
}

pub fn get(tx: &mut dyn Tx, hash: &str, now: Time) -> Result<Option<Deferred>, StoreError> {
    let mut found = None;
    let sql = "SELECT agent, tool, process, approval, created_at, updated_at, until, cancelled, state FROM deferred \
               WHERE hash = ?1 AND until >= ?2";
    tx.query(sql, &[Param::Text(hash), Param::Int(now.0)], &mut |row| {
        let time = |column| row.int(column).map(|at| Time(at.unwrap_or(0)));
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        found = Some(Deferred {
            agent: AgentName(text(0)?),
            tool: text(1)?,
            process: text(2)?,
            approval: row.int(3)?.and_then(|id| u64::try_from(id).ok()).map(ApprovalId),
            created_at: time(4)?,
            updated_at: time(5)?,
            until: time(6)?,
            cancelled: row.int(7)? == Some(1),
            state: parse("deferred", row.text(8)?.unwrap_or_default())?,
        });
        Ok(())
    })?;
    Ok(found)
}

/// A sign of life.
pub fn beat(backend: &dyn Backend, hash: String, now: Time) -> Result<(), StoreError> {
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| {
            let sql = "UPDATE deferred SET updated_at = ?2 WHERE hash = ?1";
            tx.execute(sql, &[Param::Text(&hash), Param::Int(now.0)]).map(drop)
        }),
    )
}

pub fn end(backend: &dyn Backend, hash: String, state: DeferredState, now: Time) -> Result<(), StoreError> {
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| {
            let sql = "UPDATE deferred SET updated_at = ?2, state = ?3 WHERE hash = ?1";
            let params = [Param::Text(&hash), Param::Int(now.0), Param::Text(&json("deferred", &state)?)];
            tx.execute(sql, &params).map(drop)
        }),
    )
}

/// Where a process works on it, the time stays its sign of life.
pub fn cancel(backend: &dyn Backend, hash: String, now: Time) -> Result<(), StoreError> {
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| {
            let sql = "UPDATE deferred SET cancelled = 1, \
                       updated_at = CASE WHEN approval IS NULL THEN updated_at ELSE ?2 END WHERE hash = ?1";
            tx.execute(sql, &[Param::Text(&hash), Param::Int(now.0)]).map(drop)
        }),
    )
}
