//! What a tool answers, worked out from the facts after its command.

use std::collections::BTreeMap;

use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::brief::{Brief, brief};
use crate::domain::command::{NewTask, Question, Reference, RequestApproval, SubmitTasks};
use crate::domain::decide::{approval_gate, gates, same_question};
use crate::domain::event::Event;
use crate::domain::facts::Context;
use crate::domain::graph;
use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::TaskState;
use crate::store::Outcome;
use crate::tools::request_approval::Asking;
use crate::tools::submit_task::{Submitted, SubmittedTask};
use crate::tools::update_task::Updated;

use super::{Failure, subject};

/// Tasks outside a submission that it names.
pub fn refers_to(tasks: &[NewTask]) -> Vec<TaskId> {
    let references = tasks.iter().flat_map(|new| new.depends_on.iter().chain(&new.parent));
    references
        .filter_map(|reference| match reference {
            Reference::Task(id) => Some(*id),
            Reference::Local(_) => None,
        })
        .collect()
}

pub fn submitted(submission: &SubmitTasks, outcome: &Outcome) -> Submitted {
    let ids: Vec<TaskId> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            Event::TaskSubmitted { task, .. } => Some(*task),
            _ => None,
        })
        .collect();
    let place: BTreeMap<TaskId, usize> = ids.iter().enumerate().map(|(index, id)| (*id, index)).collect();
    let tasks = ids.iter().filter_map(|id| outcome.facts.state.tasks.get(id));
    let edges: Vec<Vec<usize>> = tasks
        .clone()
        .map(|task| task.spec.depends_on.iter().filter_map(|on| place.get(on).copied()).collect())
        .collect();
    let waves_of = graph::waves(&edges);
    let mut waves: Vec<Vec<TaskId>> = vec![Vec::new(); waves_of.iter().copied().max().unwrap_or(0)];
    let rows = tasks.zip(&submission.tasks).zip(waves_of).map(|((task, new), wave)| {
        if let Some(list) = waves.get_mut(wave.saturating_sub(1)) {
            list.push(task.id);
        }
        SubmittedTask {
            id: task.id,
            r#ref: new.local.clone(),
            title: task.spec.title.clone(),
            status: task.status(),
            workflow: task.spec.workflow.clone(),
            wave,
        }
    });
    let tasks = rows.collect();
    Submitted { tasks, waves }
}

pub fn claimed(outcome: &Outcome, secret: String, now: Time) -> Result<Brief, Failure> {
    let id = outcome.events.iter().find_map(|event| match event {
        Event::TaskClaimed { task, .. } | Event::ClaimResumed { task, .. } => Some(*task),
        _ => None,
    });
    let task = outcome.facts.task(id.or_else(|| subject(outcome)).unwrap_or(TaskId(0)))?;
    let mut brief = brief(&outcome.facts, task, Some(secret), now)?;
    if outcome.events.iter().any(|event| matches!(event, Event::ClaimResumed { .. })) {
        brief.note = Some(format!("you hold {} already; this is its brief again", task.id));
    }
    Ok(brief)
}

pub fn updated(outcome: &Outcome) -> Result<Updated, Failure> {
    let task = outcome.facts.task(subject(outcome).unwrap_or(TaskId(0)))?;
    let also = outcome.events.iter().filter_map(Event::task).filter(|id| *id != task.id).collect();
    let attempts_left = outcome.events.iter().find_map(|event| match event {
        Event::AttemptFailed { failed, .. } => Some(task.attempts.limit.saturating_sub(*failed)),
        Event::TaskFailed { .. } => Some(0),
        _ => None,
    });
    Ok(Updated {
        task: task.id,
        status: task.status(),
        phase: task.phase.clone(),
        blockers: match &task.state {
            TaskState::Blocked { blockers } => blockers.clone(),
            _ => Vec::new(),
        },
        attempts_left,
        lease_until: task.claim().and_then(|_| outcome.facts.leases.get(&task.id).copied()),
        also,
    })
}

/// The approval that a request made, or found.
pub fn asked(outcome: &Outcome, request: &RequestApproval, context: &Context) -> Result<ApprovalId, Failure> {
    let made = outcome.events.iter().find_map(|event| match event {
        Event::ApprovalRequested { approval, .. } => Some(*approval),
        _ => None,
    });
    if let Some(id) = made {
        return Ok(id);
    }
    let facts = &outcome.facts;
    let task = facts.task(subject(outcome).unwrap_or(TaskId(0)))?;
    let found = match &request.what {
        Question::Gate(name) => {
            let (gate, _) = approval_gate(facts, task, name.as_deref())?;
            gates::latest_approval(facts, task, facts.phase_of(task)?, &gate.id)
        }
        Question::Free { ask, choices, .. } => {
            same_question(facts, task, &About::Question { choices: choices.clone() }, ask, context)
        }
    };
    let missing = || Refusal::new(Code::UnknownApproval, "the approval cannot be found", "ask again");
    Ok(found.map(|approval| approval.id).ok_or_else(missing)?)
}

pub fn asking(approval: &Approval, now: Time) -> Asking {
    let answer = approval.state.answer();
    let late = approval.state.is_pending() && approval.expires_at <= now;
    let where_to = match approval.level {
        0 => String::new(),
        level => format!(" It asks for proof of level {level}, which a dialog of this client cannot give."),
    };
    let waits = format!(
        "Tell your person that it waits: `phasegate approvals show {}` in a terminal of theirs.{where_to} Do what does not \
         depend on it meanwhile, and call this again, or with `wait_seconds`, for the answer.",
        approval.id
    );
    let next = match &approval.state {
        ApprovalState::Pending if late => "Nobody answered in time; ask again if you still need it.",
        ApprovalState::Pending => &waits,
        ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } => match &approval.about {
            About::Gate { .. } => "The gate is open: transition_phase.",
            About::Question { .. } => "Go on with that answer.",
        },
        ApprovalState::Rejected(_) => "Change what was refused before you ask again.",
        ApprovalState::Expired { .. } => "Nobody answered in time; ask again if you still need it.",
        ApprovalState::Cancelled { .. } => "It no longer applies; ask again if you still need it.",
        ApprovalState::Consumed { .. } => "It has been used; a new step needs a new approval.",
    };
    let reason = match &approval.state {
        ApprovalState::Cancelled { why, .. } => Some(why.clone()),
        _ => answer.map(|answer| answer.reason.clone()).filter(|reason| !reason.is_empty()),
    };
    Asking {
        approval: approval.id,
        state: if late { "expired" } else { approval.state.word() }.to_owned(),
        digest: approval.digest.clone(),
        ask: approval.ask.clone(),
        expires_at: approval.expires_at,
        answered_by: answer.map(|answer| answer.by.to_string()),
        reason,
        choice: answer.and_then(|answer| answer.choice.clone()),
        next: next.to_owned(),
    }
}
