//! Decisions of `route_model`, tries that have ended, and what was learned from them. What is learned, and from which of them, is
//! not here (`engine::routing`).

use crate::domain::facts::Facts;
use crate::domain::ids::{RouteId, TaskId, Time};
use crate::domain::route::{Decision, Judge, Learning, Tried};
use crate::domain::savings::Used;
use crate::domain::state::State;
use crate::domain::task::TaskSpec;
use crate::domain::workflow::ModelTier;

use super::spending::{tokens, whole};
use super::{Backend, Lock, Param, Row, StoreError, Tx, load, put};

/// The one thing that is learned so far.
const ROUTING: &str = "routing";

pub(super) fn put_rows(tx: &mut dyn Tx, before: &State, facts: &Facts, at: Time) -> Result<(), StoreError> {
    if facts.state.learning != before.learning {
        let Learning { generation, forgotten } = facts.state.learning;
        write(tx, &Learned { generation, forgotten, upto: forgotten, body: String::new() }, at)?;
    }
    for (id, decision) in facts.state.decisions.iter().filter(|(id, now)| before.decisions.get(id) != Some(now)) {
        let sql = "INSERT INTO decisions(id, agent, at, body) VALUES (?1, ?2, ?3, ?4) \
                   ON CONFLICT(id) DO UPDATE SET body = excluded.body";
        let body = put::json("decisions", decision)?;
        tx.put(
            sql,
            &[Param::Text(&id.0), Param::Text(&decision.agent.0), Param::Int(decision.at.0), Param::Text(&body)],
        )?;
    }
    facts.state.tries.iter().try_for_each(|tried| put_try(tx, tried))
}

fn put_try(tx: &mut dyn Tx, tried: &Tried) -> Result<(), StoreError> {
    let task = Param::id(tried.task.map_or(0, |task| task.0));
    let phase = Param::Text(&tried.phase);
    let taken =
        if tried.task.is_some() && tried.decision.is_none() { taken(tx, task, phase)? } else { Taken::default() };
    let told = tried.micro_usd.and_then(|usd| i64::try_from(usd).ok());
    let spent = taken.used.iter().fold(0_u64, |sum, used| sum.saturating_add(used.micro_usd));
    let counted = taken.ran.is_some().then_some(i64::try_from(spent).unwrap_or(i64::MAX));
    let micro_usd = told.or(counted).unwrap_or(-1);
    let used = put::json("tries", &taken.used)?;
    let sql = "INSERT INTO tries(at, task, phase, decision, tier, model, ran, success, judge, micro_usd, failed_before, \
               used) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    let (judge, before) = (put::json("tries", &tried.judge)?, put::json("tries", &tried.after)?);
    #[expect(clippy::cast_possible_truncation, reason = "from 0 to 1,000")]
    let success = (tried.success.clamp(0.0, 1.0) * 1000.0).round() as i64;
    let decision = tried.decision.as_ref().map(|id| id.0.as_str()).unwrap_or_default();
    tx.put(
        sql,
        &[
            Param::Int(tried.at.0),
            task,
            phase,
            Param::Text(decision),
            Param::Text(tried.tier.word()),
            Param::Text(tried.told.as_deref().unwrap_or_default()),
            Param::Text(taken.ran.as_deref().unwrap_or_default()),
            Param::Int(success),
            Param::Text(judge.trim_matches('"')),
            Param::Int(micro_usd),
            Param::Text(&before),
            Param::Text(&used),
        ],
    )
}

/// What a try took, and the model that did most of it.
#[derive(Default)]
struct Taken {
    used: Vec<Used>,
    ran: Option<String>,
}

/// What stands on record of the task in that phase and is not in an earlier try there.
fn taken(tx: &mut dyn Tx, task: Param<'_>, phase: Param<'_>) -> Result<Taken, StoreError> {
    let mut used: Vec<Used> = Vec::new();
    let sql = "SELECT model, sum(input), sum(cache_write), sum(cache_write_long), sum(cache_read), sum(output), \
               sum(micro_usd), sum(guessed_micro_usd) FROM spending WHERE task = ?1 AND phase = ?2 GROUP BY model \
               ORDER BY 7 DESC, 6 DESC, 1";
    tx.query(sql, &[task, phase], &mut |row| {
        let tokens = tokens(row, 1)?;
        let (micro_usd, guessed_micro_usd) = (whole(row, 6)?, whole(row, 7)?);
        used.push(Used { model: row.text(0)?.unwrap_or_default().to_owned(), tokens, micro_usd, guessed_micro_usd });
        Ok(())
    })?;
    // Work that is judged again without another try took nothing more, but it is known who did it.
    let before = used.first().map(|most| most.model.clone());
    let sql = "SELECT used FROM tries WHERE task = ?1 AND phase = ?2";
    tx.query(sql, &[task, phase], &mut |row| {
        for earlier in load::parse::<Vec<Used>>("tries", row.text(0)?.unwrap_or_default())? {
            if let Some(all) = used.iter_mut().find(|all| all.model == earlier.model) {
                *all = all.less(&earlier);
            }
        }
        Ok(())
    })?;
    used.retain(|used| !used.tokens.is_empty() || used.micro_usd > 0);
    let most = used.iter().max_by_key(|used| (used.micro_usd, used.tokens.counted()));
    let ran = most.map(|used| used.model.clone()).or(before);
    Ok(Taken { used, ran })
}

pub(super) fn load_learning(tx: &mut dyn Tx, facts: &mut Facts) -> Result<(), StoreError> {
    let (Learned { generation, forgotten, .. }, _) = head(tx)?;
    facts.state.learning = Learning { generation, forgotten };
    Ok(())
}

pub(super) fn load_decision(tx: &mut dyn Tx, facts: &mut Facts, id: &RouteId) -> Result<(), StoreError> {
    let sql = "SELECT body FROM decisions WHERE id = ?1";
    tx.query_locked(sql, &[Param::Text(&id.0)], super::RowLock::Wait, &mut |row| {
        let known: Decision = load::parse("decisions", row.text(0)?.unwrap_or_default())?;
        facts.state.decisions.insert(id.clone(), known);
        Ok(())
    })
}

/// A try, with the work it was at.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    pub id: u64,
    pub tried: Tried,
    /// The model that did most of it, as its transcript says.
    pub ran: Option<String>,
    pub spec: Option<Box<TaskSpec>>,
    pub decided: Option<Box<Decision>>,
}

/// Those after one, oldest first.
pub fn tries_after(tx: &mut dyn Tx, after: u64, at_most: usize) -> Result<Vec<Known>, StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT tries.id, tries.at, tries.task, tries.phase, tries.decision, tries.tier, tries.model, tries.ran, \
               tries.success, tries.judge, tries.micro_usd, tries.failed_before, tasks.body, decisions.body FROM tries \
               LEFT JOIN tasks ON tasks.id = tries.task LEFT JOIN decisions ON decisions.id = tries.decision \
               WHERE tries.id > ?1 ORDER BY tries.id LIMIT ?2";
    let at_most = i64::try_from(at_most).unwrap_or(i64::MAX);
    tx.query(sql, &[Param::id(after), Param::Int(at_most)], &mut |row| {
        found.push(known(row)?);
        Ok(())
    })?;
    Ok(found)
}

fn known(row: &dyn Row) -> Result<Known, StoreError> {
    let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
    let some = |column| text(column).map(|text| Some(text).filter(|text| !text.is_empty()));
    let number = |column| Ok::<_, StoreError>(row.int(column)?.unwrap_or(0));
    let tier: ModelTier = load::parse("tries", &format!("\"{}\"", text(5)?))?;
    let judge: Judge = load::parse("tries", &format!("\"{}\"", text(9)?))?;
    let spec = row.text(12)?.map(|body| load::parse::<crate::domain::task::Task>("tasks", body)).transpose()?;
    let decided = row.text(13)?.map(|body| load::parse::<Decision>("decisions", body)).transpose()?;
    let tried = Tried {
        task: Some(whole(row, 2)?).filter(|task| *task > 0).map(TaskId),
        phase: text(3)?,
        decision: some(4)?.map(RouteId),
        tier,
        told: some(6)?,
        success: number(8)? as f64 / 1000.0,
        judge,
        micro_usd: u64::try_from(number(10)?).ok(),
        after: load::parse("tries", &text(11)?)?,
        at: Time(number(1)?),
    };
    Ok(Known {
        id: whole(row, 0)?,
        tried,
        ran: some(7)?,
        spec: spec.map(|task| Box::new(task.spec)),
        decided: decided.map(Box::new),
    })
}

/// What was learned from all tries up to one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Learned {
    /// Rises when everything is forgotten.
    pub generation: u64,
    /// Tries up to here no longer count.
    pub forgotten: u64,
    pub upto: u64,
    pub body: String,
}

pub fn learned_now(tx: &mut dyn Tx) -> Result<Learned, StoreError> {
    let mut found = Learned::default();
    let sql = "SELECT generation, forgotten, upto, body FROM learned WHERE name = ?1";
    tx.query(sql, &[Param::Text(ROUTING)], &mut |row| {
        let body = row.text(3)?.unwrap_or_default().to_owned();
        found = Learned { generation: whole(row, 0)?, forgotten: whole(row, 1)?, upto: whole(row, 2)?, body };
        Ok(())
    })?;
    Ok(found)
}

/// The same without what was learned, which is large; and the newest try.
pub fn head(tx: &mut dyn Tx) -> Result<(Learned, u64), StoreError> {
    let mut found = (Learned::default(), 0);
    let sql = "SELECT generation, forgotten, upto, (SELECT coalesce(max(id), 0) FROM tries) FROM learned WHERE name = ?1 \
               UNION ALL SELECT 0, 0, 0, (SELECT coalesce(max(id), 0) FROM tries) \
               WHERE NOT EXISTS (SELECT 1 FROM learned WHERE name = ?1)";
    tx.query(sql, &[Param::Text(ROUTING)], &mut |row| {
        let learned = Learned {
            generation: whole(row, 0)?,
            forgotten: whole(row, 1)?,
            upto: whole(row, 2)?,
            body: String::new(),
        };
        found = (learned, whole(row, 3)?);
        Ok(())
    })?;
    Ok(found)
}

/// Of two that keep what they learned, the further one stays; nothing of an older generation does.
pub fn keep(backend: &dyn Backend, learned: Learned, at: Time) -> Result<(), StoreError> {
    backend.write(
        Lock::named([ROUTING.to_owned()]),
        Box::new(move |tx| {
            let now = learned_now(tx)?;
            if now.generation != learned.generation || now.upto >= learned.upto {
                return Ok(());
            }
            write(tx, &learned, at)
        }),
    )
}

fn write(tx: &mut dyn Tx, learned: &Learned, at: Time) -> Result<(), StoreError> {
    let sql = "INSERT INTO learned(name, generation, forgotten, upto, at, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
               ON CONFLICT(name) DO UPDATE SET generation = excluded.generation, forgotten = excluded.forgotten, \
               upto = excluded.upto, at = excluded.at, body = excluded.body";
    let numbers = [learned.generation, learned.forgotten, learned.upto].map(Param::id);
    let [generation, forgotten, upto] = numbers;
    tx.put(sql, &[Param::Text(ROUTING), generation, forgotten, upto, Param::Int(at.0), Param::Text(&learned.body)])
}
