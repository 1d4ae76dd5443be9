//! What another version of a workflow would say of a call that is on record. Reading records is not here.

use crate::domain::workflow::{Phase, Workflow};

use super::client_call::{ClientCall, Layers, outside};
use super::judge::Decision;
use super::undecided::{self, Undecided};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Would {
    pub allowed: Decision,
    pub rule: Option<String>,
    pub reason: String,
}

/// By the rules alone: without bypasses and approvals, which belonged to their time. `phase` is nothing for a call without
/// a task.
pub fn would(workflow: &Workflow, phase: Option<&Phase>, call: &ClientCall) -> Would {
    let (rules, approvals) = match phase {
        Some(phase) => (&phase.rules, phase.require_approval.as_slice()),
        None => (&workflow.unclaimed, [].as_slice()),
    };
    let verdict = Layers::of(&[&workflow.protect, rules], approvals).by_rules(call);
    let (mut decision, mut rule, mut reason) = (verdict.decision, verdict.rule.clone(), verdict.reason.clone());
    match (decision, phase) {
        (Decision::Allow, Some(phase)) => {
            if let Some(path) = outside(phase, call) {
                (decision, rule) = (Decision::Deny, None);
                reason = format!("`{path}` is outside `writes` of the phase");
            }
        }
        (Decision::None, Some(phase)) => {
            decision = match call.undecided(|tool| undecided::in_phase(workflow, phase, tool, &verdict, call.kernel)) {
                Undecided::Confined => Decision::Allow,
                Undecided::Asked => Decision::Ask,
                Undecided::Refused => Decision::Deny,
                Undecided::Left => Decision::None,
            }
        }
        (Decision::None, None) => {
            if call.undecided(|tool| undecided::without_task(rules, tool)) == Undecided::Refused {
                decision = Decision::Deny;
            }
        }
        (Decision::Allow | Decision::Ask | Decision::Deny, _) => {}
    }
    Would { allowed: decision, rule, reason }
}
