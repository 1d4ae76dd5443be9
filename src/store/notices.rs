//! The rows of what was told to whom: one look at what may have to be told, leases, results. When to tell, and what, is not
//! here.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::approval::Approval;
use crate::domain::ids::{ApprovalId, Time};
use crate::domain::notice::{Breaker, Notice, NoticeState, What};
use crate::domain::warning::{Sent, WarningKey};

use super::load::parse;
use super::{Param, StoreError, Tx, warnings};

/// The name under which it is decided what is told, and noted.
pub const TOLD: &str = "notices";
/// Of more that wait at once, the newest are told first.
const WAITING_MAX: i64 = 1000;

/// What the schedule is worked out from.
#[derive(Clone, Debug, Default)]
pub struct Board {
    pub approvals: Vec<Approval>,
    pub notices: Vec<Notice>,
    pub breakers: BTreeMap<String, Breaker>,
    /// Caps that were warned of, of open tasks.
    pub near: Vec<warnings::Near>,
    /// Which channels were told of them.
    pub warned: BTreeMap<(WarningKey, String), Sent>,
}

/// Numbers that differ whenever something was asked, answered, leased or told; cheap to ask for.
pub fn signature(tx: &mut dyn Tx) -> Result<Vec<i64>, StoreError> {
    let mut found = Vec::new();
    for (sql, columns) in [
        ("SELECT count(*), max(id) FROM approvals WHERE state = 'pending'", 2),
        (
            "SELECT count(*), sum(attempts), sum(CASE WHEN state = 'sent' THEN 1 ELSE 0 END), max(at) FROM notices WHERE closed = 0",
            4,
        ),
    ] {
        tx.query(sql, &[], &mut |row| {
            for column in 0..columns {
                found.push(row.int(column)?.unwrap_or(0));
            }
            Ok(())
        })?;
    }
    Ok(found)
}

pub fn board(tx: &mut dyn Tx) -> Result<Board, StoreError> {
    let mut board = Board::default();
    let mut bodies: BTreeMap<ApprovalId, Approval> = BTreeMap::new();
    let sql = "SELECT body FROM approvals WHERE state = 'pending' ORDER BY +id DESC LIMIT ?1";
    tx.query(sql, &[Param::Int(WAITING_MAX)], &mut |row| {
        let approval: Approval = parse("approvals", row.text(0)?.unwrap_or_default())?;
        bodies.insert(approval.id, approval);
        Ok(())
    })?;
    let sql = "SELECT approval, channel, what, state, attempts, at, due, lease_until, reference, error FROM notices \
               WHERE closed = 0";
    tx.query(sql, &[], &mut |row| {
        board.notices.push(notice(row)?);
        Ok(())
    })?;
    let missing: BTreeSet<ApprovalId> =
        board.notices.iter().map(|notice| notice.approval).filter(|id| !bodies.contains_key(id)).collect();
    for id in missing {
        if let Some(approval) = super::read::approval(tx, id)? {
            bodies.insert(id, approval);
        }
    }
    board.approvals = bodies.into_values().collect();
    board.breakers = breakers(tx)?;
    board.near = warnings::near(tx)?;
    if !board.near.is_empty() {
        board.warned = warnings::sent(tx)?;
    }
    Ok(board)
}

fn notice(row: &dyn super::Row) -> Result<Notice, StoreError> {
    let int = |column| row.int(column).map(|int| int.unwrap_or(0));
    let text = |column| row.text(column).map(|text| text.map(str::to_owned));
    let bad = |why: &str| StoreError::BadRow { table: "notices", why: why.to_owned() };
    let what = text(2)?.unwrap_or_default();
    let state = match text(3)?.unwrap_or_default().as_str() {
        "leased" => NoticeState::Leased { until: Time(int(7)?) },
        "sent" => NoticeState::Sent,
        "failed" => NoticeState::Failed { again: row.int(6)?.map(Time) },
        _ => return Err(bad("an unknown state")),
    };
    Ok(Notice {
        approval: ApprovalId(u64::try_from(int(0)?).unwrap_or(0)),
        channel: text(1)?.unwrap_or_default(),
        what: What::ALL.into_iter().find(|known| known.word() == what).ok_or_else(|| bad("an unknown kind"))?,
        state,
        attempts: u32::try_from(int(4)?).unwrap_or(0),
        at: Time(int(5)?),
        reference: text(8)?,
        error: text(9)?,
    })
}

/// Everything that was told of one approval.
pub fn of_approval(tx: &mut dyn Tx, id: ApprovalId) -> Result<Vec<Notice>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT approval, channel, what, state, attempts, at, due, lease_until, reference, error FROM notices \
               WHERE approval = ?1 ORDER BY channel, at";
    tx.query(sql, &[Param::id(id.0)], &mut |row| {
        found.push(notice(row)?);
        Ok(())
    })?;
    Ok(found)
}

pub fn breakers(tx: &mut dyn Tx) -> Result<BTreeMap<String, Breaker>, StoreError> {
    let mut found = BTreeMap::new();
    tx.query("SELECT channel, failures, open_until, error, at FROM channel_health", &[], &mut |row| {
        let breaker = Breaker {
            failures: row.int(1)?.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
            open_until: row.int(2)?.map(Time),
            error: row.text(3)?.map(str::to_owned),
            at: Time(row.int(4)?.unwrap_or(0)),
        };
        found.insert(row.text(0)?.unwrap_or_default().to_owned(), breaker);
        Ok(())
    })?;
    Ok(found)
}

/// Takes the right to send, until a time; `attempt` is the number that the result must carry.
pub fn lease(
    tx: &mut dyn Tx,
    approval: ApprovalId,
    channel: &str,
    what: What,
    attempt: u32,
    now: Time,
    until: Time,
) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO notices(approval, channel, what, state, attempts, at, lease_until) \
         VALUES (?1, ?2, ?3, 'leased', ?4, ?5, ?6) \
         ON CONFLICT(approval, channel, what) DO UPDATE SET \
         state = 'leased', attempts = excluded.attempts, at = excluded.at, lease_until = excluded.lease_until, due = NULL",
        &[
            Param::id(approval.0),
            Param::Text(channel),
            Param::Text(what.word()),
            Param::Int(i64::from(attempt)),
            Param::Int(now.0),
            Param::Int(until.0),
        ],
    )?;
    Ok(())
}

/// What came of sending: nothing is written where another process has taken the notice meanwhile.
pub fn finish(tx: &mut dyn Tx, result: &Notice) -> Result<(), StoreError> {
    let due = match result.state {
        NoticeState::Failed { again } => again.map_or(Param::Null, |again| Param::Int(again.0)),
        NoticeState::Sent | NoticeState::Leased { .. } => Param::Null,
    };
    tx.execute(
        "UPDATE notices SET state = ?5, at = ?6, due = ?7, lease_until = NULL, reference = ?8, error = ?9 \
         WHERE approval = ?1 AND channel = ?2 AND what = ?3 AND state = 'leased' AND attempts = ?4",
        &[
            Param::id(result.approval.0),
            Param::Text(&result.channel),
            Param::Text(result.what.word()),
            Param::Int(i64::from(result.attempts)),
            Param::Text(result.state.word()),
            Param::Int(result.at.0),
            due,
            Param::maybe_text(result.reference.as_deref()),
            Param::maybe_text(result.error.as_deref()),
        ],
    )?;
    Ok(())
}

/// Nothing more will be told of this approval on this channel.
pub fn close(tx: &mut dyn Tx, approval: ApprovalId, channel: &str) -> Result<(), StoreError> {
    let sql = "UPDATE notices SET closed = 1 WHERE approval = ?1 AND channel = ?2 AND closed = 0";
    tx.execute(sql, &[Param::id(approval.0), Param::Text(channel)]).map(drop)
}

pub fn put_breaker(tx: &mut dyn Tx, channel: &str, breaker: &Breaker) -> Result<(), StoreError> {
    tx.execute(
        "INSERT INTO channel_health(channel, failures, open_until, error, at) VALUES (?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT(channel) DO UPDATE SET \
         failures = excluded.failures, open_until = excluded.open_until, error = excluded.error, at = excluded.at",
        &[
            Param::Text(channel),
            Param::Int(i64::from(breaker.failures)),
            breaker.open_until.map_or(Param::Null, |until| Param::Int(until.0)),
            Param::maybe_text(breaker.error.as_deref()),
            Param::Int(breaker.at.0),
        ],
    )?;
    Ok(())
}
