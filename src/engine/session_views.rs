//! Sessions of clients as people are shown them: who works in them, what they hold, and which are not guarded.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::domain::ids::{AgentName, Time};
use crate::domain::query::{TaskFilter, TaskRow};
use crate::domain::record::RecordFilter;
use crate::domain::session::Session;
use crate::store::{StoreError, Tx, read, sessions};

use super::Engine;

/// Of agents that work in one session.
const TASKS_MAX: usize = 20;
const REFUSALS_MAX: usize = 100;
const LATELY_MS: i64 = 24 * 60 * 60 * 1000;

#[derive(Clone, Debug, Serialize)]
pub struct SessionRow {
    #[serde(flatten)]
    pub session: Session,
    pub seen: Time,
    /// Held on its main thread and by its subagents.
    pub tasks: Vec<TaskRow>,
}

impl Engine {
    /// The one seen last first; those that have ended only where they are asked for.
    pub fn sessions(&self, ended: bool, limit: u32) -> Result<Vec<SessionRow>, StoreError> {
        self.view(|tx| {
            let found = if ended { sessions::latest(tx, limit)? } else { sessions::open(tx, limit)? };
            found.into_iter().map(|(session, seen)| row(tx, session, seen)).collect()
        })
    }

    /// Sessions whose id begins so, ended or not.
    pub fn sessions_like(&self, id: &str) -> Result<Vec<SessionRow>, StoreError> {
        self.view(|tx| {
            let found = sessions::like(tx, id)?;
            found.into_iter().map(|(session, seen)| row(tx, session, seen)).collect()
        })
    }

    /// Agents that were refused a claim of late, since no hook had told of their call.
    pub fn unguarded_of_late(&self) -> Result<BTreeSet<AgentName>, StoreError> {
        let code = Some(crate::domain::refusal::Code::Unguarded.word().to_owned());
        let since = Some(Time(self.now().0.saturating_sub(LATELY_MS)));
        let found = self.records(&RecordFilter { code, since, limit: REFUSALS_MAX, ..RecordFilter::default() })?;
        Ok(found.records.into_iter().map(|record| record.agent).collect())
    }
}

fn row(tx: &mut dyn Tx, session: Session, seen: Time) -> Result<SessionRow, StoreError> {
    let subagents = session.subagents.iter().filter(|(_, known)| known.ended.is_none()).map(|(name, _)| name);
    let mut tasks = Vec::new();
    for agent in std::iter::once(&session.agent).chain(subagents).take(TASKS_MAX) {
        let filter = TaskFilter { agent: Some(agent.0.clone()), limit: TASKS_MAX, ..TaskFilter::default() };
        tasks.extend(read::tasks(tx, &filter)?.tasks);
    }
    Ok(SessionRow { session, seen, tasks })
}
