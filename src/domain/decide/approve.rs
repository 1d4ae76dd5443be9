//! Asking a person, and the person's answer. How the question reaches a person is not here.

use serde_json::json;

use crate::domain::approval::{About, Answer, Approval, ApprovalState};
use crate::domain::canonical;
use crate::domain::command::{Decision, Question, RequestApproval};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::ApprovalId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::{ApprovalGate, Gate, GateKind};

use super::{gates, holder, require};

pub fn request(facts: &Facts, command: &RequestApproval, context: &Context) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, &command.target, context)?;
    let phase = facts.phase_of(task)?;
    let (about, ask, gate) = match &command.what {
        Question::Gate(name) => {
            let (gate, terms) = approval_gate(facts, task, name.as_deref())?;
            if let Some(known) = gates::latest_approval(facts, task, phase, &gate.id) {
                // Asked already and not answered against: the same approval again.
                let stands = match &known.state {
                    ApprovalState::Pending if is_void(facts, known) => false,
                    ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } if is_void(facts, known) => false,
                    ApprovalState::Pending => known.expires_at > context.now,
                    ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } => true,
                    ApprovalState::Rejected(_)
                    | ApprovalState::Expired { .. }
                    | ApprovalState::Cancelled { .. }
                    | ApprovalState::Consumed { .. } => false,
                };
                if stands {
                    return Ok(Vec::new());
                }
            }
            (About::Gate { gate: gate.id.clone() }, terms.ask.clone(), terms.clone())
        }
        Question::Free { ask, choices, within_seconds } => {
            let terms = ApprovalGate {
                ask: ask.clone(),
                from: Vec::new(),
                not_by_author: false,
                within_seconds: *within_seconds,
                level: 0,
            };
            let about = About::Question { choices: choices.clone() };
            if same_question(facts, task, &about, ask, context).is_some() {
                return Ok(Vec::new());
            }
            (about, ask.clone(), terms)
        }
    };
    let digest = digest(facts, task, &about, &ask);
    let mut events = outdated(facts, task, &about);
    events.push(Event::ApprovalRequested {
        approval: ApprovalId(facts.next.approval),
        digest,
        task: Some(task.id),
        phase: Some(task.phase.clone()),
        visit: task.visit,
        about,
        ask,
        reason: command.reason.clone(),
        from: gate.from.clone(),
        not_by_author: gate.not_by_author,
        level: gate.level,
        expires_at: context.now.plus_seconds(gate.within_seconds),
    });
    Ok(events)
}

/// A free question that is still open, asked in the same words.
pub fn same_question<'f>(
    facts: &'f Facts,
    task: &Task,
    about: &About,
    ask: &str,
    context: &Context,
) -> Option<&'f Approval> {
    facts.state.approvals.values().rev().find(|known| {
        known.task == Some(task.id)
            && known.visit == task.visit
            && known.about == *about
            && known.ask == ask
            && !is_void(facts, known)
            && (known.state.answer().is_some() || known.state.is_pending() && known.expires_at > context.now)
    })
}

/// What is approved, exactly: anything that changes one of these needs a new approval.
fn digest(facts: &Facts, task: &Task, about: &About, ask: &str) -> String {
    let artifacts: serde_json::Map<_, _> =
        task.artifacts.iter().map(|(name, artifact)| (name.clone(), json!(artifact.sha256))).collect();
    canonical::digest(&json!({
        "workspace": facts.workspace,
        "task": task.id,
        "phase": task.phase,
        "visit": task.visit,
        "workflow": task.workflow,
        "about": about,
        "ask": ask,
        "artifacts": artifacts,
    }))
}

/// True when what was asked about is no longer what there is.
pub fn is_void(facts: &Facts, approval: &Approval) -> bool {
    let task = approval.task.and_then(|id| facts.state.tasks.get(&id));
    task.is_some_and(|task| digest(facts, task, &approval.about, &approval.ask) != approval.digest)
}

/// Earlier approvals of the same gate that a new question replaces.
fn outdated(facts: &Facts, task: &Task, about: &About) -> Vec<Event> {
    let open = facts.state.approvals.values().filter(|known| known.task == Some(task.id) && known.about == *about);
    open.filter(|known| known.state.is_unused() && is_void(facts, known))
        .map(|known| Event::ApprovalCancelled { approval: known.id, why: CHANGED.to_owned() })
        .collect()
}

const CHANGED: &str = "what it was asked about has changed since";

pub fn approval_gate<'f>(
    facts: &'f Facts,
    task: &Task,
    name: Option<&str>,
) -> Result<(&'f Gate, &'f ApprovalGate), Refusal> {
    let phase = facts.phase_of(task)?;
    let found: Vec<_> = phase
        .exit
        .iter()
        .filter_map(|gate| match &gate.kind {
            GateKind::Approval(terms) => Some((gate, terms)),
            GateKind::Artifact { .. }
            | GateKind::Command { .. }
            | GateKind::Syntax { .. }
            | GateKind::Children
            | GateKind::Tasks { .. }
            | GateKind::Budget
            | GateKind::Hook { .. } => None,
        })
        .filter(|(gate, _)| name.is_none_or(|name| name == gate.id))
        .collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => {
            let message = format!("phase {} of {} has no such approval gate", phase.name, task.id);
            let hint = "transition_phase says what it does need; `question` asks a person anything else";
            Err(Refusal::new(Code::NoApprovalGate, message, hint))
        }
        several => {
            let list = super::words(several.iter().map(|(gate, _)| &gate.id));
            Err(Refusal::new(Code::NoApprovalGate, format!("this phase has several: {list}"), "name one as `gate`"))
        }
    }
}

pub fn answer(
    facts: &Facts,
    id: ApprovalId,
    decision: &Decision,
    level: u8,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Approver, Role::Operator], "answering an approval")?;
    let approval = facts.state.approvals.get(&id).ok_or_else(|| {
        Refusal::new(
            Code::UnknownApproval,
            format!("there is no approval {id}"),
            "`phasegate approvals list` shows them",
        )
    })?;
    still_open(approval, context)?;
    if is_void(facts, approval) {
        let message = format!("{id} cannot be answered any more: {CHANGED}");
        return Err(Refusal::new(Code::ApprovalClosed, message, "the agent asks again, about what there is now"));
    }
    may_answer(facts, approval, level, context)?;
    let answer = |reason: &str, choice: Option<String>| Answer {
        by: context.caller.agent.clone(),
        at: context.now,
        level,
        reason: reason.to_owned(),
        choice,
    };
    Ok(vec![match decision {
        Decision::Approve { reason, choice } => {
            let choice = chosen(approval, choice.as_deref())?;
            Event::ApprovalApproved { approval: id, answer: answer(reason, choice) }
        }
        Decision::Reject { reason } => Event::ApprovalRejected { approval: id, answer: answer(reason, None) },
    }])
}

fn still_open(approval: &Approval, context: &Context) -> Result<(), Refusal> {
    let late = approval.expires_at <= context.now;
    if approval.state.is_pending() && !late {
        return Ok(());
    }
    let word = if late && approval.state.is_pending() { "expired" } else { approval.state.word() };
    let by = approval.state.answer().map(|answer| format!(", answered by {}", answer.by)).unwrap_or_default();
    let message = format!("{} is {word}{by}; it cannot be answered any more", approval.id);
    Err(Refusal::new(Code::ApprovalClosed, message, "the agent asks again if it still needs an answer"))
}

/// Requester and approver are different; authors where the gate says so; names in `from` where approvers are named.
fn may_answer(facts: &Facts, approval: &Approval, level: u8, context: &Context) -> Result<(), Refusal> {
    let who = &context.caller.agent;
    if approval.requested_by == *who {
        let message = format!("`{who}` asked for {} and cannot answer it", approval.id);
        return Err(Refusal::new(Code::OwnApproval, message, "somebody else answers"));
    }
    let task = approval.task.and_then(|id| facts.state.tasks.get(&id));
    if approval.not_by_author && task.is_some_and(|task| task.authors.contains(who)) {
        let message = format!("`{who}` worked on the task, and {} may not be answered by its author", approval.id);
        return Err(Refusal::new(Code::OwnApproval, message, "somebody else answers"));
    }
    // No approver is enrolled yet in this version: the person at the command line stands for any name in `from`.
    if approval.level > level {
        let message =
            format!("{} asks for proof of level {}, this answer has level {level}", approval.id, approval.level);
        return Err(Refusal::new(Code::LevelTooLow, message, "answer where that proof can be given"));
    }
    Ok(())
}

fn chosen(approval: &Approval, choice: Option<&str>) -> Result<Option<String>, Refusal> {
    let About::Question { choices } = &approval.about else { return Ok(None) };
    match choice {
        None if choices.is_empty() => Ok(None),
        Some(choice) if choices.is_empty() || choices.iter().any(|known| known == choice) => {
            Ok(Some(choice.to_owned()))
        }
        _ => {
            let list = super::words(choices.iter().map(|choice| format!("`{choice}`")));
            let message = format!("{} asks for one of: {list}", approval.id);
            Err(Refusal::new(Code::NotAsked, message, "give one of them with `--choice`"))
        }
    }
}
