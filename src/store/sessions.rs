//! Sessions of clients and the calls their hooks have let through. Calls are ordinary rows, not facts: they join what the
//! hook saw to what the server sees, and go with the call.

use crate::domain::facts::Facts;
use crate::domain::ids::{AgentName, SessionId, TaskId, Time};
use crate::domain::session::{SeenCall, Session};
use crate::domain::state::State;

use super::load::parse;
use super::put::json;
use super::spending::Thread;
use super::{Backend, Lock, Param, StoreError, Tx};

/// A call that has not ended by then will not.
const CALL_KEPT_MS: i64 = 24 * 60 * 60 * 1000;
/// Showing itself is written down so often and no more, since each time costs a page.
const SEEN_MS: i64 = 10_000;

pub fn put(tx: &mut dyn Tx, before: &State, facts: &Facts, at: Time) -> Result<(), StoreError> {
    for (id, session) in facts.state.sessions.iter().filter(|(id, known)| before.sessions.get(id) != Some(known)) {
        tx.put(
            "INSERT INTO sessions(id, agent, open, seen_at, body) VALUES (?1, ?2, ?3, ?4, ?5) \
             ON CONFLICT(id) DO UPDATE SET agent = excluded.agent, open = excluded.open, seen_at = excluded.seen_at, \
             body = excluded.body",
            &[
                Param::Text(&id.0),
                Param::Text(&session.agent.0),
                Param::Int(i64::from(session.ended.is_none())),
                Param::Int(at.0),
                Param::Text(&json("sessions", session)?),
            ],
        )?;
    }
    for (_, seen) in facts.state.seen_calls.iter().filter(|(call, seen)| before.seen_calls.get(*call) != Some(seen)) {
        see(tx, seen, at)?;
        if let Some(task) = seen.task.filter(|_| !seen.aside.is_nothing()) {
            super::spending::set_aside_for(tx, &thread(seen), task, seen.aside, at)?;
        }
    }
    for (call, seen) in before.seen_calls.iter().filter(|(call, _)| !facts.state.seen_calls.contains_key(*call)) {
        tx.put("DELETE FROM seen_calls WHERE call = ?1", &[Param::Text(call)])?;
        // The answer that it was set aside for comes after this.
        if let Some(task) = seen.task.filter(|_| !seen.aside.is_nothing()) {
            super::spending::keep_aside(tx, &thread(seen), task, seen.aside, at)?;
        }
    }
    Ok(())
}

fn thread(seen: &SeenCall) -> Thread {
    Thread { agent: seen.agent.clone(), session: seen.session.clone() }
}

fn see(tx: &mut dyn Tx, seen: &SeenCall, at: Time) -> Result<(), StoreError> {
    tx.put(
        "INSERT INTO seen_calls(call, session, at, body) VALUES (?1, ?2, ?3, ?4) \
         ON CONFLICT(call) DO UPDATE SET session = excluded.session, at = excluded.at, body = excluded.body",
        &[
            Param::Text(&seen.call),
            Param::Text(&seen.session.0),
            Param::Int(at.0),
            Param::Text(&json("seen_calls", seen)?),
        ],
    )?;
    Ok(())
}

pub fn load(tx: &mut dyn Tx, facts: &mut Facts, id: &SessionId) -> Result<(), StoreError> {
    tx.query("SELECT body FROM sessions WHERE id = ?1", &[Param::Text(&id.0)], &mut |row| {
        facts.state.sessions.insert(id.clone(), parse("sessions", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })
}

/// A session has shown itself, and whoever works on its main thread with it.
pub fn alive(tx: &mut dyn Tx, id: &SessionId, parent: Option<&AgentName>, now: Time) -> Result<(), StoreError> {
    if let Some(parent) = parent {
        super::put::renewed(tx, parent, now)?;
    }
    let sql = "UPDATE sessions SET seen_at = ?2 WHERE id = ?1 AND seen_at <= ?3";
    tx.put(sql, &[Param::Text(&id.0), Param::Int(now.0), Param::Int(now.0 - SEEN_MS)])
}

pub fn seen_call(tx: &mut dyn Tx, call: &str) -> Result<Option<SeenCall>, StoreError> {
    let mut found = None;
    tx.query("SELECT body FROM seen_calls WHERE call = ?1", &[Param::Text(call)], &mut |row| {
        found = Some(parse("seen_calls", row.text(0)?.unwrap_or_default())?);
        Ok(())
    })?;
    Ok(found)
}

/// Notes a call that needs no decision: one of our own tools, which the engine judges itself.
pub fn note(backend: &dyn Backend, seen: SeenCall, now: Time) -> Result<(), StoreError> {
    let agent = seen.agent.clone();
    let lock = Lock::named([super::of_agent(&agent), format!("session {}", seen.session)]);
    backend.write(
        lock,
        Box::new(move |tx| {
            super::put::renewed(tx, &agent, now)?;
            see(tx, &seen, now)
        }),
    )
}

/// Calls nobody will tell the end of.
pub fn forget_old_calls(backend: &dyn Backend, now: Time) -> Result<(), StoreError> {
    let before = now.0 - CALL_KEPT_MS;
    let mut any = false;
    backend.read(&mut |tx| {
        tx.query("SELECT 1 FROM seen_calls WHERE at < ?1 LIMIT 1", &[Param::Int(before)], &mut |_| {
            any = true;
            Ok(())
        })
    })?;
    if !any {
        return Ok(());
    }
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| tx.execute("DELETE FROM seen_calls WHERE at < ?1", &[Param::Int(before)]).map(drop)),
    )
}

/// Sessions that have not ended, the one seen last first; and when each was.
pub fn open(tx: &mut dyn Tx, limit: u32) -> Result<Vec<(Session, Time)>, StoreError> {
    let sql = "SELECT seen_at, body FROM sessions WHERE open = 1 ORDER BY seen_at DESC, id LIMIT ?1";
    listed(tx, sql, &[Param::Int(i64::from(limit))])
}

/// The same, and those that have ended.
pub fn latest(tx: &mut dyn Tx, limit: u32) -> Result<Vec<(Session, Time)>, StoreError> {
    let sql = "SELECT seen_at, body FROM sessions ORDER BY seen_at DESC, id LIMIT ?1";
    listed(tx, sql, &[Param::Int(i64::from(limit))])
}

/// When the last session of this agent ended, where it has had one and none is open.
pub fn ended(tx: &mut dyn Tx, agent: &AgentName) -> Result<Option<Time>, StoreError> {
    let sql = "SELECT seen_at, body FROM sessions WHERE agent = ?1 ORDER BY open DESC, seen_at DESC LIMIT 1";
    Ok(listed(tx, sql, &[Param::Text(&agent.0)])?.first().and_then(|(session, _)| session.ended))
}

/// Tasks whose holders have ended every session, the first few; until when each is leased, and when the last session ended.
pub fn left(tx: &mut dyn Tx) -> Result<Vec<(TaskId, Time, Time)>, StoreError> {
    let sql = "SELECT task, expires_at, agent FROM leases WHERE EXISTS \
               (SELECT 1 FROM sessions WHERE sessions.agent = leases.agent AND open = 0) AND NOT EXISTS \
               (SELECT 1 FROM sessions WHERE sessions.agent = leases.agent AND open = 1) ORDER BY task LIMIT 20";
    let mut held = Vec::new();
    tx.query(sql, &[], &mut |row| {
        let task = row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        let until = Time(row.int(1)?.unwrap_or(0));
        held.extend(
            task.zip(row.text(2)?.map(|agent| AgentName(agent.to_owned()))).map(|(id, agent)| (id, until, agent)),
        );
        Ok(())
    })?;
    let mut found = Vec::new();
    for (task, until, agent) in held {
        found.extend(ended(tx, &agent)?.map(|ended| (task, until, ended)));
    }
    Ok(found)
}

/// A few of those whose id begins so.
pub fn like(tx: &mut dyn Tx, id: &str) -> Result<Vec<(Session, Time)>, StoreError> {
    let sql =
        "SELECT seen_at, body FROM sessions WHERE id >= ?1 AND substr(id, 1, length(?1)) = ?1 ORDER BY id LIMIT 3";
    listed(tx, sql, &[Param::Text(id)])
}

fn listed(tx: &mut dyn Tx, sql: &str, params: &[Param<'_>]) -> Result<Vec<(Session, Time)>, StoreError> {
    let mut found = Vec::new();
    tx.query(sql, params, &mut |row| {
        found.push((parse("sessions", row.text(1)?.unwrap_or_default())?, Time(row.int(0)?.unwrap_or(0))));
        Ok(())
    })?;
    Ok(found)
}

pub fn first_held(tx: &mut dyn Tx, agent: &AgentName) -> Result<Option<TaskId>, StoreError> {
    let mut found = None;
    tx.query("SELECT task FROM leases WHERE agent = ?1 ORDER BY task LIMIT 1", &[Param::Text(&agent.0)], &mut |row| {
        found = row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        Ok(())
    })?;
    Ok(found)
}

/// Tasks that an agent holds, for those who work in its name.
pub fn held_by(tx: &mut dyn Tx, facts: &mut Facts, agent: &AgentName) -> Result<(), StoreError> {
    let mut ids = Vec::new();
    let sql = "SELECT task FROM leases WHERE agent = ?1 ORDER BY task LIMIT 100";
    tx.query(sql, &[Param::Text(&agent.0)], &mut |row| {
        ids.extend(row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId));
        Ok(())
    })?;
    for id in ids {
        super::load::task(tx, facts, id)?;
        facts.lent.push(id);
    }
    Ok(())
}
