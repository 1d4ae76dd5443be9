//! How events of models change rows: where a task stands with them, answers of `route_model`, tries that have ended.

use super::{Stamp, State};
use crate::domain::event::Event;
use crate::domain::route::{Decision, RouteCause, Routed, SOLVED_FROM, TaskRoute, Tried, project};
use crate::domain::task::Task;

/// Events of models: where a task stands with them, and what there is to learn from.
pub(super) fn change(state: &mut State, event: &Event, stamp: Stamp<'_>) {
    if let Event::ModelRouted { task, decision, because, route, work, .. } = event {
        let task = task.and_then(|id| state.tasks.get_mut(&id));
        if let (Some(id), Some(work)) = (decision, work) {
            let new = Decision {
                id: id.clone(),
                agent: stamp.by.clone(),
                task: task.as_ref().map(|task| task.id),
                project: task.as_ref().map(|task| project(&task.spec)).unwrap_or_default(),
                work: (**work).clone(),
                route: route.clone(),
                at: stamp.at,
                success: None,
            };
            state.decisions.insert(id.clone(), new);
        } else if let (Some(task), RouteCause::Phase | RouteCause::Failure) = (task, because) {
            take(task, route);
        }
    }
    let Event::OutcomeRecorded {
        task, decision, phase, tier, tier_told, model, success, judge, micro_usd, after, ..
    } = event
    else {
        return;
    };
    state.tries.push(Tried {
        task: *task,
        phase: phase.clone(),
        decision: decision.clone(),
        tier: *tier,
        told: if *tier_told { Some(tier.word().to_owned()) } else { model.clone() },
        success: *success,
        judge: *judge,
        micro_usd: *micro_usd,
        after: after.clone(),
        at: stamp.at,
    });
    if let Some(decision) = decision.as_ref().and_then(|id| state.decisions.get_mut(id)) {
        decision.success = Some(*success);
        return;
    }
    let task = task.and_then(|id| state.tasks.get_mut(&id));
    let Some((stands, route)) = task.and_then(|task| Some((&task.phase, task.route.as_mut()?))) else { return };
    if *success >= SOLVED_FROM {
        route.passed.insert(phase.clone(), *tier);
    } else if stands == phase && !route.failed.contains(tier) {
        route.failed.push(*tier);
    }
}

pub(super) fn take(task: &mut Task, now: &Routed) {
    let kept = task.route.take().map(|route| *route);
    let (failed, passed, checks) = kept.map(|route| (route.failed, route.passed, route.checks)).unwrap_or_default();
    task.route = Some(Box::new(TaskRoute { now: now.clone(), refused: 0, checks, failed, passed }));
}

/// Checks that say no count against whoever works on it, once for each try to leave.
pub(super) fn checked(state: &mut State, event: &Event) {
    let (Event::GateStarted { task, .. } | Event::GateRefused { task, cancelled: false, .. }) = event else { return };
    let Some(route) = state.tasks.get_mut(task).and_then(|task| task.route.as_mut()) else { return };
    if let Event::GateStarted { gate, .. } = event {
        route.checks.start(gate);
    } else if route.checks.refuse() {
        route.refused = route.refused.saturating_add(1);
    }
}
