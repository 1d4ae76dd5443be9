//! Facts and a command in, events or a refusal out. Pure: no clock, no ids, no I/O; a store may run it twice.

mod approve;
mod approver;
mod ask;
pub mod budget;
mod bypass;
mod call;
mod claiming;
mod credential;
pub mod gate_views;
pub mod gates;
pub mod log;
mod proof;
pub mod raise;
pub mod route;
pub mod session;
mod submit;
mod sweep;
mod transition;
mod trust;
mod update;
pub mod violations;
pub mod warn;

pub use approve::{answer_statement, changed, still_open, usable, void};
pub use approver::taken;
pub use ask::{approval_gate, found};
pub use bypass::{possible as bypass_possible, statement as bypass_statement};
pub use call::{CALL_BYTES, after_leave, consume};
pub use credential::statement as credential_statement;
pub use proof::{at_hand, forgotten, unsigned};
pub use transition::{destination, is_back};
pub use trust::statement as trust_statement;

use super::claim::{Claim, Pass};
use super::command::{Command, Target};
use super::event::Event;
use super::facts::{Context, Facts, Role};
use super::ids::TaskId;
use super::refusal::{Code, Refusal};
use super::task::{Status, Task};

pub fn decide(facts: &Facts, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
    Ok(route::with_routes(facts, judged(facts, command, context)?, context))
}

fn judged(facts: &Facts, command: &Command, context: &Context) -> Result<Vec<Event>, Refusal> {
    match command {
        Command::SubmitTasks(submission) => submit::tasks(facts, submission, context),
        Command::ClaimTask(claim) => claiming::claim(facts, claim, context),
        Command::UpdateTask { target, change } => update::task(facts, target, change, context),
        Command::SubmitArtifact(artifact) => update::artifact(facts, artifact, context),
        Command::StartGate { target, gate, limit_seconds } => {
            gates::start(facts, target, gate, *limit_seconds, context)
        }
        Command::FinishGate(finish) => gates::finish(facts, finish, context),
        Command::TransitionPhase(transition) => transition::phase(facts, transition, context),
        Command::RequestApproval(request) => ask::request(facts, request, context),
        Command::DecideApprovals(answers) => approve::answer(facts, answers, context),
        Command::EnrolApprover { name, key, groups, proof } => {
            approver::enrol(facts, name, key, groups, proof, context)
        }
        Command::RevokeApprover { name, reason, proof } => approver::revoke(facts, name, reason, proof, context),
        Command::CreateCredential(new) => credential::create(facts, new, context),
        Command::RevokeCredential { credential, reason } => credential::revoke(facts, *credential, reason, context),
        Command::OpenBypass(open) => bypass::open(facts, open, context),
        Command::CloseBypass { bypass, reason } => bypass::close(facts, *bypass, reason, context),
        Command::StartCall { approval, limit_seconds } => call::start(facts, *approval, *limit_seconds, context),
        Command::FinishCall(finish) => call::finish(facts, finish),
        Command::NoteViolations { task, session, call, found } => {
            violations::found(facts, *task, session, call.as_deref(), found)
        }
        Command::NoteUndone { task, paths } => violations::undone(facts, *task, paths),
        Command::AcceptViolations(accept) => violations::accept(facts, accept, context),
        Command::ChangeBudget(change) => budget::change(facts, change, context),
        Command::TrustWorkflows { versions, proof } => trust::workflows(facts, versions, proof, context),
        Command::NoteRestore { sha256, bytes, proof } => log::restored(facts, sha256, *bytes, proof, context),
        Command::RecordOutcome(outcome) => route::outcome(facts, outcome, context),
        Command::ResetLearning { upto, reason } => route::reset(facts, *upto, reason, context),
        Command::Sweep => Ok(sweep::sweep(facts, context)),
        Command::ChangeLogKey { old, new, reason, proof } => {
            log::change_key(facts, old.as_deref(), new, reason, proof, context)
        }
        Command::EraseRecords { records, reason, proof } => log::erase(facts, records, reason, proof, context),
    }
}

/// The task a holder means and its claim on it, or why it holds none.
pub fn holder<'f>(facts: &'f Facts, target: &Target, context: &Context) -> Result<(&'f Task, &'f Claim), Refusal> {
    let task = subject(facts, target)?;
    let hint = format!("claim_task {{\"id\":\"{}\"}} takes it, if it is free", task.id);
    let Some(claim) = task.claim() else {
        return Err(not_held(facts, target, context, task, &hint));
    };
    let older_handle = target.handle.as_ref().is_some_and(|handle| *handle != claim.handle);
    let older_fence = target.fence.is_some_and(|fence| fence != claim.fence);
    if older_handle || older_fence {
        let mine = claim.agent == context.caller.agent;
        let message = if mine {
            format!("you have claimed {} again since; only the handle of the newest claim counts", task.id)
        } else {
            format!("your claim on {} ended; `{}` holds it now, claim number {}", task.id, claim.agent, claim.fence)
        };
        let hint = if mine {
            "use the handle of the newest claim".to_owned()
        } else {
            "stop working on it; claim_task gives you another".to_owned()
        };
        return Err(Refusal::new(Code::StaleClaim, message, hint));
    }
    if claim.agent != context.caller.agent {
        let message = format!("{} is held by `{}`, and you are `{}`", task.id, claim.agent, context.caller.agent);
        let hint = "claim_task gives you another task; `claim_task {\"claim\":\"pgc_…\"}` with the handle of that claim goes on under your name";
        return Err(Refusal::new(Code::NotHolder, message, hint));
    }
    Ok((task, claim))
}

/// The task a command is about, whoever holds it.
pub fn subject<'f>(facts: &'f Facts, target: &Target) -> Result<&'f Task, Refusal> {
    let task = named(facts, target)?;
    match &target.pass {
        Some(pass) => stands(task, pass).map(|()| task),
        None => Ok(task),
    }
}

/// A phase token is over with the claim it was given for, and with each step to another phase.
fn stands(task: &Task, pass: &Pass) -> Result<(), Refusal> {
    let over = |message: String| {
        let hint = "use the phase token of your newest answer, or leave it out; list_tasks shows where the task stands";
        Err(Refusal::new(Code::StaleClaim, message, hint))
    };
    if task.claim().is_none_or(|claim| claim.fence != pass.fence) {
        return over(format!("the phase token is of claim number {} on {}, which is over", pass.fence, task.id));
    }
    if task.phase != pass.phase || task.visit != pass.visit {
        let (then, now) = (&pass.phase, &task.phase);
        return over(format!("the phase token is of an earlier stay in phase `{then}`; {} is in `{now}` now", task.id));
    }
    Ok(())
}

fn named<'f>(facts: &'f Facts, target: &Target) -> Result<&'f Task, Refusal> {
    if let Some(id) = facts.subject {
        return facts.task(id);
    }
    if target.handle.is_some() {
        let message = "this claim handle was not given out here, or not for the task you name";
        return Err(Refusal::new(Code::NoClaim, message, "use the `claim` that claim_task returned, or leave it out"));
    }
    if let Some(id) = target.task {
        return facts.task(id);
    }
    match facts.held.as_slice() {
        [] => Err(nothing_held(facts)),
        held => {
            let list = words(held.iter());
            Err(Refusal::new(
                Code::WhichClaim,
                format!("you hold {} tasks: {list}", held.len()),
                "say which one: pass `claim` with its handle, or `task` with its id",
            ))
        }
    }
}

fn nothing_held(facts: &Facts) -> Refusal {
    let more = "claim_task gives you one; claim_task {\"new\":{\"title\":\"…\"}} makes one and claims it";
    let last = facts.last.and_then(|id| facts.state.tasks.get(&id)).filter(|task| task.status().is_open());
    let Some(task) = last else { return Refusal::new(Code::NoClaim, "you hold no task", more) };
    let (id, status) = (task.id, task.status().word());
    let ended = format!("you hold no task: your claim on {id} ended");
    if let Some(claim) = task.claim() {
        let message = format!("{ended}; `{}` holds it now, claim number {}", claim.agent, claim.fence);
        return Refusal::new(Code::NoClaim, message, format!("stop working on {id}; {more}"));
    }
    let again = if task.status() == Status::Blocked {
        format!("update_task {{\"task\":\"{id}\",\"unblock\":true}} clears its blockers; then ")
    } else {
        String::new()
    };
    let hint = format!("{again}claim_task {{\"id\":\"{id}\"}} takes it again; for another: {more}");
    Refusal::new(Code::NoClaim, format!("{ended}; it is {status} now"), hint)
}

fn not_held(facts: &Facts, target: &Target, context: &Context, task: &Task, hint: &str) -> Refusal {
    let was_mine = facts.handle.as_ref().is_some_and(|record| record.task == task.id)
        || task.authors.contains(&context.caller.agent);
    let status = task.status().word();
    if target.handle.is_some() || was_mine {
        let message = format!("your claim on {} has ended; the task is {status} now", task.id);
        let hint = if task.status().is_open() { hint } else { "claim_task gives you another task" };
        Refusal::new(Code::StaleClaim, message, hint)
    } else {
        Refusal::new(Code::NoClaim, format!("you do not hold {}; it is {status}", task.id), hint)
    }
}

/// Only the person, not an agent's say-so.
fn require(context: &Context, roles: &[Role], what: &str) -> Result<(), Refusal> {
    if roles.contains(&context.caller.role) {
        return Ok(());
    }
    let need: Vec<&str> = roles.iter().map(|role| role.word()).collect();
    let message = format!(
        "{what} takes the role {}; `{}` is {}",
        need.join(" or "),
        context.caller.agent,
        context.caller.role.word()
    );
    Err(Refusal::new(Code::RoleRequired, message, "a person does this, at the phasegate command line"))
}

pub fn words<T: std::fmt::Display>(items: impl Iterator<Item = T>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// Dependents of a task that has just ended well and that wait for it.
fn readied(facts: &Facts, met: TaskId) -> impl Iterator<Item = Event> {
    facts
        .dependents
        .iter()
        .filter(move |id| waits_for(facts, **id, met))
        .map(move |id| Event::TaskReadied { task: *id, met })
}

fn waits_for(facts: &Facts, id: TaskId, on: TaskId) -> bool {
    let task = facts.state.tasks.get(&id);
    task.and_then(|task| task.state.waits_for()).is_some_and(|waits| waits.contains(&on))
}
