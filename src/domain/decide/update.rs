//! What a holder reports while it works: progress, checkpoints, blockers, artifacts, giving back, failing.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::domain::command::{Change, Dependents, SubmitArtifact, Target};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::TaskId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Status, Task, TaskState};

use super::{holder, require, subject};

pub fn task(facts: &Facts, target: &Target, change: &Change, context: &Context) -> Result<Vec<Event>, Refusal> {
    match change {
        Change::Progress { note, percent, checkpoint: data } => {
            let (task, _) = holder(facts, target, context)?;
            let mut events = vec![Event::ProgressNoted { task: task.id, note: note.clone(), percent: *percent }];
            if let Some(data) = data {
                events.push(checkpoint(task, data, context)?);
            }
            Ok(events)
        }
        Change::Checkpoint { data } => {
            let (task, _) = holder(facts, target, context)?;
            Ok(vec![checkpoint(task, data, context)?])
        }
        Change::Block { reason } => block(facts, target, reason, context),
        Change::Unblock { blocker } => unblock(facts, target, *blocker, context),
        Change::Release { reason } => {
            // A person frees what an agent that is gone has left behind.
            let by_id = context.caller.role == Role::Operator && target.handle.is_none();
            let freed = subject(facts, target).ok().filter(|_| by_id);
            let (task, claim) = match freed.map(|task| (task, task.claim())) {
                Some((task, Some(claim))) => (task, claim),
                Some((task, None)) => {
                    let message = format!("nobody holds {}; it is {}", task.id, task.status().word());
                    return Err(Refusal::new(Code::NoClaim, message, "there is nothing to free"));
                }
                None => holder(facts, target, context)?,
            };
            let (agent, fence) = (claim.agent.clone(), claim.fence);
            Ok(vec![Event::ClaimReleased { task: task.id, agent, fence, reason: reason.clone() }])
        }
        Change::Fail { reason, for_good } => {
            let (task, _) = holder(facts, target, context)?;
            let failed = task.attempts.failed.saturating_add(1);
            let reason = reason.clone();
            if !*for_good && failed < task.attempts.limit {
                return Ok(vec![Event::AttemptFailed { task: task.id, reason, failed }]);
            }
            let mut events = void(facts, task, "failed");
            events.push(Event::TaskFailed { task: task.id, reason });
            Ok(events)
        }
        Change::Cancel { reason, dependents } => cancel(facts, target, reason, *dependents, context),
        Change::Reopen { reason } => {
            let task = subject(facts, target)?;
            owner(task, context, "trying a failed task again")?;
            if task.status() != Status::Failed {
                let message = format!("{} is {}, not failed", task.id, task.status().word());
                return Err(Refusal::new(Code::WrongState, message, "only a failed task can be tried again"));
            }
            Ok(vec![Event::TaskReopened { task: task.id, reason: reason.clone() }])
        }
    }
}

/// Questions and unused answers about a task that is over.
fn void(facts: &Facts, task: &Task, how: &str) -> Vec<Event> {
    let of_task = facts.state.approvals.values().filter(|known| known.task == Some(task.id));
    of_task
        .filter(|known| known.state.is_unused())
        .map(|known| Event::ApprovalCancelled {
            approval: known.id,
            task: known.task,
            why: format!("{} {how}", task.id),
        })
        .collect()
}

fn block(facts: &Facts, target: &Target, reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    let task = subject(facts, target)?;
    let blocker = match &task.state {
        TaskState::Claimed(_) => {
            holder(facts, target, context)?;
            1
        }
        TaskState::Blocked { blockers } => {
            owner(task, context, "adding a blocker to a task you do not hold")?;
            blockers.iter().map(|blocker| blocker.id).max().unwrap_or(0).saturating_add(1)
        }
        TaskState::Ready => {
            owner(task, context, "blocking a task you do not hold")?;
            1
        }
        TaskState::Waiting { .. } | TaskState::Done { .. } | TaskState::Failed { .. } | TaskState::Cancelled { .. } => {
            let message = format!("{} is {} and cannot be blocked", task.id, task.status().word());
            return Err(Refusal::new(Code::WrongState, message, "only ready, claimed or blocked tasks take blockers"));
        }
    };
    Ok(vec![Event::TaskBlocked { task: task.id, blocker, reason: reason.to_owned() }])
}

fn unblock(facts: &Facts, target: &Target, blocker: Option<u32>, context: &Context) -> Result<Vec<Event>, Refusal> {
    let task = subject(facts, target)?;
    let TaskState::Blocked { blockers } = &task.state else {
        let message = format!("{} is {}, not blocked", task.id, task.status().word());
        return Err(Refusal::new(Code::WrongState, message, "there is nothing to clear"));
    };
    owner(task, context, "clearing a blocker")?;
    let cleared: BTreeSet<u32> =
        blockers.iter().map(|known| known.id).filter(|id| blocker.is_none_or(|wanted| wanted == *id)).collect();
    if cleared.is_empty() {
        let known = super::words(blockers.iter().map(|known| format!("{} ({})", known.id, known.reason)));
        return Err(Refusal::new(
            Code::WrongState,
            format!("{} has no such blocker", task.id),
            format!("it has: {known}"),
        ));
    }
    Ok(vec![Event::TaskUnblocked { task: task.id, blockers: cleared }])
}

fn cancel(
    facts: &Facts,
    target: &Target,
    reason: &str,
    dependents: Option<Dependents>,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let task = subject(facts, target)?;
    match task.claim() {
        Some(claim) if claim.agent == context.caller.agent => {}
        Some(_) => require(context, &[Role::Operator], "cancelling a task that another agent holds")?,
        None => owner(task, context, "cancelling a task")?,
    }
    let by_person = context.caller.role == Role::Operator;
    let is_agreed_to = by_person && matches!(task.state, TaskState::Cancelled { by_person: false, .. });
    if !task.status().is_open() && task.status() != Status::Failed && !is_agreed_to {
        let message = format!("{} is {} already", task.id, task.status().word());
        return Err(Refusal::new(Code::WrongState, message, "there is nothing to cancel"));
    }
    let mut events = void(facts, task, "was cancelled");
    events.push(Event::TaskCancelled { task: task.id, reason: reason.to_owned(), by_person });
    let waiting: Vec<TaskId> =
        facts.dependents.iter().copied().filter(|id| super::waits_for(facts, *id, task.id)).collect();
    match dependents {
        None if waiting.is_empty() => {}
        None => {
            let message = format!("other tasks wait for {}: {}", task.id, super::words(waiting.iter()));
            let hint = "say what becomes of them: dependents `cancel`, or `release` to let them start without it";
            return Err(Refusal::new(Code::OpenDependents, message, hint));
        }
        Some(Dependents::Release) => {
            events.extend(waiting.iter().map(|id| Event::TaskReadied { task: *id, met: task.id }));
        }
        Some(Dependents::Cancel) => {
            let why = format!("{} was cancelled: {reason}", task.id);
            let cancelled = downstream(facts, task.id);
            let cancelled = cancelled.into_iter();
            events.extend(cancelled.map(|task| Event::TaskCancelled { task, reason: why.clone(), by_person }));
        }
    }
    Ok(events)
}

/// Everything that waits for the task, and what waits for that.
fn downstream(facts: &Facts, of: TaskId) -> BTreeSet<TaskId> {
    let mut found = BTreeSet::new();
    let mut frontier = vec![of];
    while let Some(met) = frontier.pop() {
        for id in facts.dependents.iter().filter(|id| super::waits_for(facts, **id, met)) {
            if found.insert(*id) {
                frontier.push(*id);
            }
        }
    }
    found
}

/// Who may change a task without holding it: who handed it in, who last worked on it, an operator.
fn owner(task: &Task, context: &Context, what: &str) -> Result<(), Refusal> {
    let agent = &context.caller.agent;
    if context.caller.role == Role::Operator || task.submitted_by == *agent || task.authors.contains(agent) {
        return Ok(());
    }
    let message = format!("{what} is for who submitted {} or worked on it, and for operators", task.id);
    Err(Refusal::new(Code::RoleRequired, message, "ask the person at the phasegate command line"))
}

fn checkpoint(task: &Task, data: &Value, context: &Context) -> Result<Event, Refusal> {
    let bytes = serde_json::to_string(data).map(|text| text.len()).unwrap_or(usize::MAX);
    let limit = context.settings.limits.checkpoint_bytes;
    if bytes > limit {
        let message = format!("the checkpoint is {bytes} bytes, the limit is {limit}");
        let hint = "keep what the next holder needs to go on; hand in bulk with submit_artifact";
        return Err(Refusal::new(Code::TooLarge, message, hint));
    }
    Ok(Event::CheckpointSaved { task: task.id, data: data.clone() })
}

pub fn artifact(facts: &Facts, command: &SubmitArtifact, context: &Context) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, &command.target, context)?;
    if task.workflow != command.checked_under {
        let message = format!("{} changed while the artifact was checked", task.id);
        return Err(Refusal::new(Code::StaleClaim, message, "hand it in again"));
    }
    let limit = context.settings.limits.artifacts_per_task;
    if !task.artifacts.contains_key(&command.name) && task.artifacts.len() >= limit {
        let message = format!("{} already has {limit} artifacts", task.id);
        return Err(Refusal::new(Code::TooMany, message, "replace one by handing in its name again"));
    }
    let version = task.artifacts.get(&command.name).map_or(1, |known| known.version.saturating_add(1));
    Ok(vec![Event::ArtifactSubmitted {
        task: task.id,
        name: command.name.clone(),
        version,
        sha256: command.sha256.clone(),
        bytes: command.bytes,
        media_type: command.media_type.clone(),
        path: command.path.clone(),
    }])
}
