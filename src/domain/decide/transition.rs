//! Leaving a phase: forward when every exit gate is met, back where `next` says so; an end phase completes the task.

use crate::domain::approval::ApprovalState;
use crate::domain::command::TransitionPhase;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::{GateKind, Phase, Workflow};

use super::gates::{self, Unmet};
use super::holder;

pub fn phase(facts: &Facts, command: &TransitionPhase, context: &Context) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, &command.target, context)?;
    let workflow = facts.workflow_of(task)?;
    let from = facts.phase_of(task)?;
    let to = destination(workflow, from, command.to.as_deref(), task)?;
    if !is_back(workflow, from, to) {
        let unmet = gates::all_unmet(facts, task, command.tree.as_deref(), context)?;
        if !unmet.is_empty() {
            return Err(closed(task, from, to, &unmet));
        }
    }
    let mut events = approvals_of(facts, task, from, !is_back(workflow, from, to));
    let visit = task.visit.saturating_add(1);
    events.push(Event::PhaseEntered { task: task.id, from: from.name.clone(), phase: to.name.clone(), visit });
    if to.end {
        events.push(Event::TaskCompleted { task: task.id, phase: to.name.clone(), outcome: command.outcome.clone() });
        events.extend(super::readied(facts, task.id));
    }
    Ok(events)
}

/// Where to: what is named, else the first of `next`.
pub fn destination<'w>(
    workflow: &'w Workflow,
    from: &Phase,
    to: Option<&str>,
    task: &Task,
) -> Result<&'w Phase, Refusal> {
    let allowed = || super::words(from.next.iter());
    let name = match to {
        Some(name) => name,
        None => from.next.first().map(String::as_str).unwrap_or_default(),
    };
    if name == from.name {
        let message = format!("{} is in phase {name} already", task.id);
        return Err(Refusal::new(Code::NotNext, message, format!("from here it can go to: {}", allowed())));
    }
    if !from.next.iter().any(|next| next == name) {
        let message = format!("phase {} of {} does not lead to `{name}`", from.name, task.id);
        return Err(Refusal::new(Code::NotNext, message, format!("from here it can go to: {}", allowed())));
    }
    workflow.phase(name).ok_or_else(|| {
        Refusal::new(Code::NotNext, format!("workflow `{}` has no phase `{name}`", workflow.name), "lint the workflow")
    })
}

/// Back is to a working phase that stands earlier in the file: it takes no gates, since nothing is gained by it. An end
/// is never back, wherever it stands.
pub fn is_back(workflow: &Workflow, from: &Phase, to: &Phase) -> bool {
    let place = |name: &str| workflow.phases.iter().position(|phase| phase.name == name);
    !to.end && place(&to.name) < place(&from.name)
}

fn closed(task: &Task, from: &Phase, to: &Phase, unmet: &[Unmet]) -> Refusal {
    let list: Vec<String> = unmet.iter().map(|gate| format!("{}: {}", gate.gate, gate.missing)).collect();
    let message = format!("{} cannot leave {} for {} yet: {}", task.id, from.name, to.name, list.join("; "));
    let mut hints: Vec<&str> = Vec::new();
    for gate in unmet {
        if !hints.contains(&gate.how.as_str()) {
            hints.push(&gate.how);
        }
    }
    let mut hint = hints.join("; ");
    for (gate, printed) in unmet.iter().filter_map(|gate| gate.printed.as_ref().map(|printed| (&gate.gate, printed))) {
        hint.push_str(&format!("\n{gate} printed last:\n{printed}"));
    }
    let details = serde_json::json!({ "task": task.id, "phase": from.name, "to": to.name, "unmet": unmet });
    Refusal::new(Code::GatesUnmet, message, hint).with(details)
}

/// A yes that opened a gate is used up; what else was asked in this phase is void.
fn approvals_of(facts: &Facts, task: &Task, from: &Phase, forward: bool) -> Vec<Event> {
    let gates = from.exit.iter().filter(|gate| matches!(gate.kind, GateKind::Approval(_)));
    let used: Vec<_> = gates
        .filter(|_| forward)
        .filter_map(|gate| gates::latest_approval(facts, task, from, &gate.id).map(|known| (gate, known)))
        .filter(|(_, known)| matches!(known.state, ApprovalState::Approved(_) | ApprovalState::Adjusted { .. }))
        .map(|(gate, known)| (known.id, gate.id.clone()))
        .collect();
    let open = facts
        .state
        .approvals
        .values()
        .filter(|known| known.task == Some(task.id) && known.phase.as_deref() == Some(&from.name));
    let void = open
        .filter(|known| {
            // An answer to a question stands, whatever becomes of the phase.
            known.runs_out_at().is_some() && !used.iter().any(|(id, _)| *id == known.id)
        })
        .map(|known| Event::ApprovalCancelled {
            task: known.task,
            approval: known.id,
            why: format!("{} left phase {}", task.id, from.name),
        });
    let consumed = used.iter().map(|(id, gate)| Event::ApprovalConsumed {
        approval: *id,
        task: task.id,
        gate: Some(gate.clone()),
        tool: None,
        call: None,
    });
    consumed.chain(void).collect()
}
