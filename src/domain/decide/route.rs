//! Which model a task goes on with, and how work on it went: added to what a command decided, so that both stand in one record.
//! How a model is chosen is not here (`routing`).

use crate::domain::command::RecordOutcome;
use crate::domain::event::Event;
use crate::domain::facts::{Context, Facts, Role};
use crate::domain::ids::{RouteId, TaskId};
use crate::domain::refusal::{Code, Refusal};
use crate::domain::route::{Judge, Route, RouteCause, Routed, SOLVED_FROM, ToRoute, Work, project};
use crate::domain::task::{Task, TaskSpec};
use crate::domain::workflow::{Budget, GateKind, ModelTier, Phase};

use super::budget::Standing;
use super::{budget, holder, is_back, require};

/// Checks that say no once are a part of usual work; at the second leaving that they refuse in one stay the try counts as failed.
const REFUSALS_A_TRY: u32 = 2;

/// What was decided, with the models that follow from it.
pub(super) fn with_routes(facts: &Facts, events: Vec<Event>, context: &Context) -> Vec<Event> {
    let mut all = Vec::with_capacity(events.len());
    for event in events {
        if let Event::TaskClaimed { task, agent, fence, handle, lease_seconds, route: None } = event {
            let route = at_claim(facts, task, &all, context).map(Box::new);
            all.push(Event::TaskClaimed { task, agent, fence, handle, lease_seconds, route });
            continue;
        }
        // Behind the event: what opened a step stands right before it.
        let follows = follows(facts, &event, context);
        all.push(event);
        all.extend(follows);
    }
    all
}

fn follows(facts: &Facts, event: &Event, context: &Context) -> Vec<Event> {
    if let Event::GateRefused { task, gate, cancelled: false, .. } = event {
        let task = facts.state.tasks.get(task);
        let why = format!("checks said no {REFUSALS_A_TRY} times, the last is {gate}");
        let over = task.filter(|task| is_last_refusal(task));
        over.map(|task| failed(facts, task, Judge::Gates, why, context)).unwrap_or_default()
    } else if let Event::AttemptFailed { task, reason, .. } | Event::TaskFailed { task, reason } = event {
        let task = facts.state.tasks.get(task);
        task.and_then(|task| outcome_of(task, &task.phase, 0.0, Judge::Agent, reason.clone())).into_iter().collect()
    } else if let Event::PhaseEntered { task, from, phase, .. } = event {
        moved(facts, *task, from, phase, context)
    } else {
        Vec::new()
    }
}

fn is_last_refusal(task: &Task) -> bool {
    let route = task.route.as_ref();
    route.is_some_and(|route| !route.checks.have_refused() && route.refused.saturating_add(1) >= REFUSALS_A_TRY)
}

/// For whoever takes the task, which may have been handed in just now.
fn at_claim(facts: &Facts, id: TaskId, before: &[Event], context: &Context) -> Option<Routed> {
    if let Some(task) = facts.state.tasks.get(&id) {
        return routed(facts, task, facts.phase_of(task).ok()?, failed_at(task), context);
    }
    before.iter().find_map(|event| {
        let Event::TaskSubmitted { task, spec, workflow, phase, .. } = event else { return None };
        let workflow = facts.workflows.get(workflow).filter(|_| *task == id)?;
        let left = Some(spec.budget).filter(|budget| *budget != Budget::default());
        let (phase, work) = (workflow.phase(phase)?, Work::of(spec, 0));
        choose(&ToRoute { left, ..around(id, spec, phase, &work, context) }, context)
    })
}

fn failed_at(task: &Task) -> &[ModelTier] {
    task.route.as_ref().map(|route| route.failed.as_slice()).unwrap_or_default()
}

fn routed(facts: &Facts, task: &Task, phase: &Phase, failed: &[ModelTier], context: &Context) -> Option<Routed> {
    if phase.end {
        return None;
    }
    let work = Work::of(&task.spec, task.attempts.failed);
    choose(&ToRoute { failed, ..standing(facts, task, phase, &work, context) }, context)
}

fn choose(asked: &ToRoute<'_>, context: &Context) -> Option<Routed> {
    context.routes.route(asked).as_ref().map(Routed::of)
}

/// Work at a phase of a task, before anything is known of caps and failures.
fn around<'a>(id: TaskId, spec: &TaskSpec, phase: &'a Phase, work: &'a Work, context: &'a Context) -> ToRoute<'a> {
    ToRoute {
        id: piece(id, &phase.name),
        project: project(spec),
        work,
        phase: Some(phase),
        failed: &[],
        agent: &context.caller.agent,
        left: None,
        taken_percent: 0,
        automatic: true,
    }
}

/// The same for a task that stands: what of its budgets is left counts.
fn standing<'a>(facts: &Facts, task: &Task, phase: &'a Phase, work: &'a Work, context: &'a Context) -> ToRoute<'a> {
    let caps = budget::standings(facts, task, context.now).unwrap_or_default();
    let taken_percent = caps.iter().map(Standing::percent).max().unwrap_or(0);
    ToRoute { left: budget::least(&caps), taken_percent, ..around(task.id, &task.spec, phase, work, context) }
}

/// What every try at one phase of one task is known by.
pub fn piece(task: TaskId, phase: &str) -> String {
    format!("{task}/{phase}")
}

/// A try failed while its task goes on: the next one, here or by a subagent, is on a tier that did not.
fn failed(facts: &Facts, task: &Task, judge: Judge, why: String, context: &Context) -> Vec<Event> {
    let Some(outcome) = outcome_of(task, &task.phase, 0.0, judge, why) else { return Vec::new() };
    let mut failed = failed_at(task).to_vec();
    if let Some(route) = task.route.as_ref().filter(|route| !failed.contains(&route.now.tier)) {
        failed.push(route.now.tier);
    }
    let phase = facts.phase_of(task).ok();
    let next = phase.and_then(|phase| routed(facts, task, phase, &failed, context));
    let next = next.map(|route| model(task.id, &task.phase, RouteCause::Failure, route));
    [outcome].into_iter().chain(next).collect()
}

fn model(task: TaskId, phase: &str, because: RouteCause, route: Routed) -> Event {
    Event::ModelRouted { task: Some(task), decision: None, phase: phase.to_owned(), because, route, work: None }
}

/// How the try went that its task is in; nothing where none was routed.
fn outcome_of(task: &Task, phase: &str, success: f64, judge: Judge, why: String) -> Option<Event> {
    let route = task.route.as_ref()?;
    Some(Event::OutcomeRecorded {
        task: Some(task.id),
        decision: None,
        phase: phase.to_owned(),
        tier: route.now.tier,
        tier_told: false,
        model: None,
        success,
        judge,
        why,
        micro_usd: None,
        after: route.failed.clone(),
    })
}

/// What stands behind a step to another phase: how the work went, and the model to go on with.
fn moved(facts: &Facts, id: TaskId, from: &str, to: &str, context: &Context) -> Vec<Event> {
    let Some(task) = facts.state.tasks.get(&id) else { return Vec::new() };
    let Ok(workflow) = facts.workflow_of(task) else { return Vec::new() };
    let Some((from, to)) = workflow.phase(from).zip(workflow.phase(to)) else { return Vec::new() };
    if is_back(workflow, from, to) {
        return sent_back(facts, task, from, to, context);
    }
    let why = || format!("the gates of {} let it through", from.name);
    let outcome = is_verified(from).then(|| outcome_of(task, &from.name, 1.0, Judge::Gates, why())).flatten();
    let now = task.route.as_ref().map(|route| route.now.tier);
    let next = routed(facts, task, to, &[], context).filter(|route| Some(route.tier) != now);
    let next = next.map(|route| model(id, &to.name, RouteCause::Phase, route));
    outcome.into_iter().chain(next).collect()
}

/// Whoever sends work back has found that its gates let through what they should not have.
fn sent_back(facts: &Facts, task: &Task, from: &Phase, to: &Phase, context: &Context) -> Vec<Event> {
    let passed = task.route.as_ref().and_then(|route| route.passed.get(&to.name)).copied();
    let outcome = passed.map(|tier| Event::OutcomeRecorded {
        task: Some(task.id),
        decision: None,
        phase: to.name.clone(),
        tier,
        tier_told: false,
        model: None,
        success: 0.0,
        judge: Judge::Agent,
        why: format!("sent back from {}", from.name),
        micro_usd: None,
        after: Vec::new(),
    });
    let failed: Vec<ModelTier> = passed.into_iter().collect();
    let because = if failed.is_empty() { RouteCause::Phase } else { RouteCause::Failure };
    let next = routed(facts, task, to, &failed, context).map(|route| model(task.id, &to.name, because, route));
    outcome.into_iter().chain(next).collect()
}

/// Something other than the holder's word stands between this phase and the next.
pub fn is_verified(phase: &Phase) -> bool {
    phase.exit.iter().any(|gate| {
        matches!(
            gate.kind,
            GateKind::Command { .. } | GateKind::Syntax { .. } | GateKind::Hook { .. } | GateKind::Approval(_)
        )
    })
}

/// `route_model`: for work that the caller hands on, in the phase of the task it holds.
pub fn asked(facts: &Facts, decision: RouteId, work: &Work, context: &Context) -> Option<(Route, Event)> {
    let task = facts.held.first().and_then(|id| facts.state.tasks.get(id));
    let phase = task.and_then(|task| facts.phase_of(task).ok());
    // What is on record counts, whatever the agent says of its tries.
    let tries = task.map_or(0, |task| task.attempts.failed).max(work.failed_attempts.unwrap_or(0));
    let work = Work { failed_attempts: Some(tries), ..work.clone() };
    let id = decision.0.clone();
    let asked = match task.zip(phase) {
        Some((task, phase)) => ToRoute { id, automatic: false, ..standing(facts, task, phase, &work, context) },
        None => ToRoute {
            id,
            project: String::new(),
            work: &work,
            phase: None,
            failed: &[],
            agent: &context.caller.agent,
            left: None,
            taken_percent: 0,
            automatic: false,
        },
    };
    let route = context.routes.route(&asked)?;
    let event = Event::ModelRouted {
        task: task.map(|task| task.id),
        decision: Some(decision.clone()),
        phase: phase.map(|phase| phase.name.clone()).unwrap_or_default(),
        because: RouteCause::Asked,
        route: Routed::of(&route),
        work: Some(Box::new(work)),
    };
    Some((Route { decision: Some(decision), ..route }, event))
}

/// What was learned decides what work costs, so forgetting it is a person's.
pub(super) fn reset(facts: &Facts, upto: u64, reason: &str, context: &Context) -> Result<Vec<Event>, Refusal> {
    require(context, &[Role::Operator, Role::Approver], "forgetting what was learned")?;
    let known = facts.state.learning;
    let forgotten = upto.max(known.forgotten);
    Ok(vec![Event::LearningReset {
        reason: reason.to_owned(),
        generation: known.generation.saturating_add(1),
        forgotten,
    }])
}

/// A subagent that starts under a task: on what its phase says, else on what its own work deserves. A model that the agent
/// names stands, unless the phase sets one.
pub fn for_subagent(facts: &Facts, task: &Task, prompt: &str, named: bool, context: &Context) -> Option<Routed> {
    let phase = facts.phase_of(task).ok()?;
    if named && phase.model.is_none() {
        return None;
    }
    let of_task = Work::of(&task.spec, task.attempts.failed);
    let work = Work { description: Some(prompt.to_owned()), ..of_task };
    choose(&ToRoute { failed: failed_at(task), ..standing(facts, task, phase, &work, context) }, context)
}

/// `record_outcome`: for what no gate sees.
pub(super) fn outcome(facts: &Facts, told: &RecordOutcome, context: &Context) -> Result<Vec<Event>, Refusal> {
    if !(0.0..=1.0).contains(&told.success) {
        let message = format!("a success of {} is not possible", told.success);
        return Err(Refusal::new(Code::BadArguments, message, "it is 0 for failed to 1 for done"));
    }
    let judge = if context.caller.role == Role::Agent { Judge::Agent } else { Judge::Person };
    let event = |task, decision, phase: String, tier, after| Event::OutcomeRecorded {
        task,
        decision,
        phase,
        tier,
        tier_told: told.tier.is_some(),
        model: told.model.clone(),
        success: told.success,
        judge,
        why: told.why.clone(),
        micro_usd: told.micro_usd,
        after,
    };
    let Some(id) = &told.decision else {
        let (task, _) = holder(facts, &told.target, context)?;
        let phase = facts.phase_of(task)?;
        if is_verified(phase) {
            let message = format!("the gates of phase {} judge work on {}, not its holder", phase.name, task.id);
            let hint = "transition_phase runs them; update_task with `fail` says that a try failed";
            return Err(Refusal::new(Code::WrongState, message, hint));
        }
        let routed = task.route.as_ref().map(|route| route.now.tier);
        let Some(tier) = told.tier.or(routed) else {
            let message = format!("no model was routed for {}, so its outcome says nothing about one", task.id);
            return Err(Refusal::new(Code::BadArguments, message, "say which `tier` it was done with"));
        };
        let done = task.route.as_ref().and_then(|route| route.passed.get(&phase.name));
        if told.success >= SOLVED_FROM && done == Some(&tier) {
            return Ok(Vec::new());
        }
        let after = failed_at(task).to_vec();
        return Ok(vec![event(Some(task.id), None, phase.name.clone(), tier, after)]);
    };
    let Some(decision) = facts.state.decisions.get(id) else {
        let message = format!("there is no decision {id}");
        return Err(Refusal::new(Code::UnknownDecision, message, "give the `decision` that route_model answered with"));
    };
    if decision.agent != context.caller.agent && judge == Judge::Agent {
        let message = format!("{id} was `{}`'s question, and you are `{}`", decision.agent, context.caller.agent);
        return Err(Refusal::new(Code::NotHolder, message, "who asked route_model says how it went"));
    }
    match decision.success {
        Some(known) if (known - told.success).abs() < 1e-9 => Ok(Vec::new()),
        Some(known) => {
            let message = format!("the outcome of {id} is on record already: {known}");
            Err(Refusal::new(Code::WrongState, message, "an outcome is told once; ask route_model for the next try"))
        }
        None => {
            let tier = told.tier.unwrap_or(decision.route.tier);
            Ok(vec![event(decision.task, Some(id.clone()), String::new(), tier, Vec::new())])
        }
    }
}
