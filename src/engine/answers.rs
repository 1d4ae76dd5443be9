//! What a tool answers, worked out from the facts after its command.

use std::collections::BTreeMap;

use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::brief::{Brief, brief};
use crate::domain::command::{NewTask, Reference, RequestApproval, SubmitTasks};
use crate::domain::decide::found;
use crate::domain::decide::raise::is_raise;
use crate::domain::event::Event;
use crate::domain::facts::Context;
use crate::domain::graph;
use crate::domain::ids::{ApprovalId, TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Task, TaskState};
use crate::store::Outcome;
use crate::tools::submit_task::{Submitted, SubmittedTask};
use crate::tools::update_task::Updated;
use crate::tools::{self, request_approval::Asking};

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
    // What is open outside the submission stands for one more, which is in the first wave.
    let outside = ids.len();
    let waits_for = |task: &Task| -> Vec<usize> {
        let open = task.state.waits_for().into_iter().flatten();
        open.map(|on| place.get(on).copied().unwrap_or(outside)).collect()
    };
    let edges: Vec<Vec<usize>> = tasks.clone().map(waits_for).chain([Vec::new()]).collect();
    let mut waves_of = graph::waves(&edges);
    waves_of.truncate(outside);
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

pub fn claimed(outcome: &Outcome, secret: String, context: &Context) -> Result<Brief, Failure> {
    let id = outcome.events.iter().find_map(|event| match event {
        Event::TaskClaimed { task, .. } | Event::ClaimResumed { task, .. } => Some(*task),
        _ => None,
    });
    let task = outcome.facts.task(id.or_else(|| subject(outcome)).unwrap_or(TaskId(0)))?;
    let mut brief = brief(&outcome.facts, task, Some(secret), context)?;
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

/// The approvals that a request made or found, in its order.
pub fn asked(outcome: &Outcome, request: &RequestApproval, context: &Context) -> Result<Vec<ApprovalId>, Failure> {
    let facts = &outcome.facts;
    let task = facts.task(subject(outcome).unwrap_or(TaskId(0)))?;
    let missing = || Refusal::new(Code::UnknownApproval, "the approval cannot be found", "ask again");
    let ids = request.what.iter().map(|what| found(facts, task, what, &request.reason, context).map(|known| known.id));
    Ok(ids.map(|id| id.ok_or_else(missing)).collect::<Result<_, _>>()?)
}

pub fn asking(approval: &Approval, now: Time) -> Asking {
    let answer = approval.state.answer();
    let late = approval.has_run_out(now);
    let reason = match &approval.state {
        ApprovalState::Cancelled { why, .. } => Some(why.clone()),
        _ => answer.map(|answer| answer.reason.clone()).filter(|reason| !reason.is_empty()),
    };
    let arguments = match &approval.state {
        ApprovalState::Adjusted { arguments, .. } => Some(arguments.clone()),
        _ => None,
    };
    Asking {
        approval: approval.id,
        state: if late { "expired" } else { approval.state.word() }.to_owned(),
        digest: approval.effective_digest().to_owned(),
        ask: approval.ask.clone(),
        level: approval.level,
        expires_at: approval.expires_at,
        answered_by: answer.map(|answer| answer.by.to_string()),
        answered_at_level: answer.map(|answer| answer.level),
        reason,
        choice: answer.and_then(|answer| answer.choice.clone()),
        arguments,
        next: next(approval, late),
    }
}

fn next(approval: &Approval, late: bool) -> String {
    let said = match &approval.state {
        _ if late => "Nobody answered, or nothing used the answer, in time; ask again if you still need it.",
        ApprovalState::Pending => return waits(approval),
        ApprovalState::Approved(_) => match &approval.about {
            About::Gate { .. } => "The gate is open: transition_phase.",
            About::Call { tool, .. } if tools::find(tool).is_ok() => "Call it now, once, with exactly these arguments.",
            About::Call { .. } => return carry_out(approval),
            About::Question { .. } => "Go on with that answer.",
        },
        ApprovalState::Adjusted { .. } => "The person changed the arguments: do it with these, or not at all.",
        ApprovalState::Rejected(_) => {
            "Change what was refused; then ask again with a `reason` that says what is different now."
        }
        ApprovalState::Expired { .. } => "Its time ran out; ask again if you still need it.",
        ApprovalState::Cancelled { .. } => "It no longer applies; ask again if you still need it.",
        ApprovalState::Consumed { .. } if is_raise(approval) => "The budget is raised: go on.",
        ApprovalState::Consumed { .. } => "It has been used; a new step needs a new approval.",
    };
    said.to_owned()
}

fn waits(approval: &Approval) -> String {
    let proof = match approval.level {
        0 => String::new(),
        level => format!(" It asks for proof of level {level}, which a dialog of this client cannot give."),
    };
    format!(
        "Tell your person that it waits: `phasegate approvals show {}` in a terminal of theirs.{proof} Do what does not \
         depend on it meanwhile, and call this again, or with `wait_seconds`, for the answer.",
        approval.id
    )
}

fn carry_out(approval: &Approval) -> String {
    match approval.call() {
        Some(("Bash", _)) => format!("`phasegate exec {}` runs it, once, exactly as approved.", approval.id),
        _ => "Do it once, exactly like this; phasegate does not run or guard this tool itself.".to_owned(),
    }
}
