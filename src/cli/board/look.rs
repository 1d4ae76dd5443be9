//! Loading what is on the screen: only what the open page shows, each time from one look at the store.

use crate::domain::approval::{About, Approval};
use crate::domain::ids::{ApprovalId, TaskId};
use crate::domain::query::ApprovalFilter;
use crate::domain::record::RecordFilter;
use crate::domain::view::CostFilter;
use crate::engine::Engine;

use super::super::approvals::shown;
use super::super::{Ended, Out};
use super::model::{Asked, Look, Tab, TaskLook, Wanted};

const ASKED_MAX: usize = 500;
const RECORDS_MAX: usize = 200;

impl Look {
    pub fn of(engine: &Engine, wanted: &Wanted) -> Result<Self, Ended> {
        let costs = CostFilter { by: wanted.by.clone(), ..CostFilter::default() };
        let inbox = if wanted.tab == Tab::Inbox || wanted.tab == Tab::Board { inbox(engine)? } else { Vec::new() };
        // The first of the inbox is before the eyes as soon as it is opened.
        let approval = wanted.approval.or_else(|| inbox.first().map(|asked| asked.id));
        let approval = approval.filter(|_| wanted.tab == Tab::Inbox);
        Ok(Self {
            board: engine.board()?,
            inbox,
            shown: approval.map(|id| Ok::<_, Ended>((id, text(engine, id)?))).transpose()?,
            fleet: if wanted.tab == Tab::Fleet { Some(engine.fleet()?) } else { None },
            costs: if wanted.tab == Tab::Costs { Some(engine.costs_by(&costs)?) } else { None },
            savings: if wanted.tab == Tab::Costs { Some(engine.savings(None)?) } else { None },
            task: wanted.task.map(|id| task(engine, id)).transpose()?.flatten(),
        })
    }
}

/// What waits, the oldest first, but for what time has ended.
fn inbox(engine: &Engine) -> Result<Vec<Asked>, Ended> {
    let filter = ApprovalFilter { pending_only: true, id: None, limit: ASKED_MAX };
    let now = engine.now();
    let found = engine.approvals(&filter)?.into_iter().rev().filter(|approval| !approval.has_run_out(now));
    Ok(found.map(|approval| asked(&approval)).collect())
}

fn asked(approval: &Approval) -> Asked {
    let (choices, arguments) = match &approval.about {
        About::Question { choices } => (choices.clone(), None),
        About::Call { arguments, .. } => (Vec::new(), Some(arguments.clone())),
        About::Gate { .. } => (Vec::new(), None),
    };
    Asked {
        id: approval.id,
        task: approval.task,
        by: approval.requested_by.clone(),
        headline: shown::headline(approval),
        expires_at: approval.expires_at,
        level: approval.level,
        batch: approval.batch,
        choices,
        arguments,
    }
}

/// As `approvals show` has it, with nothing left out: what is scrolled need not be cut.
pub fn text(engine: &Engine, id: ApprovalId) -> Result<String, Ended> {
    match engine.approval(id)? {
        Some(approval) => shown::described(engine, &approval, shown::Extent::Whole, &Out::plain()),
        None => Ok(format!("{id} is gone.")),
    }
}

fn task(engine: &Engine, id: TaskId) -> Result<Option<TaskLook>, Ended> {
    let (Some(task), Some(around)) = (engine.task(id)?, engine.surroundings(id)?) else { return Ok(None) };
    let mut said: Vec<(String, String)> = Vec::new();
    let mut say = |name: &str, text: &str| {
        if !text.is_empty() {
            said.push((name.to_owned(), text.to_owned()));
        }
    };
    say("goal", &task.spec.goal);
    say("what", &task.spec.description);
    say("accepted if", &task.spec.acceptance_criteria.join("; "));
    say("submitted", &format!("by {} at {}", task.submitted_by, task.submitted_at));
    say("progress", task.progress.as_ref().map_or("", |progress| progress.note.as_str()));
    say("result", task.outcome.as_ref().map_or("", |outcome| outcome.summary.as_str()));
    let filter = RecordFilter { task: Some(id), limit: RECORDS_MAX, ..RecordFilter::default() };
    let records = engine.records(&filter)?.records;
    let story = records.iter().rev().map(crate::tools::query_audit::line).collect();
    Ok(Some(TaskLook { id, said, around, story }))
}
