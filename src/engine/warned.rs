//! Telling agents that a cap of theirs is nearly used up, once each, at whatever they call next. When that is so is decided in
//! `domain`; telling people is not here (`notices`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::domain::decide::warn;
use crate::domain::facts::{Caller, Facts};
use crate::domain::ids::{AgentName, TaskId};
use crate::store::warnings;
use crate::tools::Reply;

use super::Engine;
use super::spending::COUNTING;
use super::startup::system;

/// Agents that have to be told, found by calls that had the facts anyway.
#[derive(Default)]
pub struct Untold(Mutex<BTreeMap<AgentName, TaskId>>);

impl Engine {
    /// Looks whether there is something to tell; nothing is read or written for it.
    pub(super) fn look_for_caps(&self, agent: &AgentName, facts: &Facts) {
        if let Some(task) = self.untold_of(agent, facts) {
            self.untold.0.lock().unwrap_or_else(PoisonError::into_inner).insert(agent.clone(), task);
        }
    }

    /// The task of its own, or of whom it works for, of which it has to be told.
    fn untold_of(&self, agent: &AgentName, facts: &Facts) -> Option<TaskId> {
        if facts.accounts.is_empty() {
            return None;
        }
        let now = self.now();
        let own = facts.held.iter().chain(&facts.lent).filter_map(|id| facts.state.tasks.get(id));
        own.into_iter().find(|task| warn::is_untold(facts, task, agent, now)).map(|task| task.id)
    }

    /// The answer to a call of ours, with the line where there is one to tell.
    pub(super) fn with_budget(&self, caller: &Caller, mut reply: Reply) -> Reply {
        let task = self.untold.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&caller.agent);
        let line = task.and_then(|task| self.budget_line(&caller.agent, task));
        // A brief says it by itself.
        if let Some(line) = line.filter(|_| reply.structured.get("budget_warning").is_none()) {
            reply.note(&line);
        }
        reply
    }

    /// The same for a call of a client's own tool.
    pub(super) fn hook_budget(&self, agent: &AgentName, facts: &Facts) -> Option<String> {
        self.untold_of(agent, facts).and_then(|task| self.budget_line(agent, task))
    }

    /// Nothing where another call has told it meanwhile. What time alone has used up is noted here too.
    fn budget_line(&self, agent: &AgentName, task: TaskId) -> Option<String> {
        let (by, agent) = (self.by(&system(), COUNTING), agent.clone());
        let line = self.counting(move |tx| {
            warnings::watch(tx, &[task], &by, &BTreeSet::new(), warn::due)?;
            let facts = warnings::counted(tx, task)?;
            let caps = facts.task(task).and_then(|held| warn::in_danger(&facts, held, by.at)).unwrap_or_default();
            let parts: BTreeSet<TaskId> = caps.iter().map(|cap| cap.task).collect();
            Ok(if warnings::tell(tx, parts.into_iter(), &agent)? { warn::words(&caps) } else { None })
        });
        // It is said late rather than that the call fails for it.
        line.unwrap_or_else(|error| {
            tracing::warn!(%error, "an agent was not told of its budget; it is told at its next call");
            None
        })
    }

    /// After a cap was changed: what was warned of is forgotten where there is room again, and a lower one may be near its end.
    pub(super) fn look_at_caps(&self, id: TaskId) {
        let by = self.by(&system(), COUNTING);
        if let Err(error) = self.counting(move |tx| warnings::watch(tx, &[id], &by, &BTreeSet::new(), warn::due)) {
            tracing::warn!(%error, "a changed cap was not looked at; the next count does it");
        }
    }
}
