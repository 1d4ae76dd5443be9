//! What the store holds, in numbers, for those who watch it: each by an index or over few rows, on one snapshot. And what
//! became of records since a number, told one by one. Whose work it is, is not told.

use crate::domain::approval::Approval;
use crate::domain::ids::Time;
use crate::domain::session::Guard;
use crate::domain::spending::Tokens;

use super::load::parse;
use super::{Param, StoreError, Tx, sessions, tree};

const EXPIRING_MS: i64 = 60_000;
/// A client that was killed says no end.
const SEEN_MS: i64 = 30 * 60_000;
const SESSIONS_MAX: u32 = 10_000;
/// The open ones, in the order they are told.
pub const OPEN: [&str; 4] = ["waiting", "ready", "claimed", "blocked"];
pub const GUARDS: [Guard; 3] = [Guard::Enforced, Guard::Advisory, Guard::Blind];

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// By `OPEN`.
    pub tasks: [u64; OPEN.len()],
    pub claims: u64,
    pub expiring: u64,
    pub expired: u64,
    /// By `GUARDS`.
    pub sessions: [u64; GUARDS.len()],
    pub approvals: u64,
    pub oldest_approval: Option<Time>,
    pub bypasses: u64,
    pub resting_channels: u64,
    pub micro_usd: u64,
    pub tokens: Tokens,
    pub reserved_micro_usd: u64,
    pub records: u64,
    pub sealed: u64,
    pub oldest_unsealed: Option<Time>,
    pub newest_head: Option<Time>,
}

pub fn numbers(tx: &mut dyn Tx, now: Time) -> Result<Numbers, StoreError> {
    let mut found = Numbers::default();
    for (status, count) in OPEN.iter().zip(&mut found.tasks) {
        *count = one(tx, "SELECT count(*) FROM tasks WHERE status = ?1", &[Param::Text(status)])?;
    }
    let (at, soon) = (Param::Int(now.0), Param::Int(now.0 + EXPIRING_MS));
    found.claims = one(tx, "SELECT count(*) FROM leases WHERE expires_at > ?1", &[at])?;
    found.expired = one(tx, "SELECT count(*) FROM leases WHERE expires_at <= ?1", &[at])?;
    found.expiring = one(tx, "SELECT count(*) FROM leases WHERE expires_at > ?1 AND expires_at <= ?2", &[at, soon])?;
    let live = sessions::open(tx, SESSIONS_MAX)?;
    for (session, _) in live.iter().filter(|(_, seen)| now.0 - seen.0 < SEEN_MS) {
        for (guard, count) in GUARDS.iter().zip(&mut found.sessions) {
            *count += u64::from(*guard == session.guard);
        }
    }
    found.approvals = one(tx, "SELECT count(*) FROM approvals WHERE state = 'pending'", &[])?;
    tx.query("SELECT body FROM approvals WHERE state = 'pending' ORDER BY id LIMIT 1", &[], &mut |row| {
        let approval: Approval = parse("approvals", row.text(0)?.unwrap_or_default())?;
        found.oldest_approval = Some(approval.requested_at);
        Ok(())
    })?;
    found.bypasses = one(tx, "SELECT count(*) FROM bypasses WHERE open_until > ?1", &[at])?;
    found.resting_channels = one(tx, "SELECT count(*) FROM channel_health WHERE open_until > ?1", &[at])?;
    found.reserved_micro_usd = one(tx, "SELECT sum(micro_usd) FROM reservations WHERE until > ?1", &[at])?;
    spent(tx, &mut found)?;
    sealed(tx, &mut found)?;
    Ok(found)
}

fn spent(tx: &mut dyn Tx, found: &mut Numbers) -> Result<(), StoreError> {
    let sql = "SELECT sum(micro_usd), sum(input), sum(cache_write), sum(cache_write_long), sum(cache_read), sum(output) \
               FROM spending";
    tx.query(sql, &[], &mut |row| {
        let sum = |column| Ok::<u64, StoreError>(row.int(column)?.and_then(|sum| u64::try_from(sum).ok()).unwrap_or(0));
        found.micro_usd = sum(0)?;
        found.tokens = Tokens {
            input: sum(1)?,
            cache_write: sum(2)?,
            cache_write_long: sum(3)?,
            cache_read: sum(4)?,
            output: sum(5)?,
        };
        Ok(())
    })
}

fn sealed(tx: &mut dyn Tx, found: &mut Numbers) -> Result<(), StoreError> {
    found.records = tree::last_record(tx)?;
    found.sealed = tree::sealed_size(tx)?;
    let sql = "SELECT at FROM events WHERE seq > ?1 ORDER BY seq LIMIT 1";
    found.oldest_unsealed = moment(tx, sql, &[Param::id(found.sealed)])?;
    found.newest_head = moment(tx, "SELECT at FROM heads ORDER BY size DESC LIMIT 1", &[])?;
    Ok(())
}

/// How long the oldest record that is under no head has waited for one.
pub fn oldest_unsealed(tx: &mut dyn Tx) -> Result<Option<Time>, StoreError> {
    let mut found = Numbers::default();
    sealed(tx, &mut found)?;
    Ok(found.oldest_unsealed)
}

/// Records after a number, oldest first: number, time, kind and content; how many there were.
pub fn records(
    tx: &mut dyn Tx,
    after: u64,
    limit: usize,
    each: &mut dyn FnMut(u64, Time, &str, &str),
) -> Result<usize, StoreError> {
    let mut count = 0;
    let sql = "SELECT seq, at, kind, body FROM events WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    let limit = Param::Int(i64::try_from(limit).unwrap_or(i64::MAX));
    tx.query(sql, &[Param::id(after), limit], &mut |row| {
        count += 1;
        let seq = row.int(0)?.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
        let at = Time(row.int(1)?.unwrap_or(0));
        each(seq, at, row.text(2)?.unwrap_or_default(), row.text(3)?.unwrap_or_default());
        Ok(())
    })?;
    Ok(count)
}

/// When a task was handed in: the time of its first record.
pub fn submitted(tx: &mut dyn Tx, task: u64) -> Result<Option<Time>, StoreError> {
    moment(tx, "SELECT at FROM events WHERE task = ?1 ORDER BY seq LIMIT 1", &[Param::id(task)])
}

fn moment(tx: &mut dyn Tx, sql: &str, params: &[Param<'_>]) -> Result<Option<Time>, StoreError> {
    let mut found = None;
    tx.query(sql, params, &mut |row| {
        found = row.int(0)?.map(Time);
        Ok(())
    })?;
    Ok(found)
}

fn one(tx: &mut dyn Tx, sql: &str, params: &[Param<'_>]) -> Result<u64, StoreError> {
    let mut found = 0;
    tx.query(sql, params, &mut |row| {
        found = row.int(0)?.and_then(|number| u64::try_from(number).ok()).unwrap_or(0);
        Ok(())
    })?;
    Ok(found)
}
