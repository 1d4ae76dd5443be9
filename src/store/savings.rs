//! Tries that have ended, as they are set against always taking a strong model. The arithmetic is in `routing::savings`.

use crate::domain::decide::route::piece;
use crate::domain::ids::{RouteId, TaskId, Time};
use crate::domain::route::{Decision, SOLVED_FROM, project};
use crate::domain::savings::{Ended, Used};
use crate::domain::task::{Status, Task};
use crate::domain::workflow::ModelTier;

use super::{Param, Row, StoreError, Tx, load};

/// The newest so many, in the order in which they ended; and whether there are older ones.
pub fn ended(tx: &mut dyn Tx, at_most: usize) -> Result<(Vec<Ended>, bool), StoreError> {
    let mut found = Vec::new();
    let sql = "SELECT tries.at, tries.task, tries.phase, tries.decision, tries.tier, tries.model, tries.success, \
               tries.micro_usd, tries.failed_before, tries.used, tasks.body, decisions.body FROM tries \
               LEFT JOIN tasks ON tasks.id = tries.task LEFT JOIN decisions ON decisions.id = tries.decision \
               ORDER BY tries.id DESC LIMIT ?1";
    let limit = i64::try_from(at_most.saturating_add(1)).unwrap_or(i64::MAX);
    tx.query(sql, &[Param::Int(limit)], &mut |row| {
        found.push(one(row)?);
        Ok(())
    })?;
    let more = found.len() > at_most;
    found.truncate(at_most);
    found.reverse();
    Ok((found, more))
}

fn one(row: &dyn Row) -> Result<Ended, StoreError> {
    let text = |column| row.text(column).map(|text| text.unwrap_or_default().to_owned());
    let whole = |column| Ok::<_, StoreError>(row.int(column)?.unwrap_or(0));
    let task = TaskId(u64::try_from(whole(1)?).unwrap_or(0));
    let (phase, decision) = (text(2)?, RouteId(text(3)?));
    let tier: ModelTier = load::parse("tries", &format!("\"{}\"", text(4)?))?;
    let failed_before: Vec<ModelTier> = load::parse("tries", &text(8)?)?;
    let used: Vec<Used> = load::parse("tries", &text(9)?)?;
    let known = row.text(10)?.map(|body| load::parse::<Task>("tasks", body)).transpose()?;
    let decided = row.text(11)?.map(|body| load::parse::<Decision>("decisions", body)).transpose()?;
    let success = whole(6)? as f64 / 1000.0;
    let by_decision = !decision.0.is_empty();
    let (kind, project) = match (&decided, &known) {
        (Some(decided), _) => (decided.work.kind.clone().unwrap_or_default(), decided.project.clone()),
        (None, Some(task)) => (task.spec.kind.clone(), project(&task.spec)),
        (None, None) => Default::default(),
    };
    Ok(Ended {
        piece: if by_decision { decision.0 } else { piece(task, &phase) },
        kind,
        project,
        tier,
        model: Some(text(5)?).filter(|model| !model.is_empty()),
        success,
        fresh: failed_before.is_empty(),
        open: !by_decision && success < SOLVED_FROM && known.is_some_and(|task| goes_on(&task, &phase)),
        at: Time(whole(0)?),
        micro_usd: u64::try_from(whole(7)?).ok(),
        used,
    })
}

/// Another try is under way, or may come.
fn goes_on(task: &Task, phase: &str) -> bool {
    let ended = match task.status() {
        Status::Waiting | Status::Ready | Status::Claimed | Status::Blocked => false,
        Status::Done | Status::Failed | Status::Cancelled => true,
    };
    !ended && task.phase == phase
}
