//! Requests that may come again: which were begun under which key, and the bytes of their first answers. What is in those, and
//! how long they count, is not said here.

use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::ids::Time;

use super::{Backend, Lock, Param, StoreError, Tx};

/// Rows whose time is over that one beginning clears away: more than one comes in.
const CLEARED: i64 = 20;

/// A request under its key, both known by hashes.
#[derive(Clone, Debug)]
pub struct Asked {
    pub id: String,
    pub caller: String,
    /// Of what was asked.
    pub digest: String,
    pub until: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    First,
    Answered(Vec<u8>),
    /// Begun and not answered: it still runs, or whoever ran it is gone.
    Open,
    /// Something else was asked under this key.
    Other,
    /// The caller has so many keys that count.
    TooMany,
}

/// Takes the key for this request, unless it is taken.
pub fn begin(backend: &dyn Backend, asked: Asked, now: Time, most: i64) -> Result<Begun, StoreError> {
    // A body that runs again replaces what an earlier run found.
    let slot = Arc::new(Mutex::new(None));
    let fill = Arc::clone(&slot);
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| {
            let found = taken(tx, &asked, now, most)?;
            *fill.lock().unwrap_or_else(PoisonError::into_inner) = Some(found);
            Ok(())
        }),
    )?;
    let found = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
    found.ok_or(StoreError::Closed)
}

fn taken(tx: &mut dyn Tx, asked: &Asked, now: Time, most: i64) -> Result<Begun, StoreError> {
    let sql = "DELETE FROM idempotency WHERE id IN (SELECT id FROM idempotency WHERE until <= ?1 LIMIT ?2) OR id = ?3 AND until <= ?1";
    tx.execute(sql, &[Param::Int(now.0), Param::Int(CLEARED), Param::Text(&asked.id)])?;
    let mut found = None;
    tx.query("SELECT digest, answer FROM idempotency WHERE id = ?1", &[Param::Text(&asked.id)], &mut |row| {
        found = Some(match row.blob(1)? {
            _ if row.text(0)? != Some(asked.digest.as_str()) => Begun::Other,
            Some(answer) => Begun::Answered(answer.to_vec()),
            None => Begun::Open,
        });
        Ok(())
    })?;
    if let Some(found) = found {
        return Ok(found);
    }
    let mut full = false;
    let sql = "SELECT 1 FROM idempotency WHERE caller = ?1 LIMIT 1 OFFSET ?2";
    tx.query(sql, &[Param::Text(&asked.caller), Param::Int(most.saturating_sub(1))], &mut |_| {
        full = true;
        Ok(())
    })?;
    if full {
        return Ok(Begun::TooMany);
    }
    let sql = "INSERT INTO idempotency(id, caller, digest, until) VALUES (?1, ?2, ?3, ?4)";
    let row = [&asked.id, &asked.caller, &asked.digest].map(|text| Param::Text(text));
    tx.execute(sql, &[row.as_slice(), &[Param::Int(asked.until.0)]].concat())?;
    Ok(Begun::First)
}

/// Keeps the answer; without one the key is free again.
pub fn end(backend: &dyn Backend, id: String, answer: Option<Vec<u8>>) -> Result<(), StoreError> {
    backend.write(
        Lock::ROWS,
        Box::new(move |tx| {
            match &answer {
                Some(answer) => {
                    let sql = "UPDATE idempotency SET answer = ?2 WHERE id = ?1";
                    tx.execute(sql, &[Param::Text(&id), Param::Blob(answer)])
                }
                None => tx.execute("DELETE FROM idempotency WHERE id = ?1 AND answer IS NULL", &[Param::Text(&id)]),
            }
            .map(drop)
        }),
    )
}
