//! What work has cost, in sums, and what is set aside for it. Measuring is not here (`clients`, `engine`), and whether a budget
//! allows something is decided in `domain`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::domain::canonical;
use crate::domain::decide::budget::LINEAGE_MAX;
use crate::domain::facts::Facts;
use crate::domain::forecast;
use crate::domain::ids::{AgentName, SessionId, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::spending::{Account, Cost, On, Spent, Tokens};
use crate::domain::view::{CostBy, CostFilter, CostRow, day};
use crate::domain::warning::Watch;

use super::{Backend, By, Lock, Param, Row, Scope, StoreError, Tx, load, put};

/// More tokens in one answer than any model gives: a transcript that says so is not believed, and sums stay far from overflow.
const TOKENS_MAX: u64 = 1_000_000_000;
/// The same for the price of one answer: a million dollars.
const MICRO_USD_MAX: u64 = 1_000_000_000_000;
/// What an agent that is not heard of any more set aside for its next answer comes back after this.
const ANSWER_SECONDS: u64 = 15 * 60;
/// Reservations that one pass lets lapse.
const LAPSE_AT_ONCE: i64 = 256;

/// The name under which what was spent is counted, one count after the other.
pub const COUNTED: &str = "spending";

/// How far a transcript was read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Position {
    pub position: u64,
    pub mark: String,
    pub carried: String,
}

/// One answer of a model, priced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Charge {
    pub id: String,
    pub on: On,
    /// UTC, as `2026-11-20`.
    pub day: String,
    pub tokens: Tokens,
    pub micro_usd: u64,
    pub guessed: bool,
}

pub fn position(tx: &mut dyn Tx, file: &str) -> Result<Position, StoreError> {
    let mut found = Position::default();
    let sql = "SELECT position, mark, carried FROM transcripts WHERE file = ?1";
    tx.query(sql, &[Param::Text(file)], &mut |row| {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        found = Position { position: whole(row, 0)?, mark: text(1)?, carried: text(2)? };
        Ok(())
    })?;
    Ok(found)
}

pub fn put_position(tx: &mut dyn Tx, file: &str, to: &Position) -> Result<(), StoreError> {
    let sql = "INSERT INTO transcripts(file, position, mark, carried) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT(file) DO UPDATE SET position = excluded.position, mark = excluded.mark, carried = excluded.carried";
    tx.execute(sql, &[Param::Text(file), Param::id(to.position), Param::Text(&to.mark), Param::Text(&to.carried)])
        .map(drop)
}

/// What came on top of what was known, and for which tasks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grown {
    pub spent: Spent,
    pub tasks: BTreeSet<TaskId>,
}

/// Counts each answer once, however often it is reported.
pub fn record(tx: &mut dyn Tx, charges: &[Charge], now: Time) -> Result<Grown, StoreError> {
    let mut by_task: BTreeMap<TaskId, Spent> = BTreeMap::new();
    let mut grown = Grown::default();
    for charge in charges {
        let more = one(tx, charge)?;
        if let Some(task) = charge.on.task.filter(|_| !more.is_nothing()) {
            let sum = by_task.entry(task).or_default();
            *sum = sum.plus(more).unwrap_or(*sum);
        }
        grown.spent = grown.spent.plus(more).unwrap_or(grown.spent);
    }
    grown.tasks = by_task.keys().copied().collect();
    for (task, more) in by_task {
        for part in lineage(tx, task)? {
            let sql = "INSERT INTO accounts(task, micro_usd, tokens, calls) VALUES (?1, ?2, ?3, ?4) \
                       ON CONFLICT(task) DO UPDATE SET micro_usd = accounts.micro_usd + excluded.micro_usd, \
                       tokens = accounts.tokens + excluded.tokens, calls = accounts.calls + excluded.calls";
            let [micro_usd, tokens, calls] = [more.micro_usd, more.tokens, more.calls].map(Param::id);
            tx.execute(sql, &[Param::id(part.0), micro_usd, tokens, calls])?;
            // Nobody else counts meanwhile, so what is read here is still so when it is written.
            let mut recent = book(tx, part)?.1.recent;
            forecast::add(&mut recent, more, now);
            let recent = put::json("accounts", &recent)?;
            tx.execute("UPDATE accounts SET recent = ?2 WHERE task = ?1", &[Param::id(part.0), Param::Text(&recent)])?;
        }
    }
    Ok(grown)
}

fn one(tx: &mut dyn Tx, charge: &Charge) -> Result<Spent, StoreError> {
    let id: String = canonical::sha256(charge.id.as_bytes()).chars().take(32).collect();
    let mut known: Option<(u64, Tokens, u64)> = None;
    let sql = "SELECT spending, input, cache_write, cache_write_long, cache_read, output, micro_usd FROM answers WHERE id = ?1";
    tx.query(sql, &[Param::Text(&id)], &mut |row| {
        known = Some((whole(row, 0)?, tokens(row, 1)?, whole(row, 6)?));
        Ok(())
    })?;
    let (old, old_usd) = known.map_or((Tokens::default(), 0), |(_, tokens, micro_usd)| (tokens, micro_usd));
    let new = bounded(&charge.tokens).most(old);
    let new_usd = charge.micro_usd.min(MICRO_USD_MAX).max(old_usd);
    if known.is_some() && new == old && new_usd == old_usd {
        return Ok(Spent::default());
    }
    let spending = match known {
        // Where the rest of it is counted: an answer belongs to what was worked on when it began.
        Some((spending, ..)) => spending,
        None => spending(tx, &charge.on, &charge.day)?,
    };
    let parts = |of: &Tokens| [of.input, of.cache_write, of.cache_write_long, of.cache_read, of.output];
    let [input, cache_write, cache_write_long, cache_read, output] = parts(&new).map(Param::id);
    let sql = "INSERT INTO answers(id, spending, input, cache_write, cache_write_long, cache_read, output, micro_usd) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(id) DO UPDATE SET input = excluded.input, \
               cache_write = excluded.cache_write, cache_write_long = excluded.cache_write_long, \
               cache_read = excluded.cache_read, output = excluded.output, micro_usd = excluded.micro_usd";
    let (row, usd) = (Param::id(spending), Param::id(new_usd));
    tx.execute(sql, &[Param::Text(&id), row, input, cache_write, cache_write_long, cache_read, output, usd])?;
    let grown_usd = new_usd - old_usd;
    let mut grown = parts(&new).into_iter().zip(parts(&old)).map(|(new, old)| Param::id(new.saturating_sub(old)));
    let mut next = || grown.next().unwrap_or(Param::Int(0));
    let calls = u64::from(known.is_none());
    let sql = "UPDATE spending SET calls = calls + ?2, input = input + ?3, cache_write = cache_write + ?4, \
               cache_write_long = cache_write_long + ?5, cache_read = cache_read + ?6, output = output + ?7, \
               micro_usd = micro_usd + ?8, guessed_micro_usd = guessed_micro_usd + ?9 WHERE id = ?1";
    let guessed = Param::id(if charge.guessed { grown_usd } else { 0 });
    let usd = Param::id(grown_usd);
    tx.execute(sql, &[row, Param::id(calls), next(), next(), next(), next(), next(), usd, guessed])?;
    Ok(Spent { micro_usd: grown_usd, tokens: new.counted().saturating_sub(old.counted()), calls })
}

fn bounded(tokens: &Tokens) -> Tokens {
    Tokens {
        input: tokens.input.min(TOKENS_MAX),
        cache_write: tokens.cache_write.min(TOKENS_MAX),
        cache_write_long: tokens.cache_write_long.min(TOKENS_MAX),
        cache_read: tokens.cache_read.min(TOKENS_MAX),
        output: tokens.output.min(TOKENS_MAX),
    }
}

fn spending(tx: &mut dyn Tx, on: &On, day: &str) -> Result<u64, StoreError> {
    let task = Param::id(on.task.map_or(0, |task| task.0));
    let [phase, agent, session, model, day] = [&on.phase, &on.agent, &on.session, &on.model, day].map(Param::Text);
    let key = [task, phase, agent, session, model, day];
    let sql = "INSERT INTO spending(task, phase, agent, session, model, day, calls, input, cache_write, \
               cache_write_long, cache_read, output, micro_usd, guessed_micro_usd) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, 0, 0, 0, 0, 0, 0, 0) \
               ON CONFLICT(task, phase, agent, session, model, day) DO NOTHING";
    tx.execute(sql, &key)?;
    let mut id = 0;
    let sql = "SELECT id FROM spending WHERE task = ?1 AND phase = ?2 AND agent = ?3 AND session = ?4 AND model = ?5 \
               AND day = ?6";
    tx.query(sql, &key, &mut |row| {
        id = whole(row, 0)?;
        Ok(())
    })?;
    Ok(id)
}

/// The task and those it is a part of, nearest first.
fn lineage(tx: &mut dyn Tx, task: TaskId) -> Result<Vec<TaskId>, StoreError> {
    let mut found = vec![task];
    while let Some(last) = found.last().copied().filter(|_| found.len() < LINEAGE_MAX) {
        let mut parent = None;
        tx.query("SELECT parent FROM tasks WHERE id = ?1", &[Param::id(last.0)], &mut |row| {
            parent = row.int(0)?.and_then(|id| u64::try_from(id).ok()).map(TaskId);
            Ok(())
        })?;
        match parent {
            Some(parent) if !found.contains(&parent) => found.push(parent),
            _ => break,
        }
    }
    Ok(found)
}

pub fn account(tx: &mut dyn Tx, task: TaskId) -> Result<Account, StoreError> {
    Ok(book(tx, task)?.0)
}

/// The account of a task, with what is kept beside it.
pub fn book(tx: &mut dyn Tx, task: TaskId) -> Result<(Account, Watch), StoreError> {
    let mut found = (Account::default(), Watch::default());
    let sql = "SELECT micro_usd, tokens, calls, reserved_micro_usd, reserved_tokens, reserved_calls, warned, recent \
               FROM accounts WHERE task = ?1";
    tx.query(sql, &[Param::id(task.0)], &mut |row| {
        let account = Account {
            spent: Spent { micro_usd: whole(row, 0)?, tokens: whole(row, 1)?, calls: whole(row, 2)? },
            reserved: Spent { micro_usd: whole(row, 3)?, tokens: whole(row, 4)?, calls: whole(row, 5)? },
        };
        found = (account, Watch { warned: listed(row.text(6)?)?, recent: listed(row.text(7)?)? });
        Ok(())
    })?;
    Ok(found)
}

/// A list as JSON; an empty one may be an empty text.
fn listed<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Vec<T>, StoreError> {
    match text.filter(|text| !text.is_empty()) {
        Some(text) => load::parse("accounts", text),
        None => Ok(Vec::new()),
    }
}

/// What it is all made of: of a task and everything below it, or of the whole workspace.
pub fn costs(tx: &mut dyn Tx, of: Option<TaskId>) -> Result<Vec<Cost>, StoreError> {
    let mut found = Vec::new();
    let columns = "SELECT task, phase, agent, session, model, sum(calls), sum(input), sum(cache_write), \
                   sum(cache_write_long), sum(cache_read), sum(output), sum(micro_usd), sum(guessed_micro_usd) \
                   FROM spending";
    let below = "WITH RECURSIVE below(id) AS (SELECT id FROM tasks WHERE id = ?1 \
                 UNION SELECT tasks.id FROM tasks JOIN below ON tasks.parent = below.id) ";
    let order = "GROUP BY task, phase, agent, session, model ORDER BY task, phase, agent, session, model LIMIT 10000";
    let sql = match of {
        Some(_) => format!("{below}{columns} WHERE task IN (SELECT id FROM below) {order}"),
        None => format!("{columns} {order}"),
    };
    let params: Vec<Param<'_>> = of.iter().map(|task| Param::id(task.0)).collect();
    tx.query(&sql, &params, &mut |row| {
        let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
        let task = Some(whole(row, 0)?).filter(|task| *task > 0).map(TaskId);
        let on = On { task, phase: text(1)?, agent: text(2)?, session: text(3)?, model: text(4)? };
        let (calls, tokens) = (whole(row, 5)?, tokens(row, 6)?);
        found.push(Cost { on, calls, tokens, micro_usd: whole(row, 11)?, guessed_micro_usd: whole(row, 12)? });
        Ok(())
    })?;
    Ok(found)
}

/// Sums by whatever is asked for, the dearest first; by days, the days in order.
pub fn costs_by(tx: &mut dyn Tx, filter: &CostFilter) -> Result<Vec<CostRow>, StoreError> {
    let mut sql = String::new();
    if filter.task.is_some() {
        sql.push_str(
            "WITH RECURSIVE below(id) AS (SELECT id FROM tasks WHERE id = ?1 \
             UNION SELECT tasks.id FROM tasks JOIN below ON tasks.parent = below.id) ",
        );
    }
    let by = |part: CostBy, column: &'static str| if filter.by.contains(&part) { column } else { "NULL" };
    let columns = [
        by(CostBy::Day, "day"),
        if filter.by.contains(&CostBy::Task) { "task" } else { "CAST(NULL AS BIGINT)" },
        by(CostBy::Phase, "phase"),
        by(CostBy::Agent, "agent"),
        by(CostBy::Model, "model"),
    ];
    // Where all days are asked for, an index by day only makes reading slower.
    let day_column = if filter.since.is_some() { "day" } else { "(day || '')" };
    sql.push_str(&format!(
        "SELECT {}, sum(calls), sum(input), sum(cache_write), sum(cache_write_long), sum(cache_read), sum(output), \
         sum(micro_usd), sum(guessed_micro_usd) FROM spending WHERE ?2 <= {day} AND {day} <= ?3 AND (CAST(?4 AS TEXT) IS NULL OR agent = ?4)",
        columns.join(", "),
        day = day_column
    ));
    // Every parameter is spoken of, so that it has a type.
    let of =
        if filter.task.is_some() { " AND task IN (SELECT id FROM below)" } else { " AND CAST(?1 AS BIGINT) IS NULL" };
    sql.push_str(of);
    sql.push_str(" GROUP BY 1, 2, 3, 4, 5 ORDER BY 1, 12 DESC, 2, 3, 4, 5 LIMIT 10000");
    let since = filter.since.map(day).unwrap_or_default();
    // After every day there is.
    let until = filter.until.map_or_else(|| "9".to_owned(), day);
    let agent = Param::maybe_text(filter.agent.as_ref().map(|agent| agent.0.as_str()));
    let params = [Param::maybe_id(filter.task.map(|task| task.0)), Param::Text(&since), Param::Text(&until), agent];
    let mut found = Vec::new();
    tx.query(&sql, &params, &mut |row| {
        let text = |column| row.text(column).map(|text| text.map(str::to_owned));
        let task = row.int(1)?.and_then(|task| u64::try_from(task).ok()).filter(|task| *task > 0).map(TaskId);
        found.push(CostRow {
            day: text(0)?,
            task,
            phase: text(2)?,
            agent: text(3)?.map(AgentName),
            model: text(4)?,
            calls: whole(row, 5)?,
            tokens: tokens(row, 6)?,
            micro_usd: whole(row, 11)?,
            guessed_micro_usd: whole(row, 12)?,
        });
        Ok(())
    })?;
    // Where nothing is asked by, there is a row of nothing.
    found.retain(|row| row.calls > 0);
    Ok(found)
}

/// What was spent on one day, in UTC.
pub fn on_day(tx: &mut dyn Tx, day: &str) -> Result<u64, StoreError> {
    sum(tx, "SELECT sum(micro_usd) FROM spending WHERE day = ?1", day)
}

/// What was spent from a day on; the empty text is before all days.
pub fn from_day(tx: &mut dyn Tx, day: &str) -> Result<u64, StoreError> {
    sum(tx, "SELECT sum(micro_usd) FROM spending WHERE day >= ?1", day)
}

pub fn of_agent(tx: &mut dyn Tx, agent: &AgentName) -> Result<u64, StoreError> {
    sum(tx, "SELECT sum(micro_usd) FROM spending WHERE agent = ?1", &agent.0)
}

fn sum(tx: &mut dyn Tx, sql: &str, of: &str) -> Result<u64, StoreError> {
    let mut found = 0;
    tx.query(sql, &[Param::Text(of)], &mut |row| {
        found = whole(row, 0)?;
        Ok(())
    })?;
    Ok(found)
}

/// What was decided about a wish to set something aside: the number of the reservation, or why not.
pub type Reserved = Result<u64, Refusal>;

/// Sets something aside for a task if `decide` lets it, on the facts of the same transaction.
pub fn reserve(
    backend: &dyn Backend,
    by: By,
    task: TaskId,
    wish: Spent,
    until: Time,
    decide: impl Fn(&Facts) -> Result<(), Refusal> + Send + 'static,
) -> Result<Reserved, StoreError> {
    let slot = Arc::new(Mutex::new(None));
    let fill = Arc::clone(&slot);
    let lock = Lock::named([super::of_agent(&by.agent)]);
    backend.write(
        lock,
        Box::new(move |tx| {
            // What a holder that is gone left behind must not keep others waiting.
            lapse(tx, by.at)?;
            let facts = load::facts(tx, &Scope::Budget(task), &by, false)?;
            let reserved = match decide(&facts) {
                Ok(()) => Ok(set_aside(tx, task, wish, &by.agent.0, until)?),
                Err(refusal) => {
                    put::refusal(tx, &refusal, Some(task), &by)?;
                    Err(refusal)
                }
            };
            *fill.lock().unwrap_or_else(PoisonError::into_inner) = Some(reserved);
            Ok(())
        }),
    )?;
    slot.lock().unwrap_or_else(PoisonError::into_inner).take().ok_or(StoreError::Closed)
}

/// Whose next answer something is set aside for: the main thread of a session, or a subagent, by its name.
#[derive(Clone, Debug)]
pub struct Thread {
    pub agent: AgentName,
    pub session: SessionId,
}

impl Thread {
    /// Neither part has a line's end in it.
    fn holder(&self) -> String {
        format!("{}{}", threads_of(&self.agent), self.session)
    }
}

fn threads_of(agent: &AgentName) -> String {
    format!("answer {agent}\n")
}

/// For the answer after a call that may run, in place of what stood for the one before it.
pub fn set_aside_for(tx: &mut dyn Tx, thread: &Thread, task: TaskId, wish: Spent, now: Time) -> Result<(), StoreError> {
    give_back(tx, thread)?;
    set_aside(tx, task, wish, &thread.holder(), now.plus_seconds(ANSWER_SECONDS)).map(drop)
}

/// What stands for the next answer stays, or comes back where it has lapsed meanwhile.
pub fn keep_aside(tx: &mut dyn Tx, thread: &Thread, task: TaskId, wish: Spent, now: Time) -> Result<(), StoreError> {
    let until = now.plus_seconds(ANSWER_SECONDS);
    let known = held_as(tx, &thread.holder())?;
    for id in &known {
        prolong(tx, *id, until)?;
    }
    if known.is_empty() { set_aside(tx, task, wish, &thread.holder(), until).map(drop) } else { Ok(()) }
}

/// No answer follows: the turn has ended.
pub fn give_back(tx: &mut dyn Tx, thread: &Thread) -> Result<(), StoreError> {
    held_as(tx, &thread.holder())?.into_iter().try_for_each(|id| settle(tx, id).map(drop))
}

/// The same for whoever works in a session.
pub fn give_back_all(tx: &mut dyn Tx, session: &SessionId) -> Result<(), StoreError> {
    of_session(tx, session)?.into_iter().try_for_each(|id| settle(tx, id).map(drop))
}

pub fn of_session(tx: &mut dyn Tx, session: &SessionId) -> Result<Vec<u64>, StoreError> {
    let sql = "SELECT id FROM reservations WHERE substr(holder, length(holder) - length(?1) + 1) = ?1";
    reservations(tx, sql, &format!("\n{session}"))
}

fn held_as(tx: &mut dyn Tx, holder: &str) -> Result<Vec<u64>, StoreError> {
    reservations(tx, "SELECT id FROM reservations WHERE holder = ?1", holder)
}

fn reservations(tx: &mut dyn Tx, sql: &str, of: &str) -> Result<Vec<u64>, StoreError> {
    let mut known = Vec::new();
    tx.query(sql, &[Param::Text(of)], &mut |row| {
        known.push(whole(row, 0)?);
        Ok(())
    })?;
    Ok(known)
}

/// What an agent has set aside for its next answer; in one session, where that is known.
pub fn own_aside(
    tx: &mut dyn Tx,
    agent: &AgentName,
    session: Option<&SessionId>,
) -> Result<Vec<(TaskId, Spent)>, StoreError> {
    let mut found = Vec::new();
    let (condition, holder) = match session {
        Some(session) => ("holder = ?1", Thread { agent: agent.clone(), session: session.clone() }.holder()),
        None => ("substr(holder, 1, length(?1)) = ?1", threads_of(agent)),
    };
    let sql = format!("SELECT task, micro_usd, tokens, calls FROM reservations WHERE {condition}");
    tx.query(&sql, &[Param::Text(&holder)], &mut |row| {
        let aside = Spent { micro_usd: whole(row, 1)?, tokens: whole(row, 2)?, calls: whole(row, 3)? };
        found.push((TaskId(whole(row, 0)?), aside));
        Ok(())
    })?;
    Ok(found)
}

fn set_aside(tx: &mut dyn Tx, task: TaskId, wish: Spent, holder: &str, until: Time) -> Result<u64, StoreError> {
    tx.execute("UPDATE counters SET value = value + 1 WHERE name = 'reservation'", &[])?;
    let mut id = 0;
    tx.query("SELECT value FROM counters WHERE name = 'reservation'", &[], &mut |row| {
        id = whole(row, 0)?;
        Ok(())
    })?;
    let sql = "INSERT INTO reservations(id, task, holder, micro_usd, tokens, until, calls) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let [micro_usd, tokens, calls] = [wish.micro_usd, wish.tokens, wish.calls].map(Param::id);
    let (number, until) = (Param::id(id), Param::Int(until.0));
    tx.execute(sql, &[number, Param::id(task.0), Param::Text(holder), micro_usd, tokens, until, calls])?;
    for part in lineage(tx, task)? {
        let sql = "INSERT INTO accounts(task, reserved_micro_usd, reserved_tokens, reserved_calls) \
                   VALUES (?1, ?2, ?3, ?4) ON CONFLICT(task) DO UPDATE SET \
                   reserved_micro_usd = accounts.reserved_micro_usd + excluded.reserved_micro_usd, \
                   reserved_tokens = accounts.reserved_tokens + excluded.reserved_tokens, \
                   reserved_calls = accounts.reserved_calls + excluded.reserved_calls";
        tx.execute(sql, &[Param::id(part.0), micro_usd, tokens, calls])?;
    }
    Ok(id)
}

/// Gives back what was set aside; what was really spent is counted as it is read. False when it had lapsed or was settled.
pub fn settle(tx: &mut dyn Tx, reservation: u64) -> Result<bool, StoreError> {
    let mut known = None;
    let sql = "SELECT task, micro_usd, tokens, calls FROM reservations WHERE id = ?1";
    tx.query(sql, &[Param::id(reservation)], &mut |row| {
        known = Some((TaskId(whole(row, 0)?), [whole(row, 1)?, whole(row, 2)?, whole(row, 3)?]));
        Ok(())
    })?;
    let Some((task, amounts)) = known else { return Ok(false) };
    // Whoever takes the row away gives back what it stood for.
    if tx.execute("DELETE FROM reservations WHERE id = ?1", &[Param::id(reservation)])? == 0 {
        return Ok(false);
    }
    for part in lineage(tx, task)? {
        let sql = "UPDATE accounts SET reserved_micro_usd = reserved_micro_usd - ?2, \
                   reserved_tokens = reserved_tokens - ?3, reserved_calls = reserved_calls - ?4 WHERE task = ?1";
        let [micro_usd, tokens, calls] = amounts.map(Param::id);
        tx.execute(sql, &[Param::id(part.0), micro_usd, tokens, calls])?;
    }
    Ok(true)
}

/// Settles reservations whose time is over; false where there are none.
pub fn lapse(tx: &mut dyn Tx, now: Time) -> Result<bool, StoreError> {
    let mut due = Vec::new();
    let sql = "SELECT id FROM reservations WHERE until <= ?1 ORDER BY until LIMIT ?2";
    tx.query(sql, &[Param::Int(now.0), Param::Int(LAPSE_AT_ONCE)], &mut |row| {
        due.push(whole(row, 0)?);
        Ok(())
    })?;
    let any = !due.is_empty();
    due.into_iter().try_for_each(|id| settle(tx, id).map(drop))?;
    Ok(any)
}

/// The holder is still there: what it set aside stays.
pub fn prolong(tx: &mut dyn Tx, reservation: u64, until: Time) -> Result<bool, StoreError> {
    let sql = "UPDATE reservations SET until = ?2 WHERE id = ?1";
    Ok(tx.execute(sql, &[Param::id(reservation), Param::Int(until.0)])? > 0)
}

pub(super) fn whole(row: &dyn Row, column: usize) -> Result<u64, StoreError> {
    Ok(row.int(column)?.and_then(|value| u64::try_from(value).ok()).unwrap_or(0))
}

pub(super) fn tokens(row: &dyn Row, from: usize) -> Result<Tokens, StoreError> {
    Ok(Tokens {
        input: whole(row, from)?,
        cache_write: whole(row, from + 1)?,
        cache_write_long: whole(row, from + 2)?,
        cache_read: whole(row, from + 3)?,
        output: whole(row, from + 4)?,
    })
}
