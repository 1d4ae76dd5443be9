//! Texts that agents had reduced: ordinary rows that go after a time, and sums of what it came to. What is in a fingerprint, and
//! what is left out for it, is not said here.

use crate::domain::context::ContextSum;
use crate::domain::ids::{AgentName, Time};

use super::{Backend, Lock, Param, Row, StoreError, Tx};

/// Rows whose time is over that one more clears away: more than one comes in.
const CLEARED: i64 = 20;
/// Of one agent's, so many are kept.
const KEPT_MAX: i64 = 100;
/// Of one agent's, so many are looked at for what it already has.
const SEEN_MAX: i64 = 50;
const PRINT_BYTES: usize = 8;

/// One reduction, with the whole text.
#[derive(Clone, Debug)]
pub struct Kept {
    pub handle: String,
    pub agent: AgentName,
    pub at: Time,
    pub until: Time,
    pub text: String,
    /// Of what was given out.
    pub prints: Vec<u64>,
    pub tokens_before: u64,
    pub tokens_after: u64,
    pub repeats: u64,
    /// It is the result of a tool, which the hook made shorter.
    pub is_result: bool,
}

pub fn put(backend: &dyn Backend, kept: Kept) -> Result<(), StoreError> {
    backend.write(Lock::ROWS, Box::new(move |tx| put_row(tx, &kept)))
}

fn put_row(tx: &mut dyn Tx, kept: &Kept) -> Result<(), StoreError> {
    let agent = Param::Text(&kept.agent.0);
    let sql = "DELETE FROM contexts WHERE handle IN (SELECT handle FROM contexts WHERE until <= ?1 LIMIT ?2)";
    tx.execute(sql, &[Param::Int(kept.at.0), Param::Int(CLEARED)])?;
    let sql = "DELETE FROM contexts WHERE handle IN \
               (SELECT handle FROM contexts WHERE agent = ?1 ORDER BY at DESC, handle LIMIT ?2 OFFSET ?3)";
    tx.execute(sql, &[agent, Param::Int(CLEARED), Param::Int(KEPT_MAX - 1)])?;
    let sql = "INSERT INTO contexts(handle, agent, at, until, content, prints) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    let prints: Vec<u8> = kept.prints.iter().flat_map(|print| print.to_le_bytes()).collect();
    let row = [
        Param::Text(&kept.handle),
        Param::Text(&kept.agent.0),
        Param::Int(kept.at.0),
        Param::Int(kept.until.0),
        Param::Blob(kept.text.as_bytes()),
        Param::Blob(&prints),
    ];
    tx.execute(sql, &row)?;
    let sql = "INSERT INTO context_sums(agent, calls, tokens_before, tokens_after, repeats, results) \
               VALUES (?1, 1, ?2, ?3, ?4, ?5) \
               ON CONFLICT(agent) DO UPDATE SET calls = context_sums.calls + 1, \
               tokens_before = context_sums.tokens_before + excluded.tokens_before, \
               tokens_after = context_sums.tokens_after + excluded.tokens_after, \
               repeats = context_sums.repeats + excluded.repeats, results = context_sums.results + excluded.results";
    let sums = [kept.tokens_before, kept.tokens_after, kept.repeats, u64::from(kept.is_result)].map(Param::id);
    tx.execute(sql, &[[Param::Text(&kept.agent.0)].as_slice(), &sums].concat()).map(drop)
}

/// The whole text under a handle, if it is this agent's and its time is not over.
pub fn text(tx: &mut dyn Tx, handle: &str, agent: &AgentName, now: Time) -> Result<Option<String>, StoreError> {
    let mut found = None;
    let sql = "SELECT content FROM contexts WHERE handle = ?1 AND agent = ?2 AND until > ?3";
    tx.query(sql, &[Param::Text(handle), Param::Text(&agent.0), Param::Int(now.0)], &mut |row| {
        found = row.blob(0)?.map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        Ok(())
    })?;
    Ok(found)
}

/// What an agent was given since then, newest first: handles and fingerprints.
pub fn given(tx: &mut dyn Tx, agent: &AgentName, since: Time) -> Result<Vec<(String, Vec<u64>)>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT handle, prints FROM contexts WHERE agent = ?1 AND at > ?2 ORDER BY at DESC LIMIT ?3";
    tx.query(sql, &[Param::Text(&agent.0), Param::Int(since.0), Param::Int(SEEN_MAX)], &mut |row| {
        let bytes = row.blob(1)?.unwrap_or_default();
        let prints = bytes.chunks_exact(PRINT_BYTES).filter_map(|print| print.try_into().ok()).map(u64::from_le_bytes);
        found.push((row.text(0)?.unwrap_or_default().to_owned(), prints.collect()));
        Ok(())
    })?;
    Ok(found)
}

/// An agent that begins anew has nothing any more of what it was given; the texts stay.
pub fn forget(backend: &dyn Backend, agent: AgentName) -> Result<(), StoreError> {
    let sql = "UPDATE contexts SET prints = ?2 WHERE agent = ?1";
    let body = move |tx: &mut dyn Tx| tx.execute(sql, &[Param::Text(&agent.0), Param::Blob(&[])]).map(drop);
    backend.write(Lock::ROWS, Box::new(body))
}

pub fn sums(tx: &mut dyn Tx) -> Result<Vec<ContextSum>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT agent, calls, tokens_before, tokens_after, repeats, results FROM context_sums ORDER BY agent";
    tx.query(sql, &[], &mut |row| {
        let whole = |row: &dyn Row, column| -> Result<u64, StoreError> {
            Ok(row.int(column)?.and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0))
        };
        found.push(ContextSum {
            agent: AgentName(row.text(0)?.unwrap_or_default().to_owned()),
            calls: whole(row, 1)?,
            tokens_before: whole(row, 2)?,
            tokens_after: whole(row, 3)?,
            repeats: whole(row, 4)?,
            results: whole(row, 5)?,
        });
        Ok(())
    })?;
    Ok(found)
}
