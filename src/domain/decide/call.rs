//! Approved calls: using an approval up for a call that is decided at once, and starting and ending one that takes time.
//! Carrying it out is not here.

use serde_json::Value;

use crate::domain::approval::{About, Approval};
use crate::domain::call::CallState;
use crate::domain::command::FinishCall;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{ApprovalId, CallId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;

use super::approve::{call_digest, usable};

/// A call whose arguments are longer is nothing that a person could judge.
pub const CALL_BYTES: usize = 64 << 10;
const REPEATED_BYTES: usize = 2 << 10;

/// Uses up the approval of exactly this call, or says how to get one.
pub fn consume(
    facts: &Facts,
    task: &Task,
    tool: &str,
    arguments: &Value,
    why: &str,
    context: &Context,
) -> Result<Event, Refusal> {
    let digest = call_digest(facts, task, tool, arguments, None);
    let about_it =
        |known: &&Approval| known.task == Some(task.id) && known.call().is_some_and(|(asked, _)| asked == tool);
    let same = |known: &&Approval| known.effective_digest() == digest;
    let ask = serde_json::json!({ "call": { "tool": tool, "arguments": arguments } });
    let bytes = ask.to_string().len();
    if bytes > CALL_BYTES {
        let message =
            format!("`{tool}` waits for a person's yes ({why}), and {bytes} bytes are more than one can judge");
        let hint = "make the call smaller: hand content in as a file of the work tree, by `path`";
        return Err(Refusal::new(Code::TooLarge, message, hint));
    }
    // Long arguments are the caller's own, and need no repeating.
    let said = if bytes > REPEATED_BYTES {
        format!("{{\"call\":{{\"tool\":\"{tool}\",\"arguments\":…}}}}")
    } else {
        ask.to_string()
    };
    let refuse = |message: String, hint: String| {
        let refusal = Refusal::new(Code::ApprovalRequired, message, hint);
        let whole = (bytes <= REPEATED_BYTES).then(|| serde_json::json!({ "request_approval": ask }));
        Err(match whole {
            Some(details) => refusal.with(details),
            None => refusal,
        })
    };
    let mut found = facts.state.approvals.values().rev().filter(about_it);
    let Some(known) = found.clone().find(same) else {
        let asked = found.find(|known| known.state.is_unused());
        let other = asked.map(|known| format!("; {} is about other arguments", known.id)).unwrap_or_default();
        let message =
            format!("`{tool}` waits for a person's yes in phase {} of {} ({why}){other}", task.phase, task.id);
        return refuse(message, format!("request_approval {said}, then call it again with the same arguments"));
    };
    match usable(facts, known, None, context) {
        Ok(()) => Ok(Event::ApprovalConsumed {
            approval: known.id,
            task: task.id,
            gate: None,
            tool: Some(tool.to_owned()),
            call: None,
        }),
        Err(why) if known.state.is_pending() && !known.has_run_out(context.now) => {
            let hint = "request_approval with `wait_seconds` waits for the answer; then call it again, unchanged";
            refuse(format!("`{tool}` waits for the answer to {} ({why})", known.id), hint.to_owned())
        }
        Err(why) => {
            refuse(format!("`{tool}` has no usable approval: {} {why}", known.id), format!("request_approval {said}"))
        }
    }
}

/// What a call brings about, after what leave for it took. Leaving a phase voids what is open there, but for what this very
/// call uses up.
pub fn after_leave(leave: Vec<Event>, mut events: Vec<Event>) -> Vec<Event> {
    let used =
        |id: &ApprovalId| leave.iter().any(|e| matches!(e, Event::ApprovalConsumed { approval, .. } if approval == id));
    events.retain(|event| !matches!(event, Event::ApprovalCancelled { approval, .. } if used(approval)));
    events.splice(0..0, leave);
    events
}

/// The start of an act that takes time: the approval is used up here, so nothing can start it twice.
pub fn start(facts: &Facts, id: ApprovalId, limit_seconds: u64, context: &Context) -> Result<Vec<Event>, Refusal> {
    let unknown = || {
        let message = format!("there is no approval {id}");
        Refusal::new(Code::UnknownApproval, message, "`phasegate approvals list --all` shows them")
    };
    let approval = facts.state.approvals.get(&id).ok_or_else(unknown)?;
    let About::Call { tool, .. } = &approval.about else {
        let message = format!("{id} is about a {}, not about a call that could be carried out", approval.about.word());
        return Err(Refusal::new(Code::ApprovalClosed, message, "`phasegate approvals show` says what it is about"));
    };
    let task = approval.task.and_then(|id| facts.state.tasks.get(&id)).ok_or_else(unknown)?;
    if context.caller.role == Role::Agent && !facts.held.contains(&task.id) {
        let message = format!("`{}` does not hold {}, for which {id} was given", context.caller.agent, task.id);
        return Err(Refusal::new(Code::NotHolder, message, "the holder of the task carries it out, or a person"));
    }
    let waits = approval.state.is_pending() && !approval.has_run_out(context.now);
    let hint = if waits {
        format!("a person answers: `phasegate approvals show {id}`")
    } else {
        "request_approval asks anew".to_owned()
    };
    usable(facts, approval, None, context).map_err(|why| {
        Refusal::new(Code::ApprovalClosed, format!("{id} cannot be carried out: it {why}"), hint.clone())
    })?;
    let call = CallId(facts.next.call);
    Ok(vec![
        Event::ApprovalConsumed { approval: id, task: task.id, gate: None, tool: Some(tool.clone()), call: Some(call) },
        Event::CallStarted {
            call,
            approval: id,
            task: Some(task.id),
            tool: tool.clone(),
            digest: approval.effective_digest().to_owned(),
            until: context.now.plus_seconds(limit_seconds),
        },
    ])
}

pub fn finish(facts: &Facts, command: &FinishCall) -> Result<Vec<Event>, Refusal> {
    let known = facts.state.calls.get(&command.call).filter(|known| known.state == CallState::Running);
    let Some(known) = known else {
        let message = format!("{} is not running any more, so its end is not taken", command.call);
        return Err(Refusal::new(Code::CallClosed, message, "`phasegate audit query` shows what became of it"));
    };
    let (call, task, tool) = (known.id, known.task, known.tool.clone());
    let (summary, output) = (command.summary.clone(), command.output.clone());
    Ok(vec![if command.well {
        Event::CallFinished { call, task, tool, summary, output }
    } else {
        Event::CallFailed { call, task, tool, summary, output }
    }])
}
