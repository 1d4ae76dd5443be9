//! Which ready task is next for a caller, found by index. What becomes of it is decided elsewhere.

use std::collections::BTreeSet;
use std::collections::btree_map::Entry;

use crate::domain::command::Filter;
use crate::domain::decide::budget::within;
use crate::domain::facts::Facts;
use crate::domain::ids::{TaskId, Time};
use crate::domain::spending::Spent;
use crate::domain::task::Status;

use super::super::{Ask, By, Lasts, Param, RowLock, StoreError, Tx};
use super::budgets::budget;
use super::{RULING, held_by, lease, locked_task, parse};

/// What a caller asks for, and what it may have.
pub struct Wanted<'w> {
    pub filter: &'w Filter,
    pub capabilities: &'w BTreeSet<String>,
    /// Empty: any.
    pub workflows: &'w BTreeSet<String>,
}

/// A ready task, and what says whether another comes before it.
struct Ready {
    urgency: i64,
    id: TaskId,
    body: String,
}

/// Asks in one go what a claim of the next task asks for.
pub fn ahead(tx: &mut dyn Tx, by: &By, wanted: &Wanted<'_>) -> Result<(), StoreError> {
    let (sql, params) = ready_sql("", wanted, &[]);
    let agent = [Param::Text(&by.agent.0)];
    let ready = Ask { sql: &sql, params: &params, lock: Some(RowLock::Skip), lasts: Lasts::OneEach };
    tx.ahead(&[held_by(&agent), RULING, ready, LAPSES])
}

/// The most urgent, then oldest, ready task whose needs the caller meets: one index seek for each distinct set of needs.
pub fn candidate(tx: &mut dyn Tx, facts: &mut Facts, wanted: &Wanted<'_>, now: Time) -> Result<(), StoreError> {
    let best = loop {
        let best = best_ready(tx, wanted, &facts.over_budget)?;
        let Some(Ready { id, body, .. }) = best else { break None };
        if let Entry::Vacant(place) = facts.state.tasks.entry(id) {
            place.insert(parse("tasks", &body)?);
        }
        if facts.over_budget.len() >= OVER_BUDGET_MAX {
            break Some(id);
        }
        budget(tx, facts, id)?;
        if within(facts, id, Spent::default(), now).is_ok() {
            break Some(id);
        }
        facts.over_budget.push(id);
    };
    if let Some(id) = first_lapsed(tx, wanted, now)? {
        // Whoever has it at this moment tends to it.
        locked_task(tx, facts, id, RowLock::Skip)?;
        lease(tx, facts, id)?;
        if facts.state.tasks.contains_key(&id) && facts.leases.get(&id).is_some_and(|until| *until <= now) {
            facts.expired.push(id);
        }
    }
    if best.is_some() {
        facts.candidate = best;
    } else if facts.expired.is_empty() {
        counts(tx, facts)?;
        if facts.counts.waiting > 0 {
            facts.stuck = super::ids(tx, STUCK, &[])?;
        }
    }
    Ok(())
}

/// What failed and is waited for all the same: nothing moves there until somebody decides.
const STUCK: &str = "SELECT DISTINCT failed.id FROM tasks AS failed JOIN task_links ON task_links.needs = failed.id \
                     JOIN tasks AS waits ON waits.id = task_links.task \
                     WHERE failed.status = 'failed' AND waits.status = 'waiting' ORDER BY failed.id LIMIT 5";

/// Ready tasks that are passed over for their budgets in one claim, before it gives up.
const OVER_BUDGET_MAX: usize = 20;

fn best_ready(tx: &mut dyn Tx, wanted: &Wanted<'_>, except: &[TaskId]) -> Result<Option<Ready>, StoreError> {
    let mut best = first_ready(tx, "", wanted, except)?;
    // Who can do nothing special fits only what needs nothing special.
    let mut needs = if wanted.capabilities.is_empty() { None } else { first_needs(tx, "")? };
    while let Some(group) = needs {
        if meets(&group, wanted.capabilities) {
            let found = first_ready(tx, &group, wanted, except)?;
            let before = |found: &Ready, known: &Ready| (known.urgency, found.id) < (found.urgency, known.id);
            if found.as_ref().is_some_and(|found| best.as_ref().is_none_or(|known| before(found, known))) {
                best = found;
            }
        }
        needs = first_needs(tx, &group)?;
    }
    Ok(best)
}

fn first_needs(tx: &mut dyn Tx, after: &str) -> Result<Option<String>, StoreError> {
    let mut found = None;
    let sql = "SELECT needs FROM tasks WHERE status = 'ready' AND needs > ?1 ORDER BY needs LIMIT 1";
    tx.query(sql, &[Param::Text(after)], &mut |row| {
        found = row.text(0)?.map(str::to_owned);
        Ok(())
    })?;
    Ok(found)
}

fn ready_sql<'w>(needs: &'w str, wanted: &Wanted<'w>, except: &[TaskId]) -> (String, Vec<Param<'w>>) {
    let mut sql = "SELECT urgency, id, body FROM tasks WHERE status = 'ready' AND needs = ?1".to_owned();
    let mut params = vec![Param::Text(needs)];
    narrow(&mut sql, &mut params, wanted);
    for id in except {
        params.push(Param::id(id.0));
        sql.push_str(&format!(" AND id <> ?{}", params.len()));
    }
    sql.push_str(" ORDER BY urgency DESC, id LIMIT 1");
    (sql, params)
}

fn first_ready(
    tx: &mut dyn Tx,
    needs: &str,
    wanted: &Wanted<'_>,
    except: &[TaskId],
) -> Result<Option<Ready>, StoreError> {
    let (sql, params) = ready_sql(needs, wanted, except);
    let mut found = None;
    tx.query_locked(&sql, &params, RowLock::Skip, &mut |row| {
        let id = row.int(1)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        let body = row.text(2)?.unwrap_or_default().to_owned();
        found = row.int(0)?.zip(id).map(|(urgency, id)| Ready { urgency, id, body });
        Ok(())
    })?;
    Ok(found)
}

/// When the first lease runs out: one step in an index, whatever is thought of the number of leases. A claim made meanwhile
/// runs out later than now.
const LAPSES: Ask<'static> =
    Ask { sql: "SELECT min(expires_at) FROM leases", params: &[], lock: None, lasts: Lasts::Throughout };

/// The same among tasks whose lease has run out; the sweeper keeps them few, and without one this must find them all.
fn first_lapsed(tx: &mut dyn Tx, wanted: &Wanted<'_>, now: Time) -> Result<Option<TaskId>, StoreError> {
    let mut first = None;
    tx.query(LAPSES.sql, LAPSES.params, &mut |row| {
        first = row.int(0)?;
        Ok(())
    })?;
    if first.is_none_or(|first| first > now.0) {
        return Ok(None);
    }
    let mut sql = "SELECT needs, id FROM leases JOIN tasks ON tasks.id = leases.task WHERE expires_at <= ?1".to_owned();
    let mut params = vec![Param::Int(now.0)];
    narrow(&mut sql, &mut params, wanted);
    sql.push_str(" ORDER BY urgency DESC, id");
    let mut found = None;
    tx.query(&sql, &params, &mut |row| {
        if found.is_none() && meets(row.text(0)?.unwrap_or_default(), wanted.capabilities) {
            found = row.int(1)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
        }
        Ok(())
    })?;
    Ok(found)
}

fn meets(needs: &str, capabilities: &BTreeSet<String>) -> bool {
    needs.split(',').all(|need| need.is_empty() || capabilities.contains(need))
}

/// Adds the conditions on `tasks` of what is wanted.
fn narrow<'w>(sql: &mut String, params: &mut Vec<Param<'w>>, wanted: &Wanted<'w>) {
    let filter = wanted.filter;
    if !wanted.workflows.is_empty() {
        let from = params.len();
        params.extend(wanted.workflows.iter().map(|workflow| Param::Text(workflow)));
        let places: Vec<String> = (from..params.len()).map(|place| format!("?{}", place + 1)).collect();
        sql.push_str(&format!(" AND workflow IN ({})", places.join(", ")));
    }
    let mut also = |clause: &str, param| {
        params.push(param);
        sql.push_str(&clause.replace("??", &format!("?{}", params.len())));
    };
    if let Some(kind) = &filter.kind {
        also(" AND kind = ??", Param::Text(kind));
    }
    if let Some(workflow) = &filter.workflow {
        also(" AND workflow = ??", Param::Text(workflow));
    }
    if let Some(priority) = filter.priority {
        also(" AND urgency >= ??", Param::Int(priority.rank()));
    }
    if let Some(parent) = filter.parent {
        also(" AND parent = ??", Param::id(parent.0));
    }
    for label in &filter.labels {
        let clause = " AND EXISTS (SELECT 1 FROM task_labels WHERE label = ?? AND task_labels.task = tasks.id)";
        also(clause, Param::Text(label));
    }
}

fn counts(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    for (status, slot) in [
        (Status::Ready, &mut facts.counts.ready),
        (Status::Waiting, &mut facts.counts.waiting),
        (Status::Claimed, &mut facts.counts.claimed),
        (Status::Blocked, &mut facts.counts.blocked),
    ] {
        // Bounded: it is for a sentence, and a million rows are not worth counting for it.
        let sql = "SELECT count(*) FROM (SELECT 1 FROM tasks WHERE status = ?1 LIMIT 1000) AS found";
        tx.query(sql, &[Param::Text(status.word())], &mut |row| {
            *slot = row.int(0)?.and_then(|count| u64::try_from(count).ok()).unwrap_or(0);
            Ok(())
        })?;
    }
    Ok(())
}
