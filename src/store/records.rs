//! The log as it is asked for: a page of records or counts of them, by bounded reading on one snapshot, and rows for an
//! export. Reading changes nothing. What fits a filter is not said here (`audit::sieve`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::audit::export;
use crate::audit::lines;
use crate::audit::sieve::{Columns, Sieve, approval_of};
use crate::audit::tally::Tally;
use crate::domain::canonical;
use crate::domain::ids::{AgentName, ApprovalId, TaskId, Time};
use crate::domain::record::{Record, RecordFilter, RecordPage, Sight};

use super::load::parse;
use super::{Param, Row, StoreError, Tx};

/// Records that one call may read for its page; then it says how far it came.
pub const SCANNED_MAX: u64 = 100_000;
/// The same for their size, so that a log of large records holds nobody up either.
const SCANNED_BYTES_MAX: usize = 64 << 20;
/// Tasks whose authors one call may look up, for an agent that is shown its own only.
const LOOKUPS_MAX: usize = 2000;
/// Rows in one statement: few at first, since the newest often fit.
const ROWS_LEAST: usize = 64;
const ROWS_MOST: usize = 2048;
/// How far a clock may have been set back between records without hiding any from a search by time.
pub const CLOCK_BACK_MS: i64 = 10 * 60 * 1000;

/// A record that fits, before it is known whether the caller is shown it.
struct Found {
    seq: u64,
    at: Time,
    agent: String,
    kind: String,
    task: Option<TaskId>,
    body: String,
}

/// What one call has read so far.
struct Scan {
    rows: u64,
    bytes: usize,
    /// The last record read.
    last: u64,
}

impl Scan {
    fn is_used_up(&self, sight: &Shown<'_>) -> bool {
        self.rows >= SCANNED_MAX || self.bytes >= SCANNED_BYTES_MAX || sight.looked_up.len() >= LOOKUPS_MAX
    }
}

/// Newest first, or upwards from `after`.
pub fn page(tx: &mut dyn Tx, filter: &RecordFilter, sight: &Sight) -> Result<RecordPage, StoreError> {
    let (sieve, upward) = (Sieve::new(filter), filter.after.is_some());
    let counting = !filter.count_by.is_empty();
    let mut tally = Tally::new(&filter.count_by);
    let mut page = RecordPage { limited_to: sight.limits(), ..RecordPage::default() };
    let mut sight = Shown { sight, looked_up: BTreeMap::new(), asked: BTreeMap::new() };
    let (mut low, mut high) = bounds(tx, filter)?;
    let mut scan = Scan { rows: 0, bytes: 0, last: 0 };
    let mut rows = filter.limit.saturating_add(1).clamp(ROWS_LEAST, ROWS_MOST);
    let more = loop {
        let read = chunk(tx, filter, &sieve, (low, high), rows, &mut scan)?;
        for found in read.found {
            if !sight.shows(tx, &found)? {
                continue;
            }
            if counting {
                count(&mut tally, &found)?;
            } else if page.records.len() <= filter.limit {
                page.records.push(record(found)?);
            }
        }
        if page.records.len() > filter.limit {
            page.records.truncate(filter.limit);
            break page.records.last().map(|record| record.seq);
        }
        if !read.full {
            break None;
        }
        if scan.is_used_up(&sight) {
            page.scanned = Some(scan.rows);
            break Some(scan.last);
        }
        if upward {
            low = scan.last.saturating_add(1);
        } else {
            high = scan.last.saturating_sub(1);
        }
        rows = (rows * 4).min(ROWS_MOST);
    };
    page.next = more;
    if counting {
        page.scanned = Some(scan.rows);
        page.counts = Some(tally.counts());
    }
    if let (Some(scanned), Some(next)) = (page.scanned, more) {
        let way = if upward { "after" } else { "before" };
        page.truncated = Some(format!("{scanned} records were read and there are more; go on with `{way}`: {next}"));
    }
    Ok(page)
}

/// The first and the last record that can fit, by number.
fn bounds(tx: &mut dyn Tx, filter: &RecordFilter) -> Result<(u64, u64), StoreError> {
    let mut low = filter.after.map_or(1, |after| after.saturating_add(1));
    let mut high = filter.before.map_or(i64::MAX.cast_unsigned(), |before| before.saturating_sub(1));
    // Times rise with the numbers but for clocks that were set back. Where no clock went back by more than the margin, all
    // that lies before a record earlier than `since` less the margin is earlier than `since`; and so with `until`.
    if let Some(since) = filter.since {
        low = low.max(first_at(tx, since.0.saturating_sub(CLOCK_BACK_MS))?);
    }
    if let Some(until) = filter.until {
        high = high.min(first_at(tx, until.0.saturating_add(CLOCK_BACK_MS))?.saturating_sub(1));
    }
    Ok((low, high))
}

/// A record at or after this time whose predecessor is before it; one beyond the last where there is none.
fn first_at(tx: &mut dyn Tx, at: i64) -> Result<u64, StoreError> {
    let (mut low, mut high) = match (end(tx, false)?, end(tx, true)?) {
        (Some(first), Some(last)) => (first, last.saturating_add(1)),
        (None, _) | (_, None) => return Ok(1),
    };
    // Each round halves what is left, and a number has 64 bits.
    for _ in 0..64 {
        if low >= high {
            break;
        }
        let middle = low + (high - low) / 2;
        let mut found = None;
        let sql = "SELECT seq, at FROM events WHERE seq >= ?1 ORDER BY seq LIMIT 1";
        tx.query(sql, &[Param::id(middle)], &mut |row| {
            found = Some((seq(row)?, row.int(1)?.unwrap_or(0)));
            Ok(())
        })?;
        match found {
            Some((seq, earlier)) if earlier < at => low = seq.saturating_add(1),
            Some(_) | None => high = middle,
        }
    }
    Ok(low)
}

fn end(tx: &mut dyn Tx, last: bool) -> Result<Option<u64>, StoreError> {
    let sql = if last {
        "SELECT seq FROM events ORDER BY seq DESC LIMIT 1"
    } else {
        "SELECT seq FROM events ORDER BY seq LIMIT 1"
    };
    let mut found = None;
    tx.query(sql, &[], &mut |row| {
        found = Some(seq(row)?);
        Ok(())
    })?;
    Ok(found)
}

/// The number of the newest record; 0 in an empty log.
pub fn last(tx: &mut dyn Tx) -> Result<u64, StoreError> {
    Ok(end(tx, true)?.unwrap_or(0))
}

fn seq(row: &dyn Row) -> Result<u64, StoreError> {
    Ok(row.int(0)?.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0))
}

struct Chunk {
    found: Vec<Found>,
    /// There may be more rows behind.
    full: bool,
}

/// The next rows of a range, and those of them that fit.
fn chunk(
    tx: &mut dyn Tx,
    filter: &RecordFilter,
    sieve: &Sieve<'_>,
    (low, high): (u64, u64),
    rows: usize,
    scan: &mut Scan,
) -> Result<Chunk, StoreError> {
    let sql = match (filter.task.is_some(), filter.after.is_some()) {
        (false, false) => {
            "SELECT seq, at, kind, task, agent, body FROM events WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT ?3"
        }
        (false, true) => {
            "SELECT seq, at, kind, task, agent, body FROM events WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"
        }
        (true, false) => {
            "SELECT seq, at, kind, task, agent, body FROM events WHERE task = ?4 AND seq >= ?1 AND seq <= ?2 \
             ORDER BY seq DESC LIMIT ?3"
        }
        (true, true) => {
            "SELECT seq, at, kind, task, agent, body FROM events WHERE task = ?4 AND seq >= ?1 AND seq <= ?2 \
             ORDER BY seq LIMIT ?3"
        }
    };
    let limit = Param::Int(i64::try_from(rows).unwrap_or(i64::MAX));
    let task = filter.task.map(|task| Param::id(task.0));
    let params: Vec<Param<'_>> = [Param::id(low), Param::id(high), limit].into_iter().chain(task).collect();
    let (mut found, mut read, mut stopped) = (Vec::new(), 0, false);
    tx.query(sql, &params, &mut |row| {
        // What is behind is read by the next call.
        stopped |= scan.bytes >= SCANNED_BYTES_MAX;
        if stopped {
            return Ok(());
        }
        read += 1;
        scan.rows += 1;
        scan.last = seq(row)?;
        let (kind, agent) = (row.text(2)?.unwrap_or_default(), row.text(4)?.unwrap_or_default());
        let columns = Columns { at: Time(row.int(1)?.unwrap_or(0)), agent, kind, task: task_of(row)? };
        if !sieve.fits_columns(&columns) {
            return Ok(());
        }
        let body = row.text(5)?.unwrap_or_default();
        scan.bytes += body.len();
        let fits = !sieve.needs_body(kind) || (!body.is_empty() && sieve.fits_body(&head(body)?, body));
        scan.bytes += sieve.take_steps();
        if !fits {
            return Ok(());
        }
        let Columns { at, agent, kind, task } = columns;
        let (agent, kind, body) = (agent.to_owned(), kind.to_owned(), body.to_owned());
        found.push(Found { seq: scan.last, at, agent, kind, task, body });
        Ok(())
    })?;
    Ok(Chunk { found, full: stopped || read == rows })
}

fn task_of(row: &dyn Row) -> Result<Option<TaskId>, StoreError> {
    Ok(row.int(3)?.and_then(|task| u64::try_from(task).ok()).map(TaskId))
}

fn head(body: &str) -> Result<lines::Head<'_>, StoreError> {
    lines::read_body(body).map_err(|why| StoreError::BadRow { table: "events", why })
}

fn count(tally: &mut Tally, found: &Found) -> Result<(), StoreError> {
    let columns = Columns { at: found.at, agent: &found.agent, kind: &found.kind, task: found.task };
    let head = if found.body.is_empty() { None } else { Some(head(&found.body)?) };
    tally.add(&columns, head.as_ref());
    Ok(())
}

fn record(found: Found) -> Result<Record, StoreError> {
    let Found { seq, at, agent, kind, task, body } = found;
    if body.is_empty() {
        let event = json!({ "type": kind, "erased": true });
        return Ok(Record { seq, at, agent: AgentName(agent), role: String::new(), tool: String::new(), task, event });
    }
    let head = head(&body)?;
    let event: Value = parse("events", head.event)?;
    let (role, tool) = (head.role.clone().into_owned(), head.tool.clone().into_owned());
    Ok(Record { seq, at: head.at, agent: AgentName(head.agent.into_owned()), role, tool, task: head.task, event })
}

/// Who is shown what, with what has been looked up for it.
struct Shown<'s> {
    sight: &'s Sight,
    looked_up: BTreeMap<TaskId, bool>,
    asked: BTreeMap<ApprovalId, Option<TaskId>>,
}

impl Shown<'_> {
    fn shows(&mut self, tx: &mut dyn Tx, found: &Found) -> Result<bool, StoreError> {
        let Sight::Own { agent, held } = self.sight else { return Ok(true) };
        if found.agent == agent.0 {
            return Ok(true);
        }
        let task = match found.task {
            Some(task) => Some(task),
            None => self.task_asked_about(tx, found)?,
        };
        let Some(task) = task else { return Ok(false) };
        if held.contains(&task) {
            return Ok(true);
        }
        if let Some(known) = self.looked_up.get(&task) {
            return Ok(*known);
        }
        let worked = worked_on(tx, task, agent)?;
        self.looked_up.insert(task, worked);
        Ok(worked)
    }

    /// A person's answer names an approval; that belongs to a task.
    fn task_asked_about(&mut self, tx: &mut dyn Tx, found: &Found) -> Result<Option<TaskId>, StoreError> {
        if found.body.is_empty() {
            return Ok(None);
        }
        let Some(approval) = approval_of(head(&found.body)?.event) else { return Ok(None) };
        if let Some(known) = self.asked.get(&approval) {
            return Ok(*known);
        }
        let mut task = None;
        tx.query("SELECT task FROM approvals WHERE id = ?1", &[Param::id(approval.0)], &mut |row| {
            task = row.int(0)?.and_then(|task| u64::try_from(task).ok()).map(TaskId);
            Ok(())
        })?;
        self.asked.insert(approval, task);
        Ok(task)
    }
}

/// Whether the agent has ever held the task.
fn worked_on(tx: &mut dyn Tx, task: TaskId, agent: &AgentName) -> Result<bool, StoreError> {
    #[derive(serde::Deserialize)]
    struct Worked {
        #[serde(default)]
        authors: BTreeSet<AgentName>,
    }
    let mut worked = false;
    tx.query("SELECT body FROM tasks WHERE id = ?1", &[Param::id(task.0)], &mut |row| {
        let task: Worked = parse("tasks", row.text(0)?.unwrap_or_default())?;
        worked = task.authors.contains(agent);
        Ok(())
    })?;
    Ok(worked)
}

/// Rows for an export, upwards from `from` to `to`, at most `rows` of them; the number of the last one read.
pub fn rows(
    tx: &mut dyn Tx,
    (from, to): (u64, u64),
    rows: usize,
    each: &mut dyn FnMut(&export::Row<'_>),
) -> Result<Option<u64>, StoreError> {
    let limit = Param::Int(i64::try_from(rows).unwrap_or(i64::MAX));
    // Of an erased record the tree still has the leaf: a tile holds those of 256 records.
    let sql = "SELECT seq, body, at, kind, agent, task, \
               CASE WHEN body = '' THEN (SELECT hashes FROM tiles WHERE level = 0 AND position = (seq - 1) / 256) END \
               FROM events WHERE seq >= ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3";
    let mut last = None;
    tx.query(sql, &[Param::id(from), Param::id(to), limit], &mut |row| {
        let seq = seq(row)?;
        last = Some(seq);
        let body = row.text(1)?.unwrap_or_default();
        let mut record = export::Row { seq, at: Time(0), agent: "", kind: "", task: None, body, leaf: None };
        // A body says all of that itself.
        if body.is_empty() {
            record.at = Time(row.int(2)?.unwrap_or(0));
            record.kind = row.text(3)?.unwrap_or_default();
            record.agent = row.text(4)?.unwrap_or_default();
            record.task = row.int(5)?.and_then(|task| u64::try_from(task).ok()).map(TaskId);
            record.leaf = row.blob(6)?.and_then(|tile| leaf_in(tile, seq));
        }
        each(&record);
        Ok(())
    })?;
    Ok(last)
}

/// The hash that stands for an erased record, in hex.
fn leaf_in(tile: &[u8], seq: u64) -> Option<String> {
    let at = usize::try_from(seq.checked_sub(1)? % 256).ok()?;
    Some(canonical::hex(tile.chunks_exact(32).nth(at)?))
}

/// The tasks that records after the first number, up to the second, are about.
pub fn tasks(tx: &mut dyn Tx, (from, to): (u64, u64)) -> Result<BTreeSet<TaskId>, StoreError> {
    let mut found = BTreeSet::new();
    let sql = "SELECT DISTINCT task FROM events WHERE seq > ?1 AND seq <= ?2 AND task IS NOT NULL";
    tx.query(sql, &[Param::id(from), Param::id(to)], &mut |row| {
        found.extend(row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId));
        Ok(())
    })?;
    Ok(found)
}
