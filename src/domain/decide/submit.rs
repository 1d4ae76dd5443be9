//! Submitting tasks: one or a whole graph. The order of work inside a graph (waves) is in `graph`.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::command::{NewTask, Reference, SubmitTasks};
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts};
use crate::domain::graph;
use crate::domain::ids::{TaskId, WorkflowHash};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::task::{Status, Task};
use crate::domain::workflow::{GateKind, Workflow};

use super::budget::{self, sound};

pub fn tasks(facts: &Facts, submission: &SubmitTasks, context: &Context) -> Result<Vec<Event>, Refusal> {
    let limit = context.settings.limits.graph_tasks;
    if submission.tasks.is_empty() || submission.tasks.len() > limit {
        let message = format!("a submission holds 1 to {limit} tasks, this one {}", submission.tasks.len());
        return Err(Refusal::new(Code::TooMany, message, "split it, and refer to the earlier tasks by id"));
    }
    let ids = local_ids(facts, submission)?;
    refuse_cycles(facts, submission, context)?;
    refuse_own_whole(facts, submission)?;
    let mut events = Vec::with_capacity(submission.tasks.len());
    for (new, number) in submission.tasks.iter().zip(facts.next.task..) {
        events.push(one(facts, new, TaskId(number), &ids, context)?);
    }
    Ok(events)
}

/// The event of one new task; `ids` are the names it may refer to.
pub fn one(
    facts: &Facts,
    new: &NewTask,
    id: TaskId,
    ids: &BTreeMap<&str, TaskId>,
    context: &Context,
) -> Result<Event, Refusal> {
    let (name, hash, workflow) = workflow_for(facts, new, context)?;
    if !context.caller.may_work_in(name) {
        let message = format!("the task would be of the workflow `{name}`; {}", super::claiming::allowed(context));
        let hint = "name one of these as `workflow`; a person makes credentials for others";
        return Err(Refusal::new(Code::NotClaimable, message, hint));
    }
    sound(&new.spec.budget).map_err(|refusal| {
        let message = format!("the budget of `{}`: {}", new.spec.title, refusal.message);
        Refusal { message, ..refusal }
    })?;
    let mut spec = new.spec.clone();
    let mut waiting_on = BTreeSet::new();
    for reference in &new.depends_on {
        let on = resolve(facts, reference, ids)?;
        spec.depends_on.insert(on);
        // A task of this submission is not among the rows yet, and open by nature.
        match facts.state.tasks.get(&on).map(|task| task.status()) {
            Some(Status::Done) => {}
            Some(Status::Cancelled) => {
                let message = format!("{on} is cancelled, so `{}` could never start", spec.title);
                return Err(Refusal::new(Code::UnknownReference, message, "leave that dependency out"));
            }
            Some(Status::Waiting | Status::Ready | Status::Claimed | Status::Blocked | Status::Failed) | None => {
                waiting_on.insert(on);
            }
        }
    }
    spec.parent = new.parent.as_ref().map(|parent| resolve(facts, parent, ids)).transpose()?;
    spec.workflow.clone_from(name);
    let phase = workflow.first_phase().map(|phase| phase.name.clone()).unwrap_or_default();
    let attempts = new.attempts.unwrap_or(workflow.retry.attempts).clamp(1, 20);
    Ok(Event::TaskSubmitted { task: id, spec: Box::new(spec), workflow: hash.clone(), phase, waiting_on, attempts })
}

fn local_ids<'s>(facts: &Facts, submission: &'s SubmitTasks) -> Result<BTreeMap<&'s str, TaskId>, Refusal> {
    let mut ids = BTreeMap::new();
    for (new, number) in submission.tasks.iter().zip(facts.next.task..) {
        let Some(local) = new.local.as_deref() else { continue };
        if ids.insert(local, TaskId(number)).is_some() {
            let message = format!("two tasks of this submission are called `{local}`");
            return Err(Refusal::new(Code::UnknownReference, message, "give each `ref` once"));
        }
    }
    Ok(ids)
}

fn resolve(facts: &Facts, reference: &Reference, ids: &BTreeMap<&str, TaskId>) -> Result<TaskId, Refusal> {
    match reference {
        Reference::Local(name) => ids.get(name.as_str()).copied().ok_or_else(|| {
            let message = format!("no task of this submission is called `{name}`");
            let hint = if ids.is_empty() {
                "write an id like `T-12`, or name a task of the same submission by its `ref`".to_owned()
            } else {
                format!("known here: {}", super::words(ids.keys()))
            };
            Refusal::new(Code::UnknownReference, message, hint)
        }),
        Reference::Task(id) => facts.task(*id).map(|task| task.id),
    }
}

fn refuse_cycles(facts: &Facts, submission: &SubmitTasks, context: &Context) -> Result<(), Refusal> {
    let names: Vec<String> = submission
        .tasks
        .iter()
        .enumerate()
        .map(|(index, new)| new.local.clone().unwrap_or_else(|| format!("#{}", index + 1)))
        .collect();
    // By `ref` alone: a task without one cannot be referred to, whatever it is called here.
    let refs = submission.tasks.iter().enumerate();
    let place: BTreeMap<&str, usize> =
        refs.filter_map(|(index, new)| new.local.as_deref().map(|local| (local, index))).collect();
    let local = |reference: &Reference| match reference {
        Reference::Local(name) => place.get(name.as_str()).copied(),
        Reference::Task(_) => None,
    };
    let edges = |of: fn(&NewTask) -> Vec<&Reference>| -> Vec<Vec<usize>> {
        submission.tasks.iter().map(|new| of(new).into_iter().filter_map(local).collect()).collect()
    };
    let waits = edges(|new| new.depends_on.iter().collect());
    let parents = edges(|new| new.parent.iter().collect());
    let mut ends = waits.clone();
    for (part, wholes) in parents.iter().enumerate() {
        for whole in wholes {
            let workflow = submission.tasks.get(*whole).map(|new| workflow_for(facts, new, context)).transpose()?;
            let after_parts = workflow.is_some_and(|(_, _, workflow)| ends_after_parts(workflow));
            if let Some(edges) = ends.get_mut(*whole).filter(|_| after_parts) {
                edges.push(part);
            }
        }
    }
    let around = [
        (waits, "wait for each other"),
        (parents, "are each other's parents"),
        (ends, "wait for each other, since a gate of the whole waits for its parts"),
    ];
    for (edges, what) in around {
        if let Some(cycle) = graph::cycle(&edges) {
            let named: Vec<&str> = cycle.iter().filter_map(|index| names.get(*index).map(String::as_str)).collect();
            let message = format!("these tasks {what}: {}", named.join(" → "));
            let hint = "take one of these references out; nothing was submitted";
            return Err(Refusal::new(Code::DependencyCycle, message, hint));
        }
    }
    Ok(())
}

/// A part that waits for the whole it belongs to: neither would end.
fn refuse_own_whole(facts: &Facts, submission: &SubmitTasks) -> Result<(), Refusal> {
    let named = submission.tasks.iter().filter_map(|new| Some((new.local.as_deref()?, new)));
    let named: BTreeMap<&str, &NewTask> = named.collect();
    for new in submission.tasks.iter().filter(|new| !new.depends_on.is_empty()) {
        let mut parent = new.parent.as_ref();
        // Parents of the same submission do not lead in a circle any more.
        while let Some(Reference::Local(name)) = parent {
            parent = named.get(name.as_str()).and_then(|above| above.parent.as_ref());
        }
        let Some(Reference::Task(above)) = parent else { continue };
        let Ok(above) = facts.task(*above) else { continue };
        let waits = |whole: &&Task| {
            let after_parts = facts.workflow_of(whole).is_ok_and(|workflow| ends_after_parts(workflow));
            after_parts && new.depends_on.contains(&Reference::Task(whole.id))
        };
        let Some(whole) = budget::lineage(facts, above).find(waits) else { continue };
        let (title, whole) = (&new.spec.title, whole.id);
        let message =
            format!("`{title}` would wait for {whole}, which it is a part of and a gate of which waits for it");
        let hint = "leave out that dependency or the `parent`; nothing was submitted";
        return Err(Refusal::new(Code::DependencyCycle, message, hint));
    }
    Ok(())
}

/// Whether a task that follows it cannot end before its parts.
fn ends_after_parts(workflow: &Workflow) -> bool {
    workflow.phases.iter().flat_map(|phase| &phase.exit).any(|gate| gate.kind == GateKind::Children)
}

type Chosen<'f> = (&'f String, &'f WorkflowHash, &'f Workflow);

/// Named, else by type, else the workspace's default.
fn workflow_for<'f>(facts: &'f Facts, new: &NewTask, context: &Context) -> Result<Chosen<'f>, Refusal> {
    let by_type = context.settings.workflow_for.get(&new.spec.kind);
    let named = new.workflow.as_ref().or(by_type);
    let persons = facts.in_force().any(|(_, trust)| trust.by_person());
    if !persons && context.settings.workflow_file {
        return Err(Refusal::new(
            Code::WorkflowUntrusted,
            "this workspace has a workflow file that no person has trusted yet",
            "a person runs `phasegate workflow trust` and reads what it allows",
        ));
    }
    let found = match named {
        Some(name) => facts.in_force().find(|(known, _)| *known == name),
        None => facts
            .in_force()
            .find(|(_, trust)| trust.default)
            .or_else(|| facts.in_force().next().filter(|_| facts.in_force().count() == 1)),
    };
    let Some((name, trust)) = found else {
        let known = super::words(facts.in_force().map(|(name, _)| name));
        let (what, hint) = match named {
            Some(name) => (format!("no workflow called `{name}` is in force"), format!("in force: {known}")),
            None => ("no workflow is this workspace's default".to_owned(), format!("name one of: {known}")),
        };
        return Err(Refusal::new(
            Code::UnknownWorkflow,
            what,
            format!("{hint}; a person trusts others, and the default, with `phasegate workflow trust`"),
        ));
    };
    Ok((name, &trust.hash, facts.workflow(&trust.hash)?.as_ref()))
}
