//! What a holder is told: the task, its phase, what is open, what is missing, what is left. Worked out from facts alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::decide::gates::{self, Unmet};
use super::decide::{budget, warn};
use super::facts::{Context, Facts};
use super::ids::{Fence, TaskId, Time};
use super::refusal::Refusal;
use super::route::Routed;
use super::task::{Priority, Task};
use super::workflow::{Budget, Enforcement, Gate, GateKind, Phase};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Brief {
    pub task: TaskId,
    pub title: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub goal: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "String::is_empty", rename = "type")]
    pub kind: String,
    pub priority: Priority,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub constraints: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acceptance_criteria: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<Value>,
    pub workflow: String,
    pub phase: String,
    pub phase_goal: String,
    /// What the phase lets you use, as rules.
    pub open: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub writes: Option<Vec<String>>,
    /// What still has to be shown to leave the phase.
    pub unmet: Vec<Unmet>,
    pub next: Vec<String>,
    /// The model to work with; give it to subagents too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Routed>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_left: Option<Budget>,
    /// Where a cap is nearly used up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget_warning: Option<String>,
    /// Tries that failed before this one.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed_attempts: u32,
    /// What whoever held it last wrote down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_progress: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// Secret: shows that you hold the task. Pass it as `claim` where you hold several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    pub fence: Fence,
    pub lease_until: Option<Time>,
    pub lease_seconds: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// For the holder of `task`, right after a command; `claim` is the secret handle where one was just made.
pub fn brief(facts: &Facts, task: &Task, claim: Option<String>, context: &Context) -> Result<Brief, Refusal> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    let lease_seconds = task.claim().map_or(0, |claim| claim.lease_seconds);
    Ok(Brief {
        task: task.id,
        title: task.spec.title.clone(),
        goal: task.spec.goal.clone(),
        description: task.spec.description.clone(),
        kind: task.spec.kind.clone(),
        priority: task.spec.priority,
        constraints: task.spec.constraints.clone(),
        acceptance_criteria: task.spec.acceptance_criteria.clone(),
        context: task.spec.context.clone(),
        workflow: workflow.name.clone(),
        phase: phase.name.clone(),
        phase_goal: phase.goal.clone(),
        open: phase.rules.allow.clone(),
        writes: phase.writes.clone(),
        unmet: gates::missing(facts, task, context)?,
        next: phase.next.clone(),
        route: task.route.as_ref().map(|route| route.now.clone()),
        budget_left: budget::left(facts, task, context.now)?,
        budget_warning: warn::words(&warn::in_danger(facts, task, context.now)?),
        failed_attempts: task.attempts.failed,
        checkpoint: task.checkpoint.as_ref().map(|checkpoint| checkpoint.data.clone()),
        last_progress: task.progress.as_ref().map(|progress| progress.note.clone()),
        note: enforcement_note(workflow.enforcement),
        claim,
        fence: task.fence,
        lease_until: facts.leases.get(&task.id).copied(),
        lease_seconds,
    })
}

fn enforcement_note(enforcement: Enforcement) -> Option<String> {
    match enforcement {
        Enforcement::Strict | Enforcement::Observe => None,
        Enforcement::Warn => {
            Some("this workflow only warns: calls outside the rules pass, and are recorded".to_owned())
        }
    }
}

/// A gate in one line, for people: what it asks for.
pub fn gate_words(gate: &Gate) -> String {
    match &gate.kind {
        GateKind::Artifact { name, .. } => format!("artifact `{name}`"),
        GateKind::Command { argv, .. } => format!("`{}` ends with 0", argv.join(" ")),
        GateKind::Syntax { .. } => "every chosen file parses".to_owned(),
        GateKind::Approval(terms) => format!("a person says yes to “{}”", terms.ask),
        GateKind::Children => "all child tasks are done".to_owned(),
        GateKind::Tasks { labels } => format!("all tasks with {} are done", labels.join(" or ")),
        GateKind::Budget => "the budget is kept".to_owned(),
        GateKind::Hook { argv, .. } => format!("`{}` agrees", argv.join(" ")),
    }
}

/// What a refused caller reads about the phase it is in.
pub fn open_words(phase: &Phase) -> String {
    if phase.rules.allow.is_empty() {
        "nothing but phasegate's own loop".to_owned()
    } else {
        phase.rules.allow.join(", ")
    }
}
