//! May this caller use one of our own tools now? Asked inside the transaction, since the phase is a fact like any other.

use crate::domain::brief::open_words;
use crate::domain::bypass::Bypass;
use crate::domain::decide::budget;
use crate::domain::facts::{Caller, Facts, Role};
use crate::domain::ids::{BypassId, TaskId, Time};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::spending::Spent;
use crate::domain::task::Task;
use crate::domain::workflow::{Enforcement, Rules};

use super::client_call::UNCLAIMED;
use super::names;
use super::rule::{Rule, RuleList};

/// How a tool of ours stands to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Part of the loop that every phase needs: open unless a rule denies it.
    Loop,
    /// Open in a phase only where a rule allows it.
    Grant,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permit {
    Allowed,
    /// Not allowed, but the workflow only warns or observes, or a person has opened a bypass.
    Waived {
        phase: String,
        message: String,
        shown: bool,
        bypass: Option<BypassId>,
    },
    /// Open for this very call once a person has said yes to it.
    Asks {
        task: TaskId,
        why: String,
    },
    /// Not allowed, unless one of the open bypasses, which are not loaded, says otherwise.
    Bypasses,
}

pub fn permit(facts: &Facts, tool: &str, need: Need, now: Time) -> Result<Permit, Refusal> {
    match standing(facts) {
        Some(task) => in_phase(facts, task, tool, need, now),
        None => unclaimed(facts, tool, now),
    }
}

/// What an operator may call: what tends tasks, and what only looks. Work on a task is an agent's, so that nobody answers for
/// what they did themselves.
const OF_OPERATORS: [&str; 6] =
    ["submit_task", "update_task", "list_tasks", "query_audit", "route_model", "record_outcome"];
const OF_READERS: [&str; 2] = ["list_tasks", "query_audit"];

/// May a credential of this role call the tool at all?
pub fn of_role(caller: &Caller, tool: &str) -> Result<(), Refusal> {
    let open: &[&str] = match caller.role {
        Role::Agent | Role::System => return Ok(()),
        Role::Operator => &OF_OPERATORS,
        Role::Approver | Role::Auditor => &OF_READERS,
    };
    if open.contains(&tool) {
        return Ok(());
    }
    let (who, role) = (&caller.agent, caller.role.word());
    let (roles, whose) = if OF_OPERATORS.contains(&tool) {
        ("agent or operator", "an agent or an operator")
    } else {
        ("agent", "an agent")
    };
    let message = format!("`{tool}` takes the role {roles}; `{who}` is {role}, which may call {}", open.join(", "));
    Err(Refusal::new(Code::RoleRequired, message, format!("call it with the credential of {whose}")))
}

/// What is open under a budget that is used up: ending work and handing it over, asking for more, and finding out why. Whether
/// other work may be claimed is decided by the budget of that work.
const ENDS_WORK: [&str; 7] = [
    "transition_phase",
    "update_task",
    "submit_artifact",
    "request_approval",
    "record_outcome",
    "query_audit",
    "claim_task",
];

/// The task whose phase decides: the one the call is about, where the caller holds it; else the one it holds.
fn standing(facts: &Facts) -> Option<&Task> {
    let subject = facts.subject.filter(|id| facts.held.contains(id));
    subject.or_else(|| facts.held.first().copied()).and_then(|id| facts.state.tasks.get(&id))
}

fn in_phase(facts: &Facts, task: &Task, tool: &str, need: Need, now: Time) -> Result<Permit, Refusal> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    if !ENDS_WORK.contains(&tool)
        && let Err(refusal) = budget::within(facts, task.id, Spent::default(), now)
    {
        let waived = |shown| {
            let message = refusal.message.clone();
            Ok(Permit::Waived { phase: phase.name.clone(), message, shown, bypass: None })
        };
        return match workflow.enforcement {
            Enforcement::Strict => Err(refusal),
            Enforcement::Warn => waived(true),
            Enforcement::Observe => waived(false),
        };
    }
    let passes = Passes { facts, task: Some(task.id), now };
    let found = verdict(&[&workflow.protect, &phase.rules], &phase.require_approval, tool, need, &passes);
    let (why, asks) = match found {
        Verdict::Open { passed } => return Ok(opened(passed, &phase.name, tool)),
        Verdict::Closed { by_rule: true, .. } if !facts.bypasses_loaded => return Ok(Permit::Bypasses),
        Verdict::Closed { why, asks, .. } => (why, asks),
    };
    let message = format!("`{tool}` is not open in phase {} of {} ({why})", phase.name, task.id);
    let hint = format!(
        "open now: {}; next: transition_phase to {}",
        open_words(phase),
        phase.next.first().map_or("the end", String::as_str)
    );
    match workflow.enforcement {
        Enforcement::Strict if asks => Ok(Permit::Asks { task: task.id, why }),
        Enforcement::Strict => {
            let details = serde_json::json!({
                "task": task.id, "phase": phase.name, "open": phase.rules.allow, "next": phase.next,
            });
            Err(Refusal::new(Code::NotOpen, message, hint).with(details))
        }
        Enforcement::Warn => Ok(Permit::Waived { phase: phase.name.clone(), message, shown: true, bypass: None }),
        Enforcement::Observe => Ok(Permit::Waived { phase: phase.name.clone(), message, shown: false, bypass: None }),
    }
}

/// Without a task only a deny counts: handing in and claiming work is how an agent gets one.
fn unclaimed(facts: &Facts, tool: &str, now: Time) -> Result<Permit, Refusal> {
    let Some(workflow) = facts.default_workflow() else { return Ok(Permit::Allowed) };
    let passes = Passes { facts, task: None, now };
    let why = match verdict(&[&workflow.protect, &workflow.unclaimed], &[], tool, Need::Loop, &passes) {
        Verdict::Open { passed } => return Ok(opened(passed, UNCLAIMED, tool)),
        Verdict::Closed { by_rule: true, .. } if !facts.bypasses_loaded => return Ok(Permit::Bypasses),
        Verdict::Closed { why, .. } => why,
    };
    let protected = verdict(&[&workflow.protect], &[], tool, Need::Loop, &passes);
    let with_task = tool != "claim_task" && matches!(protected, Verdict::Open { .. });
    let hint = if with_task {
        "claim_task gives you one"
    } else {
        "the workflow keeps it from every agent; a person can change that"
    };
    let message = format!("`{tool}` is not open to an agent without a task ({why})");
    let waived =
        |shown| Ok(Permit::Waived { phase: UNCLAIMED.to_owned(), message: message.clone(), shown, bypass: None });
    match workflow.enforcement {
        Enforcement::Strict => Err(Refusal::new(Code::NotOpen, message, hint)),
        Enforcement::Warn => waived(true),
        Enforcement::Observe => waived(false),
    }
}

/// Open by the rules; through a hole that a person made in one of them, where there is one.
fn opened(passed: Option<&Bypass>, phase: &str, tool: &str) -> Permit {
    let Some(open) = passed else { return Permit::Allowed };
    let rules = open.rules.join("`, `");
    let message =
        format!("`{tool}` passes by bypass {} of {}, until {} (rules: `{rules}`)", open.id, open.by, open.until);
    Permit::Waived { phase: phase.to_owned(), message, shown: true, bypass: Some(open.id) }
}

/// Rules that do not count for now, each because of a bypass that names it.
struct Passes<'f> {
    facts: &'f Facts,
    task: Option<TaskId>,
    now: Time,
}

impl<'f> Passes<'f> {
    fn over(&self, rule: &str) -> Option<&'f Bypass> {
        self.facts.state.bypasses.values().find(|known| known.covers(rule, self.task, self.now))
    }
}

enum Verdict<'f> {
    /// With the bypass of a rule that would have closed it.
    Open { passed: Option<&'f Bypass> },
    Closed {
        /// By a rule, and not because no rule allows it.
        by_rule: bool,
        why: String,
        /// A person can open it for one call.
        asks: bool,
    },
}

/// Deny, then ask, then allow; the rule that decided is named. A bypass takes its own rules away, and no others.
fn verdict<'f>(rules: &[&Rules], ask_too: &[String], tool: &str, need: Need, passes: &Passes<'f>) -> Verdict<'f> {
    let tool = names::canonical(tool);
    // One with brackets covers no tool by its name, and reading what is in them is most of the work.
    let matches =
        |text: &str, list| !text.contains('(') && Rule::parse(text).is_ok_and(|rule| names::covers(&rule, list, &tool));
    let denies = rules.iter().flat_map(|rules| &rules.deny).filter(|rule| matches(rule, RuleList::Deny));
    let asks = rules.iter().flat_map(|rules| &rules.ask).chain(ask_too).filter(|rule| matches(rule, RuleList::Ask));
    let passed = denies.clone().chain(asks.clone()).find_map(|rule| passes.over(rule));
    let counts = |rule: &&String| passes.over(rule).is_none();
    if let Some(rule) = denies.clone().find(counts) {
        return Verdict::Closed { by_rule: true, why: format!("denied by the rule `{rule}`"), asks: false };
    }
    if let Some(rule) = asks.clone().find(counts) {
        return Verdict::Closed { by_rule: true, why: format!("the rule `{rule}` leaves it to a person"), asks: true };
    }
    // What a person would have been asked about is open once nobody has to be asked.
    let need = if asks.clone().next().is_some() { Need::Loop } else { need };
    match need {
        Need::Loop => Verdict::Open { passed },
        Need::Grant if rules.iter().flat_map(|rules| &rules.allow).any(|rule| matches(rule, RuleList::Allow)) => {
            Verdict::Open { passed }
        }
        Need::Grant => {
            Verdict::Closed { by_rule: false, why: "no rule of the phase allows it".to_owned(), asks: false }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_may_not_call_a_tool_reads_every_role_that_may() {
        for (role, tool, words) in [
            (Role::Approver, "submit_task", "takes the role agent or operator"),
            (Role::Auditor, "update_task", "takes the role agent or operator"),
            (Role::Approver, "claim_task", "takes the role agent; "),
            (Role::Operator, "claim_task", "takes the role agent; "),
        ] {
            let refusal = of_role(&Caller::new("lea", role), tool).unwrap_err();
            assert!(refusal.message.contains(words), "{role:?} {tool}: {refusal}");
        }
        assert!(of_role(&Caller::new("lea", Role::Operator), "submit_task").is_ok());
    }
}
