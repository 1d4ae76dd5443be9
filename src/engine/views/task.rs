//! What surrounds one task: its phases and gates, who waits for it, what it is made of, what it costs.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::domain::command::Target;
use crate::domain::decide::gate_views::gate_views;
use crate::domain::decide::warn;
use crate::domain::event::Event;
use crate::domain::forecast;
use crate::domain::ids::{RunId, TaskId};
use crate::domain::view::{CostBy, CostFilter, PhaseStep, Surroundings};
use crate::domain::workflow::Workflow;
use crate::engine::{Engine, startup};
use crate::store::views::{self, Standing};
use crate::store::{self, Scope, StoreError, Tx, With, spending, warnings};

use super::board::Around;

const ROWS_MAX: usize = 200;
/// Records of one kind that are read for a task.
const RECORDS_MAX: usize = 500;

/// As much of a record as is asked for here.
#[derive(Deserialize)]
struct Told {
    event: Event,
}

impl Engine {
    /// Nothing where there is no such task.
    pub fn surroundings(&self, id: TaskId) -> Result<Option<Surroundings>, StoreError> {
        let caller = startup::system();
        let (by, context) = (self.by(&caller, "tasks"), self.context(&caller));
        let scope =
            Scope::Task { target: Target { task: Some(id), ..Target::default() }, with: With::GatesAndDependents };
        self.view(|tx| {
            let facts = store::look(tx, &scope, &by)?;
            let (Some(standing), Ok(task)) = (views::standing_one(tx, id)?, facts.task(id)) else { return Ok(None) };
            let around = Around::look(tx)?;
            let workflow = facts.workflow_of(task).ok();
            // A task whose version is gone has no gates to show; `doctor` tells of it.
            let gates = gate_views(&facts, task, &outputs(tx, id)?, &context).unwrap_or_default();
            let visited = visited(tx, id)?;
            let phases = workflow.map(|workflow| steps(workflow, &standing, &visited)).unwrap_or_default();
            let row = |standing: &Standing| standing.row();
            let by = vec![CostBy::Task, CostBy::Phase, CostBy::Agent, CostBy::Model];
            Ok(Some(Surroundings {
                card: around.card(&standing, workflow, context.now),
                phases,
                gates,
                violations: task.violations.clone(),
                waits_for_it: views::dependents(tx, id, ROWS_MAX)?.iter().map(row).collect(),
                children: views::children(tx, id, ROWS_MAX)?.iter().map(row).collect(),
                forecasts: warn::open_forecasts(&facts, task, context.now),
                usual: forecast::usual(&warnings::done_like(tx, task)?),
                costs: spending::costs_by(tx, &CostFilter { by, task: Some(id), ..CostFilter::default() })?,
            }))
        })
    }
}

fn steps(workflow: &Workflow, standing: &Standing, visited: &BTreeSet<String>) -> Vec<PhaseStep> {
    let task = &standing.task;
    let step = |phase: &crate::domain::workflow::Phase| PhaseStep {
        name: phase.name.clone(),
        goal: phase.goal.clone(),
        end: phase.end,
        current: phase.name == task.phase,
        visited: phase.name == task.phase || visited.contains(&phase.name),
        next: phase.next.clone(),
    };
    workflow.phases.iter().map(step).collect()
}

fn events(tx: &mut dyn Tx, id: TaskId, kind: &str) -> Result<Vec<Event>, StoreError> {
    let bodies = views::bodies(tx, id, kind, RECORDS_MAX)?;
    // A record whose content was erased tells nothing any more.
    Ok(bodies.iter().filter_map(|body| serde_json::from_str::<Told>(body).ok()).map(|told| told.event).collect())
}

fn visited(tx: &mut dyn Tx, id: TaskId) -> Result<BTreeSet<String>, StoreError> {
    let mut found = BTreeSet::new();
    for event in events(tx, id, "PhaseEntered")? {
        if let Event::PhaseEntered { from, phase, .. } = event {
            found.extend([from, phase]);
        }
    }
    Ok(found)
}

/// What runs printed, by its digest.
fn outputs(tx: &mut dyn Tx, id: TaskId) -> Result<BTreeMap<RunId, String>, StoreError> {
    let mut found = BTreeMap::new();
    for event in events(tx, id, "GatePassed")?.into_iter().chain(events(tx, id, "GateRefused")?) {
        if let Event::GatePassed { run, output: Some(output), .. }
        | Event::GateRefused { run, output: Some(output), .. } = event
        {
            found.insert(run, output);
        }
    }
    Ok(found)
}
