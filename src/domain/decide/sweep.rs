//! What time alone brings about: leases that ran out, runs nobody ended, questions nobody answered.

use crate::domain::call::CallState;
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::{Context, Facts};

pub fn sweep(facts: &Facts, context: &Context) -> Vec<Event> {
    let mut events = Vec::new();
    for id in &facts.expired {
        let Some(task) = facts.state.tasks.get(id) else { continue };
        let lapsed = facts.leases.get(id).is_some_and(|until| *until <= context.now);
        if let Some(claim) = task.claim().filter(|_| lapsed) {
            events.push(Event::ClaimExpired { task: *id, agent: claim.agent.clone(), fence: claim.fence });
        }
    }
    for task in facts.state.tasks.values() {
        for (key, evidence) in &task.evidence {
            if let Evidence::Running { run, until, .. } = evidence
                && *until <= context.now
            {
                let gate = key.split_once('/').map_or(key.as_str(), |(_, gate)| gate);
                events.push(Event::GateOrphaned { task: task.id, gate: gate.to_owned(), run: *run });
            }
        }
    }
    for approval in facts.state.approvals.values() {
        if approval.has_run_out(context.now) {
            events.push(Event::ApprovalExpired { approval: approval.id, task: approval.task });
        }
    }
    for call in facts.state.calls.values() {
        if call.state == CallState::Running && call.until <= context.now {
            events.push(Event::CallOrphaned { call: call.id, task: call.task, tool: call.tool.clone() });
        }
    }
    for bypass in facts.state.bypasses.values() {
        if bypass.closed.is_none() && !bypass.is_open(context.now) {
            events.push(Event::BypassClosed { bypass: bypass.id, why: "its time is up".to_owned() });
        }
    }
    events
}
