//! Asking a person: for a gate, for one exact call, or freely. How the question reaches a person is not here.

use std::collections::BTreeMap;

use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::command::{Question, RequestApproval};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::ids::ApprovalId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::Task;
use crate::domain::workflow::{ApprovalGate, Gate, GateKind};

use super::approve::{digest, void};
use super::holder;
use super::raise::{self, RAISE, is_higher};

const CALL_WITHIN_SECONDS: u64 = 72 * 60 * 60;
/// A call waits for somebody whom the agent's own rules keep it apart from; a free question may be answered anywhere.
const CALL_LEVEL: u8 = 1;

pub fn request(facts: &Facts, command: &RequestApproval, context: &Context) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, &command.target, context)?;
    let mut events = Vec::new();
    let mut news: Vec<(About, ApprovalGate)> = Vec::new();
    for question in &command.what {
        let (about, terms) = asked(facts, task, question, context)?;
        if standing(facts, task, &about, &terms.ask, &command.reason, context).is_none()
            && !news.iter().any(|(known, of)| *known == about && of.ask == terms.ask)
        {
            if let About::Call { tool, arguments, .. } = &about
                && tool == RAISE
            {
                is_higher(facts, task, arguments)?;
            }
            events.extend(outdated(facts, task, &about, &terms.ask));
            news.push((about, terms));
        }
    }
    let waiting =
        facts.state.approvals.values().filter(|known| known.task == Some(task.id) && known.state.is_pending());
    let limit = context.settings.limits.approvals_waiting;
    if waiting.count() + news.len() > limit {
        let message = format!("{} would have more than {limit} questions waiting for a person", task.id);
        return Err(Refusal::new(Code::TooMany, message, "wait for answers, or put it into fewer questions"));
    }
    let first = ApprovalId(facts.next.approval);
    let batch = (news.len() > 1).then_some(first);
    let artifacts: BTreeMap<String, String> =
        task.artifacts.iter().map(|(name, artifact)| (name.clone(), artifact.sha256.clone())).collect();
    for (number, (about, terms)) in (first.0..).zip(news) {
        events.push(Event::ApprovalRequested {
            approval: ApprovalId(number),
            digest: digest(facts, task, &about, &terms.ask),
            batch,
            task: Some(task.id),
            phase: Some(task.phase.clone()),
            visit: task.visit,
            workflow: Some(task.workflow.clone()),
            artifacts: artifacts.clone(),
            about,
            ask: terms.ask,
            reason: command.reason.clone(),
            from: terms.from,
            not_by_author: terms.not_by_author,
            level: terms.level,
            expires_at: context.now.plus_seconds(terms.within_seconds),
        });
    }
    Ok(events)
}

/// What a question is about, and on what terms.
fn asked(facts: &Facts, task: &Task, question: &Question, context: &Context) -> Result<(About, ApprovalGate), Refusal> {
    let terms = |ask: &str, within_seconds, level| {
        let (ask, from) = (ask.to_owned(), Vec::new());
        ApprovalGate { ask, from, not_by_author: false, within_seconds, level }
    };
    Ok(match question {
        Question::Gate(name) => {
            let (gate, terms) = approval_gate(facts, task, name.as_deref())?;
            (About::Gate { gate: gate.id.clone() }, terms.clone())
        }
        Question::Call { tool, arguments } => {
            let about = About::Call { tool: tool.clone(), arguments: arguments.clone(), pin: None };
            if tool == RAISE {
                let ask = raise::asked(facts, task, arguments)?;
                return Ok((about, terms(&ask, CALL_WITHIN_SECONDS, raise::level(facts, context))));
            }
            (about, terms(&format!("May `{tool}` run once, exactly like this?"), CALL_WITHIN_SECONDS, CALL_LEVEL))
        }
        Question::Free { ask, choices, within_seconds } => {
            (About::Question { choices: choices.clone() }, terms(ask, *within_seconds, 0))
        }
    })
}

/// The approval of exactly this that is still open, or holds an answer that counts.
fn standing<'f>(
    facts: &'f Facts,
    task: &Task,
    about: &About,
    ask: &str,
    reason: &str,
    context: &Context,
) -> Option<&'f Approval> {
    let digest = digest(facts, task, about, ask);
    let same = |known: &&Approval| known.task == Some(task.id) && known.digest == digest;
    facts.state.approvals.values().rev().filter(same).find(|known| match &known.state {
        ApprovalState::Pending => !known.has_run_out(context.now) && !is_stuck(facts, known),
        ApprovalState::Approved(_) | ApprovalState::Adjusted { .. } => !known.has_run_out(context.now),
        // A no stands until the agent says what is different now: work outside the digest counts too.
        ApprovalState::Rejected(_) => {
            matches!(known.about, About::Question { .. }) || reason.is_empty() || reason == known.reason
        }
        ApprovalState::Consumed { .. } => {
            matches!(known.about, About::Question { .. }) || raise::is_done(facts, task, known)
        }
        ApprovalState::Expired { .. } | ApprovalState::Cancelled { .. } => false,
    })
}

/// It waits for an answer that cannot come: it was asked together with something that is void or closed by now.
fn is_stuck(facts: &Facts, approval: &Approval) -> bool {
    let others = facts.state.approvals.values().filter(|known| known.batch == approval.batch);
    approval.batch.is_some()
        && others.into_iter().any(|known| !known.state.is_pending() || void(facts, known).is_some())
}

/// The approval that a request found or has just made.
pub fn found<'f>(
    facts: &'f Facts,
    task: &Task,
    question: &Question,
    reason: &str,
    context: &Context,
) -> Option<&'f Approval> {
    let (about, terms) = asked(facts, task, question, context).ok()?;
    standing(facts, task, &about, &terms.ask, reason, context)
}

/// Earlier approvals of the same thing that a new question replaces.
fn outdated(facts: &Facts, task: &Task, about: &About, ask: &str) -> Vec<Event> {
    let same = |known: &&Approval| known.task == Some(task.id) && known.about == *about && known.ask == ask;
    let open = facts.state.approvals.values().filter(same);
    let stuck = |known: &Approval| known.state.is_pending() && is_stuck(facts, known);
    let why = |known: &Approval| {
        let other = || stuck(known).then(|| "something that it was asked together with has changed".to_owned());
        void(facts, known).or_else(other)
    };
    open.filter(|known| known.state.is_unused())
        .filter_map(|known| {
            why(known).map(|why| Event::ApprovalCancelled { approval: known.id, task: known.task, why })
        })
        .collect()
}

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
            let (phase, task) = (&phase.name, task.id);
            let message = match name {
                Some(name) => format!("phase {phase} of {task} has no approval gate `{name}`"),
                None => format!("leaving phase {phase} of {task} takes nobody's approval"),
            };
            let hint = "transition_phase says what it does need; `question` asks a person anything else";
            Err(Refusal::new(Code::NoApprovalGate, message, hint))
        }
        several => {
            let list = super::words(several.iter().map(|(gate, _)| &gate.id));
            Err(Refusal::new(Code::NoApprovalGate, format!("this phase has several: {list}"), "name one as `gate`"))
        }
    }
}
