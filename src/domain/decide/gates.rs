//! What still keeps a phase closed. Gates that must be run are judged by the evidence of their last run; running is not here.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::domain::approval::{About, Approval, ApprovalState};
use crate::domain::command::{FinishGate, Target};
use crate::domain::event::Event;
use crate::domain::evidence::Evidence;
use crate::domain::facts::{Awaited, Context, Facts};
use crate::domain::ids::RunId;
use crate::domain::refusal::{Code, Refusal};
use crate::domain::state::evidence_key;
use crate::domain::task::Task;
use crate::domain::violation;
use crate::domain::workflow::{ApprovalGate, Gate, GateKind, Phase, Workflow};

use super::{budget, holder};

/// A gate that is not met: what is missing, and how to meet it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Unmet {
    pub gate: String,
    pub missing: String,
    pub how: String,
    /// The end of what its last run printed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub printed: Option<String>,
}

fn unmet(gate: &Gate, missing: impl Into<String>, how: impl Into<String>) -> Option<Unmet> {
    Some(Unmet { gate: gate.id.clone(), missing: missing.into(), how: how.into(), printed: None })
}

/// Every unmet exit gate of the phase the task stands in. `tree` is the fingerprint of the work tree now, where known.
pub fn all_unmet(facts: &Facts, task: &Task, tree: Option<&str>, context: &Context) -> Result<Vec<Unmet>, Refusal> {
    let workflow = facts.workflow_of(task)?;
    let phase = facts.phase_of(task)?;
    let gates = phase.exit.iter().filter_map(|gate| one(facts, task, workflow, phase, gate, tree, context));
    Ok(stands(task).into_iter().chain(gates).collect())
}

/// What is missing as far as it is known without a look at the work tree: a run of this visit that ended well is none of it,
/// though `transition_phase` looks whether it still holds.
pub fn missing(facts: &Facts, task: &Task, context: &Context) -> Result<Vec<Unmet>, Refusal> {
    let phase = facts.phase_of(task)?;
    let mut unmet = all_unmet(facts, task, None, context)?;
    unmet.retain(|unmet| {
        let gate = phase.exit.iter().find(|gate| gate.id == unmet.gate);
        !gate.is_some_and(|gate| passed_here(task, phase, gate))
    });
    Ok(unmet)
}

/// The newest run of a gate ended well in this visit; files may have changed since.
fn passed_here(task: &Task, phase: &Phase, gate: &Gate) -> bool {
    let key = evidence_key(&phase.name, &gate.id);
    let seen = || task.observed.get(&key).filter(|_| gate.kind.takes_observed());
    let newest = task.evidence.get(&key).or_else(seen);
    matches!(newest, Some(Evidence::Passed(verdict)) if verdict.visit == task.visit)
}

/// What was changed against the rules of a phase keeps every phase closed while it stands.
fn stands(task: &Task) -> Option<Unmet> {
    if task.violations.is_empty() {
        return None;
    }
    Some(Unmet {
        gate: "violations".to_owned(),
        missing: format!("changed against the rules: {}", violation::named(&task.violations)),
        how: format!(
            "put it back as it was; or a person lets it stand: `phasegate tasks accept {} --reason …`",
            task.id
        ),
        printed: None,
    })
}

fn one(
    facts: &Facts,
    task: &Task,
    workflow: &Workflow,
    phase: &Phase,
    gate: &Gate,
    tree: Option<&str>,
    context: &Context,
) -> Option<Unmet> {
    match &gate.kind {
        GateKind::Artifact { name, schema } => artifact(task, workflow, phase, gate, name, schema.as_ref()),
        GateKind::Command { .. } if was_observed(task, phase, gate, tree) => None,
        GateKind::Command { argv, fresh, .. } | GateKind::Hook { argv, fresh, .. } => {
            run(task, phase, gate, &format!("`{}`", argv.join(" ")), *fresh, tree)
        }
        GateKind::Syntax { .. } => run(task, phase, gate, "the syntax check", true, tree),
        GateKind::Approval(terms) => approval(facts, task, phase, gate, terms, context),
        GateKind::Children => {
            let waits = facts.children.get(&task.id).filter(|children| children.count() > 0)?;
            let mut missing = format!("{} child tasks are open, {} failed", waits.open, waits.failed);
            if waits.cancelled > 0 {
                missing.push_str(&format!(", {} were cancelled by agents", waits.cancelled));
            }
            missing.push_str(&format!(": {}", named(waits)));
            let all = format!("list_tasks {{\"parent\":\"{}\"}}", task.id);
            unmet(gate, missing, mend(waits.failed + waits.cancelled, &all))
        }
        GateKind::Tasks { labels } => {
            let awaited = labels.iter().filter_map(|label| {
                let waits = facts.labelled.get(&(task.id, label.clone()))?;
                (waits.count() > 0).then_some((label, waits))
            });
            let waits: Vec<_> = awaited.collect();
            let (label, _) = waits.first()?;
            let words =
                waits.iter().map(|(label, waits)| format!("{} with `{label}` ({})", waits.count(), named(waits)));
            let missing = format!("tasks not done: {}", words.collect::<Vec<_>>().join(", "));
            let all = format!("list_tasks {{\"labels\":[\"{label}\"]}}");
            unmet(gate, missing, mend(waits.iter().map(|(_, waits)| waits.failed + waits.cancelled).sum(), &all))
        }
        GateKind::Budget => {
            // A fault of the facts is found where the task is judged; here it keeps the phase closed.
            let over = budget::overspent(facts, task, context.now);
            let words = match &over {
                Ok(over) if over.is_empty() => return None,
                Ok(over) => over.iter().map(budget::Exceeded::words).collect::<Vec<_>>().join("; "),
                Err(refusal) => refusal.message.clone(),
            };
            unmet(
                gate,
                words,
                "update_task with `release` or `fail` gives it up; a person raises a cap with `phasegate tasks budget`, or says yes to a call of `raise_budget`",
            )
        }
    }
}

/// The ids that keep a gate closed; a long list ends with dots.
fn named(waits: &Awaited) -> String {
    let mut words: Vec<String> = waits.first.iter().map(ToString::to_string).collect();
    if (words.len() as u64) < waits.count() {
        words.push("…".to_owned());
    }
    words.join(", ")
}

fn mend(ended: u64, all: &str) -> String {
    let by_person = "; what failed or was cancelled by an agent counts until a person takes it away \
                     (`phasegate tasks cancel ID --reason …`) or has what failed done again (`phasegate tasks reopen ID`)";
    format!("finish them: {all}{}", if ended > 0 { by_person } else { "" })
}

fn artifact(
    task: &Task,
    workflow: &Workflow,
    phase: &Phase,
    gate: &Gate,
    name: &str,
    schema: Option<&Value>,
) -> Option<Unmet> {
    let named_so = |other: &Gate| matches!(&other.kind, GateKind::Artifact { name: known, .. } if known == name);
    let gates = workflow.phases.iter().flat_map(|phase| &phase.exit).filter(|gate| named_so(gate)).count();
    let how = format!("submit_artifact {{\"name\":\"{name}\",\"content\":{}}}", shape(schema));
    match task.artifacts.get(name) {
        None => unmet(gate, format!("artifact `{name}` is missing"), how),
        Some(known) if known.phase != phase.name && gates > 1 => {
            unmet(gate, format!("artifact `{name}` is of phase {}, this phase asks for its own", known.phase), how)
        }
        Some(_) => None,
    }
}

/// An example of what a schema wants, short enough for a sentence: `{"summary":"<text>","files":["<text>"]}`.
pub fn shape(schema: Option<&Value>) -> String {
    schema.map_or_else(|| "…".to_owned(), |schema| sketch(schema, 0))
}

fn sketch(schema: &Value, depth: usize) -> String {
    let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
    let required: Vec<&str> =
        schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
    if (kind == "object" || !required.is_empty()) && depth < 3 {
        let property = |name: &&str| {
            let inner = schema.get("properties").and_then(|properties| properties.get(*name));
            format!("\"{name}\":{}", inner.map_or_else(|| "…".to_owned(), |inner| sketch(inner, depth + 1)))
        };
        return format!("{{{}}}", required.iter().map(property).collect::<Vec<_>>().join(","));
    }
    if let Some(options) = schema.get("enum").and_then(Value::as_array) {
        return options.iter().take(4).map(Value::to_string).collect::<Vec<_>>().join(" or ");
    }
    match kind {
        "array" if depth < 3 => {
            let items = schema.get("items").map_or_else(|| "…".to_owned(), |items| sketch(items, depth + 1));
            format!("[{items},…]")
        }
        "string" => match schema.get("minLength").and_then(Value::as_u64) {
            Some(least) if least > 1 => format!("\"<text, at least {least} characters>\""),
            _ => "\"<text>\"".to_owned(),
        },
        "" => "…".to_owned(),
        other => format!("<{other}>"),
    }
}

/// A hook saw it end well, and no file has changed since.
fn was_observed(task: &Task, phase: &Phase, gate: &Gate, tree: Option<&str>) -> bool {
    let seen = task.observed.get(&evidence_key(&phase.name, &gate.id));
    gate.kind.takes_observed() && seen.is_some_and(|seen| seen.holds(&gate.kind, tree, task.visit))
}

fn run(task: &Task, phase: &Phase, gate: &Gate, what: &str, fresh: bool, tree: Option<&str>) -> Option<Unmet> {
    let again = "transition_phase runs it again";
    match task.evidence.get(&evidence_key(&phase.name, &gate.id)) {
        None => unmet(gate, format!("{what} has not run in this phase"), "transition_phase runs it"),
        Some(Evidence::Running { since, .. }) => unmet(gate, format!("{what} is running since {since}"), again),
        Some(Evidence::Refused(verdict)) => {
            let how = "mend what it says, then transition_phase runs it again";
            let unmet = unmet(gate, verdict.summary.clone(), how);
            unmet.map(|unmet| Unmet { printed: verdict.printed.clone(), ..unmet })
        }
        Some(evidence @ Evidence::Passed(_)) => {
            if evidence.holds(&gate.kind, tree, task.visit) {
                None
            } else if fresh && tree.is_none() {
                unmet(
                    gate,
                    format!("{what} passed; whether it still holds is looked at on leaving"),
                    "transition_phase",
                )
            } else if fresh {
                unmet(gate, format!("{what} passed, but files have changed since"), again)
            } else {
                unmet(gate, format!("{what} passed in an earlier visit to this phase"), again)
            }
        }
    }
}

fn approval(
    facts: &Facts,
    task: &Task,
    phase: &Phase,
    gate: &Gate,
    terms: &ApprovalGate,
    context: &Context,
) -> Option<Unmet> {
    let ask = format!("request_approval {{\"gate\":\"{}\"}}", gate.id);
    let Some(known) = latest_approval(facts, task, phase, &gate.id) else {
        return unmet(gate, "nobody has been asked yet", ask);
    };
    let why = super::usable(facts, known, Some(terms), context).err()?;
    let how = match &known.state {
        ApprovalState::Pending if !known.has_run_out(context.now) && super::void(facts, known).is_none() => {
            format!("a person answers: `phasegate approvals show {}`; then try again", known.id)
        }
        ApprovalState::Rejected(_) => {
            format!("change what was refused, then {ask}, with a `reason` that says what is different")
        }
        ApprovalState::Pending
        | ApprovalState::Approved(_)
        | ApprovalState::Adjusted { .. }
        | ApprovalState::Expired { .. }
        | ApprovalState::Cancelled { .. }
        | ApprovalState::Consumed { .. } => ask,
    };
    unmet(gate, format!("{} {why}", known.id), how)
}

/// The newest approval asked for this gate in this visit of the phase.
pub fn latest_approval<'f>(facts: &'f Facts, task: &Task, phase: &Phase, gate: &str) -> Option<&'f Approval> {
    facts.state.approvals.values().rev().find(|known| {
        known.task == Some(task.id)
            && known.visit == task.visit
            && known.phase.as_deref() == Some(&phase.name)
            && matches!(&known.about, About::Gate { gate: asked } if asked == gate)
    })
}

fn runnable<'f>(facts: &'f Facts, task: &Task, gate: &str) -> Result<&'f Gate, Refusal> {
    let phase = facts.phase_of(task)?;
    phase.exit.iter().find(|known| known.id == gate && known.kind.is_run()).ok_or_else(|| {
        let message = format!("phase {} of {} has no gate `{gate}` that can be run", phase.name, task.id);
        Refusal::new(Code::GateSuperseded, message, "the task has moved on; ask for its brief with claim_task")
    })
}

pub fn start(
    facts: &Facts,
    target: &Target,
    gate: &str,
    limit_seconds: u64,
    context: &Context,
) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, target, context)?;
    let gate = runnable(facts, task, gate)?;
    let until = context.now.plus_seconds(limit_seconds);
    // A run that is under way is superseded: only the newest run's end counts.
    Ok(vec![Event::GateStarted { task: task.id, gate: gate.id.clone(), run: RunId(facts.next.run), until }])
}

pub fn finish(facts: &Facts, finish: &FinishGate, context: &Context) -> Result<Vec<Event>, Refusal> {
    let (task, _) = holder(facts, &finish.target, context)?;
    let gate = runnable(facts, task, &finish.gate)?;
    let current = match task.evidence.get(&evidence_key(&task.phase, &gate.id)) {
        Some(Evidence::Running { run, .. }) => *run == finish.run,
        Some(Evidence::Passed(_) | Evidence::Refused(_)) | None => false,
    };
    if !current {
        let message = format!("run {} of gate `{}` was superseded by a newer one", finish.run, gate.id);
        return Err(Refusal::new(Code::GateSuperseded, message, "transition_phase again; the newest run counts"));
    }
    let (task, gate, run) = (task.id, gate.id.clone(), finish.run);
    let (summary, tree, output) = (finish.summary.clone(), finish.tree.clone(), finish.output.clone());
    let (printed, cancelled) = (finish.printed.clone(), finish.cancelled);
    Ok(vec![if finish.passed {
        Event::GatePassed { task, gate, run, summary, tree, output }
    } else {
        Event::GateRefused { task, gate, run, summary, tree, output, printed, cancelled }
    }])
}
