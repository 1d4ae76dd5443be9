//! Claiming: the next task that fits, one by id, or a new one. Which ready task is next is also said in the store's SQL;
//! the model test holds the two together.

use std::collections::BTreeMap;

use crate::domain::claim::{Claim, LEASE_SECONDS_MAX, LEASE_SECONDS_MIN};
use crate::domain::command::{ClaimTask, Filter, NewTask, Want};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Sighting};
use crate::domain::ids::{TaskId, WorkflowHash};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::Spent;
use crate::domain::task::{Status, Task};
use crate::domain::workflow::Enforcement;

use super::{budget, submit};

pub fn claim(facts: &Facts, command: &ClaimTask, context: &Context) -> Result<Vec<Event>, Refusal> {
    if !(LEASE_SECONDS_MIN..=LEASE_SECONDS_MAX).contains(&command.lease_seconds) {
        let message = format!("a lease of {} seconds is not possible", command.lease_seconds);
        let hint = format!("lease_seconds is {LEASE_SECONDS_MIN} to {LEASE_SECONDS_MAX}; any activity renews it");
        return Err(Refusal::new(Code::BadArguments, message, hint));
    }
    let events = chosen(facts, command, context)?;
    guarded(facts, &events, context)?;
    Ok(events)
}

/// Who claims under a strict workflow has shown that its own tools are guarded, where its client can show that at all.
fn guarded(facts: &Facts, events: &[Event], context: &Context) -> Result<(), Refusal> {
    if context.caller.sighting != Sighting::Unseen {
        return Ok(());
    }
    let hash = |event: &Event| {
        if let Event::TaskSubmitted { workflow, .. } = event {
            return Some(workflow.clone());
        }
        event.task().and_then(|id| facts.state.tasks.get(&id)).map(|task| task.workflow.clone())
    };
    let strict = |hash: &WorkflowHash| {
        facts.workflows.get(hash).is_none_or(|workflow| workflow.enforcement == Enforcement::Strict)
    };
    if !events.iter().filter_map(hash).any(|hash| strict(&hash)) {
        return Ok(());
    }
    let message = "this session is not guarded: phasegate's hook has not seen this call, so the client's own tools would run \
                   unchecked, and a strict workflow gives it no task";
    let hint = "`phasegate init` in the project puts the hooks in; then start the client anew. `phasegate doctor` says what \
                is missing";
    Err(Refusal::new(Code::Unguarded, message, hint))
}

fn chosen(facts: &Facts, command: &ClaimTask, context: &Context) -> Result<Vec<Event>, Refusal> {
    if let Some(handle) = &command.resume {
        return resume(facts, command, handle, context);
    }
    if let Some(mine) = already_held(facts, command, context) {
        return Ok(vec![resumed(mine, command, context)]);
    }
    limit(facts, context)?;
    match &command.want {
        Want::One(id) => one(facts, facts.task(*id)?, command, context),
        Want::New(new) => fresh(facts, new, command, context),
        Want::Next(filter) => next(facts, filter, command, context),
    }
}

fn claimed(task: &Task, command: &ClaimTask, context: &Context) -> Event {
    Event::TaskClaimed {
        task: task.id,
        agent: context.caller.agent.clone(),
        fence: task.fence.next(),
        handle: command.handle.clone(),
        lease_seconds: command.lease_seconds,
        route: None,
    }
}

fn resumed(task: &Task, command: &ClaimTask, context: &Context) -> Event {
    let mine = task.claim().is_some_and(|claim| claim.agent == context.caller.agent);
    Event::ClaimResumed {
        task: task.id,
        agent: context.caller.agent.clone(),
        // Under another name it is another holder, and what the old one still sends is stale.
        fence: if mine { task.fence } else { task.fence.next() },
        handle: command.handle.clone(),
        lease_seconds: command.lease_seconds,
    }
}

/// A retried call, or a session that asks again: the same work, not a second task.
fn already_held<'f>(facts: &'f Facts, command: &ClaimTask, context: &Context) -> Option<&'f Task> {
    let mut held = facts.held.iter().filter_map(|id| facts.state.tasks.get(id));
    match &command.want {
        Want::One(id) => held.find(|task| task.id == *id),
        Want::Next(filter) => {
            let full = facts.held.len() >= context.caller.claims as usize;
            let one = full && context.caller.claims == 1;
            held.find(|task| one && filter.matches(task) && task.claim().is_some())
        }
        Want::New(new) => held.find(|task| {
            task.spec.title == new.spec.title
                && task.submitted_by == context.caller.agent
                && task.spec.goal == new.spec.goal
        }),
    }
}

fn resume(
    facts: &Facts,
    command: &ClaimTask,
    handle: &crate::domain::ids::HandleHash,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let Some(record) = &facts.handle else {
        let message = "this claim handle was never given out here";
        return Err(Refusal::new(Code::NoClaim, message, "leave `claim` out to get the next task"));
    };
    let task = facts.task(record.task)?;
    match task.claim() {
        Some(claim) if claim.handle == *handle => {
            if claim.agent != context.caller.agent {
                limit(facts, context)?;
                fits(task, context)?;
            }
            Ok(vec![resumed(task, command, context)])
        }
        Some(claim) if claim.agent == context.caller.agent => {
            let message = format!("you have claimed {} again since; only the newest handle counts", task.id);
            Err(Refusal::new(Code::StaleClaim, message, "go on with the newest `claim`, or leave it out"))
        }
        Some(claim) => {
            let message =
                format!("claim number {} on {} is over; `{}` holds it now", record.fence, task.id, claim.agent);
            Err(Refusal::new(Code::StaleClaim, message, "claim_task without `claim` gives you another task"))
        }
        None => {
            limit(facts, context)?;
            one(facts, task, command, context)
        }
    }
}

fn limit(facts: &Facts, context: &Context) -> Result<(), Refusal> {
    if facts.held.len() < context.caller.claims as usize {
        return Ok(());
    }
    let held = facts.held.iter().filter_map(|id| facts.state.tasks.get(id));
    let list = super::words(held.map(|task| format!("{} ({})", task.id, task.spec.title)));
    let message = format!("you hold {list}, and may hold {} at a time", context.caller.claims);
    let hint = "finish it, or update_task with `release`; a person raises `claims_per_agent` in their config.toml";
    Err(Refusal::new(Code::ClaimLimit, message, hint))
}

fn fits(task: &Task, context: &Context) -> Result<(), Refusal> {
    if !context.caller.may_work_in(&task.spec.workflow) {
        let message = format!("{} is of the workflow `{}`; {}", task.id, task.spec.workflow, allowed(context));
        let hint = "claim another: claim_task without `id` picks only what your credential is for";
        return Err(Refusal::new(Code::NotClaimable, message, hint));
    }
    let missing: Vec<_> = task.spec.capabilities.difference(&context.caller.capabilities).cloned().collect();
    if missing.is_empty() {
        return Ok(());
    }
    let message = format!("{} needs the capability {}, which you do not have", task.id, missing.join(", "));
    Err(Refusal::new(Code::MissingCapability, message, "claim another; a person can give the capability"))
}

/// For messages to a caller whose credential is for some workflows only.
pub(super) fn allowed(context: &Context) -> String {
    format!("your credential is for tasks of {}", super::words(context.caller.workflows.iter()))
}

fn one(facts: &Facts, task: &Task, command: &ClaimTask, context: &Context) -> Result<Vec<Event>, Refusal> {
    fits(task, context)?;
    let refuse = |message: String, hint: &str| Err(Refusal::new(Code::NotClaimable, message, hint));
    match task.status() {
        Status::Ready => {
            budget::within(facts, task.id, Spent::default(), context.now)?;
            Ok(vec![claimed(task, command, context)])
        }
        Status::Claimed => {
            let lapsed = facts.leases.get(&task.id).is_none_or(|until| *until <= context.now);
            match task.claim() {
                Some(claim) if !lapsed && was_left(facts, task.id, claim) => {
                    budget::within(facts, task.id, Spent::default(), context.now)?;
                    let reason = "the session of its holder has ended".to_owned();
                    let (agent, fence) = (claim.agent.clone(), claim.fence);
                    let released = Event::ClaimReleased { task: task.id, agent, fence, reason };
                    Ok(vec![released, claimed(task, command, context)])
                }
                Some(claim) if lapsed => {
                    budget::within(facts, task.id, Spent::default(), context.now)?;
                    let expired = Event::ClaimExpired { task: task.id, agent: claim.agent.clone(), fence: claim.fence };
                    Ok(vec![expired, claimed(task, command, context)])
                }
                _ => {
                    let holder = task.claim().map(|claim| claim.agent.to_string()).unwrap_or_default();
                    let until = facts.leases.get(&task.id).map(|until| context.now.seconds_until(*until)).unwrap_or(0);
                    let message = format!("{} is held by `{holder}`, whose lease runs {until} s more", task.id);
                    refuse(
                        message,
                        "claim another; if that agent is gone, a person frees it with `phasegate tasks release`",
                    )
                }
            }
        }
        Status::Waiting => {
            let on = task.state.waits_for().map(|on| super::words(on.iter())).unwrap_or_default();
            refuse(
                format!("{} waits for {on}", task.id),
                "claim one of those first; claim_task without `id` picks what is ready",
            )
        }
        Status::Blocked => {
            refuse(format!("{} is blocked", task.id), "list_tasks shows why; update_task with `unblock` clears it")
        }
        Status::Done | Status::Failed | Status::Cancelled => refuse(
            format!("{} is {}", task.id, task.status().word()),
            "list_tasks {\"status\":[\"ready\"]} shows what can be claimed",
        ),
    }
}

fn was_left(facts: &Facts, task: TaskId, claim: &Claim) -> bool {
    let (ended, until) = (facts.left.get(&claim.agent), facts.leases.get(&task));
    ended.zip(until).is_some_and(|(ended, until)| claim.was_left(*until, *ended))
}

fn fresh(facts: &Facts, new: &NewTask, command: &ClaimTask, context: &Context) -> Result<Vec<Event>, Refusal> {
    let id = TaskId(facts.next.task);
    let submitted = submit::one(facts, new, id, &BTreeMap::new(), context)?;
    if let Event::TaskSubmitted { waiting_on, spec, .. } = &submitted {
        if let Some(parent) = spec.parent {
            budget::within(facts, parent, Spent::default(), context.now)?;
        }
        if !waiting_on.is_empty() {
            let message = format!("the new task would wait for {}", super::words(waiting_on.iter()));
            let hint = "submit_task hands it in without claiming it";
            return Err(Refusal::new(Code::NotClaimable, message, hint));
        }
        let missing: Vec<_> = spec.capabilities.difference(&context.caller.capabilities).cloned().collect();
        if !missing.is_empty() {
            let message = format!("the new task needs the capability {}, which you do not have", missing.join(", "));
            return Err(Refusal::new(Code::MissingCapability, message, "submit_task hands it in for another agent"));
        }
    }
    let claim = Event::TaskClaimed {
        task: id,
        agent: context.caller.agent.clone(),
        fence: crate::domain::ids::Fence(1),
        handle: command.handle.clone(),
        lease_seconds: command.lease_seconds,
        route: None,
    };
    Ok(vec![submitted, claim])
}

/// The most urgent, then the oldest, of what is ready and what a lapsed lease has left.
fn next(facts: &Facts, filter: &Filter, command: &ClaimTask, context: &Context) -> Result<Vec<Event>, Refusal> {
    let lapsed = facts.expired.iter().filter_map(|id| facts.state.tasks.get(id));
    let ready = facts.candidate.iter().filter_map(|id| facts.state.tasks.get(id));
    let best = lapsed
        .chain(ready)
        .filter(|task| matches!(task.status(), Status::Ready | Status::Claimed))
        .filter(|task| filter.matches(task) && fits(task, context).is_ok())
        .filter(|task| budget::within(facts, task.id, Spent::default(), context.now).is_ok())
        .max_by_key(|task| (task.spec.priority.rank(), std::cmp::Reverse(task.id)));
    match best {
        Some(task) => one(facts, task, command, context),
        None => {
            // Of what is ready, all is kept back by a budget: that is what the caller can do something about.
            facts.over_budget.iter().try_for_each(|id| budget::within(facts, *id, Spent::default(), context.now))?;
            Err(nothing(facts, filter, context))
        }
    }
}

fn nothing(facts: &Facts, filter: &Filter, context: &Context) -> Refusal {
    let credential = |context: &Context| match context.caller.workflows.is_empty() {
        true => String::new(),
        false => format!("; {}", allowed(context)),
    };
    let c = facts.counts;
    let message = if c.ready == 0 {
        format!("no task is ready ({} waiting, {} claimed, {} blocked)", c.waiting, c.claimed, c.blocked)
    } else if *filter == Filter::default() {
        format!("none of the {} ready tasks fits your capabilities{}", c.ready, credential(context))
    } else {
        format!("none of the {} ready tasks fits your filter and capabilities{}", c.ready, credential(context))
    };
    let hint = "claim_task {\"new\":{\"title\":\"…\"}} makes one; list_tasks shows all";
    let Some(first) = facts.stuck.first() else { return Refusal::new(Code::NothingReady, message, hint) };
    let message = format!("{message}; others wait for {}, which failed", super::words(facts.stuck.iter()));
    let hint = format!(
        "{hint}; a person tries a failed one again with `phasegate tasks reopen {first} --reason …`, or ends it with `phasegate tasks cancel {first} --reason … --dependents cancel` (or `release`)"
    );
    Refusal::new(Code::NothingReady, message, hint)
}

impl Filter {
    pub fn matches(&self, task: &Task) -> bool {
        self.labels.is_subset(&task.spec.labels)
            && self.kind.as_ref().is_none_or(|kind| *kind == task.spec.kind)
            && self.workflow.as_ref().is_none_or(|workflow| *workflow == task.spec.workflow)
            && self.priority.is_none_or(|least| task.spec.priority >= least)
            && self.parent.is_none_or(|parent| task.spec.parent == Some(parent))
    }
}
