//! May this caller use one of our own tools now? Asked inside the transaction, since the phase is a fact like any other.

use crate::domain::brief::open_words;
use crate::domain::facts::Facts;
use crate::domain::ids::{BypassId, TaskId, Time};
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

/// The task whose phase decides: the one the call is about, where the caller holds it; else the one it holds.
fn standing(facts: &Facts) -> Option<&Task> {
    let subject = facts.subject.filter(|id| facts.held.contains(id));
    subject.or_else(|| facts.held.first().copied()).and_then(|id| facts.state.tasks.get(&id))
}

fn in_phase(facts: &Facts, task: &Task, tool: &str, need: Need, now: Time) -> Result<Permit, Refusal> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    let found = verdict(&[&workflow.protect, &phase.rules], &phase.require_approval, tool, need);
    let Verdict::Closed { rule, why, asks } = found else { return Ok(Permit::Allowed) };
    let message = format!("`{tool}` is not open in phase {} of {} ({why})", phase.name, task.id);
    if let Some(waived) = bypassed(facts, rule, Some(task.id), &phase.name, tool, now) {
        return Ok(waived);
    }
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
    let default = facts.in_force().find(|(_, trust)| trust.default);
    let workflow: Option<&Workflow> =
        default.and_then(|(_, trust)| facts.workflows.get(&trust.hash)).map(AsRef::as_ref);
    let Some(workflow) = workflow else { return Ok(Permit::Allowed) };
    let found = verdict(&[&workflow.protect, &workflow.unclaimed], &[], tool, Need::Loop);
    let Verdict::Closed { rule, why, .. } = found else { return Ok(Permit::Allowed) };
    if let Some(waived) = bypassed(facts, rule, None, UNCLAIMED, tool, now) {
        return Ok(waived);
    }
    let with_task =
        tool != "claim_task" && matches!(verdict(&[&workflow.protect], &[], tool, Need::Loop), Verdict::Open);
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

const UNCLAIMED: &str = "unclaimed";

/// What an open bypass of the rule that decided makes of it.
fn bypassed(
    facts: &Facts,
    rule: Option<&str>,
    task: Option<TaskId>,
    phase: &str,
    tool: &str,
    now: Time,
) -> Option<Permit> {
    let rule = rule?;
    if !facts.bypasses_loaded {
        return Some(Permit::Bypasses);
    }
    let open = facts.state.bypasses.values().find(|known| known.covers(rule, task, now))?;
    let message =
        format!("`{tool}` passes the rule `{rule}` by bypass {} of {}, until {}", open.id, open.by, open.until);
    Some(Permit::Waived { phase: phase.to_owned(), message, shown: true, bypass: Some(open.id) })
}

enum Verdict<'r> {
    Open,
    Closed {
        /// The rule that decided; none where no rule allows it.
        rule: Option<&'r str>,
        why: String,
        /// A person can open it for one call.
        asks: bool,
    },
}

/// Deny, then ask, then allow; the rule that decided is named.
fn verdict<'r>(rules: &[&'r Rules], ask_too: &'r [String], tool: &str, need: Need) -> Verdict<'r> {
    let matches = |text: &&String| Rule::parse(text).is_ok_and(|rule| rule.matches_tool(tool));
    let first = |pick: fn(&'r Rules) -> &'r Vec<String>| rules.iter().flat_map(|rules| pick(rules)).find(matches);
    if let Some(rule) = first(|rules| &rules.deny) {
        return Verdict::Closed { rule: Some(rule), why: format!("denied by the rule `{rule}`"), asks: false };
    }
    if let Some(rule) = first(|rules| &rules.ask).or_else(|| ask_too.iter().find(matches)) {
        return Verdict::Closed {
            rule: Some(rule),
            why: format!("the rule `{rule}` leaves it to a person"),
            asks: true,
        };
    }
    match need {
        Need::Loop => Verdict::Open,
        Need::Grant if first(|rules| &rules.allow).is_some() => Verdict::Open,
        Need::Grant => Verdict::Closed { rule: None, why: "no rule of the phase allows it".to_owned(), asks: false },
    }
}
