//! May this caller use one of our own tools now? Asked inside the transaction, since the phase is a fact like any other.

use crate::domain::brief::open_words;
use crate::domain::facts::Facts;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::{Enforcement, Rules, Workflow};

use super::rule::Rule;

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
    /// Not allowed, but the workflow only warns or observes.
    Waived {
        phase: String,
        message: String,
        shown: bool,
    },
}

pub fn permit(facts: &Facts, tool: &str, need: Need) -> Result<Permit, Refusal> {
    match standing(facts) {
        Some(task) => in_phase(facts, task, tool, need),
        None => unclaimed(facts, tool),
    }
}

/// The task whose phase decides: the one the call is about, where the caller holds it; else the one it holds.
fn standing(facts: &Facts) -> Option<&Task> {
    let subject = facts.subject.filter(|id| facts.held.contains(id));
    subject.or_else(|| facts.held.first().copied()).and_then(|id| facts.state.tasks.get(&id))
}

fn in_phase(facts: &Facts, task: &Task, tool: &str, need: Need) -> Result<Permit, Refusal> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    let Some(why) = refused(&[&workflow.protect, &phase.rules], tool, need) else { return Ok(Permit::Allowed) };
    let message = format!("`{tool}` is not open in phase {} of {} ({why})", phase.name, task.id);
    let hint = format!(
        "open now: {}; next: transition_phase to {}",
        open_words(phase),
        phase.next.first().map_or("the end", String::as_str)
    );
    match workflow.enforcement {
        Enforcement::Strict => {
            let details = serde_json::json!({
                "task": task.id, "phase": phase.name, "open": phase.rules.allow, "next": phase.next,
            });
            Err(Refusal::new(Code::NotOpen, message, hint).with(details))
        }
        Enforcement::Warn => Ok(Permit::Waived { phase: phase.name.clone(), message, shown: true }),
        Enforcement::Observe => Ok(Permit::Waived { phase: phase.name.clone(), message, shown: false }),
    }
}

/// Without a task only a deny counts: handing in and claiming work is how an agent gets one.
fn unclaimed(facts: &Facts, tool: &str) -> Result<Permit, Refusal> {
    let default = facts.in_force().find(|(_, trust)| trust.default);
    let workflow: Option<&Workflow> =
        default.and_then(|(_, trust)| facts.workflows.get(&trust.hash)).map(AsRef::as_ref);
    let Some(workflow) = workflow else { return Ok(Permit::Allowed) };
    let Some(why) = refused(&[&workflow.protect, &workflow.unclaimed], tool, Need::Loop) else {
        return Ok(Permit::Allowed);
    };
    let with_task = tool != "claim_task" && refused(&[&workflow.protect], tool, Need::Loop).is_none();
    let hint = if with_task {
        "claim_task gives you one"
    } else {
        "the workflow keeps it from every agent; a person can change that"
    };
    let message = format!("`{tool}` is not open to an agent without a task ({why})");
    let waived = |shown| Ok(Permit::Waived { phase: "unclaimed".to_owned(), message: message.clone(), shown });
    match workflow.enforcement {
        Enforcement::Strict => Err(Refusal::new(Code::NotOpen, message, hint)),
        Enforcement::Warn => waived(true),
        Enforcement::Observe => waived(false),
    }
}

/// Deny, then ask, then allow; the rule that decided is named.
fn refused(rules: &[&Rules], tool: &str, need: Need) -> Option<String> {
    let first = |pick: fn(&Rules) -> &Vec<String>| {
        rules
            .iter()
            .flat_map(|rules| pick(rules))
            .find(|text| Rule::parse(text).is_ok_and(|rule| rule.matches_tool(tool)))
    };
    if let Some(rule) = first(|rules| &rules.deny) {
        return Some(format!("denied by the rule `{rule}`"));
    }
    if let Some(rule) = first(|rules| &rules.ask) {
        return Some(format!("the rule `{rule}` leaves it to a person"));
    }
    match need {
        Need::Loop => None,
        Need::Grant if first(|rules| &rules.allow).is_some() => None,
        Need::Grant => Some("no rule of the phase allows it".to_owned()),
    }
}
