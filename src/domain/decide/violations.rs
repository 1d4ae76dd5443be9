//! Changes that a phase did not allow: noted, found undone, or accepted by a person. Finding them is not here.

use serde_json::{Value, json};

use crate::domain::command::AcceptViolations;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{SessionId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::violation::{TreePath, Violation, fresh};

use super::{proof, require};

/// More of one call are counted and not listed: whoever puts those back puts the rest back too, or asks a person.
const LISTED_MAX: usize = 500;

pub fn found(
    facts: &Facts,
    id: TaskId,
    session: &SessionId,
    call: Option<&str>,
    found: &[Violation],
) -> Result<Vec<Event>, Refusal> {
    let task = facts.task(id)?;
    let mut violations = fresh(found.to_vec(), &task.violations);
    let more = u64::try_from(violations.len().saturating_sub(LISTED_MAX)).unwrap_or(u64::MAX);
    violations.truncate(LISTED_MAX);
    if violations.is_empty() || !task.status().is_open() {
        return Ok(Vec::new());
    }
    let (session, call) = (session.clone(), call.map(str::to_owned));
    Ok(vec![Event::ViolationFound { task: id, session, call, violations, more }])
}

pub fn undone(facts: &Facts, id: TaskId, paths: &[TreePath]) -> Result<Vec<Event>, Refusal> {
    let task = facts.task(id)?;
    let open = |path: &&TreePath| task.violations.iter().any(|known| known.path == **path);
    let paths: Vec<TreePath> = paths.iter().filter(open).cloned().collect();
    Ok(if paths.is_empty() { Vec::new() } else { vec![Event::ViolationUndone { task: id, paths }] })
}

/// What an approver signs to let changes stand.
pub fn statement(workspace: &str, task: TaskId, paths: &[TreePath], reason: &str) -> Value {
    json!({ "act": "task.accept", "workspace": workspace, "task": task, "paths": paths, "reason": reason })
}

pub fn accept(facts: &Facts, command: &AcceptViolations, context: &Context) -> Result<Vec<Event>, Refusal> {
    const WHAT: &str = "accepting a violation";
    require(context, &[Role::Operator, Role::Approver], WHAT)?;
    let AcceptViolations { task: id, paths, reason, proof } = command;
    let task = facts.task(*id)?;
    let stands = |path: &TreePath| task.violations.iter().any(|known| known.path == *path);
    if let Some(other) = paths.iter().find(|path| !stands(path)) {
        let message = format!("`{other}` is no violation of {id} that stands");
        return Err(Refusal::new(Code::WrongState, message, format!("`phasegate tasks show {id}` lists them")));
    }
    if task.violations.is_empty() {
        let message = format!("nothing stands against {id}");
        return Err(Refusal::new(Code::WrongState, message, "there is nothing to accept"));
    }
    let level = proof::person(facts, proof, &statement(&facts.workspace, *id, paths, reason), context, WHAT)?;
    let all = || task.violations.iter().map(|known| known.path.clone()).collect();
    let paths = if paths.is_empty() { all() } else { paths.clone() };
    let (reason, signed) = (reason.clone(), proof.signed.clone());
    Ok(vec![Event::ViolationAccepted { task: *id, paths, reason, level, signed }])
}
