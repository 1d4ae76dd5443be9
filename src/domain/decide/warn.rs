//! When a cap is in danger: whom to warn of it, once for each level, and in which words. Caps are judged in `budget`.

use crate::domain::facts::Facts;
use crate::domain::forecast::{Forecast, pace};
use crate::domain::ids::{AgentName, TaskId, Time};
use crate::domain::refusal::Refusal;
use crate::domain::spending::Unit;
use crate::domain::task::Task;
use crate::domain::warning::{DANGER, LEVELS, Warned, Warning};

use super::budget::{Standing, lineage, standings};

/// What is to be remembered of one task from now on, and what of it is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Noted {
    pub task: TaskId,
    pub warned: Vec<Warned>,
    pub new: Vec<Warning>,
}

/// For the task and those it is a part of, where something is to be remembered or forgotten. A warning is forgotten once its
/// cap is another, or has room again; so the same cap is warned of again only after it was changed.
pub fn due(facts: &Facts, id: TaskId, now: Time) -> Result<Vec<Noted>, Refusal> {
    let task = facts.task(id)?;
    let standings = standings(facts, task, now)?;
    let of = |part: TaskId| {
        let known = facts.watches.get(&part).map(|watch| watch.warned.as_slice()).unwrap_or_default();
        let own = |standing: &&Standing| standing.task == part;
        let mut warned: Vec<Warned> =
            known.iter().filter(|known| stands(known, part, id, &standings)).cloned().collect();
        let mut new = Vec::new();
        for standing in standings.iter().filter(own) {
            let Some(warning) = passed(standing) else { continue };
            if warned.iter().any(|known| known.unit == warning.unit && known.level >= warning.level) {
                continue;
            }
            warned.retain(|known| known.unit != warning.unit);
            let Warning { unit, cap, level, percent, .. } = warning;
            warned.push(Warned { unit, cap, level, at: now, percent, told: Vec::new() });
            new.push(warning);
        }
        (warned != known).then_some(Noted { task: part, warned, new })
    };
    Ok(lineage(facts, task).map(|part| part.id).filter_map(of).collect())
}

/// Whether what was warned of is still so.
fn stands(known: &Warned, part: TaskId, asked: TaskId, standings: &[Standing]) -> bool {
    // The minutes of a task above are not looked at here.
    if known.unit == Unit::Minutes && part != asked {
        return true;
    }
    let same = |standing: &&Standing| standing.task == part && standing.unit == known.unit && standing.cap == known.cap;
    standings.iter().find(same).is_some_and(|standing| standing.percent() >= DANGER)
}

fn passed(standing: &Standing) -> Option<Warning> {
    let percent = standing.percent();
    let level = LEVELS.into_iter().rev().find(|level| percent >= u64::from(*level))?;
    let Standing { task, unit, cap, spent, reserved } = *standing;
    Some(Warning { task, unit, cap, spent, reserved, percent, level })
}

/// How every cap of the task and of those above it stands, and when it will be used up.
pub fn forecasts(facts: &Facts, task: &Task, now: Time) -> Result<Vec<Forecast>, Refusal> {
    let of = |standing: Standing| {
        let Standing { task: id, unit, cap, spent, reserved } = standing;
        let claimed = facts.state.tasks.get(&id).and_then(Task::claim).map(|claim| claim.since);
        let minutes_left = match unit {
            // Time under a claim goes by by itself.
            Unit::Minutes => claimed.map(|_| standing.left()),
            Unit::MicroUsd | Unit::Tokens | Unit::Calls => facts
                .watches
                .get(&id)
                .and_then(|watch| pace(&watch.recent, claimed, now))
                .and_then(|pace| pace.minutes_to(standing.left(), unit)),
        };
        Forecast { task: id, unit, cap, spent, reserved, percent: standing.percent(), minutes_left }
    };
    Ok(standings(facts, task, now)?.into_iter().map(of).collect())
}

/// The same for people; of a task that is over there is nothing to foresee.
pub fn open_forecasts(facts: &Facts, task: &Task, now: Time) -> Vec<Forecast> {
    if task.status().is_open() { forecasts(facts, task, now).unwrap_or_default() } else { Vec::new() }
}

/// Those that a holder of the task has to know of.
pub fn in_danger(facts: &Facts, task: &Task, now: Time) -> Result<Vec<Forecast>, Refusal> {
    let mut found = forecasts(facts, task, now)?;
    found.retain(|cap| cap.percent >= DANGER);
    Ok(found)
}

/// Whether there is a cap in danger that this agent has not been told of, or that nobody has noted yet.
pub fn is_untold(facts: &Facts, task: &Task, agent: &AgentName, now: Time) -> bool {
    let known = |warning: &Warning| {
        let watch = facts.watches.get(&warning.task);
        let same =
            |known: &&Warned| known.unit == warning.unit && known.cap == warning.cap && known.level >= warning.level;
        watch.and_then(|watch| watch.warned.iter().find(same)).is_some_and(|known| known.told.contains(agent))
    };
    standings(facts, task, now).unwrap_or_default().iter().filter_map(passed).any(|warning| !known(&warning))
}

/// What an agent is told.
pub fn words(caps: &[Forecast]) -> Option<String> {
    let said: Vec<String> = caps.iter().map(Forecast::words).collect();
    (!said.is_empty()).then(|| format!("{}; finish or hand over", said.join("; ")))
}
