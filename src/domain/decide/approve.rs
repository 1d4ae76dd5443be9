//! What an approval is about, exactly; a person's answer to it; and whether that answer counts for an act now.

use serde_json::{Value, json};

use crate::domain::approval::{About, Answer, Approval, ApprovalState};
use crate::domain::approver::LEVEL_SIGNED;
use crate::domain::canonical;
use crate::domain::command::{DecideApprovals, Decision};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{AgentName, ApprovalId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::ApprovalGate;

use super::proof::signer;
use super::{raise, require};

/// Of an answer, by whatever way it comes.
pub const REASON_CHARACTERS_MAX: usize = 2_000;

/// What is approved, exactly: anything that changes one of these needs a new approval.
pub fn digest(facts: &Facts, task: &Task, about: &About, ask: &str) -> String {
    let artifacts: serde_json::Map<_, _> =
        task.artifacts.iter().map(|(name, artifact)| (name.clone(), json!(artifact.sha256))).collect();
    match about {
        About::Call { tool, arguments, pin } => call_digest(facts, task, tool, arguments, pin.as_deref()),
        About::Gate { gate } => canonical::digest(&json!({
            "workspace": facts.workspace, "task": task.id, "phase": task.phase, "visit": task.visit,
            "workflow": task.workflow, "kind": about.word(), "gate": gate, "ask": ask, "artifacts": artifacts,
        })),
        About::Question { choices } => canonical::digest(&json!({
            "workspace": facts.workspace, "task": task.id, "phase": task.phase, "visit": task.visit,
            "workflow": task.workflow, "kind": about.word(), "choices": choices, "ask": ask, "artifacts": artifacts,
        })),
    }
}

/// Of a call nothing else counts: what was handed in meanwhile does not change what it does.
pub fn call_digest(facts: &Facts, task: &Task, tool: &str, arguments: &Value, pin: Option<&str>) -> String {
    canonical::digest(&json!({
        "workspace": facts.workspace, "task": task.id, "phase": task.phase, "visit": task.visit,
        "workflow": task.workflow, "kind": "call", "tool": tool, "arguments": arguments, "pin": pin,
    }))
}

/// Why what was asked about is no longer what there is, if it is not.
pub fn void(facts: &Facts, approval: &Approval) -> Option<String> {
    let id = approval.task?;
    let Some(task) = facts.state.tasks.get(&id) else { return Some(format!("{id} is gone")) };
    if digest(facts, task, &approval.about, &approval.ask) == approval.digest {
        return raise::overtaken(facts, task, approval);
    }
    if approval.phase.as_deref() != Some(&task.phase) {
        return Some(format!("{id} is in phase {} now", task.phase));
    }
    if approval.visit != task.visit {
        return Some(format!("{id} has left phase {} since and come back", task.phase));
    }
    if approval.workflow.as_ref().is_some_and(|asked| *asked != task.workflow) {
        return Some(format!("{id} follows another version of its workflow now"));
    }
    let now = task.artifacts.iter().map(|(name, artifact)| (name, &artifact.sha256));
    let changed: Vec<&String> =
        now.filter(|(name, sha256)| approval.artifacts.get(*name) != Some(*sha256)).map(|(name, _)| name).collect();
    if changed.is_empty() || matches!(approval.about, About::Call { .. }) {
        return Some("what it was asked about has changed since".to_owned());
    }
    Some(format!(
        "artifact {} has changed since it was asked",
        super::words(changed.iter().map(|name| format!("`{name}`")))
    ))
}

/// Whether its yes may be used now; else why not. For a gate its terms count, as the workflow has them, and not what the
/// row says of them.
pub fn usable(
    facts: &Facts,
    approval: &Approval,
    terms: Option<&ApprovalGate>,
    context: &Context,
) -> Result<(), String> {
    match &approval.state {
        ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } => {}
        ApprovalState::Pending if approval.has_run_out(context.now) => {
            return Err("ran out without an answer".to_owned());
        }
        // Nobody can answer what is void.
        ApprovalState::Pending => {
            return Err(
                void(facts, approval).map_or_else(|| "waits for an answer".to_owned(), |why| format!("is void: {why}"))
            );
        }
        ApprovalState::Rejected(answer) if answer.reason.is_empty() => {
            return Err("was rejected: no reason given".to_owned());
        }
        ApprovalState::Rejected(answer) => return Err(format!("was rejected: {}", answer.reason)),
        ApprovalState::Expired { .. } => return Err("ran out before it was used".to_owned()),
        ApprovalState::Cancelled { why, .. } => return Err(format!("is void: {why}")),
        ApprovalState::Consumed { .. } => return Err("has been used".to_owned()),
    }
    if approval.has_run_out(context.now) {
        return Err(format!("ran out at {}, before it was used", approval.expires_at));
    }
    if let Some(why) = void(facts, approval) {
        return Err(format!("is void: {why}"));
    }
    proved(facts, approval, terms, context)
}

/// A signed answer is checked again where it is used: what a row says of itself proves nothing.
fn proved(facts: &Facts, approval: &Approval, terms: Option<&ApprovalGate>, context: &Context) -> Result<(), String> {
    let least = terms.map_or(0, |terms| terms.level).max(approval.level);
    let from = terms.map_or(&approval.from, |terms| &terms.from);
    let Some(answer) = approval.state.answer() else { return Err("holds no answer".to_owned()) };
    if answer.level < least {
        return Err(format!("was answered with proof of level {}, and this asks for level {least}", answer.level));
    }
    let not_by_author = terms.is_some_and(|terms| terms.not_by_author) || approval.not_by_author;
    if answer.by == approval.requested_by {
        return Err(format!("was answered by {}, who asked for it", answer.by));
    }
    if not_by_author && is_author(facts, approval, &answer.by) {
        return Err(format!("was answered by {}, an author of the task", answer.by));
    }
    let named = !from.is_empty() && facts.has_approvers(context);
    if least < LEVEL_SIGNED && !named {
        return Ok(());
    }
    let Some(signed) = &answer.signed else { return Err("carries no signature".to_owned()) };
    if signed.key.level() < least {
        return Err(format!("is signed with proof of level {}, and this asks for level {least}", signed.key.level()));
    }
    let approvers = facts.approvers(context);
    let Some(approver) = approvers.iter().find(|known| known.key == signed.key && known.name == answer.by) else {
        return Err("is signed by nobody who is an approver now".to_owned());
    };
    let arguments = match &approval.state {
        ApprovalState::Adjusted { arguments, .. } => Some(arguments),
        ApprovalState::Pending
        | ApprovalState::Approved(_)
        | ApprovalState::Rejected(_)
        | ApprovalState::Expired { .. }
        | ApprovalState::Cancelled { .. }
        | ApprovalState::Consumed { .. } => None,
    };
    let word = if arguments.is_some() { "adjust" } else { "approve" };
    let choice = answer.choice.as_deref();
    if !signed.holds(&statement(&facts.workspace, approval, word, arguments, choice, &answer.reason)) {
        return Err("carries a signature that is not under this answer".to_owned());
    }
    if approver.is_among(from) || from.is_empty() {
        return Ok(());
    }
    Err(format!("is signed by {}, and this is for {}", approver.name, from.join(", ")))
}

/// What an approver signs. The digest stands for all that was asked, the rest is the answer.
fn statement(
    workspace: &str,
    approval: &Approval,
    answer: &str,
    arguments: Option<&Value>,
    choice: Option<&str>,
    reason: &str,
) -> Value {
    json!({
        "act": "approval.answer", "workspace": workspace, "approval": approval.id, "digest": approval.digest,
        "answer": answer, "arguments": arguments, "choice": choice, "reason": reason,
    })
}

pub fn answer_statement(workspace: &str, approval: &Approval, decision: &Decision) -> Value {
    match decision {
        Decision::Approve { reason, choice } => {
            statement(workspace, approval, "approve", None, choice.as_deref(), reason)
        }
        Decision::Reject { reason } => statement(workspace, approval, "reject", None, None, reason),
        Decision::Adjust { reason, arguments } => {
            statement(workspace, approval, "adjust", Some(arguments), None, reason)
        }
    }
}

/// All of the named approvals are answered alike, or none is.
pub fn answer(facts: &Facts, command: &DecideApprovals, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Approver, Role::Operator], "answering an approval")?;
    short_enough(&command.answer)?;
    let mut events = Vec::new();
    for (id, signed) in &command.approvals {
        let approval = facts.state.approvals.get(id).ok_or_else(|| unknown(*id))?;
        still_open(approval, context.now)?;
        if let Some(why) = void(facts, approval) {
            return Err(changed(*id, &why));
        }
        together(facts, approval, command)?;
        let level = match signed {
            Some(signed) => {
                let statement = answer_statement(&facts.workspace, approval, &command.answer);
                let approver = signer(facts, signed, &statement, context)?;
                if !approval.from.is_empty() && !approver.is_among(&approval.from) {
                    let message =
                        format!("{id} is for {}, and `{}` is not among them", approval.from.join(", "), approver.name);
                    let group = approval.from.first().map_or("GROUP", String::as_str);
                    let hint = format!(
                        "one of them answers; where there is none yet, `phasegate approver add NAME --group {group}` \
                         enrols one"
                    );
                    return Err(Refusal::new(Code::NotAnApprover, message, hint));
                }
                signed.key.level()
            }
            None => unsigned(facts, approval, command.level, context)?,
        };
        may_answer(facts, approval, level, context)?;
        let answer = |reason: &str, choice: Option<String>| Answer {
            by: context.caller.agent.clone(),
            at: context.now,
            level,
            reason: reason.to_owned(),
            choice,
            via: command.via,
            signed: signed.clone(),
        };
        let task = approval.task;
        match &command.answer {
            Decision::Approve { reason, choice } => {
                let answer = answer(reason, chosen(approval, choice.as_deref())?);
                let granted = raise::granted(facts, approval, &answer, None, &events, context)?;
                events.push(Event::ApprovalApproved { approval: *id, task, answer });
                events.extend(granted);
            }
            Decision::Reject { reason } => {
                events.push(Event::ApprovalRejected { approval: *id, task, answer: answer(reason, None) });
            }
            Decision::Adjust { reason, arguments } => {
                let digest = adjusted(facts, approval, arguments)?;
                let (answer, arguments) = (answer(reason, None), arguments.clone());
                let granted = raise::granted(facts, approval, &answer, Some(&arguments), &events, context)?;
                events.push(Event::ApprovalAdjusted { approval: *id, task, answer, arguments, digest });
                events.extend(granted);
            }
        }
    }
    Ok(events)
}

/// Agents are told the reason with every refusal, and the log keeps it for good.
fn short_enough(answer: &Decision) -> Result<(), Refusal> {
    let (Decision::Approve { reason, .. } | Decision::Reject { reason } | Decision::Adjust { reason, .. }) = answer;
    let count = reason.chars().count();
    if count <= REASON_CHARACTERS_MAX {
        return Ok(());
    }
    let message =
        format!("the reason has {count} characters, more than the {REASON_CHARACTERS_MAX} an answer may have");
    Err(Refusal::new(Code::BadArguments, message, "shorten it; nothing was answered"))
}

pub(super) fn unknown(id: ApprovalId) -> Refusal {
    Refusal::new(Code::UnknownApproval, format!("there is no approval {id}"), "`phasegate approvals list` shows them")
}

/// What is void is not answered.
pub fn changed(id: ApprovalId, why: &str) -> Refusal {
    let message = format!("{id} cannot be answered any more: {why}");
    Refusal::new(Code::ApprovalClosed, message, "the agent asks again, about what there is now")
}

/// Nobody has answered it yet, and there is time left.
pub fn still_open(approval: &Approval, now: Time) -> Result<(), Refusal> {
    let late = approval.expires_at <= now;
    if approval.state.is_pending() && !late {
        return Ok(());
    }
    let word = if late && approval.state.is_pending() { "expired" } else { approval.state.word() };
    let by = approval.state.answer().map(|answer| format!(", answered by {}", answer.by)).unwrap_or_default();
    let message = format!("{} is {word}{by}; it cannot be answered any more", approval.id);
    Err(Refusal::new(Code::ApprovalClosed, message, "the agent asks again if it still needs an answer"))
}

/// What was asked in one go gets one answer.
fn together(facts: &Facts, approval: &Approval, command: &DecideApprovals) -> Result<(), Refusal> {
    let Some(batch) = approval.batch else { return Ok(()) };
    let left_out: Vec<ApprovalId> = facts
        .state
        .approvals
        .values()
        .filter(|known| known.batch == Some(batch) && !command.approvals.iter().any(|(id, _)| *id == known.id))
        .map(|known| known.id)
        .collect();
    if left_out.is_empty() {
        return Ok(());
    }
    let message = format!("{} was asked together with {}", approval.id, super::words(left_out.iter()));
    let hint = format!("answer them together: `phasegate approvals batch approve {batch}`, or `batch reject`");
    Err(Refusal::new(Code::AskedTogether, message, hint))
}

/// An answer without a key: enough where no approver is enrolled, or where nobody in particular is asked.
fn unsigned(facts: &Facts, approval: &Approval, level: u8, context: &Context) -> Result<u8, Refusal> {
    let refuse =
        |message: String| Err(Refusal::new(Code::SignatureRequired, message, "say whose key to use: `--as NAME`"));
    if !approval.from.is_empty() && facts.has_approvers(context) {
        let names = approval.from.join(", ");
        return refuse(format!("{} is for {names}, and names are proved by signature", approval.id));
    }
    let who = &context.caller.agent;
    if facts.state.approvers.contains_key(who) {
        return refuse(format!("`{who}` is the name of an approver, which only a signature proves"));
    }
    Ok(level.min(LEVEL_SIGNED - 1))
}

/// Requester and approver are different, and so are authors where the gate says so; the level is enough.
fn may_answer(facts: &Facts, approval: &Approval, level: u8, context: &Context) -> Result<(), Refusal> {
    let who = &context.caller.agent;
    if approval.requested_by == *who {
        let message = format!("`{who}` asked for {} and cannot answer it", approval.id);
        return Err(Refusal::new(Code::OwnApproval, message, "somebody else answers"));
    }
    if approval.not_by_author && is_author(facts, approval, who) {
        let message = format!("`{who}` worked on the task, and {} may not be answered by its author", approval.id);
        return Err(Refusal::new(Code::OwnApproval, message, "somebody else answers"));
    }
    if approval.level > level {
        let message =
            format!("{} asks for proof of level {}, this answer has level {level}", approval.id, approval.level);
        let hint = match approval.level {
            1 => "answer in a terminal of your own, not through the agent or its client",
            LEVEL_SIGNED => "sign it with an approver's key: `--as NAME`; `phasegate approver add` enrols one",
            _ => "sign it with a passkey, in the inbox of `phasegate serve --http`; its page People enrols one",
        };
        return Err(Refusal::new(Code::LevelTooLow, message, hint));
    }
    Ok(())
}

fn is_author(facts: &Facts, approval: &Approval, who: &AgentName) -> bool {
    approval.task.and_then(|id| facts.state.tasks.get(&id)).is_some_and(|task| task.authors.contains(who))
}

/// The digest of the changed call.
fn adjusted(facts: &Facts, approval: &Approval, arguments: &Value) -> Result<String, Refusal> {
    let wrong = |message: String, hint: &str| Err(Refusal::new(Code::NotAsked, message, hint));
    let About::Call { tool, arguments: asked, pin } = &approval.about else {
        let message = format!("{} is about a {}, which has no arguments to change", approval.id, approval.about.word());
        return wrong(message, "reject it with a reason instead; the agent asks anew");
    };
    if !arguments.is_object() || arguments == asked {
        let message = format!("these are not changed arguments for {}", approval.id);
        return wrong(message, "give the whole object of arguments, changed; or approve it as it is");
    }
    let task = approval.task.and_then(|id| facts.state.tasks.get(&id)).ok_or_else(|| unknown(approval.id))?;
    Ok(call_digest(facts, task, tool, arguments, pin.as_deref()))
}

fn chosen(approval: &Approval, choice: Option<&str>) -> Result<Option<String>, Refusal> {
    let About::Question { choices } = &approval.about else {
        return match choice {
            None => Ok(None),
            Some(_) => {
                let message = format!("{} is about a {} and has nothing to choose", approval.id, approval.about.word());
                Err(Refusal::new(Code::NotAsked, message, "answer it without `--choice`"))
            }
        };
    };
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
